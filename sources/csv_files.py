"""CSV files: every physical line is in one record, and no quote may swallow others unseen."""

import csv
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from sources.errors import ContractError
from sources.raw_files import Columns, Fault, lines_of, open_text, refuse_bad_header, refuse_truncated
from sources.settings import LogSettings

_CHUNK = 65_536


def _records(
    lines: Any, name: str, log: LogSettings, spans: dict[int, int], before: int
) -> Iterator[tuple[int, list[str] | None]]:
    """First line and cells of every CSV record (None: broken quotes); ``spans`` gets the long ones."""
    reader = csv.reader(lines, delimiter=log.delimiter, strict=True)
    while True:
        first = before + reader.line_num + 1
        row: list[str] | None
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            swallowed = before + reader.line_num - first
            if swallowed or "unexpected end" in str(error) or "field limit" in str(error):
                raise ContractError(
                    f"{name}: unclosed_quote, the quote opened on line {first} swallows "
                    f"{swallowed} further lines. "
                    "Close it or export the file again."
                ) from None
            row = None
        if row != []:
            if before + reader.line_num != first:
                spans[first] = before + reader.line_num
            yield first, row


def read_header(path: Path, name: str, log: LogSettings) -> list[str]:
    """The names in the header of the CSV file at ``path``.

    Raises:
        ContractError: there is none, its delimiter is another one, or a name stands in it twice.
    """
    with open_text(path, name, log) as file:
        first = next((chunk for chunk in _chunks(file, name, log, {}) if chunk[1]), ([], []))[1]
    if not first or first[0] is None or not any(cell.strip() for cell in first[0]):
        raise ContractError(f"{name}: empty_file, it has no header. Export it again.")
    header: list[str] = first[0]
    if len(header) == 1 and (other := next((d for d in ",;\t|" if d != log.delimiter and d in header[0]), "")):
        raise ContractError(
            f"{name}: wrong_delimiter, the header is not separated by {log.delimiter!r} "
            f"but perhaps by {other!r}. "
            "Set delimiter in params."
        )
    refuse_bad_header(header, name, ())
    return header


def read_csv(path: Path, name: str, log: LogSettings, header: list[str], columns: Columns) -> None:
    """Put the cells of the CSV file at ``path`` into ``columns``, whose names are in ``header``.

    Raises:
        ContractError: an unclosed quote, or a last line cut off.
    """
    spans: dict[int, int] = {}
    places = {column: header.index(column) for column in columns.wanted}
    with open_text(path, name, log) as file:
        is_header = True
        for firsts, rows in _chunks(file, name, log, spans):
            if is_header and rows:
                firsts, rows, is_header = firsts[1:], rows[1:], False
            if any(row is None or len(row) != len(header) for row in rows) or _has_header(rows, header):
                firsts, rows = _well_formed(firsts, rows, header, columns, name, spans)
            columns.add({column: [row[at] for row in rows] for column, at in places.items()}, firsts)
    columns.close()
    refuse_truncated(path, name, columns)


def record_text(path: Path, name: str, log: LogSettings, firsts: set[int]) -> dict[int, str]:
    """The text of the CSV records that start at the physical lines ``firsts``."""
    spans: dict[int, int] = {}
    newest = max(firsts, default=0)
    with open_text(path, name, log) as file:
        for starts, _ in _chunks(file, name, log, spans):
            if starts and starts[-1] > newest:
                break
    return lines_of(path, name, log, {line: spans.get(line, line) for line in firsts})


def _is_header(row: list[str], header: list[str]) -> bool:
    """Whether a row is the header once more, as where files that begin with a byte order mark were joined."""
    return row[0].lstrip("\ufeff") == header[0] and row[1:] == header[1:]


def _has_header(rows: list[Any], header: list[str]) -> bool:
    return header in rows or any(row and row[0].startswith("\ufeff") for row in rows)


def _well_formed(
    firsts: list[int], rows: list[Any], header: list[str], columns: Columns, name: str, spans: dict[int, int]
) -> tuple[list[int], list[Any]]:
    """The rows with as many cells as the header; the others become faults of ``columns``."""
    good = []
    for first, row in zip(firsts, rows, strict=True):
        if row is not None and len(row) == len(header) and not _is_header(row, header):
            good.append((first, row))
            continue
        rule = "bad_quoting" if row is None else "repeated_header" if _is_header(row, header) else "ragged_row"
        if rule == "ragged_row" and first in spans:
            raise ContractError(
                f"{name}: unclosed_quote, the quote opened on line {first} swallows "
                f"{spans[first] - first} further lines. Close it or export the file again."
            )
        columns.fault(Fault(first, rule, ""))
    return [first for first, _ in good], [row for _, row in good]


def _chunks(file: Any, name: str, log: LogSettings, spans: dict[int, int]) -> Iterator[tuple[list[int], list[Any]]]:
    """First lines and cells of the records, many at a time."""
    # Many exports quote the header and nothing else: it is a chunk of its own.
    at = 0
    while lines := list(islice(file, _CHUNK if at else 1)):
        if any('"' in line for line in lines) and (at or lines[0].count('"') % 2):
            # From the first quote on a record may be longer than its line, so each is looked at by itself.
            records = _records(chain(lines, file), name, log, spans, at)
            while slow := list(islice(records, _CHUNK)):
                yield [first for first, _ in slow], [row for _, row in slow]
            return
        try:
            rows = list(csv.reader(lines, delimiter=log.delimiter))
        except csv.Error as error:
            raise ContractError(f"{name}: after line {at}: {error}. Export it again.") from None
        firsts = list(range(at + 1, at + len(lines) + 1))
        at += len(lines)
        if [] in rows:
            firsts = [first for first, row in zip(firsts, rows, strict=True) if row]
            rows = [row for row in rows if row]
        yield firsts, rows
