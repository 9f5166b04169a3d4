"""Which past may teach a model: labels that overlap a test window are purged."""

from __future__ import annotations

from collections.abc import Sequence

from timeline import Window


def complete_before(cutoffs: Sequence[int], origin: int, gap_days: int, horizon_days: int) -> list[int]:
    """The ``cutoffs`` whose label window had ended at ``origin``, ascending: what could be known then."""
    return sorted(t for t in cutoffs if Window.label(t, gap_days, horizon_days).is_complete(origin))


CALIBRATION_ORIGINS = 4
"""With three months between two of them they span a year, so that no single season sets the base rate."""


def calibration_origins(cutoffs: Sequence[int], origin: int, gap_days: int, horizon_days: int, step: int) -> list[int]:
    """The newest cutoff complete before ``origin`` and every ``step``-th before it, at most four, ascending.

    A calibration origin needs a purged training cutoff of its own.
    """
    known = complete_before(cutoffs, origin, gap_days, horizon_days)
    usable = [t for t in known if complete_before(cutoffs, t, gap_days, horizon_days)]
    return sorted(usable[::-1][::step][:CALIBRATION_ORIGINS])
