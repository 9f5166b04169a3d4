"""Alarms over columns: one that knows the answer, and one that moves with the cutoff, each with numbers by hand."""

import math

import numpy as np
import pytest

from models import alarms

NAN = float("nan")
CHURNED = np.array([0.0, 0.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([1, 2, 3, 4], 1.0, id="high means leaving"),
        pytest.param([4, 3, 2, 1], 1.0, id="low means leaving"),
        pytest.param([1, 3, 2, 4], 0.75, id="one pair the wrong way"),
        pytest.param([5, 5, 5, 5], 0.5, id="the same for all"),
        pytest.param([1, 9, NAN, NAN], 1.0, id="missing means leaving"),
        pytest.param([NAN, NAN, 1, 9], 1.0, id="missing means staying"),
        pytest.param([NAN, NAN, NAN, NAN], 0.5, id="missing for all"),
        # As the lowest value: 3 against NaN and 1 is right twice, NaN against NaN and 1 is half and wrong: 2.5 of 4.
        pytest.param([NAN, 1, NAN, 3], 0.625, id="missing on both sides"),
    ],
)
def test_how_much_a_column_tells_alone(values: list[float], expected: float) -> None:
    assert alarms.alone(np.array(values, dtype="float64"), CHURNED) == expected


def test_one_class_alone_tells_nothing() -> None:
    assert math.isnan(alarms.alone(np.array([1.0, 2.0]), np.zeros(2)))


def test_stability_index_of_two_halves_by_hand() -> None:
    older = np.repeat([0.0, 1.0], [75, 25])
    newer = np.repeat([0.0, 1.0], [25, 75])
    # Half a row more in each of two bins: 75.5 and 25.5 of 101.
    expected = 2 * (50 / 101) * math.log(75.5 / 25.5)
    assert alarms.stability_index(older, newer) == pytest.approx(expected)
    assert alarms.stability_index(older, older) == 0


def test_missing_is_a_bin_of_its_own() -> None:
    known, half = np.arange(100.0), np.where(np.arange(100) % 2, NAN, np.arange(100.0))
    assert alarms.stability_index(known, half) > 1
    assert alarms.stability_index(half, half) == 0
    assert alarms.stability_index(np.full(9, NAN), np.full(9, NAN)) == 0


def test_chance_alone_rarely_exceeds_its_index() -> None:
    rng = np.random.default_rng(1)
    pairs = [(rng.normal(size=200), rng.normal(size=300)) for _ in range(500)]
    over = [alarms.stability_index(*pair) > alarms.chance_index(*pair) for pair in pairs]
    assert sum(over) <= 4
    # Small samples move by chance more than the fixed limit allows.
    few = [(rng.normal(size=40), rng.normal(size=40)) for _ in range(100)]
    assert sum(alarms.stability_index(*pair) > 0.25 for pair in few) > 50
    assert sum(alarms.stability_index(*pair) > alarms.chance_index(*pair) for pair in few) <= 2


def test_chance_index_of_one_value_is_zero() -> None:
    assert alarms.chance_index(np.full(9, NAN), np.full(9, NAN)) == 0


def test_steadiness_tells_growth_from_a_season() -> None:
    base = np.arange(50.0)
    assert alarms.steadiness([base + 3 * step for step in range(8)]) == pytest.approx(1)
    assert alarms.steadiness([base - 3 * step for step in range(8)]) == pytest.approx(-1)
    season = [base + 30 * math.sin(step) for step in range(12)]
    assert abs(alarms.steadiness(season)) < 0.5
    assert alarms.steadiness([base] * 6) == 0
    # More and more known values: missing counts as lowest.
    fuller = [np.where(np.arange(50) < 5 * step, base, NAN) for step in range(1, 9)]
    assert alarms.steadiness(fuller) == pytest.approx(1)
