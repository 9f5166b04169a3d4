"""An answer to a base rate that moves: how much more or less than the model expects a shop is being bought from.

A churn probability p says that nobody orders. If everybody ordered S times as often, it would be p to the power of S:
the chance of no order in a time of constant rate is e^(−rate · time). S is the intensity; here it is kept as its
natural logarithm, 0 for no drift. It raises or lowers all probabilities together and never changes a rank.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from models.classifier import Floats

RECENT_SHARE = 0.5
"""How much of a drift seen in the last months is expected to last: seasons turn as often as they stay."""

FARTHEST = 2.0
"""Largest logarithm of an intensity that is believed: beyond it the shop has changed, and not its season."""

_SMALLEST = 1e-12


def at_intensity(probability: Floats, intensity: float) -> Floats:
    """The churn probabilities if customers ordered e^``intensity`` times as often."""
    if intensity == 0.0:
        return probability
    result: Floats = np.clip(probability, _SMALLEST, 1.0) ** np.exp(intensity)
    return result


def intensity(probability: Floats, churn_rate: float) -> float:
    """The intensity at which the mean of ``probability`` is ``churn_rate``; within ± :data:`FARTHEST`."""
    from scipy.optimize import brentq

    def above(value: float) -> float:
        return float(at_intensity(probability, value).mean()) - churn_rate

    if above(-FARTHEST) <= 0:
        return -FARTHEST
    if above(FARTHEST) >= 0:
        return FARTHEST
    return float(brentq(above, -FARTHEST, FARTHEST, xtol=1e-9))


def expected(last_year: float | None, recent: Mapping[int, float]) -> tuple[float, str]:
    """The intensity to expect at an origin, and what it was taken from.

    Args:
        last_year: Intensity of the cutoff twelve months before, under the model of the origin; None where there is
            none with enough history before it.
        recent: Cutoff to intensity, of those whose label is still open: what has come of them so far.
    """
    if last_year is not None:
        return last_year, "the same season last year"
    if recent:
        return RECENT_SHARE * float(np.mean(list(recent.values()))), "half of what the last months show"
    return 0.0, "nothing: no cutoff a year before, and none whose label is still open"
