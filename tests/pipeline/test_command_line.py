"""`wafa` helps with examples, and a user's mistake is one line and an exit code, never a traceback."""

import re
import sys

import pytest

from campaigns import ListError, StaleListError
from pipeline import cli
from pipeline.project import datasets, errors, stage
from sources import ContractError

COMMANDS = [
    "run", "tune", "score", "promote", "rollback", "explain", "check", "quarantine", "horizon",
    "compare", "lists", "approve", "export", "suppress", "erase", "subject", "rekey", "snapshot", "simulate",
]  # fmt: skip


@pytest.fixture
def wafa(project, monkeypatch, capsys):
    """Runs a command line in an empty project; gives exit code, output and error output."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["wafa", *arguments])
        monkeypatch.setenv("COLUMNS", "100")
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capsys.readouterr()
        # Where colours are forced, as in continuous integration, help carries escape codes.
        return ended.value.code or 0, re.sub(r"\x1b\[[\d;]*m", "", told.out), told.err

    return call


@pytest.fixture
def with_params(project, shipped):
    (project / "params.yaml").write_text(shipped, encoding="utf-8")


def test_these_are_all_commands():
    assert [command.name for command in cli.app.registered_commands] == COMMANDS


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_shows_an_example(wafa, command, flag):
    code, out, err = wafa(command, flag)
    assert (code, err) == (0, "")
    assert f": wafa {command}" in out
    assert "Example" in out


def test_help_lists_every_command_and_every_exit_code(wafa):
    code, out, _ = wafa("--help")
    assert code == 0
    assert all(f" {command} " in out for command in COMMANDS)
    for kind in (errors.ParamsError, errors.StaleError, errors.DataError, errors.LockedError):
        assert f"{kind.exit_code} " in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["scoer"], "wafa: No such command 'scoer'. Did you mean 'score'? See wafa --help."),
        (["score", "--nope"], "wafa: No such option: --nope. See wafa --help."),
        (["score"], "wafa: Missing option '--as-of'. See wafa --help."),
        (["score", "--as-of"], "wafa: Option '--as-of' requires an argument. See wafa --help."),
        (["export"], "wafa: Missing argument 'LIST'. See wafa --help."),
        (["run", "now"], "wafa: Got unexpected extra argument(s) (now). See wafa --help."),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(wafa, arguments, said):
    assert wafa(*arguments) == (2, "", f"{said}\n")


def test_no_command_shows_the_help(wafa):
    code, out, err = wafa()
    assert code == 2
    assert "Usage: " in out
    assert err == "wafa: Name a command. See wafa --help.\n"


@pytest.mark.parametrize("command", [["score"], ["export", "win_back"]])
@pytest.mark.parametrize("day", ["nonsense", "2026-02-30", "20260101"])
def test_a_day_that_is_none_is_exit_code_2(wafa, with_params, command, day):
    said = f"--as-of: a date must look like 2026-01-31, got {day!r}.\n"
    assert wafa(*command, "--as-of", day) == (2, "", said)


def test_outside_a_project_the_line_says_where_to_go(wafa, project):
    code, out, err = wafa("check")
    assert (code, out) == (2, "")
    assert err == f"params.yaml: not found in {project.name}/. Run from the project's top folder.\n"


def test_scoring_without_a_champion_is_refused_as_stale(wafa, with_params):
    code, _, err = wafa("score", "--as-of", "2026-01-01")
    assert code == 3
    assert err.startswith(f"{datasets.CHAMPION}: holds no model. Run ")
    assert err.count("\n") == 1


def test_explaining_before_anything_was_scored_says_what_to_run(wafa, with_params):
    assert wafa("explain", "c_1") == (2, "", "wafa explain: nothing was scored yet. Run `wafa run` first.\n")


def test_an_interrupt_is_not_a_success(wafa, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.project.run_pipeline.hold_lock", interrupted)
    assert wafa("promote")[0] == 130


def test_a_fault_of_ours_keeps_its_traceback(project, monkeypatch):
    def broken():
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("pipeline.project.run_pipeline.hold_lock", broken)
    monkeypatch.setattr(sys, "argv", ["wafa", "promote"])
    with pytest.raises(RuntimeError, match="a fault of ours"):
        cli.main()


MISTAKES = [
    (errors.ParamsError("params.yaml: wrong. Mend it."), 2),
    (errors.StaleError("scores: stale. Run again."), 3),
    (StaleListError("lists: stale. Run again."), 3),
    (errors.DataError("orders: broken. Fix the export."), 4),
    (ContractError("orders: broken. Fix the export."), 4),
    (ListError("scores: broken. Run again."), 4),
    (errors.LockedError("state: held. Wait."), 75),
]


@pytest.mark.parametrize(("mistake", "code"), MISTAKES, ids=lambda value: type(value).__name__)
def test_a_users_mistake_ends_a_stage_in_one_line_and_its_exit_code(project, capsys, mistake, code):
    def main():
        raise mistake

    with pytest.raises(SystemExit) as ended:
        stage.run(main)
    assert ended.value.code == code
    assert capsys.readouterr().err == f"{mistake}\n"
    assert datasets.EXIT_CODE.read_text() == str(code)


def test_a_stage_that_succeeds_forgets_the_exit_code_of_the_last_failure(project):
    datasets.private_folder(datasets.STATE)
    datasets.EXIT_CODE.write_text("4")
    stage.run(lambda: None)
    assert not datasets.EXIT_CODE.exists()


def test_a_fault_of_ours_ends_a_stage_with_its_traceback(project):
    def main():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stage.run(main)
    assert not datasets.EXIT_CODE.exists()


@pytest.mark.parametrize("command", [["run"], ["check"], ["score", "--as-of", "2026-01-01"]])
def test_tables_of_a_database_are_read_before_the_logs_are(wafa, with_params, monkeypatch, command):
    done = []
    monkeypatch.setattr("pipeline.intake.snapshot_tables.run", lambda s: done.append("tables"))
    monkeypatch.setattr("pipeline.project.run_pipeline.repro", lambda: done.append("logs"))
    monkeypatch.setattr("pipeline.commands.score.score", lambda *_: done.append("logs"))
    monkeypatch.setattr("pipeline.champion.champions.Champions.is_there", lambda self: True)
    monkeypatch.setattr("pipeline.intake.check_data.check", lambda s: done.append("logs") or [])
    assert wafa(*command)[0] == 0
    assert done == ["tables", "logs"]


def test_snapshot_reads_tables_and_says_so_where_there_is_none(wafa, with_params, project, monkeypatch):
    code, _, err = wafa("snapshot")
    assert (code, err) == (2, "wafa snapshot: no log in params.yaml names a table. See sources.logs.\n")
    file = project / "params.yaml"
    text = file.read_text(encoding="utf-8").replace("{file: orders.csv}", "{table: orders}")
    file.write_text(text.replace("demo: [shop]", "demo: []"), encoding="utf-8")
    monkeypatch.delenv("WAFA_SOURCE_URL", raising=False)
    code, _, err = wafa("snapshot")
    assert code == 2
    assert err.startswith("WAFA_SOURCE_URL is not set (sources.database.url_from). Set it to the connection string")
