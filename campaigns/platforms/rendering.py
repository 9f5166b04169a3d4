"""One batch of people as the lines of a file or the columns of a table."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from campaigns.cells import amount_cells, cut_cells, date_cells, neutral_cells, number_cells, refusals, text_cells
from campaigns.errors import ListError
from campaigns.platforms.columns import BY_NAME, IDENTIFIERS, MAY_BE_ABSENT, Column, Context
from campaigns.platforms.spec import Spec

ISO = "{year}-{month}-{day}"
# More than the one delimiter in use: a spreadsheet may split at any of them, and a formula may follow.
_NEEDS_QUOTES = '[,;\t|"\r\n]'


def needed_sources(spec: Spec) -> tuple[str, ...]:
    """The columns a batch must have, identifiers first."""
    sources = [BY_NAME[name].source for name in spec.columns if not BY_NAME[name].of_context]
    return (*(IDENTIFIERS[name] for name in spec.identifiers), *(s for s in sources if s not in MAY_BE_ABSENT))


def _values(column: Column, batch: pa.Table, context: Context) -> pa.Array:
    if column.of_context:
        return pa.repeat(getattr(context, column.source), batch.num_rows)
    if column.source not in batch.column_names:
        return pa.nulls(batch.num_rows)
    chunks = batch.column(column.source).combine_chunks()
    return chunks.dictionary_decode() if pa.types.is_dictionary(chunks.type) else chunks


def _day_ahead(values: pa.Array, context: Context, column: str) -> pa.Array:
    first = pa.scalar(context.score_date).cast(pa.date32()).cast(pa.int32())
    # Floored, as the date to act by is: both are the same middle day.
    days = number_cells(pc.floor(values.cast(pa.float64())), 0, column).cast(pa.int32())
    return pc.add(days, first).cast(pa.date32())


def _plain(column: Column, batch: pa.Table, context: Context, dates: str, mark: str) -> pa.Array:
    """One column as texts, not yet fit for a cell."""
    values = _values(column, batch, context)
    match column.kind:
        case "text":
            return text_cells(values)
        case "amount":
            return amount_cells(values, context.minor_digits, column.name, mark)
        case "date":
            return date_cells(values, dates, column.name)
        case "days_ahead":
            return date_cells(_day_ahead(values, context, column.name), dates, column.name)
        case _:
            return number_cells(values, column.decimals, column.name, mark)


def identifiers(spec: Spec, batch: pa.Table) -> dict[str, pa.Array]:
    """The identifiers under their headers, as they are.

    Raises:
        ListError: One is missing or could be taken for something else; it should have been left out before.
    """
    found = {}
    for name, header in spec.identifiers.items():
        texts = batch.column(IDENTIFIERS[name]).combine_chunks().cast(pa.string())
        refused = pc.drop_null(refusals(texts, address=name == "email"))
        if len(refused):
            raise ListError(
                f"{len(refused)} rows have no {name} that can be written ({refused[0].as_py()}). "
                "Leave out what campaigns.cells.unsafe_identifier names before writing."
            )
        found[header] = texts
    return found


def table(spec: Spec, batch: pa.Table, context: Context) -> pa.Table:
    """The machine feed: texts as they are, numbers unrounded, amounts as exact decimals, days."""
    types: Mapping[str, pa.DataType] = {
        "text": pa.string(),
        "whole": pa.int64(),
        "amount": pa.decimal128(20, context.minor_digits),
        "date": pa.date32(),
        "days_ahead": pa.date32(),
    }
    columns = identifiers(spec, batch)
    for name in spec.columns:
        column = BY_NAME[name]
        if column.kind == "number":
            columns[spec.header_of(name)] = _values(column, batch, context).cast(pa.float64())
        else:
            columns[spec.header_of(name)] = _plain(column, batch, context, ISO, ".").cast(types[column.kind])
    return pa.table(columns)


def _quoted(spec: Spec, cells: pa.Array) -> pa.Array:
    cells = pc.fill_null(cells, "")
    needed = pc.match_substring_regex(cells, _NEEDS_QUOTES)
    if spec.quote == "where_needed" and not pc.any(needed).as_py():
        return cells
    quoted = pc.binary_join_element_wise('"', pc.replace_substring(cells, '"', '""'), '"', "")
    return quoted if spec.quote == "always" else pc.if_else(needed, quoted, cells)


def csv_line(spec: Spec, cells: tuple[str, ...]) -> str:
    """One line of plain texts, such as the header."""
    return csv_lines(spec, [pa.array([cell]) for cell in cells])[0].as_py()  # type: ignore[no-any-return]  # Arrow


def csv_lines(spec: Spec, cells: list[pa.Array]) -> pa.Array:
    """Columns of cells as lines with their line ends."""
    quoted = [_quoted(spec, column) for column in cells]
    joined = pc.binary_join_element_wise(*quoted, spec.delimiter)
    return pc.binary_join_element_wise(joined, "\n", "")


def _json_texts(texts: pa.Array) -> pa.Array:
    coded = texts.dictionary_encode()
    spelled = [json.dumps(text, ensure_ascii=False) for text in coded.dictionary.to_pylist()]
    return pa.array(spelled, type=pa.string()).take(coded.indices)


def _attributes(spec: Spec, batch: pa.Table, context: Context) -> tuple[pa.Array, int]:
    """The cell for listmonk: one JSON object per row, without the columns that are empty."""
    pairs, cut = [], 0
    for name in spec.columns:
        column = BY_NAME[name]
        texts = _plain(column, batch, context, spec.dates, ".")
        if spec.text_bytes is not None and column.kind == "text":
            texts, count = cut_cells(texts, spec.text_bytes)
            cut += count
        if column.kind in ("text", "date", "days_ahead"):
            texts = _json_texts(texts)
        pairs.append(pc.binary_join_element_wise(json.dumps(spec.header_of(name)), texts, ":"))
    inner = pc.binary_join_element_wise(*pairs, ",", null_handling="skip")
    return pc.binary_join_element_wise("{", inner, "}", ""), cut


def header(spec: Spec) -> tuple[str, ...]:
    """The header of a list file."""
    if spec.shape == "listmonk":
        return (*spec.identifiers.values(), "name", "attributes")
    return spec.headings()


def lines(spec: Spec, batch: pa.Table, context: Context) -> tuple[pa.Array, int]:
    """The lines of a list file, and how many texts were cut to the platform's limit."""
    cells = list(identifiers(spec, batch).values())
    if spec.shape == "listmonk":
        attributes, cut = _attributes(spec, batch, context)
        return csv_lines(spec, [*cells, pa.repeat("", batch.num_rows), attributes]), cut
    cut = 0
    for name in spec.columns:
        column = BY_NAME[name]
        texts = _plain(column, batch, context, spec.dates, spec.decimal_mark)
        if column.kind == "text":
            texts = neutral_cells(texts) if spec.spreadsheet_safe else texts
            if spec.text_bytes is not None:
                texts, count = cut_cells(texts, spec.text_bytes)
                cut += count
        cells.append(texts)
    return csv_lines(spec, cells), cut
