"""Days until the next order: windows that hold four in five, never cross, and know nothing of the future."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models import timing
from models.settings import ModelSettings
from models.timing import NextOrder, missing_days, pinball
from tests.models.outlook_world import COLUMNS, GAP, HORIZON, QUICK, SLOW, at, cutoff, shop, trainer

ORIGIN = 14


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return shop(months=ORIGIN + 1, customers=1_200)


@pytest.fixture(scope="module")
def model(rows: pd.DataFrame, small: ModelSettings) -> NextOrder:
    return trainer(rows, small).next_order.at(cutoff(ORIGIN))


def test_the_quantiles_are_those_of_the_world(rows: pd.DataFrame, model: NextOrder) -> None:
    assert model.kind == "trees"
    here = at(rows, ORIGIN)
    days = model.days(here)
    for fast, (low, high) in ((1.0, QUICK), (0.0, SLOW)):
        true = low + np.array(timing.QUANTILES) * (high - low)
        assert np.abs(days[here["fast"] == fast].mean(axis=0) - true).max() < 0.1 * (high - low)


def test_the_window_holds_four_in_five_of_those_who_order(model: NextOrder) -> None:
    here = shop(months=1, customers=10_000, seed=2)
    days, actual = model.days(here), here["days_to_next_order"].to_numpy()
    came = ~np.isnan(actual)
    assert 0.77 <= ((actual >= days[:, 0]) & (actual <= days[:, 2]))[came].mean() <= 0.83
    for fast in (0.0, 1.0):
        kind = came & (here["fast"] == fast).to_numpy()
        assert 0.74 <= ((actual >= days[:, 0]) & (actual <= days[:, 2]))[kind].mean() <= 0.86


def test_windows_that_are_too_narrow_are_widened_on_purged_origins(small: ModelSettings) -> None:
    # From the fourth month on everybody comes back later by ten days than the months that taught the trees say.
    rows = shop(months=9, customers=1_500)
    late = rows["cutoff"] >= cutoff(4)
    rows.loc[late, "days_to_next_order"] += 10
    model = trainer(rows, small).next_order.at(cutoff(8))
    assert trainer(rows, small).next_order.folds(cutoff(8)) == [cutoff(4)]
    # One in ten may be later than the window, which without the move half of them would be.
    moved = model.days(at(rows, 4))[:, 2]
    plain = dataclasses.replace(model, moved=(0.0, 0.0)).days(at(rows, 4))[:, 2]
    assert model.moved[1] > 5
    assert (moved > plain).mean() > 0.9


@given(
    arrays("float64", (5, 3), elements=st.floats(-50, 300, allow_nan=False)),
    st.tuples(st.floats(-90, 90), st.floats(-90, 90)),
)
def test_quantiles_never_cross_whatever_the_trees_and_the_moves_say(plain: np.ndarray, moved: tuple) -> None:
    for row in plain:
        model = NextOrder((), (), tuple(row), moved, 97.0, "")
        days = model.days(pd.DataFrame(index=range(2)))
        assert (np.diff(days, axis=1) >= 0).all()
        assert days.min() >= 0
        assert days.max() <= 97


@given(arrays("float64", (40, 5), elements=st.floats(-1e9, 1e9) | st.just(np.nan)))
def test_trees_never_cross_whatever_they_are_asked(model: NextOrder, values: np.ndarray) -> None:
    days = model.days(pd.DataFrame(values, columns=COLUMNS))
    assert (np.diff(days, axis=1) >= 0).all()
    assert days.min() >= 0
    assert days.max() <= GAP + HORIZON


def test_missing_days_leave_one_in_ten_beyond_each_end() -> None:
    actual = np.arange(1.0, 100.0)
    first, last = missing_days(np.zeros((99, 3)), actual)
    assert ((actual < first).sum(), (actual > last).sum()) == (9, 9)


def test_pinball_is_the_loss_that_quantiles_minimise() -> None:
    loss = pinball(np.array([[10.0, 10.0, 10.0]]), np.array([20.0]))
    assert loss.tolist() == [pytest.approx([1.0, 5.0, 9.0])]
    loss = pinball(np.array([[10.0, 10.0, 10.0]]), np.array([0.0]))
    assert loss.tolist() == [pytest.approx([9.0, 5.0, 1.0])]


def test_few_who_came_back_get_the_days_of_everybody(small: ModelSettings) -> None:
    rows = shop(months=ORIGIN + 1, customers=60)
    model = trainer(rows, small).next_order.at(cutoff(ORIGIN))
    assert (model.kind, model.columns) == ("everybody", ())
    assert model.why == "fewer than 1,000 customers had come back before"
    assert len(np.unique(model.days(at(rows, ORIGIN)), axis=0)) == 1


def test_without_an_earlier_origin_nothing_could_test_trees(rows: pd.DataFrame, small: ModelSettings) -> None:
    model = trainer(rows, small).next_order.at(cutoff(7))
    assert model.why == "no earlier date could test trees"
    assert model.moved == (0.0, 0.0)


def test_trees_that_do_no_better_are_not_used(rows: pd.DataFrame, small: ModelSettings) -> None:
    blind = rows.assign(fast=0.0)
    blind["noise"] = np.random.default_rng(3).normal(size=len(blind))
    model = trainer(blind, small).next_order.at(cutoff(ORIGIN))
    assert model.why == "trees did no better on earlier dates"
    days, actual = model.days(at(blind, ORIGIN)), at(blind, ORIGIN)["days_to_next_order"].dropna().to_numpy()
    assert 0.77 <= ((actual >= days[0, 0]) & (actual <= days[0, 2])).mean() <= 0.83


def test_nobody_came_back_is_no_mistake(small: ModelSettings) -> None:
    rows = shop(months=ORIGIN + 1, customers=20).assign(days_to_next_order=np.nan)
    model = trainer(rows, small).next_order.at(cutoff(ORIGIN))
    assert model.everybody == pytest.approx((9.7, 48.5, 87.3))


def test_the_files_give_the_same_bits_again(rows: pd.DataFrame, model: NextOrder) -> None:
    here = at(rows, ORIGIN)
    again = NextOrder.from_files(model.to_files())
    assert again.to_files() == model.to_files()
    assert again.days(here).tobytes() == model.days(here).tobytes()


def test_parts_and_order_of_the_rows_change_no_bit(rows: pd.DataFrame, model: NextOrder) -> None:
    here = at(rows, ORIGIN)
    whole = model.days(here)
    for size in (1, 7, 400):
        parts = [model.days(here.iloc[start : start + size]) for start in range(0, 800, size)]
        assert np.vstack(parts)[:800].tobytes() == whole[:800].tobytes()
    places = np.random.default_rng(1).permutation(len(here))
    assert model.days(here.iloc[places]).tobytes() == whole[places].tobytes()
    assert model.days(here.iloc[:0]).shape == (0, 3)


def test_a_missing_column_is_named(rows: pd.DataFrame, model: NextOrder) -> None:
    with pytest.raises(ValueError, match=r"lacks 1 of the 5 columns .* \(first: noise\)"):
        model.days(at(rows, ORIGIN).drop(columns="noise"))


def test_the_order_of_fits_changes_no_file(rows: pd.DataFrame, small: ModelSettings) -> None:
    forward, backward = (trainer(rows, small) for _ in range(2))
    for job in forward.jobs([cutoff(8)], cutoff(ORIGIN)):
        job()
    for job in backward.jobs([cutoff(8)], cutoff(ORIGIN))[::-1]:
        job()
    fitted = len(forward.next_order.fitted), len(forward.next_year.fitted)
    assert forward.final(cutoff(ORIGIN)).to_files() == backward.final(cutoff(ORIGIN)).to_files()
    assert forward.tested(cutoff(8)).to_files() == backward.tested(cutoff(8)).to_files()
    # Nothing is left to be fitted once the jobs are done.
    assert (len(forward.next_order.fitted), len(forward.next_year.fitted)) == fitted
