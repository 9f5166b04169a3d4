"""A shop on disk with shared inboxes and merged accounts, exported to every platform; and a search that unpacks."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from ruamel.yaml import YAML

from campaigns import platforms
from pipeline.intake import reading
from pipeline.project import datasets, settings
from pipeline.project.settings import Settings
from pipeline.sending import approve_lists, export_list, live_facts, suppress
from sources import address_key, load_key, pseudonym
from tests.pipeline.live_shop import Shop

KEY = load_key("demo", {}, Path())
RUNS = {"win_back": "2026-01-01", "at_risk": "2026-01-05"}
"""In the first the people to be erased come first at an inbox, in the second the others do."""
OFF = ("quiet_days", "frequency_days", "quiet_ticket_days", "quiet_order_days")


class People(Shop):
    """Of ``size`` to be erased every other one shares an inbox with somebody who stays; a third has an older account.

    The numbers below ``size`` are to be erased, then come those who stay: as many, and a few more.
    """

    def __init__(self, size: int) -> None:
        self.size, self.places = size, live_facts.of_run(None)
        self.everybody = range(2 * size + 4)

    @staticmethod
    def own_id(number: int) -> str:
        return f"kunde-{number:05d}-q"

    @staticmethod
    def who(number: int) -> str:
        return token(People.own_id(number))

    def email(self, number: int) -> str:
        pair = number % self.size
        if number < 2 * self.size and pair % 2 == 0:
            return f"both{pair:05d}@inbox.example"
        return f"only{number:05d}@inbox.example"

    def older(self, number: int) -> str | None:
        return f"frueher-{number:05d}-q" if number % 3 == 0 else None

    def gone(self) -> Iterator[str]:
        """Everything by which those who are erased are known, and nobody else."""
        for number in range(self.size):
            ids = [self.own_id(number), *filter(None, [self.older(number)]), f"geraet-{number:05d}-q"]
            yield from ids
            yield from (token(one) for one in ids[:-1])
            yield f"Sentence of {number}."
            if number % 2:
                address = self.email(number)
                yield from (address, token(address), str(address_key([address], KEY)[0]))

    def write(self, params: str) -> Settings:
        """The shop's own files and params, ingested; both lists exported everywhere; two people opted out."""
        yaml = YAML()
        told = yaml.load(params)
        told["demo"] = []
        logs = ("customers", "orders", "customer_merges", "identity_map", "consent_events")
        told["sources"]["path"], told["sources"]["exports"] = (
            "exports",
            {"mails": {"adapter": "sendgrid", "file": "mails.json"}},
        )
        told["sources"]["logs"] = {name: {"file": f"{name}.*"} for name in logs}
        told["campaigns"] |= dict.fromkeys(OFF, 0) | {"suppression_max_age_hours": 10_000}
        with Path("params.yaml").open("w") as file:
            yaml.dump(told, file)
        self._write_logs()
        s = settings.load()
        reading.run(s, datasets.EVENTS)
        stays = self.size + 2  # shares an inbox with 2
        suppress.suppress(s, [self.own_id(stays), self.own_id(2 * self.size)], "opt_out", 1)
        for name, day in RUNS.items():
            order = [*self.everybody] if name == "win_back" else [*reversed(self.everybody)]
            self.build(name, day, treat=order, holdout=())
            approve_lists.approve(s, name, 0, self.places)
            for platform in platforms.names():
                export_list.export(s, name, platform, 0, self.places)
        ids = pa.table({"customer_id": [self.who(n) for n in self.everybody]})
        datasets.batch("2026-01-01").mkdir(parents=True)
        pq.write_table(ids, datasets.batch("2026-01-01") / "scores.parquet")
        return s

    def _write_logs(self) -> None:
        top = Path("exports")
        top.mkdir()
        lines: dict[str, list[str]] = {
            "customers.csv": ["customer_id,email,created_at"],
            "orders.csv": ["order_id,customer_id,ordered_at,revenue"],
            "customer_merges.csv": ["from_id,to_id,merged_at"],
            "identity_map.csv": ["anonymous_id,customer_id,identified_at"],
            "consent_events.csv": ["customer_id,occurred_at,channel,status"],
            "mails.json": [],
        }
        for n in self.everybody:
            one, email = self.own_id(n), self.email(n)
            lines["customers.csv"].append(f"{one},{email.upper() if n % 5 == 0 else email},2025-01-01")
            lines["orders.csv"].append(f"o{n},{one},2025-12-{n % 28 + 1:02d}T10:00:00Z,10.00")
            lines["orders.csv"].append(f"o{n},{one},never,10.00")  # is set aside
            lines["identity_map.csv"].append(f"geraet-{n:05d}-q,{one},2025-06-01T00:00:00Z")
            lines["consent_events.csv"].append(f"{one},2025-02-01T00:00:00Z,email,subscribed")
            mail = {"email": email, "timestamp": 1764547200 + n, "event": "open", "sg_event_id": f"e{n}"}
            lines["mails.json"].append(json.dumps(mail))
            if older := self.older(n):
                lines["customer_merges.csv"].append(f"{older},{one},2025-03-01T00:00:00Z")
                lines["orders.csv"].append(f"p{n},{older},2025-02-01T10:00:00Z,10.00")
        for name, texts in lines.items():
            content = ("\n".join(texts) + "\n").encode()
            (top / name).write_bytes(gzip.compress(content) if name == "orders.csv" else content)


