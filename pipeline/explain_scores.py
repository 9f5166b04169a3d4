"""Stage: at most three reasons per scored customer, in plain words with the customer's own numbers."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from features import LANGUAGES, sentence
from models.explanation import top_reasons
from models.scorer import ChurnModel
from pipeline.project import datasets, model_store, money, settings, stage
from pipeline.project.progress import say
from pipeline.project.settings import Settings
from pipeline.project.shop_features import catalogue, families

COLUMNS = ("customer_id", "rank", "family", "feature", "kind", "contribution", "sentence", "sentence_ur")


COMPARED_CUSTOMERS = datasets.ROWS_AT_ONCE
"""So many are asked what is typical here."""


SENTENCES_KEPT = 50_000


class Speaker:
    """Turns what a model says of some customers into reasons."""

    def __init__(self, model: ChurnModel, typical: Mapping[str, float], s: Settings) -> None:
        self._model, self._typical = model, typical
        self._known, self._families = catalogue(s), families(s)
        self._money = money.writer(s.shop.currency)
        # Counts and whole days come again and again.
        self._sentences = functools.lru_cache(SENTENCES_KEPT)(self._new_sentences)

    def told(self, column: str) -> list[str]:
        """Names of the numbers that the sentences of ``column`` tell."""
        says = [words.says or "{value}" for words in self._known[column].feature.words.values()]
        names = dict.fromkeys(re.findall(r"{(\w+)}", " ".join(says)))
        return [column if name == "value" else name for name in names if name != "days"]

    def explain(self, matrix: pd.DataFrame) -> pd.DataFrame:
        """One row per customer of ``matrix`` and rank; where no single reason stands out, ranks begin at 2."""
        rows = self._model.select(matrix)
        reasons = top_reasons(
            self._model.ranker.contributions(rows),
            {name: self._known[name].feature.family for name in self._model.columns},
            {name: family.kind == "actionable" for name, family in self._families.items()},
            matrix,
            twins=[twin.contributions(rows) for twin in self._model.twins],
            told={name: self.told(name) for name in self._model.columns},
            moments=[name for name in matrix.columns if name.startswith("days_since_")],
        )
        said = np.empty((len(LANGUAGES), len(reasons)), dtype=object)
        for name, places in reasons.groupby("column").indices.items():
            names = [n for n in dict.fromkeys([str(name), *self.told(str(name))]) if n in matrix.columns]
            numbers = matrix[names].to_numpy()[reasons["row"].to_numpy()[places]]
            whole = [n in self._known and self._known[n].feature.unit == "days" for n in names]
            numbers = np.ascontiguousarray(np.where(whole, np.floor(numbers), numbers))
            for place, row in zip(places, numbers, strict=True):
                said[:, place] = self._sentences(str(name), tuple(names), row.tobytes())
        return reasons.assign(
            customer_id=matrix["customer_id"].array.take(reasons["row"].to_numpy()),
            feature=reasons["column"],
            kind=reasons["family"].map({name: family.kind for name, family in self._families.items()}).astype("str"),
            **{f"sentence{mark}": pd.array(said[place], dtype="str") for place, mark in enumerate(("", "_ur"))},
        )[list(COLUMNS)]

    def _new_sentences(self, name: str, names: tuple[str, ...], numbers: bytes) -> list[str]:
        row = dict(zip(names, np.frombuffer(numbers).tolist(), strict=True))
        return [sentence(self._known[name], row, self._typical, self._money, language) for language in LANGUAGES]


def speaker(features: Path, model_folder: Path, s: Settings) -> Speaker:
    """Who explains the customers of the table ``features`` as the model in ``model_folder`` sees them."""
    model = model_store.read(model_folder)
    # Ids are pseudonyms, so that the first customers stand for all.
    first = next(datasets.read_parquet_parts(features, COMPARED_CUSTOMERS))
    typical = {str(name): float(value) for name, value in first.drop(columns="customer_id").median().items()}
    return Speaker(model, typical, s)


def run(s: Settings, features: Path, model_folder: Path, output: Path, rows_read: int = datasets.ROWS_READ) -> None:
    """Write one row per scored customer and rank, key (customer_id, rank); ``rows_read`` customers at a time."""
    tells, explained = speaker(features, model_folder, s), 0

    def parts() -> Iterator[pd.DataFrame]:
        nonlocal explained
        for matrix in datasets.read_parquet_parts(features, rows_read):
            reasons = tells.explain(matrix)
            explained += int((reasons["rank"] == 1).sum())
            yield reasons

    rows = datasets.write_parquet_parts(parts(), output, key=("customer_id", "rank"))
    say(f"reasons: {rows:,}; a first one for {explained:,} customers")


def main() -> None:
    """Write data/scores/reasons.parquet."""
    run(settings.load(), datasets.SCORING, datasets.MODEL, datasets.REASONS)


if __name__ == "__main__":
    stage.run(main)
