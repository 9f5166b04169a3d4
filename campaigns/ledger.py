"""The contact ledger: who was chosen for which campaign, what became of it, and who asked to be left alone.

One SQLite file. Whatever decides about people happens in one transaction that holds the write lock from its first
statement, so that two exports at once cannot both take a person, and an opt-out either comes before an export has
read the opt-outs, or after that export is complete. SQLite keeps what happened; DuckDB decides (campaigns/caps.py).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pandas as pd

from campaigns.errors import ListError, StaleListError

VERSION = 1
"""Of the tables; kept as user_version in the file."""

WAIT_SECONDS = 900.0
"""How long to wait for somebody else's export; a list of a million people takes less."""

ROWS_AT_ONCE = 50_000
CACHE_KIB = 65_536

STATES = ("reserved", "exported", "sent", "failed", "skipped", "holdout")
"""What may become of somebody chosen; a platform that reports back tells sent and failed."""

_SCHEMA = """
CREATE TABLE contacts (
    campaign TEXT NOT NULL, person TEXT NOT NULL, inbox TEXT NOT NULL,
    list TEXT NOT NULL, as_of TEXT NOT NULL, list_id TEXT NOT NULL,
    grp TEXT NOT NULL CHECK (grp IN ('treat', 'holdout')), holdout TEXT, arm TEXT,
    propensity REAL, cost INTEGER,
    state TEXT NOT NULL CHECK (state IN ('reserved', 'exported', 'sent', 'failed', 'skipped', 'holdout')),
    reason TEXT, approved_at INTEGER NOT NULL, exported_at INTEGER, at INTEGER NOT NULL,
    counts INTEGER NOT NULL CHECK (counts IN (0, 1)),
    CHECK ((grp = 'holdout') = (state = 'holdout')), CHECK (counts = 0 OR grp = 'treat'),
    UNIQUE (campaign, person)
);
CREATE UNIQUE INDEX one_message_a_campaign ON contacts (campaign, inbox) WHERE counts;
CREATE UNIQUE INDEX one_message_a_run ON contacts (as_of, inbox) WHERE counts;
CREATE INDEX contacts_of_run ON contacts (list, as_of);
CREATE INDEX contacts_at ON contacts (at) WHERE counts;
CREATE TABLE skips (
    list TEXT NOT NULL, as_of TEXT NOT NULL, person TEXT NOT NULL, grp TEXT NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (list, as_of, person)
) WITHOUT ROWID;
CREATE TABLE runs (
    list TEXT NOT NULL, as_of TEXT NOT NULL, list_id TEXT NOT NULL, approved_at INTEGER NOT NULL, exported_at INTEGER,
    candidates INTEGER NOT NULL, PRIMARY KEY (list, as_of)
) WITHOUT ROWID;
CREATE TABLE exports (
    list TEXT NOT NULL, as_of TEXT NOT NULL, platform TEXT NOT NULL, files TEXT NOT NULL,
    pending INTEGER NOT NULL, PRIMARY KEY (list, as_of, platform)
) WITHOUT ROWID;
CREATE TABLE suppressions (key TEXT PRIMARY KEY, reason TEXT NOT NULL, noted_at INTEGER NOT NULL) WITHOUT ROWID;
"""

PAST_COLUMNS = ("campaign", "person", "inbox", "list", "as_of", "list_id", "grp", "state", "at", "counts")


def _damaged(path: Path, what: object) -> StaleListError:
    return StaleListError(
        f"{path.as_posix()} is damaged ({what}), so nobody can tell who was written to. Put back a copy of it from a "
        "backup; without one, move it and state's outbox away and wait until the frequency cap has passed."
    )


