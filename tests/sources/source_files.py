"""A shop of a few lines, written by code, and what ingest makes of it."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from events.logs import arrow_schema
from sources import Places, SourceSettings, ingest

KEY = bytes(range(32))

ORDERS = """order_id,customer_id,ordered_at,revenue
1,anna,2025-01-05T10:00:00Z,10.00
2,ben,2025-01-06T10:00:00Z,20.00
3,anna,2025-02-05T10:00:00Z,30.00
"""


@dataclass
class Found:
    """What an ingest left, read back."""

    tables: dict[str, pa.Table]
    vault: pd.DataFrame
    quarantine: pd.DataFrame
    manifest: dict[str, Any]
    rewritten: list[str]
    became: pa.Table


def tables_in(events: Path) -> dict[str, pa.Table]:
    """Every canonical table below ``events``, in the order of its files."""
    return {
        folder.name: pa.concat_tables(
            [pq.ParquetFile(path).read() for path in sorted(folder.iterdir())]
        ).combine_chunks()
        for folder in sorted(events.iterdir())
        if folder.is_dir()
    }


def ordered(tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """The tables ordered by customer, time and event, months together."""
    key = [(column, "ascending") for column in ("customer_id", "occurred_at", "event_id")]
    return {name: table.sort_by(key).combine_chunks() for name, table in tables.items()}


def read(folder: Path, logs: dict[str, dict], **settings: Any) -> Found:
    """Ingest the files in ``folder`` with the log settings ``logs``; what is no setting goes to :func:`ingested_by`."""
    how = {
        name: settings.pop(name)
        for name in ("erased", "zone", "landed", "previous", "events", "threads")
        if name in settings
    }
    declared = SourceSettings.model_validate(
        {"path": "exports", "currency": "GBP", "logs": logs, "own_logs": {}} | settings
    )
    return ingested_by(folder, declared, **how)


def ingested_by(
    folder: Path,
    declared: SourceSettings,
    *,
    erased: Iterable[str] = (),
    zone: str = "UTC",
    landed: Path | None = None,
    previous: Path | None = None,
    events: Path | None = None,
    threads: int = 2,
) -> Found:
    """Ingest the files in ``folder`` into ``events``, or a folder that is removed again."""
    with tempfile.TemporaryDirectory() as scratch:
        places = Places(folder, landed or Path(scratch) / "landed", events or Path(scratch) / "events", previous)
        done = ingest(
            places, declared, zone=zone, key=KEY, erased=frozenset(erased), memory_limit="1GB", threads=threads
        )
        empty = {name: arrow_schema(name).empty_table() for name in done.manifest["logs"]}
        tables = ordered(empty | tables_in(places.events))
        return Found(tables, done.vault, done.quarantine, done.manifest, done.rewritten, done.became)


def read_orders(folder: Path, text: str | bytes, **log: object) -> Found:
    """Ingest one orders.csv that holds ``text``."""
    data = text if isinstance(text, bytes) else text.encode()
    (folder / "orders.csv").write_bytes(data)
    return read(folder, {"orders": {"file": "orders.csv"} | log})


def with_log(folder: Path, name: str, text: str, **log: object) -> Found:
    """Ingest the three standard orders and one further CSV log."""
    (folder / "orders.csv").write_text(ORDERS)
    (folder / f"{name}.csv").write_text(text)
    return read(folder, {"orders": {"file": "orders.csv"}, name: {"file": f"{name}.csv"} | log})


def rules(ingested: Found, log: str = "orders") -> dict[str, int]:
    """Quarantined rows of the canonical ``log``, by rule."""
    counts: dict[str, int] = {}
    for file in ingested.manifest["logs"][log]["files"]:
        for rule, rows in file["rules"].items():
            counts[rule] = counts.get(rule, 0) + rows
    return counts


def table(ingested: Found, log: str) -> pd.DataFrame:
    """The canonical table ``log`` with the shop's own ids back in place, for reading."""
    own = ingested.vault.set_index("customer_id")["shop_id"]
    frame = ingested.tables[log].to_pandas()
    return frame.assign(customer_id=frame["customer_id"].map(own))
