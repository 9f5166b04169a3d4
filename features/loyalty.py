"""Loyalty points gained and spent."""

from __future__ import annotations

from typing import Any

from features.arithmetic import days
from features.catalogue import Table, Words, feature


@feature(
    view="loyalty_events",
    family="loyalty",
    unit="points",
    absent=0,
    label="Loyalty points gained in the last {days} days",
    high="collects more points than most",
    low="collects fewer points than most",
    says="loyalty points gained in the last {days} days: {value}",
    urdu=Words(
        label="پچھلے {days} دن میں ملنے والے لائلٹی پوائنٹس",
        high="اکثر گاہکوں سے زیادہ پوائنٹس جمع کرتے ہیں",
        low="اکثر گاہکوں سے کم پوائنٹس جمع کرتے ہیں",
        says="پچھلے {days} دن میں ملنے والے لائلٹی پوائنٹس: {value}",
    ),
)
def points_gained(t: Table) -> Any:
    """Sum of the points above zero in the window."""
    return (t.points > 0).fill_null(False).ifelse(t.points, 0).sum()


@feature(
    view="loyalty_events",
    family="loyalty",
    unit="points",
    absent=0,
    label="Loyalty points in hand",
    high="has more points in hand than most",
    low="has fewer points in hand than most",
    says="loyalty points in hand: {value}",
    urdu=Words(
        label="موجودہ لائلٹی پوائنٹس",
        high="اکثر گاہکوں سے زیادہ پوائنٹس موجود ہیں",
        low="اکثر گاہکوں سے کم پوائنٹس موجود ہیں",
        says="موجودہ لائلٹی پوائنٹس: {value}",
    ),
)
def points_in_hand(t: Table) -> Any:
    """Sum of all points over the whole history."""
    return t.points.fill_null(0).sum()


@feature(
    view="loyalty_events",
    family="loyalty",
    unit="points",
    absent=0,
    label="Loyalty points spent so far",
    high="has spent more points than most",
    low="has spent fewer points than most",
    says="loyalty points spent so far: {value}",
    urdu=Words(
        "اب تک خرچ کیے گئے لائلٹی پوائنٹس",
        "اکثر گاہکوں سے زیادہ پوائنٹس خرچ کیے ہیں",
        "اکثر گاہکوں سے کم پوائنٹس خرچ کیے ہیں",
        "اب تک خرچ کیے گئے لائلٹی پوائنٹس: {value}",
    ),
)
def points_spent(t: Table) -> Any:
    """Sum of the points below zero over the whole history, without the sign."""
    return (t.points < 0).fill_null(False).ifelse(-t.points, 0).sum()


@feature(
    view="loyalty_events",
    family="loyalty",
    unit="days",
    absent=None,
    label="Days since loyalty points were last spent",
    high="has not spent points for longer than most",
    low="spent points more recently than most",
    says="last spent loyalty points {value} days ago",
    urdu=Words(
        "آخری بار لائلٹی پوائنٹس خرچ کیے کتنے دن ہوئے",
        "اکثر گاہکوں کی نسبت زیادہ عرصے سے پوائنٹس خرچ نہیں کیے",
        "آخری بار پوائنٹس خرچ کیے اکثر گاہکوں کی نسبت کم دن ہوئے ہیں",
        "آخری بار لائلٹی پوائنٹس خرچ کیے: {value} دن پہلے",
    ),
)
def days_since_points_spent(t: Table) -> Any:
    """Days since the newest event with points below zero; missing if there was none."""
    return days(t.age_us.min(where=t.points < 0))
