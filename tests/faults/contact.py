"""Whom a list of everybody in the vault would reach, and who may be written to at all."""

from __future__ import annotations

from typing import Any

import duckdb
import pandas as pd

from campaigns import EXPORT_COLUMNS, export_rows, guards
from sources import Ingested
from sources.contracts import arrow_schema


def exported(found: Ingested) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """The rows of a list of everybody, had all of them agreed; and how many are left out, by rule."""
    everybody = found.vault["customer_id"]
    candidates = pd.DataFrame({"customer_id": everybody, "rank": range(len(everybody)), "arm": "treat", "list": "all"})
    empty = ("band", "act_by", "reason_1", "reason_2", "reason_3", "action", "cart_value", "value_at_risk")
    numbers = ("churn_probability", "percentile", "days_since_order", "usual_gap_days", "expected_value")
    candidates = candidates.assign(**dict.fromkeys((*empty, *numbers), None))
    allowed = pd.DataFrame({"customer_id": everybody, "rule": None})
    made = export_rows(candidates, found.vault, allowed, ordered_since=(), as_of="2025-03-01", horizon_days=90)
    assert list(made.rows.columns) == list(EXPORT_COLUMNS)
    return made.rows.to_dict("records"), dict(made.counts["left_out"])


def stop_rule(found: Ingested, shop_id: str) -> str | None:
    """Why the customer may not be written to after all that is known, or None."""
    who = found.vault.set_index("shop_id")["customer_id"][shop_id]
    with duckdb.connect() as db:
        for log in guards.GUARD_COLUMNS:
            db.register(log, found.tables[log] if log in found.tables else arrow_schema(log).empty_table())
        latest = guards.after_everything(db, guards.GUARD_COLUMNS)
        db.execute(f"SET VARIABLE as_of = {latest}::BIGINT")
        db.execute("SET VARIABLE zone = 'UTC'")
        db.execute("CREATE TABLE asked AS SELECT $1 AS customer_id", [who])
        guards.create(db, guards.GuardSettings(), (), persons="asked")
        rule: str | None = db.execute("SELECT hard_rule FROM guards").fetchall()[0][0]
    return rule
