"""How good a score is, with intervals from drawing customers again and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from models.classifier import Floats

Metric = Callable[[Floats, Floats, Floats], float]
"""(score or probability, churned, weight) → value."""

BINS = 10


def auroc(score: Floats, churned: Floats, weight: Floats) -> float:
    """Chance that a churned row scores above a kept one, ties half; NaN where one class is missing."""
    _, group = np.unique(score, return_inverse=True)
    positive = np.bincount(group, weights=weight * churned)
    negative = np.bincount(group, weights=weight * (1 - churned))
    total = positive.sum() * negative.sum()
    if total == 0:
        return float("nan")
    below = np.concatenate([[0.0], np.cumsum(negative)[:-1]])
    return float((positive * (below + 0.5 * negative)).sum() / total)


def _average(values: Floats, weight: Floats) -> float:
    # A draw of customers may hold nobody of a small origin.
    return float(np.average(values, weights=weight)) if weight.any() else float("nan")


def brier(probability: Floats, churned: Floats, weight: Floats) -> float:
    """Weighted mean squared distance of the probability from what happened."""
    return _average((probability - churned) ** 2, weight)


def log_loss(probability: Floats, churned: Floats, weight: Floats) -> float:
    """Weighted mean −ln of the probability given to what happened."""
    p = np.clip(probability, 1e-9, 1 - 1e-9)
    return -_average(churned * np.log(p) + (1 - churned) * np.log(1 - p), weight)


def ece(probability: Floats, churned: Floats, weight: Floats) -> float:
    """Expected calibration error over ten bins of equal mass."""
    order = np.argsort(probability, kind="stable")
    p, y, w = probability[order], churned[order], weight[order]
    if w.sum() == 0:
        return float("nan")
    bins = np.minimum((np.cumsum(w) - w / 2) / w.sum() * BINS, BINS - 1).astype(int)
    gap = np.bincount(bins, weights=w * (p - y), minlength=BINS)
    return float(np.abs(gap).sum() / w.sum())


def lift_top_decile(score: Floats, churned: Floats) -> float:
    """Churn rate of the tenth with the highest scores ÷ churn rate of all."""
    top = max(1, round(len(score) / 10))
    chosen = np.argsort(-score, kind="stable")[:top]
    rate = churned.mean()
    return float(churned[chosen].mean() / rate) if rate > 0 else float("nan")


def reliability(probability: Floats, churned: Floats) -> list[dict[str, float]]:
    """Predicted against observed churn in ten groups of equal size, lowest first."""
    groups = np.array_split(np.argsort(probability, kind="stable"), BINS)
    return [
        {"predicted": float(probability[g].mean()), "observed": float(churned[g].mean()), "rows": len(g)}
        for g in groups
        if len(g)
    ]


METRICS: dict[str, Metric] = {"auroc": auroc, "brier": brier, "log_loss": log_loss, "ece": ece}


def _interval(draws: list[float]) -> tuple[float, float]:
    low, high = np.nanpercentile(draws, [2.5, 97.5]) if not np.isnan(draws).all() else (np.nan, np.nan)
    return float(low), float(high)


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)


def evaluate(
    rows: pd.DataFrame, probabilities: Mapping[str, str], draws: int, seed: int, reference: str = "wafa"
) -> dict[str, Any]:
    """Every metric per origin and model, means over origins, and paired differences, with 95 % intervals.

    Args:
        rows: One row per customer and origin: customer_id, origin (text), churned, and one column of probabilities
            per model.
        probabilities: Model name to its column.
        draws: Bootstrap draws; each draws customers, with all their origins, because rows of one customer are alike.
        seed: Of the draws.
        reference: The model the others are compared with.
    """
    codes, customers = pd.factorize(rows["customer_id"], sort=True)
    rng = np.random.default_rng(seed)
    counts = [
        np.bincount(rng.integers(0, len(customers), len(customers)), minlength=len(customers)) for _ in range(draws)
    ]
    origins = sorted(rows["origin"].unique())
    sampled: dict[tuple[str, str, str], list[float]] = {}
    result: list[dict[str, Any]] = []
    point: dict[tuple[str, str, str], float] = {}
    for origin in origins:
        inside = (rows["origin"] == origin).to_numpy()
        churned = rows.loc[inside, "churned"].to_numpy(dtype="float64")
        weights = [count[codes[inside]].astype("float64") for count in counts]
        ones = np.ones(len(churned))
        rate = float(churned.mean())
        models: dict[str, Any] = {}
        for model, column in probabilities.items():
            p = rows.loc[inside, column].to_numpy(dtype="float64")
            entry: dict[str, Any] = {}
            for name, metric in METRICS.items():
                value = metric(p, churned, ones)
                resampled = [metric(p, churned, weight) for weight in weights]
                sampled[origin, model, name], point[origin, model, name] = resampled, value
                low, high = _interval(resampled)
                entry[name] = {"value": _rounded(value), "low": _rounded(low), "high": _rounded(high)}
            entry["mean_prediction"] = _rounded(float(p.mean()))
            entry["lift_top_decile"] = _rounded(lift_top_decile(p, churned))
            entry["reliability"] = [{k: round(v, 6) for k, v in bin_.items()} for bin_ in reliability(p, churned)]
            models[model] = entry
        result.append(
            {
                "origin": origin,
                "rows": int(inside.sum()),
                "customers": int(rows.loc[inside, "customer_id"].nunique()),
                "base_rate": _rounded(rate),
                "max_lift": _rounded(1 / rate if rate > 0 else float("nan")),
                "models": models,
            }
        )
    mean = {
        model: {name: _rounded(float(np.mean([point[o, model, name] for o in origins]))) for name in METRICS}
        for model in probabilities
    }
    paired: dict[str, Any] = {}
    for model in probabilities:
        if model == reference:
            continue
        paired[f"{reference} - {model}"] = {}
        for name in METRICS:
            gaps = np.mean([np.subtract(sampled[o, reference, name], sampled[o, model, name]) for o in origins], axis=0)
            value = float(np.mean([point[o, reference, name] - point[o, model, name] for o in origins]))
            low, high = _interval(list(gaps))
            paired[f"{reference} - {model}"][name] = {
                "value": _rounded(value),
                "low": _rounded(low),
                "high": _rounded(high),
            }
    return {"origins": result, "mean": mean, "paired": paired}
