"""`wafa compare` in a small repository of DVC's own, with predictions made by hand."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.commands import compare as command
from pipeline.evaluation.compare_experiments import Side, compare, lines, read, sentence
from pipeline.project import datasets
from pipeline.project.errors import ParamsError, StaleError

# What the stage of the small repository runs: it takes predictions that were made beforehand.
MAKE = """
import json, shutil
from pathlib import Path
from ruamel.yaml import YAML

trees = YAML(typ="safe").load(Path("params.yaml").read_text())["model"]["trees"]
Path("data/evaluation").mkdir(parents=True, exist_ok=True)
Path("data/model").mkdir(parents=True, exist_ok=True)
shutil.copy(f"made/{trees}.parquet", "data/evaluation/predictions.parquet")
Path("data/model/manifest.json").write_text(json.dumps({"model_hash": f"{trees:032}"}))
"""
STAGES = """
stages:
  evaluate_model:
    cmd: python make.py
    deps: [make.py, made]
    params: [cohort, model]
    outs: [data/evaluation/predictions.parquet, data/model]
"""
PARAMS = """
cohort: {horizon_days: 90, gap_days: 7, active_days: 365}
model: {trees: 60, l2: 1.0}
"""


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(folder / ".dvc/tmp/site"),
    }


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The branch main as it was run, an experiment with more trees, one that waits, and main in the working tree."""
    folder = tmp_path_factory.mktemp("repository")
    run(folder, "git", "init", "-qb", "main")
    for key, value in {"user.name": "test", "user.email": "test@example.org"}.items():
        run(folder, "git", "config", key, value)
    (folder / ".dvc").mkdir()
    (folder / "made").mkdir()
    for trees, noise in {60: 1.0, 90: 0.7}.items():
        side("made", noise).predictions.to_parquet(folder / f"made/{trees}.parquet", index=False)
    texts = {"make.py": MAKE, "dvc.yaml": STAGES, "params.yaml": PARAMS, ".gitignore": "/data\n/.dvc/*/\n"}
    for name, text in {**texts, ".dvc/config": ""}.items():
        (folder / name).write_text(text, encoding="utf-8")
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "before anything was run")
    run(folder, "git", "tag", "not-run")
    dvc = (sys.executable, "-m", "dvc")
    run(folder, *dvc, "exp", "run", "-q", "-n", "more-trees", "-S", "model.trees=90")
    run(folder, "git", "checkout", "-q", "params.yaml")
    run(folder, *dvc, "repro", "-q")
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "first run")
    run(folder, *dvc, "exp", "run", "-q", "--queue", "-n", "waiting", "-S", "model.trees=120")
    return folder


@pytest.fixture
def inside(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(repository)
    for key, value in environment(repository).items():
        monkeypatch.setenv(key, value)
    return repository


def test_an_experiment_beside_the_working_tree(inside, shop, monkeypatch, capsys):
    monkeypatch.setattr(command, "settings_here", lambda: shop)
    command.command("more-trees")
    out = capsys.readouterr().out
    assert out.startswith(
        "more-trees beside workspace\nchanged:\n  model.trees: 90 instead of 60\n  model 000000000000"
    )
    assert "rows: 800 in both, 0 only in more-trees, 0 only in workspace" in out
    assert (
        "the 365 days before the cutoff and do not object to profiling; churned: no order from day 7 to day 97" in out
    )
    assert out.count("origin 2025-0") == 2
    assert "more-trees is really better in AUROC (+0.0" in out
    assert "nan" not in out


def test_what_is_read_is_what_was_run_whatever_the_name(inside):
    experiment, kept, here = read("more-trees"), read("main"), read("workspace")
    assert (experiment.params["model.trees"], kept.params["model.trees"]) == (90, 60)
    assert experiment.model_hash.endswith("90")
    pd.testing.assert_frame_equal(kept.predictions, here.predictions)
    assert not experiment.predictions["wafa"].equals(here.predictions["wafa"])
    assert replace(kept, name="workspace", predictions=here.predictions) == here
    commit = run(inside, "git", "rev-parse", "HEAD").strip()
    assert read(commit[:9]).params == kept.params
    assert list(kept.inputs) == ["made", "make.py"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nobody", "there is no experiment or revision 'nobody'. There are: more-trees, workspace."),
        ("waiting", "the experiment 'waiting' is queued and did not run yet. Run `dvc queue start`, or wait."),
        ("not-run", "'not-run' has no dvc.lock: nothing that was run is kept there. Run `wafa run`, or name an"),
    ],
    ids=["unknown", "queued", "never run"],
)
def test_a_name_that_holds_nothing_is_exit_code_2(inside, name, said):
    with pytest.raises(ParamsError) as refused:
        read(name)
    assert str(refused.value).startswith(f"wafa compare: {said}")
    assert refused.value.exit_code == 2


