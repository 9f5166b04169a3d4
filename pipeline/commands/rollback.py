"""`wafa rollback`."""

from __future__ import annotations

from pipeline.commands.options import settings_here
from pipeline.project.progress import say


def command() -> None:
    """Make the previous champion the champion again, at once; the next scores are its scores, byte for byte.

    Example: wafa rollback
    """
    from pipeline.champion import champion
    from pipeline.project import run_pipeline

    with run_pipeline.hold_lock():
        champion.check_keys(settings_here())
        model_hash = champion.rollback()
    say(f"champion: back to {model_hash[:12]}")
