"""`wafa tune`."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.commands.options import settings_here
from pipeline.project.progress import say


def command(
    trials: Annotated[int, typer.Option(min=1, help="Settings to have tried in all, earlier calls included.")] = 30,
    minutes: Annotated[float, typer.Option(min=0, help="Stop after so many minutes; 0 sets no limit.")] = 30,
    write: Annotated[bool, typer.Option("--write", help="Put the best settings into params.yaml.")] = False,
) -> None:
    """Look for better settings of the model, on origins older than every test origin.

    Each trial is fitted on purged cutoffs and judged at the origin after them, never on a random split of rows. It
    can be stopped at any time: the next call goes on, as long as data, features and question are the same.

    Examples: wafa tune --trials 50 --minutes 60    wafa tune --trials 50 --write
    """
    from pipeline.evaluation import tune_model
    from pipeline.project import run_pipeline

    with run_pipeline.hold_lock():
        for line in tune_model.tune(settings_here(), trials, minutes, write):
            say(line)
