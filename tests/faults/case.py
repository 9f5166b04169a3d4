"""What a case of the fault corpus is, and short ways to write files with one fault in them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from sources import Ingested

Make = bytes | Callable[[Path], None]
Kind = Literal["accepted", "normalised", "quarantined", "refused", "warned", "stopped"]
Row = Mapping[str, str | None]
FORMATS = ("csv", "jsonl", "parquet")

ORDERS = b"""order_id,customer_id,ordered_at,revenue
o1,anna,2025-01-05T10:00:00Z,10.00
o2,ben,2025-01-06T10:00:00Z,20.00
o3,anna,2025-02-05T10:00:00Z,30.00
"""
"""The orders beside the file with the fault, where the fault is in another log."""

GOOD: dict[str, Row] = {
    "orders": {"order_id": "a{n}", "customer_id": "anna", "ordered_at": "2025-01-1{n}T10:00:00Z", "revenue": "10.00"},
    "order_lines": {
        "order_id": "a{n}",
        "customer_id": "anna",
        "ordered_at": "2025-01-1{n}T10:00:00Z",
        "product_id": "mug",
        "quantity": "2",
        "price": "5.00",
    },
    "order_items": {"order_id": "o{n}", "product_id": "mug", "quantity": "1", "price": "10.00"},
    "returns": {
        "order_id": "o{n}",
        "product_id": "mug",
        "quantity": "1",
        "price": "10.00",
        "returned_at": "2025-02-1{n}T10:00:00Z",
    },
    "customers": {"customer_id": "c{n}", "created_at": "2024-12-0{n}T10:00:00Z", "email": "c{n}@example.com"},
    "web_events": {
        "message_id": "w{n}",
        "customer_id": "anna",
        "event": "Page Viewed",
        "occurred_at": "2025-01-1{n}T10:00:00Z",
    },
    "email_events": {
        "message_id": "e{n}",
        "customer_id": "anna",
        "event": "Email Sent",
        "occurred_at": "2025-01-1{n}T10:00:00Z",
        "email_id": "m{n}",
    },
    "consent_events": {"customer_id": "anna", "occurred_at": "2025-01-1{n}T10:00:00Z", "status": "subscribed"},
}


@dataclass(frozen=True)
class Case:
    """One fault, the files that have it, and how an ingest of them must end.

    number: the row of the table of faults. files: by name. beside: good files that are needed as well.
    quarantined: every (file, line, column, rule) that is set aside, and no other; "a|b" allows either rule.
    rule: stands in the message of a file that is refused, where the rule has a name; "a|b" allows either.
    words: all of them stand in the message, or in one warning.
    counts: accepted rows and duplicates by file. left_out: rows by (file, rule) that params leave out.
    same_as: files whose tables must be the same. good: a further file of the log whose file is refused.
    limited: read in a process whose memory is limited.
    """

    number: int
    name: str
    files: Mapping[str, Make]
    kind: Kind
    logs: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"orders": {"file": "orders*.csv"}})
    settings: Mapping[str, Any] = field(default_factory=dict)
    beside: Mapping[str, Make] = field(default_factory=dict)
    quarantined: Sequence[tuple[str, int, str, str]] = ()
    rule: str = ""
    words: Sequence[str] = ()
    counts: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    left_out: Mapping[tuple[str, str], int] = field(default_factory=dict)
    same_as: Mapping[str, Make] | None = None
    good: tuple[str, Make] = ("orders-good.csv", ORDERS)
    check: Callable[[Ingested], bool] | None = None
    zone: str = "UTC"
    limited: bool = False

    @property
    def label(self) -> str:
        """Number and name, for the list of tests."""
        return f"{self.number:02d} {self.name}"


def write(folder: Path, files: Mapping[str, Make]) -> None:
    """Make ``files`` in ``folder``."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(path)
        else:
            path.write_bytes(content)


