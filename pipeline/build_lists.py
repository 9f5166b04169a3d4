"""Stage build_lists: candidates, and everybody left out with the reason, as known at ``as_of``."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import campaigns
from pipeline import datasets, model_store, settings, stage
from pipeline.progress import say


def read_logs(events_dir: Path, *, carts: bool = True) -> dict[str, pd.DataFrame | None]:
    """The logs that decide about contact and carts, by name; None where the shop does not have one."""
    wanted = dict(campaigns.CONTACT_COLUMNS) | (campaigns.CART_COLUMNS if carts else {})
    return {name: datasets.read_events(events_dir, name, columns) for name, columns in wanted.items()}


def run(
    s: settings.Settings,
    *,
    scores_path: Path,
    reasons_path: Path,
    events_dir: Path,
    lists_dir: Path,
    as_of: str,
    model_hash: str | None = None,
    erased: frozenset[str] = frozenset(),
) -> dict[str, campaigns.BuiltList]:
    """Build every list for the date ``as_of`` into ``lists_dir``/<list>/, and give them back by name."""
    cutoff = s.instant(as_of)
    scores = datasets.read_parquet(scores_path)
    logs = read_logs(events_dir)
    carts = campaigns.open_carts(logs, s.campaigns.lists.abandoned_cart, cutoff)
    contact = campaigns.contact_rules(
        logs,
        set(scores["customer_id"]) | set(carts["customer_id"]),
        cutoff,
        quiet_days=s.campaigns.quiet_days,
        erased=erased,
    )
    missing = campaigns.missing_consent(logs)
    built = campaigns.build_lists(
        scores,
        datasets.read_parquet(reasons_path),
        contact,
        carts,
        s.campaigns,
        as_of=as_of,
        model_hash=model_hash,
        missing=(missing,) if missing else (),
    )
    contact_logs = sorted(name for name in campaigns.CONTACT_COLUMNS if logs[name] is not None)
    with datasets.replace_folder(lists_dir) as draft:
        for name, one in built.items():
            datasets.write_parquet(one.candidates, draft / name / "candidates.parquet", key=("customer_id",))
            datasets.write_parquet(one.left_out, draft / name / "left_out.parquet", key=("customer_id",))
            datasets.write_json(one.manifest | {"contact_logs": contact_logs}, draft / name / "manifest.json")
            arms = one.manifest["arms"]
            say(f"{name}: {arms['treat']:,} to write to, {arms['holdout']:,} held out")
    return built


def main() -> None:
    """Build the lists of ``scoring.as_of``."""
    s = settings.load()
    run(
        s,
        scores_path=datasets.SCORES,
        reasons_path=datasets.REASONS,
        events_dir=datasets.EVENTS,
        lists_dir=datasets.LISTS,
        as_of=s.scoring.as_of,
        model_hash=str(model_store.manifest(datasets.MODEL)["model_hash"]),
    )


if __name__ == "__main__":
    stage.run(main)
