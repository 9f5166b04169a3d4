"""What a customer did in the web shop: visits and looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ibis

from features.arithmetic import count_where, daily, days, decayed_count, share, slope, trend
from features.catalogue import Table, Words, feature, view
from timeline import DAY_US

CART_EVENTS = ("Product Added", "Checkout Started")


@view(needs=("web_events",))
def visits(rows: Mapping[str, Table]) -> Table:
    """One row per customer and session, as old as its newest event; a day of events without a session is one.

    ``start_age_us`` is the age of its oldest event.
    """
    events = rows["web_events"]
    day = ibis.literal("day ") + (events.age_us // DAY_US).cast("int64").cast("string")
    events = events.mutate(session_id=events.session_id.fill_null(day))
    return events.group_by("customer_id", "session_id").agg(
        age_us=events.age_us.min(),
        start_age_us=events.age_us.max(),
        product_views=count_where(events.event == "Product Viewed"),
        searches=count_where(events.event == "Products Searched"),
        has_cart=events.event.isin(CART_EVENTS).max(),
        has_checkout=(events.event == "Checkout Started").max(),
        has_order=(events.event == "Order Completed").max(),
    )


@view(needs=("visits",))
def visit_days(rows: Mapping[str, Table]) -> Table:
    """One row per customer and day with a visit, as old as the day's newest visit, with the gap to the day before."""
    return daily(rows["visits"])


@view(needs=("visits", "purchases"))
def visits_and_orders(rows: Mapping[str, Table]) -> Table:
    """One row per visit with the ages of the customer's newest and first completed order (missing without any)."""
    orders, seen = rows["purchases"], rows["visits"]
    placed = orders.group_by("customer_id").agg(
        order_age_us=orders.age_us.min(), first_order_age_us=orders.age_us.max()
    )
    joined = seen.left_join(placed, "customer_id")
    return joined.select(seen, order_age_us=placed.order_age_us, first_order_age_us=placed.first_order_age_us)


def is_since_last_order(visits: Table) -> Any:
    """Whether each of the visits is younger than the newest completed order, or there is no order."""
    return visits.order_age_us.isnull() | (visits.age_us < visits.order_age_us)


@feature(
    view="visits",
    family="web",
    unit="count",
    absent=0,
    label="Visits in the last {days} days",
    high="visits more often than most",
    low="visits less often than most",
    says="visits in the last {days} days: {value}",
    urdu=Words(
        label="پچھلے {days} دن میں ویب سائٹ کے وزٹ",
        high="اکثر گاہکوں سے زیادہ بار ویب سائٹ پر آتے ہیں",
        low="اکثر گاہکوں سے کم بار ویب سائٹ پر آتے ہیں",
        says="پچھلے {days} دن میں ویب سائٹ کے وزٹ: {value}",
    ),
)
def visit_count(t: Table) -> Any:
    """Number of sessions whose newest event lies in the window."""
    return t.count()


@feature(
    view="visit_days",
    family="web",
    unit="count",
    absent=0,
    label="Days with a visit in the last {days} days",
    high="visits on more days than most",
    low="visits on fewer days than most",
    says="days with a visit: {value} in the last {days} days",
    urdu=Words(
        label="پچھلے {days} دن میں وزٹ والے دن",
        high="اکثر گاہکوں سے زیادہ دن ویب سائٹ پر آتے ہیں",
        low="اکثر گاہکوں سے کم دن ویب سائٹ پر آتے ہیں",
        says="پچھلے {days} دن میں وزٹ والے دن: {value}",
    ),
)
def days_with_visit(t: Table) -> Any:
    """Distinct whole days (age of the session's newest event // 24 hours) in the window."""
    return t.count()


@feature(
    view="visits",
    family="web",
    unit="days",
    absent=None,
    label="Days since the last visit",
    high="has not visited for longer than most",
    low="visited more recently than most",
    says="last visit {value} days ago",
    urdu=Words(
        label="ویب سائٹ کے آخری وزٹ کو کتنے دن ہوئے",
        high="اکثر گاہکوں کی نسبت زیادہ عرصے سے ویب سائٹ پر نہیں آئے",
        low="ویب سائٹ کے آخری وزٹ کو اکثر گاہکوں کی نسبت کم دن ہوئے ہیں",
        says="ویب سائٹ کا آخری وزٹ: {value} دن پہلے",
    ),
)
def days_since_last_visit(t: Table) -> Any:
    """Days since the newest event of any session."""
    return days(t.age_us.min())


