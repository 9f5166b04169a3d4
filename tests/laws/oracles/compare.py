"""The oracles against a feature matrix."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import isclose, isnan
from typing import Any

import pandas as pd

from .case import ORACLES, Answer, Case, Row

RELATIVE = 1e-9


@dataclass
class Comparison:
    """How many cells were looked at, and one counter-example for each feature that broke."""

    cells: int = 0
    known: int = 0
    broken: dict[str, str] = field(default_factory=dict)


def rows_by_customer(logs: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, list[Row]]]:
    """Plain rows by customer and log; missing values are None."""
    by_customer: dict[str, dict[str, list[Row]]] = {}
    for log, frame in logs.items():
        plain = frame.astype(object).where(frame.notna(), None)
        for row in plain.to_dict("records"):
            by_customer.setdefault(row["customer_id"], {}).setdefault(log, []).append(row)
    return by_customer


def _agree(value: float, answer: Answer) -> bool:
    if answer is None or isnan(value):
        return answer is None and isnan(value)
    if isinstance(answer, int):
        return value == answer
    return isclose(value, answer, rel_tol=RELATIVE, abs_tol=1e-12)


def disagreements(
    matrix: pd.DataFrame,
    logs: Mapping[str, pd.DataFrame],
    cutoff: int,
    columns: Sequence[Any],
    history_days: int | Fraction,
) -> Comparison:
    """Asks the oracle of each column about each customer of ``matrix``."""
    by_customer = rows_by_customer(logs)
    result = Comparison()
    for column in columns:
        answer_of = ORACLES[column.feature.name]
        for customer, value in zip(matrix["customer_id"], matrix[column.name], strict=True):
            rows = by_customer.get(customer, {})
            answer = answer_of(Case(rows, cutoff, history_days, column.days))
            result.cells += 1
            result.known += answer is not None
            if not _agree(value, answer):
                result.broken.setdefault(
                    column.feature.name,
                    f"{column.name} of {customer} at {cutoff}: the catalogue says {value!r}, the oracle {answer!r}",
                )
    return result
