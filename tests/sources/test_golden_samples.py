"""What each adapter makes of a sample written from the vendor's own page: golden/<adapter>/SOURCE.md says which."""

import csv
import importlib.util
import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sources import pseudonym
from tests.sources.source_files import KEY, read

GOLDEN = Path(__file__).parent / "golden"
ADAPTERS = sorted(folder.name for folder in GOLDEN.iterdir() if folder.is_dir())
# Rows of one customer, instant and event are told apart by these.
TIES = ("order_id", "revenue", "price", "product_id")

# A folder without __init__.py has a specification too, but no origin.
needs_adapters = pytest.mark.skipif(
    getattr(importlib.util.find_spec("sources.adapters"), "origin", None) is None, reason="adapter not there yet"
)


def expected_of(adapter: str) -> dict[str, Any]:
    return json.loads((GOLDEN / adapter / "expected.json").read_text(encoding="utf-8"))


def ingested(folder: Path, adapter: str, file: str = "") -> Any:
    """The sample of ``adapter`` (or its twin ``file``), read together with what it needs beside it."""
    expected = expected_of(adapter)
    export = expected["params"] | ({"file": file} if file else {})
    also = expected["also"]
    return read(
        folder,
        also.get("logs", {}),
        exports={adapter: export} | also.get("exports", {}),
        zone=expected.get("zone", "UTC"),
    )


def micros(instant: str) -> int:
    since = datetime.fromisoformat(instant.replace("Z", "+00:00")) - datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def canonical_rows(found: Any, name: str) -> list[dict[str, Any]]:
    """The rows of the canonical table ``name`` with the shop's own ids, by customer, time and event."""
    people = found.vault.astype(object).where(found.vault.notna(), None)
    known = {row.customer_id: row.shop_id or row.email for row in people.itertuples()}
    rows = found.tables[name].to_pylist()
    for row in rows:
        row["customer"] = known[row["customer_id"]] if row["customer_id"] is not None else None
    return sorted(
        rows,
        key=lambda row: (
            row["customer"] or "",
            row["occurred_at"],
            row.get("event") or "",
            *((row[tie] is not None, row[tie]) for tie in TIES if tie in row),
        ),
    )


def differences(expected: list[dict[str, Any]], rows: list[dict[str, Any]]) -> list[str]:
    """What is not as expected, a line each; of a row only the columns that the expected row has are compared."""
    if len(expected) != len(rows):
        short = [(row["customer"], row["occurred_at"], row.get("event")) for row in rows]
        return [f"{len(rows)} rows instead of {len(expected)}: {short}"]
    found = []
    for number, (wanted, row) in enumerate(zip(expected, rows, strict=True)):
        for column, value in wanted.items():
            if isinstance(value, dict):
                differs = row[column] == value["not"]
            else:
                differs = row[column] != (micros(value) if column == "occurred_at" else value)
            if differs:
                found.append(f"row {number} ({wanted}): {column} is {row[column]!r}")
    return found


def left_out(manifest: Any) -> dict[str, int]:
    """Records that fed no log, by reason or by the vendor's event name, wherever the manifest books them."""
    counts: dict[str, int] = {}
    parts = manifest.values() if isinstance(manifest, dict) else manifest if isinstance(manifest, list) else ()
    for part in parts:
        for reason, count in left_out(part).items():
            counts[reason] = max(count, counts.get(reason, 0))
    if isinstance(manifest, dict) and isinstance(manifest.get("left_out"), dict):
        for reason, count in manifest["left_out"].items():
            # A file that feeds several logs is booked in each; its records are still the same ones.
            counts[reason] = max(count, counts.get(reason, 0))
    return counts


def sample_of(folder: Path) -> Path:
    (sample,) = folder.glob("sample.*")
    return sample


@pytest.fixture
def at_hand(tmp_path, request):
    """A copy of the golden folder of the adapter in the test's parameter."""
    return Path(shutil.copytree(GOLDEN / request.param, tmp_path / "shop"))