@feature(
    view="visit_days",
    family="web",
    unit="days",
    absent=None,
    label="Usual days between visits",
    high="usually waits longer between visits than most",
    low="usually visits at shorter intervals than most",
    says="usually visits every {value} days; last visit {days_since_last_visit} days ago",
    urdu=Words(
        "وزٹس کے درمیان معمول کا وقفہ (دن)",
        "عام طور پر اکثر گاہکوں کی نسبت زیادہ وقفے سے ویب سائٹ پر آتے ہیں",
        "عام طور پر اکثر گاہکوں کی نسبت کم وقفے سے ویب سائٹ پر آتے ہیں",
        "عام طور پر ہر {value} دن بعد ویب سائٹ پر آتے ہیں؛ آخری وزٹ: {days_since_last_visit} دن پہلے",
    ),
)
def usual_visit_gap_days(t: Table) -> Any:
    """Median of the gaps between consecutive days with a visit; missing below two such days."""
    return t.gap_days.median()


@feature(
    view="visit_days",
    family="web",
    unit="ratio",
    absent=None,
    label="Days since the last visit, in usual gaps",
    high="has stayed away for longer than is usual for them",
    low="still visits at the usual intervals",
    says="usually visits every {usual_visit_gap_days} days; last visit {days_since_last_visit} days ago",
    urdu=Words(
        "آخری وزٹ کے بعد معمول کے کتنے وقفے گزرے",
        "اپنے معمول سے زیادہ عرصے سے ویب سائٹ پر نہیں آئے",
        "ابھی اپنے معمول کے مطابق ویب سائٹ پر آتے ہیں",
        "عام طور پر ہر {usual_visit_gap_days} دن بعد ویب سائٹ پر آتے ہیں؛ آخری وزٹ: {days_since_last_visit} دن پہلے",
    ),
)
def visit_overdue_ratio(t: Table) -> Any:
    """days_since_last_visit ÷ usual_visit_gap_days; missing below two days with a visit."""
    return days(t.age_us.min()) / t.gap_days.median().nullif(0)


@feature(
    view="visits",
    family="web",
    unit="count",
    absent=0,
    label="Products looked at in the last {days} days",
    high="looks at more products than most",
    low="looks at fewer products than most",
    says="products looked at: {value} in the last {days} days",
    urdu=Words(
        label="پچھلے {days} دن میں دیکھی گئی پروڈکٹس",
        high="اکثر گاہکوں سے زیادہ پروڈکٹس دیکھتے ہیں",
        low="اکثر گاہکوں سے کم پروڈکٹس دیکھتے ہیں",
        says="پچھلے {days} دن میں دیکھی گئی پروڈکٹس: {value}",
    ),
)
def product_views(t: Table) -> Any:
    """Number of Product Viewed events in the sessions of the window."""
    return t.product_views.sum()


@feature(
    view="visits",
    family="web",
    unit="count",
    absent=0,
    label="Searches in the last {days} days",
    high="searches more than most",
    low="searches less than most",
    says="searches in the last {days} days: {value}",
    urdu=Words(
        label="پچھلے {days} دن میں ویب سائٹ پر سرچ",
        high="اکثر گاہکوں سے زیادہ سرچ کرتے ہیں",
        low="اکثر گاہکوں سے کم سرچ کرتے ہیں",
        says="پچھلے {days} دن میں ویب سائٹ پر سرچ: {value} بار",
    ),
)
def searches(t: Table) -> Any:
    """Number of Products Searched events in the sessions of the window."""
    return t.searches.sum()


@feature(
    view="visits",
    family="web",
    unit="ratio",
    absent=0,
    label="Trend of visits within the last {days} days",
    high="visits more often than in the time before",
    low="visits less often than in the time before",
    says="trend of visits within the last {days} days: {value} (from -1, falling, to +1, growing)",
    urdu=Words(
        label="پچھلے {days} دن میں وزٹ کا رجحان",
        high="پہلے کے عرصے کی نسبت زیادہ بار ویب سائٹ پر آتے ہیں",
        low="پہلے کے عرصے کی نسبت کم بار ویب سائٹ پر آتے ہیں",
        says="پچھلے {days} دن میں وزٹ کا رجحان: {value} (صفر سے کم: کمی، صفر سے زیادہ: اضافہ)",
    ),
)
def visit_trend(t: Table, window: int) -> Any:
    """(sessions in the newer half − older half) ÷ (both + 1); the newer half is the last days // 2 days."""
    return trend(t.age_us, window)


@feature(
    view="visits",
    family="web",
    unit="ratio",
    absent=0,
    label="Rise or fall of visits over six months",
    high="visits more often from month to month",
    low="visits less often from month to month",
    says="change in visits from month to month, over the last 180 days: {value}",
    urdu=Words(
        "چھ ماہ میں وزٹ کا اتار چڑھاؤ",
        "ہر مہینے پہلے سے زیادہ بار ویب سائٹ پر آتے ہیں",
        "ہر مہینے پہلے سے کم بار ویب سائٹ پر آتے ہیں",
        "پچھلے 180 دن میں ہر 30 دن پر وزٹ کی تعداد میں اوسط تبدیلی: {value}",
    ),
)
def visit_slope(t: Table) -> Any:
    """Least-squares slope of the sessions (by their newest event) over the last six stretches of 30 days."""
    return slope(t.age_us)


