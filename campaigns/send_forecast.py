"""What a list would do to the shop's name as a sender, said before it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from campaigns.deliverability import KIND, NO_PROVIDER, DeliverabilitySettings, arrived, create, silent, told
from campaigns.shares import rate, wilson
from timeline import DAY_US

PRIOR_MAILS = 2_000
"""A provider's readers of one engagement weigh against the shop's others as so many mails of theirs would."""
LEAST_RECIPIENTS = 100
"""A provider with fewer recipients of a list is not warned of on its own: nobody would notice."""

Cell = tuple[str, int]
"""A provider, and how quiet its readers were: 0 engaged, 1 unengaged, 2 long unengaged."""


@dataclass(frozen=True)
class Rates:
    """Chance and interval (share, low, high) of a complaint and of a hard bounce, by cell, then by quietness alone."""

    complaint: Mapping[Cell, tuple[float, float, float]]
    hard: Mapping[Cell, tuple[float, float, float]]
    mails: int


_SHARED_NAME = ""
"""Stands for the provider where only the quietness of a reader is looked at."""


def _past(db: duckdb.DuckDBPyConnection, settings: DeliverabilitySettings) -> dict[Cell, dict[str, int]]:
    """Mails of the past by provider and by how quiet the reader was when each came."""
    first, second = settings.quiet_days
    since = f"getvariable('as_of') - {settings.history_days * DAY_US}"
    longest = f"getvariable('as_of') - {(settings.history_days + second) * DAY_US}"
    rows = db.execute(
        f"""
        WITH seen AS (
            SELECT DISTINCT customer_id, occurred_at // {DAY_US} AS day FROM (
                SELECT customer_id, occurred_at FROM web_events
                UNION ALL SELECT customer_id, occurred_at FROM orders WHERE event = 'Order Completed'
                UNION ALL SELECT customer_id, occurred_at FROM email_events
                    WHERE event = 'Email Link Clicked' AND NOT coalesce(bot_click, false)
            ) WHERE customer_id IS NOT NULL AND occurred_at >= {longest}
        ), mails AS (
            SELECT customer_id, {KIND} AS kind, occurred_at // {DAY_US} AS day FROM email_events
            WHERE occurred_at >= {since} AND event IN (
                'Email Sent', 'Email Delivered', 'Email Bounced', 'Email Marked as Spam'
            )
        ), quiet AS (
            -- What somebody did on the day of a mail may be its answer; the sign-up is none.
            SELECT m.kind, r.provider, m.day - greatest(s.day, CASE
                WHEN r.joined_at // {DAY_US} <= m.day THEN r.joined_at // {DAY_US} END) AS quiet_for
            FROM mails m ASOF LEFT JOIN seen s ON m.customer_id = s.customer_id AND m.day > s.day
                LEFT JOIN readers r ON r.customer_id = m.customer_id
        )
        SELECT coalesce(provider, '{NO_PROVIDER}'), CASE WHEN quiet_for < {first} THEN 0
            WHEN quiet_for < {second} THEN 1 ELSE 2 END AS band, kind, count(*)
        FROM quiet GROUP BY ALL ORDER BY ALL
        """
    ).fetchall()
    found: dict[Cell, dict[str, int]] = {}
    for provider, band, kind, n in rows:
        found.setdefault((provider, band), {})[kind] = n
    return found


def _shrunk(counts: Mapping[Cell, tuple[int, int]], untold: frozenset[str]) -> dict[Cell, tuple[float, float, float]]:
    """Rates of (hits, of) by cell, each drawn to that of all providers' readers as quiet, and that to the shop's.

    Cells of the providers in ``untold`` say nothing and are taken to be like the others.
    """
    heard = {cell: pair for cell, pair in counts.items() if cell[0] not in untold}
    every_hits, every_of = (sum(pair[part] for pair in heard.values()) for part in (0, 1))
    if not every_of:
        return {}
    base = every_hits / every_of
    found: dict[Cell, tuple[float, float, float]] = {}
    for band in (0, 1, 2):
        band_pairs = [pair for cell, pair in heard.items() if cell[1] == band]
        hits, of = (sum(pair[part] for pair in band_pairs) for part in (0, 1))
        found[_SHARED_NAME, band] = _drawn(hits, of, base)
    for (provider, band), (hits, of) in heard.items():
        found[provider, band] = _drawn(hits, of, found[_SHARED_NAME, band][0])
    return found


def _drawn(hits: int, of: int, towards: float) -> tuple[float, float, float]:
    some, all_of = min(hits, of) + PRIOR_MAILS * towards, of + PRIOR_MAILS
    return (some / all_of, *wilson(some, all_of))


def learn(db: duckdb.DuckDBPyConnection, settings: DeliverabilitySettings) -> Rates:
    """What mails of the past say of mails to come; after :func:`campaigns.deliverability.create`."""
    knows = told(db)
    past = {cell: (counts, arrived(counts, knows)) for cell, counts in _past(db, settings).items()}
    complaints = {cell: (counts.get("complaint", 0), came[1]) for cell, (counts, came) in past.items()}
    hard = {cell: (counts.get("hard", 0), came[0]) for cell, (counts, came) in past.items()}
    return Rates(
        _shrunk(complaints, silent(db, settings)) if "complaint" in knows else {},
        _shrunk(hard, frozenset()) if knows & {"hard", "soft", "block"} else {},
        sum(came[0] for _, came in past.values()),
    )


def _expected(
    cells: Mapping[Cell, int], rates: Mapping[Cell, tuple[float, float, float]], aim: float, limit: float
) -> dict[str, Any] | None:
    """The mean rate of recipients, and how it stands; the interval is as wide as if every cell erred the same way."""
    people = sum(cells.values())
    if not people or not rates:
        return None
    sums = [0.0, 0.0, 0.0]
    for cell in sorted(cells):
        known = rates.get(cell) or rates[_SHARED_NAME, cell[1]]
        sums = [total + cells[cell] * part for total, part in zip(sums, known, strict=True)]
    share, low, high = (total / people for total in sums)
    verdict = "over" if share >= limit else "near" if share >= aim else "fine"
    return {"share": share, "low": low, "high": high, "of": people, "level": verdict}


def forecast(
    db: duckdb.DuckDBPyConnection, recipients: str, rates: Rates, settings: DeliverabilitySettings
) -> dict[str, Any]:
    """What a mail to ``recipients`` is expected to do, as plain values, with sentences that warn.

    ``complaint`` and ``hard`` hold share, low, high, of (recipients) and level, or nothing where no log tells;
    ``quiet`` the rate of recipients who are long unengaged; ``warnings`` a sentence each, the worst first.

    Args:
        db: After :func:`campaigns.deliverability.create`.
        recipients: A table or view on ``db`` with one customer_id per mail.
        rates: From :func:`learn`.
        settings: The limits.
    """
    first, second = settings.quiet_days
    rows = db.execute(
        f"""
        SELECT coalesce(provider, '{NO_PROVIDER}'), CASE WHEN quiet_for < {first} THEN 0
            WHEN quiet_for < {second} THEN 1 ELSE 2 END AS band, count(*)
        FROM {recipients} LEFT JOIN readers USING (customer_id) GROUP BY ALL ORDER BY ALL
        """
    ).fetchall()
    cells: dict[Cell, int] = {(provider, band): n for provider, band, n in rows}
    people = sum(cells.values())
    limits = {
        "complaint": (rates.complaint, settings.complaint_aim, settings.complaint_limit),
        "hard": (rates.hard, settings.bounce_aim, settings.bounce_limit),
    }
    found: dict[str, Any] = {
        "recipients": people,
        "quiet": rate(sum(n for cell, n in cells.items() if cell[1] == 2), people),
        **{what: _expected(cells, *how) for what, how in limits.items()},
    }
    by_provider: dict[str, dict[Cell, int]] = {}
    for cell, n in cells.items():
        by_provider.setdefault(cell[0], {})[cell] = n
    parts = {
        (what, provider): expected
        for provider, some in by_provider.items()
        if sum(some.values()) >= LEAST_RECIPIENTS and len(by_provider) > 1
        for what, how in limits.items()
        if (expected := _expected(some, *how))
    }
    return found | {"warnings": _sentences(found, parts, rates, settings)}


_WHAT = {"complaint": "complaints about", "hard": "hard bounces of"}
_CURE = {
    "complaint": "Leave out the long unengaged, or write to them in small parts.",
    "hard": "Clean the list first: send the long unengaged through list_hygiene.",
}


def _sentences(
    found: Mapping[str, Any],
    parts: Mapping[tuple[str, str], Mapping[str, Any]],
    rates: Rates,
    settings: DeliverabilitySettings,
) -> list[str]:
    limits = {
        "complaint": (settings.complaint_aim, settings.complaint_limit),
        "hard": (settings.bounce_aim, settings.bounce_limit),
    }
    if not found["recipients"]:
        return []
    worst: list[tuple[int, str]] = []
    for what, where, expected in [
        *((what, "", found[what]) for what in limits),
        *((what, f" at {provider}", expected) for (what, provider), expected in parts.items()),
    ]:
        if expected is None or expected["level"] == "fine":
            continue
        aim, limit = limits[what]
        mails = "mail" if expected["of"] == 1 else "mails"
        is_over = expected["level"] == "over"
        bound = f"at or above the limit of {limit:.1%}" if is_over else f"above the aim of {aim:.1%}"
        said = (
            f"Expected {_WHAT[what]} the {expected['of']:,} {mails}{where}: {expected['share']:.2%} "
            f"(95 % interval {expected['low']:.2%} to {expected['high']:.2%}), {bound}."
        )
        worst.append((0 if is_over else 1, f"{said} {_CURE[what]}"))
    if not rates.complaint or not rates.hard:
        missing = " and ".join(
            name for name, known in (("complaints", rates.complaint), ("hard bounces", rates.hard)) if not known
        )
        worst.append((1, f"The logs tell of no {missing}, so nothing is known of what this list would bring."))
    if found["quiet"]["share"] >= 0.5:
        worst.append(
            (
                2,
                f"{found['quiet']['hits']:,} of {found['recipients']:,} recipients neither clicked, visited nor "
                f"ordered for {settings.quiet_days[1]} days or longer.",
            )
        )
    return [said for _, said in sorted(worst, key=lambda one: one[0])]


def warnings(db: duckdb.DuckDBPyConnection, recipients: str, settings: DeliverabilitySettings) -> list[str]:
    """The sentences to read before ``recipients`` (a table or view with customer_id) are written to; none: go ahead.

    For one list alone; for several call :func:`campaigns.deliverability.create`, :func:`learn` and :func:`forecast`.
    """
    create(db, settings)
    found: list[str] = forecast(db, recipients, learn(db, settings), settings)["warnings"]
    return found
