"""The shipped params, and a project folder of a test's own."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models import classifier
from models.calibration import Calibrator
from models.scorer import Boosted, ChurnModel
from pipeline.project import settings
from pipeline.project.settings import Settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def shipped() -> str:
    return (ROOT / "params.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def shop(shipped: str) -> Settings:
    return settings.parse(shipped)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project folder that the code under test runs in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def matrix() -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(3).normal(size=(200, 3)), columns=["a", "b", "c"])


@pytest.fixture(scope="session")
def model(matrix: pd.DataFrame, shop: Settings) -> ChurnModel:
    small = shop.model.model_copy(update={"trees": 3, "leaves": 4, "min_rows_per_leaf": 20})
    booster = classifier.fit(matrix, (matrix["a"] > 0).astype("int8"), small)
    return ChurnModel(Boosted(booster, tuple(matrix.columns)), Calibrator("sigmoid", 0.9, 0.1))
