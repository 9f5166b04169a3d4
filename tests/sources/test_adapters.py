"""The SQL of the vendors' adapters on a handful of records each: what is read, what is left out, and the traps."""

import json
import random
import re
from pathlib import Path

import duckdb
import pytest

from sources import ContractError, SourceSettings
from sources.adapters import ADAPTERS
from sources.arrivals import declared_sources
from sources.inputs import INPUTS
from sources.settings import ExportSettings, LogSettings

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "read-a-vendors-export.md"


class Read:
    """Rows of every log that an adapter makes of ``records``, which hold JSON objects or rows of a CSV file."""

    def __init__(self, name, *records):
        self.adapter = ADAPTERS[name]
        self.database = duckdb.connect()
        if self.adapter.formats[0] == "csv":
            self._fill_csv(records)
        else:
            self._fill_jsonl(records)
        self.rows = {log: self._run(sql) for log, sql in self.adapter.logs.items()}
        self.left_out = {row["_row"]: row["reason"] for row in self._run(self.adapter.left_out)}
        used = {row["_row"] for rows in self.rows.values() for row in rows} | set(self.left_out)
        self.not_understood = set(range(1, len(records) + 1)) - used

    def _fill_csv(self, records):
        names = [*self.adapter.columns, *self.adapter.optional]
        columns = ", ".join(f'"{name}" VARCHAR' for name in names)
        self.database.execute(f"CREATE TABLE records (_row BIGINT, {columns})")
        for number, record in enumerate(records, 1):
            assert set(record) <= set(names)
            values = [record.get(name) or None for name in names]
            self.database.execute(f"INSERT INTO records VALUES (?{', ?' * len(names)})", [number, *values])

    def _fill_jsonl(self, records):
        self.database.execute("CREATE TABLE records (_row BIGINT, doc JSON)")
        for number, record in enumerate(records, 1):
            self.database.execute("INSERT INTO records VALUES (?, ?)", [number, json.dumps(record)])

    def _run(self, sql):
        found = self.database.sql(sql)
        return sorted((dict(zip(found.columns, row, strict=True)) for row in found.fetchall()), key=str)

    def __getitem__(self, log):
        return self.rows[log]

    def of(self, log, *columns):
        """Tuples of ``columns`` of the rows of ``log``, in a stable order."""
        return sorted((tuple(row.get(column) for column in columns) for row in self.rows[log]), key=str)


# Segment


def track(event, properties=None, **more):
    call = {"type": "track", "event": event, "messageId": "m1", "userId": "u1", "anonymousId": "a1"}
    times = {"timestamp": "2024-03-01T10:00:00.000Z", "receivedAt": "2024-03-01T10:00:02.000Z"}
    return {**call, **times, "properties": properties or {}, **more}


def test_segment_order_gives_order_items_and_visit():
    products = [
        {"product_id": "p1", "price": 10, "quantity": 2, "category": "Tea"},
        {"product_id": "p2", "price": 5.5, "quantity": 1},
    ]
    money = {"revenue": 25.5, "total": 33.5, "shipping": 5, "tax": 3, "discount": 1, "currency": "EUR"}
    read = Read("segment", track("Order Completed", {"order_id": "o1", "products": products, **money}))
    assert read.of("orders", "customer_id", "order_id", "event", "revenue", "total", "shipping", "tax", "currency") == [
        ("u1", "o1", "Order Completed", "25.5", "33.5", "5", "3", "EUR")
    ]
    assert read.of("order_items", "order_id", "product_id", "category", "quantity", "price") == [
        ("o1", "p1", "Tea", "2", "10"),
        ("o1", "p2", None, "1", "5.5"),
    ]
    assert read.of("web_events", "event", "order_id", "message_id") == [("Order Completed", "o1", "m1")]


def test_segment_uses_the_corrected_time_and_keeps_the_arrival():
    call = track("Product Viewed", originalTimestamp="1999-01-01T00:00:00Z", sentAt="1999-01-01T00:00:00Z")
    assert Read("segment", call).of("web_events", "occurred_at", "loaded_at") == [
        ("2024-03-01T10:00:00.000Z", "2024-03-01T10:00:02.000Z")
    ]


def test_segment_knows_the_names_of_the_first_spec():
    old = [track("Viewed Product"), track("Added Product"), track("Completed Order", {"orderId": "o1"})]
    read = Read("segment", *old)
    assert {event for (event,) in read.of("web_events", "event")} == {
        "Product Viewed",
        "Product Added",
        "Order Completed",
    }
    assert read.of("orders", "order_id") == [("o1",)]


def test_segment_only_identify_with_both_ids_maps_identities():
    identify = {"type": "identify", "userId": "u1", "anonymousId": "a1", "timestamp": "t"}
    read = Read(
        "segment", identify, {**identify, "anonymousId": ""}, {**identify, "userId": None}, track("Cart Viewed")
    )
    assert read.of("identity_map", "anonymous_id", "customer_id", "identified_at") == [("a1", "u1", "t")]
    assert read.left_out == {2: "identify without both ids", 3: "identify without both ids"}


def test_segment_address_counts_only_without_user_id():
    with_both = track("Product Viewed", context={"traits": {"email": "a@example.com"}})
    without_id = {**with_both, "userId": None, "messageId": "m2"}
    read = Read("segment", with_both, without_id)
    assert read.of("web_events", "customer_id", "email") == [("u1", None), (None, "a@example.com")]


def test_segment_search_words_and_addresses_of_pages_are_not_read():
    call = track("Products Searched", {"query": "secret", "url": "https://example.com/secret"})
    page = {**call, "type": "page", "event": None, "name": "secret"}
    read = Read("segment", call, page)
    assert read.of("web_events", "event") == [("Page Viewed",), ("Products Searched",)]
    assert "secret" not in str(read.rows)


def test_segment_mails_and_leaving():
    read = Read("segment", track("Email Opened", {"email_id": "e1"}), track("Unsubscribed"), track("Order Updated"))
    assert read.of("email_events", "event", "email_id") == [("Email Opened", "e1"), ("Unsubscribed", None)]
    assert read.of("consent_events", "customer_id", "status") == [("u1", "unsubscribed")]
    assert read.left_out == {3: "Order Updated"}


