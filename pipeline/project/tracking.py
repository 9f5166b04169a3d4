"""The only importer of MLflow: every run is recorded there, and no result depends on it being up."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import pandas as pd

from models.scorer import ChurnModel
from pipeline.project import datasets, model_store
from pipeline.project.progress import say
from pipeline.project.settings import Settings

MODEL_NAME = "wafa-churn"
EXPERIMENT = "wafa"
MODEL_HASH = "model_hash"
"""Tag of a run and of a registered version: which model they are of."""

CHAMPION, CHALLENGER = "champion", "challenger"
FOLDER = "model_folder"
"""Below the artifacts of a run: the files of data/model."""

Arguments = ParamSpec("Arguments")


def _project() -> Path:
    # A queued DVC experiment runs in a folder that vanishes; DVC_ROOT still names the project.
    return Path(os.environ.get("DVC_ROOT") or ".").resolve()


def _best_effort(record: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Record if MLflow answers; a dead tracking server costs a line, never the run."""

    @wraps(record)
    def attempt(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            record(*args, **kwargs)
        except Exception as error:
            say(f"tracking: not recorded in MLflow ({type(error).__name__}); results do not depend on it")

    return attempt


def _connect() -> Any:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    # MLflow's own defaults wait minutes for a server that is gone.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    import logging
    import warnings

    import mlflow

    for name in ("mlflow", "mlflow.store.db.utils", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="mlflow")
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{_project() / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    if mlflow.get_experiment_by_name(EXPERIMENT) is None:
        local = (_project() / "mlruns").as_uri() if uri.startswith("sqlite") else None
        mlflow.create_experiment(EXPERIMENT, artifact_location=local)
    mlflow.set_experiment(EXPERIMENT)
    return mlflow


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() if path.is_file() else ""


def _tags(s: Settings, columns: tuple[str, ...]) -> dict[str, str]:
    params = s.model_dump_json(exclude={"sources"})
    return {
        "git_commit": _git("rev-parse", "HEAD"),
        "git_dirty": str(bool(_git("status", "--porcelain"))).lower(),
        "dvc_stage": os.environ.get("DVC_STAGE", ""),
        "dvc_exp_name": os.environ.get("DVC_EXP_NAME", ""),
        "dvc_baseline_rev": os.environ.get("DVC_EXP_BASELINE_REV", ""),
        "dvc_lock_md5": _md5(_project() / "dvc.lock"),
        "data_md5": _md5(datasets.EVENTS / "manifest.json"),
        "feature_schema_hash": hashlib.sha256("\n".join(columns).encode()).hexdigest(),
        "params_hash": hashlib.sha256(params.encode()).hexdigest(),
        "as_of": s.scoring.as_of,
    }


def _is_workspace() -> bool:
    """Whether data/model is the project's own, and not that of a queued experiment."""
    return Path.cwd().resolve() == _project()


def _model_hash() -> str:
    return str(model_store.manifest(datasets.MODEL)[MODEL_HASH])


@_best_effort
def log_training(s: Settings, model: ChurnModel, facts: dict[str, Any], matrix: pd.DataFrame) -> None:
    """Record the final model of a training: params, tags, data set, native model; it becomes the challenger."""
    mlflow = _connect()
    from mlflow.models import infer_signature

    model_hash = _model_hash()
    with mlflow.start_run(run_name=f"train-{s.shop.name}") as run:
        mlflow.set_tags(_tags(s, model.columns) | {MODEL_HASH: model_hash})
        flat = {f"model.{k}": v for k, v in s.model.model_dump().items()}
        flat |= {f"cohort.{k}": v for k, v in s.cohort.model_dump().items()}
        flat |= {
            "features.windows_days": list(s.features.windows_days),
            "calibration": facts["calibration"]["method"],
            "rung": facts["rung"],
        }
        mlflow.log_params(flat)
        mlflow.log_metrics({"training_rows": facts["rows"], "training_cutoffs": len(facts["cutoffs"])})
        sample = matrix.head(100)
        mlflow.log_input(mlflow.data.from_pandas(sample, source=str(datasets.FEATURES), name="features"), "training")
        source, model_id = f"runs:/{run.info.run_id}/{FOLDER}", None
        for name in (*model_store.manifest(datasets.MODEL)["files"], model_store.MANIFEST):
            mlflow.log_artifact(str(datasets.MODEL / name), FOLDER)
        if model.booster is not None:
            logged = mlflow.lightgbm.log_model(
                model.booster,
                name="model",
                signature=infer_signature(sample, model.probability(sample)),
                pip_requirements=["lightgbm"],
            )
            source, model_id = logged.model_uri, logged.model_id
    if _is_workspace():
        client = mlflow.MlflowClient()
        version = _version(client, model_hash)
        if version is None:
            if not client.search_registered_models(f"name = '{MODEL_NAME}'"):
                client.create_registered_model(MODEL_NAME)
            # A server refuses a model as source unless it is told whose files they are; a file of our own does not ask.
            version = client.create_model_version(
                MODEL_NAME, source, run.info.run_id, tags={MODEL_HASH: model_hash}, model_id=model_id
            ).version
        client.set_registered_model_alias(MODEL_NAME, CHALLENGER, version)


def _version(client: Any, model_hash: str) -> str | None:
    """The newest registered version of a model."""
    found = client.search_model_versions(f"name = '{MODEL_NAME}' and tag.{MODEL_HASH} = '{model_hash}'")
    return max((version.version for version in found), key=int, default=None)


def _figures(values: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among ``values``, each bare or as the ``value`` of an interval."""
    bare = {name: found.get("value") if isinstance(found, Mapping) else found for name, found in values.items()}
    return {
        str(name): float(found)
        for name, found in bare.items()
        if isinstance(found, int | float) and not isinstance(found, bool)
    }


@_best_effort
def log_evaluation(metrics: dict[str, Any], folder: Path) -> None:
    """Add metrics and pages to the run of the training they belong to.

    Every model's means are recorded as ``<model>.<metric>``, and its values at each origin, oldest first, as the steps
    of ``origin.<model>.<metric>``.
    """
    mlflow = _connect()
    model_hash = str(metrics.get(MODEL_HASH) or _model_hash())
    runs = mlflow.search_runs(
        experiment_names=[EXPERIMENT],
        filter_string=f"tags.{MODEL_HASH} = '{model_hash}'",
        max_results=1,
        order_by=["attributes.start_time DESC"],
        output_format="list",
    )
    with mlflow.start_run(run_id=runs[0].info.run_id) if runs else mlflow.start_run(run_name="evaluate"):
        mlflow.set_tag(MODEL_HASH, model_hash)
        for model, values in metrics["mean"].items():
            mlflow.log_metrics({f"{model}.{name}": value for name, value in _figures(values).items()})
        for step, origin in enumerate(metrics["origins"]):
            found = {
                f"origin.{model}.{name}": value
                for model, values in origin["models"].items()
                for name, value in _figures(values).items()
            }
            mlflow.log_metrics(found, step=step)
        mlflow.log_artifacts(str(folder), "evaluation")


@_best_effort
def move_champion_alias(model_hash: str) -> None:
    """Let the alias ``champion`` point to the registered version of this model."""
    mlflow = _connect()
    client = mlflow.MlflowClient()
    version = _version(client, model_hash)
    if version is None:
        say(f"tracking: MLflow does not know model {model_hash[:12]}; the alias {CHAMPION} stays where it is")
    else:
        client.set_registered_model_alias(MODEL_NAME, CHAMPION, version)


@_best_effort
def log_tuning(s: Settings, trials: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> None:
    """Record a search for settings: one run for it, and below it one for each trial (params, loss, state)."""
    mlflow = _connect()
    with mlflow.start_run(run_name=f"tune-{s.shop.name}"):
        mlflow.set_tags({key: str(value) for key, value in facts.items()})
        for trial in trials:
            with mlflow.start_run(run_name=f"trial-{trial['number']}", nested=True):
                mlflow.set_tag("ended", trial["ended"])
                mlflow.log_params({f"model.{name}": value for name, value in trial["params"].items()})
                for step, loss in enumerate(trial["losses"]):
                    mlflow.log_metric("origin.loss", loss, step=step)
                if trial["loss"] is not None:
                    mlflow.log_metric("loss", trial["loss"])
