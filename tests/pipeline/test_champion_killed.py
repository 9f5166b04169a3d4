"""Whatever moment a promotion or a rollback is killed at, there is a whole champion, and doing it again ends well."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.calibration import Calibrator
from models.scorer import ChurnModel
from pipeline.champion import champion, gates
from pipeline.project import datasets, model_store

ROOT = Path(__file__).parents[2]

KILLED = """
import json, os, shutil, signal, sys
from pathlib import Path
from pipeline.champion import champion, gates
from pipeline.champion.champions import CHAMPIONS
from pipeline.project import datasets, model_store, tracking

CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.truncate", "os.link", "os.symlink"}
start, again = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
datasets._sync_file = datasets._sync_folder = lambda path: None
gates.examine = lambda s, rival: []
tracking.move_champion_alias = lambda model_hash: None


def act(action):
    champion.promote(None) if action == "promote" else champion.rollback()


def changes_disk(event, arguments):
    if event == "open":
        return bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    return event in CHANGES


def die_before(change, action):
    seen = 0

    def count(event, arguments):
        nonlocal seen
        if changes_disk(event, arguments):
            seen += 1
            if seen == change:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    act(action)
    os._exit(0)


def current():
    champion_now = CHAMPIONS.folder()
    model_store.read_files(champion_now)
    return model_store.manifest(champion_now)["model_hash"]


def killed_everywhere(action):
    hashes, change = [], 0
    while True:
        change += 1
        shutil.rmtree(again, ignore_errors=True)
        shutil.copytree(start, again)
        os.chdir(again)
        child = os.fork()
        if child == 0:
            die_before(change, action)
        ended = os.waitpid(child, 0)[1]
        if not os.WIFSIGNALED(ended):
            return ended, hashes, current()
        hashes.append(current())
        if action == "promote":
            act(action)
            left = {place.name for place in datasets.CHAMPIONS.iterdir()}
            pointer = datasets.read_json(datasets.CHAMPION_POINTER)
            assert left == {pointer["current"], *pointer["previous"]}, left
            hashes.append(current())


print(json.dumps([killed_everywhere("rollback"), killed_everywhere("promote")]))
"""


@pytest.fixture
def train(project, model):
    def run(slope):
        made = ChurnModel(model.ranker, Calibrator("sigmoid", slope, 0.0))
        datasets.write_text(f"of {slope}", datasets.PREDICTIONS)
        for old in datasets.MODEL.glob("*"):
            old.unlink()
        model_store.write(made, datasets.MODEL, {})
        return model_store.manifest(datasets.MODEL)["model_hash"]

    return run


@pytest.fixture
def before(train, monkeypatch):
    """Hashes of two champions, the older first, and of a model that waits to be promoted."""
    monkeypatch.setattr(champion, "_move_alias", lambda model_hash: None)
    monkeypatch.setattr(gates, "examine", lambda s, rival: [])
    hashes = []
    for slope in (1.0, 1.1):
        hashes.append(train(slope))
        champion.promote(None)
    return [*hashes, train(1.2)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, to kill a process a hundred times in seconds")
def test_killed_before_any_change_on_disk_there_is_a_whole_champion(before, project, tmp_path_factory):
    older, newer, waiting = before
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(project), str(tmp_path_factory.mktemp("again") / "project")],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rolled_back, promoted = json.loads(done.stdout.splitlines()[-1])
    ended, hashes, last = rolled_back
    assert (ended, last) == (0, older)
    assert set(hashes) == {older, newer}
    ended, hashes, last = promoted
    assert (ended, last) == (0, waiting)
    assert len(hashes) > 40
    assert set(hashes[::2]) == {newer, waiting}
    assert set(hashes[1::2]) == {waiting}