@feature(
    view="visits",
    family="web",
    unit="score",
    absent=0,
    label="Recent visits, fading over 14 days",
    high="has visited more of late than most",
    low="has visited less of late than most",
    says="last visit {days_since_last_visit} days ago",
    urdu=Words(
        label="حالیہ وزٹ کا اسکور (اثر 14 دن میں گھٹتا ہے)",
        high="حال میں اکثر گاہکوں سے زیادہ بار ویب سائٹ پر آئے ہیں",
        low="حال میں اکثر گاہکوں سے کم بار ویب سائٹ پر آئے ہیں",
        says="ویب سائٹ کا آخری وزٹ: {days_since_last_visit} دن پہلے",
    ),
)
def fading_visits(t: Table) -> Any:
    """Σ over sessions of floor(2²⁰·e^(−age/14 days)) ÷ 2²⁰."""
    return decayed_count(t.age_us, 14)


@feature(
    view="visits",
    family="web",
    unit="ratio",
    absent=None,
    label="Visiting lately against before",
    high="visits more often than before",
    low="visits less often than before",
    says="last visit {days_since_last_visit} days ago",
    urdu=Words(
        label="حال میں ویب سائٹ پر آنا، پہلے کے مقابلے میں",
        high="پہلے سے زیادہ بار ویب سائٹ پر آتے ہیں",
        low="پہلے سے کم بار ویب سائٹ پر آتے ہیں",
        says="ویب سائٹ کا آخری وزٹ: {days_since_last_visit} دن پہلے",
    ),
)
def visit_momentum(t: Table) -> Any:
    """Fading session count with 14 days ÷ (fading session count with 120 days + 0.1)."""
    return decayed_count(t.age_us, 14) / (decayed_count(t.age_us, 120) + 0.1)


@feature(
    view="visits",
    family="web",
    unit="share",
    absent=None,
    label="Share of visits that ended in an order in the last {days} days",
    high="buys on more of the visits than most",
    low="buys on fewer of the visits than most",
    says="{value} of the visits in the last {days} days ended in an order",
    urdu=Words(
        label="پچھلے {days} دن میں آرڈر پر ختم ہونے والے وزٹ کا تناسب",
        high="اکثر گاہکوں کی نسبت زیادہ وزٹ آرڈر پر ختم ہوتے ہیں",
        low="اکثر گاہکوں کی نسبت کم وزٹ آرڈر پر ختم ہوتے ہیں",
        says="پچھلے {days} دن کے وزٹ میں سے {value} آرڈر پر ختم ہوئے",
    ),
)
def visit_to_order_share(t: Table) -> Any:
    """Sessions with an Order Completed event ÷ sessions in the window."""
    return share(count_where(t.has_order), t.count())


@feature(
    view="visits_and_orders",
    family="web",
    unit="count",
    absent=0,
    label="Visits since the last order",
    high="has come to look more often since the last order than most",
    low="has come to look less often since the last order than most",
    says="visits since the last order: {value}",
    urdu=Words(
        label="آخری آرڈر کے بعد ویب سائٹ کے وزٹ",
        high="آخری آرڈر کے بعد اکثر گاہکوں سے زیادہ بار دیکھنے آئے ہیں",
        low="آخری آرڈر کے بعد اکثر گاہکوں سے کم بار دیکھنے آئے ہیں",
        says="آخری آرڈر کے بعد ویب سائٹ کے وزٹ: {value}",
    ),
)
def visits_since_last_order(t: Table) -> Any:
    """Sessions whose newest event is younger than the newest completed order; all of them if there is none."""
    return count_where(t.order_age_us.isnull() | (t.age_us < t.order_age_us))


@feature(
    view="visits_and_orders",
    family="web",
    unit="count",
    absent=0,
    label="Products looked at since the last order",
    high="has looked at more products since the last order than most",
    low="has looked at fewer products since the last order than most",
    says="products looked at since the last order: {value}",
    urdu=Words(
        "آخری آرڈر کے بعد دیکھی گئی پروڈکٹس",
        "آخری آرڈر کے بعد اکثر گاہکوں سے زیادہ پروڈکٹس دیکھیں",
        "آخری آرڈر کے بعد اکثر گاہکوں سے کم پروڈکٹس دیکھیں",
        "آخری آرڈر کے بعد دیکھی گئی پروڈکٹس: {value}",
    ),
)
def views_since_last_order(t: Table) -> Any:
    """Product Viewed events in the sessions younger than the newest completed order; in all if there is none."""
    return is_since_last_order(t).ifelse(t.product_views, 0).sum()
