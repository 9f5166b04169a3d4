"""When and for how much a customer ordered after a cutoff, as the cohort table says it."""

from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest

from features import next_order_at, revenue_after
from features.engines import fetch
from pipeline.project.cutoffs import cohort_at
from timeline import DAY_US, parse_date

CUTOFF = parse_date("2025-03-01", "Europe/London")


def orders(*rows: tuple[str, float, str, str, int]) -> pd.DataFrame:
    """Order events from (customer, days after the cutoff, order, event, revenue)."""
    table = pd.DataFrame(list(rows), columns=["customer_id", "day", "order_id", "event", "revenue"])
    instants = (CUTOFF + table["day"] * DAY_US).round().astype("int64")
    return table.drop(columns="day").assign(occurred_at=instants, loaded_at=instants)


def rows_of(query: Any, events: pd.DataFrame, *arguments: int) -> dict[str, int]:
    connection = ibis.duckdb.connect()
    found = fetch(connection, query(connection.create_table("orders", events), CUTOFF, *arguments))
    return {str(who): int(what) for who, what in found.itertuples(index=False)}


DONE, BACK, VOID = "Order Completed", "Order Refunded", "Order Cancelled"


def test_the_next_order_is_the_first_completed_one_from_the_cutoff_until_the_label_closes() -> None:
    instant = 1 / DAY_US
    events = orders(
        ("before", -instant, "1", DONE, 100),
        ("at the cutoff", 0, "2", DONE, 100),
        ("in the gap", 3, "3", DONE, 100),
        ("in the gap", 2.5, "4", BACK, 100),
        ("twice", 50, "5", DONE, 100),
        ("twice", 40, "6", DONE, 100),
        ("just in time", 97 - instant, "7", DONE, 100),
        ("too late", 97, "8", DONE, 100),
        ("cancelled", 5, "9", VOID, 100),
    )
    found = rows_of(next_order_at, events, 7, 90)
    assert {who: (when - CUTOFF) / DAY_US for who, when in found.items()} == {
        "at the cutoff": 0,
        "in the gap": 3,
        "twice": 40,
        "just in time": pytest.approx(97),
    }


def test_a_year_is_worth_its_orders_less_what_of_them_went_back() -> None:
    events = orders(
        ("buys twice", 0, "1", DONE, 1_000),
        ("buys twice", 364.9, "2", DONE, 500),
        ("too early and too late", -0.1, "3", DONE, 1_000),
        ("too early and too late", 365, "4", DONE, 1_000),
        ("sends back", 10, "5", DONE, 1_000),
        ("sends back", 20, "5", BACK, 300),
        ("sends back after the year", 10, "6", DONE, 1_000),
        ("sends back after the year", 366, "6", BACK, 1_000),
        ("sends an old order back", -5, "7", DONE, 1_000),
        ("sends an old order back", 5, "7", BACK, 1_000),
        ("names no order", 10, "8", DONE, 1_000),
        ("names no order", 30, "C8", BACK, 400),
        ("cancels", 10, "9", DONE, 1_000),
        ("cancels", 11, "9", VOID, 1_000),
        ("never completed", 11, "10", VOID, 1_000),
        ("cancels an old order", -1, "11", DONE, 1_000),
        ("cancels an old order", 1, "11", VOID, 1_000),
    )
    assert rows_of(revenue_after, events, 365) == {
        "buys twice": 1_500,
        "sends back": 700,
        "sends back after the year": 1_000,
        "names no order": 600,
        "cancels": 0,
    }


def outcomes(shop: Any, events: pd.DataFrame, watermark: int) -> pd.DataFrame:
    connection = ibis.duckdb.connect()
    tables = {"orders": connection.create_table("orders", events)}
    return cohort_at(tables, CUTOFF, watermark, shop, connection).set_index("customer_id").sort_index()


def test_each_eligible_customer_has_both_outcomes(shop: Any) -> None:
    events = orders(
        ("comes back", -30, "1", DONE, 1_000),
        ("comes back", 20, "2", DONE, 700),
        ("comes back late", -30, "3", DONE, 1_000),
        ("comes back late", 200, "4", DONE, 800),
        ("stays away", -30, "5", DONE, 1_000),
        ("is new", 20, "6", DONE, 1_000),
    )
    found = outcomes(shop, events, CUTOFF + 365 * DAY_US)
    assert found["churned"].to_dict() == {"comes back": 0, "comes back late": 1, "stays away": 1}
    assert found["days_to_next_order"].dropna().to_dict() == {"comes back": 20}
    assert found["revenue_next_year"].to_dict() == {"comes back": 700, "comes back late": 800, "stays away": 0}


def test_a_year_that_has_not_ended_is_unknown_for_everybody(shop: Any) -> None:
    events = orders(("comes back", -30, "1", DONE, 1_000), ("comes back", 20, "2", DONE, 700))
    found = outcomes(shop, events, CUTOFF + 365 * DAY_US - 1)
    assert np.isnan(found["revenue_next_year"]).all()
    assert found["days_to_next_order"].tolist() == [20]