REFUSALS = [
    # the name of an event                       what somebody refuses
    ("Unsubscribed from email marketing", "email"),
    ("Unsubscribed from all", "all"),
    ("UNSUBSCRIBED FROM LIST", "email"),
    ("User Opted Out", "email"),
    ("opt-out", "email"),
    ("Marked email as spam", "email"),
    ("Dropped Email", "email"),
    ("Email Dropped", "email"),
    ("Suppressed", "email"),
    ("Do not contact", "email"),
    ("Consent Withdrawn", "email"),
    ("Unsubscribed from SMS Marketing", "sms"),
    ("Push opt-out", None),
    ("Order Updated", None),
    ("Subscribed to Back in Stock", None),
    ("Price Dropped", None),
    ("Unsubscribed from Email and SMS", "email sms"),
    ("Opted Out of Email & Push", "email"),
    ("Unsubscribed via WhatsApp", "email"),
    ("Pushed to Suppression List", "email"),
    ("emailOptOut", "email"),
    ("Un-subscribed", "email"),
    ("Opted\u00a0Out", "email"),
    ("Opt\u2011Out", "email"),
    ("Ｕｎｓｕｂｓｃｒｉｂｅｄ", "email"),
    ("Withdrew Consent", "email"),
    ("Consent Declined", "email"),
    ("Don't Contact", "email"),
    ("Newsletter Abgemeldet", "email"),
    ("Désabonné", "email"),
    ("Complaint", "email"),
    ("Opted Out of Push", None),
    ("sms_unsub", "sms"),
    ("Opted Out of Phone Calls", "phone"),
    ("Opted Out of Profiling", "profiling"),
    ("Price Dropped Email", None),
    ("Adopted Outfit", None),
    ("Review Unsubmitted", None),
    ("Complaint Submitted", None),
    ("Spam Check Passed", None),
    ("Unsubscribe Page Viewed", None),
    ("Marked as Not Spam", None),
    ("Cookie Consent Revoked", None),
    ("Resubscribed", None),
    # A phrase that is no refusal does not take one back that stands beside it.
    ("Unsubscribed from Insurance Newsletter", "email"),
    ("Unsubscribed from cookie recipes newsletter", "email"),
    ("Unsubscribed from Price Dropped alerts", "email"),
    ("Unsubscribed, confirmation shown", "email"),
    ("Not Spam? Unsubscribed", "email"),
    ("Shipping Insurance Declined", None),
    ("Viewed Unsubscribe Page", None),
    ("unsubbed", "email"),
    ("Customer Complained", "email"),
    ("Complaint Received", "email"),
    # How it was said is not what it is about.
    ("Unsubscribed via push", "email"),
    ("Unsubscribed In App", "email"),
    ("Unsubscribed from WhatsApp", None),
    ("unsubscribed from whatsapp", None),
    ("Opted Out of Marketing", "all"),
    ("Unsubscribed from all emails", "email"),
    ("Opt out analytics", "email profiling"),
    ("Suppressed Profile", "email profiling"),
    ("Unsubscribed from Direct Mail", "post"),
    ("Unsubscribed from Direct Mail and e-mail", "email post"),
    ("Opted out of phone and push", "phone"),
    ("Unsubscribed from Blog Post Digest", "email"),
]


@pytest.mark.parametrize(("name", "channel"), REFUSALS)
@pytest.mark.parametrize("vendor", ["klaviyo", "segment", "mailchimp"])
def test_an_event_that_sounds_like_a_refusal_is_one(vendor, name, channel):
    activity = {"email_address": "a@example.com", "activity": [{"action": name, "timestamp": "t"}]}
    record = {"klaviyo": klaviyo(name, email="a@example.com"), "segment": track(name), "mailchimp": activity}[vendor]
    read = Read(vendor, record)
    assert sorted(read.of("consent_events", "channel", "status")) == [
        (one, "unsubscribed") for one in (channel or "").split()
    ]
    assert set(read.left_out) == (set() if channel else {1})
    guessed = [name for (name,) in read.database.sql(read.adapter.guessed).fetchall()]
    by_the_vendor = vendor == "klaviyo" and name in {"Dropped Email", "Unsubscribed from SMS Marketing"}
    assert len(guessed) == (channel is not None and not read["email_events"] and not by_the_vendor)


def test_reason_names_an_event_only_if_it_can_name_nobody():
    read = Read("segment", track("Shared with a@example.com"), track("Call 5551234"), track("Coupon Applied"))
    assert read.left_out == {1: "another event", 2: "another event", 3: "Coupon Applied"}


def test_segment_call_without_a_kind_was_not_understood():
    assert Read("segment", {"hello": 1}, {"type": "track"}).not_understood == {1, 2}


# Shopify


def shopify(name="#1", **cells):
    head = {
        "Name": name,
        "Email": "a@example.com",
        "Financial Status": "paid",
        "Currency": "EUR",
        "Subtotal": "30.00",
        "Shipping": "5.00",
        "Taxes": "6.00",
        "Total": "41.00",
        "Created at": "2024-03-01 10:00:00 +0100",
        "Lineitem quantity": "1",
        "Lineitem name": "Tea",
        "Lineitem price": "10.00",
    }
    return {**head, **{key.replace("_", " "): value for key, value in cells.items()}}


def further(name="#1", **cells):
    row = {"Name": name, "Email": "a@example.com", "Created at": "2024-03-01 10:00:00 +0100"}
    return {**row, **{key.replace("_", " "): value for key, value in cells.items()}}


def test_shopify_order_of_two_rows_is_one_order():
    second = further(Lineitem_quantity="2", Lineitem_name="Pot", Lineitem_sku="P-1", Lineitem_price="10.00")
    read = Read("shopify_orders", shopify(), second)
    assert read.of("orders", "order_id", "email", "event", "revenue", "total", "ordered_at") == [
        ("#1", "a@example.com", "Order Completed", "30.00", "41.00", "2024-03-01 10:00:00 +0100")
    ]
    assert read.of("order_items", "order_id", "product_id", "quantity") == [("#1", "P-1", "2"), ("#1", "Tea", "1")]


