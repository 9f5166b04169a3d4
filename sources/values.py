"""Cells into typed values: exact, or refused with a rule; nothing is guessed.

Every converter takes a column as read (text, or a Parquet type) and returns its values with a mask of the
broken rows per rule; the value of a broken row means nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Masks = dict[str, np.ndarray]

MOST_MINOR_UNITS = 10**11
"""An amount beyond this is a typing error, not a sale."""

_INVISIBLE = r"[\x00-\x1f\x7f\x{200B}-\x{200F}\x{202A}-\x{202E}\x{2060}\x{FEFF}]"
_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
_NUMBER = r"^-?\d+(\.\d+)?$"
_PLACEHOLDERS = pa.array(["undefined", "0", "-1"])
_TRUE, _FALSE = pa.array(["true", "1", "yes", "t", "y"]), pa.array(["false", "0", "no", "f", "n"])


@dataclass
class Converted:
    """A typed column, the rows that broke a rule, and how many rows were taken with a note."""

    values: pa.Array
    broken: Masks = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)


def mask(condition: pa.Array) -> np.ndarray:
    """An Arrow condition as a numpy mask; null counts as false."""
    return np.asarray(pc.fill_null(condition, False).to_numpy(zero_copy_only=False), dtype=bool)


def is_missing(column: pa.Array) -> np.ndarray:
    """Which cells are null."""
    return np.asarray(pc.is_null(column).to_numpy(zero_copy_only=False), dtype=bool)


def without(values: pa.Array, broken: np.ndarray) -> pa.Array:
    """``values`` with null in the rows of the mask ``broken``."""
    return pc.if_else(pa.array(broken), pa.scalar(None, values.type), values) if broken.any() else values


def as_text(column: pa.Array) -> pa.Array:
    """The column as text, null for an empty cell; whole floats, as Parquet ids often are, lose their '.0'."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if pa.types.is_floating(kind):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column)
        whole = pc.and_(pc.equal(pc.floor(column), column), pc.less(pc.abs(column), 2.0**53))
        as_whole = pc.cast(pc.if_else(whole, column, pa.scalar(0, kind)), pa.int64())
        return pc.if_else(whole, pc.cast(as_whole, pa.string()), pc.cast(column, pa.string()))
    text = column if kind == pa.string() else pc.cast(column, pa.string())
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def to_id(column: pa.Array, is_person: bool) -> Converted:
    """Ids stay the text they are: '00123', '1E5' and 'NA' are three ids."""
    text = as_text(column)
    blank = mask(pc.match_substring_regex(text, r"^\s+$"))
    text = without(text, blank)
    invisible = mask(pc.match_substring_regex(text, _INVISIBLE))
    broken = {"control_character": invisible}
    if is_person:
        broken["placeholder_id"] = mask(pc.is_in(text, _PLACEHOLDERS))
    return Converted(text, broken)


def to_text(column: pa.Array) -> Converted:
    """Short text such as a category; control characters are refused, line breaks inside are not."""
    text = as_text(column)
    return Converted(text, {"control_character": mask(pc.match_substring_regex(text, _CONTROL))})


def to_address(column: pa.Array) -> Converted:
    """E-mail addresses, trimmed and in lower case; a malformed one counts as absent and is noted."""
    text = as_text(column)
    breaks = mask(pc.match_substring_regex(text, r"[\r\n\x00]"))
    address = pc.utf8_lower(pc.utf8_trim_whitespace(without(text, breaks)))
    malformed = mask(
        pc.invert(pc.match_substring_regex(address, r'^[^@\s<>,;:"()]+@[^@\s<>,;:"()]+\.[^@\s<>,;:"().]+$'))
    )
    return Converted(
        without(address, malformed),
        {"line_break_in_address": breaks},
        {"malformed_address": int(malformed.sum())},
    )


def to_allowed(column: pa.Array, allowed: Iterable[str], named: Mapping[str, str]) -> Converted:
    """Values of a fixed list, once renamed by ``{theirs: ours}``; 'C*' is every value with that start."""
    text = as_text(column).dictionary_encode()
    allowed = set(allowed)
    ours = [renamed(value, named) for value in text.dictionary.to_pylist()]
    known = pa.array([value if value in allowed else None for value in ours], pa.string())
    values = known.take(text.indices)
    return Converted(values, {"unknown_value": is_missing(values) & ~is_missing(text)})


def renamed(value: str, named: Mapping[str, str]) -> str:
    """``value`` by its entry in ``named``, exact before the longest pattern; itself without one."""
    if value in named:
        return named[value]
    starts = [pattern for pattern in named if pattern.endswith("*") and value.startswith(pattern[:-1])]
    return named[max(starts, key=len)] if starts else value


