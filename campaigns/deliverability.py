"""How the shop's mail arrives: bounces, complaints, opting out and clicks, and whether the list of readers grows.

The limits are those that the largest providers of mailboxes publish. Gmail and Yahoo ask for complaints below 0.3 % of
the mails that reach an inbox and advise 0.1 % (Google, "Email sender guidelines", support.google.com/mail/answer/81126;
Yahoo, "Sender Best Practices", senders.yahooinc.com). Of hard bounces Amazon SES advises below 2 %, and reviews an
account from 5 % on (AWS, "Reputation metrics messages", SES Developer Guide).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb
from pydantic import BaseModel, ConfigDict, Field, model_validator

from campaigns import permission
from campaigns.list_growth import growth, unengaged
from campaigns.shares import rate
from timeline import DAY_US

Share = float

SILENT_PROVIDERS = ("gmail", "icloud")
"""They tell no sender which readers complained: none in the log does not mean none (see :func:`silent`)."""

_DATE_AT_END = r"[-_ ](19|20)\d\d(-?\d\d){0,2}$"
UNNAMED = "(no campaign named)"
NO_PROVIDER = "no address known"


class DeliverabilitySettings(BaseModel):
    """The window that is judged, and the limits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: int = Field(default=90, ge=7, le=730, description="Mails of so many days are judged.")
    months: int = Field(default=12, ge=1, le=36, description="Months in the pictures.")
    history_days: int = Field(default=365, ge=30, le=1_095, description="Mails a forecast learns from.")
    complaint_aim: Share = Field(default=0.001, gt=0, lt=1, description="Complaints of delivered mails: stay below.")
    complaint_limit: Share = Field(default=0.003, gt=0, lt=1, description="Complaints from which providers block.")
    bounce_aim: Share = Field(default=0.02, gt=0, lt=1, description="Hard bounces of sent mails: stay below.")
    bounce_limit: Share = Field(default=0.05, gt=0, lt=1, description="Hard bounces from which accounts are reviewed.")
    quiet_days: tuple[int, int] = Field(
        default=(180, 365), description="No click, visit or order for so long: unengaged, and long unengaged."
    )

    @model_validator(mode="after")
    def _rising(self) -> DeliverabilitySettings:
        if self.complaint_aim > self.complaint_limit or self.bounce_aim > self.bounce_limit:
            raise ValueError("an aim must not be above its limit")
        if not 0 < self.quiet_days[0] < self.quiet_days[1]:
            raise ValueError("quiet_days must be two rising numbers of days")
        return self


KIND = """CASE event
    WHEN 'Email Sent' THEN 'sent' WHEN 'Email Delivered' THEN 'delivered'
    WHEN 'Email Bounced' THEN coalesce(bounce_type, 'untyped')
    WHEN 'Email Marked as Spam' THEN 'complaint' WHEN 'Unsubscribed' THEN 'unsubscribe'
    WHEN 'Email Link Clicked' THEN CASE WHEN coalesce(bot_click, false) THEN 'bot_click' ELSE 'click' END
    WHEN 'Email Opened' THEN CASE WHEN coalesce(machine_open, false) THEN 'machine_open' ELSE 'open' END
END"""
_BOUNCES = ("hard", "soft", "block", "untyped")
# A mail that was clicked three times was clicked; the same mail is not delivered three times.
_ONCE = ("click", "open", "bot_click", "machine_open")


