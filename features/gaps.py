"""How long customers wait between two orders."""

from __future__ import annotations

from features.catalogue import Table
from timeline import DAY_US, is_before


def order_gaps(orders: Table, until: int) -> Table:
    """One row per length of a gap: days (whole), finished (whether an order ended it), gaps (how many there are).

    The last order of a customer opens a gap that nothing had ended ``until`` then. Orders within 24 hours of
    each other are one visit to the shop, and no gap.
    """
    completed = orders.filter((orders.event == "Order Completed") & is_before(orders["occurred_at"], until))
    following = completed.occurred_at.lead().over(group_by=completed.customer_id, order_by=completed.occurred_at)
    rows = completed.select(
        days=(following.fill_null(until) - completed.occurred_at) // DAY_US, finished=following.notnull()
    )
    long = rows.filter(rows.days >= 1)
    return long.group_by("days", "finished").agg(gaps=long.count())
