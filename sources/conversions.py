"""Cells into typed values, as SQL: exact, or refused with a rule; nothing is guessed.

Every converter takes the SQL of a cell and its DuckDB type, and gives the SQL of its value with the conditions
under which a rule is broken; the value of a broken cell means nothing. Conditions that are null count as false.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from events.sql import quoted
from sources.addresses import without_contacts
from sources.words import EMPTY_WORDS, IGNORED, NARROW, NO_WORDS, WIDE, Vocabulary
from sources.words import plain as plain_text
from timeline import Window, parse_date

MOST_MINOR_UNITS = 10**11
"""An amount beyond this is a typing error, not a sale."""

PLAUSIBLE = Window(parse_date("1990-01-01", "UTC"), parse_date("2100-01-01", "UTC"))
"""An event outside of it has a broken clock, an empty date or the wrong unit."""

PLACEHOLDERS = ("undefined", "0", "-1")
EPOCH_UNITS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}

_INVISIBLE = (
    r"[\x00-\x1f\x7f\x{AD}\x{61C}\x{180E}\x{200B}-\x{200F}\x{202A}-\x{202E}\x{2060}-\x{2064}\x{2066}-\x{206F}\x{FEFF}]"
)
_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
_LETTER = r"\p{L}\p{N}\p{M}_"
_ADDRESS = rf"""[{_LETTER}+][^@\s<>,;:"()\x00-\x1f`“”‘„«»?=|\\/{{}}\[\]]*@([{_LETTER}-]+\.)+[{_LETTER}-]+"""
_DATE = r"\d{4}-\d\d-\d\d"
_CLOCK = _DATE + r"[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?"
_OFFSET = r" ?(Z|[+-]\d\d:?\d\d)"
_WHITE = r"E' \t\r\n\f\x0b'"

Text = Literal["id", "text", "address", "instant", "day", "money", "whole", "number", "flag"]


@dataclass(frozen=True)
class Cell:
    """A cell before conversion: its SQL, its DuckDB type, and what is known to be absent.

    ``plain``: odd characters; ``filled``: empty texts, which are null already.
    """

    sql: str
    type: str = "VARCHAR"
    plain: bool = False
    filled: bool = False

    @property
    def is_nested(self) -> bool:
        """Whether it holds lists or structures."""
        return self.type.endswith("]") or self.type.startswith(("STRUCT", "MAP", "UNION", "VARIANT"))

    @property
    def is_float(self) -> bool:
        """Whether it holds binary floating point numbers."""
        return self.type in {"DOUBLE", "FLOAT"}

    @property
    def is_whole(self) -> bool:
        """Whether it holds integers."""
        return self.type.endswith("INT") or self.type == "INTEGER" or self.type == "UINTEGER"

    @property
    def text(self) -> str:
        """The cell as text, null for an empty one; whole floats, as Parquet ids often are, lose their '.0'."""
        if self.type == "VARCHAR":
            return self.sql if self.filled else f"nullif({self.sql}, '')"
        if self.is_float:
            x = self.sql
            return (
                f"CASE WHEN isnan({x}) THEN NULL WHEN floor({x}) = {x} AND abs({x}) < 9007199254740992 "
                f"THEN {x}::BIGINT::VARCHAR ELSE {x}::VARCHAR END"
            )
        if self.type == "BLOB":
            return f"nullif(TRY(decode({self.sql})), '')"
        return f"nullif({self.sql}::VARCHAR, '')"


VALUE = "@value"
"""Stands for the converted value in conditions."""


@dataclass(frozen=True)
class Converted:
    """The SQL of a value, of the conditions that break a rule, and of those worth a note.

    ``fine``: SQL that says cheaply that no rule is broken; most rows need no other look.
    """

    value: str
    broken: tuple[tuple[str, str], ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    fine: str = f"{VALUE} IS NOT NULL"


def _matches(x: str, pattern: str) -> str:
    return f"regexp_full_match({x}, {quoted(pattern)})"


def _has(x: str, pattern: str) -> str:
    return f"regexp_matches({x}, {quoted(pattern)})"


def unbroken(found: Converted, value: str) -> str:
    """SQL of ``value``, which ``found`` is stored as, null where it breaks a rule."""
    broken = " OR ".join(f"coalesce({condition}, false)" for _, condition in found.broken) or "false"
    return f"CASE WHEN NOT ({broken.replace(VALUE, value)}) THEN {value} END"


def to_id(cell: Cell, is_person: bool) -> Converted:
    """Ids stay the text they are: '00123', '1E5' and 'NA' are three ids; a blank one is missing."""
    x = cell.text
    value = f"CASE WHEN ascii({x}) <= 32 AND trim({x}, {_WHITE}) = '' THEN NULL ELSE {x} END"
    broken = [] if cell.plain else [("control_character", f"{_has(x, _INVISIBLE)} AND trim({x}, {_WHITE}) <> ''")]
    if is_person:
        broken.append(("placeholder_id", f"{x} IN ({', '.join(map(quoted, PLACEHOLDERS))})"))
    return Converted(value, tuple(broken), fine="")


def to_text(
    cell: Cell, named: Mapping[str, str], own: bool = False, free: bool = False, bare: str | None = None
) -> Converted:
    """Short text such as a category, once renamed by ``{theirs: ours}``, without addresses unless params gave it.

    Control characters are refused, line breaks inside are not. ``own``: params gave all of it. ``free``, ``bare``:
    see :class:`sources.inputs.Field`.
    """
    given = renamed(cell.text, named)
    broken = () if cell.plain else (("control_character", _has(given, _CONTROL)),)
    if own:
        return Converted(given, broken, fine="")
    value = renamed(cell.text, named, without_contacts(cell.text, plain=cell.plain, telephones=free, bare=bare))
    note = "contact_in_text" if free else "address_in_text"
    return Converted(value, broken, ((note, f"{given} IS DISTINCT FROM {VALUE}"),), fine="")


def to_address(cell: Cell) -> Converted:
    """E-mail addresses, trimmed and in lower case; a malformed one counts as absent and is noted."""
    breaks = _has(cell.text, r"[\r\n\x00]")
    address = f"lower(trim(trim({cell.text}, {_WHITE})))"
    good = f"{_matches(address, _ADDRESS)} AND NOT {_has(address, _INVISIBLE)}"
    return Converted(
        f"CASE WHEN {good} THEN {address} END",
        (("line_break_in_address", breaks),),
        (("malformed_address", f"{cell.text} IS NOT NULL AND NOT ({good}) AND NOT {breaks}"),),
    )


def renamed(x: str, named: Mapping[str, str], otherwise: str = "") -> str:
    """SQL of ``x`` by its entry in ``named``, exact before the longest pattern 'C*'; ``otherwise`` (itself) without."""
    exact = [f"WHEN {x} = {quoted(theirs)} THEN {quoted(ours)}" for theirs, ours in named.items()]
    patterns = sorted((theirs for theirs in named if theirs.endswith("*")), key=len, reverse=True)
    starts = [f"WHEN starts_with({x}, {quoted(p[:-1])}) THEN {quoted(named[p])}" for p in patterns]
    otherwise = otherwise or x
    return f"CASE {' '.join(exact + starts)} ELSE {otherwise} END" if named else otherwise


def to_allowed(cell: Cell, allowed: Iterable[str], named: Mapping[str, str]) -> Converted:
    """Values of a fixed list, once renamed by ``{theirs: ours}``."""
    ours = renamed(cell.text, named)
    known = f"{ours} IN ({', '.join(quoted(value) for value in allowed)})"
    return Converted(
        f"CASE WHEN {known} THEN {ours} END", (("unknown_value", f"{cell.text} IS NOT NULL AND NOT ({known})"),)
    )


_PLAIN_IGNORED = r"""[ _.'"-]+"""


def plain_sql(x: str) -> str:
    """SQL of the text ``x`` as :func:`sources.words.plain` leaves it; of NFKC it knows full-width letters."""
    whole = f"CASE WHEN {x} IN ('1.0', '0.0', '1.00', '0.00') THEN left({x}, 1) ELSE {x} END"
    # Nearly all words are plain letters. To translate takes a hundred times as long, and a regular expression of so
    # many characters takes megabytes wherever it stands in a query.
    return (
        f"CASE WHEN regexp_full_match({x}, '[ -~]*') "
        f"THEN regexp_replace(lower({whole}), {quoted(_PLAIN_IGNORED)}, '', 'g') "
        f"ELSE lower(translate({x}, {quoted(WIDE + IGNORED)}, {quoted(NARROW)})) END"
    )


def to_word(cell: Cell, words: Vocabulary, allowed: Iterable[str], named: Mapping[str, str]) -> Converted:
    """A word of a closed list, as ``{theirs: ours}`` renames it or else as the list reads it.

    An unknown word is ``words.unknown``, or breaks a rule where that is None. Where params turn a reading of the list
    round, as a column of opt-outs does, a yes is only what they map.
    """
    few = [word for word in words.words if word in (*allowed, words.unknown) or not allowed]
    ours, plain = renamed(cell.text, named), plain_sql(cell.text)
    spelled = {plain_text(theirs): word for theirs, word in named.items() if word in few and not theirs.endswith("*")}
    readings = {text: word for text, word in words.readings.items() if word in few}
    if any(readings.get(text, word) != word for text, word in spelled.items()):
        readings = {text: word for text, word in readings.items() if word != "subscribed"}
    readings |= spelled
    empty = [quoted(text) for text in dict.fromkeys(map(plain_text, EMPTY_WORDS)) if text not in readings]
    read = "".join(f" WHEN {quoted(text)} THEN {quoted(word)}" for text, word in readings.items())
    unknown = "NULL" if words.unknown is None else quoted(words.unknown)
    value = (
        f"CASE WHEN {ours} IN ({', '.join(map(quoted, few))}) THEN {ours} "
        f"WHEN coalesce({plain}, '') IN ({', '.join(empty)}) THEN NULL ELSE CASE {plain}{read} ELSE {unknown} END END"
    )
    # As a case, which looks at a cell again only where it must.
    missing = f"CASE WHEN {VALUE} IS NULL THEN coalesce({plain}, '') NOT IN ({', '.join(empty)}) ELSE false END"
    return Converted(value, (("unknown_value", missing),) if words.unknown is None else ())


def to_restriction(cell: Cell) -> Converted:
    """A flag that restricts: an unknown word is a yes, an empty cell is null."""
    if cell.type == "BOOLEAN":
        return Converted(cell.sql)
    plain = plain_sql(cell.text)
    empty, no = ({quoted(plain_text(word)) for word in words} for words in (EMPTY_WORDS, NO_WORDS))
    return Converted(
        f"CASE WHEN {plain} NOT IN ({', '.join(sorted(empty - no))}) THEN {plain} NOT IN ({', '.join(sorted(no))}) END"
    )


def to_flag(cell: Cell) -> Converted:
    """Yes or no, from true/false, 1/0, yes/no."""
    if cell.type == "BOOLEAN":
        return Converted(cell.sql)
    x = f"lower({cell.text})"
    true, false = "('true', '1', 'yes', 't', 'y')", "('false', '0', 'no', 'f', 'n')"
    return Converted(
        f"CASE WHEN {x} IN {true} THEN true WHEN {x} IN {false} THEN false END",
        (("not_a_flag", f"{x} NOT IN {true} AND {x} NOT IN {false}"),),
    )


def to_whole(cell: Cell) -> Converted:
    """Whole numbers."""
    x = cell.text
    good = _matches(x, r"-?\d{1,15}(\.0+)?")
    return Converted(
        f"CASE WHEN {good} THEN split_part({x}, '.', 1)::BIGINT END",
        (("not_a_whole_number", f"{x} IS NOT NULL AND NOT {good}"),),
    )


def to_number(cell: Cell) -> Converted:
    """Decimal numbers."""
    x = cell.text
    good = _matches(x, r"-?\d{1,15}(\.\d+)?([eE]-?\d{1,2})?")
    return Converted(f"CASE WHEN {good} THEN {x}::DOUBLE END", (("not_a_number", f"{x} IS NOT NULL AND NOT {good}"),))


def to_day(cell: Cell, time_format: str) -> Converted:
    """Dates of a calendar as ISO 8601 text, wherever the clock stood; a time behind them is cut off."""
    x = cell.text
    written = _matches(x, _DATE + "([T ].*)?")
    read = f"TRY_CAST(CASE WHEN {written} THEN left({x}, 10) END AS DATE)"
    if "%" in time_format:
        # A birthday seldom has the time of day that the other times of its file have.
        formats = ", ".join(quoted(one) for one in dict.fromkeys((time_format, time_format.split(" ")[0])))
        read = f"coalesce({read}, try_strptime({x}, [{formats}])::DATE)"
    return Converted(f"{read}::VARCHAR", (("not_a_date", f"{x} IS NOT NULL AND {VALUE} IS NULL"),))


def to_money(cell: Cell, decimals: int, rounding: bool, decimal_comma: bool = False) -> Converted:
    """Amounts in minor units, exact unless ``rounding`` (half to even) is declared."""
    if cell.is_float:
        return _money_from_floats(cell.sql, decimals, rounding)
    x = cell.text
    if decimal_comma and cell.type == "VARCHAR":
        written = _matches(x, r"-?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?")
        # What is not written so stays as it is and, holding no plain number, is refused below.
        x = f"CASE WHEN {written} THEN replace(replace({x}, '.', ''), ',', '.') ELSE '~' || {x} END"
    if rounding:  # binary floats written as text have more decimals than anybody meant
        x = f"regexp_replace({x}, '^(-?[0-9]+[.][0-9]{{12}})[0-9]+$', '\\1')"
    usual = _matches(x, r"-?\d{1,13}" + (rf"(\.\d{{1,{decimals}}})?" if decimals else ""))
    quick = f"({x}::DECIMAL(18, {decimals}) * {10**decimals})::BIGINT"
    number = _matches(x, r"-?\d+(\.\d+)?")
    # Fifteen digits before the point and twelve after it fit the decimal type below with room to multiply.
    fits = _matches(x, r"-?0*\d{1,15}(\.\d{1,12}0*)?")
    scaled = f"(TRY_CAST({x} AS DECIMAL(30, 12)) * {10**decimals})"
    exact = f"{fits} AND {scaled} = floor({scaled})"
    slow = f"round_even({scaled}, 0)" if rounding else f"CASE WHEN {exact} THEN {scaled} END"
    long_fraction = f"{number} AND NOT {fits} AND {_has(x, r'^-?0*[0-9]{1,15}[.]')}"
    infinite = _matches(x, r"(?i)[-+]?(nan|inf(inity)?)")
    value = f"CASE WHEN {usual} THEN {quick} WHEN {fits} THEN TRY_CAST({slow} AS BIGINT) END"
    return Converted(
        value,
        (
            ("not_finite", f"NOT {usual} AND {infinite}"),
            ("not_an_amount", f"NOT {usual} AND NOT {number} AND NOT {infinite}"),
            (
                "too_many_decimals",
                f"NOT {usual} AND ({long_fraction}{'' if rounding else f' OR ({fits} AND NOT ({exact}))'})",
            ),
            (
                "amount_too_large",
                f"(NOT {usual} AND {number} AND NOT {fits} AND NOT ({long_fraction})) "
                f"OR abs({VALUE}) > {MOST_MINOR_UNITS}",
            ),
        ),
        fine=_WITHIN_REASON,
    )


_WITHIN_REASON = f"{VALUE} BETWEEN -{MOST_MINOR_UNITS} AND {MOST_MINOR_UNITS}"


def _money_from_floats(x: str, decimals: int, rounding: bool) -> Converted:
    small = f"isfinite({x}) AND abs({x}) <= {MOST_MINOR_UNITS}"
    minor = f"round_even({x} * {10**decimals}, 0)"
    value = f"CASE WHEN {small} THEN {minor}::BIGINT END"
    # The float nearest to a decimal with few digits divides back to itself; any other float has more digits.
    finer = [] if rounding else [("too_many_decimals", f"{small} AND {minor} / {10.0**decimals} <> {x}")]
    return Converted(
        value,
        (
            ("not_finite", f"NOT isfinite({x})"),
            *finer,
            ("amount_too_large", f"isfinite({x}) AND (NOT ({small}) OR abs({VALUE}) > {MOST_MINOR_UNITS})"),
        ),
        fine="" if finer else _WITHIN_REASON,
    )


_OUTSIDE = f"({VALUE} < {PLAUSIBLE.start} OR {VALUE} >= {PLAUSIBLE.end})"


def to_instant(cell: Cell, zone: str, time_format: str) -> Converted:
    """Instants (microseconds UTC); a time without offset is local in ``zone``, a date is its local 00:00.

    Of a local time that occurs twice the earlier is meant; one that the clock skips is refused.
    """
    found = _instant(cell, zone, time_format)
    # DuckDB's dates reach further than its microseconds: such a one has no value, but is no better.
    broken = (*found.broken, ("implausible_timestamp", _OUTSIDE))
    return Converted(found.value, broken, found.notes, f"NOT {_OUTSIDE}")


def _instant(cell: Cell, zone: str, time_format: str) -> Converted:
    if cell.type.startswith(("TIMESTAMP WITH", "TIMESTAMPTZ")):
        return Converted(f"epoch_us({cell.sql}::TIMESTAMPTZ)")
    if cell.type.startswith("TIMESTAMP") or cell.type == "DATE":
        note = "date_only" if cell.type == "DATE" else "without_offset"
        return _local(f"{cell.sql}::TIMESTAMP", zone, ((note, f"{cell.sql} IS NOT NULL"),))
    if time_format in EPOCH_UNITS:
        return _from_epoch(cell.text, EPOCH_UNITS[time_format])
    if cell.is_whole or cell.is_float:
        return Converted("NULL::BIGINT", (("timestamp_unit", f"{cell.text} IS NOT NULL"),))
    return _from_format(cell.text, zone, time_format) if time_format else _from_iso(cell.text, zone)


def _local(naive: str, zone: str, notes: tuple[tuple[str, str], ...] = ()) -> Converted:
    """Naive timestamps as instants in ``zone``; null where the clock skips them."""
    if zone == "UTC":
        return Converted(f"epoch_us({naive})", (), notes)
    there = quoted(zone)
    taken = f"epoch_us(timezone({there}, {naive}))"

    def clock(instant: str) -> str:
        return f"timezone({there}, make_timestamptz({instant}))"

    # With the offset of the day before, a time that occurs twice is the first of the two.
    day_before = f"({taken} - 86400000000)"
    early = f"(epoch_us({naive}) - epoch_us({clock(day_before)}) + {day_before})"
    value = (
        f"CASE WHEN {clock(taken)} <> {naive} THEN NULL "
        f"WHEN {early} < {taken} AND {clock(early)} = {naive} THEN {early} ELSE {taken} END"
    )
    return Converted(value, (("nonexistent_time", f"{naive} IS NOT NULL AND {VALUE} IS NULL"),), notes)


def _from_epoch(x: str, unit_us: int) -> Converted:
    good = _matches(x, r"[0-9]{1,16}([.]0+)?")
    ticks = f"TRY_CAST(split_part({x}, '.', 1) AS BIGINT)"
    # Beyond this a tick would not fit int64 microseconds: the unit cannot be the declared one.
    value = f"CASE WHEN {good} AND {ticks} < {2**62 // unit_us} THEN {ticks} * {unit_us} END"
    return Converted(
        value,
        (
            ("implausible_timestamp", f"{VALUE} = 0"),
            ("timestamp_unit", f"{x} IS NOT NULL AND ({VALUE} IS NULL OR {_OUTSIDE})"),
        ),
    )


def _from_format(x: str, zone: str, time_format: str) -> Converted:
    parsed = f"try_strptime({x}, {quoted(time_format)})"
    if "%z" in time_format or "%Z" in time_format:
        found = Converted(f"epoch_us({parsed})")
    else:
        found = _local(parsed, zone, (("without_offset", f"{parsed} IS NOT NULL"),))
    return Converted(found.value, (*_unread(x, f"{parsed} IS NULL"), *found.broken), found.notes)


def _unread(x: str, unread: str) -> tuple[tuple[str, str], ...]:
    digits = _matches(x, r"\d{9,}(\.\d+)?")
    return (
        ("timestamp_unit", f"{x} IS NOT NULL AND {unread} AND {digits}"),
        ("unparsable_time", f"{x} IS NOT NULL AND {unread} AND NOT {digits}"),
    )


def _from_iso(x: str, zone: str) -> Converted:
    has_offset = _matches(x, _CLOCK + _OFFSET)
    local_text = _matches(x, f"{_CLOCK}|{_DATE}")
    with_offset = (
        f"coalesce(TRY_CAST({x} AS TIMESTAMPTZ), TRY_CAST(regexp_replace({x}, ' ([Z+-])', '\\1') AS TIMESTAMPTZ))"
    )
    naive = f"(CASE WHEN {local_text} THEN TRY_CAST({x} AS TIMESTAMP) END)"
    local = _local(naive, zone)
    value = f"CASE WHEN {has_offset} THEN epoch_us({with_offset}) WHEN {naive} IS NOT NULL THEN {local.value} END"
    unread = f"{VALUE} IS NULL AND {naive} IS NULL"
    return Converted(
        value,
        (*_unread(x, unread), *local.broken),
        (
            ("date_only", f"length({x}) = 10 AND {VALUE} IS NOT NULL"),
            (
                "without_offset",
                f"NOT ends_with({x}, 'Z') AND length({x}) > 10 AND NOT {has_offset} AND {VALUE} IS NOT NULL",
            ),
        ),
    )
