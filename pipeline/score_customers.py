"""Stage: calibrated churn probability, band, percentile and value per customer eligible at the scoring date."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from models.value import expected_and_at_risk, steady_spend
from pipeline import datasets, model_store, settings, stage
from pipeline.errors import StaleError
from pipeline.progress import say
from pipeline.settings import Settings


def score(matrix: pd.DataFrame, model_folder: Path, s: Settings) -> pd.DataFrame:
    """One row per row of ``matrix``.

    Raises:
        StaleError: The model reads columns that are not computed any more, such as those of a log that went.
    """
    model = model_store.read(model_folder)
    try:
        margin = model.margin(matrix)
    except ValueError as error:
        raise StaleError(f"scores: {error}") from None
    probability = model.calibrator.probability(margin)
    expected, at_risk = expected_and_at_risk(
        steady_spend(matrix["spend_per_year"], matrix["days_since_first_order"]), probability
    )
    # Ranks go by the raw margin: calibration by steps would tie a fifth of the customers.
    percentile = pd.Series(margin).rank(method="average", pct=True).to_numpy() * 100
    bands = np.select(
        [probability >= s.scoring.high_from, probability >= s.scoring.medium_from], ["high", "medium"], "low"
    )
    return pd.DataFrame(
        {
            "customer_id": matrix["customer_id"],
            "churn_probability": probability,
            "margin": margin,
            "band": pd.array(bands, dtype="str"),
            "percentile": percentile,
            "expected_value": expected,
            "value_at_risk": at_risk,
            "days_since_order": np.floor(matrix["days_since_last_order"]).astype("int64"),
            "usual_gap_days": matrix["usual_gap_days"],
            "orders": matrix["days_with_order_so_far"].astype("int64"),
            "average_order_value": np.rint(matrix["average_order_value"].fillna(0)).astype("int64"),
        }
    )


def run(s: Settings, features: Path, model_folder: Path, output: Path) -> None:
    """Write one row per scored customer, key customer_id."""
    scores = score(datasets.read_parquet(features), model_folder, s)
    datasets.write_parquet(scores, output, key=("customer_id",))
    high = int((scores["band"] == "high").sum())
    say(f"scores: {len(scores):,} customers, {high:,} at high risk")


def main() -> None:
    """Write data/scores/scores.parquet."""
    run(settings.load(), datasets.SCORING, datasets.MODEL, datasets.SCORES)


if __name__ == "__main__":
    stage.run(main)
