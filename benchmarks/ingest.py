"""Ingest: a long log of page events at a memory limit, one new day on top, and how fast CSV lands beside plain DuckDB.

    python -m benchmarks.ingest [--events 10000000] [--csv 5000000] [--memory 4GB]

The shop is made up: 24 months, a million visitors of whom 200,000 are customers, each with a new anonymous id every 30
days, 30 files in order of time, one row in 10,000 delivered twice. It is removed afterwards (10 GB at 100 million
events). Every measurement is a process of its own. ``--events 0`` or ``--csv 0`` leaves a part out.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import duckdb

from benchmarks.features.common import print_table, scratch_folder, size
from sources import Places, SourceSettings, arrivals, ingest
from sources.checking import Log
from sources.landing import Landing

VISITORS, CUSTOMERS, FILES, ORDERS = 1_000_000, 200_000, 30, 10_000
FIRST, DAYS = "2024-01-01", 715
"""Until mid-December of the second year, so that the new day lies inside a month."""
COOKIE_US = 30 * 86_400_000_000
"""How long a browser keeps its anonymous id: a sign-in gives a name to the visits of these days, not of years."""
THREADS = 2
REPETITIONS = 3
KEY = bytes(range(32))

# Every row as a shop would write it; the number n decides about all of it.
EVENTS = ["Page Viewed", "Product Viewed", "Product Viewed", "Products Searched", "Product Added"]
ROWS = f"""
    SELECT 'm' || n AS message_id,
           CASE WHEN visitor < {CUSTOMERS} AND hash(n, 1) % 3 = 0 THEN 'c' || visitor END AS customer_id,
           'a' || visitor || '-' || epoch_us(moment) // {COOKIE_US} AS anonymous_id,
           's' || visitor || '-' || n // 1000000 AS session_id,
           {EVENTS}[(hash(n, 2) % 5)::INT + 1] AS event,
           moment AS occurred_at,
           'p' || hash(n, 3) % 5000 AS product_id,
           ['shoes', 'coats', 'hats', 'bags'][(hash(n, 3) % 4)::INT + 1] AS category,
           (hash(n, 4) % 20000 / 100)::DECIMAL(9, 2) AS price,
           moment + INTERVAL 3 SECOND AS loaded_at
    FROM (SELECT n, (hash(n) % {VISITORS})::BIGINT AS visitor,
                 TIMESTAMP '{FIRST}'
                     + to_microseconds(({{day}} * 86400000000 + (n - {{first}}) * {{step}})::BIGINT) AS moment
          FROM (SELECT CASE WHEN i % 10000 = 9999 AND i > {{first}} THEN i - 1 ELSE i END AS n
                FROM range({{first}}, {{first}} + {{rows}}) t(i)))"""
TYPES = {
    "message_id": "VARCHAR",
    "customer_id": "VARCHAR",
    "anonymous_id": "VARCHAR",
    "session_id": "VARCHAR",
    "event": "VARCHAR",
    "occurred_at": "TIMESTAMP",
    "product_id": "VARCHAR",
    "category": "VARCHAR",
    "price": "DECIMAL(9, 2)",
    "loaded_at": "TIMESTAMP",
}


def rows_of(first: int, rows: int, day: float, days: float) -> str:
    """SQL of ``rows`` events over ``days`` from ``day`` on, numbered from ``first``."""
    step = int(days * 86_400_000_000) // rows
    return ROWS.format(first=first, rows=rows, day=int(day), step=step)


def write_orders(folder: Path) -> None:
    """A small orders.csv, without which nothing is ingested; its last order comes after the last visit."""
    lines = ["order_id,customer_id,ordered_at,revenue"]
    lines += [
        f"o{n},c{n % (CUSTOMERS // 10)},2025-{n % 12 + 1:02d}-{n % 28 + 1:02d}T12:00:00Z,10.00" for n in range(ORDERS)
    ]
    (folder / "orders.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_days(folder: Path, events: int) -> None:
    """The files of all days but the newest."""
    folder.mkdir(parents=True)
    write_orders(folder)
    connection = duckdb.connect(config={"threads": THREADS})
    each = events // FILES
    for file in range(FILES):
        sql = rows_of(file * each, each, file * DAYS // FILES, DAYS / FILES)
        connection.execute(f"COPY ({sql}) TO '{folder}/web-{file:03d}.parquet' (FORMAT parquet, COMPRESSION zstd)")


def write_new_day(folder: Path, events: int) -> None:
    """One more day, in a file of its own."""
    sql = rows_of(events, max(events // DAYS, 1), DAYS, 1)
    duckdb.execute(f"COPY ({sql}) TO '{folder}/web-new.parquet' (FORMAT parquet, COMPRESSION zstd)")


def write_csv(folder: Path, events: int) -> None:
    """One CSV file of that many events."""
    folder.mkdir(parents=True)
    write_orders(folder)
    cells = ", ".join(
        f"strftime({c}, '%Y-%m-%dT%H:%M:%S.%fZ') AS {c}" if kind == "TIMESTAMP" else c for c, kind in TYPES.items()
    )
    sql = f"SELECT {cells} FROM ({rows_of(0, events, 0, DAYS)})"
    duckdb.execute(f"COPY ({sql}) TO '{folder}/web-000.csv' (FORMAT csv, HEADER)")


def declared(folder: Path) -> SourceSettings:
    kind = "csv" if list(folder.glob("web-*.csv")) else "parquet"
    logs = {"orders": {"file": "orders.csv"}, "web_events": {"file": f"web-*.{kind}", "format": kind}}
    return SourceSettings.model_validate({"path": folder.name, "currency": "GBP", "logs": logs, "own_logs": {}})


def peak_bytes() -> float:
    """The most memory this process has held at a time."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return float(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024


