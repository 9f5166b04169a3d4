"""The books of an ingest: every row read is accepted, quarantined or a duplicate, per file and by rule."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sources.raw_files import RawFile

DECLARED = "drop_where"
ERASED = "erased"

QUARANTINE_COLUMNS = ["log", "file", "line", "rule", "column", "raw"]


@dataclass
class _File:
    log: str
    raw: RawFile
    accepted: int = 0
    duplicates: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    kept: list[tuple[int, str, str]] = field(default_factory=list)


class Ledger:
    """Where each stage of an ingest writes down what became of the rows it saw."""

    def __init__(self) -> None:
        self._files: list[_File] = []
        self.warnings: list[str] = []

    def open(self, log: str, raw: RawFile) -> int:
        """The number under which the rows of a file are booked; rows it could not read are quarantined."""
        self._files.append(_File(log, raw))
        book = self._files[-1]
        for fault in raw.faults:
            book.rules[fault.rule] += 1
            book.kept.append((fault.line, fault.rule, fault.column))
        return len(self._files) - 1

    def quarantine(self, rows: pa.Table, rule: str, column: str = "") -> None:
        """Book ``rows`` (with ``_file`` and ``_line``) as quarantined under ``rule``."""
        for file, lines in _by_file(rows):
            book = self._files[file]
            book.rules[rule] += len(lines)
            # Rows left out on purpose need no cure, and those of an erased person may stay nowhere.
            if not rule.startswith((DECLARED, ERASED)):
                book.kept += [(line, rule, column) for line in lines.tolist()]

    def duplicate(self, rows: pa.Table) -> None:
        """Book ``rows`` as repetitions of rows that are kept."""
        for file, lines in _by_file(rows):
            self._files[file].duplicates += len(lines)

    def accept(self, rows: pa.Table) -> None:
        """Book ``rows`` as accepted."""
        for file, lines in _by_file(rows):
            self._files[file].accepted += len(lines)

    def warn(self, message: str) -> None:
        """Note something a person should know though the run goes on."""
        self.warnings.append(message)

    def files(self, *logs: str) -> list[dict[str, Any]]:
        """The manifest's entry of every file of ``logs``, by name.

        Raises:
            RuntimeError: rows are unaccounted for; a fault of this package.
        """
        entries = []
        for book in self._files:
            if book.log not in logs:
                continue
            quarantined = sum(book.rules.values())
            if book.raw.rows_read != book.accepted + quarantined + book.duplicates:
                raise RuntimeError(
                    f"{book.raw.name}: {book.raw.rows_read} rows read, but {book.accepted} accepted, "
                    f"{quarantined} quarantined and {book.duplicates} duplicates."
                )
            entries.append(
                {
                    "name": book.raw.name,
                    "log": book.log,
                    "sha256": book.raw.sha256,
                    "rows_read": book.raw.rows_read,
                    "accepted": book.accepted,
                    "quarantined": quarantined,
                    "duplicates": book.duplicates,
                    "rules": dict(sorted(book.rules.items())),
                }
            )
        return sorted(entries, key=lambda entry: (entry["name"], entry["log"]))

    def quarantined(self, is_erased: Callable[[str], bool] | None) -> pd.DataFrame:
        """One row per quarantined line that is kept, with its raw text; ordered by log, file and line.

        A line in which ``is_erased`` finds an erased person keeps its count, under the rule ``erased``, and
        nothing else.
        """
        rows: list[tuple[str, str, int, str, str, str]] = []
        for book in self._files:
            raw: Mapping[int, str] = book.raw.raw([line for line, _, _ in book.kept]) if book.kept else {}
            for line, rule, column in sorted(book.kept):
                if is_erased and is_erased(raw[line]):
                    book.rules[rule] -= 1
                    book.rules[ERASED] += 1
                else:
                    rows.append((book.log, book.raw.name, line, rule, column, raw[line]))
            book.rules += Counter()  # forgets rules whose last row was an erased person's
        found = pd.DataFrame(rows, columns=QUARANTINE_COLUMNS)
        return found.sort_values(["log", "file", "line", "column"], ignore_index=True)


def _by_file(rows: pa.Table) -> list[tuple[int, np.ndarray]]:
    files = rows["_file"].to_numpy()
    lines = rows["_line"].to_numpy()
    return [(int(file), lines[files == file]) for file in np.unique(files)]
