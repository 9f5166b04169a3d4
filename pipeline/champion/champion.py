"""The champion: the promoted copy of a model that scores every night, whatever is trained beside it.

Promoted models are folders that never change; one small file names the one that scores and those before it. Replacing
that file is the whole of a promotion or a rollback, so that at any moment there is a whole champion.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.champion import gates
from pipeline.champion.champions import CHAMPIONS, MODEL, Pointer
from pipeline.champion.gates import Gate, Rival
from pipeline.people import keys
from pipeline.project import datasets, model_store, shop_features
from pipeline.project.errors import StaleError
from pipeline.project.progress import say
from pipeline.project.question import asked_for
from pipeline.project.settings import Settings

KEPT = 5
"""Champions kept to go back to."""


def check(s: Settings) -> list[Gate]:
    """Say of every gate of a promotion whether the model in data/model would pass it.

    Raises:
        StaleError: It would not.
    """
    results = gates.examine(s, _rival())
    _refuse(results)
    return results


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
        CHAMPIONS.remove_others()  # which a killed promotion may have left behind
    else:
        results = gates.examine(s, rival)
        _refuse(results)
        _install(results)
    _move_alias(challenger)
    return challenger


def promote_first(s: Settings) -> str:
    """Make the model in data/model the first champion, and say which gates it did not pass or were not checked.

    Without a champion nobody could be scored, so a failed gate is a warning; its hash.

    Raises:
        StaleError: There is no model, or a file of it is not the one that was written.
    """
    results = gates.examine_first(s)
    challenger = str(model_store.manifest(datasets.MODEL)["model_hash"])
    _install(results)
    say(f"champion: first model promoted ({challenger[:12]})")
    for gate in results:
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
    pointer = CHAMPIONS.pointer()
    if pointer is None or not pointer.previous:
        raise StaleError("rollback: there is no earlier champion. Promote a better model with `wafa promote`.")
    back, *older = pointer.previous
    model_store.read_files(CHAMPIONS.root / back / MODEL)
    CHAMPIONS.point_to(Pointer(back, tuple(older)))
    model_hash = str(model_store.manifest(CHAMPIONS.root / back / MODEL)["model_hash"])
    _move_alias(model_hash)
    return model_hash


def _rival() -> Rival | None:
    if not CHAMPIONS.is_there():
        return None
    place = CHAMPIONS.folder()
    return Rival(model_store.manifest(place), CHAMPIONS.own_predictions(place.parent.name))


def _refuse(results: list[Gate]) -> None:
    for gate in results:
        if gate.passed:
            say(f"promote: {gate.name}: {gate.said}")
    failed = [f"promote: refused: {gate.name}: {gate.said}. {gate.cure}" for gate in results if not gate.passed]
    if failed:
        raise StaleError("\n".join(failed))


def _move_alias(model_hash: str) -> None:
    from pipeline.project import tracking

    tracking.move_champion_alias(model_hash)


def _install(results: list[Gate]) -> None:
    previous = CHAMPIONS.so_far()
    told: dict[str, Any] = {"gates": [gate.to_dict() for gate in results], "feature_code": shop_features.code_hash()}
    told["key"] = keys.made_by(datasets.EVENTS)
    name = CHAMPIONS.keep(datasets.MODEL, datasets.PREDICTIONS, told)
    CHAMPIONS.point_to(Pointer(name, tuple(earlier for earlier in previous if earlier != name)[:KEPT]))
    CHAMPIONS.remove_others()


def check_keys(s: Settings) -> None:
    """Hold the key in force against what it made, every champion included.

    Raises:
        StaleError: Another key made the predictions of one, or something else (:func:`pipeline.people.keys.in_force`).
    """
    known, pointer = keys.in_force(s, datasets.EVENTS), CHAMPIONS.pointer()
    for name in pointer.names if pointer else ():
        place, made, predictions = CHAMPIONS.root / name, CHAMPIONS.facts(name).get("key"), CHAMPIONS.predictions(name)
        if made is None and predictions:
            keys.check_unsaid(s, known, datasets.read_parquet(predictions, ("customer_id",))["customer_id"], place)
        keys.check(known, made, place.as_posix())


def ready(s: Settings) -> tuple[Path, dict[str, Any]]:
    """The folder of the model that scores and its facts, where it answers what params.yaml asks.

    Raises:
        StaleError: No champion was promoted, it answers another question, or another key is in force.
    """
    check_keys(s)
    place = CHAMPIONS.folder()
    facts = model_store.manifest(place)
    for name, wanted in asked_for(s).items():
        if facts.get(name) != wanted:
            raise StaleError(
                f"champion: it was trained with {name} {facts.get(name)!r}, but params.yaml now says {wanted!r}. "
                "Run `wafa run` and then `wafa promote`, or put params.yaml back."
            )
    code = shop_features.code_hash()
    if CHAMPIONS.facts(place.parent.name).get("feature_code", code) != code:
        say(
            "champion: the code of the features changed since it was promoted. If a definition changed, train again "
            "and promote."
        )
    return place, facts
