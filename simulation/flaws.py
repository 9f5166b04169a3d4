"""The few broken rows every real export has: repeated lines, orders of nobody, a time that is none."""

from typing import Any

import numpy as np
import pyarrow as pa

_REPEATED = {"orders.csv": 6, "web_events.parquet": 20, "email_events.parquet": 8}
_ORDERS_OF_NOBODY = 5
_BAD_TIME = "2025-02-30T25:61:00"


def plant_flaws(files: dict[str, pa.Table], rng: np.random.Generator) -> dict[str, pa.Table]:
    """The files with a few rows added at random places; no row of the shop's own is changed or lost.

    Added are exact copies of rows, and in ``orders.csv`` orders of nobody and one with a malformed time.
    """
    flawed = dict(files)
    for name, count in _REPEATED.items():
        table = flawed[name]
        flawed[name] = _insert(table, table.take(rng.integers(0, len(table), min(count, len(table)))), rng)
    orders = files["orders.csv"]
    strangers = orders.take(rng.integers(0, len(orders), _ORDERS_OF_NOBODY))
    strangers = _with(strangers, "order_id", [f"G{k:07d}" for k in range(1, len(strangers) + 1)])
    strangers = _with(strangers, "customer_id", [None] * len(strangers))
    strangers = _with(strangers, "event", ["Order Completed"] * len(strangers))
    broken = _with(_with(orders.slice(len(orders) // 2, 1), "order_id", ["G9999999"]), "ordered_at", [_BAD_TIME])
    flawed["orders.csv"] = _insert(flawed["orders.csv"], pa.concat_tables([strangers, broken]), rng)
    return flawed


def _with(table: pa.Table, name: str, values: list[Any]) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, pa.array(values, pa.string()))


def _insert(table: pa.Table, rows: pa.Table, rng: np.random.Generator) -> pa.Table:
    place = np.concatenate([np.arange(len(table)), rng.integers(0, len(table) + 1, len(rows)) - 0.5])
    return pa.concat_tables([table, rows]).take(np.argsort(place, kind="stable")).combine_chunks()
