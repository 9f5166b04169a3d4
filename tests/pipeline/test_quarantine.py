"""`wafa quarantine`: what was refused and where, private lines only on the screen, and a mended file is a clean one."""

import csv
import json
import os
import shutil
import stat
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline import cli
from pipeline.intake import quarantine, reading
from pipeline.intake.quarantine import place, visible
from pipeline.project import datasets
from pipeline.project.errors import ParamsError
from sources import SourceSettings
from tests.sources.source_files import KEY, ORDERS

TICKETS = "ticket_id,customer_id,opened_at,satisfaction\nt1,anna,2025-01-07T10:00:00Z,5\n"
BAD_ORDERS = '4,cleo-canary,soon,1.00\n5,dora,2025-01-09T10:00:00Z,"=1,00"\n6,,2025-01-09T10:00:00Z,1.00\n'
GOOD_ORDERS = (
    "4,cleo-canary,2025-01-08T10:00:00Z,1.00\n5,dora,2025-01-09T10:00:00Z,1.00\n6,ed,2025-01-09T10:00:00Z,1.00\n"
)
BAD_TICKET, GOOD_TICKET = "t2,ben,2025-01-08T10:00:00Z,9\n", "t2,ben,2025-01-08T10:00:00Z,4\n"


def write(folder: Path, orders: str, tickets: str) -> None:
    (folder / "exports").mkdir(parents=True, exist_ok=True)
    (folder / "exports" / "orders.csv").write_text(ORDERS + orders)
    (folder / "exports" / "tickets.csv").write_text(TICKETS + tickets)


def params() -> SimpleNamespace:
    logs = {"orders": {"file": "orders.csv"}, "support_tickets": {"file": "tickets.csv"}}
    sources = SourceSettings.model_validate(
        {"path": "exports", "currency": "GBP", "key_id": "test", "logs": logs, "own_logs": {}}
    )
    engine = SimpleNamespace(memory_limit="500MB", threads=1)
    return SimpleNamespace(sources=sources, engine=engine, shop=SimpleNamespace(timezone="UTC", currency="GBP"))


