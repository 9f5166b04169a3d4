"""Export one list into the outbox: the only place where a shop's own ids and addresses appear again.

Who leaves is decided, written down and put into files inside one transaction of the contact ledger. The files are a
draft until that transaction has ended, and then take their place; whoever opens the ledger next finishes that where
a kill came between. So either nobody was exported, or everybody in the file was, and never half of them.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from campaigns import ListError, StaleListError, caps, guards, wording
from campaigns.cells import refusals
from campaigns.ledger import Ledger
from events import sql
from pipeline.people import tombstones
from pipeline.project import datasets
from pipeline.project.errors import StaleError
from pipeline.project.settings import Settings
from pipeline.sending import live_facts, write_platform
from pipeline.sending.live_facts import SOFT_RULES, Built, Places

NEUTRAL = "neutral"
"""The platform that is taken when none is named."""

ROWS_AT_ONCE = 50_000


@dataclass(frozen=True)
class Exported:
    """Where the files are, what their manifest says, how many were called back, and platforms of older files."""

    folder: Path
    manifest: dict[str, Any]
    called_back: dict[str, int]
    removed: tuple[str, ...] = ()


def export(s: Settings, name: str, platform: str, as_of_now: int, places: Places) -> Exported:
    """Write the files of one list to <outbox>/<list>/<as_of>/<platform>/.

    Who was exported stays in the file, on every platform, until a suppression, an objection or the like calls them
    back; then the files of every platform are made again. The same ledger and data give the same bytes again. After
    another approval the file holds only who is new, and what other platforms hold of the earlier one is removed.

    Raises:
        ParamsError: There is no such list or platform.
        campaigns.ListError: The list was not built, or was changed after it was built.
        campaigns.StaleListError: It was not approved, or what we know of consent is too old.
    """
    with live_facts.open_ledger(places) as ledger:
        try:
            with ledger.writing():
                gone = _finish(ledger, places.outbox)
                exported = _export(s, name, platform, as_of_now, places, ledger)
        except BaseException:
            _remove_drafts(ledger, places.outbox, name)
            raise
        with ledger.writing():
            gone += _finish(ledger, places.outbox)
    mine = {place.name for place in gone if place.parent == exported.folder.parent} - {platform}
    return replace(exported, removed=tuple(sorted(mine)))


def told(exported: Exported) -> list[str]:
    """What was written, in lines."""
    manifest = exported.manifest
    what = f"{manifest['exported']:,} people" if manifest["selected"] else "no people"
    if "sunset_addresses" in manifest:
        what = f"nobody to write to, {manifest['sunset_addresses']:,} addresses whose regular mail should stop"
    lines = [f"export: {what}, {manifest['suppressed_addresses']:,} addresses to suppress in {exported.folder}"]
    words = wording.skips("en")
    lines += [f"  skipped, {words.get(reason, reason)}: {count:,}" for reason, count in manifest["skipped"].items()]
    if manifest["exported_before"]:
        lines.append(f"  {write_platform.not_repeated(manifest['exported_before'])}")
    lines += [f"  removed {each}/ (an older approval); export again" for each in exported.removed]
    if exported.called_back:
        why = "; ".join(f"{words.get(reason, reason)}: {count:,}" for reason, count in exported.called_back.items())
        lines.append(
            f"  {sum(exported.called_back.values()):,} people of an earlier export must not be written to any more "
            f"({why}). The files of every platform were made again without them; where you uploaded the earlier ones, "
            f"upload {manifest['list']}.suppress.csv now."
        )
    return lines


def finish(places: Places) -> None:
    """Put into its place what a killed export has committed and not published."""
    if places.ledger.is_file():
        with Ledger(places.ledger, check=False) as ledger, ledger.writing():
            _finish(ledger, places.outbox)


def _export(s: Settings, name: str, platform: str, as_of_now: int, places: Places, ledger: Ledger) -> Exported:
    write_platform.profile(platform)
    one = live_facts.built(places, name)
    approved = ledger.run(name, one.as_of)
    if approved is None or approved["list_id"] != one.list_id:
        what = "was not approved" if approved is None else "was built again since it was approved"
        raise StaleListError(f"{name} as of {one.as_of} {what}. Run `{places.call(f'wafa approve {name}')}` first.")
    reference = live_facts.check_consent_is_known(s, one, places.events, as_of_now)
    ledger.decided_by(live_facts.check_logs(s, ledger, places.events))
    if not places.vault.is_file():
        raise ListError(f"{places.vault.name} is missing, so no address is known. Run `wafa run` to rebuild it.")
    noes = _noes(places)
    with live_facts.opened(s, one) as db:
        run = live_facts.run_of(s, one, as_of_now)
        live_facts.open_logs(db, s, places.events, reference)
        live_facts.ask_ledger(db, ledger, run, live_facts.caps(s, name))
        live_facts.ask_guards(db, s, run, tombstones.erased_customers(places.erased))
        _find_addresses(db, places.vault)
        _load_exported_before(db, ledger, one)
        _decide(db, one)
        called_back = _write_down(db, ledger, one, run.moment, as_of_now)
        counts = _counts(db, ledger, one)
        ledger.outdate(name, one.as_of)
        older = {each for *_, each in ledger.outdated()}
        platforms = {platform, *(ledger.platforms(name, one.as_of) if called_back else ())} - (older - {platform})
        for each in sorted(platforms):
            files = _draft(s, db, one, each, counts, places.outbox)
            ledger.wrote(name, one.as_of, each, json.dumps(files, sort_keys=True))
        manifest = datasets.read_json(
            _draft_of(_place(places.outbox, name, one.as_of, platform)) / write_platform.manifest_name(name)
        )
    if changed := [path.as_posix() for path, now in _noes(places).items() if noes[path] != now]:
        raise StaleError(f"{changed[0]} changed during the export. Run it again.")
    return Exported(_place(places.outbox, name, one.as_of, platform), manifest, called_back)


# Who leaves


def _noes(places: Places) -> dict[Path, bytes]:
    """Where somebody may say no while an export runs, without waiting for the ledger, and what tells it."""
    erased = places.erased.read_bytes() if places.erased.is_file() else b""
    return {places.events: (places.events / datasets.MANIFEST).read_bytes(), places.erased: erased}


def _find_addresses(db: duckdb.DuckDBPyConnection, vault: Path) -> None:
    """Make ``reach``: own id and address of every candidate, and what forbids writing them into a file, or null."""
    db.execute(f"CREATE VIEW vault AS FROM read_parquet({sql.quoted(str(vault))})")
    db.execute("""
        CREATE OR REPLACE TABLE found AS
        SELECT row_number() OVER (ORDER BY customer_id) - 1 AS n, customer_id, shop_id, trim(email) AS email
        FROM candidate LEFT JOIN vault USING (customer_id) ORDER BY n
    """)
    db.execute("CREATE OR REPLACE TABLE reach (customer_id VARCHAR, shop_id VARCHAR, email VARCHAR, refusal VARCHAR)")
    for batch in _batches(db, "found"):
        of_id = refusals(batch["shop_id"].combine_chunks(), address=False)
        of_address = refusals(batch["email"].combine_chunks(), address=True)
        both = pc.coalesce(of_id, of_address)
        db.register("arriving", batch.append_column("refusal", both))
        db.execute("INSERT INTO reach SELECT customer_id, shop_id, email, refusal FROM arriving")
        db.unregister("arriving")
    db.execute("DROP TABLE found")


def _batches(db: duckdb.DuckDBPyConnection, table: str) -> Iterator[pa.Table]:
    """The rows of ``table`` in the order of its column ``n`` and without it; at least one part, that has columns."""
    (size,) = db.execute(f"SELECT count(*) FROM {table}").fetchall()[0]
    for start in range(0, max(1, size), ROWS_AT_ONCE):
        yield db.sql(
            f"SELECT * EXCLUDE (n) FROM {table} WHERE n >= {start} AND n < {start + ROWS_AT_ONCE} ORDER BY n"
        ).to_arrow_table()


def _load_exported_before(db: duckdb.DuckDBPyConnection, ledger: Ledger, one: Built) -> None:
    """Make ``before`` (person): who is in a file of an earlier approval of this run, and must not be in a second."""
    db.execute("CREATE OR REPLACE TABLE before (person VARCHAR)")
    for frame in ledger.exported_before(one.name, one.as_of):
        caps.insert(db, "before", frame)


def _decide(db: duckdb.DuckDBPyConnection, one: Built) -> None:
    """Make ``fate``: everybody this run has promised or sent a message to, and why they get none now, or null."""
    soft = ", ".join(f"'{rule}'" for rule in sorted(SOFT_RULES))
    despite = guards.rule_despite(one.manifest.get("despite", ()))
    db.execute(
        f"""
        CREATE OR REPLACE TABLE fate AS
        WITH promised AS (
            SELECT d.customer_id, d.rank, d.inbox, d.own, past.inbox AS inbox_then, lower(reach.email) AS email,
                d.own <> 'reserved' AS sent, reach.refusal,
                CASE
                    WHEN g.customer_id IS NULL THEN 'unknown'
                    WHEN d.own = 'reserved' THEN coalesce({despite}, d.rule)
                    WHEN g.rule NOT IN ({soft}) THEN g.rule
                END AS rule
            FROM decided d
                JOIN past ON past.person = d.customer_id AND past.list = $name AND past.as_of = $day
                JOIN reach USING (customer_id) LEFT JOIN guards g USING (customer_id)
            WHERE d."group" = 'treat' AND d.own IN ('reserved', 'exported', 'sent', 'failed')
        ), ruled AS (
            SELECT * EXCLUDE (rule, refusal), coalesce(rule, refusal) AS rule FROM promised
        ), placed AS (
            SELECT *, row_number() OVER (PARTITION BY email, rule IS NULL ORDER BY sent DESC, rank, customer_id)
                AS place FROM ruled
        )
        SELECT customer_id, rank, inbox, inbox_then, sent, customer_id IN (SELECT person FROM before) AS repeated,
            CASE WHEN rule IS NULL AND place > 1 THEN 'duplicate_address' ELSE rule END AS reason
        FROM placed ORDER BY customer_id
    """,
        {"name": one.name, "day": one.as_of},
    )


def _write_down(
    db: duckdb.DuckDBPyConnection, ledger: Ledger, one: Built, moment: int, as_of_now: int
) -> dict[str, int]:
    """Put the fate of everybody into the ledger; how many were called back for which reason."""
    ledger.drop(
        one.name,
        one.as_of,
        db.execute("SELECT customer_id, reason FROM fate WHERE reason IS NOT NULL ORDER BY 1").fetchall(),
    )
    ledger.move(
        one.name,
        one.as_of,
        db.execute(
            "SELECT customer_id, inbox FROM fate WHERE reason IS NULL AND NOT sent AND inbox <> inbox_then ORDER BY 1"
        ).fetchall(),
    )
    ledger.exported(one.name, one.as_of, as_of_now, moment)
    return dict(
        db.execute(
            "SELECT reason, count(*) FROM fate WHERE sent AND reason IS NOT NULL GROUP BY 1 ORDER BY 1"
        ).fetchall()
    )


def _counts(db: duckdb.DuckDBPyConnection, ledger: Ledger, one: Built) -> dict[str, Any]:
    """How many of whom, by what the ledger says now.

    Raises:
        ListError: Somebody chosen is neither exported nor skipped.
    """
    candidates, selected, held = db.execute("""
        SELECT count(*), count(*) FILTER ("group" = 'treat'), count(*) FILTER ("group" = 'holdout') FROM candidate
    """).fetchall()[0]
    if not one.is_message:
        return {
            "candidates": candidates,
            "selected": 0,
            "exported": 0,
            "exported_before": 0,
            "holdout": 0,
            "skipped": {},
        }
    exported, before = db.execute("""
        SELECT count(*) FILTER (NOT repeated), count(*) FILTER (repeated) FROM fate WHERE reason IS NULL
    """).fetchall()[0]
    skipped = ledger.skipped(one.name, one.as_of, "treat")
    if exported + before + sum(skipped.values()) != selected:
        told = f"{exported} exported{f', {before} exported before' if before else ''}"
        raise ListError(
            f"{one.name} {one.as_of}: {told} and {sum(skipped.values())} skipped are not the {selected} "
            "selected; nothing was exported. Build the lists and approve again."
        )
    held -= sum(ledger.skipped(one.name, one.as_of, "holdout").values())
    return {
        "candidates": candidates, "selected": selected, "exported": exported, "exported_before": before,
        "holdout": held, "skipped": skipped,
    }  # fmt: skip


# Files


def _place(outbox: Path, name: str, as_of: str, platform: str) -> Path:
    return outbox / name / as_of / platform


def _draft_of(place: Path) -> Path:
    # Only whoever holds the ledger's write lock touches it, so it needs no name of its own process.
    return place.with_name(f".{place.name}.tmp-draft")


def _old_of(place: Path) -> Path:
    return place.with_name(f".{place.name}.old-draft")


def _leaving(db: duckdb.DuckDBPyConnection) -> Iterator[pa.Table]:
    db.execute("""
        CREATE OR REPLACE TABLE leaving AS
        SELECT row_number() OVER (ORDER BY c.rank, customer_id) - 1 AS n, reach.shop_id, reach.email, c.*
        FROM candidate c JOIN fate USING (customer_id) JOIN reach USING (customer_id)
        WHERE fate.reason IS NULL AND NOT fate.repeated ORDER BY n
    """)
    yield from _batches(db, "leaving")


def _suppressed(db: duckdb.DuckDBPyConnection, one: Built) -> Iterator[pa.Table]:
    """Every address of the shop that nobody may write to, in the column ``email``; why stays with us."""
    rules = ", ".join(f"'{rule}'" for rule in guards.SUPPRESS_RULES)
    bad = "\"group\" = 'treat' AND action IS DISTINCT FROM 'sunset'"
    listed = "" if one.is_message else f"UNION SELECT customer_id FROM candidate WHERE {bad}"
    db.execute(f"""
        CREATE OR REPLACE TABLE suppressing AS
        SELECT row_number() OVER (ORDER BY email) - 1 AS n, email FROM (
            SELECT DISTINCT trim(email) AS email FROM vault
            WHERE customer_id IN (SELECT customer_id FROM guards WHERE rule IN ({rules}) {listed}) AND email IS NOT NULL
        ) ORDER BY n
    """)
    yield from _batches(db, "suppressing")


def _sunset(db: duckdb.DuckDBPyConnection) -> Iterator[pa.Table]:
    """Addresses of the long silent, but for those that :func:`_suppressed`, which comes first, has told."""
    db.execute("""
        CREATE OR REPLACE TABLE sunsetting AS
        SELECT row_number() OVER (ORDER BY email) - 1 AS n, email FROM (
            SELECT DISTINCT email FROM reach JOIN candidate USING (customer_id)
            WHERE "group" = 'treat' AND action = 'sunset' AND email IS NOT NULL
                AND lower(email) NOT IN (SELECT lower(email) FROM suppressing)
        ) ORDER BY n
    """)
    yield from _batches(db, "sunsetting")


def _draft(
    s: Settings, db: duckdb.DuckDBPyConnection, one: Built, platform: str, counts: dict[str, Any], outbox: Path
) -> dict[str, str]:
    """Write the files of one platform, whole and flushed, beside the place they will take; their hashes."""
    place = _place(outbox, one.name, one.as_of, platform)
    draft = _draft_of(place)
    for folder in (outbox, outbox / one.name, place.parent):
        datasets.private_folder(folder)
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    files = write_platform.write_files(s, one, platform, _leaving(db), _suppressed(db, one), _sunset(db), counts, draft)
    datasets.flush(draft)
    return files


def _remove_drafts(ledger: Ledger, outbox: Path, name: str) -> None:
    """Remove what an export that came to nothing has written; a draft that was committed counts, and stays."""
    with suppress(sqlite3.Error):
        committed = {_draft_of(_place(outbox, *each)) for each in ledger.pending()}
        for draft in outbox.glob(f"*/*/{_draft_of(Path('*')).name}"):
            if draft.parent.parent.name == name and draft not in committed:
                shutil.rmtree(draft, ignore_errors=True)


def _finish(ledger: Ledger, outbox: Path) -> list[Path]:
    """Put every committed draft into its place and remove what an earlier approval let leave; what was removed.

    Each step can be cut short and done again.
    """
    gone = []
    for name, as_of, platform in ledger.outdated():
        place = _place(outbox, name, as_of, platform)
        old = _old_of(place)
        # Away from its name first, so that nobody uploads half of it.
        if place.exists():
            shutil.rmtree(old, ignore_errors=True)
            place.replace(old)
        shutil.rmtree(old, ignore_errors=True)
        ledger.removed(name, as_of, platform)
        gone.append(place)
    for name, as_of, platform in ledger.pending():
        place = _place(outbox, name, as_of, platform)
        draft, old = _draft_of(place), _old_of(place)
        # No draft: it is in its place already, or somebody deleted it, and the next export writes it anew.
        if draft.is_dir():
            shutil.rmtree(old, ignore_errors=True)
            if place.exists():
                place.replace(old)
            draft.replace(place)
            datasets.flush(place)
        shutil.rmtree(old, ignore_errors=True)
        ledger.published(name, as_of, platform)
    return gone
