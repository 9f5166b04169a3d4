"""A build of the lists that is killed at any moment: what stood there before stands, and one rerun gives all of it."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.end_to_end.project import Project

STAGE = [sys.executable, "-W", "ignore", "-m", "pipeline.build_lists"]


def start(project: Project) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        STAGE,
        cwd=project.folder,
        env=project.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def killed_and_run_again(project: Project, kills: int, seed: int) -> int:
    """Kill the stage so often, each time at another moment; the number of kills that met it running."""
    chance, met = random.Random(seed), 0
    before = project.hashes("data/lists")
    begun = time.monotonic()
    assert start(project).wait() == 0
    whole = time.monotonic() - begun
    assert project.hashes("data/lists") == before
    for _ in range(kills):
        process = start(project)
        # Later moments are tried more often: there the files are written.
        time.sleep(whole * chance.random() ** 0.5)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            met += 1
        process.wait()
        assert {name: value for name, value in project.hashes("data/lists").items() if ".tmp-" not in name} in (
            before,
            {},
        )
    assert start(project).wait() == 0
    assert project.hashes("data/lists") == before
    return met


def test_lists_survive_a_kill(copy_of_demo: Project) -> None:
    assert killed_and_run_again(copy_of_demo, 2, seed=1) <= 2


@pytest.mark.stress
def test_lists_survive_a_hundred_kills(copy_of_demo: Project) -> None:
    met = killed_and_run_again(copy_of_demo, 100, seed=2)
    print(f"{met} of 100 kills met the build running; files equal after one rerun")
    assert met > 50
