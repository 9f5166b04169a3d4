"""Every list of a shop as of one instant: a pure function of its logs, scores and params."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from campaigns import (
    assemble,
    deliverability,
    guards,
    people,
    power,
    products,
    save_rates,
    segments,
    send_forecast,
    send_time,
    worth,
)
from campaigns.errors import ListError
from campaigns.recipes import Recipe, cook
from campaigns.settings import CampaignSettings
from events.sql import quoted
from timeline import is_before

PERSON_COLUMNS = ("customer_id", "campaign_id", "list", "occurred_at")
"""Of the messages that our own contact ledger knows of."""


@dataclass(frozen=True)
class BuiltLists:
    """What stands on the connection: tables ``candidates`` and ``people``; ``told`` is a query, one row per person.

    ``recipes`` are the lists by name in their order of priority, ``manifests`` plain values by name.
    """

    recipes: Mapping[str, Recipe]
    manifests: Mapping[str, dict[str, Any]]
    told: str


def _remember(db: duckdb.DuckDBPyConnection, s: CampaignSettings, contacts: Any, cutoff: int) -> None:
    """Table ``past_contacts`` (customer_id, list, occurred_at): messages of our lists, by either book."""
    names = [*type(s.lists).model_fields, *s.own_lists]
    told = contacts[is_before(contacts["occurred_at"], cutoff)]
    db.register("told_contacts", told)
    db.execute(f"CREATE OR REPLACE TEMP TABLE ledger_contacts AS SELECT {', '.join(PERSON_COLUMNS)} FROM told_contacts")
    db.unregister("told_contacts")
    db.execute(
        """
        CREATE OR REPLACE TEMP TABLE past_contacts AS
        SELECT customer_id, name AS list, occurred_at
        FROM campaign_contacts JOIN (SELECT unnest($1::VARCHAR[]) AS name) ON starts_with(campaign_id, name || '-')
        WHERE NOT coalesce(control, false) AND customer_id IS NOT NULL
        UNION ALL SELECT customer_id, list, occurred_at FROM ledger_contacts
        """,
        [names],
    )


def _power(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the holdout of one list can show of the save rate that its people are listed with."""
    left, saved = facts["mean_churn_probability"], facts["mean_save_rate"]
    groups = facts["groups"]
    return power.statement(
        groups["treat"],
        groups["holdout"],
        None if left is None else 1 - left,
        save_rate=saved if saved is not None and saved > 0 else None,
    )


def build(
    db: duckdb.DuckDBPyConnection,
    s: CampaignSettings,
    *,
    as_of: str,
    cutoff: int,
    active_days: int,
    contacts: Any,
    erased: Collection[str] = (),
) -> BuiltLists:
    """Make every list that is switched on.

    Args:
        db: With the logs of :func:`campaigns.known.open_logs`, and the views ``scores``, ``scores_before`` (the same
            model's scores 28 days earlier, or no row) and ``reasons``.
        s: The section ``campaigns``.
        as_of: The date, YYYY-MM-DD.
        cutoff: The instant that it names.
        active_days: Whoever did not order for so many days is lost.
        contacts: Data frame of messages that the contact ledger knows of (see :data:`PERSON_COLUMNS`).
        erased: Customer ids or address keys of people who were erased.

    Raises:
        ListError: A customer is scored twice, or the rows do not add up.
        RecipeError: A list is described in a way that cannot be followed.
    """
    twice = db.execute("SELECT count(*) - count(DISTINCT customer_id) FROM scores").fetchall()[0][0]
    if twice:
        raise ListError(f"scores: {twice} customers are scored twice. Score again; each customer has one row.")
    _remember(db, s, contacts, cutoff)
    people.create(db, s.facts, s.lists.abandoned_cart.max_age_days, s.lists.browse_abandon.max_age_days)
    segments.add(db, s.facts, active_days)
    recipes = cook(s)
    saved = save_rates.add(db, s.economy.save_rate_days, s.economy.save_rate)
    worth.add(db, s.economy)
    guards.create(db, s, erased, contacts="ledger_contacts")
    assemble.find_fitting(db, recipes)
    assemble.choose(db, recipes, s, as_of)
    db.execute("CREATE OR REPLACE TEMP TABLE wanted AS SELECT DISTINCT customer_id FROM chosen ORDER BY customer_id")
    products.recommend(db, "wanted", s.products)
    send_time.send_time(db, "wanted", s.send_time)
    assemble.describe(db, recipes, s.language)
    economy = {"save_rate": saved, "sensitivity": worth.sensitivity(db, s.economy)}
    missing = guards.missing_consent(db)
    shared = {
        "as_of": as_of,
        "holdout_share": s.holdout_share,
        "global_holdout_share": s.global_holdout_share,
        "settings_sha256": assemble.settings_hash(s),
        "missing": [missing] if missing else [],
    }
    deliverability.create(db, s.deliverability)
    rates = send_forecast.learn(db, s.deliverability)
    manifests = {}
    for name, recipe in recipes.items():
        facts = assemble.counts(db, recipe)
        groups = facts["groups"]
        if facts["fitting"] != sum(groups[group] for group in ("treat", "holdout")) + sum(facts["left_out"].values()):
            raise ListError(f"{name}: {groups} and {facts['left_out']} are not the {facts['fitting']} who fit.")
        manifests[name] = {
            "list": name,
            "kind": recipe.kind,
            "title": recipe.title["en"],
            "title_urdu": recipe.title["ur"],
            "action": recipe.action["en"],
            "action_urdu": recipe.action["ur"],
            "budget": recipe.settings.budget,
            "every_days": recipe.settings.every_days,
            "despite": sorted(recipe.despite),
            "campaign": assemble.campaign(recipe, as_of),
            "misfits_say": {step.rule: step.says for step in recipe.steps},
            **shared,
            **facts,
        }
        if recipe.kind == "message":
            share = recipe.settings.holdout_share
            manifests[name] |= {"holdout_share": s.holdout_share if share is None else share, "economy": economy}
            manifests[name]["power"] = _power(facts)
            recipients = f"(SELECT customer_id FROM candidates WHERE list = {quoted(name)} AND \"group\" = 'treat')"
            manifests[name]["warnings"] = send_forecast.forecast(db, recipients, rates, s.deliverability)["warnings"]
    return BuiltLists(recipes, manifests, assemble.told(recipes))
