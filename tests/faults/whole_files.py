"""Faults 58 to 62: files that are empty, cut off, something else, far too large, double, or not there."""

from __future__ import annotations

import gzip
import io
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq

from tests.faults.case import (
    FORMATS,
    ORDERS,
    WRITERS,
    Case,
    as_csv,
    as_jsonl,
    as_parquet,
    good_row,
    in_log,
    lines,
    parquet,
)
from tests.faults.large_files import LARGE

HEADER = "order_id,customer_id,ordered_at,revenue"
ROWS = [good_row("orders", 1 + n % 9) | {"order_id": f"a{n}"} for n in range(2_000)]
GOOD = {kind: (f"orders-good.{kind}", WRITERS[kind](ROWS[:3])) for kind in FORMATS}


def zstd(content: bytes) -> bytes:
    """``content`` compressed by zstd."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def _refused(number: int, name: str, content: bytes, rule: str, *words: str, form: str = "csv") -> Case:
    return in_log(
        number,
        name,
        "orders",
        content,
        declared={"format": form},
        kind="refused",
        rule=rule,
        words=(f"orders.{form}", *words),
        good=GOOD[form],
    )


_NO_VISITS = {
    "csv": lines("message_id,customer_id,event,occurred_at"),
    "parquet": parquet(pa.table({c: pa.array([], pa.string()) for c in good_row("web_events", 1)})),
}

EMPTY = [
    *(_refused(58, f"no byte, {kind}", b"", "empty_file", form=kind) for kind in FORMATS),
    _refused(58, "blank lines", b"\n\n  \n", "empty_file"),
    _refused(58, "nothing, compressed", _gzip(b""), "empty_file"),
    *(
        in_log(
            58,
            f"a header and no row, {kind}",
            "web_events",
            content,
            declared={"format": kind},
            kind="warned",
            words=(f"web_events.{kind}", "without rows"),
            counts={f"web_events.{kind}": (0, 0)},
        )
        for kind, content in _NO_VISITS.items()
    ),
    in_log(
        58,
        "a header and no order",
        "orders",
        lines(HEADER),
        kind="stopped",
        words=("orders.csv", "no usable order"),
    ),
    in_log(
        58,
        "no row where one is needed",
        "web_events",
        _NO_VISITS["csv"],
        declared={"min_rows": 1},
        kind="stopped",
        words=("web_events", "min_rows", "0"),
    ),
    in_log(
        58,
        "fewer rows than are needed",
        "orders",
        as_csv(ROWS[:9]),
        declared={"min_rows": 10},
        kind="stopped",
        words=("orders", "min_rows", "9", "10"),
    ),
    in_log(
        58, "just the rows that are needed", "orders", as_csv(ROWS[:10]), declared={"min_rows": 10}, kind="accepted"
    ),
]

_CSV, _PARQUET = as_csv(ROWS), as_parquet(ROWS)


def _bad_page() -> bytes:
    """A Parquet file with its footer whole and a page of its data overwritten."""
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), sink, compression="snappy", write_page_checksum=True)
    content = bytearray(sink.getvalue())
    content[1_000:1_200] = b"\xff" * 200
    return bytes(content)


def _bad_checksum() -> bytes:
    content = bytearray(_gzip(_CSV))
    content[-8:-4] = b"\0\0\0\0"
    return bytes(content)


CUT_OFF = [
    _refused(
        59,
        "CSV, in the middle of a line",
        lines(HEADER, *["a1,anna,2025-01-11T10:00:00Z,10.00"] * 3) + b"a4,ben,2025-01",
        "truncated",
        "line 5",
    ),
    _refused(59, "CSV, in the middle of a quoted field", as_csv(ROWS[:3]) + b'a4,"be', "unclosed_quote", "line 5"),
    _refused(59, "JSON", as_jsonl(ROWS[:3]) + b'{"order_id": "a4", "cust', "truncated", "line 4", form="jsonl"),
    _refused(59, "gzip, half of it", _gzip(_CSV)[: len(_gzip(_CSV)) // 2], "truncated"),
    _refused(59, "gzip, without its last bytes", _gzip(_CSV)[:-5], "truncated"),
    _refused(59, "gzip with a wrong checksum", _bad_checksum(), "broken"),
    _refused(59, "zstd, half of it", zstd(_CSV)[: len(zstd(_CSV)) // 2], "truncated"),
    _refused(59, "gzip of JSON", _gzip(as_jsonl(ROWS))[:-9], "truncated", form="jsonl"),
    _refused(59, "Parquet without its footer", _PARQUET[:-20], "unreadable", form="parquet"),
    _refused(59, "Parquet, half of it", _PARQUET[: len(_PARQUET) // 2], "unreadable", form="parquet"),
    _refused(59, "Parquet with a bad page", _bad_page(), "unreadable", form="parquet"),
    # What is compressed and whole is no fault, whatever the file is called.
    in_log(59, "gzip, whole", "orders", _gzip(_CSV), kind="accepted", same_as={"orders.csv": _CSV}),
    in_log(59, "zstd, whole", "orders", zstd(_CSV), kind="accepted", same_as={"orders.csv": _CSV}),
    in_log(
        59,
        "gzip in two members, whole",
        "orders",
        _gzip(_CSV[:30_000]) + _gzip(_CSV[30_000:]),
        kind="accepted",
        same_as={"orders.csv": _CSV},
    ),
]


def _sheet() -> bytes:
    """What a spreadsheet saves: a zip archive."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr(zipfile.ZipInfo("xl/workbook.xml"), "<workbook/>")
    return sink.getvalue()


