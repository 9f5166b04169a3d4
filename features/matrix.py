"""From logs to the feature matrix of one cutoff: the one builder for training and scoring."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import numpy as np
import pandas as pd

from features import engines
from features.catalogue import VIEWS, Column, OwnLog, Table, columns, logs_behind
from features.settings import FeatureSettings
from timeline import as_seen_at, within_days

EVENTS_AT_ONCE = 6_000_000
"""Events of so many customers are worked on together that they stay near this number, which fits in 1 GB."""


class MatrixBuilder:
    """Builds the matrix of one cutoff after another on one connection.

    Customers are taken a range of ids at a time, so memory depends on neither their number nor that of the events.
    Of each range every log is first cut to what the cutoff can see, every event's times are replaced by its age and
    every id by a number. From there on nothing depends on cutoff or range any more: the queries, one for each grain,
    are compiled once.
    """

    def __init__(
        self,
        logs: Mapping[str, Table],
        settings: FeatureSettings,
        connection: Any,
        own_logs: Sequence[OwnLog] = (),
        events_at_once: int = EVENTS_AT_ONCE,
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._events_at_once = events_at_once
        self._wanted = columns(settings.windows_days, list(logs), own_logs)
        schemas = {name: _seen_schema(table) for name, table in logs.items()}
        # All windows of a feature read the same columns.
        once = list({column.feature.name: column for column in self._wanted}.values())
        read = _columns_read(_Plan(once, schemas))
        schemas = {log: {c: kind for c, kind in schemas[log].items() if c in names} for log, names in read.items()}
        self._plan = _Plan(self._wanted, schemas)
        self._logs = {name: logs[name] for name in self._plan.logs}
        self._held = {name: str(connection.compile(rows)) for name, rows in self._plan.held.items()}
        self._queries = [(members, str(connection.compile(query))) for members, query in self._plan.queries]
        self._events: int | None = None

    def at(self, customers: Sequence[str], cutoff: int) -> pd.DataFrame:
        """One row per customer of ``customers`` (each once), ordered by id, one float column per catalogue column.

        Only events that had happened and were known before the instant ``cutoff`` are read.
        """
        parts = list(self.parts(customers, cutoff))
        return parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)

    def parts(self, customers: Sequence[str], cutoff: int) -> Iterator[pd.DataFrame]:
        """The rows of :meth:`at`, a range of customers after the other; at least one part, empty if nobody is asked."""
        ids = sorted(customers)
        step = self._customers_at_once(len(ids))
        seen = self._seen_at(cutoff)
        for start in range(0, max(len(ids), 1), step):
            yield self._part(ids[start : start + step], seen)

    def rows_of(self, rows: str) -> pd.DataFrame:
        """The rows of a view or log as the last range of customers saw them; ``customer_id`` is the place in it."""
        return engines.fetch(self._connection, self._plan.table(rows))

    def _customers_at_once(self, customers: int) -> int:
        if engines.divides_work(self._connection):
            return max(customers, 1)
        if self._events is None:
            self._events = sum(int(table.count().execute()) for table in self._logs.values())
        return max(1, customers * self._events_at_once // max(self._events, self._events_at_once))

    def _seen_at(self, cutoff: int) -> dict[str, str]:
        """What a person at ``cutoff`` knew of the customers in ``asked``, log by log.

        Event files are sorted by customer: the join makes the engine skip the parts in which nobody asked for lies.
        """
        selects = {}
        for name, log in self._logs.items():
            rows = as_seen_at(log, cutoff, self._settings.history_days).join(engines.ASKED, "customer_id")
            rows = rows.drop("customer_id").rename(customer_id="customer").select(*self._plan.logs[name].columns)
            selects[name] = str(self._connection.compile(rows))
        return selects

    def _part(self, ids: Sequence[str], seen: Mapping[str, str]) -> pd.DataFrame:
        engines.put_customers(self._connection, ids)
        for name, sql in seen.items():
            keep = engines.hold if self._plan.uses[name] > 1 else engines.define
            keep(self._connection, f"seen_{name}", sql)
        for name, sql in self._held.items():
            engines.hold(self._connection, name, sql)

        filled: dict[str, np.ndarray[Any, Any]] = {}
        for members, sql in self._queries:
            result = engines.select(self._connection, sql)
            place = result["customer_id"].to_numpy()
            for column in members:
                absent = np.nan if column.feature.absent is None else float(column.feature.absent)
                values = result[column.name].to_numpy()
                # A customer with rows keeps what the body answered; only no rows at all means ``absent``.
                is_absent = result[_rows(column.days)].to_numpy() == 0
                filled[column.name] = np.full(len(ids), absent)
                filled[column.name][place] = np.where(is_absent, absent, values)
        return pd.DataFrame(
            {"customer_id": pd.array(ids, dtype="str")} | {c.name: filled[c.name] for c in self._wanted}
        )


class _Plan:
    """What is asked of which rows: one query for each grain, and the intermediate rows that several of them read."""

    def __init__(self, wanted: Sequence[Column], schemas: Mapping[str, Mapping[str, Any]]) -> None:
        self.held: dict[str, Table] = {}
        """Rows to be kept under a name before the queries run, in order."""
        members: dict[str, list[Column]] = defaultdict(list)
        for column in wanted:
            members[column.feature.view].append(column)
        behind = _behind(members)
        self.logs = {
            name: ibis.table(schema, name=f"seen_{name}") for name, schema in schemas.items() if name in behind
        }
        self._rows: dict[str, Table] = {}
        self.uses = Counter(members.keys())
        for name in behind & set(VIEWS):
            self.uses.update(VIEWS[name].needs)
        self.queries = [(group, _aggregate(self.table(name), group)) for name, group in members.items()]

    def table(self, name: str) -> Table:
        """The rows of the view or log ``name``."""
        if name not in VIEWS:
            return self.logs[name]
        if name not in self._rows:
            view = VIEWS[name]
            rows = view.build({need: self.table(need) for need in view.needs})
            if self.uses[name] > 1:
                self.held[f"view_{name}"] = rows
                rows = ibis.table(rows.schema(), name=f"view_{name}")
            self._rows[name] = rows
        return self._rows[name]


def _behind(names: Iterable[str]) -> set[str]:
    """The views and logs ``names``, and all that they need in turn."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += VIEWS[name].needs if name in VIEWS else ()
    return found


