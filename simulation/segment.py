"""The visits, log-ins and purchases as one export of a Segment workspace: raw calls, one JSON object each."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

Row = dict[str, Any]
_AMOUNTS = ("revenue", "total", "shipping", "tax", "discount")


def segment_calls(files: Mapping[str, pa.Table]) -> list[Row]:
    """One call per visit's step, log-in, cancellation and refund among the shop's export ``files``, as they arrived.

    An Order Completed call tells of the visit, the order and its lines at once, as sites send it. Orders and log-ins
    that are no step of a visit arrive as they happen.
    """
    orders = files["orders.csv"].to_pylist()
    bought = {order["order_id"]: order for order in orders if order["event"] == "Order Completed"}
    lines: defaultdict[str, list[Row]] = defaultdict(list)
    for line in files["order_items.csv"].to_pylist():
        lines[line["order_id"]].append(
            _given(
                {name: line[name] for name in ("product_id", "category", "quantity")} | {"price": float(line["price"])}
            )
        )
    calls = [_step(row, bought, lines) for row in files["web_events.parquet"].to_pylist()]
    calls += [_login(number, row) for number, row in enumerate(files["identity_map.csv"].to_pylist(), 1)]
    back = [order for order in orders if order["event"] != "Order Completed"]
    calls += [_taken_back(number, order) for number, order in enumerate(back, 1)]
    return sorted(calls, key=lambda call: (call["receivedAt"], call["messageId"]))


def _step(row: Row, bought: Mapping[str, Row], lines: Mapping[str, list[Row]]) -> Row:
    properties = {name: row[name] for name in ("session_id", "product_id", "category", "quantity", "cart_id")}
    if row["price"] is not None:
        properties["price"] = float(row["price"])
    if row["order_id"] is not None:
        properties |= _money(bought[row["order_id"]]) | {"products": lines[row["order_id"]]}
    is_page = row["event"] == "Page Viewed"
    return {
        "type": "page" if is_page else "track",
        **({} if is_page else {"event": row["event"]}),
        "messageId": row["message_id"],
        "userId": row["customer_id"],
        "anonymousId": row["anonymous_id"],
        **_times(row["occurred_at"], row["loaded_at"]),
        "properties": _given(properties),
    }


def _login(number: int, row: Row) -> Row:
    at = datetime.fromisoformat(row["identified_at"])
    who = {"userId": row["customer_id"], "anonymousId": row["anonymous_id"]}
    return {"type": "identify", "messageId": f"I{number:08d}", **who, **_times(at, at), "traits": {}}


def _taken_back(number: int, order: Row) -> Row:
    at = datetime.fromisoformat(order["ordered_at"])
    return {
        "type": "track",
        "event": order["event"],
        "messageId": f"B{number:08d}",
        "userId": order["customer_id"],
        **_times(at, at),
        "properties": _given(_money(order)),
    }


def _money(order: Row) -> Row:
    named = {"order_id": order["order_id"], "currency": order["currency"], "coupon": order["coupon"]}
    return named | {"affiliation": order["channel"]} | {name: float(order[name]) for name in _AMOUNTS}


def _times(occurred_at: datetime, received_at: datetime) -> Row:
    return {"timestamp": _utc(occurred_at), "receivedAt": _utc(received_at)}


def _utc(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _given(properties: Row) -> Row:
    return {name: value for name, value in properties.items() if value is not None}
