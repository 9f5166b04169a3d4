"""Who may be written to, as tables on a connection; the rules are those of :mod:`events.permission`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb
import ibis

from events import permission
from timeline import DAY_US


def create(db: duckdb.DuckDBPyConnection, now: int | None = None) -> None:
    """Make the tables ``standing`` (one row per person), ``statements`` on e-mail, and ``unwanted`` mails.

    The logs on ``db`` hold what is known before the instant ``as_of``; a column that one lacks is null. ``now`` is
    given where they hold everything that was ever ingested: a yes dated more than a day after it does not count.
    """
    logs = {log: _relation(db, log, columns) for log, columns in permission.COLUMNS.items()}
    (as_of,) = db.execute("SELECT getvariable('as_of')").fetchall()[0]
    logs = permission.up_to(logs, int(as_of), int(as_of) if now is None else now + DAY_US)
    made = {
        "statements": permission.statements(logs, "email"),
        "unwanted": permission.unwanted(logs["email_events"]),
        "standing": permission.standing(logs),
    }
    for name, table in made.items():
        db.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {ibis.to_sql(table, dialect='duckdb')}")


def _relation(db: duckdb.DuckDBPyConnection, log: str, columns: Mapping[str, str]) -> Any:
    there = {str(name) for name, *_ in db.execute(f"DESCRIBE {log}").fetchall()}
    table = ibis.table({name: kind for name, kind in columns.items() if name in there}, name=log)
    absent = {name: ibis.null(kind) for name, kind in columns.items() if name not in there}
    return table.mutate(**absent) if absent else table
