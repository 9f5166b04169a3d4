"""Every training is recorded in MLflow, and no training depends on it."""

import dataclasses
import shutil
from pathlib import Path

import mlflow
import pytest

from models.baselines import Logistic
from models.calibration import Calibrator
from models.scorer import ChurnModel
from pipeline.project import datasets, model_store, tracking

FACTS = {"rows": 200, "cutoffs": ["2025-05-01", "2025-06-01"], "calibration": {"method": "sigmoid"}, "rung": "lightgbm"}

# MLflow and its database layer warn about many things that are theirs to mend.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def trained(project, model, monkeypatch):
    """A project whose model was just trained, with no trace of other projects in the environment."""
    for name in ("DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    model_store.write(model, datasets.MODEL, FACTS)
    yield project
    mlflow.set_tracking_uri(None)
    mlflow.tracking.fluent._active_experiment_id = None


@pytest.fixture
def dead_server(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")


METRICS = {
    "mean": {"wafa": {"auroc": 0.75, "ece": None, "expected_profit": 12}, "mbg_nbd": {"auroc": 0.7}},
    "origins": [
        {
            "models": {
                "wafa": {"auroc": {"value": 0.7, "low": 0.6}, "lift_top_decile": 1.5, "reliability": [{"rows": 1}]},
                "mbg_nbd": {"auroc": {"value": 0.6}, "is_fitted": True, "note": "text"},
            }
        },
        {"models": {"wafa": {"auroc": {"value": None}}}},
        {"models": {"wafa": {"auroc": {"value": 0.8}}}},
    ],
}


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """An empty database of MLflow's; making one takes seconds."""
    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    mlflow.MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture
def home(trained, database, monkeypatch):
    """The project whose MLflow database is its own."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copyfile(database, trained / "mlflow.db")
    return trained


def model_hash():
    return model_store.manifest(datasets.MODEL)["model_hash"]


def evaluated():
    datasets.write_json(METRICS, datasets.METRICS)
    tracking.log_evaluation(METRICS | {"model_hash": model_hash()}, datasets.EVALUATION)


def client_of(project):
    return mlflow.MlflowClient(f"sqlite:///{project / 'mlflow.db'}")


def versions(client):
    """Alias to the hash of the model that it points to."""
    (registered,) = client.search_registered_models(f"name = '{tracking.MODEL_NAME}'")
    return {
        alias: client.get_model_version(tracking.MODEL_NAME, version).tags["model_hash"]
        for alias, version in registered.aliases.items()
    }


def test_a_dead_server_costs_one_line_and_not_the_run(trained, dead_server, shop, model, matrix, capsys):
    datasets.EVALUATION.mkdir(parents=True)
    tracking.log_training(shop, model, FACTS, matrix)
    tracking.log_evaluation(METRICS, datasets.EVALUATION)
    tracking.move_champion_alias(model_hash())
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("tracking: not recorded in MLflow (") for line in lines)


def test_a_training_is_found_again_with_params_tags_model_and_metrics(home, shop, model, matrix, capsys):
    tracking.log_training(shop, model, FACTS, matrix)
    evaluated()
    assert "tracking" not in capsys.readouterr().out

    client = client_of(home)
    challenger = client.get_model_version_by_alias(tracking.MODEL_NAME, "challenger")
    run = client.get_run(challenger.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["model.trees"] == str(shop.model.trees)
    assert run.data.params["cohort.horizon_days"] == "90"
    assert run.data.params["calibration"] == "sigmoid"
    assert run.data.params["rung"] == "lightgbm"
    assert run.data.tags["as_of"] == shop.scoring.as_of
    assert run.data.tags["model_hash"] == challenger.tags["model_hash"] == model_hash()
    assert len(run.data.tags["params_hash"]) == len(run.data.tags["feature_schema_hash"]) == 64
    assert run.data.metrics["training_rows"] == 200
    assert {name: value for name, value in run.data.metrics.items() if not name.startswith("training")} == {
        "wafa.auroc": 0.75,
        "wafa.expected_profit": 12,
        "mbg_nbd.auroc": 0.7,
        "origin.wafa.auroc": 0.8,
        "origin.wafa.lift_top_decile": 1.5,
        "origin.mbg_nbd.auroc": 0.6,
    }
    history = client.get_metric_history(run.info.run_id, "origin.wafa.auroc")
    assert [(metric.step, metric.value) for metric in history] == [(0, 0.7), (2, 0.8)]

    stored = mlflow.lightgbm.load_model(f"models:/{tracking.MODEL_NAME}@challenger")
    assert stored.predict(matrix, raw_score=True).tobytes() == model.margin(matrix).tobytes()
    signature = mlflow.models.get_model_info(f"models:/{tracking.MODEL_NAME}@challenger").signature
    assert signature.inputs.input_names() == ["a", "b", "c"]
    # What is kept there is the model folder itself, which can be read like any other.
    kept = Path(client.download_artifacts(run.info.run_id, tracking.FOLDER, home))
    assert model_store.read(kept).probability(matrix).tobytes() == model.probability(matrix).tobytes()
    assert "evaluation" in {artifact.path for artifact in client.list_artifacts(run.info.run_id)}


def test_aliases_follow_challenger_promotion_and_rollback(home, shop, model, matrix):
    hashes = []
    for slope in (0.9, 1.1):
        made = dataclasses.replace(model, calibrator=Calibrator("sigmoid", slope, 0.1))
        model_store.write(made, datasets.MODEL, FACTS)
        tracking.log_training(shop, made, FACTS, matrix)
        tracking.move_champion_alias(model_hash())
        hashes.append(model_hash())
    older, newer = hashes
    client = client_of(home)
    assert versions(client) == {"champion": newer, "challenger": newer}
    tracking.move_champion_alias(older)
    assert versions(client) == {"champion": older, "challenger": newer}
    # The same model trained again is the same version.
    tracking.log_training(shop, made, FACTS, matrix)
    assert len(client.search_model_versions(f"name = '{tracking.MODEL_NAME}'")) == 2


def test_a_model_without_trees_is_registered_too(home, shop, matrix):
    line = ChurnModel(Logistic(("a",), (0.1,), (1.0,), (0.5,), -1.0), Calibrator("none"))
    for old in datasets.MODEL.iterdir():
        old.unlink()
    model_store.write(line, datasets.MODEL, FACTS | {"rung": "logistic_rfm"})
    tracking.log_training(shop, line, FACTS | {"rung": "logistic_rfm"}, matrix)
    client = client_of(home)
    assert versions(client) == {"challenger": model_hash()}
    version = client.get_model_version_by_alias(tracking.MODEL_NAME, "challenger")
    kept = Path(mlflow.artifacts.download_artifacts(version.source, dst_path=str(home / "kept")))
    assert model_store.read(kept) == line


def test_a_model_that_mlflow_does_not_know_costs_one_line(home, capsys):
    tracking.move_champion_alias(model_hash())
    assert capsys.readouterr().out == (
        f"tracking: MLflow does not know model {model_hash()[:12]}; the alias champion stays where it is\n"
    )


def test_an_evaluation_never_lands_in_the_run_of_another_model(home, shop, model, matrix):
    tracking.log_training(shop, model, FACTS, matrix)
    trained = model_hash()
    made = dataclasses.replace(model, calibrator=Calibrator("sigmoid", 1.3, 0.1))
    model_store.write(made, datasets.MODEL, FACTS)  # its training was not recorded
    evaluated()
    runs = mlflow.search_runs(experiment_names=[tracking.EXPERIMENT], output_format="list")
    of = {run.data.tags["model_hash"]: run.data.metrics for run in runs}
    assert set(of) == {trained, model_hash()}
    assert "wafa.auroc" not in of[trained]
    assert of[model_hash()]["wafa.auroc"] == 0.75


def test_a_queued_experiment_is_recorded_at_home_and_is_no_challenger(home, shop, model, matrix, monkeypatch):
    # It runs in a folder that vanishes; what it records goes to the project it belongs to.
    project = home / "project"
    project.mkdir()
    (home / "mlflow.db").rename(project / "mlflow.db")
    monkeypatch.setenv("DVC_ROOT", str(project))
    tracking.log_training(shop, model, FACTS, matrix)
    client = client_of(project)
    (experiment,) = client.search_experiments(filter_string=f"name = '{tracking.EXPERIMENT}'")
    assert len(client.search_runs([experiment.experiment_id])) == 1
    assert not client.search_registered_models()
    assert (project / "mlruns").is_dir()
    assert not (home / "mlruns").exists()
    assert not (home / "mlflow.db").exists()
