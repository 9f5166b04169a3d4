"""Files to upload without some people: whose row is whose, also where a platform names people by address alone."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from campaigns.ledger import Ledger
from pipeline.people.find_person import Found
from pipeline.people.raw_records import (
    GZIP,
    Cells,
    People,
    RawFile,
    Role,
    UnreadableError,
    failing,
    is_draft,
    magic_of,
    opened,
    records,
)
from pipeline.privacy import scrub
from pipeline.privacy.rewrite_raw import write_without
from pipeline.project import datasets
from pipeline.sending import export_list, write_platform
from sources import normalised

_SENT: dict[str, Role] = {
    "customerid": "person",
    "externalid": "person",
    "userid": "person",
    "id": "person",
    "subscriberkey": "person",
    "contactkey": "person",
}
"""Headers under which files to upload name people."""


@dataclass(frozen=True)
class Upload:
    """One file to upload, and whom of the people in question its rows are about."""

    file: RawFile
    people: People
    kind: str

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows about them, by header."""
        with failing(self.file):
            if self.file.format == "parquet":
                with pq.ParquetFile(self.file.path) as table:
                    everything = [row for batch in table.iter_batches(10_000) for row in batch.to_pylist()]
            else:
                with opened(self.file) as lines:
                    everything = list(csv.DictReader(lines, delimiter=self.file.delimiter))
        for row in everything:
            cells: Cells = [(self.file.role((str(name),), str(cell)), str(cell)) for name, cell in row.items()]
            if self.people.own(cells):
                yield row


def uploads(found: Found) -> Iterator[Upload]:
    """Every file of every export, folder by folder.

    One inbox gets one message a run, and the ledger says whose it was: at an address that somebody else has as well, a
    row goes unless that is somebody who stays. Addresses to suppress stay as long as somebody has them.
    """
    folders = {path.parent for path in scrub.walk(datasets.OUTBOX)} if datasets.OUTBOX.is_dir() else set()
    whose = cache(_Whose(found).addresses)
    for folder in sorted(folders):
        name, as_of = (*folder.relative_to(datasets.OUTBOX).parts, "", "")[:2]
        listed = replace(found.people, addresses=found.people.addresses | whose(name, as_of))
        for path in sorted(path for path in folder.iterdir() if path.is_file()):
            if is_draft(path) or path.name.endswith(".manifest.json") or path.suffix == ".txt":
                continue
            kind = next((kind for kind in ("suppress", "sunset") if f".{kind}." in path.name), "list")
            yield Upload(_read_as(path), listed if kind == "list" else found.people, kind)


def remove(found: Found) -> dict[str, int]:
    """Take their rows out of every file to upload, and mend what manifest and README say; how many by folder."""
    gone: dict[str, int] = {}
    for upload in uploads(found):
        folder = upload.file.path.parent.as_posix()
        try:
            count = write_without(upload.file, upload.people)
        except UnreadableError:
            upload.file.path.unlink()
            count = 1
        gone[folder] = gone.get(folder, 0) + count
    for folder in gone:
        # Also where nothing went: a call that was killed may have come no further.
        for path in sorted(Path(folder).glob("*.manifest.json")):
            _mend_manifest(path)
    return gone


class _Whose:
    """At which shared addresses the files of a run name the people in question."""

    def __init__(self, found: Found) -> None:
        self.found = found
        self.others: dict[str, set[str]] = defaultdict(set)
        if found.shared and datasets.VAULT.is_file():
            vault = datasets.read_parquet(datasets.VAULT, ("customer_id", "email")).dropna()
            for person, email in zip(vault["customer_id"], vault["email"], strict=True):
                if person not in found.pseudonyms:
                    self.others[normalised(email)].add(person)

    def addresses(self, name: str, as_of: str) -> set[str]:
        """Those whose row in the files of the run is not known to be somebody else's."""
        if not self.found.shared:
            return set()
        mine: set[str] = set()
        others: set[str] = set()
        if datasets.LEDGER.is_file():
            with Ledger(datasets.LEDGER, check=False) as ledger:
                for person, inbox in ledger.in_files(name, as_of):
                    mine |= {inbox} if person in self.found.pseudonyms else set()
                    others |= set() if person in self.found.pseudonyms else {person, inbox}
        return {
            address
            for address, inbox in self.found.shared.items()
            if inbox in mine or others.isdisjoint({inbox, *self.others[address]})
        }


def _read_as(path: Path) -> RawFile:
    """Files to upload name people by headers of the platforms, so they are read as a vendor's."""
    plain = RawFile(path, path.name, "csv", "utf-8", ",", _SENT, "outbox", False)
    if magic_of(plain) == b"PAR1":
        return replace(plain, format="parquet")
    with gzip.open(path) if magic_of(plain).startswith(GZIP) else path.open("rb") as file:
        first = file.readline().decode("utf-8", "replace")
    return replace(plain, delimiter=max(",;\t|", key=first.count))


def _mend_manifest(path: Path) -> None:
    """Have a manifest, and the README beside it, tell of the files as they are; does so again after a kill."""
    told: dict[str, Any] = datasets.read_json(path)
    folder, name = path.parent, str(told.get("list", ""))
    there = {each: folder / each for each in told.get("files", {}) if (folder / each).is_file()}
    hashes = {each: datasets.sha256(place) for each, place in there.items()}
    if hashes == told.get("files"):
        return
    rows = {"suppress": 0, "sunset": 0, "list": 0}
    for each, place in there.items():
        kind = next((kind for kind in ("suppress", "sunset") if each.startswith(f"{name}.{kind}.")), "list")
        rows[kind] += _count(place)
    people = max(0, int(told.get("exported", 0)) - rows["list"])
    told["erased"] = int(told.get("erased", 0)) + people
    # Who was selected is one less, too: selected = exported + skipped stays true.
    now = {
        "exported": rows["list"],
        "selected": max(0, int(told.get("selected", 0)) - people),
        "suppressed_addresses": rows["suppress"],
        "sunset_addresses": rows["sunset"],
        "files": hashes,
    }
    told |= {key: value for key, value in now.items() if key in told}
    readme = folder / write_platform.README
    if readme.is_file() and {"exported", "holdout", "as_of"} <= told.keys():
        _write_private(readme, write_platform.readme({"platform": export_list.NEUTRAL, "cut_cells": 0} | told))
    # Last: while it is as it was, a later call finds that there is something to mend.
    _write_private(path, datasets.as_json(told))


def _count(path: Path) -> int:
    file = _read_as(path)
    if file.format == "parquet":
        return datasets.count_rows(path)
    return sum(1 for _ in records(file))


def _write_private(path: Path, text: str) -> None:
    with datasets.replace_file(path) as draft:
        draft.touch(mode=0o600)
        draft.write_bytes(text.encode("utf-8"))
