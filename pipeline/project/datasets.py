"""The only place that spells data/ and state/: what is written where, at which grain, under which key.

Paths are relative to the project's top folder, from which DVC and the command line run.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.project.errors import ParamsError

PARAMS = Path("params.yaml")
ERASED = Path("erased.txt")

DATA = Path("data")
RAW_SIMULATED = DATA / "raw" / "simulated"  # the logs as a shop would export them
TRUTH = DATA / "raw" / "truth.parquet"  # one row per customer and month start
EVENTS = DATA / "events"  # <log>/<yyyy-mm>.parquet: one row per event
COHORT = DATA / "cohorts" / "training.parquet"  # one row per customer and cutoff
FEATURES = DATA / "features"  # <cutoff>.parquet: one row per customer
MODEL = DATA / "model"  # the final model, and backtest/<origin>/
EVALUATION = DATA / "evaluation"
METRICS = EVALUATION / "metrics.json"
EVALUATION_PAGE = EVALUATION / "evaluation.html"
MODEL_CARD = EVALUATION / "model_card.md"
PREDICTIONS = EVALUATION / "predictions.parquet"  # one row per customer and test origin, one column per model
HORIZON = EVALUATION / "horizon.json"  # one row per cutoff and candidate horizon
PLOTS = EVALUATION / "plots"
TRUTH_REPORT = EVALUATION / "truth.json"
LEAK_CERTIFICATE = EVALUATION / "leak_certificate.json"  # by `wafa check --leaks`; no stage writes or removes it
SCORING = DATA / "scoring" / "features.parquet"  # one row per customer eligible at scoring.as_of
SCORING_BEFORE = DATA / "scoring" / "before.parquet"  # the same, 28 days earlier
SCORES = DATA / "scores" / "scores.parquet"  # one row per scored customer
SCORES_BEFORE = DATA / "scores" / "before.parquet"  # churn probability 28 days earlier, by the same model
REASONS = DATA / "scores" / "reasons.parquet"  # one row per customer and rank
LISTS = DATA / "lists"  # people.parquet: one row per person and why they are (not) on each list; <list>/:
PEOPLE, CANDIDATES, MANIFEST = "people.parquet", "candidates.parquet", "manifest.json"
REPORT = DATA / "reports" / "marketing.html"
QUALITY_PAGE = DATA / "reports" / "data_quality.html"
DELIVERABILITY_PAGE = DATA / "reports" / "deliverability.html"

STATE = Path("state")
LANDED = STATE / "landed"  # raw files as they were checked, with raw ids: a cache of the landing zone
VAULT = STATE / "vault.parquet"  # pseudonym to the shop's own id and address
QUARANTINE = STATE / "quarantine"  # raw lines that were set aside
CHAMPIONS = STATE / "champions"  # <hash>/: promoted models and what they said when they were judged; never changed
CHAMPION_POINTER = STATE / "champion.json"  # which of them scores every night, and those before it
CHAMPION = STATE / "champion"  # where installations from before the pointer keep their one champion
BATCH = STATE / "batch"  # <as_of>/: what the nightly job wrote
OUTBOX = STATE / "outbox"  # <list>/<as_of>/<platform>/: files to upload, the only ones with a shop's own ids
LEDGER = STATE / "contacts.db"  # who was chosen for which campaign, and who asked to be left alone
TUNING = STATE / "tuning.db"  # every trial of `wafa tune`
LOCK = STATE / "run.lock"
LAST_GOOD_LOCK = STATE / "dvc.lock.good"
EXIT_CODE = STATE / "exit_code"  # of the last failed stage
SPILL = STATE / "spill"  # DuckDB's overflow
LEAK_CHECK = STATE / "check_leaks"  # sampled events with and without poison, removed after the check

KEYS = STATE / "keys"  # <key id>.key: the keys that make pseudonyms
OLD_KEYS = KEYS / "old"  # <fingerprint>.key: keys that were changed for another, kept to recognise people by
REKEYING = STATE / "rekeying.json"  # there only while a change of the key has begun and not ended


def key_file(key_id: str) -> Path:
    """Where the pseudonym key ``key_id`` is looked for when the environment does not hold it."""
    return KEYS / f"{key_id}.key"


def old_key_file(fingerprint: str) -> Path:
    """Where the old key with this fingerprint is kept."""
    return OLD_KEYS / f"{fingerprint}.key"


def batch(as_of: str) -> Path:
    """The folder of the nightly run for ``as_of``."""
    return BATCH / as_of


def private_folder(path: Path) -> Path:
    """``path``, made if need be, that only its owner may enter."""
    STATE.mkdir(mode=0o700, exist_ok=True)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows has no handle on a folder to flush
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_file(path: Path) -> None:
    with path.open("rb+") as handle:
        os.fsync(handle.fileno())


def flush(folder: Path) -> None:
    """Have the files in ``folder``, their names and its own name outlive a power cut."""
    for path in sorted(folder.iterdir()):
        _sync_file(path)
    _sync_folder(folder)
    _sync_folder(folder.parent)


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path`` that takes its place, whole and flushed, when the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        yield draft
        _sync_file(draft)
        draft.replace(path)
        _sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def replace_folder(path: Path) -> Iterator[Path]:
    """An empty folder beside ``path`` that takes its place, whole and flushed, when the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        yield draft
        for place in [draft, *draft.rglob("*")]:
            if place.is_file():
                _sync_file(place)
            else:
                _sync_folder(place)
        old = path.with_name(f".{path.name}.old-{os.getpid()}")
        if path.exists():
            path.replace(old)
        draft.replace(path)
        _sync_folder(path.parent)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write_text(text: str, path: Path) -> None:
    """Write ``text`` as UTF-8 with plain newlines, whole or not at all."""
    with replace_file(path) as draft:
        draft.write_bytes(text.encode("utf-8"))


