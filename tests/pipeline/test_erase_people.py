"""Whole people leave a whole project: shared inboxes, merged accounts, every platform, killed at any moment."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from campaigns import platforms
from campaigns.ledger import Ledger
from pipeline import cli
from pipeline.intake import reading
from pipeline.project import datasets, settings
from tests.pipeline.shop_to_erase import RUNS, People, named_in, tables

ROOT = Path(__file__).parents[2]

KILLED = """
import os, shutil, signal, sqlite3, sys
from pathlib import Path
from pipeline import cli
from pipeline.privacy import erase
from pipeline.project import datasets, run_pipeline, settings

CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.truncate"}
start, again, moments = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), int(sys.argv[3])
first, then = sys.argv[4].split(), sys.argv[5].split()
datasets._sync_file = datasets._sync_folder = lambda path: None


def changes_disk(event, arguments):
    if event == "open":
        return bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    return event in CHANGES


def act(words, die_at=0, told=None):
    seen = 0

    def step():
        nonlocal seen
        seen += 1
        if seen == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def connect(*arguments, **options):
        database = genuine(*arguments, **options)
        database.set_trace_callback(lambda statement: step())
        return database

    genuine, sqlite3.connect = sqlite3.connect, connect
    sys.addaudithook(lambda event, arguments: step() if changes_disk(event, arguments) else None)
    sys.argv = ["wafa", *words]
    sys.stdout = open(os.devnull, "w")
    try:
        cli.main()
    except SystemExit as ended:
        if told:
            told.write_text(str(seen))
        os._exit(int(ended.code or 0))


def child(*arguments):
    started = os.fork()
    if started == 0:
        try:
            act(*arguments)
        finally:
            os._exit(99)
    return os.waitpid(started, 0)[1]


def anew(place):
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(start, place)
    os.chdir(place)


