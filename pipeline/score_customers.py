"""Stage: calibrated churn probability, band, percentile and value per customer eligible at the scoring date."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from models.outlook import Outlook
from models.scorer import ChurnModel
from models.timing import days_later
from models.value import expected_and_at_risk
from pipeline.project import datasets, model_store, settings, stage
from pipeline.project.errors import StaleError
from pipeline.project.progress import say
from pipeline.project.settings import Settings

RANKING_MEMORY = "128MB"
"""Of DuckDB, while it ranks the margins; what does not fit spills to state/."""


def score(matrix: pd.DataFrame, model: ChurnModel, outlook: Outlook, s: Settings, as_of: str) -> pd.DataFrame:
    """One row per row of ``matrix``, of which it is a function: no row knows its neighbours.

    Raises:
        StaleError: The model reads columns that are not computed any more, such as those of a log that went.
    """
    try:
        margin = model.margin(matrix)
        days, stays, leaves = outlook.of(matrix)
    except ValueError as error:
        raise StaleError(f"scores: {error}") from None
    probability = model.calibrator.probability(margin)
    expected, at_risk = expected_and_at_risk(stays, leaves, probability)
    bands = np.select(
        [probability >= s.scoring.high_from, probability >= s.scoring.medium_from], ["high", "medium"], "low"
    )
    return pd.DataFrame(
        {
            "customer_id": matrix["customer_id"],
            "churn_probability": probability,
            "margin": margin,
            "band": pd.array(bands, dtype="str"),
            "expected_value": expected,
            "value_at_risk": at_risk,
            "next_order_from": days[:, 0],
            "next_order_expected": days[:, 1],
            "next_order_until": days[:, 2],
            "act_by": days_later(as_of, days[:, 1]),
            "days_since_order": np.floor(matrix["days_since_last_order"]).astype("int64"),
            "usual_gap_days": matrix["usual_gap_days"],
            "orders": matrix["days_with_order_so_far"].astype("int64"),
            "average_order_value": np.rint(matrix["average_order_value"].fillna(0)).astype("int64"),
        }
    )


def with_percentiles(scores: Path, customers: int, spill: Path) -> Iterator[pd.DataFrame]:
    """The table ``scores`` of so many customers part by part, each row with its percentile among all of them.

    Ranks go by the raw margin: calibration by steps would tie a fifth of the customers. Equal margins share their
    average rank.
    """
    import duckdb

    with duckdb.connect(config={"memory_limit": RANKING_MEMORY, "temp_directory": str(spill)}) as database:
        ranking = database.sql(
            """
            SELECT least_rank + (ties - 1) / 2.0 AS average_rank FROM (
                SELECT
                    file_row_number AS place,
                    rank() OVER (ORDER BY margin) AS least_rank,
                    count(*) OVER (ORDER BY margin RANGE BETWEEN CURRENT ROW AND CURRENT ROW) AS ties
                FROM read_parquet($scores, file_row_number = true)
            ) ORDER BY place
            """,
            params={"scores": str(scores)},
        ).to_arrow_reader(datasets.ROWS_READ)
        ranks = np.zeros(0)
        for part in datasets.read_parquet_parts(scores):
            while len(ranks) < len(part):
                ranks = np.concatenate([ranks, ranking.read_next_batch()["average_rank"].to_numpy()])
            yield part.assign(percentile=ranks[: len(part)] / customers * 100)
            ranks = ranks[len(part) :]


def run(
    s: Settings, features: Path, model_folder: Path, output: Path, as_of: str, rows_read: int = datasets.ROWS_READ
) -> None:
    """Write one row per scored customer, key customer_id; at most ``rows_read`` rows of features are held at a time.

    Raises:
        StaleError: The model holds no outlook, or reads columns that are not computed any more.
    """
    files, high = model_store.read_files(model_folder), 0
    model = ChurnModel.from_files(files)
    try:
        outlook = Outlook.from_files(files)
    except ValueError as error:
        raise StaleError(f"scores: {error}") from None
    with TemporaryDirectory(dir=datasets.private_folder(datasets.SPILL)) as spill:
        draft = Path(spill) / output.name
        parts = (score(matrix, model, outlook, s, as_of) for matrix in datasets.read_parquet_parts(features, rows_read))
        customers = datasets.write_parquet_parts(parts, draft, key="customer_id")

        def ranked() -> Iterator[pd.DataFrame]:
            nonlocal high
            for part in with_percentiles(draft, customers, Path(spill)):
                high += int((part["band"] == "high").sum())
                yield part

        datasets.write_parquet_parts(ranked(), output, key="customer_id")
    say(f"scores: {customers:,} customers, {high:,} at high risk")


def run_before(features: Path, model_folder: Path, output: Path) -> None:
    """Write customer_id and churn_probability of everyone in ``features``, by the model that scores today."""
    model = ChurnModel.from_files(model_store.read_files(model_folder))

    def scored() -> Iterator[pd.DataFrame]:
        for matrix in datasets.read_parquet_parts(features):
            probability = model.calibrator.probability(model.margin(matrix))
            yield pd.DataFrame({"customer_id": matrix["customer_id"], "churn_probability": probability})

    datasets.write_parquet_parts(scored(), output, key="customer_id")


def main() -> None:
    """Write data/scores/scores.parquet and data/scores/before.parquet."""
    s = settings.load()
    run(s, datasets.SCORING, datasets.MODEL, datasets.SCORES, s.scoring.as_of)
    run_before(datasets.SCORING_BEFORE, datasets.MODEL, datasets.SCORES_BEFORE)


if __name__ == "__main__":
    stage.run(main)
