"""Files into columns of text (CSV, JSON lines) or of their own types (Parquet), losing no row unseen."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sources.csv_files import read_csv
from sources.errors import ContractError
from sources.raw_files import (
    Choose,
    Columns,
    Fault,
    RawFile,
    lines_of,
    open_text,
    refuse_truncated,
    unique_names,
)
from sources.settings import LogSettings

_MAGIC = {
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "gzip-compressed",
    b"PK\x03\x04": "a zip archive or an Excel sheet",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}


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
    reader = {"csv": read_csv, "jsonl": _read_jsonl, "parquet": _read_parquet}[log.format]
    return reader(path, name, sha256, log, choose)


def _cell(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) or value is None else json.dumps(value)


def _read_jsonl(path: Path, name: str, sha256: str, log: LogSettings, choose: Choose) -> RawFile:
    rows, lines, faults = [], [], []
    with open_text(path, name, log) as file:
        for at, text in enumerate(file, start=1):
            if not text.strip():
                continue
            try:
                # Decimals stay the text they are: '1.10' may be an id, and a float would round long amounts.
                row = json.loads(text, parse_float=str, parse_constant=str)
            except (ValueError, RecursionError):
                row = None
            if isinstance(row, dict):
                rows.append(row)
                lines.append(at)
            else:
                faults.append(Fault(at, "bad_json", ""))
    wanted = choose(list(dict.fromkeys(key for row in rows for key in row)))
    columns = Columns(wanted)
    nested = [
        next((c for c in wanted if isinstance(row.get(c), dict | list)), None) if wanted else None for row in rows
    ]
    faults += [Fault(line, "nested_value", c) for line, c in zip(lines, nested, strict=True) if c is not None]
    flat = [(line, row) for line, row, c in zip(lines, rows, nested, strict=True) if c is None]
    columns.add({c: [_cell(row.get(c)) for _, row in flat] for c in wanted}, [line for line, _ in flat])
    columns.faults = sorted(columns.faults + faults)
    refuse_truncated(path, name, columns)

    def raw(at: Sequence[int]) -> dict[int, str]:
        return lines_of(path, name, log, {line: line for line in at})

    return RawFile(name, sha256, columns.joined(), columns.all_lines(), raw, columns.faults)


def _read_parquet(path: Path, name: str, sha256: str, log: LogSettings, choose: Choose) -> RawFile:
    del log
    try:
        with pq.ParquetFile(path) as file:
            header = file.schema_arrow.names
            unique_names(header, name)
            table = file.read(columns=choose(header))
    except (pa.ArrowException, OSError) as error:
        raise ContractError(
            f"{name}: unreadable Parquet ({str(error).splitlines()[0][:120]}). Export it again."
        ) from None
    columns = {column: table[column].combine_chunks() for column in table.column_names}

    def raw(rows: Sequence[int]) -> dict[int, str]:
        with pq.ParquetFile(path) as file:
            found = file.read().take(pa.array([row - 1 for row in rows], pa.int64())).to_pylist()
        return {row: json.dumps(cells, default=str, ensure_ascii=False) for row, cells in zip(rows, found, strict=True)}

    lines = np.arange(1, table.num_rows + 1, dtype=np.int64)
    return RawFile(name, sha256, columns, lines, raw)
