"""The classifier: small LightGBM trees whose margin (log-odds of churn) ranks customers."""

from __future__ import annotations

import functools
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd

from models.settings import ModelSettings
from models.shapley import TreeValues

Floats = np.ndarray[Any, np.dtype[np.float64]]


def fit(features: pd.DataFrame, churned: pd.Series[int], settings: ModelSettings) -> lgb.Booster:
    """A booster fitted on rows ordered by customer and cutoff, columns in catalogue order.

    No class weights: they leave the ranking alone and ruin the probabilities.
    """
    params = {
        "objective": "binary",
        "learning_rate": settings.learning_rate,
        "num_leaves": settings.leaves,
        "min_data_in_leaf": settings.min_rows_per_leaf,
        "feature_fraction": settings.column_share,
        "bagging_fraction": settings.row_share,
        "bagging_freq": 1 if settings.row_share < 1 else 0,
        "lambda_l2": settings.l2,
        "seed": settings.seed,
        "num_threads": settings.threads,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    data = lgb.Dataset(features, label=churned.to_numpy(), params={"verbosity": -1})
    return lgb.train(params, data, num_boost_round=settings.trees)


def margin(booster: lgb.Booster, features: pd.DataFrame) -> Floats:
    """Raw log-odds per row; columns are checked by name, because LightGBM otherwise goes by position."""
    if features.empty:
        return np.zeros(0)
    result: Floats = booster.predict(features, raw_score=True, validate_features=True)
    return result


def contributions(booster: lgb.Booster, features: pd.DataFrame) -> pd.DataFrame:
    """SHAP values in log-odds, one column per feature and ``base``; each row adds up to the margin."""
    if booster.feature_name() != list(features.columns):
        raise ValueError("contributions: these are not the columns, in their order, that the trees were fitted on.")
    trees = _tree_values(booster)
    values = trees.contributions(features.to_numpy(dtype="float64"))
    return pd.DataFrame(values, columns=features.columns, index=features.index).assign(base=trees.base)


@functools.lru_cache(maxsize=8)
def _tree_values(booster: lgb.Booster) -> TreeValues:
    # A fitted booster never changes, and its tables serve every part of a table that is explained part by part.
    return TreeValues.of(booster)


def to_text(booster: lgb.Booster) -> str:
    """LightGBM's own text form."""
    text: str = booster.model_to_string()
    return text


def from_text(text: str) -> lgb.Booster:
    """The booster written in ``text``; hand in only text whose hash was checked, a damaged one kills the process."""
    return lgb.Booster(model_str=text)
