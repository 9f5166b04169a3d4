"""What a user can get wrong: one line that names place and cure, the exit code of its kind, nothing half-written."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.end_to_end.project import Project

ORDERS = "data/raw/simulated/orders.csv"


def rewrite(path: Path, change: Callable[[str], str]) -> None:
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


def refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    message = done.stderr.strip()
    assert done.returncode == code, done.stderr
    assert message.count("\n") == 0, message
    assert "Traceback" not in done.stdout + done.stderr
    for word in words:
        assert word in message, message


def state_of(project: Project) -> dict[str, str]:
    return project.hashes("data", "state")


@pytest.fixture
def before(copy_of_demo: Project) -> dict[str, str]:
    return state_of(copy_of_demo)


def without_column(text: str) -> str:
    return text.replace("customer_id", "custmer_id", 1)


def without_landed(state: dict[str, str]) -> dict[str, str]:
    return {path: sha256 for path, sha256 in state.items() if not path.startswith("state/landed/")}


def semicolons(text: str) -> str:
    return text.replace(",", ";")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without_column, ("orders.csv", "customer_id", "custmer_id")),
        (lambda text: "", ("orders.csv", "empty")),
        (lambda text: text.splitlines()[0] + "\n", ("orders.csv",)),
        (semicolons, ("orders.csv", "delimiter")),
    ],
    ids=["missing column", "empty file", "header only", "wrong delimiter"],
)
def test_a_broken_export_is_refused_and_nothing_changes(
    copy_of_demo: Project, change: Callable[[str], str], words: tuple[str, ...]
) -> None:
    rewrite(copy_of_demo.path(ORDERS), change)
    before = state_of(copy_of_demo)
    refused(copy_of_demo.stage("ingest_logs"), 4, *words)
    after = state_of(copy_of_demo)
    after.pop("state/exit_code", None)
    # What was read of good files may stay: it is a cache.
    assert without_landed(after) == without_landed(before)


def test_an_unknown_key_is_named_with_its_nearest(copy_of_demo: Project, before: dict[str, str]) -> None:
    copy_of_demo.params(cohort__horizon=90)
    refused(copy_of_demo.wafa("score", "--as-of", "2024-12-01"), 2, "cohort.horizon", "horizon_days")
    assert state_of(copy_of_demo) == before


def test_a_negative_horizon_is_refused(copy_of_demo: Project, before: dict[str, str]) -> None:
    copy_of_demo.params(cohort__horizon_days=-1)
    refused(copy_of_demo.wafa("check"), 2, "cohort.horizon_days", "-1")
    assert state_of(copy_of_demo) == before


def test_the_exit_code_of_a_stage_reaches_the_shell_through_dvc(copy_of_demo: Project) -> None:
    copy_of_demo.params(scoring__as_of="2010-01-01")
    done = copy_of_demo.wafa("run")
    assert done.returncode == 2
    assert "before the first order" in done.stderr
    assert "Traceback" not in done.stderr
    assert not copy_of_demo.path("data/scoring/features.parquet").exists()


def test_a_scoring_date_before_the_first_event_is_refused(copy_of_demo: Project) -> None:
    before = copy_of_demo.hashes("data")
    refused(copy_of_demo.wafa("score", "--as-of", "2010-01-01"), 2, "2010-01-01", "first order", "2023-07")
    assert copy_of_demo.hashes("data") == before


def test_a_scoring_date_beyond_the_data_is_refused_as_stale(copy_of_demo: Project) -> None:
    refused(copy_of_demo.wafa("score", "--as-of", "2031-01-01"), 3, "2031-01-01", "2025-01-01")


def test_a_champion_of_another_question_is_refused(copy_of_demo: Project) -> None:
    copy_of_demo.params(cohort__horizon_days=60)
    refused(copy_of_demo.wafa("score", "--as-of", "2024-12-01"), 3, "horizon_days", "60", "promote")


def test_a_damaged_champion_is_refused_unread(copy_of_demo: Project) -> None:
    (trees,) = copy_of_demo.path("state/champions").glob("*/model/model.txt")
    rewrite(trees, lambda text: text[: len(text) // 2])
    refused(copy_of_demo.wafa("score", "--as-of", "2024-12-01"), 3, "model.txt", "manifest")


def test_no_eligible_customer_is_an_honest_empty_result(copy_of_demo: Project) -> None:
    orders = pd.concat(map(pd.read_parquet, copy_of_demo.path("data/events/orders").glob("*.parquet")))
    ordered = set(pd.to_datetime(orders["occurred_at"], unit="us", utc=True).dt.tz_convert("Europe/London").dt.date)
    quiet = next(day for day in pd.date_range(min(ordered), periods=60).date if day not in ordered)
    copy_of_demo.params(cohort__active_days=1, scoring__as_of=str(quiet + pd.Timedelta(days=1)))
    done = copy_of_demo.stage("prepare_scoring")
    assert done.returncode == 0, done.stderr
    assert "nobody is scored" in done.stdout
    for stage in ("score_customers", "explain_scores", "build_lists", "render_report"):
        done = copy_of_demo.stage(stage)
        assert done.returncode == 0, (stage, done.stderr[-800:])
    assert copy_of_demo.table("data/scores/scores.parquet").empty
    assert copy_of_demo.table("data/lists/win_back/candidates.parquet").empty


def test_no_eligible_customer_at_any_cutoff_is_one_line(copy_of_demo: Project) -> None:
    orders = copy_of_demo.path("data/events/orders")
    for file in orders.glob("*.parquet"):
        frame = pd.read_parquet(file)
        frame.assign(event="Order Cancelled").to_parquet(file, index=False)
    refused(copy_of_demo.stage("build_cohorts"), 4, "cohort", "no customer ordered")


def test_too_short_a_history_is_one_line(copy_of_demo: Project) -> None:
    copy_of_demo.params(cohort__horizon_days=700)
    refused(copy_of_demo.stage("build_cohorts"), 4, "horizon_days", "no month start")


def test_no_consenting_customer_gives_empty_lists_that_say_why(copy_of_demo: Project) -> None:
    for log in ("consent_events", "customers"):
        for file in copy_of_demo.path(f"data/events/{log}").glob("*.parquet"):
            frame = pd.read_parquet(file)
            column = "status" if log == "consent_events" else "email_consent"
            frame.assign(**{column: "unsubscribed"}).to_parquet(file, index=False)
    done = copy_of_demo.stage("build_lists")
    assert done.returncode == 0, done.stderr
    for name in ("win_back", "abandoned_cart"):
        assert copy_of_demo.table(f"data/lists/{name}/candidates.parquet").empty
    assert copy_of_demo.table("data/lists/people.parquet")["guard"].notna().all()
    assert copy_of_demo.wafa("approve", "win_back", "--yes").returncode == 0
    done = copy_of_demo.wafa("export", "win_back")
    assert done.returncode == 0, done.stderr


def test_an_unknown_list_or_command_is_wrong_usage(copy_of_demo: Project) -> None:
    refused(copy_of_demo.wafa("export", "everybody"), 2, "everybody", "win_back")
    refused(copy_of_demo.wafa("scor"), 2, "scor")


def test_a_second_run_is_turned_away_at_once(copy_of_demo: Project) -> None:
    from filelock import FileLock

    with FileLock(copy_of_demo.path("state/run.lock")):
        refused(copy_of_demo.wafa("run"), 75, "another run")