of_each_adapter = pytest.mark.parametrize(
    ("at_hand", "adapter"), [(name, name) for name in ADAPTERS], ids=ADAPTERS, indirect=["at_hand"]
)


@needs_adapters
@of_each_adapter
def test_a_sample_becomes_the_rows_that_the_vendor_describes(at_hand, adapter):
    found = ingested(at_hand, adapter)
    for name, rows in expected_of(adapter)["tables"].items():
        assert differences(rows, canonical_rows(found, name)) == [], name


@needs_adapters
@of_each_adapter
def test_records_that_feed_no_log_are_counted(at_hand, adapter):
    counts = left_out(ingested(at_hand, adapter).manifest)
    expected = expected_of(adapter)["left_out"]
    assert {reason: counts.get(reason, 0) for reason in expected} == expected


@needs_adapters
@of_each_adapter
def test_broken_records_are_set_aside_by_line(at_hand, adapter):
    found, expected = ingested(at_hand, adapter), expected_of(adapter)
    mine = found.quarantine[found.quarantine["file"] == sample_of(at_hand).name]
    lines = set(mine["line"].astype(int)) - set(expected.get("may_be_quarantined", []))
    assert lines == {entry["line"] for entry in expected["quarantined"]}
    for entry in expected["quarantined"]:
        if entry["rule"]:
            assert entry["rule"] in set(mine.loc[mine["line"] == entry["line"], "rule"]), entry


@needs_adapters
@pytest.mark.parametrize(
    ("at_hand", "adapter"),
    [(name, name) for name in ADAPTERS if "identities" in expected_of(name)],
    indirect=["at_hand"],
)
def test_a_visitor_who_was_identified_is_the_customer(at_hand, adapter):
    found = ingested(at_hand, adapter)
    for identity in expected_of(adapter)["identities"]:
        (visitor,) = pseudonym([identity["anonymous_id"]], KEY, "v_").to_pylist()
        visits = [row for row in canonical_rows(found, "web_events") if row["anonymous_id"] == visitor]
        assert {row["customer"] for row in visits} == {identity["customer"]}


TEXT, WHOLE, NUMBER = pa.string(), pa.int64(), pa.float64()


def struct(**fields: pa.DataType) -> pa.StructType:
    return pa.struct(list(fields.items()))


GA4_PARAMETER = struct(
    key=TEXT, value=struct(string_value=TEXT, int_value=WHOLE, float_value=NUMBER, double_value=NUMBER)
)
GA4_ECOMMERCE = struct(
    transaction_id=TEXT, purchase_revenue=NUMBER, refund_value=NUMBER, shipping_value=NUMBER, tax_value=NUMBER
)
GA4_ITEM = struct(item_id=TEXT, item_name=TEXT, item_category=TEXT, item_brand=TEXT, price=NUMBER, quantity=WHOLE)
GA4_ROW = struct(
    event_date=TEXT,
    event_timestamp=WHOLE,
    event_name=TEXT,
    event_params=pa.list_(GA4_PARAMETER),
    user_id=TEXT,
    user_pseudo_id=TEXT,
    ecommerce=GA4_ECOMMERCE,
    items=pa.list_(GA4_ITEM),
)


def whole_numbers(value: Any, kind: pa.DataType) -> Any:
    """``value`` with the numbers that BigQuery writes as text in JSON as numbers, and only the fields of ``kind``."""
    if value is None:
        return None
    if pa.types.is_struct(kind):
        return {field.name: whole_numbers(value.get(field.name), field.type) for field in kind}
    if pa.types.is_list(kind):
        return [whole_numbers(part, kind.value_type) for part in value]
    return int(value) if pa.types.is_integer(kind) else float(value) if pa.types.is_floating(kind) else value


