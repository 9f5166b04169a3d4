"""Faults 43 to 49: headers that lack, rename, repeat or move a column, and columns that change their type."""

from __future__ import annotations

import pyarrow as pa

from tests.faults.case import (
    FORMATS,
    GOOD,
    ORDERS,
    WRITERS,
    Case,
    Row,
    as_csv,
    as_jsonl,
    as_parquet,
    good_row,
    in_log,
    lines,
    parquet,
    with_row,
)

GOOD_FILES = {
    kind: (f"orders-good.{kind}", WRITERS[kind]([good_row("orders", n) | {"order_id": f"g{n}"} for n in (1, 2)]))
    for kind in FORMATS
}


def _renamed(row: Row, names: dict[str, str]) -> Row:
    """``row`` with other names of columns; a column renamed to nothing is gone."""
    return {names.get(column, column): cell for column, cell in row.items() if names.get(column, column)}


def _refused(
    number: int, name: str, log: str, names: dict[str, str], words: tuple[str, ...], rule: str, *formats: str
) -> list[Case]:
    made = []
    for kind in formats or ("csv",):
        good = (f"{log}-good.{kind}", WRITERS[kind]([good_row(log, 1), good_row(log, 2)]))
        content = WRITERS[kind]([_renamed(good_row(log, n), names) for n in (1, 2, 3)])
        made.append(
            in_log(
                number,
                f"{name}, {kind}",
                log,
                content,
                declared={"format": kind},
                kind="refused",
                rule=rule,
                words=(f"{log}.{kind}", *words),
                good=good,
            )
        )
    return made


def _missing(log: str, column: str, *formats: str) -> list[Case]:
    return _refused(43, f"{log} without {column}", log, {column: ""}, (column,), "missing_column", *formats)


NAMES = [
    *_missing("orders", "customer_id", *FORMATS),
    *_missing("orders", "ordered_at", *FORMATS),
    *_missing("orders", "order_id"),
    *_missing("web_events", "event", "csv", "jsonl"),
    *_missing("order_lines", "price"),
    *_missing("consent_events", "status"),
    *with_row(44, "a column nobody knows", {"shoe_size": "43"}, kind="warned", words=("orders", "shoe_size")),
    *_refused(
        45,
        "custId",
        "orders",
        {"customer_id": "custId"},
        ("customer_id", "perhaps 'custId'"),
        "missing_column",
        *FORMATS,
    ),
    *_refused(
        45, "Customer ID", "orders", {"customer_id": "Customer ID"}, ("perhaps 'Customer ID'",), "missing_column"
    ),
    *_refused(45, "OrderedAt", "orders", {"ordered_at": "OrderedAt"}, ("perhaps 'OrderedAt'",), "missing_column"),
]

DRIFT_AT = 30_001


def _drifted(log: str, column: str, cell: str) -> list[Row]:
    row = good_row(log, 1)
    key = "message_id" if log == "web_events" else "order_id"
    rows: list[Row] = [row | {key: f"{row[key]}-{n}", column: "7"} for n in range(DRIFT_AT + 10)]
    rows[DRIFT_AT - 1] = rows[DRIFT_AT - 1] | {column: cell}
    return rows


def _drift(kind: str, log: str, column: str, cell: str, rule: str) -> Case:
    return in_log(
        46,
        f"{column} of {log} is text at last, {kind}",
        log,
        WRITERS[kind](_drifted(log, column, cell)),
        declared={"format": kind},
        kind="quarantined",
        quarantined=((f"{log}.{kind}", DRIFT_AT + (kind == "csv"), column, rule),),
        counts={f"{log}.{kind}": (DRIFT_AT + 9, 0)},
    )


def _json_drift() -> Case:
    """A number in every line but one."""
    row = '{"order_id": "a%d", "customer_id": %s, "ordered_at": "2025-01-11T10:00:00Z", "revenue": %s}'
    rows = [row % (n, 7, 7) for n in range(DRIFT_AT + 10)]
    rows[DRIFT_AT - 1] = row % (DRIFT_AT - 1, 7, '"seven"')
    return in_log(
        46,
        "a number in JSON is text at last",
        "orders",
        lines(*rows),
        declared={"format": "jsonl"},
        kind="quarantined",
        quarantined=(("orders.jsonl", DRIFT_AT, "revenue", "not_an_amount"),),
    )


