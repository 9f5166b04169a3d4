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


def share_ordered_again(gaps: pd.DataFrame) -> pd.DataFrame:
    """One row per number of days: which share of the gaps an order had ended by then, in two ways.

    ``finished`` knows only gaps that an order ended, and is too high: the long ones have not ended yet.
    ``with_open`` is the Kaplan–Meier estimate: the gap since the last order counts as open, and those who never order
    again keep it below 1.

    Args:
        gaps: Columns days (whole), finished (whether an order ended the gap) and gaps (how many of them).

    Returns:
        Columns days, ended and still_open (how many gaps), finished and with_open (shares).
    """
    table = gaps.pivot_table(index="days", columns="finished", values="gaps", aggfunc="sum", fill_value=0).sort_index()
    table = table.reindex(columns=[True, False], fill_value=0)
    ended, still_open = table[True].to_numpy(), table[False].to_numpy()
    waiting = (ended + still_open)[::-1].cumsum()[::-1]
    return pd.DataFrame(
        {
            "days": table.index.to_numpy(),
            "ended": ended,
            "still_open": still_open,
            "finished": np.cumsum(ended) / max(int(ended.sum()), 1),
            "with_open": 1 - np.cumprod(1 - ended / np.maximum(waiting, 1)),
        }
    )


def gap_quantiles(gaps: pd.DataFrame) -> dict[str, Any]:
    """Days until so many percent of the gaps had ended, in the two ways of :func:`share_ordered_again`.

    None where so many have never been seen to order again.
    """
    curve = share_ordered_again(gaps)
    counted = {"finished": curve["ended"].sum(), "with_open": curve["ended"].sum() + curve["still_open"].sum()}
    result: dict[str, Any] = {}
    for kind, number in counted.items():
        days = {q: curve.loc[curve[kind] >= q / 100 - 1e-12, "days"] for q in QUANTILES}
        result[kind] = {"gaps": int(number)} | {str(q): int(at.iloc[0]) if len(at) else None for q, at in days.items()}
    return result
