"""What the churn model is trained on: the rows and the orders of this project."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from features import buyers_within, purchase_history_at
from features.engines import fetch
from models.training import ChurnTrainer, Question
from pipeline.project import datasets, engine
from pipeline.project.cutoffs import COLUMNS, extent
from pipeline.project.settings import Settings
from timeline import Window, format_date

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
class OrderBook:
    """The orders of the whole shop, asked cutoff by cutoff; what was asked for once is kept."""

    orders: Any
    connection: Any
    histories: dict[int, pd.DataFrame] = field(default_factory=dict)

    @classmethod
    def open(cls, s: Settings) -> OrderBook:
        """The orders of this project."""
        connection = engine.connect_embedded(s.engine)
        return cls(engine.event_tables(connection, datasets.EVENTS, ["orders"])["orders"], connection)

    def history(self, cutoff: int) -> pd.DataFrame:
        """One row per buyer known at ``cutoff``: customer_id, repeats, last_days, age_days."""
        if cutoff not in self.histories:
            found = fetch(self.connection, purchase_history_at(self.orders, cutoff))
            # The engine gives rows in any order, and a sum over them would end in other bits each time.
            self.histories[cutoff] = found.sort_values("customer_id", ignore_index=True)
        return self.histories[cutoff]

    def buyers(self, window: Window) -> pd.Series[str]:
        """The customers with an order in ``window``, as far as known when it ends."""
        return fetch(self.connection, buyers_within(self.orders, window))["customer_id"]


def question(s: Settings) -> Question:
    """What params.yaml asks."""
    c = s.cohort
    return Question(c.gap_days, c.horizon_days, c.active_days, c.test_spacing_months, s.shop.timezone)


def open_trainer(s: Settings) -> ChurnTrainer:
    """The trainer of this project, on every column that tells customers apart."""
    rows = training_rows(s)
    columns = [c for c in rows.columns if c not in COLUMNS]
    # A column that never varies teaches nothing, and would still have to exist at every scoring.
    columns = [c for c in columns if rows[c].isna().any() or rows[c].min() < rows[c].max()]
    columns = [c for c in columns if rows[c].notna().any()]
    return ChurnTrainer(rows, columns, question(s), s.model, OrderBook.open(s), extent(datasets.EVENTS).first)
