"""From recipes to lists: who fits, whom the guards stop, one message a person, holdouts, budgets."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import duckdb

from campaigns import guards, holdout
from campaigns.recipes import Recipe
from campaigns.settings import CampaignSettings
from campaigns.wording import OUTCOMES
from events.sql import quoted
from timeline import DAY_US

SELECTED, HELD_OUT = "selected", "held_out"
"""What became of those on a list; the other outcomes of :data:`campaigns.wording.OUTCOMES` keep people off it."""

REASONS = (1, 2, 3)


def period_start(as_of: str, every_days: int) -> str:
    """The day on which the period of a list that repeats after so many days began; periods count from 1970-01-01."""
    days = datetime.date.fromisoformat(as_of).toordinal() - datetime.date(1970, 1, 1).toordinal()
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=days - days % every_days)).isoformat()


def campaign(recipe: Recipe, as_of: str) -> str:
    """What the experiment of a list is called: one a period, or one for all messages of a series."""
    return recipe.name if recipe.occasion else f"{recipe.name}-{period_start(as_of, recipe.settings.every_days)}"


def _campaign_of_row(recipe: Recipe, as_of: str) -> str:
    """SQL: what a person may get once; in a series each message is one."""
    if recipe.occasion is not None:
        return f"{quoted(recipe.name + '-')} || ({recipe.occasion})"
    return quoted(campaign(recipe, as_of))


def find_fitting(db: duckdb.DuckDBPyConnection, recipes: Mapping[str, Recipe]) -> None:
    """Make the table ``fits``: one row per person, one column per list with the rule that keeps them off, or null."""
    columns = ", ".join(f'{recipe.fits} AS "{name}"' for name, recipe in recipes.items())
    db.execute(
        "CREATE OR REPLACE TEMP TABLE fits AS SELECT customer_id, coalesce(address_key, customer_id) AS inbox, "
        f"{columns} FROM people LEFT JOIN worth USING (customer_id)"
    )


def _contacted(recipe: Recipe) -> str:
    """SQL: the inboxes that got a message of this list within its ``every_days``."""
    reach = recipe.settings.every_days * DAY_US
    return (
        "SELECT f.inbox FROM past_contacts c JOIN fits f USING (customer_id) "
        f"WHERE c.list = {quoted(recipe.name)} AND getvariable('as_of') - c.occurred_at <= {reach}"
    )


def _outcome_column(name: str) -> str:
    return f"why_{name}"


def choose(db: duckdb.DuckDBPyConnection, recipes: Mapping[str, Recipe], s: CampaignSettings, as_of: str) -> None:
    """Make the tables ``chosen`` (one row per person on a list) and ``outcomes`` (one per person who fits a list).

    Lists take their people in the order of ``recipes``; nobody is taken twice, nor two customers of one inbox.
    """
    db.execute(
        "CREATE OR REPLACE TEMP TABLE chosen (customer_id VARCHAR, inbox VARCHAR, list VARCHAR, campaign VARCHAR, "
        '"group" VARCHAR, holdout VARCHAR, arm VARCHAR, propensity DOUBLE, contact_cost BIGINT, rank BIGINT)'
    )
    db.execute("CREATE OR REPLACE TEMP TABLE outcomes (customer_id VARCHAR, list VARCHAR, outcome VARCHAR)")
    written = 0
    for name, recipe in recipes.items():
        is_message = recipe.kind == "message"
        # What takes addresses off the lists sends nothing, so it waits for no capacity.
        left = max(s.capacity - written, 0) if s.capacity is not None and is_message else None
        _take(db, recipe, s, as_of, left)
        if is_message:
            counted = db.execute(
                "SELECT count(*) FROM chosen WHERE list = ? AND \"group\" = 'treat'", [name]
            ).fetchall()
            written += int(counted[0][0])


def _take(db: duckdb.DuckDBPyConnection, recipe: Recipe, s: CampaignSettings, as_of: str, left: int | None) -> None:
    is_message = recipe.kind == "message"
    stop = guards.rule_despite(recipe.despite) if is_message else "CASE WHEN hard_rule = 'erased' THEN hard_rule END"
    share = s.holdout_share if recipe.settings.holdout_share is None else recipe.settings.holdout_share
    db.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE fitting AS
        SELECT customer_id, f.inbox, stop, {_campaign_of_row(recipe, as_of)} AS campaign,
            row_number() OVER (ORDER BY {", ".join(recipe.rank)}, customer_id) AS place
        FROM fits f JOIN people USING (customer_id)
            JOIN (SELECT customer_id, {stop} AS stop FROM guards) USING (customer_id)
            LEFT JOIN worth USING (customer_id)
        WHERE f."{recipe.name}" IS NULL
        """
    )
    # Of several customers at one address the best placed one stands for it.
    db.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE free AS
        WITH contacted AS ({_contacted(recipe)}),
        judged AS (
            SELECT fitting.*, CASE
                WHEN stop IS NOT NULL THEN stop
                WHEN inbox IN (SELECT inbox FROM contacted) THEN 'contacted_by_list'
                WHEN customer_id IN (SELECT customer_id FROM chosen) THEN 'other_list'
                WHEN inbox IN (SELECT inbox FROM chosen) THEN 'same_inbox'
            END AS outcome FROM fitting
        )
        SELECT * EXCLUDE (outcome), CASE
            WHEN outcome IS NULL AND row_number() OVER (PARTITION BY inbox, outcome IS NULL ORDER BY place) > 1
            THEN 'same_inbox' ELSE outcome END AS outcome
        FROM judged
        """
    )
    db.execute("CREATE OR REPLACE TEMP TABLE asked AS SELECT customer_id FROM free WHERE outcome IS NULL")
    holdout.assign(
        db,
        "asked",
        campaign(recipe, as_of),
        salt=s.salt,
        global_share=s.global_holdout_share if is_message else 0.0,
        list_share=share if is_message else 0.0,
        versions=recipe.settings.arms,
        into="drawn",
    )
    # The list ends where the budget is spent, for both groups: people held out further down the ranking would be no
    # fair comparison for people written to above them.
    # Only the lists that make an offer cost what an offer costs, and every message costs something.
    plain = s.economy.contact_cost if is_message else 0
    cost = f"coalesce(w.contact_cost, {plain})" if recipe.offers else f"{plain}"
    room = recipe.settings.budget if left is None else min(recipe.settings.budget, left)
    limits = [f"written <= {room}"]
    limits += [f"spent <= {recipe.settings.max_cost}"] * (recipe.settings.max_cost is not None)
    db.execute(
        f"""
        INSERT INTO chosen
        WITH running AS (
            SELECT d.*, f.inbox, f.campaign, f.place, count(*) FILTER (d."group" = 'treat') OVER ahead AS written,
                {cost} AS contact_cost,
                coalesce(sum({cost}) FILTER (d."group" = 'treat') OVER ahead, 0) AS spent
            FROM drawn d JOIN free f USING (customer_id) LEFT JOIN worth w USING (customer_id)
            WINDOW ahead AS (ORDER BY f.place ROWS UNBOUNDED PRECEDING)
        )
        SELECT customer_id, inbox, {quoted(recipe.name)}, campaign, "group", holdout, arm, propensity, contact_cost,
            row_number() OVER (ORDER BY place)
        FROM running WHERE {" AND ".join(limits)} AND {room} > 0
        """
    )
    db.execute(
        f"""
        INSERT INTO outcomes
        SELECT f.customer_id, {quoted(recipe.name)}, CASE
            WHEN c."group" = 'treat' THEN '{SELECTED}' WHEN c."group" = 'holdout' THEN '{HELD_OUT}'
            ELSE coalesce(f.outcome, 'over_budget') END
        FROM free f LEFT JOIN chosen c ON c.customer_id = f.customer_id AND c.list = {quoted(recipe.name)}
        """
    )


def describe(db: duckdb.DuckDBPyConnection, recipes: Mapping[str, Recipe], language: str) -> None:
    """Make the table ``candidates``: one row per row of ``chosen`` with everything that goes into a list.

    ``products`` and ``send_times`` must be there for the people of ``chosen``.
    """
    sentence = "sentence" if language == "en" else f"sentence_{language}"
    ways = {"en": (" (raises the risk)", " (lowers the risk)"), "ur": (" (خطرہ بڑھاتا ہے)", " (خطرہ گھٹاتا ہے)")}
    nothing = {"en": "no single reason stands out", "ur": "کوئی ایک وجہ نمایاں نہیں"}[language]
    raises, lowers = (quoted(way) for way in ways[language])
    reasons = ", ".join(f"max(said) FILTER (rank = {rank}) AS reason_{rank}" for rank in REASONS)
    why, action, step = ("CASE c.list", "CASE c.list", "CASE c.list")
    for name, recipe in recipes.items():
        why += f" WHEN {quoted(name)} THEN {recipe.why_now[language]}"
        of_row = recipe.row_action[language] if recipe.row_action else quoted(recipe.action[language])
        action += f" WHEN {quoted(name)} THEN {of_row}"
        step += f" WHEN {quoted(name)} THEN {recipe.step}"
    offering = ", ".join(quoted(name) for name, recipe in recipes.items() if recipe.offers) or "NULL"
    db.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE candidates AS
        WITH told AS (
            SELECT customer_id, rank, "{sentence}" || CASE WHEN contribution > 0 THEN {raises} ELSE {lowers} END AS said
            FROM reasons JOIN (SELECT DISTINCT customer_id FROM chosen) USING (customer_id)
        ), r AS (SELECT customer_id, {reasons} FROM told GROUP BY customer_id)
        SELECT c.customer_id, c.list, c.campaign, c."group", c.holdout, c.arm, c.propensity, c.rank,
            CASE WHEN c.list IN ({offering}) THEN w.net_value ELSE w.plain_net_value END AS net_value,
            CASE WHEN c.list IN ({offering}) THEN w.save_rate ELSE w.plain_save_rate END AS save_rate,
            c.contact_cost, p.churn_probability, p.band, p.percentile, p.value_at_risk,
            p.expected_value, p.days_since_order, coalesce(p.usual_gap_days, p.own_gap_days) AS usual_gap_days,
            p.act_by, p.next_order_expected, p.rfm_segment, p.lifecycle, p.value_tier, p.main_interest,
            p.discount_dependence,
            {why} END AS why_now,
            CASE WHEN r.reason_1 IS NULL AND p.churn_probability IS NOT NULL THEN {quoted(nothing)} ELSE r.reason_1 END
                AS reason_1, r.reason_2, r.reason_3,
            g.product_1, g.product_2, g.product_3, {action} END AS action,
            CASE WHEN c.list IN ({offering}) THEN w.offer ELSE 'none' END AS offer,
            t.send_hour, t.send_weekday, ({step} END)::INTEGER AS step, p.tier, p.points,
            CASE WHEN c.list = 'abandoned_cart' THEN p.cart_value END AS cart_value,
            CASE WHEN c.list = 'abandoned_cart' THEN p.cart_age_hours END AS cart_age_hours
        FROM chosen c JOIN people p USING (customer_id) LEFT JOIN worth w USING (customer_id)
            LEFT JOIN r USING (customer_id) LEFT JOIN products g USING (customer_id)
            LEFT JOIN send_times t USING (customer_id)
        """
    )


