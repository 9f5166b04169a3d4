"""One number in one sentence: units, singular, what is unknown, and the comparison with others."""

import math
import re
from dataclasses import astuple
from string import Formatter

import pytest

from features import CATALOGUE, Column, Feature, Words, sentence
from features.wording import number


def pounds(minor: float) -> str:
    return f"GBP {minor / 100:,.2f}"


def column(name: str, days: int | None = None) -> Column:
    return Column(CATALOGUE[name], days)


def made_up(**changes: object) -> Column:
    fields = {
        "name": "made_up",
        "view": "order_days",
        "family": "rhythm",
        "words": {"en": Words("Made up", "high", "low"), "ur": Words("", "", "")},
        "unit": "count",
        "absent": None,
        "body": lambda t: t,
    }
    return Column(Feature(**{**fields, **changes}), None)


@pytest.mark.parametrize(
    ("value", "unit", "written"),
    [
        (12.99, "days", "12"),
        (0.4, "days", "0"),
        (1234.0, "days", "1,234"),
        (0.256, "share", "26 %"),
        (1.0, "share", "100 %"),
        (123_456.0, "money", "GBP 1,234.56"),
        (1234.0, "count", "1,234"),
        (2.0, "ratio", "2"),
        (2.345, "ratio", "2.3"),
        (0.256, "ratio", "0.26"),
        (-0.256, "score", "-0.26"),
    ],
)
def test_a_number_is_written_in_its_unit(value, unit, written):
    assert number(value, unit, pounds) == written


def test_a_day_that_has_not_passed_is_not_counted():
    row = {"days_since_last_order": 41.99}
    assert sentence(column("days_since_last_order"), row, {}, pounds) == "last order 41 days ago"


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (1.5, "last order 1 day ago"),
        (0.5, "last order less than a day ago"),
        (2.0, "last order 2 days ago"),
        (11.0, "last order 11 days ago"),
        (1001.0, "last order 1,001 days ago"),
    ],
)
def test_one_day_is_singular_and_none_is_less_than_a_day(days, said):
    assert sentence(column("days_since_last_order"), {"days_since_last_order": days}, {}, pounds) == said


def test_a_sentence_holds_the_customers_other_numbers():
    row = {"usual_gap_days": 30.2, "days_since_last_order": 95.7}
    said = sentence(column("usual_gap_days"), row, {}, pounds)
    assert said == "usually orders every 30 days; last order 95 days ago"


def test_a_window_is_named_in_the_sentence():
    said = sentence(column("spend", 90), {"spend_90d": 123_456.0}, {}, pounds)
    assert said == "spent GBP 1,234.56 in the last 90 days"


def test_where_a_number_of_the_sentence_is_unknown_the_label_speaks():
    row = {"usual_gap_days": math.nan, "days_since_last_order": 95.7, "average_gap_days": 31.0}
    said = sentence(column("average_gap_days"), row, {"average_gap_days": 45.9}, pounds)
    assert said == "Average days between orders: 31 (typical here: 45)"


def test_days_that_never_were_are_none_so_far_and_other_absences_unknown():
    row = {"made_up": math.nan}
    assert sentence(made_up(unit="days"), row, {}, pounds) == "Made up: none so far"
    assert sentence(made_up(unit="share"), row, {}, pounds) == "Made up: unknown"


def test_a_number_without_a_sentence_is_compared_with_what_is_typical():
    row = {"made_up": 0.25}
    share = made_up(unit="share")
    assert sentence(share, row, {"made_up": 0.4}, pounds) == "Made up: 25 % (typical here: 40 %)"
    assert sentence(share, row, {"made_up": math.nan}, pounds) == "Made up: 25 %"
    assert sentence(share, row, {}, pounds) == "Made up: 25 %"


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_feature_can_speak_of_any_number(name):
    for entry in CATALOGUE[name].columns((30,)):
        known = dict.fromkeys(CATALOGUE, 2.0) | {entry.name: 1.0}
        for row in (known, dict.fromkeys(known, math.nan) | {entry.name: 1.0}, dict.fromkeys(known, math.nan)):
            said = sentence(entry, row, {entry.name: 3.0}, pounds)
            assert said
            assert "{" not in said
            assert "nan" not in said.split()


# Urdu -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (0.5, "آخری آرڈر: پچھلے 24 گھنٹوں میں"),
        (1.5, "آخری آرڈر: 1 دن پہلے"),
        (10.0, "آخری آرڈر: 10 دن پہلے"),
        (1000.0, "آخری آرڈر: 1,000 دن پہلے"),
        (math.nan, "آخری آرڈر کو کتنے دن ہوئے: اب تک کوئی نہیں"),
    ],
)
def test_urdu_has_its_own_words_and_the_same_digits(days, said):
    assert sentence(column("days_since_last_order"), {"days_since_last_order": days}, {}, pounds, "ur") == said


def test_a_percentage_is_a_word_in_urdu_because_the_sign_would_change_sides():
    assert number(0.256, "share", pounds, "ur") == "26 فیصد"


def test_a_minus_keeps_its_side_in_urdu():
    assert number(-5, "count", pounds, "ur") == "\u200e-5"
    assert number(-5, "count", pounds) == "-5"


def _placeholders(text: str | None) -> list[str]:
    return sorted(part[1] for part in Formatter().parse(text or "") if part[1])


@pytest.mark.parametrize("name", CATALOGUE)
def test_urdu_says_what_english_says(name):
    english, urdu = (CATALOGUE[name].words[language] for language in ("en", "ur"))
    for ours, theirs in zip(astuple(english), astuple(urdu), strict=True):
        assert (ours is None) == (theirs is None)
        assert _placeholders(ours) == _placeholders(theirs)
        assert theirs is None or re.search("[\u0600-\u06ff]", theirs)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_feature_can_be_said_in_urdu(name):
    for entry in CATALOGUE[name].columns((1, 30)):
        for value in (0.0, 1.0, 71.0, math.nan):
            said = sentence(entry, dict.fromkeys(CATALOGUE, value) | {entry.name: value}, {}, pounds, "ur")
            assert "{" not in said
            assert "nan" not in said
            assert "days" not in said
