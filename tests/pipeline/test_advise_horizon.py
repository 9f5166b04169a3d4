"""`wafa horizon` on orders written by hand, and on CDNOW beside figures measured elsewhere."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from pipeline.commands import horizon
from pipeline.evaluation import advise_horizon
from pipeline.evaluation.advise_horizon import advise, lines
from pipeline.project import datasets
from pipeline.project.errors import StaleError
from pipeline.project.settings import Settings
from tests.end_to_end.project import REAL_DATA
from timeline import DAY_US, parse_date

ZONE = "Europe/London"


def write_events(orders: pd.DataFrame, until: str, zone: str = ZONE) -> None:
    """Orders (customer_id, occurred_at, event) as ingested files below data/events."""
    folder = datasets.EVENTS / "orders"
    folder.mkdir(parents=True)
    rows = orders.assign(loaded_at=orders["occurred_at"], event_id=[f"e{n}" for n in range(len(orders))])
    rows.to_parquet(folder / "2025-01.parquet", index=False)
    first = int(orders["occurred_at"].min())
    manifest = {"watermark": parse_date(until, zone), "logs": {"orders": {"first": first}}}
    datasets.write_json(manifest, datasets.EVENTS / "manifest.json")


def orders(history: dict[str, list[str]]) -> pd.DataFrame:
    return pd.DataFrame(
        [(who, parse_date(day, ZONE), "Order Completed") for who, days in history.items() for day in days],
        columns=["customer_id", "occurred_at", "event"],
    )


def asking(shop: Settings, accepted: float = 0.5, follow_up_days: int = 60, **cohort: object) -> Settings:
    few = {"min_history_days": 60, "horizon_days": 50, "test_spacing_months": 2} | cohort
    advice = shop.horizon_advice.model_copy(update={"accepted": accepted, "follow_up_days": follow_up_days})
    return shop.model_copy(update={"cohort": shop.cohort.model_copy(update=few), "horizon_advice": advice})


@pytest.fixture
def a_few_customers(project: Path) -> Path:
    # At the cutoff of 1 March, with a gap of 7 days, label windows open on 8 March.
    write_events(
        orders(
            {
                "stays": ["2025-01-01", "2025-02-01", "2025-03-20"],
                "late": ["2025-01-05", "2025-05-01"],
                "gone": ["2025-01-10"],
                "in_gap": ["2025-02-20", "2025-03-02"],
                "in_gap_and_after": ["2025-02-15", "2025-03-03", "2025-03-25"],
                "new": ["2025-03-05"],
            }
        ),
        until="2025-08-01",
    )
    return project


def test_a_cutoff_is_judged_by_what_came_after_it(a_few_customers, shop):
    advice = advise(asking(shop, min_history_days=59, test_spacing_months=12), datasets.EVENTS)
    rows = {row["horizon_days"]: row for row in advice["rows"]}
    assert {row["cutoff"] for row in advice["rows"]} == {"2025-03-01"}
    # 2025-03-08 + 90 + 60 days is past the end of the data: from 90 days on nothing can be told.
    assert list(rows) == [30, 45, 50, 60]
    assert advice["too_long"] == [90, 120, 180, 365]
    # "late" orders 54 days after the gap: churned at 30, 45 and 50, and came back; at 60 they stayed.
    assert [(r["customers"], r["churned"], r["came_back"]) for r in rows.values()] == [(5, 3, 1)] * 3 + [(5, 2, 0)]
    assert advice["recommended"] == 30
    assert "(params.yaml has 50)" in advice["sentence"]
    assert "33.3 % came back within 60 days after the label window" in advice["sentence"]


def test_who_objects_to_profiling_is_not_counted(a_few_customers, shop):
    folder = datasets.EVENTS / "consent_events"
    folder.mkdir()
    instant = parse_date("2025-02-10", ZONE)
    word = {"customer_id": "gone", "occurred_at": instant, "loaded_at": instant, "channel": "profiling"}
    pd.DataFrame([word | {"status": "unsubscribed"}]).to_parquet(folder / "2025-02.parquet", index=False)
    rows = advise(asking(shop, min_history_days=59, test_spacing_months=12), datasets.EVENTS)["rows"]
    assert [row["customers"] for row in rows] == [4] * 4


def test_gaps_end_with_an_order_or_with_the_data_and_two_orders_in_a_day_are_one(project, shop):
    start = parse_date("2025-01-01", ZONE)
    days = {"a": [0, 0.9, 10], "b": [5], "cancelled": [0, 3]}
    table = pd.DataFrame(
        [(who, start + int(day * DAY_US), "Order Completed") for who, each in days.items() for day in each],
        columns=["customer_id", "occurred_at", "event"],
    )
    table.loc[table["customer_id"] == "cancelled", "event"] = "Order Cancelled"
    write_events(table, until="2025-01-31")
    found = advise(asking(shop), datasets.EVENTS)["gaps_in_days"]
    assert found["finished"] == {"gaps": 1, "50": 9, "80": 9, "90": 9, "95": 9}
    assert found["with_open"]["gaps"] == 3


def test_the_answers_there_are(a_few_customers, shop):
    settings = {"min_history_days": 59, "test_spacing_months": 12}
    first = advise(asking(shop, horizon_days=30, **settings), datasets.EVENTS)
    assert "as params.yaml has it" in first["sentence"]
    assert "at the one cutoff that can tell" in first["sentence"]
    assert "none shorter was tried" in first["sentence"]
    later = advise(asking(shop, accepted=0.2, **settings), datasets.EVENTS)
    assert later["recommended"] == 60
    assert "with 50 days it was 33.3 %" in later["sentence"]
    none = advise(asking(shop, accepted=0.2, follow_up_days=90, horizon_days=45, **settings), datasets.EVENTS)
    assert none["recommended"] is None
    assert none["sentence"].startswith(
        "No horizon that these data can judge reaches 20 %: of those that 45 days call churned 33.3 % still"
    )
    short = advise(asking(shop, follow_up_days=180, **settings), datasets.EVENTS)
    assert short["rows"] == []
    assert short["sentence"].startswith("No recommendation: the orders from 2025-01-01 to 2025-08-01 leave no month")
    for advice in (first, later, none, short):
        told = "\n".join(lines(advice))
        assert "who ordered in the 365 days before the cutoff and do not object to profiling" in told
        assert "from day 7 (the gap)" in told
        assert told.endswith(advice["sentence"])
        assert "None" not in told
        assert "nan" not in told


def test_the_command_reads_the_params_and_takes_others(a_few_customers, shop, monkeypatch, capsys):
    monkeypatch.setattr(horizon, "settings_here", lambda: asking(shop, min_history_days=59, test_spacing_months=12))
    horizon.command()
    assert "and you accept 50 %; none shorter" in capsys.readouterr().out
    horizon.command(accept=0.2, follow_up=90)
    out = capsys.readouterr().out
    assert "No horizon that these data can judge reaches 20 %" in out
    assert "in the 90 days after the horizon had ended" in out


def test_without_events_the_line_says_what_to_run(project, shop):
    with pytest.raises(StaleError, match=r"data/events: there are no events to look at. Run `dvc repro ingest_logs`"):
        advise_horizon.told(shop)


def test_cdnow_gives_the_figures_measured_on_it(project, shop):
    """Full CDNOW: labelled churned 81.8, 69.4, 61.0, 46.6 %; of those back by June 1998 51.8, 43.2, 35.4, 15.4 %.

    Gaps of half, 80, 90, 95 % of the orders: 34, 119, 200, 283 days. The sample holds a tenth of the customers.
    """
    file = REAL_DATA / "cdnow" / "CDNOW_sample.txt"
    if not file.is_file():
        pytest.skip("no folder shared/data/cdnow beside the project")
    raw = pd.read_fwf(file, header=None, names=["master", "customer_id", "day", "cds", "dollars"], dtype=str)
    instants = [parse_date(f"{day[:4]}-{day[4:6]}-{day[6:]}", "UTC") for day in raw["day"]]
    sample = pd.DataFrame(
        {"customer_id": raw["customer_id"], "occurred_at": instants, "event": "Order Completed"}
    ).sort_values(["customer_id", "occurred_at"])
    write_events(sample, until="1998-07-01", zone="UTC")
    settings = asking(shop, follow_up_days=90, gap_days=0, active_days=180, min_history_days=270, horizon_days=90)
    settings = settings.model_copy(update={"shop": shop.shop.model_copy(update={"timezone": "UTC"})})
    advice = advise(settings, datasets.EVENTS)
    rows = {row["horizon_days"]: row for row in advice["rows"] if row["cutoff"] == "1997-10-01"}
    found = {days: (rows[days]["churned_share"], rows[days]["came_back_by_end_share"]) for days in (30, 60, 90, 180)}
    published = {30: (0.818, 0.518), 60: (0.694, 0.432), 90: (0.610, 0.354), 180: (0.466, 0.154)}
    for days, shares in published.items():
        assert found[days] == pytest.approx(shares, abs=0.01), days
    gaps = [advice["gaps_in_days"]["finished"][str(q)] for q in (50, 80, 90, 95)]
    assert gaps == pytest.approx([34, 119, 200, 283], rel=0.03)
