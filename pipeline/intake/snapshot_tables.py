"""Before an ingest: tables of a database become files below ``sources.path``, where DVC sees that they changed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from pipeline.project import datasets
from pipeline.project.errors import ParamsError
from pipeline.project.progress import doing, say
from pipeline.project.settings import Settings
from sources import database
from sources.checking import Log
from sources.settings import SNAPSHOT


def run(s: Settings) -> None:
    """Read every table that params name, all as of one moment, into files that only their owner may read.

    The files of before stay until all are there. Without such a table nothing is done. The caller holds the lock.

    Raises:
        ParamsError: the connection string is not set, or there is no folder of the shop's own to write into.
        ContractError: the database cannot be reached, or a table cannot be read.
    """
    tables = s.sources.tables
    if not tables:
        return
    root = Path(s.sources.path)
    if s.demo:
        raise ParamsError("params.yaml: demo simulates the shop, so no log can be a table. Set demo: [].")
    if root.is_file():
        raise ParamsError(
            f"params.yaml: sources.path is a file, {root}; name the folder into which tables are written."
        )
    variable = s.sources.database.url_from
    url = os.environ.get(variable, "")
    if not url:
        raise ParamsError(
            f"{variable} is not set (sources.database.url_from). "
            "Set it to the connection string, such as postgresql://user@host:5432/database."
        )
    for left in root.glob(f".{SNAPSHOT}.*"):  # of a run that was killed
        shutil.rmtree(left, ignore_errors=True)
    logs = [Log(name, log, log.timezone or s.shop.timezone, s.sources.currency) for name, log in sorted(tables.items())]
    with doing("reading the database") as now, datasets.replace_folder(root / SNAPSHOT) as draft:
        draft.chmod(0o700)
        rows = database.snapshot(url, logs, draft, timeout_seconds=s.sources.database.timeout_seconds, progress=now)
    for name, count in rows.items():
        say(f"{name}: {count:,} rows of the table {tables[name].table}")
