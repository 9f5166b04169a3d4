"""The classifier: small LightGBM trees whose margin (log-odds of churn) ranks customers."""

from __future__ import annotations

import functools
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd

from models.settings import ModelSettings
from models.tree_tables import Contributions, Margins

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
        "force_col_wise": True,
        "verbosity": -1,
    }
    data = lgb.Dataset(features, label=churned.to_numpy(), params={"verbosity": -1})
    return lgb.train(params, data, num_boost_round=settings.trees)


def margin(booster: lgb.Booster, features: pd.DataFrame) -> Floats:
    """Raw log-odds per row; columns are checked by name, because LightGBM goes by position.

    Raises:
        ValueError: The columns are not those of the booster, in its order.
    """
    _check_columns(booster, features)
    if features.empty:
        return np.zeros(0)
    tables, values = _tables(booster), features.to_numpy(dtype="float64")
    if tables.pay_off(len(features)):
        return tables.margins.margin(values)
    result: Floats = booster.predict(values, raw_score=True)
    return result


def contributions(booster: lgb.Booster, features: pd.DataFrame) -> pd.DataFrame:
    """SHAP values in log-odds, one column per feature and ``base``; each row adds up to the margin."""
    _check_columns(booster, features)
    found = _tables(booster).contributions
    values = found.contributions(features.to_numpy(dtype="float64"))
    return pd.DataFrame(values, columns=features.columns, index=features.index).assign(base=found.base)


def _check_columns(booster: lgb.Booster, features: pd.DataFrame) -> None:
    if booster.feature_name() != list(features.columns):
        raise ValueError("these are not the columns, in their order, that the trees were fitted on.")


MANY_ROWS = 30_000
"""A booster that has scored so many rows is worth making into tables, which score three times as many a second."""


class _Tables:
    """The tables of one booster, made when they are first needed and kept for the parts of a table that follow."""

    def __init__(self, booster: lgb.Booster) -> None:
        self._booster, self._scored = booster, 0

    def pay_off(self, rows: int) -> bool:
        """Whether the rows scored so far, with these ``rows``, are many. The margins are the same bits either way."""
        self._scored += rows
        return self._scored >= MANY_ROWS

    @functools.cached_property
    def margins(self) -> Margins:
        """For margins."""
        return Margins.of(self._booster)

    @functools.cached_property
    def contributions(self) -> Contributions:
        """For SHAP values."""
        return Contributions.of(self._booster)


@functools.lru_cache(maxsize=16)
def _tables(booster: lgb.Booster) -> _Tables:
    return _Tables(booster)  # A fitted booster never changes.


def to_text(booster: lgb.Booster) -> str:
    """LightGBM's own text form."""
    text: str = booster.model_to_string()
    return text


def from_text(text: str) -> lgb.Booster:
    """The booster written in ``text``; hand in only text whose hash was checked, a damaged one kills the process."""
    return lgb.Booster(model_str=text)
