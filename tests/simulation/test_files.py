"""The export: its bytes, its columns, its accounting, and what may not happen in it."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from simulation import SimulatedShop, SimulationSettings, file_bytes, simulate
from tests.simulation.conftest import SMALL

COLUMNS = {
    "customers.csv": "customer_id,email,created_at,country,birth_month_day,acquisition_channel,email_consent,"
    "email_consent_at",
    "consent_events.csv": "customer_id,occurred_at,channel,status,source",
    "orders.csv": "order_id,customer_id,ordered_at,event,subtotal,discount,shipping,tax,total,revenue,currency,"
    "coupon,channel",
    "order_items.csv": "order_id,product_id,category,quantity,price,discount",
    "returns.csv": "order_id,product_id,category,quantity,price,returned_at",
    "deliveries.csv": "order_id,customer_id,promised_at,delivered_at",
    "web_events.parquet": "message_id,customer_id,anonymous_id,session_id,event,occurred_at,loaded_at,product_id,"
    "category,price,quantity,cart_id,order_id",
    "identity_map.csv": "anonymous_id,customer_id,identified_at",
    "email_events.parquet": "message_id,customer_id,event,occurred_at,loaded_at,email_id,campaign_id,bounce_type,"
    "machine_open,bot_click",
    "support_tickets.jsonl": "ticket_id,customer_id,opened_at,closed_at,channel,category,priority,satisfaction",
    "loyalty_events.csv": "customer_id,occurred_at,points,tier",
    "campaign_contacts.csv": "campaign_id,customer_id,contacted_at,arm,control,propensity,cost",
}


def utc(column: pd.Series) -> pd.Series:
    return pd.to_datetime(column, utc=True, format="ISO8601")


def test_the_same_settings_give_the_same_bytes(small_shop: SimulatedShop) -> None:
    again = simulate(SMALL)
    assert again.truth.equals(small_shop.truth)
    for name, table in small_shop.files.items():
        assert file_bytes(name, table) == file_bytes(name, again.files[name]), name


def test_another_seed_gives_another_shop(small_shop: SimulatedShop) -> None:
    other = simulate(SMALL.model_copy(update={"seed": 8}))
    assert all(not other.files[name].equals(table) for name, table in small_shop.files.items())


def test_every_file_has_the_columns_of_the_contract(small_shop: SimulatedShop) -> None:
    assert {name: ",".join(table.column_names) for name, table in small_shop.files.items()} == COLUMNS
    assert all(len(table) > 0 for table in small_shop.files.values())
    web = small_shop.files["web_events.parquet"].schema
    assert web.field("occurred_at").type == pa.timestamp("us", "UTC")
    assert web.field("price").type == pa.decimal128(12, 2)


def test_files_are_written_in_the_format_of_their_ending(small_shop: SimulatedShop) -> None:
    files = small_shop.files
    header = file_bytes("orders.csv", files["orders.csv"]).decode().splitlines()
    assert header[0].replace('"', "") == COLUMNS["orders.csv"]
    first = json.loads(file_bytes("t.jsonl", files["support_tickets.jsonl"]).splitlines()[0])
    assert ",".join(first) == COLUMNS["support_tickets.jsonl"]
    web = file_bytes("web_events.parquet", files["web_events.parquet"])
    assert pq.read_table(pa.BufferReader(web)).num_rows == len(files["web_events.parquet"])
    with pytest.raises(ValueError, match=r"\.csv, \.jsonl or \.parquet"):
        file_bytes("orders.xlsx", files["orders.csv"])


def test_addresses_lie_at_several_providers_and_can_belong_to_nobody(small_shop: SimulatedShop) -> None:
    addresses = small_shop.files["customers.csv"]["email"].drop_null().to_pylist()
    assert all(address.endswith(".example") for address in addresses)
    domains = Counter(address.partition("@")[2] for address in addresses)
    assert {"gmail.example", "outlook.example", "icloud.example", "yahoo.example"} <= set(domains)
    assert 0.25 < domains["gmail.example"] / len(addresses) < 0.45


def test_the_first_day_must_begin_a_month() -> None:
    with pytest.raises(ValueError, match="2023-07-02"):
        simulate(SimulationSettings(first_day="2023-07-02", customers=50))


def test_flaws_are_added_and_nothing_is_lost() -> None:
    settings = SimulationSettings(seed=3, customers=300, months=12)
    flawed = simulate(settings).files
    clean = simulate(settings.model_copy(update={"planted_flaws": False})).files
    extra = {name: len(flawed[name]) - len(clean[name]) for name in clean if len(flawed[name]) != len(clean[name])}
    assert extra == {"orders.csv": 12, "web_events.parquet": 20, "email_events.parquet": 8}
    orders = flawed["orders.csv"].to_pandas()
    assert orders.customer_id.isna().sum() == 5
    assert pd.to_datetime(orders.ordered_at, utc=True, format="ISO8601", errors="coerce").isna().sum() == 1
    kept = orders.dropna(subset=["customer_id"]).drop_duplicates()
    kept = kept[kept.order_id.str.startswith("O")]
    by = ["order_id", "event"]
    pd.testing.assert_frame_equal(
        kept.sort_values(by, ignore_index=True), clean["orders.csv"].to_pandas().sort_values(by, ignore_index=True)
    )


def test_amounts_add_up(known_shop: SimulatedShop) -> None:
    orders = known_shop.files["orders.csv"].to_pandas()
    assert (orders.revenue == orders.subtotal - orders.discount).all()
    assert (orders.total == orders.revenue + orders.shipping + orders.tax).all()
    placed = orders[orders.event == "Order Completed"].set_index("order_id")
    lines = known_shop.files["order_items.csv"].to_pandas()
    worth = (lines.price * lines.quantity - lines.discount).groupby(lines.order_id).sum()
    assert (worth.reindex(placed.index) == placed.revenue).all()
    refunds = orders[orders.event == "Order Refunded"].set_index("order_id")
    assert len(refunds) > 0
    assert (refunds.revenue <= placed.revenue.reindex(refunds.index)).all()


def _times(files: dict[str, pa.Table]) -> dict[str, pd.DataFrame]:
    column = {
        "orders.csv": "ordered_at", "deliveries.csv": "delivered_at", "consent_events.csv": "occurred_at",
        "web_events.parquet": "occurred_at", "email_events.parquet": "occurred_at", "loyalty_events.csv": "occurred_at",
        "support_tickets.jsonl": "opened_at", "campaign_contacts.csv": "contacted_at",
    }  # fmt: skip
    return {
        name: files[name].select(["customer_id", at]).to_pandas().set_axis(["customer_id", "at"], axis=1).dropna()
        for name, at in column.items()
    }


def test_nothing_happens_before_joining(known_shop: SimulatedShop) -> None:
    customers = known_shop.files["customers.csv"].to_pandas().set_index("customer_id")
    joined = utc(customers.created_at)
    for name, frame in _times(known_shop.files).items():
        assert (utc(frame["at"]) >= frame.customer_id.map(joined)).all(), name


def test_nothing_happens_after_the_end(known_shop: SimulatedShop) -> None:
    end = pd.Timestamp("2026-01-01", tz="UTC")
    for name, frame in _times(known_shop.files).items():
        assert (utc(frame["at"]) < end).all(), name


def test_who_has_left_buys_no_more_and_hardly_looks_in(known_shop: SimulatedShop) -> None:
    truth = known_shop.truth.to_pandas().dropna(subset=["left_at"])
    left_at = pd.to_datetime(truth.groupby("customer_id").left_at.first(), unit="us", utc=True)
    orders = known_shop.files["orders.csv"].to_pandas()
    placed = orders[orders.event == "Order Completed"]
    gone = utc(placed.ordered_at) >= placed.customer_id.map(left_at)
    assert gone.sum() == 0
    web = known_shop.files["web_events.parquet"]
    visits = web.filter(pc.equal(web["event"], "Page Viewed")).select(["customer_id", "occurred_at"]).to_pandas()
    visits = visits[visits.customer_id.isin(left_at.index)]
    since = visits.occurred_at - visits.customer_id.map(left_at)
    after = ((since >= timedelta(0)) & (since < timedelta(days=60))).sum()
    before = ((since < timedelta(0)) & (since >= timedelta(days=-60))).sum()
    assert 0 < after < 0.25 * before


@pytest.mark.parametrize(
    ("name", "figure", "low", "high"),
    [
        ("one-order customers", lambda f: (f["orders"].value_counts() == 1).mean(), 0.30, 0.60),
        ("human clicks per delivered mail", lambda f: f["clicks"] / f["delivered"], 0.01, 0.05),
    ],
)
def test_the_shape_is_that_of_a_shop(
    known_shop: SimulatedShop, name: str, figure: Callable[[dict[str, object]], float], low: float, high: float
) -> None:
    orders = known_shop.files["orders.csv"].to_pandas()
    mail = known_shop.files["email_events.parquet"].to_pandas()
    facts = {
        "orders": orders.customer_id[orders.event == "Order Completed"],
        "clicks": ((mail.event == "Email Link Clicked") & ~mail.bot_click).sum(),
        "delivered": (mail.event == "Email Delivered").sum(),
    }
    assert low <= figure(facts) <= high, name


def test_machine_opens_and_scanner_clicks_come_at_once(known_shop: SimulatedShop) -> None:
    mail = known_shop.files["email_events.parquet"].to_pandas()
    arrived = mail[mail.event == "Email Delivered"].set_index("email_id").occurred_at
    wait = mail.occurred_at - mail.email_id.map(arrived)
    machines = mail.machine_open | mail.bot_click
    assert machines.sum() > 0
    assert (wait[machines] < timedelta(seconds=1)).all()
    people = mail.event.isin(["Email Opened", "Email Link Clicked"]) & ~machines
    assert (wait[people] > timedelta(seconds=1)).all()


def test_strange_devices_are_identified_only_after_their_visit(known_shop: SimulatedShop) -> None:
    web = known_shop.files["web_events.parquet"].to_pandas()
    identified = known_shop.files["identity_map.csv"].to_pandas().set_index("anonymous_id")
    unknown = web[web.customer_id.isna()]
    later = unknown.anonymous_id.map(utc(identified.identified_at)).dropna()
    assert 0.1 < len(later) / len(unknown) < 0.6
    assert (later > unknown.occurred_at.loc[later.index]).all()
    assert (web.loaded_at > web.occurred_at).all()
