"""The save rate: which share of the customers who would leave a contact keeps, measured in the shop's own experiments.

A contact counts as an experiment where the log ``campaign_contacts`` says whether the customer was left alone
(``control``) and with which chance they were to be written to (``propensity``). Leaving is no order within the horizon.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np

from campaigns import uplift
from campaigns.uplift import Floats
from timeline import DAY_US

FEWEST = 100
"""A group with fewer contacts than this says nothing; the stated assumption stands alone."""

FEWEST_PERSONAL = 1_000
"""Contacts in each group from which personal save rates are tried."""

MOST = 100_000
"""More contacts than so many are not read; whole customers are kept or left out."""

PRIOR_SPREAD = 0.05
"""How far from the stated assumption a save rate may well lie: its weight against a measurement of few contacts."""

SURE = 0.001
"""No chance of leaving is taken to be nearer to none or to certain than this."""

STRONGEST = 10.0
"""No contact moves a logit further."""

FACTS = {
    "share of mails clicked in a year": "(clicks + {mail_weight} * {clicked}) / (mails + {mail_weight})",
    "share of orders with a discount": "(discounted + {order_weight} * {discounts}) / (orders + {order_weight})",
    "orders": "ln(1 + orders)",
    "days since the last order": "ln(1 + days)",
    "days since the last order against the usual gap": "ln(1 + days * orders / (tenure + 1))",
    "mails in 90 days": "ln(1 + mails_90)",
    "visits in 90 days": "ln(1 + views_90)",
}
"""What the effect may depend on, each an SQL expression over the counts of one person at one instant."""


@dataclass(frozen=True)
class SaveRates:
    """What the experiments said of the save rate.

    ``overall`` is the share kept by a contact; ``personal`` gives everyone their own instead, where it is there.
    """

    overall: float
    personal: Personal | None
    facts: dict[str, Any]
    """For manifests."""


@dataclass(frozen=True)
class Personal:
    """The learned shift and the shop-wide numbers its facts are shrunk to."""

    model: uplift.Shift
    shop: dict[str, float]


def measure(db: duckdb.DuckDBPyConnection, horizon_days: int, assumed: float) -> SaveRates:
    """The save rate as the experiments known on ``db`` say, which had run for ``horizon_days`` by its ``as_of``.

    Args:
        db: With the logs and the variable ``as_of`` of :mod:`campaigns.known`.
        horizon_days: No order in so many days after the contact counts as having left.
        assumed: The stated assumption: it stands where nothing was measured, and steadies what was measured on few.
    """
    find_experiments(db, horizon_days)
    customer, lost, treated, chance = _outcomes(db)
    groups = {"treated": int(treated.sum()), "control": int((1 - treated).sum())}
    facts: dict[str, Any] = {"source": "assumed", "assumed": assumed, "horizon_days": horizon_days, **groups}
    if min(groups.values()) < FEWEST or not lost[treated == 0].any():
        facts |= {"save_rate": assumed, "why": f"fewer than {FEWEST} randomised contacts in a group, or nobody left"}
        return SaveRates(assumed, None, facts)
    found = uplift.overall(customer, lost, treated, chance)
    weight = PRIOR_SPREAD**2 / (PRIOR_SPREAD**2 + found.save_rate_error**2)
    save_rate = round(weight * found.save_rate + (1 - weight) * assumed, 6)
    facts |= {
        "source": "measured",
        "left_when_alone": round(found.lost_alone, 6),
        "left_when_written_to": round(found.lost_alone - found.effect, 6),
        "effect": round(found.effect, 6),
        "effect_interval_95": uplift.interval(found.effect, found.effect_error),
        "save_rate_measured": round(found.save_rate, 6),
        "save_rate_interval_95": uplift.interval(found.save_rate, found.save_rate_error),
        "weight_of_measurement": round(weight, 6),
        "save_rate": save_rate,
    }
    if min(groups.values()) < FEWEST_PERSONAL:
        facts["personal"] = {"used": False, "why": f"fewer than {FEWEST_PERSONAL:,} contacts in a group"}
        return SaveRates(save_rate, None, facts)
    count_facts(db, "experiments")
    shop = _shop_wide(db)
    learned = uplift.learn(customer, lost, treated, chance, _matrix(db, shop))
    facts["personal"] = learned.evidence | {"used": learned.holds, "facts": dict(zip(FACTS, learned.told, strict=True))}
    return SaveRates(save_rate, Personal(learned.model, shop) if learned.holds else None, facts)


def add(db: duckdb.DuckDBPyConnection, horizon_days: int, assumed: float) -> dict[str, Any]:
    """Make the table ``save_rates`` (customer_id, save_rate), one row per row of ``people``; the facts for manifests.

    A save rate is the share of a person's churn probability that goes with a contact. Without personal effects a
    contact lowers everyone's odds of leaving alike, by as much as keeps the overall share of all who would leave:
    who is as good as gone, or as good as sure to stay, is moved least.

    Args:
        db: As for :func:`measure`, with the table ``people``.
        horizon_days: As for :func:`measure`.
        assumed: As for :func:`measure`.
    """
    found = measure(db, horizon_days, assumed)
    if found.personal is None:
        shift = _equal_odds(db, found.overall)
        _spread(
            db,
            f"SELECT customer_id, churn_probability, NULL AS alone, {shift!r} AS shift FROM people",
            found.overall,
        )
        return found.facts | {"log_odds": shift}
    db.execute("CREATE OR REPLACE TEMP TABLE moments AS SELECT customer_id, getvariable('as_of') AS at_us FROM people")
    count_facts(db, "moments")
    model, facts = found.personal.model, _expressions(found.personal.shop)
    _spread(
        db,
        f"SELECT customer_id, churn_probability, {model.main_sql(facts)} AS alone, {model.shift_sql(facts)} AS shift "
        "FROM moment_facts JOIN (SELECT customer_id, churn_probability FROM people) p USING (customer_id)",
        found.overall,
    )
    return found.facts


def _spread(db: duckdb.DuckDBPyConnection, shifts: str, otherwise: float) -> None:
    """Table ``save_rates`` from how far a contact lowers each person's logit of leaving.

    Args:
        db: The connection.
        shifts: Query with customer_id, churn_probability, shift, and the logit ``alone`` of whom nobody scored.
        otherwise: The save rate of whom neither is known of.
    """
    db.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE save_rates AS
        WITH known AS (
            SELECT *, CASE WHEN churn_probability IS NOT NULL
                THEN greatest({SURE!r}, least({1 - SURE!r}, churn_probability)) END AS chance
            FROM ({shifts})
        ), logits AS (
            SELECT customer_id, shift, coalesce(ln(chance / (1 - chance)), alone) AS logit FROM known
        )
        SELECT customer_id,
            coalesce(round(1 - (1 + exp(-logit)) / (1 + exp(shift - logit)), 6), {otherwise!r}) AS save_rate
        FROM logits ORDER BY customer_id
        """
    )


