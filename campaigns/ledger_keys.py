"""The key that made the pseudonyms of the contact ledger, and the change to those of another key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from campaigns.errors import StaleListError
from campaigns.ledger_file import WAIT_SECONDS, LedgerFile

_EVERY = (
    "SELECT person AS token FROM contacts UNION SELECT inbox FROM contacts UNION SELECT person FROM skips "
    "UNION SELECT key FROM suppressions"
)
_MOVES = (
    # Whoever has both pseudonyms was in one campaign twice: the message that counts stays.
    "DELETE FROM contacts WHERE NOT counts AND (campaign, person) IN "
    "(SELECT campaign, new FROM contacts JOIN temp.pairs ON person = old)",
    "UPDATE OR IGNORE contacts SET person = (SELECT new FROM temp.pairs WHERE old = person) "
    "WHERE person IN (SELECT old FROM temp.pairs)",
    "DELETE FROM contacts WHERE person IN (SELECT old FROM temp.pairs)",
    "UPDATE OR IGNORE contacts SET inbox = (SELECT new FROM temp.pairs WHERE old = inbox) "
    "WHERE inbox IN (SELECT old FROM temp.pairs)",
    # Where another message of the campaign or run went to that inbox, it is guarded by that one.
    "UPDATE contacts SET inbox = person WHERE inbox IN (SELECT old FROM temp.pairs)",
    "UPDATE OR REPLACE skips SET person = (SELECT new FROM temp.pairs WHERE old = person) "
    "WHERE person IN (SELECT old FROM temp.pairs)",
    "INSERT OR IGNORE INTO suppressions SELECT new, reason, noted_at FROM suppressions JOIN temp.pairs ON key = old",
    "DELETE FROM suppressions WHERE key IN (SELECT old FROM temp.pairs)",
    "DELETE FROM old_tokens WHERE token IN (SELECT old FROM temp.pairs)",
)


class LedgerKeys(LedgerFile):
    """The open file and its keys; with ``key``, a fingerprint, every transaction checks that it is still the one."""

    def __init__(
        self, path: Path, wait_seconds: float = WAIT_SECONDS, *, check: bool = True, key: str | None = None
    ) -> None:
        """As :class:`LedgerFile`."""
        self._key: str | None = None
        super().__init__(path, wait_seconds, check=check)
        self._key = key

    @contextmanager
    def writing(self) -> Iterator[None]:
        """As :meth:`LedgerFile.writing`.

        Raises:
            StaleListError: Another key than the one this was opened with made the pseudonyms.
        """
        with super().writing():
            if self._key is not None:
                if self.made_by() is None and self.is_empty():
                    self.adopt(self._key)
                if self.made_by() != self._key:
                    raise StaleListError(
                        f"{self.path.as_posix()} is of another key than a moment ago, so nothing was written. "
                        "Try again."
                    )
            yield

    def made_by(self) -> str | None:
        """The fingerprint of the key in use; None in a ledger without one."""
        row = self._sql.execute("SELECT fingerprint FROM key").fetchone()
        return None if row is None else str(row[0])

    def is_empty(self) -> bool:
        """Whether no pseudonym stands in it."""
        return self._sql.execute(f"SELECT 1 FROM ({_EVERY}) LIMIT 1").fetchone() is None

    def adopt(self, key: str) -> None:
        """Record that the key with the fingerprint ``key`` made every pseudonym not in old_tokens."""
        self._sql.execute("DELETE FROM key")
        self._sql.execute("INSERT INTO key VALUES (?)", (key,))

    def has_contacts(self) -> bool:
        """Whether anybody was ever approved."""
        return self._sql.execute("SELECT 1 FROM contacts LIMIT 1").fetchone() is not None

    def waiting(self) -> dict[str, set[str]]:
        """The pseudonyms that old keys made and that still stand here, by the fingerprint of their key."""
        found: dict[str, set[str]] = {}
        query = f"SELECT fingerprint, token FROM old_tokens WHERE token IN ({_EVERY})"
        if self._sql.execute("SELECT 1 FROM old_tokens LIMIT 1").fetchone():
            for key, token in self._sql.execute(query):
                found.setdefault(key, set()).add(token)
        return found

    def tokens(self) -> set[str]:
        """The pseudonyms that the key in use made."""
        query = f"SELECT token FROM ({_EVERY}) WHERE token NOT IN (SELECT token FROM old_tokens)"
        return {row[0] for row in self._sql.execute(query)}

    def rekey(self, key: str, pairs: Mapping[str, str]) -> None:
        """Make ``key`` the one in use, and change old pseudonyms to new ones; all of it or nothing.

        What ``pairs`` (old to new) do not name waits under the key that made it.
        """
        with self.writing():
            old = self.made_by()
            if old not in (None, key):
                self._sql.execute(
                    f"INSERT OR IGNORE INTO old_tokens SELECT token, ? FROM ({_EVERY}) WHERE token IS NOT NULL", (old,)
                )
            self.adopt(key)
            self._sql.execute("DELETE FROM old_tokens WHERE fingerprint = ?", (key,))
            self._move(pairs)

    def carry(self, pairs: Mapping[str, str]) -> None:
        """Change the old pseudonyms that ``pairs`` (old to new) name, in one transaction."""
        if pairs:
            with self.writing():
                self._move(pairs)

    def _move(self, pairs: Mapping[str, str]) -> None:
        self._sql.execute("CREATE TEMP TABLE IF NOT EXISTS pairs (old TEXT PRIMARY KEY, new TEXT NOT NULL)")
        self._sql.execute("DELETE FROM temp.pairs")
        self._many("INSERT INTO temp.pairs VALUES (?, ?)", pairs.items())
        for statement in _MOVES:
            self._sql.execute(statement)
