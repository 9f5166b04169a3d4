"""The canonical event tables as pandera contracts, made from their declaration in :mod:`events.logs`."""

import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa

from events.logs import LOGS, Column, columns_of
from sources.mailboxes import PROVIDERS

_DTYPES = {"instant": "Int64", "money": "Int64", "whole": "Int64", "share": "Float64", "flag": "boolean"}
_FIXED = {("customers", "mailbox_provider"): PROVIDERS}
"""Values of a column that are named where they are found out."""


def _contract_of(log: str, name: str, column: Column) -> pandera.Column:
    allowed = column.allowed or _FIXED.get((log, name), ())
    checks = [pandera.Check.isin(allowed)] if allowed else []
    if column.pattern:
        checks.append(pandera.Check.str_matches(column.pattern))
    if column.least is not None:
        checks.append(pandera.Check.ge(column.least))
    if column.most is not None:
        checks.append(pandera.Check.le(column.most))
    dtype = _DTYPES.get(column.kind, "str")
    return pandera.Column(dtype, checks=checks, nullable=not column.required, unique=column.unique)


def _table(log: str) -> pandera.DataFrameSchema:
    columns = {name: _contract_of(log, name, column) for name, column in columns_of(log).items()}
    return pandera.DataFrameSchema(columns, strict=True, ordered=True)


TABLES: dict[str, pandera.DataFrameSchema] = {log: _table(log) for log in LOGS}
_OWN = _table("")


def validate(log: str, table: pa.Table) -> None:
    """Check ``table`` against the contract of the canonical table ``log``.

    Raises:
        pandera.errors.SchemaError: a fault of this package, since bad rows were quarantined before.
    """
    nullable = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype(), pa.float64(): pd.Float64Dtype()}
    TABLES.get(log, _OWN).validate(table.to_pandas(types_mapper=nullable.get))
