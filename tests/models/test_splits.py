"""No label that was still open at an origin may teach the model that is tested there."""

from hypothesis import given
from hypothesis import strategies as st

from models.splits import CALIBRATION_ORIGINS, calibration_origins, complete_before
from timeline import DAY_US

MONTHS = [30 * DAY_US * n for n in range(24)]

cutoffs = st.lists(st.integers(0, 2_000), min_size=1, max_size=20, unique=True).map(
    lambda days: [day * DAY_US for day in days]
)
gap, horizon = st.integers(0, 60), st.integers(1, 400)


def label_ends(cutoff: int, gap_days: int, horizon_days: int) -> int:
    return cutoff + (gap_days + horizon_days) * DAY_US


@given(cutoffs=cutoffs, origin=st.integers(0, 2_500), gap_days=gap, horizon_days=horizon)
def test_no_training_label_ends_after_the_origin(cutoffs, origin, gap_days, horizon_days):
    origin *= DAY_US
    known = complete_before(cutoffs, origin, gap_days, horizon_days)
    assert all(label_ends(t, gap_days, horizon_days) <= origin for t in known)


@given(cutoffs=cutoffs, origin=st.integers(0, 2_500), gap_days=gap, horizon_days=horizon)
def test_every_cutoff_with_a_closed_label_is_used(cutoffs, origin, gap_days, horizon_days):
    origin *= DAY_US
    known = complete_before(cutoffs, origin, gap_days, horizon_days)
    assert known == sorted(known)
    assert all(label_ends(t, gap_days, horizon_days) > origin for t in set(cutoffs) - set(known))


def test_a_label_that_ends_at_the_origin_was_known_there():
    assert complete_before([0], 97 * DAY_US, 7, 90) == [0]
    assert complete_before([0], 97 * DAY_US - 1, 7, 90) == []


@given(cutoffs=cutoffs, origin=st.integers(0, 2_500), gap_days=gap, horizon_days=horizon, step=st.integers(1, 4))
def test_a_calibration_origin_is_closed_and_has_a_purged_past_of_its_own(cutoffs, origin, gap_days, horizon_days, step):
    origin *= DAY_US
    used = calibration_origins(cutoffs, origin, gap_days, horizon_days, step)
    assert used == sorted(used)
    assert len(used) <= CALIBRATION_ORIGINS
    for t in used:
        assert label_ends(t, gap_days, horizon_days) <= origin
        assert any(label_ends(past, gap_days, horizon_days) <= t for past in cutoffs)


def test_calibration_takes_the_newest_closed_cutoff_and_every_third_before_it():
    # At month 23 the label of month 19 has closed (97 days), that of month 20 has not.
    assert calibration_origins(MONTHS, MONTHS[23], 7, 90, step=3) == [MONTHS[n] for n in (10, 13, 16, 19)]


def test_calibration_goes_without_origins_that_have_nothing_to_train_on():
    assert calibration_origins(MONTHS[:9], MONTHS[8], 7, 90, step=1) == [MONTHS[4]]
    assert calibration_origins(MONTHS[:8], MONTHS[7], 7, 90, step=1) == []
