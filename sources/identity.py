"""Who a row is about: keyed pseudonyms in place of ids and addresses, and the vault that leads back."""

import hmac
import os
import re
import stat
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sources.addresses import with_address
from sources.errors import ContractError, MissingKeyError
from sources.runs import column
from sources.spellings import clean, unclean

CUSTOMER, ADDRESS, VISITOR, MESSAGE = "c_", "a_", "v_", "m_"

# Published on purpose: the simulated shop has no real people, and every clone must give the same files.
_DEMO_KEY = bytes.fromhex("77616661206f70656e2064656d6f206b65793a206e6f742061207365637265742e")

_QUOTED = re.compile(r'"([^"]*)"')
_BETWEEN_CELLS = re.compile(r"[,;\t|]")
_WORDS = re.compile(r"""[^\s,;|"'(){}\[\]<>]+""")


def load_key(key_id: str, environ: Mapping[str, str], key_file: Path) -> bytes:
    """The key called ``key_id``: 64 hex digits from WAFA_KEY_<KEY_ID> in ``environ`` or from ``key_file``.

    The key ``demo`` is a published constant.

    Raises:
        MissingKeyError: there is no such key.
        ContractError: it is not 64 hex digits, or others may read its file.
    """
    if key_id == "demo":
        return _DEMO_KEY
    variable = f"WAFA_KEY_{key_id.upper()}"
    if variable in environ:
        return _parsed(environ[variable], variable)
    if not key_file.is_file():
        raise MissingKeyError(
            f"key {key_id!r} (sources.key_id) is neither in {variable} nor in {key_file.as_posix()}. "
            f"Make one: (umask 077; mkdir -p {key_file.parent.as_posix()}; "
            f"openssl rand -hex 32 > {key_file.as_posix()})"
        )
    return read_key(key_file)


def read_key(key_file: Path) -> bytes:
    """The key in ``key_file``: 64 hex digits.

    Raises:
        ContractError: it is not 64 hex digits, or others may read the file.
    """
    if os.name == "posix" and stat.S_IMODE(key_file.stat().st_mode) & 0o077:
        raise ContractError(f"others may read {key_file.as_posix()}. Run: chmod 600 {key_file.as_posix()}")
    return _parsed(key_file.read_text(encoding="ascii", errors="replace"), key_file.as_posix())


def _parsed(text: str, place: str) -> bytes:
    # A changed key is kept as long as somebody waits under it, that of the demo too, which is a byte longer.
    if text.strip() == _DEMO_KEY.hex():
        return _DEMO_KEY
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text.strip()):
        raise ContractError(f"{place} must hold 64 hex digits. Make a key with: openssl rand -hex 32")
    return bytes.fromhex(text.strip())


def fingerprint(key: bytes) -> str:
    """16 hex digits that identify a key without revealing it."""
    # No pseudonym begins like this text, so no pseudonym is the fingerprint of its key.
    return hmac.digest(key, b"fingerprint", "sha256").hex()[:16]


@dataclass(frozen=True)
class OldKey:
    """A key that was replaced, and its pseudonyms that remain: in erased.txt (``erased``) and ledger (``noted``)."""

    key: bytes
    erased: frozenset[str] = frozenset()
    noted: frozenset[str] = frozenset()


def carried(texts: Iterable[str], key: bytes, old: Iterable[OldKey]) -> dict[str, str]:
    """The pseudonyms of old keys that ``texts`` (ids and addresses) explain, each with that of ``key``."""
    found: dict[str, str] = {}
    waiting = [(one.key, one.erased | one.noted) for one in old]
    waiting = [(other, tokens) for other, tokens in waiting if tokens]
    for text in texts if waiting else ():
        address = normalised(text)
        for prefix, form in {(CUSTOMER, text), (CUSTOMER, text.strip()), (CUSTOMER, address), (ADDRESS, address)}:
            for other, tokens in waiting:
                token = _token(prefix, form, other)
                if token in tokens:
                    found[token] = _token(prefix, form, key)
    return found


