"""The example settings on the files they were written for; skipped where these are not at hand."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from sources import SourceSettings
from tests.sources.source_files import ingested_by

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "data"


def settings_of(shop: str) -> SourceSettings:
    text = (ROOT / "examples" / shop / "params.yaml").read_text(encoding="utf-8")
    return SourceSettings.model_validate(YAML(typ="safe", pure=True).load(text)["sources"])


def ingested(shop: str, zone: str):
    if not (REAL / shop).is_dir():
        pytest.skip(f"no folder shared/data/{shop} beside the project")
    return ingested_by(REAL / shop, settings_of(shop), zone=zone)


@pytest.mark.parametrize("shop", ["online_retail", "online_retail_ii", "crm_export"])
def test_example_settings_are_valid(shop):
    assert settings_of(shop).logs


@pytest.mark.parametrize(
    ("shop", "lines", "without_customer", "overlap"),
    [("online_retail", 541_909, 134_084, 0), ("online_retail_ii", 1_067_370, 233_227, 22_523)],
)
def test_online_retail(shop, lines, without_customer, overlap):
    found = ingested(shop, "Europe/London")
    (file,) = found.manifest["logs"]["orders"]["files"]
    assert file["rows_read"] == lines
    assert file["rules"]["missing_id"] == without_customer
    assert file["rules"].get("drop_where overlap_dup", 0) == overlap
    items, orders = found.tables["order_items"].to_pandas(), found.tables["orders"].to_pandas()
    assert len(items) == file["accepted"]
    assert (items["quantity"] * items["price"]).sum() == orders["revenue"].sum()
    assert set(orders["event"]) == {"Order Completed", "Order Refunded"}
    assert orders.loc[orders["order_id"].str.startswith("C"), "event"].eq("Order Refunded").all()
    assert found.vault["shop_id"].str.fullmatch(r"\d{5}").all()


def test_crm_export():
    found = ingested("crm_export", "Asia/Kuala_Lumpur")
    assert {name: table.num_rows for name, table in found.tables.items()} == {
        "customers": 800,
        "email_events": 7_000,
        "order_items": 5_000,
        "orders": 5_000,
        "support_tickets": 1_200,
    }
    assert found.quarantine["log"].unique().tolist() == ["shop_labels"]
    assert "interactions.csv" in found.manifest["undeclared_files"]
    assert "subscriptions.csv: 0 of 1600 rows usable (800 missing_id, 800 missing_label)." in found.manifest["warnings"]
