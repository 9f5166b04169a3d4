"""Days without a row: told of, but for those on which the shop was closed."""

from datetime import date

import numpy as np

from sources.judging import gaps

DAYS = np.array([day for day in range(20_000, 20_030) if day not in {20_010, 20_011, 20_020}])


def test_a_run_of_empty_days_is_one_gap():
    assert gaps(DAYS) == [["2024-10-14", "2024-10-15"], ["2024-10-24", "2024-10-24"]]


def test_closed_days_are_no_gap():
    assert gaps(DAYS, [date(2024, 10, 24), date(2024, 10, 14)]) == [["2024-10-15", "2024-10-15"]]


def test_a_log_that_is_often_silent_has_no_gaps():
    assert gaps(np.arange(20_000, 20_100, 3)) == []
    assert gaps(np.array([], dtype=np.int64), [date(2024, 10, 24)]) == []
