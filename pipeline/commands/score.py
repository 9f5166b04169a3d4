"""`wafa score`: a night with the champion, below state/batch/DATE/."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from pipeline.commands.options import Day, check_day, settings_here

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from pipeline.project.settings import Settings


def command(as_of: Day) -> None:
    """Score every eligible customer with the champion and build candidate lists, below state/batch/DATE/.

    Example: wafa score --as-of 2026-01-01
    """
    from pipeline.intake import snapshot_tables
    from pipeline.project import run_pipeline

    s = settings_here()
    check_day(s, as_of)
    with run_pipeline.hold_lock():
        snapshot_tables.run(s)
        score(s, as_of)


def score(s: Settings, as_of: str) -> Path:
    """Ingest, prepare, score, explain and build candidate lists as of a day, with the champion; gives the folder.

    Nothing below data/ is touched. With the model and the logs of the last ``dvc repro`` the files are its, byte for
    byte.

    Raises:
        StaleError: No champion was promoted, it answers another question than params.yaml asks, or the day lies
            beyond the data.
        ParamsError: The day lies before the first order.
    """
    from pipeline import build_lists, explain_scores, prepare_scoring, score_customers
    from pipeline.champion import champion
    from pipeline.intake import reading
    from pipeline.people import tombstones
    from pipeline.project import datasets
    from pipeline.project.errors import WafaError
    from pipeline.project.progress import say

    model, facts = champion.ready(s)
    batch = datasets.private_folder(datasets.batch(as_of))
    events, features, features_before = batch / "events", batch / "features.parquet", batch / "features_before.parquet"
    scores, reasons, before = batch / "scores.parquet", batch / "reasons.parquet", batch / "before.parquet"
    is_new = not events.exists()
    reading.run(s, events)
    try:
        prepare_scoring.run(s, as_of, events, features, features_before)
    except WafaError:
        if is_new:
            shutil.rmtree(batch)
        raise
    score_customers.run(s, features, model, scores, as_of)
    score_customers.run_before(features_before, model, before)
    explain_scores.run(s, features, model, reasons)
    build_lists.run(
        s,
        scores_path=scores,
        before_path=before,
        reasons_path=reasons,
        events_dir=events,
        lists_dir=batch / "lists",
        as_of=as_of,
        model_hash=str(facts["model_hash"]),
        erased=tombstones.erased_customers(datasets.ERASED),
        contacts=_messages(s, as_of),
    )
    say(f"batch: {batch}")
    return batch


def _messages(s: Settings, as_of: str) -> pd.DataFrame:
    """The messages of earlier runs that the contact ledger knows of, as build_lists takes them."""
    from campaigns.ledger import Ledger
    from pipeline import build_lists
    from pipeline.project import datasets

    if not datasets.LEDGER.is_file():
        return build_lists.no_contacts()
    with Ledger(datasets.LEDGER) as ledger:
        found = ledger.contacts_before(as_of)
    instants: dict[Any, int] = {day: s.instant(day) for day in found["as_of"].unique()}
    return found.assign(campaign_id=found["campaign"], occurred_at=found["as_of"].map(instants).astype("int64"))
