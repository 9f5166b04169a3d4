"""The canonical event tables: one pandera schema each, from which the column types of the files follow.

Every table has one row per event. Money is in minor units of the shop's currency, instants are
microseconds UTC.
"""

import pandera.pandas as pandera
import pyarrow as pa

from sources.inputs import BIRTH_YEARS, BOUNCES, CONSENT_STATES, EMAIL_EVENTS, ORDER_EVENTS, WEB_EVENTS
from sources.mailboxes import PROVIDERS
from sources.restricting import LOGS
from sources.words import CHANNELS, RESTRICTIONS

_ARROW = {"Int64": pa.int64(), "boolean": pa.bool_(), "Float64": pa.float64()}


def _column(kind: str, nullable: bool, *checks: pandera.Check) -> pandera.Column:
    return pandera.Column(kind, checks=list(checks), nullable=nullable)


def _text(*allowed: str, nullable: bool = True) -> pandera.Column:
    checks = [pandera.Check.isin(allowed)] if allowed else []
    return _column("str", nullable, *checks)


def _whole(nullable: bool = True, at_least: int | None = None) -> pandera.Column:
    checks = [] if at_least is None else [pandera.Check.ge(at_least)]
    return _column("Int64", nullable, *checks)


def _flag(nullable: bool = True) -> pandera.Column:
    return _column("boolean", nullable)


def _table(columns: dict[str, pandera.Column], anonymous: bool = False) -> pandera.DataFrameSchema:
    common = {
        "customer_id": _column("str", anonymous, pandera.Check.str_matches(r"^c_[0-9a-f]{24}$")),
        "occurred_at": _whole(nullable=False),
        "loaded_at": _whole(nullable=False),
        "event_id": pandera.Column("str", nullable=False, unique=True),
    }
    return pandera.DataFrameSchema(common | columns, strict=True, ordered=True)


TABLES: dict[str, pandera.DataFrameSchema] = {
    "customers": _table(
        {
            "country": _text(),
            "timezone": _text(),
            "birth_month_day": _column("str", True, pandera.Check.str_matches(r"^[01]\d-[0-3]\d$")),
            "acquisition_channel": _text(),
            "email_consent": _text(*CONSENT_STATES, nullable=False),
            "email_consent_at": _whole(),
            "suppressed": _flag(nullable=False),
            "suppressed_reason": _text(),
            "address_key": _column("str", True, pandera.Check.str_matches(r"^a_[0-9a-f]{24}$")),
            "birth_year": _column("Int64", True, pandera.Check.in_range(*BIRTH_YEARS)),
            "legal_hold": _flag(nullable=False),
            "mailbox_provider": _text(*PROVIDERS),
        }
    ),
    "orders": _table(
        {
            "order_id": _text(nullable=False),
            "event": _text(*ORDER_EVENTS, nullable=False),
            "revenue": _whole(nullable=False, at_least=0),
            "discount": _whole(at_least=0),
            "total": _whole(at_least=0),
            "coupon": _text(),
            "channel": _text(),
            "currency": _text(nullable=False),
        }
    ),
    "order_items": _table(
        {
            "order_id": _text(nullable=False),
            "event": _text(*ORDER_EVENTS, nullable=False),
            "product_id": _text(),
            "category": _text(),
            "quantity": _whole(nullable=False, at_least=1),
            "price": _whole(nullable=False, at_least=0),
            "discount": _whole(at_least=0),
        }
    ),
    "web_events": _table(
        {
            "session_id": _text(),
            "anonymous_id": _column("str", True, pandera.Check.str_matches(r"^v_[0-9a-f]{24}$")),
            "event": _text(*WEB_EVENTS, nullable=False),
            "product_id": _text(),
            "category": _text(),
            "price": _whole(at_least=0),
            "quantity": _whole(),
            "cart_id": _text(),
            "order_id": _text(),
            "bot": _flag(nullable=False),
        },
        anonymous=True,
    ),
    "email_events": _table(
        {
            "event": _text(*EMAIL_EVENTS, nullable=False),
            "email_id": _text(),
            "campaign_id": _text(),
            "bounce_type": _text(*BOUNCES),
            "machine_open": _flag(),
            "bot_click": _flag(),
        }
    ),
    "support_tickets": _table(
        {
            "ticket_id": _text(nullable=False),
            "event": _text("Ticket Opened", "Ticket Closed", nullable=False),
            "channel": _text(),
            "category": _text(),
            "priority": _text(),
            "satisfaction": _column("Int64", True, pandera.Check.in_range(1, 5)),
        }
    ),
    "deliveries": _table(
        {
            "order_id": _text(nullable=False),
            "promised_at": _whole(nullable=False),
            "delay_hours": _whole(nullable=False),
        }
    ),
    "consent_events": _table(
        {
            "channel": _text(*CHANNELS, nullable=False),
            "status": _text("subscribed", "unsubscribed", nullable=False),
            "source": _text(),
        }
    ),
    "restrictions": _table(
        {
            "restriction": _text(*RESTRICTIONS, nullable=False),
            "channel": _text(*CHANNELS),
            "inbox": _column("str", True, pandera.Check.str_matches(r"^[ac]_[0-9a-f]{24}$")),
            "log": _text("orders", *sorted(LOGS), nullable=False),
        }
    ),
    "loyalty_events": _table({"points": _whole(), "tier": _text()}),
    "campaign_contacts": _table(
        {
            "campaign_id": _text(nullable=False),
            "arm": _text(),
            "control": _flag(),
            "propensity": _column("Float64", True, pandera.Check.in_range(0, 1)),
            "cost": _whole(at_least=0),
        }
    ),
}


_OWN = _table({})


def _contract(log: str) -> pandera.DataFrameSchema:
    """The contract of the canonical table ``log``; a log of the shop's own has the common columns alone."""
    return TABLES.get(log, _OWN)


def arrow_schema(log: str) -> pa.Schema:
    """Column names and types of the canonical table ``log``."""
    columns = _contract(log).columns
    return pa.schema([(name, _ARROW.get(str(column.dtype), pa.string())) for name, column in columns.items()])


def validate(log: str, table: pa.Table) -> None:
    """Check ``table`` against the contract of the canonical table ``log``.

    Raises:
        pandera.errors.SchemaError: a fault of this package, since bad rows were quarantined before.
    """
    import pandas as pd

    nullable = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype(), pa.float64(): pd.Float64Dtype()}
    _contract(log).validate(table.to_pandas(types_mapper=nullable.get))