DRIFTS = [
    *(_drift(kind, "orders", "revenue", "seven", "not_an_amount") for kind in FORMATS),
    *(_drift(kind, "web_events", "quantity", "7 pieces", "not_a_whole_number") for kind in ("csv", "jsonl")),
    _json_drift(),
    # An id that turns from digits to letters is no fault: ids are text.
    in_log(
        46,
        "ids turn from digits to letters",
        "orders",
        as_csv(_drifted("orders", "customer_id", "z7")),
        kind="accepted",
    ),
]

_HEADER = ",".join(GOOD["orders"])
_ROWS = [",".join(str(cell) for cell in good_row("orders", n).values()) for n in (1, 2, 3)]
_TWICE = pa.table([pa.array(["a1"])] * 5, names=["order_id", "customer_id", "ordered_at", "revenue", "revenue"])


def _repeated(name: str, header: str) -> Case:
    return in_log(
        48,
        name,
        "orders",
        lines(_HEADER, _ROWS[0], header, _ROWS[1]),
        kind="quarantined",
        quarantined=(("orders.csv", 3, "", "repeated_header"),),
        counts={"orders.csv": (2, 0)},
    )


HEADERS = [
    in_log(
        47,
        "one name twice",
        "orders",
        lines(_HEADER + ",revenue", *(row + ",1.00" for row in _ROWS)),
        kind="refused",
        words=("orders.csv", "revenue", "twice"),
    ),
    in_log(
        47,
        "one name twice, of a column that is not read",
        "orders",
        lines(_HEADER + ",note,note", *(row + ",a,b" for row in _ROWS)),
        kind="accepted",
    ),
    in_log(
        47,
        "one name twice, Parquet",
        "orders",
        parquet(_TWICE),
        declared={"format": "parquet"},
        kind="refused",
        words=("orders.parquet", "revenue", "twice"),
        good=GOOD_FILES["parquet"],
    ),
    in_log(
        48,
        "no header",
        "orders",
        lines(*_ROWS),
        kind="refused",
        rule="missing_column",
        words=("orders.csv",),
    ),
    _repeated("a header in the middle", _HEADER),
    _repeated("a header in the middle, quoted", ",".join(f'"{name}"' for name in GOOD["orders"])),
    _repeated("a header in the middle with a byte order mark", "\ufeff" + _HEADER),
    in_log(
        49,
        "columns from the last to the first",
        "orders",
        as_csv([dict(reversed(good_row("orders", n).items())) for n in (1, 2, 3)]),
        kind="accepted",
        same_as={"orders.csv": as_csv([good_row("orders", n) for n in (1, 2, 3)])},
    ),
    in_log(
        49,
        "keys in another order in every line",
        "orders",
        as_jsonl([good_row("orders", 1), dict(reversed(good_row("orders", 2).items()))]),
        declared={"format": "jsonl"},
        kind="accepted",
        same_as={"orders.jsonl": as_jsonl([good_row("orders", n) for n in (1, 2)])},
    ),
    in_log(
        49,
        "columns from the last to the first, Parquet",
        "orders",
        as_parquet([dict(reversed(good_row("orders", n).items())) for n in (1, 2, 3)]),
        declared={"format": "parquet"},
        kind="accepted",
        same_as={"orders.parquet": as_parquet([good_row("orders", n) for n in (1, 2, 3)])},
    ),
    Case(
        49,
        "columns in another order in each of two files",
        {"orders-a.csv": ORDERS, "orders-b.csv": as_csv([dict(reversed(good_row("orders", 1).items()))])},
        "accepted",
        same_as={"orders-a.csv": ORDERS, "orders-b.csv": as_csv([good_row("orders", 1)])},
    ),
]

CASES = [*NAMES, *DRIFTS, *HEADERS]
