"""Model folders: native text and JSON, each file's hash in a manifest, nothing read whose hash does not match."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from models import classifier
from models.calibration import Calibrator
from models.scorer import ChurnModel
from pipeline import datasets
from pipeline.errors import StaleError

TREES, CALIBRATOR, COLUMNS, MANIFEST = "model.txt", "calibrator.json", "features.json", "manifest.json"
FILES = (TREES, CALIBRATOR, COLUMNS)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write(model: ChurnModel, folder: Path, facts: dict[str, Any]) -> None:
    """Write ``model`` into ``folder`` with a manifest that holds ``facts`` and the hash of every file."""
    folder.mkdir(parents=True, exist_ok=True)
    datasets.write_text(classifier.to_text(model.booster), folder / TREES)
    datasets.write_json(model.calibrator.to_dict(), folder / CALIBRATOR)
    datasets.write_json({"columns": list(model.columns), "type": "float64"}, folder / COLUMNS)
    hashes = {name: {"sha256": _sha256(folder / name), "bytes": (folder / name).stat().st_size} for name in FILES}
    digest = hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()
    datasets.write_json({"files": hashes, "model_hash": digest, **facts}, folder / MANIFEST)


def manifest(folder: Path) -> dict[str, Any]:
    """What the folder says of its model.

    Raises:
        StaleError: There is none, or it was cut short.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise StaleError(f"{folder}: holds no model. Run `dvc repro`, or `wafa promote` for the champion.")
    try:
        facts: dict[str, Any] = datasets.read_json(path)
    except ValueError:
        raise StaleError(f"{path}: was cut short. Train again, or copy the model folder anew.") from None
    return facts


def read(folder: Path) -> ChurnModel:
    """The model in ``folder``, after every file matched its hash.

    Raises:
        StaleError: A file is missing or is not the one that was written; a damaged LightGBM file kills the process
            that loads it, so it is refused unread.
    """
    files = manifest(folder)["files"]
    for name in FILES:
        path = folder / name
        if not path.is_file() or _sha256(path) != files[name]["sha256"]:
            raise StaleError(f"{path}: not the file its manifest names. Train again, or copy the model folder anew.")
    columns = datasets.read_json(folder / COLUMNS)["columns"]
    return ChurnModel(
        classifier.from_text((folder / TREES).read_text(encoding="utf-8")),
        Calibrator.from_dict(datasets.read_json(folder / CALIBRATOR)),
        tuple(columns),
    )
