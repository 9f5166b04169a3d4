"""The stage and the export command on a small shop written to disk."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from campaigns import ListError, StaleListError
from campaigns.settings import CampaignSettings
from pipeline import build_lists, datasets, export_list
from pipeline.errors import ParamsError
from tests.campaigns.small_shop import AS_OF, consent, customers, days_before, orders, reasons_for, scores
from timeline import DAY_US, HOUR_US, parse_date

NAMES = ("ann", "bob", "cid", "dan")


def settings(currency: str = "GBP", **campaigns: object) -> Any:
    return SimpleNamespace(
        campaigns=CampaignSettings.model_validate({"holdout_share": 0.0, **campaigns}),
        cohort=SimpleNamespace(horizon_days=90),
        shop=SimpleNamespace(currency=currency),
        instant=lambda date: parse_date(date, "Europe/London"),
    )


def write_log(events: Path, log: str, frame: pd.DataFrame) -> None:
    datasets.write_parquet(frame, events / log / "2025-12.parquet", key=("event_id",))


def write_watermark(events: Path, watermark: int) -> None:
    datasets.write_json({"watermark": watermark, "logs": {}, "absent_logs": []}, events / "manifest.json")


class Shop:
    """A shop on disk, with its lists built."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.events, self.lists = folder, folder / "events", folder / "lists"
        people = [{"customer_id": name, "email_consent": "subscribed"} for name in NAMES]
        write_log(self.events, "customers", customers(people))
        agreed = [{"customer_id": name, "occurred_at": days_before(300), "status": "subscribed"} for name in NAMES]
        write_log(self.events, "consent_events", consent(agreed))
        write_log(self.events, "orders", orders([{"customer_id": "ann", "occurred_at": days_before(90)}]))
        write_watermark(self.events, days_before(0.1))
        datasets.write_parquet(
            scores([{"customer_id": name} for name in NAMES]), folder / "s.parquet", ("customer_id",)
        )
        datasets.write_parquet(reasons_for(list(NAMES)), folder / "r.parquet", ("customer_id", "rank"))
        vault = [{"customer_id": name, "shop_id": f"0{name}", "email": f"{name}@shop.example"} for name in NAMES]
        datasets.write_parquet(pd.DataFrame(vault), folder / "vault.parquet", ("customer_id",))

    def build(self, s: Any, **more: Any) -> Any:
        return build_lists.run(
            s,
            scores_path=self.folder / "s.parquet",
            reasons_path=self.folder / "r.parquet",
            events_dir=self.events,
            lists_dir=self.lists,
            as_of="2026-01-01",
            **more,
        )

    def export(self, s: Any, name: str = "win_back", now: int = AS_OF, **more: Any) -> tuple[Path, dict[str, Any]]:
        return export_list.export(
            s,
            name,
            now,
            lists_dir=self.lists,
            events_dir=self.events,
            vault_path=self.folder / "vault.parquet",
            outbox_dir=self.folder / "outbox",
            **more,
        )


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.chdir(tmp_path)
    return Shop(tmp_path)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_stage_writes_each_list_the_same_bytes_every_time(shop: Shop) -> None:
    shop.build(settings())
    first = contents(shop.lists)
    assert set(first) == {
        f"{name}/{file}"
        for name in ("win_back", "abandoned_cart")
        for file in ("candidates.parquet", "left_out.parquet", "manifest.json")
    }
    shop.build(settings())
    assert contents(shop.lists) == first
    manifest = json.loads(first["win_back/manifest.json"])
    assert manifest["contact_logs"] == ["consent_events", "customers"]
    assert manifest["arms"] == {"treat": 4, "holdout": 0}


def test_erased_customer_is_not_listed(shop: Shop) -> None:
    built = shop.build(settings(), erased=frozenset({"cid"}))["win_back"]
    assert "cid" not in set(built.candidates["customer_id"])


def test_export_writes_private_files_and_the_same_bytes_again(shop: Shop) -> None:
    shop.build(settings(), model_hash="f" * 64)
    folder, told = shop.export(settings())
    assert told["exported"] == 4
    assert set(contents(folder)) == {
        "win_back.csv",
        "win_back.suppress.csv",
        "win_back.manifest.json",
        "README.txt",
    }
    for path in (folder, folder.parent):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    for file in folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    first = contents(folder)
    assert b"0ann,ann@shop.example,win_back,treat,2026-01-01" in first["win_back.csv"]
    assert contents(shop.export(settings())[0]) == first


def test_amounts_follow_the_currency(shop: Shop) -> None:
    shop.build(settings())
    pounds = contents(shop.export(settings())[0])["win_back.csv"]
    yen = contents(shop.export(settings(currency="JPY"))[0])["win_back.csv"]
    assert b",100.00," in pounds
    assert b",10000," in yen


