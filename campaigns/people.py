"""The table ``people``: one row per person of the shop with everything that recipes and lists ask about."""

from __future__ import annotations

import duckdb

from campaigns import permission
from campaigns.settings import FactSettings
from timeline import DAY_US, HOUR_US

CART_EVENTS = ("Product Added", "Cart Viewed", "Checkout Started")

SCORE_COLUMNS = {
    "churn_probability": "DOUBLE",
    "band": "VARCHAR",
    "percentile": "DOUBLE",
    "margin": "DOUBLE",
    "expected_value": "BIGINT",
    "value_at_risk": "BIGINT",
    "act_by": "VARCHAR",
    "next_order_from": "DOUBLE",
    "next_order_expected": "DOUBLE",
    "next_order_until": "DOUBLE",
    "usual_gap_days": "DOUBLE",
    "probability_before": "DOUBLE",
}
"""What ``people`` takes from the scores; null for whoever was not eligible to be scored."""

# The address is that of the newest record, as for the guards: one that was taken back is none.
_ACCOUNTS = """
    SELECT customer_id, min(occurred_at) AS joined_at,
        arg_max(row(address_key), row(occurred_at, event_id))[1] AS address_key,
        arg_max(country, (occurred_at, event_id)) AS country,
        arg_max(birth_month_day, (occurred_at, event_id)) AS birth_month_day
    FROM customers WHERE customer_id IS NOT NULL GROUP BY customer_id
"""

# An order that was cancelled was none; what was refunded of the others is no revenue.
_PLACED = """
    CREATE OR REPLACE TEMP TABLE placed AS
    WITH undone AS (
        SELECT order_id, bool_or(event = 'Order Cancelled') AS cancelled,
            sum(revenue) FILTER (event = 'Order Refunded') AS refunded
        FROM orders WHERE event <> 'Order Completed' GROUP BY order_id
    )
    SELECT o.customer_id, o.order_id, o.occurred_at, o.revenue - coalesce(u.refunded, 0) AS revenue,
        coalesce(o.discount, 0) > 0 OR o.coupon IS NOT NULL AS discounted
    FROM orders o LEFT JOIN undone u USING (order_id)
    WHERE o.event = 'Order Completed' AND o.customer_id IS NOT NULL AND NOT coalesce(u.cancelled, false)
"""

_ORDERS = f"""
    SELECT customer_id, count(*) AS orders, min(occurred_at) AS first_order_at, max(occurred_at) AS last_order_at,
        arg_max(order_id, (occurred_at, order_id)) AS last_order_id,
        sum(revenue)::BIGINT AS revenue,
        coalesce(sum(revenue) FILTER (occurred_at >= getvariable('as_of') - 365 * {DAY_US}), 0)::BIGINT AS revenue_365,
        count(*) FILTER (discounted) AS discounted_orders
    FROM placed GROUP BY customer_id
"""

_GAPS = """
    WITH order_days AS (
        SELECT customer_id, days_ago(occurred_at) AS age FROM placed GROUP BY ALL
    ), gaps AS (
        SELECT customer_id, lag(age) OVER (PARTITION BY customer_id ORDER BY age DESC) - age AS gap FROM order_days
    )
    SELECT customer_id, median(gap) AS own_gap_days, count(gap) AS own_gaps
    FROM gaps WHERE gap IS NOT NULL GROUP BY customer_id
"""

_VISITS = """
    SELECT customer_id, max(occurred_at) AS last_visit_at FROM web_events
    WHERE customer_id IS NOT NULL GROUP BY customer_id
"""


def _carts(max_age_days: int) -> str:
    """The newest cart of each person with cart activity in the last days, whatever came of it."""
    events = ", ".join(f"'{event}'" for event in CART_EVENTS)
    return f"""
    WITH activity AS (
        SELECT customer_id, occurred_at, event_id, event, price, quantity,
            coalesce(cart_id, 'session ' || session_id, 'event ' || event_id) AS cart
        FROM web_events
        WHERE customer_id IS NOT NULL AND event IN ({events})
            AND occurred_at >= getvariable('as_of') - {max_age_days} * {DAY_US}
    ), newest AS (
        SELECT customer_id, max(occurred_at) AS cart_at, arg_max(cart, (occurred_at, event_id)) AS cart
        FROM activity GROUP BY customer_id
    )
    SELECT customer_id, any_value(cart_at) AS cart_at, any_value(n.cart) AS cart_id,
        sum(a.price * coalesce(a.quantity, 1)) FILTER (a.event = 'Product Added')::BIGINT AS cart_value
    FROM newest n JOIN activity a USING (customer_id) WHERE a.cart = n.cart GROUP BY customer_id
    """


