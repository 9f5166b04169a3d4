"""What a customer bought: rhythm, frequency, value, discounts, returns and range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ibis

from features.arithmetic import count_where, days, decayed_count, deviation, share, trend
from features.catalogue import Table, feature, view
from timeline import DAY_US


@view(needs=("orders",))
def purchases(rows: Mapping[str, Table]) -> Table:
    """One row per completed order."""
    orders = rows["orders"]
    return orders.filter(orders.event == "Order Completed")


@view(needs=("purchases",))
def order_days(rows: Mapping[str, Table]) -> Table:
    """One row per customer and day with a completed order; a day is 24 hours counted back from the cutoff.

    ``days_ago`` is the whole days between the day's newest order and the cutoff, ``gap_days`` the whole days
    since the order day before it (missing on the first).
    """
    orders = rows["purchases"]
    dated = orders.mutate(days_ago=(orders.age_us // DAY_US).cast("int64"))
    daily = dated.group_by("customer_id", "days_ago").agg(age_us=dated.age_us.min())
    earlier = ibis.window(group_by="customer_id", order_by=ibis.desc("days_ago"))
    return daily.mutate(gap_days=daily.days_ago.lag().over(earlier) - daily.days_ago)


@view(needs=("purchases",))
def priced_purchases(rows: Mapping[str, Table]) -> Table:
    """One row per completed order with the age of the customer's newest full-price one (missing without any)."""
    orders = rows["purchases"]
    full_price_age = (~_discounted(orders)).ifelse(orders.age_us, ibis.null("int64"))
    return orders.mutate(full_price_age_us=full_price_age.min().over(ibis.window(group_by="customer_id")))


@view(needs=("order_items",))
def items(rows: Mapping[str, Table]) -> Table:
    """One row per product line of a completed order."""
    lines = rows["order_items"]
    return lines.filter(lines.event == "Order Completed")


# --- rhythm -------------------------------------------------------------------------------------------------

_RHYTHM = "usually orders every {usual_gap_days} days; last order {days_since_last_order} days ago"


@feature(
    view="order_days",
    family="rhythm",
    unit="days",
    absent=None,
    label="Days since the last order",
    high="has not ordered for longer than most",
    low="ordered more recently than most",
    says="last order {value} days ago",
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
    low="is still within the usual interval",
    says=_RHYTHM,
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
    low="the present pause is within the usual",
    says=_RHYTHM,
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
)
def latest_gap_to_average(t: Table) -> Any:
    """Gap that ends at the newest order day ÷ average gap; missing below two order days."""
    return t.gap_days.argmin(t.days_ago) / share(t.gap_days.sum(), t.gap_days.count())


# --- frequency ----------------------------------------------------------------------------------------------


@feature(
    view="order_days",
    family="frequency",
    unit="count",
    absent=0,
    label="Days with an order in the last {days} days",
    high="ordered on more days than most",
    low="ordered on fewer days than most",
    says="days with an order: {value} in the last {days} days",
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
    high="most of the orders lie further back",
    low="most of the orders are recent",
    says="orders of the last {days} days lie {value} days back on average",
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
)
def order_trend(t: Table, window: int) -> Any:
    """(order days in the newer half − older half) ÷ (both + 1); the newer half is the last days // 2 days."""
    return trend(t.age_us, window)


@feature(
    view="order_days",
    family="frequency",
    unit="count",
    absent=0,
    label="Order days in the same season last year",
    high="ordered more in this season last year than most",
    low="did not order in this season last year",
)
def orders_same_season_last_year(t: Table) -> Any:
    """Order days with 268 ≤ ``days_ago`` < 365: the 97 days that began a year before the cutoff."""
    return count_where((t.days_ago >= 268) & (t.days_ago < 365))


# --- value --------------------------------------------------------------------------------------------------


