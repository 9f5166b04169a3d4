"""Stage build_lists: every list, and why each person is or is not on it, as known at ``as_of``."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from campaigns.build import PERSON_COLUMNS, BuiltLists, build
from events import sql
from events.logs import LOGS
from pipeline.project import datasets, model_store, settings, stage
from pipeline.project.known_events import open_events
from pipeline.project.progress import say

ROWS_AT_ONCE = 50_000


def no_contacts() -> pd.DataFrame:
    """An empty contact ledger."""
    kinds = {column: "int64" if column == "occurred_at" else "str" for column in PERSON_COLUMNS}
    return pd.DataFrame({column: pd.Series(dtype=kind) for column, kind in kinds.items()})


def _view(db: duckdb.DuckDBPyConnection, name: str, path: Path) -> None:
    db.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM read_parquet({sql.quoted(str(path))})")


def frames(db: duckdb.DuckDBPyConnection, query: str) -> Iterator[pd.DataFrame]:
    """The rows of ``query`` part by part; of an empty answer one part, that knows its columns."""
    reader = db.sql(query).to_arrow_reader(ROWS_AT_ONCE)
    empty = True
    for batch in reader:
        empty = False
        yield _frame(batch)
    if empty:
        yield _frame(reader.schema.empty_table())


def _frame(rows: Any) -> pd.DataFrame:
    """Whole numbers stay whole where some are missing."""
    whole = {"int64": pd.Int64Dtype(), "int32": pd.Int64Dtype()}
    frame: pd.DataFrame = rows.to_pandas(types_mapper=lambda kind: whole.get(str(kind)))
    return frame


def run(
    s: settings.Settings,
    *,
    scores_path: Path,
    before_path: Path,
    reasons_path: Path,
    events_dir: Path,
    lists_dir: Path,
    as_of: str,
    model_hash: str | None = None,
    erased: Collection[str] = (),
    contacts: pd.DataFrame | None = None,
) -> BuiltLists:
    """Build every list for the date ``as_of`` into ``lists_dir``/<list>/, and one row per person beside them."""
    cutoff = s.instant(as_of)
    db = open_events(s, events_dir, cutoff)
    for name, path in (("scores", scores_path), ("scores_before", before_path), ("reasons", reasons_path)):
        _view(db, name, path)
    built = build(
        db,
        s.campaigns,
        as_of=as_of,
        cutoff=cutoff,
        active_days=s.cohort.active_days,
        contacts=no_contacts() if contacts is None else contacts,
        erased=erased,
    )
    shared = {
        "model_hash": model_hash,
        "scores_sha256": datasets.sha256(scores_path),
        "contact_logs": sorted(log for log in LOGS if datasets.event_files(events_dir, log)),
    }
    with datasets.replace_folder(lists_dir) as draft:
        datasets.write_parquet_parts(frames(db, built.told), draft / datasets.PEOPLE, key="customer_id")
        for name, manifest in built.manifests.items():
            chosen = f"SELECT * FROM candidates WHERE list = {sql.quoted(name)} ORDER BY customer_id"
            path = draft / name / datasets.CANDIDATES
            datasets.write_parquet_parts(frames(db, chosen), path, key="customer_id")
            facts = manifest | shared | {"candidates_sha256": datasets.sha256(path)}
            datasets.write_json(facts, draft / name / datasets.MANIFEST)
    for name, manifest in built.manifests.items():
        groups = manifest["groups"]
        what = "to write to" if manifest["kind"] == "message" else "to take off the mailing list"
        held = f", {groups['holdout']:,} held out" if groups["holdout"] else ""
        say(f"{name}: {groups['treat']:,} {what}{held}")
    db.close()
    return built


def main() -> None:
    """Build the lists of ``scoring.as_of``."""
    s = settings.load()
    run(
        s,
        scores_path=datasets.SCORES,
        before_path=datasets.SCORES_BEFORE,
        reasons_path=datasets.REASONS,
        events_dir=datasets.EVENTS,
        lists_dir=datasets.LISTS,
        as_of=s.scoring.as_of,
        model_hash=str(model_store.manifest(datasets.MODEL)["model_hash"]),
    )


if __name__ == "__main__":
    stage.run(main)
