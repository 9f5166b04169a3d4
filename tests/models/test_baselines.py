"""What a shop could do without us is fitted fairly, so that the comparison is worth something."""

import json

import numpy as np
import pandas as pd
import pytest

from models.baselines import RECENCY, RFM, Logistic, fit_logistic


@pytest.fixture
def shop() -> tuple[pd.DataFrame, pd.Series]:
    rng = np.random.default_rng(5)
    days = rng.integers(0, 365, 800)
    rows = pd.DataFrame(
        {
            "days_since_last_order": days.astype(float),
            "days_with_order_so_far": rng.integers(1, 30, 800).astype(float),
            "spend_per_year": rng.integers(0, 90_000, 800).astype(float),
        }
    )
    return rows, pd.Series((rng.uniform(0, 365, 800) < days).astype("int8"))


def test_recency_ranks_by_the_days_since_the_last_order(shop):
    rows, churned = shop
    scores = fit_logistic(RECENCY, rows, churned).probability(rows)
    by_days = np.argsort(rows["days_since_last_order"].to_numpy(), kind="stable")
    assert (np.diff(scores[by_days]) >= 0).all()


@pytest.mark.parametrize("columns", [RECENCY, RFM])
def test_a_baseline_predicts_the_churn_rate_it_was_fitted_on(shop, columns):
    rows, churned = shop
    assert fit_logistic(columns, rows, churned).probability(rows).mean() == pytest.approx(churned.mean(), abs=0.01)


def test_a_baseline_survives_its_json_file(shop):
    rows, churned = shop
    line = fit_logistic(RFM, rows, churned)
    again = Logistic.from_dict(json.loads(json.dumps(line.to_dict())))
    assert again == line
    assert again.probability(rows).tobytes() == line.probability(rows).tobytes()


def test_unknown_and_negative_numbers_count_as_nothing(shop):
    rows, churned = shop
    line = fit_logistic(RFM, rows, churned)
    odd = rows.head(1).assign(spend_per_year=np.nan), rows.head(1).assign(spend_per_year=-5.0)
    none = rows.head(1).assign(spend_per_year=0.0)
    assert [line.margin(row)[0] for row in odd] == [line.margin(none)[0]] * 2


def test_a_column_that_never_varies_does_no_harm(shop):
    rows, churned = shop
    line = fit_logistic(RFM, rows.assign(spend_per_year=0.0), churned)
    assert np.isfinite(line.margin(rows)).all()
