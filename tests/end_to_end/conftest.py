from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.project import SMALL, Project


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A small demo shop after `wafa run`; tests read it and leave it was."""
    project = Project(tmp_path_factory.mktemp("demo"))
    project.params(**SMALL)
    project.first_run = project.wafa("run")
    return project


@pytest.fixture
def copy_of_demo(demo: Project, tmp_path: Path) -> Project:
    """A copy of the demo that a test may change."""
    import shutil

    copy = object.__new__(Project)
    copy.folder = tmp_path / "copy"
    shutil.copytree(demo.folder, copy.folder, symlinks=True)
    return copy
