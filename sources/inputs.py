"""What a log may hold as it arrives: our names of its columns, and what each must look like."""

from dataclasses import dataclass
from typing import Literal

from events.logs import BOUNCES, CONSENT_STATES, EMAIL_EVENTS, ORDER_EVENTS, WEB_EVENTS
from sources.words import BOUNCE, CHANNEL, CONSENT, EVENT, STATUS, Vocabulary

PERSONS = frozenset({"customer_id", "anonymous_id", "from_id", "to_id"})
"""Columns whose ids are somebody's; those of all others name things."""

Kind = Literal["id", "text", "address", "instant", "day", "money", "whole", "number", "flag"]


@dataclass(frozen=True)
class Field:
    """One column: its kind, if every row needs it, the values it may have, the value of an empty cell.

    ``words``: how a guard's column reads other spellings. ``restricts``: a flag of which a word nobody knows is a yes.
    ``lenient``: a cell that cannot be read is empty, and costs the row nothing.
    Of texts: ``free`` if people write sentences there, in which a telephone number is one; ``bare``, what becomes of
    a text that was an address and nothing else, where an empty cell would say something; ``kept`` in the events.
    """

    kind: Kind
    required: bool = False
    allowed: tuple[str, ...] = ()
    default: str | None = None
    words: Vocabulary | None = None
    restricts: bool = False
    lenient: bool = False
    free: bool = False
    bare: str | None = None
    kept: bool = True


@dataclass(frozen=True)
class Input:
    """One log as it arrives: its columns, which of them says when, whom a row is about, and what names a row.

    ``person``: at least one of these columns must be filled in every row. ``key``: rows equal in all of them
    are the same row; a log without a key may hold equal rows. ``feeds``: canonical tables made from the log.
    """

    columns: dict[str, Field]
    moment: str
    feeds: tuple[str, ...]
    person: tuple[str, ...] = ("customer_id",)
    key: tuple[str, ...] = ()

    @property
    def things(self) -> tuple[str, ...]:
        """Columns whose ids name things: orders, products, visits, messages."""
        return tuple(name for name, field in self.columns.items() if field.kind == "id" and name not in PERSONS)


_ID, _TEXT, _MONEY, _INSTANT = Field("id"), Field("text"), Field("money"), Field("instant")
_WHOLE, _FLAG, _ADDRESS = Field("whole"), Field("flag"), Field("address")
_NEEDED_ID, _NEEDED_MONEY = Field("id", required=True), Field("money", required=True)
_NEEDED_INSTANT, _NEEDED_WHOLE = Field("instant", required=True), Field("whole", required=True)
_FREE, _UNKEPT = Field("text", free=True), Field("text", kept=False)
_TELLING = Field("text", bare="removed")
_ORDER_EVENT = Field("text", allowed=ORDER_EVENTS, default="Order Completed")

