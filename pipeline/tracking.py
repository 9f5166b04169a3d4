"""The only importer of MLflow: every run is recorded there, and no result depends on it being up."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import pandas as pd

from models.scorer import ChurnModel
from pipeline import datasets
from pipeline.progress import say
from pipeline.settings import Settings

RUN_ID = datasets.STATE / "mlflow_run_id"
MODEL_NAME = "wafa-churn"
EXPERIMENT = "wafa"

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


@_best_effort
def log_training(s: Settings, model: ChurnModel, facts: dict[str, Any], matrix: pd.DataFrame) -> None:
    """Record the final model of a training: params, tags, data set, native model with signature."""
    mlflow = _connect()
    from mlflow.models import infer_signature

    with mlflow.start_run(run_name=f"train-{s.shop.name}") as run:
        mlflow.set_tags(_tags(s, model.columns))
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
        if model.booster is not None:
            mlflow.lightgbm.log_model(
                model.booster,
                name="model",
                signature=infer_signature(sample, model.probability(sample)),
                pip_requirements=["lightgbm"],
            )
        for file in sorted(datasets.MODEL.glob("*.json")):
            mlflow.log_artifact(str(file))
        datasets.private_folder(datasets.STATE)
        datasets.write_text(run.info.run_id, RUN_ID)


@_best_effort
def log_evaluation(metrics: dict[str, Any], folder: Path) -> None:
    """Add metrics and plots to the run of the training they belong to."""
    mlflow = _connect()
    run_id = RUN_ID.read_text(encoding="utf-8") if RUN_ID.is_file() else None
    with mlflow.start_run(run_id=run_id):
        for model, values in metrics["mean"].items():
            mlflow.log_metrics({f"{model}.{name}": value for name, value in values.items() if value is not None})
        for step, origin in enumerate(metrics["origins"]):
            for name in ("auroc", "brier", "log_loss", "ece"):
                value = origin["models"]["wafa"][name]["value"]
                if value is not None:
                    mlflow.log_metric(f"origin.{name}", value, step=step)
        mlflow.log_artifacts(str(folder), "evaluation")


@_best_effort
def move_champion_alias() -> None:
    """Register the model of the newest training and let the alias ``champion`` point to it."""
    mlflow = _connect()
    if not RUN_ID.is_file():
        return
    run_id = RUN_ID.read_text(encoding="utf-8")
    found = mlflow.search_logged_models(filter_string=f"source_run_id='{run_id}'", output_format="list")
    if not found:
        return
    version = mlflow.register_model(found[0].model_uri, MODEL_NAME)
    mlflow.MlflowClient().set_registered_model_alias(MODEL_NAME, "champion", version.version)
