"""A fitted model as one value: what ranks the customers, the calibrator, and the columns read, in order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import lightgbm as lgb
import numpy as np
import pandas as pd

from models import classifier
from models.baselines import Lifetime, Logistic
from models.calibration import Calibrator
from models.classifier import Floats

TREES, RANKER, CALIBRATOR, COLUMNS = "model.txt", "ranker.json", "calibrator.json", "features.json"


class Ranker(Protocol):
    """What gives each customer log-odds of churn: one rung of the ladder."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads, in its order."""

    def margin(self, features: pd.DataFrame) -> Floats:
        """Log-odds of churn per row."""

    def contributions(self, features: pd.DataFrame) -> pd.DataFrame:
        """What each column adds to the log-odds, and ``base``; each row adds up to the margin."""


@dataclass(frozen=True)
class Boosted:
    """Boosted trees."""

    booster: lgb.Booster
    columns: tuple[str, ...]

    def margin(self, features: pd.DataFrame) -> Floats:
        """Log-odds of churn per row."""
        return classifier.margin(self.booster, self._own(features))

    def _own(self, features: pd.DataFrame) -> pd.DataFrame:
        return features if tuple(features.columns) == self.columns else features[list(self.columns)]

    def contributions(self, features: pd.DataFrame) -> pd.DataFrame:
        """SHAP values in log-odds, one column per feature and ``base``."""
        return classifier.contributions(self.booster, self._own(features))


