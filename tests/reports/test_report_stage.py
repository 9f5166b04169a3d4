"""The stage that writes the page, on tables written to disk."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from campaigns.wording import MISFITS_URDU
from features import FAMILIES, OwnLog
from pipeline import render_report
from pipeline.project import datasets
from reports import render_marketing
from tests.reports.test_data_quality import MANIFEST
from tests.reports.test_marketing import PAGE, REASONS, SCORES, WIN_BACK, Reader


def settings() -> Any:
    return SimpleNamespace(
        shop=SimpleNamespace(name="Corner shop", currency="JPY", timezone="Asia/Tokyo"),
        cohort=SimpleNamespace(horizon_days=90, gap_days=7, active_days=365),
        demo=["shop"],
        own_logs=[OwnLog("calls", "Calls to the shop", "", "context")],
    )


def test_stage_reads_every_table_and_repeats_its_bytes(tmp_path: Path) -> None:
    family = next(iter(FAMILIES))
    reasons = REASONS.assign(family=family, sentence_ur="دیر سے")
    datasets.write_parquet(SCORES, tmp_path / "s.parquet", ("customer_id",))
    datasets.write_parquet(reasons, tmp_path / "r.parquet", ("customer_id", "rank"))
    datasets.write_json(dict(PAGE.metrics), tmp_path / "metrics.json")
    datasets.write_json(WIN_BACK, tmp_path / "lists" / "win_back" / "manifest.json")
    datasets.write_json(dict(PAGE.events), tmp_path / "events" / "manifest.json")

    def write(name: str, metrics: str = "metrics.json") -> Path:
        render_report.run(
            settings(),
            scores_path=tmp_path / "s.parquet",
            reasons_path=tmp_path / "r.parquet",
            metrics_path=tmp_path / metrics,
            lists_dir=tmp_path / "lists",
            events_dir=tmp_path / "events",
            output=tmp_path / name,
            as_of="2026-01-01",
        )
        return tmp_path / name

    first = write("a.html").read_bytes()
    assert first == write("b.html").read_bytes()
    text = Reader(first.decode("utf-8")).text
    assert "This shop is simulated" in text
    assert "¥240,012value at risk" in text.replace("> <", "><")
    assert next(iter(FAMILIES.values())).title in text
    assert "In 2 past tests" in text
    assert "Win back" in text
    assert str(tmp_path) not in first.decode("utf-8")
    in_urdu = (tmp_path / "a.ur.html").read_text(encoding="utf-8")
    for said in ("دیر سے", FAMILIES[family].title_urdu, WIN_BACK["title_urdu"], MISFITS_URDU["never_ordered"]):
        assert said in in_urdu
        assert said not in first.decode("utf-8")
    assert '<html lang="ur" dir="rtl">' in in_urdu
    assert "has not been tested" in write("c.html", metrics="none.json").read_text(encoding="utf-8")


def test_stage_writes_the_quality_of_the_logs_with_what_each_rule_means(tmp_path: Path) -> None:
    broken = {"name": "t.csv", "log": "orders", "sha256": "00", "reason": "t.csv: bad_encoding, line 3."}
    datasets.write_json(MANIFEST | {"rejected_files": [broken]}, tmp_path / "events" / "manifest.json")
    render_report.run_quality(settings(), events_dir=tmp_path / "events", output=tmp_path / "quality.html")
    page = (tmp_path / "quality.html").read_text(encoding="utf-8")
    text = Reader(page).text
    for said in (
        "These logs come from a simulated shop",
        "Calls to the shop",
        "complete until 11 April 2025",
        "No ISO 8601 time; correct it, or declare time_format.",
        "Left out on purpose",
        "Bytes that do not belong to the declared encoding",
    ):
        assert said in text
    assert str(tmp_path) not in page


def test_the_marketers_page_leads_to_it_and_so_does_the_end_of_a_run() -> None:
    from pipeline.project.run_pipeline import what_to_open

    assert f'href="{datasets.QUALITY_PAGE.name}"' in render_marketing(PAGE)
    assert datasets.QUALITY_PAGE.parent == datasets.REPORT.parent
    assert any(line.endswith(str(datasets.QUALITY_PAGE)) for line in what_to_open())
