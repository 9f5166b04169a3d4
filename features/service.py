"""What went wrong or right with customer service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ibis

from features.arithmetic import count_where, days, share
from features.catalogue import Table, Words, feature, view
from timeline import HOUR_US


@view(needs=("support_tickets",))
def tickets(rows: Mapping[str, Table]) -> Table:
    """One row per customer and ticket, as old as its newest event, with the ages of its opening and its close.

    The opening is the oldest, the close the newest of several.
    """
    events = rows["support_tickets"]
    return events.group_by("customer_id", "ticket_id").agg(
        age_us=events.age_us.min(),
        opened_age_us=events.age_us.max(where=events.event == "Ticket Opened"),
        closed_age_us=events.age_us.min(where=events.event == "Ticket Closed"),
    )


@view(needs=("support_tickets", "purchases"))
def tickets_or_orders(rows: Mapping[str, Table]) -> Table:
    """One row per opened ticket, and one per completed order."""
    events, orders = rows["support_tickets"], rows["purchases"]
    opened = events.filter(events.event == "Ticket Opened")
    return opened.select("customer_id", "age_us", is_order=ibis.literal(False)).union(
        orders.select("customer_id", "age_us", is_order=ibis.literal(True))
    )


@feature(
    view="support_tickets",
    family="service",
    unit="count",
    absent=0,
    label="Support tickets in the last {days} days",
    high="needed support more often than most",
    low="needed support less often than most",
    says="support tickets in the last {days} days: {value}",
    urdu=Words(
        label="پچھلے {days} دن میں سپورٹ ٹکٹ",
        high="اکثر گاہکوں سے زیادہ بار کسٹمر سروس کی ضرورت پڑی",
        low="اکثر گاہکوں سے کم بار کسٹمر سروس کی ضرورت پڑی",
        says="پچھلے {days} دن میں سپورٹ ٹکٹ: {value}",
    ),
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
    urdu=Words(
        label="آخری سپورٹ ٹکٹ کو کتنے دن ہوئے",
        high="آخری سپورٹ ٹکٹ کو اکثر گاہکوں کی نسبت زیادہ دن ہوئے ہیں",
        low="آخری سپورٹ ٹکٹ کو اکثر گاہکوں کی نسبت کم دن ہوئے ہیں",
        says="آخری سپورٹ ٹکٹ: {value} دن پہلے",
    ),
)
def days_since_last_ticket(t: Table) -> Any:
    """Days since the newest Ticket Opened event; missing if there was none."""
    return days((t.event == "Ticket Opened").ifelse(t.age_us, ibis.null("int64")).min())


@feature(
    view="support_tickets",
    family="service",
    unit="count",
    absent=0,
    label="Bad support experiences in the last {days} days",
    high="had more bad support experiences than most",
    low="had fewer bad support experiences than most",
    says="support tickets rated 1 or 2 of 5 in the last {days} days: {value}",
    urdu=Words(
        label="پچھلے {days} دن میں کسٹمر سروس کے خراب تجربے",
        high="کسٹمر سروس کا خراب تجربہ اکثر گاہکوں سے زیادہ بار ہوا",
        low="کسٹمر سروس کا خراب تجربہ اکثر گاہکوں سے کم بار ہوا",
        says="پچھلے {days} دن میں خراب ریٹنگ (5 میں سے 1 یا 2) والے سپورٹ ٹکٹ: {value}",
    ),
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
    urdu=Words(
        label="پچھلے {days} دن میں کسٹمر سروس کی سب سے کم ریٹنگ",
        high="کسٹمر سروس کو اکثر گاہکوں سے بہتر ریٹنگ دی",
        low="کسٹمر سروس کو اکثر گاہکوں سے کم ریٹنگ دی",
        says="پچھلے {days} دن میں کسٹمر سروس کی سب سے کم ریٹنگ: 5 میں سے {value}",
    ),
)
def worst_satisfaction(t: Table) -> Any:
    """Smallest satisfaction of the ticket events in the window; missing without a rating."""
    return t.satisfaction.min()


@feature(
    view="support_tickets",
    family="service",
    unit="score",
    absent=None,
    label="Average rating of support",
    high="rates support better than most",
    low="rates support worse than most",
    says="rates support {value} of 5 on average",
    urdu=Words(
        "کسٹمر سروس کی اوسط ریٹنگ",
        "کسٹمر سروس کو اکثر گاہکوں سے بہتر ریٹنگ دیتے ہیں",
        "کسٹمر سروس کو اکثر گاہکوں سے کم ریٹنگ دیتے ہیں",
        "کسٹمر سروس کی اوسط ریٹنگ: 5 میں سے {value}",
    ),
)
def average_satisfaction(t: Table) -> Any:
    """Sum of satisfaction ÷ number of events that carry one; missing without a rating."""
    return share(t.satisfaction.sum(), t.satisfaction.count())


@feature(
    view="support_tickets",
    family="service",
    unit="days",
    absent=None,
    label="Days since the last bad support experience",
    high="the last bad support experience lies longer back than for most",
    low="had a bad support experience more recently than most",
    says="rated support 1 or 2 out of 5 {value} days ago",
    urdu=Words(
        label="کسٹمر سروس کے آخری خراب تجربے کو کتنے دن ہوئے",
        high="کسٹمر سروس کے آخری خراب تجربے کو اکثر گاہکوں کی نسبت زیادہ دن ہوئے ہیں",
        low="کسٹمر سروس کے آخری خراب تجربے کو اکثر گاہکوں کی نسبت کم دن ہوئے ہیں",
        says="کسٹمر سروس کو 5 میں سے 1 یا 2 کی آخری ریٹنگ: {value} دن پہلے",
    ),
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
    low="has fewer open tickets than most",
    says="support tickets still open: {value}",
    urdu=Words(
        label="ابھی تک کھلے سپورٹ ٹکٹ",
        high="کھلے سپورٹ ٹکٹ اکثر گاہکوں کی نسبت زیادہ ہیں",
        low="کھلے سپورٹ ٹکٹ اکثر گاہکوں کی نسبت کم ہیں",
        says="ابھی تک کھلے سپورٹ ٹکٹ: {value}",
    ),
)
def open_tickets(t: Table) -> Any:
    """Ticket Opened events − Ticket Closed events over the whole history."""
    return count_where(t.event == "Ticket Opened") - count_where(t.event == "Ticket Closed")


@feature(
    view="tickets_or_orders",
    family="service",
    unit="ratio",
    absent=None,
    label="Support tickets per order",
    high="needs support on more of the orders than most",
    low="needs support on fewer of the orders than most",
    says="support tickets per order: {value}",
    urdu=Words(
        "فی آرڈر سپورٹ ٹکٹ",
        "اکثر گاہکوں کی نسبت زیادہ آرڈرز پر کسٹمر سروس کی ضرورت پڑتی ہے",
        "اکثر گاہکوں کی نسبت کم آرڈرز پر کسٹمر سروس کی ضرورت پڑتی ہے",
        "فی آرڈر سپورٹ ٹکٹ: {value}",
    ),
)
def tickets_per_order(t: Table) -> Any:
    """Ticket Opened events ÷ completed orders over the whole history; missing without an order."""
    return share(count_where(~t.is_order), count_where(t.is_order))


@feature(
    view="tickets",
    family="service",
    unit="count",
    absent=None,
    label="Longest time to close a ticket in hours",
    high="waited longer for support than most",
    low="was helped sooner than most",
    says="support took up to {value} hours to close a ticket",
    urdu=Words(
        "سپورٹ ٹکٹ بند ہونے کا سب سے لمبا وقت، گھنٹوں میں",
        "کسٹمر سروس کا اکثر گاہکوں کی نسبت زیادہ انتظار کرنا پڑا",
        "مسئلہ اکثر گاہکوں کی نسبت جلدی حل ہوا",
        "سپورٹ ٹکٹ بند ہونے کا سب سے لمبا وقت، گھنٹوں میں: {value}",
    ),
)
def slowest_close_hours(t: Table) -> Any:
    """Hours between oldest opening and newest close of a ticket, the longest; none below zero counts."""
    waited = t.opened_age_us - t.closed_age_us
    return waited.max(where=waited >= 0).cast("float64") / float(HOUR_US)
