"""What an ingest says of itself: until when the data is complete, the books of every file, the warnings."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sources.addresses import unaddressed
from sources.checking import DECLARED
from sources.inputs import INPUTS, input_of
from sources.judging import gaps
from sources.ledger import ERASED, TEST_ACCOUNT, Ledger
from timeline import DAY_US, Window, day_start, parse_date

ALL_TABLES = frozenset(table for log in INPUTS.values() for table in log.feeds)
"""The canonical tables of the known logs."""

_LONGEST_SILENCE_DAYS = 31
_MANY = 0.05


def watermark_of(orders: pa.Table, complete_until: date | None, zone: str, ledger: Ledger) -> int:
    """Up to when the data is complete: as declared, else the start of the newest order's local day."""
    newest = pc.max(orders["occurred_at"]).as_py()
    times = np.unique(orders["occurred_at"].to_numpy())
    before = times[~Window(newest - DAY_US, newest + 1).contains(times)]
    if len(before) and newest - int(before[-1]) > _LONGEST_SILENCE_DAYS * DAY_US:
        ledger.warn("orders: more than a month lies between the last two days with orders. Is the last a typo?")
    return day_start(newest, zone) if complete_until is None else parse_date(complete_until.isoformat(), zone)


def describe(
    facts: dict[str, Any],
    watermark: int,
    arrival_checked: dict[str, bool],
    undeclared: list[str],
    currencies: dict[str, int],
    closed_days: Sequence[date],
    ledger: Ledger,
) -> dict[str, Any]:
    """The manifest; ``arrival_checked`` says of every log read whether it has a loaded_at of its own."""
    unchecked = sorted(log for log, checked in arrival_checked.items() if not checked and input_of(log).feeds)
    if unchecked:
        ledger.warn(f"late arrival cannot be checked (no loaded_at): {', '.join(unchecked)}.")
    for file in ledger.files(*arrival_checked):
        _warn_of_many(file, ledger)
        if file["unknown_columns"]:
            some = ", ".join(file["unknown_columns"][:10])
            ledger.warn(f"{file['name']}: columns that nobody asked for are ignored: {some}.")
    for name, strangers in facts["orphans"].items():
        ledger.warn(f"{name}: {strangers} rows are of orphans, people whom the customers log does not know.")
    logs = {}
    for name, found in facts["logs"].items():
        # Orders that name a category are the only items no log of their own feeds.
        fed_by = [log for log in arrival_checked if name in input_of(log).feeds] or ["orders"]
        logs[name] = {key: value for key, value in found.items() if key != "days"} | {
            "_days": found["days"].tolist(),
            "arrival_checked": all(arrival_checked[log] for log in fed_by),
            "files": ledger.files(*fed_by),
        }
    manifest: dict[str, Any] = {
        "watermark": watermark,
        "logs": logs,
        "absent_logs": sorted(ALL_TABLES - set(logs)),
        "undeclared_files": undeclared,
        "rejected_files": ledger.rejected,
        "machines": facts["machines"],
        "orphans": facts["orphans"],
        "currencies": currencies,
        "gaps": {name: found for name, log in facts["logs"].items() if (found := gaps(log["days"], closed_days))},
        "warnings": sorted(set(ledger.warnings)),
    }
    others = [log for log in ("shop_labels", "customer_merges") if log in arrival_checked]
    for log in others:
        manifest[log] = {"files": ledger.files(log)}
    # Headers and names of files are whatever a shop wrote there.
    cleaned: dict[str, Any] = unaddressed(manifest)
    return cleaned


def _warn_of_many(file: dict[str, Any], ledger: Ledger) -> None:
    """Say so when much of a file was refused; what params leave out on purpose does not count."""
    refused = {rule: n for rule, n in file["rules"].items() if not rule.startswith((DECLARED, ERASED, TEST_ACCOUNT))}
    if refused and sum(refused.values()) > _MANY * file["rows_read"] and file["accepted"]:
        share = 100 * sum(refused.values()) / file["rows_read"]
        rules = ", ".join(f"{n} {rule}" for rule, n in refused.items())
        ledger.warn(f"{file['name']}: {share:.1f} % of {file['log']} quarantined ({rules}).")
