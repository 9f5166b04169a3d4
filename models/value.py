"""What a customer brings in over the next year: if they stay, if they leave, expected, and at risk.

Two regressions learn net revenue of the 365 days after a cutoff, one from customers who stayed and one from those
labelled churned. The one churn probability of the classifier weighs them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd

from models import classifier, regression
from models.classifier import Floats
from models.settings import ModelSettings
from models.splits import calibration_origins, complete_before

YEAR_DAYS = 365

ENOUGH = 500
"""Fewer customers who stayed, or who left, with a complete year after the cutoff are too few for trees."""

TARGET = "revenue_next_year"
FACTS = "next_year.json"
PARTS = ("stays", "leaves")

STATEMENTS = {
    "trees": (
        "Expected value of the next 12 months = probability of staying × net revenue if the customer stays + "
        "probability of leaving × net revenue if they leave, each learned from the year that followed earlier dates. "
        "Value at risk = probability of leaving × the difference between the two."
    ),
    "formula": (
        "Expected value of the next 12 months = what the customer spends in a year (all so far, spread over the time "
        "as a customer, which counts as a year at least), times the probability of staying. Value at risk = the same "
        "times the probability of leaving."
    ),
}
"""How the amounts come about, for the pages, by the kind of model behind them."""


def steady_spend(spend_per_year: pd.Series[float], tenure_days: pd.Series[float]) -> pd.Series[float]:
    """Spend per year with the days as a customer counted as a year at least, in minor units.

    Over a short time the pace is no pace: one order of last week would be taken for a dozen a year.

    Args:
        spend_per_year: The feature of that name, whose own floor is 30 days.
        tenure_days: Days since the first order.
    """
    return spend_per_year * tenure_days.clip(lower=30) / tenure_days.clip(lower=YEAR_DAYS)


def expected_and_at_risk(stays: Floats, leaves: Floats, churn_probability: Floats) -> tuple[Floats, Floats]:
    """Expected value and value at risk in whole minor units, one per row.

    Args:
        stays: Net revenue of the next year if the customer stays, in minor units.
        leaves: The same if they leave; where it is more, nothing is at risk.
        churn_probability: Calibrated probability of no order in the horizon.
    """
    expected = np.rint(stays * (1 - churn_probability) + leaves * churn_probability).astype("int64")
    at_risk = np.rint(np.clip(stays - leaves, 0, None) * churn_probability).astype("int64")
    return expected, at_risk


@dataclass(frozen=True)
class NextYear:
    """Net revenue of the next year, in minor units, if a customer stays and if they leave.

    ``trees`` and ``scale`` stand in the order of :data:`PARTS`; a part without trees brings in nothing. Without
    ``columns`` the simple formula answers: the customer's steady spend if they stay, and nothing if they leave.
    """

    trees: tuple[lgb.Booster | None, ...]
    scale: tuple[float, ...]
    columns: tuple[str, ...]
    why: str

    @property
    def kind(self) -> str:
        """``trees`` or ``formula``."""
        return "trees" if self.columns else "formula"

    @property
    def statement(self) -> str:
        """How the amounts come about, for the pages."""
        return STATEMENTS[self.kind]

    def amounts(self, matrix: pd.DataFrame) -> tuple[Floats, Floats]:
        """If they stay, and if they leave: minor units, never below zero, one per row of ``matrix``."""
        if not self.columns:
            steady = steady_spend(matrix["spend_per_year"], matrix["days_since_first_order"])
            spend: Floats = np.clip(np.nan_to_num(steady.to_numpy(dtype="float64")), 0, None)
            return spend, np.zeros(len(matrix))
        part = regression.select(matrix, self.columns)
        stays, leaves = (_revenue(tree, part, scale) for tree, scale in zip(self.trees, self.scale, strict=True))
        return stays, leaves

    def to_files(self) -> dict[str, str]:
        """Texts for a model folder by file name; nothing pickled."""
        facts = {
            "kind": self.kind,
            "columns": list(self.columns),
            "scale": list(self.scale),
            "trees": [name for name, tree in zip(PARTS, self.trees, strict=True) if tree is not None],
            "why": self.why,
        }
        files = {FACTS: json.dumps(facts, indent=2, sort_keys=True) + "\n"}
        for name, tree in zip(PARTS, self.trees, strict=True):
            if tree is not None:
                files[f"revenue_{name}.txt"] = classifier.to_text(tree)
        return files

    @classmethod
    def from_files(cls, files: Mapping[str, str]) -> NextYear:
        """The amounts written by :meth:`to_files`; hand in only texts whose hashes were checked."""
        facts = json.loads(files[FACTS])
        trees = [classifier.from_text(files[f"revenue_{n}.txt"]) if n in facts["trees"] else None for n in PARTS]
        return cls(tuple(trees), tuple(facts["scale"]), tuple(facts["columns"]), facts["why"])


def _revenue(tree: lgb.Booster | None, features: pd.DataFrame, scale: float = 1.0) -> Floats:
    if tree is None:
        return np.zeros(len(features))
    # The trees answer in logarithms.
    result: Floats = np.exp(classifier.margin(tree, features)) * scale
    return result


def simple_formula(why: str) -> NextYear:
    """Steady spend if they stay and nothing if they leave, and why no trees: for the pages."""
    return NextYear((None, None), (1.0, 1.0), (), why)


@dataclass
class ValueTrainer:
    """Fits the amounts of any origin on the years that had ended then; what two origins need is fitted once.

    Args:
        rows: One row per customer and cutoff: cutoff, churned, ``revenue_next_year`` and the features.
        columns: The features to learn from.
        label_days: Days from a cutoff until its label closes.
        spacing: Month starts between two calibration origins.
        settings: Seed and threads.
    """

    rows: pd.DataFrame
    columns: list[str]
    label_days: int
    spacing: int
    settings: ModelSettings
    fitted: dict[tuple[int, ...], NextYear] = field(default_factory=dict)

    @property
    def _cutoffs(self) -> list[int]:
        return sorted(int(cutoff) for cutoff in self.rows["cutoff"].unique())

    @property
    def _days(self) -> int:
        return max(YEAR_DAYS, self.label_days)

    def fit(self, origin: int) -> NextYear:
        """Trees on every year that had ended at ``origin``, scaled to those years; the formula where they are few."""
        known = tuple(complete_before(self._cutoffs, origin, 0, self._days))
        if known not in self.fitted:
            self.fitted[known] = self._fit(self.rows[self.rows["cutoff"].isin(known) & self.rows[TARGET].notna()])
        return self.fitted[known]

    def _fit(self, part: pd.DataFrame) -> NextYear:
        left = part["churned"].to_numpy() == 1
        fewest = min(int((~left).sum()), int(left.sum()))
        if fewest < ENOUGH:
            return simple_formula(
                f"{fewest:,} customers who stayed or who left had a complete year after an earlier date, "
                f"{ENOUGH:,} of each are needed"
            )
        trees: list[lgb.Booster | None] = []
        scale = []
        for inside in (~left, left):
            chosen = part[inside]
            revenue = chosen[TARGET].to_numpy(dtype="float64")
            # Who takes back more than they buy counts as nothing here, and in full in the scale.
            target = np.clip(revenue, 0, None)
            if revenue.sum() <= 0:
                trees.append(None)
                scale.append(1.0)
                continue
            features, mean = chosen[self.columns], target.mean()
            # In shares of the mean the penalties weigh the same in every currency.
            objective = {"objective": "tweedie", "tweedie_variance_power": 1.3}
            (tree,) = regression.fit(features, target / mean, [objective], self.settings)
            trees.append(tree)
            scale.append(float(revenue.sum() / _revenue(tree, features).sum()))
        return NextYear(tuple(trees), tuple(scale), tuple(self.columns), "trees are put to the test here")

    def folds(self, origin: int) -> list[int]:
        """The origins whose year had ended at ``origin``, and which have an ended year before them to learn from."""
        return calibration_origins(self._cutoffs, origin, 0, self._days, self.spacing)

    def can_test(self, origin: int) -> bool:
        """Whether the year after ``origin`` has ended by now."""
        return bool(self.rows.loc[self.rows["cutoff"] == origin, TARGET].notna().any())

    def untested(self, origin: int) -> NextYear:
        """The trees of ``origin`` wherever they can be fitted, so that the evaluation has something to test."""
        if not self.can_test(origin):
            return simple_formula("the year after this date has not ended, so nothing could be tested")
        return _scaled(self.fit(origin), self._judged(origin))

    def at(self, origin: int) -> NextYear:
        """The trees of ``origin`` if they came closer than the formula on earlier purged origins, or the formula."""
        model, folds = self.fit(origin), self._judged(origin)
        if model.kind == "formula":
            return model
        if not folds:
            return simple_formula("the data hold no second year on which trees could be tested")
        by_trees, by_formula = (sum(float(fold.errors(kind).sum()) for fold in folds) for kind in ("trees", "formula"))
        if by_trees > by_formula:
            return simple_formula("on earlier dates trees came no closer")
        return replace(_scaled(model, folds), why="trees came closer than the simple formula on earlier dates")

    def _judged(self, origin: int) -> list[_Fold]:
        folds = []
        for past in self.folds(origin):
            trees = self.fit(past)
            part = self.rows[self.rows["cutoff"].eq(past) & self.rows[TARGET].notna()]
            if trees.kind == "trees" and len(part):
                models = {"trees": trees, "formula": simple_formula("")}
                folds.append(
                    _Fold(
                        part["churned"].to_numpy() == 1,
                        part[TARGET].to_numpy(dtype="float64"),
                        {kind: model.amounts(part) for kind, model in models.items()},
                    )
                )
        return folds


@dataclass(frozen=True)
class _Fold:
    """A purged origin: who left, what the year brought in, and what each kind said of both cases."""

    left: np.ndarray[Any, np.dtype[np.bool_]]
    revenue: Floats
    amounts: Mapping[str, tuple[Floats, Floats]]

    def errors(self, kind: str) -> Floats:
        """Squared distance of what was said of the case that came true."""
        stays, leaves = self.amounts[kind]
        result: Floats = (np.where(self.left, leaves, stays) - self.revenue) ** 2
        return result


def _scaled(model: NextYear, folds: Sequence[_Fold]) -> NextYear:
    """``model`` with each part multiplied so that its totals fit those of ``folds``."""
    if model.kind == "formula" or not folds:
        return model
    scale = []
    for place, before in enumerate(model.scale):
        inside = [fold.left == bool(place) for fold in folds]
        actual = sum(fold.revenue[rows].sum() for fold, rows in zip(folds, inside, strict=True))
        said = sum(fold.amounts["trees"][place][rows].sum() for fold, rows in zip(folds, inside, strict=True))
        scale.append(before * float(actual / said) if actual > 0 and said > 0 else before)
    return replace(model, scale=tuple(scale))