told = again.with_name("steps")
anew(again.with_name("whole"))
assert child(first, 0, told) == 0
assert child(then) == 0
steps, killed = int(told.read_text()), 0
for turn in range(moments):
    place = again / str(turn)
    anew(place)
    ended = child(first, 1 + turn * steps // moments)
    assert os.WIFSIGNALED(ended), ended
    if not Path("state", "erasing.json").exists():
        assert child(first) == 0, (turn, steps)  # nothing was begun, or all was done
    assert child(then) == 0, (turn, steps)
    killed += 1
print(steps, killed)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, shipped: str) -> Path:
    """The shop of five people to be erased, made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("made"))
        written(5, shipped)
        return Path().resolve()


@pytest.fixture
def shop(made: Path, project: Path) -> People:
    shutil.copytree(made, project, dirs_exist_ok=True)
    return People(5)


def written(size: int, shipped: str) -> People:
    people = People(size)
    people.write(shipped)
    assert {one for _, one in named_in(Path(), people.gone())} >= {people.own_id(n) for n in range(size)}
    return people


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["wafa", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def rows(name: str, platform: str, kind: str = "") -> str:
    folder = datasets.OUTBOX / name / RUNS[name] / platform
    files = [path for path in folder.iterdir() if path.suffix in {".csv", ".parquet", ".gz"}]
    files = [path for path in files if (f".{kind}." in path.name if kind else path.name.count(".") < 3)]
    files = [path for path in files if kind or not {"suppress", "sunset"} & {*path.name.split(".")}]
    assert files
    return "\n".join(
        pd.read_parquet(path).to_csv() if path.suffix == ".parquet" else pd.read_csv(path, dtype="str").to_csv()
        for path in files
    )


def check(people: People) -> None:
    """Nothing names who was erased, and of those who stay nothing is missing."""
    assert named_in(Path(), people.gone()) == []
    for platform in platforms.names():
        for name in RUNS:
            text, kept = rows(name, platform), rows(name, platform, "suppress")
            for n in range(people.size):
                other = people.size + n
                shares, opted_out = n % 2 == 0, n == 2
                # At a shared inbox the first run wrote to who was erased, the second to who stays.
                stays = not opted_out and (not shares or name == "at_risk")
                assert (f"Sentence of {other}." in text) == stays, (platform, name, other)
                assert (people.email(other) in kept.lower()) == opted_out
    for path in datasets.OUTBOX.glob("*/*/*/*.manifest.json"):
        told = datasets.read_json(path)
        hashes = {name: hashlib.sha256((path.parent / name).read_bytes()).hexdigest() for name in told["files"]}
        assert told["files"] == hashes
        assert told["exported"] + sum(told["skipped"].values()) + told["exported_before"] == told["selected"]


def test_erased_people_leave_every_file_and_those_at_their_inbox_stay(
    shop: People, monkeypatch: pytest.MonkeyPatch, shipped: str
) -> None:
    names = [shop.own_id(n) for n in range(shop.size)]
    assert call(monkeypatch, "erase", "--yes", *names) == 0
    check(shop)
    reading.run(settings.load(), datasets.EVENTS)
    assert named_in(Path(), shop.gone()) == []
    assert len(datasets.read_parquet(datasets.VAULT)) == len(shop.everybody) - shop.size


def test_one_after_the_other_is_as_good_as_all_at_once(shop: People, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(shop.size):
        assert call(monkeypatch, "erase", "--yes", shop.own_id(n)) == 0
    check(shop)


def test_what_somebody_else_was_sent_is_remembered(shop: People, monkeypatch: pytest.MonkeyPatch) -> None:
    def sent() -> list[list[str]]:
        with Ledger(datasets.LEDGER) as ledger:
            found = ledger.contacts_before("2027-01-01")
        stays = {shop.who(n) for n in shop.everybody if n >= shop.size}
        return found[found["customer_id"].isin(stays)].to_numpy().tolist()

    before = sent()
    assert call(monkeypatch, "erase", "--yes", *(shop.own_id(n) for n in range(shop.size))) == 0
    assert sent() == before


def test_a_subject_is_told_of_the_rows_at_an_inbox_that_are_theirs(
    shop: People, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "subject", shop.own_id(0)) == 0
    told = capsys.readouterr().out
    assert "state/outbox/win_back/2026-01-01/klaviyo/win_back.csv" in told
    assert "state/outbox/win_back/2026-01-01/parquet/win_back.parquet" in told
    assert "Sentence of 0." in told
    assert "at_risk/2026-01-05/klaviyo" not in told
    assert f"Sentence of {shop.size}." not in told


def kill(top: Path, moments: int, first: list[str], then: list[str]) -> tuple[Path, int]:
    place = top.with_name("killed")
    words = ["erase --yes " + " ".join(names) for names in (first, then)]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(top), str(place), str(moments), *words],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return place, int(done.stdout.split()[1])


def killed_at(shop: People, top: Path, moments: int) -> None:
    first, then = [shop.own_id(n) for n in range(shop.size - 1)], [shop.own_id(shop.size - 1)]
    place, killed = kill(top, moments, first, then)
    assert killed == moments
    wanted = tables(top.with_name("whole"))
    for turn in range(moments):
        found = tables(place / str(turn))
        assert {name for name in {*found, *wanted} if found.get(name) != wanted.get(name)} == set(), turn
    assert named_in(place / str(moments - 1), shop.gone()) == []


def test_the_next_call_finishes_what_was_killed_whoever_it_names(shop: People) -> None:
    killed_at(shop, Path().resolve(), 12)


@pytest.mark.stress
def test_the_next_call_finishes_at_a_hundred_moments(shop: People) -> None:
    killed_at(shop, Path().resolve(), 100)


@pytest.mark.stress
def test_two_hundred_people_leave_every_file(project: Path, shipped: str, monkeypatch: pytest.MonkeyPatch) -> None:
    people = written(200, shipped)
    assert call(monkeypatch, "erase", "--yes", *(people.own_id(n) for n in range(200))) == 0
    check(people)
