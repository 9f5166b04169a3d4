"""How good the outlook was at the origins that tested it: when the next order came, and what the year brought in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from models.classifier import Floats
from models.evaluation import Draws, _interval
from models.metrics import Agreement
from models.timing import pinball

WINDOW = ("from_days", "middle_days", "until_days")
EVERYBODY = ("everybody_from", "everybody_middle", "everybody_until")
TENTHS = 10


def evaluate_next_order(rows: pd.DataFrame, draws: int, seed: int) -> dict[str, Any]:
    """Coverage and pinball loss of the window per origin and over all, with 95 % intervals.

    Args:
        rows: One row per customer and origin: customer_id, origin (text), days_to_next_order (missing for those who
            did not order in the follow-up, who are left out), the columns of :data:`WINDOW`, and those of
            :data:`EVERYBODY`, the quantiles of the training rows.
        draws: Bootstrap draws of customers.
        seed: Of the draws.
    """
    came = rows[rows["days_to_next_order"].notna()].reset_index(drop=True)
    drawn = Draws(came["customer_id"], draws, seed)
    origins = []
    for origin in sorted(rows["origin"].unique()):
        inside = came["origin"].eq(origin).to_numpy()
        entry = {"origin": origin, "customers": int(rows["origin"].eq(origin).sum()), "ordered": int(inside.sum())}
        origins.append(entry | _window(came, inside, drawn))
    return {"origins": origins, "all": {"ordered": len(came)} | _window(came, np.ones(len(came), dtype=bool), drawn)}


def _window(came: pd.DataFrame, inside: np.ndarray[Any, np.dtype[np.bool_]], drawn: Draws) -> dict[str, Any]:
    part = came[inside]
    if part.empty:
        return {}
    actual = part["days_to_next_order"].to_numpy(dtype="float64")
    days, everybody = (part[list(names)].to_numpy(dtype="float64") for names in (WINDOW, EVERYBODY))
    per_row = {
        "coverage": (actual >= days[:, 0]) & (actual <= days[:, 2]),
        "earlier": actual < days[:, 0],
        "later": actual > days[:, 2],
        "by_middle": actual <= days[:, 1],
        "width_days": days[:, 2] - days[:, 0],
        "everybody_coverage": (actual >= everybody[:, 0]) & (actual <= everybody[:, 2]),
        "pinball_days": pinball(days, actual).mean(axis=1),
        "everybody_pinball_days": pinball(everybody, actual).mean(axis=1),
    }
    table = np.stack([values.astype("float64") for values in per_row.values()])
    # Sums, not products of matrices: those depend on the number of threads in the last bits.
    means = np.array([_shares(table, weight) for weight in drawn.weights(inside)])
    found = dict(zip(per_row, means.T, strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        found["gain"] = 1 - found["pinball_days"] / found["everybody_pinball_days"]
    return {name: _interval(values) for name, values in found.items()}


def _shares(table: Floats, weight: Floats) -> Floats:
    result: Floats = (table * weight).sum(axis=1) / weight.sum() if weight.any() else np.full(len(table), np.nan)
    return result


def evaluate_next_year(rows: pd.DataFrame, models: Sequence[str], draws: int, seed: int) -> list[dict[str, Any]]:
    """Predicted ÷ actual total, rank correlation and error per origin and model, with 95 % intervals.

    Args:
        rows: One row per customer and origin: customer_id, origin (text), revenue_next_year (minor units), and one
            column of predictions per model; a model that says nothing at an origin is missing there.
        models: The columns of predictions.
        draws: Bootstrap draws of customers.
        seed: Of the draws.
    """
    drawn = Draws(rows["customer_id"], draws, seed)
    result = []
    for origin in sorted(rows["origin"].unique()):
        inside = rows["origin"].eq(origin).to_numpy()
        part = rows[inside]
        actual = part["revenue_next_year"].to_numpy(dtype="float64")
        measured = {}
        for model in models:
            predicted = part[model].to_numpy(dtype="float64")
            if not np.isnan(predicted).any():
                measured[model] = _amounts(predicted, actual, inside, drawn)
        entry = {"origin": origin, "customers": len(part), "mean_revenue": round(float(actual.mean()), 2)}
        result.append(entry | {"models": measured})
    return result


def _amounts(
    predicted: Floats, actual: Floats, inside: np.ndarray[Any, np.dtype[np.bool_]], drawn: Draws
) -> dict[str, Any]:
    alike = Agreement.of(predicted, actual)
    found = []
    for weight in drawn.weights(inside):
        total, error = (weight * actual).sum(), (weight * (predicted - actual) ** 2).sum()
        found.append(
            (
                (weight * predicted).sum() / total if total > 0 else np.nan,
                alike.rank_correlation(weight) if weight.any() else np.nan,
                np.sqrt(error / weight.sum()) if weight.any() else np.nan,
            )
        )
    columns = np.array(found).T
    figures = {
        name: _interval(values)
        for name, values in zip(("predicted_to_actual", "rank_correlation", "typical_error"), columns, strict=True)
    }
    groups = np.array_split(np.argsort(predicted, kind="stable"), TENTHS)
    tenths = [
        {
            "customers": len(g),
            "predicted": round(float(predicted[g].mean()), 2),
            "actual": round(float(actual[g].mean()), 2),
        }
        for g in groups
        if len(g)
    ]
    return {**figures, "tenths": tenths}
