"""Whatever moment a change of the key is killed at, nobody is forgotten, and the next call ends well."""

import os
import shutil
import signal
import sys
from pathlib import Path

import pandas as pd
import pytest

from campaigns import ledger_keys
from pipeline.champion import champion, champions
from pipeline.champion.champions import CHAMPIONS
from pipeline.intake import reading
from pipeline.people import tombstones
from pipeline.privacy import clear_cache, erase, rekey
from pipeline.project import datasets, model_store
from pipeline.project.errors import StaleError
from sources import fingerprint
from tests.pipeline import shop_with_keys as keyed
from tests.pipeline.shop_with_keys import ERASED, EVERYBODY, NEW, OLD, SUPPRESSED, all_under, known_to_ledger, mail, of

STEPS = {
    module.__file__ for module in (rekey, ledger_keys, tombstones, datasets, clear_cache, erase, champion, champions)
}
DONE = "the rekey had ended"
HERE = [name for name in EVERYBODY if name != SUPPRESSED]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, to kill a process at any line")


@pytest.fixture
def s(project, shipped, model, monkeypatch):
    """A shop whose key was replaced, with the old one kept beside it; the suppressed person left its files."""
    monkeypatch.setattr(champion, "_move_alias", lambda model_hash: None)
    for sync in ("_sync_file", "_sync_folder"):
        monkeypatch.setattr(datasets, sync, lambda path: None)
    s = keyed.make(shipped)
    model_store.write(model, datasets.MODEL, {})
    rows = pd.DataFrame({"customer_id": [of(name, OLD) for name in HERE], "origin": "2025-01-01"})
    datasets.write_parquet(rows, datasets.PREDICTIONS, ("customer_id", "origin"))
    champion._install([])
    stage = {"outs": [{"path": "data/events", "md5": "0" * 32}]}
    datasets.write_json({"schema": "2.0", "stages": {"ingest_logs": stage}}, clear_cache.LOCK)
    keyed.write_files(HERE)
    datasets.VAULT.unlink()
    (datasets.KEYS / "my_shop.key").rename(datasets.KEYS / "before.key")
    keyed.use(NEW)
    return s


def at_every_line(act, reached):
    """Call ``reached`` before each line of the modules that change something."""

    def trace(frame, event, argument):
        if frame.f_code.co_filename not in STEPS:
            return None
        if event == "line":
            reached(f"{Path(frame.f_code.co_filename).name} {frame.f_code.co_name} {frame.f_lineno}")
        return trace

    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(None)


def moments(s):
    """How many lines come before each line is reached first, and before each step of the ledger's transaction."""
    seen = []
    at_every_line(lambda: rekey.rekey(s), seen.append)
    steps = [at for at, line in enumerate(seen) if " _move " in line]
    return sorted(seen.index(line) for line in set(seen)), steps


def kill_at(s, moment):
    child = os.fork()
    if child == 0:
        left = [moment]

        def reached(line):
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1

        at_every_line(lambda: rekey.rekey(s), reached)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def changed():
    """What the ledger holds when all is done: who is in the files is mapped, who is not waits."""
    old, new = all_under(OLD), all_under(NEW)
    return new | {"skipped": old["skipped"], "suppressed": old["suppressed"]}


def check_killed(s, some):
    start, again = Path.cwd(), Path.cwd().with_name("again")
    shutil.copytree(start, again)
    os.chdir(again)
    chosen = some(*moments(s))
    for moment in chosen:
        os.chdir(start)
        shutil.rmtree(again)
        shutil.copytree(start, again)
        os.chdir(again)
        assert kill_at(s, moment)
        assert known_to_ledger() in (all_under(OLD), changed()), moment
        gone = {token for tokens in tombstones.by_key().values() for token in tokens}
        assert gone in [{of(ERASED, key), of(mail(ERASED), key)} for key in (OLD, NEW)], moment
        model_store.read_files(CHAMPIONS.folder())
        said = refusal(s)
        assert "rekey" in said, moment
        check_done(s) if said == DONE else None
        rekey.rekey(s)
        check_done(s)
        shutil.rmtree(datasets.DATA, ignore_errors=True)
        keyed.write_files()
        reading.run(s, datasets.EVENTS)
        assert known_to_ledger() == all_under(NEW), moment
        assert keyed.in_events(NEW) == {*EVERYBODY} - {ERASED}, moment
    return len(chosen)


def refusal(s):
    try:
        champion.check_keys(s)
    except StaleError as error:
        return str(error)
    return DONE


def check_done(s):
    champion.check_keys(s)
    assert known_to_ledger() == changed()
    assert tombstones.by_key() == {fingerprint(NEW): {of(ERASED, NEW), of(mail(ERASED), NEW)}}
    assert not datasets.VAULT.exists()
    assert not datasets.EVENTS.exists()
    assert "ingest_logs" not in clear_cache.LOCK.read_text()
    rows = datasets.read_parquet(CHAMPIONS.folder().parent / datasets.PREDICTIONS.name)
    assert set(rows["customer_id"]) == {of(name, NEW) for name in HERE}


def test_killed_at_some_moments_nobody_is_forgotten(s):
    # Among them the last ones, when DVC's copies go, and those between two tables of the ledger.
    assert check_killed(s, lambda lines, steps: [*lines[:: len(lines) // 8], *steps[::3], *lines[-4:]]) > 15


@pytest.mark.stress
def test_killed_at_every_line_nobody_is_forgotten(s):
    assert check_killed(s, lambda lines, steps: sorted({*lines, *steps})) > 50
