"""Rows that arrive twice."""

import itertools

import pytest

from tests.sources.source_files import ORDERS, read, read_orders, rules, with_log


def books(found, log="orders") -> tuple[int, int, int]:
    files = found.manifest["logs"][log]["files"]
    return tuple(sum(file[what] for file in files) for what in ("accepted", "quarantined", "duplicates"))


def test_the_same_order_twice_counts_once(tmp_path):
    found = read_orders(tmp_path, ORDERS + "1,anna,2025-01-05T11:00:00+01:00,10.00\n")
    assert books(found) == (3, 0, 1)


def test_another_story_under_the_same_id_is_quarantined(tmp_path):
    found = read_orders(tmp_path, ORDERS + "1,anna,2025-01-05T10:00:00Z,11.00\n")
    assert rules(found) == {"conflicting_duplicate": 1}
    assert found.tables["orders"].num_rows == 3


LOADED = "message_id,customer_id,event,occurred_at,loaded_at\n"
EARLY = "m1,anna,Email Opened,2025-01-02T00:00:00Z,2025-01-03T00:00:00Z\n"
LATE = "m1,anna,Email Link Clicked,2025-01-02T00:00:00Z,2025-01-04T00:00:00Z\n"
AGAIN = "m1,anna,Email Opened,2025-01-02T00:00:00Z,2025-01-05T00:00:00Z\n"


@pytest.mark.parametrize("order", list(itertools.permutations([EARLY, LATE, AGAIN])))
def test_the_earliest_to_arrive_stays_whatever_the_order_of_the_lines(tmp_path, order):
    found = with_log(tmp_path, "email_events", LOADED + "".join(order))
    assert found.tables["email_events"]["event"].to_pylist() == ["Email Opened"]
    assert books(found, "email_events") == (1, 1, 1)
    assert found.quarantine["raw"].tolist() == [LATE.strip()]


def test_an_order_may_be_refunded_twice_but_not_at_the_same_time(tmp_path):
    text = """order_id,customer_id,ordered_at,event,revenue
1,anna,2025-01-05,Order Completed,10.00
1,anna,2025-01-06,Order Refunded,2.00
1,anna,2025-01-07,Order Refunded,3.00
1,anna,2025-01-07,Order Refunded,4.00
"""
    found = read_orders(tmp_path, text)
    assert rules(found) == {"conflicting_duplicate": 1}
    assert sorted(found.tables["orders"]["revenue"].to_pylist()) == [200, 300, 1000]


def test_rows_without_an_id_stay_and_are_pointed_out(tmp_path):
    text = "customer_id,occurred_at,points,tier\n" + "anna,2025-01-02,5,gold\n" * 2
    kept = with_log(tmp_path, "loyalty_events", text)
    assert books(kept, "loyalty_events") == (2, 0, 0)
    assert any("loyalty_events: 1 rows equal another" in warning for warning in kept.manifest["warnings"])
    once = with_log(tmp_path, "loyalty_events", text, duplicates="set_aside")
    assert books(once, "loyalty_events") == (1, 0, 1)


def test_messages_without_an_id_are_named_by_what_they_say(tmp_path):
    text = "message_id,customer_id,event,occurred_at\n" + ",anna,Email Sent,2025-01-02\n" * 2
    found = with_log(tmp_path, "email_events", text + "m1,anna,Email Sent,2025-01-02\n" * 2)
    assert books(found, "email_events") == (3, 0, 1)
    assert found.tables["email_events"].num_rows == 3
    assert len(set(found.tables["email_events"]["event_id"].to_pylist())) == 3


def test_the_same_file_delivered_twice_counts_once(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(ORDERS)
    found = read(tmp_path, {"orders": {"file": "*.csv"}})
    assert books(found) == (3, 0, 3)
    assert any("b.csv: the same file" in warning for warning in found.manifest["warnings"])


def test_overlapping_files_count_once(tmp_path):
    first, *lines = ORDERS.splitlines(keepends=True)
    (tmp_path / "a.csv").write_text(first + "".join(lines[:2]))
    (tmp_path / "b.csv").write_text(first + "".join(lines[1:]))
    found = read(tmp_path, {"orders": {"file": "*.csv"}})
    assert books(found) == (3, 0, 1)
