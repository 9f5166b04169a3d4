"""From SHAP values to at most three reasons per customer, grouped so that related columns speak once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

REASONS = 3

LEAST_SAID = 0.05
"""Log-odds: below it a family moves a probability by about a point, and is not named beside another."""

WORTH_NAMING = 0.1
"""Log-odds: an actionable family below it does not go ahead of what weighs more."""


def family_contributions(contributions: pd.DataFrame, family_of: Mapping[str, str]) -> pd.DataFrame:
    """SHAP values summed over each family, one row per customer, one column per family; ``base`` is left out."""
    columns = [c for c in contributions.columns if c != "base"]
    return contributions[columns].T.groupby(pd.Index([family_of[c] for c in columns]), sort=True).sum().T


def top_reasons(
    contributions: pd.DataFrame,
    family_of: Mapping[str, str],
    actionable: Mapping[str, bool],
    values: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The families that explain each customer's score best: one row per customer and rank.

    Reasons point the way of the score: what raises the risk of a customer more likely to leave than to stay, what
    lowers it for the others.
    Actionable families of weight go first, because overdue is the sign of leaving and not its cause; within
    each group the larger contribution goes first.

    Args:
        contributions: SHAP values in log-odds, one column per feature and ``base``.
        family_of: Family of each column.
        actionable: Whether a shop can act on a family.
        values: The features behind ``contributions``. A family then speaks through a column whose value is known
            where it has one, and one that knows nothing is no cause to act on.

    Returns:
        Columns row (position in ``contributions``), rank 1.., family, column (the one that weighs most in its
        family), contribution (log-odds of the family).
    """
    columns = np.array([c for c in contributions.columns if c != "base"])
    families = family_contributions(contributions, family_of)
    names = np.array(families.columns)
    weights = families.to_numpy()
    direction = np.where(weights.sum(axis=1) + contributions["base"].to_numpy() >= 0, 1.0, -1.0)[:, None]
    # Where nothing points the way of the score (the base alone does), the other way is all there is to tell.
    direction = np.where((weights * direction).max(axis=1, keepdims=True) > 0, direction, -direction)
    signed = weights * direction

    unknown = np.zeros((len(contributions), len(columns)), dtype=bool)
    if values is not None:
        unknown = values[list(columns)].isna().to_numpy()
    # A known column speaks before an unknown one, whatever they weigh.
    single = contributions[list(columns)].to_numpy() * direction - 1_000.0 * unknown
    member = {name: np.flatnonzero([family_of[c] == name for c in columns]) for name in names}
    best = np.column_stack([member[name][single[:, member[name]].argmax(axis=1)] for name in names])
    is_known = ~np.take_along_axis(unknown, best, axis=1)

    first = np.array([actionable[name] for name in names])[None, :] & (signed >= WORTH_NAMING) & is_known
    # Any contribution is far below 1,000 log-odds, so this lifts the named group above the rest.
    order = np.argsort(-(signed + 1_000.0 * first), axis=1, kind="stable")[:, :REASONS]
    rows, rank = np.indices(order.shape)
    picked = order.ravel()
    table = pd.DataFrame(
        {
            "row": rows.ravel(),
            "rank": rank.ravel() + 1,
            "family": names[picked],
            "column": columns[best[rows.ravel(), picked]],
            "contribution": weights[rows.ravel(), picked],
        }
    )
    weight = table["contribution"] * direction[table["row"], 0]
    return table[(weight >= LEAST_SAID) | ((table["rank"] == 1) & (weight > 0))].reset_index(drop=True)
