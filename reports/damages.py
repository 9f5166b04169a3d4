"""What is wrong with a shop's logs, in order of damage: rows lost, weighted by what the log is worth to the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

from timeline import DAY_US

WEIGHTS = {"orders": 10, "order_lines": 10, "customers": 5, "order_items": 3}
"""How much one row of a log is worth to the model; every other log weighs 1."""
ORDERS = ("orders", "order_lines")
ON_PURPOSE = ("drop_where", "erased", "test_account")
"""Rules that params or people asked for: rows under them are counted, and are no damage."""
CARE_ORDERS, UNFIT_ORDERS, CARE_LOG = 0.01, 0.20, 0.20
"""Shares of refused rows: of orders for care and for no use at all, and of any other log for care."""


BY_CHANCE = 0.05
"""A run of empty days is unusual where so few runs of its length are to be expected by the log's other empty days."""
SETTLING_DAYS = 30
"""In its first days a log has no habits yet."""
RARELY_EMPTY, BUSY = 0.02, 20
"""So is every empty day of a log that is empty on a smaller share of its days, where it has so many rows a day."""


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


@dataclass(frozen=True)
class Gap:
    """Days in a row without a row: the first and the last of them, how many, and the rows that such days have."""

    first: str
    last: str
    days: int
    rows: float


def _each_day(first: str, days: int) -> list[str]:
    begins = date.fromisoformat(first)
    return [(begins + timedelta(days=n)).isoformat() for n in range(days)]


def unusual_gaps(manifest: Mapping[str, Any]) -> dict[str, list[Gap]]:
    """The runs of empty days of each table that are more than its usual quiet days; no table without one.

    A day is taken to have as many rows as the other days of its month had, for a shop grows.
    """
    found: dict[str, list[Gap]] = {}
    for table, runs in sorted(manifest.get("gaps", {}).items()):
        if runs:
            facts = manifest["logs"][table]
            unusual = _unusual(facts, [(first, last) for first, last in runs])
            found |= {table: unusual} if unusual else {}
    return found


def _unusual(facts: Mapping[str, Any], runs: Sequence[tuple[str, str]]) -> list[Gap]:
    spanned = _each_day("1970-01-01", 1 + facts["last"] // DAY_US)[facts["first"] // DAY_US :]
    empty = [day for first, last in runs for day in _each_day(first, days_between(first, last))]
    filled = Counter(day[:7] for day in spanned)
    filled.subtract(day[:7] for day in empty)
    mean = facts["rows"] / max(len(spanned) - len(empty), 1)
    rates = {
        month: facts["months"].get(month, 0) / days if days > 0 and facts["months"].get(month) else mean
        for month, days in filled.items()
    }
    rare, found = len(empty) / len(spanned) < RARELY_EMPTY, []
    for first, last in runs:
        days = days_between(first, last)
        rows = sum(rates.get(day[:7], mean) for day in _each_day(first, days))
        others = (len(empty) - days) / max(len(spanned) - days, 1)
        is_settled = days_between(spanned[0], first) > SETTLING_DAYS
        if is_settled and (len(spanned) * others**days < BY_CHANCE or (rare and rows >= BUSY * days)):
            found.append(Gap(first, last, days, rows))
    return found


def _of_days(manifest: Mapping[str, Any]) -> list[Damage]:
    found = []
    for table, runs in unusual_gaps(manifest).items():
        days, rows = sum(run.days for run in runs), round(sum(run.rows for run in runs))
        share = rows / (rows + manifest["logs"][table]["rows"]) if rows else 0.0
        found.append(Damage("days", table, "gap", days, rows, share))
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
    empty = sum(run.days for run in unusual_gaps(manifest).get("orders", []))
    if empty:
        reasons.append(f"orders have {empty} day{'' if empty == 1 else 's'} without a row")
    if reasons:
        return "care", f"The data is fit for use with care: {', '.join(reasons)}."
    return "fit", f"The data is fit for use: {100 * (1 - lost):.1f} % of the order rows were accepted."
