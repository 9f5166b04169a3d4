"""The features of this shop: the catalogue and those of its own logs, and the one builder of them."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import features
import timeline
from features import CATALOGUE, FAMILIES, Column, Family, Language, MatrixBuilder, columns, logs_behind, own_family
from pipeline.project.settings import Settings


def feature_logs(s: Settings) -> list[str]:
    """Every log that some feature reads, the shop's own ones among them."""
    known = set().union(*(logs_behind(entry.view) for entry in CATALOGUE.values()))
    return sorted(known | {log.name for log in s.own_logs})


def matrix_builder(tables: dict[str, Any], s: Settings, connection: Any) -> MatrixBuilder:
    """The one builder of features, for training and scoring."""
    logs = {name: table for name, table in tables.items() if name in feature_logs(s)}
    return MatrixBuilder(logs, s.features, connection, s.own_logs)


def code_hash() -> str:
    """Hash of the source of the feature and time packages."""
    folders = [Path(inspect.getfile(package)).parent for package in (features, timeline)]
    return hashlib.sha256(
        b"".join(file.read_bytes() for folder in folders for file in sorted(folder.glob("*.py")))
    ).hexdigest()


NO_FIRST_REASON: Mapping[Language, str] = {
    "en": "no single reason stands out",
    "ur": "کوئی ایک وجہ نمایاں نہیں",
}
"""Said of a customer who has no reason of rank 1."""


def catalogue(s: Settings) -> dict[str, Column]:
    """Every column that a model of this shop may read, by name."""
    return {column.name: column for column in columns(s.features.windows_days, feature_logs(s), s.own_logs)}


def families(s: Settings) -> dict[str, Family]:
    """Every family of features by name, those of the shop's own logs last."""
    return FAMILIES | {log.name: own_family(log) for log in s.own_logs}
