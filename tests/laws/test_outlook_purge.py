"""What came after an origin never teaches the outlook of that origin, and what was known by then does."""

import numpy as np
import pandas as pd
import pytest

from models.outlook import OutlookTrainer as Trainer
from tests.models.conftest import SETTINGS
from tests.models.outlook_world import COLUMNS, GAP, HORIZON, cutoff, shop, trainer
from timeline import DAY_US

LABEL, YEAR = (GAP + HORIZON) * DAY_US, 365 * DAY_US
CUSTOMERS = 700
MONTHS = 29


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return shop(months=MONTHS, customers=CUSTOMERS)


def poisoned(rows: pd.DataFrame, origin: int) -> pd.DataFrame:
    """``rows`` with everything a person at ``origin`` could not know turned into nonsense."""
    told = rows.copy()
    open_label, open_year = told["cutoff"] + LABEL > origin, told["cutoff"] + YEAR > origin
    told.loc[open_label, "days_to_next_order"] = np.where(told.loc[open_label, "fast"] == 1, 96.0, 0.5)
    told.loc[open_label, "churned"] = told.loc[open_label, "fast"].astype("int8")
    told.loc[open_year, "revenue_next_year"] = 1e8 * (1 - told.loc[open_year, "fast"])
    told.loc[told["cutoff"] >= origin, COLUMNS] = -1e6
    return told


def texts(made: Trainer, origin: int) -> dict[str, dict[str, str]]:
    return {
        "next order": made.next_order.at(origin).to_files(),
        "next year": made.next_year.at(origin).to_files(),
        "trees of the year": made.next_year.fit(origin).to_files(),
    }


@pytest.mark.parametrize("month", [9, 16, 28])
def test_what_came_after_an_origin_changes_no_byte(rows: pd.DataFrame, month: int) -> None:
    origin = cutoff(month)
    asked = trainer(rows, SETTINGS), trainer(poisoned(rows, origin), SETTINGS)
    clean, poison = (texts(made, origin) for made in asked)
    assert clean == poison


def test_the_poison_would_be_tasted(rows: pd.DataFrame) -> None:
    origin = cutoff(28)
    clean, later = trainer(rows, SETTINGS), trainer(poisoned(rows, cutoff(20)), SETTINGS)
    assert {"next_order_50.txt", "revenue_stays.txt"} <= clean.final(origin).to_files().keys()
    told = texts(clean, origin)
    assert not [name for name, files in texts(later, origin).items() if files == told[name]]


@pytest.mark.parametrize("days", [LABEL, YEAR])
def test_an_outcome_counts_from_the_instant_it_is_complete(rows: pd.DataFrame, days: int) -> None:
    complete = cutoff(14) + days
    name = "next order" if days == LABEL else "trees of the year"
    spoilt = rows.copy()
    newest = spoilt["cutoff"] == cutoff(14)
    spoilt.loc[newest, "days_to_next_order"] = 1.0
    spoilt.loc[newest, "revenue_next_year"] = 1e7
    clean, other = trainer(rows, SETTINGS), trainer(spoilt, SETTINGS)
    assert texts(clean, complete - 1)[name] == texts(other, complete - 1)[name]
    assert texts(clean, complete)[name] != texts(other, complete)[name]
