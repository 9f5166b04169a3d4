"""Every call of our own code as a step at which a test may do something."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

OURS = ("/campaigns/", "/pipeline/")


@contextmanager
def at_steps(actions: dict[int, Callable[[], None]]) -> Iterator[list[int]]:
    """Call ``actions`` (by number of the step, from 1) while the block runs; gives a list that holds the steps seen."""
    seen = [0]

    def step(frame: FrameType, event: str, argument: Any) -> None:
        if event != "call" or not any(part in frame.f_code.co_filename for part in OURS):
            return
        if "/tests/" in frame.f_code.co_filename:
            return
        seen[0] += 1
        if seen[0] in actions:
            sys.setprofile(None)
            actions[seen[0]]()
            sys.setprofile(step)

    before = sys.getprofile()
    sys.setprofile(step)
    try:
        yield seen
    finally:
        sys.setprofile(before)
