"""Stage: the feature matrix of every training cutoff, rebuilt only where what the cutoff can see has changed."""

from __future__ import annotations

import hashlib
import inspect
import json
from pathlib import Path
from typing import Any

import features
import timeline
from features import CATALOGUE, MatrixBuilder, logs_behind
from pipeline import datasets, engine, settings, stage
from pipeline.progress import say, steps
from pipeline.settings import Settings
from timeline import format_date, is_before, parse_date


def feature_logs(s: Settings) -> list[str]:
    """Every log that some feature reads, the shop's own ones among them."""
    known = set().union(*(logs_behind(entry.view) for entry in CATALOGUE.values()))
    return sorted(known | {log.name for log in s.own_logs})


def matrix_builder(tables: dict[str, Any], s: Settings, connection: Any) -> MatrixBuilder:
    """The one builder of features, for training and scoring."""
    logs = {name: table for name, table in tables.items() if name in feature_logs(s)}
    return MatrixBuilder(logs, s.features, connection, s.own_logs)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _code_hash() -> str:
    """Hash of the source of the feature and time packages."""
    folders = [Path(inspect.getfile(package)).parent for package in (features, timeline)]
    return _sha256(b"".join(file.read_bytes() for folder in folders for file in sorted(folder.glob("*.py"))))


def _event_hashes(events: Path, s: Settings) -> dict[Path, str]:
    """Content hash of every monthly file that some feature reads."""
    files = [file for log in feature_logs(s) for file in datasets.event_files(events, log)]
    return {file: _sha256(file.read_bytes()) for file in files}


def fingerprint(cutoff: int, customers: list[str], hashes: dict[Path, str], code: str, s: Settings) -> str:
    """Hash of all that the matrix of ``cutoff`` is made from.

    Months that begin at or after the cutoff hold nothing it can see, so a new month leaves older cutoffs alone.
    """
    months = [
        (file.parent.name, file.stem, digest)
        for file, digest in sorted(hashes.items())
        if is_before(parse_date(f"{file.stem}-01", "UTC"), cutoff)
    ]
    # A log gives its columns to every cutoff, also to those before its first month.
    logs = sorted({file.parent.name for file in hashes})
    made_from = [cutoff, sorted(customers), months, logs, code, s.features.model_dump(mode="json")]
    return _sha256(json.dumps(made_from).encode())


def main() -> None:
    """Write data/features/<cutoff>.parquet for every cutoff of the training cohort."""
    s = settings.load()
    cohort = datasets.read_parquet(datasets.COHORT, ["customer_id", "cutoff"])
    folder = datasets.FEATURES
    folder.mkdir(parents=True, exist_ok=True)
    index = folder / "fingerprints.json"
    known = datasets.read_json(index) if index.is_file() else {}
    hashes, code = _event_hashes(datasets.EVENTS, s), _code_hash()

    asked = {
        int(cutoff): cohort.loc[cohort["cutoff"] == cutoff, "customer_id"].tolist()
        for cutoff in sorted(cohort["cutoff"].unique())
    }
    entries: dict[str, dict[str, str]] = {}
    stale: list[tuple[int, str]] = []
    for cutoff, customers in asked.items():
        name = f"{format_date(cutoff, s.shop.timezone)}.parquet"
        made_from = fingerprint(cutoff, customers, hashes, code, s)
        file, entry = folder / name, known.get(name, {})
        is_fresh = entry.get("made_from") == made_from and file.is_file()
        entries[name] = {"made_from": made_from, "sha256": _sha256(file.read_bytes()) if is_fresh else ""}
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
            matrix = builder.at(asked[cutoff], cutoff)
            datasets.write_parquet(matrix, folder / name, key=("customer_id",))
            entries[name]["sha256"] = _sha256((folder / name).read_bytes())
    datasets.write_json(entries, index)
    say(f"features: {len(stale)} of {len(asked)} cutoffs built, the others were up to date")


if __name__ == "__main__":
    stage.run(main)
