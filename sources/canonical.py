"""Checked rows into canonical events: one function a log, tables in, tables out.

The rows that arrive here are good; ``customer_id`` already holds the pseudonym.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from events.logs import CHANNELS, arrow_schema
from sources import runs
from sources.mailboxes import providers
from sources.words import EVERY, NO_CHANNEL
from timeline import HOUR_US, is_before

ORDER = ("customer_id", "occurred_at", "event_id")


def shaped(log: str, rows: pa.Table, columns: Mapping[str, pa.Array]) -> pa.Table:
    """The canonical table ``log``: ``columns`` first, then ``rows``, null where neither has one."""
    arrays = []
    schema = arrow_schema(log)
    for field in schema:
        given = columns.get(field.name)
        if given is None:
            given = rows[field.name] if field.name in rows.column_names else pa.nulls(rows.num_rows, field.type)
        arrays.append(pc.cast(given, field.type))
    return runs.sort(pa.table(arrays, schema=schema), ORDER)


def named(rows: pa.Table, parts: Sequence[str]) -> pa.Table:
    """``rows`` with an ``event_id`` made of ``parts`` and the place among rows equal in them.

    Equal rows are numbered by their whole content, so that the order in which they arrived leaves no trace.
    """
    content = [c for c in rows.column_names if c not in parts and not c.startswith("_")]
    ordered = runs.sort(rows, [*parts, *content])
    place = runs.numbers(runs.starts(ordered, parts))
    texts = [pc.fill_null(pc.cast(ordered[part], pa.string()), "") for part in parts]
    event_id = pc.binary_join_element_wise(*texts, pc.cast(pa.array(place), pa.string()), ":")
    return ordered.append_column("event_id", event_id)


def looked_up(keys: pa.Array, known: pa.Array, values: pa.Array) -> pa.Array:
    """The value of each key in the columns ``known`` → ``values``; null where it is unknown."""
    return pc.take(_whole(values), pc.index_in(_whole(keys), _whole(known)))


def _whole(column: pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def orders(rows: pa.Table) -> pa.Table:
    """One row per order event, from a log that has one row per order event.

    Revenue not given is the total without shipping and tax. Refunds and cancellations are positive amounts.
    """
    rows = named(rows, ["order_id", "event", "ordered_at"])
    net = rows["total"]
    for part in ("shipping", "tax"):
        net = pc.subtract(net, pc.fill_null(rows[part], 0))
    return shaped(
        "orders",
        rows,
        {
            "occurred_at": rows["ordered_at"],
            # Free shipping on a voucher can make the difference negative by a rounding unit.
            "revenue": pc.max_element_wise(_positive(rows, pc.coalesce(rows["revenue"], net)), 0),
            "total": _positive(rows, rows["total"]),
        },
    )


def _positive(rows: pa.Table, amount: pa.Array) -> pa.Array:
    bought = pc.equal(rows["event"], "Order Completed")
    return pc.if_else(bought, amount, pc.abs(amount))


def orders_from_lines(lines: pa.Table) -> pa.Table:
    """One row per order id, event and customer, summed over its lines, at the time of its first line.

    Revenue is the sum of quantity × price less the lines' discounts; total and currency follow from it.
    """
    one_order = ["order_id", "event", "customer_id"]
    parts = ["ordered_at", "loaded_at", "currency", "coupon", "channel"]
    ordered = runs.sort(lines, [*one_order, *parts])
    first = runs.starts(ordered, one_order)
    gross = pc.multiply(pc.abs(ordered["quantity"]), ordered["price"]).to_numpy()
    discount = pc.fill_null(ordered["discount"], 0).to_numpy()
    heads = ordered.filter(pa.array(first))
    revenue = pa.array(np.maximum(runs.totals(gross - discount, first), 0))
    given = runs.totals(ordered["discount"].is_valid().to_numpy().astype(np.int64), first) > 0
    total_discount = pc.if_else(pa.array(given), pa.array(runs.totals(discount, first)), pa.scalar(None, pa.int64()))
    loaded = pa.array(_latest(ordered["loaded_at"].to_numpy(), first))
    heads = named(
        heads.select([*one_order, "ordered_at", "currency", "coupon", "channel"])
        .append_column("revenue", revenue)
        .append_column("discount", total_discount)
        .append_column("loaded_at", loaded),
        ["order_id", "event", "ordered_at"],
    )
    return shaped("orders", heads, {"occurred_at": heads["ordered_at"], "total": heads["revenue"]})


def _latest(instants: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The largest of each run: an order built from lines is known once its last line is."""
    return np.maximum.reduceat(instants, np.flatnonzero(first)) if len(instants) else instants


