"""The shop's own files written anew without some people.

Nothing but the records of these people changes: every other byte of a text file stays as it was.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.people.raw_records import (
    GZIP,
    ZSTD,
    Cells,
    People,
    RawFile,
    document_of,
    encoding_of,
    failing,
    magic_of,
    opened,
    pages_of,
    rows_of,
    scalars,
    text_records,
    units_of,
)
from pipeline.project import datasets
from sources import normalised

_FLOAT = re.compile('"\ue000([^"]*)\ue001"')
GONE = "erased"
"""Stands where the address of an erased person stood in a record of somebody else."""


def write_without(file: RawFile, people: People) -> int:
    """Write the file anew, whole or not at all, without the records of ``people``; how many went.

    A record of somebody else in which an address of theirs stands keeps its place; the address is replaced.

    Raises:
        UnreadableError: its records cannot be told apart; it stays as it was.
    """
    gone, changed, is_empty = 0, 0, True
    with suppress(_NothingToDoError), failing(file), datasets.replace_file(file.path) as draft:
        if file.format == "parquet":
            gone, changed = _parquet_without(file, people, draft)
        else:
            with opened(file) as lines, _sink(file, draft) as sink:
                for raw, cells in text_records(file, lines):
                    kept, removed = _kept(file, raw, cells, people)
                    gone, changed = gone + removed, changed + (kept != raw)
                    is_empty = is_empty and not kept
                    sink.write(kept)
                if is_empty:
                    sink.write("\n")  # a file of no bytes would stop the next ingest, as one that was cut off
        shutil.copymode(file.path, draft)
        if not changed:
            raise _NothingToDoError
    return gone


class _NothingToDoError(Exception):
    """The file is the same without them."""


@contextmanager
def _sink(file: RawFile, draft: Path) -> Iterator[IO[str]]:
    magic = magic_of(file)
    with ExitStack() as stack:
        raw: Any
        if magic.startswith(ZSTD):
            plain = stack.enter_context(pa.OSFile(str(draft), "wb"))
            raw = stack.enter_context(pa.CompressedOutputStream(plain, "zstd"))
        else:
            raw = stack.enter_context(draft.open("wb"))
        if magic.startswith(GZIP):
            raw = stack.enter_context(gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0))
        yield stack.enter_context(io.TextIOWrapper(raw, encoding_of(file), "surrogateescape", newline=""))


def _dumped(document: Any) -> str:
    return _FLOAT.sub(r"\1", json.dumps(document, ensure_ascii=False))


def _kept(file: RawFile, raw: str, cells: list[Cells] | None, people: People) -> tuple[str, int]:
    """What stays of a record, and how many records went."""
    if cells is None:
        return ("", 1) if people.named_in(raw) else (raw, 0)
    own = [people.own(one) for one in cells]
    if any(own) and file.format != "jsonl":
        return "", 1
    if any(own):
        document = document_of(raw)
        units = units_of(document)
        stay = [one if not mine else _for_the_others(file, one, people) for one, mine in zip(units, own, strict=True)]
        left = [one for one in stay if one is not None]
        if not left:
            return "", len(units)
        if pages := pages_of(document):
            if stay[0] is None:
                return "", len(units)  # what is listed there belongs to what stands around it
            rest = iter(stay[1:])
            parts = {name: [one for one in islice(rest, len(document[name])) if one is not None] for name in pages}
            left = [stay[0] | parts]
        end = raw[len(raw.rstrip("\r\n")) :]
        gone = stay.count(None)
        return _dumped(left if isinstance(document, list) else left[0]) + end, gone
    pattern = people.pattern
    if pattern is None or not cells:
        return raw, 0
    kept = pattern.sub(GONE, raw)
    if file.format == "jsonl" and any(pattern.search(text) for one in cells for _, text in one) and kept == raw:
        kept = pattern.sub(GONE, _dumped(document_of(raw))) + raw[len(raw.rstrip("\r\n")) :]  # it was escaped
    return kept, 0


def _for_the_others(file: RawFile, document: Any, people: People) -> Any:
    """A mail to several people without ``people``; None where nobody else is named."""
    emptied = False

    def is_own(value: Any) -> bool:
        return any(normalised(text) in people.addresses for _, text in scalars(file, value, ("",)))

    def without(value: Any) -> Any:
        nonlocal emptied
        if isinstance(value, dict):
            return {name: without(inner) for name, inner in value.items()}
        if isinstance(value, list):
            left = [without(inner) for inner in value if not is_own(inner)]
            emptied = emptied or (bool(value) and not left)
            return left
        return value

    rest = without(document)
    return None if emptied or is_own(rest) or people.own(list(scalars(file, rest))) else rest


# Parquet


def _parquet_without(file: RawFile, people: People, draft: Path) -> tuple[int, int]:
    gone = changed = 0
    with pq.ParquetFile(file.path) as source:
        groups = source.metadata.num_row_groups
        codec = source.metadata.row_group(0).column(0).compression if groups else "snappy"
        codec = {"UNCOMPRESSED": "none"}.get(codec, codec).lower()
        with pq.ParquetWriter(draft, source.schema_arrow, compression=codec) as writer:
            for group in range(groups):
                table = source.read_row_group(group)
                batch = table.combine_chunks().to_batches()
                keep = [not people.own(cells) for part in batch for cells in rows_of(file, part)]
                rest, replaced = _redacted(table.filter(pa.array(keep, pa.bool_())), people)
                gone, changed = gone + keep.count(False), changed + keep.count(False) + replaced
                writer.write_table(rest)
    return gone, changed


def _redacted(table: pa.Table, people: People) -> tuple[pa.Table, int]:
    """``table`` without the addresses of ``people`` in its text, and how many columns had one."""
    pattern, replaced = people.pattern, 0
    for at, name in enumerate(table.column_names):
        column = table.column(at)
        kind = column.type
        if pattern is None or not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            continue
        if any(
            pc.any(pc.match_substring(column, address, ignore_case=True)).as_py()
            for address in sorted(people.addresses)
        ):
            texts = [text if text is None else pattern.sub(GONE, text) for text in column.to_pylist()]
            table = table.set_column(at, table.schema.field(name), pa.array(texts, kind))
            replaced += 1
    return table, replaced
