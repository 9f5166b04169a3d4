"""`wafa explain`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from pipeline.commands.options import settings_here
from pipeline.project.progress import say


def command(
    customer: Annotated[str, typer.Argument(help="The shop's own id, an address or a pseudonym.")],
    language: Annotated[Literal["en", "ur"], typer.Option(help="Language of the reasons.")] = "en",
) -> None:
    """Say how likely a customer is to leave, and why.

    Examples: wafa explain c_0a1b2c3d4e5f60718293a4b5    wafa explain 1017 --language ur
    """
    from pipeline.people import explain_customer

    for line in explain_customer.explain(settings_here(), customer, language):
        say(line)
