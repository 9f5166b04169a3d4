"""What a customer did in the web shop: visits, looks and carts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ibis

from features.arithmetic import count_where, days, decayed_count, share, trend
from features.catalogue import Table, feature, view
from timeline import DAY_US

CART_EVENTS = ("Product Added", "Checkout Started")


@view(needs=("web_events",))
def visits(rows: Mapping[str, Table]) -> Table:
    """One row per customer and session, as old as its newest event; a day of events without a session is one."""
    events = rows["web_events"]
    day = ibis.literal("day ") + (events.age_us // DAY_US).cast("int64").cast("string")
    events = events.mutate(session_id=events.session_id.fill_null(day))
    return events.group_by("customer_id", "session_id").agg(
        age_us=events.age_us.min(),
        product_views=count_where(events.event == "Product Viewed"),
        searches=count_where(events.event == "Products Searched"),
        has_cart=events.event.isin(CART_EVENTS).max(),
        has_order=(events.event == "Order Completed").max(),
    )


@view(needs=("visits", "purchases"))
def visits_and_orders(rows: Mapping[str, Table]) -> Table:
    """One row per visit with the age of the customer's newest completed order (missing without any)."""
    orders, seen = rows["purchases"], rows["visits"]
    newest = orders.group_by("customer_id").agg(order_age_us=orders.age_us.min())
    joined = seen.left_join(newest, "customer_id")
    return joined.select(seen, order_age_us=newest.order_age_us)


@feature(
    view="visits",
    family="web",
    unit="count",
    absent=0,
    label="Visits in the last {days} days",
    high="visits more often than most",
    low="visits less often than most",
    says="visits in the last {days} days: {value}",
)
def visit_count(t: Table) -> Any:
    """Number of sessions whose newest event lies in the window."""
    return t.count()


@feature(
    view="visits",
    family="web",
    unit="count",
    absent=0,
    label="Days with a visit in the last {days} days",
    high="visits on more days than most",
    low="visits on fewer days than most",
    says="days with a visit: {value} in the last {days} days",
)
def days_with_visit(t: Table) -> Any:
    """Distinct whole days (age of the session's newest event // 24 hours) in the window."""
    return (t.age_us // DAY_US).nunique()


@feature(
    view="visits",
    family="web",
    unit="days",
    absent=None,
    label="Days since the last visit",
    high="has not visited for longer than most",
    low="visited more recently than most",
    says="last visit {value} days ago",
)
def days_since_last_visit(t: Table) -> Any:
    """Days since the newest event of any session."""
    return days(t.age_us.min())


@feature(
    view="visits",
    family="web",
    unit="count",
    absent=0,
    label="Products looked at in the last {days} days",
    high="looks at more products than most",
    low="looks at fewer products than most",
    says="products looked at: {value} in the last {days} days",
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
)
def visit_trend(t: Table, window: int) -> Any:
    """(sessions in the newer half − older half) ÷ (both + 1); the newer half is the last days // 2 days."""
    return trend(t.age_us, window)


@feature(
    view="visits",
    family="web",
    unit="score",
    absent=0,
    label="Recent visits, fading over 14 days",
    high="has visited more of late than most",
    low="has visited less of late than most",
    says="last visit {days_since_last_visit} days ago",
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
)
def visits_since_last_order(t: Table) -> Any:
    """Sessions whose newest event is younger than the newest completed order; all of them if there is none."""
    return count_where(t.order_age_us.isnull() | (t.age_us < t.order_age_us))


@feature(
    view="visits",
    family="web",
    unit="count",
    absent=0,
    label="Visits with a filled cart in the last {days} days",
    high="fills a cart more often than most",
    low="fills a cart less often than most",
    says="visits with a filled cart: {value} in the last {days} days",
)
def cart_visits(t: Table) -> Any:
    """Sessions with a Product Added or Checkout Started event in the window."""
    return count_where(t.has_cart)


@feature(
    view="visits",
    family="cart",
    unit="share",
    absent=None,
    label="Share of carts left behind in the last {days} days",
    high="leaves more carts behind than most",
    low="leaves fewer carts behind than most",
    says="left {value} of the carts of the last {days} days behind",
)
def abandoned_cart_share(t: Table) -> Any:
    """Sessions with a cart but no Order Completed event ÷ sessions with a cart in the window."""
    return share(count_where(t.has_cart & ~t.has_order), count_where(t.has_cart))


@feature(
    view="visits",
    family="web",
    unit="days",
    absent=None,
    label="Days since the last filled cart",
    high="has not filled a cart for longer than most",
    low="filled a cart more recently than most",
    says="last filled cart {value} days ago",
)
def days_since_last_cart(t: Table) -> Any:
    """Days since the newest event of the newest session with a cart; missing if there was none."""
    return days(t.has_cart.ifelse(t.age_us, ibis.null("int64")).min())
