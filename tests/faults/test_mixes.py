"""Laws over random mixes: faulty rows change nothing in the tables of the good ones, and no row is lost."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.case import FORMATS, Row, as_csv, as_jsonl, as_parquet, lines
from tests.faults.test_faults import assert_books_balance, assert_same_tables
from tests.sources.source_files import read

EVERY_DAY, FOR_LONG = 20, 1_000
SEEDS = [*range(EVERY_DAY), *(pytest.param(seed, marks=pytest.mark.stress) for seed in range(EVERY_DAY, FOR_LONG))]

PEOPLE = ("anna", "ben", "00123", "123", "1E5", "NA", "jos\u00e9", "9007199254740993")
LOADED = "2025-06-01T00:00:00Z"

# What makes a good row a faulty one: the cells to change, the column and the rule.
ANY_LOG: list[tuple[Row, str, str]] = [
    ({"customer_id": ""}, "customer_id", "missing_id"),
    ({"customer_id": "undefined"}, "customer_id", "placeholder_id"),
    ({"customer_id": "be\u200bn"}, "customer_id", "control_character"),
]
TIMES: list[tuple[str, str]] = [
    ("1970-01-01T00:00:00Z", "implausible_timestamp"),
    ("2025-02-30T10:00:00Z", "unparsable_time"),
    ("45382.5", "unparsable_time"),
    ("1736071200", "timestamp_unit"),
    ("2025-07-01T00:00:00Z", "future_timestamp"),
    ("", "missing_time"),
]
OF_LOG: dict[str, list[tuple[Row, str, str]]] = {
    "orders": [
        ({"order_id": ""}, "order_id", "missing_id"),
        ({"revenue": "-5.00"}, "revenue", "negative_purchase"),
        ({"revenue": "NaN"}, "revenue", "not_finite"),
        ({"revenue": "1.234,50"}, "revenue", "not_an_amount"),
        ({"revenue": "1.005"}, "revenue", "too_many_decimals"),
        ({"revenue": "1000000000000"}, "revenue", "amount_too_large"),
        ({"currency": "XXQ"}, "currency", "unknown_currency"),
    ],
    "web_events": [
        ({"event": "Window Shopped"}, "event", "unknown_value"),
        ({"quantity": "two"}, "quantity", "not_a_whole_number"),
        ({"price": "$4"}, "price", "not_an_amount"),
    ],
    "consent_events": [({"status": "perhaps"}, "status", "unknown_value")],
}
MOMENT = {"orders": "ordered_at", "web_events": "occurred_at", "consent_events": "occurred_at"}


@dataclass(frozen=True)
class Line:
    """One row of a file, or text that is no row; ``rule`` where it must be set aside."""

    row: Row
    text: str = ""
    column: str = ""
    rule: str = ""


def good_row(log: str, n: int, chance: random.Random) -> dict[str, str | None]:
    at = f"2025-0{chance.randint(1, 5)}-{chance.randint(10, 28)}T{chance.randint(10, 23)}:00:00Z"
    row: dict[str, str | None] = {"customer_id": chance.choice(PEOPLE), MOMENT[log]: at, "loaded_at": LOADED}
    if log == "orders":
        return row | {"order_id": f"o{n}", "revenue": f"{chance.randint(0, 99)}.50", "currency": "GBP"}
    if log == "web_events":
        return row | {"message_id": f"w{n}", "event": "Product Viewed", "quantity": "1", "price": "4.00"}
    return row | {"status": chance.choice(["subscribed", "unsubscribed"])}


def faulty(log: str, n: int, form: str, chance: random.Random) -> Line:
    row = good_row(log, n, chance)
    texts = {"csv": [("a,b", "ragged_row"), ("1," * 30, "ragged_row")], "jsonl": [('{"a": ', "bad_json")]}
    if form in texts and chance.random() < 0.2:
        text, rule = chance.choice(texts[form])
        return Line({}, text, "", rule)
    in_time = [({MOMENT[log]: text}, MOMENT[log], rule) for text, rule in TIMES]
    cells, column, rule = chance.choice([*ANY_LOG, *in_time, *OF_LOG[log]])
    return Line(row | dict(cells), "", column, rule)


def mixed(log: str, form: str, chance: random.Random) -> list[Line]:
    """Good rows among faulty ones; the last is good, since a bad end may be a file that was cut off."""
    good = [Line(good_row(log, n, chance)) for n in range(chance.randint(3, 20))]
    bad = [faulty(log, 100 + n, form, chance) for n in range(chance.randint(1, 12))]
    both = [*good[1:], *bad]
    chance.shuffle(both)
    return [*both, good[0]]


def content(form: str, rows: list[Line]) -> bytes:
    """The rows as a file of the format, texts in their places."""
    if form == "parquet":
        return as_parquet([line.row for line in rows])
    whole = [line.row for line in rows if not line.text]
    written = (as_csv(whole) if form == "csv" else as_jsonl(whole)).decode().splitlines()
    head, body = (written[:1], iter(written[1:])) if form == "csv" else ([], iter(written))
    return lines(*head, *(line.text or next(body) for line in rows))


@pytest.mark.parametrize("seed", SEEDS)
def test_faulty_rows_change_nothing_for_the_others(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    logs, expected = {}, set()
    for folder in ("mixed", "good"):
        (tmp_path / folder).mkdir()
    for log in OF_LOG:
        form = chance.choice(FORMATS)
        file = f"{log}.{form}"
        logs[log] = {"file": file, "format": form}
        rows = mixed(log, form, chance)
        (tmp_path / "mixed" / file).write_bytes(content(form, rows))
        (tmp_path / "good" / file).write_bytes(content(form, [line for line in rows if not line.rule]))
        first = 2 if form == "csv" else 1
        expected |= {(file, n, line.column, line.rule) for n, line in enumerate(rows, first) if line.rule}
    found, good = read(tmp_path / "mixed", logs), read(tmp_path / "good", logs)
    assert_books_balance(found)
    assert_same_tables(found, good)
    kept = found.quarantine
    assert set(zip(kept["file"], kept["line"], kept["column"], kept["rule"], strict=True)) == expected
    assert len(kept) == len(expected)
    assert good.quarantine.empty
