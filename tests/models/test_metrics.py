"""Metrics agree with scikit-learn and empulse, count a row as often as it was drawn, and never order equals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import spearmanr
from sklearn import metrics

from models.costs import EvaluationSettings
from models.metrics import (
    Agreement,
    Ranked,
    auroc,
    average_precision_of_returners,
    brier,
    capture,
    ece,
    expected_profit,
    lift,
    log_loss,
)

ROWS = 40


@st.composite
def scored(draw):
    # Few distinct scores: ties are the rule; weights are how often a customer was drawn.
    score = draw(hnp.arrays("float64", ROWS, elements=st.sampled_from([0.05, 0.2, 0.5, 0.5000001, 0.9])))
    churned = draw(hnp.arrays("float64", ROWS, elements=st.sampled_from([0.0, 1.0])))
    weight = draw(hnp.arrays("float64", ROWS, elements=st.integers(0, 3).map(float)))
    churned[:2], weight[:2] = [0, 1], [1, 2]
    return score, churned, weight


@settings(deadline=None)
@given(scored())
def test_auroc_is_that_of_scikit_learn_with_ties_and_weights(case):
    score, churned, weight = case
    assert auroc(score, churned, weight) == pytest.approx(
        metrics.roc_auc_score(churned, score, sample_weight=weight), abs=1e-12
    )


@settings(deadline=None)
@given(scored())
def test_average_precision_is_that_of_scikit_learn_on_those_who_stayed(case):
    score, churned, weight = case
    assert average_precision_of_returners(score, churned, weight) == pytest.approx(
        metrics.average_precision_score(1 - churned, -score, sample_weight=weight), abs=1e-12
    )


@settings(deadline=None)
@given(scored())
def test_brier_and_log_loss_are_those_of_scikit_learn(case):
    score, churned, weight = case
    assert brier(score, churned, weight) == pytest.approx(
        metrics.brier_score_loss(churned, score, sample_weight=weight), abs=1e-12
    )
    assert log_loss(score, churned, weight) == pytest.approx(
        metrics.log_loss(churned, score, sample_weight=weight), abs=1e-9
    )


COSTS = EvaluationSettings(
    acceptance_alpha=6, acceptance_beta=14, customer_value=20_000, offer_cost=1_000, contact_cost=100
)


def everything(score, churned, weight) -> list[float]:
    held = Ranked.by(score, churned).weigh(weight)
    return [
        *(held.auroc(), held.average_precision_of_returners(), held.ece(), *held.expected_profit(COSTS)),
        *(*held.capture([0.05, 0.3]), *held.best_capture([0.05, 0.3]), *np.concatenate(held.bins())),
    ]


@settings(deadline=None)
@given(scored(), st.randoms(use_true_random=False))
def test_the_order_of_rows_with_equal_scores_changes_nothing(case, chance):
    shuffled = list(range(ROWS))
    chance.shuffle(shuffled)
    assert everything(*(values[shuffled] for values in case)) == pytest.approx(everything(*case), abs=1e-9, nan_ok=True)


@settings(deadline=None)
@given(scored())
def test_a_row_counts_as_often_as_it_was_drawn(case):
    score, churned, weight = case
    times = weight.astype(int)
    repeated = everything(score.repeat(times), churned.repeat(times), np.ones(times.sum()))
    assert everything(*case) == pytest.approx(repeated, abs=1e-9)


def test_a_certain_and_wrong_probability_costs_much_but_not_infinitely():
    assert 20 < log_loss(np.array([1.0]), np.array([0.0]), np.ones(1)) < 21


def test_auroc_needs_both_classes():
    assert np.isnan(auroc(np.array([0.1, 0.9]), np.array([1.0, 1.0]), np.ones(2)))
    assert np.isnan(auroc(np.array([0.1, 0.9]), np.array([0.0, 1.0]), np.array([1.0, 0.0])))


def test_average_precision_needs_somebody_who_stayed():
    assert np.isnan(average_precision_of_returners(np.array([0.1, 0.9]), np.ones(2), np.ones(2)))
    assert average_precision_of_returners(np.array([0.1, 0.9]), np.zeros(2), np.ones(2)) == 1


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


def test_bins_show_predicted_and_observed_share_from_the_lowest_score_up():
    probability, churned = calibrated()
    predicted, observed = Ranked.by(probability, churned).weigh(np.ones(len(churned))).bins()
    assert predicted == pytest.approx(np.arange(5, 100, 10) / 100)
    assert observed == pytest.approx(predicted)


def test_lift_is_the_churn_of_the_top_tenth_over_that_of_all():
    score = np.arange(100) / 100
    churned = np.zeros(100)
    churned[90:98] = 1  # eight of the ten with the highest scores
    churned[:12] = 1
    assert lift(score, churned, 0.1) == pytest.approx(0.8 / 0.2)
    assert capture(score, churned, 0.1) == pytest.approx(8 / 20)
    assert np.isnan(lift(score, np.zeros(100), 0.1))


def test_a_list_holds_no_more_leavers_than_places():
    churned = np.arange(100) < 40
    held = Ranked.by(-np.arange(100.0), churned.astype("float64")).weigh(np.ones(100))
    assert held.best_capture([0.05, 0.3, 0.5]) == pytest.approx([0.05 / 0.4, 0.75, 1])
    # These rows are ranked perfectly.
    assert held.capture([0.05, 0.3, 0.5]) == pytest.approx([0.05 / 0.4, 0.75, 1])


def test_a_score_that_tells_nothing_captures_the_share_it_looks_at():
    churned = (np.arange(1000) % 3 == 0).astype("float64")
    assert capture(np.full(1000, 0.4), churned, 0.2) == pytest.approx(0.2)


# Verbraken, Verbeke & Baesens (2013) as empulse 0.13.1 computes it: (alpha, beta, value, offer, contact), profit per
# customer, share to write to. `empc_score` and `empc_score.optimal_rate`.
EIGHT = ([0, 1, 0, 1, 0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9])
TWELVE = ([1, 1, 1, 0, 1, 0, 0, 1, 0, 0, 1, 0], [0.9, 0.8, 0.8, 0.7, 0.7, 0.6, 0.5, 0.5, 0.4, 0.3, 0.2, 0.1])
RECORDED = [
    (EIGHT, (6, 14, 200, 10, 1), 23.875593418348124, 0.8743700763487141),
    (EIGHT, (2, 5, 100, 30, 5), 2.0016709742425407, 0.15894058744124473),
    (EIGHT, (1, 1, 50, 0, 1), 11.64125, 0.8424999999999999),
    (EIGHT, (3, 30, 80, 5, 4), 0.4546279249374754, 0.14479523251778192),
    (TWELVE, (6, 14, 200, 10, 1), 23.43077852055581, 0.9060065454590013),
    (TWELVE, (2, 5, 100, 30, 5), 3.802696687703313, 0.24352440176924578),
    (TWELVE, (1, 1, 50, 0, 1), 11.604166666666666, 0.875),
    (TWELVE, (3, 30, 80, 5, 4), 0.7962447371472593, 0.2012991937737576),
]


@pytest.mark.parametrize(("case", "assumed", "profit", "share"), RECORDED)
def test_expected_maximum_profit_is_that_of_empulse(case, assumed, profit, share):
    churned, score = (np.array(values, dtype="float64") for values in case)
    names = ("acceptance_alpha", "acceptance_beta", "customer_value", "offer_cost", "contact_cost")
    costs = EvaluationSettings(**dict(zip(names, assumed, strict=True)))
    found = expected_profit(score, churned, np.ones(len(score)), costs)
    assert found == pytest.approx((profit, share), abs=1e-9)


def test_expected_maximum_profit_by_hand():
    # The perfect ranking writes to the leavers where γ · 190 > 1, nearly always: π (190 E[γ] − 1), E[γ] = 0.3.
    churned = (np.arange(100) < 25).astype("float64")
    profit, share = expected_profit(churned, churned, np.ones(100), COSTS)
    assert profit == pytest.approx(0.25 * (19_000 * 0.3 - 100), rel=1e-6)
    assert share == pytest.approx(0.25, rel=1e-6)


def test_where_an_offer_never_pays_nobody_is_written_to():
    dear = COSTS.model_copy(update={"contact_cost": 19_000})
    rng = np.random.default_rng(1)
    assert expected_profit(rng.uniform(size=200), (rng.uniform(size=200) < 0.5) * 1.0, np.ones(200), dear) == (0, 0)


@settings(deadline=None)
@given(scored())
def test_rank_correlation_is_that_of_scipy(case):
    first, _, weight = case
    second = np.roll(first, 1)
    times = weight.astype(int)
    if len(np.unique(first.repeat(times))) < 2 or len(np.unique(second.repeat(times))) < 2:
        return
    expected = spearmanr(first.repeat(times), second.repeat(times)).statistic
    assert Agreement.of(first, second).rank_correlation(weight) == pytest.approx(expected, abs=1e-9)


def test_overlap_of_the_top_tenth():
    score = np.arange(100.0)
    ones = np.ones(100)
    assert Agreement.of(score, score).top_overlap(ones) == 1
    assert Agreement.of(score, -score).top_overlap(ones) == 0
    assert Agreement.of(score, np.roll(score, 4)).top_overlap(ones) == pytest.approx(0.6)
    # Where one score cannot tell anybody from anybody, its top tenth is a tenth of everybody.
    assert Agreement.of(score, np.zeros(100)).top_overlap(ones) == pytest.approx(0.1)
    assert np.isnan(Agreement.of(score, np.zeros(100)).rank_correlation(ones))