@needs_adapters
@pytest.mark.parametrize("at_hand", ["ga4"], indirect=True)
def test_a_table_of_ga4_gives_the_same_as_its_json(at_hand):
    records = []
    for line in sample_of(at_hand).read_text(encoding="utf-8").splitlines():
        try:
            records.append(whole_numbers(json.loads(line), GA4_ROW))
        except json.JSONDecodeError:
            continue  # the broken record, which no Parquet file could hold
    pq.write_table(pa.Table.from_pylist(records, schema=pa.schema(list(GA4_ROW))), at_hand / "twin.parquet")
    found = ingested(at_hand, "ga4", "twin.parquet")
    for name, rows in expected_of("ga4")["tables"].items():
        assert differences(rows, canonical_rows(found, name)) == [], name


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_golden_folder_is_whole(adapter):
    folder, expected = GOLDEN / adapter, expected_of(adapter)
    assert (folder / "SOURCE.md").is_file()
    assert expected["params"] == {"adapter": adapter, "file": sample_of(folder).name}
    text = sample_of(folder).read_text(encoding="utf-8")
    lines = [entry["line"] for entry in expected["quarantined"]]
    assert lines == sorted(set(lines))
    assert all(1 < line <= len(text.splitlines()) for line in lines)
    for rows in expected["tables"].values():
        dated = [row for row in rows if "occurred_at" in row]
        places = [(row["customer"] or "", micros(row["occurred_at"]), row.get("event") or "") for row in dated]
        assert places == sorted(places)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_sample_holds_the_records_that_are_to_be_left_out(adapter):
    sample = sample_of(GOLDEN / adapter)
    text = sample.read_text(encoding="utf-8")
    if sample.suffix == ".csv":
        cells = [cell for row in csv.reader(text.splitlines(keepends=True)) for cell in row]
        found = {reason: cells.count(reason) for reason in expected_of(adapter)["left_out"]}
    else:
        found = {reason: text.count(f'"{reason}"') for reason in expected_of(adapter)["left_out"]}
    assert found == expected_of(adapter)["left_out"]


def test_differences_are_found():
    row = {"customer": "ada", "occurred_at": 1_500_000, "event": "Email Opened", "machine_open": None}
    wanted = {"customer": "ada", "occurred_at": "1970-01-01T00:00:01.500Z", "event": "Email Opened"}
    assert differences([wanted], [row]) == []
    assert differences([wanted | {"machine_open": None}], [row]) == []
    assert differences([wanted | {"event": {"not": "Unsubscribed"}}], [row]) == []
    for other in (
        [wanted, wanted],
        [wanted | {"customer": "ben"}],
        [wanted | {"machine_open": False}],
        [wanted | {"occurred_at": "1970-01-01T00:00:01Z"}],
        [wanted | {"event": {"not": "Email Opened"}}],
    ):
        assert differences(other, [row])


def test_left_out_records_are_counted_once():
    file = {"name": "sample.jsonl", "left_out": {"deferred": 2}}
    manifest = {"logs": {"email_events": {"files": [file]}, "consent_events": {"files": [file]}}}
    assert left_out(manifest) == {"deferred": 2}


@pytest.mark.parametrize("at_hand", ["klaviyo"], indirect=True)
@pytest.mark.parametrize(
    ("name", "only", "told"),
    [
        ("Dropped Email", None, []),  # the vendor's own
        ("User Opted Out", None, ["1 events 'User Opted Out'"]),
        ("User Opted Out", ["orders"], []),  # it counts nowhere
    ],
)
def test_a_refusal_under_another_name_is_told(at_hand, name, only, told):
    sample = at_hand / "sample.jsonl"
    sample.write_text(sample.read_text().replace('"Dropped Email"', f'"{name}"'))
    export = expected_of("klaviyo")["params"] | ({"only": only} if only else {})
    found = read(at_hand, {}, exports={"klaviyo": export})
    heard = [one for one in found.manifest["warnings"] if "sound like a refusal" in one]
    assert [one.split(": ")[1].split(" sound")[0] for one in heard] == told
