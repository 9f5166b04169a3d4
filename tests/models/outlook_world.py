"""A made-up shop of which everything is known: when who comes back, and what a year brings in."""

import numpy as np
import pandas as pd

from models.outlook import OutlookTrainer as Trainer
from models.settings import ModelSettings
from timeline import DAY_US

FIRST, MONTH = 1_700_000_000_000_000, 30 * DAY_US
GAP, HORIZON = 7, 90
COLUMNS = ["fast", "level", "noise", "spend_per_year", "days_since_first_order"]

QUICK, SLOW = (0.0, 20.0), (40.0, 97.0)
"""Everybody who comes back does so evenly over these days: the fast ones, and the others."""

IF_STAYS, IF_LEAVES = 3.0, 0.4
"""Mean revenue of the next year in levels."""

LEVEL = 5_000


def cutoff(month: int) -> int:
    return FIRST + month * MONTH


def shop(months: int, customers: int, seed: int = 1) -> pd.DataFrame:
    """One row per customer and cutoff with features, outcomes and label."""
    rng = np.random.default_rng(seed)
    frames = []
    for month in range(months):
        fast = rng.random(customers) < 0.5
        level = np.where(rng.random(customers) < 0.5, 0.5, 1.5)
        churned = rng.random(customers) < np.where(fast, 0.3, 0.7)
        low, high = (np.where(fast, QUICK[end], SLOW[end]) for end in (0, 1))
        mean = LEVEL * level * np.where(churned, IF_LEAVES, IF_STAYS)
        frames.append(
            pd.DataFrame(
                {
                    "customer_id": [f"c_{n:05d}" for n in range(customers)],
                    "cutoff": cutoff(month),
                    "churned": churned.astype("int8"),
                    "days_to_next_order": np.where(churned, np.nan, rng.uniform(low, high)),
                    "revenue_next_year": np.round(rng.gamma(2.0, mean / 2.0)),
                    "fast": fast.astype("float64"),
                    "level": level,
                    "noise": rng.normal(size=customers),
                    "spend_per_year": LEVEL * level,
                    "days_since_first_order": 800.0,
                }
            )
        )
    return pd.concat(frames, ignore_index=True).sort_values(["customer_id", "cutoff"], ignore_index=True)


def trainer(rows: pd.DataFrame, settings: ModelSettings) -> Trainer:
    return Trainer.on(rows, COLUMNS, gap_days=GAP, horizon_days=HORIZON, spacing=1, settings=settings)


def at(rows: pd.DataFrame, month: int) -> pd.DataFrame:
    return rows[rows["cutoff"] == cutoff(month)].reset_index(drop=True)
