"""Amounts as people write them."""

from __future__ import annotations

from collections.abc import Callable

# ISO 4217: currencies whose minor unit is not a hundredth.
_DECIMALS = {
    "JPY": 0,
    "KRW": 0,
    "CLP": 0,
    "VND": 0,
    "ISK": 0,
    "BHD": 3,
    "JOD": 3,
    "KWD": 3,
    "OMR": 3,
    "TND": 3,
}


def writer(currency: str) -> Callable[[float], str]:
    """A function from minor units to text such as ``GBP 1,234.50``."""
    decimals = _DECIMALS.get(currency, 2)
    return lambda minor: f"{currency} {minor / 10**decimals:,.{decimals}f}"
