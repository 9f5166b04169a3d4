"""Customers files as snapshots of a state: which row of Anna counts, in drawn tables."""

from datetime import datetime

import pyarrow as pa
import pytest

from sources.identity import address_key, pseudonym
from sources.spans import end_of, ends, series_of, span_of
from tests.sources.source_files import KEY, ORDERS, read, rules

YES, NO = "subscribed", "unsubscribed"


def anna(tmp_path, header, *rows, **log):
    """What becomes of the rows of Anna, each ``file: cells``; consent, suppressed and hold of the canonical row."""
    (tmp_path / "orders.csv").write_text(ORDERS)
    files: dict[str, str] = {}
    for row in rows:
        file, _, cells = row.partition(": ")
        files[file] = files.get(file, f"customer_id,{header}\n") + f"anna,{cells}\n"
    for file, text in files.items():
        path = tmp_path / "c" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = read(tmp_path, {"orders": {"file": "orders.csv"}, "customers": {"file": "c/**/*.csv", **log}})
    (row,) = found.tables["customers"].to_pylist()
    return row, rules(found, "customers")


CONSENT = [
    # the rows of one person, one a file                          what counts      contradictions
    (["a-2025-11.csv: subscribed", "a-2025-12.csv: unsubscribed"], NO, 0),
    (["a-2025-11.csv: unsubscribed", "a-2025-12.csv: subscribed"], YES, 0),
    (["2025/11/30/a.csv: subscribed", "2025/12/01/a.csv: unsubscribed"], NO, 0),
    (["a-2025-11.csv: unsubscribed", "a-2025-12.csv: "], NO, 0),
    (["a-2025-11.csv: subscribed", "a-2025-12.csv: "], "unknown", 0),
    (["a-2025-10.csv: unsubscribed", "a-2025-11.csv: subscribed", "a-2025-12.csv: "], "unknown", 0),
    (["a-2025-11.csv: subscribed", "a-2025-11-28.csv: unsubscribed"], NO, 1),
    (["a-2025-11.csv: unsubscribed", "a-2025-11-28.csv: subscribed"], NO, 1),
    (["old.csv: subscribed", "new.csv: unsubscribed"], NO, 1),
    (["old.csv: unsubscribed", "new.csv: subscribed"], NO, 1),
    (["a.csv: subscribed", "a.csv: subscribed"], YES, 0),
    (["a.csv: subscribed", "a.csv: never"], "never", 1),
]


@pytest.mark.parametrize(("rows", "expected", "contradictions"), CONSENT)
def test_the_newest_state_counts_and_what_has_no_order_restricts(tmp_path, rows, expected, contradictions):
    row, broken = anna(tmp_path, "email_consent", *rows)
    assert (row["email_consent"], broken.get("conflicting_duplicate", 0)) == (expected, contradictions)


@pytest.mark.parametrize("column", ["loaded_at", "updated_at"])
def test_the_time_of_a_row_comes_before_the_date_of_its_file(tmp_path, column):
    row, _ = anna(
        tmp_path,
        f"email_consent,{column}",
        "a-2025-12.csv: subscribed,2025-11-01",
        "a-2025-11.csv: unsubscribed,2025-12-01",
    )
    assert row["email_consent"] == NO


def test_a_time_that_cannot_be_read_leaves_the_rows_without_an_order(tmp_path):
    row, broken = anna(
        tmp_path, "email_consent,updated_at", "a-2025-11.csv: unsubscribed,x", "a-2025-12.csv: subscribed,2025-12-01"
    )
    assert (row["email_consent"], broken) == (NO, {"conflicting_duplicate": 1})


@pytest.mark.parametrize(
    ("no", "yes", "expected"),
    [
        ("2025-12-01", "2025-12-01T10:00:00", NO),  # the no may have come at noon
        ("2025-12-01", "2025-12-02", YES),
        ("2025-12-01T00:00:00Z", "2025-12-01T10:00:00Z", NO),
        ("2025-12-01T09:30", "2025-12-01T09:30:40", NO),
        ("2025-12-01T09:30", "2025-12-01T09:31", YES),
    ],
)
def test_a_date_may_be_any_time_of_its_day(tmp_path, no, yes, expected):
    row, _ = anna(tmp_path, "email_consent,updated_at", f"a.csv: unsubscribed,{no}", f"b.csv: subscribed,{yes}")
    assert row["email_consent"] == expected


