"""The customers that the model was surest of and wrong about, with what they did before and after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.project import datasets
from pipeline.project.cutoffs import extent
from pipeline.project.settings import Settings
from timeline import DAY_US, Window

OF_EACH_KIND = 10
"""So many who were expected to leave and ordered, and as many who were expected to order and left."""
DAYS_BEFORE = 365
DAYS_WATCHED = 45
"""So many days after the label window are told: some come back a day too late."""

LANES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("orders", "orders", ("Order Completed",)),
    ("returned", "orders", ("Order Refunded", "Order Cancelled")),
    ("returned", "order_items", ("Order Refunded",)),
    ("visits", "web_events", ()),
    ("e-mails", "email_events", ("Email Delivered",)),
    ("clicks", "email_events", ("Email Link Clicked",)),
    ("tickets", "support_tickets", ("Ticket Opened",)),
)
"""What is drawn on one line: its name, a log, and the events of it that count (all where none is named)."""


def surest_and_wrong(predictions: pd.DataFrame, model: str = "wafa") -> pd.DataFrame:
    """The rows of ``predictions`` with the worst errors of either kind, worst first, at most one per customer."""
    wrong = predictions.assign(error=(predictions[model] - predictions["churned"]).abs())
    wrong = wrong[wrong["error"] > 0.5].sort_values(["error", "customer_id", "origin"], ascending=[False, True, True])
    worst = wrong.drop_duplicates("customer_id").groupby("churned").head(OF_EACH_KIND)
    return worst.sort_values("churned", kind="stable")


def _lanes(events: Path, s: Settings, rows: pd.DataFrame, cutoffs: dict[str, int]) -> dict[tuple[str, str], Any]:
    """Days before (negative) and after the cutoff on which each customer did something, by customer and lane."""
    c = s.cohort
    after = c.gap_days + c.horizon_days + DAYS_WATCHED
    wanted = [("customer_id", "in", rows["customer_id"].tolist())]
    found: dict[tuple[str, str], set[int]] = {}
    own = tuple((log.title.lower(), log.name, ()) for log in s.own_logs)
    for lane, log, kinds in (*LANES, *own):
        columns = ["customer_id", "occurred_at", *(["event"] if kinds else [])]
        columns += ["bot_click"] if lane == "clicks" else []
        table = datasets.read_events(events, log, columns, [*wanted, *([("event", "in", kinds)] if kinds else [])])
        if table is None:
            continue
        if "bot_click" in table:
            table = table[~table["bot_click"].fillna(False).astype(bool)]
        for customer, origin in zip(rows["customer_id"], rows["origin"], strict=True):
            times = table.loc[table["customer_id"].eq(customer), "occurred_at"]
            cutoff = cutoffs[origin]
            shown = Window(cutoff - DAYS_BEFORE * DAY_US, cutoff + after * DAY_US).contains(times)
            found.setdefault((customer, lane), set()).update(int(day) for day in (times[shown] - cutoff) // DAY_US)
    return {key: sorted(days) for key, days in found.items()}


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number} days"


def _story(orders: list[int], gap: int, end: int, known: int, churned: bool) -> str:
    """What the orders say, in one or two sentences."""
    before = [day for day in orders if day < 0]
    in_gap, in_label = [d for d in orders if 0 <= d < gap], [d for d in orders if gap <= d < end]
    later = [day for day in orders if day >= end]
    said = (
        f"Ordered on {_days(len(before))} of the year before, last {_days(-max(before))} before the cutoff."
        if before
        else ""
    )
    if churned:
        said += f" No order from day {gap} to day {end}."
        if in_gap:
            said += f" It had ordered on day {in_gap[0]}, in the gap, which does not count."
        if later:
            said += f" Ordered again on day {later[0]}, {_days(later[0] - end + 1)} too late."
        elif known > end:
            said += f" Nothing until day {known} either."
    else:
        said += f" Ordered on day {in_label[0]} after the cutoff." if in_label else ""
        said += f" {len(in_label) - 1} more followed in time." if len(in_label) > 1 else ""
    return said.strip()


def misses(s: Settings, predictions: pd.DataFrame) -> list[dict[str, Any]]:
    """One entry per miss, worst first within each kind: who, what was said, what happened, and days by lane."""
    rows = surest_and_wrong(predictions)
    if rows.empty:
        return []
    cutoffs = {str(origin): s.instant(str(origin)) for origin in rows["origin"].unique()}
    lanes = _lanes(datasets.EVENTS, s, rows, cutoffs)
    gap, end = s.cohort.gap_days, s.cohort.gap_days + s.cohort.horizon_days
    watermark = extent(datasets.EVENTS).watermark
    result = []
    for row in rows.itertuples():
        own = {lane: days for (customer, lane), days in lanes.items() if customer == row.customer_id}
        orders = own.get("orders", [])
        known = min((watermark - cutoffs[str(row.origin)]) // DAY_US, end + DAYS_WATCHED)
        result.append(
            {
                "customer_id": row.customer_id,
                "origin": row.origin,
                "probability": round(float(row.wafa), 6),  # type: ignore[arg-type]
                "churned": bool(row.churned),
                "known_days": int(known),
                "lanes": own,
                "ordered_in_gap": any(0 <= day < gap for day in orders),
                "came_back_later": any(day >= end for day in orders),
                "story": _story(orders, gap, end, int(known), bool(row.churned)),
            }
        )
    return result
