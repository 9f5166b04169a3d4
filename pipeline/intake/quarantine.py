"""`wafa quarantine`: the rows that were set aside, where they stand, and what to do about each kind.

The quarantine holds the refused lines of the files that the last ingest read, and no others: each ingest writes it
anew, so a line goes as soon as its file is mended or taken away. Nothing is replayed from it. The mended file is read
again, by `wafa run` or `wafa check`, and gives what a clean first ingest gives. Kept beyond that, a raw line would
outlive the person's request to be erased, which is carried out on the files of the shop. What is left is an
installation that is no longer run: lines that no ingest has confirmed for ``sources.quarantine_days`` are deleted.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from campaigns import neutral_cell
from pipeline.project import datasets
from pipeline.project.datasets import check_private_place as check_place
from pipeline.project.errors import ParamsError
from pipeline.project.progress import doing
from timeline import DAY_US

COLUMNS = ("log", "file", "line", "column", "rule", "message", "raw")


@dataclass
class Group:
    """Refused rows of one log, under one rule, in one file: how many, where the first stands, what to do."""

    log: str
    rule: str
    file: str
    rows: int
    line: int
    column: str
    message: str


def visible(text: str) -> str:
    """``text`` on one line of a screen: what could move the cursor or hide a letter is spelled out."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )


def place(file: str, line: int, column: str) -> str:
    """``orders.csv:5:ordered_at``; a row without a column at fault has none."""
    return visible(f"{file}:{line}:{column}" if column else f"{file}:{line}")


def rows(log: str = "", rule: str = "") -> Iterator[dict[str, Any]]:
    """The refused rows in the order of log, file and line; only those of ``log`` and ``rule`` where given."""
    for path in sorted(datasets.QUARANTINE.glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                row: dict[str, Any] = json.loads(line)
                if log in ("", row["log"]) and rule in ("", row["rule"]):
                    yield row


def groups(found: Iterable[Mapping[Any, Any]]) -> list[Group]:
    """``found`` by log, rule and file: the most rows of a rule first, and within it of a file."""
    by_key: dict[tuple[str, str, str], Group] = {}
    for row in found:
        key = (row["log"], row["rule"], row["file"])
        if key in by_key:
            by_key[key].rows += 1
        else:
            told = (int(row["line"]), row["column"] or "", row.get("message") or "")
            by_key[key] = Group(*key, 1, *told)
    totals: dict[tuple[str, str], int] = {}
    for group in by_key.values():
        totals[group.log, group.rule] = totals.get((group.log, group.rule), 0) + group.rows
    return sorted(by_key.values(), key=lambda one: (-totals[one.log, one.rule], one.log, one.rule, -one.rows, one.file))


def _refuse_unknown(log: str, rule: str) -> None:
    everything = groups(rows())
    if not everything:
        return
    for option, asked, there in (
        ("--log", log, {one.log for one in everything}),
        ("--rule", rule, {one.rule for one in everything if log in ("", one.log)}),
    ):
        if asked and asked not in there:
            raise ParamsError(
                f"wafa quarantine: no refused row has {option} {asked!r}. There are: "
                f"{', '.join(visible(name) for name in sorted(there))}."
            )


def _count(number: int) -> str:
    return f"{number:,} row{'' if number == 1 else 's'}"


MOST_FILES = 10
"""Files told of one rule; `--output` has them all."""


def told(log: str = "", rule: str = "", show: int = 0) -> Iterator[str]:
    """What lies in the quarantine, as lines for a person; with ``show``, so many raw lines.

    Raises:
        ParamsError: Nothing was ingested yet, or no row has this log or rule.
    """
    if not datasets.QUARANTINE.is_dir():
        raise ParamsError("wafa quarantine: nothing was read yet. Run `wafa run` first.")
    with doing("reading the quarantine"):
        found = groups(rows(log, rule))
    if not found:
        _refuse_unknown(log, rule)
        yield "quarantine: empty; nothing was set aside, or its lines are older than sources.quarantine_days"
        return
    for kind in dict.fromkeys((one.log, one.rule) for one in found):
        files = [one for one in found if (one.log, one.rule) == kind]
        total, message = sum(one.rows for one in files), visible(files[0].message)
        yield f"{visible(kind[0])}: {visible(kind[1])}, {_count(total)}. {message}"
        for one in files[:MOST_FILES]:
            yield f"  {visible(one.file)}: {_count(one.rows)}, first at {place(one.file, one.line, one.column)}"
        if files[MOST_FILES:]:
            yield f"  and {len(files) - MOST_FILES:,} more files"
    if not show:
        yield "the lines themselves: wafa quarantine --show 10, or --output FILE. Mend the files, then `wafa run`"
        return
    yield "raw lines; they may hold ids and addresses:"
    for number, row in enumerate(rows(log, rule)):
        if number == show:
            break
        yield f"  {place(row['file'], row['line'], row['column'] or '')} {row['rule']}: {visible(row['raw'])}"


def write_csv(path: Path, log: str = "", rule: str = "") -> int:
    """Write the refused rows to ``path``, for its owner alone, with no cell that a spreadsheet would run; how many.

    Raises:
        ParamsError: The file is there already or would lie where a tool copies it, or no row has this log or rule.
    """
    check_place(path, "quarantine", "refused.csv")
    _refuse_unknown(log, rule)
    number = 0
    with datasets.replace_file(path) as draft:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for row in rows(log, rule):
                writer.writerow([neutral_cell(str(row.get(column) or "")) for column in COLUMNS])
                number += 1
    return number


def expire(days: int, as_of_now: int) -> int:
    """Delete what no ingest has confirmed for more than ``days`` days; how many logs lost their lines.

    ``as_of_now`` is the instant that the command line calls now. An ingest writes every file of the quarantine anew,
    so the age of a file is the time since the last ingest.
    """
    gone = 0
    for path in sorted(datasets.QUARANTINE.glob("*.jsonl")):
        if as_of_now // 1_000_000 - int(path.stat().st_mtime) > days * DAY_US // 1_000_000:
            path.unlink()
            gone += 1
    return gone