def _browsing(max_age_days: int) -> str:
    """The newest product views of the last days, and the product looked at most (then latest)."""
    return f"""
    WITH views AS (
        SELECT customer_id, product_id, count(*) AS views, max(occurred_at) AS viewed_at,
            arg_max(category, (occurred_at, event_id)) AS category
        FROM web_events
        WHERE customer_id IS NOT NULL AND event = 'Product Viewed'
            AND occurred_at >= getvariable('as_of') - {max_age_days} * {DAY_US}
        GROUP BY customer_id, product_id
    )
    SELECT customer_id, max(viewed_at) AS browse_at, sum(views)::BIGINT AS browse_views,
        arg_max(product_id, (views, viewed_at, product_id)) FILTER (product_id IS NOT NULL) AS browse_product,
        arg_max(category, (views, viewed_at, product_id)) FILTER (product_id IS NOT NULL) AS browse_category
    FROM views GROUP BY customer_id
    """


_WEB_ORDERS = """
    SELECT customer_id, max(occurred_at) AS web_order_at FROM web_events
    WHERE customer_id IS NOT NULL AND event = 'Order Completed' GROUP BY customer_id
"""


def _parcels(late_hours: int) -> str:
    return f"""
    SELECT customer_id, max(occurred_at) AS delivered_at,
        arg_max(order_id, (occurred_at, order_id)) AS delivered_order_id,
        max(occurred_at) FILTER (delay_hours >= {late_hours}) AS late_delivery_at
    FROM deliveries WHERE customer_id IS NOT NULL GROUP BY customer_id
    """


def _tickets(slow_hours: int, low_rating: int, forgotten_days: int) -> str:
    """A ticket nobody closed within ``forgotten_days`` is taken for forgotten, not for open."""
    return f"""
    WITH tickets AS (
        SELECT customer_id, ticket_id, min(occurred_at) AS opened_at,
            max(occurred_at) FILTER (event = 'Ticket Closed') AS closed_at,
            arg_max(satisfaction, (occurred_at, event_id)) FILTER (satisfaction IS NOT NULL) AS rating
        FROM support_tickets WHERE customer_id IS NOT NULL GROUP BY customer_id, ticket_id
    )
    SELECT customer_id,
        max(closed_at) FILTER (rating <= {low_rating} OR closed_at - opened_at > {slow_hours} * {HOUR_US})
            AS bad_ticket_at,
        max(closed_at) FILTER (rating <= {low_rating}) AS low_rating_at,
        bool_or(closed_at IS NULL AND days_ago(opened_at) < {forgotten_days}) AS open_ticket,
        max(coalesce(closed_at, opened_at)) AS last_ticket_at
    FROM tickets GROUP BY customer_id
    """


_LOYALTY = """
    SELECT customer_id, arg_max(tier, (occurred_at, event_id)) FILTER (tier IS NOT NULL) AS tier,
        sum(points)::BIGINT AS points
    FROM loyalty_events WHERE customer_id IS NOT NULL GROUP BY customer_id
"""

_MAILS = f"""
    SELECT customer_id,
        count(*) FILTER (event = 'Email Delivered' AND occurred_at >= getvariable('as_of') - 30 * {DAY_US}) AS mails_30,
        count(*) FILTER (event = 'Email Delivered' AND occurred_at >= getvariable('as_of') - 180 * {DAY_US})
            AS mails_180,
        count(*) FILTER (clicked AND occurred_at >= getvariable('as_of') - 180 * {DAY_US}) AS clicks_180,
        max(occurred_at) FILTER (clicked) AS last_click_at
    FROM (SELECT *, event = 'Email Link Clicked' AND NOT coalesce(bot_click, false) AS clicked FROM email_events)
    WHERE customer_id IS NOT NULL GROUP BY customer_id
"""

_CONTACTS = f"""
    SELECT customer_id, max(occurred_at) AS last_contact_at,
        count(*) FILTER (occurred_at >= getvariable('as_of') - 30 * {DAY_US}) AS contacts_30
    FROM campaign_contacts WHERE customer_id IS NOT NULL AND NOT coalesce(control, false) GROUP BY customer_id
"""

# The 29th of February is kept on the 28th where there is none. A birthday of today is 0 days away.
_BIRTHDAYS = """
    WITH today AS (SELECT local_time(getvariable('as_of'))::DATE AS today), dates AS (
        SELECT customer_id, today, unnest([year(today), year(today) + 1]) AS year, birth_month_day
        FROM account, today WHERE birth_month_day IS NOT NULL
    )
    SELECT customer_id, min(day - today) FILTER (day >= today)::INTEGER AS days_to_birthday
    FROM (
        SELECT customer_id, today, coalesce(
            try_cast(year || '-' || birth_month_day AS DATE),
            CASE WHEN birth_month_day = '02-29' THEN make_date(year, 2, 28) END
        ) AS day FROM dates
    ) GROUP BY customer_id
"""


