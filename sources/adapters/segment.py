"""Segment: raw calls, as its storage destinations write them (one call per line)."""

from sources.adapters.base import Adapter, harmless
from sources.adapters.refusals import refused_channels

_CALLS = """
WITH calls AS (
    SELECT
        _row,
        doc,
        coalesce(doc->>'$.type', CASE WHEN (doc->>'$.event') IS NOT NULL THEN 'track' END) AS type,
        -- The names of the first version of the spec live on in old sites.
        CASE (doc->>'$.event')
            WHEN 'Viewed Product' THEN 'Product Viewed'
            WHEN 'Added Product' THEN 'Product Added'
            WHEN 'Viewed Cart' THEN 'Cart Viewed'
            WHEN 'Started Checkout' THEN 'Checkout Started'
            WHEN 'Completed Order' THEN 'Order Completed'
            ELSE doc->>'$.event'
        END AS event,
        doc->>'$.messageId' AS message_id,
        nullif(doc->>'$.userId', '') AS user_id,
        nullif(doc->>'$.anonymousId', '') AS anonymous_id,
        nullif(coalesce(doc->>'$.context.traits.email', doc->>'$.traits.email', doc->>'$.properties.email'), '')
            AS email,
        -- originalTimestamp and sentAt come from clocks of devices; timestamp is corrected by Segment.
        doc->>'$.timestamp' AS occurred_at,
        doc->>'$.receivedAt' AS loaded_at,
        coalesce(doc->>'$.properties.order_id', doc->>'$.properties.orderId') AS order_id
    FROM records
)
"""

# A customer is known by userId; the address counts only where there is none.
_ADDRESS = "CASE WHEN user_id IS NULL THEN email END AS email"

_ORDERS = f"""{_CALLS}
SELECT
    _row, user_id AS customer_id, {_ADDRESS}, order_id, occurred_at AS ordered_at, event,
    -- revenue is without shipping and tax; total is what its sender made of it.
    doc->>'$.properties.revenue' AS revenue,
    doc->>'$.properties.total' AS total,
    doc->>'$.properties.shipping' AS shipping,
    doc->>'$.properties.tax' AS tax,
    doc->>'$.properties.discount' AS discount,
    doc->>'$.properties.currency' AS currency,
    doc->>'$.properties.coupon' AS coupon,
    doc->>'$.properties.affiliation' AS channel,
    loaded_at
FROM calls
WHERE type = 'track' AND event IN ('Order Completed', 'Order Cancelled', 'Order Refunded')
"""

_ORDER_ITEMS = f"""{_CALLS},
products AS (
    SELECT _row, order_id, loaded_at, unnest(json_extract(doc, '$.properties.products[*]')) AS product
    FROM calls
    WHERE type = 'track' AND event = 'Order Completed'
)
SELECT
    _row, order_id,
    coalesce(product->>'$.product_id', product->>'$.productId', product->>'$.id', product->>'$.sku') AS product_id,
    product->>'$.category' AS category,
    product->>'$.quantity' AS quantity,
    product->>'$.price' AS price,
    loaded_at
FROM products
"""

_WEB_EVENTS = f"""{_CALLS}
SELECT
    _row, message_id, user_id AS customer_id, {_ADDRESS}, anonymous_id,
    coalesce(doc->>'$.properties.session_id', doc->>'$.context.sessionId') AS session_id,
    CASE WHEN type = 'track' THEN event ELSE 'Page Viewed' END AS event,
    occurred_at,
    -- Addresses of pages, titles and what was searched for are not read.
    CASE WHEN type = 'track' THEN coalesce(doc->>'$.properties.product_id', doc->>'$.properties.productId') END
        AS product_id,
    CASE WHEN type = 'track' THEN doc->>'$.properties.category' END AS category,
    CASE WHEN type = 'track' THEN doc->>'$.properties.price' END AS price,
    CASE WHEN type = 'track' THEN doc->>'$.properties.quantity' END AS quantity,
    doc->>'$.properties.cart_id' AS cart_id,
    order_id,
    doc->>'$.context.userAgent' AS user_agent,
    loaded_at
FROM calls
WHERE type IN ('page', 'screen')
    OR type = 'track' AND event IN (
        'Product Viewed', 'Products Searched', 'Product Added', 'Cart Viewed', 'Checkout Started', 'Order Completed'
    )
"""

