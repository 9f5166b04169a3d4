"""List files on disk: split at the platform's limits, all of them or none, equal bytes for equal rows."""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from campaigns.cells import refusals
from campaigns.errors import ListError
from campaigns.platforms import rendering
from campaigns.platforms.columns import MAY_BE_ABSENT, Context
from campaigns.platforms.spec import Spec

BATCH_ROWS = 50_000
"""Rows held at once, whatever the size of the batches that come in; also the rows of a Parquet row group."""

Batch: TypeAlias = "pd.DataFrame | Any"
"""A frame of pandas or, faster, a table of Arrow."""


@dataclass(frozen=True)
class Written:
    """The files written (names within the folder, in order), the SHA-256 of each, and what went in.

    ``rows`` counts people, ``cut_cells`` texts shortened to the platform's limit, ``left_out`` addresses that could
    not be written to a companion file.
    """

    files: tuple[str, ...]
    sha256: dict[str, str]
    rows: int
    cut_cells: int = 0
    left_out: int = 0


class _Hashed(io.RawIOBase):
    """A private file that knows the hash of what was written to it."""

    def __init__(self, path: Path) -> None:
        # What a killed run left behind is nobody's file.
        path.unlink(missing_ok=True)
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._hash = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        view = memoryview(content).cast("B")
        self._hash.update(view)
        done = 0
        while done < len(view):
            done += os.write(self._handle, view[done:])
        return len(view)

    def close(self) -> None:
        if not self.closed:
            os.fsync(self._handle)
            os.close(self._handle)
        super().close()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


