"""The champion: the promoted copy of a model that scores every night, whatever is trained beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

from pipeline import (
    build_lists,
    datasets,
    explain_scores,
    ingest_logs,
    model_store,
    prepare_scoring,
    score_customers,
)
from pipeline.errors import StaleError, WafaError
from pipeline.progress import say
from pipeline.settings import Settings
from pipeline.train_model import asked_for


def promote() -> str:
    """Copy data/model to state/champion, then move the MLflow alias; returns the model hash.

    Raises:
        StaleError: There is no model, or a file of it is not the one that was written.
    """
    model_store.read(datasets.MODEL)
    datasets.private_folder(datasets.STATE)
    with datasets.replace_folder(datasets.CHAMPION) as draft:
        shutil.copytree(datasets.MODEL, draft, dirs_exist_ok=True)
    from pipeline import tracking

    tracking.move_champion_alias()
    return str(model_store.manifest(datasets.CHAMPION)["model_hash"])


def score(s: Settings, as_of: str) -> Path:
    """Ingest, prepare, score, explain and build candidate lists as of a day, with the champion; gives the folder.

    Nothing below data/ is touched. With the model and the logs of the last ``dvc repro`` the files are its, byte for
    byte.

    Raises:
        StaleError: No champion was promoted, it answers another question than params.yaml asks, or the day lies
            beyond the data.
        ParamsError: The day lies before the first order.
    """
    facts = model_store.manifest(datasets.CHAMPION)
    for name, wanted in asked_for(s).items():
        if facts.get(name) != wanted:
            raise StaleError(
                f"champion: it was trained with {name} {facts.get(name)!r}, but params.yaml now says {wanted!r}. "
                "Run `wafa run` and then `wafa promote`, or put params.yaml back."
            )
    folder = datasets.private_folder(datasets.batch(as_of))
    events, features = folder / "events", folder / "features.parquet"
    scores, reasons = folder / "scores.parquet", folder / "reasons.parquet"
    is_new = not events.exists()
    ingest_logs.run(s, events)
    try:
        prepare_scoring.run(s, as_of, events, features)
    except WafaError:
        if is_new:
            shutil.rmtree(folder)
        raise
    score_customers.run(s, features, datasets.CHAMPION, scores)
    explain_scores.run(s, features, datasets.CHAMPION, reasons)
    build_lists.run(
        s,
        scores_path=scores,
        reasons_path=reasons,
        events_dir=events,
        lists_dir=folder / "lists",
        as_of=as_of,
        model_hash=str(model_store.manifest(datasets.CHAMPION)["model_hash"]),
        erased=ingest_logs.erased_customers(datasets.ERASED),
    )
    say(f"batch: {folder}")
    return folder
