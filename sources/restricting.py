"""Restrictions in rows that the contract sets aside, read a second time without the contract.

While a file lands, every such row is written to ``<log>.said.parquet``: whom it could name, and what it restricts.
:mod:`sources.restrictions` finds the people; docs/restrictions.md has the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from events.sql import quoted, quoted_name
from sources.conversions import Cell, Converted, plain_sql, unbroken
from sources.words import EVENT, EVERY, NO_REASON, plain

if TYPE_CHECKING:
    from sources.checking import Log

SAID = pa.schema(
    [
        ("_row", pa.int64()),
        ("ids", pa.list_(pa.string())),
        ("addresses", pa.list_(pa.string())),
        ("text", pa.string()),
        ("says", pa.list_(pa.string())),
        ("channel", pa.string()),
        ("at", pa.int64()),
        ("stated_at", pa.int64()),
        ("updated_at", pa.int64()),
        ("is_damaged", pa.bool_()),
    ]
)
"""``ids`` and ``addresses`` are raw cells; ``text`` is the raw line where cells cannot be separated.

``says``: restrictions. ``at``: their instant, null where unknown. ``stated_at`` and ``updated_at``: of customers, the
instant of the state. ``is_damaged``: the contract set the row aside.
"""

ADDRESS_IN_TEXT = r"""\w[^@\s<>,;:"()\[\]\\|=?{}/`“”‘„«»]*@(?:[\w-]+\.)+[\w-]+"""


def columns(log: Log, cells: Mapping[str, tuple[Cell, Converted]], not_damage: Sequence[int]) -> str:
    """SQL of the column ``_said`` (null in a row without a fault), and of customers when their state was taken."""

    def value(ours: str) -> str:
        return quoted_name("v " + ours) if ours in cells else "NULL"

    def text(ours: str) -> str:
        if ours not in cells:
            return "NULL"
        cell = cells[ours][0]
        return f"nullif(nullif(({cell.sql})::VARCHAR, '[]'), '{{}}')" if cell.is_nested else cell.text

    def nested(ours: str) -> str:
        return f"{text(ours)} IS NOT NULL" if ours in cells and cells[ours][0].is_nested else "false"

    def moment(ours: str) -> str:
        """The instant, null where it breaks a rule."""
        return unbroken(cells[ours][1], value(ours)) if ours in cells else "NULL::BIGINT"

    ids = ", ".join(text(ours) for ours in ("customer_id", "from_id", "to_id"))
    says, channel, at = _says(log, value, text, nested), "NULL", "NULL::BIGINT"
    if log.name == "consent_events":
        channel, at = f"coalesce({value('channel')}, 'email')", moment("occurred_at")
    elif log.name == "email_events":
        at = moment("occurred_at")
    elif log.name == "customers":
        at = moment("email_consent_at")
    stated = moment("loaded_at") if log.name == "customers" else "NULL::BIGINT"
    updated = value("updated_at") if "updated_at" in cells else "NULL::BIGINT"
    if at != "NULL::BIGINT":
        # A time after the row was recorded cannot be relied on.
        at = f"CASE WHEN loaded_at IS NULL OR {at} <= loaded_at THEN {at} END"
    unread = f"{text('email')} IS NOT NULL AND {value('email')} IS NULL"
    given = [cell.text for cell, _ in cells.values() if not cell.is_nested and not cell.sql.startswith("'")]
    damaged = (
        f"coalesce({', '.join(given)}, NULL) IS NOT NULL "
        f"AND _broken > 0 AND _broken NOT IN ({', '.join(map(str, (0, *not_damage)))})"
    )
    said = (
        f"struct_pack(ids := list_filter([{ids}]::VARCHAR[], lambda one: one IS NOT NULL), "
        f"addresses := list_filter([{text('email')}]::VARCHAR[], lambda one: one IS NOT NULL), text := NULL::VARCHAR, "
        f"says := list_filter([{says}]::VARCHAR[], lambda one: one IS NOT NULL), channel := {channel}::VARCHAR, "
        f"at := {at}, stated_at := {stated}, updated_at := {updated}, is_damaged := _broken > 0)"
    )
    found = f", CASE WHEN ({damaged}) OR (_broken = 0 AND {unread}) THEN {said} END AS _said"
    if log.name != "customers":
        return found
    unread = f"{text('updated_at')} IS NOT NULL AND {updated} IS NULL" if "updated_at" in cells else "false"
    return f"{found}, {stated} AS _stated_at, {unread} AS _unread_time"


def _says(log: Log, v: Callable[[str], str], t: Callable[[str], str], nested: Callable[[str], str]) -> str:
    """SQL of the restrictions in a row; ``v`` gives a column as converted, ``t`` its cell as text.

    ``nested``: whether a list or an object that is not empty stands in it, which is an unknown word.
    """
    if log.name == "consent_events":
        return f"CASE WHEN {v('status')} IS DISTINCT FROM 'subscribed' THEN 'opt_out' END"
    if log.name == "email_events":
        ignored = ", ".join(quoted(plain(word)) for word in EVENT.ignored)
        return f"""CASE WHEN {v("event")} = 'Unsubscribed' THEN 'opt_out'
            WHEN {v("event")} = 'Email Marked as Spam' THEN 'complaint'
            WHEN {v("event")} = 'Email Bounced' THEN
                CASE WHEN {v("bounce_type")} = 'hard' OR {nested("bounce_type")} THEN 'hard_bounce' END
            WHEN {v("event")} IS NULL THEN CASE WHEN coalesce({plain_sql(f"({t('event')})::VARCHAR")}, '')
                NOT IN ({ignored}) THEN 'unclear' END END"""
    if log.name == "customers":
        unknown = f"{t('email_consent')} IS NOT NULL AND {v('email_consent')} IS NULL"
        reason = has_reason_sql(f"({t('suppressed_reason')})::VARCHAR")
        return f"""CASE WHEN {v("email_consent")} = 'unsubscribed' OR ({unknown}) THEN 'opt_out' END,
            CASE WHEN {v("suppressed")} OR {nested("suppressed")} OR ({reason}) THEN 'suppressed' END,
            CASE WHEN {v("legal_hold")} OR {nested("legal_hold")} THEN 'legal_hold' END"""
    return ""


def has_reason_sql(x: str) -> str:
    """SQL: whether the text ``x`` is a reason to suppress somebody."""
    return f"coalesce({plain_sql(x)} NOT IN ({', '.join(sorted({quoted(plain(word)) for word in NO_REASON}))}), false)"


def said_of_line(log: Log, row: int, line: str) -> dict[str, object]:
    """A row of :data:`SAID` for a line whose cells cannot be separated: no word of it can be relied on."""
    says = {"consent_events": ["opt_out"], "customer_merges": []}.get(log.name, ["unclear"])
    return {
        "_row": row,
        "text": line,
        "says": says,
        # Which of its words is the channel is unknown.
        "channel": EVERY if log.name == "consent_events" else None,
        "is_damaged": True,
    }
