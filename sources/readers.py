"""Files into columns of text (CSV, JSON lines) or of their own types (Parquet), losing no row unseen."""

import csv
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sources.errors import ContractError
from sources.settings import LogSettings

Choose = Callable[[list[str]], list[str]]
"""Given the names in a file's header, those to read; raises ContractError when one is missing."""

_CHUNK = 65_536
_MAGIC = {
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "gzip-compressed",
    b"PK\x03\x04": "a zip archive or an Excel sheet",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}


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


def read_file(path: Path, name: str, log: LogSettings, choose: Choose) -> RawFile:
    """The file at ``path``, called ``name`` in messages, read as ``log`` declares.

    Raises:
        ContractError: the file as a whole cannot be trusted; no part of it is used.
    """
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        head = file.read(512)
    if not head:
        raise ContractError(f"{name}: empty_file, it holds 0 bytes. Export it again.")
    looks_like = next((what for magic, what in _MAGIC.items() if head.startswith(magic)), "text")
    if looks_like == "text" and head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        looks_like = "a web page"
    if looks_like != ("a Parquet file" if log.format == "parquet" else "text"):
        raise ContractError(
            f"{name}: declared as {log.format}, but its first bytes say it is {looks_like}. "
            "Export it again or correct its format in params."
        )
    reader = {"csv": _read_csv, "jsonl": _read_jsonl, "parquet": _read_parquet}[log.format]
    return reader(path, name, sha256, log, choose)


def _unique_names(names: list[str], name: str) -> None:
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        raise ContractError(f"{name}: column {twice[0]!r} stands twice in the header. Rename one of them.")


def _encoding(log: LogSettings) -> str:
    return "utf-8-sig" if log.encoding.lower().replace("_", "-") in {"utf-8", "utf8"} else log.encoding


def _open_text(path: Path, name: str, log: LogSettings) -> Any:
    try:
        return path.open(encoding=_encoding(log), errors="surrogateescape", newline="")
    except LookupError:
        raise ContractError(f"{name}: unknown encoding {log.encoding!r}. Try utf-8 or cp1252.") from None


def _lines_of(path: Path, name: str, log: LogSettings, spans: dict[int, int]) -> dict[int, str]:
    """The physical lines ``first`` to ``spans[first]`` of a text file, per first line."""
    found = {}
    with _open_text(path, name, log) as file:
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


class _Columns:
    """Collects rows of text cells into Arrow columns, chunk by chunk."""

    def __init__(self, wanted: list[str]) -> None:
        self.wanted = wanted
        self.chunks: dict[str, list[pa.Array]] = {column: [] for column in wanted}
        self.lines: list[np.ndarray] = []
        self.faults: list[Fault] = []

    def add(self, cells: dict[str, list[str | None]], lines: list[int]) -> None:
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
        return {
            column: pa.concat_arrays(chunks) if chunks else pa.array([], pa.string())
            for column, chunks in self.chunks.items()
        }

    def all_lines(self) -> np.ndarray:
        return np.concatenate([np.empty(0, np.int64), *self.lines])


def _records(
    file: Any, name: str, log: LogSettings, spans: dict[int, int]
) -> Iterator[tuple[int, list[str] | None]]:
    """First line and cells of every CSV record (None: broken quotes); ``spans`` gets the long ones."""
    reader = csv.reader(file, delimiter=log.delimiter, strict=True)
    while True:
        first = reader.line_num + 1
        row: list[str] | None
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            swallowed = reader.line_num - first
            if swallowed or "unexpected end" in str(error) or "field limit" in str(error):
                raise ContractError(
                    f"{name}: unclosed_quote, the quote opened on line {first} swallows "
                    f"{swallowed} further lines. "
                    "Close it or export the file again."
                ) from None
            row = None
        if row != []:
            if reader.line_num != first:
                spans[first] = reader.line_num
            yield first, row


def _csv_header(records: Iterator[tuple[int, list[str] | None]], name: str, log: LogSettings) -> list[str]:
    _, header = next(records, (0, None))
    if header is None:
        raise ContractError(f"{name}: empty_file, it has no header. Export it again.")
    if len(header) == 1 and (
        other := next((d for d in ",;\t|" if d != log.delimiter and d in header[0]), "")
    ):
        raise ContractError(
            f"{name}: wrong_delimiter, the header is not separated by {log.delimiter!r} "
            f"but perhaps by {other!r}. "
            "Set delimiter in params."
        )
    _unique_names(header, name)
    return header


