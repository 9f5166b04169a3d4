"""How a stage starts and how its errors end: one line, and the exit code of its kind."""

from __future__ import annotations

import sys
from collections.abc import Callable

from campaigns import ListError, RecipeError, StaleListError
from pipeline import datasets
from pipeline.errors import DataError, ParamsError, StaleError, WafaError
from sources import ContractError


def as_wafa_error(error: Exception) -> WafaError | None:
    """The user's mistake behind ``error``, or None where it is a fault of ours."""
    if isinstance(error, WafaError):
        return error
    if isinstance(error, StaleListError):
        return StaleError(str(error))
    if isinstance(error, RecipeError):
        return ParamsError(str(error))
    if isinstance(error, ContractError | ListError):
        return DataError(str(error))
    return None


def run(main: Callable[[], None]) -> None:
    """Run a stage; a user's mistake ends in one line on standard error instead of a traceback."""
    datasets.EXIT_CODE.unlink(missing_ok=True)
    try:
        main()
    except Exception as error:
        known = as_wafa_error(error)
        if known is None:
            raise
        datasets.private_folder(datasets.STATE)
        datasets.write_text(str(known.exit_code), datasets.EXIT_CODE)
        sys.stderr.write(f"{known}\n")
        sys.exit(known.exit_code)
