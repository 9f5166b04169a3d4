"""Segments beside every row of ``people``: what kind of customer somebody is, in a marketer's words."""

from __future__ import annotations

import duckdb

from campaigns.settings import FactSettings
from timeline import DAY_US

RFM_SEGMENTS = (
    "Champions",
    "Loyal",
    "Active",
    "New",
    "Promising",
    "Needs attention",
    "Almost lost",
    "At risk",
    "Previously loyal",
    "Dormant",
    "Prospects",
)
"""Shopify's eleven names (shopify.dev, enum CustomerRfmGroup)."""

LIFECYCLES = ("prospect", "new", "active", "slipping", "lapsed", "lost")
VALUE_TIERS = ("high", "medium", "low", "none")
DISCOUNT_DEPENDENCE = ("only", "often", "rarely", "never")

# Fifths of everybody who ever ordered. Equals share the lower rank, so a tie is never split by chance.
_FIFTHS = """
    SELECT customer_id,
        1 + 5 * (rank() OVER (ORDER BY last_order_at) - 1) // count(*) OVER () AS recency,
        1 + 5 * (rank() OVER (ORDER BY orders) - 1) // count(*) OVER () AS frequency,
        1 + 5 * (rank() OVER (ORDER BY revenue) - 1) // count(*) OVER () AS monetary,
        (rank() OVER (ORDER BY revenue_365 DESC) - 1) / count(*) OVER () AS spent_more
    FROM people WHERE orders > 0
"""

# Shopify says in words what each group is; the scores behind them are not published. These cut the square of
# recency (1-5) and the mean of frequency and monetary (1-5, half up) into its ten fields.
_RFM = """
    CASE
        WHEN f.customer_id IS NULL THEN 'Prospects'
        WHEN recency = 5 AND worth >= 4 THEN 'Champions'
        WHEN recency >= 3 AND worth >= 4 THEN 'Loyal'
        WHEN recency >= 4 AND worth = 3 THEN 'Active'
        WHEN recency = 5 THEN 'New'
        WHEN recency = 4 THEN 'Promising'
        WHEN recency = 3 AND worth = 3 THEN 'Needs attention'
        WHEN recency = 3 THEN 'Almost lost'
        WHEN worth = 5 THEN 'Previously loyal'
        WHEN worth >= 3 THEN 'At risk'
        ELSE 'Dormant'
    END
"""


def _lifecycle(settings: FactSettings, active_days: int) -> str:
    """Against the own usual gap where two gaps are known, else against the shop's."""
    limit = f"{settings.late_factor} * CASE WHEN own_gaps >= 2 THEN greatest(own_gap_days, 7) ELSE shop_gap_days END"
    return f"""
    CASE
        WHEN orders = 0 THEN 'prospect'
        WHEN days_since_order >= {active_days} THEN 'lost'
        WHEN orders = 1 AND days_since_order < {settings.new_days} THEN 'new'
        WHEN days_since_order <= {limit} THEN 'active'
        WHEN days_since_order <= 2 * {limit} THEN 'slipping'
        ELSE 'lapsed'
    END
    """


_DISCOUNTS = """
    CASE
        WHEN orders = 0 THEN NULL
        WHEN discounted_orders = 0 THEN 'never'
        WHEN discount_share >= 0.8 AND orders >= 2 THEN 'only'
        WHEN discount_share >= 0.4 THEN 'often'
        ELSE 'rarely'
    END
"""

# What somebody buys most says more than what they look at.
_INTERESTS = f"""
    WITH bought AS (
        SELECT i.customer_id, i.category, sum(i.quantity) AS times, max(i.occurred_at) AS latest
        FROM order_items i JOIN placed p ON p.order_id = i.order_id AND p.customer_id = i.customer_id
        WHERE i.event = 'Order Completed' AND i.category IS NOT NULL
            AND p.occurred_at >= getvariable('as_of') - 730 * {DAY_US}
        GROUP BY i.customer_id, i.category
    ), viewed AS (
        SELECT customer_id, category, count(*) AS times, max(occurred_at) AS latest
        FROM web_events
        WHERE customer_id IS NOT NULL AND category IS NOT NULL AND event = 'Product Viewed'
            AND occurred_at >= getvariable('as_of') - 90 * {DAY_US}
        GROUP BY customer_id, category
    ), interest AS (
        SELECT *, 1 AS kind FROM bought UNION ALL SELECT *, 0 AS kind FROM viewed
    )
    SELECT customer_id, arg_max(category, (kind, times, latest, category)) AS main_interest
    FROM interest GROUP BY customer_id
"""


def add(db: duckdb.DuckDBPyConnection, settings: FactSettings, active_days: int) -> None:
    """Add rfm_segment, lifecycle, value_tier, main_interest and discount_dependence to ``people``.

    Args:
        db: With ``people`` and ``placed`` of :func:`campaigns.people.create`.
        settings: How late is late.
        active_days: Whoever did not order for so many days is lost.
    """
    db.execute(f"CREATE OR REPLACE TEMP TABLE interests AS {_INTERESTS}")
    db.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE segmented AS
        WITH fifths AS ({_FIFTHS}),
        f AS (SELECT *, (frequency + monetary + 1) // 2 AS worth FROM fifths),
        shop AS (
            SELECT coalesce(median(own_gap_days) FILTER (own_gaps >= 2), {settings.new_days}) AS shop_gap_days
            FROM people
        )
        SELECT people.*, {_RFM} AS rfm_segment, {_lifecycle(settings, active_days)} AS lifecycle,
            CASE
                WHEN f.customer_id IS NULL OR revenue_365 <= 0 THEN 'none'
                WHEN spent_more < 0.2 THEN 'high' WHEN spent_more < 0.5 THEN 'medium' ELSE 'low'
            END AS value_tier,
            i.main_interest, {_DISCOUNTS} AS discount_dependence
        FROM people CROSS JOIN shop LEFT JOIN f ON f.customer_id = people.customer_id
            LEFT JOIN interests i ON i.customer_id = people.customer_id
        """
    )
    db.execute("DROP TABLE people")
    db.execute("ALTER TABLE segmented RENAME TO people")
    db.execute("DROP TABLE interests")
