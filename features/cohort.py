"""Who is eligible at a cutoff, who stayed after it, and when and for how much they ordered next."""

from __future__ import annotations

from features.catalogue import Table
from timeline import DAY_US, Window, is_before, known_before


def _completed(orders: Table) -> Table:
    return orders.filter(orders.event == "Order Completed")


def eligible_at(orders: Table, cutoff: int, active_days: int, objectors: Table | None = None) -> Table:
    """The customers (column customer_id) with a completed order in ``[cutoff − active_days, cutoff)``, known then.

    Args:
        orders: Canonical order events.
        cutoff: Instant.
        active_days: Length of the window, in days of 24 hours.
        objectors: Customers who object to profiling as known then (events.permission); they are left out.
    """
    completed = _completed(orders)
    recent = Window.last(active_days, cutoff).contains(completed["occurred_at"])
    found = completed.filter(known_before(completed, cutoff) & recent).select("customer_id").distinct()
    return found if objectors is None else found.anti_join(objectors, "customer_id")


def label_at(orders: Table, cutoff: int, gap_days: int, horizon_days: int) -> Table:
    """The customers (column customer_id) who stayed: a completed order in the label window of ``cutoff``."""
    completed = _completed(orders)
    kept = Window.label(cutoff, gap_days, horizon_days).contains(completed["occurred_at"])
    return completed.filter(kept).select("customer_id").distinct()


def buyers_within(orders: Table, window: Window) -> Table:
    """The customers (column customer_id) with a completed order in ``window`` that was known when it ended."""
    completed = _completed(orders)
    seen = known_before(completed, window.end) & window.contains(completed["occurred_at"])
    return completed.filter(seen).select("customer_id").distinct()


def next_order_at(orders: Table, cutoff: int, gap_days: int, horizon_days: int) -> Table:
    """The customers (column customer_id) with a completed order in the follow-up, and its instant (``next_order``).

    The follow-up runs from the cutoff to the end of the label window: what the label waits for is known then.
    """
    completed = _completed(orders)
    follow_up = Window(cutoff, Window.label(cutoff, gap_days, horizon_days).end)
    seen = completed.filter(follow_up.contains(completed["occurred_at"]))
    return seen.group_by("customer_id").agg(next_order=seen.occurred_at.min())


def revenue_after(orders: Table, cutoff: int, days: int) -> Table:
    """Net revenue (column ``revenue``, minor units) per customer with an order event in ``[cutoff, cutoff + days)``.

    Completed orders less what of them was refunded or cancelled within the same days. A refund that names an order
    from before the cutoff is left out: nothing that happens from here on can bring that money back. One that names
    no order we know counts.
    """
    inside = orders.filter(Window.label(cutoff, 0, days).contains(orders["occurred_at"]))
    completed = _completed(orders)
    earlier = completed.filter(is_before(completed["occurred_at"], cutoff)).select("order_id")
    placed = _completed(inside).select("customer_id", "order_id", "revenue")
    refunded = inside.filter(inside.event == "Order Refunded").anti_join(earlier, "order_id")
    cancelled = inside.filter(inside.event == "Order Cancelled").semi_join(placed, "order_id")
    taken_back = refunded.union(cancelled).select("customer_id", "order_id", "revenue")
    rows = placed.union(taken_back.mutate(revenue=-taken_back.revenue))
    return rows.group_by("customer_id").agg(revenue=rows.revenue.sum())


def purchase_history_at(orders: Table, cutoff: int) -> Table:
    """One row per customer with a completed order known before ``cutoff``: what buy-till-you-die models read.

    ``repeats`` are the days with an order after the first, ``last_days`` the days from the first to the newest, and
    ``age_days`` those from the first to the cutoff. A day is 24 hours counted back from the cutoff, as it is in every
    feature, so ``repeats`` is days_with_order_so_far − 1 as long as the history of the features reaches back.
    """
    completed = _completed(orders)
    known = completed.filter(known_before(completed, cutoff))
    days_ago = ((cutoff - known.occurred_at) // DAY_US).cast("int64")
    dated = known.select("customer_id", days_ago=days_ago)
    return dated.group_by("customer_id").agg(
        repeats=dated.days_ago.nunique() - 1,
        last_days=dated.days_ago.max() - dated.days_ago.min(),
        age_days=dated.days_ago.max(),
    )
