"""The champion: the promoted copy of a model that scores every night, whatever is trained beside it.

Promoted models are folders that never change; one small file names the one that scores and those before it. Replacing
that file is the whole of a promotion or a rollback, so that at any moment there is a whole champion.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd

from campaigns.ledger import Ledger
from pipeline import build_lists, explain_scores, prepare_scoring, score_customers
from pipeline.champion import promotion
from pipeline.champion.promotion import Gate, Rival
from pipeline.intake import reading
from pipeline.people import keys, tombstones
from pipeline.project import datasets, model_store, shop_features
from pipeline.project.errors import StaleError, WafaError
from pipeline.project.progress import say
from pipeline.project.question import asked_for
from pipeline.project.settings import Settings

KEPT = 5
"""Champions kept to go back to."""

MODEL, PROMOTION = "model", "promotion.json"
NAME = re.compile(r"[0-9a-f]{64}(-\d+)?")


@dataclass(frozen=True)
class Pointer:
    """Which folder of state/champions scores, and those before it, newest first."""

    current: str
    previous: tuple[str, ...]


def _pointer() -> Pointer | None:
    path = datasets.CHAMPION_POINTER
    if not path.is_file():
        return None
    try:
        found = datasets.read_json(path)
        pointer = Pointer(found["current"], tuple(found["previous"]))
        if not all(NAME.fullmatch(name) for name in (pointer.current, *pointer.previous)):
            raise ValueError("no name of a folder")
    except (ValueError, KeyError, TypeError):
        raise StaleError(
            f"{path}: was damaged, so nobody knows which model is the champion. Run `wafa promote`, or bring the file "
            "back from a copy of state/."
        ) from None
    return pointer


def folder() -> Path:
    """The folder of the model that scores; without a champion one that is not there.

    Raises:
        StaleError: The file that names it was damaged.
    """
    pointer = _pointer()
    return datasets.CHAMPIONS / pointer.current / MODEL if pointer else datasets.CHAMPION


def is_there() -> bool:
    """Whether a model was ever promoted."""
    return datasets.CHAMPION_POINTER.exists()


def check(s: Settings) -> list[Gate]:
    """Say of every gate of a promotion whether the model in data/model would pass it.

    Raises:
        StaleError: It would not.
    """
    gates = promotion.examine(s, _rival())
    _refuse(gates)
    return gates


def promote(s: Settings) -> str:
    """Make the model in data/model the champion where it passes every gate; its hash.

    Raises:
        StaleError: It does not, there is no model, or a file of it is not the one that was written.
    """
    challenger = str(model_store.manifest(datasets.MODEL)["model_hash"])
    try:
        rival = _rival()
    except StaleError as error:
        say(f"promote: {error}")
        rival = None
    if rival is not None and rival.facts["model_hash"] == challenger:
        say("promote: this model is the champion already")
        _remove_others()  # which a killed promotion may have left behind
    else:
        gates = promotion.examine(s, rival)
        _refuse(gates)
        _install(gates)
    _move_alias(challenger)
    return challenger


def promote_first(s: Settings) -> str:
    """Make the model in data/model the first champion, and say which gates it did not pass or were not checked.

    Without a champion nobody could be scored, so a failed gate is a warning; its hash.

    Raises:
        StaleError: There is no model, or a file of it is not the one that was written.
    """
    gates = promotion.examine_first(s)
    challenger = str(model_store.manifest(datasets.MODEL)["model_hash"])
    _install(gates)
    say(f"champion: first model promoted ({challenger[:12]})")
    for gate in gates:
        if gate.passed is None:
            say(f"champion: not checked: {gate.name} ({gate.said})")
        elif not gate.passed:
            say(f"champion: warning: {gate.name}: {gate.said}. {gate.cure}")
    _move_alias(challenger)
    return challenger


def rollback() -> str:
    """Make the previous champion the champion again; its hash. The one withdrawn is kept until the next promotion.

    Raises:
        StaleError: There is none before this one, or its files are damaged.
    """
    pointer = _pointer()
    if pointer is None or not pointer.previous:
        raise StaleError("rollback: there is no earlier champion. Promote a better model with `wafa promote`.")
    back, *older = pointer.previous
    model_store.read_files(datasets.CHAMPIONS / back / MODEL)
    _point_to(Pointer(back, tuple(older)))
    model_hash = str(model_store.manifest(datasets.CHAMPIONS / back / MODEL)["model_hash"])
    _move_alias(model_hash)
    return model_hash


def _rival() -> Rival | None:
    if not is_there():
        return None
    place = folder()
    predictions = place.parent / datasets.PREDICTIONS.name
    kept = model_store.sha256(predictions) if predictions.is_file() else ""
    is_whole = kept and kept == _told(place.parent).get("predictions_sha256")
    return Rival(model_store.manifest(place), predictions if is_whole else None)


def _told(place: Path) -> dict[str, Any]:
    """What was written down of a promotion; empty where nothing was, or it was damaged."""
    try:
        found = datasets.read_json(place / PROMOTION)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _refuse(gates: list[Gate]) -> None:
    for gate in gates:
        if gate.passed:
            say(f"promote: {gate.name}: {gate.said}")
    failed = [f"promote: refused: {gate.name}: {gate.said}. {gate.cure}" for gate in gates if not gate.passed]
    if failed:
        raise StaleError("\n".join(failed))


def _move_alias(model_hash: str) -> None:
    from pipeline.project import tracking

    tracking.move_champion_alias(model_hash)


def _install(gates: list[Gate]) -> None:
    previous = _so_far()
    told: dict[str, Any] = {"gates": [gate.to_dict() for gate in gates], "feature_code": shop_features.code_hash()}
    told["key"] = keys.made_by(datasets.EVENTS)
    name = _keep(datasets.MODEL, datasets.PREDICTIONS, told)
    _point_to(Pointer(name, tuple(earlier for earlier in previous if earlier != name)[:KEPT]))
    _remove_others()


def _so_far() -> list[str]:
    """The champions until now, newest first."""
    try:
        pointer = _pointer()
    except StaleError:
        # A folder's own time is when it was promoted, for it never changes.
        kept = [place for place in datasets.CHAMPIONS.glob("*") if NAME.fullmatch(place.name) and _is_whole(place)]
        return [place.name for place in sorted(kept, key=lambda place: -place.stat().st_mtime_ns)]
    return [pointer.current, *pointer.previous] if pointer else []


def _keep(model: Path, predictions: Path, told: dict[str, Any]) -> str:
    """Copy a model into a folder of its own below state/champions; the folder's name, a hash of what is in it."""
    manifest = model_store.sha256(model / model_store.MANIFEST)
    told = told | {"predictions_sha256": model_store.sha256(predictions) if predictions.is_file() else ""}
    digest = hashlib.sha256(f"{manifest}\n{json.dumps(told, sort_keys=True)}".encode()).hexdigest()
    datasets.private_folder(datasets.CHAMPIONS)
    for n in count():
        # A folder of that name that is no longer whole is left alone: it may be the champion.
        place = datasets.CHAMPIONS / (f"{digest}-{n}" if n else digest)
        if not place.exists():
            break
        if _is_whole(place):
            return place.name
    with datasets.replace_folder(place) as draft:
        model_store.copy(model, draft / MODEL)
        if predictions.is_file():
            shutil.copyfile(predictions, draft / predictions.name)
        datasets.write_json(told, draft / PROMOTION)
    return place.name


