"""Sorted tables and the runs of equal rows in them: for duplicates, event ids and order totals; and masks."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def sort(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    """``table`` ordered by ``columns``, nulls last, as one chunk."""
    return table.combine_chunks().sort_by([(column, "ascending") for column in columns]).combine_chunks()


def starts(ordered: pa.Table, columns: Sequence[str]) -> np.ndarray:
    """Mask of the ordered rows that differ from the one before in any of ``columns``; null equals null."""
    first = np.zeros(ordered.num_rows, dtype=bool)
    first[:1] = True
    for column in columns:
        if ordered.num_rows > 1:
            cells = ordered[column].combine_chunks()
            before, here = cells[:-1], cells[1:]
            same = pc.or_(pc.fill_null(pc.equal(before, here), False), pc.and_(pc.is_null(before), pc.is_null(here)))
            first[1:] |= ~same.to_numpy(zero_copy_only=False)
    return first


def numbers(first: np.ndarray) -> np.ndarray:
    """1, 2, 3, … within each run, given the mask of the rows that start one."""
    at = np.arange(len(first))
    return at - np.maximum.accumulate(np.where(first, at, 0)) + 1


def totals(values: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Sum of whole numbers over each run."""
    return np.add.reduceat(values, np.flatnonzero(first)) if len(values) else values


def mask(condition: pa.Array) -> np.ndarray:
    """An Arrow condition as a numpy mask; null counts as false."""
    return np.asarray(pc.fill_null(condition, False).to_numpy(zero_copy_only=False), dtype=bool)


def is_missing(column: pa.Array) -> np.ndarray:
    """Which cells are null."""
    return np.asarray(pc.is_null(column).to_numpy(zero_copy_only=False), dtype=bool)


def flat(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """A column as one array."""
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def column(rows: pa.Table, name: str) -> pa.Array:
    """The column ``name`` of ``rows`` as one array."""
    return flat(rows[name])
