"""How often a customer orders, whether that grows, and in which season."""

from __future__ import annotations

from typing import Any

from features.arithmetic import count_where, days, decayed_count, share, slope, trend
from features.catalogue import Table, Words, feature
from timeline import DAY_US

_SEASON_FROM, _YEAR = 268, 365
"""The 97 days that began a year before the cutoff: the season that lies ahead, a year ago."""


@feature(
    view="order_days",
    family="frequency",
    unit="count",
    absent=0,
    label="Days with an order in the last {days} days",
    high="ordered on more days than most",
    low="ordered on fewer days than most",
    says="days with an order: {value} in the last {days} days",
    urdu=Words(
        label="پچھلے {days} دن میں آرڈر والے دن",
        high="اکثر گاہکوں سے زیادہ دن آرڈر کیا",
        low="اکثر گاہکوں سے کم دن آرڈر کیا",
        says="پچھلے {days} دن میں آرڈر والے دن: {value}",
    ),
)
def days_with_order(t: Table) -> Any:
    """Number of order days in the window."""
    return t.count()


@feature(
    view="order_days",
    family="frequency",
    unit="count",
    absent=0,
    label="Days with an order so far",
    high="has ordered on more days than most",
    low="has ordered on fewer days than most",
    says="days with an order: {value} so far",
    urdu=Words(
        label="اب تک آرڈر والے دن",
        high="اب تک اکثر گاہکوں سے زیادہ دن آرڈر کیا",
        low="اب تک اکثر گاہکوں سے کم دن آرڈر کیا",
        says="اب تک آرڈر والے دن: {value}",
    ),
)
def days_with_order_so_far(t: Table) -> Any:
    """Number of order days in the whole history."""
    return t.count()


@feature(
    view="order_days",
    family="frequency",
    unit="days",
    absent=None,
    label="Days since the first order",
    high="has been a customer for longer than most",
    low="is a newer customer than most",
    says="first order {value} days ago",
    urdu=Words(
        label="پہلے آرڈر کو کتنے دن ہوئے",
        high="اکثر گاہکوں سے پرانے گاہک ہیں",
        low="اکثر گاہکوں سے نئے گاہک ہیں",
        says="پہلا آرڈر: {value} دن پہلے",
    ),
)
def days_since_first_order(t: Table) -> Any:
    """Days, with the fraction, between the newest order of the oldest order day and the cutoff."""
    return days(t.age_us.max())


@feature(
    view="order_days",
    family="frequency",
    unit="ratio",
    absent=None,
    label="Repeat orders per 30 days as a customer",
    high="reorders more often than most",
    low="reorders less often than most",
    says="ordered on {days_with_order_so_far} days in the {days_since_first_order} days since the first order",
    urdu=Words(
        label="گاہک بننے کے بعد ہر 30 دن میں دوبارہ آرڈر",
        high="اکثر گاہکوں سے زیادہ بار دوبارہ آرڈر کرتے ہیں",
        low="اکثر گاہکوں سے کم بار دوبارہ آرڈر کرتے ہیں",
        says="پہلا آرڈر: {days_since_first_order} دن پہلے؛ تب سے آرڈر والے دن: {days_with_order_so_far}",
    ),
)
def repeat_rate(t: Table) -> Any:
    """(order days − 1) × 30 ÷ (days_since_first_order, but at least 30)."""
    tenure = days(t.age_us.max())
    return (t.count() - 1) * 30.0 / (tenure < 30).ifelse(30.0, tenure)


@feature(
    view="order_days",
    family="frequency",
    unit="days",
    absent=None,
    label="Average age of the orders in the last {days} days",
    high="the orders lie further back than for most",
    low="the orders are more recent than for most",
    says="the orders of the last {days} days were placed {value} days ago on average",
    urdu=Words(
        label="پچھلے {days} دن کے آرڈرز اوسطاً کتنے دن پرانے ہیں",
        high="آرڈرز اکثر گاہکوں کی نسبت زیادہ پرانے ہیں",
        low="آرڈرز اکثر گاہکوں کی نسبت زیادہ حالیہ ہیں",
        says="پچھلے {days} دن کے آرڈرز اوسطاً {value} دن پرانے ہیں",
    ),
)
def average_order_age(t: Table) -> Any:
    """Sum of ``days_ago`` (whole days) over the order days in the window ÷ their number."""
    return share(t.days_ago.sum(), t.count())


@feature(
    view="order_days",
    family="frequency",
    unit="score",
    absent=0,
    label="Recent ordering, fading over 90 days",
    high="has ordered more of late than most",
    low="has ordered less of late than most",
    says="ordered on {days_with_order_so_far} days so far; last order {days_since_last_order} days ago",
    urdu=Words(
        label="حالیہ آرڈرز کا اسکور (اثر 90 دن میں گھٹتا ہے)",
        high="حال میں اکثر گاہکوں سے زیادہ آرڈر کیے ہیں",
        low="حال میں اکثر گاہکوں سے کم آرڈر کیے ہیں",
        says="اب تک آرڈر والے دن: {days_with_order_so_far}؛ آخری آرڈر: {days_since_last_order} دن پہلے",
    ),
)
def fading_orders(t: Table) -> Any:
    """Σ over order days of floor(2²⁰·e^(−age/90 days)) ÷ 2²⁰."""
    return decayed_count(t.age_us, 90)


