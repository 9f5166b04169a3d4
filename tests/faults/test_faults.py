"""Every fault of the table in a file of its own: each ends as its row says, and no row is lost on the way."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.project.stage import as_wafa_error
from sources import ContractError, Ingested
from tests.faults import (
    bytes_and_text,
    columns,
    consent,
    ids_and_people,
    machines,
    money,
    rows_and_duplicates,
    times,
    whole_files,
)
from tests.faults.case import Case, write
from tests.faults.limited import read_limited
from tests.sources.source_files import read

MODULES = (
    rows_and_duplicates,
    times,
    money,
    ids_and_people,
    machines,
    columns,
    bytes_and_text,
    whole_files,
    consent,
)
CASES: list[Case] = [case for module in MODULES for case in module.CASES]
# Files without end take the time the reader allows them; a second time is for the long run.
REFUSED = [
    pytest.param(case, marks=[pytest.mark.stress] if case.limited else [], id=case.label)
    for case in CASES
    if case.kind == "refused"
]
LONGEST_SECONDS = 60


@pytest.fixture(autouse=True)
def _tidy(tmp_path: Path) -> Iterator[None]:
    """Some files have hundreds of megabytes; pytest would keep them for three runs."""
    yield
    shutil.rmtree(tmp_path, ignore_errors=True)


def shop(folder: Path, case: Case, *, bad_file: str = "") -> dict[str, Any]:
    """Write the files of ``case``; the log settings, every log with a faulty file declared ``bad_file``."""
    write(folder, case.beside)
    write(folder, case.files)
    if not bad_file:
        return {log: dict(declared) for log, declared in case.logs.items()}
    write(folder, dict([case.good]))
    return {
        log: dict(declared) | ({"bad_file": bad_file} if declared["file"] not in case.beside else {})
        for log, declared in case.logs.items()
    }


def ingest(folder: Path, case: Case, logs: dict[str, Any]) -> Ingested:
    return read(folder, logs, zone=case.zone, **case.settings)


def entries(found: Ingested) -> dict[str, dict[str, Any]]:
    """The books of every file, by name."""
    return {file["name"]: file for log in found.manifest["logs"].values() for file in log["files"]}


def assert_books_balance(found: Ingested) -> None:
    for file in entries(found).values():
        assert file["rows_read"] == file["accepted"] + file["quarantined"] + file["duplicates"], file["name"]
        assert file["quarantined"] == sum(file["rules"].values())
        assert len(file["sha256"]) == 64


def assert_set_aside(found: Ingested, case: Case) -> None:
    """Exactly the places that the case names, each with a message."""
    quarantine = found.quarantine
    places = set(zip(quarantine["file"], quarantine["line"], quarantine["column"], quarantine["rule"], strict=True))
    expected = {
        (file, line, column, rule)
        for file, line, column, rules in case.quarantined
        for rule in rules.split("|")
        if "|" not in rules or (file, line, column, rule) in places
    }
    assert places == expected
    assert len(quarantine) == len(case.quarantined)
    if len(quarantine):
        assert quarantine["message"].str.len().gt(0).all()


def says(text: str, words: tuple[str, ...] | list[str]) -> bool:
    """Whether ``text`` has all ``words``; a rule may be written with spaces."""
    plain = text.lower().replace("_", " ")
    return all(word.lower().replace("_", " ") in plain for word in words)


def says_why(message: str, case: Case) -> bool:
    """Whether the message has all words of the case, and one of its rules."""
    return any(says(message, (*case.words, rule)) for rule in case.rule.split("|"))


def assert_plain(message: str, folder: Path) -> None:
    """A sentence for a person: no traceback, no path beyond the shop's folder, no long cell."""
    assert "Traceback" not in message
    assert 'File "' not in message
    assert str(folder) not in message
    assert not any(root in message for root in ("/tmp/", "/home/", "/usr/", "site-packages"))
    assert len(message) < 600


def assert_ends_well(folder: Path, case: Case, found: Ingested) -> None:
    assert_books_balance(found)
    assert_set_aside(found, case)
    books = entries(found)
    for file, (accepted, duplicates) in case.counts.items():
        assert (books[file]["accepted"], books[file]["duplicates"]) == (accepted, duplicates)
    for (file, rule), rows in case.left_out.items():
        assert books[file]["rules"].get(rule) == rows
    warnings = found.manifest["warnings"]
    assert not case.words or any(says(text, tuple(case.words)) for text in warnings), warnings
    for text in warnings:
        assert_plain(text, folder)
    assert case.check is None or case.check(found)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_a_fault_ends_as_its_row_says(tmp_path, case):
    logs = shop(tmp_path, case)
    started = time.monotonic()
    if case.kind in {"refused", "stopped"}:
        message = refusal(tmp_path, case, logs)
        assert says_why(message, case), message
        assert_plain(message, tmp_path)
    else:
        found = ingest(tmp_path, case, logs)
        assert_ends_well(tmp_path, case, found)
        if case.same_as is not None:
            other = tmp_path / "other"
            write(other, case.beside)
            write(other, case.same_as)
            assert_same_tables(found, ingest(other, case, logs))
    assert time.monotonic() - started < LONGEST_SECONDS


def refusal(folder: Path, case: Case, logs: dict[str, Any]) -> str:
    """The message with which the run stops; a user's mistake, so exit code 4."""
    if case.limited:
        answer = read_limited(folder, case, logs)
        assert "refused" in answer, "the run went on"
        return str(answer["refused"])
    with pytest.raises(ContractError) as refused:
        ingest(folder, case, logs)
    known = as_wafa_error(refused.value)
    assert known is not None
    assert known.exit_code == 4
    return str(known)


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_is_refused_can_be_set_aside_whole(tmp_path, case):
    logs = shop(tmp_path, case, bad_file="set_aside")
    if case.limited:
        found = read_limited(tmp_path, case, logs)
        rejected, warnings = found["rejected"], found["warnings"]
        quarantine = pd.DataFrame(found["quarantine"], columns=["file", "rule", "message"])
    else:
        ingested = ingest(tmp_path, case, logs)
        assert_books_balance(ingested)
        rejected, warnings = ingested.manifest["rejected_files"], ingested.manifest["warnings"]
        quarantine = ingested.quarantine
        clean = tmp_path / "clean"
        write(clean, case.beside)
        write(clean, dict([case.good]))
        assert_same_tables(ingested, ingest(clean, case, logs))
    (bad,) = case.files
    assert [file["name"] for file in rejected] == [bad]
    assert len(rejected[0]["sha256"]) == 64
    assert quarantine["file"].tolist() == [bad]
    assert quarantine["rule"][0]
    assert says_why(quarantine["message"][0], case)
    assert any(bad in text for text in warnings)
    for text in (*warnings, quarantine["message"][0]):
        assert_plain(text, tmp_path)


def assert_same_tables(found: Ingested, other: Ingested) -> None:
    """The logs, that is; what damaged rows restrict stands in a table of its own."""
    here, there = (
        {name: table for name, table in one.tables.items() if name != "restrictions"} for one in (found, other)
    )
    assert list(here) == list(there)
    for name, table in here.items():
        assert table.equals(there[name]), name


def test_every_kind_has_its_files():
    assert sorted({case.number for case in CASES}) == list(range(1, 65))
    assert sum(len(case.files) for case in CASES) >= 160
    labels = [case.label for case in CASES]
    assert len(set(labels)) == len(labels)
