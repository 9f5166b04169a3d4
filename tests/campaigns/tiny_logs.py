"""A connection with every canonical log, empty, and rows written by hand into it."""

import itertools

import duckdb
import pandas as pd

from events.logs import LOGS, arrow_schema

DAY_US = 86_400_000_000
_NUMBER = itertools.count()


def instant(text):
    """Microseconds of a UTC time such as ``2026-01-01 12:30``."""
    return pd.Timestamp(text, tz="UTC").value // 1000


AS_OF = instant("2026-01-01")


def tiny_logs(zone="UTC", as_of=AS_OF, threads=1):
    db = duckdb.connect(config={"threads": threads})
    for log in LOGS:
        db.register("empty", arrow_schema(log).empty_table())
        db.execute(f"CREATE TABLE {log} AS FROM empty")
    db.execute(f"SET VARIABLE as_of = {as_of}::BIGINT; SET VARIABLE zone = '{zone}'")
    return db


def add(db, log, rows):
    """``rows`` of dictionaries; what they leave out is null, known at once, and has a new event id."""
    table = pd.DataFrame([{"event_id": f"e{next(_NUMBER)}", "loaded_at": row["occurred_at"]} | row for row in rows])
    db.register("rows", table)
    db.execute(f"INSERT INTO {log} BY NAME FROM rows")
    db.unregister("rows")


def buys(db, purchases):
    """``purchases``: (customer, product, days ago) or (customer, product, days ago, category)."""
    rows = []
    for customer, product, days, *category in purchases:
        rows.append(
            {
                "customer_id": customer, "occurred_at": AS_OF - int(days * DAY_US), "event": "Order Completed",
                "order_id": f"o{next(_NUMBER)}", "product_id": product, "category": category[0] if category else None,
                "quantity": 1, "price": 100,
            }
        )  # fmt: skip
    add(db, "order_items", rows)
    order = ("customer_id", "occurred_at", "event", "order_id")
    add(db, "orders", [{name: row[name] for name in order} | {"revenue": 100, "currency": "GBP"} for row in rows])


def want(db, *customers):
    db.execute("CREATE OR REPLACE TABLE wanted (customer_id VARCHAR)")
    for customer in customers:
        db.execute("INSERT INTO wanted VALUES (?)", [customer])
