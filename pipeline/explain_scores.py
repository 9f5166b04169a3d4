"""Stage: at most three reasons per scored customer, in plain words with the customer's own numbers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from features import FAMILIES, LANGUAGES, Column, Family, columns, own_family, sentence
from models.explanation import top_reasons
from pipeline import datasets, model_store, money, settings, stage
from pipeline.build_features import feature_logs
from pipeline.progress import say
from pipeline.settings import Settings

COLUMNS = ("customer_id", "rank", "family", "feature", "kind", "contribution", "sentence", "sentence_ur")


def catalogue(s: Settings) -> dict[str, Column]:
    """Every column that a model of this shop may read, by name."""
    return {column.name: column for column in columns(s.features.windows_days, feature_logs(s), s.own_logs)}


def families(s: Settings) -> dict[str, Family]:
    """Every family of features by name, those of the shop's own logs last."""
    return FAMILIES | {log.name: own_family(log) for log in s.own_logs}


def explain(matrix: pd.DataFrame, model_folder: Path, s: Settings) -> pd.DataFrame:
    """One row per customer of ``matrix`` and rank."""
    model = model_store.read(model_folder)
    known = catalogue(s)
    family_of = {name: known[name].feature.family for name in model.columns}
    actionable = {name: family.kind == "actionable" for name, family in families(s).items()}
    if matrix.empty:
        return pd.DataFrame({c: pd.Series(dtype="float64" if c == "contribution" else "str") for c in COLUMNS})
    reasons = top_reasons(model.contributions(matrix), family_of, actionable, model.select(matrix))
    values = matrix.drop(columns="customer_id")
    typical = {str(name): float(value) for name, value in values.median().items()}
    table, names = values.to_numpy(dtype="float64"), list(values.columns)
    write = money.writer(s.shop.currency)
    rows = [dict(zip(names, table[row], strict=True)) for row in reasons["row"]]
    said = {
        language: [
            sentence(known[column], row, typical, write, language)
            for column, row in zip(reasons["column"], rows, strict=True)
        ]
        for language in LANGUAGES
    }
    return reasons.assign(
        customer_id=matrix["customer_id"].to_numpy()[reasons["row"]],
        feature=reasons["column"],
        kind=reasons["family"].map({name: family.kind for name, family in families(s).items()}),
        sentence=said["en"],
        sentence_ur=said["ur"],
    )[list(COLUMNS)]


def run(s: Settings, features: Path, model_folder: Path, output: Path) -> None:
    """Write one row per scored customer and rank, key (customer_id, rank)."""
    reasons = explain(datasets.read_parquet(features), model_folder, s)
    datasets.write_parquet(reasons, output, key=("customer_id", "rank"))
    say(f"reasons: {len(reasons):,} for {reasons['customer_id'].nunique():,} customers")


def main() -> None:
    """Write data/scores/reasons.parquet."""
    run(settings.load(), datasets.SCORING, datasets.MODEL, datasets.REASONS)


if __name__ == "__main__":
    stage.run(main)
