"""Law: an ingest that builds on the one before gives the bytes of an ingest of the same files from nothing."""

import csv
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sources import ContractError, pseudonym
from sources.worker import Worker
from tests.sources.source_files import KEY, ORDERS, Found, read

EVERY_DAY, FOR_LONG = 15, 200
SEEDS = [*range(EVERY_DAY), *(pytest.param(seed, marks=pytest.mark.stress) for seed in range(EVERY_DAY, FOR_LONG))]
COLUMNS = ("message_id", "customer_id", "email", "anonymous_id", "event", "occurred_at", "loaded_at", "product_id")
both = pytest.mark.parametrize("form", ["csv", "parquet"])


def visit(at: str, **cells: str) -> dict[str, str]:
    """A page view at ``at`` ('01-15' is a day of 2025) that was known of at once."""
    at = f"2025-{at}T12:00:00Z" if len(at) == 5 else at
    return dict.fromkeys(COLUMNS, "") | {"event": "Page Viewed", "occurred_at": at, "loaded_at": at} | cells


def files_below(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Shop:
    """A shop's files, and the ingests of them that build on each other."""

    def __init__(self, folder: Path, form: str = "csv") -> None:
        self.folder, self.form, self.rounds = folder, form, 0
        self.files = folder / "exports"
        self.files.mkdir()
        (self.files / "orders.csv").write_text(ORDERS)
        self.logs: dict[str, dict] = {
            "orders": {"file": "orders.csv"},
            "web_events": {"file": f"web-*.{form}", "format": form},
        }
        self.said: dict[str, Any] = {}

    @property
    def events(self) -> Path:
        """The events of the newest round."""
        return self.folder / f"events-{self.rounds}"

    def web(self, name: str, rows: Sequence[dict[str, str]]) -> Path:
        """Write or replace a file of page events."""
        path = self.files / f"web-{name}.{self.form}"
        if self.form == "parquet":
            pq.write_table(pa.Table.from_pylist([{k: v or None for k, v in row.items()} for row in rows]), path)
        else:
            write_csv(path, rows)
        return path

    def log(self, name: str, rows: Sequence[dict[str, str]]) -> None:
        """Write or replace another log."""
        write_csv(self.files / f"{name}.csv", rows)
        self.logs[name] = {"file": f"{name}.csv"}

    def ingest(self) -> Found:
        """One more round on top of the one before, held against one from nothing."""
        previous = self.events if self.rounds else None
        self.rounds += 1
        found = read(
            self.files, self.logs, landed=self.folder / "landed", events=self.events, previous=previous, **self.said
        )
        fresh = self.folder / f"fresh-{self.rounds}"
        other = read(self.files, self.logs, events=fresh, **self.said)
        assert files_below(self.events) == files_below(fresh)
        assert json.dumps(found.manifest, sort_keys=True) == json.dumps(other.manifest, sort_keys=True)
        pd.testing.assert_frame_equal(found.vault, other.vault)
        pd.testing.assert_frame_equal(found.quarantine, other.quarantine)
        for books in found.manifest["logs"].values():
            for file in books["files"]:
                assert file["rows_read"] == file["accepted"] + file["quarantined"] + file["duplicates"]
        return found


def write_csv(path: Path, rows: Sequence[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def three_months(folder: Path, form: str = "csv") -> Shop:
    """One file for each of the first three months; visitor v is anonymous, anna is signed in."""
    shop = Shop(folder, form)
    for month in ("01", "02", "03"):
        shop.web(
            month,
            [
                visit(f"{month}-15", message_id=f"m{month}", anonymous_id=f"v{month}"),
                visit(f"{month}-16", message_id=f"n{month}", customer_id="anna"),
            ],
        )
    assert shop.ingest().rewritten == ["2025-01", "2025-02", "2025-03"]
    return shop


@both
def test_nothing_new_makes_nothing(tmp_path, form):
    assert three_months(tmp_path, form).ingest().rewritten == []


@both
def test_a_new_file_makes_its_month(tmp_path, form):
    shop = three_months(tmp_path, form)
    shop.web("04", [visit("04-10", message_id="x", customer_id="ben")])
    assert shop.ingest().rewritten == ["2025-04"]
    shop.web("04b", [visit("04-11", message_id="y", customer_id="ben")])
    assert shop.ingest().rewritten == ["2025-04"]


@both
def test_a_late_row_makes_its_month_and_none_between(tmp_path, form):
    shop = three_months(tmp_path, form)
    late = visit("01-20", message_id="late", customer_id="ben", loaded_at="2025-04-10T12:00:00Z")
    shop.web("04", [visit("04-10", message_id="x", customer_id="ben"), late])
    assert shop.ingest().rewritten == ["2025-01", "2025-04"]


@both
def test_a_file_that_is_gone_takes_its_rows_along(tmp_path, form):
    shop = three_months(tmp_path, form)
    (shop.files / f"web-02.{form}").unlink()
    found = shop.ingest()
    assert found.rewritten == []
    assert sorted(path.name for path in (shop.events / "web_events").iterdir()) == [
        "2025-01.parquet",
        "2025-03.parquet",
    ]
    shop.web("03b", [visit("03-20", message_id="again", anonymous_id="v0")])
    shop.ingest()
    (shop.files / f"web-03b.{form}").unlink()
    assert shop.ingest().rewritten == ["2025-03"]


@both
def test_a_file_that_is_another_makes_its_months(tmp_path, form):
    shop = three_months(tmp_path, form)
    shop.web("02", [visit("02-15", message_id="m02", anonymous_id="v02", product_id="p")])
    assert shop.ingest().rewritten == ["2025-02"]
    (shop.files / f"web-02.{form}").rename(shop.files / f"web-02-renamed.{form}")
    assert shop.ingest().rewritten == []


def test_a_map_that_names_a_visitor_makes_the_months_of_the_visits(tmp_path):
    shop = three_months(tmp_path)
    known = {"anonymous_id": "v03", "customer_id": "ben", "identified_at": "2025-03-20T12:00:00Z"}
    shop.log("identity_map", [known])
    assert shop.ingest().rewritten == ["2025-03"]
    shop.log("identity_map", [known, known | {"anonymous_id": "v01"}])
    found = shop.ingest()
    assert found.rewritten == ["2025-01"]
    (first, *_) = (
        found.tables["web_events"].filter(pa.compute.equal(found.tables["web_events"]["event_id"], "m01")).to_pylist()
    )
    assert first["customer_id"] == pseudonym(["ben"], KEY)[0].as_py()
    del shop.logs["identity_map"]
    assert shop.ingest().rewritten == ["2025-01", "2025-03"]


@both
def test_without_a_map_a_later_login_does_the_same(tmp_path, form):
    shop = three_months(tmp_path, form)
    shop.web("04", [visit("04-10", message_id="x", anonymous_id="v01", customer_id="ben")])
    assert shop.ingest().rewritten == ["2025-01", "2025-04"]


@both
@pytest.mark.parametrize("product", ["", "another"])
def test_a_message_that_comes_again_counts_once(tmp_path, form, product):
    shop = three_months(tmp_path, form)
    # Earlier to arrive than the row it repeats, so the row in the old month goes.
    early = visit("01-15", message_id="m01", anonymous_id="v01", product_id=product, loaded_at="2025-01-15T11:58:00Z")
    shop.web("04", [visit("04-10", message_id="x", anonymous_id="v0"), early, early])
    found = shop.ingest()
    assert found.rewritten == ["2025-01", "2025-04"]
    assert found.tables["web_events"]["event_id"].to_pylist().count("m01") == 1
    assert found.quarantine["rule"].tolist() == ["conflicting_duplicate"] * bool(product)
    # In another month: the older of the two stays.
    later = visit("05-15", message_id="m02", anonymous_id="v02", product_id=product, loaded_at="2025-05-15T12:00:00Z")
    shop.web("05", [visit("05-10", message_id="z", anonymous_id="v0"), later])
    found = shop.ingest()
    assert found.rewritten == ["2025-05"]
    assert found.quarantine["rule"].tolist() == ["conflicting_duplicate"] * (1 + bool(product))
    (shop.files / f"web-04.{form}").unlink()
    assert shop.ingest().rewritten == ["2025-01"]


def test_who_is_erased_leaves_every_month(tmp_path):
    shop = three_months(tmp_path)
    shop.web("02", [visit("02-15", message_id="m02", anonymous_id="v02", customer_id="ben")])
    shop.web("01", [visit("01-15", message_id="m01", anonymous_id="v02")])
    shop.ingest()
    shop.said["erased"] = pseudonym(["ben"], KEY).to_pylist()
    found = shop.ingest()
    # The anonymous visit of January is theirs too. Both months are empty now.
    assert found.rewritten == ["2025-01", "2025-02"]
    assert [path.name for path in (shop.events / "web_events").iterdir()] == ["2025-03.parquet"]
    assert "m01" not in found.tables["web_events"]["event_id"].to_pylist()
    shop.said["erased"] = pseudonym(["anna"], KEY).to_pylist()
    assert "2025-03" in shop.ingest().rewritten


def test_a_merge_gives_the_visits_to_whom_they_became(tmp_path):
    shop = three_months(tmp_path)
    shop.web("04", [visit("04-15", message_id="x", customer_id="benny")])
    shop.ingest()
    shop.log("customer_merges", [{"from_id": "benny", "to_id": "ben", "merged_at": "2025-05-01T00:00:00Z"}])
    assert shop.ingest().rewritten == ["2025-04"]


def test_a_test_account_leaves(tmp_path):
    shop = three_months(tmp_path)
    shop.web(
        "04", [visit("04-15", message_id="x", customer_id="ben"), visit("04-15", message_id="y", customer_id="anna")]
    )
    shop.ingest()
    shop.said["test_accounts"] = ["ben"]
    assert shop.ingest().rewritten == ["2025-04"]
    del shop.said["test_accounts"]
    assert shop.ingest().rewritten == ["2025-04"]


def test_customers_that_become_known_change_owners_and_counts(tmp_path):
    shop = three_months(tmp_path)
    shop.web(
        "04",
        [visit("04-15", message_id="x", email="zoe@example.com"), visit("04-16", message_id="y", customer_id="k9")],
    )
    row = {"customer_id": "anna", "email": "anna@example.com", "created_at": "2025-01-01T00:00:00Z"}
    shop.log("customers", [row])
    shop.ingest()
    # Of k9 no visit changes, but they are no stranger any more; zoe's address becomes k8's.
    shop.log("customers", [row, row | {"customer_id": "k9", "email": "k9@example.com"}])
    shop.ingest()
    shop.log("customers", [row, row | {"customer_id": "k8", "email": "zoe@example.com"}])
    assert "2025-04" in shop.ingest().rewritten


def test_an_id_that_is_somebodys_address_doubles_no_visit(tmp_path):
    shop = three_months(tmp_path)
    shop.log("customers", [{"customer_id": "k8", "email": "zoe@example.com", "created_at": "2025-01-01T00:00:00Z"}])
    shop.web(
        "04",
        [
            visit("04-15", message_id="x", email="zoe@example.com"),
            visit("04-16", message_id="y", customer_id="zoe@example.com"),
        ],
    )
    found = shop.ingest()
    assert sorted(found.tables["web_events"]["event_id"].to_pylist())[-2:] == ["x", "y"]


def test_other_settings_make_everything_anew(tmp_path):
    shop = three_months(tmp_path)
    shop.said["zone"] = "Asia/Karachi"
    assert shop.ingest().rewritten == ["2025-01", "2025-02", "2025-03"]
    shop.logs["web_events"] |= {"arrival_delay_days": 1}
    shop.ingest()


@pytest.fixture
def readings(monkeypatch) -> list[str]:
    """The folders into which files were read, in turn."""
    seen: list[str] = []
    land = Worker.land

    def noted(
        self: Worker, path: Path, name: str, logs: Any, adapter: str, target: Path, numbered: bool = False
    ) -> None:
        seen.append(target.parent.name + "/" + name)
        land(self, path, name, logs, adapter, target, numbered)

    monkeypatch.setattr(Worker, "land", noted)
    return seen


def test_a_known_file_is_not_read_again(tmp_path, readings):
    shop = three_months(tmp_path)
    readings.clear()
    shop.web("04", [visit("04-15", message_id="x", anonymous_id="v0")])
    shop.ingest()
    assert [name for name in readings if name.startswith(f"{tmp_path.name}/") or name.startswith("landed/")].count(
        "landed/web-04.csv"
    ) == 2
    # Five files from nothing, and the new one alone on top.
    assert len(readings) == 6


def test_a_landed_file_that_was_not_finished_is_landed_again(tmp_path, readings):
    shop = three_months(tmp_path)
    landed = sorted(path.parent for path in (tmp_path / "landed").glob("*/web_events.parquet"))
    (landed[0] / "books.json").unlink()
    (landed[1].with_name(landed[1].name + ".part")).mkdir()
    (landed[2] / "spare").mkdir()
    readings.clear()
    shop.ingest()
    assert len(readings) == 1 + 4
    assert not list((tmp_path / "landed").glob("*.part"))


def test_a_month_that_was_tampered_with_is_made_again(tmp_path):
    shop = three_months(tmp_path)
    month = shop.events / "web_events" / "2025-02.parquet"
    data = bytearray(month.read_bytes())
    data[len(data) // 2] ^= 1
    month.unlink()
    month.write_bytes(bytes(data))
    assert shop.ingest().rewritten == ["2025-02"]
    (shop.events / "web_events" / "2025-03.parquet").unlink()
    assert shop.ingest().rewritten == ["2025-03"]


def test_what_is_known_of_the_months_may_be_broken(tmp_path):
    shop = three_months(tmp_path)
    (known,) = (tmp_path / "landed").rglob("web.json")
    known.write_text('{"fingerprint"')
    assert shop.ingest().rewritten == ["2025-01", "2025-02", "2025-03"]


ZONES = ("UTC", "Europe/London", "Asia/Karachi", "Pacific/Auckland")
PEOPLE = ("anna", "ben", "cleo", "dan", "zoe@example.com")
EDGES = (
    "2025-01-31T23:50:00Z",
    "2025-02-01T00:00:00Z",
    "2025-02-28T18:59:59Z",
    "2025-02-28T19:00:00Z",
    "2025-04-01T00:00:00Z",
)


def random_visits(chance: random.Random) -> list[dict[str, str]]:
    """Some visits, mostly of one day, whose ids are few enough to come again."""
    month = chance.randint(1, 5)
    rows = []
    for _ in range(chance.choice([1, 4, 12])):
        day = (
            f"2025-{month if chance.random() < 0.8 else chance.randint(1, 5):02d}-{chance.randint(1, 28):02d}T12:00:00Z"
        )
        at = chance.choice(EDGES) if chance.random() < 0.2 else day
        who = chance.random()
        rows.append(
            visit(
                at,
                message_id=f"m{chance.randrange(25)}" if chance.random() < 0.7 else "",
                customer_id=chance.choice(PEOPLE) if who < 0.3 else "",
                email=chance.choice(["anna@example.com", "zoe@example.com"]) if 0.3 <= who < 0.5 else "",
                anonymous_id=f"v{chance.randrange(5)}" if who >= 0.4 or chance.random() < 0.5 else "",
                product_id=chance.choice(["", "p1"]),
                loaded_at=chance.choice([at, "2025-06-01T00:00:00Z", "2025-07-01T00:00:00Z"]),
            )
        )
    if chance.random() < 0.1:
        rows += [visit(chance.choice(EDGES), anonymous_id="v1")] * 301
    chance.shuffle(rows)
    return [
        row if row["customer_id"] or row["email"] or row["anonymous_id"] else row | {"anonymous_id": "v9"}
        for row in rows
    ]


def change(shop: Shop, chance: random.Random, maps: list[dict[str, str]]) -> None:
    """One thing that can happen between two nights."""
    files = sorted(shop.files.glob("web-*"))
    kind = chance.choice(
        ["new", "new", "new", "gone", "other", "rename", "map", "erased", "test", "merge", "known", "zone", "broken"]
    )
    if kind in ("new", "other") or (kind in ("gone", "rename") and len(files) < 2):
        name = files[0].stem.removeprefix("web-") if kind == "other" else f"{chance.randrange(10**6):06d}"
        shop.web(name, random_visits(chance))
    elif kind == "gone":
        chance.choice(files).unlink()
    elif kind == "rename":
        one = chance.choice(files)
        one.rename(one.with_name(f"web-{chance.randrange(10**6):06d}{one.suffix}"))
    elif kind == "map":
        maps.append(
            {
                "anonymous_id": f"v{chance.randrange(5)}",
                "customer_id": chance.choice(PEOPLE),
                "identified_at": f"2025-0{chance.randint(1, 5)}-10T12:00:00Z",
            }
        )
        shop.log("identity_map", maps)
    elif kind == "erased":
        shop.said["erased"] = pseudonym(chance.sample(PEOPLE[1:], chance.randint(0, 2)), KEY).to_pylist()
    elif kind == "test":
        shop.said["test_accounts"] = chance.choice([[], ["cleo"], ["@example.com"]])
    elif kind == "merge":
        shop.log("customer_merges", [{"from_id": "dan", "to_id": chance.choice(PEOPLE[:3]), "merged_at": "2025-03-01"}])
    elif kind == "known":
        owner = chance.choice(PEOPLE[:4])
        shop.log("customers", [{"customer_id": owner, "email": "zoe@example.com", "created_at": "2025-01-01"}])
    elif kind == "zone":
        shop.said["zone"] = chance.choice(ZONES)
    else:
        chance.choice(sorted((shop.folder / "landed").glob("*/books.json"))).unlink()
        months = sorted((shop.events / "web_events").glob("*.parquet"))
        if months:
            chance.choice(months).unlink()


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_between_two_nights(tmp_path, seed):
    chance = random.Random(seed)
    shop = Shop(tmp_path, chance.choice(["csv", "parquet"]))
    for name in ("a", "b", "c"):
        shop.web(name, random_visits(chance))
    maps: list[dict[str, str]] = []
    shop.ingest()
    for _ in range(3):
        for _ in range(chance.choice([1, 1, 2])):
            change(shop, chance, maps)
        shop.ingest()


def test_a_night_that_was_refused_harms_nothing(tmp_path):
    shop = three_months(tmp_path)
    bad = shop.files / "web-04.csv"
    bad.write_bytes(b"")
    with pytest.raises(ContractError, match="empty_file"):
        shop.ingest()
    bad.unlink()
    shop.rounds -= 1
    shop.web("05", [visit("05-15", message_id="x", anonymous_id="v0")])
    assert shop.ingest().rewritten == ["2025-05"]
