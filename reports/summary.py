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


AFTER_GUARDS = ("contacted_by_list", "other_list", "same_inbox", "over_budget", "held_out")
"""What else keeps people off a list once every guard has let them pass."""


def size_after_guards(manifest: Mapping[str, Any]) -> int:
    """How many people fit a list and may be written to, before one message a person, budgets and holdouts."""
    stopped = sum(step["stopped"] for step in manifest["guards"] if step["rule"] not in AFTER_GUARDS)
    return int(manifest["fitting"] - stopped)


def economy(manifests: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """What all lists assume of the save rate; None where no list says it."""
    return next((manifest["economy"]["save_rate"] for manifest in manifests if manifest.get("economy")), None)


def worth(manifest: Mapping[str, Any]) -> dict[str, Any] | None:
    """What writing to a list is expected to leave, and what it would leave at another save rate; None if unknown.

    The same people are written to at each rate, so what it brings grows with it and what it costs stays.
    """
    net, cost = manifest["net_value"], manifest["cost"]
    brings = net + cost
    if brings <= 0 or manifest["kind"] != "message":
        return None
    return {
        "net": net,
        "cost": cost,
        "half": round(brings / 2) - cost,
        "double": 2 * brings - cost,
        "least": cost / brings,
    }


def worth_words(
    found: Mapping[str, Any], say: Callable[..., str], money: Callable[[Any], str], rate: Callable[[Any], str]
) -> list[str]:
    """What a list is worth, what that rests on and how much hangs on it, sentence by sentence."""
    words = [say("worth_net", net=money(found["net"]), cost=money(found["cost"]))]
    words.append(say("worth_sensitivity", half=money(found["half"]), double=money(found["double"])))
    return [*words, say("worth_least", least=rate(found["least"]))]


def save_rate_words(facts: Mapping[str, Any], say: Callable[..., str], rate: Callable[[Any], str]) -> list[str]:
    """Where the save rate comes from, sentence by sentence."""
    words = [say("save_rate", rate=rate(facts["save_rate"]))]
    if facts["source"] != "measured":
        return [*words, say("save_rate_assumed")]
    low, high = facts["save_rate_interval_95"]
    groups = {"treated": f"{facts['treated']:,}", "control": f"{facts['control']:,}"}
    words.append(say("save_rate_measured", low=rate(low), high=rate(high), **groups))
    if low <= 0:
        words.append(say("save_rate_nothing"))
    if facts.get("personal", {}).get("used"):
        words.append(say("save_rate_personal"))
    return words


def power_words(facts: Mapping[str, Any], say: Callable[..., str], share: Callable[[Any], str]) -> list[str]:
    """Which effect of writing the people held out can show, sentence by sentence; none where nobody asked."""
    if "detectable_effect" not in facts:
        return [facts["sentence"]] if facts.get("sentence") else []
    if not facts["treated"] or not facts["held_out"]:
        return [say("power_nobody")]
    told = {"treated": f"{facts['treated']:,}", "held_out": f"{facts['held_out']:,}", "power": share(facts["power"])}
    if facts["detectable_effect"] is None:
        words = [say("power_none", **told)]
    else:
        # Upwards, because a smaller effect than is said would be missed more often.
        told["effect"] = f"{math.ceil(1000 * facts['detectable_effect']) / 10:.1f}"
        words = [say("power_seen", **told)]
    words.append(say("power_base", base=share(facts["base"])))
    if facts["assumed_effect"] and facts["people_needed"]:
        told |= {"effect": f"{100 * facts['assumed_effect']:.1f}", "chance": share(facts["chance_to_see"])}
        words.append(say("power_assumed", needed=f"{facts['people_needed']:,}", **told))
    return words


def lists(manifests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Per list what its manifest says and, where that is known, what it is worth; figures only."""
    return [
        {
            **manifest,
            **manifest["groups"],
            "allowed": size_after_guards(manifest),
            "is_message": manifest["kind"] == "message",
            "worth": worth(manifest),
            "stopping": [step for step in manifest["guards"] if step["stopped"]],
            "misfits": sorted(manifest["not_fitting"].items(), key=lambda item: (-item[1], item[0])),
        }
        for manifest in manifests
    ]
