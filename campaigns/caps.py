"""Whom the contact ledger lets through: once a campaign, once a run, once in a list's days, and within the cap.

One inbox is one person: two customers at one address count as one, and so do accounts that became one.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pandas as pd

from campaigns.ledger import Ledger
from timeline import DAY_US

LEDGER_RULES = (
    "already_in_campaign",
    "one_a_run",
    "list_again",
    "recent_contact",
    "frequency_cap",
    "duplicate_address",
)
"""Why the ledger stops somebody; the first that applies is the one that is told."""


@dataclass(frozen=True)
class Caps:
    """How often somebody is written to: ``every_days`` for one list, the others over all lists; 0 switches off."""

    every_days: int
    quiet_days: int
    cap: int
    cap_days: int

    @property
    def longest(self) -> int:
        """Days around a message in which others matter."""
        return max(self.every_days, self.quiet_days, self.cap_days)


@dataclass(frozen=True)
class Run:
    """One list for one date, and the instant at which its messages count."""

    name: str
    as_of: str
    moment: int


def load_past(db: duckdb.DuckDBPyConnection, ledger: Ledger, run: Run, caps: Caps) -> None:
    """Make the table ``past`` from the ledger: everybody of this run or its campaigns, and every message near it.

    ``candidate`` must be there (customer_id, campaign). Who was left out before anything was sent is not in it.
    """
    db.execute(
        "CREATE OR REPLACE TABLE past (campaign VARCHAR, person VARCHAR, inbox VARCHAR, list VARCHAR, as_of VARCHAR, "
        "list_id VARCHAR, grp VARCHAR, state VARCHAR, moment BIGINT, counts INTEGER)"
    )
    campaigns = [row[0] for row in db.execute("SELECT DISTINCT campaign FROM candidate ORDER BY 1").fetchall()]
    for frame in ledger.near(run.name, run.as_of, campaigns, run.moment, caps.longest * DAY_US):
        insert(db, "past", frame)


def insert(db: duckdb.DuckDBPyConnection, table: str, frame: pd.DataFrame) -> None:
    """Add the rows of ``frame`` to ``table``, which has the same columns."""
    db.register("arriving", frame)
    db.execute(f"INSERT INTO {table} SELECT * FROM arriving")
    db.unregister("arriving")


def load_suppressed(db: duckdb.DuckDBPyConnection, ledger: Ledger) -> None:
    """Make the table ``silenced`` (key): persons and inboxes that asked to be left alone, also who they became."""
    db.execute("CREATE OR REPLACE TABLE silenced (key VARCHAR)")
    for frame in ledger.suppressed():
        insert(db, "silenced", frame)
    db.execute("INSERT INTO silenced SELECT now FROM became JOIN silenced ON became.customer_id = silenced.key")


def decide(db: duckdb.DuckDBPyConnection, run: Run, caps: Caps) -> None:
    """Make the table ``decided``: one row per candidate with inbox, own (their state in this run) and rule, or null.

    Needs ``candidate`` (customer_id, campaign, group, rank), ``addresses`` (customer_id, inbox), ``became``
    (customer_id, now) and ``past``. A window reaches both ways from the run, so that runs may come in any order.
    """
    values = {
        "name": run.name,
        "day": run.as_of,
        "moment": run.moment,
        "every": caps.every_days * DAY_US,
        "quiet": caps.quiet_days * DAY_US,
        "days": caps.cap_days * DAY_US,
        "cap": caps.cap,
    }
    db.execute("""
        CREATE OR REPLACE TABLE asked AS
        SELECT customer_id, candidate.campaign, "group", rank, coalesce(addresses.inbox, customer_id) AS inbox
        FROM candidate LEFT JOIN addresses USING (customer_id)
    """)
    db.execute("""
        CREATE OR REPLACE TABLE touched AS
        WITH told AS (
            SELECT past.*, row_number() OVER () AS n, coalesce(became.now, person) AS who
            FROM past LEFT JOIN became ON became.customer_id = person
        ), known AS (
            SELECT told.*, addresses.inbox AS inbox_now FROM told LEFT JOIN addresses ON addresses.customer_id = who
        ), keys AS (
            SELECT * EXCLUDE (key), unnest(key) AS key
            FROM (SELECT *, [person, who, inbox, inbox_now] AS key FROM known)
        )
        SELECT DISTINCT key, n, person, state, campaign, list, as_of, moment, counts FROM keys WHERE key IS NOT NULL
    """)
    db.execute(
        """
        CREATE OR REPLACE TABLE met AS
        WITH asked_keys AS (
            SELECT customer_id, campaign, customer_id AS key FROM asked
            UNION
            SELECT customer_id, campaign, inbox FROM asked
        ), hits AS (
            SELECT DISTINCT a.customer_id, t.n, t.campaign = a.campaign AS same, t.list, t.as_of,
                abs(t.moment - $moment) AS distance, t.counts = 1 AS counts
            FROM asked_keys a JOIN touched t USING (key)
            -- What this run itself has promised is told apart by inbox below: the first one keeps its place.
            WHERE NOT (t.list = $name AND t.as_of = $day AND (t.person = a.customer_id OR t.state = 'reserved'))
        )
        SELECT customer_id,
            bool_or(same) AS already_in_campaign,
            coalesce(bool_or(as_of = $day) FILTER (counts), false) AS one_a_run,
            coalesce(bool_or(list = $name AND distance < $every) FILTER (counts), false) AS list_again,
            coalesce(bool_or(distance < $quiet) FILTER (counts), false) AS recent_contact,
            coalesce(count(*) FILTER (counts AND distance < $days) >= $cap, false) AND $days > 0 AS frequency_cap
        FROM hits GROUP BY customer_id
        """,
        values,
    )
    stops = " ".join(f"WHEN met.{rule} THEN '{rule}'" for rule in LEDGER_RULES[:-1])
    db.execute(
        f"""
        CREATE OR REPLACE TABLE decided AS
        WITH own AS (
            SELECT person, state, grp FROM past WHERE list = $name AND as_of = $day
        ), ruled AS (
            SELECT a.*, own.state AS own,
                CASE
                    WHEN own.state = 'skipped' OR own.grp <> a."group" THEN 'already_in_campaign'
                    WHEN own.state IN ('exported', 'sent', 'failed', 'holdout') THEN NULL
                    {stops}
                END AS rule
            FROM asked a LEFT JOIN own ON own.person = a.customer_id LEFT JOIN met USING (customer_id)
        ), placed AS (
            SELECT *, row_number() OVER (
                PARTITION BY inbox, rule IS NULL ORDER BY own IS NULL, own = 'reserved', rank, customer_id
            ) AS place
            FROM ruled
        )
        SELECT customer_id, campaign, "group", rank, inbox, own,
            CASE WHEN rule IS NULL AND place > 1 AND (own IS NULL OR own = 'reserved') THEN 'duplicate_address'
                ELSE rule END AS rule
        FROM placed ORDER BY rank, customer_id
        """,
        {"name": run.name, "day": run.as_of},
    )
    for name in ("asked", "touched", "met"):
        db.execute(f"DROP TABLE {name}")
