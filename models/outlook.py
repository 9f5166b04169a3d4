"""The outlook of a customer: when the next order comes, and what the next year brings in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd

from models import regression, timing, value
from models.classifier import Floats
from models.settings import ModelSettings
from models.timing import NextOrder
from models.value import NextYear


@dataclass(frozen=True)
class Outlook:
    """What is told of a customer beside the churn probability; its texts lie in the folder of the churn model."""

    next_order: NextOrder
    next_year: NextYear

    def of(self, matrix: pd.DataFrame) -> tuple[Floats, Floats, Floats]:
        """Days until the next order (see :meth:`NextOrder.days`), and revenue if they stay and if they leave.

        Raises:
            ValueError: The matrix lacks columns that were learned from.
        """
        if self.next_order.columns and self.next_order.columns == self.next_year.columns:
            matrix = regression.select(matrix, self.next_order.columns)
        return self.next_order.days(matrix), *self.next_year.amounts(matrix)

    def to_files(self) -> dict[str, str]:
        """Texts for a model folder by file name; nothing pickled."""
        return self.next_order.to_files() | self.next_year.to_files()

    @classmethod
    def from_files(cls, files: Mapping[str, str]) -> Outlook:
        """The outlook written by :meth:`to_files`; hand in only texts whose hashes were checked.

        Raises:
            ValueError: The model folder was written without one.
        """
        missing = [name for name in (timing.FACTS, value.FACTS) if name not in files]
        if missing:
            raise ValueError(f"the model holds no {missing[0]}: an older version trained it. Train and promote again.")
        return cls(NextOrder.from_files(files), NextYear.from_files(files))


@dataclass(frozen=True)
class OutlookTrainer:
    """Fits the outlook of any origin on what was known then."""

    next_order: timing.TimingTrainer
    next_year: value.ValueTrainer

    @classmethod
    def on(
        cls,
        rows: pd.DataFrame,
        columns: list[str],
        *,
        gap_days: int,
        horizon_days: int,
        spacing: int,
        settings: ModelSettings,
    ) -> OutlookTrainer:
        """A trainer on the rows that train the churn model, with the same label and spacing of origins."""
        return cls(
            timing.TimingTrainer(rows, columns, gap_days, horizon_days, spacing, settings),
            value.ValueTrainer(rows, columns, gap_days + horizon_days, spacing, settings),
        )

    def jobs(self, origins: Sequence[int], final: int) -> list[Callable[[], object]]:
        """Every fit behind the test ``origins`` and the ``final`` model; they can run side by side."""
        orders = {past for origin in (*origins, final) for past in (origin, *self.next_order.folds(origin))}
        years = {
            past
            for origin in (*origins, final)
            if origin == final or self.next_year.can_test(origin)
            for past in (origin, *self.next_year.folds(origin))
        }
        found: list[Callable[[], object]] = [
            partial(self.next_order.fit, origin) for origin in sorted(orders, reverse=True)
        ]
        return found + [partial(self.next_year.fit, origin) for origin in sorted(years, reverse=True)]

    def tested(self, origin: int) -> Outlook:
        """The outlook of a test origin, with trees wherever they could be fitted, so that they are tested."""
        return Outlook(self.next_order.at(origin), self.next_year.untested(origin))

    def final(self, origin: int) -> Outlook:
        """The outlook of the final model, with trees where they did better on earlier origins."""
        return Outlook(self.next_order.at(origin), self.next_year.at(origin))
