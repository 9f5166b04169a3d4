"""The embedded database behind one Ibis connection: memory limit, threads and spill folder come from params."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ibis

from pipeline import datasets
from pipeline.settings import EngineSettings


def connect(settings: EngineSettings) -> Any:
    """A fresh in-memory DuckDB connection; what does not fit spills to state/."""
    return ibis.duckdb.connect(
        memory_limit=settings.memory_limit,
        threads=settings.threads,
        temp_directory=str(datasets.private_folder(datasets.SPILL)),
    )


def event_tables(connection: Any, folder: Path, logs: list[str]) -> dict[str, Any]:
    """The event tables of ``logs`` below ``folder``; logs that the shop does not have are left out."""
    tables: dict[str, Any] = {}
    for log in logs:
        files = datasets.event_files(folder, log)
        if files:
            rows = connection.read_parquet([str(file) for file in files])
            tables[log] = connection.create_table(log, rows, temp=True, overwrite=True)
    return tables
