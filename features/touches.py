"""What reaches across the channels: any sign of life, who fell silent first, and what a click leads to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ibis

from features.arithmetic import count_where, days, share, trend
from features.catalogue import Table, Words, feature, view
from timeline import DAY_US, HOUR_US

_SILENT_US = 60 * DAY_US
_FOLLOWED_US = 7 * DAY_US
_TREND_DAYS = 180


@view(needs=("order_days", "visits", "clicks"))
def touches(rows: Mapping[str, Table]) -> Table:
    """One row per customer and channel ever used, as old as its newest sign of life.

    Channels are completed orders, web events and human clicks in e-mails.
    """
    signs = [(rows["order_days"], "order"), (rows["visits"], "web"), (rows["clicks"], "email")]
    newest = [t.group_by("customer_id").agg(age_us=t.age_us.min()).mutate(sign=ibis.literal(name)) for t, name in signs]
    return ibis.union(*newest)


@view(needs=("clicks", "visits", "purchases"))
def click_moments(rows: Mapping[str, Table]) -> Table:
    """One row per customer and instant with a human click, with what followed within 7 days (missing if nothing did).

    ``visit_us`` is the microseconds until the next visit began, ``order_us`` those until the next completed order.
    """
    visits = rows["visits"].select("customer_id", sign_us="start_age_us", is_order=ibis.literal(False))
    orders = rows["purchases"].select("customer_id", sign_us="age_us", is_order=ibis.literal(True))
    signs = visits.union(orders)
    clicked = rows["clicks"].select("customer_id", "age_us").distinct()
    followed = clicked.left_join(
        signs,
        [
            clicked.customer_id == signs.customer_id,
            signs.sign_us <= clicked.age_us,
            signs.sign_us >= clicked.age_us - _FOLLOWED_US,
        ],
    ).select(clicked, waited_us=clicked.age_us - signs.sign_us, is_order=signs.is_order)
    return followed.group_by("customer_id", "age_us").agg(
        visit_us=followed.waited_us.min(where=~followed.is_order),
        order_us=followed.waited_us.min(where=followed.is_order),
    )


@view(needs=("visits", "order_days"))
def visits_or_order_days(rows: Mapping[str, Table]) -> Table:
    """One row per visit, and one per order day, of the last 180 days."""
    signs = [(rows["visits"], True), (rows["order_days"], False)]
    return ibis.union(
        *(
            t.filter(t.age_us <= _TREND_DAYS * DAY_US).select("customer_id", "age_us", is_visit=ibis.literal(is_visit))
            for t, is_visit in signs
        )
    )


@feature(
    view="touches",
    family="channels",
    unit="days",
    absent=None,
    label="Days since any sign of life",
    high="has been silent on every channel for longer than most",
    low="was active more recently than most",
    says="last sign of life on any channel {value} days ago",
    urdu=Words(
        label="آخری سرگرمی کو کتنے دن ہوئے",
        high="اکثر گاہکوں کی نسبت زیادہ عرصے سے ہر چینل پر خاموش ہیں",
        low="آخری سرگرمی کو اکثر گاہکوں کی نسبت کم دن ہوئے ہیں",
        says="کسی بھی چینل پر آخری سرگرمی: {value} دن پہلے",
    ),
)
def days_since_any_touch(t: Table) -> Any:
    """Days since the newest completed order, web event or human e-mail click."""
    return days(t.age_us.min())


@feature(
    view="touches",
    family="channels",
    unit="count",
    absent=0,
    label="Active channels in the last {days} days",
    high="is active on more channels than most",
    low="is active on fewer channels than most",
    says="active on {value} of 3 channels in the last {days} days",
    urdu=Words(
        label="پچھلے {days} دن میں سرگرم چینل",
        high="اکثر گاہکوں سے زیادہ چینلز پر سرگرم ہیں",
        low="اکثر گاہکوں سے کم چینلز پر سرگرم ہیں",
        says="پچھلے {days} دن میں سرگرم چینل: 3 میں سے {value}",
    ),
)
def active_channels(t: Table) -> Any:
    """Distinct channels (order, web, e-mail click) with a sign of life in the window."""
    return t.count()


_LAST_SIGNS = (
    "last order {days_since_last_order} days ago, last visit {days_since_last_visit} days ago, "
    "last click in an e-mail {days_since_last_click} days ago"
)
_LAST_SIGNS_URDU = (
    "آخری آرڈر: {days_since_last_order} دن پہلے؛ ویب سائٹ کا آخری وزٹ: {days_since_last_visit} دن پہلے؛ "
    "ای میل پر آخری کلک: {days_since_last_click} دن پہلے"
)


def _age(t: Table, sign: str) -> Any:
    """Age of the newest sign of life of this kind; missing if there was none."""
    return t.age_us.min(where=t.sign == sign)


def _is_first_silent(t: Table, sign: str) -> Any:
    is_oldest = (_age(t, sign) == t.age_us.max()).fill_null(False).cast("int64")
    return (t.count() >= 2).ifelse(is_oldest, None)


@feature(
    view="touches",
    family="channels",
    unit="count",
    absent=None,
    label="Orders fell silent first (1 yes, 0 no)",
    high="stopped ordering before anything else",
    low="still orders while other channels are silent",
    says=_LAST_SIGNS,
    urdu=Words(
        "سب سے پہلے آرڈر بند ہوئے (1 ہاں، 0 نہیں)",
        "سب سے پہلے آرڈر کرنا چھوڑا",
        "کسی اور چینل پر آرڈرز سے پہلے خاموش ہوئے",
        _LAST_SIGNS_URDU,
    ),
)
def orders_first_silent(t: Table) -> Any:
    """1 if completed orders were made and ceased no later than any other channel, else 0; missing below two."""
    return _is_first_silent(t, "order")


@feature(
    view="touches",
    family="channels",
    unit="count",
    absent=None,
    label="Visits fell silent first (1 yes, 0 no)",
    high="stopped visiting before anything else",
    low="still visits while other channels are silent",
    says=_LAST_SIGNS,
    urdu=Words(
        "سب سے پہلے وزٹ بند ہوئے (1 ہاں، 0 نہیں)",
        "سب سے پہلے ویب سائٹ پر آنا چھوڑا",
        "کسی اور چینل پر وزٹ سے پہلے خاموش ہوئے",
        _LAST_SIGNS_URDU,
    ),
)
def web_first_silent(t: Table) -> Any:
    """1 if web events were seen and ceased no later than any other channel, else 0; missing below two."""
    return _is_first_silent(t, "web")


@feature(
    view="touches",
    family="channels",
    unit="count",
    absent=None,
    label="E-mail clicks fell silent first (1 yes, 0 no)",
    high="stopped clicking e-mails before anything else",
    low="still clicks e-mails while other channels are silent",
    says=_LAST_SIGNS,
    urdu=Words(
        "سب سے پہلے ای میل کلکس بند ہوئے (1 ہاں، 0 نہیں)",
        "سب سے پہلے ای میلز پر کلک کرنا چھوڑا",
        "کسی اور چینل پر ای میل کلکس سے پہلے خاموش ہوئے",
        _LAST_SIGNS_URDU,
    ),
)
def email_first_silent(t: Table) -> Any:
    """1 if human clicks were made and ceased no later than any other channel, else 0; missing below two."""
    return _is_first_silent(t, "email")


@feature(
    view="touches",
    family="channels",
    unit="count",
    absent=0,
    label="Channels silent for 60 days",
    high="has fallen silent on more channels than most",
    low="has fallen silent on fewer channels than most",
    says="channels once used but silent for 60 days: {value} of 3",
    urdu=Words(
        "60 دن سے خاموش چینل",
        "اکثر گاہکوں سے زیادہ چینلز پر خاموش ہو چکے ہیں",
        "اکثر گاہکوں سے کم چینلز پر خاموش ہوئے ہیں",
        "چینل جو کبھی استعمال ہوئے مگر 60 دن سے خاموش ہیں: 3 میں سے {value}",
    ),
)
def silent_channels(t: Table) -> Any:
    """Channels ever used whose newest sign of life is more than 60 days old."""
    return count_where(t.age_us > _SILENT_US)


@feature(
    view="touches",
    family="channels",
    unit="days",
    absent=None,
    label="Days from the last visit to the last order",
    high="stopped visiting before the last order",
    low="has come back to look since the last order",
    says="last order {days_since_last_order} days ago, last visit {days_since_last_visit} days ago",
    urdu=Words(
        "آخری وزٹ سے آخری آرڈر تک کے دن",
        "آخری آرڈر سے پہلے ہی ویب سائٹ پر آنا چھوڑ دیا تھا",
        "آخری آرڈر کے بعد بھی دیکھنے آئے ہیں",
        "آخری آرڈر: {days_since_last_order} دن پہلے؛ ویب سائٹ کا آخری وزٹ: {days_since_last_visit} دن پہلے",
    ),
)
def visit_silence_lead_days(t: Table) -> Any:
    """Days since the newest web event − days since the newest completed order; missing without either."""
    return days(_age(t, "web") - _age(t, "order"))


@feature(
    view="touches",
    family="channels",
    unit="days",
    absent=None,
    label="Days from the last click to the last order",
    high="stopped clicking e-mails before the last order",
    low="has clicked e-mails since the last order",
    says="last order {days_since_last_order} days ago, last click in an e-mail {days_since_last_click} days ago",
    urdu=Words(
        "ای میل پر آخری کلک سے آخری آرڈر تک کے دن",
        "آخری آرڈر سے پہلے ہی ای میلز پر کلک کرنا چھوڑ دیا تھا",
        "آخری آرڈر کے بعد بھی ای میلز پر کلک کیا ہے",
        "آخری آرڈر: {days_since_last_order} دن پہلے؛ ای میل پر آخری کلک: {days_since_last_click} دن پہلے",
    ),
)
def click_silence_lead_days(t: Table) -> Any:
    """Days since the newest human click − days since the newest completed order; missing without either."""
    return days(_age(t, "email") - _age(t, "order"))


@feature(
    view="click_moments",
    family="channels",
    unit="count",
    absent=None,
    label="Hours from a click to the next visit",
    high="comes to the shop later after a click than most",
    low="comes to the shop sooner after a click than most",
    says="hours from a click in an e-mail to the next visit, as a rule: {value}",
    urdu=Words(
        "کلک سے اگلے وزٹ تک کے گھنٹے",
        "کلک کے بعد اکثر گاہکوں کی نسبت دیر سے ویب سائٹ پر آتے ہیں",
        "کلک کے بعد اکثر گاہکوں کی نسبت جلدی ویب سائٹ پر آتے ہیں",
        "ای میل پر کلک سے اگلے وزٹ تک کا عام وقت، گھنٹوں میں: {value}",
    ),
)
def click_to_visit_hours(t: Table) -> Any:
    """Median hours from a human click until the next visit began, 0 to 7 days later; missing without such a visit."""
    return t.visit_us.median() / float(HOUR_US)


@feature(
    view="click_moments",
    family="channels",
    unit="share",
    absent=None,
    label="Share of clicks followed by a visit",
    high="visits the shop after more of the clicks than most",
    low="visits the shop after fewer of the clicks than most",
    says="{value} of the clicks in e-mails led to a visit within a day",
    urdu=Words(
        "ان کلکس کا تناسب جن کے بعد وزٹ ہوا",
        "اکثر گاہکوں سے زیادہ بار کلک کے بعد ویب سائٹ پر آتے ہیں",
        "اکثر گاہکوں سے کم بار کلک کے بعد ویب سائٹ پر آتے ہیں",
        "ای میل کلکس میں سے {value} کے بعد ایک دن کے اندر وزٹ ہوا",
    ),
)
def clicks_with_visit_share(t: Table) -> Any:
    """Human clicks after which a visit began within 24 hours ÷ human clicks; those of one microsecond are one."""
    return share(count_where(t.visit_us <= DAY_US), t.count())


@feature(
    view="click_moments",
    family="channels",
    unit="share",
    absent=None,
    label="Share of clicks followed by an order",
    high="orders after more of the clicks than most",
    low="orders after fewer of the clicks than most",
    says="{value} of the clicks in e-mails led to an order within 7 days",
    urdu=Words(
        "ان کلکس کا تناسب جن کے بعد آرڈر ہوا",
        "اکثر گاہکوں سے زیادہ بار کلک کے بعد آرڈر کرتے ہیں",
        "اکثر گاہکوں سے کم بار کلک کے بعد آرڈر کرتے ہیں",
        "ای میل کلکس میں سے {value} کے بعد 7 دن کے اندر آرڈر ہوا",
    ),
)
def clicks_with_order_share(t: Table) -> Any:
    """Human clicks followed by a completed order within 7 days ÷ human clicks; those of one microsecond are one."""
    return share(count_where(t.order_us.notnull()), t.count())


@feature(
    view="visits_or_order_days",
    family="channels",
    unit="ratio",
    absent=0,
    label="Looking more than buying",
    high="still comes to look but buys less and less",
    low="buys more for each visit than before",
    says="trend of visits minus trend of orders over the last 180 days: {value} (above zero: looks more, buys less)",
    urdu=Words(
        "دیکھنا زیادہ، خریدنا کم",
        "دیکھنے آتے ہیں مگر خریداری کم ہوتی جا رہی ہے",
        "وزٹ کے مقابلے میں خریداری بڑھ رہی ہے",
        "پچھلے 180 دن میں وزٹ کے رجحان اور آرڈرز کے رجحان کا فرق: {value}",
    ),
)
def browsing_without_buying(t: Table) -> Any:
    """Trend of the visits − trend of the order days over the last 180 days (newer and older 90; see order_trend)."""
    return trend(t.age_us, _TREND_DAYS, t.is_visit) - trend(t.age_us, _TREND_DAYS, ~t.is_visit)
