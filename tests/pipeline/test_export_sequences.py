"""Random lives of a shop: score, list, export, opt-out, merge, move, erase and kill, against a slow count by hand."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from campaigns import ListError
from campaigns.ledger import Ledger
from pipeline.project import datasets
from pipeline.sending.live_facts import Places
from tests.pipeline.live_shop import Shop, addresses, inbox, person, settings
from tests.pipeline.steps import at_steps
from timeline import DAY_US, format_date, parse_date

PEOPLE = 8
LISTS = {"win_back": 14, "at_risk": 7, "loyalty": 5}
QUIET_DAYS, CAP, CAP_DAYS = 2, 2, 12
START = parse_date("2026-01-01", "UTC")


def params() -> Any:
    often = {"quiet_days": QUIET_DAYS, "frequency_cap": CAP, "frequency_days": CAP_DAYS}
    lists = {name: {"every_days": days} for name, days in LISTS.items()}
    return settings(guards=often, lists=lists, suppression_max_age_hours=24 * 365)


class Killed(BaseException):
    """The process ends here; what it left on disk was copied just before."""


@dataclass
class Sent:
    """A message that somebody found in a file for the first time."""

    number: int
    address: int
    campaign: str
    name: str
    day: str


@dataclass
class Life:
    """One shop, and what a careful person would have written down beside it."""

    shop: Shop
    rng: random.Random
    day: int = 0
    sent: list[Sent] = field(default_factory=list)
    silenced: set[int] = field(default_factory=set)
    silenced_addresses: set[int] = field(default_factory=set)
    erased: set[int] = field(default_factory=set)
    became: dict[int, int] = field(default_factory=dict)
    treat: dict[tuple[str, str], set[int]] = field(default_factory=dict)
    held: dict[str, set[int]] = field(default_factory=dict)
    seen: dict[tuple[str, str], set[int]] = field(default_factory=dict)
    trials: int = 0
    last: str = "win_back"

    def today(self) -> str:
        return format_date(START + self.day * DAY_US, "UTC")

    def now(self, number: int) -> int:
        """Who somebody is today."""
        while number in self.became:
            number = self.became[number]
        return number

    # What happens

    def some_list(self) -> str:
        """Mostly the list that was built last."""
        return self.last if self.rng.random() < 0.8 else self.rng.choice(list(LISTS))

    def build(self) -> None:
        self.day += self.rng.choice((0, 0, 1, 2, 5))
        name = self.last = self.rng.choice(list(LISTS))
        living = [n for n in self.shop.address if n not in self.erased]
        chosen = self.rng.sample(living, min(len(living), self.rng.randint(2, 6)))
        start = self.day - self.day % LISTS[name]
        campaign = f"{name}-{format_date(START + start * DAY_US, 'UTC')}"
        # Held out by lot once per campaign, as build_lists does; a new one only among those not yet chosen.
        held = {n for n in chosen if n in self.held.get(campaign, set()) or self.rng.random() < 0.1}
        treat = [n for n in chosen if n not in held]
        self.shop.build(name, self.today(), treat, sorted(held), campaign)
        self.treat[name, self.today()] = set(treat)

    def approve(self) -> None:
        name = self.some_list()
        if (self.shop.places.lists / name).is_dir():
            self.shop.approve(params(), name)

    def export(self) -> None:
        name = self.some_list()
        if not (self.shop.places.lists / name).is_dir():
            return
        try:
            exported = self.shop.export(params(), name, self.rng.choice(("neutral", "neutral", "parquet")))
        except ListError as error:
            assert "approve" in str(error), error  # noqa: PT017  # any other refusal is a fault
            return
        self.check(exported)

    def opt_out(self) -> None:
        number = self.rng.choice(list(self.shop.address))
        if self.rng.random() < 0.5:
            keys = {person(number), inbox(self.shop.address[number])}
            with Ledger(self.shop.places.ledger) as ledger:
                ledger.suppress(keys, "opt_out", 0)
            self.silenced_addresses.add(self.shop.address[number])
        else:
            self.shop.said.append((number, "unsubscribed"))
            self.shop.write_people()
        self.silenced.add(number)

    def merge(self) -> None:
        living = [n for n in self.shop.address if n not in self.erased]
        if len(living) < 3:
            return
        gone, stays = self.rng.sample(living, 2)
        self.became[gone] = stays
        del self.shop.address[gone]
        # What somebody said under their old id is said by who they became.
        self.shop.said = [(stays if n == gone else n, status) for n, status in self.shop.said]
        self.shop.write_people()
        pairs = {"customer_id": [person(n) for n in self.became], "now": [person(self.now(n)) for n in self.became]}
        datasets.write_parquet(pd.DataFrame(pairs), datasets.merges(self.shop.places.events), ("customer_id",))

    def move(self) -> None:
        number = self.rng.choice(list(self.shop.address))
        self.shop.address[number] = self.rng.randint(0, PEOPLE + 2)
        self.shop.write_people()

    def erase(self) -> None:
        living = [n for n in self.shop.address if n not in self.erased]
        if len(living) < 3:
            return
        number = self.rng.choice(living)
        self.erased.add(number)
        gone = {n for n in [*self.became, number] if self.now(n) == number}
        address = self.shop.address.pop(number)
        places = self.shop.places
        places.erased.write_text("".join(f"{person(n)}\n" for n in sorted(self.erased)))
        shared = address in self.shop.address.values()
        with Ledger(places.ledger) as ledger:
            ledger.forget({person(n) for n in gone} | (set() if shared else {inbox(address)}))
        self.shop.write_people()
        self.sent = [one for one in self.sent if one.number not in gone]
        for one in self.sent:
            # Somebody else who was at that inbox keeps their history, and the inbox is forgotten.
            one.address = one.address if shared or one.address != address else -1 - one.number
        if not shared:
            self.silenced_addresses.discard(address)
        shutil.rmtree(places.lists, ignore_errors=True)
        shutil.rmtree(places.outbox, ignore_errors=True)

    def kill(self) -> None:
        """End an approval or an export anywhere, and go on with what it left."""
        self.trials += 1
        image = self.shop.top.with_name(f"{self.shop.top.name.split('~')[0]}~{self.trials}")

        def die() -> None:
            shutil.copytree(self.shop.top, image)
            raise Killed

        action = self.rng.choice((self.approve, self.export, self.export))
        memory = (set(self.seen), list(self.sent), {key: set(value) for key, value in self.seen.items()})
        try:
            with at_steps({self.rng.randint(1, 160): die}):
                action()
        except Killed:
            _, self.sent, self.seen = memory
            old = self.shop.top
            self.shop.top = image
            self.shop.places = Places(*(image / getattr(self.shop.places, name).name for name in PLACES))
            shutil.rmtree(old)

    # What must hold

    def check(self, exported: Any) -> None:
        told, folder = exported.manifest, exported.folder
        name, day = told["list"], told["as_of"]
        assert told["selected"] == told["exported"] + told["exported_before"] + sum(told["skipped"].values())
        assert told["selected"] == len(self.treat[name, day])
        if told["platform"] == "neutral":
            rows = pd.read_csv(folder / f"{name}.csv", dtype="str")
            assert addresses(folder, name) == rows["email"].tolist()
        else:
            rows = pd.read_parquet(folder / f"{name}.parquet")
        assert len(rows) == told["exported"]
        emails = [int(text.removeprefix("p").partition("@")[0]) for text in rows["email"]]
        assert len(set(emails)) == len(emails)
        earlier = self.seen.setdefault((name, day), set())
        for number, address, campaign in zip(
            (int(text.removeprefix("shop")) for text in rows["customer_id"]),
            emails,
            rows["churn_campaign"],
            strict=True,
        ):
            assert number in self.treat[name, day]
            assert number not in self.erased
            silent = {self.now(n) for n in self.silenced} | {
                n for n, a in self.shop.address.items() if a in self.silenced_addresses
            }
            assert address not in {self.shop.address[n] for n in silent if n in self.shop.address}
            if number not in earlier:
                self.check_new(Sent(number, address, campaign, name, day))
                earlier.add(number)

    def check_new(self, new: Sent) -> None:
        mine = [
            one
            for one in self.sent
            if self.now(one.number) == self.now(new.number)
            or one.address == new.address
            or self.shop.address.get(self.now(one.number)) == new.address
        ]
        far = {id(one): abs(parse_date(one.day, "UTC") - parse_date(new.day, "UTC")) // DAY_US for one in mine}
        assert all(one.campaign != new.campaign for one in mine)
        assert all(one.day != new.day for one in mine)
        assert all(far[id(one)] >= LISTS[new.name] for one in mine if one.name == new.name)
        assert all(far[id(one)] >= QUIET_DAYS for one in mine)
        assert sum(far[id(one)] < CAP_DAYS for one in mine) < CAP
        self.sent.append(new)


PLACES = ("lists", "events", "vault", "outbox", "ledger", "erased")
HAPPENINGS = ("build", "approve", "export", "opt_out", "merge", "move", "erase", "kill")
ODDS = (20, 20, 24, 8, 5, 5, 3, 15)


def live(top: Path, seed: int, steps: int) -> Life:
    rng = random.Random(seed)
    life = Life(Shop(top, PEOPLE), rng)
    for happening in ("build", "approve", "export", *rng.choices(HAPPENINGS, ODDS, k=steps)):
        getattr(life, happening)()
    if (life.shop.places.lists / life.last).is_dir():
        life.shop.approve(params(), life.last)
        life.check(life.shop.export(params(), life.last))
    return life


def lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seeds: range, steps: int) -> tuple[int, int]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets, "flush", lambda folder: None)
    messages = kills = 0
    for seed in seeds:
        life = live(tmp_path / f"shop{seed}", seed, steps)
        messages, kills = messages + len(life.sent), kills + life.trials
        shutil.rmtree(life.shop.top)
    return messages, kills


def test_nobody_is_written_to_twice_whatever_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    messages, kills = lives(tmp_path, monkeypatch, range(4), 9)
    assert messages > 8
    assert kills


@pytest.mark.stress
@pytest.mark.timeout(7200)
def test_nobody_is_written_to_twice_in_a_thousand_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    messages, kills = lives(tmp_path, monkeypatch, range(1000, 2000), 7)
    print(f"1,000 sequences: {messages:,} messages, {kills:,} kills")
    assert messages > 2000
