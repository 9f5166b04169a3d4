"""A log that Wafa does not know, declared in params alone, from its file to features, model, reasons and report."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.end_to_end.project import SMALL, Project
from timeline import DAY_US, parse_date

TITLE = "Calls to <the> shop"  # what a shop writes reaches the page as text, not as markup
CALLS: dict[str, Any] = {
    "title": TITLE,
    "title_urdu": "دکان کو کالیں",
    "actionable": True,
    "file": "calls.jsonl",
    "format": "jsonl",
    "columns": {"customer_id": "client", "occurred_at": "at", "event_id": "call"},
    "time_format": "epoch_s",
}
STAGES = (
    "ingest_logs", "build_cohorts", "build_features", "train_model", "evaluate_model", "prepare_scoring",
    "score_customers", "explain_scores", "render_report",
)  # fmt: skip
AS_OF = "2024-10-01"
TINY = SMALL | {
    "simulation__customers": 1_500,  # enough rows for trees, which alone read a log of the shop's own
    "simulation__months": 15,
    "sources__complete_until": AS_OF,
    "sources__logs": {"orders": {"file": "orders.csv"}, "customers": {"file": "customers.csv"}},
    "scoring__as_of": AS_OF,
    "cohort__max_cutoffs": 6,
    "cohort__test_origins": 1,
    "model__trees": 20,
}


def write_calls(project: Project) -> None:
    """Everybody calls every ten days from the first order to the last, so that silence means something."""
    orders = pd.read_csv(project.path("data/raw/simulated/orders.csv"), dtype=str)
    # Some orders of the demo are faulty on purpose.
    orders["at"] = pd.to_datetime(orders["ordered_at"], utc=True, format="ISO8601", errors="coerce")
    orders = orders.dropna(subset=["customer_id", "at"])
    orders["at"] = orders["at"].dt.as_unit("s").astype("int64")
    spans = orders.groupby("customer_id")["at"].agg(["min", "max"])
    calls = [(client, at) for client, first, last in spans.itertuples() for at in range(first, last + 1, 864_000)]
    lines = [
        json.dumps({"call": n, "client": client, "at": at, "agent": "Zoe"}) for n, (client, at) in enumerate(calls)
    ]
    lines.append(json.dumps({"call": len(lines), "client": calls[0][0]}))
    project.path("data/raw/simulated/calls.jsonl").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A tiny demo whose shop has a log of calls; no line of code knows of it."""
    project = Project(tmp_path_factory.mktemp("own_log"))
    project.params(**TINY)
    assert project.stage("simulate_logs").returncode == 0
    write_calls(project)
    project.params(sources__own_logs={"calls": CALLS})
    for stage in STAGES:
        done = project.stage(stage)
        assert done.returncode == 0, (stage, done.stderr[-2000:])
    return project


def test_its_rows_are_read_and_counted(shop: Project) -> None:
    log = shop.json("data/events/manifest.json")["logs"]["calls"]
    (file,) = log["files"]
    assert file["rules"] == {"missing_time": 1}
    assert log["rows"] == file["accepted"] == file["rows_read"] - 1 > 1_000
    assert len(list(shop.path("state/quarantine/calls.jsonl").read_text().splitlines())) == 1
    done = shop.wafa("check")
    assert f"calls: {log['rows']:,} rows, 1 set aside, 0 duplicates" in done.stdout, done.stderr
    assert re.search(r"\d+\. calls: 1 row \(.*\) missing_time, first calls.jsonl:\d+:\w+\. ", done.stdout)


def test_every_cutoff_has_its_columns(shop: Project) -> None:
    files = [*shop.path("data/features").glob("*.parquet"), shop.path("data/scoring/features.parquet")]
    assert len(files) > 3
    for file in files:
        own = [name for name in pd.read_parquet(file).columns if "calls" in name]
        assert own == [
            "calls_count_30d", "calls_count_90d", "calls_count_365d", "days_since_calls",
            "calls_trend_30d", "calls_trend_90d", "calls_trend_365d",
        ]  # fmt: skip


def test_its_features_are_a_count_of_the_file(shop: Project) -> None:
    cutoff = parse_date(AS_OF, "Europe/London")
    vault = shop.table("state/vault.parquet").set_index("shop_id")["customer_id"]
    raw = [json.loads(line) for line in shop.path("data/raw/simulated/calls.jsonl").read_text().splitlines()]
    ages: dict[str, list[int]] = {}
    for call in raw:
        if "at" in call and call["at"] * 1_000_000 < cutoff:
            ages.setdefault(vault[call["client"]], []).append(cutoff - call["at"] * 1_000_000)
    matrix = shop.table("data/scoring/features.parquet").set_index("customer_id")
    for days in (30, 90, 365):
        counted = [sum(age <= days * DAY_US for age in ages.get(customer, [])) for customer in matrix.index]
        assert matrix[f"calls_count_{days}d"].tolist() == counted
    newest = [min(ages[customer]) / DAY_US if customer in ages else np.nan for customer in matrix.index]
    np.testing.assert_allclose(matrix["days_since_calls"], newest, rtol=1e-12)
    assert matrix["calls_count_90d"].sum() > 50


def test_the_model_reads_it_and_reasons_speak_of_it(shop: Project) -> None:
    columns = shop.json("data/model/features.json")["columns"]
    assert "days_since_calls" in columns
    reasons = shop.table("data/scores/reasons.parquet")
    own = reasons[reasons["family"] == "calls"]
    assert len(own) > 50
    assert set(own["kind"]) == {"actionable"}
    assert own["sentence"].str.startswith(TITLE).all()
    orders_only = shop.json(f"data/model/backtest/{_origin(shop)}/orders_only/features.json")["columns"]
    assert not [name for name in orders_only if "calls" in name]


def _origin(shop: Project) -> str:
    return sorted(path.name for path in shop.path("data/model/backtest").iterdir())[-1]


def test_the_pages_name_it_as_text(shop: Project) -> None:
    page = shop.path("data/reports/marketing.html").read_text(encoding="utf-8")
    assert "Calls to &lt;the&gt; shop" in page
    assert "<the>" not in page
    assert TITLE.lower() in shop.path("data/evaluation/model_card.md").read_text(encoding="utf-8")
    assert "days_since_calls" in (shop.path("data/evaluation/plots/drivers.svg")).read_text(encoding="utf-8")
