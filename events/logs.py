"""What a canonical log is: its grain, its key and the meaning of every column, declared once.

The contracts of ingest, the Arrow and Ibis types and docs/events.md are made from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

Kind = Literal["id", "text", "instant", "money", "whole", "share", "flag"]

_ARROW: Mapping[Kind, pa.DataType] = {
    "id": pa.string(),
    "text": pa.string(),
    "instant": pa.int64(),
    "money": pa.int64(),
    "whole": pa.int64(),
    "share": pa.float64(),
    "flag": pa.bool_(),
}
_IBIS: Mapping[pa.DataType, str] = {
    pa.string(): "string",
    pa.int64(): "int64",
    pa.float64(): "float64",
    pa.bool_(): "boolean",
}
UNITS: Mapping[Kind, str] = {"instant": "microseconds UTC", "money": "minor units of the shop's currency"}
"""Of kinds whose numbers have one."""

ORDER_EVENTS = ("Order Completed", "Order Cancelled", "Order Refunded")
WEB_EVENTS = (
    "Page Viewed",
    "Product Viewed",
    "Products Searched",
    "Product Added",
    "Cart Viewed",
    "Checkout Started",
    "Order Completed",
)
EMAIL_EVENTS = (
    "Email Sent",
    "Email Delivered",
    "Email Opened",
    "Email Link Clicked",
    "Email Bounced",
    "Email Marked as Spam",
    "Unsubscribed",
)
CONSENT_STATES = ("subscribed", "unsubscribed", "never", "unknown")
BOUNCES = ("hard", "soft", "block")
CHANNELS = ("email", "sms", "phone", "post", "profiling")
RESTRICTIONS = ("opt_out", "complaint", "hard_bounce", "suppressed", "legal_hold", "unclear", "same_inbox")
"""Values of ``restriction`` in the log ``restrictions``; the last says only that a person reads an inbox."""
RESTRICTING_LOGS = ("consent_events", "customer_merges", "customers", "email_events")
"""The logs that may hold a restriction, or say whose it is; in alphabetical order."""
BIRTH_YEARS = (1900, 2100)
"""Years of birth that are believed, both included; any other is an empty date or a typing error."""

CUSTOMER_TOKEN, ADDRESS_TOKEN = r"^c_[0-9a-f]{24}$", r"^a_[0-9a-f]{24}$"
EITHER_TOKEN, VISITOR_TOKEN = r"^[ac]_[0-9a-f]{24}$", r"^v_[0-9a-f]{24}$"


@dataclass(frozen=True)
class Column:
    """One column: its kind, what it means, and which values it may have.

    ``required``: never null. ``least`` and ``most``: both included. ``pattern``: of the whole text. ``unique``: in no
    two rows.
    """

    kind: Kind
    meaning: str
    required: bool = False
    allowed: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    pattern: str = ""
    unique: bool = False


@dataclass(frozen=True)
class Log:
    """One canonical log: what a row is, what names a row, and its columns beside the common ones."""

    grain: str
    key: str
    columns: Mapping[str, Column] = field(default_factory=dict)
    anonymous: bool = False
    """Whether a row may be of nobody who is known."""


def _common(anonymous: bool) -> dict[str, Column]:
    return {
        "customer_id": Column("id", "pseudonym of the person", not anonymous, pattern=CUSTOMER_TOKEN),
        "occurred_at": Column("instant", "when it happened", required=True),
        "loaded_at": Column("instant", "when it reached the shop's systems", required=True),
        "event_id": Column("id", "name of the row", required=True, unique=True),
    }


_ORDER_ID = Column("id", "number of the order", required=True)
_CATEGORY = Column("text", "category of the product")

LOGS: Mapping[str, Log] = {
    "customers": Log(
        "customer, in the newest state that the files tell",
        "customer_id",
        {
            "country": Column("text", "country, as the shop writes it"),
            "timezone": Column("text", "time zone of the person, such as Europe/London"),
            "birth_month_day": Column("text", "month and day of birth, MM-DD", pattern=r"^[01]\d-[0-3]\d$"),
            "acquisition_channel": Column("text", "how the person came to the shop"),
            "email_consent": Column("text", "consent to e-mail", required=True, allowed=CONSENT_STATES),
            "email_consent_at": Column("instant", "when that consent was given or taken back"),
            "suppressed": Column("flag", "whether the shop has suppressed this person", required=True),
            "suppressed_reason": Column("text", "why"),
            "address_key": Column("id", "pseudonym of the e-mail address", pattern=ADDRESS_TOKEN),
            "birth_year": Column("whole", "year of birth", least=BIRTH_YEARS[0], most=BIRTH_YEARS[1]),
            "legal_hold": Column("flag", "whether a dispute keeps the person off every list", required=True),
            "mailbox_provider": Column("text", "whose mailbox it is, a name of a fixed list such as gmail, or other"),
        },
    ),
    "orders": Log(
        "order placed, cancelled or refunded",
        "order_id, event, occurred_at and the place among equal rows",
        {
            "order_id": _ORDER_ID,
            "event": Column("text", "what became of the order", required=True, allowed=ORDER_EVENTS),
            "revenue": Column(
                "money", "net of discount, without shipping and tax; refunds too", required=True, least=0
            ),
            "discount": Column("money", "discount on the whole order", least=0),
            "total": Column("money", "what was paid, shipping and tax included", least=0),
            "coupon": Column("text", "code of the coupon"),
            "channel": Column("text", "where it was bought"),
            "currency": Column("text", "currency, three letters", required=True),
        },
    ),
    "order_items": Log(
        "line of an order placed, cancelled or refunded",
        "order_id, event, occurred_at and the place among equal rows",
        {
            "order_id": _ORDER_ID,
            "event": Column("text", "what became of the line", required=True, allowed=ORDER_EVENTS),
            "product_id": Column("id", "article"),
            "category": _CATEGORY,
            "quantity": Column("whole", "pieces", required=True, least=1),
            "price": Column("money", "price of one piece", required=True, least=0),
            "discount": Column("money", "discount on the line", least=0),
        },
    ),
    "web_events": Log(
        "page, view, search or step towards an order on the site",
        "message_id, else session_id, anonymous_id, event, occurred_at and the place among equal rows",
        {
            "session_id": Column("id", "visit"),
            "anonymous_id": Column("id", "pseudonym of the browser", pattern=VISITOR_TOKEN),
            "event": Column("text", "what was done", required=True, allowed=WEB_EVENTS),
            "product_id": Column("id", "article"),
            "category": _CATEGORY,
            "price": Column("money", "price of one piece", least=0),
            "quantity": Column("whole", "pieces"),
            "cart_id": Column("id", "cart"),
            "order_id": Column("id", "number of the order, of an order"),
            "bot": Column("flag", "whether a machine did it; no feature reads such rows", required=True),
        },
        anonymous=True,
    ),
    "email_events": Log(
        "e-mail sent, delivered, opened, clicked, bounced or refused",
        "message_id, else email_id, customer_id, event, occurred_at and the place among equal rows",
        {
            "event": Column("text", "what happened", required=True, allowed=EMAIL_EVENTS),
            "email_id": Column("id", "e-mail"),
            "campaign_id": Column("id", "campaign"),
            "bounce_type": Column("text", "of a bounce: whether the address is dead (hard)", allowed=BOUNCES),
            "machine_open": Column("flag", "of an opening: whether a machine did it"),
            "bot_click": Column("flag", "of a click: whether a machine did it"),
        },
    ),
    "support_tickets": Log(
        "ticket opened or closed",
        "ticket_id, event",
        {
            "ticket_id": Column("id", "number of the ticket", required=True),
            "event": Column("text", "opened or closed", required=True, allowed=("Ticket Opened", "Ticket Closed")),
            "channel": Column("text", "how the person wrote"),
            "category": Column("text", "what about"),
            "priority": Column("text", "how urgent, as the shop says it"),
            "satisfaction": Column("whole", "how satisfied, from 1 to 5, once closed", least=1, most=5),
        },
    ),
    "deliveries": Log(
        "parcel that arrived",
        "order_id, occurred_at and the place among equal rows",
        {
            "order_id": _ORDER_ID,
            "promised_at": Column("instant", "when it should have arrived", required=True),
            "delay_hours": Column("whole", "whole hours late, negative when early", required=True),
        },
    ),
    "consent_events": Log(
        "consent given or taken back on one channel",
        "customer_id, occurred_at, channel and the place among equal rows",
        {
            "channel": Column("text", "about what", required=True, allowed=CHANNELS),
            "status": Column("text", "yes or no", required=True, allowed=("subscribed", "unsubscribed")),
            "source": Column("text", "where it was said"),
        },
    ),
    "restrictions": Log(
        "restriction beyond those of the other logs: of damaged rows, former addresses, and dates without a time",
        "customer_id, restriction, channel, inbox, occurred_at, log and the place among equal rows",
        {
            "restriction": Column("text", "what holds", required=True, allowed=RESTRICTIONS),
            "channel": Column("text", "of an opt-out: about what", allowed=CHANNELS),
            "inbox": Column("id", "of same_inbox: whose mail the person reads", pattern=EITHER_TOKEN),
            "log": Column("text", "where it was read", required=True, allowed=("orders", *RESTRICTING_LOGS)),
        },
    ),
    "loyalty_events": Log(
        "points gained or spent",
        "customer_id, occurred_at and the place among equal rows",
        {
            "points": Column("whole", "points gained, or spent where negative"),
            "tier": Column("text", "level of the account afterwards"),
        },
    ),
    "campaign_contacts": Log(
        "person written to, or held out, in a campaign",
        "campaign_id, customer_id, occurred_at and the place among equal rows",
        {
            "campaign_id": Column("id", "campaign", required=True),
            "arm": Column("text", "version of the message"),
            "control": Column("flag", "whether the person was held out"),
            "propensity": Column("share", "chance with which the arm was drawn", least=0, most=1),
            "cost": Column("money", "what it cost", least=0),
        },
    ),
}
"""Every canonical log by name, ordered as columns are in the files; a log of the shop's own has the common ones."""

_OWN = Log("event of a log of the shop's own", "event_id")


def columns_of(log: str) -> dict[str, Column]:
    """Every column of a canonical log, the common ones first, in the order of the files."""
    declared = LOGS.get(log, _OWN)
    return _common(declared.anonymous) | dict(declared.columns)


def arrow_schema(log: str) -> pa.Schema:
    """Column names and Arrow types of a canonical log."""
    return pa.schema([(name, _ARROW[column.kind]) for name, column in columns_of(log).items()])


def ibis_schema(log: str, *names: str) -> dict[str, str]:
    """Ibis types of some columns of a canonical log."""
    schema = arrow_schema(log)
    return {name: _IBIS[schema.field(name).type] for name in names}