def test_shopify_tax_inside_of_the_subtotal_is_no_revenue():
    row = shopify(Subtotal="36.00", Taxes="6.00", Shipping="5.00", Total="41.00")
    read = Read("shopify_orders", row)
    assert read.of("orders", "revenue", "total", "shipping", "tax") == [(None, "41.00", "5.00", "6.00")]


@pytest.mark.parametrize("status", ["voided", "expired"])
def test_shopify_order_never_paid_leaves_with_all_its_rows(status):
    second = further(Lineitem_name="Pot", Lineitem_quantity="1", Lineitem_price="1")
    read = Read("shopify_orders", shopify(Financial_Status=status), second, shopify("#2"))
    assert read.of("orders", "order_id") == read.of("order_items", "order_id") == [("#2",)]
    assert read.left_out == {1: status, 2: "further row of an order never paid"}


@pytest.mark.parametrize("status", ["pending", "authorized", "partially_paid", None])
def test_shopify_order_yet_to_be_paid_counts(status):
    assert len(Read("shopify_orders", shopify(Financial_Status=status))["orders"]) == 1


def test_shopify_cancellation_has_its_own_time():
    read = Read("shopify_orders", shopify(Cancelled_at="2024-03-02 09:00:00 +0100"))
    assert read.of("orders", "event", "ordered_at", "revenue") == [
        ("Order Cancelled", "2024-03-02 09:00:00 +0100", "30.00"),
        ("Order Completed", "2024-03-01 10:00:00 +0100", "30.00"),
    ]


def test_shopify_refund_is_booked_at_the_time_of_the_order():
    part, whole = shopify(Refunded_Amount="10.00"), shopify("#2", Refunded_Amount="41.00")
    rows = [row for row in Read("shopify_orders", part, whole)["orders"] if row["event"] == "Order Refunded"]
    found = {row["order_id"]: (row["ordered_at"], row["revenue"], row["total"], row["tax"]) for row in rows}
    time = "2024-03-01 10:00:00 +0100"
    assert found == {"#1": (time, None, "10.00", None), "#2": (time, "30.00", "41.00", "6.00")}


def test_shopify_cancelled_order_is_not_taken_back_twice():
    row = shopify(Cancelled_at="2024-03-02 09:00:00 +0100", Refunded_Amount="41.00", Financial_Status="refunded")
    assert [event for (event,) in Read("shopify_orders", row).of("orders", "event")] == [
        "Order Cancelled",
        "Order Completed",
    ]


def test_shopify_refund_of_nothing_is_none_and_a_broken_one_arrives():
    read = Read("shopify_orders", shopify(Refunded_Amount="0.00"), shopify("#2", Refunded_Amount="ten"))
    assert read.of("orders", "order_id", "event", "total") == [
        ("#1", "Order Completed", "41.00"),
        ("#2", "Order Completed", "41.00"),
        ("#2", "Order Refunded", "ten"),
    ]


def test_shopify_row_without_a_line_only_goes_on():
    assert Read("shopify_orders", shopify(), further()).left_out == {2: "row that only goes on with an order"}


def test_shopify_customers_lose_the_apostrophe_and_old_files_use_the_address():
    new = {"Customer ID": "'0071", "Email": "A@example.com", "Accepts Email Marketing": "yes"}
    old = {"Email": " B@Example.com", "Accepts Marketing": "no"}
    odd = {"Email": "c@example.com", "Accepts Email Marketing": "perhaps"}
    assert Read("shopify_customers", new, old, odd).of("customers", "customer_id", "email_consent") == [
        ("0071", "subscribed"),
        ("b@example.com", "unsubscribed"),
        ("c@example.com", "perhaps"),
    ]


def test_shopify_amounts_too_large_to_add_arrive_as_they_are():
    most = dict.fromkeys(("Subtotal", "Shipping", "Taxes", "Total", "Refunded Amount"), "99999999999999.9999")
    assert {row["total"] for row in Read("shopify_orders", shopify() | most)["orders"]} == {"99999999999999.9999"}


# WooCommerce


def woo(**fields):
    order = {
        "id": 7,
        "status": "completed",
        "currency": "EUR",
        "date_created": "2024-03-01T11:00:00",
        "date_created_gmt": "2024-03-01T10:00:00",
        "date_modified_gmt": "2024-03-05T10:00:00",
        "date_paid_gmt": "2024-03-01T10:01:00",
        "discount_total": "1.00",
        "shipping_total": "5.00",
        "total_tax": "6.00",
        "total": "41.00",
        "customer_id": 12,
        "billing": {"email": "a@example.com"},
        "line_items": [{"product_id": 93, "quantity": 2, "price": 15, "total": "30.00"}],
        "coupon_lines": [{"code": "tea"}],
        "refunds": [],
    }
    return {**order, **fields}


def test_woocommerce_gives_total_shipping_and_tax():
    read = Read("woocommerce_orders", woo())
    columns = ("order_id", "customer_id", "email", "revenue", "total", "shipping", "tax", "coupon")
    assert read.of("orders", *columns) == [("7", "12", None, None, "41.00", "5.00", "6.00", "tea")]
    assert read.of("order_items", "order_id", "product_id", "quantity", "price") == [("7", "93", "2", "15")]


def test_woocommerce_time_in_gmt_is_said_to_be_utc():
    read = Read("woocommerce_orders", woo(), woo(id=8, date_created_gmt="2024-03-01T10:00:00Z"), woo(id=9))
    assert {time for (time,) in read.of("orders", "ordered_at")} == {"2024-03-01T10:00:00Z"}


def test_woocommerce_guest_is_the_address():
    assert Read("woocommerce_orders", woo(customer_id=0)).of("orders", "customer_id", "email") == [
        (None, "a@example.com")
    ]


