"""Adapters: files of vendors, read as the vendors write them.

One file per vendor holds the SQL that makes rows of our logs from its records. To add one, write such a file and name
it here; docs/how-to/read-a-vendors-export.md has a section for each.
"""

from sources.adapters import (
    amazon_ses,
    ga4,
    klaviyo,
    mailchimp,
    mailgun,
    segment,
    sendgrid,
    shopify_customers,
    shopify_orders,
    woocommerce_orders,
)
from sources.adapters.base import Adapter, Format

__all__ = ["ADAPTERS", "Adapter", "Format"]

ADAPTERS: dict[str, Adapter] = {
    module.ADAPTER.name: module.ADAPTER
    for module in (
        amazon_ses,
        ga4,
        klaviyo,
        mailchimp,
        mailgun,
        segment,
        sendgrid,
        shopify_customers,
        shopify_orders,
        woocommerce_orders,
    )
}
"""Every adapter by the name it has in params."""