@feature(
    view="order_days",
    family="frequency",
    unit="ratio",
    absent=None,
    label="Ordering lately against before",
    high="orders more often than before",
    low="orders less often than before",
    says="ordered on {days_with_order_so_far} days so far; last order {days_since_last_order} days ago",
    urdu=Words(
        label="حال میں آرڈر کرنا، پہلے کے مقابلے میں",
        high="پہلے سے زیادہ بار آرڈر کرتے ہیں",
        low="پہلے سے کم بار آرڈر کرتے ہیں",
        says="اب تک آرڈر والے دن: {days_with_order_so_far}؛ آخری آرڈر: {days_since_last_order} دن پہلے",
    ),
)
def order_momentum(t: Table) -> Any:
    """Fading count with 30 days ÷ (fading count with 180 days + 0.1)."""
    return decayed_count(t.age_us, 30) / (decayed_count(t.age_us, 180) + 0.1)


@feature(
    view="order_days",
    family="frequency",
    unit="ratio",
    absent=0,
    label="Trend of orders within the last {days} days",
    high="orders more often than in the time before",
    low="orders less often than in the time before",
    says="trend of orders within the last {days} days: {value} (from -1, falling, to +1, growing)",
    urdu=Words(
        label="پچھلے {days} دن میں آرڈرز کا رجحان",
        high="پہلے کے عرصے کی نسبت زیادہ بار آرڈر کرتے ہیں",
        low="پہلے کے عرصے کی نسبت کم بار آرڈر کرتے ہیں",
        says="پچھلے {days} دن میں آرڈرز کا رجحان: {value} (صفر سے کم: کمی، صفر سے زیادہ: اضافہ)",
    ),
)
def order_trend(t: Table, window: int) -> Any:
    """(order days in the newer half − older half) ÷ (both + 1); the newer half is the last days // 2 days."""
    return trend(t.age_us, window)


@feature(
    view="order_days",
    family="frequency",
    unit="ratio",
    absent=0,
    label="Rise or fall of orders over six months",
    high="orders more often from month to month",
    low="orders less often from month to month",
    says="change in days with an order from month to month, over the last 180 days: {value}",
    urdu=Words(
        "چھ ماہ میں آرڈرز کا اتار چڑھاؤ",
        "ہر مہینے پہلے سے زیادہ آرڈر کرتے ہیں",
        "ہر مہینے پہلے سے کم آرڈر کرتے ہیں",
        "پچھلے 180 دن میں ہر 30 دن پر آرڈر والے دنوں میں اوسط تبدیلی: {value}",
    ),
)
def order_slope(t: Table) -> Any:
    """Least-squares slope of the order days over the last six stretches of 30 days; above zero is growing."""
    return slope(t.age_us)


@feature(
    view="order_days",
    family="calendar",
    unit="count",
    absent=0,
    label="Order days in the same season last year",
    high="ordered more in this season last year than most",
    low="did not order in this season last year",
    says="days with an order a year ago in the 14 weeks that now lie ahead: {value}",
    urdu=Words(
        label="پچھلے سال اسی سیزن میں آرڈر والے دن",
        high="پچھلے سال اسی سیزن میں اکثر گاہکوں سے زیادہ آرڈر کیے",
        low="پچھلے سال اسی سیزن میں آرڈر نہیں کیا",
        says="جو 14 ہفتے اب آنے والے ہیں، پچھلے سال انہی ہفتوں میں آرڈر والے دن: {value}",
    ),
)
def orders_same_season_last_year(t: Table) -> Any:
    """Order days with 268 ≤ ``days_ago`` < 365: the 97 days that began a year before the cutoff."""
    return count_where((t.days_ago >= _SEASON_FROM) & (t.days_ago < _YEAR))


@feature(
    view="order_days",
    family="calendar",
    unit="share",
    absent=None,
    label="Share of the orders that fell in the season ahead",
    high="orders mostly in the season that lies ahead",
    low="orders mostly in other seasons",
    says="{value} of all days with an order fell, in earlier years, in the 14 weeks that now lie ahead",
    urdu=Words(
        "آنے والے سیزن میں آرڈر والے دنوں کا تناسب",
        "زیادہ تر آرڈر اسی سیزن میں کرتے ہیں جو اب آنے والا ہے",
        "زیادہ تر آرڈر دوسرے سیزن میں کرتے ہیں",
        "آرڈر والے تمام دنوں میں سے {value} پچھلے برسوں کے انہی 14 ہفتوں میں آئے جو اب آنے والے ہیں",
    ),
)
def coming_season_share(t: Table) -> Any:
    """Order days with ``days_ago % 365`` of 268 or more ÷ all order days."""
    return share(count_where(t.days_ago % _YEAR >= _SEASON_FROM), t.count())


@feature(
    view="purchases",
    family="calendar",
    unit="money",
    absent=0,
    label="Spent in the same season last year",
    high="spent more in this season last year than most",
    low="spent little or nothing in this season last year",
    says="spent {value} a year ago in the 14 weeks that now lie ahead",
    urdu=Words(
        "پچھلے سال اسی سیزن میں خرچ کی گئی رقم",
        "پچھلے سال اسی سیزن میں اکثر گاہکوں سے زیادہ خرچ کیا",
        "پچھلے سال اسی سیزن میں کم یا کچھ بھی خرچ نہیں کیا",
        "جو 14 ہفتے اب آنے والے ہیں، پچھلے سال انہی ہفتوں میں خرچ کی گئی رقم: {value}",
    ),
)
def spend_same_season_last_year(t: Table) -> Any:
    """Sum of revenue of the completed orders aged 268 days or more and less than 365 days, in minor units."""
    in_season = (t.age_us >= _SEASON_FROM * DAY_US) & (t.age_us < _YEAR * DAY_US)
    return in_season.ifelse(t.revenue, 0).sum()
