"""Google Analytics 4: the tables events_YYYYMMDD of the BigQuery export, as Parquet or JSON lines."""

from sources.adapters.base import GUESSABLE, Adapter, harmless, rounded_off


def _parameter(name: str, kinds: tuple[str, ...]) -> str:
    """SQL of the event parameter ``name``: the first of the typed values ``kinds`` that is there."""
    found = f"list_filter(json_extract(doc, '$.event_params[*]'), lambda p: (p->>'$.key') = '{name}')[1]"
    return "coalesce(" + ", ".join(f"{found}->>'$.value.{kind}'" for kind in kinds) + ")"


_EVENTS = f"""
WITH packed AS (SELECT _row, to_json(r) AS packed FROM records AS r),
-- One text for both formats: a record of JSON lines stands in doc, a Parquet row is one object of its columns.
docs AS (SELECT _row, coalesce(packed->'$.doc', packed) AS doc FROM packed),
events AS (
    SELECT
        _row, doc,
        doc->>'$.event_name' AS name,
        doc->>'$.event_timestamp' AS occurred_at,
        nullif(doc->>'$.user_id', '') AS user_id,
        nullif(doc->>'$.user_pseudo_id', '') AS pseudo_id,
        {_parameter("ga_session_id", ("int_value", "string_value"))} AS session,
        {_parameter("page_location", ("string_value",))} AS page,
        -- Google writes '(not set)' where an id is missing.
        nullif(coalesce(
            doc->>'$.ecommerce.transaction_id', {_parameter("transaction_id", ("string_value", "int_value"))}
        ), '(not set)') AS order_id
    FROM docs
)
"""

_NAMES = """
    'page_view', 'view_item', 'view_search_results', 'add_to_cart', 'view_cart', 'begin_checkout', 'purchase'
"""

# Events with products give one row per product, all others one row.
_WEB_EVENTS = f"""{_EVENTS},
products AS (
    SELECT *, unnest(
        CASE WHEN name IN ('view_item', 'add_to_cart') AND json_array_length(doc, '$.items') > 0
            THEN json_extract(doc, '$.items[*]') ELSE [NULL::JSON] END
    ) AS item
    FROM events
),
placed AS (
    SELECT *, nullif(item->>'$.item_id', '(not set)') AS product_id,
        nullif(item->>'$.item_category', '(not set)') AS category
    FROM products
)
SELECT
    _row,
    -- Tables are written again for up to three days, and an intraday table repeats a day: the same event must get the
    -- same id. Without the batch ids (older tables) events of one request share their time, so page
    -- and product count too.
    md5(concat_ws('|', pseudo_id, occurred_at, name, doc->>'$.event_bundle_sequence_id', doc->>'$.batch_page_id',
        doc->>'$.batch_ordering_id', doc->>'$.batch_event_index', page, product_id, order_id))
        || CASE WHEN pseudo_id IS NULL THEN '{GUESSABLE}' ELSE '' END AS message_id,
    user_id AS customer_id,
    pseudo_id AS anonymous_id,
    -- The number of a session is the second of its start, unique for one visitor only. No id of a visitor is kept bare.
    CASE WHEN pseudo_id IS NULL THEN md5(user_id || '|' || session) || '{GUESSABLE}'
        ELSE md5(pseudo_id || '|' || session) END AS session_id,
    CASE name
        WHEN 'page_view' THEN 'Page Viewed'
        WHEN 'view_item' THEN 'Product Viewed'
        WHEN 'view_search_results' THEN 'Products Searched'
        WHEN 'add_to_cart' THEN 'Product Added'
        WHEN 'view_cart' THEN 'Cart Viewed'
        WHEN 'begin_checkout' THEN 'Checkout Started'
        WHEN 'purchase' THEN 'Order Completed'
    END AS event,
    occurred_at,
    product_id,
    category,
    {rounded_off("item->>'$.price'")} AS price,
    item->>'$.quantity' AS quantity,
    CASE WHEN name = 'purchase' THEN order_id END AS order_id
FROM placed
WHERE name IN ({_NAMES}) AND (user_id IS NOT NULL OR pseudo_id IS NOT NULL)
"""

# An order needs a person: without user_id the contract sets it aside, so that the books show how many are missing.
_ORDERS = f"""{_EVENTS}
SELECT
    _row, user_id AS customer_id, order_id, occurred_at AS ordered_at,
    CASE WHEN name = 'refund' THEN 'Order Refunded' ELSE 'Order Completed' END AS event,
    -- purchase_revenue is the value that was sent, and Google asks for a value without shipping and tax.
    CASE name
        WHEN 'refund' THEN {rounded_off("doc->>'$.ecommerce.refund_value'")}
        ELSE {rounded_off("doc->>'$.ecommerce.purchase_revenue'")}
    END AS revenue,
    {rounded_off("doc->>'$.ecommerce.shipping_value'")} AS shipping,
    {rounded_off("doc->>'$.ecommerce.tax_value'")} AS tax,
    {_parameter("currency", ("string_value",))} AS currency,
    {_parameter("coupon", ("string_value",))} AS coupon
FROM events
WHERE name = 'refund' OR name = 'purchase' AND (user_id IS NOT NULL OR pseudo_id IS NOT NULL)
"""

_ORDER_ITEMS = f"""{_EVENTS},
items AS (
    SELECT _row, order_id, unnest(json_extract(doc, '$.items[*]')) AS item
    FROM events WHERE name = 'purchase' AND user_id IS NOT NULL
)
SELECT
    _row, order_id,
    nullif(item->>'$.item_id', '(not set)') AS product_id,
    nullif(item->>'$.item_category', '(not set)') AS category,
    -- Google counts a product without a quantity as one.
    coalesce(item->>'$.quantity', '1') AS quantity,
    {rounded_off("item->>'$.price'")} AS price
FROM items
"""

_LEFT_OUT = f"""{_EVENTS}
SELECT _row, {harmless("name")} AS reason FROM events WHERE name NOT IN ({_NAMES}, 'refund')
UNION ALL
SELECT _row, 'event of a visitor without cookies' FROM events
WHERE name IN ({_NAMES}) AND user_id IS NULL AND pseudo_id IS NULL
"""

# Amounts are binary fractions: 59.97 may arrive as 59.970000000000006.
_READ = {"time_format": "epoch_us", "round_money": True}

ADAPTER = Adapter(
    name="ga4",
    title="Google Analytics 4, BigQuery export",
    source="https://support.google.com/analytics/answer/7029846",
    formats=("parquet", "jsonl"),
    columns=("event_timestamp", "event_name", "event_params", "user_id", "user_pseudo_id", "ecommerce", "items"),
    optional=("event_bundle_sequence_id", "batch_page_id", "batch_ordering_id", "batch_event_index"),
    logs={"orders": _ORDERS, "order_items": _ORDER_ITEMS, "web_events": _WEB_EVENTS},
    left_out=_LEFT_OUT,
    settings={
        "orders": _READ,
        "order_items": {"round_money": True, "duplicates": "set_aside"},
        "web_events": _READ,
    },
)
"""Visits of a site, and the orders of people who were signed in."""
