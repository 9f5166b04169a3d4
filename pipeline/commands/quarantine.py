"""`wafa quarantine`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.options import now, settings_here
from pipeline.project.progress import say


def command(
    log: Annotated[str, typer.Option("--log", help="Only rows of this log, such as orders.")] = "",
    rule: Annotated[str, typer.Option("--rule", help="Only rows refused under this rule.")] = "",
    show: Annotated[int, typer.Option(min=0, help="Print so many raw lines; they hold ids and addresses.")] = 0,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write the rows with their raw lines to this CSV file.")
    ] = None,
) -> None:
    """List the rows that were set aside: log, rule, file, first place, and what to do.

    After the source file is mended, `wafa run` reads it again; nothing else is needed. Lines that no ingest has
    confirmed for sources.quarantine_days are deleted first.

    Examples: wafa quarantine    wafa quarantine --rule missing_id --show 5

    wafa quarantine --output state/refused.csv
    """
    from pipeline.intake import quarantine as refused
    from pipeline.project import run_pipeline

    s = settings_here()
    with run_pipeline.hold_lock():
        gone = refused.expire(s.sources.quarantine_days, now())
        if gone:
            say(f"quarantine: nothing was read for {s.sources.quarantine_days} days; lines deleted of {gone:,} log(s)")
        if output is not None:
            written = refused.write_csv(output, log, rule)
            say(f"quarantine: {written:,} row(s) in {output}. It holds raw lines: keep it private, and delete it")
            return
        for line in refused.told(log, rule, show):
            say(line)
