"""Table in, table out: what each log becomes."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from events.logs import arrow_schema
from sources import contracts, manifest, pseudonym
from tests.sources.source_files import KEY, ORDERS, read, read_orders, rules, table, with_log
from timeline import DAY_US, parse_date


def day(text: str) -> int:
    return parse_date(text, "UTC")


def rows(frame: pd.DataFrame, *columns: str) -> list[list]:
    plain = frame[list(columns)].astype(object)
    return plain.where(plain.notna(), None).to_numpy().tolist()


def test_every_table_has_a_contract_that_starts_with_who_and_when():
    assert set(contracts.TABLES) == manifest.ALL_TABLES | {"restrictions"}
    for name in contracts.TABLES:
        assert arrow_schema(name).names[:4] == ["customer_id", "occurred_at", "loaded_at", "event_id"]


def test_orders(tmp_path):
    text = """order_id,customer_id,ordered_at,event,total,shipping,tax,discount,coupon
1,anna,2025-01-05T10:00:00Z,Order Completed,17.00,3.00,2.00,1.50,SPRING
1,anna,2025-01-09T10:00:00Z,Order Refunded,-17.00,-3.00,-2.00,,
2,ben,2025-01-06,Order Cancelled,5.00,,,,
3,ben,2025-01-07,paid,4.00,,,,
"""
    found = read_orders(tmp_path, text)
    assert rules(found) == {"unknown_value": 1}
    assert rows(
        table(found, "orders").sort_values("occurred_at"), "customer_id", "event", "revenue", "total", "coupon"
    ) == [
        ["anna", "Order Completed", 1200, 1700, "SPRING"],
        ["ben", "Order Cancelled", 500, 500, None],
        ["anna", "Order Refunded", 1200, 1700, None],
    ]


def test_orders_in_another_currency_are_not_added_up(tmp_path):
    text = ORDERS.replace("revenue", "revenue,currency").replace("10.00", "10.00,GBP").replace("20.00", "20.00,EUR")
    found = read_orders(tmp_path, text.replace("30.00", "30.00,XXX"))
    assert rules(found) == {"other_currency": 1, "unknown_currency": 1}
    assert found.tables["orders"]["currency"].to_pylist() == ["GBP"]


def test_orders_that_name_a_category_have_one_item(tmp_path):
    found = read_orders(
        tmp_path,
        "order_id,customer_id,order_date,amount,kind\n1,anna,2025-01-05,7.50,Hardware\n2,ben,2025-01-05,1.00,\n",
        columns={"ordered_at": "order_date", "revenue": "amount", "total": "amount", "category": "kind"},
    )
    assert rows(table(found, "order_items"), "order_id", "event", "product_id", "category", "quantity", "price") == [
        ["1", "Order Completed", None, "Hardware", 1, 750]
    ]
    assert sorted(rows(table(found, "orders"), "revenue", "total")) == [[100, 100], [750, 750]]
    assert found.manifest["logs"]["order_items"]["files"][0]["name"] == "orders.csv"


LINES = """InvoiceNo,Customer,When,Code,Qty,Price
100,anna,2025-01-05 10:01:00,A,2,1.50
100,anna,2025-01-05 10:00:00,B,1,4.00
100,anna,2025-01-05 10:00:00,B,1,4.00
C101,anna,2025-01-08 10:00:00,A,-1,1.50
102,ben,2025-01-09 10:00:00,A,-3,1.50
103,ben,2025-01-09 10:00:00,POST,1,9.00
104,ben,2025-01-09 10:00:00,C,0,9.00
105,ben,2025-01-09 10:00:00,D,1,0.00
106,ben,2025-01-09 10:00:00,D,1,-1.00
"""
LINE_LOG = {
    "file": "lines.csv",
    "columns": {
        "order_id": "InvoiceNo", "event": "InvoiceNo", "customer_id": "Customer", "ordered_at": "When",
        "product_id": "Code", "quantity": "Qty", "price": "Price",
    },
    "events": {"C*": "Order Refunded", "*": "Order Completed"},
    "drop_where": {"Code": ["POST"]},
}  # fmt: skip


def test_order_lines_become_orders_and_items(tmp_path):
    (tmp_path / "lines.csv").write_text(LINES)
    found = read(tmp_path, {"order_lines": LINE_LOG})
    orders = table(found, "orders").sort_values(["occurred_at", "order_id"])
    assert rows(orders, "order_id", "customer_id", "event", "revenue", "total") == [
        ["100", "anna", "Order Completed", 1100, 1100],
        ["C101", "anna", "Order Refunded", 150, 150],
        ["105", "ben", "Order Completed", 0, 0],
    ]
    # An order happened with its first line and is known with its last.
    ten = day("2025-01-05") + 10 * DAY_US // 24
    assert rows(orders, "occurred_at", "loaded_at")[0] == [ten, ten + 60_000_000]
    items = table(found, "order_items").sort_values(["occurred_at", "order_id", "product_id"])
    assert rows(items, "order_id", "product_id", "quantity", "price") == [
        ["100", "B", 1, 400],
        ["100", "B", 1, 400],
        ["100", "A", 2, 150],
        ["C101", "A", 1, 150],
        ["105", "D", 1, 0],
    ]
    assert rules(found) == {
        "drop_where Code": 1, "negative_purchase": 1, "zero_quantity": 1, "negative_price": 1,
    }  # fmt: skip
    # Rows left out on purpose need no cure.
    assert "drop_where Code" not in found.quarantine["rule"].tolist()


def test_equal_lines_are_set_aside_only_where_params_say_so(tmp_path):
    (tmp_path / "lines.csv").write_text(LINES)
    found = read(tmp_path, {"order_lines": LINE_LOG | {"duplicates": "set_aside"}})
    (file,) = found.manifest["logs"]["order_items"]["files"]
    assert file["duplicates"] == 1
    assert max(found.tables["orders"]["revenue"].to_pylist()) == 700


def test_discounts_of_lines_reduce_the_order(tmp_path):
    (tmp_path / "lines.csv").write_text(
        "order_id,customer_id,ordered_at,product_id,quantity,price,discount\n"
        "1,anna,2025-01-05,A,2,1.50,0.50\n1,anna,2025-01-05,B,1,4.00,\n"
    )
    found = read(tmp_path, {"order_lines": {"file": "lines.csv"}})
    assert rows(table(found, "orders"), "revenue", "discount") == [[650, 50]]


def test_order_items_take_person_and_time_from_their_order(tmp_path):
    found = with_log(
        tmp_path,
        "order_items",
        "order_id,product_id,category,quantity,price,discount\n"
        "1,P1,tea,2,5.00,0.00\n1,P1,tea,2,5.00,0.00\n9,P1,tea,1,1.00,0.00\n2,P1,tea,-1,5.00,0.00\n",
    )
    assert rules(found, "order_items") == {"unknown_order": 1, "negative_purchase": 1}
    items = table(found, "order_items")
    assert rows(items, "customer_id", "event", "quantity", "price") == [["anna", "Order Completed", 2, 500]] * 2
    assert items["event_id"].is_unique
    assert items["occurred_at"].tolist() == [day("2025-01-05") + 10 * DAY_US // 24] * 2


def test_returned_lines_are_refunded_items_at_the_time_of_the_return(tmp_path):
    found = with_log(
        tmp_path,
        "returns",
        "order_id,product_id,category,quantity,price,returned_at\n1,P1,tea,-1,5.00,2025-01-20\n9,P,t,1,1,2025-01-20\n",
    )
    assert rows(table(found, "order_items"), "customer_id", "event", "quantity", "price", "occurred_at") == [
        ["anna", "Order Refunded", 1, 500, day("2025-01-20")]
    ]
    assert rules(found, "order_items") == {"unknown_order": 1}


def test_deliveries_count_whole_hours_late_rounded_down(tmp_path):
    found = with_log(
        tmp_path,
        "deliveries",
        "order_id,promised_at,delivered_at\n"
        "1,2025-01-08T00:00:00Z,2025-01-09T01:59:00Z\n"
        "2,2025-01-08T12:00:00Z,2025-01-08T11:30:00Z\n"
        "8,2025-01-08T12:00:00Z,2025-01-08T11:30:00Z\n",
    )
    assert sorted(rows(table(found, "deliveries"), "customer_id", "delay_hours")) == [["anna", 25], ["ben", -1]]
    assert rules(found, "deliveries") == {"unknown_order": 1}


def test_a_ticket_is_two_events_and_only_the_close_knows_the_satisfaction(tmp_path):
    found = with_log(
        tmp_path,
        "support_tickets",
        "ticket_id,customer_id,opened_at,closed_at,channel,category,priority,satisfaction\n"
        "T1,anna,2025-01-08,2025-01-10,mail,late,low,4\n"
        "T2,anna,2025-01-09,,mail,late,low,\n"
        "T3,anna,2025-01-09,2025-01-08,mail,late,low,4\n"
        "T4,anna,2025-01-09,2025-01-10,mail,late,low,9\n",
    )
    tickets = table(found, "support_tickets")
    assert rows(tickets, "ticket_id", "event", "occurred_at", "loaded_at", "satisfaction") == [
        ["T1", "Ticket Opened", day("2025-01-08"), day("2025-01-08"), None],
        ["T2", "Ticket Opened", day("2025-01-09"), day("2025-01-09"), None],
        ["T1", "Ticket Closed", day("2025-01-10"), day("2025-01-10"), 4],
    ]
    assert rules(found, "support_tickets") == {"impossible_order": 1, "satisfaction_not_1_to_5": 1}


def test_customers_without_a_date_begin_with_their_first_order(tmp_path):
    found = with_log(
        tmp_path,
        "customers",
        "customer_id,country,birth_month_day,email_opt_in\nanna,GB,02-29,1\nben,DE,13-01,0\ncleo,FR,,1\n",
        columns={"email_consent": "email_opt_in"},
        values={"email_consent": {"0": "unsubscribed", "1": "subscribed"}},
    )
    assert rules(found, "customers") == {"not_a_month_and_day": 1, "missing_time": 1}
    assert rows(table(found, "customers"), "customer_id", "country", "email_consent", "suppressed", "occurred_at") == [
        ["anna", "GB", "subscribed", False, day("2025-01-05") + 10 * DAY_US // 24]
    ]


BORN = "birth_month_day", "birth_year"


def born(folder, text, **log):
    found = with_log(folder, "customers", text, **log)
    return rules(found, "customers"), rows(table(found, "customers").sort_values("customer_id"), "customer_id", *BORN)


def test_a_birth_is_kept_as_a_day_and_a_year(tmp_path):
    text = """customer_id,created_at,birth_month_day,birth_year,birth_date
