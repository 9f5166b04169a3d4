"""Alarms over the training features: a column that knows the answer alone, and one that drifts with the cutoff."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from features import columns, logs_behind
from models import alarms
from pipeline.project import datasets
from pipeline.project.progress import steps
from pipeline.project.settings import Settings
from timeline import DAY_US, format_date, is_before

ALONE_ABOVE = 0.95
"""A single column that separates this well knows the answer."""

DRIFT_ABOVE = 0.25
"""Stability index that counts as a large shift (Siddiqi 2006, Credit Risk Scorecards)."""

STEADY_ABOVE = 0.9
STEADY_CUTOFFS = 5
"""Fewer cutoffs cannot tell a steady drift from a season."""

ENOUGH = 100
"""Churned and kept rows that a cutoff needs to be judged by itself; below, chance alone separates well."""

ROWS = 5_000
"""Rows of each training cutoff that are looked at."""

NAMED = 5
"""Columns that a line names; the certificate has all of them."""


def by_hash(customers: Sequence[str], at_most: int) -> list[str]:
    """The same ``at_most`` customers for the same customers in any order; all of them where it is 0."""
    ranked = sorted(customers, key=lambda customer: hashlib.sha256(customer.encode()).digest())
    return ranked[: at_most or None]


def _sample(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["customer_id"].isin(by_hash(frame["customer_id"].tolist(), ROWS))]


def _judged(s: Settings, cutoffs: list[int]) -> dict[str, list[int]]:
    """Places of the cutoffs at which each column is judged for drift.

    A window that reaches back before the first event is short, which is not drift; a column over the whole history is
    judged at all of them, because growing with the data is just what is wrong with it.
    """
    logs = datasets.read_json(datasets.EVENTS / "manifest.json")["logs"]
    judged = {}
    for column in columns(s.features.windows_days, list(logs), s.own_logs):
        firsts = [int(logs[log]["first"]) for log in logs_behind(column.feature.view) if logs[log]["rows"]]
        covered = max(firsts, default=0) + (column.days or 0) * DAY_US
        is_covered = [column.days is None or not is_before(cutoff, covered) for cutoff in cutoffs]
        judged[column.name] = [place for place, yes in enumerate(is_covered) if yes]
    return judged


def watch(s: Settings) -> dict[str, Any]:
    """Columns of the training features that know the answer alone, and such that drift with the cutoff."""
    missing = {"checked": False, "why": "there are no training features. Run `wafa run`, then check again"}
    if not datasets.COHORT.is_file():
        return missing
    cohort = datasets.read_parquet(datasets.COHORT, ["customer_id", "cutoff", "churned"])
    cutoffs = [int(cutoff) for cutoff in sorted(cohort["cutoff"].unique())]
    files = [datasets.FEATURES / f"{format_date(cutoff, s.shop.timezone)}.parquet" for cutoff in cutoffs]
    if not all(file.is_file() for file in files):
        return missing
    parts = []
    for cutoff, file in steps(list(zip(cutoffs, files, strict=True)), "alarms"):
        rows = _sample(cohort[cohort["cutoff"] == cutoff])
        parts.append(rows.merge(datasets.read_parquet(file), on="customer_id", validate="one_to_one"))
    labels = [part["churned"].to_numpy(dtype="float64") for part in parts]
    churned = np.concatenate(labels)
    large = [place for place, label in enumerate(labels) if min(label.sum(), len(label) - label.sum()) >= ENOUGH]
    judged = _judged(s, cutoffs)
    telling, drifting, unjudged = [], [], []
    for name in steps([column for column in parts[0].columns if column not in cohort.columns], "alarms"):
        samples = [part[name].to_numpy(dtype="float64") for part in parts]
        # At each cutoff alone too: what gives away the end of the data shows at the newest one only.
        values = [alarms.alone(np.concatenate(samples), churned)]
        values += [alarms.alone(samples[place], labels[place]) for place in large]
        if (value := max(values)) > ALONE_ABOVE:
            telling.append({"column": name, "auroc": round(value, 4)})
        samples = [samples[place] for place in judged.get(name, [])]
        if len(samples) < STEADY_CUTOFFS:
            unjudged.append(name)
            continue
        moved = alarms.stability_index(samples[0], samples[-1])
        steady = alarms.steadiness(samples)
        if moved > max(DRIFT_ABOVE, alarms.chance_index(samples[0], samples[-1])) and abs(steady) >= STEADY_ABOVE:
            drifting.append({"column": name, "index": round(moved, 3), "steadiness": round(steady, 3)})
    return {
        "checked": True,
        "rows": len(churned),
        "cutoffs": len(parts),
        "alone_above": ALONE_ABOVE,
        "telling_alone": sorted(telling, key=lambda alarm: -alarm["auroc"]),
        "drift_above": {"index": DRIFT_ABOVE, "steadiness": STEADY_ABOVE, "cutoffs": STEADY_CUTOFFS},
        "drifting": sorted(drifting, key=lambda alarm: -alarm["index"]),
        "drift_not_judged": unjudged,
        "not_built": [column for column in judged if column not in parts[0]],
    }


def _and_more(words: list[str]) -> str:
    more = len(words) - NAMED
    return ", ".join(words[:NAMED]) + (f" and {more} more" if more > 0 else "")


def told(watched: dict[str, Any]) -> list[str]:
    """What :func:`watch` found, in lines for a person."""
    if not watched["checked"]:
        return [f"alarms: not looked for: {watched['why']}"]
    lines = [
        f"alarms: {watched['rows']:,} training rows of {watched['cutoffs']} cutoffs: "
        f"{len(watched['telling_alone'])} columns tell too much alone, {len(watched['drifting'])} drift with the cutoff"
    ]
    if watched["not_built"]:
        names = _and_more(watched["not_built"])
        lines.append(f"note: {names} not looked at: {datasets.FEATURES} was built before. Run `wafa run`")
    if watched["telling_alone"]:
        found = _and_more([f"{alarm['column']} (AUROC {alarm['auroc']:.3f})" for alarm in watched["telling_alone"]])
        lines.append(f"alarm: alone above AUROC {ALONE_ABOVE}: {found}; look for the label in it")
    if watched["drifting"]:
        found = _and_more([f"{alarm['column']} ({alarm['index']:.2f})" for alarm in watched["drifting"]])
        lines.append(
            f"alarm: rises or falls with the cutoff, stability index above {DRIFT_ABOVE}: {found}; "
            "later customers will lie outside of what the model has seen"
        )
    if watched["drift_not_judged"]:
        lines.append(
            f"note: fewer than {STEADY_CUTOFFS} cutoffs with full windows, so drift is not judged: "
            f"{_and_more(watched['drift_not_judged'])}"
        )
    return lines
