"""What people paste for a person: read as the name that was meant, or refused."""

from __future__ import annotations

import pytest

from pipeline.people import names
from pipeline.project.errors import ParamsError

ANNA, BEN = "anna@x.example", "ben@y.example"


def read(text: str, *own: str) -> list[str]:
    return names.read("suppress", [text], {*own}.__contains__)


@pytest.mark.parametrize(
    "text",
    [
        " anna@x.example\n", "ANNA@X.example", '"anna@x.example"', "\u2018anna@x.example\u2019", "anna@x.example,",
        "anna@x.example;", "anna@x.example.", "<anna@x.example>", "Anna K <anna@x.example>", "anna\uff20x.example",
        '"K, Anna" <anna@x.example>', "anna@x.example <anna@x.example>", "anna@x.example (Anna)", "anna%40x.example",
        "\u200banna@x.exam\u00adple\ufeff", "mailto:anna@x.example", "MAILTO:Anna%40x.example?cc=ben@y.example",
        "<mailto:anna@x.example>", "anna@x.example, Anna@x.example",
    ],
)  # fmt: skip
def test_an_address_is_read_in_any_dress(text: str) -> None:
    assert read(text) == [ANNA]


@pytest.mark.parametrize("between", [", ", ";", "\n", " ", "\t", ",;, "])
def test_several_are_read(between: str) -> None:
    assert read(f"Anna@x.example{between}ben@y.example.") == [ANNA, BEN]


@pytest.mark.parametrize("text", ["17", " 17 ", "17,", '"17"', "17\u200b"])
def test_an_own_id_is_read_without_what_stands_around_it(text: str) -> None:
    assert read(text) == ["17"]


def test_a_pseudonym_is_read_in_capitals() -> None:
    assert read(f"C_{'AB' * 12}") == [f"c_{'ab' * 12}"]


@pytest.mark.parametrize("own", ["17,", "(17)", "Anna@x.example", "ANNA, K", "<anna@x.example>", "anna@"])
def test_an_own_id_that_is_there_is_taken_as_it_stands(own: str) -> None:
    assert read(f" {own} ", own) == [own]
    assert read("18", own) == ["18"]


@pytest.mark.parametrize(
    "text",
    [
        "", " ", ",", "\u200b", "anna@", "@x.example", "anna@x", "anna@@x.example", "anna@x..example", "mailto:", "<@>",
        "a b@x.example", "K, Anna <anna@x.example>", "ben@y.example <anna@x.example>", "anna@x.example/ben@y.example",
        "anna@x.example, ben", "anna%40", "anna@x.example, ben@",
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ParamsError, match=r"nothing was done\. Give ") as refused:
        read(text)
    assert "x.example" not in str(refused.value)


def test_a_question_about_one_person_is_answered_for_one() -> None:
    assert names.one("explain", "<anna@x.example>", lambda _: False) == ANNA
    with pytest.raises(ParamsError, match="2 people are named"):
        names.one("explain", "anna@x.example ben@y.example", lambda _: False)
