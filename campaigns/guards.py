"""Who may be written to, and the first guard that stops everybody else. Whatever is not clear is a no."""

from __future__ import annotations

from collections.abc import Collection

import duckdb
from pydantic import BaseModel, ConfigDict, Field

from campaigns import permission
from campaigns.errors import ListError
from events.permission import COLUMNS
from timeline import DAY_US, format_date

GUARD_LOGS = (*COLUMNS, "campaign_contacts", "support_tickets", "orders")
"""The logs that the guards read."""

QUIET_RULES = ("open_ticket", "recent_ticket", "recent_order")
"""The rules that a recipe may go ahead despite; ``guards`` has one boolean column for each."""

RULES = (
    "erased",
    "legal_hold",
    "opt_out",
    "complaint",
    "hard_bounce",
    "suppressed",
    "unclear",
    "objection",
    "no_consent",
    "no_address",
    "too_young",
    "frequency_cap",
    "recent_contact",
    *QUIET_RULES,
)
"""Why somebody may not be written to; the first that applies is reported."""

# One inbox is one person: what stops one customer stops every customer at the same address. Consent and an
# address are each customer's own.
_SHARED = tuple(rule for rule in RULES if rule not in ("no_consent", "no_address"))

SUPPRESS_RULES = ("opt_out", "complaint", "hard_bounce", "suppressed")
"""The rules that hold for every e-mail of the shop, not for our lists only."""

OLDEST_AGE = 120
"""A higher age is a placeholder such as 1900-01-01, so the age is unknown."""


class GuardSettings(BaseModel):
    """How often people are written to, and when they are left in peace."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    quiet_days: int = Field(
        default=7, ge=0, description="Nobody written to in the last so many days is listed again; 0 switches it off."
    )
    frequency_cap: int = Field(
        default=4, ge=1, description="At most so many messages in frequency_days, all lists counted together."
    )
    frequency_days: int = Field(default=28, ge=0, description="Days that frequency_cap counts; 0 switches it off.")
    quiet_ticket_days: int = Field(
        default=3, ge=0, description="Days of peace after a support ticket was closed; 0 switches it off."
    )
    open_ticket_days: int = Field(
        default=30, ge=0, description="A ticket open for longer was forgotten to be closed, and stops nobody."
    )
    quiet_order_days: int = Field(default=7, ge=0, description="Days of peace after an order; 0 switches it off.")
    min_age: int = Field(
        default=0,
        ge=0,
        le=OLDEST_AGE,
        description="Youngest age written to, in years; people of unknown age are then left out. 0: no age gate.",
    )


# The address and the youngest possible age come from the customer's own record, restrictions from the table
# ``standing``. A person may read the mail of more inboxes than their record names.
_FACTS = """
WITH everyone AS (
    SELECT customer_id FROM {persons} WHERE customer_id IS NOT NULL
    UNION
    SELECT customer_id FROM customers WHERE customer_id IS NOT NULL
    UNION
    SELECT customer_id FROM standing
    UNION
    SELECT customer_id FROM restrictions
),
record AS (
    SELECT
        customer_id,
        arg_max(row(address_key), row(occurred_at, event_id))[1] AS address_key,
        min({age}) FILTER ({age} BETWEEN 0 AND {oldest}) AS age
    FROM customers WHERE customer_id IS NOT NULL GROUP BY customer_id
),
contact AS (
    SELECT
        customer_id,
        {now} - max(occurred_at) AS contact_age,
        count(*) FILTER ({now} - occurred_at <= {frequency}) AS messages
    FROM ({contacts}) GROUP BY customer_id
),
ticket AS (
    SELECT
        customer_id,
        -- A ticket opened again is open; one opened and closed at one instant is closed. Not all shops log the close.
        bool_or(coalesce(opened_at > closed_at, closed_at IS NULL)
            AND coalesce({now} - opened_at <= {forgotten}, false))
            AS open_ticket,
        {now} - max(closed_at) AS ticket_age
    FROM (
        SELECT
            customer_id,
            max(occurred_at) FILTER (event = 'Ticket Opened') AS opened_at,
            max(occurred_at) FILTER (event = 'Ticket Closed') AS closed_at
        FROM support_tickets GROUP BY customer_id, ticket_id
    ) GROUP BY customer_id
),
ordered AS (
    SELECT customer_id, {now} - max(occurred_at) AS order_age
    FROM orders WHERE event = 'Order Completed' GROUP BY customer_id
)
SELECT
    customer_id,
    -- People without an address do not share one.
    CASE WHEN address_key IS NULL THEN 'c:' || customer_id ELSE 'a:' || address_key END AS inbox,
    address_key IS NULL AND EXISTS (SELECT 1 FROM customers) AND customer_id NOT IN (
        SELECT customer_id FROM restrictions WHERE restriction = 'same_inbox' AND log = 'orders'
    ) AS no_address,
    NOT coalesce(agreed, false) AS no_consent,
    coalesce(opt_out, false) AS opt_out,
    customer_id IN (FROM guards_erased) OR coalesce(address_key IN (FROM guards_erased), false) AS erased,
    coalesce(suppressed, false) OR customer_id IN (FROM guards_suppressed)
        OR coalesce(address_key IN (FROM guards_suppressed), false) AS suppressed,
    coalesce(legal_hold, false) AS legal_hold,
    coalesce(complaint, false) AS complaint,
    coalesce(hard_bounce, false) AS hard_bounce,
    coalesce(objection, false) AS objection,
    coalesce(unclear, false) AS unclear,
    coalesce(age < {min_age}, {min_age} > 0) AS too_young,
    coalesce(messages, 0) AS messages,
    coalesce({quiet} > 0 AND contact_age <= {quiet}, false) AS recent_contact,
    coalesce(open_ticket, false) AS open_ticket,
    coalesce({quiet_ticket} > 0 AND ticket_age <= {quiet_ticket}, false) AS recent_ticket,
    coalesce({quiet_order} > 0 AND order_age <= {quiet_order}, false) AS recent_order
