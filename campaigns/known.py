"""A connection on which every log of the shop shows only what was known before one instant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import pyarrow as pa

from events.sql import quoted
from timeline import DAY_US, HOUR_US

LogFiles = Mapping[str, Sequence[str]]
"""The Parquet files of each log, by name; none where the shop lacks the log."""


def open_logs(
    db: duckdb.DuckDBPyConnection, files: LogFiles, schemas: Mapping[str, pa.Schema], cutoff: int, zone: str
) -> None:
    """Make one view per log of ``schemas``, holding what had happened and reached us before ``cutoff``.

    What bots did is left out; a log without files is there and empty. The variables ``as_of`` (instant) and ``zone``
    (name of the shop's time zone), and the macros ``days_ago`` and ``hours_ago`` (whole units before ``as_of``) are
    set beside them.

    Args:
        db: Views are made here; a second call replaces them.
        files: Where the rows are.
        schemas: Columns of every canonical log, by name. A column that older files lack is null.
        cutoff: Instant.
        zone: Such as Europe/London.
    """
    db.execute(f"SET VARIABLE as_of = {int(cutoff)}::BIGINT")
    db.execute(f"SET VARIABLE zone = {quoted(zone)}")
    db.execute(f"CREATE OR REPLACE TEMP MACRO days_ago(t) AS (getvariable('as_of') - t) // {DAY_US}")
    db.execute(f"CREATE OR REPLACE TEMP MACRO hours_ago(t) AS (getvariable('as_of') - t) // {HOUR_US}")
    db.execute("CREATE OR REPLACE TEMP MACRO local_time(t) AS timezone(getvariable('zone'), make_timestamptz(t))")
    for log, schema in schemas.items():
        db.register(f"empty_{log}", schema.empty_table())
        rows = f"SELECT * FROM empty_{log}"
        if files.get(log):
            listed = ", ".join(quoted(file) for file in files[log])
            rows += f" UNION ALL BY NAME SELECT * FROM read_parquet([{listed}], union_by_name = true)"
        people = " AND NOT coalesce(bot, false)" if "bot" in schema.names else ""
        # A no of a date alone is dated at the end of its day, and holds before.
        happened = "" if log == "restrictions" else f"occurred_at < {int(cutoff)} AND "
        db.execute(
            f"CREATE OR REPLACE TEMP VIEW {log} AS SELECT * FROM ({rows}) "
            f"WHERE {happened}loaded_at < {int(cutoff)}{people}"
        )
