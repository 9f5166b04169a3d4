"""One customer's number in a sentence a marketer understands."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from features.catalogue import CATALOGUE, Column, Language, Unit

Money = Callable[[float], str]
"""Minor units → amount with its currency."""


@dataclass(frozen=True)
class Phrases:
    """What every sentence of one language shares."""

    percent: str
    minus: str
    none: str
    unknown: str
    typical: str
    repairs: Mapping[str, str]
    """Patterns that a number makes wrong → what people say; after no digit, so that 10 and 1.1 stay."""


_PHRASES: dict[Language, Phrases] = {
    "en": Phrases(
        percent=" %",
        minus="-",
        none="none so far",
        unknown="unknown",
        typical="typical here",
        repairs={"0 days ago": "less than a day ago", "1 days": "1 day"},
    ),
    "ur": Phrases(
        percent=" فیصد",
        minus="\u200e-",  # Without the mark of direction the sign stands on the wrong side of the number.
        none="اب تک کوئی نہیں",
        unknown="معلوم نہیں",
        typical="عام گاہک",
        repairs={"0 دن پہلے": "پچھلے 24 گھنٹوں میں", "1 دنوں": "1 دن"},
    ),
}


def number(value: float, unit: Unit, money: Money, language: Language = "en") -> str:
    """``value`` as people write it: whole days that have passed, percent, money, or a short number."""
    if unit == "money":
        return money(value)
    if unit == "share":
        text = f"{100 * value:.0f}{_PHRASES[language].percent}"
    elif unit == "days":
        text = f"{math.floor(value):,}"
    elif float(value).is_integer():
        text = f"{value:,.0f}"
    else:
        text = f"{value:,.1f}" if abs(value) >= 1 else f"{value:.2f}"
    return text.replace("-", _PHRASES[language].minus)


def sentence(
    column: Column, row: Mapping[str, float], typical: Mapping[str, float], money: Money, language: Language = "en"
) -> str:
    """What ``row`` says in ``column``, with the customer's own numbers.

    Args:
        column: The column that speaks.
        row: All feature values of the customer, by column name; NaN is unknown.
        typical: Median of every column among the customers scored with this one.
        money: Writes an amount in minor units.
        language: In which it speaks; digits are the same in all.
    """
    feature, value, phrases = column.feature, row[column.name], _PHRASES[language]
    label, says = column.label(language), feature.words[language].says
    if math.isnan(value):
        return f"{label}: {phrases.none if feature.unit == 'days' else phrases.unknown}"
    own = number(value, feature.unit, money, language)
    if says is not None:
        others = {
            name: number(row[name], CATALOGUE[name].unit, money, language)
            for name in re.findall(r"{(\w+)}", says)
            if name in row and not math.isnan(row[name])
        }
        try:
            return _repaired(says.format(**others, value=own, days=column.days), phrases)
        except KeyError:
            pass  # A number the sentence needs is unknown for this customer.
    usual = typical.get(column.name, math.nan)
    compared = "" if math.isnan(usual) else f" ({phrases.typical}: {number(usual, feature.unit, money, language)})"
    return f"{label}: {own}{compared}"


def _repaired(text: str, phrases: Phrases) -> str:
    for wrong, right in phrases.repairs.items():
        text = re.sub(rf"(?<![\d.,]){wrong}\b", right, text)
    return text
