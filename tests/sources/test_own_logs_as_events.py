"""Table in, table out: a log that Wafa does not know, declared with its columns."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from events.logs import arrow_schema
from sources import ContractError
from tests.sources.source_files import ORDERS, read, rules, table
from timeline import DAY_US, HOUR_US, parse_date

CALLS = {
    "title": "Calls to the shop",
    "columns": {"customer_id": "client", "occurred_at": "at", "loaded_at": "stored", "event_id": "call"},
}
FIRST = parse_date("2025-01-08", "UTC")


def with_calls(folder: Path, text: str, name: str = "calls.csv", erased=(), **log: object):
    """Ingest the three standard orders and one log of the shop's own."""
    (folder / "orders.csv").write_text(ORDERS)
    (folder / name).write_text(text)
    own = {"calls": {"file": name} | CALLS | log}
    return read(folder, {"orders": {"file": "orders.csv"}}, own_logs=own, erased=erased)


def rows(found) -> list[list]:
    return table(found, "calls").sort_values(["occurred_at", "event_id"]).to_numpy().tolist()


def test_a_csv_becomes_who_when_known_when_and_id(tmp_path):
    found = with_calls(
        tmp_path,
        "call;client;at;stored;agent;minutes\n"
        "7;anna;08/01/2025 01:00;08/01/2025 03:00;Zoe;12\n"
        "8;ben;08/01/2025 02:00;;Zoe;1\n"
        "9;;08/01/2025 02:00;;Zoe;1\n"
        "10;ben;soon;;Zoe;1\n"
        "11;ben;;;Zoe;1\n"
        "12;ben;08/01/2025 02:00;07/01/2025 02:00;Zoe;1\n"
        "13;ben;08/01/2025 02:00;;test;1\n"
        "7;anna;08/01/2025 01:00;08/01/2025 04:00;Max;12\n"
        "8;anna;08/01/2025 02:00;;Zoe;1\n",
        delimiter=";",
        time_format="%d/%m/%Y %H:%M",
        timezone="Europe/Paris",
        arrival_delay_days=1,
        drop_where={"agent": ["test"]},
    )
    # Paris is an hour ahead; a row that does not say when it was known was known a day later.
    assert rows(found) == [
        ["anna", FIRST, FIRST + 2 * HOUR_US, "7"],
        ["ben", FIRST + HOUR_US, FIRST + HOUR_US + DAY_US, "8"],
    ]
    assert rules(found, "calls") == {
        "conflicting_duplicate": 1, "drop_where agent": 1, "future_timestamp": 1,
        "missing_id": 1, "missing_time": 1, "unparsable_time": 1,
    }  # fmt: skip
    (file,) = found.manifest["logs"]["calls"]["files"]
    assert (file["rows_read"], file["accepted"], file["quarantined"], file["duplicates"]) == (9, 2, 6, 1)
    assert set(found.quarantine.loc[found.quarantine["log"] == "calls", "line"]) == {4, 5, 6, 7, 10}


