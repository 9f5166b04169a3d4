"""What a customer sent back or cancelled."""

from __future__ import annotations

from typing import Any

from features.arithmetic import count_where, days, share
from features.catalogue import Table, Words, feature


@feature(
    view="orders",
    family="returns",
    unit="share",
    absent=0,
    label="Share of the spending refunded in the last {days} days",
    high="sends back more than most",
    low="sends back less than most",
    says="{value} of the spending in the last {days} days was refunded",
    urdu=Words(
        label="پچھلے {days} دن میں خرچ کی گئی رقم میں ری فنڈ کا تناسب",
        high="اکثر گاہکوں سے زیادہ سامان واپس کرتے ہیں",
        low="اکثر گاہکوں سے کم سامان واپس کرتے ہیں",
        says="پچھلے {days} دن میں خرچ کی گئی رقم میں سے {value} ری فنڈ ہوئی",
    ),
)
def refunded_share(t: Table) -> Any:
    """Revenue of Order Refunded ÷ revenue of Order Completed events in the window; missing without the latter."""
    refunded = (t.event == "Order Refunded").ifelse(t.revenue, 0).sum()
    return share(refunded, (t.event == "Order Completed").ifelse(t.revenue, 0).sum())


@feature(
    view="orders",
    family="returns",
    unit="count",
    absent=0,
    label="Refunds in the last {days} days",
    high="has more refunds than most",
    low="has fewer refunds than most",
    says="refunds in the last {days} days: {value}",
    urdu=Words(
        label="پچھلے {days} دن میں ری فنڈ",
        high="اکثر گاہکوں سے زیادہ ری فنڈ لیے",
        low="اکثر گاہکوں سے کم ری فنڈ لیے",
        says="پچھلے {days} دن میں ری فنڈ: {value}",
    ),
)
def refunds(t: Table) -> Any:
    """Number of Order Refunded events in the window."""
    return count_where(t.event == "Order Refunded")


@feature(
    view="orders",
    family="returns",
    unit="days",
    absent=None,
    label="Days since the last refund",
    high="the last refund lies longer back than for most",
    low="had a refund more recently than most",
    says="last refund {value} days ago",
    urdu=Words(
        label="آخری ری فنڈ کو کتنے دن ہوئے",
        high="آخری ری فنڈ کو اکثر گاہکوں کی نسبت زیادہ دن ہوئے ہیں",
        low="آخری ری فنڈ کو اکثر گاہکوں کی نسبت کم دن ہوئے ہیں",
        says="آخری ری فنڈ: {value} دن پہلے",
    ),
)
def days_since_last_refund(t: Table) -> Any:
    """Days since the newest Order Refunded event; missing if there was none."""
    return days((t.event == "Order Refunded").ifelse(t.age_us, None).min())


@feature(
    view="orders",
    family="returns",
    unit="count",
    absent=0,
    label="Cancelled orders in the last {days} days",
    high="has more cancelled orders than most",
    low="has fewer cancelled orders than most",
    says="cancelled orders in the last {days} days: {value}",
    urdu=Words(
        label="پچھلے {days} دن میں منسوخ ہونے والے آرڈر",
        high="اکثر گاہکوں سے زیادہ آرڈر منسوخ ہوئے",
        low="اکثر گاہکوں سے کم آرڈر منسوخ ہوئے",
        says="پچھلے {days} دن میں منسوخ ہونے والے آرڈر: {value}",
    ),
)
def cancellations(t: Table) -> Any:
    """Number of Order Cancelled events in the window."""
    return count_where(t.event == "Order Cancelled")


@feature(
    view="placed_orders",
    family="returns",
    unit="share",
    absent=None,
    label="Refunded share of the latest order",
    high="sent back much of the latest order",
    low="has kept the latest order",
    says="{value} of the latest order's value was refunded",
    urdu=Words(
        "آخری آرڈر کی رقم میں ری فنڈ کا تناسب",
        "آخری آرڈر کا بڑا حصہ واپس کر دیا",
        "آخری آرڈر واپس نہیں کیا",
        "آخری آرڈر کی رقم میں سے {value} ری فنڈ ہوئی",
    ),
)
def latest_order_refunded_share(t: Table) -> Any:
    """Refunds of each completed order of the smallest age (all with its order id) ÷ the revenue of these orders."""
    is_latest = t.age_us == t.newest_age_us
    return share(t.refunded.fill_null(0).sum(where=is_latest), t.revenue.sum(where=is_latest))


@feature(
    view="placed_orders",
    family="returns",
    unit="share",
    absent=None,
    label="Share of the orders with a refund",
    high="sends back something from more of the orders than most",
    low="sends back something from fewer of the orders than most",
    says="there was a refund on {value} of all orders",
    urdu=Words(
        "ری فنڈ والے آرڈرز کا تناسب",
        "اکثر گاہکوں کی نسبت زیادہ آرڈرز میں سے کچھ واپس کرتے ہیں",
        "اکثر گاہکوں کی نسبت کم آرڈرز میں سے کچھ واپس کرتے ہیں",
        "اب تک کے تمام آرڈرز میں سے {value} پر ری فنڈ ہوا",
    ),
)
def refunded_order_share(t: Table) -> Any:
    """Completed orders for whose order id an Order Refunded event is known ÷ completed orders."""
    return share(count_where(t.refunded.notnull()), t.count())
