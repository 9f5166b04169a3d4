"""Models at the origins that tested them: every figure with an interval from drawing customers again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pandas as pd

from models.classifier import Floats
from models.costs import EvaluationSettings
from models.metrics import BINS, SHARES, Agreement, Ranked, Weighed, auroc, brier, ece, squared_error, surprise

__all__ = ["Draws", "auroc", "brier", "curves", "ece", "evaluate", "evaluate_slices", "stability", "verdict"]

Verdict = Literal["better", "level", "worse"]

HIGHER_IS_BETTER = (
    "auroc",
    "ap_returners",
    "expected_profit",
    *(f"{name}_at_{percent}" for name in ("capture", "lift", "reached") for percent in SHARES),
)
"""Figures of which more is better; ``reached`` is capture ÷ the capture of a perfect ranking."""
LOWER_IS_BETTER = ("brier", "log_loss", "ece")
DESCRIBING = ("mean_prediction", "base_rate", "bias", "target_share")
"""Figures of which neither more nor less is better; ``bias`` is mean prediction minus base rate."""
SMALL_SLICE = 100
"""Rows below which a slice tells too little to be measured."""


class Draws:
    """Draws of customers with all their rows, because the rows of one customer are alike."""

    def __init__(self, customer_ids: pd.Series[str], number: int, seed: int) -> None:
        self.codes, customers = pd.factorize(customer_ids, sort=True)
        rng = np.random.default_rng(seed)
        size = len(customers)
        self.counts = [np.bincount(rng.integers(0, size, size), minlength=size).astype("uint8") for _ in range(number)]

    def weights(self, inside: np.ndarray[Any, Any]) -> Iterator[Floats]:
        """How often each row of ``inside`` was drawn: as it is, then draw by draw."""
        codes = self.codes[inside]
        yield np.ones(len(codes))
        for count in self.counts:
            yield count[codes].astype("float64")


def _drawn(
    probability: Floats, churned: Floats, weights: Iterator[Floats], tell: Callable[[Weighed, Floats], dict[str, float]]
) -> dict[str, Floats]:
    """What ``tell`` finds in the ranking under each weighting, first of the rows as they are, then of each draw."""
    ranked = Ranked.by(probability, churned)
    told = [tell(ranked.weigh(weight), weight) for weight in weights]
    found = {name: np.array([draw[name] for draw in told]) for name in told[0]}
    if "ece" in found and not np.isnan(found["ece"]).all():
        # A draw adds scatter, which this error only counts upward: its draws are put back around the value.
        value, draws = found["ece"][0], found["ece"][1:]
        found["ece"][1:] = np.maximum(draws - np.nanmean(draws) + value, 0)
    return found


def _levels(held: Weighed) -> dict[str, float]:
    predicted, observed = held.means()
    return {"mean_prediction": predicted, "base_rate": observed, "bias": predicted - observed}


_BIN = "bin "


def _measure(
    probability: Floats, churned: Floats, weights: Iterator[Floats], costs: EvaluationSettings | None
) -> tuple[dict[str, Floats], list[dict[str, Any]]]:
    """Every figure with its draws, and the bins of the reliability plot."""
    squared, told = squared_error(probability, churned), surprise(probability, churned)
    groups, shares = min(BINS, len(churned)), [percent / 100 for percent in SHARES]

    def tell(held: Weighed, weight: Floats) -> dict[str, float]:
        capture = held.capture(shares)
        at_share = {"capture": capture, "lift": capture / shares, "reached": capture / held.best_capture(shares)}
        figures = {
            "auroc": held.auroc(),
            "ap_returners": held.average_precision_of_returners(),
            # Sums, not products of vectors: those depend on the number of threads in the last bits.
            "brier": (squared * weight).sum() / held.total if held.total else np.nan,
            "log_loss": (told * weight).sum() / held.total if held.total else np.nan,
            "ece": held.ece(),
            **_levels(held),
        }
        for name, values in at_share.items():
            figures |= {f"{name}_at_{k}": value for k, value in zip(SHARES, values, strict=True)}
        if costs is not None:
            figures["expected_profit"], figures["target_share"] = held.expected_profit(costs)
        return figures | {f"{_BIN}{n}": value for n, value in enumerate(held.bins(groups)[1])}

    found = _drawn(probability, churned, weights, tell)
    predicted = Ranked.by(probability, churned).weigh(np.ones(len(churned))).bins(groups)[0]
    rows = round(len(churned) / groups, 1)
    bins = []
    for n in range(groups):
        seen = _interval(found.pop(f"{_BIN}{n}"))
        bins.append({"predicted": _rounded(predicted[n]), "observed": seen.pop("value"), **seen, "rows": rows})
    return found, bins


def _ranking_and_level(held: Weighed, _weight: Floats) -> dict[str, float]:
    """What is told of a slice."""
    (capture,), (best,) = held.capture([0.1]), held.best_capture([0.1])
    ranking = {"auroc": held.auroc(), "lift_at_10": capture / 0.1, "reached_at_10": capture / best}
    return {**ranking, "ece": held.ece(), **_levels(held)}


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)


def _interval(found: Floats) -> dict[str, float | None]:
    """The value, which comes first in ``found``, and the range of 95 of 100 of the draws that follow."""
    value, draws = found[0], found[1:]
    known = draws[~np.isnan(draws)]
    low, high = np.percentile(known, [2.5, 97.5]) if len(known) else (np.nan, np.nan)
    return {"value": _rounded(value), "low": _rounded(low), "high": _rounded(high)}


def verdict(gap: Mapping[str, float | None], metric: str) -> Verdict | None:
    """What the interval of a paired difference says of the first model; None where it says nothing."""
    low, high = gap["low"], gap["high"]
    if low is None or high is None or metric in DESCRIBING:
        return None
    if low > 0 or high < 0:
        return "better" if (low > 0) == (metric in HIGHER_IS_BETTER) else "worse"
    return "level"


def _paired(first: Mapping[str, Floats], second: Mapping[str, Floats]) -> dict[str, Any]:
    result = {}
    for name in (*HIGHER_IS_BETTER, *LOWER_IS_BETTER):
        if name in first:
            gap: dict[str, Any] = _interval(first[name] - second[name])
            result[name] = gap | {"verdict": verdict(gap, name)}
    return result


def _over(origins: Sequence[Mapping[str, Floats]]) -> dict[str, Floats]:
    return {name: np.mean([found[name] for found in origins], axis=0) for name in origins[0]} if origins else {}


def evaluate(
    rows: pd.DataFrame,
    probabilities: Mapping[str, str],
    draws: int,
    seed: int,
    reference: str = "wafa",
    costs: EvaluationSettings | None = None,
) -> dict[str, Any]:
    """Every metric per origin and model, means over origins, and paired differences, with 95 % intervals.

    Args:
        rows: One row per customer and origin: customer_id, origin (text), churned, and one column of probabilities
            per model. A model that says nothing at an origin is left out there.
        probabilities: Model name to its column.
        draws: Bootstrap draws; each draws customers, with all their origins, because rows of one customer are alike.
        seed: Of the draws.
        reference: The model the others are compared with.
        costs: What the expected maximum profit assumes; without it that figure is left out.
    """
    drawn = Draws(rows["customer_id"], draws, seed)
    measured: dict[str, dict[str, dict[str, Floats]]] = {}
    result: list[dict[str, Any]] = []
    for origin in sorted(rows["origin"].unique()):
        inside = (rows["origin"] == origin).to_numpy()
        here = rows[inside]
        churned = here["churned"].to_numpy(dtype="float64")
        found: dict[str, dict[str, Floats]] = {}
        models: dict[str, Any] = {}
        for model, column in probabilities.items():
            if here[column].isna().any():
                continue
            p = here[column].to_numpy(dtype="float64")
            found[model], bins = _measure(p, churned, drawn.weights(inside), costs)
            entry: dict[str, Any] = {name: _interval(values) for name, values in found[model].items()}
            del entry["base_rate"]
            entry["mean_prediction"] = entry["mean_prediction"]["value"]
            entry["lift_top_decile"] = entry["lift_at_10"]["value"]
            models[model] = entry | {"reliability": bins}
        measured[origin] = found
        rate = float(churned.mean())
        result.append(
            {
                "origin": origin,
                "rows": len(here),
                "customers": int(here["customer_id"].nunique()),
                "base_rate": _rounded(rate),
                "base_rate_interval": _interval(next(iter(found.values()))["base_rate"]) if found else None,
                "max_lift": _rounded(1 / rate if rate > 0 else float("nan")),
                "max_capture": {str(k): _rounded(min(1.0, k / 100 / rate)) if rate > 0 else None for k in SHARES},
                "models": models,
                "paired": {
                    f"{reference} - {model}": _paired(found[reference], found[model])
                    for model in found
                    if model != reference and reference in found
                },
            }
        )
    over = {model: _over([found[model] for found in measured.values() if model in found]) for model in probabilities}
    over = {model: found for model, found in over.items() if found}
    both = {
        model: [found for found in measured.values() if model in found and reference in found]
        for model in over
        if model != reference
    }
    intervals = {
        model: {name: _interval(values) for name, values in found.items() if name != "base_rate"}
        for model, found in over.items()
    }
    return {
        "origins": result,
        "mean": {model: {k: v["value"] for k, v in found.items()} for model, found in intervals.items()},
        "mean_interval": intervals,
        "paired": {
            f"{reference} - {model}": _paired(
                _over([found[reference] for found in shared]), _over([found[model] for found in shared])
            )
            for model, shared in both.items()
            if shared
        },
    }


def evaluate_slices(
    rows: pd.DataFrame,
    slices: Mapping[str, Any],
    draws: int,
    seed: int,
    model: str = "wafa",
    baseline: str | None = None,
) -> list[dict[str, Any]]:
    """One entry per kind and name of slice: size, base rate, ranking and calibration, all origins together.

    Args:
        rows: As in :func:`evaluate`.
        slices: Kind of slice, such as "tenure", to a Series with the slice of each row; missing where a row belongs
            to none. Names are told in the order of the categories, or sorted.
        draws: Bootstrap draws.
        seed: Of the draws.
        model: Column of probabilities.
        baseline: Column that ``model`` is compared with by AUROC in each slice.
    """
    drawn = Draws(rows["customer_id"], draws, seed)
    result = []
    for kind, labels in slices.items():
        known = labels.dropna()
        names = labels.cat.categories if isinstance(labels.dtype, pd.CategoricalDtype) else sorted(known.unique())
        for name in names:
            inside = (labels == name).fillna(False).to_numpy(dtype=bool)
            part = rows[inside]
            churned = part["churned"].to_numpy(dtype="float64")
            entry: dict[str, Any] = {
                "kind": kind,
                "slice": str(name),
                "rows": len(part),
                "customers": int(part["customer_id"].nunique()),
                "base_rate": {"value": _rounded(churned.mean()) if len(part) else None, "low": None, "high": None},
                "note": None,
            }
            if len(part) < SMALL_SLICE:
                result.append(entry | {"note": f"fewer than {SMALL_SLICE} rows: nothing is measured"})
                continue
            p = part[model].to_numpy(dtype="float64")
            found = _drawn(p, churned, drawn.weights(inside), _ranking_and_level)
            entry |= {name: _interval(values) for name, values in found.items()}
            entry["max_lift_at_10"] = _rounded(min(10.0, 1 / churned.mean()) if churned.any() else float("nan"))
            if baseline is not None and part[baseline].notna().all():
                q = part[baseline].to_numpy(dtype="float64")
                other = _drawn(q, churned, drawn.weights(inside), lambda held, _: {"auroc": held.auroc()})["auroc"]
                gap = _interval(found["auroc"] - other)
                entry["auroc_gap"] = {**gap, "verdict": verdict(gap, "auroc")}
            if churned.min() == churned.max():
                entry["note"] = "all did the same: there is nothing to rank"
            result.append(entry)
    return result


def _agreement(first: Floats, second: Floats, weights: Iterator[Floats]) -> dict[str, Any]:
    both = Agreement.of(first, second)
    found = np.array([(both.rank_correlation(weight), both.top_overlap(weight)) for weight in weights])
    return {"rank_correlation": _interval(found[:, 0]), "top_tenth_overlap": _interval(found[:, 1])}


def stability(
    rows: pd.DataFrame, draws: int, seed: int, model: str = "wafa", twin: str | None = None
) -> dict[str, list[dict[str, Any]]]:
    """How alike two scorings rank the same customers: one origin and the next, and the model and its ``twin``.

    ``twin`` is the column of the same model fitted with another seed. In 0.1 of the customers chosen blindly a tenth
    would be the same ones; two equal rankings share all.
    """
    drawn = Draws(rows["customer_id"], draws, seed)
    result: dict[str, list[dict[str, Any]]] = {"next": [], "reseeded": []}
    origins = sorted(rows["origin"].unique())
    places = pd.Series(np.arange(len(rows)), index=pd.MultiIndex.from_frame(rows[["origin", "customer_id"]]))
    scores = rows[model].to_numpy(dtype="float64")
    for one, other in pairwise(origins):
        shared = places[one].to_frame("one").join(places[other].rename("other"), how="inner")
        if len(shared):
            first, second = shared["one"].to_numpy(), shared["other"].to_numpy()
            agreed = _agreement(scores[first], scores[second], drawn.weights(first))
            result["next"].append({"from": one, "to": other, "customers": len(shared), **agreed})
    for origin in origins:
        inside = (rows["origin"] == origin).to_numpy()
        if twin is not None and rows.loc[inside, twin].notna().all():
            again = rows.loc[inside, twin].to_numpy(dtype="float64")
            agreed = _agreement(scores[inside], again, drawn.weights(inside))
            result["reseeded"].append({"origin": origin, "customers": int(inside.sum()), **agreed})
    return result


def curves(probability: Floats, churned: Floats, points: int = 150) -> dict[str, list[float]]:
    """The ranking as lines to draw, thinned to ``points``: share of the rows, of the leavers and of the returners."""
    held = Ranked.by(probability, churned).weigh(np.ones(len(churned)))
    shares = np.linspace(0, 1, points)
    taken = np.interp(shares * held.total, held.rows_above, held.churned_above)
    kept = held.total - held.leavers
    return {
        "rows": [round(float(v), 5) for v in shares],
        "leavers": [round(float(v), 5) for v in taken / max(held.leavers, 1.0)],
        "returners": [round(float(v), 5) for v in (shares * held.total - taken) / max(kept, 1.0)],
    }
