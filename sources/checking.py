"""One raw file against what its log must hold: typed rows out, broken rows to the ledger."""

import difflib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sources import times, values
from sources.currencies import CURRENCIES, decimals
from sources.errors import ContractError
from sources.inputs import INPUTS, Field, Input, input_of
from sources.ledger import DECLARED, Ledger
from sources.raw_files import Choose, RawFile
from sources.settings import LogSettings
from sources.values import Converted
from timeline import DAY_US, SECOND_US, is_after

CLOCK_SKEW_US = 300 * SECOND_US
LOADED = Field("instant")

_ARROW = {
    "id": pa.string(),
    "text": pa.string(),
    "address": pa.string(),
    "instant": pa.int64(),
    "money": pa.int64(),
    "whole": pa.int64(),
    "number": pa.float64(),
    "flag": pa.bool_(),
}
_PERSON = {"customer_id", "anonymous_id"}
_NOTES = {
    "malformed_address": "malformed e-mail addresses count as absent",
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
        return f"sources.{'own_logs' if self.is_own else 'logs'}.{self.name}"

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
    times.known_zone(log.zone)
    for section in ("columns", "constants", "values"):
        for column in getattr(declared, section):
            if column not in log.fields:
                raise ContractError(
                    f"params {log.place}.{section}: unknown column {column!r}"
                    f"{_nearest(column, list(log.fields))}. It may hold {', '.join(log.fields)}."
                )
    if declared.events and "event" not in log.fields:
        raise ContractError(f"params {log.place}.events: the log has no event column.")
    events = set(log.fields["event"].allowed) if declared.events else set()
    for ours in declared.events.values():
        if ours not in events:
            raise ContractError(f"params {log.place}.events: unknown event {ours!r}{_nearest(ours, sorted(events))}.")


def _nearest(name: str, names: list[str]) -> str:
    """A hint such as " (perhaps 'custId')", looking through case, spaces and underscores."""
    plain = {_plain(known): known for known in names}
    close = difflib.get_close_matches(_plain(name), list(plain), n=1, cutoff=0.5)
    return f" (perhaps {plain[close[0]]!r})" if close else ""


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def column_chooser(log: Log, file: str) -> Choose:
    """What to read of a file, given its header.

    Raises:
        ContractError: (when called) a declared or needed column is missing.
    """

    def choose(header: list[str]) -> list[str]:
        wanted = []
        for ours, field in log.fields.items():
            theirs = log.declared.columns.get(ours, ours)
            if theirs in header:
                wanted.append(theirs)
            elif (ours in log.declared.columns or field.required) and ours not in log.declared.constants:
                raise ContractError(
                    f"{file}: missing column {theirs!r} (our {log.name}.{ours}){_nearest(theirs, header)}. "
                    f"Map it under {log.place}.columns."
                )
        person = log.input.person
        if person and not any(log.declared.columns.get(c, c) in header for c in person):
            raise ContractError(
                f"{file}: missing column, none of {', '.join(person)} is there{_nearest(person[0], header)}. "
                f"Map one under {log.place}.columns."
            )
        for theirs in log.declared.drop_where:
            if theirs not in header:
                raise ContractError(
                    f"{file}: missing column {theirs!r}{_nearest(theirs, header)}, which {log.place}.drop_where names."
                )
            wanted.append(theirs)
        return list(dict.fromkeys(wanted))

    return choose


def _converted(log: Log, ours: str, field: Field, column: pa.Array) -> Converted:
    declared = log.declared
    named = declared.values.get(ours, {})
    if field.allowed:
        if ours == "event" and declared.events:
            named = declared.events
        return values.to_allowed(column, field.allowed, named)
    if field.kind == "id":
        return values.to_id(column, ours in _PERSON)
    if field.kind == "address":
        return values.to_address(column)
    if field.kind == "instant":
        return times.to_instant(column, log.zone, declared.time_format)
    if field.kind == "money":
        return values.to_money(column, decimals(log.currency), declared.round_money)
    if named:
        text = values.as_text(column).dictionary_encode()
        renamed = [values.renamed(value, named) for value in text.dictionary.to_pylist()]
        column = pa.array(renamed, pa.string()).take(text.indices)
    simple = {
        "text": values.to_text,
        "whole": values.to_whole,
        "number": values.to_number,
        "flag": values.to_flag,
    }
    return simple[field.kind](column)


def _missing_rule(ours: str, field: Field) -> str:
    if ours == "churned":
        return "missing_label"
    return {"id": "missing_id", "instant": "missing_time"}.get(field.kind, "missing_value")


class _Sieve:
    """Which rule each row broke first."""

    def __init__(self, rows: int) -> None:
        self.rules: list[tuple[str, str]] = [("", "")]
        self.broken = np.zeros(rows, dtype=np.int16)

    def add(self, rule: str, column: str, broken: np.ndarray) -> None:
        fresh = broken & (self.broken == 0)
        if fresh.any():
            self.rules.append((rule, column))
            self.broken[fresh] = len(self.rules) - 1

    def book(self, rows: pa.Table, ledger: Ledger) -> pa.Table:
        for number, (rule, column) in enumerate(self.rules[1:], start=1):
            ledger.quarantine(rows.filter(pa.array(self.broken == number)), rule, column)
        return rows.filter(pa.array(self.broken == 0)) if self.broken.any() else rows


def check_file(log: Log, raw: RawFile, ledger: Ledger) -> pa.Table:
    """The good rows of ``raw`` with every column of the log (null where absent), ``_file`` and ``_line``.

    Raises:
        ContractError: no value of a time column can be read, so its format was not declared.
    """
    count = len(raw.lines)
    sieve = _Sieve(count)
    for theirs, dropped in log.declared.drop_where.items():
        listed = pc.is_in(values.as_text(raw.columns[theirs]), pa.array(dropped, pa.string()))
        sieve.add(f"{DECLARED} {theirs}", theirs, values.mask(listed))
    columns: dict[str, pa.Array] = {}
    for ours, field in log.fields.items():
        theirs = log.declared.columns.get(ours, ours)
        if ours in log.declared.constants:
            given = pa.repeat(pa.scalar(log.declared.constants[ours], pa.string()), count)
        elif theirs in raw.columns:
            given = raw.columns[theirs]
        else:
            empty = pa.nulls(count, _ARROW[field.kind])
            columns[ours] = _filled(log, ours, field, empty)
            continue
        found = _converted(log, ours, field, given)
        if field.kind == "instant":
            _refuse_unread_times(log, raw, theirs, found, given)
        for note, rows in found.notes.items():
            if rows:
                ledger.warn(f"{raw.name}: {theirs}: {_NOTES[note]} ({rows} rows).")
        for rule, broken in found.broken.items():
            sieve.add(rule, theirs, broken)
        if field.required:
            sieve.add(_missing_rule(ours, field), theirs, values.is_missing(found.values))
        columns[ours] = _filled(log, ours, field, found.values)
    _check_rows(log, columns, sieve)
    rows = pa.table(
        columns
        | {
            "_file": pa.repeat(pa.scalar(ledger.open(log.name, raw), pa.int32()), count),
            "_line": pa.array(raw.lines),
        }
    )
    return sieve.book(rows, ledger)


def _filled(log: Log, ours: str, field: Field, column: pa.Array) -> pa.Array:
    default = log.currency if ours == "currency" else field.default
    if default is None:
        return column
    return column.fill_null(default == "true" if field.kind == "flag" else default)


def _refuse_unread_times(log: Log, raw: RawFile, theirs: str, found: Converted, given: pa.Array) -> None:
    if len(given) and found.broken.get("unparsable_time", np.zeros(1, bool)).all():
        raise ContractError(
            f"{raw.name}: no value of {theirs!r} is an ISO 8601 time such as 2026-01-31T12:00:00Z. "
            f"Declare {log.place}.time_format."
        )


def _check_rows(log: Log, columns: dict[str, pa.Array], sieve: _Sieve) -> None:
    """Rules that need more than one column."""
    if log.input.person:
        nobody = np.logical_and.reduce([values.is_missing(columns[c]) for c in log.input.person])
        sieve.add("missing_id", log.input.person[0], nobody)
    if "currency" in columns:
        sieve.add("unknown_currency", "currency", ~values.mask(pc.is_in(columns["currency"], _CURRENCIES)))
        sieve.add("other_currency", "currency", values.mask(pc.not_equal(columns["currency"], log.currency)))
    if log.input.moment:
        happened = columns[log.input.moment]
        latest = pc.fill_null(columns["loaded_at"], happened).fill_null(0).to_numpy() + CLOCK_SKEW_US
        sieve.add("future_time", log.input.moment, is_after(happened.fill_null(0).to_numpy(), latest))
        delay = log.declared.arrival_delay_days * DAY_US
        columns["loaded_at"] = pc.fill_null(columns["loaded_at"], pc.add(happened, delay))
    if log.name == "support_tickets":
        closed = columns["closed_at"].fill_null(2**62).to_numpy()
        sieve.add("impossible_order", "closed_at", is_after(columns["opened_at"].fill_null(0).to_numpy(), closed))
        satisfaction = columns["satisfaction"]
        outside = pc.or_(pc.less(satisfaction, 1), pc.greater(satisfaction, 5))
        sieve.add("satisfaction_not_1_to_5", "satisfaction", values.mask(outside))
    for column in ("discount", "cost", "price"):
        if column in columns:
            sieve.add(f"negative_{column}", column, values.mask(pc.less(columns[column], 0)))
    if "propensity" in columns:
        outside = pc.or_(pc.less(columns["propensity"], 0), pc.greater(columns["propensity"], 1))
        sieve.add("propensity_not_0_to_1", "propensity", values.mask(outside))
    if "birth_month_day" in columns:
        right = pc.match_substring_regex(columns["birth_month_day"], r"^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")
        sieve.add("not_a_month_and_day", "birth_month_day", values.mask(pc.invert(right)))
    if log.name in {"order_items", "returns"}:
        sieve.add("zero_quantity", "quantity", values.mask(pc.equal(columns["quantity"], 0)))
    if log.name == "order_items":
        sieve.add("negative_purchase", "quantity", values.mask(pc.less(columns["quantity"], 0)))
    if log.name in {"orders", "order_lines"}:
        _check_order_signs(log, columns, sieve)


_CURRENCIES = pa.array(sorted(CURRENCIES))


def _check_order_signs(log: Log, columns: dict[str, pa.Array], sieve: _Sieve) -> None:
    """A purchase is never negative; a refund or cancellation may be written with either sign."""
    bought = pc.equal(columns["event"], "Order Completed")
    if log.name == "order_lines":
        sieve.add("zero_quantity", "quantity", values.mask(pc.equal(columns["quantity"], 0)))
        negative = pc.and_(bought, pc.less(columns["quantity"], 0))
        sieve.add("negative_purchase", "quantity", values.mask(negative))
        return
    for column in ("revenue", "total"):
        sieve.add("negative_purchase", column, values.mask(pc.and_(bought, pc.less(columns[column], 0))))
    no_amount = pc.and_(pc.is_null(columns["revenue"]), pc.is_null(columns["total"]))
    sieve.add("missing_value", "revenue", values.mask(no_amount))
