"""What is wrong with a shop's logs, in order of damage: rows lost, weighted by what the log is worth to the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from timeline import DAY_US

WEIGHTS = {"orders": 10, "order_lines": 10, "customers": 5, "order_items": 3}
"""How much one row of a log is worth to the model; every other log weighs 1."""
ORDERS = ("orders", "order_lines")
ON_PURPOSE = ("drop_where", "erased", "test_account")
"""Rules that params or people asked for: rows under them are counted, and are no damage."""
CARE_ORDERS, UNFIT_ORDERS, CARE_LOG = 0.01, 0.20, 0.20
"""Shares of refused rows: of orders for care and for no use at all, and of any other log for care."""


@dataclass(frozen=True)
class Damage:
    """Rows of one log that are lost in one way.

    ``kind``: rows refused under ``rule``, files refused whole, or days without a row. ``rows`` is None where nobody
    can count them, and an estimate for days. ``things`` counts rows, files or days.
    """

    kind: Literal["rows", "files", "days"]
    log: str
    rule: str
    things: int
    rows: int | None
    share: float | None

    @property
    def weight(self) -> int:
        """What a row of the log is worth."""
        return WEIGHTS.get(self.log, 1)


def books(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The books of every file, once for each log it was read as, though one file may feed several tables."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for part in [*manifest["logs"].values(), *manifest.values()]:
        if isinstance(part, Mapping) and isinstance(part.get("files"), Sequence):
            for entry in part["files"]:
                found.setdefault((entry["log"], entry["name"], entry.get("source", "")), entry)
    return [found[key] for key in sorted(found)]


def by_rule(manifest: Mapping[str, Any], *, on_purpose: bool = False) -> dict[tuple[str, str], int]:
    """Rows refused by (log, rule), or those left out because somebody asked for it."""
    counts: dict[tuple[str, str], int] = {}
    for entry in books(manifest):
        for rule, rows in entry["rules"].items():
            if rule.startswith(ON_PURPOSE) == on_purpose:
                key = (entry["log"], rule)
                counts[key] = counts.get(key, 0) + rows
    return counts


def rows_read(manifest: Mapping[str, Any]) -> dict[str, int]:
    """Rows read by log."""
    counts: dict[str, int] = {}
    for entry in books(manifest):
        counts[entry["log"]] = counts.get(entry["log"], 0) + entry["rows_read"]
    return counts


def days_between(first: str, last: str) -> int:
    """Days from ``first`` to ``last``, both counted."""
    return (date.fromisoformat(last) - date.fromisoformat(first)).days + 1


def gap_days(manifest: Mapping[str, Any]) -> dict[str, int]:
    """Days without a row by table, where the others have some."""
    return {
        table: sum(days_between(first, last) for first, last in runs)
        for table, runs in sorted(manifest.get("gaps", {}).items())
        if runs
    }


def _of_days(manifest: Mapping[str, Any]) -> list[Damage]:
    found = []
    for table, days in gap_days(manifest).items():
        facts = manifest["logs"][table]
        spanned = (facts["last"] - facts["first"]) // DAY_US + 1
        rows = round(facts["rows"] * days / max(spanned - days, 1))
        found.append(Damage("days", table, "gap", days, rows, rows / (rows + facts["rows"]) if rows else 0.0))
    return found


def damages(manifest: Mapping[str, Any]) -> list[Damage]:
    """All that is wrong with the logs, the worst first: rows lost times the weight of their log.

    What was lost with a whole file cannot be counted and comes first.
    """
    read = rows_read(manifest)
    found = [
        Damage("rows", log, rule, rows, rows, rows / read[log] if read[log] else None)
        for (log, rule), rows in by_rule(manifest).items()
        if rows
    ]
    files: dict[str, int] = {}
    for entry in manifest.get("rejected_files", []):
        files[entry["log"]] = files.get(entry["log"], 0) + 1
    found += [Damage("files", log, "unreadable_file", number, None, None) for log, number in files.items()]
    found += _of_days(manifest)
    return sorted(
        found,
        key=lambda one: (
            one.rows is not None,
            -one.weight * (one.things if one.rows is None else one.rows),
            one.log,
            one.rule,
        ),
    )


def fitness(manifest: Mapping[str, Any]) -> tuple[Literal["fit", "care", "unfit"], str]:
    """Whether the data is fit for use, and the sentence that says why."""
    found = damages(manifest)
    orders = manifest["logs"].get("orders", {"rows": 0})
    if not orders["rows"]:
        return "unfit", "The data is not fit for use: no order could be used."
    lost = sum(one.share or 0.0 for one in found if one.kind == "rows" and one.log in ORDERS)
    said = f"{100 * lost:.1f} % of the order rows were set aside"
    if lost >= UNFIT_ORDERS:
        return "unfit", f"The data is not fit for use: {said}. Mend the export first."
    reasons = [said] if lost >= CARE_ORDERS else []
    whole = sum(one.things for one in found if one.kind == "files")
    if whole:
        reasons.append(f"{whole} file{' was' if whole == 1 else 's were'} refused whole")
    shares: dict[str, float] = {}
    for one in found:
        if one.kind == "rows" and one.log not in ORDERS:
            shares[one.log] = shares.get(one.log, 0.0) + (one.share or 0.0)
    reasons += [
        f"{100 * share:.0f} % of the rows of {log.replace('_', ' ')} were set aside"
        for log, share in shares.items()
        if share >= CARE_LOG
    ]
    empty = gap_days(manifest)
    reasons += [
        f"{log} has {days} day{'' if days == 1 else 's'} without a row"
        for log, days in empty.items()
        if log == "orders"
    ]
    if reasons:
        return "care", f"The data is fit for use with care: {', '.join(reasons)}."
    return "fit", f"The data is fit for use: {100 * (1 - lost):.1f} % of the order rows were accepted."
