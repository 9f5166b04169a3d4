"""The files that a shop exports: rows of cells that a mutation can damage, and how they are written."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Any

from .restriction_truth import Consent, Mail, Snapshot, Truth

Cell = str | bytes
"""A text, quoted where CSV needs it, or the very bytes between two commas."""

COLUMNS = {
    "customers": "customer_id email created_at email_consent email_consent_at suppressed suppressed_reason legal_hold "
    "birth_year loaded_at updated_at",
    "consent_events": "customer_id email channel status occurred_at",
    "email_events": "message_id customer_id email event occurred_at bounce_type campaign_id",
    "customer_merges": "from_id to_id merged_at",
    "orders": "order_id customer_id email ordered_at revenue",
}
NAMING = ("customer_id", "from_id", "to_id", "email")
"""Columns that say who a row is about."""

UNKNOWN_WORDS = {
    "status": ["GDPR_ERASE_ME", "lapsed", "blacklist"],
    "email_consent": ["dormant", "GDPR_OPT", "n/a?"],
    "channel": ["whatsapp", "fax", "push"],
    "event": ["Abuse report 7", "gone away", "FBL"],
    "bounce_type": ["5.1.1", "mailbox gone", "undetermined"],
}


@dataclass
class Table:
    """One file of a log."""

    log: str
    path: str
    columns: list[str]
    rows: list[list[Cell]]
    mark: bytes = b""
    """A byte order mark, if there is one."""
    end: bytes = b"\n"
    """What ends a line."""

    def at(self, column: str) -> int:
        """Where the cells of ``column`` stand in a row."""
        return self.columns.index(column)

    def names(self, row: list[Cell]) -> set[str]:
        """Every id and address that stands in the naming cells of a row."""
        cells = [row[self.at(name)] for name in NAMING if name in self.columns]
        return {cell for cell in cells if isinstance(cell, str) and cell}


@dataclass
class Files:
    """All files of a shop with the ``sources`` section of its params."""

    tables: list[Table]
    sources: dict[str, Any]

    def copied(self) -> Files:
        """The same files, to be damaged without touching these."""
        return copy.deepcopy(self)

    def of(self, log: str) -> list[Table]:
        """The files of one log."""
        return [table for table in self.tables if table.log == log]

    def write(self, folder: Path) -> None:
        """Every file below ``folder``."""
        for table in self.tables:
            path = folder / table.path
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = [_line(row) + table.end for row in [list[Cell](table.columns), *table.rows]]
            path.write_bytes(table.mark + b"".join(lines))


def _line(row: list[Cell]) -> bytes:
    return b",".join(cell if isinstance(cell, bytes) else _quoted(cell).encode() for cell in row)


def _quoted(cell: str) -> str:
    if cell and (set(cell) & set(',"\r\n') or cell != cell.strip()):
        return '"' + cell.replace('"', '""') + '"'
    return cell


def _time(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""


def _flag(value: bool | None) -> str:
    return {None: "", True: "true", False: "false"}[value]


def _customer(row: Snapshot, rng: Random) -> dict[str, str]:
    words = {"?": UNKNOWN_WORDS["email_consent"], "unknown": ["unknown", "", "pending"]}
    return {
        "customer_id": row.id,
        "email": row.address or "",
        "created_at": "2024-01-05T10:00:00Z",
        "email_consent": rng.choice(words.get(row.consent, [row.consent])),
        "email_consent_at": _time(row.consent_at),
        "suppressed": _flag(row.suppressed),
        "suppressed_reason": row.reason,
        "legal_hold": _flag(row.hold),
        "birth_year": str(row.born or ""),
        "loaded_at": _time(row.loaded_at),
        "updated_at": _time(row.updated_at),
    }


def _consent(row: Consent, rng: Random) -> dict[str, str]:
    channels: dict[str | None, list[str]] = {None: [""], "?": UNKNOWN_WORDS["channel"], "all": ["all", "marketing"]}
    return {
        "customer_id": row.id or "",
        "email": row.address or "",
        "channel": rng.choice(channels.get(row.channel, [row.channel or ""])),
        "status": rng.choice(UNKNOWN_WORDS["status"]) if row.status == "?" else row.status,
        "occurred_at": _time(row.at),
    }


def _mail(number: int, row: Mail, rng: Random) -> dict[str, str]:
    return {
        "message_id": f"m{number}x",
        "customer_id": row.id or "",
        "email": row.address or "",
        "event": rng.choice(UNKNOWN_WORDS["event"]) if row.event == "?" else row.event,
        "occurred_at": _time(row.at),
        "bounce_type": rng.choice(UNKNOWN_WORDS["bounce_type"]) if row.bounce == "?" else row.bounce,
        "campaign_id": f"news{number % 5}",
    }


def _orders(truth: Truth, rng: Random) -> list[dict[str, str]]:
    """Two orders of everybody, so that being restricted is what decides who is listed."""
    absorbed = {old for old, _ in truth.merges}
    rows = []
    for name in truth.buyers:
        for days in sorted((rng.randrange(30, 300), rng.randrange(400, 700)), reverse=True):
            if name in absorbed and days < 365:
                continue
            day = datetime.combine(truth.as_of, time(9), UTC) - timedelta(days=days)
            rows.append({"email" if "@" in name else "customer_id": name, "ordered_at": _time(day), "revenue": "25.00"})
    rows.sort(key=lambda row: row["ordered_at"])
    return [{"order_id": f"o{number}x"} | row for number, row in enumerate(rows)]


def _table(log: str, path: str, rows: list[dict[str, str]], rng: Random, absent: set[str]) -> Table:
    columns = [name for name in COLUMNS[log].split() if name not in absent]
    if rng.random() < 0.5:
        rng.shuffle(columns)
    return Table(log, path, columns, [[row.get(name, "") for name in columns] for row in rows])


def render(truth: Truth, rng: Random, style: str) -> Files:
    """The files of a shop; ``style`` is what tells the newest row of its customers files."""
    absent = {"loaded_at", "updated_at"} - {style}
    periods = sorted({row.period for row in truth.customers}, key=str)
    tables = []
    for period in periods:
        rows = [_customer(row, rng) for row in truth.customers if row.period == period]
        path = f"customers-{period[0]:%Y-%m}.csv" if period else "customers.csv"
        tables.append(_table("customers", path, rows, rng, absent))
    consents = [_consent(row, rng) for row in truth.consents]
    mails = [_mail(number, row, rng) for number, row in enumerate(truth.mails)]
    merges = [{"from_id": old, "to_id": new, "merged_at": "2025-02-03T10:00:00Z"} for old, new in truth.merges]
    tables.append(_table("consent_events", "consent_events.csv", consents, rng, set()))
    tables.append(_table("email_events", "email_events.csv", mails, rng, set()))
    tables.append(_table("customer_merges", "customer_merges.csv", merges, rng, set()))
    tables.append(_table("orders", "orders.csv", _orders(truth, rng), rng, set()))
    tables = [table for table in tables if table.rows]
    logs = {table.log: {"file": table.path} for table in tables}
    if len(periods) > 1:
        logs["customers"] = {"file": "customers-*.csv"}
    sources: dict[str, Any] = {"key_id": "demo", "currency": "EUR", "complete_until": f"{truth.as_of}", "logs": logs}
    if truth.tests:
        sources["test_accounts"] = list(truth.tests)
    return Files(tables, sources | {"own_logs": {}})
