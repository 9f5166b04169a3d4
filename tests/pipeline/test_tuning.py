"""A search for settings looks only at origins older than every test origin, goes on where it stopped, and says so."""

import mlflow
import numpy as np
import pytest

from models import classifier
from pipeline.evaluation import tune_model
from pipeline.evaluation.tune_model import tune, tuning_origins
from pipeline.project import datasets, settings, tracking
from pipeline.project.errors import DataError
from tests.pipeline.twelve_cutoffs import CUTOFFS, small_trainer, training_rows

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def rows():
    found = training_rows()
    return found.assign(role=np.where(found["cutoff"].isin(CUTOFFS[11:]), "test", "train"))


@pytest.fixture
def trainer(rows, shop):
    return small_trainer(rows, shop)


@pytest.fixture
def small_project(project, trainer, shipped, monkeypatch):
    """A project folder whose training rows are those of the trainer; MLflow is left out."""
    monkeypatch.setattr(tune_model, "open_trainer", lambda _s: trainer)
    monkeypatch.setattr(tracking, "log_tuning", lambda *_: None)
    datasets.PARAMS.write_text(shipped)
    for file in (datasets.COHORT, datasets.FEATURES / "x", datasets.EVENTS / "manifest.json"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}")
    return project


@pytest.fixture
def asked(shop, trainer):
    """The settings of the project, with the model's those of the trainer."""
    return shop.model_copy(update={"model": trainer.settings})


def test_no_trial_sees_a_label_that_was_open_at_the_first_test_origin(trainer):
    # 1 December tests; 1 August is the newest cutoff whose label had closed by then.
    assert tuning_origins(trainer) == [CUTOFFS[4], CUTOFFS[7]]


def test_a_history_without_such_origins_is_refused_with_the_cure(trainer, rows):
    trainer.rows = rows.assign(role=np.where(rows["cutoff"] == CUTOFFS[4], "test", "train"))
    with pytest.raises(DataError, match=r"no cutoff is left to judge settings at.*lower cohort\.test_origins"):
        tuning_origins(trainer)


def test_a_search_goes_on_where_it_stopped(small_project, trainer, monkeypatch, asked):
    fits = []
    fit = classifier.fit

    def counted(features, churned, wanted):
        fits.append(wanted)
        return fit(features, churned, wanted)

    monkeypatch.setattr(classifier, "fit", counted)
    told = tune(asked, trials=2, minutes=0, write=False)
    assert "2 trials (2 of them now)" in told[0]
    assert fits[0].trees == trainer.settings.trees, "the first trial is the settings of params.yaml"
    already = len(fits)
    told = tune(asked, trials=3, minutes=0, write=False)
    assert "3 trials (1 of them now)" in told[0]
    assert already < len(fits) <= already + 2
    assert "0 of them now" in tune(asked, trials=3, minutes=0, write=False)[0]


def test_trials_of_other_logs_do_not_count(small_project, trainer, asked):
    tune(asked, trials=1, minutes=0, write=False)
    (datasets.EVENTS / "manifest.json").write_text('{"other": 1}')
    assert "1 trials (1 of them now)" in tune(asked, trials=1, minutes=0, write=False)[0]


def test_better_settings_go_into_params_and_leave_the_comments_alone(small_project, trainer, monkeypatch, asked):
    monkeypatch.setattr(tune_model, "MOST_TREES", 60)  # The test is quick then.
    before = datasets.PARAMS.read_text()
    told = tune(asked, trials=7, minutes=0, write=True)
    after = datasets.PARAMS.read_text()
    if "so params.yaml stays as it is" in told[-1]:
        pytest.fail("no trial was better than three trees of three leaves")
    assert after != before
    now, then = settings.parse(after), settings.parse(before)
    assert now.model != then.model
    assert now.model_copy(update={"model": then.model}) == then
    kept = [line.partition("#")[2] for line in before.splitlines() if "#" in line]
    assert [line.partition("#")[2] for line in after.splitlines() if "#" in line] == kept


def test_every_trial_is_a_nested_run(project, trainer, monkeypatch, asked):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    params = {"trees": 50, "learning_rate": 0.1}
    trials = [
        {"number": 0, "ended": "complete", "params": params, "loss": 0.55, "losses": [0.5, 0.6]},
        {"number": 1, "ended": "pruned", "params": params, "loss": None, "losses": [0.9]},
    ]
    tracking.log_tuning(asked, trials, {"question": "abc"})
    runs = mlflow.search_runs(experiment_names=["wafa"])
    parent = runs[runs["tags.mlflow.runName"] == f"tune-{asked.shop.name}"]
    trials = runs[runs["tags.mlflow.parentRunId"] == parent["run_id"].iloc[0]]
    assert sorted(trials["tags.ended"]) == ["complete", "pruned"]
    assert trials["metrics.loss"].dropna().tolist() == [0.55]
    assert set(trials["params.model.trees"]) == {"50"}
    assert sorted(trials["metrics.origin.loss"]) == [0.6, 0.9]
    mlflow.set_tracking_uri(None)
    mlflow.tracking.fluent._active_experiment_id = None
