"""Which month starts train a model, and which test one."""

import re

import pytest

from pipeline.project import cutoffs, settings
from pipeline.project.cutoffs import Extent, training_cutoffs
from pipeline.project.errors import DataError
from timeline import DAY_US, format_date, parse_date

ZONE = "Europe/London"


def covered(first: str, watermark: str) -> Extent:
    return Extent(parse_date(first, ZONE), parse_date(watermark, ZONE))


def with_cohort(shipped: str, **changes: int) -> settings.Settings:
    for key, value in changes.items():
        shipped, found = re.subn(rf"(?m)^  {key}: \d+", f"  {key}: {value}", shipped)
        assert found == 1
    return settings.parse(shipped)


def days(instants: list[int]) -> list[str]:
    return [format_date(t, ZONE) for t in instants]


YEAR = covered("2025-01-01", "2026-01-01")


def test_a_cutoff_needs_history_before_and_a_closed_label_after(shop):
    # 90 days after 1 January is 1 April; the label of 1 October would close on 6 January.
    assert days(training_cutoffs(shop, YEAR)) == [f"2025-0{month}-01" for month in range(5, 10)]


def test_a_label_that_closes_at_the_end_of_the_data_counts(shop):
    closes = parse_date("2025-09-01", ZONE) + 97 * DAY_US
    assert days(training_cutoffs(shop, Extent(YEAR.first, closes)))[-1] == "2025-09-01"
    assert days(training_cutoffs(shop, Extent(YEAR.first, closes - 1)))[-1] == "2025-08-01"


def test_gap_and_horizon_count_together(shipped):
    s = with_cohort(shipped, gap_days=30, horizon_days=91)
    assert days(training_cutoffs(s, YEAR))[-1] == "2025-09-01"
    longer = with_cohort(shipped, gap_days=31, horizon_days=92)
    assert days(training_cutoffs(longer, YEAR))[-1] == "2025-08-01"


def test_less_history_allows_earlier_cutoffs(shipped):
    assert days(training_cutoffs(with_cohort(shipped, min_history_days=31), YEAR))[0] == "2025-02-01"
    assert days(training_cutoffs(with_cohort(shipped, min_history_days=32), YEAR))[0] == "2025-03-01"


def test_the_newest_cutoffs_are_kept(shipped):
    assert days(training_cutoffs(with_cohort(shipped, max_cutoffs=2), YEAR)) == ["2025-08-01", "2025-09-01"]


def test_a_young_shop_learns_from_cutoffs_with_less_before_them(shop, capsys):
    young = covered("2025-01-01", "2025-08-10")
    assert days(training_cutoffs(shop, young)) == [f"2025-0{month}-01" for month in range(2, 6)]
    assert "warning: 1 month starts have 90 days before and 97 days after them" in capsys.readouterr().out
    training_cutoffs(shop, covered("2025-01-01", "2025-09-10"))
    assert capsys.readouterr().out == ""


def test_too_short_a_history_is_refused_with_what_is_there_and_the_cure(shop):
    with pytest.raises(DataError) as refused:
        training_cutoffs(shop, covered("2025-01-01", "2025-05-01"))
    assert refused.value.exit_code == 4
    assert str(refused.value) == (
        "cohort: the orders from 2025-01-01 to 2025-05-01 leave no month start with 30 days before and 97 days after "
        "it. Bring older orders, or lower cohort.horizon_days."
    )


def test_two_cutoffs_are_enough(shop):
    assert days(training_cutoffs(shop, covered("2025-01-01", "2025-09-10"))) == ["2025-05-01", "2025-06-01"]


def origins(s: settings.Settings, extent: Extent) -> list[str]:
    return days(cutoffs.test_origins(s, training_cutoffs(s, extent)))


LONG = covered("2023-01-01", "2026-01-01")


def test_origins_are_the_newest_cutoff_and_every_third_before_it(shop):
    assert origins(shop, LONG) == ["2024-12-01", "2025-03-01", "2025-06-01", "2025-09-01"]


def test_number_and_spacing_of_origins_come_from_params(shipped):
    assert origins(with_cohort(shipped, test_origins=2, test_spacing_months=1), LONG) == ["2025-08-01", "2025-09-01"]


def test_an_origin_with_nothing_to_train_on_is_left_out(shipped):
    s = with_cohort(shipped, test_spacing_months=1)
    # The label of the oldest cutoff, 1 May, closes on 6 August.
    assert origins(s, YEAR) == ["2025-09-01"]


def test_without_any_label_before_it_the_newest_cutoff_tests_what_needs_none(shop):
    assert origins(shop, covered("2025-01-01", "2025-07-10")) == ["2025-04-01"]
