"""Files that name people in any form a table, an archive or a database may have, and what to do with each."""

from __future__ import annotations

import gzip
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from events.sql import quoted_name

_CHUNK = 1 << 20


def walk(top: Path, skip: Iterable[Path] = ()) -> Iterator[Path]:
    """Every file below ``top`` that is no link, outside the folders ``skip``."""
    skipped = {str(path) for path in skip}
    for place, folders, names in os.walk(top):
        folders[:] = [name for name in folders if str(Path(place, name)) not in skipped]
        for name in sorted(names):
            path = Path(place, name)
            if str(path) not in skipped and path.is_file() and not path.is_symlink():
                yield path


def _bytes(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        magic = file.read(4)
        file.seek(0)
        if magic.startswith(b"\x1f\x8b"):
            with gzip.GzipFile(fileobj=file) as plain:
                yield from iter(lambda: plain.read(_CHUNK), b"")
        elif magic.startswith(b"\x28\xb5\x2f\xfd"):
            with pa.CompressedInputStream(pa.OSFile(str(path)), "zstd") as plain:
                yield from iter(lambda: plain.read(_CHUNK), b"")
        else:
            yield from iter(lambda: file.read(_CHUNK), b"")


def _in_columns(path: Path, names: list[str]) -> bool:
    known = pa.array(names, pa.string())
    with pq.ParquetFile(path) as file:
        texts = [field.name for field in file.schema_arrow if _is_text(field.type)]
        for batch in file.iter_batches(65_536, columns=texts):
            for column in batch.columns:
                plain = column.cast(pa.string())
                if pc.any(pc.is_in(pc.utf8_lower(plain), known)).as_py():
                    return True
    return False


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or (pa.types.is_dictionary(kind) and pa.types.is_string(kind.value_type))
    )


def mentions(path: Path, names: Iterable[str]) -> bool:
    """Whether one of ``names`` (small letters) stands in the file, unpacked where it is packed."""
    wanted = sorted(names)
    needles = [name.encode("utf-8") for name in wanted]
    longest = max(map(len, needles), default=0)
    tail = b""
    try:
        for chunk in _bytes(path):
            seam = (tail + chunk).lower()
            if any(needle in seam for needle in needles):
                return True
            tail = chunk[-longest:]
        with path.open("rb") as file:
            is_parquet = file.read(4) == b"PAR1"
        return is_parquet and _in_columns(path, wanted)
    except (OSError, EOFError, zlib.error, pa.ArrowException):
        return False  # broken: what stands in plain sight was looked for


def is_database(path: Path) -> bool:
    """Whether the file is a SQLite database."""
    try:
        with path.open("rb") as file:
            return file.read(15) == b"SQLite format 3"
    except OSError:
        return False


def clear_database(path: Path, names: Iterable[str]) -> int:
    """Delete the rows of a SQLite database in which one of ``names`` stands, and what is left of them; how many."""
    gone = 0
    wanted = sorted(names)
    with closing(sqlite3.connect(path, timeout=30)) as database:
        database.execute("PRAGMA secure_delete = ON")
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT NULL").fetchall()
        for (table,) in tables:
            for column in database.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall():
                statement = " ".join(
                    (
                        "DELETE FROM",
                        quoted_name(table),
                        "WHERE instr(lower(CAST(",
                        quoted_name(column[0]),
                        "AS TEXT)), ?)",
                    )
                )
                for name in wanted:
                    gone += max(0, database.execute(statement, (name,)).rowcount)
        database.commit()
        database.execute("VACUUM")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return gone
