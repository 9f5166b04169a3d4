"""When the next order came and what the next year brought in, beside what the backtest models had said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from models.outlook import Outlook
from models.outlook_evaluation import EVERYBODY, WINDOW, evaluate_next_order, evaluate_next_year
from models.timing import NextOrder
from models.value import YEAR_DAYS, NextYear, expected_and_at_risk, simple_formula
from pipeline.project import datasets, model_store
from pipeline.project.settings import Settings

OUTCOMES = ("days_to_next_order", "revenue_next_year")

VALUE_MODELS = ("trees", "formula", "last_year")
"""Ours, the simple formula, and what the customer spent in the 365 days before the origin."""

LAST_YEAR = "spend_365d"


def evaluate_outlook(s: Settings, predictions: pd.DataFrame) -> dict[str, Any]:
    """The entries ``timing`` and ``value`` of the metrics.

    Args:
        s: Settings.
        predictions: One row per customer and test origin: customer_id, origin, and ``wafa``, the churn probability.
    """
    cohort = datasets.read_parquet(datasets.COHORT)
    orders, years, timing_why, value_why = [], [], {}, {}
    for origin, scored in predictions.groupby("origin", sort=True):
        files = model_store.read_files(datasets.MODEL / "backtest" / str(origin))
        outlook = Outlook.from_files(files)
        came = cohort.loc[cohort["cutoff"] == s.instant(str(origin)), ["customer_id", *OUTCOMES]]
        matrix = datasets.read_parquet(datasets.FEATURES / f"{origin}.parquet")
        rows = scored[["customer_id", "origin", "wafa"]].merge(came, on="customer_id", validate="one_to_one")
        rows = rows.merge(matrix, on="customer_id", validate="one_to_one")
        said = rows[["customer_id", "origin", *OUTCOMES]]
        orders.append(_with_window(said, outlook.next_order, rows))
        if rows["revenue_next_year"].notna().all():
            years.append(_with_amounts(said, outlook.next_year, rows))
        timing_why[str(origin)], value_why[str(origin)] = outlook.next_order.why, outlook.next_year.why
    draws, seed = s.model.bootstrap_draws, s.model.seed
    final = Outlook.from_files(model_store.read_files(datasets.MODEL))
    timing, value = final.next_order, final.next_year
    found = evaluate_next_order(pd.concat(orders, ignore_index=True), draws, seed)
    tested = evaluate_next_year(pd.concat(years, ignore_index=True), VALUE_MODELS, draws, seed) if years else []
    return {
        "timing": {
            "follow_up_days": s.cohort.gap_days + s.cohort.horizon_days,
            "kind": timing.kind,
            "why": timing.why,
            "all": found["all"],
            "origins": [entry | {"why": timing_why[entry["origin"]]} for entry in found["origins"]],
        },
        "value": {
            "days": YEAR_DAYS,
            "kind": value.kind,
            "why": value.why,
            "statement": value.statement,
            "origins": [entry | {"why": value_why[entry["origin"]]} for entry in tested],
        },
    }


def _with_window(said: pd.DataFrame, model: NextOrder, rows: pd.DataFrame) -> pd.DataFrame:
    days = model.days(rows)
    window = {name: days[:, place] for place, name in enumerate(WINDOW)}
    return said.assign(**window, **dict(zip(EVERYBODY, model.everybody, strict=True)))


def _with_amounts(said: pd.DataFrame, model: NextYear, rows: pd.DataFrame) -> pd.DataFrame:
    churn = rows["wafa"].to_numpy(dtype="float64")
    formula = expected_and_at_risk(*simple_formula("").amounts(rows), churn)[0]
    trees = expected_and_at_risk(*model.amounts(rows), churn)[0] if model.kind == "trees" else np.nan
    last = rows.get(LAST_YEAR, np.nan)
    return said.assign(trees=trees, formula=formula, last_year=last)
