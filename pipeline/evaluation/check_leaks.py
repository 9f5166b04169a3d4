"""`wafa check --leaks`: proves on the shop's own logs that no feature knows what a cutoff cannot know."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd

from events import permission
from features import columns, eligible_at
from features.engines import fetch
from pipeline.evaluation import watch_features
from pipeline.project import datasets, engine, shop_features
from pipeline.project.cutoffs import extent, training_cutoffs
from pipeline.project.errors import StaleError
from pipeline.project.progress import say, steps
from pipeline.project.settings import Settings
from timeline import DAY_US, HOUR_US, format_date

CUSTOMERS = 2_000
"""Customers looked at per cutoff unless asked for more."""

FUTURE_US = (0, 1, HOUR_US, DAY_US, 8 * DAY_US, 30 * DAY_US, 400 * DAY_US)
"""When poison happens, after the cutoff; the label window lies among them."""

PAST_US = (1, HOUR_US, *(days * DAY_US for days in (1, 10, 20, 30, 60, 90, 200, 300, 365)))
"""When poison happens, before the cutoff."""

LATE_US = (0, 1, DAY_US, 30 * DAY_US)
"""When what happened before the cutoff becomes known, after it."""

FUTURE, LATE, CONTROL = "future", "late_arrival", "control"
MEANING = {
    FUTURE: "rows that happen at the cutoff or later, some of them recorded as known before",
    LATE: "rows that happen before the cutoff and become known at it or later",
    CONTROL: "the same rows, happened and known before the cutoff: they must be noticed",
}


@dataclass
class Law:
    """What one kind of poison did, over all cutoffs."""

    rows_added: dict[str, int]
    cells_compared: int
    changed: dict[str, int]
    """Cells changed, by column."""
    eligible_changed: int

    @property
    def holds(self) -> bool:
        """Whether nothing changed."""
        return not self.changed and not self.eligible_changed


def _picked(number: Any, values: Sequence[int]) -> Any:
    return ibis.array(list(values))[number % len(values)].cast("int64")


def poison(log: Any, others: Any, cutoff: int, kind: str) -> Any:
    """Every row of ``log`` once more: one half for its customer, one half for somebody else, every other one absurd.

    Orders, sessions and products keep their names, so that the poison could slip into what is there already.

    Args:
        log: Canonical event table.
        others: Columns customer_id and other, a customer to blame in place of the first.
        cutoff: Instant.
        kind: A key of :data:`MEANING`.
    """
    rows = log.join(others, "customer_id").mutate(number=ibis.row_number().over(order_by=[log.event_id]))
    half, number = rows.number % 2, rows.number // 2
    if kind == FUTURE:
        happened = cutoff + _picked(number, FUTURE_US)
        claims = number // len(FUTURE_US) % 3
        arrived = ibis.cases((claims == 0, happened), (claims == 1, cutoff), else_=cutoff - 1)
    else:
        happened = cutoff - _picked(number, PAST_US)
        late = cutoff + _picked(number // len(PAST_US), LATE_US)
        arrived = late if kind == LATE else ibis.literal(cutoff - 1)
    # Absurd, yet no larger than what is there: sums of squares of larger ones could break the features themselves.
    kind_of = number % 4
    amounts = {
        name: ibis.cases(
            (kind_of == 0, rows[name].max() - rows[name]), (kind_of == 2, -rows[name]), else_=rows[name]
        ).cast(type_)
        for name, type_ in log.schema().items()
        if type_.is_integer() and not name.endswith("_at")
    }
    changed = amounts | {
        "customer_id": (half == 0).ifelse(rows.customer_id, rows.other),
        "event_id": rows.event_id + "-poison",
        "occurred_at": happened.cast("int64"),
        "loaded_at": arrived.cast("int64"),
    }
    return rows.mutate(**changed).select(*log.columns)


class _Check:
    """The logs of the sampled customers as files of their own, with or without poison beside them."""

    def __init__(self, s: Settings, folder: Path) -> None:
        self.s = s
        self.folder = folder
        self.names = sorted({*shop_features.feature_logs(s), *permission.OBJECTIONS})

    def tables(self, events: Path) -> tuple[Any, dict[str, Any]]:
        connection = engine.connect(self.s.engine)
        return connection, engine.event_tables(connection, events, self.names)

    def eligible(self, events: Path, cutoff: int) -> list[str]:
        connection, tables = self.tables(events)
        found = eligible_at(
            tables["orders"], cutoff, self.s.cohort.active_days, permission.objectors_at(tables, cutoff)
        )
        return sorted(fetch(connection, found)["customer_id"])

    def matrix(self, events: Path, customers: list[str], cutoff: int) -> pd.DataFrame:
        connection, tables = self.tables(events)
        return shop_features.matrix_builder(tables, self.s, connection).at(customers, cutoff)

    def take(self, customers: Sequence[str]) -> None:
        """Copy the events of ``customers`` to the folder clean."""
        connection, tables = self._embedded(datasets.EVENTS)
        asked = connection.create_table("asked_for", pd.DataFrame({"customer_id": list(customers)}, dtype="str"))
        for name, table in tables.items():
            self._write(connection, table.semi_join(asked, "customer_id"), self.folder / "clean" / name / "own.parquet")

    def add(self, kind: str, customers: Sequence[str], cutoff: int) -> dict[str, int]:
        """Copy the folder clean to one called ``kind`` and put poison beside every log; rows added by log."""
        folder = self.folder / kind
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder / "clean", folder)
        connection, tables = self._embedded(self.folder / "clean")
        ids = sorted(customers)
        pairs = pd.DataFrame({"customer_id": ids, "other": [*ids[1:], *ids[:1]]}, dtype="str")
        others = connection.create_table("others", pairs)
        added = {}
        for name, table in tables.items():
            path = folder / name / "poison.parquet"
            self._write(connection, poison(table, others, cutoff, kind), path)
            added[name] = int(connection.read_parquet(path).count().execute())
        return added

    def _embedded(self, events: Path) -> tuple[Any, dict[str, Any]]:
        # Files are written by the embedded engine whatever engine the features run on.
        connection = engine.connect_embedded(self.s.engine)
        return connection, engine.event_tables(connection, events, self.names)

    @staticmethod
    def _write(connection: Any, rows: Any, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection.to_parquet(rows, path)


def _cells_changed(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, int]:
    found = {}
    for name in before.columns.drop("customer_id"):
        was, now = (np.ascontiguousarray(frame[name]).view(np.uint64) for frame in (before, after))
        if count := int((was != now).sum()):
            found[name] = count
    return found


def _cutoffs(s: Settings, every: bool) -> list[int]:
    past = training_cutoffs(s, extent(datasets.EVENTS))
    some = past if every else [past[0], past[len(past) // 2], past[-1]]
    return sorted({*some, s.instant(s.scoring.as_of)})


def run(s: Settings, at_most: int = CUSTOMERS, every_cutoff: bool = False) -> tuple[dict[str, Law], dict[str, Any]]:
    """The laws on the shop's own events, and the facts about what was looked at.

    Args:
        s: The shop's settings.
        at_most: Customers per cutoff; 0 takes everybody eligible.
        every_cutoff: Every training cutoff in place of the first, the middle and the last.

    Raises:
        StaleError: There are no events yet.
    """
    if not (datasets.EVENTS / "manifest.json").is_file():
        raise StaleError(f"{datasets.EVENTS}: there are no events to check. Run `wafa run` first.")
    folder = datasets.private_folder(datasets.LEAK_CHECK)
    try:
        check = _Check(s, folder)
        cutoffs = _cutoffs(s, every_cutoff)
        asked = {cutoff: watch_features.by_hash(check.eligible(datasets.EVENTS, cutoff), at_most) for cutoff in cutoffs}
        everybody = sorted({customer for customers in asked.values() for customer in customers})
        if not everybody:
            raise StaleError("check: nobody is eligible at any cutoff. Raise cohort.active_days.")
        check.take(everybody)
        laws = {kind: Law({}, 0, {}, 0) for kind in MEANING}
        names: list[str] = []
        for cutoff, kind in steps([(cutoff, kind) for cutoff in cutoffs for kind in MEANING], "leaks"):
            if kind == FUTURE:
                clean = check.matrix(folder / "clean", asked[cutoff], cutoff)
                eligible = check.eligible(folder / "clean", cutoff)
                names = [name for name in clean.columns if name != "customer_id"]
            law = laws[kind]
            for log, count in check.add(kind, everybody, cutoff).items():
                law.rows_added[log] = law.rows_added.get(log, 0) + count
            poisoned = check.matrix(folder / kind, asked[cutoff], cutoff)
            for name, count in _cells_changed(clean, poisoned).items():
                law.changed[name] = law.changed.get(name, 0) + count
            law.cells_compared += len(clean) * len(names)
            law.eligible_changed += len(set(eligible) ^ set(check.eligible(folder / kind, cutoff)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    zone = s.shop.timezone
    facts = {
        "cutoffs": [
            {"day": format_date(cutoff, zone), "instant": cutoff, "customers": len(asked[cutoff])} for cutoff in cutoffs
        ],
        "customers": len(everybody),
        "columns": names,
        "windows_days": list(s.features.windows_days),
        "history_days": s.features.history_days,
        "code_sha256": shop_features.code_hash(),
    }
    return laws, facts


def _late_arrival_unknown(read: list[str]) -> list[str]:
    manifest = datasets.read_json(datasets.EVENTS / "manifest.json")
    return sorted(log for log in read if not manifest["logs"].get(log, {"arrival_checked": True})["arrival_checked"])


def certify(s: Settings, at_most: int = CUSTOMERS, every_cutoff: bool = False) -> list[str]:
    """Run the laws and the alarms and write the certificate; lines for a person.

    Raises:
        StaleError: A feature leaks; the message names it, and the certificate holds the rest.
    """
    laws, facts = run(s, at_most, every_cutoff)
    watched = watch_features.watch(s)
    feature_of = {
        column.name: column.feature.name
        for column in columns(s.features.windows_days, shop_features.feature_logs(s), s.own_logs)
    }
    broken = [kind for kind in (FUTURE, LATE) if not laws[kind].holds]
    leaking = sorted({feature_of[name] for kind in broken for name in laws[kind].changed})
    unnoticed = [name for name in facts["columns"] if name not in laws[CONTROL].changed]
    unknown = _late_arrival_unknown(shop_features.feature_logs(s))
    certificate = facts | {
        "verdict": "leak found" if broken else "no leak found",
        "features": len({feature_of[name] for name in facts["columns"]}),
        "leaking_features": leaking,
        "laws": {
            kind: {
                "poison": MEANING[kind],
                "rows_added": law.rows_added,
                "cells_compared": law.cells_compared,
                "cells_changed": sum(law.changed.values()),
                "cells_changed_by_column": law.changed,
                "eligible_changed": law.eligible_changed,
            }
            for kind, law in laws.items()
        },
        "columns_that_no_poison_would_move": unnoticed,
        "late_arrival_unknown": unknown,
        "alarms": watched,
    }
    datasets.write_json(certificate, datasets.LEAK_CERTIFICATE)
    lines = _told(laws, facts, unnoticed, unknown) + watch_features.told(watched)
    if broken:
        for line in lines:
            say(line)
        who = [f"feature {name}" for name in leaking]
        who += ["who counts as eligible"] if any(laws[kind].eligible_changed for kind in broken) else []
        raise StaleError(
            f"check: {', '.join(who)} changed with what a cutoff cannot know ({' and '.join(broken)}). Mend the "
            f"definition, or take it out of the catalogue; {datasets.LEAK_CERTIFICATE} has the cells."
        )
    return [*lines, f"no leak found; the certificate is {datasets.LEAK_CERTIFICATE}"]


def _told(laws: dict[str, Law], facts: dict[str, Any], unnoticed: list[str], unknown: list[str]) -> list[str]:
    days = ", ".join(f"{cutoff['day']} ({cutoff['customers']:,})" for cutoff in facts["cutoffs"])
    lines = [f"{len(facts['columns'])} columns; cutoffs with customers looked at: {days}"]
    for kind in (FUTURE, LATE):
        law = laws[kind]
        lines.append(
            f"{kind.replace('_', ' ')}: {sum(law.rows_added.values()):,} {MEANING[kind]}: "
            f"{sum(law.changed.values()):,} of {law.cells_compared:,} cells changed, "
            f"{law.eligible_changed:,} customers became or ceased to be eligible"
        )
    seen = len(facts["columns"]) - len(unnoticed)
    lines.append(f"control: {MEANING[CONTROL]}; {seen} of {len(facts['columns'])} columns changed")
    if unnoticed:
        lines.append(f"note: no poison here moves {', '.join(unnoticed)}; nothing is shown of them")
    if unknown:
        lines.append(
            f"warning: {', '.join(unknown)}: no loaded_at in the source, so late arrival cannot be checked: "
            "the features wait for late rows, but nobody can say which rows were late"
        )
    return lines
