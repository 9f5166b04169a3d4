"""Labels shuffled among the customers of each cutoff: whatever the models learn then, AUROC must be that of a coin.

Run in a project folder whose features are built (`make run`, or `dvc repro build_features`):

    python -m benchmarks.shuffled_labels --seeds 20

Every rung of the ladder, the model it chooses, and the evaluation are the real ones, with few trees. A leak lets them
do better than a coin: of a row that trains and is tested, even a label drawn by lot is known.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from models import ladder
from models.evaluation import auroc
from models.training import ChurnTrainer
from pipeline.project import settings
from pipeline.project.training_inputs import open_trainer

TREES = 40
LIMIT = 0.02


def shuffled(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """``rows`` with the labels of each cutoff dealt out anew among its customers."""
    rng = np.random.default_rng(seed)
    dealt = rows["churned"].to_numpy().copy()
    for places in rows.groupby("cutoff").indices.values():
        dealt[places] = rng.permutation(dealt[places])
    return rows.assign(churned=dealt)


def rankings(trainer: ChurnTrainer, origins: list[int]) -> dict[str, float]:
    """Mean AUROC over ``origins`` of every rung that can be made at all of them, and of the ladder's choice."""
    found: dict[str, list[float]] = {}
    for origin in origins:
        test = trainer.rows[trainer.rows["cutoff"] == origin]
        churned = test["churned"].to_numpy(dtype="float64")
        lacking = trainer.lacking(origin)
        made = {name: trainer.rung(name, origin) for name in ladder.RUNGS if name not in lacking}
        made["the ladder's choice"] = trainer.calibrated(origin)[0]
        for name, model in made.items():
            found.setdefault(name, []).append(auroc(model.probability(test), churned, np.ones(len(test))))
    return {name: float(np.mean(values)) for name, values in found.items() if len(values) == len(origins)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--customers", type=int, default=0, help="so many customers of each cutoff; 0 for all")
    asked = parser.parse_args()
    s = settings.load()
    real = open_trainer(s.model_copy(update={"model": s.model.model_copy(update={"trees": TREES})}))
    rows = real.rows
    if asked.customers:
        rows = rows[rows.groupby("cutoff").cumcount() < asked.customers].reset_index(drop=True)
    columns, book = real.columns, real.book
    print(f"{len(rows):,} rows, {len(columns)} columns, {len(real.test_origins)} origins, {TREES} trees")
    found = []
    for seed in range(asked.seeds):
        trainer = ChurnTrainer(shuffled(rows, seed), columns, real.question, real.settings, book, real.first)
        found.append(rankings(trainer, real.test_origins))
        print(f"seed {seed:>2}: " + ", ".join(f"{name} {value:.4f}" for name, value in found[-1].items()), flush=True)
    table = pd.DataFrame(found)
    print(pd.DataFrame({"mean": table.mean(), "lowest": table.min(), "highest": table.max()}).round(4).to_string())
    if (table - 0.5).abs().max(axis=None) > LIMIT:
        raise SystemExit(f"a model does better or worse than a coin by more than {LIMIT}: look for a leak")


if __name__ == "__main__":
    main()
