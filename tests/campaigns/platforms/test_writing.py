from __future__ import annotations

import csv
import gzip
import hashlib
import io
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.errors import ListError
from campaigns.platforms import COLUMNS, Context, Profile, load, names, writing
from tests.campaigns.platforms.people import ANNA, BASIT, CARLA, CONTEXT, PEOPLE, frame, slowly

TEXT_PLATFORMS = [name for name in names() if name != "parquet"]


def changed(name: str, **changes: Any) -> Profile:
    return Profile.model_validate(load(name).model_dump() | changes)


def one_file(profile: Profile, people: pd.DataFrame, folder: Path) -> bytes:
    written = profile.write([people], folder, "list", CONTEXT)
    assert len(written.files) == 1
    content = (folder / written.files[0]).read_bytes()
    assert written.sha256 == {written.files[0]: hashlib.sha256(content).hexdigest()}
    assert written.rows == len(people)
    return content


def many(count: int) -> pd.DataFrame:
    return pd.concat([frame()] * (count // 3), ignore_index=True)


@pytest.mark.parametrize("name", TEXT_PLATFORMS)
def test_a_list_is_what_the_slow_way_writes(name: str, tmp_path: Path) -> None:
    assert one_file(load(name), frame(), tmp_path).decode() == slowly(load(name), PEOPLE)


TEXTS = (
    st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(["=1", "a;=1", "'"])
)
PERSON = st.fixed_dictionaries(
    {
        column.source: {
            "text": TEXTS,
            "whole": st.none() | st.integers(-1000, 1000),
            "amount": st.none() | st.integers(-(10**12), 10**12),
            "number": st.none() | st.integers(-(10**6), 10**6).map(lambda n: n / 64),
            "date": st.none() | st.dates().map(lambda day: f"{day:%Y-%m-%d}".rjust(10, "0")),
            "days_ahead": st.none() | st.integers(0, 4000).map(lambda n: n / 4),
        }[column.kind]
        for column in COLUMNS
        if not column.of_context
    }
)


@settings(max_examples=40, deadline=None)
@given(st.lists(PERSON, min_size=1, max_size=3), st.sampled_from(TEXT_PLATFORMS))
def test_any_list_is_what_the_slow_way_writes(tmp_path_factory: Any, people: list[dict[str, Any]], name: str) -> None:
    people = [{"shop_id": "C1", "email": "anna@example.org"} | person for person in people]
    profile = load(name)
    with io.StringIO(slowly(profile, people), newline="") as wanted:
        assert one_file(profile, frame(people), tmp_path_factory.mktemp("list")).decode() == wanted.getvalue()


@pytest.mark.parametrize("name", names())
def test_bytes_do_not_depend_on_how_the_rows_come(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "BATCH_ROWS", 7)
    people = many(24)

    def in_batches(size: int) -> Iterator[pd.DataFrame]:
        for start in range(0, len(people), size):
            yield people.iloc[start : start + size]

    hashes = {
        load(name).write(in_batches(size), tmp_path, "a", CONTEXT).sha256[f"a{load(name).suffix}"]
        for size in (1, 5, 7, 24)
    }
    table = pa.Table.from_pandas(people)
    hashes.add(load(name).write([table], tmp_path, "a", CONTEXT).sha256[f"a{load(name).suffix}"])
    assert len(hashes) == 1


@pytest.mark.parametrize("name", names())
def test_a_list_of_nobody_is_a_file_with_a_header(name: str, tmp_path: Path) -> None:
    written = load(name).write([], tmp_path, "list", CONTEXT)
    assert (written.rows, len(written.files)) == (0, 1)
    if name == "parquet":
        table = pq.read_table(tmp_path / written.files[0])
        assert (table.num_rows, tuple(table.column_names)) == (0, load(name).headings())
    else:
        assert (tmp_path / written.files[0]).read_text() == slowly(load(name), [])


def rows_of(path: Path, delimiter: str = ",") -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter=delimiter))


def test_files_are_split_at_the_rows_a_platform_takes(tmp_path: Path) -> None:
    profile = changed("neutral", file_rows=4)
    written = profile.write([many(9)], tmp_path, "list", CONTEXT)
    assert written.files == ("list-1.csv", "list-2.csv", "list-3.csv")
    parts = [rows_of(tmp_path / file) for file in written.files]
    assert [len(part) for part in parts] == [5, 5, 2]
    assert {tuple(part[0]) for part in parts} == {profile.headings()}
    whole = rows_of(tmp_path / load("neutral").write([many(9)], tmp_path, "whole", CONTEXT).files[0])
    assert [row for part in parts for row in part[1:]] == whole[1:]
    assert written.rows == 9


def test_files_are_split_at_the_bytes_a_platform_takes(tmp_path: Path) -> None:
    size = len(one_file(load("neutral"), many(3), tmp_path))
    for most, count in ((size, 3), (size - 1, 4)):
        profile = changed("neutral", file_bytes=most)
        written = profile.write([many(9)], tmp_path, "list", CONTEXT)
        sizes = [(tmp_path / file).stat().st_size for file in written.files]
        assert max(sizes) <= most
        assert len(sizes) == count + (most < size)
        assert sum(len(rows_of(tmp_path / file)) - 1 for file in written.files) == 9


