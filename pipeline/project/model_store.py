"""Model folders: native text and JSON, each file's hash in a manifest, nothing read whose hash does not match."""

from __future__ import annotations

import hashlib
import json
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.scorer import Blend, Boosted, ChurnModel, Ranker
from pipeline.project import datasets
from pipeline.project.errors import StaleError

MANIFEST = "manifest.json"
FILES, MODEL_HASH, OWN_HASH = "files", "model_hash", "manifest_hash"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.(txt|json)")
"""What a file of a model may be called: nothing that leads out of its folder."""


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _of(value: Any) -> str:
    return _sha256(json.dumps(value, sort_keys=True).encode())


def write_files(folder: Path, files: Mapping[str, str], facts: Mapping[str, Any]) -> None:
    """Write ``files`` (name to text) into ``folder`` with a manifest that holds ``facts`` and the hash of each."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = {}
    for name, text in files.items():
        if not NAME.fullmatch(name) or name == MANIFEST:
            raise ValueError(f"{name!r} is no name for a file of a model")
        datasets.write_text(text, folder / name)
        content = text.encode("utf-8")
        listed[name] = {"sha256": _sha256(content), "bytes": len(content)}
    told = {**facts, FILES: listed, MODEL_HASH: _of(listed)}
    datasets.write_json(told | {OWN_HASH: _of(told)}, folder / MANIFEST)


def write(model: ChurnModel, folder: Path, facts: Mapping[str, Any]) -> None:
    """Write ``model`` into ``folder``, with ``facts`` in its manifest."""
    write_files(folder, model.to_files(), facts)


def copy(folder: Path, target: Path) -> None:
    """Copy the model in ``folder``, and nothing else that lies there, into the empty folder ``target``.

    Raises:
        StaleError: As :func:`read_files`.
    """
    files = read_files(folder)
    target.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        datasets.write_text(text, target / name)
    datasets.write_text(_content(folder / MANIFEST).decode("utf-8"), target / MANIFEST)


def manifest(folder: Path) -> dict[str, Any]:
    """What the folder says of its model.

    Raises:
        StaleError: There is none, or it is not the manifest that was written.
    """
    path = folder / MANIFEST
    if not path.is_symlink() and not path.exists():
        raise StaleError(f"{folder}: holds no model. Run `dvc repro`, or `wafa promote` for the champion.")
    content = _content(path)
    try:
        found = json.loads(content)
        wrong = _wrong_with(found, content)
    except (ValueError, RecursionError):
        wrong = "it is no JSON"
    if wrong:
        raise StaleError(
            f"{path}: not the manifest that was written: {wrong}. Train again, or copy the model folder anew."
        )
    facts: dict[str, Any] = found
    return facts


def _wrong_with(found: Any, content: bytes) -> str:
    if not isinstance(found, dict):
        return "it is no mapping"
    missing = [key for key in (FILES, MODEL_HASH, OWN_HASH) if key not in found]
    if missing:
        return f"it lacks the key {missing[0]}"
    files = found[FILES]
    if not isinstance(files, dict) or not all(isinstance(listed, dict) for listed in files.values()):
        return f"its {FILES} are no mapping"
    outside = [name for name in files if not NAME.fullmatch(name) or name == MANIFEST]
    if outside:
        return f"it names {outside[0]!r}, which is no file of a model folder"
    if found[MODEL_HASH] != _of(files):
        return f"its {MODEL_HASH} is not that of its {FILES}"
    if found[OWN_HASH] != _of({key: value for key, value in found.items() if key != OWN_HASH}):
        return f"its {OWN_HASH} is not that of its content"
    return "" if content == datasets.as_json(found).encode("utf-8") else "its text was changed"


def _content(path: Path) -> bytes:
    """What is in the file ``path``, itself and not what a link leads to."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise StaleError(
                f"{path}: a link or a folder, not the file itself. Copy the model folder anew; where DVC makes links, "
                "set `dvc config cache.type copy`."
            )
        return path.read_bytes()
    except OSError as error:
        raise StaleError(f"{path}: cannot be read ({type(error).__name__}). Copy the model folder anew.") from None


def read_files(folder: Path) -> dict[str, str]:
    """The texts of a model folder by file name, after every one matched its hash; other folders in it are let be.

    Raises:
        StaleError: A file is missing, is not the one that was written, or does not belong to the model; a damaged
            LightGBM file kills the process that loads it, so it is refused unread.
    """
    listed = manifest(folder)[FILES]
    for place in sorted(folder.iterdir()):
        if place.name not in (*listed, MANIFEST) and (place.is_symlink() or not place.is_dir()):
            raise StaleError(
                f"{place}: its manifest does not name this file. Remove it, or copy the model folder anew."
            )
    texts = {}
    for name, told in listed.items():
        path = folder / name
        # What is hashed is what is used: the file is read once.
        content = _content(path) if path.is_symlink() or path.exists() else b""
        if len(content) != told.get("bytes") or _sha256(content) != told.get("sha256"):
            raise StaleError(f"{path}: not the file its manifest names. Train again, or copy the model folder anew.")
        texts[name] = content.decode("utf-8")
    return texts


def read(folder: Path) -> ChurnModel:
    """The churn model in ``folder``.

    Raises:
        StaleError: As :func:`read_files`, or the files were written by another version.
    """
    files = read_files(folder)
    try:
        model = ChurnModel.from_files(files)
    except (KeyError, TypeError, ValueError) as error:
        raise StaleError(
            f"{folder}: this version of Wafa does not know such a model ({type(error).__name__}: {error}). Train again."
        ) from None
    for ranker in (model.ranker, *model.twins):
        _check_columns(folder, ranker)
    return model


def _check_columns(folder: Path, ranker: Ranker) -> None:
    """Refuse trees whose own columns are not those listed: LightGBM goes by position."""
    trees = ranker.trees if isinstance(ranker, Blend) else ranker
    if not isinstance(trees, Boosted):
        return
    names = trees.booster.feature_name()
    if len(names) != len(trees.columns):
        raise StaleError(f"{folder}: lists {len(trees.columns)} columns, its trees have {len(names)}. Train again.")
    for place, (column, name) in enumerate(zip(trees.columns, names, strict=True), 1):
        if column != name:
            raise StaleError(f"{folder}: column {place} is {column} in the list and {name} in the trees. Train again.")
