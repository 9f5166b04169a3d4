"""Stage: the features of the customers eligible at the scoring date, by the builder that training uses."""

from __future__ import annotations

from pathlib import Path

from events import permission
from features import eligible_at
from features.engines import fetch
from pipeline.project import datasets, engine, settings, stage
from pipeline.project.cutoffs import extent
from pipeline.project.errors import ParamsError, StaleError
from pipeline.project.progress import say
from pipeline.project.settings import Settings
from pipeline.project.shop_features import feature_logs, matrix_builder
from timeline import DAY_US, format_date, is_after, is_before

BEFORE_DAYS = 28
"""A score is compared with that of so many days earlier, by the same model."""


def run(s: Settings, as_of: str, events: Path, output: Path, before: Path | None = None) -> None:
    """Write one row per customer eligible at ``as_of`` (YYYY-MM-DD), and into ``before`` those of 28 days earlier.

    Raises:
        ParamsError: The date lies before the first order.
        StaleError: The date lies beyond the end of the data.
    """
    cutoff, covered, zone = s.instant(as_of), extent(events), s.shop.timezone
    if not is_before(covered.first, cutoff):
        raise ParamsError(
            f"scoring.as_of: {as_of} lies before the first order ({format_date(covered.first, zone)}); nothing was "
            f"known then. Choose a day up to {format_date(covered.watermark, zone)}."
        )
    if is_after(cutoff, covered.watermark):
        raise StaleError(
            f"scoring.as_of: {as_of} lies beyond the data, which are complete until "
            f"{format_date(covered.watermark, zone)}; everybody would look silent. Bring newer logs, or choose a day "
            "up to that one."
        )
    connection = engine.connect(s.engine)
    tables = engine.event_tables(connection, events, sorted({*feature_logs(s), *permission.OBJECTIONS}))
    builder = matrix_builder(tables, s, connection)

    def write(instant: int, path: Path) -> int:
        eligible = eligible_at(
            tables["orders"], instant, s.cohort.active_days, permission.objectors_at(tables, instant)
        )
        customers = fetch(connection, eligible)["customer_id"].tolist()
        return datasets.write_parquet_parts(builder.parts(customers, instant), path, key="customer_id")

    rows = write(cutoff, output)
    if before is not None:
        write(cutoff - BEFORE_DAYS * DAY_US, before)
    if not rows:
        say(f"scoring: no customer ordered in the {s.cohort.active_days} days before {as_of}; nobody is scored")
    else:
        say(f"scoring: {rows:,} customers eligible at {as_of}")


def main() -> None:
    """Write data/scoring/features.parquet and data/scoring/before.parquet."""
    s = settings.load()
    run(s, s.scoring.as_of, datasets.EVENTS, datasets.SCORING, datasets.SCORING_BEFORE)


if __name__ == "__main__":
    stage.run(main)
