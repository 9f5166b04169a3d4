"""What the page says, computed from tables: plain values for the template, no markup."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from reports.numbers import is_known, later

BANDS = ("high", "medium", "low")
BINS = 20
_EXAMPLES_HIGH = 4


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def bands(scores: pd.DataFrame) -> list[dict[str, Any]]:
    """Per band, most at risk first: customers, their share, mean probability, value at risk."""
    total = len(scores)
    found = []
    for band in BANDS:
        rows = scores[scores["band"].eq(band)]
        found.append(
            {
                "band": band,
                "customers": len(rows),
                "share": len(rows) / total if total else math.nan,
                "probability": float(rows["churn_probability"].mean()) if len(rows) else math.nan,
                "value_at_risk": int(rows["value_at_risk"].sum()),
            }
        )
    return found


def histogram(scores: pd.DataFrame) -> list[dict[str, Any]]:
    """Customers in each twentieth of the probability scale, by band; the last bar takes 100 % too."""
    bar = (scores["churn_probability"] * BINS).astype("float64").fillna(0).clip(0, BINS - 1).astype("int64")
    counts = scores.groupby([bar.rename("bar"), "band"]).size()
    return [
        {"bar": n, **{band: int(counts.get((n, band), 0)) for band in BANDS}, "total": int(bar.eq(n).sum())}
        for n in range(BINS)
    ]


def families(scores: pd.DataFrame, reasons: pd.DataFrame, titles: Mapping[str, str]) -> list[dict[str, Any]]:
    """Per family of reasons among high-risk customers: share for whom it comes first, effect on the odds.

    ``share`` is of the high-risk customers who have a first reason; ``odds`` is the geometric mean factor on
    the odds of leaving among those of them who have the family among their reasons.
    """
    high = scores.loc[scores["band"].eq("high"), "customer_id"]
    theirs = reasons[reasons["customer_id"].isin(high)]
    first = theirs[theirs["rank"].eq(1)]
    found = []
    for family, rows in theirs.groupby("family", sort=True):
        leading = int(first["family"].eq(family).sum())
        found.append(
            {
                "title": titles.get(str(family), str(family)),
                "customers": leading,
                "share": leading / len(first) if len(first) else math.nan,
                "odds": math.exp(min(float(rows["contribution"].mean()), 50.0)),
                "actionable": bool(rows["kind"].eq("actionable").all()),
            }
        )
    return sorted(found, key=lambda one: (-one["customers"], -one["odds"], one["title"]))


def without_first_reason(scores: pd.DataFrame, reasons: pd.DataFrame) -> float:
    """Share of the high-risk customers for whom no single reason stands out."""
    high = scores.loc[scores["band"].eq("high"), "customer_id"]
    first = reasons.loc[reasons["rank"].eq(1), "customer_id"]
    return 1 - float(high.isin(first).mean()) if len(high) else 0.0


def examples(scores: pd.DataFrame, reasons: pd.DataFrame, as_of: str) -> list[dict[str, Any]]:
    """A few customers: the most valuable at high risk, each for another reason, a medium and a low one."""
    first = reasons[reasons["rank"].eq(1)].set_index("customer_id")["family"]
    explained = scores[scores["customer_id"].isin(first.index)]
    ranked = explained.assign(family=explained["customer_id"].map(first.to_dict())).sort_values(
        ["value_at_risk", "expected_value", "customer_id"], ascending=[False, False, True]
    )
    chosen = [ranked[ranked["band"].eq("high")].drop_duplicates("family").head(_EXAMPLES_HIGH)]
    chosen += [ranked[ranked["band"].eq(band)].head(1) for band in ("medium", "low")]
    shown = pd.concat(chosen)
    why = reasons[reasons["customer_id"].isin(shown["customer_id"])].sort_values("rank").to_dict("records")
    return [
        {
            "pseudonym": row.customer_id,
            "band": row.band,
            "probability": row.churn_probability,
            "value_at_risk": row.value_at_risk,
            "days_since_order": row.days_since_order,
            "usual_gap_days": row.usual_gap_days,
            "next_order_from": later(as_of, row.next_order_from),
            "next_order_until": later(as_of, row.next_order_until),
            "act_by": row.act_by,
            "reasons": [
                {
                    "sentence": reason["sentence"],
                    "raises": reason["contribution"] > 0,
                    "actionable": reason["kind"] == "actionable",
                }
                for reason in why
                if reason["customer_id"] == row.customer_id
            ],
        }
        for row in shown.itertuples()
    ]


def _top_tenth(origin: Mapping[str, Any], model: str) -> float:
    lift = origin["models"].get(model, {}).get("lift_top_decile")
    rate = origin["base_rate"]
    return 100 * min(lift * rate, 1.0) if lift is not None and rate is not None else math.nan


def quality(
    metrics: Mapping[str, Any], date: Callable[[str], str], model: str = "wafa", rule: str = "recency"
) -> dict[str, Any] | None:
    """How many of 100 left: of the model's top tenth, of all, of the simple rule's; None without tests."""
    origins = metrics.get("origins") or []
    model_rates = [_top_tenth(origin, model) for origin in origins]
    if not origins or not all(is_known(rate) for rate in model_rates):
        return None
    rule_rates = [_top_tenth(origin, rule) for origin in origins]
    found, by_rule = _mean(model_rates), _mean(rule_rates)
    return {
        "tests": len(origins),
        "origins": [date(str(origin["origin"])) for origin in origins],
        "rows": sum(int(origin["rows"]) for origin in origins),
        "found": found,
        "all": _mean([100 * origin["base_rate"] for origin in origins]),
        "by_rule": by_rule if is_known(by_rule) else None,
        # A difference nobody could see in whole numbers is none.
        "is_better": is_known(by_rule) and round(found) > round(by_rule),
        "reliability": reliability(origins, model),
    }


def outlook(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Which kind of model tells the amounts and why, how near their totals came in each test, and how true the days.

    ``totals`` and ``covered`` are empty and None where nothing could be tested.
    """
    value, timing = metrics.get("value", {}), metrics.get("timing", {})
    kind = value.get("kind", "formula")
    tested = [(origin["origin"], origin["models"].get(kind)) for origin in value.get("origins", [])]
    totals = [{"origin": day, **found["predicted_to_actual"]} for day, found in tested if found]
    covered = timing.get("all", {}).get("coverage")
    return {
        "kind": kind,
        "why": value.get("why"),
        "totals": [one for one in totals if _has_interval(one)],
        "covered": covered if covered and _has_interval(covered) else None,
    }