def create(db: duckdb.DuckDBPyConnection, settings: FactSettings, cart_days: int, browse_days: int) -> None:
    """Make the table ``people`` from the logs and ``scores`` on ``db``, one row per customer_id.

    Persons are those of the customers and of the orders log; :func:`campaigns.segments.add` adds their segments.
    Instants are microseconds UTC, amounts minor units; what is not known is null.

    Args:
        db: With the views of :func:`campaigns.known.open_logs`, ``scores`` and ``scores_before``.
        settings: Where a parcel is late, a ticket slow, a rating low.
        cart_days: An older cart is forgotten.
        browse_days: Older browsing is forgotten.
    """
    permission.create(db)
    db.execute(_PLACED)
    grains = {
        "account": _ACCOUNTS,
        "bought": _ORDERS,
        "rhythm": _GAPS,
        "seen": _VISITS,
        "cart": _carts(cart_days),
        "browsing": _browsing(browse_days),
        "web_order": _WEB_ORDERS,
        "parcel": _parcels(settings.late_hours),
        "ticket": _tickets(settings.slow_hours, settings.low_rating, settings.forgotten_days),
        "loyal": _LOYALTY,
        "mailed": _MAILS,
        "contacted": _CONTACTS,
        "birthday": _BIRTHDAYS,
    }
    # One narrow aggregate for each grain, joined at the end: a single query would hold them all in memory.
    for name, query in grains.items():
        db.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")
    scored = ", ".join(f"s.{column}" for column in SCORE_COLUMNS if column != "probability_before")
    db.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE people AS
        WITH person AS (SELECT customer_id FROM account UNION SELECT customer_id FROM bought),
        has AS (SELECT count(*) > 0 AS parcels FROM deliveries)
        SELECT
            p.customer_id, a.address_key, a.country, coalesce(a.joined_at, b.first_order_at) AS joined_at,
            a.birth_month_day, coalesce(b.orders, 0) AS orders, b.first_order_at, b.last_order_at, b.last_order_id,
            days_ago(b.last_order_at) AS days_since_order, coalesce(b.revenue, 0) AS revenue,
            coalesce(b.revenue_365, 0) AS revenue_365, coalesce(b.discounted_orders, 0) AS discounted_orders,
            b.discounted_orders / b.orders AS discount_share, r.own_gap_days, coalesce(r.own_gaps, 0) AS own_gaps,
            c.cart_at, c.cart_id, c.cart_value, hours_ago(c.cart_at) AS cart_age_hours,
            CASE WHEN c.cart_at IS NOT NULL
                THEN coalesce(greatest(b.last_order_at, w.web_order_at) >= c.cart_at, false) END AS cart_bought,
            v.browse_at, v.browse_product, v.browse_category, v.browse_views,
            hours_ago(v.browse_at) AS browse_age_hours,
            CASE WHEN v.browse_at IS NOT NULL
                THEN coalesce(greatest(b.last_order_at, w.web_order_at) >= v.browse_at, false) END AS browse_bought,
            days_ago(coalesce(a.joined_at, b.first_order_at)) AS signed_up_days,
            CASE WHEN b.orders IS NULL THEN a.joined_at WHEN b.orders = 1 THEN b.first_order_at END AS welcome_from,
            -- A shop that logs no parcels is taken to deliver after so many days.
            CASE WHEN has.parcels THEN d.delivered_at
                ELSE b.last_order_at + {settings.assumed_delivery_days} * {DAY_US} END AS delivered_at,
            CASE WHEN has.parcels THEN d.delivered_order_id ELSE b.last_order_id END AS delivered_order_id,
            d.late_delivery_at, t.bad_ticket_at, t.low_rating_at, coalesce(t.open_ticket, false) AS open_ticket,
            t.last_ticket_at, l.tier, l.points, y.days_to_birthday,
            coalesce(m.mails_30, 0) AS mails_30, coalesce(m.mails_180, 0) AS mails_180,
            coalesce(m.clicks_180, 0) AS clicks_180, m.last_click_at, n.last_visit_at,
            greatest(m.last_click_at, n.last_visit_at, b.last_order_at, coalesce(a.joined_at, b.first_order_at))
                AS engaged_at,
            coalesce(w.hard_bounce, false) AS hard_bounced, coalesce(w.complaint, false) AS complained,
            k.last_contact_at, coalesce(k.contacts_30, 0) AS contacts_30,
            {scored}, e.churn_probability AS probability_before
        FROM person p CROSS JOIN has
            LEFT JOIN account a USING (customer_id) LEFT JOIN bought b USING (customer_id)
            LEFT JOIN rhythm r USING (customer_id) LEFT JOIN cart c USING (customer_id)
            LEFT JOIN browsing v USING (customer_id) LEFT JOIN web_order w USING (customer_id)
            LEFT JOIN parcel d USING (customer_id) LEFT JOIN ticket t USING (customer_id)
            LEFT JOIN loyal l USING (customer_id) LEFT JOIN birthday y USING (customer_id)
            LEFT JOIN mailed m USING (customer_id) LEFT JOIN seen n USING (customer_id)
            LEFT JOIN standing w USING (customer_id)
            LEFT JOIN contacted k USING (customer_id) LEFT JOIN scores s USING (customer_id)
            LEFT JOIN scores_before e USING (customer_id)
        """
    )
    for name in grains:
        if name != "account":
            db.execute(f"DROP TABLE {name}")
    db.execute("DROP TABLE account")
