"""A shop where everybody has agreed and is listed, until all but a few say no, each by a route of their own."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

from pipeline.intake import reading
from pipeline.project import datasets, settings
from pipeline.sending import approve_lists, export_list, live_facts, suppress

from .no_routes import AGREED_AT, Person, Route, Said
from .restriction_files import Files
from .restriction_shop import LIST, vault_rows, write_list, write_params

AS_OF = "2025-12-30"
PLATFORMS = ("neutral", "klaviyo", "mailchimp")
"""The first names people by id and address, the others by address alone."""
SILENT = 30
"""People who never say no, and must be in every file."""


class Shop:
    """The project in the present folder; ``name`` of the moment at which they say no, for the count."""

    def __init__(self, number: int, routes: Mapping[str, Route], people: int) -> None:
        self.number, self.routes, self.rng = number, routes, Random(number)
        self.said = Said({})
        self.have_spoken, self.leaked = False, set[Person]()
        form = ("k{}", "{}")[number % 2]
        everybody = [
            Person(
                form.format(100_003 + 7 * n), f"p{n:04}@x.example", form.format(500_003 + 7 * n), f"q{n:04}@x.example"
            )
            for n in range(people + SILENT)
        ]
        self.silent = everybody[people:]
        names = list(routes)
        self.route_of = {person: names[n % len(names)] for n, person in enumerate(everybody[:people])}
        for person in everybody:
            self._agree(person)
        self.said.add("email_events", customer_id=self.silent[0].id, event="Email Opened", occurred_at=AGREED_AT)
        self.s = self._begin()

    def _agree(self, person: Person) -> None:
        """What the files say of somebody who may be written to, and of the other account of some."""
        said, route = self.said, self.route_of.get(person, "")
        row = {"created_at": "2024-01-05T10:00:00Z", "updated_at": "2025-10-20T06:00:00Z"}
        yes = {"email_consent": "subscribed", "email_consent_at": AGREED_AT}
        said.add("customers-2025-10", customer_id=person.id, email=person.address, **row, **yes)
        said.add("consent_events", customer_id=person.id, channel="email", status="subscribed", occurred_at=AGREED_AT)
        order = {"ordered_at": "2025-08-01T10:00:00Z", "revenue": "25.00"}
        said.add("orders", order_id=f"o{person.id}", customer_id=person.id, **order)
        if route in {"merged account", "suppress, an account merged before"}:
            said.add("customers-2025-10", customer_id=person.other_id, email=person.other_address, **row)
        if route == "suppress, an account merged before":
            said.add("customer_merges", from_id=person.other_id, to_id=person.id, merged_at=AGREED_AT)
        if route == "suppress, an account at the inbox":
            said.add("customers-2025-10", customer_id=person.other_id, email=person.address, **row)
        if route.endswith("a former address"):
            old = row | {"updated_at": "2025-09-20T06:00:00Z"}
            said.add("customers-2025-09", customer_id=person.id, email=person.other_address, **old, **yes)

    def _begin(self) -> settings.Settings:
        logs = {log: {"file": f"{log}*.csv"} for log in {table.log for table in self.said.tables.values()}}
        # One that first appears with a no is declared from the start, as a shop would.
        sources = {"key_id": "demo", "currency": "EUR", "complete_until": AS_OF, "logs": logs, "own_logs": {}}
        write_params(sources, {"as_of": AS_OF})
        return settings.load()

    def ingest(self) -> None:
        """Write the files as they are now, and read them."""
        Files(list(self.said.tables.values()), {}).write(Path("files"))
        reading.run(self.s, datasets.EVENTS)

    def build(self) -> None:
        """The list of everybody, without the other accounts of some."""
        write_list(self.s, AS_OF, {person.id for person in (*self.route_of, *self.silent)})

    def approve(self) -> None:
        """Approve the list as it is built."""
        approve_lists.approve(self.s, LIST, self.s.instant(AS_OF), live_facts.checked(self.s, None))

    def export(self, *platforms: str) -> None:
        """Export the list for each of these platforms."""
        for platform in platforms:
            export_list.export(self.s, LIST, platform, self.s.instant(AS_OF), live_facts.checked(self.s, None))
            if self.have_spoken:  # the next export could call back whom this one let through
                self.leaked |= set(self.named())

    # Saying no

    def speak(self) -> None:
        """Let everybody say no in files that nobody has read yet, or in what is to be told to a command."""
        turns: Counter[str] = Counter()
        names = list(self.routes)
        for person, route in self.route_of.items():
            per_shop = len(self.route_of) // len(names) + 1
            turn = self.number * per_shop + turns[route] + 101 * names.index(route)
            self.routes[route](self.said, person, turn, self.rng)
            turns[route] += 1
        self.pseudonym = dict(zip(vault_rows()["shop_id"], vault_rows()["customer_id"], strict=True))

    def pasted(self) -> list[str]:
        """Whom `wafa suppress` is told."""
        given = [self.pseudonym[one] for one in self.said.pseudonyms]
        return self.said.suppressed + [one.upper() if n % 2 else one for n, one in enumerate(given)]

    def suppress(self, *texts: str) -> list[str]:
        """Call `wafa suppress` once for all of ``texts``."""
        return suppress.suppress(self.s, texts, "opt_out", 0)

    def suppress_all(self) -> None:
        """Call it for everybody, some of them together."""
        texts = self.pasted()
        while texts:
            at_once = self.rng.choice([1, 1, 1, 5])
            self.suppress(*texts[:at_once])
            del texts[:at_once]

    def entomb(self) -> None:
        """Write those who were erased into erased.txt."""
        if self.said.erased:
            words = [f"{self.pseudonym[one]}  # asked by letter\n" for one in self.said.erased]
            datasets.ERASED.write_text("".join(words))

    def say_no(self) -> None:
        """Everybody says no: the files are read again, and the commands are called."""
        self.speak()
        early = self.number % 2 == 0
        if early:
            self.entomb()
        self.ingest()
        self.suppress_all()
        if not early:
            self.entomb()
        self.have_spoken = True

    def in_another_thread(self, pool: ThreadPoolExecutor) -> Future[list[str]]:
        """Call `wafa suppress` while this thread goes on."""
        return pool.submit(self.suppress, *self.pasted())

    # What leaves

    def named(self) -> list[Person]:
        """Who says no at some time and is named in a file to upload."""
        named = set[str]().union(*(_cells(path) for path in uploads()))
        return [person for person in self.route_of if {person.id, person.address} & named]

    def assert_complete(self, *, with_all: bool = False) -> None:
        """Each platform's file names whoever never says no, and ``with_all`` everybody."""
        people = {*self.silent, *(self.route_of if with_all else ())}
        for platform in PLATFORMS:
            named = set[str]().union(*(_cells(path) for path in uploads(platform)))
            assert {person.address for person in people} <= named, platform

    def assert_suppress_file(self) -> None:
        """Each platform's suppress file names everybody who said no."""
        for platform in PLATFORMS:
            named = _cells(_folder(platform) / f"{LIST}.suppress.csv")
            assert {person.address for person in self.route_of} <= named, platform


