"""Who somebody is: every id, address, visitor and order of a person, from the vault and the shop's own files."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from pipeline.people import keys, names, tombstones
from pipeline.people.raw_records import NOBODY, Cells, People, RawFile, UnreadableError, declared, is_draft, records
from pipeline.project import datasets
from pipeline.project.settings import Settings
from sources import normalised, pseudonym
from sources.identity import ADDRESS, CUSTOMER, VISITOR

PSEUDONYM = re.compile(r"c_[0-9a-f]{24}")
_MOST_ROUNDS = 6


@dataclass
class Found:
    """Some people: how they are known, their pseudonyms, and what was looked through for that.

    ``pseudonyms`` begin with c_ (customers), ``marks`` with a_ or v_ (addresses, visitors). ``unknown`` are the
    places, from 0, of the names that nobody has, and ``asked`` says how many names there were. ``unread`` are files
    that could not be looked through. ``shared`` are addresses of theirs (and the pseudonyms of these) that stay,
    because an account of somebody else has them too.
    """

    people: People
    pseudonyms: set[str] = field(default_factory=set)
    marks: set[str] = field(default_factory=set)
    unknown: list[int] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)
    shared: dict[str, str] = field(default_factory=dict)
    asked: int = 0


class _Search:
    def __init__(self, s: Settings, command: str, given: Sequence[str], begun: Found) -> None:
        self.keys = keys.in_force(s, datasets.EVENTS)
        self.key = self.keys.key
        self.files, _ = declared(s)
        self.names = names.read(command, given, self._is_known)
        known = begun.people
        self.people = People(set(known.ids), set(known.addresses), set(known.visitors), set(known.orders))
        self.erased = tombstones.erased_customers(datasets.ERASED)
        self.seen: set[str] = set()
        self.typed = {normalised(name) for name in self.names if "@" in name}
        self.wanted = {name for name in self.names if PSEUDONYM.fullmatch(name)}
        self.tokens: dict[str, str] = {}
        self.shared: set[str] = set()
        self.unread: set[str] = set()
        self.stays: set[str] = set()
        self.has_accounts = any(file.accounts for file in self.files)

    def _is_known(self, text: str) -> bool:
        return names.is_in_vault(text) or any(text in (one.strip(), normalised(one)) for one in self._everybody())

    def _everybody(self) -> Iterator[str]:
        for file in self.files:
            with suppress(UnreadableError):
                yield from (one for cells in records(file) for role, one in cells if role in ("person", "address"))

    def token(self, text: str) -> str:
        """The pseudonym of a customer id."""
        return str(pseudonym([text], self.key, CUSTOMER, self.tokens)[0])

    def named(self, text: str) -> set[str]:
        """The pseudonyms among the names that are of this id or address, under the key in force or an old one."""
        return self.wanted & {self.token(text), *(str(pseudonym([text], one.key)[0]) for one in self.keys.old)}

    def learn(self, ids: set[str], addresses: set[str], is_account: bool) -> None:
        """Take in one record that names customers and addresses."""
        people = self.people
        for one in ids:
            if one in self.names:
                self.seen.add(one)
                people.ids.add(one)
            if self.wanted and (named := self.named(one)):
                self.seen |= named
                people.ids.add(one)
        for address in addresses:
            named = self.named(address) if self.wanted else set()
            if address in self.typed or named:
                self.seen |= {name for name in self.names if normalised(name) == address} | named
                people.addresses.add(address)
                self.typed.add(address)
                if is_account or not self.has_accounts:
                    people.ids |= ids
        if ids & people.ids:
            people.ids |= ids  # two ids in one record are one person: accounts that were merged
            self.stays |= addresses & self.shared if is_account else set()
            # An address at which somebody else has an account is not theirs because it stands in an order of theirs.
            people.addresses |= {one for one in addresses if is_account or one not in self.owned} - self.shared

    def run(self) -> None:
        """Look until nothing more is learnt."""
        vault = _vault()
        self.owned: set[str] = set(vault["email"].dropna().map(normalised))
        for _ in range(_MOST_ROUNDS):
            before, self.shared, self.stays = self.people.size(), set(), set()
            for shop_id, email in zip(vault["shop_id"], vault["email"], strict=True):
                self.learn({str(shop_id)}, set() if pd.isna(email) else {normalised(str(email))}, True)
            for is_account in (True, False):
                for file in self.files:
                    if file.accounts == is_account:
                        self._look_through(file)
                stay = ~vault["shop_id"].isin(self.people.ids) & ~vault["customer_id"].isin(self.erased)
                others = vault[stay]["email"].dropna().map(normalised)
                # An address that an account of somebody else has as well stays theirs, unless it was named.
                self.shared |= set(others) - self.typed
                self.stays |= self.people.addresses & self.shared
                self.people.addresses -= self.shared
            if self.people.size() == before:
                break

    def _look_through(self, file: RawFile) -> None:
        people = self.people
        try:
            for cells in records(file):
                ids, addresses = _of(cells, "person"), {normalised(one) for one in _of(cells, "address")}
                self.learn(ids, addresses, file.accounts)
                if file.adapter == "klaviyo" and addresses & people.addresses:
                    people.ids |= ids  # its own id of a profile
                if file.accounts and ids:
                    self.owned |= addresses
                    if not ids & people.ids and not (self.erased and {self.token(one) for one in ids} & self.erased):
                        self.shared |= addresses - self.typed
                if ids & people.ids:
                    people.visitors |= _of(cells, "visitor")
                if people.own(cells):
                    people.orders |= _of(cells, "order")
        except UnreadableError:
            self.unread.add(file.name)


def _of(cells: Cells, role: str) -> set[str]:
    return {text for found, text in cells if found == role and text.lower() not in NOBODY}


def _vault() -> pd.DataFrame:
    if not datasets.VAULT.is_file():
        return pd.DataFrame({"customer_id": [], "shop_id": [], "email": []}, dtype="str")
    return datasets.read_parquet(datasets.VAULT, ("customer_id", "shop_id", "email"))


def tables_of_people(folder: Path) -> Iterator[Path]:
    """Every Parquet file below ``folder`` whose rows are about customers."""
    for path in sorted(folder.rglob("*.parquet")):
        if is_draft(path):
            continue  # half-written, and gone with the next run
        with suppress(FileNotFoundError):
            if path.is_file() and "customer_id" in pq.read_schema(path).names:
                yield path


def _in_events(pseudonyms: Collection[str]) -> set[str]:
    found: set[str] = set()
    for path in tables_of_people(datasets.EVENTS):
        rows = datasets.read_parquet(path, ("customer_id",), [("customer_id", "in", sorted(pseudonyms))])
        found |= set(rows["customer_id"])
    return found


def find(
    s: Settings, given: Sequence[str], trust: bool = False, begun: Found | None = None, command: str = "erase"
) -> Found:
    """Whom ``given`` (own ids, addresses or pseudonyms, as they are pasted) means, and the people of ``begun``.

    With ``trust`` also people of whom nothing is there. Two accounts of one address are two people unless the address
    was named: then both are meant. Accounts that the shop merged are one person.

    Raises:
        ContractError: there is no key to make pseudonyms with.
        ParamsError: a name cannot be read, or a line of the list of erased people is no pseudonym.
    """
    begun = begun or Found(People())
    search = _Search(s, command, given, begun)
    search.run()
    people = search.people
    tokens = {name: name if PSEUDONYM.fullmatch(name) else search.token(name) for name in search.names}
    tokens |= {name: search.token(normalised(name)) for name in search.names if "@" in name and name not in people.ids}
    gone = search.erased | begun.pseudonyms
    known = search.seen | {name for name, token in tokens.items() if token in gone}
    known |= {name for name in search.names if search.keys.old_tokens([name])}
    known |= {name for name in tokens if search.keys.maker_of(name) != search.keys.fingerprint}
    rest = {token for name, token in tokens.items() if name not in known}
    present = _in_events(rest) if rest else set()
    unknown = [at for at, name in enumerate(search.names) if name not in known and tokens[name] not in present]
    for at, name in enumerate(search.names):
        if (at not in unknown or trust) and not PSEUDONYM.fullmatch(name):
            # What has no @ can only be an id; an id that looks like an address was met among the ids.
            people.ids |= set() if "@" in name else {name}
            people.addresses |= {normalised(name)} if "@" in name else set()
    found = Found(people, unknown=[] if trust else unknown, unread=search.unread, asked=len(search.names))
    found.pseudonyms = begun.pseudonyms | {
        tokens[name] for at, name in enumerate(search.names) if trust or at not in unknown
    }
    # A log that names somebody by address alone would bring them in under the address as their id.
    found.pseudonyms |= {search.token(one) for one in (*people.ids, *people.addresses)}
    found.marks = begun.marks | {str(one) for one in pseudonym(sorted(people.addresses), search.key, ADDRESS)}
    found.marks |= {str(one) for one in pseudonym(sorted(people.visitors), search.key, VISITOR)}
    stays = sorted((search.stays | set(begun.shared)) - people.addresses)
    found.shared = dict(zip(stays, pseudonym(stays, search.key, ADDRESS).to_pylist(), strict=True))
    # What stands under old keys goes with the rest, and is no tombstone of the key in force.
    found.marks |= search.keys.old_tokens({*people.ids, *people.addresses})
    return found
