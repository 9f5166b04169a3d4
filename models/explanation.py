"""From SHAP values to at most three reasons per customer, grouped so that related columns speak once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from models.classifier import Floats

REASONS = 3

LEAST_SAID = 0.05
"""Log-odds: below it a family moves a probability by about a point, and is not named beside another."""

WORTH_NAMING = 0.1
"""Log-odds: an actionable family below it does not go ahead of what weighs more."""

_FAR = 1_000.0
"""More log-odds than any contribution, so that it lifts one group above another."""

Marks = np.ndarray[Any, np.dtype[np.bool_]]


def family_contributions(contributions: pd.DataFrame, family_of: Mapping[str, str]) -> pd.DataFrame:
    """SHAP values summed over each family, one row per customer, one column per family; ``base`` is left out."""
    columns = [c for c in contributions.columns if c != "base"]
    sums = {name: np.zeros(len(contributions)) for name in sorted({family_of[c] for c in columns})}
    for column in columns:  # One after the other: NumPy's own sums round otherwise for another number of rows.
        sums[family_of[column]] += contributions[column].to_numpy()
    return pd.DataFrame(sums, index=contributions.index)


def top_reasons(
    contributions: pd.DataFrame,
    family_of: Mapping[str, str],
    actionable: Mapping[str, bool],
    values: pd.DataFrame | None = None,
    *,
    twins: Sequence[pd.DataFrame] = (),
    told: Mapping[str, Collection[str]] | None = None,
    moments: Collection[str] = (),
) -> pd.DataFrame:
    """The families that explain each customer's score best: one row per customer and rank.

    Reasons point the way of the score: what raises the risk of a customer more likely to leave than to stay, what
    lowers it for the others.
    Actionable families of weight go first, because overdue is the sign of leaving and not its cause; within
    each group the larger contribution goes first.
    A reason must be one that a model fitted with another seed would give as well: the first stands only where every
    twin puts the same family first, another only where it weighs in every twin. Where no first reason stands, the
    ranks begin at 2. No two reasons of a customer tell the same fact.

    Args:
        contributions: SHAP values in log-odds, one column per feature and ``base``.
        family_of: Family of each column.
        actionable: Whether a shop can act on a family.
        values: The features behind ``contributions``. A family then speaks through a column whose value is known
            where it has one, and one that knows nothing is no cause to act on.
        twins: What models fitted with other seeds say of the same rows.
        told: Names of the numbers that the sentence of a column tells; a column left out tells its own.
        moments: Columns that hold how many days ago something was; those of one day tell the same.

    Returns:
        Columns row (position in ``contributions``), rank 1.., family, column (the one that weighs most in its
        family, over all twins), contribution (log-odds of the family).
    """
    columns = [c for c in contributions.columns if c != "base"]
    weights = family_contributions(contributions, family_of)
    names = list(weights.columns)
    direction = _direction(weights, contributions["base"].to_numpy())
    own = weights.to_numpy().T
    # From here on one row per family or column, one column per customer: so many short sums stay in the cache.
    signed = [own * direction]
    signed += [family_contributions(twin, family_of)[names].to_numpy().T * direction for twin in twins]

    unknown: Marks = np.zeros((len(columns), len(contributions)), dtype=bool)
    if values is not None:
        unknown = values[columns].isna().to_numpy().T
    voices = _voices(columns, [contributions, *twins], direction, unknown)
    places = [np.flatnonzero([family_of[c] == name for c in columns]) for name in names]
    can_act = np.array([actionable[name] for name in names])[:, None]
    repetition = _Repetition(columns, contributions[[]] if values is None else values, told or {}, moments)

    rows = np.arange(len(contributions))
    is_free: Marks = np.ones(own.shape, dtype=bool)
    is_shared: Marks = np.min(signed, axis=0) >= LEAST_SAID
    found = []
    for rank in range(1, REASONS + 1):
        best = np.array([place[voices[place].argmax(axis=0)] for place in places])
        # A family that can only repeat what was said, or only contradict itself, has nothing to add.
        is_open = is_free & (np.take_along_axis(voices, best, axis=0) > -2 * _FAR)
        is_known = ~np.take_along_axis(unknown, best, axis=0)
        orders = [
            np.where(is_open, weight + _FAR * (can_act & (weight >= WORTH_NAMING) & is_known), -np.inf)
            for weight in signed
        ]
        if rank == 1:
            picked = orders[0].argmax(axis=0)
            agree = np.logical_and.reduce([order.argmax(axis=0) == picked for order in orders])
            stands = agree & is_open[picked, rows] & (signed[0][picked, rows] > 0)
        else:
            picked = np.where(is_shared, orders[0], -np.inf).argmax(axis=0)
            stands = is_shared[picked, rows] & is_open[picked, rows]
        who, family, column = rows[stands], picked[stands], best[picked, rows][stands]
        is_free[family, who] = False
        voices[repetition.of(column, who)] = -np.inf
        found.append(
            pd.DataFrame(
                {
                    "row": who,
                    "rank": rank,
                    "family": np.array(names, dtype=object)[family],
                    "column": np.array(columns, dtype=object)[column],
                    "contribution": own[family, who],
                }
            )
        )
    return pd.concat(found).sort_values(["row", "rank"], ignore_index=True).astype({"family": "str", "column": "str"})


def _direction(weights: pd.DataFrame, base: Floats) -> Floats:
    """+1 where the reasons are those that raise the risk, −1 where they lower it; one per customer."""
    margin = base.copy()
    for name in weights.columns:
        margin += weights[name].to_numpy()
    direction = np.where(margin >= 0, 1.0, -1.0)
    # Where nothing points the way of the score (the base alone does), the other way is all there is to tell.
    found: Floats = np.where((weights.to_numpy().T * direction).max(axis=0) > 0, direction, -direction)
    return found


def _voices(columns: Sequence[str], tables: Sequence[pd.DataFrame], direction: Floats, unknown: Marks) -> Floats:
    """How much each column has to say for its family: one row per column, one column per customer."""
    found = np.empty(unknown.shape)
    for place, column in enumerate(columns):
        voice = np.sum([table[column].to_numpy() for table in tables], axis=0) * direction
        # What points the other way is no reason, and what is known speaks before what is not.
        found[place] = voice - _FAR * unknown[place] - 2 * _FAR * (voice <= 0)
    return found


class _Repetition:
    """Which columns would only repeat to a customer what was told before."""

    def __init__(
        self,
        columns: Sequence[str],
        values: pd.DataFrame,
        told: Mapping[str, Collection[str]],
        moments: Collection[str],
    ) -> None:
        tells = [set(told.get(column, [column])) for column in columns]
        self._repeats: Marks = np.array([[not one.isdisjoint(other) for other in tells] for one in tells])
        known = [name for name in moments if name in values]
        self._customers = len(values)
        self._ages = np.floor(values[known].to_numpy(dtype="float64").T)
        told_moments = [[name in one for one in tells] for name in known]
        self._told_moments: Marks = np.array(told_moments, dtype=bool).reshape(len(known), len(columns))
        self._said: Marks = np.zeros(self._ages.shape, dtype=bool)

    def of(self, column: Any, who: Any) -> Marks:
        """What repeats the columns told to the customers ``who``: one row per column, one column per customer."""
        found: Marks = np.zeros((len(self._repeats), self._customers), dtype=bool)
        found[:, who] = self._repeats[:, column]
        self._said[:, who] |= self._told_moments[:, column]
        for tellers, age in zip(self._told_moments, self._ages, strict=True):
            found[tellers] |= (self._said & (self._ages == age)).any(axis=0)
        return found
