"""How two workers share the tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

TOGETHER = {"end_to_end", "models", "pipeline", "simulation"}
"""Folders whose tests share something made once: their tests stay with one worker."""


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Keep together what shares a fixture, and begin with what takes longest."""
    tests = Path(__file__).parent
    for item in items:
        folder = item.path.relative_to(tests).parts[0]
        shared = folder if folder in TOGETHER else "spark" if item.path.name == "test_spark.py" else None
        if shared:
            item.add_marker(pytest.mark.xdist_group(shared))
    # Within, pytest-randomly shuffles, and pytest-xdist reads the groups.
    yield
    items.sort(key=lambda item: item.path.parent.name != "end_to_end")
