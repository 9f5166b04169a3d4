"""When a customer orders: the rows of orders that features read, and the customer's own rhythm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ibis

from features.arithmetic import daily, days, deviation, share
from features.catalogue import Table, Words, feature, view


@view(needs=("orders",))
def purchases(rows: Mapping[str, Table]) -> Table:
    """One row per completed order."""
    orders = rows["orders"]
    return orders.filter(orders.event == "Order Completed")


@view(needs=("purchases",))
def order_days(rows: Mapping[str, Table]) -> Table:
    """One row per customer and day with a completed order; a day is 24 hours counted back from the cutoff.

    ``days_ago`` is the whole days between the day's newest order and the cutoff, ``gap_days`` the whole days
    since the order day before it (missing on the first), ``three_gaps_days`` those since the third before it.
    """
    ordered = daily(rows["purchases"])
    earlier = ibis.window(group_by="customer_id", order_by=ibis.desc("days_ago"))
    return ordered.mutate(three_gaps_days=ordered.days_ago.lag(3).over(earlier) - ordered.days_ago)


@view(needs=("order_days",))
def order_months(rows: Mapping[str, Table]) -> Table:
    """One row per customer and stretch of 30 days with an order day, counted back from the cutoff."""
    ordered = rows["order_days"]
    dated = ordered.mutate(month=(ordered.days_ago // 30).cast("int64"))
    return dated.group_by("customer_id", "month").agg(age_us=dated.age_us.min(), order_days=dated.count())


@view(needs=("orders", "purchases"))
def placed_orders(rows: Mapping[str, Table]) -> Table:
    """One row per completed order with what of it is known to be refunded (missing without a refund).

    Beside it stand the ages of the customer's newest, oldest and newest full-price order (missing without any).
    """
    orders = rows["purchases"].select("customer_id", "order_id", "age_us", "revenue", "discount", "coupon")
    refunded = rows["orders"].filter(rows["orders"].event == "Order Refunded")
    refunds = refunded.group_by("customer_id", "order_id").agg(refunded=refunded.revenue.sum())
    joined = orders.left_join(refunds, ["customer_id", "order_id"]).select(orders, refunded=refunds.refunded)
    full_price_age = (~is_discounted(joined)).ifelse(joined.age_us, ibis.null("int64"))
    customer = ibis.window(group_by="customer_id")
    return joined.mutate(
        newest_age_us=joined.age_us.min().over(customer),
        oldest_age_us=joined.age_us.max().over(customer),
        full_price_age_us=full_price_age.min().over(customer),
    )


def is_discounted(orders: Table) -> Any:
    """Whether each order had a discount above zero or a coupon."""
    return (orders.discount.fill_null(0) > 0) | orders.coupon.notnull()


_RHYTHM = "usually orders every {usual_gap_days} days; last order {days_since_last_order} days ago"
_RHYTHM_URDU = "عام طور پر ہر {usual_gap_days} دن بعد آرڈر کرتے ہیں؛ آخری آرڈر: {days_since_last_order} دن پہلے"


@feature(
    view="order_days",
    family="rhythm",
    unit="days",
    absent=None,
    label="Days since the last order",
    high="has not ordered for longer than most",
    low="ordered more recently than most",
    says="last order {value} days ago",
    urdu=Words(
        label="آخری آرڈر کو کتنے دن ہوئے",
        high="اکثر گاہکوں کی نسبت زیادہ عرصے سے آرڈر نہیں کیا",
        low="آخری آرڈر کو اکثر گاہکوں کی نسبت کم دن ہوئے ہیں",
        says="آخری آرڈر: {value} دن پہلے",
    ),
)
def days_since_last_order(t: Table) -> Any:
    """Days, with the fraction, between the newest completed order and the cutoff."""
    return days(t.age_us.min())


@feature(
    view="order_days",
    family="rhythm",
    unit="days",
    absent=None,
    label="Usual days between orders",
    high="usually waits longer between orders than most",
    low="usually orders at shorter intervals than most",
    says=_RHYTHM,
    urdu=Words(
        label="آرڈرز کے درمیان معمول کا وقفہ (دن)",
        high="عام طور پر اکثر گاہکوں کی نسبت زیادہ وقفے سے آرڈر کرتے ہیں",
        low="عام طور پر اکثر گاہکوں کی نسبت کم وقفے سے آرڈر کرتے ہیں",
        says=_RHYTHM_URDU,
    ),
)
def usual_gap_days(t: Table) -> Any:
    """Median of the gaps between consecutive order days; missing below two order days."""
    return t.gap_days.median()


@feature(
    view="order_days",
    family="rhythm",
    unit="days",
    absent=None,
    label="Average days between orders",
    high="waits longer between orders than most",
    low="orders at shorter intervals than most",
    says=_RHYTHM,
    urdu=Words(
        label="آرڈرز کے درمیان اوسط وقفہ (دن)",
        high="اکثر گاہکوں کی نسبت زیادہ وقفے سے آرڈر کرتے ہیں",
        low="اکثر گاہکوں کی نسبت کم وقفے سے آرڈر کرتے ہیں",
        says=_RHYTHM_URDU,
    ),
)
def average_gap_days(t: Table) -> Any:
    """Sum of the gaps between consecutive order days ÷ their number; missing below two order days."""
    return share(t.gap_days.sum(), t.gap_days.count())


@feature(
    view="order_days",
    family="rhythm",
    unit="days",
    absent=None,
    label="Spread of the days between orders",
    high="orders at less regular intervals than most",
    low="orders at more regular intervals than most",
    says=_RHYTHM,
    urdu=Words(
        label="آرڈرز کے وقفوں میں اتار چڑھاؤ (دن)",
        high="اکثر گاہکوں کی نسبت زیادہ بے قاعدہ وقفوں سے آرڈر کرتے ہیں",
        low="اکثر گاہکوں کی نسبت زیادہ باقاعدہ وقفوں سے آرڈر کرتے ہیں",
        says=_RHYTHM_URDU,
    ),
)
def gap_spread_days(t: Table) -> Any:
    """Population standard deviation of the gaps between consecutive order days; missing below two gaps."""
    return deviation(t.gap_days)


@feature(
    view="order_days",
    family="rhythm",
    unit="days",
    absent=None,
    label="Longest pause between two orders",
    high="has come back after longer pauses than most",
    low="has never paused as long as most",
    says="longest pause so far {value} days; last order {days_since_last_order} days ago",
    urdu=Words(
        label="دو آرڈرز کے درمیان سب سے لمبا وقفہ (دن)",
        high="اکثر گاہکوں سے لمبے وقفے کے بعد بھی واپس آئے ہیں",
        low="کبھی اتنا لمبا وقفہ نہیں کیا جتنا اکثر گاہک کرتے ہیں",
        says="اب تک کا سب سے لمبا وقفہ: {value} دن؛ آخری آرڈر: {days_since_last_order} دن پہلے",
    ),
)
def longest_gap_days(t: Table) -> Any:
    """Largest gap between consecutive order days; missing below two order days."""
    return t.gap_days.max()


@feature(
    view="order_days",
    family="rhythm",
    unit="days",
    absent=None,
    label="Days between the last two orders",
    high="the last pause between orders was longer than most",
    low="the last two orders lay closer than most",
    says="the last two orders lay {value} days apart; last order {days_since_last_order} days ago",
    urdu=Words(
        label="آخری دو آرڈرز کے درمیان وقفہ (دن)",
        high="آخری دو آرڈرز کے درمیان وقفہ اکثر گاہکوں کی نسبت زیادہ تھا",
        low="آخری دو آرڈرز کے درمیان وقفہ اکثر گاہکوں کی نسبت کم تھا",
        says="آخری دو آرڈرز کے درمیان وقفہ: {value} دن؛ آخری آرڈر: {days_since_last_order} دن پہلے",
    ),
)
def latest_gap_days(t: Table) -> Any:
    """Gap that ends at the newest order day; missing below two order days."""
    return t.gap_days.argmin(t.days_ago)


@feature(
    view="order_days",
    family="rhythm",
    unit="ratio",
    absent=None,
    label="Days since the last order, in usual gaps",
    high="is further beyond the usual interval than most",
    low="is less overdue than most",
    says=_RHYTHM,
    urdu=Words(
        label="آخری آرڈر کے بعد معمول کے کتنے وقفے گزرے",
        high="اپنے معمول سے اکثر گاہکوں کی نسبت زیادہ دیر ہو چکی ہے",
        low="اپنے معمول سے اکثر گاہکوں کی نسبت کم دیر ہوئی ہے",
        says=_RHYTHM_URDU,
    ),
)
def overdue_ratio(t: Table) -> Any:
    """days_since_last_order ÷ (median gap, but at least one day); missing below two order days."""
    usual = t.gap_days.median()
    return days(t.age_us.min()) / (usual < 1).ifelse(1.0, usual)


@feature(
    view="order_days",
    family="rhythm",
    unit="score",
    absent=None,
    label="How unusual the present pause is",
    high="the present pause is more unusual than for most",
    low="the present pause is less unusual than for most",
    says=_RHYTHM,
    urdu=Words(
        label="موجودہ وقفہ کتنا غیر معمولی ہے",
        high="موجودہ وقفہ اکثر گاہکوں کی نسبت زیادہ غیر معمولی ہے",
        low="موجودہ وقفہ اکثر گاہکوں کی نسبت کم غیر معمولی ہے",
        says=_RHYTHM_URDU,
    ),
)
def overdue_score(t: Table) -> Any:
    """(days_since_last_order − average gap) ÷ (population deviation of the gaps + 7); missing below two gaps."""
    average = share(t.gap_days.sum(), t.gap_days.count())
    return (days(t.age_us.min()) - average) / (deviation(t.gap_days) + 7.0)


@feature(
    view="order_days",
    family="rhythm",
    unit="ratio",
    absent=None,
    label="Present pause against the longest so far",
    high="has never been away for so long",
    low="has come back after longer pauses",
    says="longest pause so far {longest_gap_days} days; last order {days_since_last_order} days ago",
    urdu=Words(
        label="موجودہ وقفہ، اب تک کے سب سے لمبے وقفے کے مقابلے میں",
        high="پہلے کبھی اتنے عرصے تک دور نہیں رہے",
        low="پہلے اس سے لمبے وقفے کے بعد بھی واپس آ چکے ہیں",
        says="اب تک کا سب سے لمبا وقفہ: {longest_gap_days} دن؛ آخری آرڈر: {days_since_last_order} دن پہلے",
    ),
)
def pause_to_longest(t: Table) -> Any:
    """days_since_last_order ÷ (longest gap, at least one day); missing below two order days."""
    longest = t.gap_days.max()
    return days(t.age_us.min()) / (longest < 1).ifelse(1, longest)


@feature(
    view="order_days",
    family="rhythm",
    unit="ratio",
    absent=None,
    label="Irregularity of the intervals",
    high="orders less regularly than most",
    low="orders more regularly than most",
    says=_RHYTHM,
    urdu=Words(
        label="آرڈرز کے وقفوں میں بے قاعدگی",
        high="اکثر گاہکوں سے کم باقاعدگی سے آرڈر کرتے ہیں",
        low="اکثر گاہکوں سے زیادہ باقاعدگی سے آرڈر کرتے ہیں",
        says=_RHYTHM_URDU,
    ),
)
def gap_variation(t: Table) -> Any:
    """Population deviation of the gaps ÷ average gap; missing below two gaps."""
    return deviation(t.gap_days) / share(t.gap_days.sum(), t.gap_days.count())


@feature(
    view="order_days",
    family="rhythm",
    unit="ratio",
    absent=None,
    label="Last interval against the average",
    high="intervals between orders are getting longer",
    low="intervals between orders are getting shorter",
    says="the last two orders lay {latest_gap_days} days apart, on average {average_gap_days}",
    urdu=Words(
        label="آخری وقفہ، اوسط وقفے کے مقابلے میں",
        high="آرڈرز کے درمیان وقفے بڑھ رہے ہیں",
        low="آرڈرز کے درمیان وقفے کم ہو رہے ہیں",
        says="آخری دو آرڈرز کے درمیان وقفہ: {latest_gap_days} دن؛ اوسط وقفہ: {average_gap_days} دن",
    ),
)
def latest_gap_to_average(t: Table) -> Any:
    """Gap that ends at the newest order day ÷ average gap; missing below two order days."""
    return t.gap_days.argmin(t.days_ago) / share(t.gap_days.sum(), t.gap_days.count())


@feature(
    view="order_days",
    family="rhythm",
    unit="ratio",
    absent=None,
    label="Last three intervals against the average",
    high="the last intervals between orders were longer than usual",
    low="the last intervals between orders were shorter than usual",
    says="the last three pauses between orders took {value} × the average of {average_gap_days} days",
    urdu=Words(
        "آخری تین وقفے، اوسط وقفے کے مقابلے میں",
        "آرڈرز کے درمیان آخری وقفے معمول سے لمبے رہے",
        "آرڈرز کے درمیان آخری وقفے معمول سے چھوٹے رہے",
        "آرڈرز کے درمیان آخری تین وقفے اوسط وقفے ({average_gap_days} دن) کے {value} گنا رہے",
    ),
)
def recent_gaps_to_average(t: Table) -> Any:
    """Mean of the gaps of the three newest order days ÷ average gap; missing below three gaps."""
    return share(t.three_gaps_days.argmin(t.days_ago) * t.gap_days.count(), 3 * t.gap_days.sum())


@feature(
    view="order_months",
    family="rhythm",
    unit="share",
    absent=None,
    label="Share of the order days in the busiest 30 days",
    high="orders mostly in one month",
    low="spreads the orders over more months than most",
    says="{value} of all days with an order fall into one stretch of 30 days",
    urdu=Words(
        "سب سے مصروف 30 دن میں آرڈر والے دنوں کا تناسب",
        "زیادہ تر آرڈر ایک ہی مہینے میں کرتے ہیں",
        "آرڈر اکثر گاہکوں سے زیادہ مہینوں میں پھیلے ہوئے ہیں",
        "آرڈر والے تمام دنوں میں سے {value} ایک ہی 30 دن کے عرصے میں آئے",
    ),
)
def busiest_month_share(t: Table) -> Any:
    """Most order days with the same ``days_ago // 30`` ÷ all order days."""
    return share(t.order_days.max(), t.order_days.sum())
