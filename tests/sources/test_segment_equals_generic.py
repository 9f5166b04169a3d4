"""One shop, told twice: calls of its Segment workspace give the same files of events as its own logs, byte for byte."""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from simulation import SimulationSettings, file_bytes, simulate
from simulation.segment import segment_calls
from tests.sources.source_files import read


@pytest.fixture(scope="module")
def shop() -> dict[str, pa.Table]:
    return simulate(SimulationSettings(seed=3, customers=300, months=6, planted_flaws=False)).files


def write_own_logs(folder: Path, files: dict[str, pa.Table]) -> dict[str, dict[str, Any]]:
    """The logs, where orders arrive as the calls that tell of them do, and a line has no discount of its own."""
    web, orders = files["web_events.parquet"], files["orders.csv"]
    received = pc.index_in(orders["order_id"], web["order_id"].combine_chunks())
    bought = pc.equal(orders["event"], "Order Completed")
    # An empty cell says what a log without loaded_at says: known as it happened.
    known = pc.if_else(bought, web["loaded_at"].combine_chunks().take(received.combine_chunks()), None)
    for name, table in {
        "orders.csv": orders.append_column("loaded_at", pc.strftime(known, format="%Y-%m-%dT%H:%M:%SZ")),
        "order_items.csv": files["order_items.csv"].drop_columns(["discount"]),
        "web_events.parquet": web,
        "identity_map.csv": files["identity_map.csv"],
    }.items():
        (folder / name).write_bytes(file_bytes(name, table))
    return {
        "orders": {"file": "orders.csv"},
        "order_items": {"file": "order_items.csv", "duplicates": "set_aside"},
        "web_events": {"file": "web_events.parquet", "format": "parquet"},
        "identity_map": {"file": "identity_map.csv"},
    }


def write_calls(folder: Path, calls: list[dict[str, Any]]) -> dict[str, Any]:
    (folder / "calls.jsonl").write_text("".join(json.dumps(call) + "\n" for call in calls))
    return {"adapter": "segment", "file": "calls.jsonl"}


def events_of(folder: Path, logs: dict[str, dict[str, Any]], **exports: dict[str, Any]) -> dict[str, bytes]:
    """Every file of events by its name, of a shop none of whose rows is set aside."""
    events = folder / "events"
    assert read(folder, logs, exports=exports, zone="Europe/London", events=events).quarantine.empty
    return {path.relative_to(events).as_posix(): path.read_bytes() for path in sorted(events.rglob("*.parquet"))}


def assert_same(made: dict[str, bytes], expected: dict[str, bytes]) -> None:
    assert {name.split("/")[0] for name in expected} == {"order_items", "orders", "web_events"}
    assert [name for name in expected if made.get(name) != expected[name]] == []
    assert made.keys() == expected.keys()


@pytest.fixture(scope="module")
def own(tmp_path_factory, shop) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("own")
    return events_of(folder, write_own_logs(folder, shop))


@pytest.mark.parametrize("twice", [0, 50], ids=["once", "some calls delivered twice"])
def test_calls_of_segment_become_the_same_bytes_as_the_shops_own_logs(tmp_path, shop, own, twice):
    calls, chance = segment_calls(shop), random.Random(5)
    calls += chance.sample(calls, twice)
    chance.shuffle(calls)
    assert_same(events_of(tmp_path, {}, site=write_calls(tmp_path, calls)), own)


def test_an_export_limited_to_visits_leaves_the_orders_to_the_shop(tmp_path, shop, own):
    logs = write_own_logs(tmp_path, shop)
    site = write_calls(tmp_path, segment_calls(shop)) | {"only": ["web_events", "identity_map"]}
    assert_same(events_of(tmp_path, {name: logs[name] for name in ("orders", "order_items")}, site=site), own)


def test_the_calls_tell_everything_that_the_logs_hold(shop):
    calls = segment_calls(shop)
    web = shop["web_events.parquet"]
    told = Counter("Page Viewed" if call["type"] == "page" else call.get("event", call["type"]) for call in calls)
    logged = Counter(web["event"].to_pylist()) + Counter(identify=shop["identity_map.csv"].num_rows)
    orders = Counter(shop["orders.csv"]["event"].to_pylist())
    assert told == logged + Counter({event: n for event, n in orders.items() if event != "Order Completed"})
    assert len(orders) == 3
    lines = [line for call in calls for line in call.get("properties", {}).get("products", [])]
    assert len(lines) == shop["order_items.csv"].num_rows
    assert len({call["messageId"] for call in calls}) == len(calls)
