"""When the next order comes, of those who will order: a window of days that holds four in five of them.

The churn probability says whether a customer orders in the follow-up (from the cutoff until the label closes); these
quantiles say when, given that they do. They are fitted on customers who did, and their outer ends are moved by what
purged origins show to be missing (conformalised quantile regression: Romano, Patterson and Candès 2019, theorem 2).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import lightgbm as lgb
import numpy as np
import pandas as pd

from models import classifier, regression
from models.classifier import Floats
from models.settings import ModelSettings
from models.splits import calibration_origins, complete_before

QUANTILES = (0.1, 0.5, 0.9)

ENOUGH = 1_000
"""Fewer customers who came back teach trees nothing that everybody's quantiles do not say."""

TARGET = "days_to_next_order"
FACTS = "next_order.json"


def _trees(place: int) -> str:
    return f"next_order_{round(100 * QUANTILES[place])}.txt"


@dataclass(frozen=True)
class NextOrder:
    """Days from the cutoff until the next order, at 10, 50 and 90 %, of those who order in the follow-up.

    Without ``boosters`` everybody gets the quantiles of ``everybody``. ``moved`` days are added to the first and to
    the last quantile; ``longest`` is the length of the follow-up.
    """

    boosters: tuple[lgb.Booster, ...]
    columns: tuple[str, ...]
    everybody: tuple[float, ...]
    moved: tuple[float, float]
    longest: float
    why: str

    @property
    def kind(self) -> str:
        """``trees``, or ``everybody`` where all customers get the same days."""
        return "trees" if self.boosters else "everybody"

    def days(self, matrix: pd.DataFrame) -> Floats:
        """One row per row of ``matrix``, one column per quantile, never crossing, within the follow-up."""
        plain = _plain(self.boosters, self.everybody, matrix, self.columns)
        moved = plain + np.array([self.moved[0], 0.0, self.moved[1]])
        result: Floats = np.sort(np.clip(moved, 0.0, self.longest), axis=1)
        return result

    def to_files(self) -> dict[str, str]:
        """Texts for a model folder by file name; nothing pickled."""
        facts = {
            "kind": self.kind,
            "columns": list(self.columns),
            "everybody": list(self.everybody),
            "moved": list(self.moved),
            "longest": self.longest,
            "why": self.why,
        }
        files = {FACTS: json.dumps(facts, indent=2, sort_keys=True) + "\n"}
        return files | {_trees(place): classifier.to_text(booster) for place, booster in enumerate(self.boosters)}

    @classmethod
    def from_files(cls, files: Mapping[str, str]) -> NextOrder:
        """The quantiles written by :meth:`to_files`; hand in only texts whose hashes were checked."""
        facts = json.loads(files[FACTS])
        names = [_trees(place) for place in range(len(QUANTILES))] if facts["kind"] == "trees" else []
        return cls(
            tuple(classifier.from_text(files[name]) for name in names),
            tuple(facts["columns"]),
            tuple(facts["everybody"]),
            (facts["moved"][0], facts["moved"][1]),
            facts["longest"],
            facts["why"],
        )


def _plain(
    boosters: tuple[lgb.Booster, ...], everybody: tuple[float, ...], matrix: pd.DataFrame, columns: tuple[str, ...]
) -> Floats:
    if not boosters:
        return np.tile(np.array(everybody), (len(matrix), 1))
    part = regression.select(matrix, columns)
    # Each quantile has trees of its own, so nothing keeps them apart but this.
    result: Floats = np.sort(np.column_stack([classifier.margin(booster, part) for booster in boosters]), axis=1)
    return result


def pinball(days: Floats, actual: Floats) -> Floats:
    """Pinball loss of each quantile, one row per customer: in days, smaller is better."""
    gap = actual[:, None] - days
    levels = np.array(QUANTILES)
    result: Floats = np.maximum(levels * gap, (levels - 1) * gap)
    return result


def missing_days(days: Floats, actual: Floats) -> tuple[float, float]:
    """What to add to the first and the last quantile so that each leaves one in ten of ``actual`` beyond it.

    With the correction for a finite sample, so that what comes next is covered as well.
    """
    rows = len(actual)
    below = np.sort(actual - days[:, 0])
    above = np.sort(actual - days[:, -1])
    first = max(int(np.floor(QUANTILES[0] * (rows + 1))), 1)
    last = min(int(np.ceil(QUANTILES[-1] * (rows + 1))), rows)
    return float(below[first - 1]), float(above[last - 1])