def test_woocommerce_deleted_product_is_its_sku():
    lines = [{"product_id": 0, "sku": "S-1", "quantity": 1, "price": 1}]
    assert Read("woocommerce_orders", woo(line_items=lines)).of("order_items", "product_id") == [("S-1",)]


def refunded(*refunds):
    rows = Read("woocommerce_orders", woo(refunds=list(refunds)))["orders"]
    return sorted((r["ordered_at"], r["total"], r["tax"]) for r in rows if r["event"] == "Order Refunded")


def test_woocommerce_refunds_without_dates_are_one_at_the_time_of_the_order():
    one, two = {"id": 1, "total": "-10.00"}, {"id": 2, "total": "-31.00"}
    assert refunded(one) == [("2024-03-01T10:00:00Z", "-10.0000", None)]
    assert refunded(one, two) == [("2024-03-01T10:00:00Z", "-41.0000", "6.00")]
    assert refunded(one, {"total": "-1,00"}) == [("2024-03-01T10:00:00Z", "-1,00", None)]


def test_woocommerce_refunds_with_dates_keep_them():
    one = {"total": "-10.00", "date_created_gmt": "2024-03-04T08:00:00"}
    two = {"total": "-5.00", "date_created": "2024-03-06T09:00:00"}
    assert refunded(one, two) == [("2024-03-04T08:00:00Z", "-10.00", None), ("2024-03-06T09:00:00", "-5.00", None)]


def test_woocommerce_cancelled_order_is_not_taken_back_twice():
    dated = {"total": "-31.00", "date_created_gmt": "2024-03-04T08:00:00"}
    read = Read("woocommerce_orders", woo(status="cancelled", refunds=[{"total": "-10.00"}, dated]))
    assert [event for (event,) in read.of("orders", "event")] == ["Order Cancelled", "Order Completed"]


def test_woocommerce_states():
    states = ["processing", "on-hold", "refunded", "pending", "failed", "checkout-draft", "cancelled", "shipped"]
    paid = [woo(id=number, status=status) for number, status in enumerate(states)]
    read = Read("woocommerce_orders", *paid, woo(id=8, status="cancelled", date_paid_gmt=None))
    assert {order for order, event in read.of("orders", "order_id", "event") if event == "Order Completed"} == {
        *("0", "1", "2", "6", "7")
    }
    cancelled = [(r["order_id"], r["ordered_at"]) for r in read["orders"] if r["event"] == "Order Cancelled"]
    assert cancelled == [("6", "2024-03-05T10:00:00Z")]
    assert read.left_out == {4: "pending", 5: "failed", 6: "checkout-draft", 9: "cancelled, never paid"}
    assert Read("woocommerce_orders", {"id": 1, "parent_id": 7, "amount": "1"}).not_understood == {1}


# Google Analytics


def ga4(name, items=(), ecommerce=None, params=(), **fields):
    values = [{"key": key, "value": {kind: value}} for key, kind, value in params]
    event = {"event_name": name, "event_timestamp": "1709287200000000", "user_id": "u1", "user_pseudo_id": "a.1"}
    return {**event, "event_params": values, "items": list(items), "ecommerce": ecommerce, **fields}


TEA = {"item_id": "p1", "item_category": "Tea", "price": 10.5, "quantity": "2"}
SESSION = ("ga_session_id", "int_value", "1709287000")


def test_ga4_purchase_gives_order_items_and_visit():
    money = {"transaction_id": "o1", "purchase_revenue": 21.0, "shipping_value": 5, "tax_value": 3}
    pot = {"item_id": "p2", "price": 1.0}
    read = Read("ga4", ga4("purchase", [TEA, pot], money, [("currency", "string_value", "EUR")]))
    assert read.of("orders", "customer_id", "order_id", "event", "revenue", "currency", "ordered_at") == [
        ("u1", "o1", "Order Completed", "21.0", "EUR", "1709287200000000")
    ]
    assert read.of("order_items", "product_id", "quantity", "price") == [("p1", "2", "10.5"), ("p2", "1", "1.0")]
    assert read.of("web_events", "event", "order_id", "product_id") == [("Order Completed", "o1", None)]


@pytest.mark.parametrize(
    ("sent", "read"),
    [(59.970000000000006, "59.970000000000"), (59.97, "59.97"), (-3.3333333333333335, "-3.333333333333"), ("x", "x")],
)
def test_noise_of_binary_fractions_is_cut_where_money_is_rounded(sent, read):
    event = ga4("purchase", [{**TEA, "price": sent}], {"transaction_id": "o1", "purchase_revenue": sent})
    assert Read("ga4", event).of("orders", "revenue") == Read("ga4", event).of("order_items", "price") == [(read,)]
    assert Read("ga4", ga4("view_item", [{**TEA, "price": sent}])).of("web_events", "price") == [(read,)]
    assert Read("woocommerce_orders", woo(line_items=[{"price": sent}])).of("order_items", "price") == [(read,)]
    for name, log in [
        ("ga4", "orders"),
        ("ga4", "order_items"),
        ("ga4", "web_events"),
        ("woocommerce_orders", "order_items"),
    ]:
        assert ADAPTERS[name].settings[log]["round_money"]


def test_ga4_purchase_of_a_visitor_is_a_visit_and_an_order_of_nobody():
    read = Read("ga4", ga4("purchase", [TEA], {"transaction_id": "o1"}, user_id=None))
    assert read.of("orders", "customer_id", "order_id") == [(None, "o1")]
    assert (read["order_items"], read.left_out) == ([], {})
    assert read.of("web_events", "customer_id", "anonymous_id", "order_id") == [(None, "a.1", "o1")]


def test_ga4_event_without_any_id_is_left_out():
    nobody = {"user_id": None, "user_pseudo_id": None}
    read = Read("ga4", ga4("page_view", **nobody), ga4("purchase", **nobody), ga4("refund", **nobody))
    assert read.left_out == dict.fromkeys((1, 2), "event of a visitor without cookies")
    assert read.of("orders", "customer_id", "event") == [(None, "Order Refunded")]