def _token(prefix: str, text: str, key: bytes) -> str:
    # The prefix is part of the message: an id that equals an address must not show that it does.
    return prefix + hmac.digest(key, (prefix + text).encode(), "sha256").hex()[:24]


def pseudonym(
    ids: Sequence[str | None] | pa.Array,
    key: bytes,
    prefix: str = CUSTOMER,
    known: dict[str, str] | None = None,
) -> pa.Array:
    """The pseudonym of each id (null of null): ``prefix`` and 24 hex digits of a keyed hash.

    ``known`` remembers the ones already computed.
    """
    known = {} if known is None else known
    coded = pa.array(ids, pa.string()) if not isinstance(ids, pa.Array) else ids
    coded = coded.dictionary_encode()
    distinct = coded.dictionary.to_pylist()
    for text in distinct:
        if text not in known:
            known[text] = _token(prefix, text, key)
    tokens = pa.array([known[text] for text in distinct], pa.string())
    return tokens.take(coded.indices)


def normalised(address: str) -> str:
    """An e-mail address as it is compared: trimmed, in lower case."""
    return address.strip().lower()


def address_key(addresses: Sequence[str | None] | pa.Array, key: bytes) -> pa.Array:
    """The pseudonym of each e-mail address, normalised; null of null."""
    texts = addresses.to_pylist() if isinstance(addresses, pa.Array) else addresses
    return pseudonym([text and normalised(text) for text in texts], key, ADDRESS)


def pseudonym_macro(connection: duckdb.DuckDBPyConnection, key: bytes) -> None:
    """Give ``connection`` the SQL function ``pseudonym(prefix, text)``, equal to :func:`pseudonym` (RFC 2104)."""
    block = key.ljust(64, b"\0")
    # Variables and not text: a message of the engine may quote the SQL that it could not run.
    connection.execute("SET VARIABLE inner_pad = ?::BLOB", [bytes(byte ^ 0x36 for byte in block)])
    connection.execute("SET VARIABLE outer_pad = ?::BLOB", [bytes(byte ^ 0x5C for byte in block)])
    connection.execute(
        "CREATE MACRO pseudonym(prefix, word) AS prefix || left(sha256(getvariable('outer_pad') || "
        "unhex(sha256(getvariable('inner_pad') || encode(prefix || word)))), 24)"
    )


