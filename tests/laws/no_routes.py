"""Every way in which somebody can say no: the log or command that holds it, and how it is spelt there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from sources.words import BOUNCE, CHANNEL, CONSENT, EVENT, EVERY, STATUS, Vocabulary

from .restriction_files import UNKNOWN_WORDS, Cell, Table
from .restriction_restyles import DRESSES

COLUMNS = {
    "customers": "customer_id email created_at email_consent email_consent_at suppressed suppressed_reason legal_hold "
    "updated_at",
    "consent_events": "customer_id email channel status occurred_at",
    "email_events": "message_id customer_id email event occurred_at bounce_type",
    "customer_merges": "from_id to_id merged_at",
    "orders": "order_id customer_id ordered_at revenue",
}
AGREED_AT, LATER = "2025-03-01T09:00:00Z", "2025-11-20T09:00:00Z"
TIMES = (LATER, "", AGREED_AT, "last week", "2025-02-30T10:00:00Z", "2039-05-01T00:00:00Z")
"""When a no was said: after the yes, nobody knows when, at its instant, unreadable, to come."""
CODED = 7919
"""Coprime to the size of every list here: walking by it meets each pair of words in turn."""


@dataclass(frozen=True)
class Person:
    """Somebody of the shop, and the names of another account that one route brings in."""

    id: str
    address: str
    other_id: str
    other_address: str


@dataclass
class Said:
    """A shop's files, and what its commands were told; ``spellings`` are the cells and texts that said a no."""

    tables: dict[str, Table]
    suppressed: list[str] = field(default_factory=list)
    pseudonyms: list[str] = field(default_factory=list)
    """Own ids of people who are suppressed by pseudonym."""
    erased: list[str] = field(default_factory=list)
    spellings: set[tuple[str, ...]] = field(default_factory=set)

    def add(self, file: str, **cells: Cell) -> list[Cell]:
        """A new row of a file, whose name begins with that of its log."""
        log = file.split("-")[0]
        if file not in self.tables:
            self.tables[file] = Table(log, f"{file}.csv", COLUMNS[log].split(), [])
        table = self.tables[file]
        if log == "email_events":
            cells.setdefault("message_id", f"m{len(table.rows)}x")
        row = [cells.get(name, "") for name in table.columns]
        table.rows.append(row)
        return row

    def change(self, person: Person, **cells: Cell) -> None:
        """Say something else in the row of a person in the first customers file."""
        table = self.tables["customers-2025-10"]
        row = next(row for row in table.rows if row[0] == person.id)
        for name, cell in cells.items():
            row[table.at(name)] = cell

    def spelt(self, *texts: Cell) -> None:
        """Remember how a no was spelt."""
        self.spellings.add(tuple(str(text) for text in texts))


Route = Callable[[Said, Person, int, Random], None]
"""Lets a person say no; the number of their turn chooses the words."""


def _spellings(vocabulary: Vocabulary, *words: str) -> list[str]:
    return [spelling for word in words for spelling in (word, *vocabulary.words[word])]


CONSENT_NOES = _spellings(CONSENT, "unsubscribed") + UNKNOWN_WORDS["email_consent"]
STATUS_NOES = [*_spellings(STATUS, "unsubscribed"), *UNKNOWN_WORDS["status"], ""]
ABOUT_LISTS = [*_spellings(CHANNEL, "email", EVERY, "profiling"), *UNKNOWN_WORDS["channel"], ""]
LEAVES = _spellings(EVENT, "Unsubscribed", "Email Marked as Spam")
BOUNCES = _spellings(EVENT, "Email Bounced")
HARD = _spellings(BOUNCE, "hard") + UNKNOWN_WORDS["bounce_type"]
FLAGS = ["true", "1", "yes", "t", "y", "x", "on", "jein", "see ticket", "?"]
REASONS = ["asked by phone", "GDPR", "bounced twice", "x", "unknown", "1"]

