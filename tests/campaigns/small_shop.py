"""A small shop whose every customer shows one reason to write, or not to write."""

from __future__ import annotations

import pandas as pd

from timeline import DAY_US, parse_date

AS_OF = parse_date("2026-01-01", "Europe/London")


def days_before(days: float) -> int:
    """The instant so many days before the scoring date."""
    return AS_OF - int(days * DAY_US)


def table(rows: list[dict[str, object]], *columns: str) -> pd.DataFrame:
    """Events of one log: known when they happened, unless a row says otherwise."""
    frame = pd.DataFrame(
        [
            {"event_id": f"e{n:03d}", **row, "loaded_at": row.get("loaded_at", row["occurred_at"])}
            for n, row in enumerate(rows)
        ]
    )
    for column in (*columns, "event_id", "customer_id", "occurred_at", "loaded_at"):
        if column not in frame:
            frame[column] = None
    return frame


def customers(rows: list[dict[str, object]]) -> pd.DataFrame:
    """The customers log; every customer has an address of their own unless a row says otherwise."""
    full = [
        {
            "occurred_at": days_before(700),
            "address_key": f"at-{row['customer_id']}",
            "suppressed": False,
            **row,
        }
        for row in rows
    ]
    frame = table(full, "email_consent", "email_consent_at", "suppressed_reason")
    return frame.astype({"email_consent_at": "Int64"})


def consent(rows: list[dict[str, object]]) -> pd.DataFrame:
    """The consent log; the channel is e-mail unless a row says otherwise."""
    return table([{"channel": "email", **row} for row in rows], "channel", "status", "source")


def mails(rows: list[dict[str, object]]) -> pd.DataFrame:
    """The e-mail log."""
    return table(rows, "event", "bounce_type")


def carts(rows: list[dict[str, object]]) -> pd.DataFrame:
    """The web log."""
    frame = table(rows, "event", "session_id", "cart_id", "price", "quantity", "product_id", "order_id")
    return frame.astype({"price": "Int64", "quantity": "Int64"})


def orders(rows: list[dict[str, object]]) -> pd.DataFrame:
    """The orders log; completed unless a row says otherwise."""
    return table([{"event": "Order Completed", **row} for row in rows], "event", "order_id", "revenue")


def scores(rows: list[dict[str, object]]) -> pd.DataFrame:
    """One row per scored customer: high risk and 100.00 at risk unless a row says otherwise."""
    usual = {
        "churn_probability": 0.8,
        "margin": 1.4,
        "band": "high",
        "percentile": 90.0,
        "expected_value": 12_000,
        "value_at_risk": 10_000,
        "days_since_order": 80,
        "usual_gap_days": 31.0,
        "act_by": "2026-01-31",
        "orders": 4,
        "average_order_value": 3_000,
    }
    return pd.DataFrame([{**usual, **row} for row in rows])


def reasons_for(customer_ids: list[str]) -> pd.DataFrame:
    """Two reasons for each customer."""
    return pd.DataFrame(
        [
            {
                "customer_id": customer,
                "rank": rank,
                "family": "recency",
                "feature": "days_since_last_order",
                "kind": "context",
                "contribution": 0.5 / rank,
                "sentence": f"Reason {rank} of {customer}.",
            }
            for customer in customer_ids
            for rank in (1, 2)
        ]
    )
