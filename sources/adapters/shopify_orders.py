"""Shopify: the orders CSV of the admin, one row per line of an order."""

from sources.adapters.base import Adapter

# Shopify fills the fields of an order in its first row only; further rows have Name, the line and little else.
# So orders are the rows that have one of these, and nothing has to be carried from row to row or summed.
_HEADS = """
WITH heads AS (
    SELECT *,
        -- Shops that show prices with tax have it inside of Subtotal: then Total is Subtotal and shipping.
        coalesce(
            TRY_CAST("Taxes" AS DECIMAL(18, 4)) > 0
                AND TRY_CAST("Total" AS DECIMAL(18, 4))
                    = TRY_CAST("Subtotal" AS DECIMAL(18, 4)) + TRY_CAST("Shipping" AS DECIMAL(18, 4)),
            false
        ) AS with_tax,
        coalesce(TRY_CAST("Refunded Amount" AS DECIMAL(18, 4)) = TRY_CAST("Total" AS DECIMAL(18, 4)), false) AS refunded
    FROM records
    WHERE "Financial Status" IS NOT NULL OR "Subtotal" IS NOT NULL OR "Total" IS NOT NULL
)
"""

# Never paid, so never an order. Pending and authorized count: invoices and cash on delivery are such.
_VOID = "coalesce(lower(\"Financial Status\") IN ('voided', 'expired'), false)"

# There is no customer id in the file: a person is the address, and a guest without one is set aside.
_SAME = """
    _row, "Email" AS email, "Name" AS order_id,
    "Currency" AS currency, "Discount Code" AS coupon, "Source" AS channel
"""

# Subtotal is after discounts. Where it holds the tax, revenue is made of the total, shipping and tax.
_MONEY = """
    CASE WHEN NOT with_tax THEN "Subtotal" END AS revenue,
    "Total" AS total, "Shipping" AS shipping, "Taxes" AS tax, "Discount Amount" AS discount
"""

_ORDERS = f"""{_HEADS}
SELECT {_SAME}, "Created at" AS ordered_at, 'Order Completed' AS event, {_MONEY}
FROM heads WHERE NOT {_VOID}
UNION ALL BY NAME
SELECT {_SAME}, "Cancelled at" AS ordered_at, 'Order Cancelled' AS event, {_MONEY}
FROM heads WHERE NOT {_VOID} AND "Cancelled at" IS NOT NULL
UNION ALL BY NAME
-- What was paid back is one amount without a date: it is booked at the time of the order. A whole order that was paid
-- back takes back just its revenue; of a part we only know the amount, which may hold tax and shipping.
-- Cancelling an order pays it back as a rule: the cancellation says so already, with its own date.
SELECT {_SAME}, "Created at" AS ordered_at, 'Order Refunded' AS event,
    CASE WHEN refunded AND NOT with_tax THEN "Subtotal" END AS revenue,
    "Refunded Amount" AS total,
    CASE WHEN refunded THEN "Shipping" END AS shipping,
    CASE WHEN refunded THEN "Taxes" END AS tax
FROM heads
WHERE NOT {_VOID} AND "Cancelled at" IS NULL AND "Refunded Amount" IS NOT NULL
    AND TRY_CAST("Refunded Amount" AS DECIMAL(18, 4)) IS DISTINCT FROM 0
"""

# The status stands in the first row of an order only; the names of the void orders are all that is kept in memory.
_VOID_NAMES = f'SELECT "Name" FROM records WHERE {_VOID} AND "Name" IS NOT NULL'

_ORDER_ITEMS = f"""
SELECT
    _row, "Name" AS order_id, coalesce("Lineitem sku", "Lineitem name") AS product_id,
    "Lineitem quantity" AS quantity, "Lineitem price" AS price, "Lineitem discount" AS discount
FROM records
WHERE ("Lineitem name" IS NOT NULL OR "Lineitem sku" IS NOT NULL)
    AND coalesce("Name", '') NOT IN ({_VOID_NAMES}) AND NOT {_VOID}
"""

_LEFT_OUT = f"""
SELECT _row, CASE WHEN {_VOID} THEN lower("Financial Status") ELSE 'further row of an order never paid' END AS reason
FROM records WHERE {_VOID} OR "Name" IN ({_VOID_NAMES})
UNION ALL
SELECT _row, 'row that only goes on with an order'
FROM records
WHERE "Name" IS NOT NULL AND "Name" NOT IN ({_VOID_NAMES})
    AND "Financial Status" IS NULL AND "Subtotal" IS NULL AND "Total" IS NULL
    AND "Lineitem name" IS NULL AND "Lineitem sku" IS NULL
"""

ADAPTER = Adapter(
    name="shopify_orders",
    title="Shopify, orders CSV",
    source="https://help.shopify.com/en/manual/fulfillment/managing-orders/exporting-orders",
    formats=("csv",),
    columns=(
        "Name",
        "Email",
        "Financial Status",
        "Currency",
        "Subtotal",
        "Shipping",
        "Taxes",
        "Total",
        "Created at",
        "Lineitem quantity",
        "Lineitem name",
        "Lineitem price",
    ),
    optional=(
        "Discount Code",
        "Discount Amount",
        "Cancelled at",
        "Refunded Amount",
        "Source",
        "Lineitem sku",
        "Lineitem discount",
    ),
    logs={"orders": _ORDERS, "order_items": _ORDER_ITEMS},
    left_out=_LEFT_OUT,
    # Exports of overlapping periods repeat lines, and lines have no id by which that would be seen.
    settings={"order_items": {"duplicates": "set_aside"}},
)
"""The orders CSV: completed, cancelled and refunded orders, and their lines."""
