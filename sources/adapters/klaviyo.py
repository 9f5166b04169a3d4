"""Klaviyo: events of the Events API, one event per line or whole pages with what they include."""

from sources.adapters.base import Adapter, harmless
from sources.adapters.refusals import refused_channels

_EVENTS = """
WITH pages AS (
    -- A page of the API holds events in data and metrics and profiles in included; a line may also be one event.
    SELECT
        _row,
        json_extract(doc, '$.included[*]') AS included,
        json_type(doc, '$.data') = 'ARRAY' AS is_page,
        CASE json_type(doc, '$.data')
            WHEN 'ARRAY' THEN json_extract(doc, '$.data[*]')
            WHEN 'OBJECT' THEN [doc->'$.data']
            ELSE [doc]
        END AS found
    FROM records
),
single AS (SELECT _row, included, coalesce(is_page, false) AS is_page, unnest(found) AS e FROM pages),
joined AS (
    SELECT
        _row, is_page, e,
        coalesce(
            e->'$.attributes.event_properties', e->'$.event_properties', e->'$.attributes.properties', e->'$.properties'
        ) AS p,
        -- An event names its metric and its profile by id only; the names stand in what the page includes.
        coalesce(
            list_filter(included, lambda i: (i->>'$.id') = (e->>'$.relationships.metric.data.id')
                AND (i->>'$.type') = 'metric')[1],
            e->'$.relationships.metric.data', e->'$.attributes.metric.data', e->'$.attributes.metric', e->'$.metric'
        ) AS metric,
        coalesce(
            list_filter(included, lambda i: (i->>'$.id') = (e->>'$.relationships.profile.data.id')
                AND (i->>'$.type') = 'profile')[1],
            e->'$.relationships.profile.data', e->'$.attributes.profile.data', e->'$.profile', e->'$.person'
        ) AS profile
    FROM single
),
events AS (
    SELECT
        _row, is_page, e, p,
        coalesce(
            metric->>'$.attributes.name', metric->>'$.name', e->>'$.attributes.metric_name', e->>'$.metric_name',
            e->>'$.event_name', CASE WHEN json_type(metric) = 'VARCHAR' THEN metric->>'$' END
        ) AS name,
        coalesce(e->>'$.id', e->>'$.attributes.uuid', e->>'$.uuid') AS message_id,
        nullif(coalesce(profile->>'$.attributes.external_id', profile->>'$.external_id'), '') AS external_id,
        nullif(coalesce(profile->>'$.attributes.email', profile->>'$.email', profile->>'$."$email"'), '') AS email,
        coalesce(e->>'$.attributes.datetime', e->>'$.datetime', e->>'$.attributes.time') AS occurred_at,
        -- $event_id is the shop's own number of an order; that of a line begins with it.
        coalesce(
            p->>'$.OrderId', p->>'$.OrderID', p->>'$."Order ID"', p->>'$.order_id', p->>'$."$event_id"'
        ) AS order_id
    FROM joined
),
people AS (
    -- external_id is the shop's own id of the customer, and without it the address. Klaviyo's own id of a profile names
    -- nobody whom the shop knows, and is gone once the profile was merged into another.
    SELECT * EXCLUDE (email),
        external_id AS customer_id,
        CASE WHEN external_id IS NULL THEN email END AS email
    FROM events
)
"""

_ORDERS = f"""{_EVENTS}
SELECT
    _row, customer_id, email, order_id, occurred_at AS ordered_at,
    CASE name
        WHEN 'Placed Order' THEN 'Order Completed'
        WHEN 'Refunded Order' THEN 'Order Refunded'
        ELSE 'Order Cancelled'
    END AS event,
    -- $value is the total of the order; shops differ in what they put into it.
    coalesce(p->>'$."$value"', p->>'$.value') AS total,
    coalesce(p->>'$."$extra".total_tax', p->>'$.Tax') AS tax,
    coalesce(p->>'$."$extra".total_shipping', p->>'$.Shipping') AS shipping,
    coalesce(p->>'$.DiscountValue', p->>'$."Total Discounts"') AS discount,
    coalesce(p->>'$.DiscountCode', p->>'$."Discount Codes"[0]') AS coupon,
    coalesce(p->>'$."$currency_code"', p->>'$."$value_currency"', p->>'$.Currency') AS currency
FROM people
WHERE name IN ('Placed Order', 'Refunded Order', 'Cancelled Order')
"""

_ORDER_ITEMS = f"""{_EVENTS}
SELECT
    _row,
    coalesce(
        p->>'$.OrderId', p->>'$.OrderID', p->>'$."Order ID"', p->>'$.order_id',
        regexp_extract(p->>'$."$event_id"', '^[^:_]+')
    ) AS order_id,
    coalesce(p->>'$.ProductID', p->>'$.ProductId', p->>'$."Product ID"', p->>'$.product_id', p->>'$.SKU') AS product_id,
    coalesce(p->>'$.ProductCategories[0]', p->>'$.Categories[0]', p->>'$."Product Categories"[0]') AS category,
    coalesce(p->>'$.Quantity', p->>'$.quantity') AS quantity,
    coalesce(p->>'$.ItemPrice', p->>'$.Price', p->>'$.price', p->>'$."$value"') AS price
FROM people
WHERE name = 'Ordered Product'
"""

_WEB = """
    'Active on Site', 'Viewed Product', 'Added to Cart', 'Started Checkout', 'Checkout Started'
"""

