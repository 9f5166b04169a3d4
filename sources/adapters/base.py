"""What an adapter is: a vendor's file in, rows of our logs out, said in SQL."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from events.sql import quoted
from sources.words import NARROW, WIDE

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
    """SQL of ``name`` for the events that count as refusals though the vendor does not call them so."""
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


_REFUSES = (
    r"\bun ?subscri", r"\bunsub\b", r"\bopt(ed|s|ing)? ?out\b", r"\bspam", r"\bjunk\b", r"\babuse\b",
    r"^complain(t|ts|ed)$", r"\b(e ?mail|mail|spam|abuse) complain", r"\bsuppress", r"\bdropped e ?mail\b",
    r"\be ?mail dropped\b", r"\bdo(n t| ?not|nt) (contact|e ?mail|mail|market|send)", r"\b(block|black) ?list",
    r"\bconsent( \w+)* (revo|with|declin|den)", r"\b(revok|withdr|declin|den)\w*( \w+)* consent",
    r"\bremoved from( \w+)* list\b", r"\bcancell?ed (e ?mail|newsletter|mailing)", r"abgemeld", r"abmeld",
    r"d[ée]sabonn", r"d[ée]sinscri", r"afgemeld", r"uitgeschreven", r"wypisa",
)  # fmt: skip
_SOUNDS_LIKE_ONE = (
    r"\bnot (spam|junk)\b", r"\bspam (check|score|filter|test)", r"\bprice dropped\b", r"\bcookie", r"\binsurance\b",
    r"\bremoved from (block|black) ?list", r"\bopt ?out revoked\b", r"\b(viewed|visited|shown)$",
)  # fmt: skip
_CHANNELS = {
    "profiling": r"\b(profiling|personali[sz](ation|ed))\b",
    "email": r"\b(e ?mails?|newsletters?|all|everything|via (sms|text|whatsapp|phone))\b",
    "sms": r"\b(sms|text messages?|texts)\b",
    "phone": r"\b(phone|calls)\b",
}
_NONE_OF_OURS = r"\b(push|whatsapp|in app)\b"


def refused_channel(name: str) -> str:
    """SQL: what an event refuses whose name, in the column ``name``, sounds like a refusal, however it is spelt.

    One of our channels, e-mail where none is named; null where it refuses nothing, or a channel that is none of ours.
    Vendors rename their events and shops choose their own, so a name that is not known but sounds so is not left out.
    """
    narrow = f"translate({name}, {quoted(WIDE)}, {quoted(NARROW)})"
    apart = f"regexp_replace({narrow}, '([a-z])([A-Z])', '\\1 \\2', 'g')"
    words = f"trim(regexp_replace(lower({apart}), '[^\\p{{L}}\\p{{N}}]+', ' ', 'g'))"

    def says(*patterns: str) -> str:
        return f"regexp_matches({words}, {quoted('|'.join(patterns))})"

    named = " ".join(f"WHEN {says(pattern)} THEN {quoted(channel)}" for channel, pattern in _CHANNELS.items())
    return (
        f"CASE WHEN {says(*_REFUSES)} AND NOT {says(*_SOUNDS_LIKE_ONE)} "
        f"THEN CASE {named} WHEN NOT {says(_NONE_OF_OURS)} THEN 'email' END END"
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
