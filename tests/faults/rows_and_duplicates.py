"""Faults 1 to 5 and 15 to 17: rows that come twice, late, out of order, or the other way."""

from __future__ import annotations

from sources import Ingested
from tests.faults.case import (
    FORMATS,
    WRITERS,
    Case,
    as_csv,
    by_id,
    column,
    good_row,
    in_log,
    with_row,
)
from timeline import parse_date


def _web(n: int, **cells: str) -> dict[str, str | None]:
    return good_row("web_events", n) | cells


def _repeated(log: str, kind: str) -> Case:
    rows = [good_row(log, 1), good_row(log, 2), good_row(log, 1), good_row(log, 1)]
    file = f"{log}.{kind}"
    return in_log(
        1,
        f"{log} row three times, {kind}",
        log,
        WRITERS[kind](rows),
        declared={"format": kind},
        kind="normalised",
        counts={file: (2, 2)},
    )


def _contradicted(kind: str) -> Case:
    # The one that was known first stays, wherever it stands in the file.
    rows = [
        _web(1, event="Cart Viewed", loaded_at="2025-01-13T00:00:00Z"),
        _web(1, event="Page Viewed", loaded_at="2025-01-12T00:00:00Z"),
        _web(2, loaded_at="2025-01-13T00:00:00Z"),
    ]
    return in_log(
        2,
        f"one message id, two events, {kind}",
        "web_events",
        WRITERS[kind](rows),
        declared={"format": kind},
        kind="quarantined",
        quarantined=((f"web_events.{kind}", 2 if kind == "csv" else 1, "message_id", "conflicting_duplicate"),),
        check=lambda found: by_id(found, "web_events", "event") == {"w1": "Page Viewed", "w2": "Page Viewed"},
    )


def _order(n: int, **cells: str) -> dict[str, str | None]:
    return good_row("orders", n) | cells


_LATE = {"loaded_at": "2025-03-01T00:00:00Z"}
_TWO = [_web(n, message_id="") for n in (1, 1, 2)]


def _known_in_march(log: str, moment: str) -> dict[str, object]:
    def check(found: Ingested) -> bool:
        known = parse_date("2025-03-01", "UTC")
        return found.tables[log]["loaded_at"].to_pylist().count(known) == 1

    return {"log": log, "check": check, "kind": "accepted"} | {"formats": FORMATS if moment else ("csv",)}


DUPLICATES = [
    *(_repeated(log, kind) for log in ("web_events", "email_events") for kind in FORMATS),
    _repeated("orders", "csv"),
    Case(
        1,
        "the same row in two files",
        {
            "orders-a.csv": as_csv([_order(1), _order(2)]),
            "orders-b.csv": as_csv([_order(2), _order(3)]),
        },
        "normalised",
        counts={"orders-a.csv": (2, 0), "orders-b.csv": (1, 1)},
    ),
    *(_contradicted(kind) for kind in FORMATS),
    in_log(
        2,
        "one order, two amounts",
        "orders",
        as_csv(
            [_order(1, loaded_at="2025-01-20T00:00:00Z"), _order(1, revenue="11.00", loaded_at="2025-01-21T00:00:00Z")]
        ),
        kind="quarantined",
        quarantined=(("orders.csv", 3, "order_id", "conflicting_duplicate"),),
        check=lambda found: column(found, "orders", "revenue") == [1000],
    ),
    Case(
        2,
        "one order, two amounts, in two files",
        {
            "orders-a.csv": as_csv([_order(1, revenue="11.00", loaded_at="2025-01-21T00:00:00Z")]),
            "orders-b.csv": as_csv([_order(1, loaded_at="2025-01-20T00:00:00Z")]),
        },
        "quarantined",
        quarantined=(("orders-a.csv", 2, "order_id", "conflicting_duplicate"),),
        counts={"orders-a.csv": (0, 0), "orders-b.csv": (1, 0)},
    ),
    *(
        in_log(
            3,
            f"equal rows without an id, kept, {kind}",
            "web_events",
            WRITERS[kind](_TWO),
            declared={"format": kind},
            kind="warned",
            words=("web_events", "1 row"),
            counts={f"web_events.{kind}": (3, 0)},
        )
        for kind in FORMATS
    ),
    in_log(
        3,
        "equal rows without an id, set aside as declared",
        "web_events",
        as_csv(_TWO),
        declared={"duplicates": "set_aside"},
        kind="normalised",
        counts={"web_events.csv": (2, 1)},
    ),
    in_log(
        3,
        "equal order lines, which may be two pieces",
        "order_lines",
        as_csv([good_row("order_lines", 1), good_row("order_lines", 1)]),
        kind="warned",
        words=("order_lines", "1 row"),
        counts={"order_lines.csv": (2, 0)},
    ),
]

