"""Features in pandas, as a data scientist writes them: FOLDER CUTOFF OUT. Prints what it took as JSON."""

import json
import sys
import time
from pathlib import Path

import pandas as pd

DAY_US = 86_400_000_000
FOLDER, CUTOFF, OUT = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])


def read(log: str, *columns: str) -> pd.DataFrame:
    frame = pd.read_parquet(FOLDER / log, columns=["customer_id", "occurred_at", "loaded_at", *columns])
    frame = frame[(frame["occurred_at"] < CUTOFF) & (frame["loaded_at"] < CUTOFF)]
    return frame.assign(days=(CUTOFF - frame["occurred_at"]) / DAY_US)


started, used = time.perf_counter(), time.process_time()
all_orders = read("orders", "event", "revenue", "discount", "coupon")
orders = all_orders[all_orders["event"] == "Order Completed"]
orders["is_discounted"] = (orders["discount"].fillna(0) > 0) | orders["coupon"].notna()
refunds = all_orders[all_orders["event"] == "Order Refunded"]
lines = read("order_items", "event", "product_id", "category")
lines = lines[lines["event"] == "Order Completed"]
emails = read("email_events", "event", "bot_click", "machine_open")
delivered = emails[emails["event"] == "Email Delivered"]
clicks = emails[(emails["event"] == "Email Link Clicked") & ~emails["bot_click"].fillna(False).astype(bool)]
opens = emails[(emails["event"] == "Email Opened") & ~emails["machine_open"].fillna(False).astype(bool)]
optouts = emails[emails["event"].isin(["Unsubscribed", "Email Marked as Spam"])]
web = read("web_events", "event", "session_id")
deliveries = read("deliveries", "delay_hours")
late = deliveries[deliveries["delay_hours"] >= 24]
tickets = read("support_tickets", "event")
opened = tickets[tickets["event"] == "Ticket Opened"]
loyalty = read("loyalty_events", "points")
read_seconds = time.perf_counter() - started

web["session_id"] = web["session_id"].fillna("day " + web["days"].astype(int).astype(str))
web["is_view"] = web["event"] == "Product Viewed"
web["has_cart"] = web["event"].isin(["Product Added", "Checkout Started"])
web["has_order"] = web["event"] == "Order Completed"
visits = web.groupby(["customer_id", "session_id"], as_index=False).agg(
    days=("days", "min"), views=("is_view", "sum"), has_cart=("has_cart", "any"), has_order=("has_order", "any")
)
visits["day"] = visits["days"].astype(int)
visits["is_left"] = visits["has_cart"] & ~visits["has_order"]

orders["day"] = orders["days"].astype(int)
order_days = orders[["customer_id", "day"]].drop_duplicates().sort_values(["customer_id", "day"])
order_days["gap"] = order_days.groupby("customer_id")["day"].diff()

features = {
    "days_since_last_order": orders.groupby("customer_id")["days"].min(),
    "average_order_value": orders.groupby("customer_id")["revenue"].mean(),
    "largest_order_value": orders.groupby("customer_id")["revenue"].max(),
    "discounted_order_share_so_far": orders.groupby("customer_id")["is_discounted"].mean(),
    "usual_gap_days": order_days.groupby("customer_id")["gap"].median(),
    "longest_gap_days": order_days.groupby("customer_id")["gap"].max(),
    "days_with_order_so_far": order_days.groupby("customer_id").size(),
    "days_since_last_visit": web.groupby("customer_id")["days"].min(),
    "days_since_last_click": clicks.groupby("customer_id")["days"].min(),
    "email_optouts": optouts.groupby("customer_id").size(),
    "points_in_hand": loyalty.groupby("customer_id")["points"].sum(),
    "late_delivery_share": (deliveries["delay_hours"] >= 24).groupby(deliveries["customer_id"]).mean(),
}
for window in (30, 90, 365):

    def count(frame: pd.DataFrame, window: int = window) -> pd.Series:
        return frame[frame["days"] <= window].groupby("customer_id").size()

    bought = lines[lines["days"] <= window].groupby("customer_id")
    seen = visits[visits["days"] <= window].groupby("customer_id")
    carts = visits[(visits["days"] <= window) & visits["has_cart"]].groupby("customer_id")
    sent = count(delivered)
    features[f"spend_{window}d"] = orders[orders["days"] <= window].groupby("customer_id")["revenue"].sum()
    features[f"refunds_{window}d"] = count(refunds)
    features[f"products_bought_{window}d"] = bought["product_id"].nunique()
    features[f"categories_bought_{window}d"] = bought["category"].nunique()
    features[f"visit_count_{window}d"] = seen.size()
    features[f"days_with_visit_{window}d"] = seen["day"].nunique()
    features[f"product_views_{window}d"] = seen["views"].sum()
    features[f"abandoned_cart_share_{window}d"] = carts["is_left"].mean()
    features[f"emails_delivered_{window}d"] = sent
    features[f"email_click_share_{window}d"] = count(clicks).reindex(sent.index).fillna(0) / sent
    features[f"email_open_share_{window}d"] = count(opens).reindex(sent.index).fillna(0) / sent
    features[f"late_deliveries_{window}d"] = count(late)
    features[f"tickets_opened_{window}d"] = count(opened)
table = pd.DataFrame(features).astype("float64")
took = {"read": read_seconds, "wall": time.perf_counter() - started, "processor": time.process_time() - used}
table.rename_axis("customer_id").reset_index().to_parquet(OUT)
print(json.dumps(took | {"version": f"pandas {pd.__version__}"}))
