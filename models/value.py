"""What a customer is worth over the next year, in the simplest way that can be stated on a page."""

from __future__ import annotations

import numpy as np
import pandas as pd

from models.classifier import Floats

STATEMENT = (
    "Expected value of the next 12 months = what the customer spends in a year (all so far, spread over the time as "
    "a customer, which counts as a year at least), times the "
    "probability of staying. Value at risk = the same times the probability of leaving."
)


YEAR_DAYS = 365


def steady_spend(spend_per_year: pd.Series[float], tenure_days: pd.Series[float]) -> pd.Series[float]:
    """Spend per year with the days as a customer counted as a year at least, in minor units.

    Over a short time the pace is no pace: one order of last week would be taken for a dozen a year.

    Args:
        spend_per_year: The feature of that name, whose own floor is 30 days.
        tenure_days: Days since the first order.
    """
    return spend_per_year * tenure_days.clip(lower=30) / tenure_days.clip(lower=YEAR_DAYS)


def expected_and_at_risk(spend_per_year: pd.Series[float], churn_probability: Floats) -> tuple[Floats, Floats]:
    """Expected value and value at risk in whole minor units, one per row.

    Args:
        spend_per_year: Minor units; a missing or negative spend counts as zero.
        churn_probability: Calibrated probability of no order in the horizon. That it also stands for the year is
            the simplification: who comes back later is counted as lost.
    """
    spend = np.clip(np.nan_to_num(spend_per_year.to_numpy(dtype="float64")), 0, None)
    expected = np.rint(spend * (1 - churn_probability)).astype("int64")
    at_risk = np.rint(spend * churn_probability).astype("int64")
    return expected, at_risk
