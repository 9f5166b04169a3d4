"""A shop of 200 accounts and half a year runs to the report, and says how little it can know."""

import pytest
from ruamel.yaml import YAML

from pipeline import (
    build_cohorts,
    build_features,
    build_lists,
    compare_with_truth,
    evaluate_model,
    explain_scores,
    ingest_logs,
    prepare_scoring,
    render_report,
    score_customers,
    simulate_logs,
    train_model,
)
from pipeline.project import datasets, model_store

STAGES = (
    simulate_logs,
    ingest_logs,
    build_cohorts,
    build_features,
    train_model,
    evaluate_model,
    compare_with_truth,
    prepare_scoring,
    score_customers,
    explain_scores,
    build_lists,
    render_report,
)
END = "2024-01-01"

pytestmark = pytest.mark.filterwarnings("ignore")


def test_half_a_year_of_a_small_shop_runs_to_the_report(project, shipped, monkeypatch, capsys) -> None:
    # Nothing is recorded: what MLflow gets is tested elsewhere.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    yaml = YAML()
    params = yaml.load(shipped)
    params["simulation"].update({"customers": 200, "months": 6})
    params["sources"]["complete_until"] = params["scoring"]["as_of"] = END
    with datasets.PARAMS.open("w", encoding="utf-8") as file:
        yaml.dump(params, file)
    datasets.ERASED.touch()
    for stage in STAGES:
        stage.main()

    assert "That is little to learn from" in capsys.readouterr().out
    manifest = model_store.manifest(datasets.MODEL)
    assert manifest["rung"] != "lightgbm"
    assert "lightgbm: " in manifest["ladder"]["why"]
    (origin,) = datasets.read_json(datasets.METRICS)["origins"]
    values = {name: found["auroc"]["value"] for name, found in origin["models"].items()}
    assert values["wafa"] >= max(value for name, value in values.items() if not name.startswith("wafa")) - 0.01
    assert len(datasets.read_parquet(datasets.SCORES)) > 100
    for page in (datasets.EVALUATION_PAGE, datasets.MODEL_CARD, datasets.REPORT, datasets.QUALITY_PAGE):
        assert not {"None", "nan"} & set(page.read_text().split()), page
