"""Lists of a shop's own, declared in params: conditions on the columns of ``people``, checked before anything runs."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from campaigns.errors import RecipeError
from campaigns.segments import DISCOUNT_DEPENDENCE, LIFECYCLES, RFM_SEGMENTS, VALUE_TIERS
from campaigns.settings import Between
from events.sql import quoted

_NUMBERS = (
    "joined_at", "orders", "first_order_at", "last_order_at", "days_since_order", "revenue", "revenue_365",
    "discounted_orders", "discount_share", "own_gap_days", "own_gaps", "cart_at", "cart_value",
    "cart_age_hours", "browse_at", "browse_views", "browse_age_hours", "signed_up_days", "welcome_from",
    "delivered_at", "late_delivery_at", "bad_ticket_at", "low_rating_at", "last_ticket_at", "points",
    "days_to_birthday", "mails_30", "mails_180", "clicks_180", "last_click_at", "last_visit_at", "engaged_at",
    "last_contact_at", "contacts_30", "churn_probability", "percentile", "margin", "expected_value",
    "value_at_risk", "next_order_from", "next_order_expected", "next_order_until", "usual_gap_days",
    "probability_before",
)  # fmt: skip
_TEXTS = (
    "customer_id", "address_key", "country", "birth_month_day", "last_order_id", "cart_id", "browse_product",
    "browse_category", "delivered_order_id", "tier", "band", "act_by", "rfm_segment", "lifecycle", "value_tier",
    "main_interest", "discount_dependence",
)  # fmt: skip
_FLAGS = (
    "cart_bought", "browse_bought", "open_ticket", "hard_bounced", "complained",
)  # fmt: skip

COLUMNS: Mapping[str, str] = (
    dict.fromkeys(_NUMBERS, "a number") | dict.fromkeys(_TEXTS, "a text") | dict.fromkeys(_FLAGS, "true or false")
)
"""Every column of ``people`` and what it holds."""

VALUES: Mapping[str, tuple[str, ...]] = {
    "rfm_segment": RFM_SEGMENTS,
    "lifecycle": LIFECYCLES,
    "value_tier": VALUE_TIERS,
    "discount_dependence": DISCOUNT_DEPENDENCE,
    "band": ("low", "medium", "high"),
}
"""Columns that hold nothing but these."""


def nearest(word: str, known: Any) -> str:
    """A sentence that asks whether the nearest of ``known`` was meant; empty where none is near."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def _column(place: str, column: str) -> str:
    if column not in COLUMNS:
        raise RecipeError(
            f"{place}: there is no column {column!r} of people.{nearest(column, COLUMNS)} "
            f"Known are: {', '.join(sorted(COLUMNS))}."
        )
    return COLUMNS[column]


def check_values(place: str, column: str, values: tuple[Any, ...]) -> None:
    """Refuse a value that ``column`` never holds.

    Raises:
        RecipeError: There is one.
    """
    for value in values:
        known = VALUES.get(column)
        if known is not None and value not in known:
            raise RecipeError(
                f"{place}: {value!r} is none of {', '.join(known)}.{nearest(str(value), known)} Correct the value."
            )


def check(place: str, column: str, wanted: Any) -> None:
    """Refuse a condition that nobody could meet, or that the engine could not ask.

    Raises:
        RecipeError: The column is unknown, or the value is of another kind, or unknown, or an empty range.
    """
    kind = _column(place, column)
    place = f"{place}.who.{column}"
    if isinstance(wanted, Between):
        if kind != "a number":
            raise RecipeError(f"{place}: the column holds {kind}, so it has no min or max. Give a value or a list.")
        if wanted.min is None and wanted.max is None:
            raise RecipeError(f"{place}: a range needs min or max. Give one, or leave the condition out.")
        if wanted.min is not None and wanted.max is not None and wanted.min > wanted.max:
            raise RecipeError(f"{place}: min {wanted.min:g} is above max {wanted.max:g}. Exchange them.")
        return
    values = wanted if isinstance(wanted, tuple) else (wanted,)
    if not values:
        raise RecipeError(f"{place}: the list of values is empty. Name one, or leave the condition out.")
    for value in values:
        found = "true or false" if isinstance(value, bool) else "a text" if isinstance(value, str) else "a number"
        if found != kind:
            raise RecipeError(f"{place}: {value!r} is {found}, but the column holds {kind}. Correct the value.")
    check_values(place, column, values)


def check_rank(place: str, column: str) -> None:
    """Refuse to rank by what is no number.

    Raises:
        RecipeError: The column is unknown or holds something else.
    """
    kind = _column(place, column)
    if kind != "a number":
        raise RecipeError(f"{place}.rank_by: {column} holds {kind}; rank by a column of numbers.")


def words(wanted: Any) -> str:
    """What a condition asks, for whoever does not meet it."""
    if isinstance(wanted, Between):
        parts = [] if wanted.min is None else [f"from {wanted.min:g}"]
        parts += [] if wanted.max is None else [f"up to {wanted.max:g}"]
        return " ".join(parts)
    values = wanted if isinstance(wanted, tuple) else (wanted,)
    return " or ".join(str(value).lower() if isinstance(value, bool) else str(value) for value in values)


def literal(value: Any) -> str:
    """``value`` as SQL."""
    return quoted(value) if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else repr(value)


def condition(column: str, wanted: Any) -> str:
    """SQL that is true where ``column`` is as ``wanted``."""
    if isinstance(wanted, Between):
        bounds = [f'"{column}" >= {wanted.min!r}'] * (wanted.min is not None)
        bounds += [f'"{column}" <= {wanted.max!r}'] * (wanted.max is not None)
        return " AND ".join(bounds)
    values = wanted if isinstance(wanted, tuple) else (wanted,)
    return f'"{column}" IN ({", ".join(literal(value) for value in values)})'
