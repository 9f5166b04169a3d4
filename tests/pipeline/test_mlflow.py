"""Every training is recorded in MLflow, and no training depends on it."""

import mlflow
import pytest

from pipeline import datasets, model_store, tracking

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
    "mean": {"wafa": {"auroc": 0.75, "ece": None}},
    "origins": [
        {"models": {"wafa": {name: {"value": 0.7} for name in ("auroc", "brier", "log_loss", "ece")}}},
        {"models": {"wafa": {name: {"value": None} for name in ("auroc", "brier", "log_loss", "ece")}}},
    ],
}


def test_a_dead_server_costs_one_line_and_not_the_run(trained, dead_server, shop, model, matrix, capsys):
    datasets.EVALUATION.mkdir(parents=True)
    tracking.log_training(shop, model, FACTS, matrix)
    tracking.log_evaluation(METRICS, datasets.EVALUATION)
    tracking.move_champion_alias()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("tracking: not recorded in MLflow (") for line in lines)
    assert not tracking.RUN_ID.exists()


def test_a_training_is_found_again_with_params_tags_model_and_metrics(
    trained, shop, model, matrix, monkeypatch, capsys
):
    # A queued experiment runs in a folder that vanishes; what it records goes to the project it belongs to.
    home = trained / "home"
    home.mkdir()
    monkeypatch.setenv("DVC_ROOT", str(home))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    uri = f"sqlite:///{home / 'mlflow.db'}"
    datasets.write_json(METRICS, datasets.METRICS)

    tracking.log_training(shop, model, FACTS, matrix)
    tracking.log_evaluation(METRICS, datasets.EVALUATION)
    tracking.move_champion_alias()
    assert "not recorded" not in capsys.readouterr().out

    client = mlflow.MlflowClient(uri)
    run = client.get_run(tracking.RUN_ID.read_text())
    assert run.info.status == "FINISHED"
    assert run.data.params["model.trees"] == str(shop.model.trees)
    assert run.data.params["cohort.horizon_days"] == "90"
    assert run.data.params["calibration"] == "sigmoid"
    assert run.data.tags["as_of"] == shop.scoring.as_of
    assert len(run.data.tags["params_hash"]) == len(run.data.tags["feature_schema_hash"]) == 64
    assert run.data.metrics["training_rows"] == 200
    assert run.data.metrics["wafa.auroc"] == 0.75
    assert [m.value for m in client.get_metric_history(run.info.run_id, "origin.auroc")] == [0.7]

    champion = client.get_model_version_by_alias(tracking.MODEL_NAME, "champion")
    assert champion.run_id == run.info.run_id
    stored = mlflow.lightgbm.load_model(f"models:/{tracking.MODEL_NAME}@champion")
    assert stored.predict(matrix, raw_score=True).tobytes() == model.margin(matrix).tobytes()
    signature = mlflow.models.get_model_info(f"models:/{tracking.MODEL_NAME}@champion").signature
    assert signature.inputs.input_names() == ["a", "b", "c"]
    assert {artifact.path for artifact in client.list_artifacts(run.info.run_id)} >= {
        "calibrator.json",
        "evaluation",
        "features.json",
        "manifest.json",
    }
    assert (home / "mlruns").is_dir()
    assert not (trained / "mlruns").exists()