anna,2025-01-01,,,1985-03-31
ben,2025-01-01,12-24,,1985-03-31T00:00:00Z
cleo,2025-01-01,,1990,1985-03-31
dora,2025-01-01,,1900,
eve,2025-01-01,,,
finn,2025-01-01,,1899,
gia,2025-01-01,,2101,
hal,2025-01-01,,,0001-01-01
ida,2025-01-01,,,0000-00-00
jon,2025-01-01,,,31/03/1985
"""
    assert born(tmp_path, text) == (
        {"implausible_birth_year": 3, "not_a_date": 2},
        [
            ["anna", "03-31", 1985],
            ["ben", "12-24", 1985],
            ["cleo", "03-31", 1990],
            ["dora", None, 1900],
            ["eve", None, None],
        ],
    )


def test_a_birth_is_read_as_the_other_times_of_its_file_are_or_without_their_clock(tmp_path):
    text = "customer_id,created_at,born\nanna,05/01/2025 10:00,31/03/1985\nben,05/01/2025 10:00,01/04/1985 00:00\n"
    how = {"time_format": "%d/%m/%Y %H:%M", "columns": {"birth_date": "born"}}
    assert born(tmp_path, text, **how) == ({}, [["anna", "03-31", 1985], ["ben", "04-01", 1985]])
    # An empty date of another making is named as such in params.
    (tmp_path / "more").mkdir()
    text = "customer_id,created_at,birth_date\nanna,2025-01-01,0000-00-00\n"
    assert born(tmp_path / "more", text, values={"birth_date": {"0000-00-00": ""}}) == ({}, [["anna", None, None]])


@pytest.mark.parametrize("kind", ["date32", "timestamp[us]"])
def test_a_birth_may_be_a_date_of_parquet(tmp_path, kind):
    column = pa.array(["1985-03-31", None]).cast(pa.timestamp("us")).cast(kind)
    table_of = pa.table({"customer_id": ["anna", "ben"], "created_at": ["2025-01-01"] * 2, "birth_date": column})
    pq.write_table(table_of, tmp_path / "customers.parquet")
    (tmp_path / "orders.csv").write_text(ORDERS)
    logs = {"orders": {"file": "orders.csv"}, "customers": {"file": "customers.parquet", "format": "parquet"}}
    found = table(read(tmp_path, logs), "customers").sort_values("customer_id")
    assert rows(found, *BORN) == [["03-31", 1985], [None, None]]


def test_nobody_is_under_a_legal_hold_unless_the_shop_says_so_and_a_merge_keeps_it(tmp_path):
    (tmp_path / "orders.csv").write_text(ORDERS)
    (tmp_path / "merges.csv").write_text("from_id,to_id,merged_at\nanna2,anna,2025-01-02\n")
    (tmp_path / "customers.csv").write_text(
        "customer_id,created_at,dispute\n"
        "anna,2025-01-01,\nanna2,2025-01-01,1\nben,2025-01-01,yes\ncleo,2025-01-01,0\ndora,2025-01-01,perhaps\n"
    )
    logs = {
        "orders": {"file": "orders.csv"},
        "customers": {"file": "customers.csv", "columns": {"legal_hold": "dispute"}},
        "customer_merges": {"file": "merges.csv"},
    }
    found = read(tmp_path, logs)
    held = table(found, "customers").sort_values("customer_id")
    # A word that nobody knows is a hold.
    assert rows(held, "customer_id", "legal_hold") == [["anna", True], ["ben", True], ["cleo", False], ["dora", True]]
    (tmp_path / "customers.csv").write_text("customer_id,created_at\nanna,2025-01-01\n")
    assert rows(table(read(tmp_path, logs | {"customers": {"file": "customers.csv"}}), "customers"), "legal_hold") == [
        [False]
    ]


def test_who_became_whom_is_told_by_pseudonym_to_the_end_of_the_chain_and_never_of_the_erased(tmp_path):
    (tmp_path / "orders.csv").write_text(ORDERS)
    (tmp_path / "merges.csv").write_text(
        "from_id,to_id,merged_at\nanna2,anna1,2025-01-02\nanna1,anna,2025-01-03\nben1,ben,2025-01-02\n"
    )
    logs = {"orders": {"file": "orders.csv"}, "customer_merges": {"file": "merges.csv"}}
    ids = ["anna", "anna1", "anna2", "ben", "ben1"]
    name = dict(zip(ids, pseudonym(ids, KEY).to_pylist(), strict=True))
    expected = {name["anna1"]: name["anna"], name["anna2"]: name["anna"], name["ben1"]: name["ben"]}
    found = read(tmp_path, logs).became
    assert dict(zip(found["customer_id"].to_pylist(), found["now"].to_pylist(), strict=True)) == expected
    assert found["customer_id"].to_pylist() == sorted(expected)
    for gone in ("ben", "ben1"):
        left = read(tmp_path, logs, erased=[name[gone]]).became
        assert set(left["customer_id"].to_pylist()) == {name["anna1"], name["anna2"]}
    assert len(read(tmp_path, {"orders": logs["orders"]}).became) == 0


def test_of_an_address_only_its_provider_is_kept(tmp_path):
    addresses = {
        "anna": " Anna@GoogleMail.com", "ben": "ben@hotmail.co.uk", "cleo": "cleo@web.de", "dora": "dora@gmail.example",
        "eve": "eve@t-online.de.example", "finn": "finn@smith-family.example", "gia": "gia@gmail.com.smith.example",
        "hal": "hal@notgmail.com", "ida": "", "jon": "no address",
    }  # fmt: skip
    text = "".join(f"{name},2025-01-01,{address}\n" for name, address in addresses.items())
    found = with_log(tmp_path, "customers", "customer_id,created_at,email\n" + text)
    expected = {
        "anna": "gmail", "ben": "outlook", "cleo": "web.de", "dora": "gmail", "eve": "t-online",
        "finn": "other", "gia": "other", "hal": "other", "ida": None, "jon": None,
    }  # fmt: skip
    by_name = rows(table(found, "customers"), "customer_id", "mailbox_provider")
    assert dict(by_name) == expected
    assert "smith" not in str([made.to_pydict() for made in found.tables.values()])
    assert "smith" not in str(found.manifest)


@pytest.mark.parametrize(
    ("name", "text", "columns", "expected"),
    [
        (
            "consent_events",
            "customer_id,occurred_at,status,source\nanna,2025-01-02,unsubscribed,form\nanna,2025-01-03,maybe,form\n",
            ["channel", "status", "source"],
            [["email", "unsubscribed", "form"]],
        ),
        (
            "loyalty_events",
            "customer_id,occurred_at,points,tier\nanna,2025-01-02,50,gold\nanna,2025-01-02,few,gold\n",
            ["points", "tier"],
            [[50, "gold"]],
        ),
        (
            "campaign_contacts",
            "campaign_id,customer_id,contacted_at,arm,control,propensity,cost\n"
            "spring,anna,2025-01-02,a,no,0.25,0.10\nspring,anna,2025-01-02,a,no,1.25,0.10\n",
            ["campaign_id", "arm", "control", "propensity", "cost"],
            [["spring", "a", False, 0.25, 10]],
        ),
        (
            "email_events",
            "message_id,customer_id,event,occurred_at,bounce_type,machine_open\n"
            "m1,anna,bounce,2025-01-02,hard,0\nm2,anna,Email Sent,2025-01-02,mushy,0\n",
            ["event_id", "event", "bounce_type", "machine_open"],
            [["m1", "Email Bounced", "hard", False], ["m2", "Email Sent", "hard", False]],
        ),
    ],
)
def test_other_logs(tmp_path, name, text, columns, expected):
    log = {"events": {"bounce": "Email Bounced"}} if name == "email_events" else {}
    found = with_log(tmp_path, name, text, **log)
    assert rows(table(found, name), *columns) == expected
    # An unknown kind of bounce counts as hard.
    assert sum(rules(found, name).values()) == (name != "email_events")


def test_the_time_we_knew_is_loaded_at_or_the_declared_delay(tmp_path):
    text = ORDERS.replace("revenue", "revenue,loaded_at").replace("10.00", "10.00,2025-01-07T00:00:00Z")
    text = text.replace("20.00", "20.00,").replace("30.00", "30.00,2025-02-05T09:54:59Z")
    found = read_orders(tmp_path, text, arrival_delay_days=2)
    assert rules(found) == {"future_timestamp": 1}
    assert sorted(found.tables["orders"]["loaded_at"].to_pylist()) == [
        day("2025-01-07"),
        day("2025-01-08") + 10 * DAY_US // 24,
    ]
    assert found.manifest["logs"]["orders"]["arrival_checked"] is True
    unknown = read_orders(tmp_path, ORDERS)
    assert unknown.manifest["logs"]["orders"]["arrival_checked"] is False
    assert any("late arrival cannot be checked" in warning for warning in unknown.manifest["warnings"])


def test_an_event_may_lead_its_arrival_by_five_minutes(tmp_path):
    text = ORDERS.replace("revenue", "revenue,loaded_at")
    for amount, loaded in (("10.00", "2025-01-05T09:55:00Z"), ("20.00", "2025-01-06T09:54:59Z"), ("30.00", "")):
        text = text.replace(amount, f"{amount},{loaded}")
    assert rules(read_orders(tmp_path, text)) == {"future_timestamp": 1}


def test_the_watermark_is_the_start_of_the_local_day_of_the_newest_order(tmp_path):
    (tmp_path / "orders.csv").write_text(ORDERS)
    logs = {"orders": {"file": "orders.csv"}}
    assert read(tmp_path, logs).manifest["watermark"] == day("2025-02-05")
    # 10:00 UTC is the evening of the same day in Auckland, whose day began at 11:00 UTC of the day before.
    auckland = read(tmp_path, logs, zone="Pacific/Auckland").manifest["watermark"]
    assert auckland == day("2025-02-05") - 13 * DAY_US // 24
    declared = read(tmp_path, logs, complete_until="2025-03-01")
    assert declared.manifest["watermark"] == day("2025-03-01")


def test_a_last_order_far_from_the_others_is_pointed_out(tmp_path):
    far = read_orders(tmp_path, ORDERS + "4,ben,2026-02-05T10:00:00Z,1.00\n")
    assert any("typo" in warning for warning in far.manifest["warnings"])
    assert not any("typo" in warning for warning in read_orders(tmp_path, ORDERS).manifest["warnings"])


def test_labels_of_the_shop_are_judged_but_never_used(tmp_path):
    found = with_log(
        tmp_path,
        "shop_labels",
        "customer_id,churned,as_of\nanna,,2025-03-01\n,1,2025-03-01\n",
    )
    (file,) = found.manifest["shop_labels"]["files"]
    assert file["rules"] == {"missing_id": 1, "missing_label": 1}
    assert "shop_labels.csv: 0 of 2 rows usable (1 missing_id, 1 missing_label)." in found.manifest["warnings"]
    assert set(found.tables) == {"orders"}


def test_one_file_may_hold_everything(tmp_path):
    (tmp_path / "orders.csv").write_text(ORDERS)
    assert read(tmp_path / "orders.csv", {"orders": {}}).tables["orders"].num_rows == 3
