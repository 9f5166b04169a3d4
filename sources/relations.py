"""A file as a relation of raw cells, whatever its format: names and types of its columns, and a number per row."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from events.sql import quoted, quoted_name
from sources.csv_files import read_csv, read_header, record_text
from sources.errors import ContractError
from sources.raw_files import MOST_COLUMNS, Columns, Fault, lines_of, open_text, refuse_bad_header, refuse_truncated
from sources.settings import LogSettings
from sources.unpacking import Scan, looks_like, scan

Choose = Callable[[Sequence[str]], list[str]]
"""Given the names in a file's header, those to read; raises ContractError when one is missing."""

Texts = Callable[[set[int]], dict[int, tuple[int, str]]]
"""Given values of ``_row``, the physical line of each (row number in Parquet) and its text."""


@dataclass
class Relation:
    """Rows as read: SQL with ``_row`` and the raw columns ``types``, and what could not be read.

    ``is_numbered``: whether ``_row`` says which row it is; it is 0 in every row where that would have cost time.
    ``is_careful``: read cell by cell, so that nothing about the file is left to be found out.
    ``has_header``: the header may stand among the rows, where files were joined.
    """

    sql: str
    types: dict[str, str]
    is_numbered: bool
    is_plain: bool
    texts: Texts
    faults: list[Fault] = field(default_factory=list)
    is_careful: bool = True
    has_header: bool = False


