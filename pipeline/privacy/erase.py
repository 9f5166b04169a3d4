"""`wafa erase`: somebody who asked to be forgotten leaves every place of the project, and does not come back.

What is known of the people is written down first, privately, and deleted last: a call that was killed is finished by
the next one, though the shop's own files no longer say by then who they were. What a run makes again is deleted
rather than mended; docs/decisions/0028 says why.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from campaigns.ledger import Ledger
from pipeline.champion.champions import CHAMPIONS, Kept
from pipeline.people import keys, tombstones
from pipeline.people.find_person import Found, find
from pipeline.people.raw_records import People, UnreadableError, declared, is_about
from pipeline.privacy import clear_cache, erase_outbox, scrub
from pipeline.privacy.rewrite_raw import write_without
from pipeline.project import datasets
from pipeline.project.errors import ParamsError, StaleError
from pipeline.project.settings import Settings
from pipeline.sending import export_list, live_facts

JOURNAL = datasets.STATE / "erasing.json"
"""People whose erasure has begun; there only until it has ended."""

TRACKING = (Path("mlflow.db"), Path("mlruns"))
_NOT_OURS = [Path(".git"), Path(".venv"), datasets.ERASED, JOURNAL, datasets.STATE / "keys", datasets.LOCK]


def whom(s: Settings, names: Sequence[str], force: bool = False) -> Found:
    """The people whom ``names`` mean, and those of a call that was interrupted.

    With ``force`` also those of whom nothing is here yet. Where a call was interrupted, names that nobody has stand in
    ``unknown``, so that it can be finished first.

    Raises:
        ParamsError: Nobody is known under one of the names, or one cannot be read.
        StaleError: What is known of an interrupted call is damaged.
    """
    begun = _unfinished()
    found = find(s, names, force, begun)
    if found.unknown and begun is None:
        raise unknown(found)
    return found


def unknown(found: Found) -> ParamsError:
    """The error for names that nobody has."""
    which = ", ".join(str(at + 1) for at in found.unknown)
    return ParamsError(
        f"wafa erase: nobody is known under name {which} of {found.asked}, so nothing was erased under it. "
        "Correct it, or add --force to keep that name out of every later import."
    )


def erase(s: Settings, found: Found, keep_raw: bool = False) -> list[str]:
    """Remove ``found`` from every place; what was done, in lines."""
    _note(found)
    told = Told()
    _write_tombstones(s, found, told)
    _raw(s, found, keep_raw, told)
    _state(found, told)
    _champions(found, told)
    delete_outputs(told)
    for store, gone in clear_cache.clear().items():
        told.did(f"DVC {store}", gone, "objects and run-cache entries of ingest and later stages deleted")
    told.did("dvc.lock", clear_cache.forget_stages(), "stages dropped")
    _sweep(s, found, told)
    _beyond(s, found, told)
    JOURNAL.unlink(missing_ok=True)
    return told.lines(len(found.pseudonyms))


class Told:
    """What was done in each place, and what could not be."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.open: list[str] = []

    def did(self, place: str, count: int, what: str) -> None:
        """Note that so many of something were done there; nothing of none."""
        if count:
            self.done.append(f"  {place}: {count:,} {what}")

    def lines(self, pseudonyms: int) -> list[str]:
        """All of it for the screen."""
        first = f"erased: {pseudonyms} pseudonyms stand in {datasets.ERASED}, so that no later import brings them back"
        return [
            first,
            *self.done,
            "not reached:",
            *[f"  {line}" for line in self.open],
            f"next: commit {datasets.ERASED} and {clear_cache.LOCK}, then `wafa run` makes everything again "
            "without them",
        ]


# What was begun


