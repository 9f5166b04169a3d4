"""The whole catalogue through the builder against the same columns in hand-written DuckDB SQL, values compared.

python -m benchmarks.features.against_sql [--customers N] [--events N] [--repetitions N]
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.features.common import (
    SETTINGS,
    builder,
    connection,
    customer_ids,
    print_table,
    scratch_folder,
    shop,
    table_names,
)
from benchmarks.features.shop import CUTOFF
from events.logs import LOGS
from features import columns
from timeline import Window

MEMORY = "4GB"
SQL = Path(__file__).with_name("handwritten.sql")


def statements() -> list[str]:
    """The statements of the hand-written file, with every window spelt out."""
    text = re.sub(r"--.*", "", SQL.read_text(encoding="utf-8"))
    text = text.replace("{cutoff}", str(CUTOFF))
    text = text.replace("{oldest}", str(Window.last(SETTINGS.history_days, CUTOFF).start))
    lines: list[str] = []
    for line in text.splitlines():
        lines += [line.replace("{d}", str(d)) for d in SETTINGS.windows_days] if "{d}" in line else [line]
    return [statement for statement in "\n".join(lines).split(";") if statement.strip()]


def read_by_hand(database: Any, customers: list[str]) -> pd.DataFrame:
    """The tables that the hand-written SQL left behind, side by side, with what the catalogue says where no row is."""
    absent = {c.name: c.feature.absent for c in columns(SETTINGS.windows_days, list(LOGS))}
    parts = [pd.DataFrame(index=pd.Index(customers, name="customer_id"))]
    for name in table_names(database):
        if name.startswith("by_customer_"):
            rows = database.raw_sql(f"SELECT * FROM {name}").df().set_index("customer_id").astype("float64")
            has_rows = parts[0].index.isin(rows.index)
            rows = rows.reindex(customers)
            parts.append(rows.apply(lambda values, known=has_rows: values.where(known, absent[values.name])))
    return pd.concat(parts, axis=1)


def differing(mine: pd.DataFrame, theirs: pd.DataFrame) -> list[str]:
    """Names of the columns whose values are not equal, or that only one side has."""
    both = mine.columns.intersection(theirs.columns)
    far = [name for name in both if not np.allclose(mine[name], theirs[name], rtol=1e-9, atol=1e-9, equal_nan=True)]
    return sorted({*far, *mine.columns.symmetric_difference(theirs.columns)})


def by_hand(database: Any, _: list[str]) -> None:
    """Materialise every grain of the hand-written SQL."""
    for statement in statements():
        database.raw_sql(statement)


def built(database: Any, customers: list[str]) -> pd.DataFrame:
    """The builder's matrix, its planning included."""
    return builder(database).at(customers, CUTOFF)


def floor(database: Any, _: list[str]) -> None:
    """The least that a pass over the events costs: rows and newest instant of every customer, log by log."""
    for log in LOGS:
        if log in table_names(database):
            newest = f"SELECT customer_id, count(*) AS n, max(occurred_at) AS newest FROM {log} GROUP BY customer_id"
            database.raw_sql(f"CREATE TEMP TABLE floor_{log} AS {newest}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=200_000)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--repetitions", type=int, default=3)
    asked = parser.parse_args()
    folder = shop(asked.customers, asked.events)
    ways: dict[str, Callable[[Any, list[str]], Any]] = {"by hand": by_hand, "builder": built, "floor": floor}
    wall, cpu = defaultdict(list), defaultdict(list)
    found: dict[str, pd.DataFrame] = {}
    for _ in range(asked.repetitions):
        for name, way in ways.items():
            with scratch_folder() as spill, connection(folder, MEMORY, spill) as database:
                customers = customer_ids(database)
                clock, used = time.perf_counter(), time.process_time()
                result = way(database, customers)
                wall[name].append(time.perf_counter() - clock)
                cpu[name].append(time.process_time() - used)
                if name == "by hand":
                    result = read_by_hand(database, customers)
                found[name] = result
    matrix = found["builder"].set_index("customer_id")
    unequal = differing(matrix, found["by hand"])
    print_table(
        f"{asked.events:,} events, {asked.customers:,} customers, {len(matrix.columns)} columns,"
        f" medians of {asked.repetitions} runs in turn; "
        + (f"VALUES DIFFER in {', '.join(unequal)}" if unequal else "all values equal"),
        [
            {
                "way": name,
                "wall": f"{statistics.median(wall[name]):.1f} s",
                "÷ by hand": f"{statistics.median(wall[name]) / statistics.median(wall['by hand']):.2f}",
                "÷ floor": f"{statistics.median(wall[name]) / statistics.median(wall['floor']):.1f}",
                "processor": f"{statistics.median(cpu[name]):.1f} s",
                "processor ÷ by hand": f"{statistics.median(cpu[name]) / statistics.median(cpu['by hand']):.2f}",
            }
            for name in ways
        ],
    )
    if unequal:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
