"""One small matrix with holes, and what a classifier learns from it."""

import numpy as np
import pandas as pd
import pytest

from models import classifier
from models.calibration import Calibrator
from models.scorer import Boosted, ChurnModel
from models.settings import ModelSettings

SETTINGS = ModelSettings(
    trees=15,
    learning_rate=0.2,
    leaves=6,
    min_rows_per_leaf=5,
    column_share=0.8,
    row_share=0.8,
    l2=1.0,
    seed=7,
    threads=1,
    bootstrap_draws=50,
)


@pytest.fixture(scope="session")
def small() -> ModelSettings:
    return SETTINGS


@pytest.fixture(scope="session")
def matrix() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(600, 5))
    values[rng.uniform(size=values.shape) < 0.1] = np.nan
    return pd.DataFrame(values, columns=["a", "b", "c", "d", "e"])


@pytest.fixture(scope="session")
def churned(matrix: pd.DataFrame) -> pd.Series:
    noise = np.random.default_rng(4).normal(size=len(matrix))
    return (matrix["a"].fillna(0) - matrix["b"].fillna(1) ** 2 + noise > -0.5).astype("int8")


@pytest.fixture(scope="session")
def model(matrix: pd.DataFrame, churned: pd.Series) -> ChurnModel:
    booster = classifier.fit(matrix, churned, SETTINGS)
    return ChurnModel(Boosted(booster, tuple(matrix.columns)), Calibrator("sigmoid", 0.9, 0.1))