ADDRESSES = (
    "{address}", "{ADDRESS}", " {address}  ", "Anna K <{address}>", '"K, Anna" <{ADDRESS}>', "<{address}>",
    "mailto:{address}", "MAILTO:{ADDRESS}?subject=stop", "{address},", "{address};", "\u200b{address}\ufeff",
    "'{address}'",
)  # fmt: skip
IDS = ("{id}", " {id} ", "{id}\u200b", "'{id}'", '"{id}"', "\t{id}", "\ufeff{id}")
PASTED_ADDRESSES = (
    *ADDRESSES, "{address}.", '"{address}"', "\u2018{address}\u2019", "{address} <{ADDRESS}>", "{address} (Anna)",
    "<mailto:{address}>", "{wide}", "{escaped}", "mailto:{escaped}?cc=nobody@elsewhere.example", "{address}\n",
    "{address}, {ADDRESS}", "stranger@elsewhere.example; {address}",
)  # fmt: skip
PASTED_IDS = ("{id}", " {id} ", "{id},", '"{id}"', "{id}\u200b", "{id}\n", "({id})")


def filled(form: str, person: Person) -> str:
    """``form`` with the names of ``person`` in it."""
    return form.format(
        id=person.id,
        address=person.address,
        ADDRESS=person.address.upper(),
        wide=person.address.replace("@", "\uff20"),
        escaped=person.address.replace("@", "%40"),
    )


def _pair(first: Sequence[str], second: Sequence[str], turn: int) -> tuple[str, str]:
    one, two = divmod(turn * CODED % (len(first) * len(second)), len(second))
    return first[one], second[two]


def _dressed(text: str, rng: Random) -> str:
    return rng.choice(DRESSES)(text, rng) if text else ""


def _state(column: str, words: Sequence[str], place: str) -> Route:
    """A word in a column of a customers file: the one there is, a newer row of it, or the next month's file."""

    def say(said: Said, person: Person, turn: int, rng: Random) -> None:
        word = _dressed(words[turn % len(words)], rng)
        said.spelt(place, column, word)
        cells: dict[str, Cell] = {column: word}
        if column == "email_consent":
            cells["email_consent_at"] = rng.choice(TIMES)
        if place == "the row":
            said.change(person, **cells)
            return
        file, at = (
            ("customers-2025-10", LATER) if place == "a newer row" else ("customers-2025-11", rng.choice([LATER, ""]))
        )
        agreed: dict[str, Cell] = {"email_consent": "subscribed", "email_consent_at": AGREED_AT, "updated_at": at}
        said.add(file, customer_id=person.id, email=person.address, created_at=AGREED_AT, **(agreed | cells))

    return say


def _consent(forms: Sequence[str], column: str) -> Route:
    def say(said: Said, person: Person, turn: int, rng: Random) -> None:
        status, channel = (_dressed(word, rng) for word in _pair(STATUS_NOES, ABOUT_LISTS, turn))
        name = rng.choice(forms)
        said.spelt("consent_events", status, channel, name)
        said.add(
            "consent_events",
            **{column: filled(name, person)},
            status=status,
            channel=channel,
            occurred_at=TIMES[turn % len(TIMES)],
        )

    return say


def _mail(forms: Sequence[str], column: str, events: Sequence[str], bounces: Sequence[str] = ("",)) -> Route:
    def say(said: Said, person: Person, turn: int, rng: Random) -> None:
        event, bounce = (_dressed(word, rng) for word in _pair(events, bounces, turn))
        name = rng.choice(forms)
        said.spelt("email_events", event, bounce, name)
        said.add(
            "email_events",
            **{column: filled(name, person)},
            event=event,
            bounce_type=bounce,
            occurred_at=TIMES[turn % len(TIMES)],
        )

    return say


def _damaged(log: str) -> Route:
    """A line that lost cells, has too many, or holds bytes that are no text; its words may say anything."""

    def say(said: Said, person: Person, turn: int, rng: Random) -> None:
        name: dict[str, Cell] = rng.choice([{"customer_id": person.id}, {"email": person.address}])
        word = rng.choice(["unsubscribed", "Unsubscribed", "no"])
        if log == "customers":
            cells: dict[str, Cell] = {"customer_id": person.id, "email": person.address, "email_consent": word}
            row = said.add("customers-2025-11", **cells)
        else:
            row = said.add(log, **name, **{"status" if log == "consent_events" else "event": word}, occurred_at=LATER)
        kind = turn % 4
        if kind == 0:
            del row[3:]
        elif kind == 1:
            row[rng.randint(3, len(row)) :] = ["x", "y", *row[3:]]
        else:
            at = row.index(word)
            row[at] = word[:2].encode() + (b"\x00" if kind == 2 else b"\xff") + word[2:].encode()
        said.spelt("damaged", log, f"{kind}", word)

    return say


SIMPLE: tuple[Route, ...] = (
    _consent(("{id}",), "customer_id"),
    _mail(("{id}",), "customer_id", LEAVES),
    _state("suppressed", FLAGS, "a newer row"),
    _state("legal_hold", FLAGS, "a newer row"),
)


