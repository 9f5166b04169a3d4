"""What an engine is asked for beside Ibis expressions: to keep rows under a name, and to hand out a result.

Every function takes the Ibis connection to DuckDB or to Apache Spark.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from features.catalogue import Table


def divides_work(connection: Any) -> bool:
    """Whether the engine spreads rows over a cluster itself, so that handing it ranges only slows it down."""
    return bool(connection.name == "pyspark")


def put_customers(connection: Any, ids: Sequence[str]) -> Table:
    """The table ``asked``: customer_id, and customer, the place of each among ``ids``."""
    table = pa.table({"customer_id": pa.array(ids, pa.string()), "customer": pa.array(range(len(ids)), pa.int32())})
    if connection.name == "pyspark":
        session = connection._session
        session.createDataFrame(table).createOrReplaceTempView("asked")
        return connection.table("asked")
    return connection.create_table("asked", table, temp=True, overwrite=True)


def define(connection: Any, name: str, sql: str) -> None:
    """Let ``name`` stand for what ``sql`` selects, each time it is read."""
    quoted = f"`{name}`" if connection.name == "pyspark" else f'"{name}"'
    connection.raw_sql(f"CREATE OR REPLACE TEMPORARY VIEW {quoted} AS {sql}")


def hold(connection: Any, name: str, sql: str) -> None:
    """Keep what ``sql`` selects now under ``name``, in place of what was there."""
    if connection.name == "pyspark":
        # Replacing a cached view would leave the old rows in memory.
        connection.raw_sql(f"DROP VIEW IF EXISTS `{name}`")
        connection.raw_sql(f"CACHE LAZY TABLE `{name}` AS {sql}")
    else:
        connection.raw_sql(f'CREATE OR REPLACE TEMP TABLE "{name}" AS {sql}')


def fetch(connection: Any, query: Table | str) -> pd.DataFrame:
    """The rows of ``query``, an expression or SQL.

    Arrow carries them, because Spark's own way into pandas knows no pandas 3.
    """
    sql = query if isinstance(query, str) else str(connection.compile(query))
    if connection.name == "pyspark":
        table: pa.Table = connection.raw_sql(sql).toArrow()
    else:
        table = connection.con.sql(sql).to_arrow_table()
    frame: pd.DataFrame = table.to_pandas()
    return frame
