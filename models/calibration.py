"""From margins to probabilities that mean what they say, by the method that did best on purged origins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from models.classifier import Floats
from models.drift import at_intensity

Method = Literal["none", "sigmoid", "isotonic"]

ISOTONIC_ROWS = 5_000
"""Below so many rows isotonic regression ties too many customers and emits exact 0 and 1."""

_EDGE = 1e-4


def sigmoid(margins: Floats) -> Floats:
    """1 ÷ (1 + e^−margin)."""
    result: Floats = 1.0 / (1.0 + np.exp(-np.asarray(margins, dtype="float64")))
    return result


@dataclass(frozen=True)
class Calibrator:
    """A monotone map from margin to churn probability.

    ``sigmoid`` holds slope and intercept on the margin; ``isotonic`` holds thresholds ``x`` and values ``y``,
    interpolated between and clipped away from 0 and 1. ``intensity`` is the drift of the base rate that is expected
    beyond that (:mod:`models.drift`).
    """

    method: Method
    slope: float = 1.0
    intercept: float = 0.0
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()
    intensity: float = 0.0

    def probability(self, margins: Floats) -> Floats:
        """Churn probability per margin."""
        if self.method == "isotonic":
            steady = np.clip(np.interp(margins, self.x, self.y), _EDGE, 1 - _EDGE)
        else:
            steady = sigmoid(self.slope * np.asarray(margins, dtype="float64") + self.intercept)
        return at_intensity(steady, self.intensity)

    def without_drift(self) -> Calibrator:
        """The same without the answer to the drift of the base rate."""
        return replace(self, intensity=0.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {
            "method": self.method,
            "slope": self.slope,
            "intercept": self.intercept,
            "x": list(self.x),
            "y": list(self.y),
            "intensity": self.intensity,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Calibrator:
        """The calibrator written by :meth:`to_dict`."""
        return cls(
            values["method"],
            values["slope"],
            values["intercept"],
            tuple(values["x"]),
            tuple(values["y"]),
            values.get("intensity", 0.0),
        )


def fit(method: Method, margins: Floats, churned: Floats) -> Calibrator:
    """The calibrator of kind ``method`` fitted on out-of-time margins."""
    if method == "none":
        return Calibrator("none")
    if method == "sigmoid":
        from sklearn.linear_model import LogisticRegression

        line = LogisticRegression(C=1e6).fit(np.asarray(margins).reshape(-1, 1), churned)
        return Calibrator("sigmoid", float(line.coef_[0, 0]), float(line.intercept_[0]))
    from sklearn.isotonic import IsotonicRegression

    steps = IsotonicRegression(out_of_bounds="clip").fit(margins, churned)
    return Calibrator("isotonic", x=tuple(map(float, steps.X_thresholds_)), y=tuple(map(float, steps.y_thresholds_)))


def log_loss(probability: Floats, churned: Floats) -> float:
    """Mean −ln of the probability given to what happened."""
    p = np.clip(probability, 1e-9, 1 - 1e-9)
    return float(-np.mean(churned * np.log(p) + (1 - churned) * np.log(1 - p)))


def choose(folds: Sequence[tuple[Floats, Floats]]) -> tuple[Calibrator, dict[str, float]]:
    """The method that did best on origins it was not fitted on, fitted on all, with the mean log-loss of each method.

    Each origin is predicted by calibrators fitted on the others. A fitted method must beat the plain margins by more
    than one standard error of its gain over the origins: the base rate drifts with the season, and a calibrator
    fitted on one season and kept for the next does harm that one lucky origin hides.

    Args:
        folds: (margins, churned) of purged origins, oldest first. With fewer than two there is nothing to judge a
            fitted method by, and the margins stay as they are.
    """
    if len(folds) < 2:
        return Calibrator("none"), {}
    methods: list[Method] = ["none"]
    if all(len(np.unique(churned)) == 2 for _, churned in folds):
        methods.append("sigmoid")
        if sum(len(churned) for _, churned in folds[1:]) >= ISOTONIC_ROWS:
            methods.append("isotonic")
    losses: dict[Method, list[float]] = {method: [] for method in methods}
    for held, (margins, churned) in enumerate(folds):
        others = _joined([fold for i, fold in enumerate(folds) if i != held])
        for method in methods:
            losses[method].append(log_loss(fit(method, *others).probability(margins), churned))
    gains = {method: np.subtract(losses["none"], losses[method]) for method in methods}
    error = {method: gain.std(ddof=1) / np.sqrt(len(folds)) for method, gain in gains.items()}
    steady = [m for m in methods if m == "none" or gains[m].mean() > error[m]]
    best = min(steady, key=lambda method: float(np.mean(losses[method])))
    return fit(best, *_joined(folds)), {method: float(np.mean(values)) for method, values in losses.items()}


def _joined(folds: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    return np.concatenate([margins for margins, _ in folds]), np.concatenate([churned for _, churned in folds])
