"""Twenty features in featuretools: FOLDER CUTOFF OUT. Runs in an environment of its own."""

import json
import sys
import time
import warnings
from pathlib import Path

import featuretools as ft
import pandas as pd
from featuretools.primitives import Count, Max, Mean, NumUnique, PercentTrue, Sum, TimeSinceLast
from woodwork.logical_types import Boolean, Categorical, Double

warnings.simplefilter("ignore")
FOLDER, CUTOFF, OUT = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])


def read(log: str, *columns: str) -> pd.DataFrame:
    frame = pd.read_parquet(FOLDER / log, columns=["customer_id", "occurred_at", "loaded_at", "event_id", *columns])
    frame = frame[(frame["occurred_at"] < CUTOFF) & (frame["loaded_at"] < CUTOFF)].drop(columns="loaded_at")
    return frame.assign(occurred_at=pd.to_datetime(frame["occurred_at"], unit="us"))


started, used = time.perf_counter(), time.process_time()
orders = read("orders", "event", "revenue", "discount", "coupon")
orders = orders[orders["event"] == "Order Completed"]
orders["is_discounted"] = (orders["discount"].fillna(0) > 0) | orders["coupon"].notna()
lines = read("order_items", "event", "product_id")
emails = read("email_events", "event", "bot_click")
deliveries = read("deliveries", "delay_hours")
children = {
    "orders": orders.drop(columns=["event", "discount", "coupon"]),
    "lines": lines[lines["event"] == "Order Completed"].drop(columns="event"),
    "delivered": emails[emails["event"] == "Email Delivered"][["customer_id", "occurred_at", "event_id"]],
    "clicks": emails[(emails["event"] == "Email Link Clicked") & ~emails["bot_click"].fillna(False).astype(bool)][
        ["customer_id", "occurred_at", "event_id"]
    ],
    "optouts": emails[emails["event"].isin(["Unsubscribed", "Email Marked as Spam"])][
        ["customer_id", "occurred_at", "event_id"]
    ],
    "web": read("web_events"),
    "late": deliveries[deliveries["delay_hours"] >= 24].drop(columns="delay_hours"),
    "loyalty": read("loyalty_events", "points"),
}
kinds = {"revenue": Double, "points": Double, "is_discounted": Boolean, "product_id": Categorical}
es = ft.EntitySet("shop")
customers = pd.read_parquet(FOLDER / "customers", columns=["customer_id"])
es.add_dataframe(dataframe_name="customers", dataframe=customers, index="customer_id")
for name, frame in children.items():
    es.add_dataframe(
        dataframe_name=name,
        dataframe=frame,
        index="event_id",
        time_index="occurred_at",
        logical_types={column: kind for column, kind in kinds.items() if column in frame},
    )
    es.add_relationship("customers", "customer_id", name, "customer_id")
read_seconds = time.perf_counter() - started


def feature(name: str, child: str, column: str, primitive: object) -> ft.Feature:
    made = ft.Feature(es[child].ww[column], parent_dataframe_name="customers", primitive=primitive)
    return made.rename(name)


def matrix(features: list[ft.Feature], window: str | None) -> pd.DataFrame:
    cutoff = pd.Timestamp(CUTOFF, unit="us")
    return ft.calculate_feature_matrix(features, entityset=es, cutoff_time=cutoff, training_window=window)


tables = [
    matrix(
        [
            feature("days_since_last_order", "orders", "occurred_at", TimeSinceLast(unit="days")),
            feature("average_order_value", "orders", "revenue", Mean),
            feature("largest_order_value", "orders", "revenue", Max),
            feature("discounted_order_share_so_far", "orders", "is_discounted", PercentTrue),
            feature("days_since_last_visit", "web", "occurred_at", TimeSinceLast(unit="days")),
            feature("days_since_last_click", "clicks", "occurred_at", TimeSinceLast(unit="days")),
            feature("email_optouts", "optouts", "event_id", Count),
            feature("points_in_hand", "loyalty", "points", Sum),
        ],
        None,
    )
]
for days in (30, 90, 365):
    tables.append(
        matrix(
            [
                feature(f"spend_{days}d", "orders", "revenue", Sum),
                feature(f"products_bought_{days}d", "lines", "product_id", NumUnique),
                feature(f"emails_delivered_{days}d", "delivered", "event_id", Count),
                feature(f"late_deliveries_{days}d", "late", "event_id", Count),
            ],
            f"{days} days",
        )
    )
table = pd.concat(tables, axis=1).astype("float64")
took = {"read": read_seconds, "wall": time.perf_counter() - started, "processor": time.process_time() - used}
table.rename_axis("customer_id").reset_index().to_parquet(OUT)
print(json.dumps(took | {"version": f"featuretools {ft.__version__}, pandas {pd.__version__}"}))
