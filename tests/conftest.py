"""How two workers share the tests."""

from __future__ import annotations

from pathlib import Path

import pytest

TOGETHER = {"end_to_end", "models", "pipeline", "simulation"}
"""Folders whose tests share something made once: their tests stay with one worker."""


# After pytest-randomly has shuffled (it comes first), and before pytest-xdist reads the groups (it comes last).
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep together what shares a fixture, and begin with what takes longest."""
    tests = Path(__file__).parent
    for item in items:
        folder = item.path.relative_to(tests).parts[0]
        shared = folder if folder in TOGETHER else "spark" if item.path.name == "test_spark.py" else None
        if shared:
            item.add_marker(pytest.mark.xdist_group(shared))
    items.sort(key=lambda item: item.path.parent.name != "end_to_end")
