"""The promoted models: folders that never change, and one small file that names the one that scores."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.project import datasets, model_store
from pipeline.project.errors import StaleError

MODEL, PROMOTION = "model", "promotion.json"
_NAME = re.compile(r"[0-9a-f]{64}(-\d+)?")
_PREDICTIONS = datasets.PREDICTIONS.name

Kept = tuple[dict[str, Any], pd.DataFrame | None]
"""What is written down of a promotion, and the predictions that it was judged by, where they were kept."""

Change = Callable[[dict[str, Any], Callable[[], pd.DataFrame | None]], Kept | None]
"""From what is written down, and a reader of the predictions, to what shall be kept; None where nothing changes."""


@dataclass(frozen=True)
class Pointer:
    """Which folder scores, and those before it, newest first."""

    current: str
    previous: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, newest first."""
        return (self.current, *self.previous)


@dataclass(frozen=True)
class Champions:
    """The folder of the promoted models, the file that names those in use, and the one folder of older versions."""

    root: Path
    pointer_file: Path
    of_before: Path

    def pointer(self) -> Pointer | None:
        """What the file names; None before the first promotion.

        Raises:
            StaleError: The file was damaged.
        """
        if not self.pointer_file.is_file():
            return None
        try:
            found = datasets.read_json(self.pointer_file)
            pointer = Pointer(found["current"], tuple(found["previous"]))
            if not all(_NAME.fullmatch(name) for name in pointer.names):
                raise ValueError("no name of a folder")
        except (ValueError, KeyError, TypeError):
            raise StaleError(
                f"{self.pointer_file}: was damaged, so nobody knows which model is the champion. Run `wafa promote`, "
                "or bring the file back from a copy of state/."
            ) from None
        return pointer

    def point_to(self, pointer: Pointer) -> None:
        """Name other folders, in one step."""
        datasets.write_json({"current": pointer.current, "previous": list(pointer.previous)}, self.pointer_file)

    def folder(self) -> Path:
        """The folder of the model that scores; without a champion one that is not there.

        Raises:
            StaleError: The file that names it was damaged.
        """
        pointer = self.pointer()
        return self.root / pointer.current / MODEL if pointer else self.of_before

    def is_there(self) -> bool:
        """Whether a model was ever promoted."""
        return self.pointer_file.exists()

    def facts(self, name: str) -> dict[str, Any]:
        """What was written down of a promotion; empty where nothing was, or it was damaged."""
        try:
            found = datasets.read_json(self.root / name / PROMOTION)
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def predictions(self, name: str) -> Path | None:
        """The file of its predictions, where they were kept."""
        file = self.root / name / _PREDICTIONS
        return file if file.is_file() else None

    def is_whole(self, name: str) -> bool:
        """Whether every file of it is the one that was written."""
        try:
            model_store.read_files(self.root / name / MODEL)
        except StaleError:
            return False
        return self._has_its_predictions(name)

    def own_predictions(self, name: str) -> Path | None:
        """The file of its predictions, where it is the one that was written."""
        return self.predictions(name) if self._has_its_predictions(name) else None

    def _has_its_predictions(self, name: str) -> bool:
        file = self.predictions(name)
        return bool(self.facts(name).get("predictions_sha256") == (datasets.sha256(file) if file else ""))

    def so_far(self) -> list[str]:
        """The champions until now, newest first, also where the file that names them was damaged."""
        try:
            pointer = self.pointer()
        except StaleError:
            # A folder's own time is when it was promoted, for it never changes.
            kept = [place for place in self.root.glob("*") if _NAME.fullmatch(place.name) and self.is_whole(place.name)]
            return [place.name for place in sorted(kept, key=lambda place: -place.stat().st_mtime_ns)]
        return list(pointer.names) if pointer else []

    def keep(self, model: Path, predictions: Path, facts: dict[str, Any]) -> str:
        """Copy a model into a folder of its own; the folder's name, a hash of what is in it."""
        manifest = datasets.sha256(model / model_store.MANIFEST)
        facts = facts | {"predictions_sha256": datasets.sha256(predictions) if predictions.is_file() else ""}
        digest = hashlib.sha256(f"{manifest}\n{json.dumps(facts, sort_keys=True)}".encode()).hexdigest()
        datasets.private_folder(self.root)
        for n in count():
            # A folder of that name that is no longer whole is left alone: it may be the champion.
            place = self.root / (f"{digest}-{n}" if n else digest)
            if not place.exists():
                break
            if self.is_whole(place.name):
                return place.name
        with datasets.replace_folder(place) as draft:
            model_store.copy(model, draft / MODEL)
            if predictions.is_file():
                shutil.copyfile(predictions, draft / _PREDICTIONS)
            datasets.write_json(facts, draft / PROMOTION)
        return place.name

    def rewrite(self, change: Change) -> int:
        """Give each champion that ``change`` alters a folder of what it then holds; how many it altered.

        The file that names them moves to all new folders at once, so that there is a whole champion at any moment.
        """
        pointer = self.pointer()
        if pointer is None:
            return 0
        renamed: dict[str, str] = {}
        for name in reversed(pointer.names):  # the order of their times says which is newer
            facts = {key: value for key, value in self.facts(name).items() if key != "predictions_sha256"}
            changed = change(facts, partial(self._read_predictions, name))
            if changed is None:
                continue
            draft = datasets.private_folder(datasets.SPILL) / _PREDICTIONS
            draft.unlink(missing_ok=True)
            if changed[1] is not None:
                changed[1].to_parquet(draft, index=False, compression="zstd")
            renamed[name] = self.keep(self.root / name / MODEL, draft, changed[0])
            draft.unlink(missing_ok=True)
        if renamed:
            previous = tuple(dict.fromkeys(renamed.get(name, name) for name in pointer.previous))
            self.point_to(Pointer(renamed.get(pointer.current, pointer.current), previous))
        self.remove_others()
        return len(renamed)

    def _read_predictions(self, name: str) -> pd.DataFrame | None:
        file = self.predictions(name)
        return datasets.read_parquet(file) if file else None

    def remove_others(self) -> None:
        """Remove what the file does not name: withdrawn champions, the oldest ones, and drafts of killed runs."""
        pointer = self.pointer()
        if pointer is None:
            return
        for place in self.root.iterdir():
            if place.name not in pointer.names:
                shutil.rmtree(place, ignore_errors=True)
        shutil.rmtree(self.of_before, ignore_errors=True)


CHAMPIONS = Champions(datasets.CHAMPIONS, datasets.CHAMPION_POINTER, datasets.CHAMPION)
"""Those of this project."""
