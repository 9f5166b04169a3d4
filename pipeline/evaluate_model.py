"""Stage: how good the backtest models were at origins they had never seen, beside the baselines."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from models.evaluation import evaluate
from models.scorer import read_baselines
from pipeline import advise_horizon, datasets, model_store, settings, stage
from pipeline.errors import DataError
from pipeline.evaluation_page import model_card, page, plain, plots
from pipeline.progress import say
from pipeline.settings import Settings
from timeline import format_date

ORDERS_ONLY = "wafa_orders_only"
TWINS = {ORDERS_ONLY: "orders_only"}
"""Column of the predictions, and the folder of a backtest that may hold the model behind it: ours on the logs of
orders alone."""


def predict(s: Settings) -> pd.DataFrame:
    """One row per customer and test origin: label, and the probability of each model fitted before that origin.

    Raises:
        DataError: No test origin has a purged training cutoff.
    """
    cohort = datasets.read_parquet(datasets.COHORT)
    frames = []
    tested = cohort[cohort["role"] == "test"]
    for cutoff in sorted(tested["cutoff"].unique()):
        part = tested[tested["cutoff"] == cutoff]
        origin = format_date(int(cutoff), s.shop.timezone)
        folder = datasets.MODEL / "backtest" / origin
        matrix = datasets.read_parquet(datasets.FEATURES / f"{origin}.parquet")
        rows = part.merge(matrix, on="customer_id", validate="one_to_one")
        model, baselines = model_store.read(folder), read_baselines(datasets.read_json(folder / "baselines.json"))
        found: dict[str, Any] = {"wafa": model.probability(rows)}
        found |= {name: baseline.probability(rows) for name, baseline in baselines.items()}
        found["wafa_undrifted"] = replace(model, calibrator=model.calibrator.without_drift()).probability(rows)
        for reseeded in model.twins[:1]:
            found["wafa_reseeded"] = replace(model, ranker=reseeded, twins=()).probability(rows)
        for name, twin in TWINS.items():
            if (folder / twin).is_dir():
                found[name] = model_store.read(folder / twin).probability(rows)
        frames.append(pd.DataFrame(rows[["customer_id", "churned"]].assign(origin=origin, **found)))
    if not frames:
        raise DataError(
            "evaluation: no test origin has a training cutoff whose label was complete before it. Bring a longer "
            "history, or lower cohort.horizon_days."
        )
    return pd.concat(frames, ignore_index=True).sort_values(["customer_id", "origin"], ignore_index=True)


def main() -> None:
    """Write data/evaluation/: predictions.parquet, metrics.json, evaluation.html, model_card.md and plots."""
    s = settings.load()
    rows = predict(s)
    datasets.write_parquet(rows, datasets.PREDICTIONS, key=("customer_id", "origin"))
    datasets.write_json(advise_horizon.advise(s, datasets.EVENTS), datasets.HORIZON)
    compared = {name: name for name in rows.columns.difference(["customer_id", "origin", "churned"], sort=False)}
    c, final = s.cohort, model_store.manifest(datasets.MODEL)
    metrics = {
        "population": {
            "eligibility": f"customers who ordered in the {c.active_days} days before the cutoff",
            "active_days": c.active_days,
            "gap_days": c.gap_days,
            "horizon_days": c.horizon_days,
            "label": f"no order from day {c.gap_days} to day {c.gap_days + c.horizon_days} after the cutoff",
        },
        "is_simulated": bool(s.demo),
        "model_hash": final["model_hash"],
        "predictions_sha256": model_store.sha256(datasets.PREDICTIONS),
        **evaluate(rows, compared, s.model.bootstrap_draws, s.model.seed),
    }
    importance = _importance()
    pictures = plots(metrics, importance)
    with datasets.replace_folder(datasets.PLOTS) as draft:
        for name, picture in pictures.items():
            datasets.write_text(picture, draft / name)
    datasets.write_text(page(s, metrics, pictures), datasets.EVALUATION_PAGE)
    datasets.write_text(model_card(s, metrics, final, model_store.read(datasets.MODEL).columns), datasets.MODEL_CARD)
    datasets.write_json(metrics, datasets.METRICS)
    mean = metrics["mean"]
    say(
        f"evaluation: {len(metrics['origins'])} origins, mean AUROC {plain(mean['wafa']['auroc'], '.3f')} "
        f"(logistic RFM {plain(mean['logistic_rfm']['auroc'], '.3f')}, "
        f"recency {plain(mean['recency']['auroc'], '.3f')}), ECE {plain(mean['wafa']['ece'], '.3f')}"
    )
    from pipeline import tracking

    with TemporaryDirectory() as folder:
        # MLflow keeps what `wafa erase` does not reach: nothing about a person goes there.
        for path in (datasets.METRICS, datasets.EVALUATION_PAGE, datasets.MODEL_CARD):
            shutil.copy(path, folder)
        shutil.copytree(datasets.PLOTS, Path(folder) / datasets.PLOTS.name)
        tracking.log_evaluation(metrics, Path(folder))


def _importance() -> dict[str, float]:
    """Mean |SHAP| in log-odds per column of the final model, on the newest training cutoff."""
    import warnings

    import shap

    model = model_store.read(datasets.MODEL)
    newest = sorted(datasets.FEATURES.glob("*.parquet"))[-1]
    matrix = model.select(datasets.read_parquet(newest)).head(2_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SHAP announces a change of shape that the next line copes with.
        values = shap.TreeExplainer(model.booster).shap_values(matrix)
    weights = np.abs(np.asarray(values)).mean(axis=0)
    return {
        name: round(float(w), 6) for name, w in sorted(zip(matrix.columns, weights, strict=True), key=lambda x: -x[1])
    }


if __name__ == "__main__":
    stage.run(main)
