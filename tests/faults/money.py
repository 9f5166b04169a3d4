"""Faults 18 to 25: amounts that are nothing, too much, in another currency or another spelling."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from sources import Ingested
from tests.faults.case import Case, as_csv, by_id, good_row, in_log, lines, parquet, with_row

NOT_FINITE, NO_AMOUNT, LARGE, FINE = "not_finite", "not_an_amount", "amount_too_large", "too_many_decimals"


def _amount(minor: int) -> Callable[[Ingested], bool]:
    """A check: the middle order has ``minor`` units."""
    return lambda found: by_id(found, "orders", "revenue", "order_id")["a2"] == minor


def _floats(number: int, name: str, amount: float, rule: str) -> Case:
    cells = {
        "order_id": ["a1", "a2"],
        "customer_id": ["anna", "anna"],
        "ordered_at": ["2025-01-11T10:00:00Z", "2025-01-12T10:00:00Z"],
        "revenue": pa.array([10.0, amount], pa.float64()),
    }
    return in_log(
        number,
        f"{name}, a number in Parquet",
        "orders",
        parquet(pa.table(cells)),
        declared={"format": "parquet"},
        kind="quarantined",
        quarantined=(("orders.parquet", 2, "revenue", rule),),
    )


def _json_number(number: int, name: str, literal: str, rule: str) -> Case:
    row = '{"order_id": "%s", "customer_id": "anna", "ordered_at": "2025-01-11T10:00:00Z", "revenue": %s}'
    return in_log(
        number,
        f"{name}, a number in JSON",
        "orders",
        lines(row % ("a1", "10.00"), row % ("a2", literal), row % ("a3", "1")),
        declared={"format": "jsonl"},
        kind="quarantined",
        quarantined=(("orders.jsonl", 2, "revenue", rule),),
    )


def _bad(number: int, name: str, cell: str, rule: str, *formats: str) -> list[Case]:
    return with_row(number, name, {"revenue": cell}, "revenue", rule, formats=formats or ("csv", "jsonl"))


_FREE = [good_row("order_items", n) | {"order_id": f"o{1 + n % 3}", "price": "0.00"} for n in range(20)]

NOTHING_AND_TOO_MUCH = [
    *with_row(18, "order of zero", {"revenue": "0.00"}, check=_amount(0)),
    *with_row(
        18, "discount of all there is", {"revenue": "0.00", "total": "0.00", "discount": "10.00"}, formats=("csv",)
    ),
    *with_row(18, "item without a price", {"price": "0"}, log="order_items", formats=("csv",)),
    # No limit is given by the table; where every price is zero, any limit is passed.
    in_log(18, "every price is zero", "order_items", as_csv(_FREE), kind="warned", words=("order_items", "zero")),
    *_bad(19, "NaN", "NaN", NOT_FINITE, "csv", "jsonl", "parquet"),
    *_bad(19, "inf", "inf", NOT_FINITE),
    *_bad(19, "minus Infinity", "-Infinity", NOT_FINITE),
    *_bad(19, "1e400", "1e400", f"{NOT_FINITE}|{NO_AMOUNT}"),
    _floats(19, "inf", float("inf"), NOT_FINITE),
    _floats(19, "minus inf", float("-inf"), NOT_FINITE),
    _json_number(19, "NaN", "NaN", f"{NOT_FINITE}|bad_json"),
    _json_number(19, "1e400", "1e400", f"{NOT_FINITE}|{NO_AMOUNT}"),
    *_bad(20, "a billion and more", "1000000000000", LARGE, "csv", "jsonl", "parquet"),
    *with_row(
        20, "price of an item", {"price": "1000000000000.00"}, "price", LARGE, log="order_items", formats=("csv",)
    ),
    _floats(20, "1e12", 1e12, LARGE),
    *_bad(20, "forty digits", "9" * 40, LARGE, "csv"),
]


def _segments(column: str, *, known: bool) -> bytes:
    """Forty orders of about 20 and forty of about 3,000, the sort of orders in ``column``."""
    rows = []
    for n in range(80):
        cheap = n % 2 == 0
        row = good_row("orders", 1 + n % 9) | {
            "order_id": f"a{n}",
            "revenue": f"{20 + n}.00" if cheap else f"{3000 + n}.00",
        }
        rows.append(row | {column: "uk" if cheap else "jp"} | ({"currency": "GBP"} if known else {}))
    return as_csv(rows)


CURRENCIES = [
    in_log(
        21,
        "amounts a hundred times as large in one channel, no currency",
        "orders",
        _segments("channel", known=False),
        kind="stopped",
        words=("orders", "currency", "channel"),
    ),
    Case(
        21,
        "amounts a hundred times as large in one file, no currency",
        {
            "orders-uk.csv": as_csv(
                [good_row("orders", 1) | {"order_id": f"u{n}", "revenue": f"2{n % 10}"} for n in range(40)]
            ),
            "orders-jp.csv": as_csv(
                [good_row("orders", 1) | {"order_id": f"j{n}", "revenue": f"300{n % 10}"} for n in range(40)]
            ),
        },
        "stopped",
        words=("orders", "currency"),
    ),
    # Who says the currency has looked: dear orders of one channel are then what they seem.
    in_log(21, "the same amounts with a currency", "orders", _segments("channel", known=True), kind="accepted"),
    in_log(
        21,
        "the same amounts with a currency in params",
        "orders",
        _segments("channel", known=False),
        declared={"constants": {"currency": "GBP"}},
        kind="accepted",
    ),
    *with_row(22, "XXQ", {"currency": "XXQ"}, "currency", "unknown_currency"),
    *with_row(22, "a sign", {"currency": "£"}, "currency", "unknown_currency", formats=("csv", "jsonl")),
    *with_row(
        22, "another currency than the shop's", {"currency": "USD"}, "currency", "other_currency", formats=("csv",)
    ),
]

SPELLINGS = [
    *_bad(23, "1.234,50", "1.234,50", NO_AMOUNT, "csv", "jsonl", "parquet"),
    *_bad(23, "12,50", "12,50", NO_AMOUNT),
    *_bad(23, "1,234.50", "1,234.50", NO_AMOUNT, "csv"),
    in_log(
        23,
        "decimal commas as declared",
        "orders",
        lines(
            "order_id;customer_id;ordered_at;revenue",
            "a1;anna;2025-01-11T10:00:00Z;1.234,50",
            "a2;anna;2025-01-12T10:00:00Z;1.234",
            "a3;anna;2025-01-13T10:00:00Z;7,5",
        ),
        declared={"decimal_comma": True, "delimiter": ";"},
        kind="accepted",
        check=lambda found: by_id(found, "orders", "revenue", "order_id") == {"a1": 123_450, "a2": 123_400, "a3": 750},
    ),
    in_log(
        23,
        "a decimal point where commas are declared",
        "orders",
        lines(
            "order_id;customer_id;ordered_at;revenue",
            "a1;anna;2025-01-11T10:00:00Z;1.234,50",
            "a2;anna;2025-01-12T10:00:00Z;12.50",
            "a3;anna;2025-01-13T10:00:00Z;1,234.50",
        ),
        declared={"decimal_comma": True, "delimiter": ";"},
        kind="quarantined",
        quarantined=(("orders.csv", 3, "revenue", NO_AMOUNT), ("orders.csv", 4, "revenue", NO_AMOUNT)),
    ),
    # There is no setting that declares signs or parentheses, so they are always refused.
    *_bad(24, "$12", "$12", NO_AMOUNT, "csv", "jsonl", "parquet"),
    *_bad(24, "£12.50", "£12.50", NO_AMOUNT),
    *_bad(24, "(12.00)", "(12.00)", NO_AMOUNT),
    *_bad(24, "12.00 GBP", "12.00 GBP", NO_AMOUNT, "csv"),
    *_bad(25, "10.005", "10.005", FINE, "csv", "jsonl", "parquet"),
    _floats(25, "10.005", 10.005, FINE),
    _json_number(25, "10.005", "10.005", FINE),
    *with_row(25, "half a yen", {"revenue": "10.5"}, "revenue", FINE, formats=("csv",), settings={"currency": "JPY"}),
    *with_row(25, "zeros that say nothing", {"revenue": "10.5000"}, check=_amount(1050)),
    *with_row(
        25,
        "rounded as declared",
        {"revenue": "10.005"},
        formats=("csv",),
        declared={"round_money": True},
        kind="normalised",
        check=_amount(1000),
    ),
]

CASES = [*NOTHING_AND_TOO_MUCH, *CURRENCIES, *SPELLINGS]
