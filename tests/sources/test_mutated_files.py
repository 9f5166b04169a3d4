"""Damaged at random, a file is read or refused in time: nothing crashes, nothing is lost, and memory stays bounded."""

import gzip
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sources import ContractError, arrivals
from sources.worker import HEADROOM
from tests.sources.source_files import ORDERS, Found, read

EVERY_DAY, FOR_LONG = 120, 10_000
SEEDS = [*range(EVERY_DAY), *(pytest.param(seed, marks=pytest.mark.stress) for seed in range(EVERY_DAY, FOR_LONG))]
SECONDS = 30
LIMIT = 1_000_000_000 + HEADROOM
"""What the child may hold where DuckDB's limit is 1 GB, as in all tests of sources."""


def rows_of(log: str) -> list[dict[str, str]]:
    """Forty rows of a log, some with quotes, foreign letters and empty cells."""
    rows = []
    for n in range(40):
        at = f"2025-{n % 3 + 1:02d}-{n % 27 + 1:02d}T10:00:{n:02d}Z"
        who = f"c{n % 7}"
        rows.append(
            {
                "orders": {
                    "order_id": f"o{n}",
                    "customer_id": who,
                    "ordered_at": at,
                    "revenue": f"{n}.50",
                    "category": 'shoes, "red"\nnew' if n % 9 == 0 else "bücher",
                },
                "order_items": {"order_id": str(n % 3 + 1), "product_id": f"p{n}", "quantity": "1", "price": "2.00"},
                "customers": {"customer_id": f"k{n}", "email": f"k{n}@example.com", "created_at": at},
                "web_events": {
                    "message_id": f"m{n // 2 if n > 30 else n}",
                    "customer_id": who if n % 3 else "",
                    "anonymous_id": f"v{n % 5}",
                    "event": "Product Viewed" if n % 2 else "Page Viewed",
                    "occurred_at": at,
                    "price": f"{n}.99",
                },
                "email_events": {
                    "message_id": f"e{n}",
                    "email": f"k{n}@example.com",
                    "event": "Email Opened" if n % 2 else "Email Delivered",
                    "occurred_at": at,
                    "email_id": f"mail{n // 2}",
                },
            }[log]
        )
    return rows


