"""One customer's number in a sentence a marketer understands."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from features.catalogue import CATALOGUE, Column, Unit

Money = Callable[[float], str]
"""Minor units → amount with its currency."""


def number(value: float, unit: Unit, money: Money) -> str:
    """``value`` as people write it: whole days that have passed, percent, money, or a short number."""
    if unit == "money":
        return money(value)
    if unit == "share":
        return f"{100 * value:.0f} %"
    if unit == "days":
        return f"{math.floor(value):,}"
    if float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 1 else f"{value:.2f}"


def sentence(column: Column, row: Mapping[str, float], typical: Mapping[str, float], money: Money) -> str:
    """What ``row`` says in ``column``, with the customer's own numbers.

    Args:
        column: The column that speaks.
        row: All feature values of the customer, by column name; NaN is unknown.
        typical: Median of every column among the customers scored with this one.
        money: Writes an amount in minor units.
    """
    feature, value = column.feature, row[column.name]
    if math.isnan(value):
        return f"{column.label()}: none so far" if feature.unit == "days" else f"{column.label()}: unknown"
    own = number(value, feature.unit, money)
    if feature.words["en"].says is not None:
        others = {
            name: number(row[name], CATALOGUE[name].unit, money)
            for name in re.findall(r"{(\w+)}", feature.words["en"].says)
            if name in row and not math.isnan(row[name])
        }
        try:
            return _singular(feature.words["en"].says.format(**others, value=own, days=column.days))
        except KeyError:
            pass  # A number the sentence needs is unknown for this customer.
    usual = typical.get(column.name, math.nan)
    compared = "" if math.isnan(usual) else f" (typical here: {number(usual, feature.unit, money)})"
    return f"{column.label()}: {own}{compared}"


def _singular(text: str) -> str:
    text = text.replace(" 0 days ago", " less than a day ago")
    return re.sub(r"(?<![\d.,])1 days\b", "1 day", text)
