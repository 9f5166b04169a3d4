"""Faults 50 to 57: marks, encodings, delimiters, quotes and line ends; 63 stands in :mod:`text_as_code`."""

from __future__ import annotations

from tests.faults.case import (
    WRITERS,
    Case,
    as_csv,
    as_jsonl,
    column,
    good_row,
    in_log,
    lines,
    with_row,
)
from tests.faults.text_as_code import CODE

HEADER = "order_id,customer_id,ordered_at,revenue"
ONE, TWO, THREE = (f"a{n},anna,2025-01-1{n}T10:00:00Z,10.00" for n in (1, 2, 3))
PLAIN = lines(HEADER, ONE, TWO, THREE)
CONTROL = "control_character"


def _refused(number: int, name: str, content: bytes, rule: str, *words: str, form: str = "csv") -> Case:
    good = (f"orders-good.{form}", WRITERS[form]([good_row("orders", 1)]))
    return in_log(
        number,
        name,
        "orders",
        content,
        declared={"format": form},
        kind="refused",
        rule=rule,
        words=(f"orders.{form}", *words),
        good=good,
    )


def _same(number: int, name: str, content: bytes, plain: bytes = PLAIN, kind: str = "accepted") -> Case:
    return in_log(number, name, "orders", content, kind=kind, same_as={"orders.csv": plain})


MARKS = [
    _same(50, "byte order mark", b"\xef\xbb\xbf" + PLAIN, kind="normalised"),
    _same(
        50, "byte order mark before a quote", b'\xef\xbb\xbf"order_id"' + PLAIN[len("order_id") :], kind="normalised"
    ),
    in_log(
        50,
        "byte order mark before JSON",
        "orders",
        b"\xef\xbb\xbf" + as_jsonl([good_row("orders", 1)]),
        declared={"format": "jsonl"},
        kind="normalised",
        same_as={"orders.jsonl": as_jsonl([good_row("orders", 1)])},
    ),
    *(
        _refused(51, f"{name} with a mark", mark + PLAIN.decode().encode(code), "", "UTF-16")
        for name, code, mark in (("UTF-16 LE", "utf-16-le", b"\xff\xfe"), ("UTF-16 BE", "utf-16-be", b"\xfe\xff"))
    ),
    _refused(51, "UTF-16 LE without a mark", PLAIN.decode().encode("utf-16-le"), "", "UTF-16"),
    _refused(51, "UTF-16 BE without a mark", PLAIN.decode().encode("utf-16-be"), "", "UTF-16"),
    _refused(51, "UTF-32", PLAIN.decode().encode("utf-32"), "", "UTF-32"),
    _refused(
        51,
        "JSON in UTF-16",
        as_jsonl([good_row("orders", 1)]).decode().encode("utf-16"),
        "",
        "UTF-16",
        form="jsonl",
    ),
    in_log(
        51,
        "UTF-16 as declared",
        "orders",
        PLAIN.decode().encode("utf-16"),
        declared={"encoding": "utf-16"},
        kind="accepted",
    ),
]


def _coupon(number: int, name: str, cell: bytes, **expected: object) -> Case:
    content = b"\n".join(
        [HEADER.encode() + b",coupon", ONE.encode() + b",", TWO.encode() + b"," + cell, THREE.encode() + b",", b""]
    )
    return in_log(number, name, "orders", content, **expected)


def _aside(column_name: str, rule: str) -> dict[str, object]:
    return {"kind": "quarantined", "quarantined": (("orders.csv", 3, column_name, rule),)}


ENCODINGS = [
    _coupon(52, "Latin-1 in UTF-8", b"Jos\xe9", **_aside("coupon", "bad_encoding")),
    _coupon(52, "half a letter", b"Jos\xc3", **_aside("coupon", "bad_encoding")),
    _coupon(52, "half an emoji from UTF-16", b"\xed\xa0\xbd", **_aside("coupon", "bad_encoding")),
    in_log(
        52,
        "Latin-1 in an id",
        "orders",
        lines(HEADER, ONE) + b"a2,Jos\xe9,2025-01-12T10:00:00Z,10.00\n",
        **_aside("customer_id", "bad_encoding"),
    ),
    in_log(
        52,
        "Latin-1 in JSON",
        "orders",
        as_jsonl([good_row("orders", 1)]) + as_jsonl([good_row("orders", 2)]).replace(b"anna", b"Jos\xe9"),
        declared={"format": "jsonl"},
        kind="quarantined",
        quarantined=(("orders.jsonl", 2, "customer_id", "bad_encoding"),),
    ),
    *with_row(52, "UTF-8 read as Latin-1", {"coupon": "Jos\u00c3\u00a9"}, kind="warned", words=("coupon", "1 row")),
    _coupon(
        52,
        "Latin-1 as declared",
        b"Jos\xe9",
        declared={"encoding": "latin-1"},
        kind="accepted",
        check=lambda found: "Jos\u00e9" in column(found, "orders", "coupon"),
    ),
    *with_row(53, "NUL in an id", {"customer_id": "be\x00n"}, "customer_id", CONTROL),
    *with_row(53, "NUL in a text", {"coupon": "a\x00b"}, "coupon", CONTROL),
    *with_row(53, "escape in a text", {"coupon": "\x1b[31mred"}, "coupon", CONTROL, formats=("csv", "jsonl")),
    *with_row(53, "bell in an order", {"order_id": "a\x07"}, "order_id", CONTROL, formats=("csv", "parquet")),
]

