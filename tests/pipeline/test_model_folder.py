"""A model folder is read only when every file is the one that was written, and nothing else lies in it."""

import dataclasses
import json
import os
import pickle
import random
import shutil
import subprocess
import sys

import pytest

from models import classifier
from models.calibration import Calibrator
from models.scorer import CALIBRATOR, COLUMNS, RANKER, TREES, Boosted
from pipeline.project import datasets, model_store
from pipeline.project.errors import StaleError

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


def refused(folder, pattern):
    with pytest.raises(StaleError, match=pattern) as error:
        model_store.read(folder)
    assert error.value.exit_code == 3
    assert "Train again" in str(error.value) or "opy the model folder anew" in str(error.value)


def rewrite(folder, change):
    """Put a changed manifest in place, with hashes of its own that are right."""
    manifest = json.loads((folder / model_store.MANIFEST).read_text())
    change(manifest)
    if isinstance(manifest.get("files"), dict):
        manifest["model_hash"] = model_store._of(manifest["files"])
    manifest.pop("manifest_hash", None)
    manifest["manifest_hash"] = model_store._of(manifest)
    datasets.write_json(manifest, folder / model_store.MANIFEST)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"files": ', "\x00", "[" * 100_000])
def test_a_manifest_that_is_none_is_refused(folder, unread, text):
    (folder / model_store.MANIFEST).write_text(text)
    refused(folder, r"manifest\.json: not the manifest that was written: it is no ")


@pytest.mark.parametrize("key", ["files", "model_hash", "manifest_hash"])
def test_a_manifest_that_lacks_a_key_is_refused(folder, unread, key):
    file = folder / model_store.MANIFEST
    manifest = json.loads(file.read_text())
    del manifest[key]
    datasets.write_json(manifest, file)
    refused(folder, f"it lacks the key {key}")


def test_a_manifest_with_another_fact_is_refused(folder, unread):
    file = folder / model_store.MANIFEST
    file.write_text(file.read_text().replace('"rows": 200', '"rows": 201'))
    refused(folder, "its manifest_hash is not that of its content")
    file.write_text(file.read_text().replace('"rows": 201', '"rows":  200'))
    refused(folder, "its text was changed")


@pytest.mark.parametrize(
    "name", ["../model.txt", "/etc/passwd.txt", "a/b.txt", "..\\\\b.txt", "c:b.txt", ".txt", "b", ""]
)
def test_a_manifest_that_names_a_place_outside_is_refused(folder, unread, name):
    def lead_out(manifest):
        manifest["files"][name.replace("\\\\", "\\")] = manifest["files"].pop(TREES)

    rewrite(folder, lead_out)
    refused(folder, "which is no file of a model folder")


@pytest.mark.parametrize("listed", [None, [], "model.txt", {TREES: None}, {TREES: "0"}])
def test_a_manifest_with_other_files_than_a_mapping_is_refused(folder, unread, listed):
    rewrite(folder, lambda manifest: manifest.update(files=listed))
    refused(folder, "its files are no mapping")


def test_a_file_the_manifest_names_without_a_hash_is_refused(folder, unread):
    rewrite(folder, lambda manifest: manifest["files"][TREES].pop("sha256"))
    refused(folder, rf"{TREES}: not the file its manifest names")


def test_a_file_beside_the_model_is_refused(folder, unread):
    (folder / "model.pkl").write_bytes(b"\x80\x04")
    refused(folder, r"model\.pkl: its manifest does not name this file\. Remove it")


def test_a_renamed_file_is_refused(folder, unread):
    (folder / TREES).rename(folder / "trees.txt")
    refused(folder, r"trees\.txt: its manifest does not name this file")


@pytest.mark.parametrize("name", [TREES, model_store.MANIFEST])
def test_a_link_is_refused_even_to_the_right_content(folder, unread, name):
    target = folder.parent / "elsewhere"
    (folder / name).rename(target)
    (folder / name).symlink_to(target)
    refused(folder, rf"{name}: a link or a folder, not the file itself\..*cache\.type copy")
    target.unlink()
    refused(folder, rf"{name}: a link or a folder")


def test_a_linked_file_beside_the_model_is_refused(folder, unread):
    (folder / "backtest").symlink_to(folder.parent)
    refused(folder, "backtest: its manifest does not name this file")


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="everything is readable here")
def test_a_file_that_may_not_be_read_is_refused(folder, unread):
    (folder / TREES).chmod(0)
    refused(folder, "cannot be read")


def test_other_folders_are_let_be(folder, model):
    model_store.write(model, folder / "backtest" / "2025-01-01", {})
    assert model_store.read(folder).columns == model.columns


