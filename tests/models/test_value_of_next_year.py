"""Net revenue of the next year: near the truth, adding up, and blind to years that had not ended."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import value
from models.settings import ModelSettings
from models.value import NextYear, expected_and_at_risk, simple_formula
from tests.models.outlook_world import IF_LEAVES, IF_STAYS, LEVEL, at, cutoff, shop, trainer
from timeline import DAY_US

YEAR = 13
"""Months of 30 days from a cutoff until its year has ended."""
ORIGIN = 28


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return shop(months=ORIGIN + 1, customers=800)


@pytest.fixture(scope="module")
def model(rows: pd.DataFrame, small: ModelSettings) -> NextYear:
    return trainer(rows, small).next_year.at(cutoff(ORIGIN))


def test_both_amounts_come_near_the_truth(rows: pd.DataFrame, model: NextYear) -> None:
    assert model.kind == "trees"
    here = at(rows, ORIGIN)
    stays, leaves = model.amounts(here)
    for level in (0.5, 1.5):
        kind = (here["level"] == level).to_numpy()
        assert stays[kind].mean() == pytest.approx(LEVEL * level * IF_STAYS, rel=0.1)
        assert leaves[kind].mean() == pytest.approx(LEVEL * level * IF_LEAVES, rel=0.1)


def test_the_expected_total_is_what_came(rows: pd.DataFrame, model: NextYear) -> None:
    here = at(rows, ORIGIN)
    chance = np.where(here["fast"] == 1, 0.3, 0.7)
    expected, _ = expected_and_at_risk(*model.amounts(here), chance)
    truth = (
        LEVEL
        * here["level"]
        * np.where(here["fast"] == 1, 0.7 * IF_STAYS + 0.3 * IF_LEAVES, 0.3 * IF_STAYS + 0.7 * IF_LEAVES)
    )
    assert expected.sum() == pytest.approx(truth.sum(), rel=0.06)
    formula, _ = expected_and_at_risk(*simple_formula("").amounts(here), chance)
    assert abs(np.log(expected.sum() / truth.sum())) < abs(np.log(formula.sum() / truth.sum()))


amounts = st.floats(0, 1e9, allow_nan=False)


@given(amounts, amounts, st.floats(0, 1))
def test_what_is_expected_and_what_is_at_risk_add_up(stays: float, leaves: float, chance: float) -> None:
    both = np.array([stays]), np.array([leaves])
    (expected,), (at_risk,) = expected_and_at_risk(*both, np.array([chance]))
    assert min(stays, leaves) - 1 <= expected <= max(stays, leaves) + 1
    assert at_risk >= 0
    if stays >= leaves:
        # What a customer who stays for certain would bring in is what they are expected to, and what is at risk.
        assert abs(expected + at_risk - stays) <= 1
    else:
        assert at_risk == 0


def test_certainty_gives_either_amount() -> None:
    stays, leaves = np.array([30_000.0, 30_000.0]), np.array([4_000.0, 4_000.0])
    expected, at_risk = expected_and_at_risk(stays, leaves, np.array([0.0, 1.0]))
    assert expected.tolist() == [30_000, 4_000]
    assert at_risk.tolist() == [0, 26_000]


def test_totals_fit_the_years_that_tested(small: ModelSettings) -> None:
    rows = shop(months=ORIGIN + 1, customers=400)
    # Prices doubled after the years that teach the fold, and before those that it is tested on.
    later = rows["cutoff"] >= cutoff(ORIGIN - YEAR)
    rows.loc[later, "revenue_next_year"] *= 2
    found = trainer(rows, small).next_year
    (fold,) = [past for past in found.folds(cutoff(ORIGIN)) if past == cutoff(ORIGIN - YEAR)]
    here = rows[rows["cutoff"] == fold]
    stays, leaves = found.at(cutoff(ORIGIN)).amounts(here)
    left = (here["churned"] == 1).to_numpy()
    judged = rows[rows["cutoff"].isin(found.folds(cutoff(ORIGIN)))]
    plain = found.fit(cutoff(ORIGIN)).amounts(here)
    assert stays[~left].sum() > 1.1 * plain[0][~left].sum()
    assert leaves[left].sum() > 1.1 * plain[1][left].sum()
    assert len(judged) == 400 * len(found.folds(cutoff(ORIGIN)))


def test_no_second_year_gives_the_simple_formula(small: ModelSettings) -> None:
    rows = shop(months=20, customers=400)
    found = trainer(rows, small).next_year
    model = found.at(cutoff(19))
    assert model.kind == "formula"
    assert "second year" in model.why
    assert model.statement == value.STATEMENTS["formula"]
    # Whoever evaluates can still test what the trees would have said.
    assert found.untested(cutoff(19)).kind == "trees"


def test_few_years_give_the_simple_formula(small: ModelSettings) -> None:
    rows = shop(months=20, customers=50)
    model = trainer(rows, small).next_year.at(cutoff(19))
    assert model.kind == "formula"
    assert "500 of each are needed" in model.why


def test_trees_that_come_no_closer_are_not_used(small: ModelSettings) -> None:
    rows = shop(months=ORIGIN + 1, customers=400)
    # Then the formula knows the year exactly, and nothing else says anything.
    rows["revenue_next_year"] = np.where(rows["churned"] == 1, 0, rows["spend_per_year"])
    rows["revenue_next_year"] *= 1 + 9 * (rows["cutoff"] < cutoff(ORIGIN - 2 * YEAR + 3))
    model = trainer(rows, small).next_year.at(cutoff(ORIGIN))
    assert model.why == "on earlier dates trees came no closer"


def test_nobody_who_left_ever_bought_again(small: ModelSettings) -> None:
    rows = shop(months=ORIGIN + 1, customers=400)
    rows.loc[rows["churned"] == 1, "revenue_next_year"] = 0
    model = trainer(rows, small).next_year.at(cutoff(ORIGIN))
    assert model.kind == "trees"
    assert model.amounts(at(rows, ORIGIN))[1].tolist() == [0.0] * 400
    assert NextYear.from_files(model.to_files()).to_files() == model.to_files()


def test_the_formula_is_steady_spend_or_nothing() -> None:
    matrix = pd.DataFrame({"spend_per_year": [10_000.0, np.nan, -5.0], "days_since_first_order": [730.0, 5.0, 900.0]})
    stays, leaves = simple_formula("").amounts(matrix)
    assert stays.tolist() == [10_000, 0, 0]
    assert leaves.tolist() == [0, 0, 0]


def test_the_files_give_the_same_bits_again(rows: pd.DataFrame, model: NextYear) -> None:
    again = NextYear.from_files(model.to_files())
    assert again.to_files() == model.to_files()
    for ours, theirs in zip(model.amounts(at(rows, ORIGIN)), again.amounts(at(rows, ORIGIN)), strict=True):
        assert ours.tobytes() == theirs.tobytes()


def test_parts_and_order_of_the_rows_change_no_bit(rows: pd.DataFrame, model: NextYear) -> None:
    here = at(rows, ORIGIN)
    places = np.random.default_rng(1).permutation(len(here))
    for place, whole in enumerate(model.amounts(here)):
        for size in (1, 7, 400):
            parts = [model.amounts(here.iloc[start : start + size])[place] for start in range(0, len(here), size)]
            assert np.concatenate(parts).tobytes() == whole.tobytes()
        assert model.amounts(here.iloc[places])[place].tobytes() == whole[places].tobytes()
    assert [len(part) for part in model.amounts(here.iloc[:0])] == [0, 0]


def test_a_label_longer_than_a_year_waits_for_the_label(rows: pd.DataFrame, small: ModelSettings) -> None:
    patient = value.ValueTrainer(rows, [], 800, 1, small)
    assert patient.folds(cutoff(ORIGIN)) == []
    assert len(value.ValueTrainer(rows, [], 97, 1, small).folds(cutoff(ORIGIN))) == 3
    assert cutoff(3) - cutoff(0) == 3 * 30 * DAY_US
