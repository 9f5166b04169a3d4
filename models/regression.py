"""Small LightGBM trees for days and amounts: few and shallow, because many are fitted and every score reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import lightgbm as lgb
import pandas as pd

from models.classifier import Floats
from models.settings import ModelSettings

ROUNDS = 40
ROWS_PER_TREE = 20_000
"""Each tree sees a draw of so many rows at most, another one each time."""


def fit(
    features: pd.DataFrame, target: Floats, objectives: Sequence[Mapping[str, Any]], settings: ModelSettings
) -> tuple[lgb.Booster, ...]:
    """One booster for each of ``objectives`` (LightGBM's own words), on rows ordered by customer and cutoff."""
    params = {
        "learning_rate": 0.1,
        "num_leaves": 7,
        "min_data_in_leaf": 100,
        "feature_fraction": 0.6,
        "bagging_fraction": min(0.8, ROWS_PER_TREE / max(len(target), 1)),
        "bagging_freq": 1,
        "lambda_l2": 1.0,
        "max_bin": 63,
        "seed": settings.seed,
        "num_threads": settings.threads,
        "deterministic": True,
        "force_col_wise": True,  # half the time of rows where a tree reads a part of many columns
        "verbosity": -1,
    }
    data = lgb.Dataset(features, label=target, params=params, free_raw_data=False)
    return tuple(lgb.train({**params, **objective}, data, num_boost_round=ROUNDS) for objective in objectives)


def select(matrix: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The ``columns`` of ``matrix``, in their order; the matrix itself where it has just these.

    Raises:
        ValueError: The matrix lacks some of them.
    """
    if list(matrix.columns) == list(columns):
        return matrix
    missing = [column for column in columns if column not in matrix.columns]
    if missing:
        raise ValueError(
            f"the feature table lacks {len(missing)} of the {len(columns)} columns the model was fitted on "
            f"(first: {missing[0]}). Bring the log it comes from, or train again without it."
        )
    return matrix[list(columns)]
