"""Stage: who could have been scored at each past month start, who then stayed away, and what the others did."""

from __future__ import annotations

import pandas as pd

from events import permission
from pipeline.project import datasets, engine, settings, stage
from pipeline.project.cutoffs import COLUMNS, cohort_at, extent, test_origins, training_cutoffs
from pipeline.project.errors import DataError
from pipeline.project.progress import say, steps


def main() -> None:
    """Write data/cohorts/training.parquet: one row per customer and cutoff."""
    s = settings.load()
    covered = extent(datasets.EVENTS)
    cutoffs = training_cutoffs(s, covered)
    origins = test_origins(s, cutoffs)
    connection = engine.connect(s.engine)
    tables = engine.event_tables(connection, datasets.EVENTS, ["orders", *permission.OBJECTIONS])
    frames = [cohort_at(tables, cutoff, covered.watermark, s, connection) for cutoff in steps(cutoffs, "cohorts")]
    cohort = pd.concat(frames, ignore_index=True)
    if cohort.empty:
        raise DataError(
            f"cohort: no customer ordered in the {s.cohort.active_days} days before any of {len(cutoffs)} month "
            "starts. Check sources.logs.orders, or raise cohort.active_days."
        )
    roles = cohort["cutoff"].isin(origins).map({True: "test", False: "train"})
    cohort = cohort.assign(role=roles)[list(COLUMNS)]
    datasets.write_parquet(cohort, datasets.COHORT, key=("customer_id", "cutoff"))
    say(
        f"cohorts: {len(cohort):,} rows, {cohort['customer_id'].nunique():,} customers, {len(cutoffs)} cutoffs, "
        f"{len(origins)} test origins, churn rate {cohort['churned'].mean():.1%} of {s.cohort.rule}"
    )


if __name__ == "__main__":
    stage.run(main)
