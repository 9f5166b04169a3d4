"""What an engine is asked for beside Ibis expressions: to keep rows under a name, and to hand out a result.

Every function takes the Ibis connection to DuckDB or to Apache Spark.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa

from features.catalogue import Table


def divides_work(connection: Any) -> bool:
    """Whether the engine spreads rows over a cluster itself, so that handing it ranges only slows it down."""
    return bool(connection.name == "pyspark")


ASKED = ibis.table({"customer_id": "string", "customer": "int32"}, name="asked")
"""What :func:`put_customers` puts."""


def put_customers(connection: Any, ids: Sequence[str]) -> None:
    """Fill the table ``asked``: customer_id, and customer, the place of each among ``ids``."""
    table = pa.table({"customer_id": pa.array(ids, pa.string()), "customer": pa.array(range(len(ids)), pa.int32())})
    if connection.name == "pyspark":
        connection._session.createDataFrame(table).createOrReplaceTempView("asked")
    else:
        connection.create_table("asked", table, temp=True, overwrite=True)


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


def select(connection: Any, query: Table | str) -> pa.Table:
    """The rows of ``query``, an expression or SQL, as Arrow hands them out: Spark's own way knows no pandas 3."""
    sql = query if isinstance(query, str) else str(connection.compile(query))
    return (
        connection.raw_sql(sql).toArrow() if connection.name == "pyspark" else connection.con.sql(sql).to_arrow_table()
    )


def fetch(connection: Any, query: Table) -> pd.DataFrame:
    """The rows of ``query`` in pandas."""
    frame: pd.DataFrame = select(connection, query).to_pandas()
    return frame
