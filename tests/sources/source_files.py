"""A shop of a few lines, written by code, and what ingest makes of it."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from sources import Ingested, SourceSettings, ingest

KEY = bytes(range(32))

ORDERS = """order_id,customer_id,ordered_at,revenue
1,anna,2025-01-05T10:00:00Z,10.00
2,ben,2025-01-06T10:00:00Z,20.00
3,anna,2025-02-05T10:00:00Z,30.00
"""


def read(
    folder: Path,
    logs: dict[str, dict],
    *,
    erased: Iterable[str] = (),
    zone: str = "UTC",
    **settings: object,
) -> Ingested:
    """Ingest the files in ``folder`` with the log settings ``logs``."""
    declared = SourceSettings.model_validate(
        {"path": "exports", "currency": "GBP", "logs": logs, "own_logs": {}} | dict(settings)
    )
    return ingest(folder, declared, zone=zone, key=KEY, erased=frozenset(erased))


def read_orders(folder: Path, text: str | bytes, **log: object) -> Ingested:
    """Ingest one orders.csv that holds ``text``."""
    data = text if isinstance(text, bytes) else text.encode()
    (folder / "orders.csv").write_bytes(data)
    return read(folder, {"orders": {"file": "orders.csv"} | log})


def with_log(folder: Path, name: str, text: str, **log: object) -> Ingested:
    """Ingest the three standard orders and one further CSV log."""
    (folder / "orders.csv").write_text(ORDERS)
    (folder / f"{name}.csv").write_text(text)
    return read(folder, {"orders": {"file": "orders.csv"}, name: {"file": f"{name}.csv"} | log})


def rules(ingested: Ingested, log: str = "orders") -> dict[str, int]:
    """Quarantined rows of the canonical ``log``, by rule."""
    counts: dict[str, int] = {}
    for file in ingested.manifest["logs"][log]["files"]:
        for rule, rows in file["rules"].items():
            counts[rule] = counts.get(rule, 0) + rows
    return counts


def table(ingested: Ingested, log: str) -> pd.DataFrame:
    """The canonical table ``log`` with the shop's own ids back in place, for reading."""
    own = ingested.vault.set_index("customer_id")["shop_id"]
    frame = ingested.tables[log].to_pandas()
    return frame.assign(customer_id=frame["customer_id"].map(own))
