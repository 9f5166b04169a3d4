"""The contact ledger: who was chosen for which campaign, what became of it, and who asked to be left alone.

One SQLite file. Whatever decides about people happens in one transaction that holds the write lock from its first
statement, so that two exports at once cannot both take a person, and an opt-out either comes before an export has
read the opt-outs, or after that export is complete. SQLite keeps what happened; DuckDB decides (campaigns/caps.py).
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import pandas as pd

from campaigns.errors import ListError
from campaigns.ledger_file import ROWS_AT_ONCE
from campaigns.ledger_keys import LedgerKeys

__all__ = ["ROWS_AT_ONCE", "Ledger"]

_PAST = "campaign, person, inbox, list, as_of, list_id, grp, state, at, counts"


class Ledger(LedgerKeys):
    """The open ledger; close it by leaving its ``with``.

    Instants are microseconds UTC, persons and inboxes pseudonyms, costs minor units. Somebody chosen is reserved, then
    exported, then sent or failed where the platform tells; or skipped with a reason; or held out from the start.
    """

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

    def standing(self, name: str, as_of: str) -> Iterator[pd.DataFrame]:
        """What became of everybody in a run: person, grp, fate, and the reason where it is skipped."""
        query = (
            "SELECT person, grp, state, NULL FROM contacts WHERE list = ?1 AND as_of = ?2 AND state <> 'skipped' "
            "UNION ALL SELECT person, grp, 'skipped', reason FROM skips WHERE list = ?1 AND as_of = ?2"
        )
        return self.frames(query, (name, as_of), ("person", "grp", "fate", "reason"))

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
        if written != given:
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

    def exported_before(self, name: str, as_of: str) -> Iterator[pd.DataFrame]:
        """Who of a run left under an earlier approval than the one that holds, in the column ``person``."""
        query = (
            "SELECT person FROM contacts c JOIN runs r USING (list, as_of) WHERE list = ? AND as_of = ? "
            "AND state IN ('exported', 'sent', 'failed') "
            # Both: the same candidates may be approved again after others were.
            "AND (c.list_id <> r.list_id OR c.approved_at <> r.approved_at)"
        )
        return self.frames(query, (name, as_of), ("person",))

    def wrote(self, name: str, as_of: str, platform: str, files: str) -> None:
        """Write down a draft that takes its place after the commit; ``files`` is JSON: name and hash."""
        self._sql.execute(
            "INSERT OR REPLACE INTO exports SELECT list, as_of, ?, "
            "json_object('list_id', list_id, 'approved_at', approved_at, 'files', json(?)), 1 "
            "FROM runs WHERE list = ? AND as_of = ?",
            (platform, files, name, as_of),
        )

    def outdate(self, name: str, as_of: str) -> None:
        """Mark the files of a run that an earlier approval let leave: they are to be removed after the commit."""
        self._sql.execute(
            "UPDATE exports SET pending = 2 WHERE list = ?1 AND as_of = ?2 AND NOT EXISTS (SELECT 1 FROM runs r "
            "WHERE r.list = ?1 AND r.as_of = ?2 AND r.list_id = json_extract(files, '$.list_id') "
            "AND r.approved_at = json_extract(files, '$.approved_at'))",
            (name, as_of),
        )

    def outdated(self) -> list[tuple[str, str, str]]:
        """Exports (list, as_of, platform) whose files are to be removed."""
        query = "SELECT list, as_of, platform FROM exports WHERE pending = 2 ORDER BY 1, 2, 3"
        return [(row[0], row[1], row[2]) for row in self._sql.execute(query).fetchall()]

    def removed(self, name: str, as_of: str, platform: str) -> None:
        """Forget an export whose files are gone."""
        self._sql.execute("DELETE FROM exports WHERE list = ? AND as_of = ? AND platform = ?", (name, as_of, platform))

    def pending(self) -> list[tuple[str, str, str]]:
        """Exports (list, as_of, platform) that were committed and whose draft has not taken its place."""
        query = "SELECT list, as_of, platform FROM exports WHERE pending = 1 ORDER BY 1, 2, 3"
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
        rows = f"SELECT {_PAST} FROM contacts"
        query = (
            f"{rows} WHERE list = ? AND as_of = ? AND (state <> 'skipped' OR counts) "
            f"UNION {rows} WHERE campaign IN (SELECT campaign FROM temp.wanted) AND (state <> 'skipped' OR counts) "
            f"UNION {rows} WHERE counts AND as_of = ? UNION {rows} WHERE counts AND at > ? AND at < ?"
        )
        return self.frames(query, (name, as_of, as_of, at - within, at + within), _PAST.split(", "))

    def contacts_before(self, as_of: str) -> pd.DataFrame:
        """One row per message of a run before ``as_of``: customer_id, campaign, list, as_of; ordered by all four."""
        query = "SELECT person, campaign, list, as_of FROM contacts WHERE counts AND as_of < ? ORDER BY 1, 2, 3, 4"
        columns = ("customer_id", "campaign", "list", "as_of")
        found = list(self.frames(query, (as_of,), columns))
        return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=list(columns), dtype="str")

    def decided_by(self, logs: Iterable[str]) -> None:
        """Write down that these logs decided who may be written to."""
        self._many("INSERT INTO logs VALUES (?) ON CONFLICT DO NOTHING", ((log,) for log in logs))

    def logs(self) -> set[str]:
        """Every log that ever decided who may be written to."""
        return {row[0] for row in self._sql.execute("SELECT name FROM logs").fetchall()}

    def suppress(self, keys: Iterable[str], reason: str, noted_at: int) -> int:
        """Write down that these persons and inboxes get nothing from now on; how many are new."""
        with self.writing():
            rows = [(key, reason, noted_at) for key in sorted(set(keys))]
            return self._many("INSERT INTO suppressions VALUES (?, ?, ?) ON CONFLICT DO NOTHING", rows)

    def suppressed(self) -> Iterator[pd.DataFrame]:
        """The persons and inboxes that asked to be left alone, in the column ``key``."""
        return self.frames("SELECT key FROM suppressions ORDER BY 1", (), ("key",))

    def runs_of(self, keys: Collection[str]) -> list[tuple[str, str]]:
        """The runs (list, as_of) whose files name one of these persons, or somebody at one of these inboxes."""
        query = (
            "WITH wanted AS (SELECT value FROM json_each(?)) SELECT DISTINCT list, as_of FROM contacts "
            "WHERE state = 'exported' AND (person IN wanted OR inbox IN wanted) ORDER BY 1, 2"
        )
        return [(row[0], row[1]) for row in self._sql.execute(query, (json.dumps(sorted(keys)),)).fetchall()]

    def about(self, keys: Collection[str]) -> dict[str, list[dict[str, Any]]]:
        """Every row about these persons and inboxes, by table; for the answer the law owes them."""
        wanted = {"contacts": ("person", "inbox"), "skips": ("person",), "suppressions": ("key",)}
        told: dict[str, list[dict[str, Any]]] = {}
        marks = ", ".join("?" * len(keys))
        for table, columns in wanted.items():
            where = " OR ".join(f"{column} IN ({marks})" for column in columns)
            found = self._sql.execute(f"SELECT * FROM {table} WHERE {where}", sorted(keys) * len(columns))
            names = [column[0] for column in found.description]
            told[table] = sorted((dict(zip(names, row, strict=True)) for row in found.fetchall()), key=str)
        return told

    def in_files(self, name: str, as_of: str) -> Iterator[tuple[str, str]]:
        """Person and inbox of everybody whom the files of a run may name."""
        states = "('exported', 'sent', 'failed')"
        query = f"SELECT person, inbox FROM contacts WHERE list = ? AND as_of = ? AND state IN {states}"
        yield from self._sql.execute(query, (name, as_of))

    def forget(self, keys: Collection[str]) -> int:
        """Delete every row about these persons, and what is left of it in the file; how many rows.

        What somebody else was sent to one of these inboxes stays, and no longer says to which.
        """
        rows = [(key,) for key in sorted(set(keys))]
        with self.writing():
            gone = self._many("DELETE FROM contacts WHERE person = ?", rows)
            gone += self._many("DELETE FROM skips WHERE person = ?", rows)
            gone += self._many("DELETE FROM suppressions WHERE key = ?", rows)
            for (key,) in rows:
                self._leave(key)
            self._many("DELETE FROM old_tokens WHERE token = ?", rows)
        # What is deleted is overwritten (secure_delete); the log beside the file still has it.
        self._sql.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return gone

    def _leave(self, inbox: str) -> None:
        """Give the rows of an inbox that of their person alone."""
        statement = "SELECT rowid, person, list, campaign FROM contacts WHERE inbox = ?"
        for row, person, *where in self._sql.execute(statement, (inbox,)).fetchall():
            own = person
            try:
                self._sql.execute("UPDATE contacts SET inbox = ? WHERE rowid = ?", (own, row))
            except sqlite3.IntegrityError:
                # Two messages of one run: they went to two inboxes, and still have to.
                own = "a_" + hashlib.sha256(" ".join((person, *where)).encode()).hexdigest()[:24]
                self._sql.execute("UPDATE contacts SET inbox = ? WHERE rowid = ?", (own, row))
