"""Amounts as people write them."""

from __future__ import annotations

from collections.abc import Callable

from sources import decimals


def writer(currency: str) -> Callable[[float], str]:
    """A function from minor units to text such as ``GBP 1,234.50``."""
    places = decimals(currency)
    return lambda minor: f"{currency} {minor / 10**places:,.{places}f}"
