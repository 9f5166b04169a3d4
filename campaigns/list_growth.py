"""Who came onto the list of readers and who left it, and how many of them have gone quiet."""

from __future__ import annotations

from typing import Any

import duckdb

from campaigns.shares import rate

# Whoever subscribed is on the list until they opt out, complain, or their address turns out to be dead. What the
# customer's own row says with a date counts as a step; without one only where the log of consent says nothing.
_LIST_EVENTS = """
    CREATE OR REPLACE TEMP TABLE list_events AS
    WITH steps AS (
        SELECT customer_id, said_at AS occurred_at, event_id,
            CASE word WHEN 'yes' THEN 'gained' ELSE 'opt_out' END AS step
        FROM statements WHERE said_at IS NOT NULL AND word IN ('yes', 'no')
        UNION ALL
        SELECT customer_id, occurred_at, event_id, kind FROM unwanted
        UNION ALL
        SELECT s.customer_id, c.occurred_at, s.event_id, 'gained'
        FROM statements s JOIN customers c USING (customer_id, event_id)
        WHERE s.word = 'yes' AND s.said_at IS NULL AND s.customer_id NOT IN (
            SELECT customer_id FROM statements WHERE log = 'consent_events' OR word = 'no' AND said_at IS NULL
        )
    ), placed AS (
        -- Of two steps at one instant the graver one counts: a complaint often opts out as well.
        SELECT *, lag(step) OVER person AS before FROM steps
        WINDOW person AS (
            PARTITION BY customer_id ORDER BY occurred_at,
            CASE step WHEN 'gained' THEN 0 WHEN 'complaint' THEN 1 WHEN 'hard_bounce' THEN 2 ELSE 3 END, event_id
        )
    )
    SELECT customer_id, step, occurred_at, strftime(local_time(occurred_at), '%Y-%m') AS month FROM placed
    WHERE (step = 'gained') <> coalesce(before = 'gained', false)
"""
STEPS = ("gained", "opt_out", "complaint", "hard_bounce")


def growth(db: duckdb.DuckDBPyConnection, months: int) -> list[dict[str, Any]]:
    """People who came onto the list and left it in each of the last ``months`` months that have any, and its size.

    One entry per month: month, gained, opt_out, complaint, hard_bounce, net, size (at its end).
    """
    db.execute(_LIST_EVENTS)
    rows = db.execute("SELECT month, step, count(*) FROM list_events GROUP BY 1, 2 ORDER BY 1, 2").fetchall()
    by_month: dict[str, dict[str, int]] = {}
    for month, step, n in rows:
        by_month.setdefault(month, dict.fromkeys(STEPS, 0))[step] = n
    found, size = [], 0
    for month, steps in by_month.items():
        net = steps["gained"] - steps["opt_out"] - steps["complaint"] - steps["hard_bounce"]
        size += net
        found.append({"month": month, **steps, "net": net, "size": size})
    return found[-months:]


def unengaged(db: duckdb.DuckDBPyConnection, quiet_days: tuple[int, int]) -> dict[str, Any]:
    """Of the people on the list with an address and no stop: how many did nothing for so many days.

    Doing something is a click by a person, a visit, an order or the sign-up; an open is nothing. After
    :func:`growth` and :func:`campaigns.deliverability.create`.
    """
    first, second = quiet_days
    people, quiet, long_quiet = db.execute(
        f"""
        WITH listed AS (
            SELECT customer_id FROM list_events GROUP BY customer_id
            HAVING count(*) FILTER (step = 'gained') > count(*) FILTER (step <> 'gained')
        )
        SELECT count(*), count(*) FILTER (coalesce(quiet_for, {second}) >= {first}),
            count(*) FILTER (coalesce(quiet_for, {second}) >= {second})
        FROM listed JOIN readers USING (customer_id) WHERE address_key IS NOT NULL AND NOT stopped
        """
    ).fetchall()[0]
    return {"people": people, "days": {str(first): rate(quiet, people), str(second): rate(long_quiet, people)}}