_WEB_EVENTS = f"""{_EVENTS}
SELECT
    _row, message_id, customer_id, email,
    CASE name
        WHEN 'Active on Site' THEN 'Page Viewed'
        WHEN 'Viewed Product' THEN 'Product Viewed'
        WHEN 'Added to Cart' THEN 'Product Added'
        WHEN 'Started Checkout' THEN 'Checkout Started'
        WHEN 'Checkout Started' THEN 'Checkout Started'
    END AS event,
    occurred_at,
    coalesce(
        p->>'$.AddedItemProductID', p->>'$.ProductID', p->>'$.ProductId', p->>'$."Product ID"', p->>'$.product_id'
    ) AS product_id,
    coalesce(p->>'$.AddedItemCategories[0]', p->>'$.Categories[0]', p->>'$.ProductCategories[0]') AS category,
    coalesce(p->>'$.AddedItemPrice', p->>'$.Price', p->>'$.price') AS price,
    coalesce(p->>'$.AddedItemQuantity', p->>'$.Quantity', p->>'$.quantity') AS quantity
FROM people
-- An event of a page whose metric is not included is set aside by the contract rather than lost beside the others.
WHERE name IN ({_WEB}) OR name IS NULL AND is_page
"""

_MAILS = """
    'Sent Email', 'Received Email', 'Opened Email', 'Clicked Email', 'Bounced Email', 'Marked Email as Spam',
    'Unsubscribed', 'Unsubscribed from Email Marketing', 'Unsubscribed from List'
"""

_EMAIL_EVENTS = f"""{_EVENTS}
SELECT
    _row, message_id, customer_id, email,
    CASE name
        WHEN 'Sent Email' THEN 'Email Sent'
        WHEN 'Received Email' THEN 'Email Delivered'
        WHEN 'Opened Email' THEN 'Email Opened'
        WHEN 'Clicked Email' THEN 'Email Link Clicked'
        WHEN 'Bounced Email' THEN 'Email Bounced'
        WHEN 'Marked Email as Spam' THEN 'Email Marked as Spam'
        ELSE 'Unsubscribed'
    END AS event,
    occurred_at,
    p->>'$."$message"' AS email_id,
    coalesce(p->>'$."$flow"', p->>'$."$message"', p->>'$."Campaign ID"') AS campaign_id,
    CASE WHEN name = 'Bounced Email' THEN lower(coalesce(p->>'$."Bounce Type"', p->>'$.bounce_type')) END
        AS bounce_type,
    -- Apple's proxy fetches the picture whether somebody looks or not; other machines do too.
    CASE WHEN name = 'Opened Email' THEN
        CASE WHEN 'true' IN (lower(p->>'$.machine_open'), lower(p->>'$."Machine Open"')) THEN 'true'
            ELSE p->>'$."Apple Privacy Open"' END
    END AS machine_open,
    CASE WHEN name = 'Clicked Email' THEN coalesce(p->>'$."Bot Click"', p->>'$.bot_click') END AS bot_click,
    CASE WHEN name = 'Clicked Email' THEN p->>'$.URL' END AS link_url
FROM people
WHERE name IN ({_MAILS})
"""

# A mail is dropped where its address had refused or bounced before.
_OWN_REFUSALS = "'Dropped Email', 'Unsubscribed from SMS Marketing'"
_REFUSED = refused_channels("name")
_IS_CONSENT = f"(name = 'Subscribed to Email Marketing' OR len({_REFUSED}) > 0)"

# Leaving one list counts as leaving; joining one does not count as agreeing, because imports do that too.
_CONSENT_EVENTS = f"""{_EVENTS}
SELECT
    _row, customer_id, email, occurred_at, 'klaviyo' AS source,
    CASE WHEN name = 'Subscribed to Email Marketing' THEN 'subscribed' ELSE 'unsubscribed' END AS status,
    unnest(CASE WHEN name = 'Subscribed to Email Marketing' THEN ['email'] ELSE {_REFUSED} END) AS channel
FROM people
WHERE {_IS_CONSENT}
"""

_LEFT_OUT = f"""{_EVENTS}
SELECT _row, {harmless("name")} AS reason FROM events
WHERE name NOT IN ({_WEB}, {_MAILS}, 'Placed Order', 'Refunded Order', 'Cancelled Order', 'Ordered Product')
    AND NOT {_IS_CONSENT}
UNION ALL
SELECT _row, 'page without events' FROM records
WHERE json_type(doc, '$.data') = 'ARRAY' AND json_array_length(doc, '$.data') = 0
"""

ADAPTER = Adapter(
    name="klaviyo",
    title="Klaviyo, events",
    source="https://developers.klaviyo.com/en/reference/events_api_overview",
    formats=("jsonl",),
    columns=(),
    optional=(),
    logs={
        "orders": _ORDERS,
        "order_items": _ORDER_ITEMS,
        "web_events": _WEB_EVENTS,
        "email_events": _EMAIL_EVENTS,
        "consent_events": _CONSENT_EVENTS,
    },
    left_out=_LEFT_OUT,
    guessed=f"""{_EVENTS} SELECT {harmless("name")} AS name FROM events
        WHERE len({_REFUSED}) > 0 AND name NOT IN ({_MAILS}, {_OWN_REFUSALS})""",
    settings={"order_items": {"duplicates": "set_aside"}, "consent_events": {"duplicates": "set_aside"}},
)
"""Events of the Events API: e-mails, consent, orders, their lines and visits."""
