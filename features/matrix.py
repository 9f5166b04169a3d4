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


def build_matrix(
    logs: Mapping[str, Table],
    customers: Sequence[str],
    cutoff: int,
    settings: FeatureSettings,
    connection: Any,
) -> pd.DataFrame:
    """One row per customer of ``customers``, in the order of their ids, one float column per catalogue column.

    Args:
        logs: Canonical event tables (Ibis, on ``connection``) by log name; absent logs are left out.
        customers: The ids asked for, each once.
        cutoff: Instant; only events that had happened and were known before it are read.
        settings: Windows and length of the history.
        connection: The Ibis connection that holds ``logs``; every query runs there.
    """
    ids = sorted(customers)
    asked = connection.create_table(
        "asked", pd.DataFrame({"customer_id": pd.array(ids, dtype="str")}), temp=True, overwrite=True
    )
    seen: dict[str, Table] = {}
    for name, log in logs.items():
        rows = as_seen_at(log, cutoff, settings.history_days).semi_join(asked, "customer_id")
        seen[name] = connection.create_table(f"seen_{name}", rows, temp=True, overwrite=True)

    wanted = columns(settings.windows_days, list(logs))
    groups: dict[tuple[str, int | None], list[Column]] = defaultdict(list)
    for column in wanted:
        groups[column.feature.view, column.days].append(column)

    views = {name: VIEWS[name].build(seen) for name in {view for view, _ in groups}}
    filled: dict[str, np.ndarray[Any, Any]] = {}
    for (view, days), members in groups.items():
        table = views[view] if days is None else views[view].filter(within_days(views[view], days))
        query = table.group_by("customer_id").agg(
            rows=table.count(), **{c.name: c.expression(table).cast("float64") for c in members}
        )
        result = connection.to_pandas(query).set_index("customer_id").reindex(ids)
        is_absent = result["rows"].isna().to_numpy()
        for column in members:
            values = result[column.name].to_numpy(dtype="float64", na_value=np.nan)
            if column.feature.absent is not None:
                # A customer with rows keeps what the body answered; only no rows at all means ``absent``.
                values = np.where(is_absent, column.feature.absent, values)
            filled[column.name] = values
    return pd.DataFrame(
        {"customer_id": pd.array(ids, dtype="str")} | {c.name: filled[c.name] for c in wanted}
    )