def _seen_schema(log: Table) -> dict[str, Any]:
    """Columns and types of a log once it is cut to a cutoff: ages for times, numbers for ids."""
    kinds = {c: kind for c, kind in log.schema().items() if c not in ("occurred_at", "loaded_at")}
    return kinds | {"customer_id": "int32", "age_us": "int64"}


def _columns_read(plan: _Plan) -> dict[str, set[str]]:
    """The columns of each log that ``plan`` computes with, whatever it merely hands on."""
    read = {log: {"customer_id", "age_us"} for log in plan.logs}
    behind: dict[Any, set[str]] = {}
    for expression in [*plan.held.values(), *(query for _, query in plan.queries)]:
        for node in expression.op().find(ops.Node):
            handed_on = node.values if isinstance(node, ops.Project) else {}
            for field in handed_on.values() if handed_on else node.__children__:
                if isinstance(field, ops.Field) and field.name not in handed_on:
                    if field.rel not in behind:
                        tables = (table.name.partition("_")[2] for table in field.rel.find(ops.UnboundTable))
                        behind[field.rel] = set().union(*map(logs_behind, tables))
                    for log in behind[field.rel] & read.keys():
                        read[log].add(field.name)
    return read


def _rows(days: int | None) -> str:
    """Name of the number of rows in a window."""
    return "rows" if days is None else f"rows_{days}d"


def _aggregate(rows: Table, members: Sequence[Column]) -> Table:
    """One row per customer: the number of rows in each window, and every column of ``members``."""
    values = {}
    for days in dict.fromkeys(column.days for column in members):
        values[_rows(days)] = _narrow(rows.count(), rows, days)
    for column in members:
        values[column.name] = _narrow(column.expression(rows).cast("float64"), rows, column.days)
    return rows.group_by("customer_id").agg(**values)


def _narrow(value: Any, rows: Table, days: int | None) -> Any:
    """``value`` with every aggregate in it taken over the last ``days`` alone.

    All windows of a grain are so answered in one pass over its rows.
    """
    if days is None:
        return value
    mask = within_days(rows, days).op()

    def narrow(node: Any, changed: dict[str, Any] | None) -> Any:
        if changed is None and not isinstance(node, ops.Reduction):
            return node
        parts = dict(zip(node.argnames, node.args, strict=True)) if changed is None else changed
        if isinstance(node, ops.Median):
            # Spark refuses a filter here, because Ibis would put it around the percentage as well.
            parts = parts | {"arg": ops.IfElse(mask, parts["arg"], ops.Literal(None, dt.null))}
        elif isinstance(node, ops.Reduction):
            where = parts.get("where")
            parts = parts | {"where": mask if where is None else ops.And(where, mask)}
        return node.__recreate__(parts)

    # Only values are visited: aggregates inside the rows themselves stay as they are.
    return value.op().replace(narrow, filter=ops.Value).to_expr()


def build_matrix(
    logs: Mapping[str, Table],
    customers: Sequence[str],
    cutoff: int,
    settings: FeatureSettings,
    connection: Any,
    own_logs: Sequence[OwnLog] = (),
) -> pd.DataFrame:
    """The matrix of a single cutoff; see :meth:`MatrixBuilder.at`.

    Args:
        logs: Canonical event tables (Ibis, on ``connection``) by log name; absent logs are left out.
        customers: The ids asked for, each once.
        cutoff: Instant.
        settings: Windows and length of the history.
        connection: The Ibis connection that holds ``logs``; every query runs there.
        own_logs: The logs among ``logs`` that the shop has declared itself.
    """
    return MatrixBuilder(logs, settings, connection, own_logs).at(customers, cutoff)