def _as_other(person: Person, address: str) -> Person:
    return Person(person.other_id, address, "", "")


def _merged(said: Said, person: Person, turn: int, rng: Random) -> None:
    """Another account says no, and becomes one with theirs, under its own id or theirs."""
    SIMPLE[turn % len(SIMPLE)](said, _as_other(person, person.other_address), turn, rng)
    pair = [person.other_id, person.id][:: rng.choice([1, -1])]
    said.add("customer_merges", from_id=pair[0], to_id=pair[1], merged_at="2025-11-21T10:00:00Z")


def _same_inbox(said: Said, person: Person, turn: int, rng: Random) -> None:
    """Another account moves to their inbox, and says no."""
    other = _as_other(person, person.address)
    moved: dict[str, Cell] = {"created_at": AGREED_AT, "updated_at": "2025-11-01T00:00:00Z"}
    said.add("customers-2025-10", customer_id=other.id, email=person.address, **moved)
    SIMPLE[turn % len(SIMPLE)](said, other, turn, rng)


def _pasted(forms: Sequence[str]) -> Route:
    def say(said: Said, person: Person, turn: int, rng: Random) -> None:
        form = forms[turn % len(forms)]
        said.spelt("suppress", form)
        said.suppressed.append(filled(form, person))

    return say


def _by_pseudonym(said: Said, person: Person, turn: int, rng: Random) -> None:
    said.pseudonyms.append(person.id)


def _other_account(said: Said, person: Person, turn: int, rng: Random) -> None:
    said.suppressed.append(person.other_id)


def _former_address(said: Said, person: Person, turn: int, rng: Random) -> None:
    said.suppressed.append(person.other_address)


def _event_at_former_address(said: Said, person: Person, turn: int, rng: Random) -> None:
    former = Person("", person.other_address, "", "")
    rng.choice([_consent(ADDRESSES, "email"), _mail(ADDRESSES, "email", LEAVES)])(said, former, turn, rng)


def _erased(said: Said, person: Person, turn: int, rng: Random) -> None:
    said.erased.append(person.id)


SUPPRESS: dict[str, Route] = {
    "suppress, an address": _pasted(PASTED_ADDRESSES),
    "suppress, an id": _pasted(PASTED_IDS),
    "suppress, a pseudonym": _by_pseudonym,
    "suppress, an account merged before": _other_account,
    "suppress, an account at the inbox": _other_account,
    "suppress, a former address": _former_address,
}
FILES: dict[str, Route] = {
    **{f"consent word, {place}": _state("email_consent", CONSENT_NOES, place) for place in ("the row", "a newer row")},
    "consent word, a newer file": _state("email_consent", CONSENT_NOES, "a newer file"),
    "suppressed, the row": _state("suppressed", FLAGS, "the row"),
    "suppressed, a newer file": _state("suppressed", FLAGS, "a newer file"),
    "reason alone, the row": _state("suppressed_reason", REASONS, "the row"),
    "reason alone, a newer file": _state("suppressed_reason", REASONS, "a newer file"),
    "legal hold, the row": _state("legal_hold", FLAGS, "the row"),
    "legal hold, a newer file": _state("legal_hold", FLAGS, "a newer file"),
    **{f"consent_events by id, {n}": _consent(IDS, "customer_id") for n in (1, 2, 3)},
    **{f"consent_events by address, {n}": _consent(ADDRESSES, "email") for n in (1, 2, 3)},
    "email_events by id": _mail(IDS, "customer_id", LEAVES),
    "email_events by address": _mail(ADDRESSES, "email", LEAVES),
    "hard bounce by id": _mail(IDS, "customer_id", BOUNCES, HARD),
    "hard bounce by address": _mail(ADDRESSES, "email", BOUNCES, HARD),
    "unknown event": _mail(("{id}", "{id} "), "customer_id", UNKNOWN_WORDS["event"]),
    "unknown event by address": _mail(ADDRESSES, "email", UNKNOWN_WORDS["event"]),
    **{f"damaged {log}": _damaged(log) for log in ("customers", "consent_events", "email_events")},
    "merged account": _merged,
    "account at the inbox": _same_inbox,
    "events at a former address": _event_at_former_address,
}
ERASED: dict[str, Route] = {"erased.txt": _erased}
ROUTES = FILES | SUPPRESS | ERASED
