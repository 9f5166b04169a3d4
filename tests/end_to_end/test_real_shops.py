"""The whole loop on strangers' real exports, through params alone; skipped where the files are not at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.project import REAL_DATA, Project


def shop(name: str, folder: Path) -> Project:
    if not (REAL_DATA / name).is_dir():
        pytest.skip(f"no folder shared/data/{name} beside the project; examples/README.md says where the files are")
    project = Project(folder)
    project.use_example(name)
    return project


def ran(project: Project) -> Project:
    done = project.wafa("run")
    assert done.returncode == 0, done.stderr[-3000:]
    assert project.path("data/reports/marketing.html").is_file()
    return project


def test_online_retail_ii_is_at_least_level_with_logistic_rfm(tmp_path: Path) -> None:
    project = ran(shop("online_retail_ii", tmp_path))
    metrics = project.json("data/evaluation/metrics.json")
    assert len(metrics["origins"]) >= 3
    for origin in metrics["origins"]:
        assert {"recency", "logistic_rfm"} <= set(origin["models"])
    assert metrics["mean"]["wafa"]["auroc"] >= metrics["mean"]["logistic_rfm"]["auroc"]
    assert metrics["mean"]["wafa"]["brier"] <= metrics["mean"]["logistic_rfm"]["brier"]
    # 22,523 lines stand in both sheets; they must not count twice.
    files = project.json("data/events/manifest.json")["logs"]["orders"]["files"]
    assert files[0]["rows_read"] == 1_067_370
    assert project.json("data/lists/win_back/manifest.json")["groups"]["treat"] == 0  # nobody gave consent


def test_online_retail_runs_whole(tmp_path: Path) -> None:
    metrics = ran(shop("online_retail", tmp_path)).json("data/evaluation/metrics.json")
    assert metrics["origins"]
    assert 0.65 < metrics["mean"]["wafa"]["auroc"] < 0.85


def test_noise_scores_like_noise_and_a_planted_leak_does_not(tmp_path: Path) -> None:
    project = ran(shop("crm_export", tmp_path))
    honest = project.json("data/evaluation/metrics.json")["mean"]["wafa"]["auroc"]
    assert 0.45 <= honest <= 0.57
    labels = project.json("data/events/manifest.json")["shop_labels"]["files"][0]
    assert (labels["rows_read"], labels["accepted"]) == (1600, 0)
    # Let every feature see what happens until the label window ends: the check above must be able to fail.
    windows = project.path("timeline/windows.py")
    text = windows.read_text(encoding="utf-8")
    leak = text.replace("    seen = events.filter(", "    cutoff = cutoff + 97 * DAY_US\n    seen = events.filter(", 1)
    assert leak != text
    windows.write_text(leak, encoding="utf-8")
    for stage in ("build_features", "train_model", "evaluate_model"):
        assert project.stage(stage).returncode == 0
    assert project.json("data/evaluation/metrics.json")["mean"]["wafa"]["auroc"] > 0.9
