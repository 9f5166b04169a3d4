"""How many listed customers keep their first reason when the whole model is trained with other seeds.

    python -m benchmarks.reason_stability [--fresh 4]

Run it in a folder where `make run` has finished. The final model and its twin are fitted again with seeds of their
own, so many times; nothing else changes. A reason counts as kept only where both models give it as the first.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pandas as pd

from benchmarks.features.common import print_table
from models.scorer import Blend, ChurnModel, Ranker
from models.training import ChurnTrainer
from pipeline import explain_scores
from pipeline.project import datasets, model_store, settings
from pipeline.project.cutoffs import extent
from pipeline.project.training_inputs import OrderBook, question, training_rows

FRESH = 1_000
"""Added to the seed: far from that of the twin."""

NOBODY = "none stands out"


def rankers(model: ChurnModel, count: int) -> list[Ranker]:
    """The final ranker of this project, fitted again so many times with fresh seeds."""
    s, rows = settings.load(), training_rows(settings.load())
    if model.booster is None:
        raise SystemExit("this shop's model has no trees: there is no seed to change")
    covered = extent(datasets.EVENTS)
    trainer = ChurnTrainer(rows, model.booster.feature_name(), question(s), s.model, OrderBook.open(s), covered.first)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        trees = list(pool.map(lambda twin: trainer.fit(covered.watermark, FRESH + twin), range(count)))
    return [replace(model.ranker, trees=one) if isinstance(model.ranker, Blend) else one for one in trees]


def first_reasons(model: ChurnModel, matrix: pd.DataFrame) -> pd.Series[str]:
    """Family of the first reason by customer."""
    found = explain_scores.Speaker(model, {}, settings.load()).explain(matrix)
    found = found[found["rank"] == 1].set_index("customer_id")["family"]
    return found.reindex(matrix["customer_id"]).fillna(NOBODY)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fresh", type=int, default=4)
    asked = parser.parse_args(arguments)
    model = model_store.read(datasets.MODEL)
    found = rankers(model, 2 * asked.fresh)
    fresh = [replace(model, ranker=found[n], twins=(found[n + 1],)) for n in range(0, len(found), 2)]

    lists = {
        folder.name: set(datasets.read_parquet(folder / "candidates.parquet", ["customer_id"])["customer_id"])
        for folder in sorted(datasets.LISTS.iterdir())
    }
    lists["all listed"] = set().union(*lists.values())
    matrix = datasets.read_parquet(datasets.SCORING)
    matrix = matrix[matrix["customer_id"].isin(lists["all listed"])].reset_index(drop=True)
    table = []
    for rule, plain in (("the model alone", True), ("model and twin agree", False)):
        own, *others = (first_reasons(replace(one, twins=()) if plain else one, matrix) for one in (model, *fresh))
        for name, members in lists.items():
            mine = own[own.index.isin(members)]
            told = mine[mine != NOBODY]
            theirs = [other[told.index] for other in others]
            kept = [float((other == told).mean()) for other in theirs]
            changed = [float(((other != told) & (other != NOBODY)).mean()) for other in theirs]
            table.append(
                {
                    "list": name,
                    "customers": f"{len(mine):,}",
                    "first reason by": rule,
                    "none shown": f"{1 - len(told) / len(mine):.1%}",
                    "same after re-seeding": f"{sum(kept) / len(kept):.1%} (least {min(kept):.1%})",
                    "another one": f"{sum(changed) / len(changed):.1%}",
                }
            )
    print_table(f"First reasons of listed customers, {asked.fresh} trainings with fresh seeds", table)


if __name__ == "__main__":
    main()