def told(recipes: Mapping[str, Recipe]) -> str:
    """A query: one row per person with segments, guard, list and why they are (not) on each list, by customer_id."""
    pivot = ", ".join(f"max(outcome) FILTER (list = {quoted(name)}) AS {_outcome_column(name)}" for name in recipes)
    why = ", ".join(f'coalesce(o.{_outcome_column(name)}, f."{name}") AS {_outcome_column(name)}' for name in recipes)
    return f"""
        WITH o AS (SELECT customer_id, {pivot} FROM outcomes GROUP BY customer_id)
        SELECT p.customer_id, p.rfm_segment, p.lifecycle, p.value_tier, p.main_interest, p.discount_dependence,
            g.rule AS guard, c.list, c.campaign, c."group", {why}
        FROM people p JOIN guards g USING (customer_id) JOIN fits f USING (customer_id)
            LEFT JOIN o USING (customer_id) LEFT JOIN chosen c USING (customer_id)
        ORDER BY p.customer_id
    """


def counts(db: duckdb.DuckDBPyConnection, recipe: Recipe) -> dict[str, Any]:
    """The plain figures of one list: who fits, its size before and after each guard, groups, sums."""
    name = recipe.name
    people, fitting = db.execute(f'SELECT count(*), count(*) FILTER ("{name}" IS NULL) FROM fits').fetchall()[0]
    misfits = dict(
        db.execute(f'SELECT "{name}", count(*) FROM fits WHERE "{name}" IS NOT NULL GROUP BY ALL ORDER BY 1').fetchall()
    )
    outcomes = dict(
        db.execute("SELECT outcome, count(*) FROM outcomes WHERE list = ? GROUP BY ALL ORDER BY 1", [name]).fetchall()
    )
    steps, size = [], fitting
    order = [*guards.RULES, *(code for code in OUTCOMES if code not in (SELECTED, HELD_OUT)), HELD_OUT]
    for rule in order:
        if rule in guards.RULES or rule in outcomes:
            stopped = int(outcomes.get(rule, 0))
            steps.append({"rule": rule, "before": size, "stopped": stopped, "after": size - stopped})
            size -= stopped
    sums = db.execute(
        """
        SELECT count(*) FILTER ("group" = 'treat'), count(*) FILTER ("group" = 'holdout'),
            count(*) FILTER (holdout = 'global'),
            coalesce(sum(value_at_risk) FILTER ("group" = 'treat'), 0)::BIGINT,
            coalesce(sum(cart_value) FILTER ("group" = 'treat'), 0)::BIGINT,
            coalesce(sum(net_value) FILTER ("group" = 'treat'), 0)::BIGINT,
            coalesce(sum(contact_cost) FILTER ("group" = 'treat'), 0)::BIGINT,
            avg(churn_probability ORDER BY customer_id), min(propensity),
            avg(save_rate ORDER BY customer_id) FILTER ("group" = 'treat')
        FROM candidates WHERE list = ?
        """,
        [name],
    ).fetchall()[0]
    return {
        "people": int(people),
        "fitting": int(fitting),
        "not_fitting": {str(rule): int(rows) for rule, rows in misfits.items()},
        "guards": steps,
        "left_out": {str(rule): int(rows) for rule, rows in outcomes.items() if rule not in (SELECTED, HELD_OUT)},
        "groups": {"treat": int(sums[0]), "holdout": int(sums[1]), "global_holdout": int(sums[2])},
        "value_at_risk": int(sums[3]),
        "cart_value": int(sums[4]),
        "net_value": int(sums[5]),
        "cost": int(sums[6]),
        "mean_churn_probability": None if sums[7] is None else round(float(sums[7]), 6),
        "mean_save_rate": None if sums[9] is None else round(float(sums[9]), 6),
        "propensity": None if sums[8] is None else float(sums[8]),
    }


def settings_hash(s: CampaignSettings) -> str:
    """SHA-256 of everything the section says."""
    return hashlib.sha256(json.dumps(s.model_dump(mode="json"), sort_keys=True).encode("utf-8")).hexdigest()
