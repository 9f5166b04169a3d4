"""How long the advice on a horizon takes on many orders: `python -m benchmarks.horizon_scale [--orders N]`.

A made-up shop of 30 months, a customer for every ten orders; whoever buys, buys at random, so nobody ever leaves. The
advice should say so: however long the horizon, most of those it calls churned come back.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import duckdb

from pipeline.evaluation.advise_horizon import advise, lines
from pipeline.project import datasets, settings
from timeline import parse_date

PARAMS = Path(__file__).parents[1] / "params.yaml"


def make(orders: int, first: int, last: int) -> None:
    folder = datasets.EVENTS / "orders"
    folder.mkdir(parents=True)
    duckdb.sql(
        f"""COPY (
            SELECT 'c_' || substr(md5((pow(hash(2 * i) / {2.0**64}, 1.5) * {orders // 10})::BIGINT::VARCHAR), 1, 24)
                    AS customer_id,
                {first} + (hash(2 * i + 1) % {last - first})::BIGINT AS occurred_at, occurred_at AS loaded_at,
                'Order Completed' AS event
            FROM range({orders}) r(i) ORDER BY ALL
        ) TO '{folder / "all.parquet"}' (FORMAT parquet, COMPRESSION zstd)"""
    )
    datasets.write_json({"watermark": last, "logs": {"orders": {"first": first}}}, datasets.EVENTS / "manifest.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=10_000_000)
    orders = parser.parse_args().orders
    s = settings.load(PARAMS)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        make(orders, parse_date("2023-07-01", "UTC"), parse_date("2026-01-01", "UTC"))
        begin, busy = time.perf_counter(), time.process_time()
        told = lines(advise(s, datasets.EVENTS))
        took, busy = time.perf_counter() - begin, time.process_time() - busy
        os.chdir(PARAMS.parent)
    print("\n".join(told))
    print(f"\n{orders:,} orders: {took:.1f} s, {busy:.1f} s of processor time")


if __name__ == "__main__":
    main()
