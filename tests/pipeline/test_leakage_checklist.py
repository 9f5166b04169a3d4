"""A line of the model card's checklist of leaks that no other test holds: the future of an origin is not felt there."""

import ibis
import numpy as np
import pandas as pd

from models.training import ChurnTrainer
from pipeline.project.settings import Settings
from pipeline.project.training_inputs import OrderBook, question
from timeline import DAY_US, Window, parse_date

ZONE = "Europe/London"
CUTOFFS = [parse_date(f"2025-{month:02d}-01", ZONE) for month in range(1, 13)]
ORIGIN = CUTOFFS[10]
FIRST = CUTOFFS[0] - 365 * DAY_US
PEOPLE = 120


def training_rows() -> pd.DataFrame:
    rng = np.random.default_rng(6)
    size = len(CUTOFFS) * PEOPLE
    a = rng.normal(size=size)
    return pd.DataFrame(
        {
            "customer_id": np.repeat([f"c{n:03d}" for n in range(PEOPLE)], len(CUTOFFS)),
            "cutoff": np.tile(CUTOFFS, PEOPLE),
            "a": a,
            "days_since_last_order": rng.uniform(1, 300, size),
            "days_since_first_order": 320.0,
            "days_with_order_so_far": rng.integers(1, 5, size).astype("float64"),
            "spend_per_year": rng.uniform(1, 9, size),
            "churned": (a + rng.normal(size=size) > 0).astype("int8"),
        }
    )


def orders() -> pd.DataFrame:
    times = np.sort(np.random.default_rng(8).integers(FIRST, CUTOFFS[-1] + 30 * DAY_US, 40 * 14))
    people = np.tile([f"c{n:03d}" for n in range(40)], 14)
    return pd.DataFrame({"customer_id": people, "event": "Order Completed", "occurred_at": times, "loaded_at": times})


def said_at_the_origin(rows: pd.DataFrame, bought: pd.DataFrame, s: Settings, asked: pd.DataFrame) -> list[bytes]:
    """What our model and every baseline of the origin say of the customers ``asked``."""
    connection = ibis.duckdb.connect()
    book = OrderBook(connection.create_table("orders", bought), connection)
    trainer = ChurnTrainer(rows, ["a"], question(s), s.model, book, FIRST)
    models = [trainer.calibrated(ORIGIN)[0]]
    models += [trainer.baseline(name, ORIGIN) for name in ("mbg_nbd", "logistic_rfm", "recency")]
    return [model.probability(asked).tobytes() for model in models]


def test_nothing_after_an_origin_changes_what_its_model_says(shop: Settings) -> None:
    small = shop.model.model_copy(update={"trees": 3, "leaves": 3, "min_rows_per_leaf": 10})
    s = shop.model_copy(update={"model": small})
    rows, bought = training_rows(), orders()
    asked = rows[rows["cutoff"] == ORIGIN]

    label_ends = rows["cutoff"].map(lambda t: Window.label(t, s.cohort.gap_days, s.cohort.horizon_days).end)
    is_open = label_ends > ORIGIN
    features = ["a", "days_since_last_order", "days_with_order_so_far", "spend_per_year"]
    other = rows.assign(churned=rows["churned"].where(~is_open, 1 - rows["churned"]))
    other[features] = rows[features].where(~is_open, rows[features] * 7 + 3)
    others = bought[bought["occurred_at"] < ORIGIN]

    assert is_open.any()
    assert len(others) < len(bought)
    assert said_at_the_origin(other, others, s, asked) == said_at_the_origin(rows, bought, s, asked)
