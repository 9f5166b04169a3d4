"""Cells of a file: amounts exact, and no text that a spreadsheet takes for a formula.

Arrow's arrays in, Arrow's arrays out, one value per row; null stays null.
"""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from campaigns.errors import ListError

# Unicode's spaces (Zs), and its controls, formats and separators (Cc, Cf, Zl, Zp), spelled out because the regular
# expressions of Python and of Arrow know different versions of Unicode.
_SPACES = " \xa0\u1680\u2000-\u200a\u202f\u205f\u3000"
_CONTROLS = (
    "\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U00013438\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f"
)
# The plain signs, what Unicode's compatibility forms (full-width, small, raised, lowered) make one of them, and the
# true minus, which LibreOffice reads as one.
_SIGNS = (
    "=+\\-@\u207c\u208c\u2a75\u2a76\ufe66\uff1d\u207a\u208a\ufb29\ufe62\uff0b\u2212\u207b\u208b\ufe63\uff0d\ufe6b\uff20"
)
_FORMULA = f"^[{_SPACES}{_CONTROLS}]*[\t\r\n\x00{_SIGNS}]"
_STARTS_FORMULA = re.compile(_FORMULA)
_NO_ADDRESS_LETTER = f'\\s{_SPACES}@<>(),;:"\\\\\\[\\]'
_ADDRESS = f"^[^{_NO_ADDRESS_LETTER}]+@[^{_NO_ADDRESS_LETTER}]+\\.[^{_NO_ADDRESS_LETTER}]+$"
_ADDRESS_LETTERS = 254


def neutral_cell(text: str) -> str:
    """``text`` as a cell that no spreadsheet takes for a formula: a leading quote where it would."""
    return f"'{text}" if _STARTS_FORMULA.match(text) else text


def neutral_cells(texts: pa.Array) -> pa.Array:
    """:func:`neutral_cell` for an array of texts."""
    hits = pc.match_substring_regex(texts, _FORMULA)
    if not pc.any(hits).as_py():
        return texts
    return pc.if_else(hits, pc.binary_join_element_wise("'", texts, ""), texts)


def refusals(identifiers: pa.Array, *, address: bool) -> pa.Array:
    """:func:`unsafe_identifier` for an array of texts."""
    unsafe = pc.or_(
        pc.match_substring_regex(identifiers, f"[{_CONTROLS}]"), pc.match_substring_regex(identifiers, _FORMULA)
    )
    malformed = pc.invert(pc.match_substring_regex(identifiers, _ADDRESS))
    malformed = pc.or_(malformed, pc.greater(pc.utf8_length(identifiers), _ADDRESS_LETTERS))
    conditions = pc.make_struct(pc.is_null(identifiers), unsafe, pc.and_(malformed, address))
    return pc.case_when(conditions, "not_in_vault", "unsafe_identifier", "malformed_address")


def unsafe_identifier(identifiers: pd.Series[Any], *, address: bool = False) -> pd.Series[Any]:
    """Why an id (or an e-mail ``address``) may not be written, or null where it may: one code per row.

    ``not_in_vault``: there is none. ``unsafe_identifier``: a spreadsheet or a mail header could take it for something
    else. ``malformed_address``: not one single address; spaces around it count, so strip them first. Such a row is left
    out and counted, never altered: an altered id is somebody else's.
    """
    texts = pa.array(identifiers, type=pa.string(), from_pandas=True)
    codes = refusals(texts, address=address).to_pandas()
    return pd.Series(codes.to_numpy(), index=identifiers.index, dtype="str")


def _whole_numbers(values: pa.Array, factor: int, column: str) -> pa.Array:
    """``values`` times ``factor`` as 64-bit whole numbers, half to even; NaN is null."""
    try:
        if not pa.types.is_floating(values.type):
            return pc.multiply_checked(values.cast(pa.int64()), factor)
        known = pc.if_else(pc.is_nan(values), None, values)
        return pc.round(pc.multiply(known, float(factor)), round_mode="half_to_even").cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise ListError(f"{column} has a value that is too large to write. Build the lists again.") from error


def _point(wholes: pa.Array, decimals: int, mark: str) -> pa.Array:
    if not decimals:
        return wholes.cast(pa.string())
    size, unit = pc.abs(wholes), 10**decimals
    before = pc.divide(size, unit)
    after = pc.utf8_lpad(pc.subtract(size, pc.multiply(before, unit)).cast(pa.string()), decimals, "0")
    sign = pc.if_else(pc.less(wholes, 0), "-", "")
    return pc.binary_join_element_wise(sign, before.cast(pa.string()), mark, after, "")


def number_cells(values: pa.Array, decimals: int, column: str, mark: str = ".") -> pa.Array:
    """Numbers as text with ``decimals`` digits after the ``mark``, never in powers of ten and never ``-0``."""
    return _point(_whole_numbers(values, 10**decimals, column), decimals, mark)


def amount_cells(minor: pa.Array, minor_digits: int, column: str, mark: str = ".") -> pa.Array:
    """Minor units as text in the shop's currency, exact: 1234 is 12.34."""
    return _point(_whole_numbers(minor, 1, column), minor_digits, mark)


def text_cells(values: pa.Array) -> pa.Array:
    """Any values as texts; whole numbers that pandas keeps as decimals are written as whole numbers."""
    if pa.types.is_floating(values.type):
        known = pc.if_else(pc.is_nan(values), None, values)
        whole = pc.all(pc.equal(known, pc.floor(known)), skip_nulls=True).as_py()
        return known.cast(pa.int64()).cast(pa.string()) if whole is not False else known.cast(pa.string())
    return values.cast(pa.string())


def date_cells(dates: pa.Array, pattern: str, column: str) -> pa.Array:
    """Days written ``YYYY-MM-DD`` (or Arrow's dates) in the ``pattern``, such as ``{month}/{day}/{year}``.

    Raises:
        ListError: A text is no such day.
    """
    texts = dates.cast(pa.string())
    if pc.any(pc.invert(pc.match_substring_regex(texts, "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))).as_py():
        raise ListError(f"{column} has a value that is no day written YYYY-MM-DD. Build the lists again.")
    if pattern == "{year}-{month}-{day}":
        return texts
    rewrite = pattern.format(year=r"\1", month=r"\2", day=r"\3")
    return pc.replace_substring_regex(texts, "^([0-9]{4})-([0-9]{2})-([0-9]{2})$", rewrite)


def cut_cells(texts: pa.Array, most_bytes: int) -> tuple[pa.Array, int]:
    """``texts`` of at most ``most_bytes`` bytes in UTF-8, cut between letters, and how many were cut."""
    long = pc.fill_null(pc.greater(pc.binary_length(texts), most_bytes), False)
    cut = [text.encode()[:most_bytes].decode(errors="ignore") for text in texts.filter(long).to_pylist()]
    return (pc.replace_with_mask(texts, long, pa.array(cut, type=texts.type)), len(cut)) if cut else (texts, 0)
