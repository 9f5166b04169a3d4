"""Segments: hand-made customers on either side of every limit, and many random ones against the slow reading."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from campaigns.segments import DISCOUNT_DEPENDENCE, LIFECYCLES, RFM_SEGMENTS, VALUE_TIERS
from tests.campaigns.both_readings import spare_the_rest
from tests.campaigns.shop_of_rows import Rows
from timeline import DAY_US


@pytest.fixture(autouse=True)
def _lists_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    spare_the_rest(monkeypatch)


def people(shop: Rows, folder: Path, **values: Any) -> dict[str, dict[str, Any]]:
    found = shop.both(folder, values)
    assert found.disagreements() == []
    return {row["customer_id"]: row for row in found.rows("SELECT * FROM people")}


def ordering(shop: Rows, who: str, days: Sequence[int]) -> None:
    shop.customer(who)
    for day in days:
        shop.order(who, day * DAY_US + 1)


def test_lateness_goes_by_the_own_rhythm_else_by_the_shops(tmp_path: Path) -> None:
    shop = Rows()
    ordering(shop, "twenty_on_time", (30, 50, 70))
    ordering(shop, "twenty_late", (31, 51, 71))
    ordering(shop, "twenty_lapsed", (61, 81, 101))
    # Whoever orders every other day is not late after three.
    ordering(shop, "quick_on_time", (10, 12, 14))
    ordering(shop, "quick_late", (11, 13, 15))
    # Two orders on one day are one order day: only one gap, so the shop's rhythm of 20 days counts.
    ordering(shop, "one_gap", (31, 31, 40))
    ordering(shop, "new", (59,))
    ordering(shop, "single", (60,))
    ordering(shop, "nearly_lost", (364,))
    ordering(shop, "lost", (365,))
    shop.customer("nobody")
    told = {who: row["lifecycle"] for who, row in people(shop, tmp_path).items()}
    assert told == {
        "twenty_on_time": "active",
        "twenty_late": "slipping",
        "twenty_lapsed": "lapsed",
        "quick_on_time": "active",
        "quick_late": "slipping",
        "one_gap": "slipping",
        "new": "new",
        "single": "slipping",
        "nearly_lost": "lapsed",
        "lost": "lost",
        "nobody": "prospect",
    }
    assert set(told.values()) == set(LIFECYCLES)


def test_fifths_never_part_equals(tmp_path: Path) -> None:
    shop = Rows()
    for n in range(10):
        shop.customer(f"same{n}")
        shop.order(f"same{n}", 50 * DAY_US, revenue=1000)
    shop.customer("best")
    for day in (1, 20, 40):
        shop.order("best", day * DAY_US, revenue=9000)
    shop.customer("nobody")
    found = people(shop, tmp_path)
    assert {who: row["rfm_segment"] for who, row in found.items()} == {
        **{f"same{n}": "Dormant" for n in range(10)},
        "best": "Champions",
        "nobody": "Prospects",
    }


def test_a_fifth_of_the_buyers_is_worth_most_and_half_of_them_more_than_little(tmp_path: Path) -> None:
    shop = Rows()
    for n in range(10):
        shop.customer(f"c{n}")
        shop.order(f"c{n}", 300 * DAY_US, revenue=1000 * (10 - n))
    # What was given back is no revenue, and what was spent before the last year does not count.
    shop.add(
        "orders", "c0", DAY_US, event="Order Refunded", order_id=f"c0-{300 * DAY_US}", revenue=10_000, currency="GBP"
    )
    shop.order("c9", 366 * DAY_US, revenue=90_000)
    told = {who: row["value_tier"] for who, row in people(shop, tmp_path).items()}
    assert told == {
        "c0": "none",
        **dict.fromkeys(("c1", "c2"), "high"),
        **dict.fromkeys(("c3", "c4", "c5"), "medium"),
        **dict.fromkeys(("c6", "c7", "c8", "c9"), "low"),
    }
    assert set(told.values()) == set(VALUE_TIERS)


def test_discounts_are_told_by_their_share_of_orders(tmp_path: Path) -> None:
    shop = Rows()
    orders = {"only": (4, 5), "one": (1, 1), "often": (2, 5), "rarely": (1, 5), "never": (0, 5)}
    for who, (discounted, every) in orders.items():
        shop.customer(who)
        for n in range(every):
            less = {"discount": 100} if n == 0 else {"coupon": "SALE"}
            shop.order(who, (n + 1) * DAY_US, **(less if n < discounted else {"discount": 0}))
    shop.customer("nobody")
    told = {who: row["discount_dependence"] for who, row in people(shop, tmp_path).items()}
    # A single order does not tell of a habit.
    expected = {name: name for name in orders} | {"one": "often", "nobody": None}
    assert told == expected
    assert {told[who] for who in orders} == set(DISCOUNT_DEPENDENCE)


def test_what_was_bought_says_more_than_what_was_looked_at(tmp_path: Path) -> None:
    shop = Rows()
    for who in ("buyer", "looker", "cancelled"):
        shop.customer(who)
        for _ in range(9):
            shop.add("web_events", who, DAY_US, event="Product Viewed", category="pets", bot=False)
    # Carts are not looks.
    for _ in range(20):
        shop.add("web_events", "looker", DAY_US, event="Product Added", category="tea", bot=False)
    for who in ("buyer", "cancelled"):
        shop.order(who, 100 * DAY_US, number=f"{who}-1")
        for category, quantity in (("tea", 2), ("books", 1), ("books", 1)):
            shop.add(
                *("order_items", who, 100 * DAY_US),
                **{"event": "Order Completed", "order_id": f"{who}-1", "category": category, "quantity": quantity},
            )
    shop.add("orders", "cancelled", DAY_US, event="Order Cancelled", order_id="cancelled-1", revenue=0, currency="GBP")
    # The age of an order decides, not that of its lines.
    for who, age in {"just": 730 * DAY_US, "too_old": 730 * DAY_US + 1}.items():
        shop.customer(who)
        shop.order(who, age, number=f"{who}-1")
        line = {"event": "Order Completed", "order_id": f"{who}-1", "category": "garden", "quantity": 1}
        shop.add("order_items", who, 730 * DAY_US + (1 if who == "just" else 0), **line)
    told = {who: row["main_interest"] for who, row in people(shop, tmp_path).items()}
    assert told == {"buyer": "tea", "looker": "pets", "cancelled": "pets", "just": "garden", "too_old": None}


@pytest.mark.parametrize("seed", [1, 2])
def test_a_thousand_random_customers_get_the_segments_of_the_slow_reading(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    shop = Rows()
    for n in range(1000):
        who = f"c{n:04d}"
        shop.customer(who)
        for _ in range(chance.choice((0, 1, 2, 3, 5, 9))):
            age = chance.choice((chance.randrange(1, 500), 30, 60, 365)) * DAY_US + chance.choice((-1, 0, 1))
            less = chance.choice(({}, {"discount": 100}, {"coupon": "X"}))
            number = f"{who}-{chance.randrange(10**9)}"
            shop.order(who, age, revenue=chance.choice((0, 500, 1000, 2500, 9000)), number=number, **less)
    found = shop.both(tmp_path, {})
    assert found.compare_people() == []
    rows = found.rows("SELECT * FROM people")
    assert {row["rfm_segment"] for row in rows} == set(RFM_SEGMENTS)
    assert {row["lifecycle"] for row in rows} == set(LIFECYCLES)
    assert {row["value_tier"] for row in rows} == set(VALUE_TIERS)
    assert {row["discount_dependence"] for row in rows} == {*DISCOUNT_DEPENDENCE, None}