FLAGS = [
    # suppressed,reason,hold of each row               suppressed  held
    (["a-2025-11.csv: ,,", "a-2025-12.csv: true,,"], True, False),
    (["a-2025-11.csv: true,,", "a-2025-12.csv: ,,"], True, False),
    (["a-2025-11.csv: true,,", "a-2025-12.csv: false,,"], False, False),
    (["a-2025-11.csv: ,bounced,", "a-2025-12.csv: false,none,"], False, False),
    (["a-2025-11.csv: true,,", "a-2025-12.csv: false,manual,"], True, False),
    (["a-2025-11.csv: ,,yes", "a-2025-12.csv: ,,"], False, True),
    (["a-2025-11.csv: ,,yes", "a-2025-12.csv: ,,no"], False, False),
    (["a-2025-11.csv: ,,no", "a-2025-12.csv: ,,dispute 7"], False, True),
]


@pytest.mark.parametrize(("rows", "suppressed", "held"), FLAGS)
def test_a_suppression_and_a_hold_are_lifted_in_words_only(tmp_path, rows, suppressed, held):
    row, _ = anna(tmp_path, "suppressed,suppressed_reason,legal_hold", *rows)
    assert (row["suppressed"], row["legal_hold"]) == (suppressed, held)


def test_the_address_and_everything_else_come_from_the_newest_row(tmp_path):
    rows = "a-2025-11.csv: Anna@Old.example,SE", "a-2025-12.csv: anna@new.example,NO"
    row, _ = anna(tmp_path, "email,country", *rows)
    assert row["country"] == "NO"
    assert row["address_key"] == address_key(["anna@new.example"], KEY)[0].as_py()


@pytest.mark.parametrize(
    ("path", "span"),
    [
        ("customers-2025-11.csv", ("2025-11-01", "2025-12-01")),
        ("customers_20251128.csv.gz", ("2025-11-28", "2025-11-29")),
        ("2025/12/31/customers.csv", ("2025-12-31", "2026-01-01")),
        ("2025-11/customers-2025-11-28.csv", ("2025-11-28", "2025-11-29")),
        ("2025-01-01_2025-11-30.csv", ("2025-01-01", "2025-01-02")),
        ("from-2025-01-01-to_2025-11-30.csv", None),
        ("c_20251127_200003.csv", ("2025-11-27", "2025-11-28")),
        ("c_28-11-2025_11-15.csv", None),
        ("c_11-28-2025-10.csv", None),
        ("2025-11-28/c_v2012.03.csv", ("2025-11-28", "2025-11-29")),
        ("c_2025.11.27.2012.05.csv", ("2025-11-27", "2025-11-28")),
        ("customers.csv", None),
        ("customers-28-11-2025.csv", None),
        ("customers-2025-13.csv", None),
        ("customers-2025-02-30.csv", ("2025-02-01", "2025-03-01")),
        ("order120251128.csv", None),
        ("2025.csv", None),
    ],
)
def test_the_date_in_a_path_says_of_which_day_or_month_a_file_is(path, span):
    from datetime import UTC, datetime

    found = span_of(path)
    assert found == (
        span and tuple(int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 10**6 for day in span)
    )


@pytest.mark.parametrize(
    ("time", "end"),
    [
        ("2025-11-28T00:00:00+00:00", "2025-11-29T00:00:00+00:00"),
        ("2025-11-28T00:00:00+01:00", "2025-11-29T00:00:00+01:00"),
        ("2025-03-30T00:00:00+01:00", "2025-03-31T00:00:00+02:00"),  # a day of 23 hours
        ("2025-10-26T00:00:00+02:00", "2025-10-27T00:00:00+01:00"),  # of 25
        ("2025-11-28T07:30:00+00:00", "2025-11-28T07:31:00+00:00"),
        ("2025-11-28T07:30:05+00:00", "2025-11-28T07:30:06+00:00"),
        ("2025-11-28T07:30:05.25+00:00", "2025-11-28T07:30:05.250001+00:00"),
    ],
)
def test_the_end_of_what_a_time_may_stand_for(time, end):
    at, after = (round(datetime.fromisoformat(text).timestamp() * 1_000_000) for text in (time, end))
    assert end_of(at, ("Europe/Berlin", "UTC")) == after - 1
    assert ends(pa.array([None, at]), ("Europe/Berlin", "UTC")).to_pylist() == [None, after - 1]