def ingested(folder: Path, events: str, previous: str, memory: str) -> dict[str, Any]:
    """Ingest the files in ``folder`` in this process; seconds, processor seconds and peaks of it and of its reader."""
    steps: dict[str, float] = {}
    last = time.perf_counter()

    def note(what: str) -> None:
        nonlocal last
        now = time.perf_counter()
        steps[current[0]] = steps.get(current[0], 0) + now - last
        last, current[0] = now, what.split()[0]

    current = ["start"]
    work = folder.parent
    places = Places(folder, work / "landed", work / events, work / previous if previous else None)
    started, used = time.perf_counter(), time.process_time()
    done = ingest(places, declared(folder), zone="UTC", key=KEY, memory_limit=memory, threads=THREADS, progress=note)
    wall, processor = time.perf_counter() - started, time.process_time() - used
    note("end")
    for worker in arrivals._WORKERS.values():
        worker.close()
    reader = resource.getrusage(resource.RUSAGE_CHILDREN)
    books = done.manifest["logs"]["web_events"]["files"]
    if any(book["rules"] for book in books):
        raise RuntimeError("rows of the made-up shop were refused")
    return {
        "rows": sum(book["rows_read"] for book in books),
        "accepted": sum(book["accepted"] for book in books),
        "duplicates": sum(book["duplicates"] for book in books),
        "wall": wall,
        "processor": processor,
        "reader": reader.ru_utime + reader.ru_stime,
        "peak": peak_bytes(),
        "reader peak": reader.ru_maxrss * 1024,
        "rewritten": len(done.rewritten),
        "steps": steps,
    }