LATE = [
    *with_row(4, "web event known weeks later", _LATE, **_known_in_march("web_events", "occurred_at")),
    *with_row(4, "order known weeks later", _LATE, **_known_in_march("orders", "")),
    in_log(
        5,
        "orders from the newest to the oldest",
        "orders",
        as_csv([_order(n) for n in (3, 1, 2)]),
        kind="accepted",
        same_as={"orders.csv": as_csv([_order(n) for n in (1, 2, 3)])},
    ),
    *(
        in_log(
            5,
            f"web events in any order, {kind}",
            "web_events",
            WRITERS[kind]([_web(n) for n in (2, 3, 1)]),
            declared={"format": kind},
            kind="accepted",
            same_as={f"web_events.{kind}": WRITERS[kind]([_web(n) for n in (1, 2, 3)])},
        )
        for kind in FORMATS
    ),
]

_RETURNED = {"event": "Order Refunded"}


def _is_return(found: Ingested) -> bool:
    orders = dict(
        zip(found.tables["orders"]["event"].to_pylist(), found.tables["orders"]["revenue"].to_pylist(), strict=True)
    )
    return orders["Order Refunded"] > 0 and orders["Order Completed"] > 0


def _spend_is_whole(found: Ingested) -> bool:
    return all(isinstance(amount, int) and amount >= 0 for amount in column(found, "orders", "revenue"))


_LATER = {"returned_at": "2025-03-05T10:00:00Z"}

RETURNS = [
    *with_row(15, "line of a return", _RETURNED | {"quantity": "-1"}, log="order_lines", check=_is_return),
    *with_row(15, "negative amount of a refund", _RETURNED | {"revenue": "-4.00"}, formats=("csv",), check=_is_return),
    *with_row(15, "negative quantity in the log of returns", {"quantity": "-1"}, log="returns", formats=("csv",)),
    *with_row(
        16, "negative line of a purchase", {"quantity": "-1"}, "quantity", "negative_purchase", log="order_lines"
    ),
    *with_row(
        16,
        "negative quantity of an item",
        {"quantity": "-1"},
        "quantity",
        "negative_purchase",
        log="order_items",
        formats=("csv", "parquet"),
    ),
    *with_row(16, "negative amount of a purchase", {"revenue": "-4.00"}, "revenue", "negative_purchase"),
    # A line of a return names no customer: without its order nobody is known whom it belongs to. It waits.
    *with_row(
        17,
        "return of an order that is not there",
        {"order_id": "o77"},
        "order_id",
        "unknown_order",
        log="returns",
        formats=("csv", "jsonl"),
        words=("returns", "1", "unknown_order"),
    ),
    *with_row(
        17,
        "refund of an order that is not there",
        _RETURNED | {"order_id": "o77"},
        formats=("csv",),
        kind="warned",
        words=("1", "refund", "order"),
        check=_spend_is_whole,
    ),
    *with_row(
        17,
        "return before the purchase",
        {"returned_at": "2025-01-01T10:00:00Z"},
        log="returns",
        formats=("csv", "parquet"),
        kind="warned",
        words=("returns", "1", "before"),
        check=_spend_is_whole,
    ),
    *with_row(
        17,
        "more returned than bought",
        {"quantity": "5", "price": "10.00"} | _LATER,
        log="returns",
        formats=("csv",),
        beside={
            "shop.csv": as_csv([_order(n, order_id=f"o{n}") for n in (1, 2, 3)]),
            "items.csv": as_csv([good_row("order_items", n) for n in (1, 2, 3)]),
        },
        logs_beside={"order_items": {"file": "items.csv"}},
        kind="warned",
        words=("returns", "1", "more"),
        check=_spend_is_whole,
    ),
    *with_row(
        17,
        "more refunded than paid",
        _RETURNED | {"order_id": "a1", "revenue": "99.00"},
        formats=("csv",),
        kind="warned",
        words=("1", "refund", "more"),
        check=_spend_is_whole,
    ),
]

CASES = [*DUPLICATES, *LATE, *RETURNS]
