"""A shop's files through the real stages, as the laws of restriction ask for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest


@dataclass(frozen=True)
class Outcome:
    """Who may be written to; where export as a whole is refused, why, and then nobody is."""

    people: frozenset[str]
    """The shop's own ids, and the addresses of people known by address alone."""
    refused: str = ""


class Contactable(Protocol):
    """Facts: ``as_of`` and ``min_age`` of params; ``suppressed`` and ``erased``, the names noted by command."""

    def __call__(self, folder: Path, sources: dict[str, Any], **facts: Any) -> Outcome: ...


def contactable(folder: Path, sources: dict[str, Any], **facts: Any) -> Outcome:
    """Whom the lists may name, given the files in ``folder`` and the ``sources`` section of params."""
    pytest.skip("no shop to ask yet")
