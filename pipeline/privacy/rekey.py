"""`wafa rekey`: change the key, and carry suppressions, contacts and tombstones over to the one in force.

Until the last step a marker in state/ makes every other command refuse; every step can be repeated. Pseudonyms of
known ids and addresses are mapped, the others keep their old key, and what a run makes again is deleted.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from campaigns.ledger import Ledger
from pipeline.champion.champions import CHAMPIONS, Kept
from pipeline.people import keys, tombstones
from pipeline.people.keys import Keys
from pipeline.privacy import clear_cache, erase
from pipeline.project import datasets
from pipeline.project.errors import ParamsError, StaleError
from pipeline.project.settings import Settings
from pipeline.sending import export_list, live_facts
from sources import ContractError, OldKey, carried, fingerprint, load_key, read_key


@dataclass
class _Records:
    """The pseudonyms of ledger and tombstones by the fingerprint of the key that made them."""

    noted: dict[str, set[str]] = field(default_factory=dict)
    erased: dict[str, set[str]] = field(default_factory=dict)


def rekey(s: Settings, old: Path | None = None) -> list[str]:
    """Carry all records over to the key in force; what was done, in lines.

    Raises:
        ParamsError: ``old`` is no file.
        ContractError: It holds no key, or there is none in force.
        StaleError: A key that made a record is missing, or an erasure was interrupted.
    """
    new = keys.load(s)
    if erase.JOURNAL.is_file():
        raise StaleError(
            f"{erase.JOURNAL}: an erasure was interrupted. Put the old key back, run `wafa erase` again, and change "
            "the key afterwards."
        )
    named = _named(old)
    found = _found_keys() | named | {new.fingerprint: new.key}
    export_list.finish(live_facts.of_run(None))
    _say_which_key(s, new, found, named)
    records = _records()
    waiting = _waiting(records, found, new)
    others = _made_by_another(new)
    is_change = datasets.REKEYING.exists() or bool(others) or _is_of_another(new, records)
    for one in waiting:
        _keep(one.key)
    if is_change:
        datasets.write_json({"key": new.fingerprint}, datasets.REKEYING)
    texts = keys.in_vault() | keys.in_files(s) if any(one.noted or one.erased for one in waiting) else set()
    pairs = carried(texts, new.key, waiting)
    if datasets.LEDGER.is_file():
        with Ledger(datasets.LEDGER) as ledger:
            ledger.rekey(new.fingerprint, pairs)
    tombstones.carry(pairs, new.key_id, new.fingerprint)
    lines = [f"rekey: the key is {new.key_id} ({new.fingerprint})", *_carried_lines(waiting, pairs)]
    if is_change:
        _champions(s, new, found)
        lines += _delete()
        datasets.REKEYING.unlink(missing_ok=True)
    return lines


def drop(s: Settings, name: str) -> list[str]:
    """Delete the old key with the fingerprint ``name``.

    Raises:
        ParamsError: There is no such key.
        StaleError: Pseudonyms of it remain.
    """
    keys.in_force(s)
    file = datasets.old_key_file(name)
    if file.parent != datasets.OLD_KEYS or not file.is_file():
        raise ParamsError(f"wafa rekey: {datasets.OLD_KEYS.as_posix()} holds no key {name}. Look there for its name.")
    records = _records()
    guarded = len(records.noted.get(name, ())) + len(records.erased.get(name, ()))
    if guarded:
        raise StaleError(
            f"rekey: the key {name} still guards {guarded:,} pseudonyms of people who were noted, written to or erased "
            "and did not come back since. Keep it; `wafa rekey` carries over whoever the shop's files hold by now."
        )
    file.unlink()
    return [f"rekey: the key {name} guards nobody any more and is deleted"]


# The keys


def _found_keys() -> dict[str, bytes]:
    """Every key below state/keys, and the published one, by fingerprint."""
    found = [load_key("demo", {}, Path())]
    for file in (*sorted(datasets.KEYS.glob("*.key")), *sorted(datasets.OLD_KEYS.glob("*.key"))):
        try:
            found.append(read_key(file))
        except ContractError:
            continue
    return {fingerprint(key): key for key in found}


def _named(old: Path | None) -> dict[str, bytes]:
    if old is None:
        return {}
    if not old.is_file():
        raise ParamsError("wafa rekey: --old is no file. Name the file that holds the old key.")
    key = read_key(old)
    return {fingerprint(key): key}


def _keep(key: bytes) -> None:
    file = datasets.old_key_file(fingerprint(key))
    if not file.is_file():
        datasets.private_folder(datasets.OLD_KEYS)
        with datasets.replace_file(file) as draft:
            draft.touch(mode=0o600)
            draft.write_text(f"{key.hex()}\n", encoding="ascii")


# What stands under which key


def _say_which_key(s: Settings, new: Keys, found: dict[str, bytes], named: dict[str, bytes]) -> None:
    """Add a fingerprint to records without one: of a key that recognises somebody in them, or was named."""
    unsaid = tombstones.by_key().get("", set())
    if unsaid:
        maker = _maker(s, found, unsaid, named, datasets.ERASED.as_posix())
        tombstones.adopt(new.key_id if maker == new.fingerprint else "old", maker)
    if datasets.LEDGER.is_file():
        with Ledger(datasets.LEDGER) as ledger:
            if ledger.made_by() is None and not ledger.is_empty():
                sure = {} if ledger.has_contacts() else named
                maker = _maker(s, found, ledger.tokens(), sure, datasets.LEDGER.as_posix())
                with ledger.writing():
                    ledger.adopt(maker)


def _maker(s: Settings, found: dict[str, bytes], tokens: set[str], named: dict[str, bytes], record: str) -> str:
    for name, key in found.items():
        if keys.recognises(s, key, tokens):
            return name
    # The files may hold none of the erased people or addresses noted in advance: then the named key must do.
    for name in named:
        return name
    raise StaleError(
        f"rekey: {record} does not say which key made its pseudonyms, and no key at hand recognises anybody in it. "
        "Name the file of the key that made them: `wafa rekey --old FILE`."
    )


def _records() -> _Records:
    found = _Records(erased=tombstones.by_key())
    if datasets.LEDGER.is_file():
        with Ledger(datasets.LEDGER, check=False) as ledger:
            found.noted = ledger.waiting()
            if made := ledger.made_by():
                found.noted[made] = found.noted.get(made, set()) | ledger.tokens()
    return found


def _waiting(records: _Records, found: dict[str, bytes], new: Keys) -> list[OldKey]:
    old = []
    for name in sorted({*records.noted, *records.erased} - {new.fingerprint}):
        noted, erased = records.noted.get(name, set()), records.erased.get(name, set())
        if name not in found and (noted or erased):
            raise StaleError(
                f"rekey: {len(noted) + len(erased):,} pseudonyms were made with the key {name}, which is nowhere below "
                f"{datasets.KEYS.as_posix()}. Name its file: `wafa rekey --old FILE`."
            )
        if name in found:
            old.append(OldKey(found[name], frozenset(erased), frozenset(noted)))
    return old


def _is_of_another(new: Keys, records: _Records) -> bool:
    """Whether a key that is not among the old ones made ledger or tombstones."""
    names = {name for name in {*records.noted, *records.erased} if not datasets.old_key_file(name).is_file()}
    if datasets.LEDGER.is_file():
        with Ledger(datasets.LEDGER, check=False) as ledger:
            names.add(ledger.made_by() or new.fingerprint)
    return bool(names - {new.fingerprint})


def _made_by_another(new: Keys) -> list[Path]:
    """The champions, nights and events, or the vault, that another key made."""
    events = [datasets.EVENTS, *(path / datasets.EVENTS.name for path in sorted(datasets.BATCH.glob("*")))]
    made = [(place, keys.made_by(place)) for place in events]
    made += [(place, CHAMPIONS.facts(place.name).get("key")) for place in sorted(CHAMPIONS.root.glob("*"))]
    others = [place for place, name in made if name and name != new.fingerprint]
    return others if keys.owns_vault(new) else [*others, datasets.VAULT]


def _carried_lines(waiting: list[OldKey], pairs: dict[str, str]) -> list[str]:
    lines = []
    for one in waiting:
        for what, tokens in (("noted or written to", one.noted), ("erased", one.erased)):
            if tokens:
                done = len(tokens & pairs.keys())
                lines.append(
                    f"  {fingerprint(one.key)}: of {len(tokens):,} pseudonyms of people {what} {done:,} carried over, "
                    f"{len(tokens) - done:,} wait until an id or address of theirs comes"
                )
    return lines


# What was made with the old key


def _champions(s: Settings, new: Keys, found: dict[str, bytes]) -> None:
    """Give each champion of another key a folder whose predictions name the customers that the new key recognises."""
    if CHAMPIONS.pointer() is None:
        return
    texts = keys.in_vault() | keys.in_files(s)

    def renamed(facts: dict[str, Any], predictions: Callable[[], pd.DataFrame | None]) -> Kept | None:
        if facts.get("key") == new.fingerprint:
            return None
        rows = predictions()
        if rows is not None:
            # A champion without a fingerprint: whichever key explains its customers made it.
            maker = [found[facts["key"]]] if facts.get("key") in found else [] if facts.get("key") else found.values()
            old = [OldKey(key, noted=frozenset(rows["customer_id"])) for key in maker]
            rows["customer_id"] = rows["customer_id"].map(carried(texts, new.key, old))
            rows = rows.dropna(subset=["customer_id"])
            rows["customer_id"] = rows["customer_id"].astype("str")
            rows = rows.sort_values([name for name in ("customer_id", "origin") if name in rows])
        return facts | {"key": new.fingerprint}, rows

    CHAMPIONS.rewrite(renamed)


def _delete() -> list[str]:
    """Delete what holds old pseudonyms and is made again from the shop's files."""
    told = erase.Told()
    datasets.VAULT.unlink(missing_ok=True)
    for folder in (datasets.LANDED, datasets.SPILL, datasets.LEAK_CHECK, datasets.STATE / "check", datasets.BATCH):
        shutil.rmtree(folder, ignore_errors=True)
    erase.delete_outputs(told)
    clear_cache.clear()
    clear_cache.forget_stages()
    return [
        f"  {datasets.DATA}, {datasets.BATCH} and the vault were deleted, and DVC's copies of them",
        f"next: commit {datasets.ERASED} and {clear_cache.LOCK}, then `wafa run` makes everything again; approve the "
        "lists again before you export them",
    ]