def _equal_odds(db: duckdb.DuckDBPyConnection, save_rate: float) -> float:
    """The shift of everyone's logit that keeps ``save_rate`` of all those scored who would leave."""
    people, chance = _columns(
        db,
        f"SELECT count(*) AS people, greatest({SURE!r}, least({1 - SURE!r}, round(churn_probability, 3))) AS chance "
        "FROM people WHERE churn_probability IS NOT NULL GROUP BY chance ORDER BY chance",
    )
    if not len(people):
        return 0.0
    odds, low, high = chance / (1 - chance), -STRONGEST, STRONGEST
    for _ in range(60):
        shift = (low + high) / 2
        lowered = odds * np.exp(-shift)
        kept = (people * (chance - lowered / (1 + lowered))).sum()
        low, high = (shift, high) if kept < save_rate * (people * chance).sum() else (low, shift)
    return round(shift, 6)


def find_experiments(db: duckdb.DuckDBPyConnection, horizon_days: int) -> None:
    """Table ``experiments``: one row per customer and campaign that was drawn by chance, and whose horizon is over."""
    db.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE experiments AS
        WITH drawn AS (
            SELECT campaign_id, customer_id, min(occurred_at) AS at_us, NOT any_value(control) AS treated,
                min(propensity) AS chance
            FROM campaign_contacts
            WHERE customer_id IS NOT NULL AND propensity > 0 AND propensity < 1
            GROUP BY campaign_id, customer_id HAVING count(DISTINCT control) = 1
        ), over AS (
            SELECT * FROM drawn
            WHERE at_us + {horizon_days} * {DAY_US} <= getvariable('as_of')
            QUALIFY count(DISTINCT treated) OVER (PARTITION BY campaign_id) = 2
        ), ranked AS (
            SELECT *, count(*) OVER (ORDER BY md5(customer_id)) AS place FROM over
        )
        SELECT campaign_id, customer_id, at_us, treated, chance,
            NOT EXISTS (
                FROM orders o WHERE o.customer_id = e.customer_id AND o.event = 'Order Completed'
                    AND o.occurred_at >= e.at_us AND o.occurred_at < e.at_us + {horizon_days} * {DAY_US}
            ) AS lost
        FROM ranked e WHERE place <= {MOST} ORDER BY customer_id, campaign_id
        """
    )


def _columns(db: duckdb.DuckDBPyConnection, sql: str) -> Sequence[Floats]:
    return [np.asarray(column, dtype="float64") for column in db.sql(sql).fetchnumpy().values()]


def _outcomes(db: duckdb.DuckDBPyConnection) -> Sequence[Floats]:
    """Number of the customer, lost, treated and chance, one entry per experiment, by customer and campaign."""
    return _columns(
        db,
        """
        SELECT dense_rank() OVER (ORDER BY customer_id) AS customer, lost::INT AS lost, treated::INT AS treated, chance
        FROM experiments ORDER BY customer_id, campaign_id
        """,
    )


def count_facts(db: duckdb.DuckDBPyConnection, moments: str) -> None:
    """Table ``moment_facts``: the counts of everyone in ``moments`` (customer_id, at_us), as known before that instant.

    An event counts once it had both happened and reached us. Who had not ordered has zeros.
    """
    age, year, quarter = "(m.at_us - e.occurred_at)", 365 * DAY_US, 90 * DAY_US
    known = "e.occurred_at < m.at_us AND e.loaded_at < m.at_us"
    moment = f"(SELECT DISTINCT customer_id, at_us FROM {moments})"
    db.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE moment_facts AS
        WITH bought AS (
            SELECT customer_id, at_us, count(*) AS orders,
                count(*) FILTER (coalesce(e.discount, 0) > 0 OR e.coupon IS NOT NULL) AS discounted,
                min({age}) // {DAY_US} AS days, max({age}) // {DAY_US} AS tenure
            FROM {moment} m JOIN orders e USING (customer_id)
            WHERE {known} AND e.event = 'Order Completed' GROUP BY customer_id, at_us
        ), mailed AS (
            SELECT customer_id, at_us, count(*) FILTER (e.event = 'Email Delivered') AS mails,
                count(*) FILTER (e.event = 'Email Delivered' AND {age} <= {quarter}) AS mails_90,
                count(*) FILTER (e.event = 'Email Link Clicked' AND NOT coalesce(e.bot_click, false)) AS clicks
            FROM {moment} m JOIN email_events e USING (customer_id)
            WHERE {known} AND {age} <= {year} GROUP BY customer_id, at_us
        ), visited AS (
            SELECT customer_id, at_us, count(*) AS views_90
            FROM {moment} m JOIN web_events e USING (customer_id)
            WHERE {known} AND {age} <= {quarter} GROUP BY customer_id, at_us
        )
        SELECT m.customer_id, m.at_us, {", ".join(f"coalesce({name}, 0)::DOUBLE AS {name}" for name in _COUNTS)}
        FROM {moment} m
        LEFT JOIN bought USING (customer_id, at_us)
        LEFT JOIN mailed USING (customer_id, at_us)
        LEFT JOIN visited USING (customer_id, at_us)
        """
    )


