"""How a stage starts and how its errors end: one line, and the exit code of its kind."""

from __future__ import annotations

import sys
from collections.abc import Callable

from campaigns import ListError
from pipeline.errors import DataError, WafaError
from pipeline.progress import say
from sources import ContractError


def as_wafa_error(error: Exception) -> WafaError | None:
    """The user's mistake behind ``error``, or None where it is a fault of ours."""
    if isinstance(error, WafaError):
        return error
    if isinstance(error, ContractError | ListError):
        return DataError(str(error))
    return None


def run(main: Callable[[], None]) -> None:
    """Run a stage; a user's mistake ends in one line on standard error instead of a traceback."""
    try:
        main()
    except Exception as error:
        known = as_wafa_error(error)
        if known is None:
            raise
        sys.stderr.write(f"{known}\n")
        sys.exit(known.exit_code)


__all__ = ["as_wafa_error", "run", "say"]
