"""Stage: the final model, and one purged model per test origin that never saw the origin's time."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd

from features import columns as catalogue_columns
from models import baselines, calibration, classifier
from models.scorer import ChurnModel
from models.splits import calibration_origins, complete_before
from pipeline import datasets, model_store, settings, stage
from pipeline.build_cohorts import COLUMNS, extent
from pipeline.errors import DataError
from pipeline.progress import say, steps
from pipeline.settings import Settings
from timeline import format_date

ORDER_LOGS = ("orders", "order_items")


def training_rows(s: Settings) -> pd.DataFrame:
    """One row per customer and cutoff: label and features, ordered by customer and cutoff."""
    cohort = datasets.read_parquet(datasets.COHORT)
    frames = []
    for cutoff in sorted(cohort["cutoff"].unique()):
        name = f"{format_date(int(cutoff), s.shop.timezone)}.parquet"
        frames.append(datasets.read_parquet(datasets.FEATURES / name).assign(cutoff=cutoff))
    matrix = pd.concat(frames, ignore_index=True)
    rows = cohort.merge(matrix, on=["customer_id", "cutoff"], validate="one_to_one")
    return rows.sort_values(["customer_id", "cutoff"], ignore_index=True)


@dataclass
class Trainer:
    """Fits purged models; a model that two origins need is fitted once."""

    rows: pd.DataFrame
    columns: list[str]
    s: Settings
    fitted: dict[tuple[int, ...], lgb.Booster] = field(default_factory=dict)

    @property
    def cutoffs(self) -> list[int]:
        """Every cutoff with rows, ascending."""
        return sorted(int(cutoff) for cutoff in self.rows["cutoff"].unique())

    def known_at(self, origin: int) -> list[int]:
        """The cutoffs whose label was complete at ``origin``."""
        return complete_before(self.cutoffs, origin, self.s.cohort.gap_days, self.s.cohort.horizon_days)

    def fit(self, origin: int) -> lgb.Booster:
        """The booster of all that was known at ``origin``."""
        known = tuple(self.known_at(origin))
        if known not in self.fitted:
            part = self.rows[self.rows["cutoff"].isin(known)]
            if part["churned"].nunique() < 2:
                raise DataError(
                    f"model: all {len(part):,} training rows have the same label; nothing can be learned. "
                    "Lower cohort.horizon_days, or bring a longer history."
                )
            self.fitted[known] = classifier.fit(part[self.columns], part["churned"], self.s.model)
        return self.fitted[known]

    def calibrated(self, origin: int) -> tuple[ChurnModel, dict[str, Any]]:
        """The model of ``origin``, calibrated as did best on earlier purged origins, and its facts."""
        c, zone = self.s.cohort, self.s.shop.timezone
        folds = []
        used = calibration_origins(self.cutoffs, origin, c.gap_days, c.horizon_days, c.test_spacing_months)
        for past in used:
            part = self.rows[self.rows["cutoff"] == past]
            margins = classifier.margin(self.fit(past), part[self.columns])
            folds.append((margins, part["churned"].to_numpy(dtype="float64")))
        calibrator, losses = calibration.choose(folds)
        known = self.known_at(origin)
        facts = {
            "calibration": {
                "method": calibrator.method,
                "origins": [format_date(t, zone) for t in used],
                "log_loss": {method: round(loss, 6) for method, loss in losses.items()},
            },
            "cutoffs": [format_date(t, zone) for t in known],
            "rows": int(self.rows["cutoff"].isin(known).sum()),
        }
        return ChurnModel(self.fit(origin), calibrator, tuple(self.columns)), facts


def _fit_all(trainer: Trainer, orders_only: Trainer | None, origins: list[int], watermark: int) -> None:
    """Fit every model that the stage will ask for, one per core at a time.

    Each fit runs on one thread: two that share their cores with other work cost a multiple of their sum.
    """
    c = trainer.s.cohort
    asked = {watermark, *origins}
    for origin in list(asked):
        asked |= set(calibration_origins(trainer.cutoffs, origin, c.gap_days, c.horizon_days, c.test_spacing_months))
    jobs = [(trainer, origin) for origin in sorted(asked, reverse=True)]
    if orders_only is not None:
        jobs += [(orders_only, origin) for origin in origins]
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        futures = [pool.submit(trainer_.fit, origin) for trainer_, origin in jobs]
        for future in steps(futures, "models"):
            future.result()


def _write_backtest(trainer: Trainer, origin: int, folder: Path, orders_only: Trainer | None) -> None:
    model, facts = trainer.calibrated(origin)
    model_store.write(model, folder, facts)
    part = trainer.rows[trainer.rows["cutoff"].isin(trainer.known_at(origin))]
    fitted = {
        "recency": baselines.fit_logistic(baselines.RECENCY, part, part["churned"]),
        "logistic_rfm": baselines.fit_logistic(baselines.RFM, part, part["churned"]),
    }
    datasets.write_json({name: line.to_dict() for name, line in fitted.items()}, folder / "baselines.json")
    if orders_only is not None:
        # It only answers what the other logs add to the ranking, so it goes without a calibrator.
        plain = ChurnModel(orders_only.fit(origin), calibration.Calibrator("none"), tuple(orders_only.columns))
        model_store.write(plain, folder / "orders_only", {"rows": facts["rows"], "cutoffs": facts["cutoffs"]})


def asked_for(s: Settings) -> dict[str, Any]:
    """What a score of this model means: the shop, the question, and the windows of its columns."""
    c = s.cohort
    return {
        "shop": s.shop.name,
        "horizon_days": c.horizon_days,
        "gap_days": c.gap_days,
        "active_days": c.active_days,
        "windows_days": list(s.features.windows_days),
        "history_days": s.features.history_days,
    }


def main() -> None:
    """Write data/model/: the final model and backtest/<origin>/."""
    s = settings.load()
    rows = training_rows(s)
    columns = [c for c in rows.columns if c not in COLUMNS]
    # A column that never varies teaches nothing, and would still have to exist at every scoring.
    columns = [c for c in columns if rows[c].isna().any() or rows[c].min() < rows[c].max()]
    columns = [c for c in columns if rows[c].notna().any()]
    order_columns = {column.name for column in catalogue_columns(s.features.windows_days, ORDER_LOGS)}
    trainer = Trainer(rows, columns, s)
    fewer = [c for c in columns if c in order_columns]
    orders_only = Trainer(rows, fewer, s) if len(fewer) < len(columns) else None

    watermark = extent(datasets.EVENTS).watermark
    origins = sorted(int(t) for t in rows.loc[rows["role"] == "test", "cutoff"].unique())
    with datasets.replace_folder(datasets.MODEL) as draft:
        _fit_all(trainer, orders_only, origins, watermark)
        for origin in steps(origins, "backtests"):
            name = format_date(origin, s.shop.timezone)
            _write_backtest(trainer, origin, draft / "backtest" / name, orders_only)
        final, facts = trainer.calibrated(watermark)
        model_store.write(
            final, draft, facts | asked_for(s) | {"churn_rate": round(float(np.mean(rows["churned"])), 6)}
        )
    say(
        f"model: {facts['rows']:,} rows, {len(columns)} columns, {len(facts['cutoffs'])} cutoffs, "
        f"calibration {facts['calibration']['method']}, {len(origins)} backtests"
    )
    from pipeline import tracking

    tracking.log_training(s, final, facts, trainer.rows[trainer.columns])


if __name__ == "__main__":
    stage.run(main)
