"""At which instants the shop is looked at, and who could have been scored then."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from events import permission
from features import eligible_at, label_at, next_order_at, revenue_after
from features.engines import fetch
from models.splits import complete_before
from models.value import YEAR_DAYS
from pipeline.project import datasets
from pipeline.project.errors import DataError
from pipeline.project.progress import say
from pipeline.project.settings import Settings
from timeline import DAY_US, Window, format_date, is_before, month_starts

COLUMNS = ("customer_id", "cutoff", "churned", "days_to_next_order", "revenue_next_year", "role")
"""What is known of a customer and cutoff only afterwards stands here; no model may take one for a feature."""


@dataclass(frozen=True)
class Extent:
    """From the first order to the instant before which the data are complete."""

    first: int
    watermark: int


def extent(events: Path) -> Extent:
    """What time the ingested orders cover."""
    manifest = datasets.read_json(events / "manifest.json")
    return Extent(int(manifest["logs"]["orders"]["first"]), int(manifest["watermark"]))


LEAST_HISTORY_DAYS = 30
"""A young shop learns from cutoffs with so few days before them, rather than not at all."""


def training_cutoffs(s: Settings, covered: Extent) -> list[int]:
    """Month starts with enough history before and a complete label after them, newest ``max_cutoffs``.

    Where fewer than two have ``min_history_days`` before them, :data:`LEAST_HISTORY_DAYS` will do.

    Raises:
        DataError: There is none.
    """
    zone, c = s.shop.timezone, s.cohort
    least = min(LEAST_HISTORY_DAYS, c.min_history_days)
    starts = month_starts(covered.first + least * DAY_US, covered.watermark, zone)
    complete = [t for t in starts if Window.label(t, c.gap_days, c.horizon_days).is_complete(covered.watermark)]
    settled = [t for t in complete if not is_before(Window.last(c.min_history_days, t).start, covered.first)]
    if len(settled) >= 2:
        return settled[-c.max_cutoffs :]
    if not complete:
        raise DataError(
            f"cohort: the orders from {format_date(covered.first, zone)} to {format_date(covered.watermark, zone)} "
            f"leave no month start with {least} days before and {c.gap_days + c.horizon_days} days after it. Bring "
            "older orders, or lower cohort.horizon_days."
        )
    say(
        f"warning: {len(settled)} month starts have {c.min_history_days} days before and "
        f"{c.gap_days + c.horizon_days} days after them (cohort), so those with {least} days before them count too: "
        f"{len(complete)}. That is little to learn from; every figure below will be uncertain"
    )
    return complete[-c.max_cutoffs :]


def test_origins(s: Settings, cutoffs: list[int]) -> list[int]:
    """The newest cutoff and every ``test_spacing_months``-th before it, at most ``test_origins``, ascending.

    An origin before which no label was complete is left out, unless there is no other: then the newest tests what
    needs no label.
    """
    spaced = cutoffs[::-1][:: s.cohort.test_spacing_months][: s.cohort.test_origins]
    c = s.cohort
    tested = sorted(t for t in spaced if complete_before(cutoffs, t, c.gap_days, c.horizon_days))
    return tested or spaced[:1]


def cohort_at(tables: dict[str, Any], cutoff: int, watermark: int, s: Settings, connection: Any) -> pd.DataFrame:
    """One row per customer eligible at ``cutoff``: the label, and when and for how much they ordered next.

    ``days_to_next_order`` is missing without an order until the label window closes; ``revenue_next_year`` is zero
    without an order, and missing for everybody where the year had not ended at ``watermark``.
    """
    c, orders = s.cohort, tables["orders"]
    eligible = eligible_at(orders, cutoff, c.active_days, permission.objectors_at(tables, cutoff))
    stayed = label_at(orders, cutoff, c.gap_days, c.horizon_days).mutate(stayed=True)
    follow_up = next_order_at(orders, cutoff, c.gap_days, c.horizon_days)
    rows = eligible.left_join(stayed, "customer_id").drop("customer_id_right").left_join(follow_up, "customer_id")
    asked = rows.select("customer_id", "next_order", churned=rows.stayed.isnull().cast("int8"))
    if complete_before([cutoff], watermark, 0, YEAR_DAYS):
        earned = revenue_after(orders, cutoff, YEAR_DAYS)
        asked = asked.left_join(earned, "customer_id").drop("customer_id_right")
    found = fetch(connection, asked)
    return pd.DataFrame(
        {
            "customer_id": found["customer_id"],
            "cutoff": cutoff,
            "churned": found["churned"],
            "days_to_next_order": (found["next_order"].astype("float64") - cutoff) / DAY_US,
            "revenue_next_year": found["revenue"].astype("float64").fillna(0.0) if "revenue" in found else np.nan,
        }
    )
