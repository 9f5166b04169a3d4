"""Metrics agree with scikit-learn, and intervals come from drawing customers with all their rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics

from models.evaluation import auroc, brier, ece, evaluate, lift_top_decile, log_loss, reliability

ROWS = 40


@st.composite
def scored(draw):
    # Few distinct scores: ties are the rule; weights are how often a customer was drawn.
    score = draw(hnp.arrays("float64", ROWS, elements=st.sampled_from([0.05, 0.2, 0.5, 0.5000001, 0.9])))
    churned = draw(hnp.arrays("float64", ROWS, elements=st.sampled_from([0.0, 1.0])))
    weight = draw(hnp.arrays("float64", ROWS, elements=st.integers(0, 3).map(float)))
    churned[:2], weight[:2] = [0, 1], [1, 2]
    return score, churned, weight


@given(scored())
def test_auroc_is_that_of_scikit_learn_with_ties_and_weights(case):
    score, churned, weight = case
    assert auroc(score, churned, weight) == pytest.approx(
        metrics.roc_auc_score(churned, score, sample_weight=weight), abs=1e-12
    )


@given(scored())
def test_brier_and_log_loss_are_those_of_scikit_learn(case):
    score, churned, weight = case
    assert brier(score, churned, weight) == pytest.approx(
        metrics.brier_score_loss(churned, score, sample_weight=weight), abs=1e-12
    )
    assert log_loss(score, churned, weight) == pytest.approx(
        metrics.log_loss(churned, score, sample_weight=weight), abs=1e-9
    )


def test_a_certain_and_wrong_probability_costs_much_but_not_infinitely():
    assert 20 < log_loss(np.array([1.0]), np.array([0.0]), np.ones(1)) < 21


def test_auroc_needs_both_classes():
    assert np.isnan(auroc(np.array([0.1, 0.9]), np.array([1.0, 1.0]), np.ones(2)))
    assert np.isnan(auroc(np.array([0.1, 0.9]), np.array([0.0, 1.0]), np.array([1.0, 0.0])))


def calibrated() -> tuple[np.ndarray, np.ndarray]:
    """Ten groups of a hundred rows in which exactly the predicted share churned."""
    shares = np.arange(5, 100, 10)
    probability = np.repeat(shares / 100, 100)
    churned = np.concatenate([np.arange(100) < share for share in shares]).astype("float64")
    return probability, churned


def test_ece_of_a_calibrated_score_is_nothing_and_of_a_shifted_one_the_shift():
    probability, churned = calibrated()
    ones = np.ones(len(churned))
    assert ece(probability, churned, ones) == pytest.approx(0, abs=1e-12)
    assert ece(probability + 0.03, churned, ones) == pytest.approx(0.03)
    assert ece(probability - 0.04, churned, ones) == pytest.approx(0.04)


def test_ece_counts_a_row_as_often_as_it_was_drawn():
    probability, churned = calibrated()
    lower_half = np.arange(len(churned)) < 500
    shifted = probability + np.where(lower_half, 0.04, 0.0)
    drawn = np.where(lower_half, 3, 1)
    assert ece(shifted, churned, np.ones(len(churned))) == pytest.approx(0.02)
    assert ece(shifted, churned, drawn.astype("float64")) == pytest.approx(
        ece(shifted.repeat(drawn), churned.repeat(drawn), np.ones(drawn.sum())), abs=1e-3
    )


def test_reliability_shows_ten_groups_with_predicted_and_observed_share():
    probability, churned = calibrated()
    groups = reliability(probability, churned)
    assert [group["rows"] for group in groups] == [100] * 10
    assert [group["predicted"] for group in groups] == pytest.approx([group["observed"] for group in groups])
    assert len(reliability(probability[:3], churned[:3])) == 3


def test_lift_is_the_churn_of_the_top_tenth_over_that_of_all():
    score = np.arange(100) / 100
    churned = np.zeros(100)
    churned[90:98] = 1  # eight of the ten with the highest scores
    churned[:12] = 1
    assert lift_top_decile(score, churned) == pytest.approx(0.8 / 0.2)
    assert np.isnan(lift_top_decile(score, np.zeros(100)))


def origin(name: str, rows: int = 120, seed: int = 1, prefix: str = "c") -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.1, 0.9, rows)
    return pd.DataFrame(
        {
            "customer_id": [f"{prefix}{n:03d}" for n in range(rows)],
            "origin": name,
            "churned": (rng.uniform(size=rows) < truth).astype("int8"),
            "wafa": truth,
            "recency": np.clip(truth + rng.normal(0, 0.3, rows), 0.01, 0.99),
        }
    )


MODELS = {"wafa": "wafa", "recency": "recency"}
ORIGINS = [f"2025-0{month}-01" for month in (1, 4, 7)]


def paired_width(rows: pd.DataFrame) -> float:
    gap = evaluate(rows, MODELS, draws=200, seed=7)["paired"]["wafa - recency"]["auroc"]
    assert gap["low"] <= gap["value"] <= gap["high"]
    return gap["high"] - gap["low"]


def test_the_rows_of_a_customer_are_drawn_together():
    same_people = pd.concat([origin(name) for name in ORIGINS], ignore_index=True)
    other_people = pd.concat([origin(name, prefix=f"{name} ") for name in ORIGINS], ignore_index=True)
    # Seeing the same people three times says nothing new: the interval is that of one origin.
    assert paired_width(same_people) == pytest.approx(paired_width(origin(ORIGINS[0])), abs=2e-6)
    assert paired_width(other_people) < 0.75 * paired_width(same_people)


def test_intervals_follow_from_the_seed_alone():
    rows = origin("2025-01-01")
    once = evaluate(rows, MODELS, draws=60, seed=7)
    assert evaluate(rows, MODELS, draws=60, seed=7) == once
    assert evaluate(rows, MODELS, draws=60, seed=8)["paired"] != once["paired"]
    assert evaluate(rows.sample(frac=1, random_state=3), MODELS, draws=60, seed=7)["mean"] == once["mean"]


def test_a_model_differs_from_itself_by_nothing():
    rows = pd.concat([origin(name, seed=n) for n, name in enumerate(ORIGINS)], ignore_index=True)
    paired = evaluate(rows.assign(twin=rows["wafa"]), {"wafa": "wafa", "twin": "twin"}, 60, 7)["paired"]
    assert list(paired) == ["wafa - twin"]
    for gap in paired["wafa - twin"].values():
        assert gap == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_a_value_lies_in_its_interval_and_the_mean_is_over_origins():
    rows = pd.concat([origin(name, seed=n) for n, name in enumerate(ORIGINS)], ignore_index=True)
    found = evaluate(rows, MODELS, draws=100, seed=7)
    values = [o["models"]["wafa"]["auroc"] for o in found["origins"]]
    assert [o["origin"] for o in found["origins"]] == ORIGINS
    assert all(v["low"] < v["value"] < v["high"] for v in values)
    assert found["mean"]["wafa"]["auroc"] == pytest.approx(np.mean([v["value"] for v in values]), abs=1e-6)
    assert [o["rows"] for o in found["origins"]] == [o["customers"] for o in found["origins"]] == [120] * 3
    assert found["origins"][0]["max_lift"] == pytest.approx(1 / found["origins"][0]["base_rate"], abs=1e-4)


def test_what_is_not_defined_is_none():
    rows = origin("2025-01-01", rows=30).assign(churned=0)
    found = evaluate(rows, MODELS, draws=50, seed=7)
    wafa = found["origins"][0]["models"]["wafa"]
    assert wafa["auroc"] == {"value": None, "low": None, "high": None}
    assert wafa["lift_top_decile"] is None
    assert found["origins"][0]["max_lift"] is None
    assert found["mean"]["wafa"]["auroc"] is None
    assert found["paired"]["wafa - recency"]["auroc"]["value"] is None
    assert wafa["brier"]["value"] > 0


def test_a_draw_without_anybody_of_a_small_origin_is_left_out():
    rows = pd.concat([origin("2025-01-01"), origin("2025-04-01", rows=3, prefix="new")], ignore_index=True)
    brier_of_three = evaluate(rows, MODELS, draws=200, seed=7)["origins"][1]["models"]["wafa"]["brier"]
    assert brier_of_three["low"] <= brier_of_three["value"] <= brier_of_three["high"]
