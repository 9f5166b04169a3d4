"""The order in which two workers take the files of tests, and how many threads each has."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

# Two workers on two cores: threads that wait for each other cost a multiple of the work. Stages inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Begin with what takes longest, so that no worker is left with it at the end; the rest stays shuffled."""
    yield
    items.sort(key=lambda item: item.path.parent.name != "end_to_end")
