"""What each family of features is worth: AUROC without it, at test origins, on the same rows.

Run in a project folder whose features are built (`make run`, or `dvc repro build_features`):

    python -m benchmarks.feature_families                     every family left out, one by one
    python -m benchmarks.feature_families --against FILE      this catalogue against the definitions named in FILE

Models are purged as those of the pipeline: fitted on labels that were complete before their origin. Intervals are 95 %,
from drawing customers. A family whose interval holds zero, and which helps no shop, is not worth its columns.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from features import Column, logs_behind
from features import columns as catalogue_columns
from models.evaluation import evaluate
from models.training import ChurnTrainer
from pipeline.project import datasets, settings
from pipeline.project.cutoffs import extent
from pipeline.project.shop_features import feature_logs
from pipeline.project.training_inputs import ORDER_LOGS, OrderBook, question, training_rows
from timeline import format_date

DRAWS = 300


def scores(rows: pd.DataFrame, sets: Mapping[str, Sequence[str]], s: settings.Settings) -> pd.DataFrame:
    """One row per customer and test origin with one margin for each set of columns."""
    origins = sorted(int(t) for t in rows.loc[rows["role"] == "test", "cutoff"].unique())
    book, first = OrderBook.open(s), extent(datasets.EVENTS).first
    trainers = {
        name: ChurnTrainer(rows, list(columns), question(s), s.model, book, first) for name, columns in sets.items()
    }
    jobs = [(name, origin) for origin in origins for name in trainers]
    tests = {origin: rows[rows["cutoff"] == origin] for origin in origins}

    def margin(job: tuple[str, int]) -> pd.Series:
        name, origin = job
        trainer, test = trainers[name], tests[origin]
        return pd.Series(trainer.fit(origin).margin(test), index=test.index)

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        found = dict(zip(jobs, pool.map(margin, jobs), strict=True))
    frames = []
    for origin, test in tests.items():
        named = test[["customer_id", "churned"]].assign(origin=format_date(origin, s.shop.timezone))
        frames.append(named.assign(**{name: found[name, origin] for name in trainers}))
    return pd.concat(frames, ignore_index=True)


def varying(rows: pd.DataFrame, s: settings.Settings) -> list[Column]:
    """The catalogue's columns that tell customers apart in ``rows``."""
    wanted = catalogue_columns(s.features.windows_days, feature_logs(s), s.own_logs)
    return [c for c in wanted if c.name in rows and len(rows[c.name].unique()) > 1]


def _line(name: str, columns: int, without: float, gain: Mapping[str, float]) -> str:
    return f"| {name} | {columns} | {without:.4f} | {gain['value']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}] |"


def families(rows: pd.DataFrame, s: settings.Settings) -> list[str]:
    """A Markdown table: AUROC with each family left out, and what it brings."""
    known = varying(rows, s)
    members: dict[str, list[str]] = {}
    for column in known:
        members.setdefault(column.feature.family, []).append(column.name)
    sets = {"wafa": [c.name for c in known]}
    sets |= {family: [c for c in sets["wafa"] if c not in own] for family, own in members.items()}
    found = evaluate(scores(rows, sets, s), {name: name for name in sets}, DRAWS, s.model.seed)
    lines = [
        f"{len(found['origins'])} origins, {sum(o['rows'] for o in found['origins']):,} rows, base rate "
        f"{min(o['base_rate'] for o in found['origins']):.1%} to {max(o['base_rate'] for o in found['origins']):.1%}, "
        f"mean AUROC with all {len(known)} columns {found['mean']['wafa']['auroc']:.4f}",
        "",
        "| family left out | its columns | AUROC without | what it brings |",
        "|---|---|---|---|",
    ]
    gains = {family: found["paired"][f"wafa - {family}"]["auroc"] for family in members}
    for family in sorted(members, key=lambda name: -gains[name]["value"]):
        lines.append(_line(family, len(members[family]), found["mean"][family]["auroc"], gains[family]))
    return lines


def before_and_after(rows: pd.DataFrame, s: settings.Settings, before: set[str]) -> list[str]:
    """A Markdown table: the definitions ``before`` against all, for the order logs alone and for all logs."""
    known = varying(rows, s)
    lines = ["| origin | rows | base rate | logs | before | after | gain |", "|---|---|---|---|---|---|---|"]
    for title, logs in (("orders only", set(ORDER_LOGS)), ("all", set(feature_logs(s)))):
        after = [c for c in known if logs_behind(c.feature.view) <= logs]
        sets = {"wafa": [c.name for c in after], "before": [c.name for c in after if c.feature.name in before]}
        marked = scores(rows, sets, s)
        found = evaluate(marked, {name: name for name in sets}, DRAWS, s.model.seed)
        for origin in found["origins"]:
            one = evaluate(marked[marked["origin"] == origin["origin"]], {n: n for n in sets}, DRAWS, s.model.seed)
            values, gain = one["mean"], one["paired"]["wafa - before"]["auroc"]
            lines.append(
                f"| {origin['origin']} | {origin['rows']:,} | {origin['base_rate']:.1%} | {title} "
                f"| {values['before']['auroc']:.4f} | {values['wafa']['auroc']:.4f} "
                f"| {gain['value']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}] |"
            )
        values, gain = found["mean"], found["paired"]["wafa - before"]["auroc"]
        columns = f"{title}: {len(sets['before'])} to {len(sets['wafa'])} columns"
        lines.append(
            f"| mean | | | {columns} | {values['before']['auroc']:.4f} | {values['wafa']['auroc']:.4f} "
            f"| {gain['value']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}] |"
        )
        if logs_behind(after[-1].feature.view) <= set(ORDER_LOGS) and len(after) == len(known):
            break  # The shop has no other logs.
    return lines


def main() -> None:
    """Print the table asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, help="file with one definition's name a line")
    parser.add_argument("--origins", type=int, default=0, help="newest test origins; 0 takes all")
    asked = parser.parse_args()
    s = settings.load()
    rows = training_rows(s)
    origins = sorted(rows.loc[rows["role"] == "test", "cutoff"].unique())
    rows.loc[~rows["cutoff"].isin(origins[-asked.origins :]), "role"] = "train"
    if asked.against:
        lines = before_and_after(rows, s, set(asked.against.read_text(encoding="utf-8").split()))
    else:
        lines = families(rows, s)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
