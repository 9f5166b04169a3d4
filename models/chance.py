"""How large the calibration error of a perfect model would be by chance alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from models.metrics import Ranked

DRAWS = 200


def calibration_error(rows: pd.DataFrame, model: str, seed: int) -> tuple[float, float]:
    """The mean over origins of the expected calibration error, and how large chance alone may make it.

    The second is what 95 of 100 models stay below that are calibrated perfectly and say the same of as many rows:
    with 200 rows at each of four origins a perfect model errs by up to .08.

    Args:
        rows: One row per customer and origin: origin, churned, and the probabilities of the model.
        model: Column of its probabilities.
        seed: Of the draws.
    """
    rng = np.random.default_rng(seed)
    ranked = [
        Ranked.by(part[model].to_numpy(dtype="float64"), part["churned"].to_numpy(dtype="float64"))
        for _, part in rows.groupby("origin", sort=True)
    ]
    alike = [np.ones(len(origin.order)) for origin in ranked]
    error = np.mean([origin.weigh(weight).ece() for origin, weight in zip(ranked, alike, strict=True)])
    by_chance = []
    for _ in range(DRAWS):
        drawn = [
            dataclasses.replace(origin, churned=(rng.random(len(origin.order)) < origin.probability).astype("float64"))
            for origin in ranked
        ]
        by_chance.append(np.mean([origin.weigh(w).ece() for origin, w in zip(drawn, alike, strict=True)]))
    return float(error), float(np.percentile(by_chance, 95))