def test_ga4_not_set_is_no_id():
    read = Read("ga4", ga4("purchase", [{**TEA, "item_id": "(not set)"}], {"transaction_id": "(not set)"}))
    assert read.of("orders", "order_id") == read.of("order_items", "product_id") == [(None,)]


def test_ga4_session_is_of_one_visitor_and_no_id_is_bare():
    events = [ga4("page_view", params=[SESSION], user_id=None, user_pseudo_id=visitor) for visitor in ("a.1", "a.2")]
    read = Read("ga4", *events, ga4("page_view", params=[SESSION], event_timestamp="1709287300000000"))
    sessions = [row["session_id"] for row in sorted(read["web_events"], key=lambda row: row["_row"])]
    assert sessions[0] == sessions[2] != sessions[1]
    assert "a.1" not in "".join(row["session_id"] + row["message_id"] for row in read["web_events"])


def test_ga4_rewritten_event_keeps_its_id_and_another_gets_its_own():
    event = ga4("view_item", [TEA], batch_event_index="1")
    again = {**event, "user_id": None, "params_added_later": 1}
    others = [
        ga4("view_item", [TEA], batch_event_index="2"),
        ga4("view_item", [TEA]),
        ga4("view_item", [{**TEA, "item_id": "p2"}]),
        ga4("view_item", [TEA], params=[("page_location", "string_value", "https://example.com/tea")]),
    ]
    ids = {row["_row"]: row["message_id"] for row in Read("ga4", event, again, *others)["web_events"]}
    assert ids[1] == ids[2]
    assert len(set(ids.values())) == 5


def test_ga4_reads_parquet_like_json_lines():
    event = ga4("view_item", [TEA], params=[SESSION])
    database = duckdb.connect()
    database.execute("""
        CREATE TABLE records AS SELECT 1::BIGINT AS _row, 1709287200000000::BIGINT AS event_timestamp,
            'view_item' AS event_name, 'u1' AS user_id, 'a.1' AS user_pseudo_id,
            [{'key': 'ga_session_id', 'value': {'string_value': NULL::VARCHAR, 'int_value': 1709287000}}]
                AS event_params,
            [{'item_id': 'p1', 'item_category': 'Tea', 'price': 10.5::DOUBLE, 'quantity': 2}] AS items,
            NULL::STRUCT(transaction_id VARCHAR, purchase_revenue DOUBLE) AS ecommerce
    """)
    found = database.sql(ADAPTERS["ga4"].logs["web_events"])
    assert [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()] == Read("ga4", event)["web_events"]


# E-mail


def test_sendgrid_events():
    names = ["processed", "delivered", "open", "click", "spamreport", "unsubscribe", "group_resubscribe", "dropped"]
    records = [
        {"event": name, "email": "a@example.com", "timestamp": 1709287200 + number, "sg_event_id": f"s{number}"}
        for number, name in enumerate(names)
    ]
    read = Read("sendgrid", *records)
    assert read.of("email_events", "message_id", "event", "occurred_at") == [
        ("s0", "Email Sent", "1709287200"),
        ("s1", "Email Delivered", "1709287201"),
        ("s2", "Email Opened", "1709287202"),
        ("s3", "Email Link Clicked", "1709287203"),
        ("s4", "Email Marked as Spam", "1709287204"),
        ("s5", "Unsubscribed", "1709287205"),
    ]
    # Coming back to one group is not coming back to everything.
    assert read.of("consent_events", "occurred_at", "status") == [
        ("1709287204", "unsubscribed"),
        ("1709287205", "unsubscribed"),
    ]
    assert read.left_out == {7: "group_resubscribe", 8: "dropped"}
    assert Read("sendgrid", {"event": "new_kind", "email": "a@example.com"}).not_understood == {1}


def test_sendgrid_machine_opens_bounces_and_categories():
    read = Read(
        "sendgrid",
        {"event": "open", "sg_machine_open": True, "category": "spring"},
        {"event": "open", "sg_machine_open": False, "category": ["spring", "tea"]},
        {"event": "bounce", "type": "blocked"},
        {"event": "bounce", "type": "bounce", "category": None},
    )
    rows = sorted(read["email_events"], key=lambda row: row["_row"])
    assert [row["machine_open"] for row in rows] == ["true", "false", None, None]
    assert [row["campaign_id"] for row in rows] == ["spring", "spring", None, None]
    assert [row["bounce_type"] for row in rows] == [None, None, "block", "hard"]


def ses(kind, people=("a@example.com",), key="eventType", **more):
    mail = {"timestamp": "2024-03-01T10:00:00.000Z", "messageId": "x1", "destination": list(people)}
    return {key: kind, "mail": mail, **more}


def test_ses_one_row_per_person_it_is_about():
    people = ("a@example.com", "b@example.com", "c@example.com")
    bounced = {
        "bounceType": "Transient",
        "bouncedRecipients": [{"emailAddress": "B@example.com"}],
        "timestamp": "2024-03-01T10:05:00Z",
    }
    read = Read("amazon_ses", ses("Send", people), ses("Bounce", people, key="notificationType", bounce=bounced))
    assert read.of("email_events", "event", "email", "bounce_type", "occurred_at") == [
        ("Email Bounced", "B@example.com", "soft", "2024-03-01T10:05:00Z"),
        *(("Email Sent", person, None, "2024-03-01T10:00:00.000Z") for person in people),
    ]
    ids = {row["message_id"] for row in read["email_events"]}
    assert len(ids) == 4
    assert "x1:Bounce:2024-03-01T10:05:00Z:2" in ids


def test_ses_does_not_guess_who_of_several_opened():
    opened = {"timestamp": "2024-03-01T10:05:00Z", "userAgent": "Mozilla"}
    read = Read("amazon_ses", ses("Open", open=opened), ses("Open", ("a@example.com", "b@example.com"), open=opened))
    assert read.of("email_events", "email", "user_agent") == [("a@example.com", "Mozilla")]
    assert read.left_out == {2: "Open of a mail to several people"}


