"""The page on the logs: says what the manifest says, worst damage first, and nothing of what stands in a file."""

from __future__ import annotations

import copy
import dataclasses
import re
from typing import Any

import pytest

from reports import DataQualityPage, books, damages, fitness, render_data_quality, unusual_gaps
from reports.data_quality import calendar, precise
from tests.reports.test_marketing import ALLOWED, HOSTILE, Reader
from timeline import DAY_US

JANUARY = 20_089 * DAY_US  # 2025-01-01


def entry(name: str, log: str, read: int, rules: dict[str, int] | None = None, twice: int = 0, **more: Any) -> Any:
    refused = sum((rules or {}).values())
    books_of = {
        "name": name,
        "log": log,
        "source": f"sources.logs.{log}",
        "sha256": "ab12cd34ef56" * 5,
        "records": None,
    }
    counts = {"rows_read": read, "accepted": read - refused - twice, "quarantined": refused, "duplicates": twice}
    return books_of | counts | {"rules": rules or {}, "left_out": {}, "unknown_columns": []} | more


def facts(rows: int, months: dict[str, int], *files: Any, arrival: bool = True, days: int = 100) -> Any:
    last = JANUARY + (days - 1) * DAY_US
    told = {"rows": rows, "first": JANUARY, "last": last, "arrival_checked": arrival, "months": months}
    return told | {"files": list(files)}


LINES = entry("lines.csv", "order_lines", 1_000, {"unparsable_time": 8, "drop_where Status": 4}, 3)
VISITS = {"unknown_value": 50, "missing_id": 10}
MANIFEST: dict[str, Any] = {
    "watermark": JANUARY + 100 * DAY_US,
    "absent_logs": ["deliveries"],
    "undeclared_files": ["notes.txt"],
    "warnings": [],
    "logs": {
        "orders": facts(900, {"2025-01": 300, "2025-02": 300, "2025-04": 300}, LINES, arrival=False),
        "order_items": facts(985, {"2025-01": 985}, LINES),
        "customers": facts(90, {"2025-01": 90}, entry("customers.csv", "customers", 100, {"not_a_flag": 10})),
        "web_events": facts(4_000, {"2025-03": 4_000}, entry("web.csv", "web_events", 4_060, VISITS)),
        "calls": facts(5, {"2025-01": 5}, entry("calls.csv", "calls", 5)),
    },
    "rejected_files": [
        {
            "name": "tickets.csv",
            "log": "support_tickets",
            "sha256": "00",
            "reason": "tickets.csv: empty_file. cell-canary",
        }
    ],
    "machines": {"opens": 0, "machine_opens": 0, "web_events": 4_000, "bot_web_events": 800},
    "orphans": {"web_events": 400, "orders": 0},
    "currencies": {"GBP": 998, "canary@example.com": 2},
    "gaps": {"orders": [["2025-03-02", "2025-03-04"], ["2025-03-20", "2025-03-20"]], "web_events": []},
}
MEANINGS = {
    "unparsable_time": "No ISO 8601 time; correct it.",
    "unknown_value": "A value that is not in the list.",
    "missing_id": "Nobody is named.",
    "not_a_flag": "Neither yes nor no.",
    "unreadable_file": "The file cannot be trusted as a whole.",
    "empty_file": "The file is empty.",
    "drop_where Status": "Left out, as params say.",
}
PAGE = DataQualityPage("Corner shop", "UTC", False, MANIFEST, MEANINGS, {"calls": "Calls to the shop"})


def changed(**parts: Any) -> dict[str, Any]:
    return copy.deepcopy(MANIFEST) | parts


def read(**parts: Any) -> Reader:
    return Reader(render_data_quality(dataclasses.replace(PAGE, **parts)))


def plain(page: Reader) -> str:
    return re.sub(r"\s+", " ", page.text.replace("\u00a0", " "))


def test_damages_are_ordered_by_rows_lost_times_weight_and_whole_files_come_first() -> None:
    assert [(one.log, one.rule, one.things, one.rows) for one in damages(MANIFEST)] == [
        ("support_tickets", "unreadable_file", 1, None),  # nobody knows how many rows
        ("orders", "gap", 3, 28),  # 900 rows on 96 days: 9.4 a day; 280
        ("order_lines", "unparsable_time", 8, 8),  # 80
        ("customers", "not_a_flag", 10, 10),  # 50
        ("web_events", "unknown_value", 50, 50),  # 50 too: by name
        ("web_events", "missing_id", 10, 10),
    ]


