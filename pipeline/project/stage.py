"""How a stage starts and how its errors end: one line, and the exit code of its kind."""

from __future__ import annotations

import errno
import sqlite3
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from campaigns import ListError, RecipeError, StaleListError
from models.errors import LearningError
from pipeline.project import datasets
from pipeline.project.errors import DataError, ParamsError, StaleError, WafaError
from sources import ContractError, disk

_FAULTS = {
    errno.ENOSPC: ("the disk is full", "Make room (`df -h .` shows how much there is)"),
    errno.EDQUOT: ("the quota of this user is used up", "Make room, or have the quota raised"),
    errno.EROFS: ("the file system is read-only", "Make it writable"),
    errno.EFBIG: ("a file may not grow that large", "Raise the limit (`ulimit -f` shows it)"),
    errno.EIO: (
        "the disk accepts no more data",
        "See whether it is full (`df -h .`), limited (`ulimit -f`) or failing",
    ),
    errno.EACCES: ("this user may not read or write there", "Give this user the right to"),
    errno.EPERM: ("this user may not do that there", "Give this user the right to"),
}


def as_wafa_error(error: Exception) -> WafaError | None:
    """The user's mistake behind ``error``, or None where it is a fault of ours."""
    if isinstance(error, WafaError):
        return error
    if isinstance(error, StaleListError):
        return StaleError(str(error))
    if isinstance(error, RecipeError):
        return ParamsError(str(error))
    if isinstance(error, ContractError | ListError | LearningError):
        return DataError(str(error))
    return _of_disk(error)


def _of_disk(error: BaseException) -> StaleError | None:
    """The error to show where the disk is at fault, also where cleaning up failed after it."""
    fault, number = error, disk.number_of(error)
    while number is None:
        behind = getattr(fault, "orig", None) or fault.__cause__ or fault.__context__
        if not isinstance(behind, BaseException):
            return None
        fault, number = behind, disk.number_of(behind)
        # A denied attempt may have been answered in another way; a full disk never is.
        number = number if number in disk.FULL else None
    place = getattr(fault, "filename", None)
    where = _short(place) if isinstance(place, str) else "a database" if isinstance(fault, sqlite3.Error) else "a file"
    said, cure = _FAULTS[number]
    return StaleError(
        f"{_command()}: {where}: {said}, so it stopped; no file is half-written. {cure}, then call it again."
    )


def _command() -> str:
    program = Path(sys.argv[0]).stem
    return program if program not in {"wafa", "cli"} else " ".join(["wafa", *sys.argv[1:2]])


def _short(place: str) -> str:
    path, home = Path(place), Path.cwd()
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else place


def run(main: Callable[[], None]) -> None:
    """Run a stage; a user's mistake ends in one line on standard error instead of a traceback."""
    try:
        datasets.EXIT_CODE.unlink(missing_ok=True)
        main()
    except Exception as error:
        known = as_wafa_error(error)
        if known is None:
            raise
        with suppress(OSError):  # a full disk must not hide its own message
            datasets.private_folder(datasets.STATE)
            datasets.write_text(str(known.exit_code), datasets.EXIT_CODE)
        sys.stderr.write(f"{known}\n")
        sys.exit(known.exit_code)