@dataclass(frozen=True)
class Blend:
    """Boosted trees and a buy-till-you-die model, the weighted mean of their log-odds.

    ``share`` is the weight of the second, whose own log-odds ``line`` (slope, intercept) puts right first.
    """

    trees: Boosted
    lifetime: Lifetime
    line: tuple[float, float]
    share: float

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads, those of the trees first."""
        return (*self.trees.columns, *(c for c in self.lifetime.columns if c not in self.trees.columns))

    def margin(self, features: pd.DataFrame) -> Floats:
        """Log-odds of churn per row."""
        slope, intercept = self.line
        trees = self.trees.margin(features)
        return (1 - self.share) * trees + self.share * (slope * self.lifetime.margin(features) + intercept)

    def contributions(self, features: pd.DataFrame) -> pd.DataFrame:
        """What each column adds to the log-odds in both, and ``base``."""
        slope, intercept = self.line
        found = self.trees.contributions(features) * (1 - self.share)
        added = self.lifetime.contributions(features) * (self.share * slope)
        added["base"] += self.share * intercept
        return found.add(added, fill_value=0.0)[[*self.columns, "base"]]


@dataclass(frozen=True)
class ChurnModel:
    """What turns a feature matrix into churn probabilities.

    ``twins`` are rankers fitted like the first with other seeds: a reason that they do not share is not shown.
    """

    ranker: Ranker
    calibrator: Calibrator
    twins: tuple[Ranker, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns the model reads, in its order."""
        return self.ranker.columns

    @property
    def booster(self) -> lgb.Booster | None:
        """The trees, where this rung of the ladder has them."""
        trees = self.ranker.trees if isinstance(self.ranker, Blend) else self.ranker
        return trees.booster if isinstance(trees, Boosted) else None

    def select(self, matrix: pd.DataFrame) -> pd.DataFrame:
        """The columns the model reads, in its order.

        Raises:
            ValueError: The matrix lacks some of them, or one is of another type.
        """
        missing = [column for column in self.columns if column not in matrix.columns]
        if missing:
            raise ValueError(
                f"the feature table lacks {len(missing)} of the {len(self.columns)} columns the model was fitted on "
                f"(first: {missing[0]}). Bring the log it comes from, or train again without it."
            )
        chosen = matrix[list(self.columns)]
        for column, kind in chosen.dtypes.items():
            if kind != np.float64:
                raise ValueError(
                    f"the column {column} of the feature table is {kind}, but the model was fitted on float64. Build "
                    "the features anew with this version."
                )
        return chosen

    def margin(self, matrix: pd.DataFrame) -> Floats:
        """Log-odds of churn before calibration, one per row."""
        return self.ranker.margin(self.select(matrix))

    def probability(self, matrix: pd.DataFrame) -> Floats:
        """Calibrated churn probability, one per row."""
        return self.calibrator.probability(self.margin(matrix))

    def contributions(self, matrix: pd.DataFrame) -> pd.DataFrame:
        """What each column adds to the log-odds, and ``base``; each row adds up to the margin."""
        return self.ranker.contributions(self.select(matrix))

    def to_files(self) -> dict[str, str]:
        """The texts of a model folder by file name; nothing pickled."""
        files = {
            CALIBRATOR: _json(self.calibrator.to_dict()),
            COLUMNS: _json({"columns": list(self.columns), "type": "float64"}),
        }
        for place, ranker in enumerate((self.ranker, *self.twins)):
            mark = f"twin_{place}_" if place else ""
            trees = ranker.trees if isinstance(ranker, Blend) else ranker
            if isinstance(trees, Boosted):
                files[f"{mark}{TREES}"] = classifier.to_text(trees.booster)
            files[f"{mark}{RANKER}"] = _json(ranker_to_dict(ranker))
        return files

    @classmethod
    def from_files(cls, files: Mapping[str, str]) -> ChurnModel:
        """The model written by :meth:`to_files`; hand in only texts whose hashes were checked."""

        def ranker(mark: str) -> Ranker:
            values = json.loads(files[f"{mark}{RANKER}"])
            trees = classifier.from_text(files[f"{mark}{TREES}"]) if f"{mark}{TREES}" in files else None
            return ranker_from_dict(values, trees)

        twins: list[Ranker] = []
        while f"twin_{len(twins) + 1}_{RANKER}" in files:
            twins.append(ranker(f"twin_{len(twins) + 1}_"))
        return cls(ranker(""), Calibrator.from_dict(json.loads(files[CALIBRATOR])), tuple(twins))


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def ranker_to_dict(ranker: Ranker) -> dict[str, Any]:
    """Plain values for a JSON file: all of a ranker but its trees."""
    if isinstance(ranker, Boosted):
        return {"kind": "trees", "columns": list(ranker.columns)}
    if isinstance(ranker, Blend):
        return {
            "kind": "blend",
            "columns": list(ranker.trees.columns),
            "lifetime": ranker.lifetime.to_dict(),
            "line": list(ranker.line),
            "share": ranker.share,
        }
    if isinstance(ranker, Logistic):
        return {"kind": "logistic", **ranker.to_dict()}
    if isinstance(ranker, Lifetime):
        return {"kind": "lifetime", **ranker.to_dict()}
    raise TypeError(f"{type(ranker).__name__} is no ranker that is written as JSON")


def ranker_from_dict(values: Mapping[str, Any], booster: lgb.Booster | None = None) -> Ranker:
    """The ranker written by :func:`ranker_to_dict`, with the trees that stand in a file of their own."""
    if values["kind"] == "logistic":
        return Logistic.from_dict(values)
    if values["kind"] == "lifetime":
        return Lifetime.from_dict(values)
    if booster is None:
        raise ValueError(f"a ranker of kind {values['kind']!r} has no trees beside it")
    trees = Boosted(booster, tuple(values["columns"]))
    if values["kind"] == "trees":
        return trees
    slope, intercept = map(float, values["line"])
    return Blend(trees, Lifetime.from_dict(values["lifetime"]), (slope, intercept), float(values["share"]))


def baselines_to_dict(models: Mapping[str, ChurnModel]) -> dict[str, Any]:
    """Plain values for a JSON file: the baselines of one origin by name."""
    return {
        name: {"ranker": ranker_to_dict(model.ranker), "calibrator": model.calibrator.to_dict()}
        for name, model in models.items()
    }


def read_baselines(values: Mapping[str, Any]) -> dict[str, ChurnModel]:
    """The baselines written by :func:`baselines_to_dict`."""
    return {
        name: ChurnModel(ranker_from_dict(found["ranker"]), Calibrator.from_dict(found["calibrator"]))
        for name, found in values.items()
    }
