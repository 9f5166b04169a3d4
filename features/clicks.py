"""How a customer clicks in e-mails: delivered mail is the denominator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from features.arithmetic import count_where, days, decayed_count, share, slope
from features.catalogue import Table, Words, feature, view

PRIOR_SENDS = 10
PRIOR_CLICKS = 0.3


@view(needs=("emails",))
def clicks(rows: Mapping[str, Table]) -> Table:
    """One row per human click in an e-mail."""
    events = rows["emails"]
    return events.filter(events.is_click).select("customer_id", "age_us")


@view(needs=("emails", "clicks"))
def unclicked_emails(rows: Mapping[str, Table]) -> Table:
    """One row per e-mail delivered after the customer's newest human click; every one where there is no click."""
    clicked, events = rows["clicks"], rows["emails"]
    newest = clicked.group_by("customer_id").agg(click_age_us=clicked.age_us.min())
    joined = events.left_join(newest, "customer_id")
    is_later = newest.click_age_us.isnull() | (events.age_us < newest.click_age_us)
    return joined.filter(events.is_delivery & is_later).select(events)


@feature(
    view="emails",
    family="email",
    unit="share",
    absent=None,
    label="Share of delivered e-mails clicked in the last {days} days",
    high="clicks more e-mails than most",
    low="clicks fewer e-mails than most",
    says="clicked {value} of the e-mails of the last {days} days",
    urdu=Words(
        label="پچھلے {days} دن کی ای میلز پر کلک کا تناسب",
        high="اکثر گاہکوں سے زیادہ ای میلز پر کلک کرتے ہیں",
        low="اکثر گاہکوں سے کم ای میلز پر کلک کرتے ہیں",
        says="پچھلے {days} دن کی ای میلز میں سے {value} پر کلک کیا",
    ),
)
def email_click_share(t: Table) -> Any:
    """Human clicks ÷ delivered e-mails in the window; missing without a delivered e-mail."""
    return share(count_where(t.is_click), count_where(t.is_delivery))


@feature(
    view="emails",
    family="email",
    unit="share",
    absent=None,
    label="Click rate so far, careful where e-mails are few",
    high="clicks more e-mails than most",
    low="clicks fewer e-mails than most",
    says="clicks about {value} of the e-mails, judging by all so far",
    urdu=Words(
        label="اب تک کلک کی شرح (ای میلز کم ہوں تو محتاط اندازہ)",
        high="اکثر گاہکوں سے زیادہ ای میلز پر کلک کرتے ہیں",
        low="اکثر گاہکوں سے کم ای میلز پر کلک کرتے ہیں",
        says="اب تک کی تمام ای میلز کے حساب سے تقریباً {value} پر کلک کرتے ہیں",
    ),
)
def email_click_rate(t: Table) -> Any:
    """(human clicks + 0.3) ÷ (delivered e-mails + 10) over the whole history."""
    return (count_where(t.is_click) + PRIOR_CLICKS) / (count_where(t.is_delivery) + PRIOR_SENDS)


@feature(
    view="clicks",
    family="email",
    unit="days",
    absent=None,
    label="Days since the last clicked e-mail",
    high="has not clicked an e-mail for longer than most",
    low="clicked an e-mail more recently than most",
    says="last clicked an e-mail {value} days ago",
    urdu=Words(
        label="ای میل پر آخری کلک کو کتنے دن ہوئے",
        high="اکثر گاہکوں کی نسبت زیادہ عرصے سے کسی ای میل پر کلک نہیں کیا",
        low="ای میل پر آخری کلک کو اکثر گاہکوں کی نسبت کم دن ہوئے ہیں",
        says="ای میل پر آخری کلک: {value} دن پہلے",
    ),
)
def days_since_last_click(t: Table) -> Any:
    """Days since the newest human click; missing if there was none."""
    return days(t.age_us.min())


@feature(
    view="unclicked_emails",
    family="email",
    unit="count",
    absent=0,
    label="E-mails delivered since the last click",
    high="has left more e-mails in a row unclicked than most",
    low="has left fewer e-mails in a row unclicked than most",
    says="e-mails in a row without a click: {value}",
    urdu=Words(
        label="آخری کلک کے بعد پہنچنے والی ای میلز",
        high="اکثر گاہکوں سے زیادہ ای میلز لگاتار بغیر کلک کے چھوڑیں",
        low="اکثر گاہکوں سے کم ای میلز لگاتار بغیر کلک کے چھوڑیں",
        says="لگاتار ای میلز جن پر کلک نہیں کیا: {value}",
    ),
)
def unclicked_streak(t: Table) -> Any:
    """Email Delivered events younger than the newest human click; all of them if there is none."""
    return t.count()


@feature(
    view="clicks",
    family="email",
    unit="score",
    absent=0,
    label="Recent clicks, fading over 30 days",
    high="has clicked more of late than most",
    low="has clicked less of late than most",
    says="last clicked an e-mail {days_since_last_click} days ago",
    urdu=Words(
        label="حالیہ کلکس کا اسکور (اثر 30 دن میں گھٹتا ہے)",
        high="حال میں اکثر گاہکوں سے زیادہ کلک کیے ہیں",
        low="حال میں اکثر گاہکوں سے کم کلک کیے ہیں",
        says="ای میل پر آخری کلک: {days_since_last_click} دن پہلے",
    ),
)
def fading_clicks(t: Table) -> Any:
    """Σ over human clicks of floor(2²⁰·e^(−age/30 days)) ÷ 2²⁰."""
    return decayed_count(t.age_us, 30)


@feature(
    view="clicks",
    family="email",
    unit="ratio",
    absent=0,
    label="Clicking lately against before",
    high="clicks more e-mails than before",
    low="clicks fewer e-mails than before",
    says="last clicked an e-mail {days_since_last_click} days ago",
    urdu=Words(
        "حال میں ای میلز پر کلک، پہلے کے مقابلے میں",
        "پہلے سے زیادہ ای میلز پر کلک کرتے ہیں",
        "پہلے سے کم ای میلز پر کلک کرتے ہیں",
        "ای میل پر آخری کلک: {days_since_last_click} دن پہلے",
    ),
)
def click_momentum(t: Table) -> Any:
    """Fading count of human clicks with 14 days ÷ (fading count with 120 days + 0.1); 0 without a click."""
    return decayed_count(t.age_us, 14) / (decayed_count(t.age_us, 120) + 0.1)


@feature(
    view="clicks",
    family="email",
    unit="ratio",
    absent=0,
    label="Rise or fall of clicks over six months",
    high="clicks more e-mails from month to month",
    low="clicks fewer e-mails from month to month",
    says="change in e-mail clicks from month to month, over the last 180 days: {value}",
    urdu=Words(
        "چھ ماہ میں کلکس کا اتار چڑھاؤ",
        "ہر مہینے پہلے سے زیادہ ای میلز پر کلک کرتے ہیں",
        "ہر مہینے پہلے سے کم ای میلز پر کلک کرتے ہیں",
        "پچھلے 180 دن میں ہر 30 دن پر ای میل کلکس میں اوسط تبدیلی: {value}",
    ),
)
def click_slope(t: Table) -> Any:
    """Least-squares slope of the human clicks over the last six stretches of 30 days."""
    return slope(t.age_us)