@dataclass
class _Parts:
    """Drafts of one file after the other; renamed together at the end, deleted when anything fails."""

    folder: Path
    stem: str
    suffix: str
    hashes: list[str] = field(default_factory=list)
    _open: _Hashed | None = None

    def __enter__(self) -> _Parts:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._open is not None:
            self._open.close()
        for draft in self._drafts():
            draft.unlink(missing_ok=True)

    def _drafts(self) -> list[Path]:
        count = len(self.hashes) + (self._open is not None)
        return [self.folder / f".{self.stem}-{number}{self.suffix}.part" for number in range(1, count + 1)]

    def next(self) -> _Hashed:
        """A new draft; the one before must be closed."""
        path = self.folder / f".{self.stem}-{len(self.hashes) + 1}{self.suffix}.part"
        self._open = _Hashed(path)
        return self._open

    def done(self) -> None:
        """Close the draft."""
        assert self._open is not None
        self._open.close()
        self.hashes.append(self._open.sha256)
        self._open = None

    def publish(self) -> dict[str, str]:
        """Give the drafts their names, take away those of an earlier list that had more files; name to hash."""
        drafts = self._drafts()
        names = [f"{self.stem}{self.suffix}"]
        if len(drafts) > 1:
            names = [f"{self.stem}-{number}{self.suffix}" for number in range(1, len(drafts) + 1)]
        for draft, name in zip(drafts, names, strict=True):
            draft.replace(self.folder / name)
        earlier = re.compile(rf"{re.escape(self.stem)}(-[0-9]+)?{re.escape(self.suffix)}")
        for path in self.folder.iterdir():
            if earlier.fullmatch(path.name) and path.name not in names:
                path.unlink()
        handle = os.open(self.folder, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
        return dict(zip(names, self.hashes, strict=True))


class _Lines:
    """Lines into parts: each with the header, none beyond the limits of rows and bytes."""

    def __init__(self, spec: Spec, header: tuple[str, ...], parts: _Parts) -> None:
        self._spec = spec
        self._parts = parts
        start = "\ufeff" if spec.bom else ""
        self._header = (start + rendering.csv_line(spec, header)).encode()
        self._begin()

    def _begin(self) -> None:
        self._file = self._parts.next()
        self._to: gzip.GzipFile | _Hashed = self._file
        if self._spec.gzip:
            # No name and no time in it, or equal lists would give unequal bytes.
            self._to = gzip.GzipFile(filename="", mode="wb", fileobj=self._file, compresslevel=6, mtime=0)
        self._to.write(self._header)
        self._rows, self._bytes = 0, len(self._header)

    def _fitting(self, ends: np.ndarray[Any, Any], first: int) -> int:
        """How many of the lines from ``first`` still go into the open file."""
        count = len(ends) - 1 - first
        if self._spec.file_rows is not None:
            count = min(count, self._spec.file_rows - self._rows)
        if self._spec.file_bytes is not None:
            last = int(ends[first]) + self._spec.file_bytes - self._bytes
            count = min(count, int(np.searchsorted(ends, last, side="right")) - 1 - first)
        return count

    def add(self, lines: pa.Array) -> None:
        """Write these lines, in as many files as it takes."""
        _, offsets, content = lines.buffers()
        ends = np.frombuffer(offsets, dtype=np.int32)[lines.offset : lines.offset + len(lines) + 1]
        first = 0
        while first < len(lines):
            count = self._fitting(ends, first)
            if count > 0:
                start, end = int(ends[first]), int(ends[first + count])
                self._to.write(memoryview(content)[start:end])
                self._rows, self._bytes, first = self._rows + count, self._bytes + end - start, first + count
            elif self._rows:
                self.end()
                self._begin()
            else:
                raise ListError(
                    f"One row is longer than the {self._spec.file_bytes} bytes a file may have for {self._spec.title}."
                )

    def end(self) -> None:
        """Close the open file."""
        if self._to is not self._file:
            self._to.close()
        self._parts.done()


def _slices(spec: Spec, batches: Iterable[Batch]) -> Iterator[pa.Table]:
    """The batches in tables of :data:`BATCH_ROWS` rows and a smaller last one, however they come in."""
    needed = rendering.needed_sources(spec)
    waiting: list[pa.Table] = []
    held = 0
    for batch in batches:
        table = pa.Table.from_pandas(batch, preserve_index=False) if isinstance(batch, pd.DataFrame) else batch
        missing = [name for name in needed if name not in table.column_names]
        if missing:
            raise ListError(f"The candidates have no column {', '.join(missing)}. Build the lists again.")
        wanted = [name for name in table.column_names if name in {*needed, *MAY_BE_ABSENT}]
        waiting.append(table.select(wanted))
        held += table.num_rows
        while held >= BATCH_ROWS:
            joined = pa.concat_tables(waiting, promote_options="permissive")
            yield joined.slice(0, BATCH_ROWS)
            waiting, held = [joined.slice(BATCH_ROWS)], held - BATCH_ROWS
    if held:
        yield pa.concat_tables(waiting, promote_options="permissive")


def _write_table(spec: Spec, batches: Iterable[Batch], parts: _Parts, context: Context) -> int:
    nobody = pa.table({name: pa.nulls(0) for name in rendering.needed_sources(spec)})
    schema, rows = rendering.table(spec, nobody, context).schema, 0
    with pq.ParquetWriter(parts.next(), schema, compression="zstd") as writer:
        for batch in _slices(spec, batches):
            writer.write_table(rendering.table(spec, batch, context))
            rows += batch.num_rows
    parts.done()
    return rows


def write(spec: Spec, batches: Iterable[Batch], folder: Path, stem: str, context: Context) -> Written:
    """Write the people in ``batches`` for one platform, in their order; at least one file, with a header.

    A batch has the columns of the candidates and shop_id and email from the vault, one row per person.

    Raises:
        ListError: A column or an identifier is missing, or a value cannot be written. No file is left then.
    """
    rows, cut = 0, 0
    with _Parts(folder, stem, spec.suffix) as parts:
        if spec.shape == "parquet":
            rows = _write_table(spec, batches, parts, context)
        else:
            sink = _Lines(spec, rendering.header(spec), parts)
            for batch in _slices(spec, batches):
                lines, shortened = rendering.lines(spec, batch, context)
                sink.add(lines)
                rows, cut = rows + batch.num_rows, cut + shortened
            sink.end()
        published = parts.publish()
    return Written(tuple(published), published, rows, cut)


def _unique(addresses: Iterable[str]) -> pa.Array:
    """Each address once, in the order of its letters; held as Arrow's texts, which are small."""
    stripped = (address.strip(" ") for address in addresses)
    chunks = [pa.array([], type=pa.string())]
    while some := list(itertools.islice(stripped, BATCH_ROWS)):
        chunks.append(pc.unique(pa.array(some, type=pa.string())))
    texts = pc.unique(pa.chunked_array(chunks))
    return texts.take(pc.sort_indices(texts))


def write_suppressed(spec: Spec, addresses: Iterable[str], folder: Path, stem: str) -> Written:
    """Write the companion file ``<stem>.suppress.csv``: each address once, in order; never why.

    Addresses that are no single address, or that a spreadsheet could take for a formula, are left out and counted.
    """
    texts = _unique(addresses)
    fit = texts.filter(pc.is_null(refusals(texts, address=True)))
    constants = spec.suppression.constants
    plain = spec.model_copy(update={"gzip": False})
    with _Parts(folder, f"{stem}.suppress", ".csv") as parts:
        sink = _Lines(plain, (spec.suppression.header, *constants), parts)
        for start in range(0, len(fit), BATCH_ROWS):
            some = fit.slice(start, BATCH_ROWS)
            sink.add(rendering.csv_lines(plain, [some, *(pa.repeat(value, len(some)) for value in constants.values())]))
        sink.end()
        published = parts.publish()
    return Written(tuple(published), published, len(fit), left_out=len(texts) - len(fit))
