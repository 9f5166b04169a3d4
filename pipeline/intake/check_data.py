"""`wafa check`: what is wrong with the logs in order of damage, what arrived, and whether it is enough for a model."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from events import permission
from features.engines import fetch
from pipeline.intake import reading
from pipeline.intake.quarantine import place, visible
from pipeline.project import datasets, engine
from pipeline.project.cutoffs import Extent, cohort_at, extent, test_origins, training_cutoffs
from pipeline.project.errors import DataError
from pipeline.project.progress import doing
from pipeline.project.settings import Settings
from reports import Damage, books, damages, unusual_gaps
from sources.rules import meaning
from timeline import DAY_US, format_date

ENOUGH_CUSTOMERS = 500
"""Below so many eligible customers at the newest cutoff intervals are too wide to tell models apart."""
LONG_SILENCE_DAYS = 14
"""So many days without an order before the data's end are more likely a missing export than a quiet shop."""
MOST_DAMAGES = 25
FEW_KNOWN = 0.5
"""Below such a share of rows with a known customer a log says little about anybody."""
_WHOLE, _OF_DAMAGE = "set aside as a whole: ", " quarantined ("
"""How the manifest warns of what the damage says already."""
JOINED = {
    "web_events": "page views and carts",
    "email_events": "e-mail events",
    "support_tickets": "tickets",
}
_CURE = {
    "web_events": "Bring identity_map, or a customer_id for those who are signed in.",
    "email_events": "Export customers with their addresses, and both from the same shop.",
    "support_tickets": "Export customers with their addresses, and both from the same shop.",
}


def check(s: Settings) -> Iterator[str]:
    """Ingest into a folder that is removed again, and judge; lines for a person, each as soon as it is known.

    Neither data/ nor the vault and the quarantine change.

    Raises:
        ContractError: A file cannot be used as declared.
        DataError: There is not enough to train on; the message says what is missing.
    """
    folder = datasets.private_folder(datasets.STATE / "check") / "events"
    try:
        ingested = reading.read_into(s, folder)
        yield from _unnamed(ingested.manifest, s.campaigns.unnamed_restrictions)
        yield from damage_lines(ingested.manifest, ingested.quarantine)
        yield from _log_lines(ingested.manifest)
        yield from _enough(s, folder, ingested.manifest)
    finally:
        shutil.rmtree(folder.parent, ignore_errors=True)


def _unnamed(manifest: Mapping[str, Any], limit: int) -> Iterator[str]:
    """The rows that restrict somebody who cannot be identified, before everything else."""
    places = manifest.get("unnamed_restrictions", [])
    stops = sum(len(one["lines"]) for one in places) > limit
    for one in places:
        lines = ", ".join(map(str, one["lines"][:MOST_DAMAGES]))
        cure = "Correct them, or raise campaigns.unnamed_restrictions." if stops else "Correct them."
        yield (
            f"{'stops every export: ' if stops else ''}{_many(len(one['lines']), 'row')} of {visible(one['file'])} "
            f"restrict people who cannot be identified: line {lines}. {cure}"
        )


def damage_lines(manifest: Mapping[str, Any], quarantine: pd.DataFrame) -> Iterator[str]:
    """What is wrong, the worst first: rows lost times what a row of the log is worth."""
    # A contradiction about who may be written to comes before everything that costs rows alone.
    found = sorted(damages(manifest), key=lambda one: (one.log, one.rule) != ("customers", "conflicting_duplicate"))
    first = {(row.log, row.rule): row for row in quarantine.drop_duplicates(["log", "rule"]).fillna("").itertuples()}
    reasons = _reasons(manifest)
    yield "damage, the worst first:" if found else "no damage: every row read was accepted, or stands twice"
    for number, one in enumerate(found[:MOST_DAMAGES], 1):
        yield f"{number}. {_damage(one, first.get((one.log, one.rule)), reasons, manifest)}"
    if found[MOST_DAMAGES:]:
        yield f"and {len(found) - MOST_DAMAGES} smaller ones; `wafa quarantine` lists them after a run"


