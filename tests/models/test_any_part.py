"""What a model says of a customer is the same to the last bit, in whatever part of the table the customer stands."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models import classifier, regression
from models.baselines import HISTORY, RFM, Lifetime, Logistic
from models.buy_till_you_die import BuyTillYouDie
from models.calibration import Calibrator
from models.outlook import Outlook
from models.scorer import Blend, Boosted, Ranker
from models.timing import NextOrder
from models.value import NextYear, simple_formula

COLUMNS = tuple(dict.fromkeys((*HISTORY, *RFM, "usual_gap_days")))


@pytest.fixture(scope="module")
def customers() -> pd.DataFrame:
    rng = np.random.default_rng(31)
    rows = 230
    first = rng.uniform(1, 1000, rows)
    table = {
        "days_with_order_so_far": rng.integers(1, 20, rows).astype("float64"),
        "days_since_first_order": first,
        "days_since_last_order": first * rng.uniform(0, 1, rows),
        "spend_per_year": rng.exponential(5000, rows),
        "usual_gap_days": np.where(rng.uniform(size=rows) < 0.3, np.nan, rng.exponential(40, rows)),
    }
    # The extremes: one order, ordered today, and long ago.
    table["days_with_order_so_far"][:3] = 1, 1, 300
    table["days_since_last_order"][:3] = 1e-6, 1000.0, 1e-3
    table["days_since_first_order"][:3] = 1e-6, 1000.0, 1000.0
    return pd.DataFrame(table)[list(COLUMNS)]


@pytest.fixture(scope="module")
def rankers(customers, small) -> dict[str, Ranker]:
    churned = (customers["days_since_last_order"] > 200).astype("int8")
    trees = Boosted(classifier.fit(customers, churned, small), COLUMNS)
    line = Logistic(RFM, (4.0, 1.5, 8.0), (1.1, 0.7, 1.3), (1.9, -0.6, -0.3), 0.37)
    lifetime = Lifetime(BuyTillYouDie("mbg_nbd", 0.6, 41.0, 0.8, 2.3), 90.0, 7.0, (2.0, 300.0, 100.0))
    return {"trees": trees, "line": line, "lifetime": lifetime, "blend": Blend(trees, lifetime, (0.9, -0.2), 0.25)}


@pytest.fixture(scope="module")
def outlooks(customers, small) -> dict[str, Outlook]:
    days = customers["days_since_last_order"].to_numpy() / 3
    quantiles = regression.fit(customers, days, [{"objective": "quantile", "alpha": q} for q in (0.1, 0.5, 0.9)], small)
    revenue = regression.fit(customers, days, [{"objective": "tweedie"}] * 2, small)
    return {
        "trees": Outlook(
            NextOrder(quantiles, COLUMNS, (1.0, 2.0, 3.0), (-0.7, 2.3), 97.0, ""),
            NextYear(revenue, (1.3, 0.9), COLUMNS, ""),
        ),
        "everybody": Outlook(NextOrder((), (), (1.0, 2.0, 3.0), (0.1, 0.2), 97.0, ""), simple_formula("")),
    }


def in_parts(say: Callable[[pd.DataFrame], Any], table: pd.DataFrame, rows: int) -> bytes:
    said = [np.asarray(say(table.iloc[start : start + rows])) for start in range(0, len(table), rows)]
    return np.ascontiguousarray(np.concatenate(said)).tobytes()


def assert_any_part_says_the_same(say: Callable[[pd.DataFrame], Any], table: pd.DataFrame) -> None:
    whole = np.asarray(say(table))
    expected = np.ascontiguousarray(whole).tobytes()
    for rows in (1, 7, 100):
        assert in_parts(say, table, rows) == expected, rows
    order = np.random.default_rng(5).permutation(len(table))
    found = np.empty_like(whole)
    found[order] = np.asarray(say(table.iloc[order]))
    assert np.ascontiguousarray(found).tobytes() == expected
    # The same numbers, each column by itself in memory.
    assert np.ascontiguousarray(say(pd.DataFrame({name: table[name].copy() for name in table}))).tobytes() == expected


@pytest.mark.parametrize("name", ["trees", "line", "lifetime", "blend"])
def test_margins(customers, rankers, name):
    assert_any_part_says_the_same(lambda part: rankers[name].margin(part), customers)


@pytest.mark.parametrize("name", ["trees", "line", "lifetime", "blend"])
def test_contributions(customers, rankers, name):
    assert_any_part_says_the_same(lambda part: rankers[name].contributions(part), customers)


@pytest.mark.parametrize("method", ["none", "sigmoid", "isotonic"])
def test_probabilities(customers, rankers, method):
    calibrator = Calibrator(method, 0.9, 0.1, x=(-2.0, 0.1, 3.0), y=(0.05, 0.4, 0.97))
    assert_any_part_says_the_same(lambda part: calibrator.probability(rankers["trees"].margin(part)), customers)


@pytest.mark.parametrize("name", ["trees", "everybody"])
def test_outlooks(customers, outlooks, name):
    assert_any_part_says_the_same(lambda part: np.column_stack(outlooks[name].of(part)), customers)


def test_a_sum_that_rounds_by_the_number_of_rows_is_noticed(customers):
    def share(part: pd.DataFrame) -> pd.Series:
        return part["spend_per_year"] / part["spend_per_year"].sum()

    with pytest.raises(AssertionError):
        assert_any_part_says_the_same(share, customers)
