"""Who is left alone, so that what writing changed can be measured, and who gets which version of a message.

The inbox draws, not the customer number: people at one address always fall together. Its draw is that of the
customer known longest at the address (earliest in the customers log, then the smaller id). So nobody's group
changes when others come or go, when an address appears or changes, or when a younger account joins it. Only
where the oldest account leaves an address, or an older one joins it, do those who share that inbox follow
whoever is known longest now: two people with a group each cannot both keep it in one inbox. Within a campaign
the contact ledger keeps what was promised.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Collection, Mapping

import duckdb
import numpy as np

from campaigns.errors import ListError
from events.sql import quoted

GLOBAL = "*"
"""Stands where a campaign does in the draw of the global holdout; no list has such a name."""

_STEPS = 2**48


def _as_json(*texts: str) -> str:
    # DuckDB writes the digits of an escaped sign large.
    written = json.dumps(texts, ensure_ascii=False)
    return re.sub(r"\\(u....|.)", lambda sign: rf"\u{sign[1][1:].upper()}" if len(sign[1]) > 1 else sign[0], written)


def draw(salt: str, list_name: str, customer_id: str) -> float:
    """A number in [0, 1) that depends on nothing else: the same customer draws the same one in every run."""
    text = _as_json(salt, list_name, customer_id)
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:6], "big") / _STEPS


def draw_sql(salt: str, list_name: str, customer_id: str) -> str:
    """SQL for :func:`draw`, equal to the last bit; ``customer_id`` is the expression of the id."""
    start = _as_json(salt, list_name).removesuffix("]").replace("'", "''")
    digest = f"sha256('{start}, ' || CAST(to_json({customer_id}) AS VARCHAR) || ']')"
    return f"(CAST('0x' || substr({digest}, 1, 12) AS BIGINT) / {_STEPS}.0::DOUBLE)"


def _check(shares: Mapping[str, float], versions: Mapping[str, float]) -> None:
    for name, share in shares.items():
        if not 0 <= share < 1:
            raise ListError(f"{name} must be at least 0 and less than 1, got {share}. Change it under campaigns.")
    if not versions:
        return
    if any(share <= 0 for share in versions.values()) or not math.isclose(sum(versions.values()), 1, abs_tol=1e-9):
        told = ", ".join(f"{name} {share}" for name, share in versions.items())
        raise ListError(f"The shares of the arms must be above 0 and add up to 1, got {told}.")


def _arm_sql(salt: str, campaign: str, versions: Mapping[str, float]) -> tuple[str, str]:
    """SQL for an inbox's version of the message and for its share; null where there are no versions."""
    if not versions:
        return "CAST(NULL AS VARCHAR)", "1.0::DOUBLE"
    number, reached = draw_sql(salt, f"{campaign}:arm", "drawn_for"), 0.0
    *first, last = versions
    arm, share = "CASE", "CASE"
    for name in first:
        reached += versions[name]
        arm += f" WHEN {number} < {reached!r}::DOUBLE THEN {quoted(name)}"
        share += f" WHEN {number} < {reached!r}::DOUBLE THEN {versions[name]!r}::DOUBLE"
    return f"{arm} ELSE {quoted(last)} END", f"{share} ELSE {versions[last]!r}::DOUBLE END"


def assign(
    db: duckdb.DuckDBPyConnection,
    table: str,
    campaign: str,
    *,
    salt: str,
    global_share: float,
    list_share: float,
    versions: Mapping[str, float] | None = None,
    into: str = "assignment",
) -> None:
    """Make the table ``into``: one row per person of ``table``, ordered by customer_id.

    Columns: customer_id; ``group`` (treat or holdout); ``holdout`` (global, list or null: the global one is the
    same people in every campaign); ``arm`` (version of the message; null for who is held out, and without
    versions); ``propensity`` (chance of being written to, the same for everybody); ``arm_propensity`` (chance
    of just what they got).

    Args:
        db: Has the canonical log ``customers``, as known at the time of the list.
        table: Name of a table with customer_id.
        campaign: Id of the campaign; every campaign draws anew but for the global holdout.
        salt: A new salt draws everything anew.
        global_share: Share of all inboxes that no list writes to.
        list_share: Share of the others that this campaign does not write to.
        versions: Name and share of each version of the message, in a fixed order.
        into: Name of the table to make.

    Raises:
        ListError: A share lies outside its limits.
    """
    versions = versions or {}
    _check({"the global holdout": global_share, "the holdout of a list": list_share}, versions)
    arm, arm_share = _arm_sql(salt, campaign, versions)
    written_to = (1 - global_share) * (1 - list_share)
    db.execute(f"""
        CREATE OR REPLACE TABLE {into} AS
        WITH record AS (
            SELECT
                customer_id,
                arg_max(row(address_key), row(occurred_at, event_id))[1] AS address_key,
                row(min(occurred_at), customer_id) AS known_since
            FROM customers WHERE customer_id IS NOT NULL GROUP BY customer_id
        ),
        inbox AS (
            SELECT address_key, arg_min(customer_id, known_since) AS oldest
            FROM record WHERE address_key IS NOT NULL GROUP BY address_key
        ),
        drawing AS (
            SELECT asked.customer_id, coalesce(inbox.oldest, asked.customer_id) AS drawn_for
            FROM (SELECT DISTINCT customer_id FROM {table} WHERE customer_id IS NOT NULL) AS asked
            LEFT JOIN record ON record.customer_id = asked.customer_id
            LEFT JOIN inbox ON inbox.address_key = record.address_key
        ),
        drawn AS (
            SELECT
                customer_id,
                CASE
                    WHEN {draw_sql(salt, GLOBAL, "drawn_for")} < {global_share!r}::DOUBLE THEN 'global'
                    WHEN {draw_sql(salt, campaign, "drawn_for")} < {list_share!r}::DOUBLE THEN 'list'
                END AS holdout,
                {arm} AS arm,
                {arm_share} AS share
            FROM drawing
        )
        SELECT
            customer_id,
            CASE WHEN holdout IS NULL THEN 'treat' ELSE 'holdout' END AS "group",
            holdout,
            CASE WHEN holdout IS NULL THEN arm END AS arm,
            {written_to!r}::DOUBLE AS propensity,
            CASE WHEN holdout IS NULL THEN {written_to!r}::DOUBLE * share ELSE {1 - written_to!r}::DOUBLE END
                AS arm_propensity
        FROM drawn ORDER BY customer_id
    """)


def balance(db: duckdb.DuckDBPyConnection, table: str, columns: Collection[str]) -> dict[str, float | None]:
    """How far those written to and those held out differ in each of ``columns`` before anything is sent.

    The standardised mean difference: treated minus held out, in pooled standard deviations; 0.1 and less is
    usually called balanced. Rows without a value are left out; None where a group has fewer than two values.
    ``table`` has customer_id, ``group`` and the columns.
    """
    found: dict[str, float | None] = {}
    for column in columns:
        # Sorted, because the sum of fractions depends on their order.
        rows = db.execute(f"""
            SELECT "group" = 'treat' AS treated, CAST("{column}" AS DOUBLE) AS value FROM {table}
            WHERE "{column}" IS NOT NULL ORDER BY customer_id
        """).fetchnumpy()
        treated, held_out = (np.asarray(rows["value"])[np.asarray(rows["treated"]) == side] for side in (True, False))
        if min(len(treated), len(held_out)) < 2:
            found[column] = None
            continue
        spread = math.sqrt((treated.var(ddof=1) + held_out.var(ddof=1)) / 2)
        found[column] = round(float(treated.mean() - held_out.mean()) / spread, 4) if spread else 0.0
    return found
