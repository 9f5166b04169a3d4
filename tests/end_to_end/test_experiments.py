"""Experiments as a data scientist runs them: in the working tree, out of the queue, compared, and taken."""

from __future__ import annotations

import pytest

from tests.end_to_end.project import Project


@pytest.mark.stress
def test_experiments_run_queued_or_not_and_are_compared(copy_of_demo: Project) -> None:
    demo = copy_of_demo
    before = demo.hashes("data/evaluation", "data/model")
    kept = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    demo.git("add", "-A")
    demo.git(*kept, "commit", "-qm", "a finished run")
    for key, value in {"user.name": "test", "user.email": "test@example.org"}.items():
        demo.git("config", key, value)

    assert (
        demo.call(
            "dvc", "exp", "run", "-q", "--queue", "-n", "queued", "evaluate_model", "-S", "model.trees=30"
        ).returncode
        == 0
    )
    waiting = demo.wafa("compare", "queued")
    assert (waiting.returncode, waiting.stderr.count("\n")) == (2, 1)
    assert "is queued and did not run yet" in waiting.stderr
    done = demo.call("dvc", "exp", "run", "-q", "--run-all")  # as `dvc queue start`, but it waits for the end
    assert done.returncode == 0, done.stderr
    assert demo.hashes("data/evaluation", "data/model") == before

    found = demo.wafa("compare", "queued")
    assert found.returncode == 0, found.stderr
    assert "model.trees: 30 instead of 60" in found.stdout
    assert "queued is really worse in" in found.stdout
    assert demo.wafa("compare", "workspace", "queued").stdout.count("real: better") == found.stdout.count("real: worse")

    done = demo.call("dvc", "exp", "run", "-q", "-n", "here", "evaluate_model", "-S", "model.trees=30")
    assert done.returncode == 0, done.stderr
    # The same params give the same model, wherever they run.
    assert "queued and here say the same of every customer" in demo.wafa("compare", "queued", "here").stdout
    assert "model.trees: 30 instead of 60" in demo.wafa("compare", "here", "HEAD").stdout
    unknown = demo.wafa("compare", "nobody")
    assert (unknown.returncode, unknown.stderr.count("\n")) == (2, 1)
    assert "There are: here, queued, workspace." in unknown.stderr
