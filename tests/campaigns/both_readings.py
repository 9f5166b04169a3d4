"""Lists as the code makes them, and the places where the slow reading of docs/lists.md says something else."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from campaigns import build, holdout, known
from campaigns.settings import CampaignSettings
from events.logs import LOGS, arrow_schema
from tests.campaigns.reference import Reading, Row
from tests.campaigns.reference_lists import OFFERS, choose, in_order, list_names, reason
from timeline import parse_date

SCORES = pa.schema(
    [
        ("customer_id", pa.string()),
        ("churn_probability", pa.float64()),
        ("margin", pa.float64()),
        ("band", pa.string()),
        ("expected_value", pa.int64()),
        ("value_at_risk", pa.int64()),
        ("next_order_from", pa.float64()),
        ("next_order_expected", pa.float64()),
        ("next_order_until", pa.float64()),
        ("act_by", pa.string()),
        ("days_since_order", pa.int64()),
        ("usual_gap_days", pa.float64()),
        ("orders", pa.int64()),
        ("average_order_value", pa.int64()),
        ("percentile", pa.float64()),
    ]
)
BEFORE = pa.schema([("customer_id", pa.string()), ("churn_probability", pa.float64())])
REASONS = pa.schema(
    [
        ("customer_id", pa.string()),
        ("rank", pa.int64()),
        *((name, pa.string()) for name in ("family", "feature", "kind")),
        ("contribution", pa.float64()),
        *((name, pa.string()) for name in ("sentence", "sentence_ur")),
    ]
)
LEDGER = ("customer_id", "campaign_id", "list", "occurred_at")
SEGMENTS = ("rfm_segment", "lifecycle", "value_tier", "main_interest", "discount_dependence")

Shop = Mapping[str, Sequence[Row]]


def spare_the_rest(patch: pytest.MonkeyPatch) -> None:
    """Neither products, send times nor power belong to who is on a list; they have tests of their own."""
    from campaigns import power, products, send_time

    def no_products(db: duckdb.DuckDBPyConnection, *_: Any, **__: Any) -> None:
        nothing = ", ".join(f"CAST(NULL AS VARCHAR) AS product_{n}" for n in (1, 2, 3))
        db.execute(f"CREATE OR REPLACE TEMP TABLE products AS SELECT customer_id, {nothing} FROM wanted")

    def no_times(db: duckdb.DuckDBPyConnection, *_: Any, **__: Any) -> None:
        nothing = "CAST(NULL AS INTEGER) AS send_hour, CAST(NULL AS VARCHAR) AS send_weekday"
        db.execute(f"CREATE OR REPLACE TEMP TABLE send_times AS SELECT customer_id, {nothing} FROM wanted")

    patch.setattr(products, "recommend", no_products)
    patch.setattr(send_time, "send_time", no_times)
    patch.setattr(power, "statement", lambda *_, **__: {})


def write_logs(shop: Shop, folder: Path) -> dict[str, list[str]]:
    """Each log as a Parquet file; a log that is not there has none."""
    files = {}
    folder.mkdir(parents=True, exist_ok=True)
    for log, rows in shop.items():
        path = folder / f"{log}.parquet"
        columns = arrow_schema(log)
        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows], schema=columns), path)
        files[log] = [path.as_posix()]
    return files


def read_logs(files: Mapping[str, Sequence[str]]) -> dict[str, list[Row]]:
    """Every row of the logs, whether known before T or not."""
    return {log: [row for file in some for row in pq.read_table(file).to_pylist()] for log, some in files.items()}


def net_values(worth: Iterable[dict[str, Any]]) -> dict[bool, dict[str, int]]:
    """What each scored person is worth, without an offer (False) and with the best one (True)."""
    rows = list(worth)
    columns = {False: "plain_net_value", True: "net_value"}
    return {offers: {row["customer_id"]: row[column] for row in rows} for offers, column in columns.items()}


class Both:
    """A shop's lists by the code and by the reference."""

    def __init__(
        self,
        files: Mapping[str, Sequence[str]],
        rows: Shop,
        settings: CampaignSettings,
        *,
        as_of: str,
        zone: str = "Europe/London",
        active_days: int = 365,
        scores: Sequence[Row] = (),
        before: Sequence[Row] = (),
        ledger: Sequence[Row] = (),
        erased: Collection[str] = (),
        db: duckdb.DuckDBPyConnection | None = None,
    ) -> None:
        self.s, self.as_of, self.ledger = settings, as_of, ledger
        self.now = parse_date(as_of, zone)
        self.db = db or duckdb.connect(config={"memory_limit": "1GB", "threads": 1})
        known.open_logs(self.db, files, {log: arrow_schema(log) for log in LOGS}, self.now, zone)
        for name, some, columns in (("scores", scores, SCORES), ("scores_before", before, BEFORE)):
            self.db.register(name, pa.Table.from_pylist([dict(row) for row in some], schema=columns))
        self.db.register("reasons", REASONS.empty_table())
        contacts = pd.DataFrame([dict(row) for row in ledger], columns=list(LEDGER))
        contacts = contacts.astype(dict.fromkeys(LEDGER[:3], "str") | {"occurred_at": "int64"})
        self.built = build.build(
            self.db,
            settings,
            as_of=as_of,
            cutoff=self.now,
            active_days=active_days,
            contacts=contacts,
            erased=erased,
        )
        self.reading = Reading(rows, self.now, zone, settings, active_days, scores, before)

    def rows(self, query: str) -> list[dict[str, Any]]:
        asked = self.db.execute(query)
        names = [name for name, *_ in asked.description]
        return [dict(zip(names, row, strict=True)) for row in asked.fetchall()]

    def draw(self, name: str, campaign: str, who: Sequence[str]) -> dict[str, Row]:
        """The group of each, by campaigns.holdout; what is no message is never held out."""
        if name == "list_hygiene":
            return {one: {"group": "treat", "holdout": None, "arm": None, "propensity": 1.0} for one in who}
        mine = self.s.own_lists[name] if name in self.s.own_lists else getattr(self.s.lists, name)
        share = self.s.holdout_share if mine.holdout_share is None else mine.holdout_share
        self.db.register("those", pa.table({"customer_id": pa.array(list(who), pa.string())}))
        shares = {"salt": self.s.salt, "global_share": self.s.global_holdout_share, "list_share": share}
        holdout.assign(self.db, "those", campaign, **shares, versions=mine.arms, into="expected_groups")
        found = self.rows('SELECT customer_id, "group", holdout, arm, propensity FROM expected_groups')
        return {row.pop("customer_id"): row for row in found}

    def compare_people(self) -> list[object]:
        """Facts and segments of which the two do not say the same."""
        found = {row["customer_id"]: row for row in self.rows("SELECT * FROM people")}
        wrong: list[object] = [("people", sorted(found), sorted(self.reading.people))] * (
            set(found) != set(self.reading.people)
        )
        for who, expected in self.reading.people.items():
            for column, value in expected.items():
                if column == "delivered_late" or who not in found:
                    continue
                if not _same(found[who][column], value):
                    wrong.append((who, column, "code", found[who][column], "reference", value))
        return wrong

    def compare_lists(self) -> list[object]:
        """Who fits, and in what order; who is told what; and the rows of the lists."""
        people, s = self.reading.people, self.s
        worth = {row["customer_id"]: row for row in self.rows("SELECT * FROM worth")}
        net = net_values(worth.values())
        fits = {row["customer_id"]: row for row in self.rows("SELECT * FROM fits")}
        wrong: list[object] = []
        if list(self.built.recipes) != list_names(s):
            wrong.append(("lists", list(self.built.recipes), list_names(s)))
        for name in list_names(s):
            for who, person in people.items():
                expected = reason(name, person, s, self.now, net[name in OFFERS].get(who))
                if fits[who][name] != expected:
                    wrong.append((name, who, "code", fits[who][name], "reference", expected))
        guards = {row["customer_id"]: row for row in self.rows("SELECT * FROM guards")}
        costs = {who: row["contact_cost"] for who, row in worth.items()}
        told, rows = choose(
            self.reading, self.as_of, worth=net, offered=costs, guards=guards, ledger=self.ledger, draw=self.draw
        )
        said = {row["customer_id"]: row for row in self.rows(self.built.told)}
        for name, mine in told.items():
            for who in people:
                if said[who][f"why_{name}"] != mine[who]:
                    wrong.append((name, who, "told: code", said[who][f"why_{name}"], "reference", mine[who]))
        columns = 'customer_id, list, campaign, "group", holdout, arm, propensity, contact_cost, rank'
        written = self.rows(f"SELECT {columns} FROM candidates")
        for name in list_names(s):
            one = sorted((row for row in written if row["list"] == name), key=lambda row: row["rank"])
            other = [row for row in rows if row["list"] == name]
            if [row["rank"] for row in one] != list(range(1, len(one) + 1)):
                wrong.append((name, "ranks", [row["rank"] for row in one]))
            without = [{key: value for key, value in row.items() if key != "rank"} for row in one]
            if without != other:
                first = next(((a, b) for a, b in zip(without, other, strict=False) if a != b), None)
                wrong.append((name, "rows", len(one), len(other), "first: code, reference", first))
        if len(written) != len(rows):
            wrong.append(("rows", len(written), len(rows)))
        for row in written:
            segments = {column: said[row["customer_id"]][column] for column in SEGMENTS}
            if segments != {column: people[row["customer_id"]][column] for column in SEGMENTS}:
                wrong.append((row["customer_id"], segments))
        return wrong

    def compare_order(self) -> list[object]:
        """Where nobody is left out for another reason, the order of a list is that of all who fit."""
        net = net_values(self.rows("SELECT * FROM worth"))
        wrong: list[object] = []
        for name in list_names(self.s):
            fitting = [
                who
                for who, p in self.reading.people.items()
                if not reason(name, p, self.s, self.now, net[name in OFFERS].get(who))
            ]
            placed = {who: place for place, who in enumerate(in_order(name, fitting, self.reading.people, self.s, net))}
            asked = f"SELECT customer_id FROM candidates WHERE list = '{name}' ORDER BY rank"
            places = [placed.get(row["customer_id"], -1) for row in self.rows(asked)]
            if places != sorted(places) or -1 in places:
                wrong.append((name, "order", places[:20]))
        return wrong

    def disagreements(self) -> list[object]:
        return [*self.compare_people(), *self.compare_lists(), *self.compare_order()]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-12)
    return bool(one == other)
