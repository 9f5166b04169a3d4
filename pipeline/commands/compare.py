"""`wafa compare`."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.commands.options import settings_here
from pipeline.project.progress import say


def command(
    first: Annotated[str, typer.Argument(metavar="EXP", help="An experiment, branch, tag or commit.")],
    second: Annotated[
        str, typer.Argument(metavar="EXP", help="Beside which; `workspace` is the working tree.")
    ] = "workspace",
) -> None:
    """Say what changed between two experiments, and whether the difference in quality is real.

    Both are judged on the customers and origins that both predicted; nothing is trained.

    Examples: wafa compare more-trees    wafa compare more-trees main
    """
    from pipeline.evaluation import compare_experiments

    for line in compare_experiments.told(settings_here(), first, second):
        say(line)
