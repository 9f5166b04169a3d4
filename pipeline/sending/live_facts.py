"""What `approve` and `export` know at the moment they run: the list as it was built, the people, and the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from campaigns import ListError, StaleListError, guards, known
from campaigns.caps import Caps, Run, decide, load_past, load_suppressed
from campaigns.ledger import Ledger
from events import sql
from events.logs import LOGS, RESTRICTING_LOGS, arrow_schema
from pipeline.intake import reading
from pipeline.people import keys
from pipeline.project import datasets
from pipeline.project.errors import ParamsError
from pipeline.project.settings import Settings
from timeline import HOUR_US, format_date, is_after

CONSENT_LOGS = frozenset(RESTRICTING_LOGS)
"""Logs that may hold a restriction or say whose it is; while a whole file of one is set aside, no list is exported."""

RESTRICTING = frozenset({"customers", "consent_events", "email_events"})
"""Canonical logs in which people say no."""

SOFT_RULES = frozenset({"frequency_cap", "recent_contact", *guards.QUIET_RULES})
"""Guards against writing too often or at a bad moment: they do not call back what has left already."""


@dataclass(frozen=True)
class Places:
    """Where one run's lists and events are, and what is kept beside them.

    ``as_of`` is its date where it was asked for, ``key`` the fingerprint of the key that must have made the ledger.
    """

    lists: Path
    events: Path
    vault: Path
    outbox: Path
    ledger: Path
    erased: Path
    as_of: str | None = None
    key: str | None = None

    def call(self, command: str) -> str:
        """``command`` as it has to be typed to take these lists."""
        return f"{command} --as-of {self.as_of}" if self.as_of else command


@dataclass(frozen=True)
class Built:
    """One list as build_lists left it; ``list_id`` is the hash of its candidates."""

    name: str
    as_of: str
    list_id: str
    path: Path
    manifest: dict[str, Any]

    @property
    def is_message(self) -> bool:
        """Whether people are written to; list_hygiene only names addresses to suppress."""
        return bool(self.manifest.get("kind", "message") == "message")


def of_run(as_of: str | None) -> Places:
    """The places of the nightly run for ``as_of``, or of the last `wafa run`."""
    top = datasets.batch(as_of) if as_of else datasets.DATA
    lists, events = top / datasets.LISTS.name, top / datasets.EVENTS.name
    return Places(lists, events, datasets.VAULT, datasets.OUTBOX, datasets.LEDGER, datasets.ERASED, as_of)


def _newest_events(own: Path) -> Path:
    """The events that were ingested last, by any run: whoever said no since a list was built stands there.

    The newest data count, and of equally new ones those that were read last.
    """
    if not (own / datasets.MANIFEST).is_file():
        return own
    nights = [night / datasets.EVENTS.name for night in datasets.BATCH.glob("*")]
    there = [events for events in (datasets.EVENTS, *nights, own) if (events / datasets.MANIFEST).is_file()]

    def age(events: Path) -> tuple[int, int]:
        manifest = events / datasets.MANIFEST
        return int(datasets.read_json(manifest)["watermark"]), manifest.stat().st_mtime_ns

    return max(there, key=age)


def checked(s: Settings, as_of: str | None) -> Places:
    """As :func:`of_run`, after the key in force was checked against every record and old pseudonyms were carried over.

    Raises:
        StaleError: Another key made one of them.
    """
    places = of_run(as_of)
    places = replace(places, events=_newest_events(places.events))
    if keys.in_force(s, places.events).old:
        reading.ensure_vault(s)
    return replace(places, key=keys.ready(s, places.events).fingerprint)


def open_ledger(places: Places) -> Ledger:
    """The contact ledger, made where nothing was ever exported.

    Raises:
        StaleListError: It is damaged, or gone while exported files are there.
    """
    if not places.ledger.is_file() and any(places.outbox.glob("*/*/*/*.manifest.json")):
        raise StaleListError(
            f"{places.ledger.as_posix()} is missing though {places.outbox.as_posix()}/ holds exported lists, so nobody "
            "can tell who was written to. Put it back from a backup; without one, move the exported lists away and "
            "wait until the frequency cap has passed."
        )
    return Ledger(places.ledger, key=places.key)


def built(places: Places, name: str) -> Built:
    """The list called ``name`` of the run at ``places``.

    Raises:
        ParamsError: There is no such list.
        ListError: Nothing was built, or it was changed since.
    """
    lists_dir, again = places.lists, f"`{places.call('wafa score')}`" if places.as_of else "`wafa run`"
    names = sorted(path.parent.name for path in lists_dir.glob(f"*/{datasets.MANIFEST}"))
    if not names:
        raise ListError(f"The list {name} was not built yet. Run {again} first.")
    if name not in names:
        raise ParamsError(f"There is no list {name!r}. Choose one of: {', '.join(names)}.")
    manifest = datasets.read_json(lists_dir / name / datasets.MANIFEST)
    path = lists_dir / name / datasets.CANDIDATES
    if not path.is_file() or (list_id := datasets.sha256(path)) != manifest["candidates_sha256"]:
        raise ListError(f"{name}/{datasets.CANDIDATES} was changed after it was built. Build the lists again: {again}.")
    return Built(name, str(manifest["as_of"]), list_id, path, manifest)


def caps(s: Settings, name: str) -> Caps:
    """The caps that hold for the list called ``name``."""
    own = s.campaigns.own_lists.get(name) or getattr(s.campaigns.lists, name)
    often = s.campaigns
    return Caps(own.every_days, often.quiet_days, often.frequency_cap, often.frequency_days)


def run_of(s: Settings, one: Built, as_of_now: int) -> Run:
    """The run of a list, and the instant at which its messages count: its date, in a live shop now if that is later."""
    scored_at = s.instant(one.as_of)
    return Run(one.name, one.as_of, max(scored_at, as_of_now) if s.campaigns.check_clock else scored_at)


@contextmanager
def opened(s: Settings, one: Built) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the view ``candidate``; what does not fit into memory spills to state/."""
    spill = datasets.private_folder(datasets.SPILL)
    config = {
        "memory_limit": s.engine.memory_limit,
        "threads": s.engine.threads,
        "temp_directory": str(spill),
    }
    with duckdb.connect(config=config) as db:
        db.execute(f"CREATE VIEW candidate AS FROM read_parquet({sql.quoted(str(one.path))})")
        yield db


