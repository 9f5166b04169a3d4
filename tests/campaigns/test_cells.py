from __future__ import annotations

import re
import unicodedata

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns import cells
from campaigns.errors import ListError

LETTERS = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
TRIGGERS = [letter for letter in LETTERS if unicodedata.normalize("NFKC", letter)[:1] in set("=+-@")]
INVISIBLE = [letter for letter in LETTERS if unicodedata.category(letter) in ("Cc", "Cf", "Zs", "Zl", "Zp")]
STARTS = [*TRIGGERS, "\u2212", "\t", "\r", "\n", "\x00"]


def neutral(texts: list[str | None]) -> list[str | None]:
    return list(cells.neutral_cells(pa.array(texts, type=pa.string())).to_pylist())


def test_every_sign_that_starts_a_formula_is_made_harmless_after_every_invisible_letter() -> None:
    assert len(TRIGGERS) > 15
    assert len(INVISIBLE) > 200
    texts = [f"{before}{start}1" for start in STARTS for before in ("", *INVISIBLE, "  ", "\ufeff \u200b")]
    assert neutral(list(texts)) == [f"'{text}" for text in texts]
    assert [cells.neutral_cell(text) for text in texts] == [f"'{text}" for text in texts]


@pytest.mark.parametrize("text", ["", "a=b", "1-2", "'=1", "Last order 78 days ago", "<b>", "چائے", "¨=1", " a"])
def test_other_texts_are_left_alone(text: str) -> None:
    assert neutral([text]) == [cells.neutral_cell(text)] == [text]


@given(st.lists(st.none() | st.text(st.sampled_from([*STARTS, *INVISIBLE, *"ab1'\"س"]), max_size=4)))
def test_one_text_and_an_array_of_texts_are_treated_alike(texts: list[str | None]) -> None:
    assert neutral(texts) == [None if text is None else cells.neutral_cell(text) for text in texts]


@given(st.text())
def test_neutral_is_neutral_and_loses_nothing(text: str) -> None:
    once = cells.neutral_cell(text)
    assert cells.neutral_cell(once) == once
    assert once in (text, f"'{text}")


ADDRESSES = [
    ("anna@example.org", None),
    ("é@bücher.example", None),
    ("carla+shop@example.net", None),
    (None, "not_in_vault"),
    ("=anna@example.org", "unsafe_identifier"),
    (" -anna@example.org", "unsafe_identifier"),
    ("＠example.org", "unsafe_identifier"),
    ("a@b.example\nBcc: all@b.example", "unsafe_identifier"),
    ("a@b.example\r", "unsafe_identifier"),
    ("a\u202e@b.example", "unsafe_identifier"),
    ("a\x00@b.example", "unsafe_identifier"),
    (" a@b.example", "malformed_address"),
    ("a b@b.example", "malformed_address"),
    ("a\u3000b@b.example", "malformed_address"),
    ("Ann <a@b.example>", "malformed_address"),
    ("a@b.example,b@b.example", "malformed_address"),
    ('"a"@b.example', "malformed_address"),
    ("a@b@c.example", "malformed_address"),
    ("nobody", "malformed_address"),
    ("a@localhost", "malformed_address"),
    ("", "malformed_address"),
    ("a" * 250 + "@b.example", "malformed_address"),
]


def test_why_an_address_may_not_be_written() -> None:
    given_here = pd.Series([address for address, _ in ADDRESSES], index=range(5, 5 + len(ADDRESSES)))
    codes = cells.unsafe_identifier(given_here, address=True)
    assert list(codes.index) == list(given_here.index)
    assert [None if pd.isna(code) else code for code in codes] == [code for _, code in ADDRESSES]


def test_an_id_need_not_be_an_address() -> None:
    codes = cells.unsafe_identifier(pd.Series(["C 1", "0007", "-1", None, "a\tb", "<script>", ""]))
    wanted = [None, None, "unsafe_identifier", "not_in_vault", "unsafe_identifier", None, None]
    assert [None if pd.isna(code) else code for code in codes] == wanted
    assert cells.unsafe_identifier(pd.Series([], dtype="str")).empty


def test_numbers_have_so_many_digits_and_no_powers() -> None:
    numbers = pa.array([0.5, 1e-7, -1e-7, 12345678.25, -1.5, None, float("nan")])
    assert cells.number_cells(numbers, 2, "x").to_pylist() == [
        "0.50",
        "0.00",
        "0.00",
        "12345678.25",
        "-1.50",
        None,
        None,
    ]
    assert cells.number_cells(pa.array([3, None]), 0, "x").to_pylist() == ["3", None]
    assert cells.number_cells(pa.array([-0.25, 0.25, 0.75]), 1, "x", ",").to_pylist() == ["-0,2", "0,2", "0,8"]


def test_amounts_are_exact() -> None:
    minor = pa.array([1234, -5, 0, None, 9_007_199_254_740_993])
    wanted = ["12.34", "-0.05", "0.00", None, "90071992547409.93"]
    assert cells.amount_cells(minor, 2, "x").to_pylist() == wanted
    assert cells.amount_cells(pa.array([1234, -5]), 0, "x").to_pylist() == ["1234", "-5"]
    assert cells.amount_cells(pa.array([1234.0, None]), 3, "x").to_pylist() == ["1.234", None]


@pytest.mark.parametrize("value", [float("inf"), -1e300])
def test_a_number_beyond_all_bounds_is_refused(value: float) -> None:
    with pytest.raises(ListError, match="churn_x has a value that is too large"):
        cells.number_cells(pa.array([value]), 2, "churn_x")


def test_a_whole_number_beyond_all_bounds_is_refused() -> None:
    with pytest.raises(ListError, match="churn_x has a value that is too large"):
        cells.number_cells(pa.array([2**62]), 2, "churn_x")


@pytest.mark.parametrize("day", ["2025-1-01", "01.10.2025", "soon", "", "2025-10-01T00:00"])
def test_a_text_that_is_no_day_is_refused(day: str) -> None:
    with pytest.raises(ListError, match=re.escape("churn_act_by has a value that is no day written YYYY-MM-DD")):
        cells.date_cells(pa.array(["2025-10-01", day]), "{year}-{month}-{day}", "churn_act_by")


def test_days_are_written_as_the_platform_reads_them() -> None:
    days = pa.array(["2025-10-01", None])
    assert cells.date_cells(days, "{month}/{day}/{year}", "x").to_pylist() == ["10/01/2025", None]
    assert cells.date_cells(days.cast(pa.date32()), "{year}-{month}-{day}T00:00:00Z", "x").to_pylist() == [
        "2025-10-01T00:00:00Z",
        None,
    ]


def test_a_cut_text_is_whole_letters() -> None:
    texts = pa.array(["چائے", "tea", None, "é" * 3, "coffee"])
    cut, count = cells.cut_cells(texts, 5)
    assert (cut.to_pylist(), count) == (["چا", "tea", None, "éé", "coffe"], 3)
    assert cells.cut_cells(texts, 100) == (texts, 0)