def as_json(value: Any) -> str:
    """``value`` as JSON with sorted keys, so that equal values give equal bytes."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(value: Any, path: Path) -> None:
    """Write ``value`` as :func:`as_json` makes it."""
    write_text(as_json(value), path)


def read_json(path: Path) -> Any:
    """The value written in the JSON file ``path``."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_parquet(frame: pd.DataFrame, path: Path, key: Sequence[str]) -> None:
    """Write ``frame`` ordered by its ``key``.

    Raises:
        ValueError: Two rows share a key.
    """
    if frame.duplicated(list(key)).any():
        raise ValueError(f"{path}: two rows share the key ({', '.join(key)})")
    with replace_file(path) as draft:
        frame.sort_values(list(key), ignore_index=True).to_parquet(draft, index=False, compression="zstd")


ROWS_AT_ONCE = 50_000
"""Rows of one group of a Parquet file that is written part by part."""


def write_parquet_parts(parts: Iterable[pd.DataFrame], path: Path, key: str | Sequence[str]) -> int:
    """Write ``parts``, each ordered by ``key`` and after the one before it; the number of rows.

    The bytes do not depend on where one part ends and the next begins.

    Raises:
        ValueError: A key is not above the one before it.
    """
    rows, last, waiting = 0, None, pa.table({})
    columns = [key] if isinstance(key, str) else list(key)
    with replace_file(path) as draft:
        writer: pq.ParquetWriter | None = None
        for part in parts:
            keys = part[columns].set_index(columns).index
            if not keys.is_monotonic_increasing or not keys.is_unique or (rows and len(part) and keys[0] <= last):
                raise ValueError(f"{path}: the rows are not ordered by a unique {', '.join(columns)}")
            rows, last = rows + len(part), keys[-1] if len(part) else last
            table = pa.Table.from_pandas(part, preserve_index=False).replace_schema_metadata()
            writer = writer or pq.ParquetWriter(draft, table.schema, compression="zstd")
            waiting = pa.concat_tables([waiting, table]) if waiting.num_rows else table
            whole = waiting.num_rows - waiting.num_rows % ROWS_AT_ONCE
            for start in range(0, whole, ROWS_AT_ONCE):
                # Pages break where the chunks of a part do, so each group becomes one chunk first.
                writer.write_table(waiting.slice(start, ROWS_AT_ONCE).combine_chunks())
            waiting = waiting.slice(whole)
        if writer is not None:
            if waiting.num_rows:
                writer.write_table(waiting.combine_chunks())
            writer.close()
    return rows


