"""Model folders: native text and JSON, each file's hash in a manifest, nothing read whose hash does not match."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.scorer import ChurnModel
from pipeline import datasets
from pipeline.errors import StaleError

MANIFEST = "manifest.json"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_files(folder: Path, files: Mapping[str, str], facts: Mapping[str, Any]) -> None:
    """Write ``files`` (name to text) into ``folder`` with a manifest that holds ``facts`` and the hash of each."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        datasets.write_text(text, folder / name)
    hashes = {name: {"sha256": _sha256(folder / name), "bytes": (folder / name).stat().st_size} for name in files}
    digest = hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()
    datasets.write_json({"files": hashes, "model_hash": digest, **facts}, folder / MANIFEST)


def write(model: ChurnModel, folder: Path, facts: Mapping[str, Any]) -> None:
    """Write ``model`` into ``folder``, with ``facts`` in its manifest."""
    write_files(folder, model.to_files(), facts)


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


def read_files(folder: Path) -> dict[str, str]:
    """The texts of a model folder by file name, after every one matched its hash.

    Raises:
        StaleError: A file is missing or is not the one that was written; a damaged LightGBM file kills the process
            that loads it, so it is refused unread.
    """
    files = manifest(folder)["files"]
    for name, facts in files.items():
        path = folder / name
        if not path.is_file() or _sha256(path) != facts["sha256"]:
            raise StaleError(f"{path}: not the file its manifest names. Train again, or copy the model folder anew.")
    return {name: (folder / name).read_text(encoding="utf-8") for name in files}


def read(folder: Path) -> ChurnModel:
    """The churn model in ``folder``.

    Raises:
        StaleError: As :func:`read_files`.
    """
    return ChurnModel.from_files(read_files(folder))
