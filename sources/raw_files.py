"""Text files as read: cells by column with the line of each row, and the rows that could not be read."""

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from sources.errors import ContractError
from sources.settings import LogSettings

MOST_COLUMNS = 10_000
MOST_LETTERS = 16 * 1024 * 1024
"""Longest cell or line; what is longer is no log, but a fault or an attack."""


class Fault(NamedTuple):
    """A row that could not be read: its first physical line, the rule, the column if one is to blame."""

    line: int
    rule: str
    column: str


def refuse_bad_header(names: Sequence[str], name: str, wanted: Sequence[str] | None = None) -> None:
    """Refuse a header that has a zero byte in a name, very many columns, or a column of ``wanted`` (or any) twice.

    Raises:
        ContractError: naming the column.
    """
    if len(names) > MOST_COLUMNS:
        raise ContractError(f"{name}: too_many_columns, {len(names)} where {MOST_COLUMNS} are the limit.")
    counts = Counter(names)
    twice = sorted(c for c, times in counts.items() if c and times > 1 and (wanted is None or c in wanted))
    if twice:
        raise ContractError(f"{name}: column {twice[0]!r} stands twice in the header. Rename one of them.")
    if any("\0" in column for column in names):
        raise ContractError(f"{name}: a zero byte stands in the header. Export it again.")


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
    """Writes rows of text cells into a Parquet file, chunk by chunk, with the line of each as ``_row``."""

    def __init__(self, wanted: list[str], sink: Path) -> None:
        self.wanted = wanted
        self.faults: list[Fault] = []
        self.rows = 0
        self.newest_line = 0
        self._schema = pa.schema([("_row", pa.int64()), *((column, pa.string()) for column in wanted)])
        self._writer = pq.ParquetWriter(sink, self._schema, compression="lz4", write_statistics=False)

    def fault(self, fault: Fault) -> None:
        """Note a row that could not be read."""
        self.faults.append(fault)

    def add(self, cells: dict[str, list[str | None]], lines: list[int]) -> None:
        """Add rows that start at ``lines``; those with bytes outside the encoding become faults."""
        keep = [True] * len(lines)
        arrays = []
        for column in self.wanted:
            array, bad = _text_column(cells[column])
            for at in bad:
                if keep[at]:
                    self.fault(Fault(lines[at], "bad_encoding", column))
                keep[at] = False
            arrays.append(array)
        table = pa.table([pa.array(lines, pa.int64()), *arrays], schema=self._schema).filter(pa.array(keep, pa.bool_()))
        if table.num_rows:
            self._writer.write_table(table)
            self.rows += table.num_rows
            self.newest_line = max(self.newest_line, lines[-1])

    def close(self) -> None:
        """End the file."""
        self._writer.close()


def refuse_truncated(path: Path, name: str, columns: Columns) -> None:
    """A broken last row without a line break is a file that was cut off, not a bad row."""
    if not columns.faults or _ends_with_line_break(path):
        return
    last = max(columns.faults)
    if last.rule in {"ragged_row", "bad_json"} and columns.newest_line < last.line:
        raise ContractError(f"{name}: truncated, its last line {last.line} is cut off. Export it again.")