def as_csv(rows: list[dict[str, str]]) -> bytes:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if set(text) & set('",\n') else text

    lines = [",".join(rows[0]), *(",".join(map(cell, row.values())) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def as_jsonl(rows: list[dict[str, str]]) -> bytes:
    return "".join(json.dumps({k: v or None for k, v in row.items()}) + "\n" for row in rows).encode()


def as_parquet(rows: list[dict[str, str]], compression: str) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink, compression=compression, row_group_size=15)
    return sink.getvalue().to_pybytes()


def as_zstd(data: bytes) -> bytes:
    return pa.Codec("zstd").compress(data, asbytes=True)


def damaged(data: bytes, chance: random.Random) -> tuple[str, bytes]:
    """``data`` with one or a few wounds, and what they are called."""
    kinds = []
    for _ in range(chance.choice([1, 1, 1, 2, 5])):
        size = len(data)
        at = chance.randrange(size + 1)
        many = chance.choice([1, 2, 7, 40, 400])
        # What a reader looks at first and last decides about all the rest.
        if chance.random() < 0.3 and size > 20:
            at = chance.choice([chance.randrange(16), size - 1 - chance.randrange(16)])
        kind = chance.choice(["flip", "truncate", "insert", "delete", "duplicate", "swap", "header", "same", "odd"])
        kinds.append(kind)
        if kind == "flip" and size:
            cells = bytearray(data)
            for _ in range(min(many, 40)):
                cells[chance.randrange(size) if many > 1 else min(at, size - 1)] ^= 1 << chance.randrange(8)
            data = bytes(cells)
        elif kind == "truncate":
            data = data[:at]
        elif kind == "insert":
            data = data[:at] + chance.randbytes(many) + data[at:]
        elif kind == "delete":
            data = data[:at] + data[at + many :]
        elif kind == "duplicate":
            data = data[:at] + data[max(at - many, 0) : at] * chance.choice([1, 3, 1000]) + data[at:]
        elif kind == "swap" and size > 2 * many:
            there = chance.randrange(size - many)
            cells = bytearray(data)
            at = min(at, size - many)
            cells[at : at + many], cells[there : there + many] = data[there : there + many], data[at : at + many]
            data = bytes(cells[:size])
        elif kind == "header":
            place = chance.randrange(min(size, 60) + 1)
            data = (
                data[:place]
                + chance.choice([b",", b'"', b"\n", b"\0", b";", b"\xef\xbb\xbf", b"customer_id,", b"{"])
                + data[place:]
            )
        elif kind == "same":
            data = data[:at] + chance.choice([b"\0", b"\xff", b'"', b"\r", b"\n", b"9", b"[", b"\\"]) * many + data[at:]
        elif kind == "odd":
            odd = [
                b"1e999999",
                b"\xed\xa0\x80",
                b"\xe2\x80\xae",
                b'""",',
                b"NaN",
                b"9999-12-31T23:59:59Z",
                b"\\ud800",
                b"\r\r\n",
            ]
            data = data[:at] + chance.choice(odd) + data[at:]
    return "+".join(kinds), data


FORMATS = ("csv", "csv", "csv.gz", "csv.zst", "jsonl", "jsonl.gz", "parquet", "parquet", "parquet-plain")


def shop(folder: Path, seed: int) -> tuple[str, dict[str, dict]]:
    """Write a shop of which one file is damaged; how, and the settings of its logs."""
    chance = random.Random(seed)
    log = chance.choice(["orders", "order_items", "customers", "web_events", "web_events", "email_events"])
    form = chance.choice(FORMATS)
    rows = rows_of(log)
    kind = form.split(".")[0].split("-")[0]
    if kind == "csv":
        data = as_csv(rows)
    elif kind == "jsonl":
        data = as_jsonl(rows)
    else:
        data = as_parquet(rows, "none" if form.endswith("plain") else chance.choice(["snappy", "zstd", "gzip"]))
    pack = {"gz": lambda plain: gzip.compress(plain, mtime=0), "zst": as_zstd}.get(form.rpartition(".")[2])
    # Inside the archive as often as the archive itself.
    inside = pack is not None and chance.random() < 0.5
    if pack and not inside:
        data = pack(data)
    wounds, data = damaged(data, chance)
    if pack and inside:
        data = pack(data)
    (folder / f"{log}.{kind}").write_bytes(data)
    logs = {log: {"file": f"{log}.{kind}", "format": kind}}
    if log != "orders":
        (folder / "orders.csv").write_text(ORDERS)
        logs["orders"] = {"file": "orders.csv"}
    return f"{log}, {form}, {wounds}", logs


def check_books(found: Found) -> None:
    for log, books in found.manifest["logs"].items():
        for file in books["files"]:
            assert file["rows_read"] == file["accepted"] + file["quarantined"] + file["duplicates"], (log, file)
            assert file["quarantined"] == sum(file["rules"].values())
    for log in ("orders", "web_events", "email_events", "customers"):
        if log in found.tables and log in found.manifest["logs"]:
            accepted = sum(file["accepted"] for file in found.manifest["logs"][log]["files"])
            assert accepted == found.tables[log].num_rows, log
            for table in (found.tables[log],):
                table.validate(full=True)


def peak_of_the_child() -> int:
    """The most memory that the reader of these tests has held, in bytes; 0 where it does not run or cannot be asked."""
    peaks = [0]
    for worker in arrivals._WORKERS.values():
        status = Path(f"/proc/{worker._process.pid if worker._process else 0}/status")
        if status.is_file():
            peaks += [
                int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM")
            ]
    return max(peaks)


@pytest.fixture(scope="module")
def seen() -> Iterator[Counter]:
    """What became of the files; printed at the end, with `-s`."""
    counts: Counter = Counter()
    yield counts
    print(f"\nmutated files: {dict(counts)}")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_damaged_file_is_read_or_refused(tmp_path, seen, seed):
    how, logs = shop(tmp_path, seed)
    started = time.monotonic()
    message = ""
    try:
        check_books(read(tmp_path, logs))
    except ContractError as refused:
        message = str(refused)
    took, peak = time.monotonic() - started, peak_of_the_child()
    seen["crashed its reader" if "crashed" in message else "refused" if message else "read"] += 1
    seen["most MB"] = max(seen["most MB"], peak >> 20)
    seen["most ms"] = max(seen["most ms"], int(took * 1000))
    assert took < SECONDS, how
    assert peak < LIMIT, how
    # The message names a file or a setting, and what it quotes of the file is printable.
    named = [*(log["file"] for log in logs.values()), "sources"]
    assert message.isprintable(), how
    assert not message or any(message.startswith(name) for name in named), how
