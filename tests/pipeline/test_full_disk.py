"""A disk that is full, or may not be written, is one sentence and exit code 3; with room, the next call ends well."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.people.raw_records import People as PeopleOfRaw
from pipeline.people.raw_records import RawFile
from pipeline.privacy.rewrite_raw import write_without
from sources import LogSettings, disk
from sources.checking import Log
from sources.landing import Landing
from sources.unpacking import unpacked
from tests.pipeline.shop_to_erase import People

ROOT = Path(__file__).parents[2]
ANNA = People.own_id(0)
COMMANDS = {
    "ingest": ["ingest"],
    "approve": ["approve", "win_back", "--yes"],
    "export": ["export", "at_risk", "--platform", "neutral"],
    "suppress": ["suppress", "new@inbox.example"],
    "erase": ["erase", "--yes", ANNA],
}

# A process that has imported everything, whose children act on a disk without room.
DRIVER = """
import json, os, resource, shutil, subprocess, sys
from pathlib import Path
from campaigns.ledger import Ledger
from pipeline import cli, ingest_logs
from pipeline.privacy import erase
from pipeline.project import datasets, run_pipeline, stage
from pipeline.sending import approve_lists, export_list, suppress

asked = json.loads(sys.argv[1])
start, place = Path(asked["start"]), Path(asked["place"])


def act(words):
    sys.argv = ["wafa", *words]
    try:
        stage.run(ingest_logs.main) if words == ["ingest"] else cli.main()
    except SystemExit as ended:
        os._exit(int(ended.code or 0))
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def child(words, limit=None):
    reads, writes = os.pipe()
    started = os.fork()
    if started == 0:
        os.dup2(writes, 2)
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        act(words)
    os.close(writes)
    with os.fdopen(reads) as pipe:
        said = pipe.read()
    return os.waitstatus_to_exitcode(os.waitpid(started, 0)[1]), said


def committed():
    # What a committed export has not published yet is no half of anything.
    with Ledger(datasets.LEDGER) as ledger:
        return ledger.pending()


for words, room in asked["tries"]:
    for path in place.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(start, place, dirs_exist_ok=True)
    os.chdir(place)
    if words[0] == "approve":
        shutil.rmtree("state/outbox")
        for path in Path("state").glob("contacts.db*"):
            path.unlink()
    ballast = place / "ballast"
    if asked["how"] == "limited":
        full = child(words, room)
    elif asked["how"] == "read-only":
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        full = child(words)
        subprocess.run(["mount", "-o", "remount,rw", str(place)], check=True)
    else:
        with ballast.open("wb") as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
                    file.flush()
            except OSError:
                pass
        os.truncate(ballast, max(0, ballast.stat().st_size - room))
        full = child(words)
        ballast.unlink()
    drafts = [str(path) for top in ("state", "exports") for path in Path(top).rglob(".*.tmp-*")]
    drafts = [] if drafts and committed() else drafts
    print(json.dumps([words[0], room, full, drafts, child(words)]), flush=True)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, shipped: str) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("made"))
        People(3).write(shipped)
        return Path().resolve()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)]
    if sys.platform != "linux" or shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("no file system may be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def check(made: Path, place: Path, rooms: list[int], how: str, words: str) -> None:
    tries = [(command, room) for command in COMMANDS.values() for room in rooms]
    asked = {"start": str(made), "place": str(place), "how": how, "tries": tries}
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, json.dumps(asked)], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert len(answers) == len(tries)
    refused = set()
    for name, room, (code, told), drafts, (again, told_again) in answers:
        where = (name, room, told)
        assert code in {0, 3}, where
        if code:
            refused.add(name)
            assert re.search(words, told.splitlines()[-1]), where
            assert "Traceback" not in told, where
            assert ANNA not in told, where
        assert not drafts, where
        assert again == 0, (name, room, told_again)
    assert refused == set(COMMANDS)


def test_a_full_disk_is_one_sentence(made: Path, small_disk: Path) -> None:
    check(made, small_disk, [0, 1 << 14], how="full", words="the disk (is full|accepts no more data)")


@pytest.mark.stress
def test_a_full_disk_is_one_sentence_at_any_size(made: Path, small_disk: Path) -> None:
    check(
        made,
        small_disk,
        [kib << 10 for kib in range(0, 256, 8)],
        how="full",
        words="the disk (is full|accepts no more data)",
    )


def fill(place: Path, room: int) -> None:
    with (place / "ballast").open("wb") as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
            file.flush()
    os.truncate(place / "ballast", (place / "ballast").stat().st_size - room)


def test_a_full_disk_is_not_taken_for_a_broken_file(small_disk: Path, tmp_path: Path) -> None:
    packed, table, raw = tmp_path / "orders.csv.gz", tmp_path / "orders.parquet", small_disk / "customers.csv"
    rows = [(f"o{n}-{hash(n * 7919)}", f"c{n * 104729}", "2025-01-05T10:00:00Z", "1.00") for n in range(20_000)]
    columns = dict(zip(("order_id", "customer_id", "ordered_at", "revenue"), zip(*rows, strict=True), strict=True))
    pq.write_table(pa.table(columns), table)
    packed.write_bytes(gzip.compress("\n".join(map(str, rows)).encode()))
    raw.write_text("customer_id,email\n" + "".join(f"{one[1]},x@y.example\n" for one in rows))
    before, scratch = raw.read_bytes(), small_disk / "scratch"
    scratch.mkdir()
    fill(small_disk, 1 << 16)

    with pytest.raises(OSError, match="No space left"):
        unpacked(packed, packed.name, scratch)
    (scratch / "unpacked").unlink()
    log = Log("orders", LogSettings(file=table.name, format="parquet"), "UTC", "GBP", "sources.logs.orders")
    with pytest.raises(duckdb.Error) as full:
        Landing("500MB", 1, tmp_path).land(table, table.name, [log], "", scratch)
    assert disk.number_of(full.value)
    for path in scratch.iterdir():
        path.unlink()
    file = RawFile(raw, raw.name, "csv", "utf-8", ",", {"customer_id": "person"}, "", False)
    with pytest.raises(OSError, match="No space left"):
        write_without(file, PeopleOfRaw({rows[0][1]}))
    assert raw.read_bytes() == before


def test_a_disk_that_may_not_be_written_is_one_sentence(made: Path, small_disk: Path) -> None:
    check(made, small_disk, [0], how="read-only", words="read-only|may not read or write there")


def test_a_limit_of_what_a_file_may_hold_is_one_sentence(made: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    check(made, place, [64], how="limited", words="(may not grow that large|accepts no more data)")