_COUNTS = ("orders", "discounted", "days", "tenure", "mails", "mails_90", "clicks", "views_90")


def _shop_wide(db: duckdb.DuckDBPyConnection) -> dict[str, float]:
    """The shop's own shares, and how many mails or orders a share of one person needs to weigh as much as they do."""
    columns = "clicks, mails, discounted, orders"
    clicks, mails, discounted, orders = _columns(db, f"SELECT {columns} FROM moment_facts ORDER BY customer_id, at_us")
    clicked, mail_weight = uplift.shares(clicks, mails)
    discounts, order_weight = uplift.shares(discounted, orders)
    return {"clicked": clicked, "mail_weight": mail_weight, "discounts": discounts, "order_weight": order_weight}


def _expressions(shop: dict[str, float]) -> list[str]:
    return [expression.format_map(shop) for expression in FACTS.values()]


def _matrix(db: duckdb.DuckDBPyConnection, shop: dict[str, float]) -> Floats:
    """One row per experiment in the order of :func:`_outcomes`, one column per fact."""
    selected = ", ".join(f"{sql} AS fact_{place}" for place, sql in enumerate(_expressions(shop)))
    return np.column_stack(
        _columns(
            db,
            f"SELECT {selected} FROM experiments JOIN moment_facts USING (customer_id, at_us) "
            "ORDER BY customer_id, campaign_id",
        )
    )
