"""Which slice of the shop a tested customer belonged to, as known at the test origin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from campaigns import guards, known
from events import permission
from events.logs import arrow_schema
from pipeline.project import datasets
from pipeline.project.settings import Settings
from timeline import known_before

COUNTRIES = 6
"""So many countries are slices of their own; the others are one together."""

Slices = Any
"""A pandas Series of categories: the slice of each row, missing where it belongs to none."""

_CONSENT_LOGS = tuple(permission.COLUMNS)


def _order_index(matrix: pd.DataFrame) -> Slices:
    names = ["first order only", "two orders", "three or more"]
    return pd.cut(matrix["days_with_order_so_far"], [-np.inf, 1, 2, np.inf], labels=names)


def _tenure(matrix: pd.DataFrame) -> Slices:
    names = ["under half a year", "half to one year", "one to two years", "over two years"]
    return pd.cut(matrix["days_since_first_order"], [-np.inf, 182, 365, 730, np.inf], labels=names)


def _value(matrix: pd.DataFrame) -> Slices:
    """Thirds by what was spent so far: spend per year, times the years that it was counted over."""
    spent = matrix["spend_per_year"] * matrix["days_since_first_order"].clip(lower=30)
    thirds = pd.cut(spent.rank(method="average", pct=True), [-np.inf, 1 / 3, 2 / 3, np.inf])
    return thirds.cat.rename_categories(["lowest third", "middle third", "highest third"])


BEHAVIOUR: dict[str, Callable[[pd.DataFrame], Slices]] = {
    "orders so far": _order_index,
    "customer for": _tenure,
    "spent so far": _value,
}
"""Kind of slice, and what makes it from the features of one origin."""


def _contactable(events: Path, tested: pd.DataFrame, cutoffs: dict[str, int], zone: str) -> Slices | None:
    """Whether consent and suppression would have let the shop write to each customer; None where none is logged."""
    files = {log: [str(file) for file in datasets.event_files(events, log)] for log in _CONSENT_LOGS}
    schemas = {log: arrow_schema(log) for log in guards.GUARD_LOGS}
    found = []
    with duckdb.connect() as db:
        known.open_logs(db, files, schemas, max(cutoffs.values()), zone)
        if guards.missing_consent(db) is not None:
            return None
        for origin, part in tested.groupby("origin"):
            known.open_logs(db, files, schemas, cutoffs[str(origin)], zone)
            db.register("asked", part[["customer_id"]])
            guards.create(db, guards.GuardSettings(), (), persons="asked")
            rules = db.execute("SELECT customer_id, hard_rule FROM guards").fetchall()
            free = {customer for customer, rule in rules if rule is None}
            allowed = part["customer_id"].isin(free).to_numpy()
            found.append(pd.Series(np.where(allowed, "may be written to", "may not"), index=part.index, dtype="object"))
    return pd.concat(found).reindex(tested.index).astype(pd.CategoricalDtype(["may be written to", "may not"]))


def _country(events: Path, tested: pd.DataFrame, cutoffs: dict[str, int]) -> Slices | None:
    """The country that the shop knew for each customer; None where it logs none."""
    columns = ["customer_id", "event_id", "country", "occurred_at", "loaded_at"]
    customers = datasets.read_events(events, "customers", columns)
    if customers is None or customers["country"].isna().all():
        return None
    customers = customers.sort_values(["occurred_at", "event_id"])
    found = []
    for origin, part in tested.groupby("origin"):
        known = customers[known_before(customers, cutoffs[str(origin)])].drop_duplicates("customer_id", keep="last")
        found.append(part["customer_id"].map(known.set_index("customer_id")["country"].to_dict()).astype("object"))
    countries = pd.concat(found).reindex(tested.index).fillna("not known")
    largest = sorted(countries.value_counts().head(COUNTRIES).index)
    names = [*largest, "other countries"]
    return countries.where(countries.isin(largest), "other countries").astype(pd.CategoricalDtype(names))


def slices(s: Settings, tested: pd.DataFrame) -> dict[str, Slices]:
    """Kind of slice to the slice of each row; kinds that the logs do not tell, or that divide nobody, are left out.

    Args:
        s: The settings of the project.
        tested: One row per customer and test origin, with customer_id and origin.
    """
    parts: dict[str, list[Slices]] = {kind: [] for kind in BEHAVIOUR}
    cutoffs = {str(origin): s.instant(str(origin)) for origin in tested["origin"].unique()}
    for origin, part in tested.groupby("origin"):
        columns = ["customer_id", "days_with_order_so_far", "days_since_first_order", "spend_per_year"]
        matrix = datasets.read_parquet(datasets.FEATURES / f"{origin}.parquet", columns).set_index("customer_id")
        rows = matrix.reindex(part["customer_id"]).set_index(part.index)
        for kind, cut in BEHAVIOUR.items():
            parts[kind].append(cut(rows))
    found: dict[str, Slices | None] = {kind: pd.concat(cut) for kind, cut in parts.items()}
    found["e-mail"] = _contactable(datasets.EVENTS, tested, cutoffs, s.shop.timezone)
    found["country"] = _country(datasets.EVENTS, tested, cutoffs)
    known = {kind: labels.reindex(tested.index) for kind, labels in found.items() if labels is not None}
    used = {kind: labels.cat.remove_unused_categories() for kind, labels in known.items()}
    return {kind: labels for kind, labels in used.items() if len(labels.cat.categories) > 1}