def test_json_lines_become_the_same(tmp_path):
    lines = [
        {"call": 7, "client": "anna", "at": FIRST // 1_000_000, "stored": FIRST // 1_000_000 + 7200, "more": {"a": 1}},
        {"call": 8, "client": "ben", "at": FIRST // 1_000_000 + 3600},
        {"call": 9, "client": ["ben"], "at": FIRST // 1_000_000},
    ]
    text = "\n".join(json.dumps(line) for line in lines) + "\nno json\n"
    found = with_calls(tmp_path, text, "calls.jsonl", format="jsonl", time_format="epoch_s")
    assert rows(found) == [
        ["anna", FIRST, FIRST + 2 * HOUR_US, "7"],
        ["ben", FIRST + HOUR_US, FIRST + HOUR_US, "8"],
    ]
    assert rules(found, "calls") == {"bad_json": 1, "nested_value": 1}


def test_parquet_with_our_names_needs_no_columns(tmp_path):
    (tmp_path / "orders.csv").write_text(ORDERS)
    visits = pa.table(
        {"customer_id": ["anna", "ben"], "occurred_at": pa.array([FIRST, FIRST], pa.timestamp("us", "UTC"))}
    )
    pq.write_table(visits, tmp_path / "visits.parquet")
    own = {"visits": {"title": "Store visits", "file": "visits.parquet", "format": "parquet"}}
    found = read(tmp_path, {"orders": {"file": "orders.csv"}}, own_logs=own)
    assert set(table(found, "visits")["customer_id"]) == {"anna", "ben"}
    assert found.manifest["logs"]["visits"]["arrival_checked"] is False
    assert "late arrival cannot be checked (no loaded_at): orders, visits." in found.manifest["warnings"]


NO_IDS = {"columns": {"customer_id": "client", "occurred_at": "at"}}
TWICE = "client,at,answer\nanna,2025-01-08,9\nanna,2025-01-08,3\nben,2025-01-08,9\n"


def test_rows_without_an_id_are_all_kept(tmp_path):
    found = with_calls(tmp_path, TWICE, **NO_IDS)
    assert sorted(table(found, "calls")["customer_id"]) == ["anna", "anna", "ben"]
    assert table(found, "calls")["event_id"].is_unique
    assert "calls: 1 rows equal another; kept, since rows have no id." in found.manifest["warnings"]


def test_rows_without_an_id_are_set_aside_where_params_say_so(tmp_path):
    found = with_calls(tmp_path, TWICE, **NO_IDS, duplicates="set_aside")
    assert sorted(table(found, "calls")["customer_id"]) == ["anna", "ben"]
    assert found.manifest["logs"]["calls"]["files"][0]["duplicates"] == 1


def test_a_log_without_a_row_is_an_empty_table(tmp_path):
    found = with_calls(tmp_path, "client,at\n", **NO_IDS)
    assert found.tables["calls"].num_rows == 0
    assert found.tables["calls"].schema == arrow_schema("calls")
    assert "calls.csv: a header without rows." in found.manifest["warnings"]


def test_ids_leave_as_pseudonyms_and_an_erased_person_leaves_nothing(tmp_path):
    text = "call,client,at,stored\n1,anna,2025-01-08,\n2,ben,2025-01-08,\n3,ben,soon,\n"
    whole = with_calls(tmp_path, text)
    assert list(arrow_schema("calls").names) == ["customer_id", "occurred_at", "loaded_at", "event_id"]
    assert not {"anna", "ben"} & set(whole.tables["calls"]["customer_id"].to_pylist())
    ben = whole.vault.set_index("shop_id").loc["ben", "customer_id"]
    without = with_calls(tmp_path, text, erased=[ben])
    assert table(without, "calls")["customer_id"].tolist() == ["anna"]
    assert "ben" not in "".join(without.quarantine["raw"])
    assert rules(without, "calls") == {"erased": 2}


def test_the_other_logs_do_not_change(tmp_path):
    found = with_calls(tmp_path, "client,at\nanna,2025-01-08\n", **NO_IDS)
    alone = read(tmp_path, {"orders": {"file": "orders.csv"}})
    assert found.tables["orders"].equals(alone.tables["orders"])
    assert found.manifest["absent_logs"] == alone.manifest["absent_logs"]


@pytest.mark.parametrize(
    ("log", "said"),
    [
        pytest.param(
            {"columns": {"minutes": "min"}},
            "params sources.own_logs.calls.columns: unknown column 'minutes'. "
            "It may hold customer_id, email, occurred_at, event_id, loaded_at.",
            id="column of ours that there is not",
        ),
        pytest.param(
            {"events": {"in": "Call"}},
            "params sources.own_logs.calls.events: the log has no event column.",
            id="events",
        ),
        pytest.param(
            {"columns": {"customer_id": "client", "occurred_at": "when"}},
            "calls.csv: missing column 'when' (our calls.occurred_at). Map it under sources.own_logs.calls.columns.",
            id="column of theirs that there is not",
        ),
        pytest.param(
            {"columns": {"occurred_at": "at"}},
            "calls.csv: missing column 'customer_id' (or email in its place). "
            "Map it under sources.own_logs.calls.columns.",
            id="nobody",
        ),
        pytest.param(
            {"columns": {"customer_id": "client", "occurred_at": "client"}},
            "calls.csv: no value of 'client' is an ISO 8601 time such as 2026-01-31T12:00:00Z. "
            "Declare sources.own_logs.calls.time_format.",
            id="no times",
        ),
        pytest.param(
            {"file": ""},
            "params sources.own_logs.calls.file is missing: name the file in sources.path.",
            id="no file named",
        ),
        pytest.param(
            {"file": "call.csv"}, "sources.own_logs.calls.file: no file 'call.csv' in exports.", id="no such file"
        ),
    ],
)
def test_a_mistake_names_the_key_of_the_own_log(tmp_path, log, said):
    with pytest.raises(ContractError) as refused:
        with_calls(tmp_path, "client,at\nanna,2025-01-08\n", **log)
    assert str(refused.value) == said
