"""`wafa compare`: two DVC experiments on the same customers and origins; what changed, and whether it is real."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

from models.evaluation import evaluate
from pipeline.project import datasets
from pipeline.project.errors import ParamsError, StaleError
from pipeline.project.run_pipeline import DVC_LOCK
from pipeline.project.settings import Settings, population, rule

WORKSPACE = "workspace"
"""The name of what stands in the working tree."""

KEY = ["customer_id", "origin"]
MODEL = "wafa"
MEASURES = {
    "auroc": "AUROC",
    "ap_returners": "AP of returners",
    "brier": "Brier",
    "log_loss": "log-loss",
    "ece": "ECE",
    "lift_at_10": "lift at 10 %",
}
QUESTION = ("cohort.gap_days", "cohort.horizon_days")
"""Params that decide what the label means: figures under two of them cannot be compared."""

ELIGIBILITY = "cohort.active_days"


@dataclass(frozen=True)
class Side:
    """One experiment, as its dvc.lock and its outputs tell it."""

    name: str
    params: dict[str, Any]
    """By dotted key, as the stages last read them."""
    inputs: dict[str, str]
    """Hash of every file and folder behind the predictions that no stage makes: code, and the shop's own logs."""
    model_hash: str
    predictions: pd.DataFrame


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _side(name: str, read: Callable[[Path], bytes]) -> Side:
    """What ``read`` finds at the usual places.

    Raises:
        ParamsError: Something is missing; the message says what to run.
    """
    cures = {
        DVC_LOCK: "nothing that was run is kept there. Run `wafa run`, or name an experiment",
        datasets.PREDICTIONS: "it was made before predictions were kept, or `dvc gc` removed them. Run it again",
        datasets.MODEL / "manifest.json": "it holds no model, or `dvc gc` removed it. Run it again",
    }
    found: dict[Path, bytes] = {}
    for path, cure in cures.items():
        try:
            found[path] = read(path)
        except (FileNotFoundError, IsADirectoryError):
            raise ParamsError(f"wafa compare: {name!r} has no {path.as_posix()}: {cure}.") from None
    lock = YAML(typ="safe", pure=True).load(found[DVC_LOCK].decode("utf-8"))
    stages = _behind(lock["stages"], datasets.PREDICTIONS.as_posix())
    params: dict[str, Any] = {}
    for stage in stages:
        params |= _flat(stage.get("params", {}).get(datasets.PARAMS.name, {}))
    made = {out["path"]: out["md5"] for stage in stages for out in stage.get("outs", [])}
    deps = {dep["path"]: dep["md5"] for stage in stages for dep in stage.get("deps", [])}
    if _md5(found[datasets.PREDICTIONS]) != made.get(datasets.PREDICTIONS.as_posix()):
        raise StaleError(
            f"wafa compare: {datasets.PREDICTIONS} of {name!r} is not the file that its {DVC_LOCK} names. "
            "Run `wafa run` first."
        )
    return Side(
        name,
        params,
        {path: md5 for path, md5 in deps.items() if not any(_lies_in(path, out) for out in made)},
        str(json.loads(found[datasets.MODEL / "manifest.json"])["model_hash"]),
        datasets.read_parquet(io.BytesIO(found[datasets.PREDICTIONS]), [*KEY, "churned", MODEL]),
    )


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _lies_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _behind(stages: Mapping[str, Any], path: str) -> list[Any]:
    """The stages that ``path`` was made by; others may have been left as an earlier run had them."""
    reached: list[str] = []
    todo = [path]
    while todo:
        wanted = todo.pop()
        for name, stage in stages.items():
            if name not in reached and any(_lies_in(wanted, out["path"]) for out in stage.get("outs", [])):
                reached.append(name)
                todo += [dep["path"] for dep in stage.get("deps", [])]
    return [stages[name] for name in sorted(reached)]


