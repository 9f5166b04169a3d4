"""`wafa rekey`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.options import settings_here
from pipeline.project.errors import ParamsError
from pipeline.project.progress import say


def command(
    old: Annotated[
        Path | None, typer.Option("--old", help="File of the old key, unless it is below state/keys/.")
    ] = None,
    drop: Annotated[
        str | None,
        typer.Option("--drop", metavar="FINGERPRINT", help="Delete an old key that no pseudonym needs any longer."),
    ] = None,
) -> None:
    """Change the key of the pseudonyms: carry opt-outs, contacts and erasures over to the key of sources.key_id.

    People whom neither vault nor files hold keep their old pseudonyms, and the old key is kept below state/keys/old/
    to recognise them later. Everything below data/ and state/batch/ is deleted; `wafa run` makes data/ again. After a
    kill the next call finishes the change; until then every other command ends with 3.

    Examples: wafa rekey    wafa rekey --old backup/my_shop.key    wafa rekey --drop 0123456789abcdef
    """
    if old is not None and drop is not None:
        raise ParamsError("wafa rekey: --old and --drop do not go together. Leave one of them out.")
    from pipeline.privacy import rekey as change
    from pipeline.project import run_pipeline

    with run_pipeline.hold_lock():
        for line in change.rekey(settings_here(), old) if drop is None else change.drop(settings_here(), drop):
            say(line)
