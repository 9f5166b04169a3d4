"""`wafa check`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from pipeline.commands.options import settings_here
from pipeline.project.errors import ParamsError
from pipeline.project.progress import say


def command(
    leaks: Annotated[
        bool, typer.Option("--leaks", help="Prove that no feature knows what a cutoff cannot know.")
    ] = False,
    customers: Annotated[
        int | None, typer.Option(min=0, help="With --leaks: so many customers per cutoff (2,000); 0 takes all.")
    ] = None,
    all_cutoffs: Annotated[
        bool, typer.Option("--all-cutoffs", help="With --leaks: every training cutoff, not three of them.")
    ] = False,
) -> None:
    """Say what is wrong with the logs, the worst first, and whether they are enough for a model.

    Each line of damage has the log, the rows, the rule, the first place as file:line:column, and what to do. Nothing
    below data/ changes, and neither do the vault and the quarantine.

    With --leaks: rows from the future and rows that arrive late are added to every log of data/events; no cell of
    any feature may change. Writes data/evaluation/leak_certificate.json and ends with 3 when a feature leaks.

    Examples: wafa check    wafa check --leaks    wafa check --leaks --customers 0 --all-cutoffs
    """
    if not leaks and (customers is not None or all_cutoffs):
        raise ParamsError("wafa check: --customers and --all-cutoffs belong to --leaks. Add it, or leave them out.")
    from pipeline.evaluation import check_leaks
    from pipeline.intake import check_data, snapshot_tables
    from pipeline.project import run_pipeline

    s = settings_here()
    with run_pipeline.hold_lock():
        if leaks:
            most = check_leaks.CUSTOMERS if customers is None else customers
            told: Iterable[str] = check_leaks.certify(s, most, all_cutoffs)
        else:
            snapshot_tables.run(s)
            told = check_data.check(s)
        for line in told:
            say(line)
