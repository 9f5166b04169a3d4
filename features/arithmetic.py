"""Aggregates that give the same bits on every engine: integers inside, one division at the end."""

from __future__ import annotations

from typing import Any

import ibis

from timeline import DAY_US

DECAY_SCALE = 2**20
EXACT = "decimal(38, 0)"
"""A whole number with room for products of sums on every engine."""


def daily(rows: Any) -> Any:
    """One row per customer and day with a row in ``rows``; a day is 24 hours counted back from the cutoff.

    ``age_us`` is that of the day's newest row, ``days_ago`` the same in whole days, and ``gap_days`` the whole days
    since the day before it (missing on the first).
    """
    dated = rows.mutate(days_ago=(rows.age_us // DAY_US).cast("int64"))
    per_day = dated.group_by("customer_id", "days_ago").agg(age_us=dated.age_us.min())
    earlier = ibis.window(group_by="customer_id", order_by=ibis.desc("days_ago"))
    return per_day.mutate(gap_days=per_day.days_ago.lag().over(earlier) - per_day.days_ago)


def share(part: Any, whole: Any) -> Any:
    """``part`` ÷ ``whole``; missing where ``whole`` is zero."""
    return part.cast("float64") / whole.nullif(0)


def days(age_us: Any) -> Any:
    """Microseconds as days, with the fraction."""
    return age_us.cast("float64") / float(DAY_US)


def count_where(mask: Any) -> Any:
    """How many rows the mask holds for; a missing answer counts as no."""
    return mask.count(where=mask)


def deviation(values: Any) -> Any:
    """Population standard deviation of whole numbers, from integer sums; missing below two values."""
    n = values.count()
    # n·Σx² − (Σx)² is exact in integers; a floating stddev differs between thread counts.
    exact = values.cast(EXACT)
    total, squares = exact.sum(), (exact * exact).sum()
    spread = (n.cast(EXACT) * squares - total * total).cast("float64")
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


def slope(age_us: Any, amount: Any = 1) -> Any:
    """Least-squares slope of the sums of ``amount`` over the last six stretches of 30 days, per stretch.

    Stretch m holds the ages of 30·m days up to, but not including, 30·(m + 1); above zero means growing.
    """
    stretch = (age_us // (30 * DAY_US)).cast("int64")
    # The distances from the middle of six equally spaced points are ±5, ±3, ±1 halves.
    weight = (stretch < 6).ifelse(5 - 2 * stretch, 0)
    return (weight * amount).sum().cast("float64") / 35.0
