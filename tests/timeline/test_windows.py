"""A window holds its start and not its end; what happened or arrived at the cutoff was not known before it."""

import ibis
import numpy as np
import pandas as pd
import pytest

from timeline import DAY_US, Window, as_seen_at, is_after, is_before, known_before, within_days

CUTOFF = 1_000 * DAY_US


def test_the_start_belongs_to_a_window_and_the_end_does_not():
    window = Window(10, 20)
    assert [bool(window.contains(t)) for t in (9, 10, 19, 20)] == [False, True, True, False]


def test_a_window_means_the_same_on_integers_arrays_and_columns():
    times, expected = [9, 10, 19, 20], [False, True, True, False]
    assert Window(10, 20).contains(np.array(times)).tolist() == expected
    assert Window(10, 20).contains(pd.Series(times)).tolist() == expected


def test_adjoining_windows_share_no_instant_and_leave_none_out():
    first, second = Window(0, 10), Window(10, 20)
    assert all(bool(first.contains(t)) != bool(second.contains(t)) for t in range(20))


def test_the_last_days_end_just_before_the_cutoff():
    window = Window.last(30, CUTOFF)
    assert window == Window(CUTOFF - 30 * DAY_US, CUTOFF)
    assert not window.contains(CUTOFF)


def test_a_label_window_opens_after_the_gap_and_lasts_the_horizon():
    assert Window.label(CUTOFF, gap_days=7, horizon_days=90) == Window(CUTOFF + 7 * DAY_US, CUTOFF + 97 * DAY_US)


def test_a_window_is_complete_from_its_end_on():
    window = Window(10, 20)
    assert [window.is_complete(t) for t in (19, 20, 21)] == [False, True, True]


def test_a_window_that_ends_before_it_starts_is_refused_with_its_ends():
    with pytest.raises(ValueError, match=r"must not end before it starts: \[20, 10\)"):
        Window(20, 10)


def test_an_empty_window_holds_nothing():
    assert not Window(10, 10).contains(10)


def test_before_and_after_leave_the_instant_itself_out():
    assert [is_before(t, 10) for t in (9, 10, 11)] == [True, False, False]
    assert [is_after(t, 10) for t in (9, 10, 11)] == [False, False, True]


def test_an_event_is_known_only_when_it_happened_and_arrived_before_the_cutoff():
    events = pd.DataFrame({"occurred_at": [8, 8, 8, 10], "loaded_at": [9, 10, 11, 9]})
    assert known_before(events, 10).tolist() == [True, False, False, False]


def test_events_are_seen_with_their_age_and_without_their_times():
    rows = pd.DataFrame(
        {
            "event_id": ["at the cutoff", "just before", "at the edge", "too old", "not yet here"],
            "occurred_at": [CUTOFF, CUTOFF - 1, CUTOFF - 30 * DAY_US, CUTOFF - 30 * DAY_US - 1, CUTOFF - DAY_US],
            "loaded_at": [CUTOFF, CUTOFF - 1, CUTOFF - 1, CUTOFF - 1, CUTOFF],
        }
    )
    seen = as_seen_at(ibis.memtable(rows), CUTOFF, days=30)
    found = ibis.duckdb.connect(threads=1).to_pandas(seen)
    assert dict(zip(found["event_id"], found["age_us"], strict=True)) == {
        "just before": 1,
        "at the edge": 30 * DAY_US,
    }
    assert list(found.columns) == ["event_id", "age_us"]


def test_an_age_of_exactly_so_many_days_lies_within_them():
    ages = pd.DataFrame({"age_us": [1, 30 * DAY_US, 30 * DAY_US + 1]})
    assert within_days(ages, 30).tolist() == [True, True, False]
