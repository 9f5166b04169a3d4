"""`wafa horizon`."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.commands.options import settings_here
from pipeline.project.progress import say


def command(
    accept: Annotated[
        float | None,
        typer.Option(min=0.01, max=0.99, help="Share of those called churned who may come back; else as in params."),
    ] = None,
    follow_up: Annotated[
        int | None, typer.Option(min=1, max=1460, help="Days after the horizon in which they may; else as in params.")
    ] = None,
) -> None:
    """Say whom each horizon would have called churned, how many of them came back, and recommend one.

    Reads data/events; nothing is trained and nothing is written.

    Examples: wafa horizon    wafa horizon --accept 0.25    wafa horizon --follow-up 90
    """
    from pipeline.evaluation import advise_horizon

    for line in advise_horizon.told(settings_here(), accept, follow_up):
        say(line)
