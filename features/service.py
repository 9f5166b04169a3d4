"""What went wrong or right after the order: tickets and deliveries."""

from __future__ import annotations

from typing import Any

import ibis

from features.arithmetic import count_where, days, share
from features.catalogue import Table, feature


@feature(
    view="support_tickets",
    family="service",
    unit="count",
    absent=0,
    label="Support tickets in the last {days} days",
    high="needed support more often than most",
    low="needed support less often than most",
    says="support tickets in the last {days} days: {value}",
)
def tickets_opened(t: Table) -> Any:
    """Number of Ticket Opened events in the window."""
    return count_where(t.event == "Ticket Opened")


@feature(
    view="support_tickets",
    family="service",
    unit="days",
    absent=None,
    label="Days since the last support ticket",
    high="the last ticket lies longer back than for most",
    low="had a ticket more recently than most",
    says="last support ticket {value} days ago",
)
def days_since_last_ticket(t: Table) -> Any:
    """Days since the newest Ticket Opened event; missing if there was none."""
    return days((t.event == "Ticket Opened").ifelse(t.age_us, ibis.null("int64")).min())


@feature(
    view="support_tickets",
    family="service",
    unit="count",
    absent=0,
    label="Tickets that ended badly in the last {days} days",
    high="had more bad support experiences than most",
    low="had fewer bad support experiences than most",
    says="support tickets rated 1 or 2 of 5 in the last {days} days: {value}",
)
def unhappy_tickets(t: Table) -> Any:
    """Number of Ticket Closed events with satisfaction 1 or 2 in the window."""
    return count_where((t.event == "Ticket Closed") & (t.satisfaction <= 2))


@feature(
    view="support_tickets",
    family="service",
    unit="score",
    absent=None,
    label="Worst rating of support in the last {days} days",
    high="rated support better than most",
    low="rated support worse than most",
    says="rated support {value} of 5 at worst in the last {days} days",
)
def worst_satisfaction(t: Table) -> Any:
    """Smallest satisfaction of the Ticket Closed events in the window; missing without a rating."""
    return t.satisfaction.min()


@feature(
    view="support_tickets",
    family="service",
    unit="days",
    absent=None,
    label="Days since a ticket last ended badly",
    high="the last bad support experience lies longer back than for most",
    low="had a bad support experience more recently than most",
    says="{value} days ago rated support 1 or 2 out of 5",
)
def days_since_unhappy_ticket(t: Table) -> Any:
    """Days since the newest Ticket Closed event with satisfaction 1 or 2; missing if there was none."""
    unhappy = (t.event == "Ticket Closed") & (t.satisfaction <= 2).fill_null(False)
    return days(unhappy.ifelse(t.age_us, ibis.null("int64")).min())


@feature(
    view="support_tickets",
    family="service",
    unit="count",
    absent=0,
    label="Tickets still open",
    high="has more open tickets than most",
    low="has no more open tickets than most",
    says="support tickets still open: {value}",
)
def open_tickets(t: Table) -> Any:
    """Ticket Opened events − Ticket Closed events over the whole history."""
    return count_where(t.event == "Ticket Opened") - count_where(t.event == "Ticket Closed")


@feature(
    view="deliveries",
    family="delivery",
    unit="count",
    absent=0,
    label="Late deliveries in the last {days} days",
    high="had more late deliveries than most",
    low="had fewer late deliveries than most",
    says="late deliveries in the last {days} days: {value}",
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
    high="waited longer for a late delivery than most",
    low="waited less for a late delivery than most",
    says="hours by which the worst delivery of the last {days} days came late: {value}",
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
    says="hours by which the latest delivery came late: {value}",
)
def latest_delay_hours(t: Table) -> Any:
    """Largest ``delay_hours`` among the deliveries of the smallest age."""
    # Two parcels may arrive in the same microsecond; the rank makes the choice a rule instead of luck.
    return t.delay_hours.argmin(t.age_us.cast("decimal(38, 0)") * 100_000 - t.delay_hours)


@feature(
    view="deliveries",
    family="delivery",
    unit="days",
    absent=None,
    label="Days since the last late delivery",
    high="the last late delivery lies longer back than for most",
    low="had a late delivery more recently than most",
    says="last late delivery {value} days ago",
)
def days_since_late_delivery(t: Table) -> Any:
    """Days since the newest delivery with ``delay_hours`` of 24 or more; missing if there was none."""
    return days((t.delay_hours >= 24).fill_null(False).ifelse(t.age_us, ibis.null("int64")).min())
