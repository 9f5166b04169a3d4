"""`wafa lists`."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.commands.options import ListsOf, check_day, settings_here
from pipeline.project.progress import say


def command(
    name: Annotated[str | None, typer.Argument(metavar="[LIST]", help="Only this list, in detail.")] = None,
    why: Annotated[
        str | None,
        typer.Option(
            "--why",
            metavar="PERSON",
            help="Why this person (own id, e-mail address or pseudonym) is or is not on each.",
        ),
    ] = None,
    as_of: ListsOf = None,
) -> None:
    """Show how many people are on each list, what it is worth, and whom each guard stops.

    Examples: wafa lists    wafa lists win_back    wafa lists --why anna@example.com

    wafa lists win_back --why 1017 --as-of 2026-01-01
    """
    from pipeline.sending import show_lists

    s = settings_here()
    if as_of:
        check_day(s, as_of)
    if why is not None:
        told = show_lists.why(s, why, name, as_of)
    else:
        told = show_lists.overview(s, as_of) if name is None else show_lists.detail(s, name, as_of)
    for line in told:
        say(line)
