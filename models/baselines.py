"""What any shop could do without us: a recency rule, a logistic regression on RFM, a buy-till-you-die model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
import pandas as pd

from models.buy_till_you_die import BuyTillYouDie
from models.calibration import sigmoid
from models.classifier import Floats

RECENCY = ("days_since_last_order",)
RFM = ("days_since_last_order", "days_with_order_so_far", "spend_per_year")
HISTORY = ("days_with_order_so_far", "days_since_first_order", "days_since_last_order")

_SHORTEST = 1e-3
"""Days between two orders of different days, at least."""


@dataclass(frozen=True)
class Logistic:
    """A logistic regression on log(1 + x) of a few columns, standardised; nothing but numbers."""

    columns: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float

    def margin(self, features: pd.DataFrame) -> Floats:
        """Log-odds of churn per row."""
        # Summed column by column: a product of matrices may round otherwise for another number of rows.
        result: Floats = self.contributions(features).sum(axis=1).to_numpy()
        return result

    def probability(self, features: pd.DataFrame) -> Floats:
        """Churn probability per row."""
        return sigmoid(self.margin(features))

    def contributions(self, features: pd.DataFrame) -> pd.DataFrame:
        """Weight times distance from the mean of each column, in log-odds, and ``base``: the SHAP values of a line."""
        z = (_logged(features, self.columns) - np.array(self.mean)) / np.array(self.scale) * np.array(self.weights)
        return pd.DataFrame(z, columns=list(self.columns), index=features.index).assign(base=self.intercept)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Logistic:
        """The regression written by :meth:`to_dict`."""
        return cls(
            tuple(values["columns"]),
            tuple(values["mean"]),
            tuple(values["scale"]),
            tuple(values["weights"]),
            float(values["intercept"]),
        )


def _logged(features: pd.DataFrame, columns: tuple[str, ...]) -> Floats:
    values = features[list(columns)].to_numpy(dtype="float64", na_value=0.0)
    logged: Floats = np.log1p(np.clip(np.nan_to_num(values), 0, None))
    return logged


def fit_logistic(columns: tuple[str, ...], features: pd.DataFrame, churned: pd.Series[int]) -> Logistic:
    """The regression of churn on ``columns``, fitted on the rows the model was fitted on."""
    from sklearn.linear_model import LogisticRegression

    logged = _logged(features, columns)
    mean, scale = logged.mean(axis=0), logged.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    line = LogisticRegression(C=1.0, max_iter=500).fit((logged - mean) / scale, churned.to_numpy())
    return Logistic(
        columns,
        tuple(map(float, mean)),
        tuple(map(float, scale)),
        tuple(map(float, line.coef_[0])),
        float(line.intercept_[0]),
    )


def unfitted_rule(horizon_days: float) -> Logistic:
    """Recency where there is no label to learn from: the odds of leaving are days of silence ÷ days of horizon."""
    return Logistic(RECENCY, (float(np.log1p(horizon_days)),), (1.0,), (1.0,), 0.0)


@dataclass(frozen=True)
class Lifetime:
    """A buy-till-you-die model of all buyers, asked for no order in the ``days`` that begin ``gap`` days from now.

    ``typical`` holds the values of :data:`HISTORY` that contributions are counted from.
    """

    process: BuyTillYouDie
    days: float
    gap: float
    typical: tuple[float, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads."""
        return HISTORY

    def _margin(self, orders: Floats, since_first: Floats, since_last: Floats) -> Floats:
        # Coalitions of Shapley may mix values that no customer has together.
        age = np.maximum(since_first, since_last)
        repeats = np.maximum(np.rint(orders) - 1, 0)
        last = np.where(repeats > 0, np.clip(age - since_last, _SHORTEST, age), 0.0)
        return self.process.margin(repeats, last, age, self.days, gap=self.gap)

    def margin(self, features: pd.DataFrame) -> Floats:
        """Log-odds of no order per row."""
        return self._margin(*features[list(HISTORY)].to_numpy(dtype="float64").T)

    def contributions(self, features: pd.DataFrame) -> pd.DataFrame:
        """Shapley values of the three columns against the typical customer, in log-odds, and ``base``."""
        own = features[list(HISTORY)].to_numpy(dtype="float64").T
        typical = [np.full(len(features), value) for value in self.typical]
        size = len(HISTORY)

        def of(coalition: tuple[int, ...]) -> Floats:
            return self._margin(*(own[i] if i in coalition else typical[i] for i in range(size)))

        found: dict[str, Floats] = {}
        for place, name in enumerate(HISTORY):
            others = [i for i in range(size) if i != place]
            total = np.zeros(len(features))
            for count in range(size):
                weight = factorial(count) * factorial(size - count - 1) / factorial(size)
                for coalition in combinations(others, count):
                    total += weight * (of((*coalition, place)) - of(coalition))
            found[name] = total
        return pd.DataFrame(found, index=features.index).assign(base=of(()))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {
            "process": self.process.to_dict(),
            "days": self.days,
            "gap": self.gap,
            "typical": list(self.typical),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Lifetime:
        """The model written by :meth:`to_dict`."""
        process = BuyTillYouDie.from_dict(values["process"])
        return cls(process, float(values["days"]), float(values["gap"]), tuple(map(float, values["typical"])))
