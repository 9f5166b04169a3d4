"""From logs to the feature matrix of one cutoff: the one builder for training and scoring."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from features.catalogue import VIEWS, Column, Table, columns
from features.settings import FeatureSettings
from timeline import as_seen_at, within_days


class MatrixBuilder:
    """Builds the matrix of one cutoff after another on one connection.

    Every log is first cut to what the cutoff can see, and every event's times are replaced by its age. From there on
    nothing depends on the cutoff any more, so the queries are compiled once.
    """

    def __init__(self, logs: Mapping[str, Table], settings: FeatureSettings, connection: Any) -> None:
        self._logs = dict(logs)
        self._settings = settings
        self._connection = connection
        self._wanted = columns(settings.windows_days, list(logs))
        self._views: dict[str, str] = {}
        self._queries: list[tuple[list[Column], str]] = []

    def at(self, customers: Sequence[str], cutoff: int) -> pd.DataFrame:
        """One row per customer of ``customers`` (each once), ordered by id, one float column per catalogue column.

        Only events that had happened and were known before the instant ``cutoff`` are read.
        """
        ids = sorted(customers)
        asked = pd.DataFrame({"customer_id": pd.array(ids, dtype="str")})
        table = self._connection.create_table("asked", asked, temp=True, overwrite=True)
        for name, log in self._logs.items():
            rows = as_seen_at(log, cutoff, self._settings.history_days).semi_join(table, "customer_id")
            self._connection.create_table(f"seen_{name}", rows, temp=True, overwrite=True)
        if not self._queries:
            self._compile()
        for name, sql in self._views.items():
            self._connection.raw_sql(f'CREATE OR REPLACE TEMP TABLE "{_view_table(name)}" AS {sql}')

        filled: dict[str, np.ndarray[Any, Any]] = {}
        for members, sql in self._queries:
            result = self._connection.raw_sql(sql).df().set_index("customer_id").reindex(ids)
            is_absent = result["rows"].isna().to_numpy()
            for column in members:
                values = result[column.name].to_numpy(dtype="float64", na_value=np.nan)
                if column.feature.absent is not None:
                    # A customer with rows keeps what the body answered; only no rows at all means ``absent``.
                    values = np.where(is_absent, column.feature.absent, values)
                filled[column.name] = values
        return pd.DataFrame(
            {"customer_id": pd.array(ids, dtype="str")} | {c.name: filled[c.name] for c in self._wanted}
        )

    def _compile(self) -> None:
        seen = {name: self._connection.table(f"seen_{name}", database=("temp", "main")) for name in self._logs}
        groups: dict[tuple[str, int | None], list[Column]] = defaultdict(list)
        for column in self._wanted:
            groups[column.feature.view, column.days].append(column)
        for name in dict.fromkeys(view for view, _ in groups):
            view = VIEWS[name].build(seen)
            self._views[name] = str(self._connection.compile(view))
            self._connection.create_table(_view_table(name), view, temp=True, overwrite=True)
        for (name, days), members in groups.items():
            rows = self._connection.table(_view_table(name), database=("temp", "main"))
            table = rows if days is None else rows.filter(within_days(rows, days))
            query = table.group_by("customer_id").agg(
                rows=table.count(), **{c.name: c.expression(table).cast("float64") for c in members}
            )
            self._queries.append((members, str(self._connection.compile(query))))


def _view_table(name: str) -> str:
    return f"view_{name}"


def build_matrix(
    logs: Mapping[str, Table],
    customers: Sequence[str],
    cutoff: int,
    settings: FeatureSettings,
    connection: Any,
) -> pd.DataFrame:
    """The matrix of a single cutoff; see :meth:`MatrixBuilder.at`.

    Args:
        logs: Canonical event tables (Ibis, on ``connection``) by log name; absent logs are left out.
        customers: The ids asked for, each once.
        cutoff: Instant.
        settings: Windows and length of the history.
        connection: The Ibis connection that holds ``logs``; every query runs there.
    """
    return MatrixBuilder(logs, settings, connection).at(customers, cutoff)
