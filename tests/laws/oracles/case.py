"""What an oracle is asked: one customer's events, an instant, and how far to look back."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import exp, floor
from typing import Any

DAY = 86_400_000_000

Row = dict[str, Any]
Answer = float | None


@dataclass(frozen=True)
class Case:
    """Everything that was ever logged about one customer, and the question.

    The times are cut here by hand, and not by the package under test.
    """

    logs: dict[str, list[Row]]
    cutoff: int
    history_days: int | Fraction
    days: int | None
    """Length of the window; None for a feature over the whole history."""

    def history(self, log: str, *events: str) -> list[Row]:
        """Rows of ``log`` that a person at the cutoff could see, with their ``age`` in microseconds."""
        seen = []
        for row in self.logs.get(log, []):
            happened, arrived = row["occurred_at"], row["loaded_at"]
            if happened >= self.cutoff or arrived >= self.cutoff:
                continue
            if happened < self.cutoff - self.history_days * DAY:
                continue
            if events and row["event"] not in events:
                continue
            seen.append(row | {"age": self.cutoff - happened})
        return seen

    def window(self, log: str, *events: str) -> list[Row]:
        """The part of the history in the window of the feature."""
        return self.newer_than(self.days, self.history(log, *events))

    @staticmethod
    def newer_than(days: int | None, rows: list[Row]) -> list[Row]:
        """The rows in the last ``days``, the first instant of which counts."""
        assert days is not None
        return [row for row in rows if row["age"] <= days * DAY]

    def newer_half(self, rows: list[Row]) -> list[Row]:
        assert self.days is not None
        return self.newer_than(self.days // 2, rows)


Oracle = Callable[[Case], Answer]

ORACLES: dict[str, Oracle] = {}
"""The slow second opinion on each feature, by the feature's name."""


def oracle(body: Oracle) -> Oracle:
    assert body.__name__ not in ORACLES, body.__name__
    ORACLES[body.__name__] = body
    return body


def share(part: float, whole: float) -> Answer:
    return None if whole == 0 else part / whole


def days_since_newest(rows: list[Row]) -> Answer:
    """Days, with the fraction, since the newest of ``rows``."""
    return None if not rows else min(row["age"] for row in rows) / DAY


def fading(rows: list[Row], days: int) -> float:
    return sum(floor(2**20 * exp(-row["age"] / (days * DAY))) for row in rows) / 2**20


def trend(rows: list[Row], case: Case) -> float:
    """(newer − older) ÷ (both + 1) over the window of ``case``; ``rows`` lie in it."""
    newer = len(case.newer_half(rows))
    older = len(rows) - newer
    return (newer - older) / (len(rows) + 1)


def slope(rows: list[Row], amount: str | None = None) -> float:
    """Slope of the straight line nearest to the six last stretches of 30 days; a row counts 1 without ``amount``."""
    totals = [0] * 6
    for row in rows:
        stretch = row["age"] // (30 * DAY)
        if stretch < 6:
            totals[stretch] += 1 if amount is None else row[amount]
    # The newest stretch is number 0, so that growth slopes down with the number.
    return sum((5 - 2 * stretch) * total for stretch, total in enumerate(totals)) / 35
