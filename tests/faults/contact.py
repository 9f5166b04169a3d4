"""Whom a list of everybody in the vault would reach, and who may be written to at all."""

from __future__ import annotations

import duckdb

from campaigns import guards
from campaigns.cells import unsafe_identifier
from events.logs import arrow_schema
from sources import Ingested


def exported(found: Ingested) -> tuple[list[str], dict[str, int]]:
    """The addresses that a list of everybody would reach, had all of them agreed; how many are left out, by rule."""
    table = found.tables["customers"]
    inboxes = dict(zip(table["customer_id"].to_pylist(), table["address_key"].to_pylist(), strict=True))
    refused = unsafe_identifier(found.vault["email"].str.strip(), address=True)
    rows: list[str] = []
    left_out: dict[str, int] = {}
    seen: set[str] = set()
    for customer, email, rule in zip(found.vault["customer_id"], found.vault["email"], refused, strict=True):
        why = rule if isinstance(rule, str) else "same_inbox" if inboxes.get(customer) in seen else None
        if why is not None:
            left_out[why] = left_out.get(why, 0) + 1
            continue
        seen |= {inboxes[customer]} if inboxes.get(customer) else set()
        rows.append(email.strip())
    return rows, left_out


def stop_rule(found: Ingested, shop_id: str) -> str | None:
    """Why the customer may not be written to after all that is known, or None."""
    who = found.vault.set_index("shop_id")["customer_id"][shop_id]
    with duckdb.connect() as db:
        for log in guards.GUARD_LOGS:
            db.register(log, found.tables[log] if log in found.tables else arrow_schema(log).empty_table())
        latest = guards.after_everything(db, guards.GUARD_LOGS)
        db.execute(f"SET VARIABLE as_of = {latest}::BIGINT")
        db.execute("SET VARIABLE zone = 'UTC'")
        db.execute("CREATE TABLE asked AS SELECT $1 AS customer_id", [who])
        guards.create(db, guards.GuardSettings(), (), persons="asked")
        rule: str | None = db.execute("SELECT hard_rule FROM guards").fetchall()[0][0]
    return rule