def test_ses_unwraps_what_sns_and_eventbridge_put_around():
    delivery = ses("Delivery", delivery={"timestamp": "2024-03-01T10:00:09Z", "recipients": ["a@example.com"]})
    wrapped = [{"Type": "Notification", "Message": json.dumps(delivery)}, {"detail-type": "x", "detail": delivery}]
    read = Read("amazon_ses", delivery, *wrapped, {"Type": "SubscriptionConfirmation", "Message": "You have chosen"})
    assert read.of("email_events", "event", "occurred_at") == 3 * [("Email Delivered", "2024-03-01T10:00:09Z")]
    assert len({row["message_id"] for row in read["email_events"]}) == 1
    assert read.left_out == {4: "notice of SNS itself"}


def test_ses_leaving_one_topic_is_leaving():
    def subscription(status, leaves_all=False):
        topics = [{"topicName": "news", "subscriptionStatus": status}]
        preferences = {"unsubscribeAll": leaves_all, "topicSubscriptionStatus": topics}
        return ses("Subscription", subscription={"timestamp": "t", "newTopicPreferences": preferences})

    complaint = {"timestamp": "t", "complainedRecipients": [{"emailAddress": "a@example.com"}]}
    records = [subscription("OptOut"), subscription("OptIn", leaves_all=True), subscription("OptIn")]
    spelt = [subscription("OPT_OUT"), subscription("OptIn", leaves_all="yes"), subscription("OPT_IN")]
    read = Read("amazon_ses", *spelt)
    assert read.of("consent_events", "_row", "status") == [(1, "unsubscribed"), (2, "unsubscribed"), (3, "subscribed")]
    good = {"unsubscribeAll": False, "topicSubscriptionStatus": [{"topicName": "n", "subscriptionStatus": "OptIn"}]}
    odd = [
        {},
        None,
        '{"unsubscribeAll": true}',
        good | {"unsubscribeAll": None},
        {"UnsubscribeAll": True},
        {"topicPreferences": []},
        good | {"topicPreferences": [{"topicName": "n", "subscriptionStatus": "OptOut"}]},
        good | {"topicSubscriptionStatus": {"topicName": "n", "subscriptionStatus": "OptIn"}},
        good | {"topicSubscriptionStatus": [{"topicName": "n", "status": "OptOut"}]},
        good | {"topicSubscriptionStatus": [{"subscriptionStatus": None}, {"subscriptionStatus": "OptIn"}]},
        good | {"topicDefaultSubscriptionStatus": [{"subscriptionStatus": "OptOut"}]},
    ]
    told = [ses("Subscription", subscription={"timestamp": "t", "newTopicPreferences": one}) for one in [good, *odd]]
    found = dict(Read("amazon_ses", *told).of("consent_events", "_row", "status"))
    assert found.pop(1) == "subscribed"
    assert set(found.values()) == {"unsubscribed"}
    assert len(found) == len(odd)
    read = Read("amazon_ses", *records, ses("Complaint", complaint=complaint), ses("Reject"))
    assert [row["status"] for row in sorted(read["consent_events"], key=lambda row: row["_row"])] == [
        "unsubscribed",
        "unsubscribed",
        "subscribed",
        "unsubscribed",
    ]
    assert len(read["email_events"]) == 3
    assert read.left_out == {5: "Reject"}


def mailgun(event, **more):
    return {"event": event, "id": "i1", "recipient": "a@example.com", "timestamp": 1709287200.25, **more}


def test_mailgun_time_keeps_its_fraction():
    records = [mailgun("delivered"), mailgun("delivered", timestamp=1709287200), mailgun("delivered", timestamp="soon")]
    assert Read("mailgun", *records).of("email_events", "occurred_at") == [
        ("1709287200000000",),
        ("1709287200250000",),
        ("soon",),
    ]


def test_mailgun_webhooks_are_unwrapped():
    webhook = {"signature": {"token": "x"}, "event-data": mailgun("opened", **{"client-info": {"bot": "apple"}})}
    read = Read("mailgun", webhook, mailgun("opened", **{"client-info": {"bot": ""}}))
    assert read.of("email_events", "event", "machine_open") == [("Email Opened", "true"), ("Email Opened", None)]


def test_mailgun_failures():
    read = Read(
        "mailgun",
        mailgun("failed", severity="permanent", reason="bounce"),
        mailgun("failed", severity="temporary", reason="generic"),
        mailgun("failed", severity="permanent", reason="suppress-unsubscribe"),
        mailgun("delivered", flags={"is-test-mode": True}),
        mailgun("stored"),
        mailgun("list_member_uploaded"),
    )
    assert read.of("email_events", "event", "bounce_type") == [("Email Bounced", "hard"), ("Email Bounced", "soft")]
    # What was not sent because of a suppression says that there is one.
    assert read.of("consent_events", "status") == [("unsubscribed",)]
    assert read.left_out == {
        4: "test mode",
        5: "stored",
        6: "list_member_uploaded",
    }


def test_mailgun_complaints_and_leaving_end_the_consent():
    read = Read("mailgun", mailgun("complained"), mailgun("unsubscribed"))
    assert read.of("consent_events", "status") == [("unsubscribed",), ("unsubscribed",)]
    assert read.of("email_events", "event") == [("Email Marked as Spam",), ("Unsubscribed",)]


def test_mailchimp_members_and_pages():
    acts = [
        {"action": "open", "timestamp": "2024-03-01T10:00:00+00:00"},
        {"action": "bounce", "type": "hard", "timestamp": "2024-03-01T11:00:00+00:00"},
        {"timestamp": "2024-03-01T12:00:00+00:00"},
    ]
    member = {"campaign_id": "c1", "email_id": "e1", "email_address": "a@example.com", "activity": acts}
    read = Read("mailchimp", member, {"emails": [member]}, {**member, "activity": []}, {"emails": []})
    assert read.of("email_events", "event", "bounce_type", "campaign_id") == [
        *(2 * [("Email Bounced", "hard", "c1")]),
        *(2 * [("Email Opened", None, "c1")]),
        *(2 * [(None, None, "c1")]),
    ]
    assert len({row["message_id"] for row in read["email_events"]}) == 3
    assert read.left_out == {3: "member without activity", 4: "page without members"}


