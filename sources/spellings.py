"""Ids and addresses as damaged rows spell them, and what they may mean."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sources.restricting import ADDRESS_IN_TEXT

_UNCLEAN = r"""^[\s"'`]|[\s"'`]$|[^\x20-\x7e]|\.0+$"""
_BYTES = re.compile(r"\\(x[0-9a-f]{2}|udc[0-9a-f]{2})")
_WORDS = re.compile(r"""[^\s,;|"'(){}\[\]<>=]+""")
_LONGEST_GLUED = 80
_ADDRESS = re.compile(ADDRESS_IN_TEXT, re.IGNORECASE)


def unclean(ids: pa.Array) -> list[str]:
    """The ids that are another spelling: with blanks, quotes, invisible characters or as a float."""
    found = ids.filter(pc.fill_null(pc.match_substring_regex(ids, _UNCLEAN), False)).to_pylist()
    return [one for one in found if clean(one) not in {"", one}]


def addresses(row: Mapping[str, Any]) -> set[str]:
    """Every address in the cells, or in the line where cells cannot be separated."""
    found = set()
    for text in (*(row["addresses"] or ()), *(one for one in row["ids"] or () if "@" in one), row["text"] or ""):
        seen = clean(text.replace("%40", "@"))
        found |= {one.strip().lower() for one in _ADDRESS.findall(seen)}
    return found


def clean(text: str) -> str:
    """``text`` without invisible and undecodable characters, quotes and blanks around it."""
    letters = unicodedata.normalize("NFKC", _BYTES.sub("", text))
    seen = "".join(one for one in letters if unicodedata.category(one)[0] != "C" or one in "\n\t\r")
    return re.sub(r"^(\d+)\.0+$", r"\1", seen.strip(" \t\r\n\"'`“”‘’„«»"))


def loose(text: str) -> str:
    """An id for the comparison of last resort: small letters and digits, without leading zeros and '.0'."""
    bare = re.sub(r"\.0+$", "", clean(text)).casefold()
    return "".join(one for one in bare if one.isalnum() or one == "@").lstrip("0")


def forms(text: str) -> set[str]:
    """Every word and cell of a line, and every part of a word, since two lines may have been joined in it."""
    line = _BYTES.sub("", text)
    words = {form for word in _WORDS.findall(line) for form in (word, word.strip(":=."), *word.split(":"))}
    words |= {clean(cell) for cell in re.split(r"[,;\t|\r\n]", line)} | set(re.findall(r'"([^"]*)"', line))
    glued = [word for word in words if len(word) <= _LONGEST_GLUED and not word.isdigit()]
    words |= {part for word in glued for at in range(len(word)) for part in (word[:at], word[at:]) if len(part) > 3}
    return words - {""}
