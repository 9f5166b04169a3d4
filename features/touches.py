"""What reaches across the logs: any sign of life, channels, loyalty, and earlier campaigns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ibis

from features.arithmetic import count_where, days
from features.catalogue import Table, feature, view


@view(needs=("purchases", "web_events", "clicks"))
def touches(rows: Mapping[str, Table]) -> Table:
    """One row per sign of life with its channel: completed order, web event, human click."""
    signs = [(rows["purchases"], "order"), (rows["web_events"], "web"), (rows["clicks"], "email")]
    return ibis.union(*(t.select("customer_id", "age_us", channel=ibis.literal(name)) for t, name in signs))


@view(needs=("campaign_contacts",))
def contacts(rows: Mapping[str, Table]) -> Table:
    """One row per customer reached by a campaign; those held out are not among them."""
    reached = rows["campaign_contacts"]
    return reached.filter(~reached.control.fill_null(False))


@feature(
    view="touches",
    family="web",
    unit="days",
    absent=None,
    label="Days since any sign of life",
    high="has been silent on every channel for longer than most",
    low="was active more recently than most",
    says="last sign of life on any channel {value} days ago",
)
def days_since_any_touch(t: Table) -> Any:
    """Days since the newest completed order, web event or human e-mail click."""
    return days(t.age_us.min())


@feature(
    view="touches",
    family="web",
    unit="count",
    absent=0,
    label="Active channels in the last {days} days",
    high="is active on more channels than most",
    low="is active on fewer channels than most",
    says="active on {value} of 3 channels in the last {days} days",
)
def active_channels(t: Table) -> Any:
    """Distinct channels (order, web, e-mail click) with a sign of life in the window."""
    return t.channel.nunique()


@feature(
    view="loyalty_events",
    family="loyalty",
    unit="points",
    absent=0,
    label="Loyalty points gained in the last {days} days",
    high="collects more points than most",
    low="collects fewer points than most",
    says="loyalty points gained in the last {days} days: {value}",
)
def points_gained(t: Table) -> Any:
    """Sum of the points above zero in the window."""
    return (t.points > 0).fill_null(False).ifelse(t.points, 0).sum()


@feature(
    view="loyalty_events",
    family="loyalty",
    unit="points",
    absent=0,
    label="Loyalty points in hand",
    high="has more points in hand than most",
    low="has fewer points in hand than most",
    says="loyalty points in hand: {value}",
)
def points_in_hand(t: Table) -> Any:
    """Sum of all points over the whole history."""
    return t.points.fill_null(0).sum()


@feature(
    view="contacts",
    family="contact",
    unit="count",
    absent=0,
    label="Re-engagement campaigns received in the last {days} days",
    high="was contacted by campaigns more often than most",
    low="was contacted by campaigns less often than most",
    says="re-engagement campaigns received: {value} in the last {days} days",
)
def campaigns_received(t: Table) -> Any:
    """Contacts in the window that were not held out as control."""
    return count_where(ibis.literal(True) & t.campaign_id.notnull())