def test_mailchimp_activity_that_no_page_names_is_counted_by_its_name():
    acts = [{"action": "open", "timestamp": "t"}, {"action": "forward"}, {"action": "told a@example.com"}]
    read = Read("mailchimp", {"email_address": "a@example.com", "activity": acts})
    assert read.of("email_events", "event") == [("Email Opened",)]
    reasons = read.database.sql(read.adapter.left_out).fetchall()
    assert sorted(reasons) == [(1, "another event"), (1, "forward")]


def test_mailchimp_reports_of_leaving():
    left = {"email_address": "a@example.com", "campaign_id": "c1", "timestamp": "2024-03-01T10:00:00+00:00"}
    abuse = {"email_address": "b@example.com", "campaign_id": "c1", "date": "2024-03-02T10:00:00+00:00"}
    pages = [{"unsubscribes": [left]}, {"abuse_reports": [abuse]}, {"abuse_reports": []}, {"abuse_reports": "x"}]
    read = Read("mailchimp", *pages)
    assert read.of("email_events", "event", "email") == [
        ("Email Marked as Spam", "b@example.com"),
        ("Unsubscribed", "a@example.com"),
    ]
    assert read.of("consent_events", "email", "status", "occurred_at") == [
        ("a@example.com", "unsubscribed", "2024-03-01T10:00:00+00:00"),
        ("b@example.com", "unsubscribed", "2024-03-02T10:00:00+00:00"),
    ]
    assert read.left_out == {3: "page without members"}
    assert read.not_understood == {4}


# Klaviyo


def klaviyo(name, properties=None, **profile):
    attributes = {"datetime": "2024-03-01 10:00:00+00:00", "event_properties": properties or {}}
    people = {"data": {"type": "profile", "id": "K1", "attributes": profile}}
    metric = {"data": {"type": "metric", "id": "M1", "attributes": {"name": name}}}
    return {"id": f"id of {name}", "attributes": attributes, "relationships": {"metric": metric, "profile": people}}


def test_klaviyo_page_names_metric_and_person_in_what_it_includes():
    event = klaviyo("x")
    event["relationships"] = {"metric": {"data": {"id": "M1"}}, "profile": {"data": {"id": "K1"}}}
    stranger = {**event, "id": "e2", "relationships": {"metric": {"data": {"id": "M9"}}}}
    included = [
        {"type": "profile", "id": "M1", "attributes": {"name": "wrong"}},
        {"type": "metric", "id": "M1", "attributes": {"name": "Opened Email"}},
        {"type": "profile", "id": "K1", "attributes": {"email": "a@example.com", "external_id": None}},
    ]
    read = Read("klaviyo", {"data": [event, stranger], "included": included}, {"data": []}, stranger)
    assert read.of("email_events", "event", "email", "customer_id") == [("Email Opened", "a@example.com", None)]
    assert read.of("web_events", "message_id", "event") == [("e2", None)]
    assert read.left_out == {2: "page without events"}
    assert read.not_understood == {3}


def test_klaviyo_person_is_the_shops_id_or_the_address_and_never_klaviyos_own_id():
    people = [{"external_id": "u1", "email": "a@example.com"}, {"email": "a@example.com"}, {}]
    read = Read("klaviyo", *(klaviyo("Received Email", **person) for person in people))
    assert read.of("email_events", "customer_id", "email") == [("u1", None), (None, "a@example.com"), (None, None)]


def test_klaviyo_orders_and_lines():
    order = klaviyo("Placed Order", {"$event_id": "o1", "$value": 30.5, "$currency_code": "EUR"}, external_id="u1")
    line = klaviyo("Ordered Product", {"$event_id": "o1:p1:0", "ProductID": "p1", "Quantity": 1, "$value": 30.5})
    refund = klaviyo("Refunded Order", {"OrderId": "o1", "$event_id": "r9", "$value": 30.5}, external_id="u1")
    read = Read("klaviyo", order, line, refund, klaviyo("Fulfilled Order"))
    assert read.of("orders", "order_id", "event", "total") == [
        ("o1", "Order Completed", "30.5"),
        ("o1", "Order Refunded", "30.5"),
    ]
    assert read.of("order_items", "order_id", "product_id", "price") == [("o1", "p1", "30.5")]
    assert read.left_out == {4: "Fulfilled Order"}


def test_klaviyo_machine_opens_and_bounces():
    read = Read(
        "klaviyo",
        klaviyo("Opened Email", {"Apple Privacy Open": True, "machine_open": False}),
        klaviyo("Opened Email", {"Apple Privacy Open": "False"}),
        klaviyo("Opened Email", {"Apple Privacy Open": False, "machine_open": True}),
        klaviyo("Bounced Email", {"Bounce Type": "Hard"}),
    )
    rows = sorted(read["email_events"], key=lambda row: row["_row"])
    assert [row["machine_open"] for row in rows] == ["true", "False", "true", None]
    assert rows[3]["bounce_type"] == "hard"


def test_klaviyo_joining_a_list_is_no_consent_and_sms_is_no_email():
    names = ["Subscribed to List", "Subscribed to Email Marketing", "Unsubscribed from List", "Unsubscribed"]
    read = Read("klaviyo", *map(klaviyo, names), klaviyo("Unsubscribed from SMS Marketing"))
    assert read.of("consent_events", "_row", "status", "channel") == [
        (2, "subscribed", "email"),
        (3, "unsubscribed", "email"),
        (4, "unsubscribed", "email"),
        (5, "unsubscribed", "sms"),
    ]
    assert read.left_out == {1: "Subscribed to List"}


# Laws

