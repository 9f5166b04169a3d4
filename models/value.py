"""What a customer is worth over the next year, in the simplest way that can be stated on a page."""

from __future__ import annotations

import numpy as np
import pandas as pd

from models.classifier import Floats

STATEMENT = (
    "Expected value of the next 12 months = what the customer spends in a year, as seen so far, times the "
    "probability of staying. Value at risk = the same times the probability of leaving."
)


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
