"""A margin becomes a probability by the method that did best on seasons it was not fitted on."""

import json

import numpy as np
import pytest

from models import calibration
from models.calibration import ISOTONIC_ROWS, Calibrator, choose, fit, sigmoid

PER_MARGIN = 100


def season(offset: float = 0.0, scale: float = 1.0, margins: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose true log-odds are scale × margin + offset, without noise: equal margins hold the expected share."""
    grid = np.linspace(-2.5, 2.5, margins)
    shares = sigmoid(scale * grid + offset)
    churned = np.concatenate([np.arange(PER_MARGIN) < round(PER_MARGIN * share) for share in shares])
    return np.repeat(grid, PER_MARGIN), churned.astype("float64")


def stepped(margins: int) -> tuple[np.ndarray, np.ndarray]:
    """A churn rate that jumps twice, which no sigmoid follows."""
    grid = np.linspace(-2.5, 2.5, margins)
    shares = np.select([grid < -1, grid < 1], [0.1, 0.5], 0.6)
    churned = np.concatenate([np.arange(PER_MARGIN) < round(PER_MARGIN * share) for share in shares])
    return np.repeat(grid, PER_MARGIN), churned.astype("float64")


@pytest.mark.parametrize("folds", [[], [season(scale=0.3)]])
def test_margins_stay_as_they_are_where_there_is_nothing_to_judge_by(folds):
    assert choose(folds) == (Calibrator("none"), {})


def test_margins_that_are_right_stay_as_they_are():
    calibrator, losses = choose([season() for _ in range(4)])
    assert calibrator.method == "none" or losses["none"] - losses["sigmoid"] < 1e-4
    assert calibrator.probability(np.array([0.0, 1.0])) == pytest.approx(sigmoid(np.array([0.0, 1.0])), abs=0.01)


def test_overconfident_margins_are_scaled_back():
    calibrator, losses = choose([season(scale=1 / 3) for _ in range(4)])
    assert calibrator.method == "sigmoid"
    assert calibrator.slope == pytest.approx(1 / 3, abs=0.01)
    assert losses["sigmoid"] < losses["none"]


def test_a_method_that_wins_on_one_lucky_season_is_not_chosen():
    # The first season lies far off and carries the mean; in the three others the fitted method does harm.
    calibrator, losses = choose([season(offset) for offset in (1.0, 0.2, 0.2, 0.2)])
    assert losses["sigmoid"] < losses["none"]
    assert calibrator.method == "none"


def test_a_method_whose_gain_is_no_larger_than_its_scatter_is_not_chosen():
    calibrator, losses = choose([season(offset) for offset in (1.2, 1.2, 0.1, 0.1)])
    assert losses["sigmoid"] < losses["none"]
    assert calibrator.method == "none"


def test_a_shift_that_every_season_shares_is_corrected():
    calibrator, _ = choose([season(offset) for offset in (0.9, 1.0, 1.0, 1.1)])
    assert calibrator.method == "sigmoid"
    assert calibrator.intercept == pytest.approx(1.0, abs=0.05)


def test_isotonic_steps_need_enough_rows():
    few = [stepped(margins=16) for _ in range(4)]
    many = [stepped(margins=17) for _ in range(4)]
    assert sum(len(margins) for margins, _ in few[1:]) < ISOTONIC_ROWS <= sum(len(margins) for margins, _ in many[1:])
    assert "isotonic" not in choose(few)[1]
    calibrator, losses = choose(many)
    assert calibrator.method == "isotonic"
    assert losses["isotonic"] < losses["sigmoid"]


def test_a_season_in_which_everybody_left_judges_no_fitted_method():
    margins, churned = season()
    calibrator, losses = choose([(margins, np.ones_like(churned)), (margins, churned)])
    assert calibrator.method == "none"
    assert list(losses) == ["none"]


METHODS = ["none", "sigmoid", "isotonic"]


@pytest.mark.parametrize("method", METHODS)
def test_a_calibrator_survives_its_json_file(method):
    calibrator = fit(method, *season(offset=0.5, scale=0.7))
    again = Calibrator.from_dict(json.loads(json.dumps(calibrator.to_dict())))
    margins = np.linspace(-9, 9, 301)
    assert again == calibrator
    assert again.probability(margins).tobytes() == calibrator.probability(margins).tobytes()


@pytest.mark.parametrize("method", METHODS)
def test_a_higher_margin_never_means_a_lower_probability(method):
    probability = fit(method, *season(offset=0.5, scale=0.7)).probability(np.linspace(-9, 9, 301))
    assert (np.diff(probability) >= 0).all()
    assert probability[-1] > probability[0]
    assert 0 < probability.min() < probability.max() < 1


def test_isotonic_never_says_never():
    margins = np.array([-2.0, -1.0, 1.0, 2.0])
    probability = fit("isotonic", margins, np.array([0.0, 0.0, 1.0, 1.0])).probability(margins)
    assert probability.tolist() == [1e-4, 1e-4, 1 - 1e-4, 1 - 1e-4]


def test_the_log_loss_is_the_price_of_surprise():
    assert calibration.log_loss(np.array([0.5, 0.5]), np.array([0.0, 1.0])) == pytest.approx(np.log(2))
    assert calibration.log_loss(np.array([0.8]), np.array([1.0])) == pytest.approx(-np.log(0.8))
