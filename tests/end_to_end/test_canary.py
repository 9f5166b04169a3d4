"""Fifty people with unmistakable names in every log: where they may be found, and that `wafa erase` leaves none."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
import shutil
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.privacy import scrub
from sources import address_key, load_key, pseudonym
from tests.end_to_end.project import SMALL, Project

# Made when it runs, so that no file of the project holds it.
MARK = "q" + hashlib.sha256(b"a name that nobody has").hexdigest()[:11]
RAW = "exports/shop"
AS_OF = "2024-10-01"
KEY_ID = "canary"
KEY = "5e" * 32
PLACES = ("exports/", "state/landed/", "state/vault.parquet", "state/quarantine/", "state/outbox/")
"""Where the shop's own ids and addresses may be."""

FEW: dict[str, Any] = SMALL | {
    "simulation__customers": 400,
    "simulation__months": 15,
    "sources__complete_until": AS_OF,
    "sources__key_id": KEY_ID,
    "scoring__as_of": AS_OF,
    "cohort__max_cutoffs": 2,
    "features__windows_days": [90],
    "cohort__test_origins": 1,
    "model__trees": 5,
    "model__bootstrap_draws": 50,
    "campaigns__lists__win_back": {"budget": 400, "bands": ["high", "medium", "low"], "min_value": 0},
    "campaigns__economy__contact_cost": 0,
}
SENT = ("win_back", "at_risk", "abandoned_cart", "next_order")


@dataclass
class Canaries:
    """Own id and address of each planted person, and all they were found to leave behind."""

    ids: list[str]
    addresses: list[str]
    said: list[str] = field(default_factory=list)

    @property
    def hashes(self) -> set[str]:
        """Plain hashes of ids and addresses, which anybody could compute."""
        return {
            hashlib.new(kind, text.encode(), usedforsecurity=False).hexdigest()
            for text in (*self.ids, *self.addresses)
            for kind in ("md5", "sha1", "sha256")
        }

    @property
    def pseudonyms(self) -> frozenset[str]:
        key = load_key(KEY_ID, {f"WAFA_KEY_{KEY_ID.upper()}": KEY}, Path())
        tokens = [*pseudonym(self.ids, key).to_pylist(), *address_key(self.addresses, key).to_pylist()]
        return frozenset(
            [*tokens, *pseudonym([f"{MARK}-d{n:02d}" for n in range(len(self.ids))], key, "v_").to_pylist()]
        )


def _aligned(text: bytes) -> set[bytes]:
    """What is left of ``text`` in base64 wherever in a longer text it stands."""
    found = set()
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + text)
        found.add(whole[(0, 2, 3)[before] : len(whole) - 4])
    return found


MARKS = {
    MARK.encode(),
    MARK.upper().encode(),
    MARK.encode().hex().encode(),
    "".join(f"%{byte:02x}" for byte in MARK.encode()).encode(),
    "".join(f"%{byte:02X}" for byte in MARK.encode()).encode(),
    MARK.encode("utf-16-le"),
    *_aligned(MARK.encode()),
}
HEX = re.compile(rb"[0-9a-fA-F]{32,}")


def contents(path: Path) -> Iterator[bytes]:
    """The bytes of a file, and of all that is packed in it."""
    data = path.read_bytes()
    yield data
    if data.startswith(b"\x1f\x8b"):
        yield gzip.decompress(data)
    elif data.startswith(b"\x28\xb5\x2f\xfd"):
        yield pa.CompressedInputStream(pa.BufferReader(data), "zstd").read()
    elif data.startswith(b"PAR1"):
        table = pq.read_table(io.BytesIO(data))
        cells = [column if pa.types.is_nested(column.type) else column.unique() for column in table.columns]
        yield json.dumps([column.to_pylist() for column in cells], default=str).encode()
    elif data.startswith(b"SQLite format 3"):
        with closing(sqlite3.connect(path)) as database:
            yield "\n".join(database.iterdump()).encode()
    elif ".git/objects" in path.as_posix() and data[:1] == b"\x78":
        yield zlib.decompress(data)


def names_them(data: bytes, hashes: set[str]) -> bool:
    """Whether an id or an address of a canary stands in ``data``, plain, encoded or hashed."""
    if any(mark in data for mark in MARKS):
        return True
    return any(
        run[at : at + size].lower().decode() in hashes
        for run in HEX.findall(data)
        for size in (32, 40, 64)
        for at in ({0, len(run) - size} if len(run) < 100 else ())
    )


SEEN: dict[tuple[bytes, int], bool] = {}
"""Contents that were searched already: a cache holds what is in the folders once more."""