def read(name: str) -> Side:
    """The experiment, branch, tag or commit ``name``, out of git and the DVC cache; or the working tree.

    Raises:
        ParamsError: There is none of that name, or it holds nothing to compare.
    """
    if name == WORKSPACE:
        return _side(name, lambda path: path.read_bytes())
    # As in `wafa run`: DVC's index is a pickle, and its default home a folder that anybody may write to.
    os.environ.setdefault("DVC_SITE_CACHE_DIR", str(Path(".dvc/tmp/site").resolve()))
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    from dvc.api import DVCFileSystem
    from dvc.exceptions import NotDvcRepoError
    from dvc.scm import RevError, SCMError

    kept = DVCFileSystem(".", rev=name)
    try:
        repository = kept.repo  # opened when first asked for
    except RevError:
        raise ParamsError(_unknown(name)) from None
    except (NotDvcRepoError, SCMError) as error:
        raise ParamsError(f"wafa compare: no git repository with DVC here ({error}). Run it in one.") from None
    try:
        return _side(name, lambda path: bytes(kept.cat_file(path.as_posix())))
    finally:
        repository.close()


_EXPERIMENT = re.compile(r"refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/(.+)")


def _unknown(name: str) -> str:
    from dvc.repo import Repo

    listed = subprocess.run(
        ["git", "for-each-ref", "--format=%(refname)", "refs/exps"], capture_output=True, text=True, check=False
    ).stdout.split("\n")
    known = sorted(match[1] for ref in listed if (match := _EXPERIMENT.fullmatch(ref)))
    with Repo(".") as repo:
        waiting = sorted(str(entry.name) for entry in repo.experiments.celery_queue.iter_queued() if entry.name)
    if name in waiting:
        return f"wafa compare: the experiment {name!r} is queued and did not run yet. Run `dvc queue start`, or wait."
    there = ", ".join([*known, WORKSPACE])
    return f"wafa compare: there is no experiment or revision {name!r}. There are: {there}."


@dataclass(frozen=True)
class Comparison:
    """What two experiments said of the same rows."""

    first: Side
    second: Side
    rows: int
    only_first: int
    only_second: int
    relabelled: int
    """Rows in both whose label differs; they are left out."""
    same: bool
    """Whether both say the same of every row."""
    figures: dict[str, Any]
    """As :func:`models.evaluation.evaluate` gives them, for the models ``first`` and ``second``."""


def compare(first: Side, second: Side, draws: int, seed: int) -> Comparison:
    """``first`` against ``second`` on the rows that both have.

    Raises:
        ParamsError: They answer different questions, or have no row in common.
    """
    for key in QUESTION:
        mine, other = first.params.get(key), second.params.get(key)
        if mine != other:
            raise ParamsError(
                f"wafa compare: {first.name!r} has {key} {mine}, {second.name!r} has {other}: they answer different "
                "questions, and no figure of one can be set beside the other's. Compare runs with the same."
            )
    left = first.predictions.rename(columns={MODEL: "first"})
    right = second.predictions.rename(columns={MODEL: "second", "churned": "churned_second"})
    both = left.merge(right, on=KEY, how="inner", validate="one_to_one")
    agreed = both[both["churned"] == both["churned_second"]].reset_index(drop=True)
    if agreed.empty:
        raise ParamsError(
            f"wafa compare: {first.name!r} and {second.name!r} judged no customer with the same label at the same "
            "origin. Compare runs on the same logs with the same cohort.test_origins."
        )
    figures = evaluate(agreed, {"first": "first", "second": "second"}, draws, seed, reference="first")
    return Comparison(
        first,
        second,
        len(agreed),
        len(left) - len(both),
        len(right) - len(both),
        len(both) - len(agreed),
        bool((agreed["first"] == agreed["second"]).all()),
        figures,
    )


