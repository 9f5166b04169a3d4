"""Scores and reasons: rows a second, peak memory as the shop grows, and shap's TreeExplainer on the same trees.

    python -m benchmarks.scoring [--rows 100000 1000000 10000000] [--reasons 20000 100000]

The feature tables are made up, with the columns of the catalogue, and removed afterwards (3 GB at 10 million rows).
The model has 300 trees of 15 leaves, a twin, and an outlook of trees. Every measurement is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.features.common import print_table, scratch_folder
from models import classifier, regression
from models.calibration import Calibrator
from models.outlook import Outlook
from models.scorer import Boosted, ChurnModel
from models.timing import NextOrder
from models.value import NextYear
from pipeline import explain_scores, score_customers
from pipeline.project import datasets, model_store, settings, shop_features
from pipeline.project.settings import Settings

ROOT = Path(__file__).parents[1]
ALWAYS_KNOWN = ("days_since_last_order", "days_since_first_order", "days_with_order_so_far", "spend_per_year")
UNKNOWN = 0.15
AS_OF = "2026-01-01"
TREES = {"trees": 300, "leaves": 15, "seed": 7, "threads": 2}
EXPLAINED_BY_SHAP = 2_000
REPETITIONS = 3


def shipped() -> Settings:
    return settings.parse((ROOT / "params.yaml").read_text(encoding="utf-8"))


def made_up(rows: int, seed: int = 1) -> Iterator[pd.DataFrame]:
    """Customers with the columns of the catalogue: whole counts, money, shares and days, some of them unknown."""
    columns = shop_features.catalogue(shipped())
    for start in range(0, rows, datasets.ROWS_AT_ONCE):
        rng = np.random.default_rng([seed, start])
        count = min(datasets.ROWS_AT_ONCE, rows - start)
        table: dict[str, Any] = {"customer_id": [f"c_{n:024x}" for n in range(start, start + count)]}
        for name, column in columns.items():
            unit = column.feature.unit
            if unit == "days":
                values = np.round(rng.exponential(120, count), 3)
            elif unit in ("count", "points"):
                values = rng.poisson(2, count).astype("float64")
            elif unit == "money":
                values = np.floor(rng.exponential(5_000, count))
            else:
                values = rng.integers(0, 12, count) / rng.integers(1, 12, count)
            if name not in ALWAYS_KNOWN:
                values[rng.uniform(size=count) < UNKNOWN] = np.nan
            table[name] = values
        yield pd.DataFrame(table)


def write_model(folder: Path) -> None:
    """Fit all that scoring reads on made-up customers whose answer hangs on every column a little."""
    s = shipped()
    rows = next(made_up(40_000, seed=2)).drop(columns="customer_id")
    rng = np.random.default_rng(3)
    ranks = rows.rank(pct=True).fillna(0.5).to_numpy() - 0.5
    pull = ranks @ rng.normal(size=ranks.shape[1]) + rng.normal(size=len(rows))
    churned = pd.Series((pull > 0).astype("int8"))
    columns = tuple(rows.columns)
    model = s.model.model_copy(update=TREES)
    ranker, twin = (
        Boosted(classifier.fit(rows, churned, model.model_copy(update={"seed": seed})), columns) for seed in (7, 8)
    )
    days = np.exp(pull / pull.std() + 3)
    quantiles = [{"objective": "quantile", "alpha": level} for level in (0.1, 0.5, 0.9)]
    revenue = [{"objective": "tweedie"}] * 2
    outlook = Outlook(
        NextOrder(regression.fit(rows, days, quantiles, model), columns, (5.0, 30.0, 90.0), (0.0, 0.0), 97.0, ""),
        NextYear(regression.fit(rows, days / days.mean(), revenue, model), (1e4, 1e3), columns, ""),
    )
    churn = ChurnModel(ranker, Calibrator("sigmoid", 0.95, 0.02), (twin,))
    model_store.write_files(folder, churn.to_files() | outlook.to_files(), {})


def peak_bytes() -> float:
    """The most memory this process has held at a time."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return float(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024


