"""Damage to the rows of a shop's files, kind by kind, and whom each kind could touch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from .restriction_files import UNKNOWN_WORDS, Cell, Files, Table
from .restriction_reference import people
from .restriction_restyles import RESTYLES
from .restriction_truth import Truth
from .restriction_worlds import World

LOGS = ("customers", "consent_events", "email_events", "customer_merges")
EVENTS = ("consent_events", "email_events")
IDS = ("customer_id", "from_id", "to_id")
WORDS = ("status", "event", "email_consent", "bounce_type", "channel")
FLAGS = ("suppressed", "legal_hold")
HARMLESS_WORDS = {"Email Delivered", "Email Opened", "Email Link Clicked", "subscribed"}
INVISIBLE = ["\u200b", "\u200d", "\ufeff", "\u2060", "\u00ad"]
CONTROL = [b"\x00", b"\x01", b"\x07", b"\x1b", b"\x7f"]
NOT_UTF8 = [b"\xff", b"\xc3", b"\xe9", b"\xa0", b"\xf0\x9f"]
TIMES = ("occurred_at", "email_consent_at", "merged_at")
_STATES = ("loaded_at", "updated_at")
_DATED = (*TIMES, *_STATES)

OPPOSITE = {
    "status": {"subscribed": "unsubscribed", "unsubscribed": "subscribed"},
    "email_consent": {"subscribed": "unsubscribed", "unsubscribed": "subscribed"},
    "suppressed": {"true": "false"},
    "legal_hold": {"true": "false"},
}

Change = Callable[[Table, list[Cell], Random], None]


@dataclass(frozen=True)
class Kind:
    """A kind of damage to one row, done in place."""

    name: str
    change: Change
    columns: tuple[str, ...] = ()
    """One of these cells, if it is filled, is what it damages; none: the whole line."""
    logs: tuple[str, ...] = LOGS
    nameless: bool = False
    """Whether the row may then name nobody who can be read, so that the whole export may be refused."""


@dataclass
class Mutated:
    """A damaged shop: its files, what is still true, and whom each kind could touch."""

    files: Files
    truth: Truth
    touched: dict[str, set[str]] = field(default_factory=dict)
    """Kind → people, by the names that the reference gives them."""
    nameless: bool = False


def _cell(columns: tuple[str, ...], new: Callable[[str, Random], Cell]) -> Change:
    """A change of one filled cell of these columns."""

    def change(table: Table, row: list[Cell], rng: Random) -> None:
        at = rng.choice(filled(table, row, columns))
        cell = row[at]
        assert isinstance(cell, str)
        row[at] = new(cell, rng)

    return change


def filled(table: Table, row: list[Cell], columns: tuple[str, ...]) -> list[int]:
    """Where ``row`` says something in one of ``columns``."""
    return [table.at(name) for name in columns if name in table.columns and row[table.at(name)]]


def _inside(marks: list[bytes]) -> Callable[[str, Random], Cell]:
    def new(cell: str, rng: Random) -> Cell:
        at = rng.randint(0, len(cell))
        return cell[:at].encode() + rng.choice(marks) + cell[at:].encode()

    return new


def _one_of(*forms: str) -> Callable[[str, Random], Cell]:
    return lambda cell, rng: rng.choice(forms).format(cell)


def _zero_width(cell: str, rng: Random) -> Cell:
    at = rng.randint(0, len(cell))
    return cell[:at] + rng.choice(INVISIBLE) + cell[at:]


def _date(cell: str, rng: Random) -> Cell:
    """The day of a time, of the shop's time zone as every date without a time."""
    return datetime.fromisoformat(cell).astimezone(ZoneInfo("Europe/Berlin")).date().isoformat()


def _misspelt(cell: str, rng: Random) -> Cell:
    """One letter more, less or another; never a digit, so that no word or flag becomes its opposite."""
    at = rng.randrange(len(cell))
    return rng.choice(
        [cell[:at] + "x" + cell[at:], cell[:at] + "x" + cell[at + 1 :], cell[:at] + cell[at + 1 :] if cell[2:] else "x"]
    )


def _unknown_word(table: Table, row: list[Cell], rng: Random) -> None:
    at = rng.choice(filled(table, row, WORDS))
    row[at] = rng.choice(UNKNOWN_WORDS[table.columns[at]])


def _new_id(table: Table, row: list[Cell], rng: Random) -> None:
    """The id is lost, the address beside it is not."""
    row[table.at("customer_id")] = ""


def place(table: Table, row: list[Cell]) -> int:
    """Where this very row stands in its file."""
    return next(n for n, other in enumerate(table.rows) if other is row)