def _changed(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    return sorted(key for key in first.keys() | second.keys() if first.get(key) != second.get(key))


def _what_changed(first: Side, second: Side) -> list[str]:
    told = [
        f"  {key}: {first.params.get(key, 'absent')} instead of {second.params.get(key, 'absent')}"
        for key in _changed(first.params, second.params)
    ] or ["  no params"]
    inputs = _changed(first.inputs, second.inputs)
    told += [f"  code or logs: {', '.join(inputs)}"] if inputs else []
    model = f"  model {first.model_hash[:12]}"
    is_same = first.model_hash == second.model_hash
    return [*told, f"{model} in both" if is_same else f"{model} instead of {second.model_hash[:12]}"]


def _number(value: float | None, shape: str = ".4f") -> str:
    return "not defined" if value is None else format(value, shape)


def _gap(gap: Mapping[str, Any]) -> str:
    if gap["value"] is None or gap["low"] is None:
        return "not defined"
    return f"{gap['value']:+.4f} [{gap['low']:+.4f}, {gap['high']:+.4f}]"


def _verdict(gap: Mapping[str, Any]) -> str:
    return {"better": "real: better", "worse": "real: worse", "level": "not shown", None: ""}[gap["verdict"]]


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _joined(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def sentence(found: Comparison) -> str:
    """Whether the difference is real, in one sentence."""
    first, second = found.first.name, found.second.name
    if found.same:
        return f"{first} and {second} say the same of every customer: there is nothing to choose between."
    gaps = found.figures["paired"]["first - second"]
    by_verdict = {
        word: [f"{MEASURES[name]} ({gaps[name]['value']:+.4f})" for name in MEASURES if gaps[name]["verdict"] == word]
        for word in ("better", "worse")
    }
    better, worse = by_verdict["better"], by_verdict["worse"]
    if not better and not worse:
        return f"No difference between {first} and {second} is shown: keep the simpler one."
    told = [f"better in {_joined(better)}"] if better else []
    told += [f"worse in {_joined(worse)}"] if worse else []
    rest = "" if len(better) + len(worse) == len(MEASURES) else "; no other difference is shown"
    return f"{first} is really {' but '.join(told)} than {second}{rest}."


def lines(found: Comparison, draws: int) -> list[str]:
    """``found`` as a person reads it on a terminal."""
    first, second, figures = found.first, found.second, found.figures
    params = first.params
    told = [f"{first.name} beside {second.name}", "changed:", *_what_changed(first, second)]
    told += [
        f"population: {rule(population(*(params[key] for key in (ELIGIBILITY, *QUESTION))))}",
        f"rows: {found.rows:,} in both, {found.only_first:,} only in {first.name}, "
        f"{found.only_second:,} only in {second.name}",
    ]
    if params[ELIGIBILITY] != second.params[ELIGIBILITY]:
        told.append(
            f"note: in {second.name} it is {second.params[ELIGIBILITY]} days; compared are only customers who were "
            "eligible in both, which is the population of neither"
        )
    if found.relabelled:
        told.append(f"note: {found.relabelled:,} more rows have another label in {second.name} and are left out")
    mean, paired = figures["mean"], figures["paired"]["first - second"]
    rows = [["mean over origins", first.name, second.name, "difference", ""]]
    rows += [
        [title, _number(mean["first"][name]), _number(mean["second"][name]), _gap(paired[name]), _verdict(paired[name])]
        for name, title in MEASURES.items()
    ]
    told += ["", *_table(rows), ""]
    for origin in figures["origins"]:
        rate, gaps = origin["base_rate"], origin["paired"]["first - second"]
        told.append(f"origin {origin['origin']}: {origin['rows']:,} customers, {_number(rate, '.1%')} churned")
        told += _table([[f"  {title}", _gap(gaps[name]), _verdict(gaps[name])] for name, title in MEASURES.items()])
    told += [
        "",
        f"A difference is real where its 95 % interval, from {draws} draws of customers with all their origins, leaves "
        "out zero. Brier, log-loss and ECE are better when smaller. Of many measures and trials one in twenty looks "
        "real by chance.",
        sentence(found),
    ]
    return told


def told(s: Settings, first: str, second: str) -> list[str]:
    """``first`` beside ``second``, in lines."""
    draws = s.model.bootstrap_draws
    return lines(compare(read(first), read(second), draws, s.model.seed), draws)
