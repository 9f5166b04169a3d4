"""What the ladder does with a shop of some 200 customers and half a year of data, judged by what came afterwards.

    python -m benchmarks.small_shop --shops 10

Each shop is simulated with a seed of its own and lives for ten months. The pipeline is told of the first six only
(sources.complete_until); the model it makes scores the customers eligible then, and so do the baselines as they could
have been made then. Labels are the orders of the months after. Figures of simulated shops only.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from features import label_at
from features.engines import fetch
from models import training
from models.evaluation import auroc
from pipeline import build_cohorts, build_features, ingest_logs, prepare_scoring, simulate_logs, train_model
from pipeline.project import datasets, engine, model_store, settings
from pipeline.project.training_inputs import open_trainer

ROOT = Path(__file__).parents[1]
AS_OF = "2024-01-01"


def made(seed: int, accounts: int) -> dict[str, float | str]:
    """One shop, in the working folder: rung, customers, AUROC of the model and of each baseline."""
    yaml = YAML()
    params = yaml.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["simulation"].update({"seed": seed, "customers": accounts, "months": 10})
    params["sources"]["complete_until"] = AS_OF
    params["scoring"]["as_of"] = AS_OF
    with datasets.PARAMS.open("w", encoding="utf-8") as file:
        yaml.dump(params, file)
    datasets.ERASED.touch()
    for stage in (simulate_logs, ingest_logs, build_cohorts, build_features, train_model, prepare_scoring):
        stage.main()
    s = settings.load()
    rows = datasets.read_parquet(datasets.SCORING)
    connection = engine.connect(s.engine)
    orders = engine.event_tables(connection, datasets.EVENTS, ["orders"])["orders"]
    c, as_of = s.cohort, s.instant(AS_OF)
    stayed = fetch(connection, label_at(orders, as_of, c.gap_days, c.horizon_days))["customer_id"]
    churned = (~rows["customer_id"].isin(stayed)).to_numpy(dtype="float64")
    trainer = open_trainer(s)
    models = {"wafa": model_store.read(datasets.MODEL)}
    lacking = trainer.lacking(as_of)
    for name in training.BASELINES:
        if not (name == "mbg_nbd" and "buy_till_you_die" in lacking):
            models[name] = trainer.baseline(name, as_of)
    ones = np.ones(len(rows))
    found = {name: auroc(model.probability(rows), churned, ones) for name, model in models.items()}
    rung = str(model_store.manifest(datasets.MODEL)["rung"])
    return {"rung": rung, "customers": len(rows), "base_rate": float(churned.mean()), **found}


def main() -> None:
    """Print one line a shop, and the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shops", type=int, default=10)
    parser.add_argument("--accounts", type=int, default=200, help="customers who ever open an account")
    asked = parser.parse_args()
    os.environ["MLFLOW_TRACKING_URI"] = "http://127.0.0.1:9"  # nothing is recorded
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    shops = []
    for seed in range(1, asked.shops + 1):
        with tempfile.TemporaryDirectory() as folder:
            here = Path.cwd()
            os.chdir(folder)
            try:
                shops.append(made(seed, asked.accounts))
            finally:
                os.chdir(here)
        print(
            f"shop {seed}: "
            + ", ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in shops[-1].items())
        )
    names = [name for name in ("wafa", *training.BASELINES) if all(name in shop for shop in shops)]
    means = {name: np.mean([shop[name] for shop in shops]) for name in names}
    gaps = np.array([shop["wafa"] - max(shop[name] for name in names[1:]) for shop in shops])
    print("mean AUROC: " + ", ".join(f"{name} {value:.3f}" for name, value in means.items()))
    best = max(names[1:], key=lambda name: means[name])
    against = np.array([shop["wafa"] - shop[best] for shop in shops])
    error = against.std(ddof=1) / np.sqrt(len(against)) if len(against) > 1 else float("nan")
    print(
        f"against {best}, the best baseline on average: {against.mean():+.3f} ± {1.96 * error:.3f}, "
        f"worst {against.min():+.3f}"
    )
    print(
        f"against the best of three in each shop, known afterwards only: mean {gaps.mean():+.3f}, "
        f"worst {gaps.min():+.3f}"
    )


if __name__ == "__main__":
    main()
