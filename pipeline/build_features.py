"""Stage: the feature matrix of every training cutoff, rebuilt only where what the cutoff can see has changed."""

from __future__ import annotations

import functools
import hashlib
import json
import operator
from collections.abc import Sequence
from pathlib import Path

import ibis

from features.engines import fetch
from pipeline.project import datasets, engine, settings, stage
from pipeline.project.progress import say, steps
from pipeline.project.settings import Settings
from pipeline.project.shop_features import code_hash, feature_logs, matrix_builder
from timeline import format_date, known_before

Seen = tuple[str, int, int, int]
"""Of one log: its name, the number of rows, the sum and the exclusive or of their hashes."""


def what_is_seen(events: Path, cutoffs: Sequence[int], s: Settings) -> dict[int, list[Seen]]:
    """For each cutoff what stands for the rows that it can see, log by log.

    A row counts from the first cutoff that can see it: what arrives late, or in a month to come, leaves the cutoffs
    before it alone. Hashes of rows are added up, so neither their order nor the split into files matters.
    """
    connection = engine.connect_embedded(s.engine)
    asked = sorted(cutoffs)
    seen: dict[int, list[Seen]] = {cutoff: [] for cutoff in asked}
    for log, rows in engine.event_tables(connection, events, feature_logs(s)).items():
        unseen_at = [(~known_before(rows, cutoff)).cast("int32") for cutoff in asked]
        row = ibis.struct({name: rows[name] for name in rows.columns}).hash()
        marked = rows.select(first=functools.reduce(operator.add, unseen_at), row=row)
        groups = fetch(
            connection,
            marked.group_by("first").agg(
                rows=marked.count(),
                # As text, because the sum has more digits than a number of pandas.
                total=marked.row.sum().cast("string"),
                xor=marked.row.bit_xor().cast("string"),
            ),
        )
        for place, cutoff in enumerate(asked):
            visible = groups[groups["first"] <= place]
            xor = functools.reduce(operator.xor, visible["xor"].map(int), 0)
            seen[cutoff].append((log, int(visible["rows"].sum()), sum(visible["total"].map(int)), xor))
    return seen


def fingerprint(cutoff: int, customers: Sequence[str], seen: Sequence[Seen], code: str, s: Settings) -> str:
    """Hash of all that the matrix of ``cutoff`` is made from; ``seen`` is what :func:`what_is_seen` found for it."""
    # Engines differ in the last bits of some ratios, so the engine counts as well.
    made_from = [cutoff, sorted(customers), seen, code, s.features.model_dump(mode="json"), s.engine.backend]
    return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()


def main() -> None:
    """Write data/features/<cutoff>.parquet for every cutoff of the training cohort."""
    s = settings.load()
    cohort = datasets.read_parquet(datasets.COHORT, ["customer_id", "cutoff"])
    folder = datasets.FEATURES
    folder.mkdir(parents=True, exist_ok=True)
    index = folder / "fingerprints.json"
    known = datasets.read_json(index) if index.is_file() else {}

    asked = {
        int(cutoff): cohort.loc[cohort["cutoff"] == cutoff, "customer_id"].tolist()
        for cutoff in sorted(cohort["cutoff"].unique())
    }
    seen, code = what_is_seen(datasets.EVENTS, list(asked), s), code_hash()
    entries: dict[str, dict[str, str]] = {}
    stale: list[tuple[int, str]] = []
    for cutoff, customers in asked.items():
        name = f"{format_date(cutoff, s.shop.timezone)}.parquet"
        made_from = fingerprint(cutoff, customers, seen[cutoff], code, s)
        file, entry = folder / name, known.get(name, {})
        is_fresh = entry.get("made_from") == made_from and file.is_file()
        entries[name] = {"made_from": made_from, "sha256": datasets.sha256(file) if is_fresh else ""}
        if not is_fresh or entries[name]["sha256"] != entry.get("sha256"):
            stale.append((cutoff, name))
    for file in folder.iterdir():
        if file.name not in entries and file != index:
            file.unlink()

    if stale:
        connection = engine.connect(s.engine)
        tables = engine.event_tables(connection, datasets.EVENTS, feature_logs(s))
        builder = matrix_builder(tables, s, connection)
        for cutoff, name in steps(stale, "features"):
            datasets.write_parquet_parts(builder.parts(asked[cutoff], cutoff), folder / name, key="customer_id")
            entries[name]["sha256"] = datasets.sha256(folder / name)
            # After a kill the cutoffs built so far are not built again.
            datasets.write_json(entries, index)
    datasets.write_json(entries, index)
    say(f"features: {len(stale)} of {len(asked)} cutoffs built, the others were up to date")


if __name__ == "__main__":
    stage.run(main)
