"""How a customer answers e-mails: delivered mail is the denominator, machine opens and scanner clicks stay out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ibis

from features.arithmetic import count_where, days, decayed_count, share
from features.catalogue import Table, feature, view

PRIOR_SENDS = 10
PRIOR_CLICKS = 0.3


@view(needs=("email_events",))
def emails(rows: Mapping[str, Table]) -> Table:
    """One row per e-mail event with marks for human clicks and deliveries."""
    events = rows["email_events"]
    clicked = (events.event == "Email Link Clicked") & ~events.bot_click.fill_null(False)
    return events.mutate(is_click=clicked, is_delivery=events.event == "Email Delivered")


@view(needs=("emails",))
def clicks(rows: Mapping[str, Table]) -> Table:
    """One row per human click in an e-mail."""
    events = rows["emails"]
    return events.filter(events.is_click)


@view(needs=("emails", "clicks"))
def unclicked_emails(rows: Mapping[str, Table]) -> Table:
    """One row per e-mail delivered after the customer's newest human click; every one where there is no click."""
    clicked, events = rows["clicks"], rows["emails"]
    newest = clicked.group_by("customer_id").agg(click_age_us=clicked.age_us.min())
    joined = events.left_join(newest, "customer_id")
    is_later = newest.click_age_us.isnull() | (events.age_us < newest.click_age_us)
    return joined.filter(events.is_delivery & is_later).select(events)


def _human_open(t: Table) -> Any:
    return (t.event == "Email Opened") & ~t.machine_open.fill_null(False)


@feature(
    view="emails",
    family="email",
    unit="count",
    absent=0,
    label="E-mails delivered in the last {days} days",
    high="gets more e-mails than most",
    low="gets fewer e-mails than most",
    says="e-mails delivered in the last {days} days: {value}",
)
def emails_delivered(t: Table) -> Any:
    """Number of Email Delivered events in the window."""
    return count_where(t.is_delivery)


@feature(
    view="emails",
    family="email",
    unit="share",
    absent=None,
    label="Share of delivered e-mails clicked in the last {days} days",
    high="clicks more e-mails than most",
    low="clicks fewer e-mails than most",
    says="clicked {value} of the e-mails of the last {days} days",
)
def email_click_share(t: Table) -> Any:
    """Human clicks ÷ delivered e-mails in the window; missing without a delivered e-mail."""
    return share(count_where(t.is_click), count_where(t.is_delivery))


@feature(
    view="emails",
    family="email",
    unit="share",
    absent=None,
    label="Click rate so far, few e-mails counted with care",
    high="clicks more e-mails than most",
    low="clicks fewer e-mails than most",
)
def email_click_rate(t: Table) -> Any:
    """(human clicks + 0.3) ÷ (delivered e-mails + 10) over the whole history."""
    return (count_where(t.is_click) + PRIOR_CLICKS) / (count_where(t.is_delivery) + PRIOR_SENDS)


@feature(
    view="emails",
    family="email",
    unit="share",
    absent=None,
    label="Share of delivered e-mails opened by a person in the last {days} days",
    high="opens more e-mails than most",
    low="opens fewer e-mails than most",
    says="opened {value} of the e-mails of the last {days} days",
)
def email_open_share(t: Table) -> Any:
    """Email Opened events that are no machine opens ÷ delivered e-mails in the window."""
    return share(count_where(_human_open(t)), count_where(t.is_delivery))


@feature(
    view="emails",
    family="email",
    unit="share",
    absent=None,
    label="Share of opens made by a machine",
    high="more of the opens come from a mail program than for most",
    low="the opens are made by a person",
)
def machine_open_share(t: Table) -> Any:
    """Machine opens ÷ Email Opened events over the whole history; missing without an open."""
    opened = t.event == "Email Opened"
    return share(count_where(opened & t.machine_open.fill_null(False)), count_where(opened))


@feature(
    view="clicks",
    family="email",
    unit="days",
    absent=None,
    label="Days since the last clicked e-mail",
    high="has not clicked an e-mail for longer than most",
    low="clicked an e-mail more recently than most",
    says="last clicked an e-mail {value} days ago",
)
def days_since_last_click(t: Table) -> Any:
    """Days since the newest human click; missing if there was none."""
    return days(t.age_us.min())


@feature(
    view="emails",
    family="email",
    unit="days",
    absent=None,
    label="Days since an e-mail was last opened by a person",
    high="has not opened an e-mail for longer than most",
    low="opened an e-mail more recently than most",
    says="last opened an e-mail {value} days ago",
)
def days_since_last_open(t: Table) -> Any:
    """Days since the newest Email Opened event that is no machine open; missing if there was none."""
    return days(_human_open(t).ifelse(t.age_us, ibis.null("int64")).min())


@feature(
    view="unclicked_emails",
    family="email",
    unit="count",
    absent=0,
    label="E-mails delivered since the last click",
    high="has left more e-mails in a row unclicked than most",
    low="has left fewer e-mails in a row unclicked than most",
    says="e-mails in a row without a click: {value}",
)
def unclicked_streak(t: Table) -> Any:
    """Email Delivered events younger than the newest human click; all of them if there is none."""
    return t.count()


@feature(
    view="emails",
    family="email",
    unit="score",
    absent=0,
    label="Recent clicks, fading over 30 days",
    high="has clicked more of late than most",
    low="has clicked less of late than most",
)
def fading_clicks(t: Table) -> Any:
    """Σ over human clicks of floor(2²⁰·e^(−age/30 days)) ÷ 2²⁰."""
    return decayed_count(t.age_us, 30, t.is_click)


@feature(
    view="emails",
    family="email",
    unit="ratio",
    absent=None,
    label="Opening lately against before",
    high="opens more e-mails than before",
    low="opens fewer e-mails than before",
)
def open_momentum(t: Table) -> Any:
    """Fading human opens with 30 days ÷ (fading human opens with 180 days + 0.1)."""
    opened = _human_open(t)
    return decayed_count(t.age_us, 30, opened) / (decayed_count(t.age_us, 180, opened) + 0.1)


@feature(
    view="emails",
    family="email",
    unit="count",
    absent=0,
    label="Bounced e-mails in the last {days} days",
    high="has more bounced e-mails than most",
    low="has fewer bounced e-mails than most",
    says="e-mails bounced in the last {days} days: {value}",
)
def email_bounces(t: Table) -> Any:
    """Number of Email Bounced events in the window."""
    return count_where(t.event == "Email Bounced")


@feature(
    view="emails",
    family="email",
    unit="count",
    absent=0,
    label="Unsubscribed or complained",
    high="has unsubscribed or complained",
    low="has neither unsubscribed nor complained",
    says="times unsubscribed or complained: {value}",
)
def email_optouts(t: Table) -> Any:
    """Number of Unsubscribed and Email Marked as Spam events over the whole history."""
    return count_where(t.event.isin(("Unsubscribed", "Email Marked as Spam")))
