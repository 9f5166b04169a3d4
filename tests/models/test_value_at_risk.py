"""The simple formula: spend per year times the probability of staying, or of leaving."""

import numpy as np
import pandas as pd

from models.value import expected_and_at_risk, simple_formula, steady_spend


def by_formula(spend: list[float], churn: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Expected value and value at risk of customers of two years."""
    matrix = pd.DataFrame({"spend_per_year": spend, "days_since_first_order": 730.0})
    return expected_and_at_risk(*simple_formula("").amounts(matrix), np.array(churn))


def test_value_is_split_by_the_probability_of_leaving():
    expected, at_risk = by_formula([10_000.0, 10_000.0], [0.25, 1.0])
    assert expected.tolist() == [7_500, 0]
    assert at_risk.tolist() == [2_500, 10_000]


def test_a_missing_or_negative_spend_is_worth_nothing():
    expected, at_risk = by_formula([np.nan, -500.0], [0.5, 0.5])
    assert expected.tolist() == at_risk.tolist() == [0, 0]


def test_value_is_whole_minor_units():
    expected, at_risk = by_formula([101.0, 101.0], [0.333, 0.667])
    assert expected.dtype == at_risk.dtype == np.int64
    assert expected.tolist() == [67, 34]
    assert at_risk.tolist() == [34, 67]


def test_one_order_of_last_week_is_not_taken_for_a_dozen_a_year():
    # 100.00 spent: the feature divides by 30 days at least, the value by a year at least.
    pace = pd.Series([10_000 * 365 / 30, 10_000 * 365 / 180, 10_000 * 365 / 730])
    assert steady_spend(pace, pd.Series([7.0, 180.0, 730.0])).round(6).tolist() == [10_000, 10_000, 5_000]
