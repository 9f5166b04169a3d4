"""What a score of this project means."""

from __future__ import annotations

from typing import Any

from pipeline.project.settings import Settings


def asked_for(s: Settings) -> dict[str, Any]:
    """What a score of this model means: the shop, the question, and the windows of its columns."""
    c = s.cohort
    return {
        "shop": s.shop.name,
        "horizon_days": c.horizon_days,
        "gap_days": c.gap_days,
        "active_days": c.active_days,
        "windows_days": list(s.features.windows_days),
        "history_days": s.features.history_days,
    }
