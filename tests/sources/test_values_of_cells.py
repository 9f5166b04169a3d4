"""Cells: what each kind of value becomes, and what is refused instead of guessed."""

import decimal
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sources import conversions
from sources.addresses import unaddressed, with_address
from sources.conversions import VALUE, Cell, Converted


@dataclass
class Result:
    """Per cell its value and the first rule it broke (null: none), and how many cells have each note."""

    values: list[Any]
    rules: list[str | None]
    notes: dict[str, int]


def converted(column: pa.Array, how: Any, plain: bool = False) -> Result:
    """What the SQL of ``how``, given the cell, makes of a column."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("given", pa.table({"number": range(len(column)), "cell": column}))
    kind = connection.execute("DESCRIBE SELECT cell FROM given").fetchone()[1]
    found: Converted = how(Cell("cell", kind, plain))

    def said(condition: str) -> str:
        return condition.replace(VALUE, "worth")

    fine = f"WHEN {said(found.fine)} THEN NULL" if found.fine else ""
    cases = " ".join(f"WHEN {said(condition)} THEN '{rule}'" for rule, condition in found.broken)
    notes = "".join(f", CASE WHEN {said(condition)} THEN 1 ELSE 0 END" for _, condition in found.notes)
    rows = connection.execute(
        f"SELECT worth, CASE {fine} {cases or 'WHEN false THEN NULL'} END{notes} "
        f"FROM (SELECT *, {found.value} AS worth FROM given) ORDER BY number"
    ).fetchall()
    counts = {note: sum(row[2 + at] for row in rows) for at, (note, _) in enumerate(found.notes)}
    return Result([row[0] for row in rows], [row[1] for row in rows], {n: c for n, c in counts.items() if c})


def to_id(column: pa.Array, is_person: bool) -> Result:
    return converted(column, lambda cell: conversions.to_id(cell, is_person))


def to_money(column: pa.Array, decimals: int, rounding: bool, comma: bool = False) -> Result:
    return converted(column, lambda cell: conversions.to_money(cell, decimals, rounding, comma))


def to_allowed(column: pa.Array, allowed: Any, named: Any) -> Result:
    return converted(column, lambda cell: conversions.to_allowed(cell, allowed, named))


def to_instant(column: pa.Array, zone: str, time_format: str) -> Result:
    return converted(column, lambda cell: conversions.to_instant(cell, zone, time_format))


IDS = [
    "00123",
    "123",
    "1E5",
    "100000",
    "NA",
    "null",
    "None",
    "nan",
    "9007199254740993",
    "1" * 40,
    "é",
    "e\u0301",
]


def test_ids_stay_the_text_they_are():
    found = to_id(pa.array(IDS), is_person=True)
    assert found.values == IDS
    assert found.rules == [None] * len(IDS)


@pytest.mark.parametrize("placeholder", ["undefined", "0", "-1"])
def test_a_placeholder_is_no_customer_but_may_be_a_product(placeholder):
    assert to_id(pa.array([placeholder]), is_person=True).rules == ["placeholder_id"]
    assert to_id(pa.array([placeholder]), is_person=False).rules == [None]


@pytest.mark.parametrize("text", ["a\u200bb", "a\x00b", "a\nb", "\u202eab", "\ufeffab"])
def test_ids_with_invisible_characters_are_refused(text):
    assert to_id(pa.array([text]), is_person=True).rules == ["control_character"]


def test_empty_and_blank_ids_are_missing():
    found = to_id(pa.array(["", "  ", None]), is_person=True)
    assert found.values == [None, None, None]


def test_whole_floats_of_parquet_are_ids_without_a_point():
    column = pa.array([17850.0, None, float("nan"), 1.5, 123456789012345.0])
    assert to_id(column, is_person=False).values == ["17850", None, None, "1.5", "123456789012345"]


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("12.34", 1234),
        ("12", 1200),
        ("12.3", 1230),
        ("-0.05", -5),
        ("0", 0),
        ("1.10000", 110),
        ("0012.34", 1234),
        ("2.675", "too_many_decimals"),
        ("0.001", "too_many_decimals"),
        ("0.00000000000001", "too_many_decimals"),
        ("1,50", "not_an_amount"),
        ("1.234,50", "not_an_amount"),
        ("$12", "not_an_amount"),
        ("(12.00)", "not_an_amount"),
        ("1e3", "not_an_amount"),
        ("12.", "not_an_amount"),
        ("NaN", "not_finite"),
        ("-inf", "not_finite"),
        ("Infinity", "not_finite"),
        ("1000000000000", "amount_too_large"),
        ("9" * 40, "amount_too_large"),
        ("", None),
    ],
)
def test_money_is_exact_or_refused(text, minor):
    found = to_money(pa.array([text]), decimals=2, rounding=False)
    if isinstance(minor, str):
        assert found.rules == [minor]
    else:
        assert found.rules == [None]
        assert found.values == [minor]


def test_money_of_parquet_floats_is_the_decimal_that_was_meant():
    cents = [29, 57, 115, 1001, 123456789, -110623]
    found = to_money(pa.array([c / 100 for c in cents] + [0.001]), decimals=2, rounding=False)
    assert found.values[:-1] == cents
    assert found.rules == [None] * len(cents) + ["too_many_decimals"]


def test_money_of_parquet_that_is_not_finite_is_refused():
    found = to_money(pa.array([float("nan"), float("inf"), None, 1e400, 1e13]), decimals=2, rounding=True)
    assert found.rules == ["not_finite", "not_finite", None, "not_finite", "amount_too_large"]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["2.345", "2.355", "0.001"]),
        pa.array([decimal.Decimal("2.345"), decimal.Decimal("2.355"), decimal.Decimal("0.001")]),
    ],
)
def test_declared_rounding_goes_half_to_even(column):
    found = to_money(column, decimals=2, rounding=True)
    assert found.values == [234, 236, 0]
    assert found.rules == [None] * 3


@pytest.mark.parametrize(("decimals", "minor"), [(0, 7), (3, 7000)])
def test_money_of_other_currencies_has_other_decimals(decimals, minor):
    assert to_money(pa.array(["7"]), decimals, rounding=False).values == [minor]


def test_whole_numbers():
    found = converted(pa.array(["3", "-2", "6.0", "1.5", "x", "", "1" * 30]), conversions.to_whole)
    assert found.values == [3, -2, 6, None, None, None, None]
    assert found.rules == [None] * 3 + ["not_a_whole_number"] * 2 + [None, "not_a_whole_number"]


def test_flags():
    found = converted(pa.array(["1", "no", "TRUE", "maybe", ""]), conversions.to_flag)
    assert found.values == [True, False, True, None, None]
    assert found.rules == [None, None, None, "not_a_flag", None]


def test_events_are_renamed_exactly_before_by_the_longest_start():
    named = {
        "C*": "Order Refunded",
        "CX*": "Order Cancelled",
        "C1": "Order Completed",
        "*": "Order Completed",
    }
    events = ("Order Completed", "Order Cancelled", "Order Refunded")
    found = to_allowed(pa.array(["536365", "C2", "CX9", "C1"]), events, named)
    assert found.values == [
        "Order Completed",
        "Order Refunded",
        "Order Cancelled",
        "Order Completed",
    ]


def test_a_value_outside_the_list_is_refused():
    found = to_allowed(pa.array(["hard", "bouncy", None]), ("hard", "soft"), {})
    assert found.rules == [None, "unknown_value", None]


def test_a_malformed_address_counts_as_absent_and_a_line_break_is_refused():
    texts = [
        " Anna@Mail.Example ",
        "anna",
        "Anna <a@b.example>",
        "a+tag@b.example",
        "a@b.example\r\nBcc: x@y.z",
    ]
    found = converted(pa.array(texts), conversions.to_address)
    assert found.values == ["anna@mail.example", None, None, "a+tag@b.example", None]
    assert found.rules == [None] * 4 + ["line_break_in_address"]
    assert found.notes == {"malformed_address": 2}


ADDRESSES = [
    ("anna@x.example", None),
    ("call ANNA@X.EXAMPLE now", "call  now"),
    ("Lee <anna@x.example>", "Lee <>"),
    ('"anna lee"@x.example', None),
    ('said "anna\\"lee"@x.example', "said"),
    ("anna%40x.example", None),
    ("anna%2540x%2Eexample", None),
    ("anna\uff20x.example", None),
    ("\uff41\uff4e\uff4e\uff41\uff20\uff58\uff0e\uff44\uff45", None),
    ("anna&#64;x.example", None),
    ("anna@m\u00fcller.example", None),
    ("anna(home)@x.example, ben@y.example", None),
    ("https://shop.example/leave?e=anna@x.example&c=1", "https:&c=1"),
    ("bounce+anna=x.example@list.example", None),
    ("an\u200bna@x\u200b.example", None),
]
NO_ADDRESSES = ["sku@2x", "@handle", "@handle.shop", "user@host", "user@host.", "3 @ 1.50", "2@1.50kg", "pkg@1.2.3"]
NO_ADDRESSES += ["100%40", "50% off", "Home & Garden", "R&#38;D", " @ ", "\u00e9t\u00e9 @ home", "scope/@a.bc"]


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize(("text", "left"), ADDRESSES)
def test_a_text_loses_its_addresses(text, left, plain):
    found = converted(pa.array([text]), lambda cell: conversions.to_text(cell, {}), plain and text.isascii())
    assert (found.values, found.notes) == ([left], {"address_in_text": 1})
    assert with_address(pa.array(["other", text])).to_pylist() == [None, text]
    assert "anna" not in unaddressed({text: [text]}).popitem()[1][0].lower()


def test_a_text_without_an_address_stays_as_it_is():
    found = converted(pa.array(NO_ADDRESSES), lambda cell: conversions.to_text(cell, {}))
    assert (found.values, found.notes) == (NO_ADDRESSES, {})
    assert not pc.any(pc.is_valid(with_address(pa.array(NO_ADDRESSES)))).as_py()
    assert unaddressed(NO_ADDRESSES) == NO_ADDRESSES


TELEPHONES = ["+44 20 7946 0958", "0171-2345678", "0049 (0)171 2345678", "(020) 7946 0958", "01 42 68 53 00"]
TELEPHONES += ["(555) 123-4567", "+1(555)123-4567"]
NO_TELEPHONES = ["05.01.2024", "2024-01-05", "05.01.2024 12:30", "10:00:00.000", "order 12345", "0800", "5 000 000"]


def test_only_a_text_of_sentences_loses_telephone_numbers():
    texts = [*TELEPHONES, *(f"call {number} today" for number in TELEPHONES), *NO_TELEPHONES]
    given = pa.array(texts)
    found = converted(given, lambda cell: conversions.to_text(cell, {}, free=True, bare="removed"), plain=True)
    assert found.values == ["removed"] * 7 + ["call  today"] * 7 + NO_TELEPHONES
    assert found.notes == {"contact_in_text": 14}
    assert converted(given, lambda cell: conversions.to_text(cell, {})).values == texts


NOON = 1_735_732_800_000_000  # 2025-01-01T12:00:00Z


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2025-01-01T12:00:00Z", "UTC", NOON),
        ("2025-01-01T17:00:00+05:00", "UTC", NOON),
        ("2025-01-01 17:00:00+0500", "Asia/Karachi", NOON),
        ("2025-01-01T12:00:00.000001Z", "UTC", NOON + 1),
        ("2025-01-01T12:00:00.000000999Z", "UTC", NOON),
        ("2025-01-01 17:00", "Asia/Karachi", NOON),
        ("2025-01-01", "Asia/Karachi", NOON - 17 * 3_600_000_000),
        # The clock goes back: 01:30 happens twice, the earlier is meant.
        ("2024-10-27 01:30:00", "Europe/London", 1_729_989_000_000_000),
        # The clock goes forward: 01:30 does not happen.
        ("2024-03-31 01:30:00", "Europe/London", "nonexistent_time"),
        ("2024-02-30", "UTC", "unparsable_time"),
        ("2025-01-01 24:00:00", "UTC", "unparsable_time"),
        ("2025-01-01 10:00:60", "UTC", "unparsable_time"),
        ("03/04/2024", "UTC", "unparsable_time"),
        ("45382.5", "UTC", "unparsable_time"),
        ("2025", "UTC", "unparsable_time"),
        ("now", "UTC", "unparsable_time"),
        ("1735732800", "UTC", "timestamp_unit"),
        ("1735732800000", "UTC", "timestamp_unit"),
        ("1970-01-01T00:00:00Z", "UTC", "implausible_timestamp"),
        ("0001-01-01", "UTC", "implausible_timestamp"),
        ("9999-12-31", "UTC", "implausible_timestamp"),
        ("1989-12-31T23:59:59Z", "UTC", "implausible_timestamp"),
        ("2100-01-01T00:00:00Z", "UTC", "implausible_timestamp"),
        ("", "UTC", None),
    ],
)
def test_times(text, zone, expected):
    found = to_instant(pa.array([text, "2025-01-01T12:00:00Z"]), zone, "")
    assert found.values[1] == NOON
    if isinstance(expected, str):
        assert found.rules == [expected, None]
    else:
        assert found.values[0] == expected
        assert found.rules == [None, None]


@pytest.mark.parametrize(
    ("text", "declared"),
    [
        ("01/01/2025 17:00", "%d/%m/%Y %H:%M"),
        ("1735732800", "epoch_s"),
        ("1735732800000", "epoch_ms"),
        ("1735732800000000", "epoch_us"),
    ],
)
def test_times_in_a_declared_format(text, declared):
    assert to_instant(pa.array([text]), "Asia/Karachi", declared).values == [NOON]


def test_an_epoch_in_another_unit_than_declared_is_not_taken():
    assert to_instant(pa.array(["1735732800", "0"]), "UTC", "epoch_ms").rules == [
        "timestamp_unit",
        "implausible_timestamp",
    ]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_parquet_timestamps_of_any_unit(unit):
    ticks = NOON * 1000 // {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[unit]
    aware = to_instant(pa.array([ticks], pa.timestamp(unit, "UTC")), "Asia/Karachi", "")
    naive = to_instant(pa.array([ticks], pa.timestamp(unit)), "Asia/Karachi", "")
    assert aware.values == [NOON]
    assert naive.values == [NOON - 5 * 3_600_000_000]


def test_parquet_numbers_are_no_times_unless_declared():
    assert to_instant(pa.array([NOON]), "UTC", "").rules == ["timestamp_unit"]
