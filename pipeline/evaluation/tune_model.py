"""Looking for better settings of the classifier, on origins older than every test origin."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from models import classifier, ladder
from models.calibration import sigmoid
from models.settings import ModelSettings
from models.training import ChurnTrainer
from pipeline.project import datasets, tracking
from pipeline.project.errors import DataError
from pipeline.project.progress import counted, say
from pipeline.project.settings import Settings
from pipeline.project.training_inputs import open_trainer
from timeline import format_date

TUNED = ("trees", "learning_rate", "leaves", "min_rows_per_leaf", "column_share", "row_share", "l2")

MOST_TREES = 600

WORTH_CHANGING = 0.001
"""Log-loss: less than this is not told apart from chance by a handful of origins."""


def tuning_origins(trainer: ChurnTrainer) -> list[int]:
    """Cutoffs whose label was complete before the first test origin, with purged cutoffs of their own to learn from.

    Raises:
        DataError: There is none.
    """
    first = min(trainer.test_origins, default=0)
    origins = trainer.fold_origins(first)
    if not origins:
        zone = trainer.question.zone
        raise DataError(
            "wafa tune: no cutoff is left to judge settings at: it would have to have a complete label before the "
            f"first test origin ({format_date(first, zone) if first else 'none'}) and a purged cutoff of its own. "
            "Bring a longer history, or lower cohort.test_origins."
        )
    return origins


def _suggest(trial: Any) -> dict[str, Any]:
    return {
        "trees": trial.suggest_int("trees", 50, MOST_TREES, step=10),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.2, log=True),
        "leaves": trial.suggest_int("leaves", 4, 15),
        "min_rows_per_leaf": trial.suggest_int("min_rows_per_leaf", 20, 1_000, log=True),
        "column_share": trial.suggest_float("column_share", 0.1, 1.0),
        "row_share": trial.suggest_float("row_share", 0.5, 1.0),
        "l2": trial.suggest_float("l2", 0.1, 100.0, log=True),
    }


def _objective(trainer: ChurnTrainer, origins: list[int]) -> Callable[[Any], float]:
    """Mean loss over the origins, oldest first; a trial that falls behind the others is cut short."""
    import optuna

    parts = []
    for origin in origins:
        past, test = trainer.rows_known_at(origin), trainer.rows[trainer.rows["cutoff"] == origin]
        parts.append((past, test[trainer.columns], test["churned"].to_numpy(dtype="float64")))

    def loss(trial: Any) -> float:
        wanted = trainer.settings.model_copy(update=_suggest(trial))
        losses: list[float] = []
        for step, (past, test, churned) in enumerate(parts):
            booster = classifier.fit(past[trainer.columns], past["churned"], wanted)
            losses.append(ladder.loss(sigmoid(classifier.margin(booster, test)), churned))
            trial.report(float(np.mean(losses)), step)
            if step + 1 < len(parts) and trial.should_prune():
                raise optuna.TrialPruned
        return float(np.mean(losses))

    return loss


def _question(s: Settings, trainer: ChurnTrainer, origins: list[int]) -> str:
    """Hash of what a trial is judged on: trials of another question are not comparable."""
    asked = {
        "events": datasets.sha256(datasets.EVENTS / "manifest.json"),
        "columns": trainer.columns,
        "cohort": s.cohort.model_dump(),
        "origins": origins,
        "seed": s.model.seed,
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


def tune(s: Settings, trials: int, minutes: float, write: bool) -> list[str]:
    """Try settings until there are ``trials`` of them or ``minutes`` are over; what was found, in lines.

    Args:
        s: Their ``model`` section is the first trial.
        trials: Trials in all, those of earlier calls included.
        minutes: 0 sets no limit.
        write: Put the best settings into params.yaml, comments kept.

    Raises:
        DataError: There is no origin to judge at.
    """
    import optuna
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if not datasets.COHORT.is_file() or not datasets.FEATURES.is_dir():
        raise DataError("wafa tune: there are no training features yet. Run `wafa run` first.")
    trainer = open_trainer(s)
    origins = tuning_origins(trainer)
    datasets.private_folder(datasets.STATE)
    study = optuna.create_study(
        study_name=_question(s, trainer, origins),
        storage=f"sqlite:///{datasets.TUNING}",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=s.model.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5),
    )
    ended = (TrialState.COMPLETE, TrialState.PRUNED)
    before = len(study.get_trials(states=ended))
    present = {name: getattr(s.model, name) for name in TUNED}
    study.enqueue_trial(present, skip_if_exists=True)
    if before < trials:
        loss = _objective(trainer, origins)

        def search(count: int, jobs: int, seconds: float | None) -> None:
            study.optimize(
                loss, n_trials=count, timeout=seconds, n_jobs=jobs, callbacks=[lambda _study, _trial: advance()]
            )

        with counted(trials - before, "trials") as advance:
            seconds = minutes * 60 or None
            if study.get_trials(states=(TrialState.WAITING,)):
                # Alone: two threads of Optuna can take the same waiting trial, and one result of two is lost.
                search(1, 1, seconds)
                took = study.get_trials(states=ended)[-1].duration
                seconds = seconds and max(seconds - took.total_seconds(), 0.001)
            if rest := trials - len(study.get_trials(states=ended)):
                search(rest, os.cpu_count() or 1, seconds)
    done = study.get_trials(states=ended)
    tracking.log_tuning(s, [_told(trial) for trial in done[before:]], {"question": study.study_name})
    return _lines(s, study, origins, before, write)


def _told(trial: Any) -> dict[str, Any]:
    return {
        "number": trial.number,
        "ended": trial.state.name.lower(),
        "params": trial.params,
        "loss": trial.value if trial.state.name == "COMPLETE" else None,
        "losses": list(trial.intermediate_values.values()),
    }


def _lines(s: Settings, study: Any, origins: list[int], before: int, write: bool) -> list[str]:
    from optuna.trial import TrialState

    present = {name: getattr(s.model, name) for name in TUNED}
    complete = study.get_trials(states=(TrialState.COMPLETE,))
    days = ", ".join(format_date(t, s.shop.timezone) for t in origins)
    tried = len(study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED)))
    head = f"tuning: {tried} trials ({tried - before} of them now), {tried - len(complete)} cut short, judged at {days}"
    if not complete:
        return [head, "tuning: none came to an end. Allow more --minutes."]
    now = [trial.value for trial in complete if trial.params == present]
    best = min(complete, key=lambda trial: trial.value)
    lines = [head, f"tuning: best log-loss {best.value:.4f}; with the settings of params.yaml {_value(now)}"]
    if now and min(now) - best.value < WORTH_CHANGING:
        return [*lines, f"tuning: less than {WORTH_CHANGING} better, so params.yaml stays as it is"]
    found = {name: _short(best.params[name]) for name in TUNED}
    ModelSettings.model_validate(s.model.model_dump() | found)
    lines += ["model:", *(f"  {name}: {value}" for name, value in found.items())]
    if write:
        _write(found)
        lines.append("tuning: written into params.yaml; `wafa run` trains with it, and the test origins judge it")
    else:
        lines.append("tuning: put these into params.yaml, or call again with --write; the test origins judge it then")
    return lines


def _value(now: list[float]) -> str:
    return f"{min(now):.4f}" if now else "not known: that trial was cut short"


def _short(value: Any) -> Any:
    return float(f"{value:.3g}") if isinstance(value, float) else value


def _write(found: dict[str, Any]) -> None:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 10_000
    values = yaml.load(datasets.PARAMS.read_text(encoding="utf-8"))
    values["model"].update(found)
    with datasets.replace_file(datasets.PARAMS) as draft, draft.open("w", encoding="utf-8", newline="\n") as file:
        yaml.dump(values, file)
    say(f"params: {datasets.PARAMS} changed")
