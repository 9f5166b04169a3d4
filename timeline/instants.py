"""Instants are whole microseconds since 1970-01-01 UTC; a date becomes one only through a time zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
DAY_US = 24 * HOUR_US

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _to_us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _local(instant: int, zone: str) -> datetime:
    return (_EPOCH + timedelta(microseconds=instant)).astimezone(ZoneInfo(zone))


def parse_date(text: str, zone: str) -> int:
    """The instant at which the day ``text`` (YYYY-MM-DD) begins in ``zone``.

    Raises:
        ValueError: ``text`` is not a date of the form YYYY-MM-DD.
    """
    try:
        day = date.fromisoformat(text)
        # Python also reads 20260131 and 2026-W05-6; a day is written in one way, because folders are named by it.
        if day.isoformat() != text:
            raise ValueError
    except ValueError:
        raise ValueError(f"a date must look like 2026-01-31, got {text!r}") from None
    return _to_us(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)))


def format_date(instant: int, zone: str) -> str:
    """The local day (YYYY-MM-DD) in which ``instant`` falls in ``zone``."""
    return _local(instant, zone).date().isoformat()


def day_start(instant: int, zone: str) -> int:
    """The instant at which the local day holding ``instant`` began."""
    return parse_date(format_date(instant, zone), zone)


def month_starts(first: int, last: int, zone: str) -> list[int]:
    """Every start of a local month in ``[first, last]``, ascending."""
    day = _local(first, zone).date().replace(day=1)
    starts: list[int] = []
    while (start := parse_date(day.isoformat(), zone)) <= last:
        if start >= first:
            starts.append(start)
        day = (day + timedelta(days=32)).replace(day=1)
    return starts
