"""Rows that arrive twice: repetitions are counted, contradictions are quarantined."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sources import runs
from sources.checking import Log
from sources.ledger import Ledger
from sources.runs import is_missing, mask


def set_aside(log: Log, rows: pa.Table, ledger: Ledger) -> pa.Table:
    """``rows`` without repetitions.

    Of rows with the same id the earliest to arrive stays; one that says the same is a duplicate, one that
    says something else is quarantined. Where rows have no id, equal ones stay unless the log sets them aside.
    """
    if log.name == "orders":
        # One order can be refunded more than once, but not twice at the same time.
        refunded = pc.if_else(pc.equal(rows["event"], "Order Refunded"), rows["ordered_at"], None)
        rows = rows.append_column("refunded_at", refunded)
    ids = () if log.is_own and rows["event_id"].null_count == rows.num_rows else log.input.key
    no_content = {"loaded_at", *ids}
    content = [c for c in rows.column_names if not c.startswith("_") and c not in no_content]
    key = list(ids) or content
    named = np.logical_or.reduce([~is_missing(rows[c].combine_chunks()) for c in key])
    if len(ids) == 1 and pc.count_distinct(rows[key[0]]).as_py() == named.sum():
        return rows
    ordered = runs.sort(rows.filter(pa.array(named)), [*key, "loaded_at", *(content if ids else [])])
    first = runs.starts(ordered, key)
    if first.all():
        return rows
    if not ids and log.declared.duplicates == "keep":
        ledger.warn(f"{log.name}: {int((~first).sum())} rows equal another; kept, since rows have no id.")
        return rows
    # The first row of a run is what every other row of it must repeat.
    head = np.maximum.accumulate(np.where(first, np.arange(len(first)), 0))
    same = _equal_rows(ordered.select(content), head) if ids else np.ones(len(first), bool)
    ledger.duplicate(ordered.filter(pa.array(~first & same)))
    ledger.quarantine(ordered.filter(pa.array(~first & ~same)), "conflicting_duplicate", key[0])
    unnamed = rows.filter(pa.array(~named))
    return pa.concat_tables([ordered.filter(pa.array(first)), unnamed]).combine_chunks()


def _equal_rows(content: pa.Table, other: np.ndarray) -> np.ndarray:
    """Mask of the rows equal to the row at ``other``, null equal to null."""
    same = np.ones(content.num_rows, dtype=bool)
    places = pa.array(other)
    for name in content.column_names:
        here = content[name].combine_chunks()
        there = here.take(places)
        both_null = is_missing(here) & is_missing(there)
        same &= both_null | mask(pc.equal(here, there))
    return same