@pytest.mark.parametrize(
    ("rows", "runs", "found"),
    [
        (365, ["2025-05-10 2025-05-10"], [1]),  # the only empty day of a year
        (365, ["2025-05-10 2025-05-10", "2025-09-01 2025-09-01"], []),  # two may be chance
        (36_500, ["2025-05-10 2025-05-10", "2025-09-01 2025-09-01"], [1, 1]),  # not where a day has a hundred rows
        (36_500, [f"2025-{m:02d}-{d:02d} 2025-{m:02d}-{d:02d}" for m in range(1, 13) for d in (5, 12, 19, 26)], []),
        (365, [*[f"2025-{m:02d}-05 2025-{m:02d}-06" for m in range(2, 12)], "2025-12-20 2025-12-27"], [8]),
        (365, ["2025-01-30 2025-02-10"], []),  # the thirtieth day: the log is young
        (365, ["2025-01-31 2025-02-10"], [11]),
        (365, [], []),
    ],
)
def test_a_gap_counts_where_the_log_is_not_usually_as_quiet(rows: int, runs: list[str], found: list[int]) -> None:
    log = facts(rows, {f"2025-{month:02d}": rows // 12 for month in range(1, 13)}, days=365)
    manifest = {"logs": {"orders": log}, "gaps": {"orders": [run.split() for run in runs]}}
    assert [run.days for run in unusual_gaps(manifest).get("orders", [])] == found


def test_a_missing_day_has_the_rows_of_its_own_month() -> None:
    log = facts(20_260, {"2025-02": 260, "2025-01": 10_000, "2025-03": 10_000}, days=90)
    runs = [["2025-02-10", "2025-02-11"], ["2025-03-10", "2025-03-11"]]
    for run, rows in zip(runs, (20, 690), strict=True):
        (gap,) = unusual_gaps({"logs": {"orders": log}, "gaps": {"orders": [run]}})["orders"]
        assert round(gap.rows) == rows


def test_a_file_that_feeds_two_tables_is_counted_once() -> None:
    assert [one["name"] for one in books(MANIFEST)] == ["calls.csv", "customers.csv", "lines.csv", "web.csv"]
    assert "5,165rows read" in plain(read()).replace("> <", "><").replace(" rows read", "rows read")


def test_what_params_leave_out_is_no_damage() -> None:
    assert not [one for one in damages(MANIFEST) if one.rule.startswith("drop_where")]
    assert "drop_where Status 4" in plain(read()).replace("Status4", "Status 4")


@pytest.mark.parametrize(
    ("rules", "read_rows", "parts", "level", "said"),
    [
        ({}, 1_000, {}, "fit", "The data is fit for use: 100.0 % of the order rows were accepted."),
        ({"unparsable_time": 9}, 1_000, {}, "fit", "99.1 %"),
        ({"unparsable_time": 10}, 1_000, {}, "care", "with care: 1.0 % of the order rows were set aside."),
        ({"unparsable_time": 200}, 1_000, {}, "unfit", "not fit for use: 20.0 % of the order rows"),
        ({"test_account": 300, "drop_where A": 300}, 1_000, {}, "fit", "100.0 %"),
        ({}, 1_000, {"rejected_files": MANIFEST["rejected_files"]}, "care", "1 file was refused whole"),
        ({}, 1_000, {"gaps": {"orders": [["2025-03-02", "2025-03-02"]]}}, "care", "orders have 1 day without a row"),
        ({}, 1_000, {"gaps": {"customers": [["2025-03-02", "2025-03-02"]]}}, "fit", "100.0 %"),
    ],
)
def test_the_verdict_is_by_the_share_of_orders(
    rules: dict[str, int], read_rows: int, parts: dict[str, Any], level: str, said: str
) -> None:
    log = facts(900, {}, entry("orders.csv", "orders", read_rows, rules))
    found = fitness({"logs": {"orders": log, "customers": facts(9, {})}} | parts)
    assert found[0] == level
    assert said in found[1]


def test_no_orders_or_another_log_mostly_refused_is_said() -> None:
    assert fitness({"logs": {"orders": facts(0, {})}})[0] == "unfit"
    web = facts(8, {}, entry("web.csv", "web_events", 10, {"missing_id": 2}))
    orders = facts(9, {}, entry("orders.csv", "orders", 9))
    assert fitness({"logs": {"orders": orders, "web_events": web}}) == (
        "care",
        "The data is fit for use with care: 20 % of the rows of web events were set aside.",
    )


@pytest.mark.parametrize(
    "said",
    [
        "Corner shop",
        "complete until 11 April 2025",
        "with care: 1 file was refused whole, orders have 3 days without a row.",
        "Customer service tickets: 1 file refused whole; how many rows is not known.The file cannot be trusted",
        "Orders: 3 days without a row, about 28 rows if these days were like the others.",
        "Order lines: 8 rows set aside as unparsable_time (0.8 %).No ISO 8601 time",
        "And 3 more below.",
        "tickets.csvCustomer service ticketsThe file is empty.",
        "Orders900 rows",
        "2025-03: 0 rows",
        "Nothing in 2025-03.",
        "Customer records (consent, birthday, country)not_a_flag1010.0 %Neither yes nor no.",
        "2 March 2025 to 4 March 2025 (3 days)1 more empty day, no more than",
        "Orderscannot be checked",
        "Visits and cartsknown",
        "Page views by machines20.0 %",
        "800 of 4,000",
        "Visits and carts400 10.0 %",
        "GBP998no such code2",
        "lines.csvorder_lines1,0009851230ab12cd34ef56",
        "were not read: notes.txt",
        "Promised and actual deliveries",
        "Calls to the shop5 rows",
    ],
)
def test_page_says_what_the_manifest_says(said: str) -> None:
    text = re.sub(r"\s+", " ", "".join(piece.strip("\n") for piece in read().pieces)).replace("\u00a0", " ")
    assert said in text


def test_nothing_that_stood_in_a_file_is_on_the_page() -> None:
    assert "canary" not in render_data_quality(PAGE)


def test_months_run_on_over_the_new_year() -> None:
    logs = {"orders": facts(2, {"2024-11": 1, "2025-02": 1})}
    assert calendar({"logs": logs}) == ["2024-11", "2024-12", "2025-01", "2025-02"]
    assert calendar({"logs": {"orders": facts(0, {})}}) == []


def test_clean_logs_say_so() -> None:
    logs = {"orders": facts(10, {"2025-01": 10}, entry("orders.csv", "orders", 10))}
    text = plain(read(manifest={"watermark": JANUARY, "logs": logs, "gaps": {}}))
    for said in (
        "The data is fit for use",
        "Nothing was set aside, no file was refused, and no day is missing.",
        "No log that has rows on most days has more empty days than usual.",
        "There is no log of customers to compare with.",
        "No log of e-mails or visits",
    ):
        assert said in text
    assert "refused whole" not in text


def test_a_manifest_from_before_days_were_counted_says_so() -> None:
    manifest = {"watermark": JANUARY, "logs": {"orders": facts(10, {}, entry("orders.csv", "orders", 10))}}
    assert "before days were counted" in plain(read(manifest=manifest))


def test_reasons_of_an_export_are_counted_once_for_all_logs_it_feeds() -> None:
    parts = {"source": "sources.exports.shop", "left_out": {"test mode": 7}, "records": 20}
    logs = {
        "orders": facts(9, {}, entry("export.csv", "orders", 9, **parts)),
        "customers": facts(4, {}, entry("export.csv", "customers", 4, **parts)),
    }
    assert "sources.exports.shop test mode 7 " in re.sub(
        r"\s+", " ", " ".join(read(manifest={"watermark": 0, "logs": logs}).pieces)
    )


def test_only_the_worst_files_are_told_one_by_one() -> None:
    files = [entry(f"{n}.csv", "orders", 10, {"missing_id": n % 7}) for n in range(300)]
    text = plain(read(manifest={"watermark": 0, "logs": {"orders": facts(9, {}, *files)}}))
    assert "from 300 files" in text
    assert "And 100 more files" in text
    assert "6.csv" in text


@pytest.mark.parametrize(
    ("share", "said"),
    [(0, "0 %"), (1, "100 %"), (0.0003, "0.03 %"), (0.00001, "under 0.01 %"), (0.99999, "over 99.99 %"), (None, "–")],
)
def test_a_small_share_is_not_nothing(share: float | None, said: str) -> None:
    assert precise(share).replace("\u00a0", " ") == said


def hostile_manifests(text: str) -> dict[str, dict[str, Any]]:
    """Every text of the manifest that comes from outside, one at a time."""
    orders = facts(9, {"2025-01": 9}, entry("orders.csv", "orders", 9))

    def with_orders(**parts: Any) -> dict[str, Any]:
        return {"manifest": changed(logs={"orders": orders | {"files": [entry("o.csv", "orders", 9) | parts]}})}

    return {
        "shop": {"shop_name": text},
        "title": {"titles": {"calls": text}},
        "file": with_orders(name=text),
        "rule": with_orders(rules={text: 3}),
        "source and reason": with_orders(source=text, left_out={text: 3}),
        "log": {"manifest": changed(logs={"orders": orders, text: orders})},
        "rejected": {"manifest": changed(rejected_files=[{"name": text, "log": text, "reason": text}])},
        "undeclared": {"manifest": changed(undeclared_files=[text])},
        "meaning": {"meanings": MEANINGS | {"unparsable_time": text}},
    }


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("field", list(hostile_manifests("")))
def test_hostile_text_stays_text(field: str, text: str) -> None:
    page = read(**hostile_manifests(text)[field])
    # A log without a title is told as words.
    text, told = (re.sub(r"[\s_]+", " ", one).lower() for one in (text, page.text))
    assert text in told
    assert set(page.tags) <= ALLOWED | {"span", "rect"}
    assert page.style == read().style
    assert {name for name, _ in page.attributes} <= {name for name, _ in read().attributes}


def test_page_loads_nothing_and_runs_nothing_and_repeats_its_bytes() -> None:
    whole = render_data_quality(PAGE)
    assert whole == render_data_quality(PAGE)
    names = {name for name, _ in read().attributes}
    assert not names & {"src", "href", "srcset", "style", "action"}
    assert "script" not in read().tags
    for needle in ("http:", "https:", "url(", "@import", "javascript:", "//"):
        assert needle not in whole