def landed(folder: Path, way: str, memory: str) -> dict[str, Any]:
    """Read the CSV file in this process, our way or DuckDB's."""
    csv = folder / "web-000.csv"
    target = folder.parent / f"by-{way}"
    target.mkdir(exist_ok=True)
    kinds = ", ".join(f"'{column}': '{kind}'" for column, kind in TYPES.items())
    # Read as one would by hand: types given, nothing checked.
    plain = (
        f"SELECT * FROM read_csv('{csv}', columns={{{kinds}}}, header=true, auto_detect=false, delim=',', quote='\"')"
    )
    connection = duckdb.connect(
        config={
            "memory_limit": memory,
            "threads": THREADS,
            "temp_directory": str(target / "spill"),
            "preserve_insertion_order": "false",
        }
    )
    landing = Landing(memory, THREADS, target)
    settings = declared(folder)

    def ours() -> None:
        log = Log("web_events", settings.logs["web_events"], "UTC", "GBP")
        landing.land(csv, csv.name, [log], "", target)

    ways: dict[str, Callable[[], Any]] = {
        "ours": ours,
        "to_parquet": lambda: connection.execute(
            f"COPY ({plain}) TO '{target}/rows.parquet' (FORMAT parquet, COMPRESSION zstd)"
        ),
        "to_table": lambda: connection.execute(f"CREATE TABLE rows AS {plain}"),
    }
    started, used = time.perf_counter(), time.process_time()
    ways[way]()
    return {"wall": time.perf_counter() - started, "processor": time.process_time() - used, "peak": peak_bytes()}


def child(*arguments: str) -> dict[str, Any]:
    """One measurement in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.ingest", "--child", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def row(what: str, found: dict[str, Any], folder: Path) -> dict[str, str]:
    steps = ", ".join(f"{name} {seconds:.0f}" for name, seconds in found["steps"].items() if seconds >= 1)
    return {
        "what": what,
        "rows": f"{found['rows']:,}",
        "wall s": f"{found['wall']:.1f}",
        "processor s, reader's": f"{found['processor']:.1f}, {found['reader']:.1f}",
        "peak MB, reader's": f"{found['peak'] / 1e6:,.0f}, {found['reader peak'] / 1e6:,.0f}",
        "rows/s": f"{found['rows'] / found['wall']:,.0f}",
        "months": str(found["rewritten"]),
        "input GB": f"{size(folder) / 1e9:.2f}",
        "of which s": steps,
    }


def compare_csv(folder: Path, rows: int, memory: str) -> None:
    """Print how fast one CSV file lands, beside DuckDB that checks nothing, in turn."""
    ways = ("ours", "to_parquet", "to_table")
    runs = [{way: child("land", str(folder), way, memory) for way in ways} for _ in range(REPETITIONS)]
    table = []
    for way in ways:
        found = {"what": way, "rows": f"{rows:,}"}
        for clock in ("wall", "processor"):
            found[f"{clock} s"] = f"{median(run[way][clock] for run in runs):.1f}"
            found[f"our rows/s ÷ its, {clock}"] = f"{median(run[way][clock] / run['ours'][clock] for run in runs):.2f}"
        found["rows/s, wall"] = f"{rows / median(run[way]['wall'] for run in runs):,.0f}"
        found["peak MB"] = f"{max(run[way]['peak'] for run in runs) / 1e6:,.0f}"
        table.append(found)
    print_table(f"One CSV file, median of {REPETITIONS} runs in turn", table)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--csv", type=int, default=5_000_000)
    parser.add_argument("--memory", default="4GB")
    parser.add_argument("--child", nargs=argparse.REMAINDER)
    asked = parser.parse_args(arguments)
    if asked.child:
        what, folder, *rest = asked.child
        found = {"ingest": ingested, "land": landed}[what](Path(folder), *rest)
        sys.stdout.write("\n" + json.dumps(found) + "\n")
        return

    with scratch_folder() as name:
        if asked.csv:
            folder = name.resolve() / "csv" / "shop"
            write_csv(folder, asked.csv)
            compare_csv(folder, asked.csv, asked.memory)
            whole = child("ingest", str(folder), "events", "", asked.memory)
            print_table("The whole ingest of that file", [row("CSV", whole, folder)])
        if asked.events:
            folder = name.resolve() / "parquet" / "shop"
            write_days(folder, asked.events)
            table = [row("first ingest", child("ingest", str(folder), "first", "", asked.memory), folder)]
            table.append(row("nothing new", child("ingest", str(folder), "again", "first", asked.memory), folder))
            write_new_day(folder, asked.events)
            table.append(row("one new day", child("ingest", str(folder), "second", "again", asked.memory), folder))
            print_table(f"{asked.events:,} page events at {asked.memory}, {THREADS} threads", table)


if __name__ == "__main__":
    main()
