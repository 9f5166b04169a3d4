"""A million scored people to every list, approved and exported: time and memory.

    python -m benchmarks.lists [--customers N [N ...]] [--events N]

The shop is made up (benchmarks/features/shop.py), so are the scores: nothing can be learnt from them. Every size runs
in a process of its own. Memory is the peak of that process; DuckDB may hold 2 GB of it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from benchmarks.features.common import SCRATCH, print_table, scratch_folder, shop
from benchmarks.features.shop import CUTOFF
from pipeline import build_lists
from pipeline.project import datasets, settings
from pipeline.sending import approve_lists, export_list
from pipeline.sending.live_facts import Places
from timeline import format_date

AS_OF = format_date(CUTOFF, "UTC")
LIST_BUDGET = 1_000_000


def made_up_scores(events: Path, folder: Path) -> int:
    """Scores, reasons and addresses of everybody in the customers log."""
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as db:
        people = db.execute(
            f"SELECT DISTINCT customer_id FROM read_parquet('{events}/customers/*.parquet') ORDER BY 1"
        ).df()["customer_id"]
    rng = np.random.default_rng(6)
    count = len(people)
    left = rng.beta(2, 2, count)
    scores = pd.DataFrame(
        {
            "customer_id": people,
            "churn_probability": left,
            "margin": left,
            "band": np.select([left >= 0.66, left >= 0.4], ["high", "medium"], "low"),
            "expected_value": rng.integers(0, 50_000, count),
            "value_at_risk": rng.integers(0, 50_000, count),
            "next_order_from": 5.0,
            "next_order_expected": 30.0,
            "next_order_until": 80.0,
            "act_by": "2026-01-31",
            "days_since_order": rng.integers(0, 365, count),
            "usual_gap_days": 40.0,
            "orders": 3,
            "average_order_value": 4000,
            "percentile": 100 * (np.argsort(np.argsort(left)) + 0.5) / count,
        }
    )
    scores.to_parquet(folder / "scores.parquet", index=False)
    before = scores[["customer_id"]].assign(churn_probability=rng.beta(2, 2, count))
    before.to_parquet(folder / "before.parquet", index=False)
    reasons = pd.DataFrame({"customer_id": people.repeat(2), "rank": np.tile([1, 2], count)}).assign(
        contribution=0.5, sentence="no order for 80 days", sentence_ur="80 دن سے کوئی آرڈر نہیں"
    )
    reasons.to_parquet(folder / "reasons.parquet", index=False)
    vault = pd.DataFrame({"customer_id": people, "shop_id": [f"{n:07d}" for n in range(count)]})
    vault["email"] = "c" + vault["shop_id"] + "@example.com"
    vault.to_parquet(folder / "vault.parquet", index=False)
    return count


def without_experiments(events: Path, folder: Path) -> Path:
    """The events without the log of contacts: its draws say nothing, and would measure a save rate of nothing."""
    folder.mkdir()
    for log in events.iterdir():
        if log.is_dir() and log.name != "campaign_contacts":
            (folder / log.name).symlink_to(log.resolve())
    datasets.write_json({"watermark": CUTOFF, "logs": {}, "absent_logs": []}, folder / "manifest.json")
    return folder


def _settings() -> settings.Settings:
    s = settings.load()
    budgets = {name: {"budget": LIST_BUDGET} for name in type(s.campaigns.lists).model_fields}
    lists = type(s.campaigns.lists).model_validate(budgets)
    campaigns = s.campaigns.model_copy(update={"lists": lists})
    engine = s.engine.model_copy(update={"memory_limit": "2GB", "threads": 2})
    shop_settings = s.shop.model_copy(update={"timezone": "UTC"})
    return s.model_copy(update={"campaigns": campaigns, "engine": engine, "shop": shop_settings})


def measure(events: Path, scored: Path, work: Path) -> dict[str, Any]:
    """Build, approve and export every list in this process; what each part took."""
    s, events = _settings(), without_experiments(events, work / "events")
    started = time.perf_counter()
    lists = work / "lists"
    (work / "erased.txt").touch()
    built = build_lists.run(
        s,
        scores_path=scored / "scores.parquet",
        before_path=scored / "before.parquet",
        reasons_path=scored / "reasons.parquet",
        events_dir=events,
        lists_dir=lists,
        as_of=AS_OF,
    )
    took = {"build": time.perf_counter() - started}
    places = Places(lists, events, scored / "vault.parquet", work / "outbox", work / "contacts.db", work / "erased.txt")
    chosen = 0
    for name, manifest in built.manifests.items():
        chosen += manifest["groups"]["treat"]
        begun = time.perf_counter()
        approve_lists.approve(s, name, CUTOFF, places)
        took["approve"] = took.get("approve", 0) + time.perf_counter() - begun
        begun = time.perf_counter()
        export_list.export(s, name, "neutral", CUTOFF, places)
        took["export"] = took.get("export", 0) + time.perf_counter() - begun
    return {
        "chosen": chosen,
        **took,
        "wall": time.perf_counter() - started,
        "processor": time.process_time(),
        "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,  # kilobytes on Linux
    }


def main() -> None:
    """Print one row per size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, nargs="+", default=[250_000, 1_000_000])
    parser.add_argument("--events", type=int, default=30_000_000, help="of the largest size; the others in proportion")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        print(json.dumps(measure(*(Path(place) for place in asked.measure))))
        return
    rows = []
    for customers in sorted(asked.customers):
        events = shop(customers, asked.events * customers // max(asked.customers))
        scored = SCRATCH / f"scored-{customers}"
        people = made_up_scores(events, scored)
        with scratch_folder() as work:
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-m", "benchmarks.lists", "--measure", events, scored, work],
                capture_output=True,
                text=True,
                check=False,
                env=os.environ,
            )
            if done.returncode:
                raise SystemExit(done.stderr)
            found = json.loads(done.stdout.splitlines()[-1])
        peak = found.pop("rss") / 1e9
        rows.append({"scored people": f"{people:,}", **found, "peak GB": peak})
    print_table("Every list built, approved and exported (seconds)", [_told(row) for row in rows])


def _told(row: dict[str, Any]) -> dict[str, str]:
    return {key: f"{value:,.1f}" if isinstance(value, float) else str(value) for key, value in row.items()}


if __name__ == "__main__":
    main()
