"""The shop's files become canonical events, a vault and a quarantine."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.people import keys
from pipeline.people.tombstones import erased_customers
from pipeline.project import datasets
from pipeline.project.errors import DataError, ParamsError
from pipeline.project.progress import doing, say
from pipeline.project.settings import Settings
from sources import Ingested, Places, ingest


def _write_quarantine(quarantine: pd.DataFrame) -> None:
    with datasets.replace_folder(datasets.QUARANTINE) as draft:
        draft.chmod(0o700)
        for log, rows in quarantine.groupby("log"):
            path = draft / f"{log}.jsonl"
            path.touch(mode=0o600)
            path.write_bytes(rows.to_json(orient="records", lines=True, force_ascii=False).encode("utf-8"))


def _write_vault(vault: pd.DataFrame) -> None:
    with datasets.replace_file(datasets.VAULT) as draft:
        draft.touch(mode=0o600)
        pq.write_table(pa.Table.from_pandas(vault, preserve_index=False), draft, compression="zstd")


def _report(manifest: dict[str, Any]) -> None:
    for log, facts in manifest["logs"].items():
        refused = sum(file["quarantined"] for file in facts["files"])
        repeated = sum(file["duplicates"] for file in facts["files"])
        say(f"{log}: {facts['rows']:,} events, {refused:,} rows quarantined, {repeated:,} duplicates")
    if manifest["absent_logs"]:
        say(f"went without: {', '.join(manifest['absent_logs'])}")
    if manifest["undeclared_files"]:
        say(f"files not declared in params and not read: {', '.join(manifest['undeclared_files'])}")
    for warning in manifest["warnings"]:
        say(f"warning: {warning}")


def _ingested(s: Settings, events: Path, previous: Path | None) -> Ingested:
    if s.shop.currency != s.sources.currency:
        raise ParamsError(
            f"params.yaml: sources.currency is {s.sources.currency}, but shop.currency is {s.shop.currency}. "
            "Make them the same."
        )
    for name, log in s.sources.tables.items():
        if not (Path(s.sources.path) / log.file).is_file():
            raise DataError(f"sources: the table of {name} was never read. `wafa snapshot` reads it from the database.")
    datasets.private_folder(datasets.STATE)
    known = keys.in_force(s, adopt=True)
    with doing("reading the logs") as now:
        ingested = ingest(
            Places(Path(s.sources.path), datasets.private_folder(datasets.LANDED), events, previous),
            s.sources,
            zone=s.shop.timezone,
            key=known.key,
            erased=erased_customers(datasets.ERASED),
            old=known.old,
            memory_limit=s.engine.memory_limit,
            threads=s.engine.threads,
            progress=now,
        )
    ingested.manifest["key"] = known.fingerprint
    return ingested


def read_into(s: Settings, events: Path, carry: bool = False) -> Ingested:
    """Write the canonical events to ``events`` and leave vault and quarantine as they are.

    With ``carry`` whoever was recognised under an old key is carried over in the ledger first.
    Months of page events that ``events`` or data/events holds already, and that did not change, are kept.

    Raises:
        ContractError: a file cannot be used as declared.
        DataError: a table of a database was never read.
        ParamsError: the shop and its sources disagree about the currency.
    """
    previous = events if events.is_dir() else datasets.EVENTS
    with datasets.replace_folder(events) as draft:
        ingested = _ingested(s, draft, previous if previous.is_dir() else None)
        if carry:
            # Before the events are there to be listed: from then on the ledger is asked under the new pseudonyms.
            keys.carry(keys.load(s), ingested.carried)
        if len(ingested.became):
            datasets.write_parquet(ingested.became.to_pandas(), datasets.merges(draft), key=("customer_id",))
        datasets.write_json(ingested.manifest, draft / "manifest.json")
    return ingested


def run(s: Settings, events: Path) -> dict[str, Any]:
    """Write the canonical events to ``events``, the vault and the quarantine to their places; the manifest.

    Raises:
        ContractError: a file cannot be used as declared.
        DataError: a table of a database was never read.
        ParamsError: the shop and its sources disagree about the currency.
    """
    ingested = read_into(s, events, carry=True)
    _write_quarantine(ingested.quarantine)
    _write_vault(ingested.vault)
    _report(ingested.manifest)
    return ingested.manifest


def ensure_vault(s: Settings) -> None:
    """Make the vault from raw files and key where there is none, as after DVC restored the events from its cache.

    Raises:
        ContractError: a file cannot be used as declared.
    """
    if not datasets.VAULT.is_file():
        datasets.private_folder(datasets.STATE)
        with TemporaryDirectory(dir=datasets.STATE) as scratch:
            ingested = _ingested(s, Path(scratch) / "events", None)
        keys.carry(keys.load(s), ingested.carried)
        _write_vault(ingested.vault)
