"""What the benchmarks of the feature engine share: the shop they read, the engine on it, and the table they print."""

from __future__ import annotations

import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ibis

from benchmarks.features.shop import write_shop
from events.logs import LOGS
from features import CATALOGUE, MatrixBuilder, logs_behind
from features.settings import FeatureSettings

SCRATCH = Path("build/bench")
SETTINGS = FeatureSettings(windows_days=(30, 90, 365), history_days=1095)
THREADS = 2


def shop(customers: int, events: int) -> Path:
    """The folder of a shop of that size, made unless it is there."""
    folder = SCRATCH / f"shop-{customers}-{events}"
    if not folder.is_dir():
        draft = folder.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        write_shop(draft, customers, events)
        draft.rename(folder)
    return folder


def size(folder: Path) -> int:
    """Bytes of all files below ``folder``."""
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except FileNotFoundError:  # DuckDB removes files of the spill folder while we look.
            continue
    return total


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """An empty folder that is gone afterwards."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=SCRATCH) as name:
        yield Path(name)


@contextmanager
def connection(folder: Path, memory: str, spill: Path) -> Iterator[Any]:
    """A fresh connection whose views are the logs of the shop in ``folder``; it spills to ``spill``."""
    database = ibis.duckdb.connect(memory_limit=memory, threads=THREADS, temp_directory=str(spill))
    for log in LOGS:
        if any((folder / log).glob("*.parquet")):
            database.raw_sql(f"CREATE VIEW {log} AS SELECT * FROM read_parquet('{folder / log}/*.parquet')")
    yield database
    database.disconnect()


def table_names(database: Any) -> list[str]:
    """Names of all views and tables."""
    return sorted(database.raw_sql("SELECT table_name FROM information_schema.tables").df()["table_name"])


def builder(database: Any) -> MatrixBuilder:
    """The product's builder over the views of :func:`connection`."""
    wanted = set().union(*(logs_behind(entry.view) for entry in CATALOGUE.values()))
    logs = [log for log in LOGS if log in wanted and log in table_names(database)]
    return MatrixBuilder({log: database.table(log) for log in logs}, SETTINGS, database)


def customer_ids(database: Any) -> list[str]:
    """The ids of all customers, ascending."""
    ids: list[str] = database.raw_sql("SELECT customer_id FROM customers ORDER BY 1").df()["customer_id"].tolist()
    return ids


def print_table(title: str, rows: Sequence[Mapping[str, str]]) -> None:
    """Print ``rows`` as Markdown under ``title``, with what they were measured on."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout
    names = list(rows[0])
    print(f"\n{title}; commit {commit.strip()}, DuckDB {version('duckdb')}, Python {platform.python_version()}\n")
    for line in (names, ["---"] * len(names), *(row.values() for row in rows)):
        print("| " + " | ".join(line) + " |", flush=True)