def to_flag(column: pa.Array) -> Converted:
    """Yes or no, from true/false, 1/0, yes/no."""
    if pa.types.is_boolean(column.type):
        return Converted(column)
    text = pc.utf8_lower(as_text(column))
    true = pc.is_in(text, _TRUE)
    known = pc.or_(true, pc.is_in(text, _FALSE))
    values = pc.if_else(known, true, pa.scalar(None, pa.bool_()))
    return Converted(values, {"not_a_flag": is_missing(values) & ~is_missing(text)})


def to_whole(column: pa.Array) -> Converted:
    """Whole numbers."""
    if pa.types.is_integer(column.type):
        return Converted(pc.cast(column, pa.int64(), safe=column.type != pa.uint64()))
    text = as_text(column)
    good = mask(pc.match_substring_regex(text, r"^-?\d{1,15}(\.0+)?$"))
    digits = pc.replace_substring_regex(without(text, ~good), r"\.0+$", "")
    return Converted(pc.cast(digits, pa.int64()), {"not_a_whole_number": ~good & ~is_missing(text)})


def to_number(column: pa.Array) -> Converted:
    """Decimal numbers."""
    text = as_text(column)
    good = mask(pc.match_substring_regex(text, r"^-?\d{1,15}(\.\d+)?([eE]-?\d{1,2})?$"))
    return Converted(pc.cast(without(text, ~good), pa.float64()), {"not_a_number": ~good & ~is_missing(text)})


def to_money(column: pa.Array, decimals: int, rounding: bool) -> Converted:
    """Amounts in minor units (int64), exact unless ``rounding`` (half to even) is declared."""
    if pa.types.is_floating(column.type):
        return _money_from_floats(column, decimals, rounding)
    if pa.types.is_decimal(column.type) or pa.types.is_integer(column.type):
        text = pc.cast(column, pa.string())
    else:
        text = as_text(column)
    present = ~is_missing(text)
    infinite = mask(pc.match_substring_regex(text, r"(?i)^[-+]?(nan|inf(inity)?)$"))
    number = mask(pc.match_substring_regex(text, _NUMBER))
    # Fifteen digits before the point and twelve after it fit the decimal type below with room to multiply.
    fits = mask(pc.match_substring_regex(text, r"^-?0*\d{1,15}(\.\d{0,12}0*)?$")) & number
    plain = pc.replace_substring_regex(without(text, ~fits), r"^(-?\d+\.\d{12})0*$", r"\1")
    exact = pc.cast(plain, pa.decimal128(28, 12))
    rounded = pc.round(exact, ndigits=decimals, round_mode="half_to_even")
    minor = pc.cast(pc.multiply(rounded, pa.scalar(Decimal(10**decimals))), pa.int64())
    finer = mask(pc.not_equal(exact, rounded))
    long_fraction = number & ~fits & mask(pc.match_substring_regex(text, r"^-?0*\d{1,15}\."))
    broken = {
        "not_finite": infinite,
        "not_an_amount": present & ~number & ~infinite,
        "too_many_decimals": long_fraction if rounding else finer | long_fraction,
    }
    return _within_reason(minor, broken | {"amount_too_large": number & ~fits & ~long_fraction})


def _money_from_floats(column: pa.Array, decimals: int, rounding: bool) -> Converted:
    numbers = pc.cast(column, pa.float64())
    amounts = numbers.fill_null(0).to_numpy(zero_copy_only=False)
    finite = np.isfinite(amounts)
    small = finite & (np.abs(np.where(finite, amounts, 0)) <= MOST_MINOR_UNITS)
    minor = np.rint(np.where(small, amounts, 0) * 10.0**decimals)
    # The float nearest to a decimal with few digits divides back to itself; any other float has more digits.
    finer = small & (minor / 10.0**decimals != amounts)
    broken = {"not_finite": ~finite, "amount_too_large": finite & ~small}
    if not rounding:
        broken["too_many_decimals"] = finer
    values = pc.if_else(pc.is_null(numbers), pa.scalar(None, pa.int64()), pa.array(minor.astype(np.int64)))
    return _within_reason(values, broken)


def _within_reason(minor: pa.Array, broken: Masks) -> Converted:
    large = mask(pc.greater(pc.abs(minor), MOST_MINOR_UNITS))
    return Converted(minor, broken | {"amount_too_large": broken.get("amount_too_large", False) | large})