ABSENT = [
    # who is in which file                                       who has a valid yes
    (["2025-11: anna ben cleo", "2025-12: anna ben"], "anna ben"),
    (["2025-11: anna ben cleo", "2025-12: anna"], "anna ben cleo"),  # changes only
    (["2025-11: anna", "2025-12: ben cleo"], "anna ben cleo"),  # who came in that month
    (["2025-11: anna ben", "none: ben"], "anna ben"),  # another series
    (["2025-11: anna ben cleo", "2025-12: anna ben", "2025-12-05: anna"], "anna ben"),  # changes after a whole file
    (["2025-11: anna ben cleo", "2025-12-01: ben", "2025-12-02: ben"], "anna ben cleo"),  # changes after changes
    (["2025-10: anna ben", "2025-11: cleo", "2025-12: cleo"], "anna ben cleo"),
    (["2025-10-01_2025-10-31: anna ben cleo", "2025-11-01_2025-11-30: anna ben"], "anna ben"),  # named by their range
    (["shop-2025-12-01: anna ben cleo", "crm-2025-12-05: anna ben"], "anna ben cleo"),  # two series
    (["de-2025-11: anna ben", "fr-2025-11: cleo", "de-2025-12: anna ben"], "anna ben cleo"),
    (["de-2025-11: anna ben cleo", "fr-2025-11: anna", "de-2025-12: anna ben"], "anna ben"),
    (["de-2025-11: anna ben cleo", "de-2025-12: anna ben", "fr-2025-11: cleo"], "anna ben cleo"),  # moved
    # The file of a month may be older than one of a day in it, or newer.
    (["2025-11: anna ben", "2025-11-28: anna ben cleo"], "anna ben"),
    (["2025-11: anna ben cleo", "2025-11-28: anna ben"], "anna ben"),
    (["20251128_202510: anna ben cleo", "20251129_111500: anna ben"], "anna ben"),  # with the time of the export
    (["2025-11-28T10:30:00Z: anna ben cleo", "2025-11-29T11:15:00Z: anna ben"], "anna ben"),
]


@pytest.mark.parametrize(("files", "expected"), ABSENT)
def test_whoever_is_not_in_the_newest_whole_file_has_no_yes_in_an_older_one(tmp_path, files, expected):
    (tmp_path / "orders.csv").write_text(ORDERS)
    (tmp_path / "c").mkdir()
    for file in files:
        name, _, people = file.partition(": ")
        rows = "".join(f"{one},subscribed,2024-01-05\n" for one in people.split())
        (tmp_path / "c" / f"{name}.csv").write_text("customer_id,email_consent,created_at\n" + rows)
    found = read(tmp_path, {"orders": {"file": "orders.csv"}, "customers": {"file": "c/*.csv"}})
    names = dict(zip(pseudonym(["anna", "ben", "cleo"], KEY).to_pylist(), ["anna", "ben", "cleo"], strict=True))
    rows = found.tables["customers"].to_pylist()
    assert {names[row["customer_id"]] for row in rows if row["email_consent"] == "subscribed"} == set(expected.split())
    gone = sum("have no good row in the newest whole file" in warning for warning in found.manifest["warnings"])
    assert gone == (len(expected.split()) < len({one for file in files for one in file.split()[1:]}))


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["c"], []),
        (["c_01-11-2025", "c_01-12-2025"], ["2 of 2"]),  # a day that comes first may be a month
        (["c_old", "c_new"], ["2 of 2"]),
        (["c", "c_2025-12-01"], ["1 of 2"]),
        (["c_2025-11-01", "c_2025-12-01"], []),
    ],
)
def test_files_whose_order_nobody_knows_are_told(tmp_path, names, told):
    (tmp_path / "orders.csv").write_text(ORDERS)
    for name, people in zip(names, ("anna ben", "anna"), strict=False):
        rows = "".join(f"{one},subscribed,2024-01-05\n" for one in people.split())
        (tmp_path / f"{name}.csv").write_text("customer_id,email_consent,created_at\n" + rows)
    found = read(tmp_path, {"orders": {"file": "orders.csv"}, "customers": {"file": "c*.csv"}})
    warnings = [warning for warning in found.manifest["warnings"] if "neither a date" in warning]
    assert [warning.split("customers: ")[1].split(" files")[0] for warning in warnings] == told


@pytest.mark.parametrize(
    "path",
    [
        "c-2025-11.csv",
        "c-2025-12-01.csv",
        "c-20251201.csv",
        "c-01-12-2025.csv",
        "c-2025_12.csv",
        "c-20251201T1030Z.csv",
    ],
)
def test_files_that_differ_in_their_date_alone_are_one_series(path):
    assert series_of(path) == "c-.csv"


@pytest.mark.parametrize("path", ["de-2025-11.csv", "c-1.csv", "c-part-0001.csv", "c-2025-11-eu.csv", "c-20259.csv"])
def test_other_files_are_another_series(path):
    assert series_of(path) != "c-.csv"
