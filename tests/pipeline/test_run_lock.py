"""One run at a time, and a run that was killed leaves nothing that stops the next one."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from pipeline import cli
from pipeline.project import datasets, run_pipeline
from pipeline.project.errors import LockedError, WafaError

GOOD = "schema: '2.0'\nstages:\n  ingest_logs:\n    cmd: python -m pipeline.ingest_logs\n"


@contextmanager
def another_process_holds_the_lock():
    datasets.private_folder(datasets.STATE)
    code = (
        "import sys; from filelock import FileLock; lock = FileLock(sys.argv[1]); lock.acquire(); "
        "print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(datasets.LOCK)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        yield holder
    finally:
        holder.kill()
        holder.wait()
        holder.stdin.close()
        holder.stdout.close()


def test_a_second_run_is_refused_at_once(project):
    with another_process_holds_the_lock():
        began = time.monotonic()
        with pytest.raises(LockedError, match=r"another run holds the lock\. Wait for it to end\.$"):
            run_pipeline.hold_lock()
        assert time.monotonic() - began < 1


@pytest.mark.parametrize("command", ["run", "promote"])
def test_a_second_command_ends_with_exit_code_75_and_one_line(project, monkeypatch, capsys, command):
    monkeypatch.setattr(sys, "argv", ["wafa", command])
    with another_process_holds_the_lock(), pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 75
    assert capsys.readouterr().err == f"{datasets.LOCK}: another run holds the lock. Wait for it to end.\n"


def test_the_lock_of_a_killed_run_is_free(project):
    with another_process_holds_the_lock() as holder:
        holder.kill()
        holder.wait()
        with run_pipeline.hold_lock() as lock:
            assert lock.is_locked


def test_the_lock_is_given_back(project):
    with run_pipeline.hold_lock(), pytest.raises(LockedError):
        run_pipeline.hold_lock()
    assert FileLock(datasets.LOCK, timeout=0).acquire()


@pytest.fixture
def dvc(project):
    datasets.private_folder(datasets.STATE)
    run_pipeline.RWLOCK.parent.mkdir(parents=True)
    run_pipeline.DVC_LOCK.write_text(GOOD)
    datasets.LAST_GOOD_LOCK.write_text(GOOD)
    return project


CUT_SHORT = [b"", b"schema: '2.0'\nstages:\n  ingest_logs: {cmd: py", b"stages: \xc3", b"\0\0\0"]


@pytest.mark.parametrize("left", CUT_SHORT)
def test_a_dvc_lock_that_was_cut_short_is_restored_from_the_last_good_copy(dvc, capsys, left):
    run_pipeline.DVC_LOCK.write_bytes(left)
    run_pipeline.heal()
    assert run_pipeline.DVC_LOCK.read_text() == GOOD
    assert capsys.readouterr().out.startswith("dvc.lock: was cut short by an interrupted run; restored")


@pytest.mark.parametrize("left", CUT_SHORT)
def test_a_dvc_lock_that_was_cut_short_without_a_copy_is_removed(dvc, capsys, left):
    datasets.LAST_GOOD_LOCK.unlink()
    run_pipeline.DVC_LOCK.write_bytes(left)
    run_pipeline.heal()
    assert not run_pipeline.DVC_LOCK.exists()
    assert "every stage is checked again" in capsys.readouterr().out


def test_a_whole_dvc_lock_is_left_alone(dvc, capsys):
    newer = GOOD + "  train_model:\n    cmd: python -m pipeline.train_model\n"
    run_pipeline.DVC_LOCK.write_text(newer)
    run_pipeline.heal()
    assert run_pipeline.DVC_LOCK.read_text() == newer
    assert capsys.readouterr().out == ""


def test_a_project_that_never_ran_has_nothing_to_heal(project):
    run_pipeline.heal()
    assert list(project.iterdir()) == []


@pytest.fixture
def dead():
    """The id of a process that has ended."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def owner(pid):
    return {"pid": pid, "cmd": "dvc repro"}


def write_rwlock(held):
    run_pipeline.RWLOCK.write_text(json.dumps(held))


@pytest.mark.parametrize("left", ["", '{"data/events": {"read": [{"pi', "[1, 2]", '{"data": {"write": {"cmd": "x"}}}'])
def test_an_rwlock_that_cannot_be_read_is_removed(dvc, left):
    run_pipeline.RWLOCK.write_text(left)
    run_pipeline.heal()
    assert not run_pipeline.RWLOCK.exists()


def test_an_rwlock_of_a_dead_process_is_removed(dvc, dead):
    write_rwlock({"data/events": {"write": owner(dead)}, "data/raw": {"read": [owner(dead)]}})
    run_pipeline.heal()
    assert not run_pipeline.RWLOCK.exists()


@pytest.mark.parametrize("kind", ["read", "write"])
def test_an_rwlock_of_a_living_process_is_left_alone(dvc, dead, kind):
    living = owner(os.getpid())
    write_rwlock({"data/raw": {"read": [owner(dead)]}, "data/events": {kind: [living] if kind == "read" else living}})
    before = run_pipeline.RWLOCK.read_bytes()
    run_pipeline.heal()
    assert run_pipeline.RWLOCK.read_bytes() == before


class Dvc:
    """Stands in for `dvc repro`: leaves what a stage would leave, and ends with a code."""

    def __init__(self, code: int, stage_code: str | None = None) -> None:
        self.code, self.stage_code = code, stage_code

    def __call__(self, command, env, check):
        assert command[1:] == ["-m", "dvc", "repro"]
        if self.stage_code is not None:
            datasets.EXIT_CODE.write_text(self.stage_code)
        Path(run_pipeline.DVC_LOCK).write_text(GOOD + "# newer\n")
        return subprocess.CompletedProcess(command, self.code)


def test_a_run_that_succeeds_keeps_a_good_copy_of_dvc_lock(dvc, monkeypatch):
    monkeypatch.setattr(run_pipeline.subprocess, "run", Dvc(0))
    run_pipeline.repro()
    assert datasets.LAST_GOOD_LOCK.read_text() == GOOD + "# newer\n"


@pytest.mark.parametrize(("stage_code", "code"), [("4", 4), ("2", 2), (None, 1), ("", 1)])
def test_a_failed_stage_passes_its_own_exit_code_on(dvc, monkeypatch, stage_code, code):
    monkeypatch.setattr(run_pipeline.subprocess, "run", Dvc(1, stage_code))
    with pytest.raises(WafaError, match="a stage failed") as failed:
        run_pipeline.repro()
    assert failed.value.exit_code == code
