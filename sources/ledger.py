"""The books of an ingest: every row read is accepted, quarantined or a duplicate, per file and by rule."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sources.checking import DECLARED
from sources.rules import meaning

ERASED = "erased"
TEST_ACCOUNT = "test_account"

QUARANTINE_COLUMNS = ["log", "file", "line", "rule", "column", "message", "raw"]

Texts = Callable[[Sequence[int]], Mapping[int, tuple[int, str]]]
"""Given rows of a file, the line and the text of each."""


@dataclass
class Book:
    """What became of the rows that one file gave one log."""

    log: str
    name: str
    sha256: str
    source: str
    rows_read: int
    rules: Counter[str]
    refused: pd.DataFrame
    """The rows that its reader refused, with their text."""
    texts: Texts
    records: int | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    unknown_columns: Sequence[str] = ()
    accepted: int = 0
    duplicates: int = 0
    kept: list[tuple[int, str, str]] = field(default_factory=list)


class Ledger:
    """Where each stage of an ingest writes down what became of the rows it saw."""

    def __init__(self) -> None:
        self.books: list[Book] = []
        self.rejected: list[dict[str, Any]] = []
        self.warnings: list[str] = []

    def open(self, book: Book) -> int:
        """The number under which the rows of a file are booked."""
        self.books.append(book)
        return len(self.books) - 1

    def quarantine(self, rows: pa.Table, rule: str, column: str = "") -> None:
        """Book ``rows`` (with ``_file`` and ``_row``) as quarantined under ``rule``."""
        for file, numbers in _by_file(rows):
            self.refuse(file, numbers.tolist(), rule, column)

    def refuse(self, file: int, rows: Sequence[int], rule: str, column: str = "") -> None:
        """Book the ``rows`` of the file booked as ``file`` as quarantined under ``rule``."""
        book = self.books[file]
        book.rules[rule] += len(rows)
        # Rows left out on purpose need no cure, and those of an erased person may stay nowhere.
        if not rule.startswith((DECLARED, ERASED, TEST_ACCOUNT)):
            book.kept += [(row, rule, column) for row in rows]

    def reject(self, name: str, logs: Sequence[str], sha256: str, reason: str) -> None:
        """Book a whole file, which would have fed ``logs``, as set aside."""
        self.rejected.append({"name": name, "log": logs[0], "feeds": list(logs), "sha256": sha256, "reason": reason})

    def duplicate(self, rows: pa.Table) -> None:
        """Book ``rows`` as repetitions of rows that are kept."""
        for file, numbers in _by_file(rows):
            self.books[file].duplicates += len(numbers)

    def accept(self, rows: pa.Table) -> None:
        """Book ``rows`` as accepted."""
        for file, numbers in _by_file(rows):
            self.books[file].accepted += len(numbers)

    def warn(self, message: str) -> None:
        """Note something a person should know though the run goes on."""
        self.warnings.append(message)

    def files(self, *logs: str) -> list[dict[str, Any]]:
        """The manifest's entry of every file of ``logs``, by name.

        Raises:
            RuntimeError: rows are unaccounted for; a fault of this package.
        """
        entries = []
        for book in self.books:
            if book.log not in logs:
                continue
            quarantined = sum(book.rules.values())
            if book.rows_read != book.accepted + quarantined + book.duplicates:
                raise RuntimeError(
                    f"{book.name}: {book.rows_read} rows read, but {book.accepted} accepted, "
                    f"{quarantined} quarantined and {book.duplicates} duplicates."
                )
            entries.append(
                {
                    "name": book.name,
                    "log": book.log,
                    "source": book.source,
                    "sha256": book.sha256,
                    "rows_read": book.rows_read,
                    "accepted": book.accepted,
                    "quarantined": quarantined,
                    "duplicates": book.duplicates,
                    "rules": dict(sorted(book.rules.items())),
                    "records": book.records,
                    "left_out": dict(sorted(book.left_out.items())),
                    "unknown_columns": list(book.unknown_columns),
                }
            )
        return sorted(entries, key=lambda entry: (entry["name"], entry["log"], entry["source"]))

    def quarantined(self, is_erased: Callable[[str], bool] | None) -> pd.DataFrame:
        """One row per quarantined line that is kept, with its raw text; ordered by log, file and line.

        A line in which ``is_erased`` finds an erased person keeps its count, under the rule ``erased``, and
        nothing else.
        """
        rows: list[tuple[str, str, int, str, str, str, str]] = []
        for book in self.books:
            texts = book.texts(sorted({row for row, _, _ in book.kept})) if book.kept else {}
            found = [(*texts[row], rule, column) for row, rule, column in book.kept]
            seen = book.refused
            found += zip(seen["line"], seen["raw"], seen["rule"], seen["column"], strict=True)
            for line, raw, rule, column in found:
                if is_erased and is_erased(raw):
                    book.rules[rule] -= 1
                    book.rules[ERASED] += 1
                else:
                    rows.append((book.log, book.name, int(line), rule, column, meaning(rule), raw))
            book.rules += Counter()  # forgets rules whose last row was an erased person's
        for file in self.rejected:
            rows.append((file["log"], file["name"], 0, "unreadable_file", "", file["reason"], ""))
        quarantine = pd.DataFrame(rows, columns=QUARANTINE_COLUMNS)
        return quarantine.sort_values(["log", "file", "line", "column", "rule", "raw"], ignore_index=True)


def _by_file(rows: pa.Table) -> list[tuple[int, np.ndarray]]:
    files = rows["_file"].to_numpy()
    numbers = rows["_row"].to_numpy()
    return [(int(file), numbers[files == file]) for file in np.unique(files)]
