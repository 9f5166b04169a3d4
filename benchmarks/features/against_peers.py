"""Some features through the builder against featuretools or plain pandas, from the event files to one table.

    python -m benchmarks.features.against_peers pandas|featuretools [--customers N] [--events N] [--repetitions N]

Each run is a process of its own. featuretools gets an environment of its own below build/bench/.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.features.common import (
    SCRATCH,
    SETTINGS,
    builder,
    connection,
    customer_ids,
    print_table,
    scratch_folder,
    shop,
)
from benchmarks.features.shop import CUTOFF
from events.logs import LOGS
from features import CATALOGUE, columns

HERE = Path(__file__).parent
SUBSETS = {
    # All that featuretools can express without a frame prepared for it.
    "featuretools": [
        "days_since_last_order",
        "average_order_value",
        "largest_order_value",
        "discounted_order_share_so_far",
        "days_since_last_visit",
        "days_since_last_click",
        "email_optouts",
        "points_in_hand",
        "spend",
        "products_bought",
        "emails_delivered",
        "late_deliveries",
    ],
    "pandas": [
        "days_since_last_order",
        "average_order_value",
        "largest_order_value",
        "discounted_order_share_so_far",
        "usual_gap_days",
        "longest_gap_days",
        "days_with_order_so_far",
        "days_since_last_visit",
        "days_since_last_click",
        "email_optouts",
        "points_in_hand",
        "late_delivery_share",
        "spend",
        "refunds",
        "products_bought",
        "categories_bought",
        "visit_count",
        "days_with_visit",
        "product_views",
        "abandoned_cart_share",
        "emails_delivered",
        "email_click_share",
        "email_open_share",
        "late_deliveries",
        "tickets_opened",
    ],
}


def build(features: list[str], folder: Path, out: Path) -> dict[str, Any]:
    """The ``features`` through the builder, in this process."""
    for name in set(CATALOGUE) - set(features):
        del CATALOGUE[name]
    with scratch_folder() as spill, connection(folder, "4GB", spill) as database:
        started, used = time.perf_counter(), time.process_time()
        matrix = builder(database).at(customer_ids(database), CUTOFF)
        took = {"wall": time.perf_counter() - started, "processor": time.process_time() - used}
    matrix.to_parquet(out)
    return took


def run(command: list[str | Path]) -> dict[str, Any]:
    """What the last line of ``command`` says."""
    answer = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True, check=True).stdout
    found: dict[str, Any] = json.loads(answer.splitlines()[-1])
    return found


def environment(peer: str) -> Path:
    """The Python of an environment that holds the pinned ``peer`` alone."""
    folder, pins = SCRATCH / peer, HERE / f"requirements-{peer}.txt"
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if not ready.is_file() or ready.read_bytes() != pins.read_bytes():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", pins], check=True)
        ready.write_bytes(pins.read_bytes())
    return python


def aligned(file: Path, customers: pd.Index) -> pd.DataFrame:
    """A peer's table for all ``customers``, with what the catalogue says where the peer has nothing."""
    table = pd.read_parquet(file).set_index("customer_id").reindex(customers)
    absent = {c.name: c.feature.absent for c in columns(SETTINGS.windows_days, list(LOGS))}
    return table.fillna({name: absent[name] for name in table if absent[name] is not None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=["pandas", "featuretools"])
    parser.add_argument("--customers", type=int, default=50_000)
    parser.add_argument("--events", type=int, default=2_500_000)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--build", nargs=2, type=Path, metavar=("FOLDER", "OUT"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.build:
        print(json.dumps(build(SUBSETS[asked.peer], *asked.build)))
        return
    folder = shop(asked.customers, asked.events)
    python = Path(sys.executable) if asked.peer == "pandas" else environment(asked.peer)
    ours, theirs = [], []
    with scratch_folder() as out:
        mine, other = out / "mine.parquet", out / "other.parquet"
        for _ in range(asked.repetitions):
            ours.append(
                run([sys.executable, "-m", "benchmarks.features.against_peers", asked.peer, "--build", folder, mine])
            )
            theirs.append(run([python, HERE / f"peer_{asked.peer}.py", folder, CUTOFF, other]))
        matrix = pd.read_parquet(mine).set_index("customer_id")
        table = aligned(other, matrix.index)
    unequal = [
        name
        for name in matrix
        if name not in table or not np.allclose(matrix[name], table[name], rtol=1e-9, atol=1e-9, equal_nan=True)
    ]
    version = theirs[0]["version"]
    ways = {
        "builder, from the files": ([it["wall"] for it in ours], [it["processor"] for it in ours]),
        f"{version}, from the files": ([it["wall"] for it in theirs], [it["processor"] for it in theirs]),
        f"{version}, files already read": ([it["wall"] - it["read"] for it in theirs], []),
    }
    wall = {name: statistics.median(times[0]) for name, times in ways.items()}
    processor = {name: statistics.median(times[1]) for name, times in ways.items() if times[1]}
    first = next(iter(ways))
    print_table(
        f"{asked.events:,} events, {asked.customers:,} customers, {len(matrix.columns)} columns,"
        f" medians of {asked.repetitions} runs in turn; "
        + (f"VALUES DIFFER in {', '.join(unequal)}" if unequal else "all values equal"),
        [
            {
                "way": name,
                "wall": f"{wall[name]:.1f} s",
                "÷ builder": f"{wall[name] / wall[first]:.1f}",
                "processor": f"{processor[name]:.1f} s" if name in processor else "",
                "processor ÷ builder": f"{processor[name] / processor[first]:.1f}" if name in processor else "",
            }
            for name in ways
        ],
    )
    if unequal:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