def create(db: duckdb.DuckDBPyConnection, settings: DeliverabilitySettings) -> None:
    """Make the tables that :func:`measure` and forecasts read: ``readers``, ``mail_counts``.

    ``readers`` has one row per customer: provider, address, sign-up, and the days since they last did
    something (a click, visit or order, or the sign-up).
    ``mail_counts`` has one row per provider, campaign (and series), month, kind and whether it falls into
    the judged days.

    Args:
        db: With the views of :func:`campaigns.known.open_logs`.
        settings: Which mails are counted.
    """
    permission.create(db)
    db.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE readers AS
        WITH account AS (
            SELECT customer_id, arg_max(mailbox_provider, (occurred_at, event_id)) AS provider,
                arg_max(address_key, (occurred_at, event_id)) AS address_key,
                min(occurred_at) AS joined_at
            FROM customers WHERE customer_id IS NOT NULL GROUP BY customer_id
        ), seen AS (
            SELECT customer_id, max(occurred_at) AS seen_at FROM (
                SELECT customer_id, occurred_at FROM web_events
                UNION ALL SELECT customer_id, occurred_at FROM orders WHERE event = 'Order Completed'
                UNION ALL SELECT customer_id, occurred_at FROM email_events
                    WHERE event = 'Email Link Clicked' AND NOT coalesce(bot_click, false)
            ) WHERE customer_id IS NOT NULL GROUP BY customer_id
        )
        SELECT customer_id, coalesce(a.provider, '{NO_PROVIDER}') AS provider, a.address_key,
            coalesce(w.suppressed OR w.legal_hold OR w.unclear, false) AS stopped, a.joined_at,
            (getvariable('as_of') - greatest(s.seen_at, a.joined_at)) // {DAY_US} AS quiet_for
        FROM account a FULL JOIN seen s USING (customer_id) LEFT JOIN standing w USING (customer_id)
        """
    )
    once = ", ".join(f"'{kind}'" for kind in _ONCE)
    days = max(settings.days, settings.months * 31 + 31)
    db.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE mail_counts AS
        WITH mails AS (
            SELECT customer_id, coalesce(campaign_id, '{UNNAMED}') AS campaign, {KIND} AS kind,
                strftime(local_time(occurred_at), '%Y-%m') AS month,
                occurred_at >= getvariable('as_of') - {settings.days * DAY_US} AS recent,
                coalesce(email_id, campaign_id, event_id) AS mail
            FROM email_events WHERE occurred_at >= getvariable('as_of') - {days * DAY_US}
        ), counted AS (
            SELECT customer_id, campaign, kind, month, recent, count(*) AS n FROM mails
            WHERE kind NOT IN ({once}) GROUP BY ALL
            UNION ALL
            SELECT customer_id, campaign, kind, month, recent, count(DISTINCT mail) AS n FROM mails
            WHERE kind IN ({once}) GROUP BY ALL
        )
        SELECT coalesce(provider, '{NO_PROVIDER}') AS provider, campaign,
            regexp_replace(campaign, '{_DATE_AT_END}', '') AS series, kind, month, recent, sum(n)::BIGINT AS n
        FROM counted LEFT JOIN readers USING (customer_id) GROUP BY ALL
        """
    )


Counts = dict[str, dict[str, int]]


