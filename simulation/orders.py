"""The purchases as an export: orders, their lines, returns, parcels and loyalty points."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from simulation import rates as r
from simulation.calendar import LAST_START_SECOND, Calendar, instant
from simulation.columns import ids, iso, labels, money
from simulation.life import Facts
from simulation.people import People
from timeline import DAY_US, HOUR_US, SECOND_US

Array = NDArray[Any]
PRODUCTS_PER_CATEGORY = 30
TIERS = ("bronze", "silver", "gold")
_FIRST_SECOND = 7 * 3600


def product_prices() -> Array:
    """Price in minor units by category and product; from cheap to dear within a category."""
    ladder = np.exp(np.linspace(-0.9, 0.9, PRODUCTS_PER_CATEGORY))
    return np.round(np.array(r.CATEGORY_PRICE)[:, None] * ladder * 20).astype(np.int64) * 5 - 1


def draw_orders(facts: Facts, people: People, calendar: Calendar, rng: np.random.Generator) -> tuple[Facts, Facts]:
    """Orders with instant and amounts, and their lines (``order`` is a position); one entry each."""
    count = len(facts["customer"])
    customer = facts["customer"]
    lines = 1 + np.minimum(rng.poisson(people.basket[customer]), 7)
    order = np.repeat(np.arange(count), lines)
    buyer = customer[order]
    favourite = rng.random(len(order)) < 0.7
    category = np.where(
        favourite, people.category[buyer], rng.choice(len(r.CATEGORIES), len(order), p=r.CATEGORY_SHARE)
    )
    rung = PRODUCTS_PER_CATEGORY * (0.5 + 0.14 * people.price_level[buyer]) + rng.normal(0.0, 4.0, len(order))
    product = np.clip(rung, 0, PRODUCTS_PER_CATEGORY - 1).astype(np.int64)
    quantity = rng.choice(np.array([1, 2, 3, 4]), len(order), p=(0.68, 0.20, 0.08, 0.04))
    price = product_prices()[category, product]
    worth = price * quantity
    rate = np.where(facts["discounted"], rng.choice(np.array([10, 15, 20, 25]), count), 0)
    line_discount = worth * rate[order] // 100
    seconds = rng.triangular(_FIRST_SECOND, 19 * 3600, LAST_START_SECOND, count)
    subtotal = np.bincount(order, worth, count).astype(np.int64)
    discount = np.bincount(order, line_discount, count).astype(np.int64)
    spared = ~(facts["late"] | facts["bad"] | facts["good"])
    table = {
        **facts,
        "at": instant(calendar, facts["day"], seconds),
        "subtotal": subtotal,
        "discount": discount,
        "rate": rate,
        "revenue": subtotal - discount,
        "shipping": np.where(subtotal - discount < 4000, 395, 0),
        "tax": (subtotal - discount) // 5,
        "app": rng.random(count) < 0.25,
        "cancelled": spared & (rng.random(count) < 0.008),
    }
    return table, {
        "order": order, "category": category, "product": product, "quantity": quantity, "price": price,
        "discount": line_discount,
    }  # fmt: skip


def order_files(
    orders: Facts, lines: Facts, people: People, names: pa.Array, calendar: Calendar, rng: np.random.Generator
) -> dict[str, pa.Table]:
    """``orders.csv``, ``order_items.csv``, ``returns.csv``, ``deliveries.csv`` and ``loyalty_events.csv``."""
    end = calendar.midnight[calendar.days]
    count = len(orders["customer"])
    number = np.arange(1, count + 1)
    returns = _returns(orders, lines, end, rng)
    back = returns["order"]
    refunds, first = np.unique(back, return_index=True)
    refunded = np.bincount(back, returns["worth"], count).astype(np.int64)[refunds]
    cancelled = np.flatnonzero(orders["cancelled"])
    cancelled_at = orders["at"][cancelled] + rng.integers(5 * 60, 90 * 60, len(cancelled)) * SECOND_US
    position = np.concatenate([np.arange(count), cancelled, refunds])
    zero = np.zeros(len(refunds), dtype=np.int64)
    amounts = {
        name: np.concatenate([orders[name], orders[name][cancelled], last])
        for name, last in (
            ("subtotal", refunded), ("discount", zero), ("shipping", zero), ("tax", refunded // 5),
            ("revenue", refunded),
        )
    }  # fmt: skip
    at = np.concatenate([orders["at"], cancelled_at, returns["at"][first]])
    kind = np.repeat([0, 1, 2], [count, len(cancelled), len(refunds)])
    by_time = np.lexsort((position, at))
    column = {name: amount[by_time] for name, amount in amounts.items()}
    position, at, kind = position[by_time], at[by_time], kind[by_time]
    coupons = ["SAVE10", "SAVE15", "SAVE20", "SAVE25"]
    rate = orders["rate"][position]
    order_ids, customer_ids = ids("O", number), names.take(pa.array(orders["customer"]))
    files = {
        "orders.csv": pa.table(
            {
                "order_id": order_ids.take(pa.array(position)),
                "customer_id": customer_ids.take(pa.array(position)),
                "ordered_at": iso(at, calendar),
                "event": labels(["Order Completed", "Order Cancelled", "Order Refunded"], kind),
                **{name: money(column[name]) for name in ("subtotal", "discount", "shipping", "tax")},
                "total": money(column["revenue"] + column["shipping"] + column["tax"]),
                "revenue": money(column["revenue"]),
                "currency": pa.array(["GBP"]).take(pa.array(np.zeros(len(at), dtype=np.int64))),
                "coupon": labels(coupons, np.maximum(rate // 5 - 2, 0), absent=rate == 0),
                "channel": labels(["web", "app"], orders["app"][position].astype(np.int64)),
            }
        ),
        "order_items.csv": _line_table(lines, order_ids, {"discount": money(lines["discount"])}),
        "returns.csv": _line_table(
            {
                **{name: lines[name][returns["line"]] for name in lines},
                "quantity": returns["quantity"],
                "price": returns["price"],
            },
            order_ids,
            {"returned_at": iso(returns["at"], calendar)},
        ),
        "deliveries.csv": _deliveries(orders, order_ids, customer_ids, calendar, end, rng),
        "loyalty_events.csv": _loyalty(orders, people, customer_ids, calendar),
    }
    return files


def _line_table(lines: Facts, order_ids: pa.Array, more: dict[str, pa.Array]) -> pa.Table:
    return pa.table(
        {
            "order_id": order_ids.take(pa.array(lines["order"])),
            "product_id": product_ids(lines["category"], lines["product"]),
            "category": labels(r.CATEGORIES, lines["category"]),
            "quantity": pa.array(lines["quantity"].astype(np.int64)),
            "price": money(lines["price"]),
            **more,
        }
    )


def product_ids(category: Array, product: Array) -> pa.Array:
    """The names of products."""
    return ids("P", category * 100 + product + 1, width=4)


def _returns(orders: Facts, lines: Facts, end: int, rng: np.random.Generator) -> Facts:
    """One entry per returned line; lines of one order come back together, none after the end."""
    count = len(orders["customer"])
    returning = (rng.random(count) < 0.07) & ~orders["cancelled"]
    at = orders["at"] + rng.integers(6 * DAY_US // SECOND_US, 25 * DAY_US // SECOND_US, count) * SECOND_US
    returning &= (end - at) > 0
    first_line = np.diff(lines["order"], prepend=-1) > 0
    line = np.flatnonzero(returning[lines["order"]] & (first_line | (rng.random(len(first_line)) < 0.3)))
    quantity = lines["quantity"][line]
    # The discount a piece is rounded up: no refund is above what was paid.
    paid_each = lines["price"][line] - -(-lines["discount"][line] // quantity)
    return {
        "order": lines["order"][line], "line": line, "quantity": quantity, "price": paid_each,
        "worth": paid_each * quantity, "at": at[lines["order"][line]],
    }  # fmt: skip


def _deliveries(
    orders: Facts,
    order_ids: pa.Array,
    customer_ids: pa.Array,
    calendar: Calendar,
    end: int,
    rng: np.random.Generator,
) -> pa.Table:
    count = len(orders["customer"])
    hour = rng.integers(8 * 3600, 20 * 3600, count)
    delivered = instant(calendar, orders["day"] + orders["delivered_after"], hour)
    promised = instant(calendar, orders["day"] + 5, np.full(count, 21 * HOUR_US // SECOND_US))
    chosen = np.flatnonzero(~orders["cancelled"] & ((end - delivered) > 0))
    chosen = chosen[np.argsort(delivered[chosen], kind="stable")]
    at = pa.array(chosen)
    return pa.table(
        {
            "order_id": order_ids.take(at), "customer_id": customer_ids.take(at),
            "promised_at": iso(promised[chosen], calendar), "delivered_at": iso(delivered[chosen], calendar),
        }
    )  # fmt: skip


def _loyalty(orders: Facts, people: People, customer_ids: pa.Array, calendar: Calendar) -> pa.Table:
    """A point a pound, five minutes after the order; the tier is the one after the event."""
    members = np.flatnonzero(people.loyalty[orders["customer"]] & ~orders["cancelled"])
    customer = orders["customer"][members]
    members = members[np.lexsort((members, customer))]
    customer, points = orders["customer"][members], orders["revenue"][members] // 100
    running = np.cumsum(points)
    starts = np.flatnonzero(np.diff(customer, prepend=-1))
    before = np.repeat(running[starts] - points[starts], np.diff(starts, append=len(customer)))
    tier = np.searchsorted([200, 600], running - before, side="right")
    by_time = np.argsort(orders["at"][members], kind="stable")
    return pa.table(
        {
            "customer_id": customer_ids.take(pa.array(members[by_time])),
            "occurred_at": iso(orders["at"][members][by_time] + 300 * SECOND_US, calendar),
            "points": pa.array(points[by_time]),
            "tier": labels(TIERS, tier[by_time]),
        }
    )
