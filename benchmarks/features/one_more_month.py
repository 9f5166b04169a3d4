"""What one more month costs: 24 cutoffs are built, a month of events arrives, and the stage runs again.

    python -m benchmarks.features.one_more_month --customers 200000 --events 10000000

The events of the month before are there as they were known when it began; what came late comes with the new month.
The stage runs as DVC runs it, in a process of its own, and at last from an empty folder to compare the bytes.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import ibis
import pandas as pd

from benchmarks.features import shop
from benchmarks.features.common import scratch_folder
from features import eligible_at
from features.engines import fetch
from timeline import month_starts, parse_date

PROJECT = Path(__file__).parents[2]
MONTHS = 48
CUTOFFS = 24


def build(project: Path) -> tuple[float, float]:
    """Wall and processor seconds of the stage in ``project``."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    subprocess.run([sys.executable, "-W", "ignore", "-m", "pipeline.build_features"], cwd=project, env=environment,
                   check=True)  # fmt: skip
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def cut(events: Path, target: Path, known_until: int) -> None:
    """Copy ``events`` as they were known just before ``known_until``."""
    for file in events.rglob("*.parquet"):
        place = target / file.relative_to(events)
        place.parent.mkdir(parents=True, exist_ok=True)
        known = f"FROM '{file}' WHERE occurred_at < {known_until} AND loaded_at < {known_until}"
        if duckdb.sql(f"SELECT count(*) {known}").fetchall() == [(0,)]:
            continue
        duckdb.sql(f"COPY (SELECT * {known}) TO '{place}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 100000)")


def cohort(events: Path, cutoffs: list[int], file: Path) -> None:
    """The customers eligible at ``cutoffs``."""
    connection = ibis.duckdb.connect()
    orders = connection.read_parquet(str(events / "orders" / "*.parquet"))
    frames = [fetch(connection, eligible_at(orders, cutoff, 365)).assign(cutoff=cutoff) for cutoff in cutoffs]
    file.parent.mkdir(parents=True, exist_ok=True)
    pd.concat(frames).to_parquet(file, index=False)


def feature_files(project: Path) -> dict[str, bytes]:
    """Name and content of every file of features."""
    return {file.name: file.read_bytes() for file in (project / "data" / "features").iterdir()}


def main() -> None:
    """Print the seconds of the full build, of one more month, and whether the bytes are equal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=50_000)
    parser.add_argument("--events", type=int, default=2_500_000)
    asked = parser.parse_args()
    shop.MONTHS, shop.FIRST = MONTHS, parse_date("2022-01-01", "UTC")
    starts = month_starts(shop.FIRST, shop.CUTOFF, "UTC")
    with scratch_folder() as project:
        project = project.resolve()
        events, data = project / "all", project / "data"
        shop.write_shop(events, asked.customers, asked.events)
        shutil.copy(PROJECT / "params.yaml", project)
        cut(events, data / "events", starts[-2] + 1)
        cohort(events, starts[-CUTOFFS - 1 : -1], data / "cohorts" / "training.parquet")
        full = build(project)
        shutil.rmtree(data / "events")
        events.rename(data / "events")
        cohort(data / "events", starts[-CUTOFFS:], data / "cohorts" / "training.parquet")
        again = build(project)
        incremental = feature_files(project)
        shutil.rmtree(data / "features")
        scratch = build(project)
        same = feature_files(project) == incremental
        eligible = len(pd.read_parquet(data / "cohorts" / "training.parquet"))
    print(
        f"{asked.customers:,} customers, {asked.events:,} events, {MONTHS} months, {CUTOFFS} cutoffs, {eligible:,} rows"
    )
    print("| what | wall s | processor s | ratio (processor) |\n|---|---|---|---|")
    for name, (wall, cpu) in {"24 cutoffs": full, "one more month": again, "24 from scratch": scratch}.items():
        print(f"| {name} | {wall:.1f} | {cpu:.1f} | {cpu / scratch[1]:.3f} |")
    print(f"bytes as from scratch: {'equal' if same else 'NOT EQUAL'}")


if __name__ == "__main__":
    main()
