"""The days of the simulated shop: instants of local midnights, season, newsletters, month starts."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulation.rates import RATES
from simulation.settings import SimulationSettings
from timeline import HOUR_US, SECOND_US, parse_date

Array = NDArray[Any]
LOOKAHEAD_DAYS = 240
"""Days after the last one for which season and newsletters are known: the truth looks that far."""


@dataclass(frozen=True)
class Calendar:
    """One entry per day; ``days`` of them are simulated, the others only looked at."""

    days: int
    dates: list[date]
    midnight: Array
    """Instant of the local midnight each day begins with."""
    offset: Array
    """Microseconds the shop's clock is ahead of UTC on each day."""
    season: Array
    newsletter: Array
    month_starts: list[int]
    """Numbers of the days that begin a month: not the first day, but the day after the last."""


def _months_later(first: date, months: int) -> date:
    at = first.year * 12 + first.month - 1 + months
    return date(at // 12, at % 12 + 1, 1)


def build_calendar(settings: SimulationSettings) -> Calendar:
    """The calendar of the settings' months.

    Raises:
        ValueError: the first day is not the first of a month.
    """
    first = date.fromisoformat(settings.first_day)
    if first.day != 1:
        raise ValueError(f"simulation.first_day must be the first of a month, got {settings.first_day}")
    days = (_months_later(first, settings.months) - first).days
    dates = [first + timedelta(days=k) for k in range(days + LOOKAHEAD_DAYS)]
    midnight = np.array([parse_date(day.isoformat(), settings.timezone) for day in dates], dtype=np.int64)
    as_utc = np.array([parse_date(day.isoformat(), "UTC") for day in dates], dtype=np.int64)
    of_year = np.array([day.timetuple().tm_yday for day in dates], dtype=float)
    from_peak = np.abs(of_year - 335.0)  # the first of December
    from_peak = np.minimum(from_peak, 365.0 - from_peak)
    season = 0.93 + RATES.season_peak * np.exp(-0.5 * (from_peak / 18.0) ** 2)
    return Calendar(
        days=days,
        dates=dates,
        midnight=midnight,
        offset=as_utc - midnight,
        season=season,
        newsletter=np.array([day.day in RATES.newsletter_days for day in dates]),
        month_starts=[k for k in range(1, days + 1) if dates[k].day == 1],
    )


def instant(calendar: Calendar, day: Array, seconds: Array) -> Array:
    """Instants ``seconds`` after the local midnight of ``day``; whole seconds."""
    return np.asarray(calendar.midnight[day] + seconds.astype(np.int64) * SECOND_US)


LAST_START_SECOND = 22 * HOUR_US // SECOND_US
"""Nothing begins later in a day, so that nothing spills into the next, not even on a day of 23 hours."""
