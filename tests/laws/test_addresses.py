"""Laws: no address that stands in a column of things or texts reaches the events, and every join holds without it."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sources.checking import NOTES
from sources.inputs import INPUTS, PERSONS, Field, input_of
from tests.sources.source_files import Found, read

MARK = "kanari7q"
SPELLINGS = (
    "{}@mail.example",
    "Anna <{}@Mail.Example>",
    '"{}"@mail.example',
    "{}%40mail.example",
    "{}\uff20mail.example",
    "mailto:{}@mail.example?subject=x",
    "https://shop.example/leave?e={}@mail.example&c=1",
    "bounce+{}=mail.example@list.example",
    "{}@xn--mller-kva.example",
)
ROWS = 3
OWN = "calls"
REFUSED = {"currency", "birth_month_day"}
"""Columns of texts of one form: what else stands there costs its row."""
SHOPS = {"orders": {"order_lines"}, "lines": {"orders", "order_items", "returns"}}
"""Logs that each shop goes without."""


def planted(n: int, spelling: str) -> str:
    # The address differs in case, too.
    name = f"{MARK}{n}"
    return spelling.format(name.upper() if n % 2 else name)


def is_planted(name: str, field: Field) -> bool:
    """Whether anything may stand in the column."""
    if field.kind == "id":
        return name not in PERSONS
    return field.kind == "text" and not field.allowed and not field.words and name not in REFUSED


def cell(name: str, field: Field, n: int, spelling: str | None) -> str | None:
    """What row ``n`` holds in a column; a thing has one name in all logs."""
    if spelling is not None and is_planted(name, field):
        return planted(n, spelling)
    special = {"from_id": f"old{n}", "currency": "GBP", "birth_month_day": "03-31", "birth_year": "1990"}
    plain = {
        "id": f"c{n}" if name in PERSONS else f"thing{n}",
        "text": field.allowed[0] if field.allowed else "some text",
        "address": None,
        "instant": f"2025-01-{n + 1:02d}T10:00:00Z",
        "day": "1990-03-31",
        "money": "10.00",
        "whole": "1",
        "number": "0.5",
        "flag": "false",
    }
    return special.get(name) or field.default or plain[field.kind]


def write(folder: Path, logs: list[str], spelling: str | None) -> None:
    """A file of three rows for every log; of order lines, items and returns each order has as many as its number."""
    for log in logs:
        rows = []
        for n in range(ROWS):
            row = {name: cell(name, field, n, spelling) for name, field in input_of(log).columns.items()}
            rows += [row] * (n + 1 if log in {"order_items", "order_lines", "returns"} else 1)
            if spelling is not None:
                row[f"{MARK}@header.example"] = "x"
        (folder / f"{log}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def shop(folder: Path, without: set[str], spelling: str | None) -> Found:
    folder.mkdir()
    logs = [log for log in INPUTS if log not in without]
    write(folder, [*logs, OWN], spelling)
    name = planted(1, spelling) if spelling else "thing1"
    mail = {"email": "c0@x.example", "event": "delivered", "timestamp": 1735732800}
    mail |= {"sg_event_id": f"{name}-sg", "sg_message_id": name, "category": [name]}
    (folder / "sendgrid.jsonl").write_text(json.dumps(mail) + "\n", encoding="utf-8")
    (folder / f"{MARK}@file.example.csv").write_text("nobody reads it")
    declared = {log: {"file": f"{log}.jsonl", "format": "jsonl"} for log in [*logs, OWN]}
    own = {OWN: declared.pop(OWN) | {"title": "Calls"}}
    exports = {"mails": {"adapter": "sendgrid", "file": "sendgrid.jsonl"}}
    events = folder.parent / f"{folder.name}-events"
    return read(folder, declared, own_logs=own, exports=exports, events=events)


def texts(found: Found) -> Iterator[str]:
    """Everything that the events and the manifest say."""
    yield json.dumps(found.manifest, ensure_ascii=False)
    for table in found.tables.values():
        yield json.dumps([column.to_pylist() for column in table.columns], ensure_ascii=False)


def sizes(found: Found, log: str, thing: str) -> list[int]:
    """How many rows of a log each thing has."""
    counts = found.tables[log].group_by(thing).aggregate([(thing, "count")])[f"{thing}_count"]
    return sorted(counts.to_pylist())


def joined(found: Found) -> dict[str, Any]:
    """How the tables hang together, without any id."""
    named = {"order_id", "product_id", "campaign_id", "cart_id", "session_id", "email_id", "ticket_id"}
    ids = {
        (log, thing): set(table[thing].to_pylist()) - {None}
        for log, table in found.tables.items()
        for thing in named & {*table.column_names}
    }
    same = {
        (a, b, thing): len(ids[a, thing] & ids[b, thing])
        for a, thing in ids
        for b, other in ids
        if a < b and thing == other
    }
    return {
        "rows": {log: table.num_rows for log, table in found.tables.items()},
        "sizes": {(log, thing): sizes(found, log, thing) for log, thing in ids},
        "same": same,
        "books": {
            (log, file["name"], file["log"]): (file["accepted"], file["quarantined"], file["duplicates"])
            for log, facts in found.manifest["logs"].items()
            for file in facts["files"]
        },
    }


@pytest.mark.parametrize("without", SHOPS.values(), ids=SHOPS)
def test_no_address_in_any_column_reaches_the_events(tmp_path: Path, without: set[str]) -> None:
    clean = joined(shop(tmp_path / "clean", without, None))
    assert all(count == ROWS for count in clean["same"].values())
    assert len(clean["same"]) > 3
    for number, spelling in enumerate(SPELLINGS):
        found = shop(tmp_path / f"shop{number}", without, spelling)
        for text in texts(found):
            assert MARK not in unicodedata.normalize("NFKC", text).lower(), spelling
        for path in (tmp_path / f"shop{number}-events").rglob("*.parquet"):
            assert MARK.encode() not in path.read_bytes().lower(), (spelling, path.name)
        assert joined(found) == clean, spelling
        said = {warning for warning in found.manifest["warnings"] if "in the text" in warning}
        assert said == set(told(without)), spelling


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_address_in_a_text_of_one_form_reaches_the_events(tmp_path: Path, spelling: str) -> None:
    said = json.dumps(planted(0, spelling))
    order = '{"order_id": "%s", "customer_id": "c0", "ordered_at": "2025-01-05T10:00:00Z", "revenue": "1.00", %s}\n'
    (tmp_path / "orders.jsonl").write_text(order % (1, f'"currency": {said}') + order % (2, '"currency": "GBP"'))
    (tmp_path / "customers.jsonl").write_text(
        f'{{"customer_id": "c0", "birth_month_day": {said}}}\n{{"customer_id": "c1", "created_at": "2025-01-01"}}\n'
    )
    logs = {log: {"file": f"{log}.jsonl", "format": "jsonl"} for log in ("orders", "customers")}
    found = read(tmp_path, logs)
    assert found.tables["orders"]["order_id"].to_pylist() == ["2"]
    assert not [text for text in texts(found) if MARK in unicodedata.normalize("NFKC", text).lower()]


def told(without: set[str]) -> Iterator[str]:
    """What the manifest must say of the texts."""
    for log in set(INPUTS) - without:
        rows = ROWS * (ROWS + 1) // 2 if log in {"order_items", "order_lines", "returns"} else ROWS
        for name, field in INPUTS[log].columns.items():
            if field.kind == "text" and field.kept and is_planted(name, field):
                note = NOTES["contact_in_text" if field.free else "address_in_text"]
                yield f"{log}.jsonl: {name}: {note} ({rows} rows)."


def test_what_params_say_themselves_stays(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(
        "order_id,customer_id,ordered_at,revenue,coupon\n1,anna,2025-01-05T10:00:00Z,10.00,ours\n"
        "2,anna,2025-01-06T10:00:00Z,10.00,anna@x.example\n3,anna,2025-01-07T10:00:00Z,10.00,for ben@x.example only\n"
    )
    own = {"values": {"coupon": {"ours": "help@shop.example"}}, "constants": {"channel": "desk@shop.example"}}
    orders = read(tmp_path, {"orders": {"file": "orders.csv"} | own}).tables["orders"]
    assert orders["coupon"].to_pylist() == ["help@shop.example", "removed", "for  only"]
    assert set(orders["channel"].to_pylist()) == {"desk@shop.example"}


def test_an_id_of_a_vendor_that_is_a_hash_of_an_address_is_keyed(tmp_path: Path) -> None:
    address, at, campaign = "anna@x.example", "2025-01-05T10:00:00+00:00", "c1"
    member = {"campaign_id": campaign, "email_address": address, "activity": [{"action": "open", "timestamp": at}]}
    gone = {"unsubscribes": [{"campaign_id": campaign, "email_address": address, "timestamp": at}]}
    (tmp_path / "mails.jsonl").write_text(f"{json.dumps(member)}\n{json.dumps(gone)}\n")
    (tmp_path / "orders.csv").write_text("order_id,customer_id,ordered_at,revenue\n1,anna,2025-01-05T10:00:00Z,1.00\n")
    exports = {"mails": {"adapter": "mailchimp", "file": "mails.jsonl"}}
    found = read(tmp_path, {"orders": {"file": "orders.csv"}}, exports=exports)
    ids: pa.ChunkedArray = found.tables["email_events"]["event_id"]
    assert [event[:2] for event in ids.to_pylist()] == ["m_", "m_"]
    guesses = ("|".join((campaign, address, "open", at)), "|".join(("Unsubscribed", campaign, address, at)))
    for guess in guesses:
        assert hashlib.md5(guess.encode(), usedforsecurity=False).hexdigest() not in "".join(ids.to_pylist())
