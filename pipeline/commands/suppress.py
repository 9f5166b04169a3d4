"""`wafa suppress`."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.commands.options import now, settings_here
from pipeline.project.progress import say


def command(
    customers: Annotated[
        list[str],
        typer.Argument(metavar="EMAIL_OR_ID...", help="Addresses, own ids or pseudonyms, as they are pasted."),
    ],
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record; no names or addresses.")] = "opt_out",
) -> None:
    """Record an opt-out received outside the logs; it counts at once, for every list, before the next ingest.

    Files that were exported before are named; export them again before they are uploaded. Of several, all are noted
    or none.

    Examples: wafa suppress anna@example.com    wafa suppress "Anna <anna@example.com>, ben@example.com"

    wafa suppress 1017 --reason "asked by phone"
    """
    from pipeline.sending import suppress as suppression

    # Takes no lock of the run: an opt-out waits for nothing but an export that is being written down.
    for line in suppression.suppress(settings_here(), customers, reason, now()):
        say(line)
