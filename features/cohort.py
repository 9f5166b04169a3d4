"""Who is eligible at a cutoff, and who stayed after it."""

from __future__ import annotations

from features.catalogue import Table
from timeline import Window, known_before


def _completed(orders: Table) -> Table:
    return orders.filter(orders.event == "Order Completed")


def objectors_at(consent: Table, cutoff: int) -> Table:
    """The customers (column customer_id) whose newest word on profiling, known before ``cutoff``, is no.

    Of two words at the same instant the no counts.
    """
    words = consent.filter((consent.channel == "profiling") & known_before(consent, cutoff))
    said_no = words.status != "subscribed"
    newest = words.group_by("customer_id").agg(
        last_no=said_no.ifelse(words.occurred_at, None).max(), last=words.occurred_at.max()
    )
    return newest.filter(newest.last_no == newest.last).select("customer_id")


def eligible_at(orders: Table, cutoff: int, active_days: int, consent: Table | None = None) -> Table:
    """The customers (column customer_id) with a completed order in ``[cutoff − active_days, cutoff)``, known then.

    Args:
        orders: Canonical order events.
        cutoff: Instant.
        active_days: Length of the window, in days of 24 hours.
        consent: Canonical consent events; customers who object to profiling are left out.
    """
    completed = _completed(orders)
    recent = Window.last(active_days, cutoff).contains(completed["occurred_at"])
    found = completed.filter(known_before(completed, cutoff) & recent).select("customer_id").distinct()
    return found if consent is None else found.anti_join(objectors_at(consent, cutoff), "customer_id")


def label_at(orders: Table, cutoff: int, gap_days: int, horizon_days: int) -> Table:
    """The customers (column customer_id) who stayed: a completed order in the label window of ``cutoff``."""
    completed = _completed(orders)
    kept = Window.label(cutoff, gap_days, horizon_days).contains(completed["occurred_at"])
    return completed.filter(kept).select("customer_id").distinct()
