"""Time in one place: instants, windows, and the only comparisons of timestamps in the project."""

from timeline.instants import (
    DAY_US,
    HOUR_US,
    SECOND_US,
    day_start,
    format_date,
    month_starts,
    parse_date,
)
from timeline.windows import (
    Window,
    as_seen_at,
    is_after,
    is_before,
    known_before,
    within_days,
)

__all__ = [
    "DAY_US",
    "HOUR_US",
    "SECOND_US",
    "Window",
    "as_seen_at",
    "day_start",
    "format_date",
    "is_after",
    "is_before",
    "known_before",
    "month_starts",
    "parse_date",
    "within_days",
]
