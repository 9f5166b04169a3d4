"""The order in which two workers take the files of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Begin with what takes longest, so that no worker is left with it at the end; the rest stays shuffled."""
    yield
    items.sort(key=lambda item: item.path.parent.name != "end_to_end")