def test_a_row_that_no_file_can_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ListError, match="One row is longer than the 2000 bytes"):
        changed("neutral", file_bytes=2000).write(
            [frame([ANNA, ANNA | {"reason_2": "x" * 2000}])], tmp_path, "list", CONTEXT
        )
    assert not list(tmp_path.iterdir())


def test_a_shorter_list_leaves_no_part_of_a_longer_one(tmp_path: Path) -> None:
    (tmp_path / "list-of-others.csv").write_text("kept")
    changed("neutral", file_rows=1).write([frame()], tmp_path, "list", CONTEXT)
    load("neutral").write([frame()], tmp_path, "list", CONTEXT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["list-of-others.csv", "list.csv"]


@pytest.mark.parametrize("name", ["neutral", "parquet"])
def test_when_it_fails_half_way_the_old_files_stay(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "BATCH_ROWS", 3)
    old = load(name).write([frame()], tmp_path, "list", CONTEXT)

    def breaks() -> Iterator[pd.DataFrame]:
        yield frame().assign(why_now="new")
        raise RuntimeError("the vault went away")

    with pytest.raises(RuntimeError, match="the vault went away"):
        load(name).write(breaks(), tmp_path, "list", CONTEXT)
    assert [path.name for path in tmp_path.iterdir()] == list(old.files)
    assert hashlib.sha256((tmp_path / old.files[0]).read_bytes()).hexdigest() == old.sha256[old.files[0]]


def test_files_are_private(tmp_path: Path) -> None:
    written = load("neutral").write([frame()], tmp_path, "list", CONTEXT)
    suppressed = load("neutral").write_suppressed(["anna@example.org"], tmp_path, "list")
    assert {(tmp_path / file).stat().st_mode & 0o777 for file in (*written.files, *suppressed.files)} == {0o600}


def test_bom_gzip_quotes_and_the_decimal_mark_are_a_profile_s_choice(tmp_path: Path) -> None:
    plain = slowly(load("neutral"), PEOPLE)
    assert one_file(changed("neutral", bom=True), frame(), tmp_path) == b"\xef\xbb\xbf" + plain.encode()
    zipped = one_file(changed("neutral", gzip=True), frame(), tmp_path)
    assert gzip.decompress(zipped).decode() == plain
    assert zipped == one_file(changed("neutral", gzip=True), frame(), tmp_path)
    assert zipped[3:8] == b"\0\0\0\0\0"  # no name, no time
    always = changed("neutral", quote="always")
    assert one_file(always, frame(), tmp_path).decode() == slowly(always, PEOPLE)
    commas = one_file(changed("neutral", decimal_mark=",", delimiter=";"), frame([ANNA]), tmp_path).decode()
    assert '"0,8125"' in commas
    assert '"1234,50"' in commas


def test_a_machine_that_wants_texts_as_they_are_gets_them(tmp_path: Path) -> None:
    raw = changed("neutral", spreadsheet_safe=False)
    assert one_file(raw, frame(), tmp_path).decode() == slowly(raw, PEOPLE)
    assert '"=HYPERLINK(' in slowly(raw, PEOPLE)


def test_long_texts_are_cut_between_letters_and_counted(tmp_path: Path) -> None:
    profile = load("mailchimp")
    written = profile.write([frame()], tmp_path, "list", CONTEXT)
    assert written.cut_cells == 1
    rows = rows_of(tmp_path / written.files[0])
    cut = rows[3][rows[0].index("churn_why_now")]
    assert cut == "é" * 127
    assert load("neutral").write([frame()], tmp_path, "list", CONTEXT).cut_cells == 0


def test_urdu_survives_on_every_platform(tmp_path: Path) -> None:
    for name in TEXT_PLATFORMS:
        assert str(BASIT["why_now"]).encode() in one_file(load(name), frame(), tmp_path)


def test_the_parquet_feed_is_unaltered(tmp_path: Path) -> None:
    one_file(load("parquet"), frame(), tmp_path)
    rows = pq.read_table(tmp_path / "list.parquet").to_pylist()
    for person, row in zip(PEOPLE, rows, strict=True):
        for column in COLUMNS:
            if column.kind in ("text", "number", "whole") and not column.of_context:
                assert row[column.name] == person[column.source], column.name
    assert rows[1]["churn_product_1"].startswith("=HYPERLINK")
    assert rows[0]["churn_value_at_risk"] == Decimal("1234.50")
    assert str(rows[0]["churn_act_by"]) == "2025-11-07"
    assert (rows[2]["customer_id"], rows[2]["email"]) == ("0007", "carla+shop@example.net")


def test_amounts_follow_the_currency(tmp_path: Path) -> None:
    for digits, text in ((0, "123450"), (3, "123.450")):
        context = Context("2025-10-01", 90, digits)
        load("neutral").write([frame([ANNA])], tmp_path, "list", context)
        row = rows_of(tmp_path / "list.csv")
        assert row[1][row[0].index("churn_value_at_risk")] == text


def test_columns_of_one_type_in_one_batch_and_of_none_in_the_next(tmp_path: Path) -> None:
    empty = frame([BASIT])
    load("neutral").write([empty, frame([ANNA])], tmp_path, "list", CONTEXT)
    assert (tmp_path / "list.csv").read_text() == slowly(load("neutral"), [BASIT, ANNA])


def test_categories_and_whole_numbers_kept_as_decimals(tmp_path: Path) -> None:
    people = frame().astype({"band": "category", "rfm_segment": "category"}).assign(send_weekday=[1.0, None, 6.0])
    wanted = slowly(
        load("neutral"), [person | {"send_weekday": day} for person, day in zip(PEOPLE, ("1", None, "6"), strict=True)]
    )
    assert one_file(load("neutral"), people, tmp_path).decode() == wanted


def test_a_candidate_without_a_column_is_refused_but_a_next_order_may_be_unknown(tmp_path: Path) -> None:
    with pytest.raises(ListError, match=r"The candidates have no column act_by, offer\."):
        load("neutral").write([frame().drop(columns=["offer", "act_by"])], tmp_path, "list", CONTEXT)
    unknown = frame().drop(columns=["next_order_expected"])
    wanted = slowly(load("neutral"), [person | {"next_order_expected": None} for person in PEOPLE])
    assert one_file(load("neutral"), unknown, tmp_path).decode() == wanted


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("email", "=1@example.org", r"2 rows have no email that can be written \(unsafe_identifier\)"),
        ("email", None, r"2 rows have no email that can be written \(not_in_vault\)"),
        ("email", "nobody", r"2 rows have no email that can be written \(malformed_address\)"),
        ("shop_id", "-1", r"2 rows have no customer_id that can be written \(unsafe_identifier\)"),
    ],
)
@pytest.mark.parametrize("name", ["neutral", "parquet"])
def test_an_identifier_is_never_altered(name: str, column: str, value: str | None, told: str, tmp_path: Path) -> None:
    people = frame([ANNA, ANNA | {column: value}, CARLA | {column: value}])
    with pytest.raises(ListError, match=told):
        load(name).write([people], tmp_path, "list", CONTEXT)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("act_by", "07.11.2025", "churn_act_by has a value that is no day"),
        ("percentile", float("inf"), "churn_percentile has a value that is too large"),
        ("value_at_risk", 1e300, "churn_value_at_risk has a value that is too large"),
    ],
)
def test_a_value_that_cannot_be_written_is_refused(column: str, value: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(ListError, match=told):
        load("neutral").write([frame([ANNA | {column: value}])], tmp_path, "list", CONTEXT)


@pytest.mark.parametrize("name", names())
def test_the_companion_file_has_each_address_once_in_order(name: str, tmp_path: Path) -> None:
    addresses = [
        "bob@example.org",
        " anna@example.org ",
        "bob@example.org",
        "=x@example.org",
        "no address",
        "a@b@c.d",
        "\ta@example.org",
    ]
    written = load(name).write_suppressed(addresses, tmp_path, "list")
    assert (written.files, written.rows, written.left_out) == (("list.suppress.csv",), 2, 4)
    delimiter = load(name).delimiter
    head, *rows = rows_of(tmp_path / "list.suppress.csv", delimiter)
    constants = load(name).suppression.constants
    assert head == [load(name).suppression.header, *constants]
    assert rows == [[address, *constants.values()] for address in ("anna@example.org", "bob@example.org")]
    assert load(name).write_suppressed(addresses[::-1], tmp_path, "list") == written
    assert load(name).write_suppressed([], tmp_path, "list").rows == 0


def test_the_companion_file_is_split_too(tmp_path: Path) -> None:
    written = changed("neutral", file_rows=2).write_suppressed(
        [f"a{n}@example.org" for n in range(5)], tmp_path, "list"
    )
    assert written.files == ("list.suppress-1.csv", "list.suppress-2.csv", "list.suppress-3.csv")


def test_many_addresses_are_written_once_each_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "BATCH_ROWS", 4)
    addresses = [f"a{n % 7}@example.org" for n in range(30)] + ["é@example.org", "Z@example.org"]
    written = load("neutral").write_suppressed(iter(addresses), tmp_path, "list")
    assert (written.rows, written.left_out) == (9, 0)
    assert (tmp_path / "list.suppress.csv").read_text().splitlines()[1:] == sorted(set(addresses))


@pytest.mark.parametrize("text", ["tea;=1+1", "tea\t=1+1", "tea|=1+1", "tea,=1+1"])
@pytest.mark.parametrize("name", ["neutral", "brevo"])
def test_wherever_a_spreadsheet_may_split_there_are_quotes(name: str, text: str, tmp_path: Path) -> None:
    content = one_file(load(name), frame([ANNA | {"action": text}]), tmp_path).decode()
    assert f'{load(name).delimiter}"{text}"{load(name).delimiter}' in content
