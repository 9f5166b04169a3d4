"""The figures of the README's demo at full size; `make stress` runs them."""

from __future__ import annotations

import pytest

from tests.end_to_end.project import Project
from tests.end_to_end.sentences import false_sentences

pytestmark = pytest.mark.stress


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("full"))
    done = project.wafa("run")
    assert done.returncode == 0, done.stderr[-3000:]
    return project


def test_the_model_comes_close_to_the_best_observer(full: Project) -> None:
    truth = full.json("data/evaluation/truth.json")
    assert truth["mean_share_of_observer"] >= 0.90
    assert all(origin["oracle"]["auroc"] > origin["observer"]["auroc"] for origin in truth["origins"])


def test_all_logs_beat_purchases_alone(full: Project) -> None:
    mean = full.json("data/evaluation/metrics.json")["mean"]
    assert mean["wafa"]["auroc"] - mean["wafa_orders_only"]["auroc"] >= 0.02


def test_probabilities_are_calibrated(full: Project) -> None:
    assert full.json("data/evaluation/metrics.json")["mean"]["wafa"]["ece"] <= 0.03


def test_four_in_five_order_in_the_days_named_for_them(full: Project) -> None:
    timing = full.json("data/evaluation/metrics.json")["timing"]
    assert timing["kind"] == "trees"
    covered = [origin["coverage"]["value"] for origin in timing["origins"]]
    assert len(covered) == 4
    assert all(0.77 <= share <= 0.83 for share in covered), covered
    assert timing["all"]["gain"]["low"] > 0


def test_expected_values_add_up_to_what_the_year_brought_in(full: Project) -> None:
    value = full.json("data/evaluation/metrics.json")["value"]
    assert value["kind"] == "trees"
    (tested,) = value["origins"]
    trees, formula, last_year = (tested["models"][name] for name in ("trees", "formula", "last_year"))
    assert 0.9 <= trees["predicted_to_actual"]["value"] <= 1.1
    for other in (formula, last_year):
        assert trees["rank_correlation"]["low"] > other["rank_correlation"]["high"]
        assert trees["typical_error"]["value"] < other["typical_error"]["value"]


def test_the_planted_driver_is_the_top_reason(full: Project) -> None:
    drivers = full.json("data/evaluation/truth.json")["drivers"]
    assert drivers["customers"] > 1000
    assert drivers["top_reason_is_driver"] >= 0.70


def test_sampled_sentences_are_true(full: Project) -> None:
    assert not false_sentences(full, "2026-01-01", "GBP", count=200, seed=2)


def test_champion_bytes_equal_dvc_repro(full: Project) -> None:
    assert full.wafa("score", "--as-of", "2026-01-01").returncode == 0
    for name in ("scores.parquet", "reasons.parquet"):
        batch, data = full.path(f"state/batch/2026-01-01/{name}"), full.path(f"data/scores/{name}")
        assert batch.read_bytes() == data.read_bytes()
