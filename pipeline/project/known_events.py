"""The events on one machine, as they were known at one instant, whatever engine the features run on."""

from __future__ import annotations

from pathlib import Path

import duckdb

from campaigns import known
from events.logs import LOGS, arrow_schema
from pipeline.project import datasets, engine, settings


def open_events(s: settings.Settings, events_dir: Path, cutoff: int) -> duckdb.DuckDBPyConnection:
    """A connection on which every canonical log shows what was known before ``cutoff``."""
    db: duckdb.DuckDBPyConnection = engine.connect_embedded(s.engine).con
    files = {log: [str(file) for file in datasets.event_files(events_dir, log)] for log in LOGS}
    known.open_logs(db, files, {log: arrow_schema(log) for log in LOGS}, cutoff, s.shop.timezone)
    return db
