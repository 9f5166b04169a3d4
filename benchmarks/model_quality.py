"""Two questions to the training rows of a project: what many cutoffs bring, and what logs without a signal bring.

Run in a project folder whose features are built:

    python -m benchmarks.model_quality many-cutoffs    all purged cutoffs against the newest one alone
    python -m benchmarks.model_quality no-signal       all logs against orders only, once the other logs say nothing

For the second every column that needs more than orders is dealt out anew among the customers of its cutoff, all of them
together: what they said of each other stays, what they said of a customer is gone. The difference must then be zero.
AUROC of the trees, mean over the test origins, with 95 % intervals from drawing customers.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
import pandas as pd

from features import columns as catalogue_columns
from models.evaluation import evaluate
from models.scorer import Boosted
from models.training import ChurnTrainer
from pipeline.project import settings
from pipeline.project.training_inputs import ORDER_LOGS, open_trainer
from timeline import format_date

DRAWS = 300
SEED = 11


def newest_only(trainer: ChurnTrainer, origin: int) -> Boosted:
    """The trees of the newest cutoff known at ``origin``."""
    newest = trainer.known_at(origin)[-1]
    return replace(trainer, rows=trainer.rows[trainer.rows["cutoff"] == newest], fitted={}).fit(origin)


def without_signal(rows: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """``rows`` with the values of ``columns`` dealt out anew within each cutoff."""
    rng = np.random.default_rng(SEED)
    places = np.arange(len(rows))
    for _, part in pd.Series(places).groupby(rows["cutoff"].to_numpy()):
        places[part.to_numpy()] = rng.permutation(part.to_numpy())
    return rows.assign(**{name: rows[name].to_numpy()[places] for name in columns})


def main() -> None:
    """Print one row an origin and the mean."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", choices=["many-cutoffs", "no-signal"])
    asked = parser.parse_args()
    s = settings.load()
    trainer = open_trainer(s)
    orders = {column.name for column in catalogue_columns(s.features.windows_days, ORDER_LOGS)}
    fewer = [name for name in trainer.columns if name in orders]
    if asked.question == "no-signal":
        others = [name for name in trainer.columns if name not in orders]
        trainer = replace(trainer, rows=without_signal(trainer.rows, others), fitted={})
    frames = []
    for origin in trainer.test_origins:
        test = trainer.rows[trainer.rows["cutoff"] == origin]
        if asked.question == "many-cutoffs":
            found = {"wafa": trainer.fit(origin), "other": newest_only(trainer, origin)}
        else:
            found = {"wafa": trainer.fit(origin), "other": replace(trainer, columns=fewer, fitted={}).fit(origin)}
        named = test[["customer_id", "churned"]].assign(origin=format_date(origin, s.shop.timezone))
        frames.append(named.assign(**{name: trees.margin(test) for name, trees in found.items()}))
    rows = pd.concat(frames, ignore_index=True)
    title = "all cutoffs, the newest" if asked.question == "many-cutoffs" else "all logs (no signal), orders only"
    print(f"AUROC ({title}) by test origin")
    for origin, part in [*rows.groupby("origin"), ("mean", rows)]:
        told = evaluate(part, {"wafa": "wafa", "other": "other"}, DRAWS, SEED)
        gap, mean = told["paired"]["wafa - other"]["auroc"], told["mean"]
        print(
            f"{origin}: {len(part):,} rows, {mean['wafa']['auroc']:.4f}, {mean['other']['auroc']:.4f}, "
            f"{gap['value']:+.4f} [{gap['low']:+.4f}, {gap['high']:+.4f}]"
        )


if __name__ == "__main__":
    main()