def _read_csv(path: Path, name: str, sha256: str, log: LogSettings, choose: Choose) -> RawFile:
    spans: dict[int, int] = {}
    with _open_text(path, name, log) as file:
        records = _records(file, name, log, spans)
        header = _csv_header(records, name, log)
        wanted = choose(header)
        places = {column: header.index(column) for column in wanted}
        columns = _Columns(wanted)
        while chunk := list(islice(records, _CHUNK)):
            good = []
            for first, row in chunk:
                if row is not None and len(row) == len(header) and row != header:
                    good.append((first, row))
                    continue
                rule = "bad_quoting" if row is None else "repeated_header" if row == header else "ragged_row"
                if rule == "ragged_row" and first in spans:
                    raise ContractError(
                        f"{name}: unclosed_quote, the quote opened on line {first} swallows "
                        f"{spans[first] - first} further lines. Close it or export the file again."
                    )
                columns.faults.append(Fault(first, rule, ""))
            columns.add(
                {c: [row[at] for _, row in good] for c, at in places.items()}, [first for first, _ in good]
            )
    _refuse_truncated(path, name, columns)

    def raw(lines: Sequence[int]) -> dict[int, str]:
        return _lines_of(path, name, log, {line: spans.get(line, line) for line in lines})

    return RawFile(name, sha256, columns.joined(), columns.all_lines(), raw, columns.faults)


def _refuse_truncated(path: Path, name: str, columns: _Columns) -> None:
    """A broken last row without a line break is a file that was cut off, not a bad row."""
    if not columns.faults or _ends_with_line_break(path):
        return
    last = columns.faults[-1]
    lines = columns.all_lines()
    if last.rule in {"ragged_row", "bad_json"} and not (len(lines) and lines[-1] > last.line):
        raise ContractError(f"{name}: truncated, its last line {last.line} is cut off. Export it again.")


def _cell(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) or value is None else json.dumps(value)


def _read_jsonl(path: Path, name: str, sha256: str, log: LogSettings, choose: Choose) -> RawFile:
    rows, lines, faults = [], [], []
    with _open_text(path, name, log) as file:
        for at, text in enumerate(file, start=1):
            if not text.strip():
                continue
            try:
                # Numbers stay text: a float would round money, an int is no id.
                row = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
            except (ValueError, RecursionError):
                row = None
            if isinstance(row, dict):
                rows.append(row)
                lines.append(at)
            else:
                faults.append(Fault(at, "bad_json", ""))
    wanted = choose(list(dict.fromkeys(key for row in rows for key in row)))
    columns = _Columns(wanted)
    nested = [
        next((c for c in wanted if isinstance(row.get(c), dict | list)), None) if wanted else None
        for row in rows
    ]
    faults += [Fault(line, "nested_value", c) for line, c in zip(lines, nested, strict=True) if c is not None]
    flat = [(line, row) for line, row, c in zip(lines, rows, nested, strict=True) if c is None]
    columns.add({c: [_cell(row.get(c)) for _, row in flat] for c in wanted}, [line for line, _ in flat])
    columns.faults = sorted(columns.faults + faults)
    _refuse_truncated(path, name, columns)

    def raw(at: Sequence[int]) -> dict[int, str]:
        return _lines_of(path, name, log, {line: line for line in at})

    return RawFile(name, sha256, columns.joined(), columns.all_lines(), raw, columns.faults)


def _read_parquet(path: Path, name: str, sha256: str, log: LogSettings, choose: Choose) -> RawFile:
    del log
    try:
        with pq.ParquetFile(path) as file:
            header = file.schema_arrow.names
            _unique_names(header, name)
            table = file.read(columns=choose(header))
    except (pa.ArrowException, OSError) as error:
        raise ContractError(
            f"{name}: unreadable Parquet ({str(error).splitlines()[0][:120]}). Export it again."
        ) from None
    columns = {column: table[column].combine_chunks() for column in table.column_names}

    def raw(rows: Sequence[int]) -> dict[int, str]:
        with pq.ParquetFile(path) as file:
            found = file.read().take(pa.array([row - 1 for row in rows], pa.int64())).to_pylist()
        return {
            row: json.dumps(cells, default=str, ensure_ascii=False)
            for row, cells in zip(rows, found, strict=True)
        }

    lines = np.arange(1, table.num_rows + 1, dtype=np.int64)
    return RawFile(name, sha256, columns, lines, raw)
