"""Shares with what must stand beside them: how many of how many, an interval, and how they stand to a limit."""

from __future__ import annotations

import math
from typing import Any, Literal

Level = Literal["over", "near", "fine", "few", "unknown", "silent"]

LEAST_HITS = 3
"""One or two angry readers are no rate."""
_Z = 1.959963984540054


def wilson(hits: float, of: float) -> tuple[float, float]:
    """The 95 % Wilson interval of the share ``hits / of``; (0, 1) of nothing."""
    if of <= 0:
        return 0.0, 1.0
    share = min(hits / of, 1.0)
    middle = share + _Z * _Z / (2 * of)
    spread = _Z * math.sqrt(share * (1 - share) / of + _Z * _Z / (4 * of * of))
    scale = 1 + _Z * _Z / of
    # At the ends the formula gives exactly 0 and 1; floating point does not.
    low = 0.0 if hits <= 0 else (middle - spread) / scale
    return low, 1.0 if hits >= of else (middle + spread) / scale


def level(hits: int, of: int, aim: float, limit: float) -> Level:
    """How a rate stands to its limit; ``few`` where there are too few mails to tell."""
    if of <= 0:
        return "unknown"
    low, high = wilson(hits, of)
    if hits >= aim * of and hits < LEAST_HITS:
        return "few"
    if hits >= aim * of:
        if low >= aim:
            return "over" if hits >= limit * of else "near"
        return "near" if high < limit else "few"
    return "fine" if high < limit else "few"


def rate(hits: int, of: int, limits: tuple[float, float] | None = None) -> dict[str, Any]:
    """A share with all that it needs beside it: hits, of, share, low, high, and its level where there are limits."""
    low, high = wilson(hits, of)
    found = {"hits": hits, "of": of, "share": hits / of if of else None, "low": low, "high": high}
    return found | ({"level": level(hits, of, *limits)} if limits else {})