def _is_whole(place: Path) -> bool:
    predictions = place / datasets.PREDICTIONS.name
    try:
        model_store.read_files(place / MODEL)
    except StaleError:
        return False
    found = model_store.sha256(predictions) if predictions.is_file() else ""
    return bool(_told(place).get("predictions_sha256") == found)


def _point_to(pointer: Pointer) -> None:
    datasets.write_json({"current": pointer.current, "previous": list(pointer.previous)}, datasets.CHAMPION_POINTER)


def _remove_others() -> None:
    """Remove what the pointer does not name: withdrawn champions, the oldest ones, and drafts of killed runs."""
    pointer = _pointer()
    if pointer is None:
        return
    named = {pointer.current, *pointer.previous}
    for place in datasets.CHAMPIONS.iterdir():
        if place.name not in named:
            shutil.rmtree(place, ignore_errors=True)
    shutil.rmtree(datasets.CHAMPION, ignore_errors=True)


def check_keys(s: Settings) -> None:
    """Hold the key in force against what it made, every champion included.

    Raises:
        StaleError: Another key made the predictions of one, or something else (:func:`pipeline.people.keys.in_force`).
    """
    known, pointer = keys.in_force(s, datasets.EVENTS), _pointer()
    for name in (pointer.current, *pointer.previous) if pointer else ():
        place = datasets.CHAMPIONS / name
        made = _told(place).get("key")
        predictions = place / datasets.PREDICTIONS.name
        if made is None and predictions.is_file():
            keys.check_unsaid(s, known, datasets.read_parquet(predictions, ("customer_id",))["customer_id"], place)
        keys.check(known, made, place.as_posix())


