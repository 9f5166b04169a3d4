"""Whether the goods came, and came in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ibis

from features.arithmetic import EXACT, count_where, days, share
from features.catalogue import Table, Words, feature, view
from timeline import DAY_US


@view(needs=("orders", "purchases", "deliveries"))
def orders_on_their_way(rows: Mapping[str, Table]) -> Table:
    """One row per completed order of the last 60 days whose id was neither delivered nor cancelled."""
    orders, events, delivered = rows["purchases"], rows["orders"], rows["deliveries"]
    recent = orders.filter(orders.age_us <= 60 * DAY_US).select("customer_id", "order_id", "age_us")
    cancelled = events.filter(events.event == "Order Cancelled")
    settled = ibis.union(*(t.select("customer_id", "order_id") for t in (delivered, cancelled)))
    return recent.anti_join(settled, ["customer_id", "order_id"])


def _latest_delay(t: Table) -> Any:
    # Two parcels may arrive in the same microsecond; the rank makes the choice a rule instead of luck.
    return t.delay_hours.argmin(t.age_us.cast(EXACT) * 100_000 - t.delay_hours)


@feature(
    view="deliveries",
    family="delivery",
    unit="count",
    absent=0,
    label="Late deliveries in the last {days} days",
    high="had more late deliveries than most",
    low="had fewer late deliveries than most",
    says="late deliveries in the last {days} days: {value}",
    urdu=Words(
        label="پچھلے {days} دن میں دیر سے ملنے والی ڈیلیوریز",
        high="اکثر گاہکوں سے زیادہ ڈیلیوریز دیر سے ملیں",
        low="اکثر گاہکوں سے کم ڈیلیوریز دیر سے ملیں",
        says="پچھلے {days} دن میں دیر سے ملنے والی ڈیلیوریز: {value}",
    ),
)
def late_deliveries(t: Table) -> Any:
    """Deliveries with ``delay_hours`` of 24 or more in the window."""
    return count_where(t.delay_hours >= 24)


@feature(
    view="deliveries",
    family="delivery",
    unit="share",
    absent=None,
    label="Share of deliveries that came late",
    high="gets more of the deliveries late than most",
    low="gets fewer of the deliveries late than most",
    says="{value} of all deliveries came a day late or more",
    urdu=Words(
        label="دیر سے ملنے والی ڈیلیوریز کا تناسب",
        high="دیر سے ملنے والی ڈیلیوریز کا تناسب اکثر گاہکوں کی نسبت زیادہ ہے",
        low="دیر سے ملنے والی ڈیلیوریز کا تناسب اکثر گاہکوں کی نسبت کم ہے",
        says="تمام ڈیلیوریز میں سے {value} ایک دن یا اس سے زیادہ دیر سے ملیں",
    ),
)
def late_delivery_share(t: Table) -> Any:
    """Deliveries with ``delay_hours`` of 24 or more ÷ deliveries over the whole history."""
    return share(count_where(t.delay_hours >= 24), t.count())


@feature(
    view="deliveries",
    family="delivery",
    unit="count",
    absent=None,
    label="Worst delay in hours in the last {days} days",
    high="the worst delivery came later than for most",
    low="even the worst delivery came earlier than for most",
    says="the worst delivery of the last {days} days came {value} hours after the promised time (below zero: early)",
    urdu=Words(
        label="پچھلے {days} دن میں ڈیلیوری کی سب سے بڑی تاخیر، گھنٹوں میں",
        high="سب سے دیر والی ڈیلیوری اکثر گاہکوں کی نسبت زیادہ دیر سے ملی",
        low="سب سے دیر والی ڈیلیوری بھی اکثر گاہکوں کی نسبت جلدی ملی",
        says="پچھلے {days} دن میں ڈیلیوری کی سب سے بڑی تاخیر، گھنٹوں میں: {value} (صفر سے کم: وقت سے پہلے ملی)",
    ),
)
def worst_delay_hours(t: Table) -> Any:
    """Largest ``delay_hours`` in the window; below zero when everything came early."""
    return t.delay_hours.max()


@feature(
    view="deliveries",
    family="delivery",
    unit="count",
    absent=None,
    label="Delay of the latest delivery in hours",
    high="the latest delivery came later than most",
    low="the latest delivery came earlier than most",
    says="the latest delivery came {value} hours after the promised time (below zero: early)",
    urdu=Words(
        label="آخری ڈیلیوری کی تاخیر، گھنٹوں میں",
        high="آخری ڈیلیوری اکثر گاہکوں کی نسبت زیادہ دیر سے ملی",
        low="آخری ڈیلیوری اکثر گاہکوں کی نسبت جلدی ملی",
        says="آخری ڈیلیوری کی تاخیر، گھنٹوں میں: {value} (صفر سے کم: وقت سے پہلے ملی)",
    ),
)
def latest_delay_hours(t: Table) -> Any:
    """Largest ``delay_hours`` among the deliveries of the smallest age."""
    return _latest_delay(t)


@feature(
    view="deliveries",
    family="delivery",
    unit="count",
    absent=None,
    label="Latest delivery against the usual delay in hours",
    high="the latest delivery came later than they are used to",
    low="the latest delivery came earlier than they are used to",
    says="delay of the latest delivery against this customer's usual, in hours: {value} (below zero: earlier)",
    urdu=Words(
        "آخری ڈیلیوری کی تاخیر، معمول کے مقابلے میں، گھنٹوں میں",
        "آخری ڈیلیوری معمول سے دیر سے ملی",
        "آخری ڈیلیوری معمول سے جلدی ملی",
        "آخری ڈیلیوری کی تاخیر، اس گاہک کے معمول سے فرق، گھنٹوں میں: {value} (صفر سے کم: جلدی ملی)",
    ),
)
def delay_against_usual(t: Table) -> Any:
    """latest_delay_hours − average ``delay_hours`` of all deliveries."""
    return _latest_delay(t) - share(t.delay_hours.sum(), t.delay_hours.count())


@feature(
    view="deliveries",
    family="delivery",
    unit="days",
    absent=None,
    label="Days since the last late delivery",
    high="the last late delivery lies longer back than for most",
    low="had a late delivery more recently than most",
    says="last late delivery {value} days ago",
    urdu=Words(
        label="دیر سے ملنے والی آخری ڈیلیوری کو کتنے دن ہوئے",
        high="دیر سے ملنے والی آخری ڈیلیوری کو اکثر گاہکوں کی نسبت زیادہ دن ہوئے ہیں",
        low="دیر سے ملنے والی آخری ڈیلیوری کو اکثر گاہکوں کی نسبت کم دن ہوئے ہیں",
        says="دیر سے ملنے والی آخری ڈیلیوری: {value} دن پہلے",
    ),
)
def days_since_late_delivery(t: Table) -> Any:
    """Days since the newest delivery with ``delay_hours`` of 24 or more; missing if there was none."""
    return days((t.delay_hours >= 24).fill_null(False).ifelse(t.age_us, ibis.null("int64")).min())


@feature(
    view="orders_on_their_way",
    family="delivery",
    unit="count",
    absent=0,
    label="Orders of the last 60 days not yet delivered",
    high="waits for more orders than most",
    low="waits for fewer orders than most",
    says="orders of the last 60 days not yet delivered: {value}",
    urdu=Words(
        "پچھلے 60 دن کے آرڈر جو ابھی تک نہیں ملے",
        "اکثر گاہکوں سے زیادہ آرڈرز کا انتظار ہے",
        "اکثر گاہکوں سے کم آرڈرز کا انتظار ہے",
        "پچھلے 60 دن کے آرڈر جو ابھی تک نہیں ملے: {value}",
    ),
)
def undelivered_orders(t: Table) -> Any:
    """Completed orders at most 60 days old for whose id neither a delivery nor an Order Cancelled event is known."""
    return t.count()
