"""Which carts count as left behind."""

from __future__ import annotations

import pandas as pd
import pytest

from campaigns import open_carts, ordered_since
from campaigns.settings import AbandonedCartSettings
from tests.campaigns.small_shop import AS_OF, carts, days_before, orders
from timeline import DAY_US, HOUR_US

SETTINGS = AbandonedCartSettings(min_age_hours=4, max_age_days=14)


def added(
    hours: float, customer: str | None = "ann", event: str = "Product Added", **more: object
) -> dict[str, object]:
    row = {"session_id": "s1", "cart_id": "c1", "price": 1_500, "quantity": 2}
    return {
        "customer_id": customer,
        "event": event,
        "occurred_at": AS_OF - int(hours * HOUR_US),
        **row,
        **more,
    }


def found(*rows: dict[str, object], bought: pd.DataFrame | None = None) -> dict[str, tuple[int | None, str | None]]:
    result = open_carts({"web_events": carts(list(rows)), "orders": bought}, SETTINGS, AS_OF)
    return {
        row.customer_id: (
            None if pd.isna(row.cart_value) else row.cart_value,
            None if pd.isna(row.rule) else row.rule,
        )
        for row in result.itertuples()
    }


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        (3.999, {"ann": (3_000, "cart_too_recent")}),
        (4, {"ann": (3_000, None)}),  # exactly min_age_hours old
        (14 * 24, {"ann": (3_000, None)}),  # exactly max_age_days old
        (14 * 24 + 0.001, {}),
        (0, {}),  # at the scoring instant: not known before it
    ],
)
def test_age_of_the_cart(hours: float, expected: dict[str, object]) -> None:
    assert found(added(hours)) == expected


@pytest.mark.parametrize("event", ["Product Added", "Cart Viewed", "Checkout Started"])
def test_newest_activity_of_any_kind_sets_the_age(event: str) -> None:
    assert found(added(100), added(2, event=event, price=None)) == {"ann": (3_000, "cart_too_recent")}


def test_views_of_products_are_no_carts() -> None:
    assert found(added(100, event="Product Viewed")) == {}
    assert found(added(100), added(2, event="Product Viewed")) == {"ann": (3_000, None)}


def test_visitors_nobody_knows_are_skipped() -> None:
    assert found(added(100, customer=None), added(50, customer="bob")) == {"bob": (3_000, None)}


def test_value_is_that_of_the_newest_cart_only() -> None:
    old, new = added(200, cart_id="c0", price=9_900), added(100)
    assert found(old, new, added(99, price=250, quantity=None)) == {"ann": (3_250, None)}
    assert found(added(100, price=None)) == {"ann": (None, None)}
    no_ids = [added(200, cart_id=None, session_id="s0"), added(100, cart_id=None, price=700)]
    assert found(*no_ids) == {"ann": (1_400, None)}


@pytest.mark.parametrize(
    ("ordered_hours", "event", "expected"),
    [
        (99, "Order Completed", "bought_since_cart"),
        (100, "Order Completed", "bought_since_cart"),  # at the very instant of the cart
        (101, "Order Completed", None),
        (99, "Order Refunded", None),
        (0, "Order Completed", None),  # not known before the scoring date
    ],
)
def test_order_after_the_cart_closes_it(ordered_hours: float, event: str, expected: str | None) -> None:
    order = {"customer_id": "ann", "event": event, "occurred_at": AS_OF - int(ordered_hours * HOUR_US)}
    assert found(added(100), bought=orders([order]))["ann"][1] == expected
    on_the_web = added(ordered_hours, event=event, cart_id="c2")
    assert found(added(100), on_the_web)["ann"][1] == expected


def test_no_web_log_no_carts() -> None:
    assert open_carts({}, SETTINGS, AS_OF).empty
    assert list(open_carts({}, SETTINGS, AS_OF)) == ["customer_id", "cart_value", "cart_age_hours", "rule"]


def test_ordered_since_sees_both_ends() -> None:
    log = orders(
        [
            {"customer_id": "before", "occurred_at": days_before(1)},
            {"customer_id": "at", "occurred_at": AS_OF},
            {"customer_id": "after", "occurred_at": AS_OF + DAY_US},
            {"customer_id": "unknown_yet", "occurred_at": AS_OF + 9 * DAY_US},
        ]
    )
    assert ordered_since({"orders": log}, AS_OF, AS_OF + 9 * DAY_US) == {"at", "after"}
    assert ordered_since({}, AS_OF, AS_OF + DAY_US) == set()