def _folder(platform: str) -> Path:
    return datasets.OUTBOX / LIST / AS_OF / platform


def uploads(platform: str = "*") -> list[Path]:
    """Every file to upload that names whom to write to, drafts too."""
    found = [path for path in datasets.OUTBOX.rglob("*.csv") if ".suppress" not in path.name]
    return [path for path in found if platform in {"*", path.parent.name}]


def _cells(path: Path) -> set[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {cell.strip().lower() for row in csv.reader(file) for cell in row}


def count(report: Counter[tuple[str, str, str]], moment: str, shop: Shop) -> list[str]:
    """Count who said no at ``moment`` and who is in a file all the same; the latter, by route and how they spoke."""
    leaked = shop.leaked.union(shop.named())
    for person, route in shop.route_of.items():
        report[moment, route, "noes"] += 1
        report[moment, route, "leaks"] += person in leaked
    return [
        f"shop {shop.number}, {moment}: {shop.route_of[person]} {_rows(shop.said, person)}"
        for person in sorted(leaked, key=str)
    ]


def _rows(said: Said, person: Person) -> Any:
    """What the files and commands say of somebody, of a failed case."""
    names = (person.id, person.address, person.other_id)
    rows = [row for table in said.tables.values() if table.log != "orders" for row in table.rows]
    told = [text for text in said.suppressed if any(name in text.lower() for name in names)]
    return [row for row in rows if any(name in str(cell).lower() for cell in row for name in names)] + told
