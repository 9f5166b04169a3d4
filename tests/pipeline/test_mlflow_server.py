"""A team's MLflow server on PostgreSQL knows what a training recorded; nothing waits for one that is gone."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from pipeline.project import datasets, model_store, tracking
from tests.postgres import free_port, running, stop, wait_for

mlflow = pytest.importorskip("mlflow")

# MLflow and its database layer warn about many things that are theirs to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

FACTS = {"rows": 200, "cutoffs": ["2025-05-01"], "calibration": {"method": "sigmoid"}, "rung": "lightgbm"}


@pytest.fixture(scope="module")
def postgres():
    """Address of an empty PostgreSQL of our own."""
    with running("mlflow") as place:
        yield f"postgresql+psycopg://mlflow@{place}"


@pytest.fixture(scope="module")
def server(postgres, tmp_path_factory):
    """Address of an MLflow server that keeps its books in PostgreSQL, as docs/how-to/share-experiments.md says."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", postgres, "--artifacts-destination", str(folder / "artifacts")]
    address = f"http://127.0.0.1:{port}"

    def answers():
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            wait_for(answers, process)
            yield address
        finally:
            stop(process)


@pytest.fixture
def recorded(project, server, shop, model, matrix, monkeypatch, capsys):
    """What the stages record of a training, an evaluation and a promotion, on the team's server."""
    for name in ("DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    model_store.write(model, datasets.MODEL, FACTS)
    model_hash = model_store.manifest(datasets.MODEL)["model_hash"]
    metrics = {
        "model_hash": model_hash,
        "mean": {"wafa": {"auroc": 0.75}, "mbg_nbd": {"auroc": 0.7}},
        "origins": [{"models": {"wafa": {"auroc": {"value": 0.75}}}}],
    }
    datasets.write_json(metrics, datasets.METRICS)
    tracking.log_training(shop, model, FACTS, matrix)
    tracking.log_evaluation(metrics, datasets.EVALUATION)
    tracking.move_champion_alias(model_hash)
    assert capsys.readouterr().out == ""
    yield model_hash
    mlflow.set_tracking_uri(None)
    mlflow.tracking.fluent._active_experiment_id = None


def test_the_team_finds_run_metrics_model_and_alias(recorded, server, model, matrix, project):
    assert not (project / "mlflow.db").exists()
    assert not (project / "mlruns").exists()
    client = mlflow.MlflowClient(server)
    champion = client.get_model_version_by_alias(tracking.MODEL_NAME, "champion")
    challenger = client.get_model_version_by_alias(tracking.MODEL_NAME, "challenger")
    assert champion.version == challenger.version
    assert champion.tags["model_hash"] == recorded
    run = client.get_run(champion.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["model_hash"] == recorded
    assert run.data.metrics["wafa.auroc"] == 0.75
    assert run.data.metrics["origin.wafa.auroc"] == 0.75
    assert run.data.params["rung"] == "lightgbm"
    kept = Path(client.download_artifacts(run.info.run_id, tracking.FOLDER, project))
    assert model_store.read(kept).probability(matrix).tobytes() == model.probability(matrix).tobytes()
    evaluation = client.list_artifacts(run.info.run_id, "evaluation")
    assert [artifact.path for artifact in evaluation] == ["evaluation/metrics.json"]


def test_a_server_that_is_gone_costs_one_line_and_no_minutes(project, shop, model, matrix, monkeypatch, capsys):
    for name in ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    model_store.write(model, datasets.MODEL, FACTS)
    begun = time.monotonic()
    tracking.log_training(shop, model, FACTS, matrix)
    assert time.monotonic() - begun < 30
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("tracking: not recorded in MLflow (")
    mlflow.set_tracking_uri(None)
