"""A world as the files that the stages read: params, monthly event files and their manifest."""

from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

from pipeline.project import datasets
from timeline import parse_date

from .worlds import World, world

ROOT = Path(__file__).parents[2]
ZONE = "Europe/London"
DAYS = ("2024-04-01", "2024-05-01", "2024-06-01")
"""Month starts that train; the clocks of London went forward the day before the first."""

MONTHS = tuple(parse_date(day, ZONE) for day in DAYS)
COMPLETE_UNTIL = "2024-10-01"

SMALL: dict[str, Any] = {
    "shop.timezone": ZONE,
    "cohort.max_cutoffs": len(DAYS),
    "cohort.test_origins": 1,
    "features.history_days": 730,
    "scoring.as_of": DAYS[-1],
    "engine.threads": 1,
}


def small_shop(seed: int = 0) -> World:
    """A world that is dense around the month starts."""
    return world(seed, 50, MONTHS)


def write_params(folder: Path, **changes: Any) -> None:
    """The shipped params with small numbers."""
    yaml = YAML()
    values = yaml.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for key, value in (SMALL | {name.replace("__", "."): value for name, value in changes.items()}).items():
        *sections, last = key.split(".")
        place = values
        for section in sections:
            place = place[section]
        place[last] = value
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(values, file)


def write_events(shop: World, folder: Path) -> None:
    """The logs of ``shop`` as ingestion writes them."""
    logs = {}
    for name, frame in shop.logs.items():
        months = pd.to_datetime(frame["occurred_at"], unit="us").dt.strftime("%Y-%m")
        for month, rows in frame.groupby(months):
            path = folder / name / f"{month}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            rows.to_parquet(path, index=False)
        times = frame["occurred_at"]
        logs[name] = {
            "rows": len(frame),
            "first": int(times.min()),
            "last": int(times.max()),
            "arrival_checked": name != "deliveries",
        }
    manifest = {"logs": logs, "watermark": parse_date(COMPLETE_UNTIL, ZONE), "warnings": []}
    datasets.write_json(manifest, folder / "manifest.json")


def write_shop(shop: World, project: Path, **changes: Any) -> None:
    """Params and events of ``shop`` in the folder of a project."""
    write_params(project, **changes)
    write_events(shop, project / datasets.EVENTS)
