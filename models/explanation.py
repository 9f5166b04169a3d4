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
    signed = [weights.to_numpy() * direction]
    signed += [family_contributions(twin, family_of)[names].to_numpy() * direction for twin in twins]

    unknown = np.zeros((len(contributions), len(columns)), dtype=bool)
    if values is not None:
        unknown = values[columns].isna().to_numpy()
    single = contributions[columns].to_numpy()
    for twin in twins:
        single = single + twin[columns].to_numpy()
    single = single * direction
    # What points the other way is no reason, and what is known speaks before what is not.
    speaks = single - _FAR * unknown - 2 * _FAR * (single <= 0)
    places = [np.flatnonzero([family_of[c] == name for c in columns]) for name in names]
    can_act = np.array([actionable[name] for name in names])
    facts = _Facts(columns, contributions[[]] if values is None else values, told or {}, moments)

    rows = np.arange(len(contributions))
    is_free: Marks = np.ones(signed[0].shape, dtype=bool)
    shares: Marks = np.min(signed, axis=0) >= LEAST_SAID
    found = []
    for rank in range(1, REASONS + 1):
        may_speak = np.where(facts.known, -np.inf, speaks)
        best = np.column_stack([place[may_speak[:, place].argmax(axis=1)] for place in places])
        voice = np.take_along_axis(may_speak, best, axis=1)
        # A family that can only repeat what was said, or only contradict itself, has nothing to add.
        is_open = is_free & (voice > -2 * _FAR)
        is_known = ~np.take_along_axis(unknown, best, axis=1)
        orders = [
            np.where(is_open, weight + _FAR * (can_act & (weight >= WORTH_NAMING) & is_known), -np.inf)
            for weight in signed
        ]
        if rank == 1:
            picked = orders[0].argmax(axis=1)
            agree = np.logical_and.reduce([order.argmax(axis=1) == picked for order in orders])
            stands = agree & is_open[rows, picked] & (signed[0][rows, picked] > 0)
        else:
            picked = np.where(shares, orders[0], -np.inf).argmax(axis=1)
            stands = shares[rows, picked] & is_open[rows, picked]
        chosen = best[rows, picked]
        is_free[rows[stands], picked[stands]] = False
        facts.tell(rows[stands], chosen[stands])
        found.append(
            pd.DataFrame(
                {
                    "row": rows[stands],
                    "rank": rank,
                    "family": np.array(names, dtype=object)[picked[stands]],
                    "column": np.array(columns, dtype=object)[chosen[stands]],
                    "contribution": weights.to_numpy()[rows[stands], picked[stands]],
                }
            )
        )
    return pd.concat(found).sort_values(["row", "rank"], ignore_index=True).astype({"family": "str", "column": "str"})


def _direction(weights: pd.DataFrame, base: Floats) -> Floats:
    """+1 where the reasons are those that raise the risk, −1 where they lower it; one row per customer."""
    margin = base.copy()
    for name in weights.columns:
        margin += weights[name].to_numpy()
    direction = np.where(margin >= 0, 1.0, -1.0)[:, None]
    # Where nothing points the way of the score (the base alone does), the other way is all there is to tell.
    found: Floats = np.where((weights.to_numpy() * direction).max(axis=1, keepdims=True) > 0, direction, -direction)
    return found


class _Facts:
    """What each customer has been told so far; ``known`` marks the columns that would only repeat some of it."""

    def __init__(
        self,
        columns: Sequence[str],
        values: pd.DataFrame,
        told: Mapping[str, Collection[str]],
        moments: Collection[str],
    ) -> None:
        facts = sorted({fact for column in columns for fact in told.get(column, [column])})
        self._tells: Marks = np.array([[fact in told.get(column, [column]) for fact in facts] for column in columns])
        self._said: Marks = np.zeros((len(values), len(facts)), dtype=bool)
        self._moments = [place for place, fact in enumerate(facts) if fact in moments and fact in values]
        self._ages = np.floor(values[[facts[place] for place in self._moments]].to_numpy(dtype="float64"))
        self.known: Marks = np.zeros((len(values), len(columns)), dtype=bool)

    def tell(self, rows: Any, columns: Any) -> None:
        """Take note that these columns spoke to these rows."""
        self._said[rows] |= self._tells[columns]
        for place, age in zip(self._moments, self._ages.T, strict=True):
            was_said = np.where(self._said[:, place], age, np.nan)[:, None]
            self._said[:, self._moments] |= self._ages == was_said
        self.known = self._said.astype("float32") @ self._tells.T.astype("float32") > 0