@feature(
    view="purchases",
    family="value",
    unit="money",
    absent=0,
    label="Spent in the last {days} days",
    high="spent more than most",
    low="spent less than most",
    says="spent {value} in the last {days} days",
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
    label="Share of the last {days} days' spending in their newer half",
    high="spends more of it recently than most",
    low="spends less of it recently than most",
    says="{value} of the spending of the last {days} days fell in their newer half",
)
def recent_spend_share(t: Table, window: int) -> Any:
    """Revenue of the newer half of the window (last days // 2 days) ÷ revenue of the window."""
    newer = t.age_us <= (window // 2) * DAY_US
    return share(newer.ifelse(t.revenue, 0).sum(), t.revenue.sum())


# --- discount -----------------------------------------------------------------------------------------------


def _discounted(t: Table) -> Any:
    return (t.discount.fill_null(0) > 0) | t.coupon.notnull()


@feature(
    view="purchases",
    family="discount",
    unit="share",
    absent=None,
    label="Share of orders at a discount in the last {days} days",
    high="buys at a discount more often than most",
    low="buys at full price more often than most",
    says="{value} of the orders in the last {days} days were at a discount",
)
def discounted_order_share(t: Table) -> Any:
    """Completed orders with a discount above zero or a coupon ÷ completed orders in the window."""
    return share(count_where(_discounted(t)), t.count())


@feature(
    view="purchases",
    family="discount",
    unit="share",
    absent=None,
    label="Share of all orders at a discount",
    high="buys at a discount more often than most",
    low="buys at full price more often than most",
    says="{value} of all orders so far were at a discount",
)
def discounted_order_share_so_far(t: Table) -> Any:
    """Completed orders with a discount above zero or a coupon ÷ completed orders in the whole history."""
    return share(count_where(_discounted(t)), t.count())


@feature(
    view="purchases",
    family="discount",
    unit="share",
    absent=None,
    label="Discount depth in the last {days} days",
    high="gets deeper discounts than most",
    low="gets smaller discounts than most",
    says="discounts took {value} off the price in the last {days} days",
)
def discount_depth(t: Table) -> Any:
    """Sum of discount ÷ (sum of revenue + sum of discount) over completed orders; a missing discount is zero."""
    off = t.discount.fill_null(0).sum()
    return share(off, t.revenue.sum() + off)


@feature(
    view="purchases",
    family="frequency",
    unit="count",
    absent=0,
    label="Orders at full price in the last {days} days",
    high="buys at full price more often than most",
    low="buys at full price less often than most",
    says="orders at full price in the last {days} days: {value}",
)
def full_price_orders(t: Table) -> Any:
    """Completed orders with neither a discount above zero nor a coupon in the window."""
    return count_where(~_discounted(t))


@feature(
    view="purchases",
    family="rhythm",
    unit="days",
    absent=None,
    label="Days since the last full-price order",
    high="has not paid full price for longer than most",
    low="paid full price more recently than most",
    says="last full-price order {value} days ago",
)
def days_since_full_price_order(t: Table) -> Any:
    """Days since the newest completed order with neither discount nor coupon; missing if there was none."""
    return days((~_discounted(t)).ifelse(t.age_us, None).min())


@feature(
    view="priced_purchases",
    family="discount",
    unit="count",
    absent=0,
    label="Orders at a discount since the last full-price one",
    high="has ordered only at a discount for more orders in a row than most",
    low="has ordered at full price more lately than most",
    says="orders in a row at a discount: {value}",
)
def discounted_streak(t: Table) -> Any:
    """Completed orders younger than the newest completed order without discount and coupon; all if there is none."""
    return count_where(t.full_price_age_us.isnull() | (t.age_us < t.full_price_age_us))


# --- returns ------------------------------------------------------------------------------------------------


@feature(
    view="orders",
    family="returns",
    unit="share",
    absent=0,
    label="Share of the spending refunded in the last {days} days",
    high="sends back more than most",
    low="sends back less than most",
    says="{value} of the spending in the last {days} days was refunded",
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
)
def cancellations(t: Table) -> Any:
    """Number of Order Cancelled events in the window."""
    return count_where(t.event == "Order Cancelled")


# --- range --------------------------------------------------------------------------------------------------


@feature(
    view="items",
    family="range",
    unit="count",
    absent=0,
    label="Different products bought in the last {days} days",
    high="buys more different products than most",
    low="buys fewer different products than most",
    says="different products bought in the last {days} days: {value}",
)
def products_bought(t: Table) -> Any:
    """Number of distinct product ids on completed order lines in the window."""
    return t.product_id.nunique()


@feature(
    view="items",
    family="range",
    unit="count",
    absent=0,
    label="Different categories bought in the last {days} days",
    high="buys from more categories than most",
    low="buys from fewer categories than most",
    says="categories bought from: {value} in the last {days} days",
)
def categories_bought(t: Table) -> Any:
    """Number of distinct categories on completed order lines in the window; a missing category does not count."""
    return t.category.nunique()


@feature(
    view="items",
    family="range",
    unit="ratio",
    absent=None,
    label="Pieces per order",
    high="buys more pieces an order than most",
    low="buys fewer pieces an order than most",
    says="pieces an order: {value}",
)
def pieces_per_order(t: Table) -> Any:
    """Sum of quantity ÷ distinct order ids over completed order lines."""
    return share(t.quantity.sum(), t.order_id.nunique())