def _reasons(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Why the first file of each log was refused whole, where one was."""
    return {one["log"]: one["reason"] for one in reversed(manifest.get("rejected_files", []))}


def _damage(one: Damage, first: Any, reasons: Mapping[str, str], manifest: Mapping[str, Any]) -> str:
    if one.kind == "files":
        more = f" (and {one.things - 1} more)" if one.things > 1 else ""
        return f"{one.log}: a file was refused whole{more}. {visible(reasons[one.log])}"
    if one.kind == "days":
        runs = unusual_gaps(manifest)[one.log]
        worst = max(runs, key=lambda run: run.rows)
        where = worst.first if worst.days == 1 else f"{worst.first} to {worst.last}"
        where = f"most of them {where}" if runs[1:] else where
        return (
            f"{one.log}: {_many(one.things, 'day')} without a row, about {_many(one.rows or 0, 'row')}, {where}. "
            "Export them again, unless the shop was closed."
        )
    share = "" if one.share is None else f" ({100 * one.share:.2g} %)" if one.share < 1 else " (all)"
    where = f", first {place(first.file, first.line, first.column)}" if first else ""
    return f"{one.log}: {_many(one.things, 'row')}{share} {one.rule}{where}. {visible(meaning(one.rule))}"


def _many(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _log_lines(manifest: Mapping[str, Any]) -> Iterator[str]:
    for name, log in manifest["logs"].items():
        refused = sum(file["quarantined"] for file in log["files"])
        twice = sum(file["duplicates"] for file in log["files"])
        yield f"{name}: {log['rows']:,} rows, {refused:,} set aside, {twice:,} duplicates"
    left: dict[str, int] = {}
    for entry in books(manifest):
        for reason, rows in entry.get("left_out", {}).items():
            left[reason] = left.get(reason, 0) + rows
    if left:
        yield f"left out of exports: {', '.join(f'{visible(why)} {n:,}' for why, n in sorted(left.items()))}"
    if manifest["absent_logs"]:
        yield f"went without: {', '.join(manifest['absent_logs'])}"
    if manifest["undeclared_files"]:
        yield f"not declared and not read: {', '.join(visible(name) for name in manifest['undeclared_files'])}"
    told = {f"{_WHOLE}{reason}" for reason in _reasons(manifest).values()}
    for warning in manifest["warnings"]:
        # The damage above says these already, and where.
        if warning not in told and _OF_DAMAGE not in warning:
            yield f"warning: {visible(warning)}"


def _enough(s: Settings, folder: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Whether the events below ``folder`` are enough for a model; one pass over each log that is asked."""
    covered, zone = extent(folder), s.shop.timezone
    connection = engine.connect(s.engine)
    tables = engine.event_tables(connection, folder, ["orders", "customers", *permission.OBJECTIONS, *JOINED])
    # Nothing is said while the spinner turns: it would take the line away from standard output.
    with doing("counting") as now:
        now("buyers")
        buyers = _buyers(connection, tables["orders"])
        joined: list[str] = []
        for log, title in JOINED.items():
            if log in tables:
                now(log)
                joined += _joined(connection, tables, log, title)
    months = sum(bool(rows) for rows in manifest["logs"]["orders"].get("months", {}).values())
    yield (
        f"{buyers['buyers']:,} customers who ordered, {buyers['repeat']:.0%} of them more than once; "
        f"orders in {_many(months, 'month')}, from {format_date(covered.first, zone)}; "
        f"complete until {format_date(covered.watermark, zone)}"
    )
    yield from _silence(covered, int(manifest["logs"]["orders"]["last"]), zone)
    yield from joined
    cutoffs = training_cutoffs(s, covered)
    origins = test_origins(s, cutoffs)
    with doing("eligible customers"):
        newest = cohort_at(tables, cutoffs[-1], covered.watermark, s, connection)
    if newest.empty:
        raise DataError(
            f"check: no customer ordered in the {s.cohort.active_days} days before "
            f"{format_date(cutoffs[-1], zone)}. Raise cohort.active_days, or look for missing orders."
        )
    yield f"{_many(len(cutoffs), 'cutoff')} with a complete label, {len(origins)} of them can test a model"
    yield f"{len(newest):,} customers eligible at the newest cutoff, {newest['churned'].mean():.1%} of them churned"
    yield f"eligible: {s.cohort.rule}"
    if not origins:
        yield "note: no cutoff can test a model; a longer history or a shorter horizon would change that"
    if len(newest) < ENOUGH_CUSTOMERS:
        yield f"note: below {ENOUGH_CUSTOMERS} eligible customers every figure has a wide interval"
    yield "enough for a model"


def _buyers(connection: Any, orders: Any) -> dict[str, Any]:
    """Customers with an order, and the share of them with more than one."""
    bought = orders.filter(orders.event == "Order Completed")
    each = bought.group_by("customer_id").aggregate(orders=bought.order_id.nunique())
    found = fetch(connection, each.aggregate(buyers=each.count(), again=(each.orders > 1).sum())).iloc[0]
    buyers = int(found["buyers"])
    return {"buyers": buyers, "repeat": int(found["again"]) / buyers if buyers else 0.0}


def _silence(covered: Extent, last: int, zone: str) -> Iterator[str]:
    quiet_days = (covered.watermark - last) // DAY_US
    if quiet_days > LONG_SILENCE_DAYS:
        yield (
            f"warning: the newest order is of {format_date(last, zone)}, {quiet_days} days before the data are said to "
            "be complete. Everybody would look quiet; bring the missing orders, or correct sources.complete_until"
        )


def _joined(connection: Any, tables: Mapping[str, Any], log: str, title: str) -> Iterator[str]:
    """The share of the rows of ``log`` that name a customer who ordered or stands in the customers log."""
    table = tables[log]
    known = tables["orders"].select("customer_id")
    if "customers" in tables:
        known = known.union(tables["customers"].select("customer_id"))
    by_customer = table.group_by("customer_id").aggregate(rows=table.count())
    joined = by_customer.left_join(known.distinct().mutate(is_known=True), "customer_id")
    found = fetch(connection, joined.aggregate(rows=joined.rows.sum(), known=joined.rows.sum(where=joined.is_known)))
    rows, known_rows = (int(found[name].fillna(0).iloc[0]) for name in ("rows", "known"))
    if rows:
        yield f"{log}: {known_rows / rows:.0%} of {rows:,} {title} belong to a known customer"
        if known_rows < FEW_KNOWN * rows:
            yield f"warning: {log} says nothing about most customers. {_CURE[log]}"
