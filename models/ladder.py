"""Which kind of model the data can carry: a rule, a logistic RFM, a buy-till-you-die model, or boosted trees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from models import drift
from models.calibration import log_loss, sigmoid
from models.classifier import Floats

Rung = Literal["rule", "logistic_rfm", "buy_till_you_die", "lightgbm"]

RUNGS: tuple[Rung, ...] = ("rule", "logistic_rfm", "buy_till_you_die", "lightgbm")
"""From the one that asks least of the data to the one that asks most."""

ROWS_PER_WEIGHT = 10
"""Rows of the rarer class for each weight of a regression (Peduzzi et al. 1996)."""

REPEAT_BUYERS = 30
TOLERANCE = 0.005
"""Share of log-loss that a higher rung may be worse by: earlier origins gave it less to learn from."""

SHARES = (0.0, 0.25, 0.5)
"""Weights of a buy-till-you-die model beside the trees; without earlier origins to judge by it is the middle one."""

TREE_ROWS = 1_000
TREE_CUTOFFS = 2


@dataclass(frozen=True)
class Known:
    """How much can be learned from at an origin.

    ``rows`` and ``rarer`` count training rows with complete labels, and those of the rarer class; ``cutoffs`` the
    training cutoffs they come from; ``repeat_buyers`` the customers who had ordered on a second day.
    """

    rows: int
    rarer: int
    cutoffs: int
    repeat_buyers: int


@dataclass(frozen=True)
class Choice:
    """A rung, why it was taken, and the mean loss of each rung on earlier origins where there were any."""

    rung: Rung
    why: str
    log_loss: Mapping[Rung, float]


def lacking(known: Known, weights: int = 3) -> dict[Rung, str]:
    """For each rung that the data cannot carry, what they lack."""
    found: dict[Rung, str] = {}
    needed = ROWS_PER_WEIGHT * (weights + 1)
    if known.rarer < needed:
        found["logistic_rfm"] = f"{known.rarer:,} training rows of the rarer outcome, {needed} needed"
    if known.repeat_buyers < REPEAT_BUYERS:
        found["buy_till_you_die"] = f"{known.repeat_buyers:,} customers with a second order, {REPEAT_BUYERS} needed"
    if known.cutoffs < TREE_CUTOFFS or known.rows < TREE_ROWS:
        found["lightgbm"] = (
            f"{known.rows:,} training rows of {known.cutoffs} cutoffs, {TREE_ROWS:,} of {TREE_CUTOFFS} needed"
        )
    elif known.rarer < needed:
        found["lightgbm"] = found["logistic_rfm"]
    return found


def loss(probability: Floats, churned: Floats) -> float:
    """Log-loss once the mean prediction is the base rate.

    Which level the next season will have is asked apart (:mod:`models.drift`), and is no virtue of a rung.
    """
    level = drift.intensity(probability, float(churned.mean()))
    return log_loss(drift.at_intensity(probability, level), churned)


def choose_share(folds: Sequence[tuple[Floats, Floats, Floats]]) -> float:
    """The smallest weight of the buy-till-you-die model that was best on earlier origins, or close to it.

    Close is a mean :func:`loss` within :data:`TOLERANCE`, for the reason given there.

    Args:
        folds: (margins of the trees, margins of the other, churned) of purged origins.
    """
    if not folds:
        return SHARES[1]

    def mean_loss(share: float) -> float:
        return float(np.mean([loss(sigmoid((1 - share) * a + share * b), churned) for a, b, churned in folds]))

    found = {share: mean_loss(share) for share in SHARES}
    return next(share for share in SHARES if found[share] <= min(found.values()) * (1 + TOLERANCE))


def choose(missing: Mapping[Rung, str], losses: Mapping[Rung, Sequence[float]]) -> Choice:
    """The highest rung that was the best one on earlier origins, or within :data:`TOLERANCE` of it.

    Where there is no origin at which all of them could be made, it is the highest that the data can carry, and a
    fitted regression goes before a buy-till-you-die model, which has seen no label.

    Args:
        missing: What the data lack for a rung (:func:`lacking`), and why one could not be fitted.
        losses: For each rung its :func:`loss` at each purged origin, oldest first.
    """
    able = [rung for rung in RUNGS if rung not in missing]
    judged = {rung: float(np.mean(losses[rung])) for rung in able if losses.get(rung)}
    if set(able) == set(judged):
        lowest = min(judged.values())
        taken = next(rung for rung in reversed(able) if judged[rung] <= lowest * (1 + TOLERANCE))
        origins = len(losses[taken])
        how = "the lowest" if judged[taken] == lowest else f"within {TOLERANCE:.1%} of the lowest"
        found = ", ".join(f"{rung} {loss:.4f}" for rung, loss in judged.items())
        why = f"{how} log-loss, levels put right, on {origins} earlier origin{'s' if origins > 1 else ''} ({found})"
        return Choice(taken, why, judged)
    preferred: tuple[Rung, ...] = ("lightgbm", "logistic_rfm", "buy_till_you_die", "rule")
    best = next(rung for rung in preferred if rung in able)
    reasons = [f"{rung}: {missing[rung]}" for rung in preferred[: preferred.index(best)]]
    why = "the highest that the data can carry; no earlier origin to judge by"
    return Choice(best, "; ".join([why, *reasons]), judged)