def pages(db: duckdb.DuckDBPyConnection, table: str, rows: int) -> Iterator[tuple[Any, ...]]:
    """The rows of ``table`` in the order of its column ``n`` (0, 1, 2, ...) and without it, few in memory at a time."""
    (size,) = db.execute(f"SELECT count(*) FROM {table}").fetchall()[0]
    for start in range(0, size, rows):
        yield from db.execute(
            f"SELECT * EXCLUDE (n) FROM {table} WHERE n >= {start} AND n < {start + rows} ORDER BY n"
        ).fetchall()


def _files(events_dir: Path) -> dict[str, list[str]]:
    return {log: [str(path) for path in datasets.event_files(events_dir, log)] for log in LOGS}


def open_logs(db: duckdb.DuckDBPyConnection, s: Settings, events_dir: Path, not_before: int) -> None:
    """Show everything that was ever ingested, whatever time it carries, and who has which address.

    Makes ``addresses`` (customer_id, inbox) and ``became`` (customer_id, now): accounts that became another.
    """
    files = _files(events_dir)
    relations = [
        f"read_parquet([{', '.join(map(sql.quoted, paths))}], union_by_name = true)"
        for paths in files.values()
        if paths
    ]
    cutoff = max(not_before, guards.after_everything(db, relations))
    known.open_logs(db, files, {log: arrow_schema(log) for log in LOGS}, cutoff, s.shop.timezone)
    db.execute("""
        CREATE OR REPLACE TABLE addresses AS
        SELECT customer_id, inbox FROM (
            SELECT customer_id, arg_max(row(address_key), row(occurred_at, event_id))[1] AS inbox
            FROM customers WHERE customer_id IS NOT NULL GROUP BY customer_id
        ) WHERE inbox IS NOT NULL
    """)
    db.execute("CREATE OR REPLACE TABLE became (customer_id VARCHAR, now VARCHAR)")
    merges = datasets.merges(events_dir)
    if merges.is_file():
        db.execute(f"INSERT INTO became SELECT customer_id, now FROM read_parquet({sql.quoted(str(merges))})")


def ask_ledger(db: duckdb.DuckDBPyConnection, ledger: Ledger, run: Run, limits: Caps) -> None:
    """Make ``past``, ``silenced`` and ``decided``: what the ledger says about every candidate."""
    load_past(db, ledger, run, limits)
    load_suppressed(db, ledger)
    decide(db, run, limits)