Filters = Sequence[tuple[str, str, Any]]
"""Conditions that a row must meet, each as (column, operator, value), such as ("event", "in", ["Unsubscribed"])."""


def read_parquet(
    path: Path | BytesIO, columns: Sequence[str] | None = None, filters: Filters | None = None
) -> pd.DataFrame:
    """The table written in the Parquet file ``path``, which may be in memory."""
    return pd.read_parquet(
        path, columns=None if columns is None else list(columns), filters=None if filters is None else list(filters)
    )


ROWS_READ = 10_000
"""Rows in memory at a time of a table that is read part by part."""


def read_parquet_parts(
    path: Path, rows: int = ROWS_READ, columns: Sequence[str] | None = None
) -> Iterator[pd.DataFrame]:
    """The table written in ``path``, at most ``rows`` at a time; of an empty table one part, that knows its columns."""
    wanted = None if columns is None else list(columns)
    # Buffered ahead, the whole file would pile up in memory.
    with pq.ParquetFile(path, pre_buffer=False) as file:
        if not file.metadata.num_rows:
            yield file.read(columns=wanted).to_pandas()
        for batch in file.iter_batches(batch_size=rows, columns=wanted):
            yield batch.to_pandas()


def count_rows(path: Path) -> int:
    """Rows of the Parquet file ``path``."""
    return int(pq.read_metadata(path).num_rows)


def merges(events: Path) -> Path:
    """Accounts that became another below an events folder: pseudonyms customer_id and now; absent without any."""
    return events / "merges.parquet"


def event_files(folder: Path, log: str) -> list[Path]:
    """The monthly files of ``log`` below an events folder; empty where the shop does not have that log."""
    return sorted((folder / log).glob("*.parquet"))


def read_events(
    folder: Path, log: str, columns: Sequence[str] | None = None, filters: Filters | None = None
) -> pd.DataFrame | None:
    """All events of ``log``, or None where the shop does not have that log."""
    files = event_files(folder, log)
    if not files:
        return None
    frames = [read_parquet(file, columns, filters) for file in files]
    return pd.concat(frames, ignore_index=True)


def list_manifests(lists_dir: Path) -> list[dict[str, Any]]:
    """What is said of every list below ``lists_dir``, in the order in which they take their people."""
    found = {path.parent.name: read_json(path) for path in sorted(lists_dir.glob(f"*/{MANIFEST}"))}
    people = lists_dir / PEOPLE
    order = pq.read_schema(people).names if people.is_file() else []
    place = {name.removeprefix("why_"): at for at, name in enumerate(order) if name.startswith("why_")}
    return [found[name] for name in sorted(found, key=lambda name: (place.get(name, len(order)), name))]


def check_private_place(path: Path, command: str = "subject", example: str = "answer.json") -> None:
    """Refuse a place where private lines must not lie.

    Raises:
        ParamsError: It is outside the project, in a folder that is copied elsewhere, or taken.
    """
    home = Path.cwd().resolve()
    try:
        place = path.resolve()
        is_free = place.parent.is_dir() and not path.exists() and not path.is_symlink()
    except (OSError, ValueError, RuntimeError):
        raise ParamsError(f"wafa {command}: --output is no name of a file. Take {STATE / example}.") from None
    within = place.relative_to(home).parts if place.is_relative_to(home) else ()
    if not within or within[0] in {DATA.name, ".dvc", ".git", "mlruns"} or not is_free:
        raise ParamsError(
            f"wafa {command}: --output must be a new file in a folder of this project that no tool copies. "
            f"Take {STATE / example}."
        )


def sha256(path: Path) -> str:
    """Hash of a file of any size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
