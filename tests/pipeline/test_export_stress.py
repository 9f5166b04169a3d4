"""Exports that are killed, that run at once, and during which people opt out."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from campaigns import StaleListError
from campaigns.ledger import Ledger
from pipeline.project import datasets
from tests.pipeline.live_shop import Shop, addresses, inbox, person
from tests.pipeline.steps import at_steps

ROOT = Path(__file__).parents[2]

# A process that has imported everything and used nothing of it, whose children act and die.
FORKING = """
import os, random, shutil, signal, sqlite3, sys
from pathlib import Path
from pipeline.project import datasets
from pipeline.sending import approve_lists, export_list
from tests.pipeline.live_shop import Shop, addresses, contents, settings

CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod"}
task, top, seed, rounds = sys.argv[1], Path(sys.argv[2]).resolve(), int(sys.argv[3]), int(sys.argv[4])
datasets._sync_file = datasets._sync_folder = lambda path: None
rng = random.Random(seed)


def shop_at(folder):
    shop = Shop.__new__(Shop)
    shop.top, shop.places = folder, Shop.places_below(folder)
    return shop


def changes_disk(event, arguments):
    if event == "open":
        return bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    return event in CHANGES


def act(folder, names, platform, die_at=0, told=None):
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
    os.chdir(folder)
    shop = shop_at(folder)
    for name in names:
        shop.approve(name=name)
        shop.export(name=name, platform=platform)
    if told:
        told.write_text(str(seen))
    os._exit(0)


def child(*arguments, **options):
    started = os.fork()
    if started == 0:
        try:
            act(*arguments, **options)
        except BaseException as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\\n")
        os._exit(9)
    return started


def ended(started):
    return os.waitpid(started, 0)[1]


def rows(folder, table):
    with sqlite3.connect(folder / "contacts.db") as ledger:
        return ledger.execute(f"SELECT * FROM {table}").fetchall()


def everything(folder):
    return contents(folder / "outbox"), [rows(folder, table) for table in ("contacts", "skips", "runs", "exports")]


start = top / "start"
shop = Shop(start, 12)
if task == "killed":
    # Files of an earlier approval, which the export has to remove.
    shop.build(treat=range(6), holdout=())
    assert ended(child(start, ("win_back",), "klaviyo")) == 0
    shop.build(treat=range(8), holdout=(8, 9))
    shop.build("at_risk", treat=(2, 10), holdout=(11,))
    names = ("win_back", "at_risk")
    calm = top / "calm"
    shutil.copytree(start, calm)
    assert ended(child(calm, names, "neutral", told=top / "steps")) == 0
    wanted, steps = everything(calm), int((top / "steps").read_text())
    assert len(wanted[0]) == 2 * 4
    ends = [1 + at * steps // rounds for at in range(rounds)] if rounds < steps else [
        *range(1, steps + 1), *(rng.randint(1, steps) for _ in range(rounds - steps))
    ]
    for at in ends:
        again = top / "again"
        shutil.rmtree(again, ignore_errors=True)
        shutil.copytree(start, again)
        assert os.WIFSIGNALED(ended(child(again, names, "neutral", die_at=at))), at
        assert ended(child(again, names, "neutral")) == 0, at
        assert everything(again) == wanted, at
    print(f"{rounds} kills at {steps} steps")
else:
    lists = ("win_back", "at_risk", "loyalty", "next_order")
    for name in lists:
        shop.build(name, treat=rng.sample(range(12), 12), holdout=())
    for _ in range(rounds):
        again = top / "again"
        shutil.rmtree(again, ignore_errors=True)
        shutil.copytree(start, again)
        order = rng.sample(lists * 2, 8)
        assert [ended(one) for one in [child(again, (name,), "neutral") for name in order]] == [0] * 8
        found = [one for name in lists for one in addresses(again / "outbox" / name / "2026-01-01" / "neutral", name)]
        assert sorted(found) == sorted(f"p{number}@example.com" for number in range(12)), found
        assert len(rows(again, "contacts")) == 12
        assert {row[11] for row in rows(again, "contacts")} == {"exported"}
    print(f"8 exports at once, {rounds} times")