def lines(*rows: str, end: str = "\n") -> bytes:
    """Lines of text as UTF-8."""
    return "".join(row + end for row in rows).encode()


def as_csv(rows: Sequence[Row]) -> bytes:
    """``rows`` as CSV with every column that one of them has."""
    text = io.StringIO()
    columns = list(dict.fromkeys(column for row in rows for column in row))
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_jsonl(rows: Sequence[Row]) -> bytes:
    """``rows`` as JSON lines; an empty cell is null."""
    return lines(*(json.dumps({column: cell or None for column, cell in row.items()}) for row in rows))


def parquet(table: pa.Table) -> bytes:
    """``table`` as a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def as_parquet(rows: Sequence[Row]) -> bytes:
    """``rows`` as Parquet with columns of text; an empty cell is null."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    return parquet(pa.table({c: pa.array([row.get(c) or None for row in rows], pa.string()) for c in columns}))


WRITERS: dict[str, Callable[[Sequence[Row]], bytes]] = {"csv": as_csv, "jsonl": as_jsonl, "parquet": as_parquet}


def good_row(log: str, n: int) -> dict[str, str | None]:
    """The good row number ``n`` of ``log``."""
    return {column: cell and cell.replace("{n}", str(n)) for column, cell in GOOD[log].items()}


def with_row(
    number: int,
    name: str,
    cells: Row,
    column: str = "",
    rule: str = "",
    *,
    log: str = "orders",
    formats: Sequence[str] = FORMATS,
    declared: Mapping[str, Any] | None = None,
    **expected: Any,
) -> list[Case]:
    """One case per format: a row with the ``cells`` between two good rows; set aside if there is a ``rule``."""
    middle = good_row(log, 2) | dict(cells)
    made = []
    for kind in formats:
        content = WRITERS[kind]([good_row(log, 1), middle, good_row(log, 3)])
        place = ((f"{log}.{kind}", 3 if kind == "csv" else 2, column, rule),) if rule else ()
        made.append(
            in_log(
                number,
                f"{name}, {kind}",
                log,
                content,
                declared={"format": kind} | dict(declared or {}),
                **({"kind": "quarantined" if rule else "accepted", "quarantined": place} | expected),
            )
        )
    return made


def in_log(
    number: int,
    name: str,
    log: str,
    content: Make,
    *,
    declared: Mapping[str, Any] | None = None,
    logs_beside: Mapping[str, Mapping[str, Any]] | None = None,
    **expected: Any,
) -> Case:
    """A case with one file of ``log``, beside good orders where the log is another one."""
    settings = {"format": "csv"} | dict(declared or {})
    file = f"{log}.{settings['format']}"
    logs = dict(logs_beside or {}) | {log: {"file": f"{log}*.{settings['format']}"} | settings}
    if log in {"orders", "order_lines"}:
        return Case(number, name, {file: content}, logs=logs, **expected)
    return Case(
        number,
        name,
        {file: content},
        logs={"orders": {"file": "shop.csv"}} | logs,
        **({"beside": {"shop.csv": ORDERS}} | expected),
    )


def ids(found: Ingested) -> list[str]:
    """The shop's own ids of the customers, in order."""
    return sorted(found.vault["shop_id"])


def customer(found: Ingested, shop_id: str) -> str:
    """The pseudonym of ``shop_id``."""
    return str(found.vault.set_index("shop_id")["customer_id"][shop_id])


def column(found: Ingested, log: str, name: str) -> list[Any]:
    """The cells of one canonical column, smallest first, nulls last."""
    cells = found.tables[log][name].to_pylist()
    return sorted(c for c in cells if c is not None) + [c for c in cells if c is None]


def by_id(found: Ingested, log: str, name: str, key: str = "event_id") -> dict[str, Any]:
    """One canonical column by another: event ids are the shop's own where it has some."""
    return dict(zip(found.tables[log][key].to_pylist(), found.tables[log][name].to_pylist(), strict=True))
