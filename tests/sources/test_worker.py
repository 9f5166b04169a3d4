"""A reader that dies, hangs or wants too much: one file is refused by name, and the next one is read."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sources import ContractError, LogSettings
from sources import worker as workers
from sources.checking import Log
from sources.worker import Worker
from tests.sources.source_files import ORDERS

LOG = Log("orders", LogSettings(file="orders.csv"), "UTC", "GBP")


@pytest.fixture
def reader(tmp_path) -> Iterator[Worker]:
    """A reader of its own, as some of these tests kill it."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    found = Worker("500MB", 1, scratch)
    yield found
    found.close()


def land(reader: Worker, folder: Path, name: str = "orders.csv", text: str = ORDERS) -> list[str]:
    """Read one file; the names of what landed."""
    (folder / name).write_text(text)
    target = folder / f"landed-{name}"
    target.mkdir(exist_ok=True)
    reader.land(folder / name, name, [LOG], "", target)
    return sorted(path.name for path in target.iterdir())


def process_of(reader: Worker) -> subprocess.Popen[str]:
    assert reader._process is not None
    return reader._process


def test_a_file_lands_and_a_second_one_takes_the_same_process(tmp_path, reader):
    assert land(reader, tmp_path) == ["books.json", "orders.parquet", "refused.parquet"]
    first = process_of(reader).pid
    land(reader, tmp_path, "more.csv")
    assert process_of(reader).pid == first
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")
@pytest.mark.parametrize("death", ["SIGKILL", "SIGSEGV", "SIGABRT"])
def test_a_reader_that_dies_of_a_file_refuses_it_and_reads_the_next(tmp_path, reader, monkeypatch, death):
    land(reader, tmp_path)
    process = process_of(reader)
    os.kill(process.pid, signal.SIGSTOP)
    running = reader._running

    def dying() -> subprocess.Popen[str]:
        # It dies with the job in its hands.
        found = running()
        os.kill(found.pid, getattr(signal, death))
        os.kill(found.pid, signal.SIGCONT)
        return found

    monkeypatch.setattr(reader, "_running", dying)
    with pytest.raises(ContractError, match=r"^bad\.csv: unreadable, it crashed its reader"):
        land(reader, tmp_path, "bad.csv")
    monkeypatch.undo()
    assert process.returncode == -getattr(signal, death)
    assert "orders.parquet" in land(reader, tmp_path, "next.csv")
    assert process_of(reader).pid != process.pid


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")
def test_a_reader_that_died_between_two_files_harms_neither(tmp_path, reader):
    land(reader, tmp_path)
    process_of(reader).kill()
    process_of(reader).wait()
    assert "orders.parquet" in land(reader, tmp_path, "next.csv")


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")
def test_a_reader_that_does_not_answer_is_ended_in_time(tmp_path, reader, monkeypatch):
    land(reader, tmp_path)
    process = process_of(reader)
    os.kill(process.pid, signal.SIGSTOP)
    monkeypatch.setattr(workers, "SECONDS_AT_LEAST", 0.5)
    started = time.monotonic()
    with pytest.raises(ContractError, match=r"^slow\.csv: too_slow"):
        land(reader, tmp_path, "slow.csv")
    assert time.monotonic() - started < 10
    assert process.returncode == -signal.SIGKILL
    monkeypatch.undo()
    assert "orders.parquet" in land(reader, tmp_path, "next.csv")


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such limits")
def test_a_reader_that_wants_more_than_its_memory_refuses_the_file(tmp_path):
    # 40 MB of rows, and DuckDB may hold 30.
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    small = Worker("30MB", 1, scratch)
    try:
        wide = "order_id,customer_id,ordered_at,revenue\n" + "".join(
            f"{n},{'c' * 2000}{n},2025-01-05T10:00:00Z,1.00\n" for n in range(20_000)
        )
        with pytest.raises(ContractError, match=r"^wide\.csv: (too_large|unreadable)"):
            land(small, tmp_path, "wide.csv", wide)
        assert "orders.parquet" in land(small, tmp_path)
    finally:
        small.close()


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such limits")
def test_the_limit_holds_in_the_process(tmp_path, reader):
    land(reader, tmp_path)
    limits = Path(f"/proc/{process_of(reader).pid}/limits")
    if not limits.is_file():
        pytest.skip("no /proc here: only Linux tells the limits of another process")
    data = next(line for line in limits.read_text().splitlines() if line.startswith("Max data size"))
    assert int(data.split()[3]) == 500_000_000 + workers.HEADROOM


def test_what_a_library_prints_is_no_answer(tmp_path, reader):
    land(reader, tmp_path)
    assert process_of(reader).stdout is not None
    assert reader._answers.empty()
