"""One intensity moves every probability of a season together, and no rank."""

import numpy as np
import pytest

from models import drift
from models.calibration import Calibrator


def test_twice_as_many_orders_square_the_chance_of_none():
    p = np.array([0.2, 0.5, 0.9])
    assert drift.at_intensity(p, np.log(2)) == pytest.approx(p**2)
    assert drift.at_intensity(p, 0.0) is p


def test_the_intensity_gives_back_the_base_rate():
    p = np.random.default_rng(2).uniform(0.05, 0.95, 1_000)
    for rate in (0.3, 0.5, 0.7):
        assert drift.at_intensity(p, drift.intensity(p, rate)).mean() == pytest.approx(rate, abs=1e-6)


def test_an_intensity_that_no_season_has_is_not_believed():
    p = np.full(100, 0.5)
    assert drift.intensity(p, 0.0) == drift.FARTHEST
    assert drift.intensity(p, 1.0) == -drift.FARTHEST


def test_last_years_season_goes_before_the_last_months():
    assert drift.expected(0.3, {1: -0.4, 2: -0.2}) == (0.3, "the same season last year")
    value, source = drift.expected(None, {1: -0.4, 2: -0.2})
    assert value == pytest.approx(-0.15)
    assert source.startswith("half of what the last months show")
    assert drift.expected(None, {})[0] == 0.0


@pytest.mark.parametrize(
    "calibrator",
    [
        Calibrator("none"),
        Calibrator("sigmoid", 0.8, 0.2),
        Calibrator("isotonic", x=(-1.0, 0.0, 2.0), y=(0.1, 0.4, 0.8)),
    ],
)
def test_drift_changes_the_level_and_no_rank(calibrator):
    margins = np.linspace(-3, 3, 50)
    steady = calibrator.probability(margins)
    moved = Calibrator(**{**vars(calibrator), "intensity": 0.4})
    assert (moved.probability(margins) < steady).all()
    assert (np.argsort(moved.probability(margins), kind="stable") == np.argsort(steady, kind="stable")).all()
    assert moved.without_drift().probability(margins).tobytes() == steady.tobytes()
    assert Calibrator.from_dict(moved.to_dict()) == moved