class Identities:
    """The people seen in one ingest: their pseudonyms, their addresses, and who of them was erased."""

    def __init__(self, key: bytes, erased: Collection[str], old: Sequence[OldKey] = ()) -> None:
        self.key, self._old = key, old
        self.carried: dict[str, str] = {}
        self._erased = pa.array(sorted(erased), pa.string())
        self._raw: dict[str, str] = {}
        self._customers: dict[str, str] = {}
        self._visitors: dict[str, str] = {}
        self._address: dict[str, str] = {}
        self._by_address = (pa.array([], pa.string()), pa.array([], pa.string()))
        self._merged: dict[str, tuple[str, int]] = {}
        self.erased_addresses: set[str] = set()
        self.erased_orders: set[str] = set()

    def carry(self, texts: Iterable[str]) -> None:
        """Look for ids and addresses among the pseudonyms of old keys; people erased under one of them are erased."""
        found = carried(texts, self.key, self._old)
        self.carried |= found
        erased = {found[token] for one in self._old for token in one.erased & found.keys()}
        if erased:
            self._erased = pa.array(sorted(erased.union(self._erased.to_pylist())), pa.string())

    def customers(self, ids: pa.Array) -> pa.Array:
        """Pseudonyms of customer ids."""
        return pseudonym(ids, self.key, CUSTOMER, self._customers)

    def visitors(self, ids: pa.Array) -> pa.Array:
        """Pseudonyms of anonymous ids."""
        return pseudonym(ids, self.key, VISITOR, self._visitors)

    def without_addresses(self, ids: pa.Array) -> pa.Array:
        """Ids of things, those that hold an address as pseudonyms: shops and vendors make ids out of addresses."""
        named = with_address(ids)
        return ids if named is None else pc.coalesce(pseudonym(named, self.key, MESSAGE), ids)

    def is_erased(self, customers: pa.Array) -> np.ndarray:
        """Mask of the pseudonyms of erased customers."""
        return np.asarray(pc.is_in(customers, self._erased).to_numpy(zero_copy_only=False), dtype=bool)

    def remember(self, ids: pa.Array, customers: pa.Array) -> None:
        """Put the raw ids of accepted rows into the vault."""
        pairs = pa.table({"raw": ids, "customer": customers}).group_by(["raw", "customer"]).aggregate([])
        raw, customer = pairs["raw"].to_pylist(), pairs["customer"].to_pylist()
        self._raw |= {c: r for r, c in zip(raw, customer, strict=True) if c is not None and r is not None}

    def raw_ids(self) -> list[tuple[str, str]]:
        """Pseudonym and own id of everybody with an accepted row."""
        return list(self._raw.items())

    def know_addresses(self, ids: pa.Array, addresses: pa.Array, created: pa.Array) -> int:
        """Learn whose address is whose, the oldest account first; the number of shared addresses."""
        known = pd.DataFrame(
            {
                "id": ids.to_pylist(),
                "customer": self.customers(ids).to_pylist(),
                "address": addresses.to_pylist(),
                "created": created.fill_null(2**62).to_numpy(),
            }
        ).dropna(subset=["address"])
        gone = self.is_erased(pa.array(known["customer"].tolist(), pa.string()))
        self.erased_addresses |= set(known["address"][gone])
        known = known.sort_values(["address", "created", "customer"])
        self._address |= dict(zip(known["customer"], known["address"], strict=True))
        first = known.drop_duplicates("address")
        self._by_address = (
            pa.array(first["address"].tolist(), pa.string()),
            pa.array(first["id"].tolist(), pa.string()),
        )
        return int((known.groupby("address").size() > 1).sum())

    def know_erased(self, tables: Mapping[str, pa.Table]) -> None:
        """Erase also whoever came later to an address of an erased person, or was merged with them.

        ``tables`` hold ids as given, by log. An address in another log than the customers is theirs where they have no
        account.
        """
        if not self.has_erased:
            return
        pairs = {
            name: (column(rows, "customer_id"), column(rows, "email"))
            for name, rows in tables.items()
            if {"customer_id", "email"} <= {*rows.column_names}
        }
        accounts = pairs["customers"][0] if "customers" in pairs else pa.array([], pa.string())
        people: set[str] = set()
        for name, (ids, addresses) in pairs.items():
            gone = pa.array(self.is_erased(self.customers(addresses)))
            if name != "customers":
                gone = pc.and_(gone, pc.invert(pc.is_in(ids, accounts)))
            people |= set(ids.filter(gone).to_pylist()) - {None}
            # Another spelling of an erased id is the same person.
            people |= {
                one for one in unclean(pc.unique(ids)) if self.is_erased(self.customers(pa.array([clean(one)])))[0]
            }
        people |= {one for one in self._merged if self.is_erased(self.customers(pa.array([one])))[0]}
        # All who became one person are erased with one of them.
        people |= {self._merged[one][0] for one in people if one in self._merged}
        self._erased = pa.array(
            sorted({*self._erased.to_pylist(), *self.customers(pa.array(sorted(people), pa.string())).to_pylist()}),
            pa.string(),
        )

    def know_merges(self, merges: Mapping[str, tuple[str, int]]) -> None:
        """Learn who became whom, and when: own id: (own id, instant)."""
        chains: dict[str, tuple[str, int]] = {}
        for start in merges:
            at, since = start, 0
            while at in merges:
                at, when = merges[at]
                since = max(since, when)
            chains[start] = (at, since)
        self._merged = chains

    def own_ids(self, ids: pa.Array, addresses: pa.Array | None) -> pa.Array:
        """The shop's id of each person: as given, else the owner of the address, else the address itself.

        Merged people have the id of whom they became.
        """
        if addresses is not None:
            known, owners = self._by_address
            owner = owners.take(pc.index_in(addresses, known))
            unowned = pc.and_(pc.is_null(ids), pc.and_(pc.is_valid(addresses), pc.is_null(owner)))
            self._remember_addresses(addresses.filter(pc.fill_null(unowned, False)))
            ids = pc.coalesce(ids, owner, addresses)
        if self._merged:
            froms = pa.array(list(self._merged), pa.string())
            tos = pa.array([to for to, _ in self._merged.values()], pa.string())
            ids = pc.coalesce(tos.take(pc.index_in(ids, froms)), ids)
        return ids

    def merged_at(self, ids: pa.Array) -> pa.Array:
        """The instant from which the ids as given are known to be somebody else's; 0 where they are not."""
        froms = pa.array(list(self._merged), pa.string())
        since = pa.array([when for _, when in self._merged.values()], pa.int64())
        return pc.fill_null(since.take(pc.index_in(ids, froms)), 0)

    def became(self) -> pa.Table:
        """Pseudonyms of accounts that became another (customer_id) and of that other (now), by customer_id."""
        olds = self.customers(pa.array(list(self._merged), pa.string()))
        news = self.customers(pa.array([to for to, _ in self._merged.values()], pa.string()))
        kept = pa.array(~(self.is_erased(olds) | self.is_erased(news)))
        return pa.table({"customer_id": olds, "now": news}).filter(kept).sort_by("customer_id")

    @property
    def has_merges(self) -> bool:
        """Whether anybody became somebody else."""
        return bool(self._merged)

    def _remember_addresses(self, addresses: pa.Array) -> None:
        for address in pc.unique(addresses).to_pylist():
            (customer,) = self.customers(pa.array([address])).to_pylist()
            self._address.setdefault(customer, address)
            if self.is_erased(pa.array([customer]))[0]:
                self.erased_addresses.add(address)

    def is_test(self, customers: pa.Array, patterns: Collection[str]) -> np.ndarray:
        """Mask of the pseudonyms of people whose id or address is one of ``patterns``, or ends with one ('@x')."""
        plain = {normalised(pattern) for pattern in patterns if not pattern.startswith("@")}
        ends = tuple(normalised(pattern) for pattern in patterns if pattern.startswith("@"))
        own = dict.fromkeys(pattern for pattern in patterns if not pattern.startswith("@"))
        found = {customer for customer, text in self._address.items() if text in plain or text.endswith(ends)}
        found |= {c for c in self.customers(pa.array(list(own), pa.string())).to_pylist() if c}
        listed = pa.array(sorted(found), pa.string())
        return np.asarray(pc.is_in(customers, listed).to_numpy(zero_copy_only=False), dtype=bool)

    def address_keys(self, addresses: pa.Array) -> pa.Array:
        """Pseudonyms of (normalised) addresses; null of null."""
        return pseudonym(addresses, self.key, ADDRESS)

    def mentions_erased(self, text: str) -> bool:
        """Whether a raw line names an erased customer by id or address, or one of their orders."""
        words = {form for word in _WORDS.findall(text) for form in (word, word.strip(":=."), *word.split(":"))}
        cells = {cell.strip().strip('"') for cell in _BETWEEN_CELLS.split(text)} | set(_QUOTED.findall(text))
        forms = sorted(words | cells)
        self.carry(forms)
        if any(form in self.erased_orders or normalised(form) in self.erased_addresses for form in forms):
            return True
        return bool(self.is_erased(pa.array([_token(CUSTOMER, form, self.key) for form in forms])).any())

    @property
    def has_erased(self) -> bool:
        """Whether anybody was erased."""
        return len(self._erased) > 0 or any(one.erased for one in self._old)

    def vault(self) -> pd.DataFrame:
        """One row per customer with an accepted row: pseudonym, the shop's own id, e-mail address or null."""
        customers = sorted(self._raw)
        return pd.DataFrame(
            {
                "customer_id": pd.array(customers, dtype="str"),
                "shop_id": pd.array([self._raw[c] for c in customers], dtype="str"),
                "email": pd.array([self._address.get(c) for c in customers], dtype="str"),
            }
        )