def files_below(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def fill(folder: Path, *lines: dict[str, object]) -> None:
    """A quarantine as an ingest leaves it."""
    path = folder / datasets.QUARANTINE
    path.mkdir(parents=True)
    usual = {"log": "orders", "file": "orders.csv", "line": 5, "rule": "missing_id", "column": "customer_id"}
    for line in lines:
        row = usual | {"message": "Nobody is named; fill in the id.", "raw": "6,,2025"} | line
        with (path / f"{row['log']}.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")


@pytest.fixture
def shop(project, monkeypatch):
    monkeypatch.setenv("WAFA_KEY_TEST", KEY.hex())
    write(project, BAD_ORDERS, BAD_TICKET)
    return project


@pytest.fixture
def wafa(project, shipped, monkeypatch, capsys):
    (project / "params.yaml").write_text(shipped, encoding="utf-8")

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["wafa", "quarantine", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capsys.readouterr()
        return ended.value.code or 0, told.out, told.err

    return call


def test_every_kind_is_listed_with_its_first_place_and_what_to_do(shop):
    reading.run(params(), datasets.EVENTS)
    told = list(quarantine.told())
    assert "orders: unparsable_time, 1 row. No ISO 8601 time; correct it, or declare time_format." in told
    assert "  orders.csv: 1 row, first at orders.csv:5:ordered_at" in told
    assert "  tickets.csv: 1 row, first at tickets.csv:3:satisfaction" in told
    assert "canary" not in "\n".join(told)


def test_the_most_rows_come_first_and_one_log_or_rule_can_be_asked_for(project):
    more = [{"rule": "bad_json", "log": "web_events", "file": f"{n % 12}.jsonl", "line": n} for n in range(30)]
    fill(project, {}, *more)
    told = list(quarantine.told())
    assert [line.partition(",")[0] for line in told if not line.startswith(" ")][:2] == [
        "web_events: bad_json",
        "orders: missing_id",
    ]
    assert "  and 2 more files" in told
    assert [line for line in quarantine.told(log="orders") if "web_events" in line] == []
    assert [line for line in quarantine.told(rule="bad_json") if "orders" in line] == []


def test_raw_lines_are_shown_only_when_asked_and_cannot_move_the_cursor(project):
    fill(project, {"raw": "6,\x1b[2J\u202eanna\n7"}, {"line": 9, "raw": "later"})
    assert "anna" not in "\n".join(quarantine.told())
    told = list(quarantine.told(show=1))
    assert told[-1] == r"  orders.csv:5:customer_id missing_id: 6,\x1b[2J\u202eanna\n7"
    assert "later" not in "\n".join(told)
    assert visible("ünïcode 'x'") == "ünïcode 'x'"
    assert place("a\nb.csv", 3, "") == r"a\nb.csv:3"


def test_a_file_for_a_spreadsheet_runs_nothing_and_is_private(project):
    fill(project, {"raw": '=cmd|"/c calc"!A0', "file": "@orders.csv"}, {"raw": "\t+1", "log": "calls"})
    assert quarantine.write_csv(Path("refused.csv")) == 2
    with Path("refused.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(quarantine.COLUMNS)
    assert [row["raw"] for row in rows] == ["'\t+1", '\'=cmd|"/c calc"!A0']
    assert rows[1]["file"] == "'@orders.csv"
    if os.name == "posix":
        assert stat.S_IMODE(Path("refused.csv").stat().st_mode) == 0o600
    assert quarantine.write_csv(Path("calls.csv"), log="calls") == 1


def test_a_file_that_is_there_is_never_overwritten(project):
    fill(project, {"raw": "a,b"})
    Path("params.yaml").write_text("mine")
    with pytest.raises(ParamsError, match="--output must be a new file"):
        quarantine.write_csv(Path("params.yaml"))
    assert Path("params.yaml").read_text() == "mine"


@pytest.mark.parametrize("output", ["data/refused.csv", "data/../data/x/refused.csv", "nowhere/refused.csv", "data"])
def test_raw_lines_never_go_where_dvc_copies(project, output):
    fill(project, {})
    Path("data/x").mkdir(parents=True)
    with pytest.raises(ParamsError, match="--output"):
        quarantine.write_csv(Path(output))
    assert list(files_below(project)) == ["state/quarantine/orders.jsonl"]


def test_what_nobody_has_is_wrong_usage_and_names_what_there_is(project, wafa):
    assert wafa() == (2, "", "wafa quarantine: nothing was read yet. Run `wafa run` first.\n")
    fill(project, {}, {"rule": "bad_json", "log": "calls"})
    said = "wafa quarantine: no refused row has --rule 'nope'. There are: bad_json, missing_id.\n"
    assert wafa("--rule", "nope") == (2, "", said)
    assert wafa("--log", "orders", "--rule", "bad_json")[2].endswith("There are: missing_id.\n")
    assert wafa("--log", "nope", "--output", "x.csv")[0] == 2
    assert not Path("x.csv").exists()


def test_the_command_lists_shows_and_writes(project, wafa):
    fill(project, {})
    code, out, _ = wafa()
    assert code == 0
    assert out.startswith("orders: missing_id, 1 row. Nobody is named; fill in the id.\n")
    assert "6,,2025" in wafa("--show", "3")[1]
    code, out, _ = wafa("--output", "x.csv")
    assert (code, Path("x.csv").is_file()) == (0, True)
    assert out.startswith("quarantine: 1 row(s) in x.csv.")


def test_lines_that_no_ingest_confirms_are_deleted_when_their_days_are_over(project, wafa):
    fill(project, {}, {"log": "calls"})
    day = 86_400
    old, young = (datasets.QUARANTINE / f"{log}.jsonl" for log in ("orders", "calls"))
    os.utime(old, (time.time() - 366 * day,) * 2)
    os.utime(young, (time.time() - 364 * day,) * 2)
    _, out, _ = wafa()
    assert "quarantine: nothing was read for 365 days; lines deleted of 1 log(s)" in out
    assert (old.exists(), young.exists()) == (False, True)
    now = int(young.stat().st_mtime + 10 * day) * 1_000_000
    assert [quarantine.expire(days, now) for days in (11, 10, 9, 9)] == [0, 0, 1, 0]
    assert "empty" in wafa()[1]


def test_an_ingest_forgets_the_lines_of_a_file_that_is_gone_or_mended(shop):
    reading.run(params(), datasets.EVENTS)
    assert {row["log"] for row in quarantine.rows()} == {"orders", "support_tickets"}
    write(shop, GOOD_ORDERS, BAD_TICKET)
    reading.run(params(), datasets.EVENTS)
    assert {row["log"] for row in quarantine.rows()} == {"support_tickets"}
    assert b"canary" not in b"".join(files_below(shop / datasets.QUARANTINE).values())


def test_a_mended_file_read_again_is_a_clean_first_ingest_byte_for_byte(tmp_path, monkeypatch):
    monkeypatch.setenv("WAFA_KEY_TEST", KEY.hex())
    for name in ("mended", "clean"):
        (tmp_path / name).mkdir()

    def ingested(name: str, orders: str, tickets: str) -> dict[str, bytes]:
        monkeypatch.chdir(tmp_path / name)
        write(tmp_path / name, orders, tickets)
        reading.run(params(), datasets.EVENTS)
        return files_below(tmp_path / name / datasets.EVENTS)

    first = ingested("mended", BAD_ORDERS, BAD_TICKET)
    # One file mended, then the other; each time the same as a shop that never saw the faulty ones.
    for orders, tickets in ((GOOD_ORDERS, BAD_TICKET), (GOOD_ORDERS, GOOD_TICKET)):
        again, clean = ingested("mended", orders, tickets), ingested("clean", orders, tickets)
        assert again == clean != first
        assert files_below(tmp_path / "mended" / datasets.QUARANTINE) == files_below(
            tmp_path / "clean" / datasets.QUARANTINE
        )
        monkeypatch.chdir(tmp_path / "mended")
        reading.run(params(), datasets.EVENTS)
        assert files_below(tmp_path / "mended" / datasets.EVENTS) == clean
        datasets.EVENTS.rename("elsewhere")
        reading.run(params(), datasets.EVENTS)
        assert files_below(tmp_path / "mended" / datasets.EVENTS) == clean
        shutil.rmtree("elsewhere")
        shutil.rmtree(tmp_path / "clean")
        (tmp_path / "clean").mkdir()
