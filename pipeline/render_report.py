"""Stage render_report: the page a marketer reads, and the pages on the quality of the logs and on how mail arrives."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from campaigns import wording
from features import FAMILIES
from pipeline.project import datasets, money, settings, stage
from pipeline.project.progress import say
from pipeline.sending import deliverability_page
from reports import DataQualityPage, MarketingPage, books, render_data_quality, render_marketing
from sources.rules import MEANING, meaning


def run(
    s: settings.Settings,
    *,
    scores_path: Path,
    reasons_path: Path,
    metrics_path: Path,
    lists_dir: Path,
    events_dir: Path,
    output: Path,
    as_of: str,
) -> None:
    """Write the page for the date ``as_of`` in English, and beside ``output`` in every other language.

    Without metrics it says that the model was not tested.
    """
    lists = datasets.list_manifests(lists_dir)
    reasons = datasets.read_parquet(reasons_path)
    page = MarketingPage(
        shop_name=s.shop.name,
        as_of=as_of,
        currency=s.shop.currency,
        minor_digits=len(money.writer(s.shop.currency)(0).partition(".")[2]),
        horizon_days=s.cohort.horizon_days,
        gap_days=s.cohort.gap_days,
        active_days=s.cohort.active_days,
        is_simulated=bool(s.demo),
        scores=datasets.read_parquet(scores_path),
        reasons=reasons,
        family_titles={name: family.title for name, family in FAMILIES.items()}
        | {log.name: log.title for log in s.own_logs},
        lists=lists,
        metrics=datasets.read_json(metrics_path) if metrics_path.is_file() else {},
        events=datasets.read_json(events_dir / "manifest.json"),
        rules=wording.spoken("en"),
        conditions={str(one["list"]): wording.misfits(one["misfits_say"], "en") for one in lists},
    )
    datasets.write_text(render_marketing(page), output)
    in_urdu = dataclasses.replace(
        page,
        language="ur",
        reasons=reasons.assign(sentence=reasons["sentence_ur"]),
        family_titles={name: family.title_urdu for name, family in FAMILIES.items()}
        | {log.name: log.title_urdu for log in s.own_logs},
        rules=wording.spoken("ur"),
        conditions={str(one["list"]): wording.misfits(one["misfits_say"], "ur") for one in lists},
    )
    datasets.write_text(render_marketing(in_urdu), output.with_suffix(".ur.html"))
    say(f"report: {output} (Urdu: {output.with_suffix('.ur.html').name})")


def run_quality(s: settings.Settings, *, events_dir: Path, output: Path) -> None:
    """Write the page on the quality of the logs that were ingested to ``events_dir``."""
    manifest = datasets.read_json(events_dir / "manifest.json")
    rules = {rule for entry in books(manifest) for rule in entry["rules"]}
    page = DataQualityPage(
        shop_name=s.shop.name,
        timezone=s.shop.timezone,
        is_simulated=bool(s.demo),
        manifest=manifest,
        meanings=MEANING | {rule: meaning(rule) for rule in rules},
        titles={log.name: log.title for log in s.own_logs},
    )
    datasets.write_text(render_data_quality(page), output)
    say(f"quality of the logs: {output}")


def main() -> None:
    """Write data/reports/marketing.html, the same in Urdu, data_quality.html and deliverability.html."""
    s = settings.load()
    run(
        s,
        scores_path=datasets.SCORES,
        reasons_path=datasets.REASONS,
        metrics_path=datasets.METRICS,
        lists_dir=datasets.LISTS,
        events_dir=datasets.EVENTS,
        output=datasets.REPORT,
        as_of=s.scoring.as_of,
    )
    run_quality(s, events_dir=datasets.EVENTS, output=datasets.QUALITY_PAGE)
    deliverability_page.run(
        s,
        events_dir=datasets.EVENTS,
        lists_dir=datasets.LISTS,
        output=datasets.DELIVERABILITY_PAGE,
        as_of=s.scoring.as_of,
    )


if __name__ == "__main__":
    stage.run(main)