def _has_interval(figure: Mapping[str, Any]) -> bool:
    return all(figure[name] is not None for name in ("value", "low", "high"))


def reliability(origins: Sequence[Mapping[str, Any]], model: str) -> list[dict[str, float]]:
    """Predicted against observed share per tenth of the customers, pooled over the tests."""
    pooled: dict[int, list[Mapping[str, float]]] = {}
    for origin in origins:
        for tenth, group in enumerate(origin["models"].get(model, {}).get("reliability") or []):
            pooled.setdefault(tenth, []).append(group)
    points = []
    for groups in pooled.values():
        rows = sum(group["rows"] for group in groups)
        points.append(
            {
                "predicted": sum(group["predicted"] * group["rows"] for group in groups) / rows,
                "observed": sum(group["observed"] * group["rows"] for group in groups) / rows,
                "rows": rows,
            }
        )
    return points


def lists(manifests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Per list what its manifest says, with those who fit the recipe but are left out, most first."""
    found = []
    for manifest in manifests:
        fitting = manifest["fitting"]
        left_out = sorted(fitting["left_out"].items(), key=lambda item: (-item[1], item[0]))
        arms = manifest["arms"]
        found.append({**manifest, "fits": fitting["customers"], "reasons_out": left_out, **arms})
    return found