def ask_guards(db: duckdb.DuckDBPyConnection, s: Settings, run: Run, erased: frozenset[str]) -> None:
    """Make ``guards`` for every candidate and every customer of the shop, as of now."""
    db.execute("""
        CREATE OR REPLACE TABLE everybody AS
        SELECT customer_id FROM candidate UNION SELECT customer_id FROM customers WHERE customer_id IS NOT NULL
        UNION SELECT customer_id FROM consent_events UNION SELECT customer_id FROM email_events
        UNION SELECT customer_id FROM restrictions
    """)
    db.execute(
        """
        CREATE OR REPLACE TABLE promised AS
        SELECT coalesce(now, person) AS customer_id, campaign AS campaign_id, moment AS occurred_at
        FROM past LEFT JOIN became ON became.customer_id = person
        WHERE counts = 1 AND NOT (list = ? AND as_of = ?)
        """,
        [run.name, run.as_of],
    )
    silenced = [row[0] for row in db.execute("SELECT DISTINCT key FROM silenced").fetchall()]
    guards.create(db, s.campaigns, erased, silenced, contacts="promised", persons="everybody", now=run.moment)


def _check_fresh(known_until: int, reference: int, max_age_hours: int) -> None:
    if is_after(reference - known_until, max_age_hours * HOUR_US):
        age = (reference - known_until) // HOUR_US
        raise StaleListError(
            f"Consent and suppression are {age} hours old, more than campaigns.suppression_max_age_hours = "
            f"{max_age_hours}. Export the shop's logs again, run `wafa score`, then export the list."
        )


def check_clock(s: Settings, events_dir: Path, now: int) -> None:
    """Refuse a clock that stands before the data where it counts (``campaigns.check_clock``).

    Raises:
        StaleListError: It does.
    """
    known_until = int(datasets.read_json(events_dir / datasets.MANIFEST)["watermark"])
    if s.campaigns.check_clock and is_after(known_until, now):
        raise StaleListError(
            f"The clock of this machine says {format_date(now, s.shop.timezone)}, but the data are complete until "
            f"{format_date(known_until, s.shop.timezone)}, so the age of "
            "consent is unknown (campaigns.check_clock). Correct the clock, or sources.complete_until."
        )


def check_consent_is_known(s: Settings, one: Built, events_dir: Path, as_of_now: int) -> int:
    """Refuse when an opt-out may have been overlooked; the instant that stands for now.

    In a live shop (``campaigns.check_clock``) that is the clock. The demo's data end on a fixed day, so a clock would
    refuse it for ever; there it is the day the list was scored for, which still refuses a list scored beyond its data.

    Raises:
        StaleListError: The logs are too old or newer than the clock, one is gone, or a file could not be read.
    """
    events = datasets.read_json(events_dir / datasets.MANIFEST)
    reference = as_of_now if s.campaigns.check_clock else s.instant(one.as_of)
    check_clock(s, events_dir, as_of_now)
    _check_fresh(int(events["watermark"]), reference, s.campaigns.suppression_max_age_hours)
    # Of damaged rows there may be none any more.
    asked = [log for log in one.manifest["contact_logs"] if log in guards.GUARD_LOGS and log != "restrictions"]
    gone = [log for log in asked if not datasets.event_files(events_dir, log)]
    if gone:
        raise StaleListError(
            f"The logs {', '.join(gone)} were there when {one.name} was built and are missing from "
            f"{events_dir.name}/ now, so opt-outs could be overlooked. Restore them and ingest again."
        )
    lost = sorted({file["name"] for file in events.get("rejected_files", []) if CONSENT_LOGS & {*file["feeds"]}})
    if lost:
        raise StaleListError(
            f"{', '.join(lost)} could not be read and may hold opt-outs. Export the file again and run `wafa run`."
        )
    _check_unnamed(events, s.campaigns.unnamed_restrictions)
    return reference


def check_logs(s: Settings, ledger: Ledger, events_dir: Path) -> list[str]:
    """Refuse when a log that decided about an earlier export is gone; the logs that decide about this one.

    Raises:
        StaleListError: One is gone, and params do not say that the shop no longer has it.
    """
    present = [log for log in sorted(RESTRICTING) if datasets.event_files(events_dir, log)]
    if gone := sorted(ledger.logs() - {*present, *s.campaigns.retired_logs}):
        raise StaleListError(
            f"The log {gone[0]} decided about earlier exports and is missing now, so its opt-outs would be forgotten. "
            f"Declare it under sources.logs again, or name it in campaigns.retired_logs if the shop no longer has it."
        )
    return present


def _check_unnamed(events: dict[str, Any], limit: int) -> None:
    """Refuse when too many rows restrict people who cannot be identified: anybody exported may be one of them."""
    places = events.get("unnamed_restrictions", [])
    count = sum(len(one["lines"]) for one in places)
    if count > limit:
        first = places[0]
        raise StaleListError(
            f"{count} rows restrict people who cannot be identified, more than campaigns.unnamed_restrictions = "
            f"{limit} (first {first['file']} line {first['lines'][0]}). Correct them and run `wafa run`; `wafa check` "
            "lists all of them."
        )
