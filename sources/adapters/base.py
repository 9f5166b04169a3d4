"""What an adapter is: a vendor's file in, rows of our logs out, said in SQL."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Format = Literal["csv", "jsonl", "parquet"]


@dataclass(frozen=True)
class Adapter:
    """How the files of one vendor become rows of our logs.

    The SQL reads the relation ``records``. It has one row per record, a unique ``_row`` in the order of the file, and
    for CSV every named column as text (an empty cell is NULL), for JSON lines one column ``doc``, for Parquet the
    columns with their own types.

    It returns ``_row`` and columns named as in ``sources.inputs.INPUTS``, several rows per record or none. It converts
    and repairs nothing: a broken amount arrives as it is, and the contract sets its row aside. A record that is in no
    log and not in ``left_out`` was not understood.
    """

    name: str
    """The name in params."""
    title: str
    source: str
    """Address of the vendor's page."""
    formats: tuple[Format, ...]
    """The first is assumed when params name none."""
    columns: tuple[str, ...]
    """Names that the header of a CSV or Parquet file must have."""
    optional: tuple[str, ...]
    """Names that are used when the header has them, and are NULL when not."""
    logs: Mapping[str, str]
    """Our log: the SQL of its rows."""
    left_out: str
    """SQL of ``_row`` and ``reason`` for the records that feed no log on purpose."""
    guessed: str = ""
    """SQL of ``name`` for the events that feed consent_events by the sound of it, not because the vendor says so."""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Our log: fields of ``LogSettings`` that hold for this vendor's files."""


def harmless(name: str) -> str:
    """SQL that gives the event name in the column ``name``, unless it could hold an address or a number of somebody.

    Shops choose the names of their own events; the reason for leaving a record out is shown and must not name a person.
    """
    return (
        f"CASE WHEN regexp_matches({name}, '^[\\p{{L}}\\d _.:/$-]{{1,60}}$')"
        f" AND NOT regexp_matches({name}, '\\d{{4}}') THEN {name} ELSE 'another event' END"
    )


GUESSABLE = "@keyed.invalid"
"""Ends an id that is made of an address or of an id of somebody. Whoever guesses what a bare hash was made of finds
it true; an id that holds an address is replaced by its keyed pseudonym.
"""


def rounded_off(amount: str) -> str:
    """SQL of a binary fraction as text without the digits behind its twelfth decimal, which are noise of its making.

    For logs whose settings round money: 59.970000000000006 is 59.97, and the contract takes no more than twelve.
    """
    return f"regexp_replace({amount}, '^(-?\\d+[.]\\d{{12}})\\d+$', '\\1')"