def _warn_of_other_features(place: Path) -> None:
    if _told(place.parent).get("feature_code", shop_features.code_hash()) != shop_features.code_hash():
        say(
            "champion: the code of the features changed since it was promoted. If a definition changed, train again "
            "and promote."
        )


def _messages(s: Settings, as_of: str) -> pd.DataFrame:
    """The messages of earlier runs that the contact ledger knows of, as build_lists takes them."""
    if not datasets.LEDGER.is_file():
        return build_lists.no_contacts()
    with Ledger(datasets.LEDGER) as ledger:
        found = ledger.contacts_before(as_of)
    instants = {day: s.instant(day) for day in found["as_of"].unique()}
    return found.assign(campaign_id=found["campaign"], occurred_at=found["as_of"].map(instants).astype("int64"))


def score(s: Settings, as_of: str) -> Path:
    """Ingest, prepare, score, explain and build candidate lists as of a day, with the champion; gives the folder.

    Nothing below data/ is touched. With the model and the logs of the last ``dvc repro`` the files are its, byte for
    byte.

    Raises:
        StaleError: No champion was promoted, it answers another question than params.yaml asks, or the day lies
            beyond the data.
        ParamsError: The day lies before the first order.
    """
    check_keys(s)
    champion = folder()
    facts = model_store.manifest(champion)
    for name, wanted in asked_for(s).items():
        if facts.get(name) != wanted:
            raise StaleError(
                f"champion: it was trained with {name} {facts.get(name)!r}, but params.yaml now says {wanted!r}. "
                "Run `wafa run` and then `wafa promote`, or put params.yaml back."
            )
    _warn_of_other_features(champion)
    batch = datasets.private_folder(datasets.batch(as_of))
    events, features, features_before = batch / "events", batch / "features.parquet", batch / "features_before.parquet"
    scores, reasons, before = batch / "scores.parquet", batch / "reasons.parquet", batch / "before.parquet"
    is_new = not events.exists()
    reading.run(s, events)
    try:
        prepare_scoring.run(s, as_of, events, features, features_before)
    except WafaError:
        if is_new:
            shutil.rmtree(batch)
        raise
    score_customers.run(s, features, champion, scores, as_of)
    score_customers.run_before(features_before, champion, before)
    explain_scores.run(s, features, champion, reasons)
    build_lists.run(
        s,
        scores_path=scores,
        before_path=before,
        reasons_path=reasons,
        events_dir=events,
        lists_dir=batch / "lists",
        as_of=as_of,
        model_hash=str(facts["model_hash"]),
        erased=tombstones.erased_customers(datasets.ERASED),
        contacts=_messages(s, as_of),
    )
    say(f"batch: {batch}")
    return batch
