"""Stage: at most three reasons per scored customer, in plain words with the customer's own numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from features import FAMILIES, LANGUAGES, Column, Family, Language, columns, own_family, sentence
from models.explanation import top_reasons
from models.scorer import ChurnModel
from pipeline import datasets, model_store, money, settings, stage
from pipeline.build_features import feature_logs
from pipeline.progress import say
from pipeline.settings import Settings

COLUMNS = ("customer_id", "rank", "family", "feature", "kind", "contribution", "sentence", "sentence_ur")

NO_FIRST_REASON: Mapping[Language, str] = {
    "en": "no single reason stands out",
    "ur": "کوئی ایک وجہ نمایاں نہیں",
}
"""Said of a customer who has no reason of rank 1."""

COMPARED_CUSTOMERS = datasets.ROWS_AT_ONCE
"""So many are asked what is typical here."""


def catalogue(s: Settings) -> dict[str, Column]:
    """Every column that a model of this shop may read, by name."""
    return {column.name: column for column in columns(s.features.windows_days, feature_logs(s), s.own_logs)}


def families(s: Settings) -> dict[str, Family]:
    """Every family of features by name, those of the shop's own logs last."""
    return FAMILIES | {log.name: own_family(log) for log in s.own_logs}


@dataclass(frozen=True)
class Speaker:
    """Turns what a model says of some customers into reasons."""

    model: ChurnModel
    known: Mapping[str, Column]
    families: Mapping[str, Family]
    typical: Mapping[str, float]
    currency: str

    def told(self, column: str) -> list[str]:
        """Names of the numbers that the sentences of ``column`` tell."""
        says = [words.says or "{value}" for words in self.known[column].feature.words.values()]
        names = dict.fromkeys(re.findall(r"{(\w+)}", " ".join(says)))
        return [column if name == "value" else name for name in names if name != "days"]

    def explain(self, matrix: pd.DataFrame) -> pd.DataFrame:
        """One row per customer of ``matrix`` and rank; where no single reason stands out, ranks begin at 2."""
        rows = self.model.select(matrix)
        reasons = top_reasons(
            self.model.ranker.contributions(rows),
            {name: self.known[name].feature.family for name in self.model.columns},
            {name: family.kind == "actionable" for name, family in self.families.items()},
            matrix,
            twins=[twin.contributions(rows) for twin in self.model.twins],
            told={name: self.told(name) for name in self.model.columns},
            moments=[name for name in matrix.columns if name.startswith("days_since_")],
        )
        said = pd.DataFrame(index=reasons.index, columns=list(LANGUAGES), dtype="str")
        write = money.writer(self.currency)
        for name, spoken in reasons.groupby("column"):
            column = self.known[str(name)]
            needed = [n for n in dict.fromkeys([str(name), *self.told(str(name))]) if n in matrix.columns]
            numbers = [dict(zip(needed, row, strict=True)) for row in matrix[needed].to_numpy()[spoken["row"]].tolist()]
            for language in LANGUAGES:
                said.loc[spoken.index, language] = [
                    sentence(column, row, self.typical, write, language) for row in numbers
                ]
        return reasons.assign(
            customer_id=matrix["customer_id"].array.take(reasons["row"].to_numpy()),
            feature=reasons["column"],
            kind=reasons["family"].map({name: family.kind for name, family in self.families.items()}).astype("str"),
            sentence=said["en"],
            sentence_ur=said["ur"],
        )[list(COLUMNS)]


def speaker(features: Path, model_folder: Path, s: Settings) -> Speaker:
    """Who explains the customers of the table ``features`` as the model in ``model_folder`` sees them."""
    model = model_store.read(model_folder)
    # Ids are pseudonyms, so that the first customers stand for all.
    first = next(datasets.read_parquet_parts(features, COMPARED_CUSTOMERS))
    typical = {str(name): float(value) for name, value in first.drop(columns="customer_id").median().items()}
    return Speaker(model, catalogue(s), families(s), typical, s.shop.currency)


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
