"""The e-mails a customer gets and opens; opens by machines and clicks by scanners stay out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from features.arithmetic import count_where, days, decayed_count, share
from features.catalogue import Table, Words, feature, view
from timeline import DAY_US


@view(needs=("email_events",))
def emails(rows: Mapping[str, Table]) -> Table:
    """One row per e-mail event with marks for what it is; opens and clicks are those of a person."""
    events = rows["email_events"]
    is_machine = events.machine_open.fill_null(False)
    return events.select(
        "customer_id",
        "age_us",
        is_delivery=events.event == "Email Delivered",
        is_open=(events.event == "Email Opened") & ~is_machine,
        is_machine_open=(events.event == "Email Opened") & is_machine,
        is_click=(events.event == "Email Link Clicked") & ~events.bot_click.fill_null(False),
        is_bounce=events.event == "Email Bounced",
        is_hard_bounce=(events.event == "Email Bounced") & (events.bounce_type == "hard").fill_null(False),
        is_optout=events.event.isin(("Unsubscribed", "Email Marked as Spam")),
    )


@feature(
    view="emails",
    family="email",
    unit="count",
    absent=0,
    label="E-mails delivered in the last {days} days",
    high="gets more e-mails than most",
    low="gets fewer e-mails than most",
    says="e-mails delivered in the last {days} days: {value}",
    urdu=Words(
        label="پچھلے {days} دن میں پہنچنے والی ای میلز",
        high="اکثر گاہکوں سے زیادہ ای میلز ملتی ہیں",
        low="اکثر گاہکوں سے کم ای میلز ملتی ہیں",
        says="پچھلے {days} دن میں پہنچنے والی ای میلز: {value}",
    ),
)
def emails_delivered(t: Table) -> Any:
    """Number of Email Delivered events in the window."""
    return count_where(t.is_delivery)


@feature(
    view="emails",
    family="email",
    unit="share",
    absent=None,
    label="Share of delivered e-mails opened by a person in the last {days} days",
    high="opens more e-mails than most",
    low="opens fewer e-mails than most",
    says="opened {value} of the e-mails of the last {days} days",
    urdu=Words(
        label="پچھلے {days} دن کی ای میلز میں سے خود کھولی گئی ای میلز کا تناسب",
        high="اکثر گاہکوں سے زیادہ ای میلز کھولتے ہیں",
        low="اکثر گاہکوں سے کم ای میلز کھولتے ہیں",
        says="پچھلے {days} دن کی ای میلز میں سے {value} کھولیں",
    ),
)
def email_open_share(t: Table) -> Any:
    """Email Opened events that are no machine opens ÷ delivered e-mails in the window."""
    return share(count_where(t.is_open), count_where(t.is_delivery))


@feature(
    view="emails",
    family="email",
    unit="share",
    absent=None,
    label="Share of opens made by a machine",
    high="the mail program, not the person, opens more of the e-mails than for most",
    low="opens more of the e-mails in person than most",
    says="a mail program, not a person, made {value} of the opens",
    urdu=Words(
        label="مشین سے کھلنے والی ای میلز کا تناسب",
        high="ای میلز اکثر گاہکوں کی نسبت زیادہ بار ای میل پروگرام نے کھولیں",
        low="اکثر گاہکوں سے زیادہ ای میلز خود کھولتے ہیں",
        says="کھلنے والی ای میلز میں سے {value} گاہک نے نہیں، ای میل پروگرام نے کھولیں",
    ),
)
def machine_open_share(t: Table) -> Any:
    """Machine opens ÷ Email Opened events over the whole history; missing without an open."""
    return share(count_where(t.is_machine_open), count_where(t.is_open | t.is_machine_open))


@feature(
    view="emails",
    family="email",
    unit="days",
    absent=None,
    label="Days since an e-mail was last opened by a person",
    high="has not opened an e-mail for longer than most",
    low="opened an e-mail more recently than most",
    says="last opened an e-mail {value} days ago",
    urdu=Words(
        label="آخری بار خود ای میل کھولے کتنے دن ہوئے",
        high="اکثر گاہکوں کی نسبت زیادہ عرصے سے کوئی ای میل نہیں کھولی",
        low="آخری بار ای میل کھولے اکثر گاہکوں کی نسبت کم دن ہوئے ہیں",
        says="آخری بار ای میل کھولی: {value} دن پہلے",
    ),
)
def days_since_last_open(t: Table) -> Any:
    """Days since the newest Email Opened event that is no machine open; missing if there was none."""
    return days(t.age_us.min(where=t.is_open))


@feature(
    view="emails",
    family="email",
    unit="days",
    absent=None,
    label="Days since the last e-mail",
    high="has not been written to for longer than most",
    low="was written to more recently than most",
    says="got the last e-mail {value} days ago",
    urdu=Words(
        "آخری ای میل کو کتنے دن ہوئے",
        "اکثر گاہکوں کی نسبت زیادہ عرصے سے کوئی ای میل نہیں ملی",
        "آخری ای میل کو اکثر گاہکوں کی نسبت کم دن ہوئے ہیں",
        "آخری ای میل ملی: {value} دن پہلے",
    ),
)
def days_since_last_email(t: Table) -> Any:
    """Days since the newest Email Delivered event; missing if there was none."""
    return days(t.age_us.min(where=t.is_delivery))


@feature(
    view="emails",
    family="email",
    unit="ratio",
    absent=None,
    label="E-mails lately against the usual number",
    high="gets more e-mails than before",
    low="gets fewer e-mails than before",
    says="got {value} × the usual number of e-mails in the last 30 days",
    urdu=Words(
        "حالیہ ای میلز، معمول کی تعداد کے مقابلے میں",
        "پہلے سے زیادہ ای میلز مل رہی ہیں",
        "پہلے سے کم ای میلز مل رہی ہیں",
        "پچھلے 30 دن میں پچھلے چھ ماہ کے معمول سے {value} گنا ای میلز ملیں",
    ),
)
def email_pressure_change(t: Table) -> Any:
    """6 × Email Delivered events at most 30 days old ÷ those at most 180 days old; missing without one."""
    lately = count_where(t.is_delivery & (t.age_us <= 30 * DAY_US))
    return share(6 * lately, count_where(t.is_delivery & (t.age_us <= 180 * DAY_US)))


@feature(
    view="emails",
    family="email",
    unit="ratio",
    absent=None,
    label="Opening lately against before",
    high="opens more e-mails than before",
    low="opens fewer e-mails than before",
    says="last opened an e-mail {days_since_last_open} days ago",
    urdu=Words(
        label="حال میں ای میلز کھولنا، پہلے کے مقابلے میں",
        high="پہلے سے زیادہ ای میلز کھولتے ہیں",
        low="پہلے سے کم ای میلز کھولتے ہیں",
        says="آخری بار ای میل کھولی: {days_since_last_open} دن پہلے",
    ),
)
def open_momentum(t: Table) -> Any:
    """Fading human opens with 30 days ÷ (fading human opens with 180 days + 0.1)."""
    return decayed_count(t.age_us, 30, t.is_open) / (decayed_count(t.age_us, 180, t.is_open) + 0.1)


@feature(
    view="emails",
    family="email",
    unit="count",
    absent=0,
    label="Bounced e-mails in the last {days} days",
    high="has more bounced e-mails than most",
    low="has fewer bounced e-mails than most",
    says="e-mails bounced in the last {days} days: {value}",
    urdu=Words(
        label="پچھلے {days} دن میں باؤنس ہونے والی ای میلز",
        high="اکثر گاہکوں سے زیادہ ای میلز باؤنس ہوئیں",
        low="اکثر گاہکوں سے کم ای میلز باؤنس ہوئیں",
        says="پچھلے {days} دن میں باؤنس ہونے والی ای میلز: {value}",
    ),
)
def email_bounces(t: Table) -> Any:
    """Number of Email Bounced events in the window."""
    return count_where(t.is_bounce)


@feature(
    view="emails",
    family="email",
    unit="count",
    absent=0,
    label="E-mails that can never be delivered",
    high="has an address that does not take e-mails",
    low="has an address that takes e-mails",
    says="e-mails sent back for good (hard bounces): {value}",
    urdu=Words(
        "مستقل باؤنس ہونے والی ای میلز",
        "ای میل ایڈریس پر ای میلز نہیں پہنچتیں",
        "ای میل ایڈریس پر ای میلز پہنچ جاتی ہیں",
        "مستقل باؤنس (ہارڈ باؤنس) ہونے والی ای میلز: {value}",
    ),
)
def hard_bounces(t: Table) -> Any:
    """Number of Email Bounced events of the type hard over the whole history."""
    return count_where(t.is_hard_bounce)


@feature(
    view="emails",
    family="email",
    unit="count",
    absent=0,
    label="Unsubscribed or complained",
    high="has unsubscribed or complained",
    low="has neither unsubscribed nor complained",
    says="times unsubscribed or complained: {value}",
    urdu=Words(
        label="ان سبسکرائب یا سپیم کی شکایت",
        high="ان سبسکرائب کیا یا سپیم کی شکایت کی",
        low="نہ ان سبسکرائب کیا، نہ سپیم کی شکایت کی",
        says="ان سبسکرائب یا سپیم کی شکایت: {value} بار",
    ),
)
def email_optouts(t: Table) -> Any:
    """Number of Unsubscribed and Email Marked as Spam events over the whole history."""
    return count_where(t.is_optout)