def _counts(
    db: duckdb.DuckDBPyConnection, by: str, recent: bool, hushed: frozenset[str] = frozenset()
) -> tuple[Counts, Counts]:
    """Mails by name and kind: all of them, and those to readers of providers that are not ``hushed``."""
    rows = db.execute(
        f"SELECT {by}, provider, kind, sum(n)::BIGINT FROM mail_counts {'WHERE recent' if recent else ''} "
        "GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    ).fetchall()
    every: Counts = {}
    heard: Counts = {}
    for name, provider, kind, n in rows:
        for found in (every,) if provider in hushed else (every, heard):
            counts = found.setdefault(name, {})
            counts[kind] = counts.get(kind, 0) + n
    return every, heard


def silent(db: duckdb.DuckDBPyConnection, settings: DeliverabilitySettings) -> frozenset[str]:
    """Those of :data:`SILENT_PROVIDERS` that told of no complaint in the judged days.

    Neither their mails nor a complaint of theirs from before counts in a rate of complaints: few that were told where
    most are not would make it look better than it is. After :func:`create`.
    """
    told_of = db.execute(
        "SELECT DISTINCT provider FROM email_events JOIN readers USING (customer_id) "
        f"WHERE event = 'Email Marked as Spam' AND occurred_at >= getvariable('as_of') - {settings.days * DAY_US}"
    ).fetchall()
    return frozenset(SILENT_PROVIDERS) - {provider for (provider,) in told_of}


def told(db: duckdb.DuckDBPyConnection) -> set[str]:
    """Which of sent, delivered and the kinds of bounces the shop's log of mails ever tells."""
    return {kind for (kind,) in db.execute(f"SELECT DISTINCT {KIND} FROM email_events").fetchall()}


def arrived(counts: Mapping[str, int], knows: set[str]) -> tuple[int, int]:
    """Mails that were sent, and those that were delivered; each follows from the other where it is not logged."""
    bounced = sum(counts.get(kind, 0) for kind in _BOUNCES)
    sent, delivered = counts.get("sent", 0), counts.get("delivered", 0)
    if "delivered" not in knows:
        delivered = max(sent - bounced, 0)
    if "sent" not in knows:
        sent = delivered + bounced
    return sent, delivered


def _row(
    name: str,
    counts: Mapping[str, int],
    heard: Mapping[str, int],
    knows: set[str],
    settings: DeliverabilitySettings,
) -> dict[str, Any]:
    """The counts and rates of one name; ``heard`` are its mails to providers that tell of complaints."""
    sent, delivered = arrived(counts, knows)
    # A complaint may come in the month after its mail: the share of a tiny group must not exceed one.
    of = max(delivered, 0)
    telling = max(arrived(heard, knows)[1], 0)
    hits = {kind: counts.get(kind, 0) for kind in (*_BOUNCES, "complaint", "unsubscribe", *_ONCE)}
    complaints = rate(
        min(heard.get("complaint", 0), telling), telling, (settings.complaint_aim, settings.complaint_limit)
    )
    if of and not telling:
        complaints["level"] = "silent"
    return {
        "name": name,
        "sent": sent,
        "delivered": delivered,
        **hits,
        "hard_rate": rate(min(hits["hard"], sent), sent, (settings.bounce_aim, settings.bounce_limit)),
        "other_bounce_rate": rate(min(hits["soft"] + hits["block"] + hits["untyped"], sent), sent),
        "complaint_rate": complaints,
        "unsubscribe_rate": rate(min(hits["unsubscribe"], of), of),
        "click_rate": rate(min(hits["click"], of), of),
    }


def _table(
    db: duckdb.DuckDBPyConnection,
    by: str,
    recent: bool,
    hushed: frozenset[str],
    knows: set[str],
    settings: DeliverabilitySettings,
) -> list[dict[str, Any]]:
    every, heard = _counts(db, by, recent, hushed)
    return [_row(name, counts, heard.get(name, {}), knows, settings) for name, counts in every.items()]


def lacking(db: duckdb.DuckDBPyConnection, knows: set[str]) -> list[str]:
    """Codes of what the logs do not tell: the worst first."""

    def is_empty(log: str, where: str = "true") -> bool:
        return not db.execute(f"SELECT count(*) FROM (SELECT 1 FROM {log} WHERE {where} LIMIT 1)").fetchall()[0][0]

    no_mails = is_empty("email_events")
    found = {
        "email_events": no_mails,
        "sent": not no_mails and not knows & {"sent", "delivered"},
        "complaint": not no_mails and "complaint" not in knows,
        "hard": not no_mails and not knows & {"hard", "soft", "block"},
        "provider": is_empty("customers", "mailbox_provider IS NOT NULL"),
        "consent": is_empty("statements", "said_at IS NOT NULL AND log IN ('consent_events', 'customers')"),
        "web_events": is_empty("web_events"),
    }
    return [code for code, is_lacking in found.items() if is_lacking]


def measure(db: duckdb.DuckDBPyConnection, settings: DeliverabilitySettings) -> dict[str, Any]:
    """Everything the page shows, as plain values.

    ``campaigns``, ``series`` (campaigns that differ in a date at the end alone) and ``providers`` have one row per name
    over the judged days, ``months`` one per month; of every rate hits, of, share and its 95 % interval. Complaints are
    of the mails delivered to providers that tell of them; those that do not, and got any, are named in ``silent``.
    Beside them ``all`` mails of these days, ``growth``, ``unengaged`` and what the logs are ``lacking``.

    Args:
        db: With the views of :func:`campaigns.known.open_logs`.
        settings: The window and the limits.
    """
    create(db, settings)
    knows = told(db)
    hushed = silent(db, settings)
    every, heard = _counts(db, "''", True, hushed)
    months = _table(db, "month", False, hushed, knows, settings)
    return {
        "days": settings.days,
        "limits": settings.model_dump(mode="json"),
        "lacks": lacking(db, knows),
        "all": _row("", every.get("", {}), heard.get("", {}), knows, settings),
        "silent": sorted(
            hushed & {name for name, counts in _counts(db, "provider", False)[0].items() if any(arrived(counts, knows))}
        ),
        "campaigns": _table(db, "campaign", True, hushed, knows, settings),
        "series": _table(db, "series", True, hushed, knows, settings),
        "providers": _table(db, "provider", True, hushed, knows, settings),
        "months": months[-settings.months :],
        "growth": growth(db, settings.months),
        "unengaged": unengaged(db, settings.quiet_days),
    }
