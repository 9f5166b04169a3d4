"""How good a ranking and its probabilities are. Rows carry weights, and rows with equal scores count as equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.classifier import Floats
from models.costs import EvaluationSettings

Integers = np.ndarray[Any, np.dtype[np.int64]]

BINS = 10
SHARES = (5, 10, 20, 30)
"""Percent of the customers a list may hold, at which capture and lift are told."""


@dataclass(frozen=True)
class Ranked:
    """Rows from the highest score to the lowest, sorted once for any number of weightings.

    ``starts`` holds the position of the first row of each group of equal scores, or None where all differ.
    """

    order: Integers
    starts: Integers | None
    probability: Floats
    churned: Floats

    @classmethod
    def by(cls, score: Floats, churned: Floats) -> Ranked:
        """Rows ranked by ``score``, which is a probability where calibration is asked for."""
        order = np.argsort(-score, kind="stable")
        placed = score[order]
        starts = np.flatnonzero(np.append(True, placed[1:] != placed[:-1])) if len(placed) else order
        return cls(order, None if len(starts) == len(placed) else starts, placed, churned[order])

    def weigh(self, weight: Floats) -> Weighed:
        """The rows with ``weight``, which is in the order of the rows as they were handed in."""
        rows = weight[self.order]
        churned = rows * self.churned
        expected = rows * self.probability
        if self.starts is not None:
            rows, churned, expected = (np.add.reduceat(sums, self.starts) for sums in (rows, churned, expected))
        return Weighed(rows, churned, _running(rows), _running(churned), _running(expected))


def _running(values: Floats) -> Floats:
    """0, then the running sums of ``values``."""
    sums = np.zeros(len(values) + 1)
    np.cumsum(values, out=sums[1:])
    return sums


@dataclass(frozen=True)
class Weighed:
    """A ranking with weights, one value per group of equal scores, and running sums that begin with 0."""

    rows: Floats
    churned: Floats
    rows_above: Floats
    churned_above: Floats
    expected_above: Floats

    @property
    def total(self) -> float:
        """Weight of all rows."""
        return float(self.rows_above[-1])

    @property
    def leavers(self) -> float:
        """Weight of the rows that churned."""
        return float(self.churned_above[-1])

    def means(self) -> tuple[float, float]:
        """Mean prediction and observed churn; NaN without rows."""
        if self.total == 0:
            return float("nan"), float("nan")
        return float(self.expected_above[-1]) / self.total, self.leavers / self.total

    def _until(self, sums: Floats, shares: Floats) -> Floats:
        """The running sum at each share of the weight; within a group of equals it grows evenly."""
        found: Floats = np.interp(shares * self.total, self.rows_above, sums)
        return found

    def auroc(self) -> float:
        """Chance that a churned row scores above a kept one, ties half; NaN where one class is missing."""
        pairs = self.leavers * (self.total - self.leavers)
        if pairs == 0:
            return float("nan")
        kept_above = self.rows_above - self.churned_above
        return float(1 - (self.churned * (kept_above[:-1] + kept_above[1:])).sum() / 2 / pairs)

    def average_precision_of_returners(self) -> float:
        """Mean share of returners from the lowest score up to each of them; NaN where nobody returned."""
        kept = self.rows - self.churned
        total = self.total - self.leavers
        if total == 0:
            return float("nan")
        found = total - (self.rows_above - self.churned_above)[:-1]
        looked_at = self.total - self.rows_above[:-1]
        precision = np.divide(found, looked_at, out=np.zeros_like(found), where=looked_at > 0)
        return float((kept * precision).sum() / total)

    def capture(self, shares: Sequence[float]) -> Floats:
        """Share of all leavers among the given shares of the rows, riskiest first."""
        if self.leavers == 0:
            return np.full(len(shares), np.nan)
        return self._until(self.churned_above, np.array(shares)) / self.leavers

    def best_capture(self, shares: Sequence[float]) -> Floats:
        """What the capture of a perfect ranking would be: a list can hold no more leavers than it has places."""
        if self.leavers == 0:
            return np.full(len(shares), np.nan)
        best: Floats = np.minimum(1.0, np.array(shares) * self.total / self.leavers)
        return best

    def bins(self, number: int = BINS) -> tuple[Floats, Floats]:
        """Mean prediction and observed churn of ``number`` bins of equal weight, lowest score first."""
        edges = np.linspace(0, 1, number + 1)
        size = self.total / number if self.total else np.nan
        predicted, observed = (
            np.diff(self._until(sums, edges))[::-1] / size for sums in (self.expected_above, self.churned_above)
        )
        return predicted, observed

    def ece(self) -> float:
        """Expected calibration error over ten bins of equal weight; NaN without rows."""
        predicted, observed = self.bins()
        return float(np.abs(predicted - observed).mean())

    def expected_profit(self, costs: EvaluationSettings) -> tuple[float, float]:
        """Expected maximum profit per customer in minor units, and the share of the customers to write to.

        EMPC of Verbraken, Verbeke and Baesens (2013), DOI 10.1109/TKDE.2012.50. Everybody on the list costs a contact;
        who would have stayed takes the offer; who would have left takes it with a chance γ drawn from a Beta
        distribution and is kept. For each γ the list ends where the next customers would cost more than they
        bring. The stretches of the ranking between which it can end are those of the convex hull of the ROC curve,
        which pooling adjacent violators finds; each is on the list for every γ above a value of its own, so the
        expectation is a sum over them.
        """
        from scipy.optimize import isotonic_regression
        from scipy.special import betaincc

        held = self.rows > 0
        if not held.any():
            return float("nan"), float("nan")
        weight, leavers = self.rows[held], self.churned[held]
        blocks = isotonic_regression(leavers / weight, weights=weight, increasing=False).blocks[:-1]
        leave = np.add.reduceat(leavers, blocks) / self.total
        size = np.add.reduceat(weight, blocks) / self.total
        stay = np.clip(size - leave, 0, None)
        alpha, beta = costs.acceptance_alpha, costs.acceptance_beta
        saved, lost = costs.customer_value - costs.offer_cost, costs.offer_cost + costs.contact_cost
        with np.errstate(divide="ignore", invalid="ignore"):
            pays_from = np.where(leave > 0, (stay / leave * lost + costs.contact_cost) / saved, 1.0)
        pays_from = np.minimum(pays_from, 1.0)
        chance = betaincc(alpha, beta, pays_from)
        accepted = alpha / (alpha + beta) * betaincc(alpha + 1, beta, pays_from)
        profit = leave * (saved * accepted - costs.contact_cost * chance) - stay * lost * chance
        return float(profit.sum()), float((size * chance).sum())


def _ranked(score: Floats, churned: Floats, weight: Floats) -> Weighed:
    return Ranked.by(score, churned).weigh(weight)


def auroc(score: Floats, churned: Floats, weight: Floats) -> float:
    """Chance that a churned row scores above a kept one, ties half; NaN where one class is missing."""
    return _ranked(score, churned, weight).auroc()


def average_precision_of_returners(score: Floats, churned: Floats, weight: Floats) -> float:
    """Average precision of finding those who stayed by the lowest churn score; NaN where nobody did."""
    return _ranked(score, churned, weight).average_precision_of_returners()


def _average(values: Floats, weight: Floats) -> float:
    # A draw of customers may hold nobody of a small origin.
    return float(np.average(values, weights=weight)) if weight.any() else float("nan")


def squared_error(probability: Floats, churned: Floats) -> Floats:
    """Squared distance of each probability from what happened."""
    error: Floats = (probability - churned) ** 2
    return error


def surprise(probability: Floats, churned: Floats) -> Floats:
    """−ln of the probability given to what happened, per row."""
    p = np.clip(probability, 1e-9, 1 - 1e-9)
    told: Floats = -(churned * np.log(p) + (1 - churned) * np.log(1 - p))
    return told


def brier(probability: Floats, churned: Floats, weight: Floats) -> float:
    """Weighted mean squared distance of the probability from what happened."""
    return _average(squared_error(probability, churned), weight)


def log_loss(probability: Floats, churned: Floats, weight: Floats) -> float:
    """Weighted mean −ln of the probability given to what happened."""
    return _average(surprise(probability, churned), weight)


def ece(probability: Floats, churned: Floats, weight: Floats) -> float:
    """Expected calibration error over ten bins of equal weight; a group of equals is divided, never ordered."""
    return _ranked(probability, churned, weight).ece()


def capture(score: Floats, churned: Floats, share: float) -> float:
    """Share of all leavers in the ``share`` of the rows with the highest scores."""
    return float(_ranked(score, churned, np.ones(len(score))).capture([share])[0])


def lift(score: Floats, churned: Floats, share: float) -> float:
    """Churn rate of the ``share`` with the highest scores ÷ churn rate of all."""
    return capture(score, churned, share) / share


def expected_profit(score: Floats, churned: Floats, weight: Floats, costs: EvaluationSettings) -> tuple[float, float]:
    """Expected maximum profit per customer, and the share to write to; see :meth:`Weighed.expected_profit`."""
    return _ranked(score, churned, weight).expected_profit(costs)


@dataclass(frozen=True)
class Agreement:
    """Two scores of the same rows, each as the place of its group of equals from the highest score down."""

    first: Integers
    second: Integers

    @classmethod
    def of(cls, first: Floats, second: Floats) -> Agreement:
        """How alike the two scores order the rows."""
        places = [np.unique(-score, return_inverse=True)[1].astype("int64") for score in (first, second)]
        return cls(*places)

    def rank_correlation(self, weight: Floats) -> float:
        """Spearman's correlation, ties at their mean rank; NaN where one score is constant."""
        ranks = []
        for place in (self.first, self.second):
            size = np.bincount(place, weights=weight)
            middle = (np.cumsum(size) - size / 2)[place]
            ranks.append(middle - _average(middle, weight))
        together = float((weight * ranks[0] * ranks[1]).sum())
        spread = [float((weight * rank**2).sum()) for rank in ranks]
        return together / float(np.sqrt(spread[0] * spread[1])) if min(spread) > 0 else float("nan")

    def top_overlap(self, weight: Floats, share: float = 0.1) -> float:
        """Share of the top ``share`` by one score that is in it by the other too; a tie on its edge counts in part."""
        total = weight.sum()
        if total == 0:
            return float("nan")
        inside = []
        for place in (self.first, self.second):
            size = np.bincount(place, weights=weight)
            left = share * total - (np.cumsum(size) - size)
            part = np.clip(np.divide(left, size, out=np.zeros_like(size), where=size > 0), 0, 1)
            inside.append(part[place])
        return float((weight * np.minimum(*inside)).sum() / (share * total))
