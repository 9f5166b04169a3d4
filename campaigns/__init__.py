"""Whom we contact: list recipes, guards, holdouts, and what leaves for the e-mail platform."""

from campaigns.carts import CART_COLUMNS, last_orders, open_carts, ordered_since
from campaigns.contact import (
    CONTACT_COLUMNS,
    STOP_RULES,
    SUPPRESS_RULES,
    Logs,
    after_everything,
    contact_rules,
    missing_consent,
)
from campaigns.errors import ListError, StaleListError
from campaigns.export import (
    EXPORT_COLUMNS,
    ExportedList,
    check_fresh,
    export_rows,
    neutral_cell,
    readme,
    to_csv,
)
from campaigns.holdout import arms, draw
from campaigns.lists import ACTIONS, LEFT_OUT_RULES, BuiltList, build_lists, content_hash
from campaigns.settings import AbandonedCartSettings, CampaignSettings, ListSettings, WinBackSettings

__all__ = [
    "ACTIONS",
    "CART_COLUMNS",
    "CONTACT_COLUMNS",
    "EXPORT_COLUMNS",
    "LEFT_OUT_RULES",
    "STOP_RULES",
    "SUPPRESS_RULES",
    "AbandonedCartSettings",
    "BuiltList",
    "CampaignSettings",
    "ExportedList",
    "ListError",
    "ListSettings",
    "Logs",
    "StaleListError",
    "WinBackSettings",
    "after_everything",
    "arms",
    "build_lists",
    "check_fresh",
    "contact_rules",
    "content_hash",
    "draw",
    "export_rows",
    "last_orders",
    "missing_consent",
    "neutral_cell",
    "open_carts",
    "ordered_since",
    "readme",
    "to_csv",
]
