"""Stage: the final model, and one purged model per test origin that never saw the origin's time."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from features import columns as catalogue_columns
from models import calibration
from models.outlook import OutlookTrainer
from models.scorer import ChurnModel, baselines_to_dict
from models.training import BASELINES, ChurnTrainer
from pipeline.project import datasets, model_store, settings, stage
from pipeline.project.cutoffs import extent
from pipeline.project.progress import say, steps
from pipeline.project.question import asked_for
from pipeline.project.training_inputs import ORDER_LOGS, open_trainer
from timeline import format_date

TWINS = 1
"""Re-seeded fits of the final model, which say how far a reason can be trusted."""


def _fit_all(
    trainer: ChurnTrainer, orders_only: ChurnTrainer | None, outlook: OutlookTrainer, origins: list[int], watermark: int
) -> None:
    """Fit every boosted model that the stage will ask for, one per core at a time.

    Each fit runs on one thread: two that share their cores with other work cost a multiple of their sum.
    """
    asked = {watermark, *origins}
    for origin in list(asked):
        asked |= set(trainer.fold_origins(origin))
    asked = {origin for origin in asked if "lightgbm" not in trainer.lacking(origin)}
    jobs = [(trainer, origin, 0) for origin in sorted(asked, reverse=True)]
    if watermark in asked:
        jobs += [(trainer, watermark, 1 + n) for n in range(TWINS)]
    if orders_only is not None:
        jobs += [(orders_only, origin, 0) for origin in origins if origin in asked]
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        futures: list[Future[Any]] = [pool.submit(trainer_.fit, origin, twin) for trainer_, origin, twin in jobs]
        futures += [pool.submit(fit) for fit in outlook.jobs(origins, watermark)]
        for future in steps(futures, "models"):
            future.result()


def _write_backtest(
    trainer: ChurnTrainer, origin: int, folder: Path, orders_only: ChurnTrainer | None, outlook: OutlookTrainer
) -> None:
    model, facts = trainer.calibrated(origin)
    lacking = trainer.lacking(origin)
    names = [name for name in BASELINES if not (name == "mbg_nbd" and "buy_till_you_die" in lacking)]
    made = {name: trainer.baseline(name, origin) for name in names}
    files = model.to_files() | {"baselines.json": datasets.as_json(baselines_to_dict(made))}
    model_store.write_files(folder, files | outlook.tested(origin).to_files(), facts)
    if orders_only is not None and "lightgbm" not in lacking:
        # It only answers what the other logs add to the ranking, so it goes without a calibrator.
        plain = ChurnModel(orders_only.fit(origin), calibration.Calibrator("none"))
        model_store.write(plain, folder / "orders_only", {"rows": facts["rows"], "cutoffs": facts["cutoffs"]})


def main() -> None:
    """Write data/model/: the final model and backtest/<origin>/."""
    s = settings.load()
    trainer = open_trainer(s)
    rows, columns = trainer.rows, trainer.columns
    order_columns = {column.name for column in catalogue_columns(s.features.windows_days, ORDER_LOGS)}
    fewer = [c for c in columns if c in order_columns]
    orders_only = replace(trainer, columns=fewer, fitted={}) if len(fewer) < len(columns) else None

    c, watermark = s.cohort, extent(datasets.EVENTS).watermark
    outlook = OutlookTrainer.on(
        rows,
        columns,
        gap_days=c.gap_days,
        horizon_days=c.horizon_days,
        spacing=c.test_spacing_months,
        settings=s.model,
    )
    origins = trainer.test_origins
    with datasets.replace_folder(datasets.MODEL) as draft:
        _fit_all(trainer, orders_only, outlook, origins, watermark)
        for origin in steps(origins, "backtests"):
            name = format_date(origin, s.shop.timezone)
            _write_backtest(trainer, origin, draft / "backtest" / name, orders_only, outlook)
        final, facts = trainer.calibrated(watermark, TWINS)
        facts |= asked_for(s) | {
            "churn_rate": round(float(np.mean(rows["churned"])), 6),
            "events_sha256": datasets.sha256(datasets.EVENTS / "manifest.json"),
        }
        found = outlook.final(watermark)
        model_store.write_files(draft, final.to_files() | found.to_files(), facts)
    say(
        f"model: {facts['rows']:,} rows, {len(columns)} columns, {len(facts['cutoffs'])} cutoffs, "
        f"calibration {facts['calibration']['method']}, {len(origins)} backtests"
    )
    say(f"model: {facts['rung']}, {facts['ladder']['why']}")
    for name, part in (("next order", found.next_order), ("next year", found.next_year)):
        say(f"{name}: by {part.kind}, because {part.why}")
    from pipeline.project import tracking

    tracking.log_training(s, final, facts, trainer.rows[trainer.columns])


if __name__ == "__main__":
    stage.run(main)