@dataclass
class TimingTrainer:
    """Fits the quantiles of any origin on what was known then; what two origins need is fitted once.

    Args:
        rows: One row per customer and cutoff: cutoff, ``days_to_next_order`` and the features.
        columns: The features to learn from.
        gap_days: Of the label.
        horizon_days: Of the label.
        spacing: Month starts between two calibration origins.
        settings: Seed and threads.
    """

    rows: pd.DataFrame
    columns: list[str]
    gap_days: int
    horizon_days: int
    spacing: int
    settings: ModelSettings
    fitted: dict[tuple[int, ...], tuple[tuple[lgb.Booster, ...], tuple[float, ...]]] = field(default_factory=dict)

    def _returning(self, cutoffs: list[int]) -> pd.DataFrame:
        return self.rows[self.rows["cutoff"].isin(cutoffs) & self.rows[TARGET].notna()]

    @property
    def _cutoffs(self) -> list[int]:
        return sorted(int(cutoff) for cutoff in self.rows["cutoff"].unique())

    def fit(self, origin: int) -> tuple[tuple[lgb.Booster, ...], tuple[float, ...]]:
        """The trees (none where too few came back) and everybody's quantiles, of all that was known at ``origin``."""
        known = tuple(complete_before(self._cutoffs, origin, self.gap_days, self.horizon_days))
        if known not in self.fitted:
            part = self._returning(list(known))
            days = part[TARGET].to_numpy(dtype="float64")
            boosters: tuple[lgb.Booster, ...] = ()
            if len(days) >= ENOUGH:
                objectives = [{"objective": "quantile", "alpha": level} for level in QUANTILES]
                boosters = regression.fit(part[self.columns], days, objectives, self.settings)
            # Nobody came back: the whole follow-up is as good a guess as any.
            length = float(self.gap_days + self.horizon_days)
            everybody = np.quantile(days, QUANTILES) if len(days) else length * np.array(QUANTILES)
            self.fitted[known] = boosters, tuple(map(float, everybody))
        return self.fitted[known]

    def folds(self, origin: int) -> list[int]:
        """The purged origins that move the ends of the window of ``origin``."""
        return calibration_origins(self._cutoffs, origin, self.gap_days, self.horizon_days, self.spacing)

    def at(self, origin: int) -> NextOrder:
        """The quantiles of ``origin``: trees where they did better than everybody's on earlier purged origins."""
        boosters, everybody = self.fit(origin)
        folds = []
        for past in self.folds(origin):
            part = self._returning([past])
            if len(part):
                trees, all_alike = self.fit(past)
                columns = tuple(self.columns)
                found = [_plain(kind, all_alike, part, columns) for kind in (trees, ())]
                folds.append((found, part[TARGET].to_numpy(dtype="float64")))
        moved, why = (0.0, 0.0), ""
        if not boosters:
            why = f"fewer than {ENOUGH:,} customers had come back before"
        elif not folds:
            why = "no earlier date could test trees"
        else:
            actual = np.concatenate([days for _, days in folds])
            losses = [pinball(np.vstack([found[kind] for found, _ in folds]), actual).mean() for kind in (0, 1)]
            if losses[0] > losses[1]:
                why = "trees did no better on earlier dates"
        if why:
            boosters = ()
        else:
            why = "trees did better than the same days for everybody on earlier dates"
        if folds:
            kind = 0 if boosters else 1
            moved = missing_days(
                np.vstack([found[kind] for found, _ in folds]), np.concatenate([days for _, days in folds])
            )
        columns = tuple(self.columns) if boosters else ()
        return NextOrder(boosters, columns, everybody, moved, float(self.gap_days + self.horizon_days), why)


def days_later(as_of: str, days: Floats) -> pd.api.extensions.ExtensionArray:
    """The dates (text) that lie so many whole days after the date ``as_of``."""
    dates = np.datetime64(as_of, "D") + np.floor(days).astype("timedelta64[D]")
    return pd.array(dates.astype("str"), dtype="str")