def _cut(table: Table, row: list[Cell], rng: Random) -> None:
    del row[rng.randint(1, len(row) - 1) :]


def _cut_in_a_cell(table: Table, row: list[Cell], rng: Random) -> None:
    _cut(table, row, rng)
    row[-1] = str(row[-1])[: len(str(row[-1])) // 2]


def _more_cells(table: Table, row: list[Cell], rng: Random) -> None:
    at = rng.randint(0, len(row))
    row[at:at] = rng.sample(["", "x", "2025-01-01T00:00:00Z", "true"], rng.randint(1, 3))


def _lost_newline(table: Table, row: list[Cell], rng: Random) -> None:
    """The next line begins where this one should end."""
    at = place(table, row) + 1
    if at < len(table.rows):
        following = table.rows.pop(at)
        row[-1:] = [f"{row[-1]!s}{following[0]!s}", *following[1:]]


def _open_quote(table: Table, row: list[Cell], rng: Random) -> None:
    """A quote that nothing closes swallows the rest of the file."""
    at = rng.randrange(len(row))
    row[at] = b'"' + str(row[at]).encode()


def _contradicted(table: Table, row: list[Cell], rng: Random) -> None:
    """A second row that says the opposite of every word of this one, at the same time."""
    other = list(row)
    for name, words in OPPOSITE.items():
        if name in table.columns:
            other[table.at(name)] = words.get(str(row[table.at(name)]), row[table.at(name)])
    if table.log == "customers" and row[table.at("suppressed_reason")]:
        other[table.at("suppressed")], other[table.at("suppressed_reason")] = "false", ""
    if table.log == "customers" and other[table.at("email_consent")] == "unsubscribed":
        other[table.at("email_consent_at")] = ""
    table.rows.insert(place(table, row) + rng.randint(0, 1), other)


SEVERAL_ROWS: dict[Change, int] = {_lost_newline: 2, _open_quote: 1_000_000}
"""So many rows from the one that is damaged on may be lost with it."""

ADDRESS = ("email",)
NAMES = (*IDS, *ADDRESS)
KINDS = [
    Kind("control character in a name", _cell(NAMES, _inside(CONTROL)), NAMES),
    Kind("control character in a word", _cell(WORDS + FLAGS, _inside(CONTROL)), WORDS + FLAGS),
    Kind("invalid UTF-8 in a name", _cell(NAMES, _inside(NOT_UTF8)), NAMES, nameless=True),
    Kind("invalid UTF-8 in a word", _cell(WORDS + FLAGS, _inside(NOT_UTF8)), WORDS + FLAGS),
    Kind("invalid UTF-8 in a time", _cell(TIMES, _inside(NOT_UTF8)), TIMES),
    Kind("quotes around a name", _cell(NAMES, _one_of('"{}"', "'{}'", "“{}”", '{}"')), NAMES),
    Kind("a quote after a name", _cell(NAMES, lambda cell, rng: cell.encode() + b'"'), NAMES),
    Kind("blanks around a name", _cell(NAMES, _one_of(" {}", "{} ", "\t{}", "\u00a0{}\u3000", "{}\r\n")), NAMES),
    Kind("zero width in a name", _cell(NAMES, _zero_width), NAMES),
    Kind("an id as a decimal", _cell(IDS, lambda cell, rng: f"{cell}.0" if cell.isdigit() else f" {cell}"), IDS),
    Kind("an address with its name", _cell(ADDRESS, _one_of("Anna <{}>", '"Li, Anna" <{}>', "<{}>")), ADDRESS),
    Kind("an address as a link", _cell(ADDRESS, _one_of("mailto:{}", "MAILTO:{}", "mailto:{}?subject=x")), ADDRESS),
    Kind("an address in capitals", _cell(ADDRESS, lambda cell, rng: cell.upper()), ADDRESS),
    Kind("an address with an end", _cell(ADDRESS, _one_of("{},", "{};", "{}.", "{}, ")), ADDRESS),
    Kind(
        "an address without its sign", _cell(ADDRESS, lambda cell, rng: cell.replace("@", "")), ADDRESS, nameless=True
    ),
    Kind("an id is empty", _new_id, ("customer_id",), nameless=True),
    Kind("a word is misspelt", _cell(WORDS + FLAGS, _misspelt), WORDS + FLAGS),
    Kind("a word nobody knows", _unknown_word, WORDS),
    Kind("a flag in other words", _cell(FLAGS, _one_of("jein", "see ticket", "?")), FLAGS),
    Kind("a required word is empty", _cell(("status", "event"), lambda cell, rng: ""), ("status", "event"), EVENTS),
    Kind("a time is empty", _cell(TIMES, lambda cell, rng: ""), TIMES),
    Kind(
        "a time is unparsable", _cell(TIMES, _one_of("yesterday", "32.13.2025", "{}x", "2025-02-30T10:00:00Z")), TIMES
    ),
    Kind("a time is implausible", _cell(TIMES, _one_of("0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z")), TIMES),
    Kind("a time is to come", _cell(TIMES, _one_of("2039-05-01T00:00:00Z", "9999-12-31T23:59:59Z")), TIMES),
    Kind("a time is a date", _cell(_DATED, _date), _DATED),
    Kind("a state's time is unparsable", _cell(_STATES, _one_of("x{}")), _STATES),
    Kind("cells are missing", _cut, nameless=True),
    Kind("cut in a cell", _cut_in_a_cell, nameless=True),
    Kind("cells too many", _more_cells),
    Kind("a newline is lost", _lost_newline, nameless=True),
    Kind("an open quote", _open_quote, nameless=True),
    Kind("contradicted", _contradicted, logs=("customers", "consent_events")),
]
BY_NAME = {kind.name: kind for kind in KINDS}


def reached(truth: Truth, names: set[str]) -> set[str]:
    """Whoever is one of ``names`` or reads an inbox with one of them, accounts merged with theirs included."""
    everybody = people(truth)
    named = [person for person in everybody if (person.ids | person.addresses) & names]
    inboxes = set[str]().union(*(person.addresses for person in named))
    return {person.name for person in everybody if person in named or person.addresses & inboxes}


def _tells(table: Table, row: list[Cell]) -> bool:
    """Whether a row says a no of some kind."""
    if table.log == "customers":
        cells = [row[table.at(name)] for name in ("suppressed", "suppressed_reason", "legal_hold")]
        return any(cells) or row[table.at("email_consent")] != "subscribed"
    return not HARMLESS_WORDS & {cell for cell in row if isinstance(cell, str)}


def damage(world: World, kinds: list[Kind], rng: Random, rows: int) -> Mutated:
    """The files of ``world`` with so many rows damaged by each of ``kinds``, no row twice."""
    files = world.files.copied()
    mutated = Mutated(files, world.truth, nameless=any(kind.nameless for kind in kinds))
    free = [(table, row) for log in LOGS for table in files.of(log) for row in table.rows]
    names = {id(row): {cell for cell in row if isinstance(cell, str)} for _, row in free}
    rng.shuffle(free)
    free.sort(key=lambda spot: rng.random() < 0.3 or not _tells(*spot))
    for kind in sorted(rng.sample(kinds, len(kinds)), key=lambda kind: kind.change in SEVERAL_ROWS):
        fits = [spot for spot in free if spot[0].log in kind.logs and (not kind.columns or filled(*spot, kind.columns))]
        if kind.change is _open_quote:
            fits = [spot for spot in fits if any(row is spot[1] for row in spot[0].rows[-25:])]
        touched: set[str] = set()
        for table, row in _spread(fits, rows):
            if not any(other is row for other in table.rows):  # it became a part of the line before
                continue
            later = table.rows[place(table, row) :][: SEVERAL_ROWS.get(kind.change, 1)]
            touched = touched.union(*(names[id(other)] for other in later))
            for other in later:
                names.setdefault(id(row), set()).update(names[id(other)])
            kind.change(table, row, rng)
            free = [spot for spot in free if spot[1] is not row]
        mutated.touched[kind.name] = reached(world.truth, touched)
    return mutated


def _spread(fits: list[Any], rows: int) -> list[Any]:
    """So many rows, from every log in turn."""
    logs: dict[str, list[Any]] = {}
    for spot in fits:
        logs.setdefault(spot[0].log, []).append(spot)
    turns = [spots[n] for n in range(rows) for spots in logs.values() if n < len(spots)]
    return turns[:rows]


def restyle(world: World, rng: Random) -> Mutated:
    """The same shop by other means: nobody's answer may change."""
    files = world.files.copied()
    for change in RESTYLES.values():
        change(files, rng)
    return Mutated(files, world.truth)


def without(world: World, log: str) -> Mutated:
    """The shop that does not export ``log``: what it said is not true of this shop either."""
    files = world.files.copied()
    files.tables = [table for table in files.tables if table.log != log]
    files.sources["logs"].pop(log, None)
    names = {"consent_events": "consents", "email_events": "mails", "customer_merges": "merges"}
    return Mutated(files, world.truth.without(names[log]))