def hits(top: Path, hashes: set[str], others: frozenset[str] = frozenset()) -> list[str]:
    """Every file below ``top`` that names a canary in any form, or holds one of the texts ``others``."""
    wanted = re.compile(b"|".join(sorted(other.encode() for other in others)) or b"(?!)")
    found = []
    for path in scrub.walk(top):
        key = (hashlib.sha256(path.read_bytes()).digest(), hash((frozenset(hashes), others)))
        if key not in SEEN:
            SEEN[key] = any(names_them(data, hashes) or bool(wanted.search(data)) for data in contents(path))
        if SEEN[key]:
            found.append(path.relative_to(top).as_posix())
    return found


def test_the_search_finds_every_form(tmp_path: Path) -> None:
    one = Canaries([f"{MARK}-7"], [f"{MARK}7@example.org"])
    address = one.addresses[0].encode()
    forms = {
        "plain": b"a," + address,
        "upper": address.upper(),
        "base64": base64.b64encode(b"a;" + address),
        "hex": address.hex().encode(),
        "url": quote(one.addresses[0]).encode(),
        "md5": b'"' + hashlib.md5(address, usedforsecurity=False).hexdigest().encode() + b'"',
        "sha1": hashlib.sha1(one.ids[0].encode(), usedforsecurity=False).hexdigest().upper().encode(),
        "sha256": b"0" + hashlib.sha256(address).hexdigest().encode(),
        "gzip": gzip.compress(address),
        "zstd": pa.compress(address * 9, "zstd", asbytes=True),
    }
    for name, data in forms.items():
        (tmp_path / name).write_bytes(data)
    pq.write_table(pa.table({"a": pa.array([address.decode()] * 9).dictionary_encode()}), tmp_path / "parquet")
    with closing(sqlite3.connect(tmp_path / "sqlite")) as database:
        database.execute("CREATE TABLE t (a)")
        database.execute("INSERT INTO t VALUES (?)", (address.decode(),))
        database.commit()
    assert sorted(hits(tmp_path, one.hashes)) == sorted([*forms, "parquet", "sqlite"])
    (tmp_path / "plain").write_bytes(b"nobody")
    assert "plain" not in hits(tmp_path, one.hashes)
    assert "plain" in hits(tmp_path, one.hashes, frozenset({"nobody"}))


# The shop


class Apart(Project):
    """A project whose commands keep their temporary files in a folder of its own."""

    def environment(self) -> dict[str, str]:
        return super().environment() | {"TMPDIR": str(self.folder.parent / "tmp")}


def plant(folder: Path, people: int) -> Canaries:
    """Give some customers of a simulated shop unmistakable ids and addresses, in every file, in good rows and bad."""
    customers = pd.read_csv(folder / "customers.csv", dtype=str, keep_default_na=False)
    subscribed = customers[(customers["email_consent"] == "subscribed") & (customers["email"].str.contains("@"))]
    # An address of two accounts stays with the other one, so only those are taken that are in one place.
    alone = ~subscribed["email"].isin(customers["email"][customers["email"].str.lower().duplicated(keep=False)])
    chosen = subscribed[alone & ~subscribed["customer_id"].duplicated(keep=False)].head(people)
    canaries = Canaries(
        [f"{MARK}-i{n:02d}" for n in range(people)], [f"{MARK}.a{n:02d}@example.org" for n in range(people)]
    )
    new = dict(zip(chosen["customer_id"], canaries.ids, strict=True))
    new |= dict(zip(chosen["email"], canaries.addresses, strict=True))
    devices = pd.read_csv(folder / "identity_map.csv", dtype=str)
    mine = devices[devices["customer_id"].isin(new)].drop_duplicates("customer_id")
    new |= {device: f"{MARK}-d{n:02d}" for n, device in enumerate(mine["anonymous_id"])}
    words = re.compile("|".join(sorted(map(re.escape, new), key=len, reverse=True)), re.IGNORECASE)
    for path in folder.iterdir():
        if path.suffix == ".parquet":
            frame = pd.read_parquet(path)
            for column in {"customer_id", "anonymous_id", "email"} & set(frame.columns):
                frame[column] = frame[column].map(lambda text: new.get(text, text))
            frame.to_parquet(path, index=False)
        else:
            path.write_text(words.sub(lambda word: new.get(word[0], word[0]), path.read_text()))
    one, two = canaries.ids[0], canaries.addresses[1]
    with (folder / "orders.csv").open("a") as file:
        file.write(f"bad-1,{one},2024-01-05T10:00:00Z\nbad-2,{one},not a time{',' * 8}\n{two};{one};1\n")
    with (folder / "customers.csv").open("a") as file:
        file.write(f"{canaries.ids[2]},{canaries.addresses[2]}\n{canaries.ids[3]}\x07,{two}{',' * 9}\n")
    with (folder / "support_tickets.jsonl").open("a") as file:
        file.write(f'{{"ticket_id": "t", "customer_id": "{one}", "opened_at": \n{{"customer_id": ["{one}"]}}\n')
    mails = [
        {"email": address, "event": "open", "timestamp": 1714557600, "sg_event_id": f"event {n}"}
        for n, address in enumerate(canaries.addresses)
    ]
    (folder / "sendgrid.json").write_text(
        json.dumps(mails[:20]) + "\n" + "".join(json.dumps(mail) + "\n" for mail in mails[20:])
    )
    packed = gzip.compress((folder / "deliveries.csv").read_bytes())
    (folder / "deliveries.csv").write_bytes(packed)
    return canaries


