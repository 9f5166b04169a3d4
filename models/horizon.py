"""What each horizon would call churn, and how many of those it calls lost come back: numbers to choose one by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from models.classifier import Floats
from timeline import Window

CANDIDATES = (30, 45, 60, 90, 120, 180, 365)
"""Horizons in days that a shop may think of; its own stands beside them."""

QUANTILES = (50, 80, 90, 95)


def counts_at(
    next_order: Floats, cutoff: int, gap_days: int, horizons: Sequence[int], follow_up_days: int, known_until: int
) -> list[dict[str, int]]:
    """One row per horizon that the data can carry at ``cutoff``, shortest first.

    Whoever is labelled churned is watched for ``follow_up_days`` after the label window, the same for every horizon.

    Args:
        next_order: For each eligible customer the instant of the first order after the gap; NaN where there was none.
        cutoff: Instant.
        gap_days: From the cutoff to the label window.
        horizons: Lengths of the label window, in days.
        follow_up_days: Days of watching.
        known_until: The data are complete before this instant.

    Returns:
        horizon_days, customers, churned, came_back (within the follow-up), came_back_by_end (before ``known_until``).
    """
    rows = []
    for horizon in sorted(set(horizons)):
        label = Window.label(cutoff, gap_days, horizon)
        watched = Window.label(label.end, 0, follow_up_days)
        if not watched.is_complete(known_until):
            continue
        rows.append(
            {
                "horizon_days": horizon,
                "customers": len(next_order),
                "churned": int((~label.contains(next_order)).sum()),
                "came_back": int(watched.contains(next_order).sum()),
                "came_back_by_end": int(Window(label.end, known_until).contains(next_order).sum()),
            }
        )
    return rows


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 6) if whole else None


def with_shares(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of :func:`counts_at` with the share labelled churned, and the shares of those who came back."""
    return {
        **row,
        "churned_share": _share(row["churned"], row["customers"]),
        "came_back_share": _share(row["came_back"], row["churned"]),
        "came_back_by_end_share": _share(row["came_back_by_end"], row["churned"]),
    }


def by_horizon(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row per horizon over all cutoffs that carry it: counts added up, and the range over the cutoffs."""
    result = []
    for horizon in sorted({int(row["horizon_days"]) for row in rows}):
        part = [row for row in rows if row["horizon_days"] == horizon]
        counted = ("customers", "churned", "came_back", "came_back_by_end")
        added = with_shares({name: sum(int(row[name]) for row in part) for name in counted})
        each = [share for row in part if (share := _share(row["came_back"], row["churned"])) is not None]
        span = {"lowest": min(each, default=None), "highest": max(each, default=None)}
        result.append({"horizon_days": horizon, "cutoffs": len(part), **added, **span})
    return result


def shortest_accepted(horizons: Sequence[Mapping[str, Any]], accepted: float) -> int | None:
    """The shortest horizon of which at most the share ``accepted`` came back; None where there is none.

    Shorter is better as long as it is true: a shop learns of it sooner.
    """
    reached = [
        int(row["horizon_days"])
        for row in horizons
        if row["came_back_share"] is not None and row["came_back_share"] <= accepted
    ]
    return min(reached, default=None)


def _first_day_at(days: Floats, share: Floats, percent: int) -> int | None:
    reached = share >= percent / 100 - 1e-12
    return int(days[reached][0]) if reached.any() else None


def gap_quantiles(gaps: pd.DataFrame) -> dict[str, Any]:
    """Quantiles of the days between two orders of a customer, in two ways.

    ``finished`` knows only gaps that an order ended, and is too short: the long ones have not ended yet.
    ``with_open`` is the Kaplan–Meier estimate: the gap since the last order counts as open, so its quantiles are
    those of the time until the next order, None where so many have never been seen to order again.

    Args:
        gaps: Columns days (whole), finished (whether an order ended the gap) and gaps (how many of them).
    """
    table = gaps.pivot_table(index="days", columns="finished", values="gaps", aggfunc="sum", fill_value=0).sort_index()
    table = table.reindex(columns=[True, False], fill_value=0)
    days, ended, still_open = table.index.to_numpy(), table[True].to_numpy(), table[False].to_numpy()
    waiting = (ended + still_open)[::-1].cumsum()[::-1]
    no_order_yet = np.cumprod(1 - ended / np.maximum(waiting, 1))
    finished = np.cumsum(ended) / max(int(ended.sum()), 1)
    return {
        "finished": {"gaps": int(ended.sum())} | {str(q): _first_day_at(days, finished, q) for q in QUANTILES},
        "with_open": {"gaps": int(ended.sum() + still_open.sum())}
        | {str(q): _first_day_at(days, 1 - no_order_yet, q) for q in QUANTILES},
    }
