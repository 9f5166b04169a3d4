"""The key in force, checked against every record that holds pseudonyms: another key recognises nobody in them.

Nothing here decides what a stage computes: it refuses, or returns the key and the old keys still needed.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from campaigns.ledger import Ledger
from pipeline.people import tombstones
from pipeline.people.raw_records import UnreadableError, declared, records
from pipeline.project import datasets
from pipeline.project.errors import StaleError
from pipeline.project.settings import Settings
from sources import MissingKeyError, OldKey, carried, fingerprint, load_key, pseudonym, read_key


@dataclass(frozen=True)
class Keys:
    """The key in force, its id and fingerprint, and the old keys of which pseudonyms remain."""

    key: bytes
    key_id: str
    fingerprint: str
    old: tuple[OldKey, ...] = ()

    def maker_of(self, token: str) -> str:
        """The fingerprint of the old key that made a pseudonym, or of the key in force."""
        made = [fingerprint(one.key) for one in self.old if token in one.erased | one.noted]
        return made[0] if made else self.fingerprint

    def old_tokens(self, texts: Iterable[str]) -> set[str]:
        """The pseudonyms of old keys that these ids and addresses explain."""
        return set(carried(texts, self.key, self.old))


def load(s: Settings) -> Keys:
    """The key in force, without any check.

    Raises:
        ContractError: There is none, or it is no key; the message names what was made with it.
    """
    key_id = s.sources.key_id
    file = datasets.key_file(key_id)
    try:
        key = load_key(key_id, os.environ, file)
    except MissingKeyError as error:
        if there := _records():
            raise MissingKeyError(
                f"{error} If this key made the pseudonyms in {', '.join(there)}, put it back instead: a new one "
                "recognises nobody in them."
            ) from None
        raise
    return Keys(key, key_id, fingerprint(key))


def _records() -> list[str]:
    found = [place.as_posix() for place in (datasets.LEDGER, datasets.EVENTS, datasets.VAULT) if place.exists()]
    return found + ([datasets.ERASED.as_posix()] if tombstones.by_key() else [])


def in_force(s: Settings, events: Path | None = None, adopt: bool = False) -> Keys:
    """The key in force, checked against ledger and tombstones, and with ``events`` against these and the vault.

    A record without a fingerprint counts as made by the key if it recognises somebody in it; with ``adopt``, which
    needs the lock of the run, the fingerprint is then written into erased.txt.

    Raises:
        ContractError: As :func:`load`.
        StaleError: Another key made one of them, an old key still needed is missing, or a `wafa rekey` was interrupted.
    """
    if datasets.REKEYING.exists():
        raise StaleError(f"{datasets.REKEYING}: a change of the key was interrupted. Run `wafa rekey` to finish it.")
    keys = load(s)
    noted, erased = _ledger(s, keys), _tombstones(s, keys, adopt)
    if events is not None:
        check(keys, made_by(events), f"{(events / datasets.MANIFEST).as_posix()}")
        if not owns_vault(keys):
            raise _another(keys, datasets.VAULT.as_posix())
    old = []
    for one in sorted({*noted, *erased}):
        old.append(OldKey(_old_key(one), frozenset(erased.get(one, ())), frozenset(noted.get(one, ()))))
    return Keys(keys.key, keys.key_id, keys.fingerprint, tuple(old))


def ready(s: Settings, events: Path) -> Keys:
    """As :func:`in_force`, after old pseudonyms of people in the vault were carried over in the ledger."""
    keys = in_force(s, events)
    carry(keys, carried(in_vault(), keys.key, keys.old))
    return keys


def carry(keys: Keys, pairs: Mapping[str, str]) -> None:
    """Change old pseudonyms in the ledger to new ones."""
    if pairs and datasets.LEDGER.is_file():
        with Ledger(datasets.LEDGER, check=False, key=keys.fingerprint) as ledger:
            ledger.carry(pairs)


def check(keys: Keys, found: str | None, record: str) -> None:
    """Refuse a ``record`` that says it was made by the key ``found`` where another is in force.

    Raises:
        StaleError: It was.
    """
    if found and found != keys.fingerprint:
        raise _another(keys, record, found)


def check_unsaid(s: Settings, keys: Keys, tokens: Collection[str], place: Path) -> None:
    """Refuse a record at ``place`` without a fingerprint in which the key in force recognises nobody.

    Raises:
        StaleError: It recognises nobody.
    """
    if len(tokens) and not recognises(s, keys.key, tokens):
        raise _unknown(keys, place.as_posix(), "Put the old key back, or run `wafa rekey`.")


def _another(keys: Keys, record: str, found: str = "") -> StaleError:
    with_key = f"with the key {found}" if found else "with another key"
    return StaleError(
        f"{record} was made {with_key}, and the key in force, {keys.key_id!r} (sources.key_id), is "
        f"{keys.fingerprint}: it would recognise nobody in it. Put the old key back, or run `wafa rekey`."
    )


def _unknown(keys: Keys, record: str, cure: str) -> StaleError:
    return StaleError(
        f"{record} does not say which key made its pseudonyms, and the key in force, {keys.key_id!r} "
        f"(sources.key_id), recognises nobody in it. {cure}"
    )


def made_by(events: Path) -> str | None:
    """The fingerprint of the key that made the events in a folder; None where they have none."""
    manifest = events / datasets.MANIFEST
    return datasets.read_json(manifest).get("key") if manifest.is_file() else None


# Ledger and tombstones


def _ledger(s: Settings, keys: Keys) -> dict[str, set[str]]:
    if not datasets.LEDGER.is_file():
        return {}
    with Ledger(datasets.LEDGER, check=False) as ledger:
        if ledger.made_by() is None and not ledger.is_empty():
            if not recognises(s, keys.key, ledger.tokens()):
                raise _unknown(
                    keys,
                    datasets.LEDGER.as_posix(),
                    "Put the key back that made them, or name its file: `wafa rekey --old FILE`.",
                )
            with ledger.writing():
                if ledger.made_by() is None:
                    ledger.adopt(keys.fingerprint)
        check(keys, ledger.made_by(), datasets.LEDGER.as_posix())
        return ledger.waiting()


def _tombstones(s: Settings, keys: Keys, adopt: bool) -> dict[str, set[str]]:
    found = tombstones.by_key()
    if unsaid := found.get(""):
        if not recognises(s, keys.key, unsaid):
            raise _unknown(
                keys,
                datasets.ERASED.as_posix(),
                f"If it made them, write the line `{tombstones.head(keys.key_id, keys.fingerprint).strip()}` above "
                "them; if not, put the old key back, or name its file: `wafa rekey --old FILE`.",
            )
        if adopt:
            tombstones.adopt(keys.key_id, keys.fingerprint)
    others = {key: tokens for key, tokens in found.items() if key not in ("", keys.fingerprint)}
    for key in others:
        if not datasets.old_key_file(key).is_file():
            check(keys, key, datasets.ERASED.as_posix())
    return others


def _old_key(name: str) -> bytes:
    file = datasets.old_key_file(name)
    key = read_key(file) if file.is_file() else b""
    if fingerprint(key) != name:
        raise StaleError(
            f"{file.as_posix()} is missing or holds another key, though people noted or erased under it wait in "
            f"{datasets.LEDGER.as_posix()} or {datasets.ERASED.as_posix()} to be recognised. Put that key back."
        )
    return key


# Whom a key recognises


def recognises(s: Settings, key: bytes, tokens: Collection[str]) -> bool:
    """Whether ``key`` makes one of these pseudonyms of an id or address that the vault or the shop's files hold."""
    waiting = (OldKey(key, frozenset(tokens)),)
    return any(carried(texts, key, waiting) for texts in (in_vault(), in_files(s)))


def in_vault() -> set[str]:
    """Every id and address in the vault."""
    if not datasets.VAULT.is_file():
        return set()
    vault = datasets.read_parquet(datasets.VAULT, ("shop_id", "email"))
    return {*vault["shop_id"].dropna().astype("str"), *vault["email"].dropna().astype("str")}


def in_files(s: Settings) -> set[str]:
    """Every id and address in the shop's own files that can be read."""
    return set(_in_files(s))


def _in_files(s: Settings) -> Iterator[str]:
    for file in declared(s)[0]:
        try:
            for cells in records(file):
                yield from (text for role, text in cells if role in ("person", "address"))
        except UnreadableError:
            continue


def owns_vault(keys: Keys) -> bool:
    """Whether the key made the vault, where there is one that knows somebody."""
    if not datasets.VAULT.is_file():
        return True
    first = next(pq.ParquetFile(datasets.VAULT).iter_batches(batch_size=1, columns=["customer_id", "shop_id"]), None)
    if first is None or not first.num_rows:
        return True
    return bool(pseudonym(first["shop_id"].cast("string"), keys.key)[0].as_py() == first["customer_id"][0].as_py())