def damaged(folder, how, rng):
    """Damage one thing in ``folder`` by chance; what was done, in words."""
    files = sorted(place.name for place in folder.iterdir())
    name = rng.choice(files)
    file = folder / name
    content = file.read_bytes()
    if how == "bit":
        at, bit = rng.randrange(len(content)), rng.randrange(8)
        file.write_bytes(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
        return f"bit {bit} of byte {at} of {name}"
    if how == "cut":
        at = rng.randrange(len(content))
        file.write_bytes(content[:at])
        return f"{name} ends at {at}"
    if how == "piece":
        at = rng.randrange(len(content))
        piece = rng.randbytes(rng.randrange(1, 64))
        file.write_bytes(content[:at] + piece + content[at:])
        return f"{len(piece)} bytes put into {name} at {at}"
    other = folder / rng.choice([other for other in files if other != name])
    if how == "swap":
        file.write_bytes(other.read_bytes())
        other.write_bytes(content)
        return f"{name} and {other.name} swapped"
    shutil.copyfile(other, file)
    return f"{other.name} in place of {name}"


@pytest.mark.parametrize("how", ["bit", "cut", "piece", "swap", "copy"])
def test_forty_damages_of_each_kind_are_refused_unread(folder, unread, tmp_path, how):
    rng, said = random.Random(how), []
    for n in range(40):
        place = tmp_path / f"{how}-{n}"
        shutil.copytree(folder, place)
        done = damaged(place, how, rng)
        try:
            model_store.read(place)
        except StaleError as error:
            said.append(str(error))
        else:
            pytest.fail(f"read in spite of: {done}")
    assert all(f"{how}-{n}/" in line for n, line in enumerate(said))


def test_the_files_of_another_model_are_refused(folder, model, tmp_path):
    other = dataclasses.replace(model, calibrator=Calibrator("sigmoid", 0.9, 0.2))
    model_store.write(other, tmp_path / "other", {"rows": 200})
    shutil.copyfile(tmp_path / "other" / CALIBRATOR, folder / CALIBRATOR)
    refused(folder, rf"{CALIBRATOR}: not the file its manifest names")
    shutil.copyfile(tmp_path / "other" / model_store.MANIFEST, folder / model_store.MANIFEST)
    assert model_store.read(folder).calibrator == other.calibrator


def test_what_is_refused_would_have_killed_the_process(folder):
    text = (folder / TREES).read_text()
    cut = text[: text.index("leaf_value=") + 20]
    code = "import sys, lightgbm; lightgbm.Booster(model_str=sys.stdin.read())"
    done = subprocess.run([sys.executable, "-c", code], input=cut, capture_output=True, text=True, check=False)
    # No exception that a batch job could catch: LightGBM aborts.
    assert done.returncode < 0 or done.returncode > 128
    assert "Traceback" not in done.stderr


def test_reading_and_scoring_unpickles_nothing(folder, matrix):
    found, watching = [], True
    sys.addaudithook(lambda event, arguments: found.append(arguments) if watching and "pickle" in event else None)
    model = model_store.read(folder)
    assert len(model.probability(matrix)) == len(model.contributions(matrix)) == len(matrix)
    assert not found
    pickle.loads(pickle.dumps(random.Random))
    assert found
    watching = False


def test_columns_in_another_order_than_the_trees_are_refused(model, tmp_path):
    swapped = dataclasses.replace(model, ranker=Boosted(model.booster, ("b", "a", "c")))
    model_store.write(swapped, tmp_path / "model", {})
    with pytest.raises(StaleError, match="column 1 is b in the list and a in the trees"):
        model_store.read(tmp_path / "model")


def test_a_list_with_a_column_too_few_is_refused(model, tmp_path):
    fewer = dataclasses.replace(model, ranker=Boosted(model.booster, ("a", "b")))
    model_store.write(fewer, tmp_path / "model", {})
    with pytest.raises(StaleError, match="lists 2 columns, its trees have 3"):
        model_store.read(tmp_path / "model")


def test_a_matrix_in_another_order_gives_the_same_scores(model, matrix):
    assert model.probability(matrix[["c", "a", "b"]]).tobytes() == model.probability(matrix).tobytes()


@pytest.mark.parametrize("type_", ["float32", "int64", "object", "category", "bool", "string"])
def test_a_column_of_another_type_is_named(model, matrix, type_):
    with pytest.raises(ValueError, match=rf"the column b of the feature table is {type_}.*fitted on float64"):
        model.probability(matrix.assign(b=matrix["b"].round().astype(type_)))


def test_a_column_that_is_missing_is_named(model, matrix):
    with pytest.raises(ValueError, match=r"lacks 1 of the 3 columns .* \(first: b\)"):
        model.probability(matrix.drop(columns="b"))


def test_a_copy_holds_the_model_and_nothing_else(folder, model, matrix, tmp_path):
    (folder / "backtest").mkdir()
    model_store.copy(folder, tmp_path / "copy")
    assert not (tmp_path / "copy" / "backtest").exists()
    for file in (tmp_path / "copy").iterdir():
        assert file.read_bytes() == (folder / file.name).read_bytes()
    assert model_store.read(tmp_path / "copy").probability(matrix).tobytes() == model.probability(matrix).tobytes()


def test_a_model_of_a_later_version_is_named_as_such(folder):
    files = model_store.read_files(folder)
    kept = {name: text for name, text in files.items() if name != CALIBRATOR}
    later = folder.parent / "later"
    model_store.write_files(later, kept | {"calibrator_2.json": "{}"}, {})
    with pytest.raises(StaleError, match="this version of Wafa does not know such a model"):
        model_store.read(later)


def test_a_name_that_leads_out_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="is no name for a file of a model"):
        model_store.write_files(tmp_path, {"../model.txt": ""}, {})


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
