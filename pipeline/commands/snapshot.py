"""`wafa snapshot`."""

from __future__ import annotations

from pipeline.commands.options import settings_here
from pipeline.project.errors import ParamsError


def command() -> None:
    """Read the tables that params name from the database into files below sources.path, all as of one moment.

    `wafa run`, `wafa score` and `wafa check` do so themselves; `dvc repro` and experiments take what was read last.

    Example: wafa snapshot
    """
    from pipeline.intake import snapshot_tables
    from pipeline.project import run_pipeline

    s = settings_here()
    if not s.sources.tables:
        raise ParamsError("wafa snapshot: no log in params.yaml names a table. See sources.logs.")
    with run_pipeline.hold_lock():
        snapshot_tables.run(s)
