"""A contract as one SQL pass: typed rows with the first rule each broke, made from what the log must hold."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from events.logs import BIRTH_YEARS, RESTRICTING_LOGS
from events.sql import quoted, quoted_name
from sources import conversions, restricting
from sources.conversions import VALUE, Cell, Converted
from sources.currencies import CURRENCIES, decimals
from sources.errors import ContractError
from sources.inputs import INPUTS, PERSONS, Field, Input, input_of
from sources.settings import LogSettings
from timeline import DAY_US, SECOND_US

MARK = chr(0xFEFF)
"""The byte order mark, which stands before a header in the middle where files were joined."""
CLOCK_SKEW_US = 300 * SECOND_US
LOADED = Field("instant")
DECLARED = "drop_where"

SQL_TYPES = {
    "id": "VARCHAR",
    "text": "VARCHAR",
    "address": "VARCHAR",
    "instant": "BIGINT",
    "day": "VARCHAR",
    "money": "BIGINT",
    "whole": "BIGINT",
    "number": "DOUBLE",
    "flag": "BOOLEAN",
}
NOTES = {
    "mojibake": "letters that were decoded wrongly, such as 'Ã©', are kept as they are",
    "malformed_address": "malformed e-mail addresses count as absent",
    "address_in_text": "e-mail addresses in the text are removed",
    "contact_in_text": "e-mail addresses and telephone numbers in the text are removed",
    "date_only": "dates without a time count as 00:00 local time",
    "without_offset": "times without an offset count as local time",
}


@dataclass(frozen=True)
class Log:
    """One declared log: its name, how it is read, what it must hold, and the shop's zone and currency."""

    name: str
    declared: LogSettings
    zone: str
    currency: str
    declared_at: str = ""

    @property
    def input(self) -> Input:
        """What the log may hold."""
        return input_of(self.name)

    @property
    def is_own(self) -> bool:
        """Whether the shop declared a log that is not known here."""
        return self.name not in INPUTS

    @property
    def place(self) -> str:
        """Where params declare it."""
        return self.declared_at or f"sources.{'own_logs' if self.is_own else 'logs'}.{self.name}"

    @property
    def fields(self) -> dict[str, Field]:
        """Every column the log may hold; people and times are checked first."""
        return self.input.columns | {"loaded_at": LOADED}


def check_settings(log: Log) -> None:
    """Refuse params that name columns the log does not have.

    Raises:
        ContractError: naming the params key.
    """
    declared = log.declared
    _known_zone(log.zone)
    for section in ("columns", "constants", "values"):
        for column in getattr(declared, section):
            if column not in log.fields:
                raise ContractError(
                    f"params {log.place}.{section}: unknown column {column!r}"
                    f"{nearest(column, list(log.fields))}. It may hold {', '.join(log.fields)}."
                )
    if declared.events and "event" not in log.fields:
        raise ContractError(f"params {log.place}.events: the log has no event column.")
    events = set(log.fields["event"].allowed) if declared.events else set()
    for ours in declared.events.values():
        if ours not in events:
            raise ContractError(f"params {log.place}.events: unknown event {ours!r}{nearest(ours, sorted(events))}.")


