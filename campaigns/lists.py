"""List recipes and guards: whom to write to, whom to leave alone, and why everybody else is left out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from campaigns.contact import STOP_RULES
from campaigns.errors import ListError
from campaigns.holdout import arms
from campaigns.settings import CampaignSettings, WinBackSettings

ACTIONS: Mapping[str, str] = {
    "win_back": "Write a personal note that takes up their reasons; keep any discount for a second message.",
    "abandoned_cart": "Remind them of the cart they left and link to it; no discount in the first message.",
}
"""What to do with each list, in one plain sentence; its keys are the names of all lists."""

NO_FIRST_REASON = "no single reason stands out"
"""The first reason of a customer who was scored and has none."""

LEFT_OUT_RULES = (
    *STOP_RULES,
    "duplicate_address",
    "below_threshold",
    "no_open_cart",
    "cart_too_recent",
    "bought_since_cart",
    "below_min_value",
    "over_budget",
)
"""Why a customer is not on a list: everyone considered is a candidate or has exactly one of these."""

_CANDIDATE_COLUMNS = {
    "customer_id": "str",
    "list": "str",
    "arm": "str",
    "rank": "int64",
    "propensity": "float64",
    "churn_probability": "float64",
    "band": "str",
    "percentile": "float64",
    "value_at_risk": "Int64",
    "expected_value": "Int64",
    "days_since_order": "Int64",
    "usual_gap_days": "float64",
    "act_by": "str",
    "cart_value": "Int64",
    "cart_age_hours": "Int64",
    "reason_1": "str",
    "reason_2": "str",
    "reason_3": "str",
    "action": "str",
}


@dataclass(frozen=True)
class BuiltList:
    """One list.

    ``candidates`` has one row per customer to treat or to hold out, ordered by rank; ``left_out`` one row per
    other customer considered (customer_id, rule); ``manifest`` holds plain values only.
    """

    candidates: pd.DataFrame
    left_out: pd.DataFrame
    manifest: dict[str, Any]


def content_hash(frame: pd.DataFrame) -> str:
    """SHA-256 of the values of ``frame``, whatever file they later stand in."""
    return hashlib.sha256(frame.to_csv(index=False, lineterminator="\n").encode("utf-8")).hexdigest()


def _settings_hash(settings: CampaignSettings) -> str:
    return hashlib.sha256(json.dumps(settings.model_dump(mode="json"), sort_keys=True).encode("utf-8")).hexdigest()


def _counts(values: pd.Series) -> dict[str, int]:
    return {str(name): int(rows) for name, rows in values.dropna().value_counts().sort_index().items()}


def _win_back(scores: pd.DataFrame, settings: WinBackSettings) -> pd.DataFrame:
    """Every scored customer, best first, with the rule of the recipe that leaves them out (null: fits)."""
    if settings.min_probability is None:
        likely = scores["band"].isin(settings.bands)
    else:
        likely = scores["churn_probability"].ge(settings.min_probability)
    rule = pd.Series(None, index=scores.index, dtype="object")
    rule = rule.mask(scores["value_at_risk"].lt(settings.min_value), "below_min_value").mask(~likely, "below_threshold")
    nothing = pd.array([pd.NA] * len(scores), dtype="Int64")
    ordered = scores.assign(cart_value=nothing, cart_age_hours=nothing, recipe_rule=rule)
    return ordered.sort_values(["value_at_risk", "percentile", "customer_id"], ascending=[False, False, True])


def _abandoned_cart(scores: pd.DataFrame, carts: pd.DataFrame, min_value: int) -> pd.DataFrame:
    """Every scored customer and everyone with a cart, best cart first, with the rule of the recipe."""
    everyone = scores.merge(
        carts.rename(columns={"rule": "recipe_rule"}),
        on="customer_id",
        how="outer",
        validate="1:1",
        indicator="found",
    )
    rule = everyone["recipe_rule"].astype("object").mask(everyone["found"].eq("left_only"), "no_open_cart")
    cheap = everyone["cart_value"].fillna(0).lt(min_value)
    everyone["recipe_rule"] = rule.mask(rule.isna() & cheap, "below_min_value")
    return everyone.sort_values(["cart_value", "customer_id"], ascending=[False, True], na_position="last")


def _sentences(reasons: pd.DataFrame) -> pd.DataFrame:
    """One row per customer: reason_1 to reason_3, each with the way it points."""
    way = reasons["contribution"].gt(0).map({True: " (raises the risk)", False: " (lowers the risk)"})
    said = reasons.assign(sentence=reasons["sentence"] + way).set_index("customer_id")
    return pd.DataFrame({f"reason_{rank}": said.loc[said["rank"].eq(rank), "sentence"] for rank in (1, 2, 3)})


def _guarded(considered: pd.DataFrame, contact: pd.DataFrame) -> pd.DataFrame:
    """``considered`` with the rule of every guard and of the recipe; the order of the rows is the ranking."""
    rows = considered.merge(
        contact[["customer_id", "address_key", "rule"]], on="customer_id", how="left", validate="1:1"
    )
    # Somebody the guards were never asked about is unknown, and unknown is a no.
    rows["rule"] = rows["rule"].astype("object").mask(~rows["customer_id"].isin(contact["customer_id"]), "no_consent")
    # Of several customers at one address the one who fits the recipe goes first, then the higher ranked.
    free = rows[rows["rule"].isna() & rows["address_key"].notna()]
    fitting_first = free.assign(misfit=free["recipe_rule"].notna()).sort_values("misfit", kind="stable")
    repeated = fitting_first.index[fitting_first.duplicated("address_key")]
    rows.loc[repeated, "rule"] = "duplicate_address"
    rows["rule"] = rows["rule"].where(rows["rule"].notna(), rows["recipe_rule"])
    return rows


def _assemble(
    name: str,
    considered: pd.DataFrame,
    contact: pd.DataFrame,
    reasons: pd.DataFrame,
    settings: CampaignSettings,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    rows = _guarded(considered, contact)
    eligible = rows[rows["rule"].isna()].reset_index(drop=True)
    eligible["arm"] = arms(
        eligible["customer_id"], list_name=name, salt=settings.salt, holdout_share=settings.holdout_share
    )
    budget = getattr(settings.lists, name).budget
    # The list ends where the budget is spent, for both arms: people held out further down the ranking would
    # be no fair comparison for people treated above them.
    within = eligible["arm"].eq("treat").cumsum().le(budget) & (budget > 0)
    over = eligible.loc[~within, "customer_id"]
    chosen = eligible[within].join(_sentences(reasons), on="customer_id")
    is_explained = chosen["reason_1"].notna() | chosen["churn_probability"].isna()
    chosen = chosen.assign(
        reason_1=chosen["reason_1"].where(is_explained, NO_FIRST_REASON),
        list=name,
        rank=range(1, len(chosen) + 1),
        propensity=1 - settings.holdout_share,
        action=ACTIONS[name],
    )
    candidates = chosen[list(_CANDIDATE_COLUMNS)].astype(_CANDIDATE_COLUMNS).reset_index(drop=True)
    rule = rows["rule"].mask(rows["customer_id"].isin(over), "over_budget")
    left_out = pd.DataFrame({"customer_id": rows["customer_id"], "rule": rule})[rule.notna().to_numpy()]
    left_out = left_out.astype("str").sort_values("customer_id", ignore_index=True)
    if len(candidates) + len(left_out) != len(considered):
        raise ListError(
            f"{name}: {len(candidates)} candidates and {len(left_out)} left out are not the "
            f"{len(considered)} considered."
        )
    fitting = rows.loc[rows["recipe_rule"].isna(), "customer_id"]
    treated = candidates[candidates["arm"].eq("treat")]
    facts = {
        "considered": len(considered),
        "arms": {arm: int(candidates["arm"].eq(arm).sum()) for arm in ("treat", "holdout")},
        "left_out": _counts(left_out["rule"]),
        "fitting": {
            "customers": len(fitting),
            "left_out": _counts(left_out.loc[left_out["customer_id"].isin(fitting), "rule"]),
        },
        "value_at_risk": int(treated["value_at_risk"].fillna(0).sum()),
        "cart_value": int(treated["cart_value"].fillna(0).sum()),
        "budget": budget,
        "candidates_sha256": content_hash(candidates),
    }
    return candidates, left_out, facts


def build_lists(
    scores: pd.DataFrame,
    reasons: pd.DataFrame,
    contact: pd.DataFrame,
    carts: pd.DataFrame,
    settings: CampaignSettings,
    *,
    as_of: str,
    model_hash: str | None = None,
    missing: tuple[str, ...] = (),
) -> dict[str, BuiltList]:
    """Every list of :data:`ACTIONS` by name.

    ``scores`` has one row per scored customer, ``reasons`` one per customer and rank, ``contact`` comes from
    :func:`campaigns.contact_rules` and ``carts`` from :func:`campaigns.open_carts`, both at the instant that
    the date ``as_of`` names. ``missing`` are sentences about information the shop lacks, for the manifests.

    Raises:
        ListError: A customer is scored twice, or the rows do not add up.
    """
    if scores["customer_id"].duplicated().any():
        count = int(scores["customer_id"].duplicated().sum())
        raise ListError(f"scores: {count} customers are scored twice. Score again; each customer has one row.")
    ranked = {
        "win_back": _win_back(scores, settings.lists.win_back),
        "abandoned_cart": _abandoned_cart(scores, carts, settings.lists.abandoned_cart.min_value),
    }
    shared = {
        "as_of": as_of,
        "holdout_share": settings.holdout_share,
        "model_hash": model_hash,
        "scores_sha256": content_hash(scores.sort_values("customer_id").reindex(columns=sorted(scores.columns))),
        "settings_sha256": _settings_hash(settings),
        "missing": list(missing),
    }
    built = {}
    for name, considered in ranked.items():
        candidates, left_out, facts = _assemble(name, considered, contact, reasons, settings)
        manifest = {"list": name, "action": ACTIONS[name], **shared, **facts}
        built[name] = BuiltList(candidates, left_out, manifest)
    return built
