"""How much a customer spends."""

from __future__ import annotations

from typing import Any

from features.arithmetic import days, deviation, share, slope
from features.catalogue import Table, Words, feature
from timeline import DAY_US


@feature(
    view="purchases",
    family="value",
    unit="money",
    absent=0,
    label="Spent in the last {days} days",
    high="spent more than most",
    low="spent less than most",
    says="spent {value} in the last {days} days",
    urdu=Words(
        label="پچھلے {days} دن میں خرچ کی گئی رقم",
        high="اکثر گاہکوں سے زیادہ خرچ کیا",
        low="اکثر گاہکوں سے کم خرچ کیا",
        says="پچھلے {days} دن میں خرچ کی گئی رقم: {value}",
    ),
)
def spend(t: Table) -> Any:
    """Sum of revenue of the completed orders in the window, in minor units."""
    return t.revenue.sum()


@feature(
    view="purchases",
    family="value",
    unit="money",
    absent=None,
    label="Average order value",
    high="places larger orders than most",
    low="places smaller orders than most",
    says="orders are worth {value} on average",
    urdu=Words(
        label="آرڈر کی اوسط رقم",
        high="اکثر گاہکوں سے بڑی رقم کے آرڈر کرتے ہیں",
        low="اکثر گاہکوں سے چھوٹی رقم کے آرڈر کرتے ہیں",
        says="آرڈر کی اوسط رقم: {value}",
    ),
)
def average_order_value(t: Table) -> Any:
    """Sum of revenue ÷ number of completed orders, in minor units."""
    return share(t.revenue.sum(), t.count())


@feature(
    view="purchases",
    family="value",
    unit="money",
    absent=None,
    label="Largest order",
    high="has placed a larger order than most",
    low="has never placed an order as large as most",
    says="largest order so far {value}",
    urdu=Words(
        label="سب سے بڑا آرڈر",
        high="اکثر گاہکوں سے بڑا آرڈر کر چکے ہیں",
        low="کبھی اتنا بڑا آرڈر نہیں کیا جتنا اکثر گاہک کرتے ہیں",
        says="اب تک کا سب سے بڑا آرڈر: {value}",
    ),
)
def largest_order_value(t: Table) -> Any:
    """Largest revenue of one completed order, in minor units."""
    return t.revenue.max()


@feature(
    view="purchases",
    family="value",
    unit="money",
    absent=None,
    label="Spent per year as a customer",
    high="spends more a year than most",
    low="spends less a year than most",
    says="spending comes to {value} a year",
    urdu=Words(
        label="گاہک بننے کے بعد سالانہ خرچ",
        high="سال میں اکثر گاہکوں سے زیادہ خرچ کرتے ہیں",
        low="سال میں اکثر گاہکوں سے کم خرچ کرتے ہیں",
        says="سالانہ خرچ: {value}",
    ),
)
def spend_per_year(t: Table) -> Any:
    """Sum of revenue × 365 ÷ (days, with the fraction, since the oldest completed order, but at least 30)."""
    tenure = days(t.age_us.max())
    return t.revenue.sum().cast("float64") * 365.0 / (tenure < 30).ifelse(30.0, tenure)


@feature(
    view="purchases",
    family="value",
    unit="share",
    absent=None,
    label="Share of the last {days} days' spending in their second half",
    high="spent more of it recently than most",
    low="spent less of it recently than most",
    says="{value} of what was spent in the last {days} days was spent in the second half of them",
    urdu=Words(
        label="پچھلے {days} دن کے خرچ کا وہ حصہ جو آخری آدھے عرصے میں ہوا",
        high="خرچ کا حالیہ حصہ اکثر گاہکوں کی نسبت زیادہ ہے",
        low="خرچ کا حالیہ حصہ اکثر گاہکوں کی نسبت کم ہے",
        says="پچھلے {days} دن کے خرچ میں سے {value} آخری آدھے عرصے میں ہوا",
    ),
)
def recent_spend_share(t: Table, window: int) -> Any:
    """Revenue of the newer half of the window (last days // 2 days) ÷ revenue of the window."""
    newer = t.age_us <= (window // 2) * DAY_US
    return share(newer.ifelse(t.revenue, 0).sum(), t.revenue.sum())


@feature(
    view="placed_orders",
    family="value",
    unit="ratio",
    absent=None,
    label="Latest order against the average one",
    high="the latest order was larger than usual",
    low="the latest order was smaller than usual",
    says="the latest order was worth {value} × the average of {average_order_value}",
    urdu=Words(
        "آخری آرڈر، اوسط آرڈر کے مقابلے میں",
        "آخری آرڈر معمول سے بڑا تھا",
        "آخری آرڈر معمول سے چھوٹا تھا",
        "آخری آرڈر کی رقم اوسط آرڈر ({average_order_value}) کی {value} گنا تھی",
    ),
)
def latest_order_to_average(t: Table) -> Any:
    """Average revenue of the completed orders of the smallest age ÷ average revenue of all completed orders."""
    is_latest = t.age_us == t.newest_age_us
    latest, orders = t.revenue.sum(where=is_latest), t.count(where=is_latest)
    return share(latest * t.count(), t.revenue.sum() * orders)


@feature(
    view="purchases",
    family="value",
    unit="money",
    absent=0,
    label="Rise or fall of spending over six months",
    high="spends more from month to month",
    low="spends less from month to month",
    says="change in spending from month to month, over the last 180 days: {value}",
    urdu=Words(
        "چھ ماہ میں خرچ کا اتار چڑھاؤ",
        "ہر مہینے پہلے سے زیادہ خرچ کرتے ہیں",
        "ہر مہینے پہلے سے کم خرچ کرتے ہیں",
        "پچھلے 180 دن میں ہر 30 دن پر خرچ میں اوسط تبدیلی: {value}",
    ),
)
def spend_slope(t: Table) -> Any:
    """Least-squares slope of the revenue over the last six stretches of 30 days, in minor units per stretch."""
    return slope(t.age_us, t.revenue)


@feature(
    view="purchases",
    family="value",
    unit="share",
    absent=None,
    label="Unevenness of the order values",
    high="the orders differ more in size than for most",
    low="the orders are more alike in size than for most",
    says="orders are worth {average_order_value} on average, give or take {value}",
    urdu=Words(
        "آرڈرز کی رقم میں فرق",
        "آرڈرز کی رقم میں اکثر گاہکوں کی نسبت زیادہ فرق ہے",
        "آرڈرز کی رقم اکثر گاہکوں کی نسبت زیادہ یکساں ہے",
        "آرڈر کی اوسط رقم: {average_order_value}؛ عام فرق: {value}",
    ),
)
def order_value_variation(t: Table) -> Any:
    """Population deviation of revenue ÷ average revenue over completed orders; missing below two."""
    return deviation(t.revenue) / share(t.revenue.sum(), t.count()).nullif(0)
