"""What several commands are told, and the clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.project.errors import ParamsError

if TYPE_CHECKING:
    from pipeline.project.settings import Settings

Day = Annotated[str, typer.Option("--as-of", help="Score as known just before this day, YYYY-MM-DD.")]
ListsOf = Annotated[
    str | None, typer.Option("--as-of", help="The list of this nightly run instead of the last `wafa run`.")
]


def settings_here() -> Settings:
    """The settings of the project in this folder."""
    from pipeline.project import settings

    return settings.load()


def now() -> int:
    """The instant that the clock shows; no other place reads it."""
    return int(datetime.now(UTC).timestamp() * 1_000_000)  # noqa: TID251  # the one place that may


def check_day(s: Settings, text: str) -> int:
    """The instant of a day that was typed.

    Raises:
        ParamsError: It is none.
    """
    try:
        return int(s.instant(text))
    except ValueError as error:
        raise ParamsError(f"--as-of: {error}.") from None
