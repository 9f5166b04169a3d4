"""What every reader gives: columns as read, the line of each row, and the rows that could not be read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from sources.errors import ContractError
from sources.settings import LogSettings

Choose = Callable[[list[str]], list[str]]
"""Given the names in a file's header, those to read; raises ContractError when one is missing."""


class Fault(NamedTuple):
    """A row that could not be read: its first physical line, the rule, the column if one is to blame."""

    line: int
    rule: str
    column: str


@dataclass
class RawFile:
    """One file as read: ``columns`` and ``lines`` have an entry per readable row, ``faults`` the others.

    ``lines`` are 1-based physical lines (row numbers in Parquet); ``raw`` gives the text of the rows that
    start at given lines.
    """

    name: str
    sha256: str
    columns: dict[str, pa.Array]
    lines: np.ndarray
    raw: Callable[[Sequence[int]], dict[int, str]]
    faults: list[Fault] = field(default_factory=list)

    @property
    def rows_read(self) -> int:
        """Rows in the file, readable or not."""
        return len(self.lines) + len(self.faults)


def unique_names(names: list[str], name: str) -> None:
    """Refuse a header that names a column twice."""
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        raise ContractError(f"{name}: column {twice[0]!r} stands twice in the header. Rename one of them.")


def _encoding(log: LogSettings) -> str:
    return "utf-8-sig" if log.encoding.lower().replace("_", "-") in {"utf-8", "utf8"} else log.encoding


def open_text(path: Path, name: str, log: LogSettings) -> Any:
    """The file as text; bytes outside the encoding become lone surrogates, found again cell by cell."""
    try:
        return path.open(encoding=_encoding(log), errors="surrogateescape", newline="")
    except LookupError:
        raise ContractError(f"{name}: unknown encoding {log.encoding!r}. Try utf-8 or cp1252.") from None


def lines_of(path: Path, name: str, log: LogSettings, spans: dict[int, int]) -> dict[int, str]:
    """The physical lines ``first`` to ``spans[first]`` of a text file, per first line."""
    found = {}
    with open_text(path, name, log) as file:
        lines, at = iter(file), 0
        for first, last in sorted(spans.items()):
            text = "".join(islice(lines, first - at - 1, last - at))
            found[first] = text.rstrip("\r\n").encode("utf-8", "backslashreplace").decode("utf-8")
            at = last
    return found


def _ends_with_line_break(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) in b"\r\n"


def _text_column(cells: Sequence[str | None]) -> tuple[pa.Array, list[int]]:
    """The cells as an Arrow column, and the places whose bytes do not belong to the encoding (null there)."""
    try:
        return pa.array(cells, pa.string()), []
    except UnicodeEncodeError:
        bad = [at for at, cell in enumerate(cells) if cell and not _is_decodable(cell)]
        whole: list[str | None] = list(cells)
        for at in bad:
            whole[at] = None
        return pa.array(whole, pa.string()), bad


def _is_decodable(cell: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in cell)


class Columns:
    """Collects rows of text cells into Arrow columns, chunk by chunk."""

    def __init__(self, wanted: list[str]) -> None:
        self.wanted = wanted
        self.chunks: dict[str, list[pa.Array]] = {column: [] for column in wanted}
        self.lines: list[np.ndarray] = []
        self.faults: list[Fault] = []

    def add(self, cells: dict[str, list[str | None]], lines: list[int]) -> None:
        """Add rows that start at ``lines``; those with bytes outside the encoding become faults."""
        keep = np.ones(len(lines), dtype=bool)
        arrays = {}
        for column in self.wanted:
            arrays[column], bad = _text_column(cells[column])
            self.faults += [Fault(lines[at], "bad_encoding", column) for at in bad if keep[at]]
            keep[bad] = False
        for column, array in arrays.items():
            self.chunks[column].append(array.filter(pa.array(keep)))
        self.lines.append(np.asarray(lines, dtype=np.int64)[keep])

    def joined(self) -> dict[str, pa.Array]:
        """Every column."""
        return {
            column: pa.concat_arrays(chunks) if chunks else pa.array([], pa.string())
            for column, chunks in self.chunks.items()
        }

    def all_lines(self) -> np.ndarray:
        """The first line of every row."""
        return np.concatenate([np.empty(0, np.int64), *self.lines])


def refuse_truncated(path: Path, name: str, columns: Columns) -> None:
    """A broken last row without a line break is a file that was cut off, not a bad row."""
    if not columns.faults or _ends_with_line_break(path):
        return
    last = columns.faults[-1]
    lines = columns.all_lines()
    if last.rule in {"ragged_row", "bad_json"} and not (len(lines) and lines[-1] > last.line):
        raise ContractError(f"{name}: truncated, its last line {last.line} is cut off. Export it again.")