def token(text: str) -> str:
    return str(pseudonym([text], KEY)[0])


# Searching


def forms(name: str) -> Iterator[bytes]:
    """``name`` as it may be written."""
    plain = name.encode()
    yield from (plain, plain.hex().encode(), name.encode("utf-16-le"), name.encode("utf-16-be"))
    for before in range(3):
        # Without the letters that depend on what stands beside it.
        text = base64.b64encode(b"\0" * before + plain + b"\0" * (-(before + len(plain)) % 3))
        start, end = -(-before * 8 // 6), (before + len(plain)) * 8 // 6
        yield text[start:end].lower()
    if "@" in name:
        yield from (hashlib.sha256(plain).hexdigest().encode(), hashlib.md5(plain).hexdigest().encode())


def unpacked(path: Path) -> bytes:
    """What a file holds, packed and plain, in small letters where there are any."""
    content = path.read_bytes()
    if content.startswith(b"PAR1"):
        rows = pq.read_table(path).to_pylist()
        content += "\n".join(str(value) for row in rows for value in row.values()).encode()
    elif content.startswith(b"\x1f\x8b"):
        content += gzip.decompress(content)
    elif content.startswith(b"\x28\xb5\x2f\xfd"):
        content += pa.CompressedInputStream(pa.BufferReader(content), "zstd").read()
    elif content.startswith(b"SQLite format 3"):
        with closing(sqlite3.connect(path)) as database:
            content += "\n".join(database.iterdump()).encode()
    return content.lower()


def named_in(top: Path, names: Iterable[str], but: Iterable[str] = ("erased.txt",)) -> list[tuple[str, str]]:
    """Which of ``names`` stand in which file below ``top``, in whatever form."""
    files = [path for path in sorted(top.rglob("*")) if path.is_file() and path.name not in {*but}]
    contents = {path.relative_to(top).as_posix(): unpacked(path) for path in files}
    wanted = [(name, form.lower()) for name in names for form in forms(name)]
    return [(place, name) for place, content in contents.items() for name, form in wanted if form in content]


def tables(top: Path) -> dict[str, Any]:
    """What every file below ``top`` says, so that two ways to one state can be compared."""
    told: dict[str, Any] = {}
    for path in sorted(top.rglob("*")):
        place = path.relative_to(top).as_posix()
        if path.name == "erased.txt":
            told[place] = set(path.read_text().split())
        elif path.is_file() and path.read_bytes().startswith(b"SQLite format 3"):
            with closing(sqlite3.connect(path)) as database:
                told[place] = list(database.iterdump())
        elif path.is_file() and not path.name.endswith(("-wal", "-shm", ".lock")):
            told[place] = path.read_bytes()
    return told
