"""From margins to probabilities that mean what they say, by the method that did best on purged origins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from models.classifier import Floats

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
    interpolated between and clipped away from 0 and 1.
    """

    method: Method
    slope: float = 1.0
    intercept: float = 0.0
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()

    def probability(self, margins: Floats) -> Floats:
        """Churn probability per margin."""
        if self.method == "isotonic":
            result: Floats = np.clip(np.interp(margins, self.x, self.y), _EDGE, 1 - _EDGE)
            return result
        return sigmoid(self.slope * np.asarray(margins, dtype="float64") + self.intercept)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {
            "method": self.method,
            "slope": self.slope,
            "intercept": self.intercept,
            "x": list(self.x),
            "y": list(self.y),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Calibrator:
        """The calibrator written by :meth:`to_dict`."""
        return cls(values["method"], values["slope"], values["intercept"], tuple(values["x"]), tuple(values["y"]))


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
    """The best method, judged on the newest fold and then fitted on all, with the log-loss of each method.

    Args:
        folds: (margins, churned) of purged origins, oldest first. With one fold there is nothing to judge a fitted
            method by, so the margins stay as they are; so they do with none.
    """
    if len(folds) < 2:
        return Calibrator("none"), {}
    train_margins = np.concatenate([margins for margins, _ in folds[:-1]])
    train_churned = np.concatenate([churned for _, churned in folds[:-1]])
    test_margins, test_churned = folds[-1]
    methods: list[Method] = ["none"]
    if len(np.unique(train_churned)) == 2:
        methods.append("sigmoid")
        if len(train_churned) >= ISOTONIC_ROWS:
            methods.append("isotonic")
    losses: dict[str, float] = {}
    for method in methods:
        fitted = fit(method, train_margins, train_churned)
        losses[method] = log_loss(fitted.probability(test_margins), test_churned)
    best = min(methods, key=lambda method: losses[method])
    margins = np.concatenate([m for m, _ in folds])
    churned = np.concatenate([c for _, c in folds])
    return fit(best, margins, churned), losses
