"""Shopify: the customers CSV of the admin, one row per customer."""

from sources.adapters.base import Adapter

_CUSTOMERS = """
SELECT
    _row,
    -- Shopify writes an apostrophe before the id, so that spreadsheets keep it as text. Older exports have no id: there
    -- the address is one, as it is for the orders CSV.
    coalesce(regexp_replace("Customer ID", '^''', ''), lower(trim("Email"))) AS customer_id,
    "Email" AS email,
    coalesce("Default Address Country Code", "Country Code") AS country,
    -- 'no' is said both of people who left and of people who never agreed: neither may be written to.
    CASE lower(coalesce("Accepts Email Marketing", "Accepts Marketing"))
        WHEN 'yes' THEN 'subscribed'
        WHEN 'true' THEN 'subscribed'
        WHEN 'no' THEN 'unsubscribed'
        WHEN 'false' THEN 'unsubscribed'
        ELSE coalesce("Accepts Email Marketing", "Accepts Marketing")
    END AS email_consent
FROM records
"""

ADAPTER = Adapter(
    name="shopify_customers",
    title="Shopify, customers CSV",
    source="https://help.shopify.com/en/manual/customers/import-export-customers",
    formats=("csv",),
    columns=("Email",),
    optional=(
        "Customer ID",
        "Accepts Email Marketing",
        "Accepts Marketing",
        "Default Address Country Code",
        "Country Code",
    ),
    logs={"customers": _CUSTOMERS},
    left_out="SELECT _row, '' AS reason FROM records WHERE false",
)
"""The customers CSV: addresses and the state of the consent."""