EXAMPLES = {
    "segment": [track("Order Completed", {"order_id": "1", "products": [{"product_id": "p"}]}), track("Email Opened")],
    "shopify_orders": [shopify(Refunded_Amount="1", Cancelled_at="2024-03-02 09:00:00 +0100"), further()],
    "shopify_customers": [{"Customer ID": "'1", "Email": "a@example.com", "Accepts Email Marketing": "yes"}],
    "woocommerce_orders": [woo(refunds=[{"total": "-1"}, {"total": "-1", "date_created_gmt": "2024-03-04T08:00:00"}])],
    "ga4": [ga4("purchase", [TEA], {"transaction_id": "1"}, [SESSION]), ga4("view_item", [TEA])],
    "sendgrid": [{"event": "bounce", "type": "x", "category": ["a"], "email": "a@example.com", "timestamp": 1}],
    "amazon_ses": [
        ses("Delivery", delivery={"recipients": ["a@example.com"], "timestamp": "t"}),
        ses("Subscription", subscription={"newTopicPreferences": {"topicSubscriptionStatus": []}}),
        {"Type": "Notification", "Message": json.dumps(ses("Send"))},
    ],
    "mailgun": [{"event-data": mailgun("clicked", flags={"is-test-mode": False}, reason="x")}, mailgun("failed")],
    "mailchimp": [
        {"emails": [{"campaign_id": "c", "activity": [{"action": "open"}]}]},
        {"activity": []},
        {"unsubscribes": [{}]},
    ],
    "klaviyo": [klaviyo("Placed Order", {"$value": 1}), {"data": [klaviyo("Opened Email")], "included": [{"id": "x"}]}],
}

ODD = [
    None,
    "",
    "x",
    "'",
    "Ω",
    0,
    -1,
    1e300,
    True,
    [],
    {},
    [None],
    [[]],
    {"": None},
    [{"a": 1}],
    '{"',
    "1e999",
    "99999999999999.9999",
]


def mutated(value, chance):
    """A copy of ``value`` with some of its parts lost or turned into something else."""
    if chance.random() < 0.15:
        return chance.choice(ODD)
    if isinstance(value, dict):
        return {key: mutated(part, chance) for key, part in value.items() if chance.random() > 0.1}
    return [mutated(part, chance) for part in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", sorted(ADAPTERS))
def test_columns_and_settings_are_those_of_the_logs(name):
    read = Read(name, *EXAMPLES[name])
    for log, sql in read.adapter.logs.items():
        columns = read.database.sql(sql).columns
        assert columns.count("_row") == 1
        assert set(columns) - {"_row", "loaded_at"} <= set(INPUTS[log].columns), log
        assert {"VARCHAR"} == {str(kind) for kind in read.database.sql(sql).types[1:]}, log
    assert read.database.sql(read.adapter.left_out).columns == ["_row", "reason"]
    for log, settings in read.adapter.settings.items():
        assert log in read.adapter.logs
        LogSettings(file="x", **settings)


@pytest.mark.parametrize("name", sorted(ADAPTERS))
def test_no_record_makes_the_sql_fail(name):
    chance = random.Random(name)
    records = []
    while len(records) < 300:
        record = mutated(chance.choice(EXAMPLES[name]), chance)
        if not isinstance(record, dict):
            continue  # the engine hands over objects only
        if ADAPTERS[name].formats[0] == "csv":
            record = {key: str(value).replace("\0", "") for key, value in record.items() if value}
        records.append(record)
    read = Read(name, *records)
    assert any(read.rows.values())


@pytest.mark.parametrize("name", sorted(ADAPTERS))
def test_every_adapter_has_its_section(name):
    adapter, text = ADAPTERS[name], HOW_TO.read_text()
    section = re.search(rf"^## {re.escape(adapter.title)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    assert section, f"no section '## {adapter.title}'"
    assert f"adapter: {name}" in section[1]
    assert adapter.source in section[1]
    assert set(adapter.logs) <= set(re.findall(r"`(\w+)`", section[1]))


def test_names_are_keys():
    assert all(name == adapter.name for name, adapter in ADAPTERS.items())
    assert all(set(adapter.logs) <= set(INPUTS) for adapter in ADAPTERS.values())


@pytest.mark.parametrize("key", ["columns", "events", "values", "drop_where"])
def test_what_the_adapter_decides_is_no_setting_of_an_export(key: str) -> None:
    value = {"columns": {"email": "mail"}, "values": {"status": {"a": "b"}}, "drop_where": {"x": ["1"]}}
    with pytest.raises(ValueError, match=f"must not hold {key}: the adapter knows"):
        ExportSettings.model_validate({"adapter": "sendgrid", "file": "x", key: value.get(key, {"a": "b"})})


def test_decimal_commas_are_no_setting_of_an_export() -> None:
    with pytest.raises(ValueError, match="must not hold decimal_comma"):
        ExportSettings.model_validate({"adapter": "shopify_orders", "file": "x", "decimal_comma": True})


def test_a_constant_goes_to_the_logs_that_have_the_column(tmp_path: Path) -> None:
    said = {"path": "x", "currency": "GBP", "logs": {}, "own_logs": {}}
    export = {"adapter": "shopify_orders", "file": "x", "constants": {"currency": "GBP"}}
    settings = SourceSettings.model_validate(said | {"exports": {"shop": export}})
    (source,) = declared_sources(settings, "UTC")
    assert {log.name: dict(log.declared.constants) for log in source.logs}["orders"] == {"currency": "GBP"}
    strange = SourceSettings.model_validate(said | {"exports": {"shop": export | {"constants": {"colour": "red"}}}})
    with pytest.raises(ContractError, match=r"sources\.exports\.shop\.constants: no log of .* has a column 'colour'"):
        list(declared_sources(strange, "UTC"))


def test_an_unknown_adapter_is_named_with_its_nearest() -> None:
    said = {"path": "x", "currency": "GBP", "logs": {}, "own_logs": {}}
    settings = SourceSettings.model_validate(said | {"exports": {"s": {"adapter": "shopify_order", "file": "x"}}})
    with pytest.raises(ContractError, match=r"unknown adapter 'shopify_order' .perhaps 'shopify_orders'."):
        list(declared_sources(settings, "UTC"))