def shop_with_canaries(folder: Path, few: dict[str, Any]) -> tuple[Project, Canaries]:
    """A shop of its own files, of which 50 customers are canaries; nothing was run yet."""
    (folder / "tmp").mkdir()
    (folder / "remote").mkdir()
    project = Apart(folder / "project")
    project.params(**few)
    assert project.stage("simulate_logs").returncode == 0
    shutil.copytree(project.path("data/raw/simulated"), project.path(RAW))
    shutil.rmtree(project.path("data"))
    canaries = plant(project.path(RAW), 50)
    exports = {"mails": {"adapter": "sendgrid", "file": "sendgrid.json"}}
    project.params(demo=[], sources__path=RAW, sources__exports=exports)
    keys = project.path("state/keys")
    keys.mkdir(parents=True, mode=0o700)
    (keys / f"{KEY_ID}.key").write_text(KEY)
    (keys / f"{KEY_ID}.key").chmod(0o600)
    call(project, canaries, "dvc", "remote", "add", "-d", "near", str(folder / "remote"))
    return project, canaries


def call(project: Project, canaries: Canaries, *arguments: str) -> str:
    done = project.call(*arguments)
    assert done.returncode == 0, (arguments[:2], done.stdout[-2000:], done.stderr[-3000:])
    canaries.said.append(done.stdout + done.stderr)
    return canaries.said[-1]


def check_the_whole_life(folder: Path, few: dict[str, Any], *again: str) -> None:
    """From the first run to the erasure of all fifty, and to their files being imported once more."""
    project, canaries = shop_with_canaries(folder, few)
    originals = folder / "originals"
    shutil.copytree(project.path(RAW), originals)
    for command in (
        ["pipeline.cli", "run"],
        ["pipeline.cli", "score", "--as-of", AS_OF],
        *(["pipeline.cli", "approve", name, "--yes"] for name in SENT),
        *(["pipeline.cli", "export", name] for name in SENT),
    ):
        call(project, canaries, *command)
    call(project, canaries, "dvc", "push", "--run-cache")
    hashes, tokens = canaries.hashes, canaries.pseudonyms

    # Before: in five places and nowhere else, and all of those places were tried.
    found = hits(project.folder, hashes)
    assert [path for path in found if not path.startswith(PLACES)] == []
    for place in PLACES:
        assert [path for path in found if path.startswith(place)], place
    assert hits(folder / "remote", hashes) == hits(folder / "tmp", hashes) == []
    keeps = {path.split("/")[0] for path in hits(project.folder, hashes, tokens)}
    assert {"data", ".dvc", "state"} <= keeps
    assert hits(folder / "remote", hashes, tokens)

    erased = call(project, canaries, "pipeline.cli", "erase", *canaries.ids, "--yes")
    assert "objects and run-cache entries" in erased

    def nobody(*but: str) -> None:
        assert [path for path in hits(project.folder, hashes, tokens) if path not in {"erased.txt", *but}] == []
        for outside in ("remote", "tmp"):
            assert hits(folder / outside, hashes, tokens) == []
        assert not [said for said in canaries.said if names_them(said.encode(), hashes)]

    nobody()
    assert set(pseudonym(canaries.ids, bytes.fromhex(KEY)).to_pylist()) <= set(
        project.path("erased.txt").read_text().split()
    )
    pulled = project.call("dvc", "pull", "--run-cache")
    canaries.said.append(pulled.stdout + pulled.stderr)
    nobody()
    call(project, canaries, *again)
    nobody()
    assert len(project.table("state/vault.parquet")) > 100

    # The shop delivers the same files again.
    shutil.rmtree(project.path(RAW))
    shutil.copytree(originals, project.path(RAW))
    call(project, canaries, "dvc", "repro", "ingest_logs")
    back = hits(project.folder, hashes, tokens)
    assert [path for path in back if not path.startswith(("exports/", "state/landed/")) and path != "erased.txt"] == []
    assert not [said for said in canaries.said if names_them(said.encode(), hashes)]


def test_nobody_who_was_erased_is_left_anywhere(tmp_path: Path) -> None:
    check_the_whole_life(tmp_path, FEW, "dvc", "repro", "prepare_scoring")


@pytest.mark.stress
def test_nobody_who_was_erased_is_left_anywhere_in_a_larger_shop(tmp_path: Path) -> None:
    check_the_whole_life(
        tmp_path,
        FEW | {"simulation__customers": 5_000, "simulation__months": 24, "model__trees": 60},
        "pipeline.cli",
        "run",
    )
