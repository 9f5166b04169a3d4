"""The people whom damaged rows restrict: the log ``restrictions``, and the rows that identify nobody.

Good rows are in the canonical logs already, with one exception: a no that names an address counts for everybody who
ever had that address, not for its present owner alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from events.logs import CHANNELS, RESTRICTING_LOGS
from sources import spellings
from sources.identity import Identities, normalised
from sources.runs import flat
from sources.snapshots import Snapshots
from sources.spans import end_of, ends
from sources.words import EVERY, NO_CHANNEL

_NO_PAIRS = pa.table({"id": pa.array([], pa.string()), "address": pa.array([], pa.string())})
_WHO_AND_WHEN = ["customer_id", "occurred_at"]
_NO_YES = pa.table({"customer_id": pa.array([], pa.string()), "occurred_at": pa.array([], pa.int64())})
_STATES = ("email_consent", "suppressed", "legal_hold")
SAME_INBOX = "same_inbox"
"""A person reads the mail of ``inbox``, though no good row of a customers file says so."""
SINCE_EVER = 0
"""The instant of a restriction without a time."""

Row = tuple[str, str, str | None, str | None, int, int, str]
"""customer_id, restriction, channel, inbox, occurred_at, loaded_at, log."""


@dataclass(frozen=True)
class Unnamed:
    """A row that restricts somebody who cannot be identified: its log, the number of its book, and its row."""

    log: str
    book: int
    row: int


class Restrictions:
    """Collects restrictions and identities of an ingest, log by log; :meth:`table` then finds whom they restrict."""

    def __init__(self, people: Identities, zones: tuple[str, ...]) -> None:
        """``zones``: see :func:`sources.spans.end_of`."""
        self.people, self._zones = people, zones
        self.unnamed: list[Unnamed] = []
        self.unknown: Counter[str] = Counter()
        """Rows by log that restrict an id which no other log has."""
        self.doubtful: set[str] = set()
        """Customers whose newest row may be one that cannot be read, so that they have no valid yes."""
        self._said: list[tuple[str, int, dict[str, Any]]] = []
        self._noes: list[tuple[str, pa.Table]] = []
        self._pairs: list[tuple[str, pa.Table]] = []
        self._opt_outs: list[tuple[str, pa.Table]] = []
        self._yeses: list[pa.Table] = []
        self._known: list[pa.Array] = []
        self._restricted: list[pa.Array] = []
        self._rows: set[Row] = set()
        self._buyers: set[str] = set()
        self._unclean: set[str] = set()
        self._unclean_states: set[str] = set()
        self._accounts: set[str] = set()
        self._united: dict[str, str] = {}
        self._current = pa.array([], pa.string())
        self._loose: dict[str, set[str]] = {}

    def said(self, log: str, book: int, rows: pa.Table) -> None:
        """Take in rows of :data:`sources.restricting.SAID`."""
        self._said += [(log, book, row) for row in rows.to_pylist()]

    def names(self) -> list[str]:
        """Every id and address in the rows that the contract set aside."""
        return sorted(
            {clean for _, _, row in self._said for one in row["ids"] or () if (clean := spellings.clean(one))}
            | {one for _, _, row in self._said for one in spellings.addresses(row)}
        )

    def know_addresses(self, log: str, ids: pa.Array, addresses: pa.Array) -> None:
        """Add addresses that people with these ids of the shop have, or had."""
        both = pa.table({"id": ids, "address": addresses})
        both = both.filter(pc.and_(both["id"].is_valid(), both["address"].is_valid()))
        self._pairs.append((log, both.group_by(["id", "address"]).aggregate([])))

    def meet(self, log: str, rows: pa.Table, own: pa.Array, has_id: pa.Array) -> None:
        """Take in the rows of a log: customer_id, a pseudonym, and ``own``, the shop's id of each.

        ``has_id``: whether the row itself names somebody by id, and not by address alone.
        """
        if "email" in rows.column_names and rows["email"].null_count < rows.num_rows:
            self.know_addresses(log, own, flat(rows["email"]))
        ids = pc.unique(flat(own))
        self._unclean |= (unclean := set(spellings.unclean(ids)))
        if log == "customers":
            self._unclean_states, self._accounts = unclean, set(pc.unique(flat(rows["customer_id"])).to_pylist())
        if log in {"orders", "order_lines"}:
            self._buyers |= set(ids.filter(pc.fill_null(pc.match_substring(ids, "@"), False)).to_pylist())
        if log in {"consent_events", "email_events"}:
            # An address in the place of an id names whoever has it.
            is_address = pc.fill_null(pc.match_substring(own, "@"), False)
            address = pc.if_else(is_address, pc.utf8_lower(pc.utf8_trim_whitespace(own)), flat(rows["email"]))
            rows = rows.set_column(rows.column_names.index("email"), "email", address)
            has_id = pc.and_not(has_id, is_address)
        no = noes(log, rows.append_column("by_address", pc.invert(has_id)))
        if no is None:
            self._known.append(pc.unique(flat(rows["customer_id"])))
        else:
            self._noes.append((log, no))
            self._restricted.append(pc.unique(flat(no["customer_id"])))
            self._opt_outs.append((log, no.filter(pc.equal(no["restriction"], "opt_out"))))
            if log == "consent_events":
                self._yeses.append(rows.filter(pc.equal(rows["status"], "subscribed")).select(_WHO_AND_WHEN))

    def know_left_out(self, customers: pa.Array) -> None:
        """Take in erased people and test accounts, none of whose rows is kept: a damaged row may name them."""
        self._known.append(pc.unique(customers))

    def know_merges(self, froms: pa.Array, tos: pa.Array) -> None:
        """Take in the ids of accounts that became one; an account that became several unites them."""
        self._unclean |= set(spellings.unclean(froms)) | set(spellings.unclean(tos))
        here, there = (self.people.customers(self.people.own_ids(ids, None)) for ids in (froms, tos))
        other = pc.not_equal(here, there)
        for pair in zip(here.filter(other).to_pylist(), there.filter(other).to_pylist(), strict=True):
            self._unite(set(pair))

    def states(self, rows: pa.Table) -> None:
        """Take in the newest state of every customer: who is restricted by it, and at which address."""
        self._current = pc.binary_join_element_wise(rows["customer_id"], rows["email"], " ")
        left = pc.equal(rows["email_consent"], "unsubscribed")
        no = pc.or_(left, pc.or_(rows["suppressed"], rows["legal_hold"]))
        self._restricted.append(pc.unique(flat(rows["customer_id"].filter(no))))
        state = rows.select(["customer_id", "loaded_at"]).append_column("occurred_at", rows["email_consent_at"])
        self._opt_outs.append(("customers", state.filter(left)))
        self._yeses.append(state.filter(pc.equal(rows["email_consent"], "subscribed")).select(_WHO_AND_WHEN))

    def set_aside(self, log: str, rows: pa.Table) -> None:
        """Take in good rows that reach no canonical log."""
        no = noes(log, rows.append_column("by_address", pa.nulls(rows.num_rows, pa.bool_())))
        for row in no.to_pylist() if no is not None else ():
            self._add(log, {row["customer_id"]}, row)

    def set_aside_states(self, rows: pa.Table, is_reader: bool = True) -> None:
        """Take in good rows of the customers log that reach no canonical log.

        ``is_reader``: the person of the row still reads the mail of its address.
        """
        for row in rows.select(["customer_id", "email", "email_consent_at", *_STATES]).to_pylist():
            says = [
                *(["opt_out"] if row["email_consent"] == "unsubscribed" else []),
                *(["suppressed"] if row["suppressed"] else []),
                *(["legal_hold"] if row["legal_hold"] else []),
            ]
            for restriction in says:
                at = row["email_consent_at"] if restriction == "opt_out" else None
                said = {"restriction": restriction, "channel": "email", "occurred_at": at}
                self._add("customers", {row["customer_id"]}, said)
            if row["email"] and is_reader:
                self._link_inbox({row["customer_id"]}, row["email"])

    # Who a row could name

    def table(self, snapshots: Snapshots | None) -> pa.Table:
        """One row per restriction, person, channel and instant, of nobody who was erased; ordered by person."""
        self._learn_owners()
        if snapshots is not None and any(log == "customers" for log, _, _ in self._said):
            snapshots.evidence(self.people)
        if snapshots is not None:
            self._link_other_inboxes()
        for one in self._unclean:
            # Two spellings of an id are two accounts; a restriction of one holds for both.
            self._unite(self._customers({spellings.clean(one)}) & self._known_people | self._customers({one}))
        for one in self._unclean_states:
            # Two accounts in the file, one person: which row is the newest is unknown.
            if other := self._customers({spellings.clean(one)}) & self._accounts:
                self.doubtful |= other | self._customers({one})
        unread: list[tuple[set[str], Unnamed]] = []
        for log, no in self._noes:
            for row in no.filter(no["by_address"]).to_pylist():
                self._add(log, self._at(row["email"]) - {row["customer_id"]}, row)
            self._resolve_strangers(log, no)
        self._prolong()
        for log, book, row in self._said:
            unread += self._resolve(log, book, row, snapshots)
        self._link_united()
        restricted = set(pa.chunked_array(self._restricted, pa.string()).unique().to_pylist())
        restricted |= {one[0] for one in self._rows if one[1] != SAME_INBOX}
        self.unnamed += [place for persons, place in unread if persons & restricted]
        names = ("customer_id", "restriction", "channel", "inbox", "occurred_at", "loaded_at", "log")
        ordered = sorted(self._rows, key=lambda row: tuple("" if cell is None else str(cell) for cell in row))
        columns = [list(column) for column in zip(*ordered, strict=True)] or [[] for _ in names]
        kinds = [pa.int64() if name.endswith("_at") else pa.string() for name in names]
        found = pa.table([pa.array(c, kind) for c, kind in zip(columns, kinds, strict=True)], names=list(names))
        return found.filter(pa.array(~self.people.is_erased(flat(found["customer_id"]))))

    def _add(self, log: str, persons: Iterable[str], row: Mapping[str, Any], inbox: str | None = None) -> None:
        restriction, at = row["restriction"], row.get("occurred_at")
        loaded_at = row.get("loaded_at") if row.get("loaded_at") is not None else at
        if restriction == "opt_out" and at is not None:
            at = end_of(at, self._zones)
        when = (SINCE_EVER, SINCE_EVER) if at is None else (at, loaded_at)
        each = meant(row.get("channel")) if restriction == "opt_out" else (None,)
        self._rows |= {(one, restriction, word, inbox, *when, log) for one in persons for word in each}

    def _prolong(self) -> None:
        """Let a no count until the end of the day, minute or second that its time may stand for, where a yes is there.

        The yes may have come before it.
        """
        yes = pa.concat_tables(self._yeses) if self._yeses else _NO_YES
        for log, no in self._opt_outs:
            no = no.filter(pc.is_in(no["customer_id"], flat(yes["customer_id"])))
            mine = yes.filter(pc.is_in(yes["customer_id"], flat(no["customer_id"])))
            no, mine = (part.filter(pc.is_valid(part["occurred_at"])) for part in (no, mine))
            if not no.num_rows or not mine.num_rows:
                continue
            no = no.append_column("until", ends(no["occurred_at"], self._zones))
            agreed = mine.rename_columns(["customer_id", "yes_at"])
            # Of each no the first yes after it: one that falls within its day is enough.
            first = pd.merge_asof(
                no.to_pandas().sort_values("occurred_at", kind="stable"),
                agreed.to_pandas().sort_values("yes_at", kind="stable"),
                left_on="occurred_at",
                right_on="yes_at",
                by="customer_id",
                direction="forward",
                allow_exact_matches=False,
            )
            for row in first[first["yes_at"] <= first["until"]].to_dict("records"):
                said = {"restriction": "opt_out", "channel": row.get("channel", "email")}
                at = {name: None if pd.isna(row[name]) else int(row[name]) for name in ("occurred_at", "loaded_at")}
                self._add(log, {row["customer_id"]}, said | at)

    def _learn_owners(self) -> None:
        """Find the ids of everybody who ever had an address of a restriction, and the people that good rows name."""
        asked = {one for _, _, row in self._said for one in spellings.addresses(row)}
        asked |= {one for _, no in self._noes for one in pc.unique(flat(no["email"])).to_pylist()} - {None}
        wanted = pa.array(sorted(asked), pa.string())
        self._owners: dict[str, set[str]] = defaultdict(set)
        for _, pairs in self._pairs:
            some = pairs.filter(pc.is_in(pairs["address"], wanted))
            for one, address in zip(some["id"].to_pylist(), some["address"].to_pylist(), strict=True):
                self._owners[address].add(one)
        for log, _, row in self._said:
            if log == "customers":
                for address in spellings.addresses(row):
                    self._owners[address] |= {clean for one in row["ids"] or () if (clean := spellings.clean(one))}
        self._known_people = set(pa.chunked_array(self._known, pa.string()).unique().to_pylist()) - {None}

    def _customers(self, ids: Iterable[str]) -> set[str]:
        own = self.people.own_ids(pa.array(sorted(ids), pa.string()), None)
        return {one for one in self.people.customers(own).to_pylist() if one is not None}

    def _at(self, address: str) -> set[str]:
        """Everybody who ever had ``address``, and the person known by it alone."""
        alone = self._customers({address})
        owners = self._customers(self._owners.get(address, ()))
        return owners | (alone & self._known_people) if owners else alone

    def _called(self, text: str) -> set[str]:
        """Whose id ``text`` is; where nobody has it, whose id equals it but for punctuation, case and leading zeros."""
        exact = self._customers({text, spellings.clean(text)} - {""}) & self._known_people
        if exact:
            return exact
        if not self._loose:
            self._loose = defaultdict(set)
            for customer, raw in self.people.raw_ids():
                self._loose[spellings.loose(raw)].add(customer)
        return self._loose.get(spellings.loose(text), set()) & self._known_people

    def _resolve_strangers(self, log: str, no: pa.Table) -> None:
        """Restrict whoever has nearly the id of a no that no other log has; without one, the row is unnamed."""
        known = pa.array(sorted(self._known_people), pa.string())
        strangers = no.filter(pc.and_(pc.invert(pc.is_in(no["customer_id"], known)), pc.invert(no["by_address"])))
        raw = dict(self.people.raw_ids()) if strangers.num_rows else {}
        for row in strangers.to_pylist():
            found = self._called(raw.get(row["customer_id"], ""))
            # Where nobody has the id, whoever has the address beside it is meant.
            found |= self._at(row["email"]) if row["email"] else set()
            self._add(log, found - {row["customer_id"]}, row)
            self.unknown[log] += not found

    def _resolve(
        self, log: str, book: int, row: dict[str, Any], snapshots: Snapshots | None
    ) -> Iterator[tuple[set[str], Unnamed]]:
        """Restrict whoever ``row`` could name; yields people whose address in it cannot be read, with its place."""
        addresses, text, place = spellings.addresses(row), row["text"] or "", Unnamed(log, book, row["_row"])
        named = self._customers(spellings.forms(text)) & self._known_people if text else set()
        for cell in row["ids"] or ():
            named |= self._called(cell)
        persons = named.union(*(self._at(address) for address in addresses))
        if log == "customer_merges":
            self._unite(persons)
            return
        newest, taken_back = persons, set[tuple[str, str]]()
        if log == "customers":
            if snapshots is not None:
                newest = {one for one in persons if not snapshots.has_newer(one, book, row)}
                taken_back = {
                    (one, what)
                    for one in persons
                    for what in row["says"] or ()
                    if snapshots.has_newer(one, book, row, what)
                }
            for address in addresses:
                self._link_inbox(named & newest, address)
            if row["is_damaged"]:
                self.doubtful |= newest
            if row["addresses"] and not addresses:
                yield named & newest, place
        for restriction in row["says"] or ():
            said = {"restriction": restriction, "channel": row["channel"], "occurred_at": row["at"]}
            self._add(log, {one for one in persons if (one, restriction) not in taken_back}, said)
        if row["says"] and not persons:
            self.unnamed.append(place)

    def _link_other_inboxes(self) -> None:
        """Link people to further inboxes than that of their newest record: former ones, and those of merged accounts.

        Buyers who are known by their address alone have no record, so their order links them.
        """
        readers = self._readers()
        both = pc.binary_join_element_wise(readers["customer_id"], readers["address"], " ")
        other = readers.filter(pc.invert(pc.is_in(flat(both), flat(self._current))))
        for customer, address in zip(other["customer_id"].to_pylist(), other["address"].to_pylist(), strict=True):
            self._link_inbox({customer}, address)
        for address in self._buyers:
            self._link_inbox(self._customers({address}), address, "orders")

    def _readers(self) -> pa.Table:
        """Everybody (customer_id) with every address of theirs."""
        pairs = [p.filter(pc.not_equal(p["id"], p["address"])) for log, p in self._pairs if log in RESTRICTING_LOGS]
        every = pa.concat_tables([_NO_PAIRS, *pairs]).combine_chunks()
        customers = self.people.customers(self.people.own_ids(flat(every["id"]), None))
        return every.append_column("customer_id", customers)

    def _unite(self, persons: set[str]) -> None:
        """Treat ``persons`` as one person, as far as restrictions go."""
        roots = {self._root(one) for one in persons}
        for one in roots:
            self._united[one] = min(roots)

    def _root(self, person: str) -> str:
        """The person who stands for all whom ``person`` was united with."""
        while (parent := self._united.setdefault(person, person)) != person:
            self._united[person] = self._united[parent]
            person = parent
        return person

    def _link_united(self) -> None:
        """Let people who are perhaps one share every inbox of theirs."""
        groups: dict[str, set[str]] = defaultdict(set)
        for one in self._united:
            groups[self._root(one)].add(one)
        several = [united for united in groups.values() if len(united) > 1]
        members = {one for united in several for one in united}
        if not members:
            return
        readers = self._readers()
        mine = readers.filter(pc.is_in(readers["customer_id"], pa.array(sorted(members), pa.string())))
        addresses: dict[str, set[str]] = defaultdict(set)
        for customer, address in zip(mine["customer_id"].to_pylist(), mine["address"].to_pylist(), strict=True):
            addresses[customer].add(address)
        for united in several:
            self._add("customer_merges", united, {"restriction": SAME_INBOX}, inbox=min(united))
            for address in set[str]().union(*(addresses[one] for one in united)):
                self._link_inbox(united, address)

    def _link_inbox(self, persons: set[str], address: str, log: str = "customers") -> None:
        (inbox,) = self.people.address_keys(pa.array([normalised(address)])).to_pylist()
        self._add(log, persons, {"restriction": SAME_INBOX}, inbox=inbox)


def meant(channel: str | None) -> tuple[str, ...]:
    """The channels on which a no to ``channel`` counts; e-mail where none is named."""
    return CHANNELS if channel in {EVERY, NO_CHANNEL} else (channel or "email",)


def noes(log: str, rows: pa.Table) -> pa.Table | None:
    """The restricting rows of a log: customer_id, email, restriction, channel, the two times and the place."""
    event = flat(rows["event"]) if "event" in rows.column_names else None
    if log == "consent_events":
        no, restriction = pc.equal(rows["status"], "unsubscribed"), pa.scalar("opt_out")
        channel = flat(rows["channel"])
    elif log == "email_events":
        hard = pc.and_(pc.equal(event, "Email Bounced"), pc.fill_null(pc.equal(rows["bounce_type"], "hard"), False))
        spam, left = pc.equal(event, "Email Marked as Spam"), pc.equal(event, "Unsubscribed")
        no, channel = pc.or_(left, pc.or_(spam, hard)), pa.repeat(pa.scalar("email"), rows.num_rows)
        restriction = pc.if_else(left, "opt_out", pc.if_else(spam, "complaint", "hard_bounce"))
    else:
        return None
    kept = rows.select(["customer_id", "email", "occurred_at", "loaded_at", "by_address", "_file", "_row"])
    each = (
        flat(restriction) if isinstance(restriction, pa.Array | pa.ChunkedArray) else pa.repeat(restriction, len(rows))
    )
    return kept.append_column("restriction", each).append_column("channel", channel).filter(flat(no))
