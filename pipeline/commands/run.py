"""`wafa run`."""

from __future__ import annotations

from pipeline.commands.options import settings_here
from pipeline.project.progress import say


def command() -> None:
    """Run every stage whose inputs changed, and promote the first model.

    A `dvc repro` that mends what a killed run left behind, and that no second run can disturb.

    Example: wafa run
    """
    from pipeline.champion import champion
    from pipeline.champion.champions import CHAMPIONS
    from pipeline.intake import snapshot_tables
    from pipeline.people import keys
    from pipeline.project import run_pipeline

    with run_pipeline.hold_lock():
        # Also here, because a run in which nothing changed ingests nothing.
        keys.in_force(settings_here(), adopt=True)
        snapshot_tables.run(settings_here())
        run_pipeline.repro()
        if not CHAMPIONS.is_there():
            champion.promote_first(settings_here())
    say("")
    for line in run_pipeline.what_to_open():
        say(line)
