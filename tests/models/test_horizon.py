"""Shares and quantiles behind a choice of horizon, with numbers written by hand."""

import numpy as np
import pandas as pd
import pytest

from models.horizon import by_horizon, counts_at, gap_quantiles, shortest_accepted, with_shares
from timeline import DAY_US

NEVER = float("nan")


def at(*days: float) -> np.ndarray:
    """Instants so many days after the cutoff, which is day 0."""
    return np.array(days) * DAY_US


def test_each_horizon_counts_who_stayed_away_and_who_came_back_in_the_same_number_of_days():
    # Gap 7, watched for 60 days. Label windows: [7, 37) and [7, 97); watched: [37, 97) and [97, 157).
    next_order = at(7, 36.999, 37, 96.999, 97, 156.999, 157, 499, NEVER)
    short, long = counts_at(next_order, 0, 7, [90, 30], 60, 500 * DAY_US)
    assert short == {"horizon_days": 30, "customers": 9, "churned": 7, "came_back": 2, "came_back_by_end": 6}
    assert long == {"horizon_days": 90, "customers": 9, "churned": 5, "came_back": 2, "came_back_by_end": 4}


def test_a_horizon_whose_watching_has_not_ended_is_left_out():
    ends = (7 + 90 + 60) * DAY_US
    assert [row["horizon_days"] for row in counts_at(at(8), 0, 7, [30, 90], 60, ends)] == [30, 90]
    assert [row["horizon_days"] for row in counts_at(at(8), 0, 7, [30, 90], 60, ends - 1)] == [30]


def rows(**came_back: float) -> list[dict[str, object]]:
    return [{"horizon_days": int(name[1:]), "came_back_share": share} for name, share in came_back.items()]


def test_shares_are_of_all_and_of_those_labelled_churned():
    row = with_shares({"customers": 8, "churned": 4, "came_back": 1, "came_back_by_end": 3})
    assert (row["churned_share"], row["came_back_share"], row["came_back_by_end_share"]) == (0.5, 0.25, 0.75)
    nobody = with_shares({"customers": 8, "churned": 0, "came_back": 0, "came_back_by_end": 0})
    assert (nobody["churned_share"], nobody["came_back_share"]) == (0.0, None)


def test_cutoffs_are_added_up_and_the_range_over_them_is_kept():
    first = {"horizon_days": 30, "customers": 100, "churned": 50, "came_back": 10, "came_back_by_end": 20}
    second = {"horizon_days": 30, "customers": 300, "churned": 150, "came_back": 60, "came_back_by_end": 75}
    empty = {"horizon_days": 30, "customers": 5, "churned": 0, "came_back": 0, "came_back_by_end": 0}
    (row,) = by_horizon([first, second, empty])
    assert (row["cutoffs"], row["customers"], row["churned"], row["came_back"]) == (3, 405, 200, 70)
    assert (row["came_back_share"], row["lowest"], row["highest"]) == (0.35, 0.2, 0.4)


@pytest.mark.parametrize(("accepted", "horizon"), [(0.6, 30), (0.35, 90), (0.3499, 180), (0.1, 180), (0.0999, None)])
def test_the_shortest_horizon_that_is_wrong_no_more_often_than_accepted(accepted, horizon):
    assert shortest_accepted(rows(h30=0.5, h60=None, h90=0.35, h180=0.1), accepted) == horizon
    assert shortest_accepted([], accepted) is None


def gaps(finished: dict[int, int], still_open: dict[int, int]) -> pd.DataFrame:
    kinds = [(finished, True), (still_open, False)]
    return pd.DataFrame(
        [(days, kind, count) for lengths, kind in kinds for days, count in lengths.items()],
        columns=["days", "finished", "gaps"],
    )


def test_open_gaps_make_the_quantiles_longer():
    # 10 gaps. Kaplan–Meier: day 10: 1 − 4/10 = .6; day 20 (4 at risk): .6 × (1 − 2/4) = .3; day 40 (1): 0.
    found = gap_quantiles(gaps({10: 4, 20: 2, 40: 1}, {15: 2, 30: 1}))
    assert found["finished"] == {"gaps": 7, "50": 10, "80": 20, "90": 40, "95": 40}
    assert found["with_open"] == {"gaps": 10, "50": 20, "80": 40, "90": 40, "95": 40}


def test_a_quantile_that_nobody_reached_is_said_to_be_none():
    found = gap_quantiles(gaps({10: 5}, {30: 5}))
    assert found["finished"]["95"] == 10
    assert (found["with_open"]["50"], found["with_open"]["80"]) == (10, None)


def test_a_gap_of_the_same_length_that_stays_open_was_still_waiting_on_that_day():
    assert gap_quantiles(gaps({10: 1}, {10: 1}))["with_open"]["50"] == 10


def test_a_shop_where_nobody_ever_ordered_twice_has_no_quantiles():
    assert gap_quantiles(gaps({}, {10: 3}))["finished"] == {"gaps": 0, "50": None, "80": None, "90": None, "95": None}
    assert gap_quantiles(gaps({}, {}))["with_open"]["gaps"] == 0
