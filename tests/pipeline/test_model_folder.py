"""A model folder is read only when every file is the one that was written."""

import dataclasses
import json

import pytest

from models import classifier
from models.calibration import Calibrator
from models.scorer import CALIBRATOR, COLUMNS, RANKER, TREES, Boosted
from pipeline import model_store
from pipeline.errors import StaleError

FILES = (TREES, RANKER, CALIBRATOR, COLUMNS)


@pytest.fixture
def folder(tmp_path, model):
    model_store.write(model, tmp_path / "model", {"rows": 200})
    return tmp_path / "model"


def test_a_model_comes_back_with_the_same_scores(folder, model, matrix):
    again = model_store.read(folder)
    assert again.columns == model.columns
    assert again.probability(matrix).tobytes() == model.probability(matrix).tobytes()
    assert model_store.manifest(folder)["rows"] == 200


@pytest.fixture
def unread(monkeypatch):
    """Fails the test if LightGBM is handed any text: a damaged file would kill the process."""

    def never(text):
        pytest.fail("the trees were read")

    monkeypatch.setattr(classifier, "from_text", never)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["truncated", "altered", "missing"])
def test_a_damaged_file_is_refused_unread(folder, unread, name, damage):
    file = folder / name
    content = file.read_bytes()
    if damage == "truncated":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "altered":
        file.write_bytes(content[:20] + bytes([content[20] ^ 1]) + content[21:])
    else:
        file.unlink()
    with pytest.raises(StaleError, match=rf"{name}: not the file its manifest names\. Train again, or copy") as refused:
        model_store.read(folder)
    assert refused.value.exit_code == 3


def test_a_manifest_that_was_cut_short_is_refused(folder, unread):
    file = folder / model_store.MANIFEST
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(StaleError, match=r"manifest\.json: was cut short\. Train again"):
        model_store.read(folder)


def test_a_folder_without_a_model_says_how_to_get_one(tmp_path):
    with pytest.raises(StaleError, match=r"holds no model\. Run `dvc repro`, or `wafa promote`"):
        model_store.read(tmp_path)


def model_hash(model, folder):
    model_store.write(model, folder, {})
    return model_store.manifest(folder)["model_hash"]


def test_the_model_hash_changes_with_any_file(model, matrix, shop, tmp_path):
    booster = classifier.fit(matrix, (matrix["b"] > 0).astype("int8"), shop.model)
    renamed = dataclasses.replace(model, ranker=Boosted(model.booster, ("a", "b", "d")))
    others = [
        dataclasses.replace(model, ranker=Boosted(booster, model.columns)),
        dataclasses.replace(model, calibrator=Calibrator("sigmoid", 0.9, 0.2)),
        renamed,
    ]
    hashes = [model_hash(other, tmp_path / str(n)) for n, other in enumerate([model, *others])]
    assert len(set(hashes)) == 4


def test_the_model_hash_is_the_same_for_the_same_model_and_other_facts(model, tmp_path):
    model_store.write(model, tmp_path / "one", {"rows": 1})
    model_store.write(model, tmp_path / "other", {"rows": 2})
    one, other = (model_store.manifest(tmp_path / name) for name in ("one", "other"))
    assert one["model_hash"] == other["model_hash"]


def test_a_model_folder_is_text_and_names_every_file(folder):
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, model_store.MANIFEST])
    listed = json.loads((folder / model_store.MANIFEST).read_text())["files"]
    assert {name: facts["bytes"] for name, facts in listed.items()} == {
        name: (folder / name).stat().st_size for name in FILES
    }
    for name in FILES:
        (folder / name).read_text(encoding="utf-8")
