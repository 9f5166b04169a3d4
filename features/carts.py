"""The carts a customer fills, and those left behind."""

from __future__ import annotations

from typing import Any

import ibis

from features.arithmetic import count_where, days, share
from features.catalogue import Table, Words, feature
from features.web import is_since_last_order
from timeline import DAY_US


@feature(
    view="visits",
    family="web",
    unit="count",
    absent=0,
    label="Visits with a filled cart in the last {days} days",
    high="fills a cart more often than most",
    low="fills a cart less often than most",
    says="visits with a filled cart: {value} in the last {days} days",
    urdu=Words(
        label="پچھلے {days} دن کے وزٹ جن میں ٹوکری بھری گئی",
        high="اکثر گاہکوں سے زیادہ بار ٹوکری بھرتے ہیں",
        low="اکثر گاہکوں سے کم بار ٹوکری بھرتے ہیں",
        says="پچھلے {days} دن کے وزٹ جن میں ٹوکری بھری گئی: {value}",
    ),
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
    urdu=Words(
        label="پچھلے {days} دن میں ادھوری چھوڑی گئی ٹوکریوں کا تناسب",
        high="اکثر گاہکوں سے زیادہ ٹوکریاں ادھوری چھوڑتے ہیں",
        low="اکثر گاہکوں سے کم ٹوکریاں ادھوری چھوڑتے ہیں",
        says="پچھلے {days} دن کی ٹوکریوں میں سے {value} ادھوری چھوڑ دیں",
    ),
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
    urdu=Words(
        label="آخری بھری ٹوکری کو کتنے دن ہوئے",
        high="اکثر گاہکوں کی نسبت زیادہ عرصے سے ٹوکری نہیں بھری",
        low="آخری بھری ٹوکری کو اکثر گاہکوں کی نسبت کم دن ہوئے ہیں",
        says="آخری بھری ٹوکری: {value} دن پہلے",
    ),
)
def days_since_last_cart(t: Table) -> Any:
    """Days since the newest event of the newest session with a cart; missing if there was none."""
    return days(t.has_cart.ifelse(t.age_us, ibis.null("int64")).min())


@feature(
    view="visits_and_orders",
    family="cart",
    unit="count",
    absent=0,
    label="Carts filled since the last order",
    high="has filled more carts without ordering than most",
    low="has filled fewer carts without ordering than most",
    says="visits with a filled cart since the last order: {value}",
    urdu=Words(
        "آخری آرڈر کے بعد کے وزٹ جن میں ٹوکری بھری گئی",
        "آخری آرڈر کے بعد اکثر گاہکوں سے زیادہ بار ٹوکری بھری",
        "آخری آرڈر کے بعد اکثر گاہکوں سے کم بار ٹوکری بھری",
        "آخری آرڈر کے بعد کے وزٹ جن میں ٹوکری بھری گئی: {value}",
    ),
)
def carts_since_last_order(t: Table) -> Any:
    """Sessions with a cart that are younger than the newest completed order; all of them if there is none."""
    return count_where(t.has_cart & is_since_last_order(t))


@feature(
    view="visits",
    family="cart",
    unit="count",
    absent=0,
    label="Checkouts left in the last 90 days",
    high="has broken off more checkouts than most",
    low="has broken off fewer checkouts than most",
    says="checkouts left without an order in the last 90 days: {value}",
    urdu=Words(
        "پچھلے 90 دن میں ادھورے چھوڑے گئے چیک آؤٹ",
        "اکثر گاہکوں سے زیادہ چیک آؤٹ ادھورے چھوڑے",
        "اکثر گاہکوں سے کم چیک آؤٹ ادھورے چھوڑے",
        "پچھلے 90 دن میں چیک آؤٹ تک گئے مگر آرڈر نہیں کیا: {value} بار",
    ),
)
def checkouts_left(t: Table) -> Any:
    """Sessions at most 90 days old with a Checkout Started but no Order Completed event."""
    return count_where(t.has_checkout & ~t.has_order & (t.age_us <= 90 * DAY_US))
