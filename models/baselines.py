"""What any shop could do without us: rank by days since the last order, or a logistic regression on RFM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.calibration import sigmoid
from models.classifier import Floats

RECENCY = ("days_since_last_order",)
RFM = ("days_since_last_order", "days_with_order_so_far", "spend_per_year")


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
        z = (_logged(features, self.columns) - np.array(self.mean)) / np.array(self.scale)
        result: Floats = z @ np.array(self.weights) + self.intercept
        return result

    def probability(self, features: pd.DataFrame) -> Floats:
        """Churn probability per row."""
        return sigmoid(self.margin(features))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Logistic:
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
