"""A fitted model as one value: trees, calibrator and the columns it reads, in order."""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm as lgb
import pandas as pd

from models import classifier
from models.calibration import Calibrator
from models.classifier import Floats


@dataclass(frozen=True)
class ChurnModel:
    """What turns a feature matrix into churn probabilities."""

    booster: lgb.Booster
    calibrator: Calibrator
    columns: tuple[str, ...]

    def select(self, matrix: pd.DataFrame) -> pd.DataFrame:
        """The columns the model reads, in its order.

        Raises:
            ValueError: The matrix lacks some of them.
        """
        missing = [column for column in self.columns if column not in matrix.columns]
        if missing:
            raise ValueError(
                f"the feature table lacks {len(missing)} of the {len(self.columns)} columns the model was fitted on "
                f"(first: {missing[0]}). Bring the log it comes from, or train again without it."
            )
        return matrix[list(self.columns)]

    def margin(self, matrix: pd.DataFrame) -> Floats:
        """Log-odds of churn before calibration, one per row."""
        return classifier.margin(self.booster, self.select(matrix))

    def probability(self, matrix: pd.DataFrame) -> Floats:
        """Calibrated churn probability, one per row."""
        return self.calibrator.probability(self.margin(matrix))

    def contributions(self, matrix: pd.DataFrame) -> pd.DataFrame:
        """SHAP values in log-odds, one column per feature and ``base``."""
        return classifier.contributions(self.booster, self.select(matrix))
