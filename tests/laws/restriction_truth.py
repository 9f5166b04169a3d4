"""What a shop knows of its people, as plain objects: the rows of its files before anything is damaged.

Words are canonical here; ``"?"`` stands for a word that nobody knows. A time is ``None`` where a row has none.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

Period = tuple[date, date]


@dataclass(frozen=True)
class Snapshot:
    """One row of a customers file."""

    id: str
    address: str | None
    consent: str = "unknown"
    consent_at: datetime | None = None
    suppressed: bool | None = None
    reason: str = ""
    hold: bool | None = None
    born: int | None = None
    loaded_at: datetime | None = None
    updated_at: datetime | None = None
    period: Period | None = None
    """First and last day that the date in the file's name can mean."""


@dataclass(frozen=True)
class Consent:
    """One row of consent_events; a channel of ``None`` is a row that names none."""

    id: str | None
    address: str | None
    status: str
    at: datetime | None
    channel: str | None = None


@dataclass(frozen=True)
class Mail:
    """One row of email_events."""

    id: str | None
    address: str | None
    event: str
    at: datetime | None
    bounce: str = ""


@dataclass(frozen=True)
class Truth:
    """All that a shop and its files say about consent, before anything is damaged."""

    customers: tuple[Snapshot, ...] = ()
    consents: tuple[Consent, ...] = ()
    mails: tuple[Mail, ...] = ()
    merges: tuple[tuple[str, str], ...] = ()
    buyers: tuple[str, ...] = ()
    """Ids and addresses beside an order, for people whom no other log knows."""
    as_of: date = date(2025, 12, 30)
    min_age: int = 0
    suppressed: tuple[str, ...] = ()
    erased: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()

    def without(self, log: str) -> Truth:
        """The same shop where nobody exports the log of that field."""
        absent: dict[str, Any] = {log: ()}
        return replace(self, **absent)


@dataclass
class Person:
    """Accounts that became one, or an address that no account has."""

    name: str
    ids: set[str]
    addresses: set[str] = field(default_factory=set)
    rules: set[str] = field(default_factory=set)
