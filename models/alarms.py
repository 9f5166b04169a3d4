"""Signs that a column knows too much or means something else from one cutoff to the next."""

from __future__ import annotations

import numpy as np

from models.classifier import Floats
from models.metrics import auroc

BINS = 10
SIGNIFICANCE = 0.999


def alone(values: Floats, churned: Floats) -> float:
    """AUROC of one column by itself in the better direction; missing is a value of its own, highest or lowest.

    NaN where one class is missing.
    """
    weight = np.ones(len(values))
    found = [auroc(np.where(np.isnan(values), end, values), churned, weight) for end in (np.inf, -np.inf)]
    return max(max(value, 1 - value) for value in found)


def _shares(older: Floats, newer: Floats) -> tuple[Floats, Floats]:
    known = np.concatenate([older, newer])
    known = known[~np.isnan(known)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1])) if known.size else np.empty(0)

    def counts(values: Floats) -> Floats:
        missing = np.isnan(values)
        inside = np.bincount(np.searchsorted(edges, values[~missing], side="left"), minlength=len(edges) + 1)
        return np.append(inside, missing.sum()).astype("float64")

    old, new = counts(older), counts(newer)
    filled = (old + new) > 0
    # Half a row more in every bin: an empty one would make the index infinite.
    smooth = [(c[filled] + 0.5) / (c[filled] + 0.5).sum() for c in (old, new)]
    return smooth[0], smooth[1]


def stability_index(older: Floats, newer: Floats) -> float:
    """Population stability index between two samples of a column; missing is a bin of its own.

    Σ (newer − older) · ln(newer ÷ older) over tenths of both samples together.
    """
    old, new = _shares(older, newer)
    return float(((new - old) * np.log(new / old)).sum())


def chance_index(older: Floats, newer: Floats) -> float:
    """The stability index that two samples of one and the same distribution exceed once in a thousand times.

    The index of samples of n and m rows in B bins is (1/n + 1/m) times chi-square with B − 1 degrees of freedom
    (Yurdakul 2018, Statistical Properties of Population Stability Index).
    """
    from scipy.stats import chi2

    bins = len(_shares(older, newer)[0])
    if bins < 2:
        return 0.0
    return float((1 / len(older) + 1 / len(newer)) * chi2.ppf(SIGNIFICANCE, bins - 1))


def steadiness(samples: list[Floats]) -> float:
    """Rank correlation of a column's average rank with time, over samples from the oldest to the newest.

    Near 1 or −1 the column rises or falls all the time; a season goes up and down. Missing counts as lowest.
    """
    from scipy.stats import rankdata

    together = np.concatenate([np.where(np.isnan(values), -np.inf, values) for values in samples])
    ranks = np.split(rankdata(together), np.cumsum([len(values) for values in samples])[:-1])
    levels = rankdata([part.mean() for part in ranks])
    if np.ptp(levels) == 0:
        return 0.0
    return float(np.corrcoef(levels, np.arange(len(levels)))[0, 1])
