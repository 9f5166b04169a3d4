"""Tables and views of a PostgreSQL database, as they were at one moment, asked for by Ibis and kept as Parquet files.

Only columns that a log may hold leave the database. Decimals and times travel as text, exact and as written; the
contract reads them like those of any file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sources.checking import Log, chosen_columns, nearest
from sources.errors import ContractError

ROWS_AT_ONCE = 50_000
CONNECT_SECONDS = 10


def snapshot(
    url: str,
    logs: Sequence[Log],
    folder: Path,
    *,
    timeout_seconds: int = 600,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, int]:
    """Write the table of each log into ``folder/<log>.parquet``; the number of rows per log.

    All tables are read in one transaction that can change nothing, so that they belong together. Rows are ordered by
    all their columns: equal rows give equal bytes. ``url`` is a connection string of PostgreSQL; no message holds it.

    Raises:
        ContractError: the database cannot be reached, or a table or column cannot be read.
    """
    try:
        import ibis
        import psycopg
        from psycopg import conninfo
    except ImportError:
        raise ContractError("psycopg is missing, which reads PostgreSQL: pip install 'wafa[postgres]'.") from None
    try:
        conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        # What the library says quotes the string.
        raise ContractError(
            "sources.database: the connection string is none. Write it as postgresql://user@host:5432/database."
        ) from None
    try:
        connection = psycopg.connect(
            url, connect_timeout=CONNECT_SECONDS, client_encoding="UTF8", application_name="wafa"
        )
    except psycopg.Error as error:
        raise _unreachable(error) from None
    place = "sources.database"
    try:
        with connection:
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            with connection.transaction():
                _agree(connection, timeout_seconds)
                backend = ibis.postgres.from_connection(connection)
                counts = {}
                for log in logs:
                    place = f"{log.place}.table: {log.declared.table}"
                    progress(log.declared.table)
                    counts[log.name] = _write(backend, log, folder / f"{log.name}.parquet")
                return counts
    except (psycopg.Error, UnicodeDecodeError) as error:
        raise _unread(place, error) from None


def _agree(connection: Any, timeout_seconds: int) -> None:
    """Make values look the same whatever the server's settings are, and let no statement run for ever."""
    options = {
        "statement_timeout": f"{timeout_seconds}s",
        "DateStyle": "ISO, YMD",
        "bytea_output": "hex",
        "extra_float_digits": "1",
        "TimeZone": "UTC",
    }
    for name, value in options.items():
        connection.execute("SELECT set_config(%s, %s, false)", (name, value))


def _write(backend: Any, log: Log, target: Path) -> int:
    table = _table(backend, log)
    wanted = chosen_columns(log, log.declared.table, table.columns)
    asked = table.select([_as_asked(log, column, table[column]).name(column) for column in wanted])
    asked = asked.order_by([asked[column] for column in wanted])
    schema, rows = asked.schema().to_pyarrow(), 0
    target.touch(mode=0o600)
    # Ibis has batches too, but its cursor hides why a statement failed.
    with backend.con.cursor(name="wafa") as cursor, pq.ParquetWriter(target, schema, compression="zstd") as writer:
        cursor.execute(backend.compile(asked))
        while some := cursor.fetchmany(ROWS_AT_ONCE):
            writer.write_batch(pa.RecordBatch.from_struct_array(pa.array(some, pa.struct(list(schema)))))
            rows += len(some)
    return rows


def _table(backend: Any, log: Log) -> Any:
    import psycopg
    from ibis.common.exceptions import TableNotFound

    schema, _, table = log.declared.table.rpartition(".")
    schema = schema or backend.current_database
    if not schema:
        raise ContractError(
            f"{log.place}.table: {table} has no schema, and the user has none of its own. Write schema.{table}."
        )
    try:
        return backend.table(table, database=schema)
    except TableNotFound:
        known = sorted(backend.list_tables(database=schema)) if schema in backend.list_databases() else []
        hint = nearest(table, known)
        raise ContractError(f"{log.place}.table: no table or view {table!r} in the schema {schema!r}{hint}.") from None
    except psycopg.Error:
        raise
    except Exception:  # Ibis parses the type of every column, wanted or not, and stumbles in many ways
        raise ContractError(
            f"{log.place}.table: {log.declared.table} has a column of a type that Ibis does not know. "
            "Make a view without it."
        ) from None


def _as_asked(log: Log, column: str, value: Any) -> Any:
    """The column as it is to travel.

    Raises:
        ContractError: its type is none that a log holds.
    """
    kind = value.type()
    where = f"{log.declared.table}: column {column!r}"
    if kind.is_boolean() or kind.is_integer() or kind.is_floating():
        return value
    if kind.is_timestamp():
        # The session's zone is UTC: PostgreSQL writes +00, ISO 8601 wants the minutes too.
        return value.cast("string") + ":00" if kind.timezone else value.cast("string")
    if kind.is_decimal() or kind.is_string() or kind.is_uuid() or kind.is_date():
        return value.cast("string")
    if kind.is_json() or kind.is_nested():
        raise ContractError(f"{where} is a nested_value ({kind}). Make a view with the one value that is meant.")
    said = "a type" if kind.is_unknown() else f"the type {kind}"
    raise ContractError(f"{where} has {said} that no log holds. Make a view that casts it to text.")


def _unreachable(error: Exception) -> ContractError:
    """Why there is no connection, in our words: the library's may quote what it was given."""
    said = str(error).lower()
    if "password" in said or "authentication" in said or "pg_hba" in said:
        why = "refuses this user. Look at user and password in the connection string, or in ~/.pgpass."
    elif "does not exist" in said and ("database" in said or "role" in said):
        why = "knows no such database or user. Look at the connection string."
    else:
        why = "does not answer. Is it running, and the connection string right?"
    return ContractError(f"sources.database: the server {why}")


def _unread(place: str, error: Exception) -> ContractError:
    """Why a table was not read, in our words: the server's may quote rows."""
    from psycopg import OperationalError, errors

    if isinstance(error, errors.InsufficientPrivilege):
        why = "permission denied. Grant the user USAGE on the schema and SELECT on the table."
    elif isinstance(error, errors.QueryCanceled):
        why = "it took longer than sources.database.timeout_seconds. Raise that, or read a smaller view."
    elif isinstance(error, UnicodeDecodeError):
        why = "its text is not in the encoding that the database says. Make a view that converts it."
    elif isinstance(error, OperationalError) and not error.sqlstate:
        why = "the connection was lost. Try again."
    else:
        why = f"the server refused to read it ({type(error).__name__})."
    return ContractError(f"{place}: {why}")
