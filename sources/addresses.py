"""E-mail addresses and telephone numbers inside other texts: how they are recognised and removed.

DuckDB and Arrow (RE2) read the patterns alike. The slow pattern runs only on texts with an at sign.
"""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from events.sql import quoted

_SIGNS = ("@", "%", "&#", "\uff20", "\ufe6b")
"""One of them stands in every text that holds an address; the last two are not ASCII."""
_AT = "(@|\uff20|\ufe6b|%(25)*40|&#0*64;)"
_DOT = r"([.\x{FF0E}\x{3002}\x{FF61}]|%(25)*2[eE])"
# Letters by Unicode block: a pattern of exact classes takes a hundred times as long to compile.
_LETTERS = r"A-Za-z\x{C0}-\x{1FFF}\x{200B}-\x{200D}\x{2C00}-\x{2FFF}\x{3040}-\x{D7FF}\x{F900}-\x{FAFF}\x{FF21}-\x{FF5A}"
_QUOTES = r'"(\\.|[^"\\])*"'
_DOMAIN = rf"([0-9{_LETTERS}_%-]+{_DOT})+([{_LETTERS}]{{2}}[{_LETTERS}]*|[Xx][Nn]--[0-9A-Za-z-]+)"

# The local part is greedy, so that 'bounce+anna=x.example@list.example' is removed as a whole.
ADDRESS = rf"""({_QUOTES}|[^\s,;:<>"|])*({_QUOTES}|[^\s,;:<>"|/?&=]){_AT}{_DOMAIN}"""
"""A local part, an at sign in one of its spellings, and a domain with a dot: '@handle' and 'sku@2x' are none."""

TELEPHONE = (
    r"\+\s?\(?\d([\s()./-]*\d){6,15}"  # +44 20 7946 0958
    r"|\(?\b0\d{2,5}\)?([\s()./-]*\d){4,12}"  # 0171-2345678; a date such as 05.01.2024 is none
    r"|\b0\d(( \d\d){4}|(\.\d\d){4}|(-\d\d){4})\b"  # 01 42 68 53 00
    r"|\(?\b\d{3}\)?[ .-]\d{3}[ .-]\d{4}\b"  # (555) 123-4567
)
"""A telephone number as people write it. Numbers of orders, parcels and articles can look the same."""

REMOVED = "[address]"
"""Stands where a message would have repeated an address."""


def may_hold_address(x: str, plain: bool = False) -> str:
    """SQL: whether the text ``x`` has a sign of an address; fast. ``plain`` texts are ASCII."""
    return " OR ".join(f"contains({x}, {quoted(sign)})" for sign in _SIGNS if not plain or sign.isascii())


def holds_address(x: str, plain: bool = False) -> str:
    """SQL: whether the text ``x`` holds an address; ``plain`` texts are ASCII."""
    return f"({may_hold_address(x, plain)}) AND regexp_matches({x}, {quoted(ADDRESS)})"


def without_contacts(x: str, *, plain: bool, telephones: bool, bare: str | None) -> str:
    """SQL of the text ``x`` without the addresses (and ``telephones``) that it holds.

    ``bare`` is what becomes of a text of which nothing else is left; null unless given.
    """
    condition, rest = holds_address(x, plain), f"regexp_replace({x}, {quoted(ADDRESS)}, '', 'g')"
    if telephones:
        condition = f"({condition}) OR regexp_matches({x}, {quoted(TELEPHONE)})"
        rest = f"regexp_replace({rest}, {quoted(TELEPHONE)}, '', 'g')"
    nothing = "NULL" if bare is None else quoted(bare)
    shortened = rf"CASE WHEN regexp_matches({rest}, '[\p{{L}}\p{{N}}]') THEN trim({rest}) ELSE {nothing} END"
    return f"CASE WHEN {condition} THEN {shortened} ELSE {x} END"


def with_address(texts: pa.Array) -> pa.Array | None:
    """The texts that hold an address, null in place of the others; None where no text may hold one."""
    letters = texts.buffers()[-1]
    held = letters.to_pybytes() if letters else b""
    if not any(sign.encode() in held for sign in _SIGNS):
        return None
    return pc.if_else(pc.match_substring_regex(texts, ADDRESS), texts, None)


def unaddressed(value: Any) -> Any:
    """``value``, a text or lists and objects of texts, with every address replaced by :data:`REMOVED`."""
    if isinstance(value, dict):
        return {unaddressed(key): unaddressed(one) for key, one in value.items()}
    if isinstance(value, list):
        return [unaddressed(one) for one in value]
    if not isinstance(value, str) or not any(sign in value for sign in _SIGNS):
        return value
    return pc.replace_substring_regex(pa.scalar(value), ADDRESS, REMOVED).as_py()
