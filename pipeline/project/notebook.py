"""How a notebook finds the project, wherever it was opened."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.project import datasets, settings
from pipeline.project.errors import ParamsError
from pipeline.project.settings import Settings


class NothingToReadError(ParamsError):
    """What a notebook asks for is not there; it shows the message alone."""

    def _render_traceback_(self) -> list[str]:
        # IPython prints these lines in place of a traceback.
        return [str(self)]


def open_project(*needed: Path) -> Settings:
    """The settings of the project, whose top folder becomes the current one.

    A notebook starts in the folder that it lies in, and every path of the project begins at the top.

    Raises:
        NothingToReadError: There is no project here or above, or one of the files ``needed`` was not made yet.
    """
    here = Path.cwd()
    top = next((folder for folder in (here, *here.parents) if (folder / datasets.PARAMS).is_file()), None)
    if top is None:
        raise NothingToReadError(
            f"There is no {datasets.PARAMS} in {here.name}/ or above. Open this notebook inside a clone of the project."
        )
    os.chdir(top)
    missing = [path for path in needed if not path.exists()]
    if missing:
        raise NothingToReadError(
            f"{missing[0].as_posix()} is not there yet. Run `make run` in {top.name}/ first, then this cell again."
        )
    return settings.load()
