"""A shop of two hundred customers at twelve cutoffs, as the training of a model sees it."""

import ibis
import numpy as np
import pandas as pd

from models.training import ChurnTrainer
from pipeline.project.settings import Settings
from pipeline.project.training_inputs import OrderBook, question
from timeline import DAY_US, parse_date

ZONE = "Europe/London"
CUSTOMERS = 200
CUTOFFS = [parse_date(f"2025-{month:02d}-01", ZONE) for month in range(1, 13)]


def training_rows() -> pd.DataFrame:
    """One row per customer and cutoff."""
    rng = np.random.default_rng(6)
    feature = rng.normal(size=(12, CUSTOMERS))
    return pd.DataFrame(
        {
            "customer_id": np.tile([f"c{n:03d}" for n in range(CUSTOMERS)], 12),
            "cutoff": np.repeat(CUTOFFS, CUSTOMERS),
            "a": feature.ravel(),
            "days_since_last_order": rng.uniform(1, 300, 12 * CUSTOMERS),
            "days_since_first_order": 320.0,
            "days_with_order_so_far": rng.integers(1, 5, 12 * CUSTOMERS).astype("float64"),
            "spend_per_year": rng.uniform(1, 9, 12 * CUSTOMERS),
            "churned": (feature + rng.normal(size=feature.shape) > 0).astype("int8").ravel(),
        }
    ).sort_values(["customer_id", "cutoff"], ignore_index=True)


def book() -> OrderBook:
    """Forty customers who order all the time, from a year before the first cutoff to the last."""
    rng = np.random.default_rng(8)
    first, last = CUTOFFS[0] - 365 * DAY_US, CUTOFFS[-1]
    times = np.sort(rng.integers(first, last, 40 * 12))
    orders = pd.DataFrame(
        {
            "customer_id": np.tile([f"c{n:03d}" for n in range(40)], 12),
            "event": "Order Completed",
            "occurred_at": times,
            "loaded_at": times,
        }
    )
    connection = ibis.duckdb.connect()
    return OrderBook(connection.create_table("orders", orders), connection)


def small_trainer(rows: pd.DataFrame, shop: Settings) -> ChurnTrainer:
    """The trainer of these rows, with trees that take no time."""
    small = shop.model.model_copy(update={"trees": 3, "leaves": 3, "min_rows_per_leaf": 10})
    return ChurnTrainer(rows, ["a"], question(shop), small, book(), CUTOFFS[0] - 365 * DAY_US)