class Reader:
    """Opens files on one DuckDB connection, with ``scratch`` for what does not fit there."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, scratch: Path) -> None:
        self.connection = connection
        self.scratch = scratch
        self._scans: dict[Path, Scan] = {}

    def check_kind(self, path: Path, name: str, file_format: str, encoding: str) -> None:
        """Refuse a file whose first bytes say that it is of another kind than declared.

        Raises:
            ContractError: naming what it looks like.
        """
        found = looks_like(path)
        fine = {"parquet": {"a Parquet file"}, "jsonl": {"text", "JSON"}, "csv": {"text"}}[file_format]
        if encoding.lower().replace("_", "-").startswith(("utf-16", "utf-32")):
            fine |= {"UTF-16 text", "UTF-32 text"}
        if found not in fine:
            raise ContractError(
                f"{name}: declared as {file_format}, but its first bytes say it is {found}. "
                "Export it again or correct its format in params."
            )

    def scanned(self, path: Path, name: str, delimiter: str = ",") -> Scan:
        """What characters a text file holds; read once."""
        if path not in self._scans:
            self._scans[path] = scan(path, name, delimiter)
        return self._scans[path]

    def csv(
        self, path: Path, name: str, log: LogSettings, choose: Choose, numbered: bool, careful: bool = False
    ) -> Relation:
        """A CSV file.

        Raises:
            ContractError: it cannot be trusted as a whole.
        """
        seen = self.scanned(path, name, log.delimiter)
        header = read_header(path, name, log)
        wanted = choose(header)
        refuse_bad_header(header, name, wanted)
        _refuse_twins(wanted, name)
        is_simple = not seen.has_quotes
        # Without quotes a file of well formed rows has so many delimiters. DuckDB would overlook blank lines, and one
        # empty cell too many.
        is_even = not is_simple or seen.delimiters == seen.lines * (len(header) - 1)
        if _is_utf8(log) and is_even and not (careful or seen.has_lone_returns) and (is_simple or not numbered):
            return self._quick_csv(path, log, header, wanted, numbered, seen)
        return self._careful_csv(path, name, log, header, wanted, seen)

    def _quick_csv(
        self, path: Path, log: LogSettings, header: list[str], wanted: list[str], numbered: bool, seen: Scan
    ) -> Relation:
        """DuckDB's own reader; it fails, when read, on a file in which a record is not well formed."""
        cells = ", ".join(f"{quoted(f'c{at}')}: 'VARCHAR'" for at in range(len(header)))
        read = (
            f"read_csv({quoted(str(path))}, columns={{{cells}}}, auto_detect=false, header=true, "
            f"delim={quoted(log.delimiter)}, quote='\"', escape='\"', strict_mode=true, nullstr='', "
            f"max_line_size=16777216)"
        )
        # Without quotes and blank lines the header is line 1 and every record is on the next.
        row = "row_number() OVER () + 1" if numbered else "0::BIGINT"
        picked = "".join(f", c{header.index(column)} AS {quoted_name(column)}" for column in wanted)
        return Relation(
            f"(SELECT {row} AS _row{picked} FROM {read})",
            dict.fromkeys(wanted, "VARCHAR"),
            numbered,
            seen.is_plain,
            self._csv_texts(path, log, seen.has_quotes),
            is_careful=False,
            has_header=True,
        )

    def _careful_csv(
        self, path: Path, name: str, log: LogSettings, header: list[str], wanted: list[str], seen: Scan
    ) -> Relation:
        columns = Columns(wanted, self._sink())
        read_csv(path, name, log, header, columns)
        return Relation(
            f"read_parquet({quoted(str(self._current))})",
            dict.fromkeys(wanted, "VARCHAR"),
            True,
            seen.is_plain,
            self._csv_texts(path, log, seen.has_quotes),
            columns.faults,
        )

    @staticmethod
    def _csv_texts(path: Path, log: LogSettings, has_quotes: bool) -> Texts:
        def texts(rows: set[int]) -> dict[int, tuple[int, str]]:
            # Without quotes a record is a line.
            found = (
                record_text(path, path.name, log, rows)
                if has_quotes
                else lines_of(path, path.name, log, {line: line for line in rows})
            )
            return {line: (line, text) for line, text in found.items()}

        return texts

    def _sink(self) -> Path:
        self._current = self.scratch / f"cells-{len(list(self.scratch.iterdir()))}.parquet"
        return self._current

    def jsonl(self, path: Path, name: str, log: LogSettings, theirs: Sequence[str], choose: Choose) -> Relation:
        """JSON lines as the columns ``theirs``; 'a.b' is b inside a.

        Raises:
            ContractError: it cannot be trusted as a whole.
        """
        seen = self.scanned(path, name)
        columns = Columns(list(theirs), self._sink())
        keys: dict[str, None] = {}
        lines: list[int] = []
        rows: list[list[str | None]] = []
        with open_text(path, name, log) as file:
            for at, text in enumerate(file, start=1):
                if not text.strip():
                    continue
                row = _json_object(text)
                if row is None:
                    columns.fault(Fault(at, "bad_json", ""))
                    continue
                if len(keys) <= MOST_COLUMNS:
                    keys |= dict.fromkeys(row)
                cells = [_dug(row, column) for column in theirs]
                nested = next((c for c, cell in zip(theirs, cells, strict=True) if isinstance(cell, dict | list)), None)
                if nested is not None:
                    columns.fault(Fault(at, "nested_value", nested))
                    continue
                lines.append(at)
                rows.append([_cell(cell) for cell in cells])
                keys |= {c: None for c, cell in zip(theirs, cells, strict=True) if "." in c and cell is not None}
                if len(lines) >= 50_000:
                    columns.add({c: [r[i] for r in rows] for i, c in enumerate(theirs)}, lines)
                    lines, rows = [], []
        columns.add({c: [r[i] for r in rows] for i, c in enumerate(theirs)}, lines)
        columns.close()
        if len(keys) > MOST_COLUMNS:
            raise ContractError(f"{name}: too_many_columns, more than {MOST_COLUMNS} names in its objects.")
        wanted = choose(list(keys)) if keys else list(theirs)
        refuse_truncated(path, name, columns)

        def texts(rows: set[int]) -> dict[int, tuple[int, str]]:
            found = lines_of(path, name, log, {line: line for line in rows})
            return {line: (line, text) for line, text in found.items()}

        return Relation(
            f"read_parquet({quoted(str(self._current))})",
            dict.fromkeys(wanted, "VARCHAR"),
            True,
            seen.is_plain and not _has_escapes(path),
            texts,
            columns.faults,
        )

    def documents(self, path: Path, name: str, log: LogSettings) -> Relation:
        """JSON lines, or JSON arrays, as one document per row in the column ``doc``.

        Raises:
            ContractError: it cannot be trusted as a whole.
        """
        self.scanned(path, name)
        faults: list[Fault] = []
        sink = self._sink()
        schema = pa.schema([("_row", pa.int64()), ("line", pa.int64()), ("doc", pa.string())])
        number, newest = 0, 0
        waiting: list[tuple[int, int, str]] = []
        with pq.ParquetWriter(sink, schema, compression="lz4") as writer, open_text(path, name, log) as file:

            def flush() -> None:
                if waiting:
                    columns = [list(column) for column in zip(*waiting, strict=True)]
                    writer.write_table(pa.table(columns, schema=schema))
                    waiting.clear()

            for at, text in _records_of(file, path):
                if not text.strip():
                    continue
                docs = _json_documents(text)
                if docs is None:
                    faults.append(Fault(at, "bad_json", ""))
                    continue
                for doc in docs:
                    number += 1
                    waiting.append((number, at, doc))
                newest = at
                if len(waiting) >= 20_000:
                    flush()
            flush()
        # Python and DuckDB agree on what JSON is but for a few odd texts, such as half a surrogate pair.
        odd = self.connection.execute(
            f"SELECT line FROM read_parquet({quoted(str(sink))}) "
            "WHERE NOT json_valid(doc) OR TRY_CAST(doc AS JSON) IS NULL"
        ).fetchall()
        faults += [Fault(int(line), "bad_json", "") for (line,) in odd]
        if faults and newest < max(faults).line and not self._scans[path].ends_with_break:
            raise ContractError(f"{name}: truncated, its last line {max(faults).line} is cut off. Export it again.")

        def texts(rows: set[int]) -> dict[int, tuple[int, str]]:
            self.connection.register("asked_rows", pa.table({"row": pa.array(sorted(rows), pa.int64())}))
            found = self.connection.execute(
                f"SELECT _row, line, doc FROM read_parquet({quoted(str(sink))}) "
                "WHERE _row IN (SELECT row FROM asked_rows)"
            ).fetchall()
            return {row: (line, text) for row, line, text in found}

        sql = f"(SELECT _row, doc::JSON AS doc FROM read_parquet({quoted(str(sink))}) WHERE json_valid(doc))"
        return Relation(sql, {"doc": "JSON"}, True, False, texts, faults)

    def parquet(self, path: Path, name: str, choose: Choose) -> Relation:
        """A Parquet file with its own types.

        Raises:
            ContractError: it cannot be read.
        """
        read = f"read_parquet({quoted(str(path))}, file_row_number=true)"
        try:
            header = pq.read_schema(path).names
            refuse_bad_header(header, name)
            wanted = choose(header)
            _refuse_twins(wanted, name)
            described = self.connection.execute(f"DESCRIBE SELECT * FROM {read}").fetchall()
        except (duckdb.Error, pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise unreadable_parquet(name, error) from None
        types = {str(row[0]): str(row[1]) for row in described}

        def texts(rows: set[int]) -> dict[int, tuple[int, str]]:
            # Not *: DuckDB would have to find names for columns that differ in case only.
            cells = ", ".join(f"{quoted_name(c)} := {quoted_name(c)}::VARCHAR" for c in wanted if c in types)
            self.connection.register("asked_rows", pa.table({"row": pa.array(sorted(rows), pa.int64())}))
            found = self.connection.execute(
                f"SELECT file_row_number + 1, to_json(struct_pack({cells}))::VARCHAR FROM {read} "
                "WHERE file_row_number + 1 IN (SELECT row FROM asked_rows)"
            ).fetchall()
            return {row: (row, text) for row, text in found}

        picked = "".join(f", {quoted_name(c)}" for c in wanted)
        return Relation(
            f"(SELECT file_row_number + 1 AS _row{picked} FROM {read})",
            {column: types[column] for column in wanted},
            True,
            False,
            texts,
        )


def unreadable_parquet(name: str, error: Exception) -> ContractError:
    """The refusal of a Parquet file that ``error`` was raised for."""
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    # A reader's message may quote the file's place on this machine.
    plain = " ".join(word for word in first.split() if "/" not in word and word.isprintable())
    return ContractError(f"{name}: unreadable Parquet ({plain[:120]}). Export it again.")


def _refuse_twins(wanted: Sequence[str], name: str) -> None:
    lower: dict[str, str] = {}
    for column in wanted:
        other = lower.setdefault(column.lower(), column)
        if other != column:
            raise ContractError(f"{name}: columns {other!r} and {column!r} differ in case only. Rename one of them.")


def _is_utf8(log: LogSettings) -> bool:
    return log.encoding.lower().replace("_", "-") in {"utf-8", "utf8", "ascii", "us-ascii"}


def _has_escapes(path: Path) -> bool:
    with path.open("rb") as file:
        while chunk := file.read(4 * 1024 * 1024):
            if b"\\" in chunk:
                return True
    return False


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        # Decimals stay the text they are: '1.10' may be an id, and a float would round long amounts.
        row = json.loads(text, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _dug(row: dict[str, Any], column: str) -> Any:
    if column in row or "." not in column:
        return row.get(column)
    found: Any = row
    for part in column.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _cell(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) or value is None else json.dumps(value)


def _records_of(file: Any, path: Path) -> Any:
    """The lines of a text file with their numbers; a file that is one array over many lines as one record."""
    head = file.read(1024).lstrip("\ufeff \t\r\n")
    file.seek(0)
    if head.startswith("[") and not _first_line_is_whole(file):
        file.seek(0)
        if path.stat().st_size > 256 * 1024 * 1024:
            raise ContractError(f"{path.name}: too_large for one JSON array. Export one event per line.")
        yield 1, file.read()
        return
    file.seek(0)
    yield from enumerate(file, start=1)


def _first_line_is_whole(file: Any) -> bool:
    return _json_documents(file.readline()) is not None


def _json_documents(text: str) -> list[str] | None:
    """The objects in a line: itself, or the elements of an array; null where it is neither."""
    try:
        found = json.loads(text, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    many = found if isinstance(found, list) else [found]
    if not all(isinstance(one, dict) for one in many):
        return None
    try:
        if isinstance(found, dict):
            text.encode("utf-8")
            return [text.strip().lstrip("\ufeff")]
        return [json.dumps(one, ensure_ascii=False) for one in many]
    except UnicodeEncodeError:
        return None