_IDENTITY_MAP = f"""{_CALLS}
SELECT _row, anonymous_id, user_id AS customer_id, occurred_at AS identified_at, loaded_at
FROM calls
WHERE type = 'identify' AND user_id IS NOT NULL AND anonymous_id IS NOT NULL
"""

_MAILS = """
    type = 'track' AND event IN (
        'Email Sent', 'Email Delivered', 'Email Opened', 'Email Link Clicked', 'Email Bounced', 'Email Marked as Spam',
        'Unsubscribed'
    )
"""

_EMAIL_EVENTS = f"""{_CALLS}
SELECT
    _row, message_id, user_id AS customer_id, {_ADDRESS}, event, occurred_at,
    doc->>'$.properties.email_id' AS email_id,
    doc->>'$.properties.campaign_id' AS campaign_id,
    -- The spec has no fields for these three; senders that know them use our names.
    doc->>'$.properties.bounce_type' AS bounce_type,
    doc->>'$.properties.machine_open' AS machine_open,
    doc->>'$.properties.bot_click' AS bot_click,
    coalesce(doc->>'$.context.userAgent', doc->>'$.context.user_agent') AS user_agent,
    doc->>'$.properties.link_url' AS link_url,
    loaded_at
FROM calls
WHERE {_MAILS}
"""

_REFUSED = refused_channels("event")
_CONSENT_EVENTS = f"""{_CALLS}
SELECT
    _row, user_id AS customer_id, {_ADDRESS}, occurred_at, 'unsubscribed' AS status, unnest({_REFUSED}) AS channel,
    'segment' AS source, loaded_at
FROM calls
WHERE type = 'track' AND len({_REFUSED}) > 0
"""

_LEFT_OUT = f"""{_CALLS}
SELECT _row, type AS reason FROM calls WHERE type IN ('group', 'alias')
UNION ALL
SELECT _row, 'identify without both ids' FROM calls
WHERE type = 'identify' AND (user_id IS NULL OR anonymous_id IS NULL)
UNION ALL
-- Order Updated says again what Order Completed said.
SELECT _row, {harmless("event")} FROM calls
WHERE type = 'track' AND event IS NOT NULL AND event NOT IN (
        'Product Viewed', 'Products Searched', 'Product Added', 'Cart Viewed', 'Checkout Started', 'Order Completed',
        'Order Cancelled', 'Order Refunded'
    ) AND NOT ({_MAILS}) AND len({_REFUSED}) = 0
"""

ADAPTER = Adapter(
    name="segment",
    title="Segment, raw calls",
    source="https://www.twilio.com/docs/segment/connections/spec/ecommerce/v2",
    formats=("jsonl",),
    columns=(),
    optional=(),
    logs={
        "orders": _ORDERS,
        "order_items": _ORDER_ITEMS,
        "web_events": _WEB_EVENTS,
        "identity_map": _IDENTITY_MAP,
        "email_events": _EMAIL_EVENTS,
        "consent_events": _CONSENT_EVENTS,
    },
    left_out=_LEFT_OUT,
    guessed=f"""{_CALLS} SELECT {harmless("event")} AS name FROM calls
        WHERE type = 'track' AND len({_REFUSED}) > 0 AND NOT ({_MAILS})""",
    # A call can be delivered twice, and lines of an order have no id by which that would be seen.
    settings={"order_items": {"duplicates": "set_aside"}, "consent_events": {"duplicates": "set_aside"}},
)
"""Raw calls of a Segment workspace: orders, their lines, pages, identities and e-mails."""