def items_from_lines(lines: pa.Table) -> pa.Table:
    """One row per line of an order."""
    lines = named(lines, ["order_id", "event", "ordered_at"])
    return shaped("order_items", lines, {"occurred_at": lines["ordered_at"], "quantity": pc.abs(lines["quantity"])})


def items_from_orders(rows: pa.Table) -> pa.Table:
    """One row per order that says what category it was, as if it had one line."""
    made = orders(rows.filter(pc.is_valid(rows["category"])))
    category = looked_up(made["order_id"], rows["order_id"], rows["category"])
    once = pa.repeat(pa.scalar(1, pa.int64()), made.num_rows)
    return shaped("order_items", made, {"category": category, "quantity": once, "price": made["revenue"]})


def order_items(rows: pa.Table, made: pa.Table) -> pa.Table:
    """One row per line of a completed order among the canonical orders ``made``."""
    bought = made.filter(pc.equal(made["event"], "Order Completed"))
    rows = rows.drop_columns(["loaded_at"])
    for column in ("customer_id", "occurred_at", "loaded_at", "event"):
        rows = rows.append_column(column, looked_up(rows["order_id"], bought["order_id"], bought[column]))
    return shaped("order_items", named(rows, ["order_id", "event", "occurred_at"]), {})


def returned_items(rows: pa.Table, made: pa.Table) -> pa.Table:
    """One row per line that came back, with the event Order Refunded."""
    rows = rows.append_column("customer_id", looked_up(rows["order_id"], made["order_id"], made["customer_id"]))
    event = pa.repeat(pa.scalar("Order Refunded"), rows.num_rows)
    rows = named(rows.append_column("event", event), ["order_id", "event", "returned_at"])
    return shaped("order_items", rows, {"occurred_at": rows["returned_at"], "quantity": pc.abs(rows["quantity"])})


def customers(rows: pa.Table, made: pa.Table, address_keys: pa.Array) -> pa.Table:
    """One row per customer, at the creation of the account, or else at the first order.

    Of an address its pseudonym and its provider are kept, of a birth the day without year, and the year.
    """
    first = runs.sort(made, ["customer_id", "occurred_at"])
    first = first.filter(pa.array(runs.starts(first, ["customer_id"])))
    ordered = looked_up(rows["customer_id"], first["customer_id"], first["occurred_at"])
    return shaped(
        "customers",
        rows,
        {
            "occurred_at": pc.coalesce(rows["created_at"], ordered),
            "loaded_at": pc.coalesce(rows["loaded_at"], ordered),
            "event_id": rows["customer_id"],
            "address_key": address_keys,
            "birth_month_day": pc.coalesce(rows["birth_month_day"], pc.utf8_slice_codeunits(rows["birth_date"], 5, 10)),
            # Where they differ the later counts: who could be too young is.
            "birth_year": pc.max_element_wise(rows["birth_year"], year_of(rows["birth_date"])),
            "mailbox_provider": providers(_whole(rows["email"])),
        },
    )


def year_of(dates: pa.Array) -> pa.Array:
    """The year of dates written as 1985-03-31."""
    return pc.cast(pc.utf8_slice_codeunits(dates, 0, 4), pa.int64())


def youngest(people: pa.Array, years: pa.Array) -> pa.Array:
    """The latest year of birth that any account of the same person says, for each row."""
    latest = pa.table({"who": people, "year": _whole(years)}).group_by("who").aggregate([("year", "max")])
    return looked_up(people, latest["who"], latest["year_max"])


def doubted(customers: pa.Table, doubtful: Collection[str]) -> pa.Table:
    """``customers`` without the yes of those whose newest row may be one that cannot be read."""
    if not doubtful:
        return customers
    some = pc.is_in(customers["customer_id"], pa.array(sorted(doubtful), pa.string()))
    unsure = pc.and_(some, pc.equal(customers["email_consent"], "subscribed"))
    place = customers.column_names.index("email_consent")
    consent = pc.if_else(unsure, pa.scalar("unknown"), customers["email_consent"])
    return customers.set_column(place, customers.schema.field(place), consent)


