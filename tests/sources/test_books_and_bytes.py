"""Laws: no row is lost, and the same rows give the same bytes however they arrive."""

import random
from collections import Counter

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sources import ContractError
from sources.ledger import Book, Ledger
from tests.sources.source_files import read, rules

HEADER = "order_id,customer_id,ordered_at,event,revenue"
CELLS = {
    "order_id": ["1", "2", "3", "00123", "", "\u200b"],
    "customer_id": ["anna", "ben", "NA", "", "undefined", "1E5"],
    "ordered_at": [
        "2025-01-05",
        "2025-03-30T01:30:00",
        "2025-02-30",
        "",
        "1970-01-01",
        "2025-06-01T10:00:00+05:00",
        "1e9",
    ],
    "event": ["Order Completed", "Order Refunded", "", "lost"],
    "revenue": ["1.00", "-2.50", "1,5", "", "inf", "1.234", "10"],
}
DAMAGE = ["", "a,b", HEADER, '"x"y,1,2,3,4', "1,2,3,4,5,6", "\x00,a,2025-01-01,,1"]


def random_lines(seed: int) -> list[str]:
    chance = random.Random(seed)
    lines = [",".join(chance.choice(options) for options in CELLS.values()) for _ in range(60)]
    lines += [chance.choice(DAMAGE) for _ in range(5)] + ["9,anna,2025-01-05,,1.00"]
    lines += [chance.choice(lines) for _ in range(10)]
    chance.shuffle(lines)
    return lines


@pytest.mark.parametrize("seed", range(40))
def test_every_row_read_is_accepted_quarantined_or_a_duplicate(tmp_path, seed):
    lines = random_lines(seed)
    (tmp_path / "orders.csv").write_text(HEADER + "\n" + "\n".join(lines) + "\n")
    found = read(tmp_path, {"orders": {"file": "orders.csv"}}, zone="Europe/London")
    (file,) = found.manifest["logs"]["orders"]["files"]
    assert file["rows_read"] == sum(line != "" for line in lines)
    assert file["rows_read"] == file["accepted"] + file["quarantined"] + file["duplicates"]
    assert file["accepted"] == found.tables["orders"].num_rows
    assert file["quarantined"] == len(found.quarantine) == sum(file["rules"].values())
    # A quarantined line can be found again where the books say it is.
    assert [lines[line - 2] for line in found.quarantine["line"]] == found.quarantine["raw"].tolist()


def test_lost_rows_are_noticed():
    ledger = Ledger()
    number = ledger.open(Book("orders", "orders.csv", "0", "", 2, Counter(), pd.DataFrame(), lambda rows: {}))
    ledger.accept(pa.table({"_file": [number], "_row": [1]}))
    with pytest.raises(RuntimeError, match="2 rows read, but 1 accepted"):
        ledger.files("orders")


def shop(seed: int) -> dict[str, pd.DataFrame]:
    chance = random.Random(seed)
    orders, items, web = [], [], []
    for n in range(300):
        at = f"2025-{chance.randint(1, 4):02d}-{chance.randint(1, 28):02d}T10:00:00Z"
        orders.append((f"o{n}", f"c{chance.randint(0, 20)}", at, "7.00"))
        items += [(f"o{n}", f"p{chance.randint(0, 3)}", 1, "3.50") for _ in range(2)]
        web.append(("" if n % 3 else f"w{n // 2}", f"c{chance.randint(0, 20)}", "Page Viewed", at, f"p{n % 4}"))
    return {
        "orders": pd.DataFrame(orders, columns=["order_id", "customer_id", "ordered_at", "revenue"]),
        "order_items": pd.DataFrame(items, columns=["order_id", "product_id", "quantity", "price"]),
        "web_events": pd.DataFrame(web, columns=["message_id", "customer_id", "event", "occurred_at", "product_id"]),
    }


@pytest.mark.parametrize("seed", range(3))
def test_row_order_file_split_and_threads_leave_no_trace(tmp_path, seed):
    frames, chance, bytes_of = shop(seed), random.Random(seed), []
    for way in ("as is", "shuffled", "split"):
        folder = tmp_path / way
        folder.mkdir()
        for name, frame in frames.items():
            rows = frame if way == "as is" else frame.sample(frac=1, random_state=chance.randint(0, 99))
            cut = len(rows) // 3 if way == "split" else 0
            rows[cut:].to_csv(folder / f"{name}-b.csv", index=False, columns=sorted(frame.columns, reverse=cut > 0))
            if cut:
                rows[:cut].to_csv(folder / f"{name}-a.csv", index=False, quoting=1)
        logs = {name: {"file": f"{name}-*.csv", "duplicates": "set_aside"} for name in frames}
        events = tmp_path / f"events {way}"
        read(folder, logs, events=events, threads=1 if way == "split" else 2)
        bytes_of.append({path.relative_to(events): path.read_bytes() for path in events.rglob("*.parquet")})
    assert bytes_of[0] == bytes_of[1] == bytes_of[2]
    assert len(bytes_of[0]) == 12


def test_months_are_those_of_utc_and_hold_every_row(tmp_path):
    (tmp_path / "orders.csv").write_text(
        "order_id,customer_id,ordered_at,revenue\n1,a,2025-01-31T23:59:59Z,1\n2,a,2025-02-01T01:00:00+02:00,1\n"
        "3,a,2025-02-01T00:00:00Z,1\n4,a,2024-12-31T23:00:00Z,1\n"
    )
    events = tmp_path / "events"
    read(tmp_path, {"orders": {"file": "orders.csv"}}, zone="Pacific/Auckland", events=events)
    parts = {path.stem: sorted(pq.read_table(path)["order_id"].to_pylist()) for path in events.rglob("*.parquet")}
    assert parts == {"2024-12": ["4"], "2025-01": ["1", "2"], "2025-02": ["3"]}


def test_tables_are_ordered_by_customer_time_and_event(tmp_path):
    frames = shop(9)
    for name, frame in frames.items():
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    found = read(tmp_path, {name: {"file": f"{name}.csv"} for name in frames})
    for table in found.tables.values():
        key = table.select(["customer_id", "occurred_at", "event_id"]).to_pandas()
        assert key.equals(key.sort_values(list(key.columns), ignore_index=True))
        assert key["event_id"].is_unique


def test_nothing_usable_is_an_error_that_counts_why(tmp_path):
    (tmp_path / "orders.csv").write_text(f"{HEADER}\n1,,2025-01-05,,1.00\n2,,2025-01-05,,1.00\n")
    with pytest.raises(ContractError, match=r"orders\.csv: no usable order\. Rows refused: 2 missing_id"):
        read(tmp_path, {"orders": {"file": "orders.csv"}})


def test_many_refused_rows_are_pointed_out(tmp_path):
    (tmp_path / "orders.csv").write_text(f"{HEADER}\n1,,2025-01-05,,1.00\n2,a,2025-01-05,,1.00\n")
    found = read(tmp_path, {"orders": {"file": "orders.csv"}})
    assert "orders.csv: 50.0 % of orders quarantined (1 missing_id)." in found.manifest["warnings"]
    assert rules(found) == {"missing_id": 1}
