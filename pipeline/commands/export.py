"""`wafa export`."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.commands.options import ListsOf, check_day, now, settings_here
from pipeline.project.progress import say


def command(
    name: Annotated[str, typer.Argument(metavar="LIST", help="A list that was approved.")],
    platform: Annotated[
        str, typer.Option("--platform", help="Whose files: klaviyo, mailchimp, brevo, listmonk, ... or parquet.")
    ] = "neutral",
    as_of: ListsOf = None,
) -> None:
    """Write the files to upload, after reading consent and suppression again, into state/outbox/LIST/DATE/PLATFORM/.

    Only who was approved leaves, and who was held out never does. Exporting again gives the same files, for another
    platform the same people; whoever opted out since is taken out of all of them.

    Examples: wafa export win_back    wafa export win_back --platform klaviyo --as-of 2026-01-01
    """
    from pipeline.intake import reading
    from pipeline.project import run_pipeline
    from pipeline.sending import export_list, live_facts

    s = settings_here()
    if as_of:
        check_day(s, as_of)
    with run_pipeline.hold_lock():
        # DVC may have restored data/events without running the stage that fills the vault.
        reading.ensure_vault(s)
        # params campaigns.check_clock decides whether it counts.
        exported = export_list.export(s, name, platform, now(), live_facts.checked(s, as_of))
    for line in export_list.told(exported):
        say(line)