class Ledger:
    """The open ledger; close it by leaving its ``with``.

    Instants are microseconds UTC, persons and inboxes pseudonyms, costs minor units.
    """

    def __init__(self, path: Path, wait_seconds: float = WAIT_SECONDS, *, check: bool = True) -> None:
        """Open ``path``, and make it, for its owner alone, where there is none.

        ``check`` reads the whole file for damage first.

        Raises:
            StaleListError: It is damaged, or a newer version of Wafa made it.
        """
        self.path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite would make it readable for all; its two companions take over the mode of the file.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._sql = sqlite3.connect(path, timeout=wait_seconds, isolation_level=None)
        try:
            self._prepare(check)
        except sqlite3.DatabaseError as error:
            self._sql.close()
            raise self._told(error) from None
        except BaseException:
            self._sql.close()
            raise

    def _prepare(self, check: bool) -> None:
        sql = self._sql
        sql.execute("PRAGMA journal_mode = WAL")
        sql.execute("PRAGMA synchronous = FULL")
        sql.execute("PRAGMA secure_delete = ON")
        # Half a million people reach pages all over the file; written out one by one they would be written many times.
        sql.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        if check:
            (said,) = sql.execute("PRAGMA quick_check(1)").fetchone()
            if said != "ok":
                raise _damaged(self.path, said.splitlines()[-1])
        version = self._version()
        if version == 0:
            with self.writing():
                if self._version() == 0:
                    for statement in _SCHEMA.split(";\n"):
                        sql.execute(statement)
                    sql.execute(f"PRAGMA user_version = {VERSION}")
        elif version > VERSION:
            raise StaleListError(
                f"{self.path.as_posix()} has version {version}, made by a newer Wafa; this one knows {VERSION}. "
                "Update Wafa."
            )

    def _version(self) -> int:
        return int(self._sql.execute("PRAGMA user_version").fetchone()[0])

    def _told(self, error: sqlite3.DatabaseError) -> Exception:
        # Only these two say that the file is not what it was; a full disk or a broken rule must stay what they are.
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return _damaged(self.path, error)
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            return StaleListError(f"{self.path.as_posix()} is in use by another export for too long. Try again.")
        return error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; a transaction that is open is undone."""
        self._sql.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction that nobody else can write beside, from now to the end of the block.

        Raises:
            StaleListError: The file is damaged, or another writer does not end.
        """
        try:
            self._sql.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._sql.execute("ROLLBACK")
                raise
            self._sql.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            told = self._told(error)
            if told is error:
                raise
            raise told from None

    def _many(self, statement: str, rows: Iterable[Sequence[Any]]) -> int:
        return self._sql.executemany(statement, rows).rowcount

    def frames(self, query: str, values: Sequence[Any], columns: Sequence[str]) -> Iterator[pd.DataFrame]:
        """The rows of ``query``, so many at a time that they fit into memory."""
        found = self._sql.execute(query, values)
        while rows := found.fetchmany(ROWS_AT_ONCE):
            yield pd.DataFrame(rows, columns=list(columns))

    # Runs

    def run(self, name: str, as_of: str) -> dict[str, Any] | None:
        """The approval of a list for ``as_of``: list_id, approved_at, exported_at, candidates; None without one."""
        columns = ("list_id", "approved_at", "exported_at", "candidates")
        query = f"SELECT {', '.join(columns)} FROM runs WHERE list = ? AND as_of = ?"
        row = self._sql.execute(query, (name, as_of)).fetchone()
        return None if row is None else dict(zip(columns, row, strict=True))

    def last_run(self, name: str, but: str) -> str | None:
        """The newest date for which this list was approved, other than ``but``."""
        query = "SELECT max(as_of) FROM runs WHERE list = ? AND as_of <> ?"
        found = self._sql.execute(query, (name, but)).fetchone()[0]
        return None if found is None else str(found)

    def counts(self, name: str, as_of: str) -> dict[str, Any]:
        """How many of a run are in which state, and how many were skipped for which reason; both sorted."""
        states = "SELECT state, count(*) FROM contacts WHERE list = ? AND as_of = ? AND state <> 'skipped' GROUP BY 1"
        skips = "SELECT reason, count(*) FROM skips WHERE list = ? AND as_of = ? GROUP BY 1 ORDER BY 1"
        at = (name, as_of)
        found = dict(self._sql.execute(states, at).fetchall())
        return {
            "reserved": found.get("reserved", 0),
            "exported": sum(found.get(state, 0) for state in ("exported", "sent", "failed")),
            "holdout": found.get("holdout", 0),
            "skipped": dict(self._sql.execute(skips, at).fetchall()),
        }

    def skipped(self, name: str, as_of: str, group: str) -> dict[str, int]:
        """How many of one group of a run were skipped for which reason; sorted."""
        query = "SELECT reason, count(*) FROM skips WHERE list = ? AND as_of = ? AND grp = ? GROUP BY 1 ORDER BY 1"
        return dict(self._sql.execute(query, (name, as_of, group)).fetchall())

    def chosen(self, name: str, as_of: str) -> Iterator[pd.DataFrame]:
        """Everybody the list would have written to in a run, skipped or not, in the column ``person``."""
        query = (
            "SELECT person FROM contacts WHERE list = ? AND as_of = ? AND grp = 'treat' "
            "UNION SELECT person FROM skips WHERE list = ? AND as_of = ? AND grp = 'treat'"
        )
        return self.frames(query, (name, as_of, name, as_of), ("person",))

    # Approving

    def release(self, name: str, as_of: str) -> int:
        """Give back what this list reserved and never exported, for ``as_of`` and for any other date; how many.

        A date of which nothing was exported is forgotten whole: it has to be approved again.
        """
        gone = 0
        for (other,) in self._sql.execute(
            "SELECT as_of FROM runs WHERE list = ? AND (exported_at IS NULL OR as_of = ?)", (name, as_of)
        ).fetchall():
            never = self._sql.execute(
                "SELECT exported_at IS NULL FROM runs WHERE list = ? AND as_of = ?", (name, other)
            ).fetchone()[0]
            # Those held out of an exported run stay: they are compared with the people who were written to.
            states = "('reserved', 'holdout')" if never else "('reserved')"
            gone += self._sql.execute(
                f"DELETE FROM contacts WHERE list = ? AND as_of = ? AND state IN {states}", (name, other)
            ).rowcount
            self._sql.execute("DELETE FROM skips WHERE list = ? AND as_of = ?", (name, other))
            if never:
                self._sql.execute("DELETE FROM runs WHERE list = ? AND as_of = ?", (name, other))
        return gone

    def reserve(
        self, name: str, as_of: str, list_id: str, approved_at: int, at: int, rows: Iterable[Sequence[Any]]
    ) -> int:
        """Write down who is to be written to or held out; the number of rows.

        Args:
            name: Of the list.
            as_of: Its date.
            list_id: Hash of its candidates.
            approved_at: The clock.
            at: The instant that counts for the frequency cap.
            rows: campaign, person, inbox, group, holdout, arm, propensity, cost; nobody who is in the campaign.

        Raises:
            ListError: Somebody is in that campaign already, or their inbox is.
        """
        statement = (
            "INSERT INTO contacts (campaign, person, inbox, grp, holdout, arm, propensity, cost, list, as_of, list_id, "
            "approved_at, at, state, counts) "
            "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, "
            "CASE ?4 WHEN 'treat' THEN 'reserved' ELSE 'holdout' END, ?4 = 'treat') "
            "ON CONFLICT (campaign, person) DO UPDATE SET inbox = excluded.inbox, grp = excluded.grp, "
            "holdout = excluded.holdout, arm = excluded.arm, propensity = excluded.propensity, cost = excluded.cost, "
            "list = excluded.list, as_of = excluded.as_of, list_id = excluded.list_id, state = excluded.state, "
            "reason = NULL, approved_at = excluded.approved_at, at = excluded.at, counts = excluded.counts "
            # Who was left out of an earlier run before anything was sent may be chosen again.
            "WHERE contacts.state = 'skipped' AND contacts.counts = 0"
        )
        shared = (name, as_of, list_id, approved_at, at)
        given = 0

        def counted() -> Iterator[tuple[Any, ...]]:
            nonlocal given
            for row in rows:
                given += 1
                yield (*row, *shared)

        try:
            written = self._many(statement, counted())
        except sqlite3.IntegrityError as error:
            raise ListError(
                f"{name} {as_of}: two messages would go to one inbox ({error}). Build the lists again."
            ) from (None)
        if max(0, written) != given:
            raise ListError(f"{name} {as_of}: {given - written} people are in this campaign already; nobody was added.")
        return given

    def approved(self, name: str, as_of: str, list_id: str, approved_at: int, candidates: int) -> None:
        """Write down that the candidates with the hash ``list_id`` may leave; those sent before keep their place."""
        self._sql.execute(
            "INSERT INTO runs (list, as_of, list_id, approved_at, candidates) VALUES (?, ?, ?, ?, ?) ON CONFLICT "
            "(list, as_of) DO UPDATE SET list_id = excluded.list_id, approved_at = excluded.approved_at, "
            "candidates = excluded.candidates",
            (name, as_of, list_id, approved_at, candidates),
        )

    def skip(self, name: str, as_of: str, rows: Iterable[Sequence[str]]) -> int:
        """Write down who of a run is not written to: person, group, reason; somebody in it before is taken out."""

        def given() -> Iterator[tuple[str, ...]]:
            for person, group, reason in rows:
                yield (name, as_of, person, group, reason)

        return self._many(
            "INSERT INTO skips (list, as_of, person, grp, reason) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            given(),
        )

    # Exporting

    def drop(self, name: str, as_of: str, rows: Collection[tuple[str, str]]) -> None:
        """Take people (person, reason) out of a run; a message that was exported goes on counting."""
        self._many(
            "UPDATE contacts SET state = 'skipped', reason = ?2, counts = exported_at IS NOT NULL "
            "WHERE list = ?3 AND as_of = ?4 AND person = ?1 AND grp = 'treat'",
            ((person, reason, name, as_of) for person, reason in rows),
        )
        self.skip(name, as_of, ((person, "treat", reason) for person, reason in rows))

    def move(self, name: str, as_of: str, rows: Collection[tuple[str, str]]) -> None:
        """Give people (person, inbox) of a run, not yet exported, the inbox that they have now."""
        statement = (
            "UPDATE contacts SET inbox = ?2 WHERE list = ?3 AND as_of = ?4 AND person = ?1 AND state = 'reserved'"
        )
        # First to a place of their own: two people may have swapped their addresses.
        self._many(statement, ((person, person, name, as_of) for person, _ in rows))
        self._many(statement, ((person, inbox, name, as_of) for person, inbox in rows))

    def exported(self, name: str, as_of: str, exported_at: int, at: int) -> None:
        """Mark everybody who is still reserved in a run as exported."""
        mine = "WHERE list = ? AND as_of = ? AND state = 'reserved'"
        # Apart, because a value that is set is put into its index anew, also where it stays the same.
        self._sql.execute(f"UPDATE contacts SET at = ? {mine} AND at <> ?", (at, name, as_of, at))
        self._sql.execute(f"UPDATE contacts SET state = 'exported', exported_at = ? {mine}", (exported_at, name, as_of))
        self._sql.execute(
            "UPDATE runs SET exported_at = coalesce(exported_at, ?) WHERE list = ? AND as_of = ?",
            (exported_at, name, as_of),
        )

    def platforms(self, name: str, as_of: str) -> list[str]:
        """The platforms for which this run was exported."""
        query = "SELECT platform FROM exports WHERE list = ? AND as_of = ? ORDER BY 1"
        return [row[0] for row in self._sql.execute(query, (name, as_of)).fetchall()]

    def wrote(self, name: str, as_of: str, platform: str, files: str) -> None:
        """Write down a draft that takes its place after the commit; ``files`` is JSON: name and hash."""
        self._sql.execute("INSERT OR REPLACE INTO exports VALUES (?, ?, ?, ?, 1)", (name, as_of, platform, files))

    def pending(self) -> list[tuple[str, str, str]]:
        """Exports (list, as_of, platform) that were committed and whose draft has not taken its place."""
        query = "SELECT list, as_of, platform FROM exports WHERE pending ORDER BY 1, 2, 3"
        return [(row[0], row[1], row[2]) for row in self._sql.execute(query).fetchall()]

    def published(self, name: str, as_of: str, platform: str) -> None:
        """Mark a draft as being in its place."""
        self._sql.execute(
            "UPDATE exports SET pending = 0 WHERE list = ? AND as_of = ? AND platform = ?", (name, as_of, platform)
        )

    # What was said and done before

    def near(self, name: str, as_of: str, campaigns: Collection[str], at: int, within: int) -> Iterator[pd.DataFrame]:
        """The rows of a run, of ``campaigns``, of the same date and of ``within`` microseconds around ``at``."""
        self._sql.execute("CREATE TEMP TABLE IF NOT EXISTS wanted (campaign TEXT PRIMARY KEY)")
        self._sql.execute("DELETE FROM temp.wanted")
        self._many("INSERT INTO temp.wanted VALUES (?)", ((campaign,) for campaign in campaigns))
        rows = f"SELECT {', '.join(PAST_COLUMNS)} FROM contacts"
        query = (
            f"{rows} WHERE list = ? AND as_of = ? AND (state <> 'skipped' OR counts) "
            f"UNION {rows} WHERE campaign IN (SELECT campaign FROM temp.wanted) AND (state <> 'skipped' OR counts) "
            f"UNION {rows} WHERE counts AND as_of = ? UNION {rows} WHERE counts AND at > ? AND at < ?"
        )
        return self.frames(query, (name, as_of, as_of, at - within, at + within), PAST_COLUMNS)

    def contacts_before(self, as_of: str) -> pd.DataFrame:
        """One row per message of a run before ``as_of``: customer_id, campaign, list, as_of; ordered by all four."""
        query = "SELECT person, campaign, list, as_of FROM contacts WHERE counts AND as_of < ? ORDER BY 1, 2, 3, 4"
        columns = ("customer_id", "campaign", "list", "as_of")
        found = list(self.frames(query, (as_of,), columns))
        return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=list(columns), dtype="str")

    def suppress(self, keys: Iterable[str], reason: str, noted_at: int) -> int:
        """Write down that these persons and inboxes get nothing from now on; how many are new."""
        with self.writing():
            rows = [(key, reason, noted_at) for key in sorted(set(keys))]
            return self._many("INSERT INTO suppressions VALUES (?, ?, ?) ON CONFLICT DO NOTHING", rows)

    def suppressed(self) -> Iterator[pd.DataFrame]:
        """The persons and inboxes that asked to be left alone, in the column ``key``."""
        return self.frames("SELECT key FROM suppressions ORDER BY 1", (), ("key",))

    def runs_of(self, persons: Collection[str]) -> list[tuple[str, str]]:
        """The runs (list, as_of) whose files name one of ``persons``."""
        marks = ", ".join("?" * len(persons))
        query = (
            f"SELECT DISTINCT list, as_of FROM contacts WHERE state = 'exported' AND person IN ({marks}) ORDER BY 1, 2"
        )
        return [(row[0], row[1]) for row in self._sql.execute(query, list(persons)).fetchall()]

    def forget(self, keys: Collection[str]) -> int:
        """Delete every row about these persons and inboxes, and what is left of it in the file; how many rows."""
        rows = [(key,) for key in sorted(set(keys))]
        with self.writing():
            gone = self._many("DELETE FROM contacts WHERE ?1 IN (person, inbox)", rows)
            gone += self._many("DELETE FROM skips WHERE person = ?", rows)
            gone += self._many("DELETE FROM suppressions WHERE key = ?", rows)
        if gone:
            self._sql.execute("VACUUM")
        self._sql.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return gone
