"""`wafa approve`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pipeline.commands.options import ListsOf, check_day, now, settings_here
from pipeline.project.errors import ParamsError
from pipeline.project.progress import say


def command(
    name: Annotated[str, typer.Argument(metavar="LIST", help="One of the lists that `wafa lists` names.")],
    as_of: ListsOf = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before approving.")] = False,
) -> None:
    """Show a list before it leaves, and reserve its people in the contact ledger.

    Shows how many would be written to and held out, what each guard left of them, who is new since the last time, and a
    sample. Export refuses a list that was not approved, or that was built again since. Approving it again changes
    nothing.

    Examples: wafa approve win_back    wafa approve win_back --as-of 2026-01-01 --yes
    """
    from pipeline.project import run_pipeline
    from pipeline.sending import approve_lists, live_facts

    s = settings_here()
    if as_of:
        check_day(s, as_of)
    with run_pipeline.hold_lock():
        places = live_facts.checked(s, as_of)
        for line in approve_lists.shown(s, name, places) + approve_lists.refusal(s, name, now(), places):
            say(line)
        if not yes and not approve_lists.is_approved(name, places):
            if not sys.stdin.isatty():
                raise ParamsError("wafa approve: nobody is there to confirm it. Add --yes.")
            if not typer.confirm(f"Approve {name}?"):
                say("approve: nothing was approved")
                return
        for line in approve_lists.told(name, approve_lists.approve(s, name, now(), places)):
            say(line)