def _unfinished() -> Found | None:
    """The people of an earlier call that did not end."""
    if not JOURNAL.is_file():
        return None
    try:
        told = {name: set(values) for name, values in datasets.read_json(JOURNAL).items()}
        known = People(told["ids"], told["addresses"], told["visitors"], told["orders"])
        # Notes of an older version say nothing of these.
        return Found(known, told["pseudonyms"], told["marks"], shared=dict.fromkeys(told.get("shared", ()), ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StaleError(
            f"{JOURNAL}: was damaged, so nobody knows whose erasure was interrupted. Delete the file, and erase "
            "those people again."
        ) from None


def _note(found: Found) -> None:
    """Write down whom it is about before anything is touched."""
    people = found.people
    told = {
        "ids": people.ids,
        "addresses": people.addresses,
        "visitors": people.visitors,
        "orders": people.orders,
        "pseudonyms": found.pseudonyms,
        "marks": found.marks,
        "shared": found.shared,
    }
    datasets.private_folder(datasets.STATE)
    with datasets.replace_file(JOURNAL) as draft:
        draft.touch(mode=0o600)
        draft.write_text(json.dumps({name: sorted(values) for name, values in told.items()}), encoding="utf-8")


def _write_tombstones(s: Settings, found: Found, told: Told) -> None:
    new = found.pseudonyms - tombstones.erased_customers(datasets.ERASED)
    if new:
        known = keys.in_force(s)
        for maker in sorted({known.maker_of(one) for one in new}):
            name = known.key_id if maker == known.fingerprint else "old"
            tombstones.add([one for one in new if known.maker_of(one) == maker], name, maker)
    told.did(str(datasets.ERASED), len(new), "pseudonyms added")


# The shop's own files


def _is_simulated(s: Settings) -> bool:
    path = Path(s.sources.path)
    return path == datasets.RAW_SIMULATED or datasets.RAW_SIMULATED in path.parents


def _raw(s: Settings, found: Found, keep_raw: bool, told: Told) -> None:
    if _is_simulated(s):
        told.open.append(f"{s.sources.path}: left alone, it holds simulated people and is made again by every run")
        return
    if keep_raw:
        told.open.append(f"{s.sources.path}: left alone as you asked; every ingest will skip their records")
        return
    _remove_drafts(Path(s.sources.path))
    files, others = declared(s)
    for file in files:
        try:
            told.did(f"{s.sources.path}/{file.name}", write_without(file, found.people), "records removed")
        except UnreadableError:
            found.unread.add(file.name)
    told.open += [f"{s.sources.path}/{name}: cannot be read; look into it yourself" for name in sorted(found.unread)]
    names = found.people.addresses | found.people.ids
    for path in others:
        try:
            text = "" if not names else path.read_bytes().decode("utf-8", "ignore")
        except OSError:
            told.open.append(f"{path.as_posix()}: cannot be read; look into it yourself")
            continue
        if found.people.named_in(text):
            told.open.append(f"{path.as_posix()}: not declared in params, and may name them")


def _remove_drafts(top: Path) -> None:
    """What killed runs left half-written."""
    for pattern in (".*.tmp-*", ".*.old-*"):
        # Some lie in folders that are drafts themselves.
        for path in list(top.rglob(pattern)) if top.is_dir() else []:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


# state/


def _state(found: Found, told: Told) -> None:
    # A killed export may have a draft that counts; it must be in its place before drafts are removed.
    export_list.finish(live_facts.of_run(None))
    for place in (datasets.STATE, datasets.DATA):
        _remove_drafts(place)
    for written in (datasets.ERASED, clear_cache.LOCK):
        for path in Path().glob(f".{written.name}.tmp-*"):
            path.unlink(missing_ok=True)
    for folder in (datasets.LANDED, datasets.SPILL, datasets.LEAK_CHECK, datasets.STATE / "check"):
        told.did(folder.as_posix(), sum(1 for _ in scrub.walk(folder)), "files deleted")
        shutil.rmtree(folder, ignore_errors=True)
    # Vault and ledger say whose a row is; so they forget after the files to upload.
    for outbox, count in erase_outbox.remove(found).items():
        told.did(outbox, count, "rows removed")
    told.did(datasets.VAULT.as_posix(), _vault(found), "people removed")
    told.did(datasets.LEDGER.as_posix(), _ledger(found), "rows removed")
    for path in sorted(datasets.QUARANTINE.glob("*.jsonl")):
        told.did(path.as_posix(), _quarantine(path, found.people), "lines removed")
    names = _names(found)
    for folder in sorted(path for path in datasets.BATCH.glob("*") if path.is_dir()):
        if any(scrub.mentions(path, names) for path in scrub.walk(folder)):
            shutil.rmtree(folder)
            told.did(folder.as_posix(), 1, f"folder deleted; `wafa score --as-of {folder.name}` makes it again")


def _names(found: Found) -> set[str]:
    """What no file of ours may hold afterwards; ids are too short to be told from other numbers."""
    return found.pseudonyms | found.marks | found.people.addresses


def _vault(found: Found) -> int:
    if not datasets.VAULT.is_file():
        return 0
    rows = datasets.read_parquet(datasets.VAULT)
    gone = rows["customer_id"].isin(found.pseudonyms) | rows["shop_id"].isin(found.people.ids)
    if gone.any():
        with datasets.replace_file(datasets.VAULT) as draft:
            draft.touch(mode=0o600)
            rows[~gone].to_parquet(draft, index=False, compression="zstd")
    return int(gone.sum())


def _ledger(found: Found) -> int:
    """Forget whom we wrote to and who opted out: erased.txt alone keeps them from being written to again."""
    if not datasets.LEDGER.is_file():
        return 0
    with Ledger(datasets.LEDGER) as ledger:
        return ledger.forget(found.pseudonyms | found.marks)


def _quarantine(path: Path, people: People) -> int:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not is_about(line, people)]
    if len(kept) < len(lines):
        with datasets.replace_file(path) as draft:
            draft.touch(mode=0o600)
            draft.write_bytes("".join(kept).encode("utf-8"))
    return len(lines) - len(kept)


# Champions


def _champions(found: Found, told: Told) -> None:
    """Take them out of the predictions of every champion."""
    gone = 0

    def without(facts: dict[str, Any], predictions: Callable[[], pd.DataFrame | None]) -> Kept | None:
        nonlocal gone
        rows = predictions()
        if rows is None:
            return None
        mine = rows["customer_id"].isin(found.pseudonyms)
        gone += int(mine.sum())
        return (facts, rows[~mine]) if mine.any() else None

    changed = CHAMPIONS.rewrite(without)
    told.did(datasets.CHAMPIONS.as_posix(), gone, f"predictions removed from {changed} champions")


# data/


def delete_outputs(told: Told) -> None:
    """Delete what stages make again: all below data/ but simulated logs, the leak certificate and the README."""
    kept = (datasets.RAW_SIMULATED.parent, datasets.LEAK_CERTIFICATE, datasets.DATA / "README.md")
    files = list(scrub.walk(datasets.DATA, kept)) if datasets.DATA.is_dir() else []
    for path in files:
        path.unlink()
    for folder in sorted((path for path in datasets.DATA.rglob("*") if path.is_dir()), reverse=True):
        if datasets.RAW_SIMULATED.parent not in (folder, *folder.parents) and not any(folder.iterdir()):
            folder.rmdir()
    told.did(datasets.DATA.as_posix(), len(files), "files deleted, which the next run makes again")


# Everywhere else


def _sweep(s: Settings, found: Found, told: Told) -> None:
    """Delete whatever in our own folders still names them, and name what does so elsewhere in the project."""
    ours = (datasets.DATA, datasets.STATE, clear_cache.DVC, *TRACKING)
    names, root = _names(found), Path(s.sources.path)
    deleted = rows = 0
    for path in scrub.walk(Path(), [*_NOT_OURS, root, datasets.RAW_SIMULATED]):
        if not scrub.mentions(path, names):
            continue
        if not any(place in (path, *path.parents) for place in ours):
            told.open.append(f"{path.as_posix()}: names them and is not ours to change")
        elif scrub.is_database(path):
            rows += _clear_database(path, names)
        elif path.is_file() and not path.name.endswith(("-wal", "-shm", "-journal")):
            path.unlink()
            deleted += 1
    for top in clear_cache.stores()[0].values():
        for path in list(scrub.walk(top)):
            if scrub.mentions(path, names):
                path.unlink()
                deleted += 1
    told.did("elsewhere", deleted, "further files that named them deleted")
    told.did("elsewhere", rows, "rows of databases deleted")


def _clear_database(path: Path, names: set[str]) -> int:
    try:
        return scrub.clear_database(path, names)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            raise StaleError(
                f"{path.as_posix()} names them and is in use. Close what uses it, then call it again."
            ) from None
        if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise
    path.unlink()
    return 1


def _beyond(s: Settings, found: Found, told: Told) -> None:
    if found.shared:
        told.open.append(
            f"{len(found.shared)} addresses of theirs, which an account of somebody else has as well: name the address "
            "to erase both"
        )
    if tables := [name for name, log in (*s.sources.logs.items(), *s.sources.own_logs.items()) if log.table]:
        told.open.append(
            f"the shop's database ({', '.join(tables)}): it still holds them; every ingest skips their rows"
        )
    _, remotes = clear_cache.stores()
    told.open += [f"DVC remote {name}: no folder of this machine; delete its objects there" for name in remotes]
    if clear_cache.experiments():
        told.open.append(
            f"{clear_cache.experiments()} experiments in git: their dvc.lock names objects that are gone now; "
            "`dvc exp remove --all-commits` forgets them"
        )
    if uri := os.environ.get("MLFLOW_TRACKING_URI"):
        told.open.append(
            f"the MLflow server{'' if '@' in uri else ' ' + uri}: Wafa records nothing about a single person there"
        )
    tracked = clear_cache.tracked_copies(Path(s.sources.path))
    told.open += [f"{name}: git or DVC keeps older versions of the shop's files" for name in tracked]
    told.open += [
        "files already uploaded to the e-mail platform, and what it knows of them: delete the person there",
        "backups, other clones of this project with their caches, and the shop's own systems",
    ]