def test_what_dvc_gc_removed_is_said_to_be_gone(inside, tmp_path):
    import shutil

    cache = inside / ".dvc/cache"
    shutil.move(cache, tmp_path / "cache")
    try:
        with pytest.raises(ParamsError, match=r"'main' has no data/evaluation/predictions.parquet.*Run it again"):
            read("main")
    finally:
        shutil.move(tmp_path / "cache", cache)


def test_outputs_that_are_not_those_of_the_last_run_are_refused(inside):
    table = datasets.read_parquet(datasets.PREDICTIONS)
    before = datasets.PREDICTIONS.read_bytes()
    datasets.PREDICTIONS.unlink()  # the file may be a link into DVC's cache
    try:
        table.assign(wafa=0.5).to_parquet(datasets.PREDICTIONS)
        with pytest.raises(StaleError, match=r"not the file that its dvc.lock names. Run `wafa run` first"):
            read("workspace")
    finally:
        datasets.PREDICTIONS.write_bytes(before)


def test_only_the_stages_behind_the_predictions_count(monkeypatch):
    """`dvc exp run evaluate_model` leaves the lock of the other stages as an earlier run wrote it."""
    table = BytesIO()
    side("any", 1.0).predictions.to_parquet(table)
    lock = """
schema: '2.0'
stages:
  a_later_one:
    deps: [{path: data/evaluation/predictions.parquet, md5: x}, {path: late.py, md5: x}]
    params: {params.yaml: {model: {trees: 1}, scoring.as_of: '2026-01-01'}}
    outs: [{path: data/scores, md5: x}]
  evaluate_model:
    deps: [{path: data/model/backtest, md5: x}, {path: evaluate.py, md5: e}]
    params: {params.yaml: {cohort: {gap_days: 7}}}
    outs: [{path: data/evaluation/predictions.parquet, md5: MD5}]
  train_model:
    deps: [{path: exports, md5: l}, {path: evaluate.py, md5: e}]
    params: {params.yaml: {model: {trees: 2}, sources.own_logs: {}}}
    outs: [{path: data/model, md5: x}]
"""
    files = {
        "dvc.lock": lock.replace("MD5", hashlib.md5(table.getvalue()).hexdigest()).encode(),
        "data/evaluation/predictions.parquet": table.getvalue(),
        "data/model/manifest.json": b'{"model_hash": "h"}',
    }
    monkeypatch.setattr(Path, "read_bytes", lambda path: files[path.as_posix()])
    found = read("workspace")
    assert found.params == {"cohort.gap_days": 7, "model.trees": 2, "sources.own_logs": {}}
    assert found.inputs == {"exports": "l", "evaluate.py": "e"}


def test_outside_a_repository_the_line_says_so(project, monkeypatch):
    with pytest.raises(ParamsError, match=r"'workspace' has no dvc.lock.*Run `wafa run`"):
        read("workspace")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(project / "site"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.parent))
    with pytest.raises(ParamsError, match="no git repository with DVC here"):
        read("main")


# From here on without a repository: sides written by hand.

QUESTION = {"cohort.horizon_days": 90, "cohort.gap_days": 7, "cohort.active_days": 365}


def side(name: str, noise: float, customers: range = range(400), seed: int = 5, **params: object) -> Side:
    """Predictions that know the label better the smaller ``noise`` is; a customer's label is the same in every side."""
    rng = np.random.default_rng(3)
    churned = rng.integers(0, 2, (500, 2))
    drawn = np.random.default_rng(seed).normal(size=churned.shape)
    rows = [
        (
            f"c{n:03}",
            origin,
            churned[n, place],
            float(1 / (1 + np.exp(0.5 - churned[n, place] - noise * drawn[n, place]))),
        )
        for n in customers
        for place, origin in enumerate(("2025-01-01", "2025-04-01"))
    ]
    table = pd.DataFrame(rows, columns=["customer_id", "origin", "churned", "wafa"])
    named = QUESTION | {key.replace("__", "."): value for key, value in params.items()}
    return Side(name, named, {"features": "1"}, f"{name:0>20}", table)


