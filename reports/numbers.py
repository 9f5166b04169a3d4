"""Numbers as people write them; a dash where there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date as calendar
from datetime import timedelta
from typing import Any

import pandas as pd

DASH = "–"
_SYMBOLS = {"GBP": "£", "EUR": "€", "USD": "$", "INR": "₹", "JPY": "¥", "PKR": "Rs\u00a0"}
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def is_known(value: Any) -> bool:
    """Whether ``value`` is a finite number."""
    return not pd.isna(value) and math.isfinite(value)


def count(value: Any) -> str:
    """A whole number with thousands separators."""
    return f"{round(value):,}" if is_known(value) else DASH


def percent(share: Any, under: str = "under {}", over: str = "over {}") -> str:
    """A share in whole percent; the ends are kept for exactly nobody and exactly everybody."""
    if not is_known(share):
        return DASH
    whole = 100 * float(share)
    if 0 < whole < 1:
        return under.format("1\u00a0%")
    if 99 < whole < 100:
        return over.format("99\u00a0%")
    return f"{whole:.0f}\u00a0%"


def fine_percent(share: Any) -> str:
    """A small share in percent with one decimal."""
    if not is_known(share):
        return DASH
    tenths = round(1000 * float(share))
    return f"{'−' if tenths < 0 else ''}{abs(tenths) / 10:.1f}\u00a0%"


def ratio(value: Any) -> str:
    """One figure in whole percent of another; it may be above 100."""
    return f"{100 * float(value):.0f}\u00a0%" if is_known(value) else DASH


def money(minor: Any, currency: str, minor_digits: int) -> str:
    """An amount in minor units with its currency; in whole units from 100 on."""
    if not is_known(minor):
        return DASH
    units = float(minor) / 10**minor_digits
    decimals = 0 if abs(units) >= 100 else minor_digits
    sign = "−" if units < 0 else ""
    return f"{sign}{_SYMBOLS.get(currency, currency + chr(0xA0))}{abs(units):,.{decimals}f}"


def later(day: str, days: Any) -> str:
    """The date so many whole days after ``2026-01-31``; anything else as it stands."""
    try:
        return (calendar.fromisoformat(day) + timedelta(days=math.floor(days))).isoformat()
    except ValueError:
        return day


def date(day: str, months: Sequence[str] = _MONTHS) -> str:
    """``2026-01-31`` as ``31 January 2026``; anything else as it stands."""
    parts = day.split("-")
    if [part.isdigit() for part in parts] != [True, True, True] or not 1 <= int(parts[1]) <= 12:
        return day
    return f"{int(parts[2])} {months[int(parts[1]) - 1]} {parts[0]}"
