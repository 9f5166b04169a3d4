"""WooCommerce: orders of the REST API (version 3), one per line or whole pages of the API."""

from sources.adapters.base import Adapter, rounded_off

# The fields that end in _gmt have no offset; said to be UTC they cannot be taken for times of the shop.
_ORDERS_CTE = r"""
WITH orders AS (
    SELECT
        _row, doc,
        doc->>'$.id' AS order_id,
        doc->>'$.status' AS status,
        -- 0 stands for a guest, who is known by the address.
        nullif(nullif(doc->>'$.customer_id', '0'), '') AS customer_id,
        doc->>'$.billing.email' AS email,
        coalesce(
            regexp_replace(doc->>'$.date_created_gmt', '^([-\d]{10}[T ][:.\d]+)$', '\1Z'), doc->>'$.date_created'
        ) AS ordered_at,
        coalesce(
            regexp_replace(doc->>'$.date_modified_gmt', '^([-\d]{10}[T ][:.\d]+)$', '\1Z'), doc->>'$.date_modified'
        ) AS modified_at,
        nullif(coalesce(doc->>'$.date_paid_gmt', doc->>'$.date_paid'), '') IS NOT NULL AS is_paid,
        doc->>'$.total' AS total,
        doc->>'$.shipping_total' AS shipping,
        -- Holds the tax on shipping too; shipping_total does not.
        doc->>'$.total_tax' AS tax
    FROM records
    -- Records of /refunds have no status and name no person; the how-to brings them into their orders.
    WHERE json_exists(doc, '$.status')
),
bought AS (
    -- Of the states that plug-ins add only those count that have been paid. A cancelled order that was never paid is a
    -- checkout somebody left.
    SELECT * FROM orders
    WHERE status IN ('processing', 'completed', 'on-hold', 'refunded')
        OR status NOT IN ('pending', 'failed', 'trash', 'draft', 'auto-draft', 'checkout-draft') AND is_paid
)
"""

_SAME = """
    _row, order_id, customer_id, CASE WHEN customer_id IS NULL THEN email END AS email,
    doc->>'$.currency' AS currency,
    doc->>'$.coupon_lines[0].code' AS coupon,
    doc->>'$.created_via' AS channel
"""

_ORDERS = f"""{_ORDERS_CTE},
refunds AS (
    SELECT * EXCLUDE (ordered_at), ordered_at AS refunded_at,
        list_transform(
            list_filter(
                json_extract(doc, '$.refunds[*]'),
                lambda r: coalesce(r->>'$.date_created_gmt', r->>'$.date_created', '') = ''
                    AND (r->>'$.total') IS NOT NULL
            ),
            lambda r: r->>'$.total'
        ) AS amounts
    -- A cancellation takes the whole order back already.
    FROM bought WHERE status <> 'cancelled'
),
booked AS (
    -- The list inside of an order has no dates: what has none is one sum, booked at the time of the order. Two rows at
    -- one time would look like two versions of one refund. A sum that cannot be made is the broken amount itself.
    SELECT * EXCLUDE (amounts),
        coalesce(
            list_filter(amounts, lambda a: TRY_CAST(a AS DECIMAL(18, 4)) IS NULL)[1],
            list_sum(list_transform(amounts, lambda a: TRY_CAST(a AS DECIMAL(18, 4))))::VARCHAR
        ) AS amount
    FROM refunds WHERE len(amounts) > 0
    UNION ALL BY NAME
    SELECT * EXCLUDE (refund, ordered_at), refund->>'$.total' AS amount,
        coalesce(
            regexp_replace(refund->>'$.date_created_gmt', '^([-\\d]{{10}}[T ][:.\\d]+)$', '\\1Z'),
            refund->>'$.date_created'
        ) AS refunded_at
    FROM (SELECT *, unnest(json_extract(doc, '$.refunds[*]')) AS refund FROM bought WHERE status <> 'cancelled')
    WHERE coalesce(refund->>'$.date_created_gmt', refund->>'$.date_created', '') <> ''
)
SELECT {_SAME}, 'Order Completed' AS event, ordered_at, total, shipping, tax, doc->>'$.discount_total' AS discount
FROM bought
UNION ALL BY NAME
SELECT {_SAME}, 'Order Cancelled' AS event, coalesce(modified_at, ordered_at) AS ordered_at, total, shipping, tax
FROM bought WHERE status = 'cancelled'
UNION ALL BY NAME
-- Refunds are negative here; the contract takes the amount. A whole order takes its shipping and tax with it.
SELECT {_SAME}, 'Order Refunded' AS event, refunded_at AS ordered_at, amount AS total,
    CASE WHEN abs(TRY_CAST(amount AS DECIMAL(18, 4))) = TRY_CAST(total AS DECIMAL(18, 4)) THEN shipping END AS shipping,
    CASE WHEN abs(TRY_CAST(amount AS DECIMAL(18, 4))) = TRY_CAST(total AS DECIMAL(18, 4)) THEN tax END AS tax
FROM booked
"""

_ORDER_ITEMS = f"""{_ORDERS_CTE},
lines AS (SELECT _row, order_id, unnest(json_extract(doc, '$.line_items[*]')) AS line FROM bought)
SELECT
    _row, order_id,
    -- 0 stands for a product that was deleted since.
    coalesce(nullif(line->>'$.product_id', '0'), nullif(line->>'$.sku', '')) AS product_id,
    line->>'$.quantity' AS quantity,
    {rounded_off("line->>'$.price'")} AS price
FROM lines
"""

_LEFT_OUT = f"""{_ORDERS_CTE}
SELECT _row, status AS reason FROM orders
WHERE status IN ('pending', 'failed', 'trash', 'draft', 'auto-draft', 'checkout-draft')
UNION ALL
SELECT _row, 'cancelled, never paid' FROM orders WHERE status = 'cancelled' AND NOT is_paid
"""

ADAPTER = Adapter(
    name="woocommerce_orders",
    title="WooCommerce, orders of the REST API",
    source="https://developer.woocommerce.com/docs/apis/rest-api/v3/orders/",
    formats=("jsonl",),
    columns=(),
    optional=(),
    logs={"orders": _ORDERS, "order_items": _ORDER_ITEMS},
    left_out=_LEFT_OUT,
    # The price of a line is its total divided by its quantity, with all the decimals that gives.
    settings={"order_items": {"duplicates": "set_aside", "round_money": True}},
)
"""Orders with their lines, cancellations and refunds."""