_COMMAS = PLAIN.replace(b"10.00", b"10,50")

SHAPES = [
    _refused(
        54,
        "semicolons and decimal commas",
        _COMMAS.replace(b",10,50", b";10,50")
        .replace(b"Z,", b"Z;")
        .replace(b",anna,", b";anna;")
        .replace(HEADER.encode(), HEADER.replace(",", ";").encode()),
        "wrong_delimiter",
        "';'",
    ),
    _refused(54, "semicolons", PLAIN.replace(b",", b";"), "wrong_delimiter", "';'"),
    _refused(54, "tabs", PLAIN.replace(b",", b"\t"), "wrong_delimiter"),
    _refused(54, "bars", PLAIN.replace(b",", b"|"), "wrong_delimiter", "'|'"),
    *(
        in_log(55, name, "orders", lines(HEADER, ONE, row, THREE), **_aside("", "ragged_row"))
        for name, row in (
            ("a field too few", "a2,anna,2025-01-12T10:00:00Z"),
            ("a field too many", TWO + ",more"),
            ("one field", "x"),
            ("an empty field too many", TWO + ","),
        )
    ),
    in_log(
        55,
        "a total below the rows",
        "orders",
        lines(HEADER, ONE, TWO, "Total: 2 orders"),
        kind="quarantined",
        quarantined=(("orders.csv", 4, "", "ragged_row"),),
    ),
    _refused(
        56,
        "a quote never closed",
        lines(HEADER, ONE, TWO.replace("anna", '"anna'), THREE, ONE, TWO),
        "unclosed_quote",
        "line 3",
        "swallows 3",
    ),
    _refused(
        56,
        "a quote closed two lines later",
        lines(HEADER, ONE, 'a2,"ben,x', "a3,y,z", 'a4",5'),
        "unclosed_quote",
        "line 3",
        "swallows 2",
    ),
    _refused(
        56,
        "an inch that opens a quote",
        lines(HEADER, *[ONE] * 5, 'a9,"12 inch,2025-01-12T10:00:00Z,1.00', *[TWO] * 500),
        "unclosed_quote",
        "line 7",
        "swallows 500",
    ),
    *(
        in_log(55, name, "orders", lines(HEADER, ONE, row, THREE), **_aside("", "bad_quoting"))
        for name, row in (("text behind a closing quote", TWO.replace("anna", '"an"na')),)
    ),
]

_NOTES = ["two\nlines", 'a "quoted" word', "a, comma", "three\n\n\nmore"]
_TEXT = [good_row("orders", n) | {"note": note} for n, note in enumerate(_NOTES, 1)]
_LAST_IS_BAD = [*_TEXT, good_row("orders", 9) | {"revenue": "x", "note": ""}]
# The header is line 1; the notes break into four further lines.
_BAD_LINE = 2 + len(_NOTES) + 4


def _ends(name: str, content: bytes) -> Case:
    return _same(57, name, content)


LINES = [
    in_log(
        57,
        "line breaks, quotes and commas in a field",
        "orders",
        as_csv(_LAST_IS_BAD),
        kind="quarantined",
        quarantined=(("orders.csv", _BAD_LINE, "revenue", "not_an_amount"),),
        counts={"orders.csv": (4, 0)},
    ),
    in_log(
        57,
        "the same with CRLF",
        "orders",
        as_csv(_LAST_IS_BAD).replace(b"\n", b"\r\n"),
        kind="quarantined",
        quarantined=(("orders.csv", _BAD_LINE, "revenue", "not_an_amount"),),
        counts={"orders.csv": (4, 0)},
    ),
    _ends("CRLF", PLAIN.replace(b"\n", b"\r\n")),
    _ends("CR alone", PLAIN.replace(b"\n", b"\r")),
    _ends("CRLF, then LF", lines(HEADER, ONE, end="\r\n") + lines(TWO, THREE)),
    _ends("LF, CRLF and CR", lines(HEADER) + lines(ONE, end="\r\n") + lines(TWO, end="\r") + lines(THREE)),
    _ends("empty lines between", lines(HEADER, "", ONE, "", "", TWO, THREE, "")),
    _ends("no line break at the end", PLAIN.rstrip(b"\n")),
    in_log(
        57,
        "CR alone, a bad row in the third line",
        "orders",
        PLAIN.replace(b"12T10:00:00Z,10.00", b"12T10:00:00Z,x").replace(b"\n", b"\r"),
        **_aside("revenue", "not_an_amount"),
    ),
]

CASES: list[Case] = [*MARKS, *ENCODINGS, *SHAPES, *LINES, *CODE]
