"""A million people into the files of each platform: processor seconds, size, and peak memory.

    python -m benchmarks.list_files [--people N [N ...]] [--platforms NAME [NAME ...]]

The people are made up. Each row runs in a process of its own on one thread. Processor seconds do not depend on what
else the machine does; the clock does.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from campaigns import platforms

BATCH = 50_000
CONTEXT = platforms.Context("2026-01-01", 90, 2, "0123456789ab")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "ARROW_NUM_THREADS": "1"}


def batches(people: int) -> Iterator[pa.Table]:
    """Sentences differ from person to person, names of segments do not; one text in three holds a comma."""
    draw = np.random.default_rng(6)
    for start in range(0, people, BATCH):
        rows = np.arange(start, min(start + BATCH, people))
        columns = {
            "shop_id": pa.array([f"C{row:08}" for row in rows]),
            "email": pa.array([f"shopper{row:08}@example.org" for row in rows]),
        }
        for number, column in enumerate(one for one in platforms.COLUMNS if not one.of_context):
            if column.source in ("why_now", "reason_1"):
                columns[column.source] = pa.array([f"No order for {row} days, usual gap {row % 90}" for row in rows])
            elif column.kind == "text":
                words = pa.array([f"{column.source}{',' * (number % 3 == 0)} {word}" for word in range(12)])
                columns[column.source] = words.take(pa.array(draw.integers(0, 12, len(rows))))
            elif column.kind == "date":
                columns[column.source] = pa.array([f"2026-02-{1 + row % 28:02}" for row in rows])
            elif column.kind in ("number", "days_ahead"):
                columns[column.source] = pa.array(draw.random(len(rows)) * 100)
            else:
                columns[column.source] = pa.array(draw.integers(0, 100_000, len(rows)))
        yield pa.table(columns)


def measure(people: int, name: str) -> None:
    made = sum(_spent(batches(people)))
    before, began = time.process_time(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        written = platforms.load(name).write(batches(people), Path(folder), "list", CONTEXT)
        size = sum((Path(folder) / file).stat().st_size for file in written.files)
    spent, clock = time.process_time() - before - made, time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"| {name} | {people:,} | {spent:.1f} | {clock:.1f} | {len(written.files)} | {size / 1e6:.0f} | {peak:.0f} |",
        flush=True,
    )


def _spent(tables: Iterator[pa.Table]) -> Iterator[float]:
    """Processor seconds that making the people alone takes, batch by batch."""
    before = time.process_time()
    for _ in tables:
        now = time.process_time()
        yield now - before
        before = now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--platforms", nargs="+", default=list(platforms.names()))
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.alone:
        measure(chosen.people[0], chosen.platforms[0])
        return
    print("| platform | people | processor s | clock s | files | MB | peak MB |\n|---|---:|---:|---:|---:|---:|---:|")
    for name in chosen.platforms:
        for people in chosen.people:
            command = [sys.executable, "-m", "benchmarks.list_files", "--alone"]
            command += ["--people", str(people), "--platforms", name]
            subprocess.run(command, check=True, env=os.environ | ONE_THREAD)


if __name__ == "__main__":
    main()
