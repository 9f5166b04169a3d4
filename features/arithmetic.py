"""Aggregates that give the same bits on every engine: integers inside, one division at the end."""

from __future__ import annotations

from typing import Any

from timeline import DAY_US

DECAY_SCALE = 2**20


def share(part: Any, whole: Any) -> Any:
    """``part`` ÷ ``whole``; missing where ``whole`` is zero."""
    return part.cast("float64") / whole.nullif(0)


def days(age_us: Any) -> Any:
    """Microseconds as days, with the fraction."""
    return age_us.cast("float64") / float(DAY_US)


def count_where(mask: Any) -> Any:
    """How many rows the mask holds for; a missing answer counts as no."""
    return mask.fill_null(False).cast("int64").sum()


def deviation(values: Any) -> Any:
    """Population standard deviation of whole numbers, from integer sums; missing below two values."""
    n = values.count()
    # n·Σx² − (Σx)² is exact in integers; a floating stddev differs between thread counts.
    spread = (n * (values * values).sum() - values.sum() * values.sum()).cast("float64")
    return (n >= 2).ifelse(spread.sqrt() / n.nullif(0), None)


def decayed_count(age_us: Any, time_constant_days: int, mask: Any = None) -> Any:
    """Σ e^(−age/τ), each term rounded down to 2⁻²⁰ so that the order of adding does not matter."""
    term = ((-days(age_us) / float(time_constant_days)).exp() * DECAY_SCALE).floor().cast("int64")
    if mask is not None:
        term = mask.fill_null(False).ifelse(term, 0)
    return term.sum().cast("float64") / float(DECAY_SCALE)


def trend(age_us: Any, window_days: int, mask: Any = None) -> Any:
    """(newer half − older half) ÷ (both + 1) of a window, in (−1, 1); above zero means growing.

    The newer half is the last ``window_days // 2`` days.
    """
    newer = age_us <= (window_days // 2) * DAY_US
    older = ~newer
    if mask is not None:
        newer, older = newer & mask, older & mask
    recent, earlier = count_where(newer), count_where(older)
    return (recent - earlier).cast("float64") / (recent + earlier + 1)