def test_the_rows_compared_are_those_of_both():
    wide, narrow = side("wide", 1.0), side("narrow", 1.0, range(100, 450), cohort__active_days=180)
    found = compare(wide, narrow, 50, 1)
    assert (found.rows, found.only_first, found.only_second, found.relabelled) == (600, 200, 100, 0)
    told = "\n".join(lines(found, 50))
    assert "cohort.active_days: 365 instead of 180" in told
    assert "note: in narrow it is 180 days; compared are only customers who were eligible in both" in told
    assert found.same
    assert told.endswith("wide and narrow say the same of every customer: there is nothing to choose between.")


def test_rows_whose_label_differs_are_left_out_and_counted():
    first, second = side("first", 1.0), side("second", 1.0)
    label = second.predictions["churned"].copy()
    label.iloc[:7] = 1 - label.iloc[:7]
    found = compare(first, replace(second, predictions=second.predictions.assign(churned=label)), 50, 1)
    assert (found.rows, found.relabelled) == (793, 7)
    assert "note: 7 more rows have another label in second and are left out" in "\n".join(lines(found, 50))


@pytest.mark.parametrize(("key", "value"), [("cohort__horizon_days", 60), ("cohort__gap_days", 0)])
def test_another_question_is_refused(key, value):
    with pytest.raises(ParamsError, match=r"they answer different questions.*Compare runs with the same"):
        compare(side("first", 1.0), side("second", 1.0, **{key: value}), 50, 1)


def test_without_a_row_in_common_there_is_nothing_to_compare():
    with pytest.raises(ParamsError, match="judged no customer with the same label at the same origin"):
        compare(side("first", 1.0, range(100)), side("second", 1.0, range(200, 300)), 50, 1)


def test_a_large_difference_is_real_and_a_reseeded_twin_is_not():
    good, bad, twin = side("good", 0.5), side("bad", 2.0), side("twin", 0.5, seed=6)
    told = sentence(compare(good, bad, 100, 1))
    assert told.startswith("good is really better in AUROC (+0.")
    assert "worse" not in told
    assert sentence(compare(bad, good, 100, 1)).startswith("bad is really worse in AUROC (-0.")
    level = compare(good, twin, 100, 1)
    assert level.figures["paired"]["first - second"]["auroc"]["verdict"] == "level"
    assert sentence(level) == "No difference between good and twin is shown: keep the simpler one."


def test_the_interval_is_of_pairs_and_so_far_sharper_than_of_two_samples():
    model = side("model", 1.0)
    nudged = model.predictions.assign(wafa=model.predictions["wafa"] ** 1.02)
    found = compare(model, replace(model, name="nudged", predictions=nudged), 100, 1).figures
    gap = found["paired"]["first - second"]["brier"]
    alone = found["mean_interval"]["first"]["brier"]
    assert gap["high"] - gap["low"] < 0.1 * (alone["high"] - alone["low"])


def test_an_origin_where_all_left_has_no_ranking_and_is_no_crash():
    first, second = side("first", 1.0), side("second", 2.0)
    gone = first.predictions["origin"] == "2025-01-01"
    all_left = [
        replace(one, predictions=one.predictions.assign(churned=one.predictions["churned"].mask(gone, 1)))
        for one in (first, second)
    ]
    told = "\n".join(lines(compare(*all_left, 50, 1), 50))
    assert "100.0% churned" in told
    assert "not defined" in told
    assert "nan" not in told


def test_changed_code_and_params_are_named():
    first = replace(side("first", 1.0, model__trees=300), inputs={"features": "1", "models": "2"})
    second = replace(side("second", 1.1), inputs={"features": "1", "models": "3"})
    told = lines(compare(first, second, 50, 1), 50)
    assert told[2:5] == [
        "  model.trees: 300 instead of absent",
        "  code or logs: models",
        "  model 000000000000 instead of 000000000000",
    ]
