"""The time that a date or an instant may stand for: the day or month in a file's name, the day of a date."""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import numpy as np
import pyarrow as pa

from sources.runs import flat, is_missing
from timeline import HOUR_US, SECOND_US, day_start

MINUTE_US = 60 * SECOND_US

Span = tuple[int, int]
"""The day or month that a file describes, as instants [start, end)."""

# A year behind a digit and a sign is that of a date whose day comes first, or the time behind a date.
_YEAR = r"(?<!\d)(?<!\d[-_./ ])((?:19|20)\d\d)"
_DAY = re.compile(_YEAR + r"[-_./]?(0[1-9]|1[0-2])[-_./]?(0[1-9]|[12]\d|3[01])(?!\d)")
_MONTH = re.compile(_YEAR + r"[-_./]?(0[1-9]|1[0-2])(?!\d)")
_ANY_DATE = re.compile(
    r"(?<!\d)((19|20)\d\d([-_./]?\d\d){1,2}|\d\d[-_./]\d\d[-_./](19|20)\d\d)"
    r"((?!\D?(19|20)(\d\d[-_./]\d\d|\d{6}))[T _-]?\d\d[-_.:]?\d\d([-_.:]?\d\d)?Z?)?(?!\d)"
)
"""With the time behind it; also dates whose order nobody knows, as the days of a range or one whose day comes first."""


def span_of(path: str) -> Span | None:
    """The day or else the month that stands in a file's path, the year first: '2025-11', '2025/11/28', '20251128'.

    None where none does, or several that differ: then nobody knows which is meant.
    """
    days = {day for match in _DAY.finditer(path) if (day := _date(match[1], match[2], match[3]))}
    months = {day for match in _MONTH.finditer(path) if (day := _date(match[1], match[2], "01"))}
    if len(days or months) != 1:
        return None
    (first,) = days or months
    following = first + timedelta(days=1) if days else date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return _instant(first), _instant(following)


def series_of(path: str) -> str:
    """A file's path without the date and time in it: files that differ in these alone are states of one thing."""
    return _ANY_DATE.sub("", path)


def _date(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def _instant(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000


def ends(instants: pa.Array | pa.ChunkedArray, zones: tuple[str, ...]) -> pa.Array:
    """:func:`end_of` each instant; null where it is null."""
    given = flat(instants)
    at = given.fill_null(0).to_numpy(zero_copy_only=False)
    found = np.where(at % SECOND_US, at, at + SECOND_US - 1)
    full = at % MINUTE_US == 0
    each, place = np.unique(at[full], return_inverse=True)
    found[full] = np.array([end_of(one, zones) for one in each.tolist()], dtype=np.int64)[place]
    return pa.array(found, pa.int64(), mask=is_missing(given))


@lru_cache(maxsize=65_536)
def end_of(instant: int, zones: tuple[str, ...]) -> int:
    """The last microsecond that ``instant`` may stand for, by how round it is.

    Midnight in one of ``zones`` is taken for a date without a time, which may be any time of that day; likewise a
    full minute or second for a time written no finer.
    """
    if instant % MINUTE_US:
        return instant if instant % SECOND_US else instant + SECOND_US - 1
    is_midnight = (zone for zone in zones if day_start(instant, zone) == instant)
    # A day has 23 to 25 hours.
    return max([instant + MINUTE_US, *(day_start(instant + 36 * HOUR_US, zone) for zone in is_midnight)]) - 1