def test_opt_out_and_order_after_the_build_are_heard(shop: Shop) -> None:
    shop.build(settings())
    late = [
        {
            "customer_id": "bob",
            "occurred_at": AS_OF + HOUR_US,
            "loaded_at": AS_OF + 30 * DAY_US,  # told to us long after the newest event
            "status": "unsubscribed",
            "event_id": "late",
        }
    ]
    write_log(
        shop.events,
        "consent_events",
        pd.concat([datasets.read_events(shop.events, "consent_events"), consent(late)]),
    )
    write_log(shop.events, "orders", orders([{"customer_id": "cid", "occurred_at": AS_OF + 2 * HOUR_US}]))
    write_watermark(shop.events, AS_OF + 2 * HOUR_US)
    folder, told = shop.export(settings(), erased=frozenset({"dan"}))
    assert told["left_out"] == {"erased": 1, "opt_out": 1, "ordered_since": 1}
    assert told["exported"] == 1
    files = contents(folder)
    assert b"bob" not in files["win_back.csv"]
    assert files["win_back.suppress.csv"] == b"email\nbob@shop.example\n"


def test_list_scored_beyond_its_data_is_refused(shop: Shop) -> None:
    shop.build(settings())
    write_watermark(shop.events, days_before(1))
    shop.export(settings())
    write_watermark(shop.events, days_before(1) - 1)
    with pytest.raises(StaleListError, match="24 hours old"):
        shop.export(settings())
    assert issubclass(StaleListError, ListError)


def test_clock_counts_only_where_params_say_so(shop: Shop) -> None:
    shop.build(settings())
    next_year = AS_OF + 365 * DAY_US
    shop.export(settings(), now=next_year)
    with pytest.raises(StaleListError):
        shop.export(settings(check_clock=True), now=next_year)
    shop.export(settings(check_clock=True), now=AS_OF)


def test_vanished_consent_log_is_refused(shop: Shop) -> None:
    shop.build(settings())
    for file in datasets.event_files(shop.events, "consent_events"):
        file.unlink()
    with pytest.raises(StaleListError, match="consent_events"):
        shop.export(settings())


def test_candidates_changed_by_hand_are_refused(shop: Shop) -> None:
    shop.build(settings())
    path = shop.lists / "win_back" / "candidates.parquet"
    datasets.write_parquet(datasets.read_parquet(path).assign(arm="treat", rank=1), path, ("customer_id",))
    with pytest.raises(ListError, match="changed after it was built"):
        shop.export(settings())


@pytest.mark.parametrize("name", ["nonsense", "../lists/win_back"])
def test_unknown_list_is_refused(shop: Shop, name: str) -> None:
    shop.build(settings())
    with pytest.raises(ParamsError, match="Choose one of: win_back, abandoned_cart"):
        shop.export(settings(), name)


def test_list_that_was_not_built_is_refused(shop: Shop) -> None:
    with pytest.raises(ListError, match="not built yet"):
        shop.export(settings())


def test_missing_vault_is_refused(shop: Shop) -> None:
    shop.build(settings())
    (shop.folder / "vault.parquet").unlink()
    with pytest.raises(ListError, match="vault"):
        shop.export(settings())


def test_shop_without_consent_exports_nobody(shop: Shop) -> None:
    for log in ("customers", "consent_events"):
        for file in datasets.event_files(shop.events, log):
            file.unlink()
    built = shop.build(settings())["win_back"]
    assert built.manifest["left_out"] == {"no_consent": 4}
    assert "sources.logs" in built.manifest["missing"][0]
    assert shop.export(settings())[1]["exported"] == 0


@pytest.mark.parametrize("feeds", [["email_events"], ["web_events", "consent_events"]])
def test_nobody_is_written_to_while_a_file_that_may_hold_opt_outs_was_not_read(shop: Shop, feeds: list[str]) -> None:
    shop.build(settings())
    manifest = datasets.read_json(shop.events / "manifest.json")
    rejected = [{"name": "mail-02.jsonl", "log": feeds[0], "feeds": feeds, "sha256": "0", "reason": "truncated"}]
    datasets.write_json(manifest | {"rejected_files": rejected}, shop.events / "manifest.json")
    with pytest.raises(StaleListError, match=r"mail-02\.jsonl could not be read and may hold opt-outs"):
        shop.export(settings())
    harmless = [rejected[0] | {"feeds": ["web_events"]}]
    datasets.write_json(manifest | {"rejected_files": harmless}, shop.events / "manifest.json")
    shop.export(settings())
