"""A date becomes an instant through a time zone, and back, on every kind of day."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timeline import DAY_US, HOUR_US, day_start, format_date, month_starts, parse_date

ZONES = ["Europe/London", "Asia/Karachi", "America/New_York"]


def utc(text: str) -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("day", "zone", "begins"),
    [
        ("1970-01-01", "UTC", "1970-01-01T00:00"),
        ("2026-01-15", "Europe/London", "2026-01-15T00:00"),
        ("2026-07-15", "Europe/London", "2026-07-14T23:00"),
        ("2026-07-15", "Asia/Karachi", "2026-07-14T19:00"),
        ("2026-01-15", "America/New_York", "2026-01-15T05:00"),
        ("2026-07-15", "America/New_York", "2026-07-15T04:00"),
        ("2024-02-29", "America/New_York", "2024-02-29T05:00"),
        ("1969-12-31", "UTC", "1969-12-31T00:00"),
    ],
)
def test_a_day_begins_at_midnight_of_its_zone(day, zone, begins):
    assert parse_date(day, zone) == utc(begins)


@pytest.mark.parametrize(
    ("day", "following", "zone", "hours"),
    [
        ("2026-03-29", "2026-03-30", "Europe/London", 23),
        ("2026-10-25", "2026-10-26", "Europe/London", 25),
        ("2026-03-08", "2026-03-09", "America/New_York", 23),
        ("2026-11-01", "2026-11-02", "America/New_York", 25),
        ("2026-03-29", "2026-03-30", "Asia/Karachi", 24),
        ("2024-02-28", "2024-03-01", "Europe/London", 48),
        ("2025-02-28", "2025-03-01", "Europe/London", 24),
    ],
)
def test_a_day_has_as_many_hours_as_its_clocks_say(day, following, zone, hours):
    assert parse_date(following, zone) - parse_date(day, zone) == hours * HOUR_US


def test_where_midnight_is_skipped_the_day_begins_when_the_clocks_jump():
    # Egypt went from 23:59:59 to 01:00 in the night to 2023-04-28.
    begins = parse_date("2023-04-28", "Africa/Cairo")
    assert begins == utc("2023-04-27T22:00")
    assert format_date(begins, "Africa/Cairo") == "2023-04-28"
    assert format_date(begins - 1, "Africa/Cairo") == "2023-04-27"


@given(day=st.dates(date(1971, 1, 1), date(2099, 12, 31)), zone=st.sampled_from(ZONES))
def test_a_date_survives_the_way_to_an_instant_and_back(day, zone):
    begins = parse_date(day.isoformat(), zone)
    assert format_date(begins, zone) == day.isoformat()
    assert format_date(begins - 1, zone) == (day - timedelta(days=1)).isoformat()


@given(instant=st.integers(utc("1971-01-01"), utc("2099-12-31")), zone=st.sampled_from(ZONES))
def test_a_day_start_lies_in_its_own_day_and_not_after_the_instant(instant, zone):
    begins = day_start(instant, zone)
    assert begins <= instant < begins + 25 * HOUR_US
    assert format_date(begins, zone) == format_date(instant, zone)
    assert format_date(begins - 1, zone) != format_date(instant, zone)
    assert day_start(begins, zone) == begins


@pytest.mark.parametrize(
    "text", ["2026-13-01", "2025-02-29", "01/02/2026", "2026-1-1", "20260101", "2026-W05-6", "2026-01-01T00:00", ""]
)
def test_what_is_no_date_is_refused_with_the_value_and_an_example(text):
    with pytest.raises(ValueError, match=re.escape(f"a date must look like 2026-01-31, got {text!r}")):
        parse_date(text, "Europe/London")


@pytest.mark.parametrize("zone", ZONES)
def test_month_starts_are_the_first_midnights_of_the_months(zone):
    starts = month_starts(parse_date("2023-11-15", zone), parse_date("2024-05-15", zone), zone)
    days = ["2023-12-01", "2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01", "2024-05-01"]
    assert starts == [parse_date(day, zone) for day in days]
    assert [format_date(start, zone) for start in starts] == days


def test_month_starts_hold_both_ends_of_the_range():
    zone = "Europe/London"
    first, last = parse_date("2026-04-01", zone), parse_date("2026-06-01", zone)
    assert month_starts(first, last, zone) == [first, parse_date("2026-05-01", zone), last]
    assert month_starts(first + 1, last - 1, zone) == [parse_date("2026-05-01", zone)]


def test_a_range_without_a_month_start_has_none():
    first = parse_date("2026-04-02", "Europe/London")
    assert month_starts(first, first + 3 * DAY_US, "Europe/London") == []
    assert month_starts(first, first - 60 * DAY_US, "Europe/London") == []


def test_a_month_start_is_local_not_utc():
    # 2026-06-30 23:30 UTC is already July in London and still June in New York.
    half_past = utc("2026-06-30T23:30")
    assert month_starts(half_past - DAY_US, half_past, "Europe/London") == [utc("2026-06-30T23:00")]
    assert month_starts(half_past - DAY_US, half_past, "America/New_York") == []
