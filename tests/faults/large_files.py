"""Fault 61: small files that become large, fields and headers without end. None of them is kept in memory here."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.faults.case import Case, Make, as_csv, as_parquet, good_row, in_log

HEADER = b"order_id,customer_id,ordered_at,revenue\n"
ROW = b"a1,anna,2025-01-11T10:00:00Z,10.00\n"
MEBI = 2**20


def _members(path: Path, first: bytes, repeated: bytes, times: int) -> None:
    """A gzip file of several members: one is compressed once and repeated."""
    member = gzip.compress(repeated, 9, mtime=0)
    with path.open("wb") as file:
        file.write(gzip.compress(first, mtime=0))
        for _ in range(times):
            file.write(member)


def _zeros(path: Path) -> None:
    """Two gigabytes of zeros behind a header, in two megabytes."""
    _members(path, HEADER + ROW, bytes(64 * MEBI), 32)


def _blank_lines(path: Path) -> None:
    """Two gigabytes of empty lines, which are no rows."""
    _members(path, HEADER + ROW, b"\n" * (64 * MEBI), 32)


def _zstd_zeros(path: Path) -> None:
    """Two gigabytes in less than one megabyte."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(bytes(64 * MEBI))
    frame = sink.getvalue().to_pybytes()
    with path.open("wb") as file, pa.CompressedOutputStream(file, "zstd") as head:
        head.write(HEADER + ROW)
    with path.open("ab") as file:
        for _ in range(32):
            file.write(frame)


def _long_field(path: Path, quoted: bool = False) -> None:
    quote = b'"' if quoted else b""
    with path.open("wb") as file:
        file.write(HEADER + ROW + b"a2," + quote)
        for _ in range(300):
            file.write(b"x" * MEBI)
        file.write(quote + b",2025-01-12T10:00:00Z,1.00\n" + ROW.replace(b"a1", b"a3"))


def _long_quoted_field(path: Path) -> None:
    _long_field(path, quoted=True)


def _long_json(path: Path) -> None:
    row = b'{"order_id": "%s", "customer_id": "%s", "ordered_at": "2025-01-11T10:00:00Z", "revenue": 1}\n'
    with path.open("wb") as file:
        file.write(row % (b"a1", b"anna") + b'{"order_id": "a2", "customer_id": "')
        for _ in range(300):
            file.write(b"x" * MEBI)
        file.write(b'"}\n' + row % (b"a3", b"anna"))


def _deep_json(path: Path) -> None:
    path.write_bytes(b'{"order_id": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}\n")


def _repeated_cell(path: Path) -> None:
    """Three million times one cell of twenty kilobytes: sixty gigabytes in a few kilobytes of Parquet."""
    rows = 3_000_000

    def same(text: str) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), rows), pa.array([text]))

    cells = {"order_id": "a1", "customer_id": "x" * 20_000, "ordered_at": "2025-01-11T10:00:00Z", "revenue": "1.00"}
    table = pa.table({column: same(text) for column, text in cells.items()})
    pq.write_table(table.replace_schema_metadata(None), path, compression="zstd", store_schema=False)


def _wide(path: Path) -> None:
    names = [f"column_{n}" for n in range(100_000)]
    header = ",".join(["order_id", "customer_id", "ordered_at", "revenue", *names])
    row = ROW.decode().strip() + "," * len(names)
    path.write_text(f"{header}\n{row}\n", encoding="utf-8")


def _wide_parquet(path: Path) -> None:
    names = ["order_id", "customer_id", "ordered_at", "revenue", *(f"c{n}" for n in range(12_000))]
    pq.write_table(pa.table([pa.array(["a1"])] * len(names), names=names), path)


GOOD: dict[str, tuple[str, Make]] = {
    "csv": ("orders-good.csv", as_csv([good_row("orders", n) for n in (1, 2)])),
    "jsonl": ("orders-good.jsonl", b'{"order_id":1,"customer_id":2,"ordered_at":"2025-01-11","revenue":1}\n'),
    "parquet": ("orders-good.parquet", as_parquet([good_row("orders", n) for n in (1, 2)])),
}


def _refused(name: str, make: Make, rule: str, form: str = "csv") -> Case:
    return in_log(
        61,
        name,
        "orders",
        make,
        declared={"format": form},
        kind="refused",
        rule=rule,
        words=(f"orders.{form}",),
        good=GOOD[form],
        limited=True,
    )


LARGE = [
    _refused("two gigabytes of zeros in gzip", _zeros, "too_large"),
    _refused("two gigabytes of empty lines in gzip", _blank_lines, "too_large"),
    _refused("two gigabytes of zeros in zstd", _zstd_zeros, "too_large"),
    _refused("a field of 300 MB", _long_field, "too_large"),
    _refused("a quoted field of 300 MB", _long_quoted_field, "too_large"),
    _refused("a JSON text of 300 MB", _long_json, "too_large", "jsonl"),
    _refused("sixty gigabytes of one cell in Parquet", _repeated_cell, "too_large|too_slow", "parquet"),
    _refused("a hundred thousand columns", _wide, "too_many_columns"),
    _refused("twelve thousand columns in Parquet", _wide_parquet, "too_many_columns", "parquet"),
    # Deep nesting is one bad line, and no good line is beside it.
    in_log(
        61,
        "a million brackets",
        "orders",
        _deep_json,
        declared={"format": "jsonl"},
        kind="stopped",
        words=("orders.jsonl",),
        limited=True,
    ),
]
