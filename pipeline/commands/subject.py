"""`wafa subject`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.options import settings_here
from pipeline.project.progress import say


def command(
    customer: Annotated[str, typer.Argument(help="Own id, address or pseudonym.")],
    output: Annotated[
        Path | None, typer.Option("--output", help="Write it as JSON into this file, for its owner alone, instead.")
    ] = None,
) -> None:
    """Show everything held about a person, in every log, score, list, file to upload and line set aside.

    Examples: wafa subject 1017    wafa subject anna@example.com --output state/answer.json
    """
    from pipeline.privacy import subject as person

    told = person.held(settings_here(), customer)
    if output is None:
        for line in person.lines(told):
            say(line)
    else:
        person.write(told, output)
        say(f"subject: written to {output}, which only you may read; delete it when it has served")
