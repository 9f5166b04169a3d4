"""One cutoff at a memory limit: time, peak memory, spill, and whether a tighter limit gives the same bytes.

    python -m benchmarks.features.scale [--customers N] [--events N]

Three runs, each in a process of its own: a quarter of the shop at 4 GB, then the whole shop at 4 GB and at 2 GB.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.features.common import builder, connection, customer_ids, print_table, scratch_folder, shop, size
from benchmarks.features.shop import CUTOFF
from pipeline.project.datasets import write_parquet_parts

GB = 1e9
LIMITS = {"2GB": 2e9, "4GB": 4e9}


def build(folder: Path, memory: str) -> dict[str, Any]:
    """Build the matrix of one cutoff in this process; what it took."""
    with scratch_folder() as spill, scratch_folder() as out, connection(folder, memory, spill) as database:
        peak, is_done = 0, threading.Event()

        def watch() -> None:
            nonlocal peak
            while not is_done.wait(0.2):
                peak = max(peak, size(spill))

        watcher = threading.Thread(target=watch)
        watcher.start()
        started, used = time.perf_counter(), time.process_time()
        matrix = out / "matrix.parquet"
        customers = customer_ids(database)
        rows = write_parquet_parts(builder(database).parts(customers, CUTOFF), matrix, "customer_id")
        seconds, processor = time.perf_counter() - started, time.process_time() - used
        is_done.set()
        watcher.join()
        return {
            "rows": rows,
            "wall": seconds,
            "processor": processor,
            "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,  # kilobytes on Linux
            "spill": peak,
            "input": size(folder),
            "sha256": hashlib.sha256(matrix.read_bytes()).hexdigest(),
        }


def run(folder: Path, memory: str) -> dict[str, Any]:
    """What :func:`build` takes in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.features.scale", "--build", str(folder), memory]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    found: dict[str, Any] = json.loads(answer.splitlines()[-1])
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--build", nargs=2, metavar=("FOLDER", "MEMORY"), help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.build:
        print(json.dumps(build(Path(asked.build[0]), asked.build[1])))
        return
    runs = [
        (asked.customers // 4, asked.events // 4, "4GB"),
        (asked.customers, asked.events, "4GB"),
        (asked.customers, asked.events, "2GB"),
    ]
    took = [run(shop(customers, events), memory) for customers, events, memory in runs]
    print_table(
        "One cutoff, the whole catalogue, 2 threads",
        [
            {
                "customers": f"{customers:,}",
                "events": f"{events:,}",
                "limit": memory,
                "wall": f"{it['wall']:.0f} s",
                "processor": f"{it['processor']:.0f} s",
                "peak RSS": f"{it['rss'] / GB:.2f} GB",
                "÷ limit": f"{it['rss'] / LIMITS[memory]:.2f}",
                "input": f"{it['input'] / GB:.2f} GB",
                "spill ÷ input": f"{it['spill'] / it['input']:.2f}",
                "sha256": it["sha256"][:12],
            }
            for (customers, events, memory), it in zip(runs, took, strict=True)
        ],
    )
    print(f"\n4 × the input, peak RSS × {took[1]['rss'] / took[0]['rss']:.2f}")
    print(f"2 GB against 4 GB: {'same' if took[1]['sha256'] == took[2]['sha256'] else 'DIFFERENT'} bytes")


if __name__ == "__main__":
    main()
