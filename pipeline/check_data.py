"""`wafa check`: what arrived, what was set aside, and whether it is enough for a model."""

from __future__ import annotations

import shutil
from typing import Any

from pipeline import datasets, engine, ingest_logs
from pipeline.build_cohorts import cohort_at, extent, test_origins, training_cutoffs
from pipeline.errors import DataError
from pipeline.settings import Settings
from timeline import format_date

ENOUGH_CUSTOMERS = 500
"""Below so many eligible customers at the newest cutoff intervals are too wide to tell models apart."""


def check(s: Settings) -> list[str]:
    """Ingest into a folder that is removed again, and judge; lines for a person.

    Raises:
        DataError: There is not enough to train on; the message says what is missing.
    """
    folder = datasets.private_folder(datasets.STATE / "check") / "events"
    try:
        manifest = ingest_logs.run(s, folder)
        lines = _logs(manifest)
        covered, zone = extent(folder), s.shop.timezone
        lines.append(
            f"orders from {format_date(covered.first, zone)}, "
            f"data complete until {format_date(covered.watermark, zone)}"
        )
        cutoffs = training_cutoffs(s, covered)
        connection = engine.connect(s.engine)
        tables = engine.event_tables(connection, folder, ["orders", "consent_events"])
        newest = cohort_at(tables, cutoffs[-1], covered.watermark, s, connection)
    finally:
        shutil.rmtree(folder.parent, ignore_errors=True)
    origins = test_origins(s, cutoffs)
    if newest.empty:
        raise DataError(
            f"check: no customer ordered in the {s.cohort.active_days} days before "
            f"{format_date(cutoffs[-1], zone)}. Raise cohort.active_days, or look for missing orders."
        )
    lines += [
        f"{len(cutoffs)} cutoffs with a complete label, {len(origins)} of them can test a model",
        f"{len(newest):,} customers eligible at the newest cutoff, {newest['churned'].mean():.1%} of them churned",
        f"eligible: {s.cohort.rule}",
    ]
    if not origins:
        lines.append("note: no cutoff can test a model; a longer history or a shorter horizon would change that")
    if len(newest) < ENOUGH_CUSTOMERS:
        lines.append(f"note: below {ENOUGH_CUSTOMERS} eligible customers every figure has a wide interval")
    lines.append("enough for a model")
    return lines


def _logs(manifest: dict[str, Any]) -> list[str]:
    lines = []
    for name, log in manifest["logs"].items():
        set_aside = sum(file["quarantined"] for file in log["files"])
        twice = sum(file["duplicates"] for file in log["files"])
        rules: dict[str, int] = {}
        for file in log["files"]:
            for rule, count in file["rules"].items():
                rules[rule] = rules.get(rule, 0) + count
        why = f" ({', '.join(f'{rule} {count:,}' for rule, count in sorted(rules.items()))})" if rules else ""
        lines.append(f"{name}: {log['rows']:,} rows, {set_aside:,} set aside{why}, {twice:,} duplicates")
    lines += [f"warning: {warning}" for warning in manifest["warnings"]]
    return lines