_PAGE = b"<!DOCTYPE html>\n<html><body>Please log in</body></html>\n"
SOMETHING_ELSE = [
    _refused(60, "CSV called .parquet", _CSV, "", "text", form="parquet"),
    _refused(60, "Parquet called .csv", _PARQUET, "", "Parquet"),
    _refused(60, "Parquet called .jsonl", _PARQUET, "", "Parquet", form="jsonl"),
    _refused(60, "a web page for CSV", _PAGE, "", "web page"),
    _refused(60, "a web page with a mark and blanks", b"\xef\xbb\xbf\r\n " + _PAGE, "", "web page"),
    _refused(60, "a web page for JSON", _PAGE, "", "web page", form="jsonl"),
    _refused(60, "a web page, compressed", _gzip(_PAGE), "", "web page"),
    _refused(60, "an Excel sheet for CSV", _sheet(), "", "Excel"),
    _refused(60, "a PDF for CSV", b"%PDF-1.7\n" + bytes(range(256)), "", "PDF"),
    _refused(60, "an error in JSON for CSV", b'{"error": "token expired", "status": 401}\n', "", "JSON"),
    _refused(60, "JSON lines for CSV", as_jsonl(ROWS[:3]), "", "JSON"),
    _refused(60, "Parquet inside gzip for CSV", _gzip(_PARQUET), "", "Parquet"),
]


def _day(*days: int, first: int = 0) -> bytes:
    rows = [
        good_row("orders", 1) | {"order_id": f"a{day}-{n}", "ordered_at": f"2025-01-{day:02d}T10:00:0{n}Z"}
        for day in days
        for n in range(first, 3)
    ]
    return as_csv(rows)


def _visits(*days: int) -> bytes:
    return as_csv(
        [good_row("web_events", 1) | {"message_id": f"w{d}", "occurred_at": f"2025-01-{d:02d}T10:00:00Z"} for d in days]
    )


DELIVERED = [
    Case(
        62,
        "one file under two names",
        {"orders-1.csv": _day(5, 6), "orders-2.csv": _day(5, 6)},
        "normalised",
        counts={"orders-1.csv": (6, 0), "orders-2.csv": (0, 6)},
        words=("orders-2.csv", "same"),
    ),
    Case(
        62,
        "one file, once compressed",
        {"orders-1.csv": _day(5, 6), "orders-2.csv": _gzip(_day(5, 6))},
        "normalised",
        counts={"orders-1.csv": (6, 0), "orders-2.csv": (0, 6)},
    ),
    Case(
        62,
        "a log without ids, delivered twice",
        {
            "order_lines-1.csv": as_csv([good_row("order_lines", n) for n in (1, 2, 2)]),
            "order_lines-2.csv": as_csv([good_row("order_lines", n) for n in (1, 2, 2)]),
        },
        "normalised",
        logs={"order_lines": {"file": "order_lines*.csv"}},
        counts={"order_lines-1.csv": (3, 0), "order_lines-2.csv": (0, 3)},
    ),
    Case(
        62,
        "days that overlap",
        {"orders-1.csv": _day(5, 6), "orders-2.csv": _day(6, 7)},
        "normalised",
        counts={"orders-1.csv": (6, 0), "orders-2.csv": (3, 3)},
        same_as={"orders-1.csv": _day(5, 6, 7)},
    ),
    Case(
        62,
        "days that overlap, Parquet",
        {f"web-{n}.parquet": as_parquet([good_row("web_events", m) for m in (n, n + 1)]) for n in (1, 2)},
        "normalised",
        logs={"orders": {"file": "shop.csv"}, "web_events": {"file": "web-*.parquet", "format": "parquet"}},
        beside={"shop.csv": ORDERS},
        # Which of two equal rows is the duplicate means nothing.
        check=lambda found: (
            sum(file["duplicates"] for file in found.manifest["logs"]["web_events"]["files"]) == 1
            and found.tables["web_events"].num_rows == 3
        ),
    ),
    in_log(
        62,
        "a day without rows",
        "orders",
        _day(5, 6, 8),
        kind="stopped",
        settings={"expect_daily": ["orders"]},
        words=("orders", "2025-01-07"),
    ),
    # A day is one of the shop's own: 20:00 UTC of the sixth is the seventh in Karachi.
    in_log(
        62,
        "a day without visits in the shop's zone",
        "web_events",
        _visits(5, 6).replace(b"06T10", b"06T20"),
        kind="stopped",
        zone="Asia/Karachi",
        beside={"shop.csv": _day(5, 6, 7)},
        settings={"expect_daily": ["web_events"]},
        words=("web_events", "2025-01-06"),
    ),
    in_log(
        62,
        "a day on which the shop is closed",
        "orders",
        _day(5, 6, 8),
        kind="accepted",
        settings={"expect_daily": ["orders"], "closed_days": ["2025-01-07"]},
    ),
]

CASES: list[Case] = [*EMPTY, *CUT_OFF, *SOMETHING_ELSE, *LARGE, *DELIVERED]