INPUTS: dict[str, Input] = {
    "customers": Input(
        {
            "customer_id": _NEEDED_ID,
            "email": _ADDRESS,
            "created_at": _INSTANT,
            "updated_at": Field("instant", lenient=True),
            "country": _TEXT,
            "timezone": _TEXT,
            "birth_month_day": _TEXT,
            "birth_year": _WHOLE,
            "birth_date": Field("day"),
            "acquisition_channel": _TEXT,
            "email_consent": Field("text", allowed=CONSENT_STATES, words=CONSENT),
            "email_consent_at": _INSTANT,
            "suppressed": Field("flag", restricts=True),
            "suppressed_reason": Field("text", free=True, bare="removed"),
            "legal_hold": Field("flag", restricts=True),
        },
        moment="created_at",
        feeds=("customers",),
        key=("customer_id",),
    ),
    "consent_events": Input(
        {
            "customer_id": _ID,
            "email": _ADDRESS,
            "occurred_at": _NEEDED_INSTANT,
            "channel": Field("text", default="email", words=CHANNEL),
            "status": Field("text", required=True, allowed=("subscribed", "unsubscribed"), words=STATUS),
            "source": _FREE,
        },
        moment="occurred_at",
        feeds=("consent_events",),
        person=("customer_id", "email"),
    ),
    "orders": Input(
        {
            "customer_id": _ID,
            "email": _ADDRESS,
            "order_id": _NEEDED_ID,
            "ordered_at": _NEEDED_INSTANT,
            "event": _ORDER_EVENT,
            "revenue": _MONEY,
            "total": _MONEY,
            "shipping": _MONEY,
            "tax": _MONEY,
            "discount": _MONEY,
            "currency": _TELLING,
            "coupon": _TELLING,
            "channel": _TEXT,
            "category": _TEXT,
        },
        moment="ordered_at",
        feeds=("orders",),
        person=("customer_id", "email"),
        key=("order_id", "event", "refunded_at"),
    ),
    "order_items": Input(
        {
            "order_id": _NEEDED_ID,
            "product_id": _NEEDED_ID,
            "category": _TEXT,
            "quantity": _NEEDED_WHOLE,
            "price": _NEEDED_MONEY,
            "discount": _MONEY,
        },
        moment="",
        feeds=("order_items",),
        person=(),
    ),
    "order_lines": Input(
        {
            "customer_id": _ID,
            "email": _ADDRESS,
            "order_id": _NEEDED_ID,
            "ordered_at": _NEEDED_INSTANT,
            "event": _ORDER_EVENT,
            "product_id": _NEEDED_ID,
            "category": _TEXT,
            "quantity": _NEEDED_WHOLE,
            "price": _NEEDED_MONEY,
            "discount": _MONEY,
            "currency": _TELLING,
            "coupon": _TELLING,
            "channel": _TEXT,
        },
        moment="ordered_at",
        feeds=("orders", "order_items"),
        person=("customer_id", "email"),
    ),
    "returns": Input(
        {
            "order_id": _NEEDED_ID,
            "product_id": _NEEDED_ID,
            "category": _TEXT,
            "quantity": _NEEDED_WHOLE,
            "price": _NEEDED_MONEY,
            "returned_at": _NEEDED_INSTANT,
        },
        moment="returned_at",
        feeds=("order_items",),
        person=(),
    ),
    "deliveries": Input(
        {
            "order_id": _NEEDED_ID,
            "customer_id": _ID,
            "promised_at": _NEEDED_INSTANT,
            "delivered_at": _NEEDED_INSTANT,
        },
        moment="delivered_at",
        feeds=("deliveries",),
        person=(),
    ),
    "web_events": Input(
        {
            "message_id": _ID,
            "customer_id": _ID,
            "email": _ADDRESS,
            "anonymous_id": _ID,
            "session_id": _ID,
            "event": Field("text", required=True, allowed=WEB_EVENTS),
            "occurred_at": _NEEDED_INSTANT,
            "product_id": _ID,
            "category": _TEXT,
            "price": _MONEY,
            "quantity": _WHOLE,
            "cart_id": _ID,
            "order_id": _ID,
            "user_agent": _UNKEPT,
        },
        moment="occurred_at",
        feeds=("web_events",),
        person=("customer_id", "email", "anonymous_id"),
        key=("message_id",),
    ),
    "identity_map": Input(
        {"anonymous_id": _NEEDED_ID, "customer_id": _NEEDED_ID, "identified_at": _NEEDED_INSTANT},
        moment="identified_at",
        feeds=("web_events",),
    ),
    "email_events": Input(
        {
            "message_id": _ID,
            "customer_id": _ID,
            "email": _ADDRESS,
            "event": Field("text", required=True, allowed=EMAIL_EVENTS, words=EVENT),
            "occurred_at": _NEEDED_INSTANT,
            "email_id": _ID,
            "campaign_id": _ID,
            "bounce_type": Field("text", allowed=BOUNCES, words=BOUNCE),
            "machine_open": _FLAG,
            "bot_click": _FLAG,
            "link_url": _UNKEPT,
            "user_agent": _UNKEPT,
        },
        moment="occurred_at",
        feeds=("email_events",),
        person=("customer_id", "email"),
        key=("message_id",),
    ),
    "customer_merges": Input(
        {"from_id": _NEEDED_ID, "to_id": _NEEDED_ID, "merged_at": _INSTANT},
        moment="merged_at",
        feeds=(),
        person=(),
    ),
    "support_tickets": Input(
        {
            "ticket_id": _NEEDED_ID,
            "customer_id": _ID,
            "email": _ADDRESS,
            "opened_at": _NEEDED_INSTANT,
            "closed_at": _INSTANT,
            "channel": _TEXT,
            "category": _FREE,
            "priority": _TEXT,
            "satisfaction": _WHOLE,
        },
        moment="opened_at",
        feeds=("support_tickets",),
        person=("customer_id", "email"),
        key=("ticket_id",),
    ),
    "loyalty_events": Input(
        {
            "customer_id": _ID,
            "email": _ADDRESS,
            "occurred_at": _NEEDED_INSTANT,
            "points": _WHOLE,
            "tier": _TEXT,
        },
        moment="occurred_at",
        feeds=("loyalty_events",),
        person=("customer_id", "email"),
    ),
    "campaign_contacts": Input(
        {
            "customer_id": _ID,
            "email": _ADDRESS,
            "campaign_id": _NEEDED_ID,
            "contacted_at": _NEEDED_INSTANT,
            "arm": _TEXT,
            "control": _FLAG,
            "propensity": Field("number"),
            "cost": _MONEY,
        },
        moment="contacted_at",
        feeds=("campaign_contacts",),
        person=("customer_id", "email"),
    ),
    "shop_labels": Input(
        {"customer_id": _NEEDED_ID, "churned": Field("flag", required=True), "as_of": _INSTANT},
        moment="as_of",
        feeds=(),
    ),
}
"""Every known log by name. Each may also hold ``loaded_at``, the instant at which the shop knew of the row.

``user_agent`` and ``link_url`` tell people from machines; no canonical table keeps them.
"""


def input_of(log: str) -> Input:
    """What ``log`` may hold; a log that is not known is the shop's own."""
    return INPUTS.get(log) or Input(
        {"customer_id": _ID, "email": _ADDRESS, "occurred_at": _NEEDED_INSTANT, "event_id": _ID},
        moment="occurred_at",
        feeds=(log,),
        person=("customer_id", "email"),
        key=("event_id",),
    )