FROM everyone
LEFT JOIN record USING (customer_id)
LEFT JOIN standing USING (customer_id)
LEFT JOIN contact USING (customer_id)
LEFT JOIN ticket USING (customer_id)
LEFT JOIN ordered USING (customer_id)
"""


def _columns(db: duckdb.DuckDBPyConnection, relation: str) -> set[str]:
    return {str(name) for name, *_ in db.execute(f"DESCRIBE {relation}").fetchall()}


def _age(db: duckdb.DuckDBPyConnection, now: int) -> str:
    """SQL for the youngest that a customer can be, in whole years; null where no year of birth is known."""
    known = _columns(db, "customers")
    if "birth_year" not in known:
        return "CAST(NULL AS BIGINT)"
    zone = str(db.execute("SELECT getvariable('zone')").fetchall()[0][0])
    year, month_day = format_date(now, zone).split("-", 1)
    had_birthday = f"coalesce(birth_month_day <= '{month_day}', false)" if "birth_month_day" in known else "false"
    return f"({year} - birth_year - CASE WHEN {had_birthday} THEN 0 ELSE 1 END)"


def _contacts(ledger: str | None) -> str:
    """SQL for every message that was sent by a campaign: customer_id, occurred_at."""
    logged = "SELECT customer_id, campaign_id, occurred_at FROM campaign_contacts WHERE NOT coalesce(control, false)"
    if ledger is None:
        return logged
    # What the shop's own log tells again is one message.
    return f"""{logged} UNION ALL SELECT customer_id, campaign_id, occurred_at FROM {ledger}
        WHERE NOT EXISTS (
            SELECT 1 FROM campaign_contacts c
            WHERE c.customer_id = {ledger}.customer_id AND c.campaign_id = {ledger}.campaign_id
        )"""


def _first(rules: Collection[str], prefix: str = "") -> str:
    """SQL for the first of ``rules`` whose column is true."""
    return "CASE " + " ".join(f"WHEN {prefix}{rule} THEN '{rule}'" for rule in rules) + " END"


def rule_despite(rules: Collection[str]) -> str:
    """SQL over ``guards``: the first rule that stops a person when those of ``rules`` do not count.

    Raises:
        ListError: One of ``rules`` holds for every list.
    """
    if unknown := sorted(set(rules) - set(QUIET_RULES)):
        raise ListError(f"No list may go ahead despite {unknown[0]!r}; only despite {', '.join(QUIET_RULES)}.")
    kept = [rule for rule in QUIET_RULES if rule not in rules]
    return f"coalesce(hard_rule, {_first(kept)})" if kept else "hard_rule"


def create(
    db: duckdb.DuckDBPyConnection,
    settings: GuardSettings,
    erased: Collection[str],
    suppressed: Collection[str] = (),
    contacts: str | None = None,
    persons: str = "people",
    now: int | None = None,
) -> None:
    """Make the table ``guards``: one row per person of ``persons``, ordered by customer_id.

    ``rule`` is the first of :data:`RULES` that stops them, or null; ``hard_rule`` the same without
    :data:`QUIET_RULES`, which have one boolean column each. The logs on the connection hold what is known
    before the instant ``as_of``. docs/restrictions.md says what lifts a restriction.

    Args:
        db: Has the logs of :data:`GUARD_LOGS` (empty where the shop lacks one), and the variables as_of and zone.
        settings: The params that apply to everybody.
        erased: Customer ids or address keys of people who were erased.
        suppressed: Customer ids or address keys that a platform suppresses, beside what the logs say.
        contacts: Name of a table of messages sent or promised (customer_id, campaign_id, occurred_at) to count
            beside the log campaign_contacts, without those of the campaign that is asked for.
        persons: Name of a table with customer_id.
        now: Instant from which ages and days of peace count back, when that is not as_of: whoever asks after
            everything in the logs would else count from the latest time that any row carries. What happened
            after it is recent.
    """
    permission.create(db, now)
    if now is None:
        now = int(db.execute("SELECT getvariable('as_of')").fetchall()[0][0])
    for name, ids in (("guards_erased", erased), ("guards_suppressed", suppressed)):
        # A null in the list would turn "not in the list" into "unknown".
        db.execute(
            f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT DISTINCT unnest($1::VARCHAR[]) AS id",
            [sorted({str(one) for one in ids if one is not None})],
        )
    facts = _FACTS.format(
        persons=persons,
        age=_age(db, now),
        now=f"{now}::BIGINT",
        oldest=OLDEST_AGE,
        contacts=_contacts(contacts),
        min_age=settings.min_age,
        quiet=settings.quiet_days * DAY_US,
        frequency=settings.frequency_days * DAY_US,
        forgotten=settings.open_ticket_days * DAY_US,
        quiet_ticket=settings.quiet_ticket_days * DAY_US,
        quiet_order=settings.quiet_order_days * DAY_US,
    )
    db.execute(f"CREATE OR REPLACE TEMP TABLE guards_facts AS {facts}")
    shared = ", ".join(
        f"sum(messages) >= {settings.frequency_cap} AND {settings.frequency_days} > 0 AS {rule}"
        if rule == "frequency_cap"
        # An erased or suppressed address may be a former one, which is nobody's newest.
        else f"bool_or({rule}) OR substr(reads.inbox, 3) IN (FROM guards_{rule}) AS {rule}"
        if rule in ("erased", "suppressed")
        else f"bool_or({rule}) AS {rule}"
        for rule in _SHARED
    )
    anywhere = ", ".join(f"bool_or(of_inbox.{rule}) AS {rule}" for rule in _SHARED)
    columns = {rule: f"inboxes.{rule}" if rule in _SHARED else f"facts.{rule}" for rule in RULES}
    stops = ", ".join(f"{column} AS {rule}" for rule, column in columns.items())
    hard = [rule for rule in RULES if rule not in QUIET_RULES]
    db.execute(f"""
        CREATE OR REPLACE TABLE guards AS
        WITH reads AS (
            SELECT customer_id, inbox FROM guards_facts
            UNION SELECT customer_id, CASE WHEN starts_with(inbox, 'a_') THEN 'a:' ELSE 'c:' END || inbox
            FROM restrictions WHERE restriction = 'same_inbox'
        ),
        of_inbox AS (
            SELECT reads.inbox, {shared} FROM reads JOIN guards_facts AS facts ON facts.customer_id = reads.customer_id
            GROUP BY reads.inbox
        ),
        inboxes AS (
            SELECT reads.customer_id, {anywhere} FROM reads JOIN of_inbox USING (inbox) GROUP BY reads.customer_id
        ),
        stops AS (SELECT facts.customer_id, {stops} FROM guards_facts AS facts JOIN inboxes USING (customer_id))
        SELECT customer_id, {_first(RULES)} AS rule, {_first(hard)} AS hard_rule, {", ".join(QUIET_RULES)}
        FROM stops WHERE customer_id IN (SELECT customer_id FROM {persons}) ORDER BY customer_id
    """)
    for name in ("guards_erased", "guards_suppressed", "guards_facts"):
        db.execute(f"DROP TABLE {name}")


def missing_consent(db: duckdb.DuckDBPyConnection) -> str | None:
    """Why nobody of this shop may be written to, and how to change it; None where consent is recorded."""
    permission.create(db)
    found = db.execute("SELECT EXISTS (SELECT 1 FROM statements WHERE word IN ('yes', 'no'))").fetchall()
    if found[0][0]:
        return None
    return (
        "This shop's files say nothing about consent to e-mail, so nobody may be written to. Declare under "
        "sources.logs a customers file with email_consent (and email_consent_at), or a consent_events file, "
        "and run again."
    )


def after_everything(db: duckdb.DuckDBPyConnection, relations: Collection[str]) -> int:
    """The first instant at which every row of ``relations`` is known, whatever time it carries.

    Args:
        db: The connection.
        relations: What stands after FROM: names of tables that hide nothing, or functions that read files.
    """
    latest = 0
    for relation in relations:
        instants = sorted(_columns(db, f"(FROM {relation})") & {"occurred_at", "loaded_at", "email_consent_at"})
        for (newest,) in (db.execute(f"SELECT max({name}) FROM {relation}").fetchall()[0] for name in instants):
            latest = max(latest, newest or 0)
    return latest + 1
