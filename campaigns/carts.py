"""Carts that known customers left behind."""

from __future__ import annotations

import pandas as pd

from campaigns.contact import Logs
from campaigns.settings import AbandonedCartSettings
from timeline import HOUR_US, Window, is_before, known_before

CART_COLUMNS = {
    "web_events": (
        "customer_id",
        "event",
        "event_id",
        "session_id",
        "cart_id",
        "price",
        "quantity",
        "occurred_at",
        "loaded_at",
    ),
    "orders": ("customer_id", "event", "occurred_at", "loaded_at"),
}
"""The logs that decide about carts, and what is read of them."""

_CART_EVENTS = ("Product Added", "Cart Viewed", "Checkout Started")


def _empty() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "customer_id": pd.Series(dtype="str"),
            "cart_value": pd.Series(dtype="Int64"),
            "cart_age_hours": pd.Series(dtype="Int64"),
            "rule": pd.Series(dtype="str"),
        }
    )


def last_orders(logs: Logs, cutoff: int) -> pd.Series:
    """The instant of each customer's newest completed order known before ``cutoff``, by customer_id."""
    found = []
    for log in ("orders", "web_events"):
        table = logs.get(log)
        if table is None:
            continue
        done = table[known_before(table, cutoff) & table["event"].eq("Order Completed") & table["customer_id"].notna()]
        found.append(done[["customer_id", "occurred_at"]])
    if not found:
        return pd.Series(dtype="int64")
    newest: pd.Series = pd.concat(found).groupby("customer_id")["occurred_at"].max()
    return newest


def open_carts(logs: Logs, settings: AbandonedCartSettings, as_of: int) -> pd.DataFrame:
    """One row per known customer with cart activity in the last ``max_age_days``.

    The columns are customer_id, cart_value, cart_age_hours and rule. The newest activity names the cart (its
    cart_id, else its session). ``cart_value`` is in minor units, null where no price is known. ``rule`` is
    ``bought_since_cart``, ``cart_too_recent``, or null for a cart left behind. Only what was known before the
    instant ``as_of`` counts; an order at the very instant of the activity closes the cart.
    """
    web = logs.get("web_events")
    if web is None:
        return _empty()
    # The oldest activity that counts is exactly max_age_days old, the newest exactly min_age_hours.
    reach = Window.last(settings.max_age_days, before=as_of)
    settled = Window(reach.start, as_of - settings.min_age_hours * HOUR_US + 1)
    seen = web[known_before(web, as_of) & reach.contains(web["occurred_at"]) & web["customer_id"].notna()]
    activity = seen[seen["event"].isin(_CART_EVENTS)]
    if activity.empty:
        return _empty()
    activity = activity.assign(cart=activity["cart_id"].fillna("session " + activity["session_id"].astype("str")))
    latest = activity.sort_values(["customer_id", "occurred_at", "event_id"]).drop_duplicates(
        "customer_id", keep="last"
    )
    added = activity[activity["event"].eq("Product Added") & activity["price"].notna()]
    worth = added["price"].astype("int64") * added["quantity"].astype("Int64").fillna(1)
    value = added.assign(worth=worth).groupby(["customer_id", "cart"])["worth"].sum().rename("cart_value")
    carts = latest[["customer_id", "cart", "occurred_at"]].join(value, on=["customer_id", "cart"])
    carts = carts.join(last_orders(logs, as_of).rename("ordered_at"), on="customer_id")
    bought = carts["ordered_at"].notna() & ~is_before(carts["ordered_at"].fillna(-1), carts["occurred_at"])
    rule = pd.Series(None, index=carts.index, dtype="object")
    rule = rule.mask(~settled.contains(carts["occurred_at"]), "cart_too_recent").mask(bought, "bought_since_cart")
    return pd.DataFrame(
        {
            "customer_id": carts["customer_id"].astype("str"),
            "cart_value": carts["cart_value"].astype("Int64"),
            "cart_age_hours": ((as_of - carts["occurred_at"]) // HOUR_US).astype("Int64"),
            "rule": rule.astype("str"),
        }
    ).reset_index(drop=True)


def ordered_since(logs: Logs, as_of: int, now: int) -> set[str]:
    """The customers known before ``now`` to have ordered at or after ``as_of``."""
    newest = last_orders(logs, now)
    return set(newest.index[~is_before(newest, as_of)]) if len(newest) else set()
