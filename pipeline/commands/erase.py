"""`wafa erase`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pipeline.commands.options import settings_here
from pipeline.project.errors import ParamsError
from pipeline.project.progress import say


def command(
    customers: Annotated[
        list[str], typer.Argument(metavar="CUSTOMER...", help="Own ids, addresses or pseudonyms of who asked for it.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before erasing.")] = False,
    keep_raw: Annotated[
        bool, typer.Option("--keep-raw", help="Leave the shop's own files alone; every ingest skips their records.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Keep people out of whom nothing is here yet.")] = False,
) -> None:
    """Remove people from the shop's files, the vault, every output, cache and list, and keep them from coming back.

    Everything below data/ is deleted and made again by the next `wafa run`. Ends with what it could not reach.

    Examples: wafa erase 1017    wafa erase anna@example.com c_0a1b2c3d4e5f60718293a4b5 --yes
    """
    from pipeline.privacy import erase as erasure
    from pipeline.project import run_pipeline

    with run_pipeline.hold_lock():
        s = settings_here()
        found = erasure.whom(s, customers, force)
        if not yes:
            if not sys.stdin.isatty():
                raise ParamsError("wafa erase: nobody is there to confirm it. Add --yes.")
            if not typer.confirm(f"Erase {found.asked} people? It cannot be undone"):
                say("erase: nothing was erased")
                return
        for line in erasure.erase(s, found, keep_raw):
            say(line)
        if found.unknown:
            raise erasure.unknown(found)