def measured(what: str, table: Path, folder: Path) -> dict[str, float]:
    """Do one thing in this process, whose working folder it changes; seconds, processor seconds, peak and rows."""
    s, model_folder = shipped(), folder / "model"
    rows = EXPLAINED_BY_SHAP
    if what in ("trees", "shap"):
        model = model_store.read(model_folder)
        part = model.select(next(datasets.read_parquet_parts(table)))
        if what == "shap":
            import shap

            part = part.head(EXPLAINED_BY_SHAP)
            explainer = shap.TreeExplainer(model.booster)
        else:
            rows = len(part)
            model.ranker.contributions(part.head(1))  # The tables are made once for all parts.
    started, used = time.perf_counter(), time.process_time()
    if what == "score":
        score_customers.run(s, table, model_folder, folder / "scores.parquet", AS_OF)
        rows = datasets.count_rows(table)
    elif what == "explain":
        explain_scores.run(s, table, model_folder, folder / "reasons.parquet")
        rows = datasets.count_rows(table)
    elif what == "trees":
        values = model.ranker.contributions(part)
    else:
        values = pd.DataFrame(explainer.shap_values(part), columns=part.columns)
    seconds, processor = time.perf_counter() - started, time.process_time() - used
    if what in ("trees", "shap"):
        np.save(folder / f"{what}.npy", values[list(model.columns)].to_numpy()[:EXPLAINED_BY_SHAP])
    return {"rows": rows, "wall": seconds, "processor": processor, "peak": peak_bytes()}


def child(what: str, table: Path, folder: Path) -> dict[str, float]:
    """:func:`measured` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.scoring", "--child", what, str(table), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def row(name: str, found: dict[str, float], first: dict[str, float]) -> dict[str, str]:
    return {
        "what": name,
        "customers": f"{found['rows']:,.0f}",
        "rows/s, wall": f"{found['rows'] / found['wall']:,.0f}",
        "rows/s of one core": f"{found['rows'] / found['processor']:,.0f}",
        "peak": f"{found['peak'] / 1e6:,.0f} MB",
        "÷ the smallest": f"{found['peak'] / first['peak']:.2f}",
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--reasons", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--child", nargs=3, metavar=("WHAT", "TABLE", "FOLDER"))
    asked = parser.parse_args(arguments)
    if asked.child:
        what, table, folder = asked.child
        sys.stdout.write("\n" + json.dumps(measured(what, Path(table), Path(folder))) + "\n")
        return

    with scratch_folder() as name:
        folder = name.resolve()
        write_model(folder / "model")
        results = []
        for what, sizes in (("score", asked.rows), ("explain", asked.reasons)):
            first = None
            for rows in sizes:
                table = folder / f"features-{rows}.parquet"
                datasets.write_parquet_parts(made_up(rows), table, "customer_id")
                found = child(what, table, folder)
                first = first or found
                results.append(row(what, found, first))
                table.unlink()
        print_table(f"Scoring, 300 trees of 15 leaves, {len(shop_features.catalogue(shipped()))} columns", results)

        table = folder / "features.parquet"
        datasets.write_parquet_parts(made_up(datasets.ROWS_READ), table, "customer_id")
        runs = [{what: child(what, table, folder) for what in ("shap", "trees")} for _ in range(REPETITIONS)]
        speed = {
            clock: {w: median(run[w]["rows"] / run[w][clock] for run in runs) for w in ("shap", "trees")}
            for clock in ("wall", "processor")
        }
        difference = np.abs(np.load(folder / "shap.npy") - np.load(folder / "trees.npy")).max()
        print_table(
            f"SHAP values, median of {REPETITIONS} runs in turn; shap {version('shap')}",
            [
                {
                    "rows/s": clock,
                    "TreeExplainer": f"{found['shap']:,.0f}",
                    "ours": f"{found['trees']:,.0f}",
                    "ours ÷ TreeExplainer": f"{found['trees'] / found['shap']:.1f}",
                    "largest difference": f"{difference:.1e}",
                }
                for clock, found in speed.items()
            ],
        )


if __name__ == "__main__":
    main()
