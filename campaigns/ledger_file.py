"""The file of the contact ledger: its tables, opening it unharmed, and one writer at a time."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pandas as pd

from campaigns.errors import StaleListError

VERSION = 2
"""Of the tables; kept as user_version in the file."""

WAIT_SECONDS = 900.0
"""How long to wait for somebody else's export; a list of a million people takes less."""

MOST_SECONDS_TO_OPEN, PAUSE_SECONDS = 60.0, 0.05

ROWS_AT_ONCE = 50_000
CACHE_KIB = 65_536

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

_KEYS = """
CREATE TABLE key (fingerprint TEXT NOT NULL);
CREATE TABLE old_tokens (token TEXT PRIMARY KEY, fingerprint TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS logs (name TEXT PRIMARY KEY) WITHOUT ROWID;
"""
"""The key of the pseudonyms, those of keys before it that nobody could map yet, and the logs that ever decided."""

_STEPS = (_SCHEMA, _KEYS)
"""What leads from each version to the next."""


def _damaged(path: Path, what: object) -> StaleListError:
    return StaleListError(
        f"{path.as_posix()} is damaged ({what}), so nobody can tell who was written to. Put back a copy of it from a "
        "backup; without one, move it and state's outbox away and wait until the frequency cap has passed."
    )


class LedgerFile:
    """The open file, for as long as a ``with`` lasts."""

    def __init__(self, path: Path, wait_seconds: float = WAIT_SECONDS, *, check: bool = True) -> None:
        """Open ``path``, and make it, for its owner alone, where there is none.

        ``check`` reads the whole file for damage first.

        Raises:
            StaleListError: It is damaged, or a newer version of Wafa made it.
        """
        self.path, self._wait_seconds = path, wait_seconds
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
        self._write_ahead()
        sql.execute("PRAGMA synchronous = FULL")
        sql.execute("PRAGMA secure_delete = ON")
        # Half a million people reach pages all over the file; written out one by one they would be written many times.
        sql.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        if check:
            (said,) = sql.execute("PRAGMA quick_check(1)").fetchone()
            if said != "ok":
                raise _damaged(self.path, said.splitlines()[-1])
        version = self._version()
        if version < VERSION:
            with self.writing():
                # Read again: another process may have been faster.
                for step in _STEPS[self._version() :]:
                    for statement in step.split(";\n"):
                        sql.execute(statement)
                sql.execute(f"PRAGMA user_version = {VERSION}")
        elif version > VERSION:
            raise StaleListError(
                f"{self.path.as_posix()} has version {version}, made by a newer Wafa; this one knows {VERSION}. "
                "Update Wafa."
            )

    def _write_ahead(self) -> None:
        # SQLite does not wait here when another process makes, mends or closes the file at this moment.
        for _ in range(round(min(self._wait_seconds, MOST_SECONDS_TO_OPEN) / PAUSE_SECONDS)):
            try:
                self._sql.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
                time.sleep(PAUSE_SECONDS)
        self._sql.execute("PRAGMA journal_mode = WAL")

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
            yield
            self._sql.execute("COMMIT")
        except BaseException as error:
            if self._sql.in_transaction:  # a full disk may have undone it already
                self._sql.execute("ROLLBACK")
            told = self._told(error) if isinstance(error, sqlite3.DatabaseError) else error
            if told is error:
                raise
            raise told from None

    def _many(self, statement: str, rows: Iterable[Sequence[Any]]) -> int:
        # SQLite says -1 where nothing was given.
        return max(0, self._sql.executemany(statement, rows).rowcount)

    def frames(self, query: str, values: Sequence[Any], columns: Sequence[str]) -> Iterator[pd.DataFrame]:
        """The rows of ``query``, so many at a time that they fit into memory."""
        found = self._sql.execute(query, values)
        while rows := found.fetchmany(ROWS_AT_ONCE):
            yield pd.DataFrame(rows, columns=list(columns))