"""


def forked(top: Path, task: str, rounds: int) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING, task, str(top), "6", str(rounds)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


needs_fork = pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork a process")


@needs_fork
def test_one_rerun_after_a_kill_gives_the_undisturbed_bytes(tmp_path: Path) -> None:
    assert "4 kills" in forked(tmp_path, "killed", 4)


@needs_fork
@pytest.mark.stress
@pytest.mark.timeout(3600)
def test_one_rerun_after_each_of_two_hundred_kills(tmp_path: Path) -> None:
    print(forked(tmp_path, "killed", 200))


@needs_fork
def test_exports_at_once_write_to_each_person_once(tmp_path: Path) -> None:
    assert "1 times" in forked(tmp_path, "at once", 1)


@needs_fork
@pytest.mark.stress
@pytest.mark.timeout(3600)
def test_eight_exports_at_once_a_hundred_times(tmp_path: Path) -> None:
    print(forked(tmp_path, "at once", 100))


AT_ONCE = 20
"""People who opt out during one export."""


def opt_outs_during_exports(tmp_path: Path, exports: int) -> tuple[int, int, int]:
    """Opt-outs in all, those before the commit, and those of them that were in a file."""
    rng = random.Random(9)
    shop = Shop(tmp_path / "start", AT_ONCE + 4)
    shop.build(treat=range(AT_ONCE + 4), holdout=())
    shop.approve()
    asked = in_time = leaked = 0
    steps = 200
    for _ in range(exports):
        again = tmp_path / "again"
        shutil.rmtree(again, ignore_errors=True)
        shutil.copytree(shop.top, again)
        now = Shop.__new__(Shop)
        now.top, now.places = again, Shop.places_below(again)
        heard: set[int] = set()

        def opt_out(number: int, now: Shop = now, heard: set[int] = heard) -> None:
            # One that finds the ledger locked has to wait until the export has committed.
            with suppress(StaleListError), Ledger(now.places.ledger, wait_seconds=0, check=False) as ledger:
                ledger.suppress({person(number), inbox(number)}, "opt_out", 0)
                # The export stands still meanwhile: nobody is marked as exported before it commits.
                if not ledger.runs_of({person(number)}):
                    heard.add(number)

        moments = rng.sample(range(1, steps + 1), AT_ONCE)
        people = rng.sample(range(AT_ONCE + 4), AT_ONCE)
        actions = {at: lambda number=number: opt_out(number) for at, number in zip(moments, people, strict=True)}
        with at_steps(actions) as seen:
            exported = now.export()
        steps = seen[0]
        found = {int(text[1:].partition("@")[0]) for text in addresses(exported.folder)}
        asked, in_time = asked + AT_ONCE, in_time + len(heard)
        leaked += len(heard & found)
        assert found == set(range(AT_ONCE + 4)) - heard
        for number in set(people) - heard:
            opt_out(number)
        assert {int(text[1:].partition("@")[0]) for text in addresses(now.export().folder)} == set(
            range(AT_ONCE + 4)
        ) - set(people)
    return asked, in_time, leaked


def test_an_opt_out_before_the_commit_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked, in_time, leaked = opt_outs_during_exports(tmp_path, 2)
    assert (asked, leaked) == (2 * AT_ONCE, 0)
    assert in_time


@pytest.mark.stress
@pytest.mark.timeout(3600)
def test_none_of_ten_thousand_opt_outs_leaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets, "flush", lambda folder: None)
    asked, in_time, leaked = opt_outs_during_exports(tmp_path, 10_000 // AT_ONCE)
    print(f"{asked:,} opt-outs, {in_time:,} before the commit, {leaked} leaked")
    assert (asked, leaked) == (10_000, 0)
