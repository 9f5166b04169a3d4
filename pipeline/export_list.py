"""Export one list into the outbox: the only place where a shop's own ids and addresses appear again.

Freshness. What we know of consent is as old as the newest event of the last ingest (the watermark in the
events' manifest); export refuses when that lies more than ``campaigns.suppression_max_age_hours`` before a
reference instant. In a live shop (``campaigns.check_clock: true``) the reference is the clock, which the
command line hands in. The demo's data end on a fixed day, so a clock would refuse it for ever; there the
reference is the day the list was scored for, which is the simplest rule that still refuses a list scored
beyond its data. Two more rules hold in both cases: everything ingested counts, also what happened after the
list was built, and a log that spoke about consent when the list was built must still be there. The
watermark spans all logs: it does not show that one log alone stopped arriving.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import campaigns
from pipeline import datasets, money, settings
from pipeline.build_lists import read_logs
from pipeline.errors import ParamsError

CONSENT_LOGS = frozenset({"customers", "consent_events", "email_events"})
"""Logs that may hold an opt-out: when a file of one was set aside as a whole, nobody is written to."""


def _manifest(lists_dir: Path, list_name: str) -> dict[str, Any]:
    if list_name not in campaigns.ACTIONS:
        raise ParamsError(f"There is no list {list_name!r}. Choose one of: {', '.join(campaigns.ACTIONS)}.")
    path = lists_dir / list_name / "manifest.json"
    if not path.is_file():
        raise campaigns.ListError(f"The list {list_name} was not built yet. Run `wafa run` or `wafa score` first.")
    manifest: dict[str, Any] = datasets.read_json(path)
    return manifest


def _minor_digits(currency: str) -> int:
    return len(money.writer(currency)(0).partition(".")[2])


def _write_private(files: dict[str, bytes], folder: Path) -> None:
    with datasets.replace_folder(folder) as draft:
        draft.chmod(0o700)
        for name, content in files.items():
            handle = os.open(draft / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(content)


def export(
    s: settings.Settings,
    list_name: str,
    as_of_now: int,
    *,
    lists_dir: Path,
    events_dir: Path,
    vault_path: Path,
    outbox_dir: Path,
    erased: frozenset[str] = frozenset(),
) -> tuple[Path, dict[str, Any]]:
    """Write the files of one list to ``outbox_dir``/<list>/<as_of>/; gives that folder and the counts.

    ``as_of_now`` is the instant that the command line calls now. The same inputs give the same bytes again.

    Raises:
        ParamsError: There is no such list.
        campaigns.ListError: The list was not built, or was changed after it was built.
        campaigns.StaleListError: What we know of consent is too old.
    """
    manifest = _manifest(lists_dir, list_name)
    as_of = str(manifest["as_of"])
    scored_at = s.instant(as_of)
    events = datasets.read_json(events_dir / "manifest.json")
    reference = as_of_now if s.campaigns.check_clock else scored_at
    campaigns.check_fresh(int(events["watermark"]), reference, s.campaigns.suppression_max_age_hours)
    logs = read_logs(events_dir)
    gone = [name for name in manifest["contact_logs"] if logs.get(name) is None]
    if gone:
        raise campaigns.StaleListError(
            f"The logs {', '.join(gone)} were there when {list_name} was built and are missing from "
            f"{events_dir.name}/ now, so opt-outs could be overlooked. Restore them and ingest again."
        )
    lost = sorted({file["name"] for file in events.get("rejected_files", []) if CONSENT_LOGS & {*file["feeds"]}})
    if lost:
        raise campaigns.StaleListError(
            f"{', '.join(lost)} could not be read and may hold opt-outs. Export the file again and run `wafa run`."
        )
    candidates = datasets.read_parquet(lists_dir / list_name / "candidates.parquet").sort_values(
        "rank", ignore_index=True
    )
    if campaigns.content_hash(candidates) != manifest["candidates_sha256"]:
        raise campaigns.ListError(
            f"{list_name}/candidates.parquet was changed after it was built. Build the lists again."
        )
    if not vault_path.is_file():
        raise campaigns.ListError(
            f"{vault_path.name} is missing, so no address is known. Run `wafa run` to rebuild it."
        )
    known_now = max(reference, campaigns.after_everything(logs))
    exported = campaigns.export_rows(
        candidates,
        datasets.read_parquet(vault_path, ("customer_id", "shop_id", "email")),
        campaigns.contact_rules(
            logs, set(candidates["customer_id"]), known_now, quiet_days=s.campaigns.quiet_days, erased=erased
        ),
        ordered_since=campaigns.ordered_since(logs, scored_at, known_now),
        as_of=as_of,
        horizon_days=s.cohort.horizon_days,
        minor_digits=_minor_digits(s.shop.currency),
        model_hash=manifest["model_hash"],
    )
    rows, suppress = campaigns.to_csv(exported.rows), campaigns.to_csv(exported.suppress)
    told = {
        "list": list_name,
        "as_of": as_of,
        "holdout_share": manifest["holdout_share"],
        "model_hash": manifest["model_hash"],
        "candidates_sha256": manifest["candidates_sha256"],
        "suppressed_addresses": len(exported.suppress),
        "files": {
            f"{list_name}.csv": hashlib.sha256(rows).hexdigest(),
            f"{list_name}.suppress.csv": hashlib.sha256(suppress).hexdigest(),
        },
        **exported.counts,
    }
    datasets.private_folder(outbox_dir / list_name)
    folder = outbox_dir / list_name / as_of
    _write_private(
        {
            f"{list_name}.csv": rows,
            f"{list_name}.suppress.csv": suppress,
            f"{list_name}.manifest.json": (json.dumps(told, indent=2, sort_keys=True) + "\n").encode("utf-8"),
            "README.txt": campaigns.readme(list_name, as_of, exported.counts).encode("utf-8"),
        },
        folder,
    )
    return folder, told
