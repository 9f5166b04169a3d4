"""`wafa check --leaks` on the small demo shop: clean, beside the outputs of DVC, and a leak written in is caught."""

from __future__ import annotations

from tests.end_to_end.project import Project, stages_run

CERTIFICATE = "data/evaluation/leak_certificate.json"


def test_certificate_lives_beside_the_outputs_of_the_stages(copy_of_demo: Project) -> None:
    done = copy_of_demo.wafa("check", "--leaks", "--customers", "100")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "no leak found" in done.stdout
    found = copy_of_demo.json(CERTIFICATE)
    assert found["alarms"]["checked"] is True
    assert found["alarms"]["telling_alone"] == []
    assert "email_events" not in found["late_arrival_unknown"]  # The one log of the demo with a loaded_at.
    before = copy_of_demo.hashes("data/evaluation")
    assert stages_run(copy_of_demo.repro()) == []
    again = copy_of_demo.repro("--force", "--single-item", "evaluate_model")
    assert stages_run(again) == ["evaluate_model"]
    assert copy_of_demo.hashes("data/evaluation") == before


def test_a_leak_in_the_code_ends_with_3(copy_of_demo: Project) -> None:
    windows = copy_of_demo.path("timeline/windows.py")
    right = windows.read_text(encoding="utf-8")
    leak = right.replace('events["loaded_at"] < cutoff', 'events["loaded_at"] <= cutoff')
    assert leak != right
    windows.write_text(leak, encoding="utf-8")
    done = copy_of_demo.wafa("check", "--leaks", "--customers", "100")
    assert done.returncode == 3
    assert done.stderr.startswith("check: feature ")
    assert "(late_arrival)" in done.stderr
    assert "days_since_last_order" in copy_of_demo.json(CERTIFICATE)["leaking_features"]
