"""A model is promoted, scores, and is withdrawn: the next scores are the earlier champion's bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.champion import champion
from pipeline.commands import score
from pipeline.project import datasets, model_store, settings, shop_features, tracking
from pipeline.project.errors import StaleError
from tests.end_to_end.project import SMALL, Project

DAY = str(SMALL["scoring__as_of"])


def scored(project: Project) -> dict[str, str]:
    """Hash of every file that a night writes, by the name of the file of the stages that it equals."""
    batch = score.score(settings.load(), DAY)
    named = {
        "scoring/features": "features",
        "scoring/before": "features_before",
        "scores/scores": "scores",
        "scores/before": "before",
        "scores/reasons": "reasons",
    }
    pairs = {f"data/{stage}.parquet": batch / f"{file}.parquet" for stage, file in named.items()}
    pairs |= {f"data/{path.relative_to(batch).as_posix()}": path for path in (batch / "lists").rglob("*.*")}
    return {stage: datasets.sha256(path) for stage, path in pairs.items()}


@pytest.fixture
def with_another_model(copy_of_demo: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The demo after a training that gave the model of the newest backtest, with an evaluation as good as before."""
    monkeypatch.chdir(copy_of_demo.folder)
    newest = sorted(Path("data/model/backtest").iterdir())[-1]
    model, facts = model_store.read(newest), model_store.manifest(datasets.MODEL)
    outlook = {name: text for name, text in model_store.read_files(datasets.MODEL).items() if name.startswith("next_")}
    for file in datasets.MODEL.glob("*.*"):
        file.unlink()
    told = {name: fact for name, fact in facts.items() if name not in ("files", "model_hash", "manifest_hash")}
    model_store.write_files(datasets.MODEL, outlook | model.to_files(), told)
    metrics = copy_of_demo.json("data/evaluation/metrics.json")
    metrics["model_hash"] = model_store.manifest(datasets.MODEL)["model_hash"]
    datasets.write_json(metrics, datasets.METRICS)
    certificate = {
        "verdict": "no leak found",
        "code_sha256": shop_features.code_hash(),
        "columns": list(model.columns),
        "windows_days": facts["windows_days"],
        "history_days": facts["history_days"],
        "laws": {},
    }
    datasets.write_json(certificate, datasets.LEAK_CERTIFICATE)
    return copy_of_demo


def test_a_rollback_gives_the_earlier_champions_bytes(
    with_another_model: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The stages scored with the first champion, so their files are what it writes.
    earlier = with_another_model.hashes("data/scoring", "data/scores", "data/lists")
    monkeypatch.setattr(tracking, "move_champion_alias", lambda model_hash: None)
    champion.promote(settings.load())
    later = scored(with_another_model)
    assert set(later) == set(earlier)
    changed = {name for name in earlier if earlier[name] != later[name]}
    assert changed >= {"data/scores/scores.parquet", "data/scores/reasons.parquet", "data/lists/win_back/manifest.json"}
    assert "data/scoring/features.parquet" not in changed
    champion.rollback()
    assert scored(with_another_model) == earlier
    with pytest.raises(StaleError, match="no earlier champion"):
        champion.rollback()


def test_a_model_of_other_logs_is_refused_and_the_champion_stays(with_another_model: Project) -> None:
    project = with_another_model
    champion = project.hashes("state/champions")
    manifest = project.json("data/events/manifest.json")
    datasets.write_json(manifest | {"warnings": []}, project.path("data/events/manifest.json"))
    done = project.wafa("promote", "--check")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert done.stderr.startswith("promote: refused: events: data/events/manifest.json is ")
    assert project.hashes("state/champions") == champion