def consent_events(rows: pa.Table) -> pa.Table:
    """One row per change of a consent on one channel; what is said of all channels is said of each."""
    many = pc.is_in(rows["channel"], pa.array([EVERY, NO_CHANNEL]))
    if pc.any(many).as_py():
        place = rows.column_names.index("channel")
        each = [
            rows.filter(many).set_column(place, "channel", pa.repeat(pa.scalar(c), pc.sum(many).as_py()))
            for c in CHANNELS
        ]
        rows = pa.concat_tables([rows.filter(pc.invert(many)), *each])
    return shaped("consent_events", named(rows, ["customer_id", "occurred_at", "channel"]), {})


def restrictions(rows: pa.Table) -> pa.Table:
    """One row per restriction that stands in no other table: person, kind, channel, and when it was said."""
    return shaped(
        "restrictions", named(rows, ["customer_id", "restriction", "channel", "inbox", "occurred_at", "log"]), {}
    )


def loyalty_events(rows: pa.Table) -> pa.Table:
    """One row per change of a loyalty account."""
    return shaped("loyalty_events", named(rows, ["customer_id", "occurred_at"]), {})


def campaign_contacts(rows: pa.Table) -> pa.Table:
    """One row per customer and contact."""
    rows = named(rows, ["campaign_id", "customer_id", "contacted_at"])
    return shaped("campaign_contacts", rows, {"occurred_at": rows["contacted_at"]})


def deliveries(rows: pa.Table) -> pa.Table:
    """One row per parcel; the delay is in whole hours, rounded down, negative when early."""
    rows = named(rows, ["order_id", "delivered_at"])
    late_us = pc.subtract(rows["delivered_at"], rows["promised_at"]).to_numpy()
    return shaped(
        "deliveries", rows, {"occurred_at": rows["delivered_at"], "delay_hours": pa.array(late_us // HOUR_US)}
    )


def email_events(rows: pa.Table) -> pa.Table:
    """One row per e-mail event."""
    rows = rows.drop_columns(["link_url", "user_agent"])
    return shaped("email_events", _with_message_id(rows, ["email_id", "customer_id", "event", "occurred_at"]), {})


def _with_message_id(rows: pa.Table, parts: list[str]) -> pa.Table:
    """The sender's message ids as event ids; rows without one are named by their content."""
    has_id = pc.is_valid(rows["message_id"])
    with_id = rows.filter(has_id)
    with_id = with_id.append_column("event_id", with_id["message_id"])
    if with_id.num_rows == rows.num_rows:
        return with_id
    return pa.concat_tables([with_id, named(rows.filter(pc.invert(has_id)), parts)])


def support_tickets(rows: pa.Table) -> pa.Table:
    """One row when a ticket was opened and one when it was closed; only the latter has the satisfaction."""
    plain = rows.drop_columns(["satisfaction"])
    opened = _ticket(plain, "Ticket Opened", rows["opened_at"], rows["loaded_at"])
    done = rows.filter(pc.is_valid(rows["closed_at"]))
    closed = _ticket(
        done, "Ticket Closed", done["closed_at"], pc.max_element_wise(done["loaded_at"], done["closed_at"])
    )
    return runs.sort(pa.concat_tables([opened, closed]), ORDER)


def _ticket(rows: pa.Table, event: str, occurred_at: pa.Array, loaded_at: pa.Array) -> pa.Table:
    events = pa.repeat(pa.scalar(event), rows.num_rows)
    event_id = pc.binary_join_element_wise(rows["ticket_id"], events, ":")
    return shaped(
        "support_tickets",
        rows,
        {"event": events, "occurred_at": occurred_at, "loaded_at": loaded_at, "event_id": event_id},
    )


def own_log(name: str, rows: pa.Table) -> pa.Table:
    """One row per event of the log ``name`` that the shop declared itself; of its columns only the common ones."""
    rows = rows.rename_columns({"event_id": "message_id"})
    return shaped(name, _with_message_id(rows, ["customer_id", "occurred_at"]), {})


def orders_before_account(customers: pa.Table, made: pa.Table) -> int:
    """How many orders are older than their customer's account."""
    created = looked_up(made["customer_id"], customers["customer_id"], customers["occurred_at"])
    created = pc.fill_null(created, 0).to_numpy(zero_copy_only=False)
    return int(is_before(made["occurred_at"].to_numpy(), created).sum())