def _known_zone(zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise ContractError(f"unknown time zone {zone!r}. Use a name such as Europe/London.") from None


def nearest(name: str, names: list[str]) -> str:
    """A hint such as " (perhaps 'custId')", looking through case, spaces and underscores."""
    plain = {_plain(known): known for known in names}
    close = difflib.get_close_matches(_plain(name), list(plain), n=1, cutoff=0.5)
    return f" (perhaps {plain[close[0]]!r})" if close else ""


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def chosen_columns(log: Log, file: str, header: Sequence[str]) -> list[str]:
    """What to read of a file with ``header``.

    Raises:
        ContractError: a declared or needed column is missing.
    """
    wanted = []
    names = list(header)
    for ours, field in log.fields.items():
        theirs = log.declared.columns.get(ours, ours)
        if theirs in names:
            wanted.append(theirs)
        elif ours == "occurred_at" and log.name == "consent_events" and ours not in log.declared.columns:
            continue  # a no without a time counts
        elif (ours in log.declared.columns or field.required) and ours not in log.declared.constants:
            raise ContractError(
                f"{file}: missing column {theirs!r} (our {log.name}.{ours}){nearest(theirs, names)}. "
                f"Map it under {log.place}.columns."
            )
    _refuse_lookalikes(log, file, names, wanted)
    person = [log.declared.columns.get(c, c) for c in log.input.person]
    if person and not any(c in names for c in person) and not set(log.input.person) & set(log.declared.constants):
        others = f" (or {', '.join(person[1:])} in its place)" if person[1:] else ""
        raise ContractError(
            f"{file}: missing column {person[0]!r}{others}{nearest(person[0], names)}. "
            f"Map it under {log.place}.columns."
        )
    for theirs in log.declared.drop_where:
        if theirs not in names:
            raise ContractError(
                f"{file}: missing column {theirs!r}{nearest(theirs, names)}, which {log.place}.drop_where names."
            )
        wanted.append(theirs)
    return list(dict.fromkeys(wanted))


_OPT_OUT_COLUMN = re.compile("optout|optedout|unsub|suppress|block|donot|dnd")


def _refuse_lookalikes(log: Log, file: str, names: Sequence[str], wanted: Sequence[str]) -> None:
    """Refuse a header by which a restriction would be overlooked, or read the wrong way round.

    Raises:
        ContractError: naming the column and the cure.
    """
    for ours, field in log.fields.items():
        if not (field.words or field.restricts or ours == "suppressed_reason"):
            continue
        theirs = log.declared.columns.get(ours, ours)
        if theirs not in names and ours not in log.declared.constants:
            like = next((name for name in names if name not in wanted and _plain(name) == _plain(ours)), None)
            if like is not None:
                raise ContractError(
                    f"{file}: the column {like!r} looks like our {log.name}.{ours}, which decides who may be written "
                    f"to. Map it under {log.place}.columns."
                )
        is_unexplained = ours in {"status", "email_consent"} and not log.declared.values.get(ours)
        if is_unexplained and theirs in names and _OPT_OUT_COLUMN.search(_plain(theirs)):
            raise ContractError(
                f"{file}: the column {theirs!r} seems to say who opted out, so a yes in it is a no. Say what its words "
                f"mean under {log.place}.values.{ours}."
            )


@dataclass(frozen=True)
class Rule:
    """A rule that a row may break, with the column (theirs) that is to blame."""

    rule: str
    column: str


@dataclass(frozen=True)
class Sieve:
    """The pass: SQL of every row typed, with ``_broken`` (0, or the place of its rule) and ``_notes`` (bits)."""

    sql: str
    rules: tuple[Rule, ...]
    notes: tuple[Rule, ...]


def _converted(log: Log, ours: str, field: Field, cell: Cell) -> Converted:
    declared = log.declared
    named = declared.values.get(ours, {})
    if cell.is_nested:
        nothing = f"NULL::{SQL_TYPES[field.kind]}"
        return Converted(nothing, (("nested_value", f"{cell.sql} IS NOT NULL"),), fine="")
    renames = declared.events if ours == "event" and declared.events else named
    if field.words:
        return conversions.to_word(cell, field.words, field.allowed, renames)
    if field.allowed:
        return conversions.to_allowed(cell, field.allowed, renames)
    if field.lenient:
        found = conversions.to_instant(cell, log.zone, declared.time_format)
        return Converted(conversions.unbroken(found, found.value))
    if field.kind == "id":
        return conversions.to_id(cell, ours in PERSONS)
    if field.kind == "instant":
        return conversions.to_instant(cell, log.zone, declared.time_format)
    if field.kind == "money":
        return conversions.to_money(cell, decimals(log.currency), declared.round_money, declared.decimal_comma)
    if field.kind == "text":
        own = ours in declared.constants or not field.kept
        return conversions.to_text(cell, named, own, field.free, field.bare)
    if named:
        cell = Cell(conversions.renamed(cell.text, named), plain=cell.plain)
    if field.restricts:
        return conversions.to_restriction(cell)
    if field.kind == "day":
        return conversions.to_day(cell, declared.time_format)
    simple = {
        "address": conversions.to_address,
        "whole": conversions.to_whole,
        "number": conversions.to_number,
        "flag": conversions.to_flag,
    }
    return simple[field.kind](cell)


def _missing_rule(ours: str, field: Field) -> str:
    if ours == "churned":
        return "missing_label"
    return {"id": "missing_id", "instant": "missing_time"}.get(field.kind, "missing_value")


class _Pass:
    """Collects the rules in the order in which they are asked, and the notes."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.steps: list[str] = []
        self.notes: list[Rule] = []
        self.bits: list[str] = []

    @property
    def not_damage(self) -> list[int]:
        """Numbers of the rules under which a row says nothing about anybody, or is left out on purpose."""
        return [at for at, rule in enumerate(self.rules, 1) if rule.rule.startswith(("repeated_header", DECLARED))]

    def number(self, rule: str, column: str) -> int:
        self.rules.append(Rule(rule, column))
        return len(self.rules)

    def ask(self, rule: str, column: str, condition: str) -> None:
        self.steps.append(f"WHEN {condition} THEN {self.number(rule, column)}")

    def column(self, theirs: str, value: str, found: Converted, required: str) -> None:
        """Every rule of one column; where its value is fine, none of them is looked at."""
        broken = [*found.broken, *([(required, f"{VALUE} IS NULL")] if required else [])]
        if broken:
            cases = " ".join(
                f"WHEN {condition.replace(VALUE, value)} THEN {self.number(rule, theirs)}" for rule, condition in broken
            )
            self.steps.append(f"WHEN {_code(found, value, cases)} > 0 THEN {_code(found, value, cases)}")
        for note, condition in found.notes:
            self.notes.append(Rule(note, theirs))
            self.bits.append(
                f"CASE WHEN {condition.replace(VALUE, value)} THEN {1 << (len(self.notes) - 1)} ELSE 0 END"
            )


def _code(found: Converted, value: str, cases: str) -> str:
    fine = f"WHEN {found.fine.replace(VALUE, value)} THEN 0 " if found.fine else ""
    return f"(CASE {fine}{cases} ELSE 0 END)"


def sieve(log: Log, relation: str, types: Mapping[str, str], plain: bool = False, has_header: bool = False) -> Sieve:
    """The pass over ``relation``, which has ``_row`` and the raw columns ``types`` (name: DuckDB type).

    The result has ``_row``, every column of the log (null where absent), ``_broken`` and ``_notes``. ``plain``:
    the text holds no control, invisible or foreign characters, so nobody needs to look for them. ``has_header``:
    a row may be the header once more, and empty cells are null (what DuckDB's reader of CSV gives).
    """
    asked = _Pass()
    if has_header:
        asked.ask(
            "repeated_header",
            "",
            " AND ".join(f"{quoted_name('r ' + c)} IN ({quoted(c)}, {quoted(MARK + c)})" for c in list(types)[:2]),
        )
    for theirs, dropped in log.declared.drop_where.items():
        listed = ", ".join(quoted(value) for value in dropped) or "NULL"
        asked.ask(f"{DECLARED} {theirs}", theirs, f"{_raw_cell(theirs, types).text} IN ({listed})")
    raws, values, filled = ["_row"], [], ["_row"]
    cells: dict[str, tuple[Cell, Converted]] = {}
    for theirs in types:
        raws.append(f"{quoted_name(theirs)} AS {quoted_name('r ' + theirs)}")
    for ours, field in log.fields.items():
        theirs = log.declared.columns.get(ours, ours)
        value = quoted_name("v " + ours)
        if ours in log.declared.constants:
            cell = Cell(quoted(log.declared.constants[ours]))
        elif theirs in types:
            cell = _raw_cell(theirs, types, plain, has_header)
        else:
            filled.append(f"{_filled(log, ours, field, f'NULL::{SQL_TYPES[field.kind]}')} AS {quoted_name(ours)}")
            if field.required:
                asked.ask(_missing_rule(ours, field), theirs, "true")
            continue
        found = _converted(log, ours, field, cell)
        cells[ours] = (cell, found)
        values.append(f"{found.value} AS {value}")
        filled.append(f"{_filled(log, ours, field, value)} AS {quoted_name(ours)}")
        asked.column(theirs, value, found, _missing_rule(ours, field) if field.required else "")
    _ask_rows(log, asked)
    said = restricting.columns(log, cells, asked.not_damage) if log.name in RESTRICTING_LOGS else ""
    moment = log.input.moment
    loaded = (
        f"coalesce(loaded_at, {quoted_name(moment)} + {log.declared.arrival_delay_days * DAY_US})"
        if moment
        else "loaded_at"
    )
    columns = ", ".join(loaded + " AS loaded_at" if ours == "loaded_at" else quoted_name(ours) for ours in log.fields)
    sql = f"""
        SELECT _row, {columns}, _broken, _notes{said}
        FROM (SELECT *,
               CAST(CASE {" ".join(asked.steps) or "WHEN false THEN 0"} ELSE 0 END AS SMALLINT) AS _broken,
               CAST({" + ".join(asked.bits) or "0"} AS INTEGER) AS _notes
        FROM (SELECT *, {", ".join(filled[1:])} FROM (
              SELECT *{"".join(", " + v for v in values)} FROM (SELECT {", ".join(raws)} FROM {relation}))))"""
    return Sieve(sql, tuple(asked.rules), tuple(asked.notes))


def _raw_cell(theirs: str, types: Mapping[str, str], plain: bool = False, filled: bool = False) -> Cell:
    return Cell(quoted_name("r " + theirs), types[theirs], plain, filled)


def _filled(log: Log, ours: str, field: Field, value: str) -> str:
    default = log.currency if ours == "currency" else field.default
    if default is None:
        return value
    return f"coalesce({value}, {default if field.kind == 'flag' else quoted(default)})"


_CODES = ", ".join(quoted(code) for code in sorted(CURRENCIES))


def _ask_rows(log: Log, asked: _Pass) -> None:
    """Rules that need more than one column."""
    fields, kind = log.fields, log.name
    if log.input.person:
        asked.ask(
            "missing_id", log.input.person[0], " AND ".join(f"{quoted_name(c)} IS NULL" for c in log.input.person)
        )
    if "currency" in fields:
        asked.ask("unknown_currency", "currency", f"currency <> {quoted(log.currency)} AND currency NOT IN ({_CODES})")
        asked.ask("other_currency", "currency", f"currency <> {quoted(log.currency)}")
    if moment := log.input.moment:
        asked.ask("future_timestamp", moment, f"{quoted_name(moment)} > loaded_at + {CLOCK_SKEW_US}")
    if kind == "support_tickets":
        asked.ask("impossible_order", "closed_at", "opened_at > closed_at")
        asked.ask("satisfaction_not_1_to_5", "satisfaction", "satisfaction NOT BETWEEN 1 AND 5")
    for column in ("discount", "cost", "price"):
        if column in fields:
            asked.ask(f"negative_{column}", column, f"{quoted_name(column)} < 0")
    if "propensity" in fields:
        asked.ask("propensity_not_0_to_1", "propensity", "NOT (propensity BETWEEN 0 AND 1)")
    if "birth_month_day" in fields:
        right = "regexp_full_match(birth_month_day, '(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])')"
        asked.ask("not_a_month_and_day", "birth_month_day", f"NOT {right}")
        first, last = BIRTH_YEARS
        for column, year in (("birth_year", "birth_year"), ("birth_date", "split_part(birth_date, '-', 1)::BIGINT")):
            asked.ask("implausible_birth_year", column, f"{year} NOT BETWEEN {first} AND {last}")
    if kind in {"order_items", "returns", "order_lines"}:
        asked.ask("zero_quantity", "quantity", "quantity = 0")
    if kind == "order_items":
        asked.ask("negative_purchase", "quantity", "quantity < 0")
    if kind == "order_lines":
        asked.ask("negative_purchase", "quantity", "event = 'Order Completed' AND quantity < 0")
    if kind == "orders":
        for column in ("revenue", "total"):
            asked.ask("negative_purchase", column, f"event = 'Order Completed' AND {column} < 0")
        asked.ask("missing_value", "revenue", "revenue IS NULL AND total IS NULL")
