"""`wafa promote`."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.commands.options import settings_here
from pipeline.project.progress import say


def command(
    only_check: Annotated[bool, typer.Option("--check", help="Only say which gates the model passes.")] = False,
) -> None:
    """Make the model of the last training the champion that scores every night, if it passes every gate.

    It must be not worse than the champion, calibrated, of the present logs, and free of leaks; otherwise this ends
    with 3 and the champion stays. Limits: `promotion` in params.yaml.

    Examples: wafa promote    wafa promote --check
    """
    from pipeline.champion import champion
    from pipeline.project import run_pipeline

    with run_pipeline.hold_lock():
        champion.check_keys(settings_here())
        if only_check:
            champion.check(settings_here())
            say("promote: every gate passed; the champion stays as it is until `wafa promote`")
        else:
            say(f"champion: {champion.promote(settings_here())[:12]}")
