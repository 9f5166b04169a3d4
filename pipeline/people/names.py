"""Names of people as they are pasted: addresses in any notation, several at once, own ids, pseudonyms."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import unquote

from pipeline.project import datasets
from pipeline.project.errors import ParamsError
from sources import normalised

_AT = re.compile(r"@|%40", re.IGNORECASE)
_MAILTO = re.compile(r"\bmailto\s*:", re.IGNORECASE)
_COMMENT = re.compile(r"\([^()@]*\)")
_ANGLES = re.compile(r"<([^<>]*)>")
_PIECE = re.compile(r'(?:"[^"]*"|[^",;\r\n\t]|")+')
_ADDRESS = re.compile(r"[^\s@,;:<>()\[\]\\\"“”„«»]+@(?:[^\W_](?:[\w\-]*[^\W_])?\.)+[^\W\d_][\w\-]*[^\W_]")
_PSEUDONYM = re.compile(r"c_[0-9a-f]{24}", re.IGNORECASE)
_AROUND = " \t\r\n\"'`´“”„‘’‚«»‹›()[]{}<>"
_AFTER = _AROUND + ",;.:!?"


class _UnreadableError(Exception):
    """Text meant as an address that cannot be read as one."""


def read(command: str, texts: Sequence[str], is_known: Callable[[str], bool]) -> list[str]:
    """The own ids, addresses (in normal form) and pseudonyms in ``texts``, each once, in their order.

    ``is_known`` tells whether a text is, as it stands, somebody's own id or address: then nothing of it is cleaned.

    Raises:
        ParamsError: One of them names nobody, or is meant as an address and cannot be read.
    """
    found: dict[str, None] = {}
    for at, text in enumerate(texts, 1):
        which = f"name {at} of {len(texts)}" if len(texts) > 1 else "the name"
        try:
            plain = list(_names(text))
        except _UnreadableError:
            plain = []
            cannot = (
                f"wafa {command}: {which} is meant as an e-mail address and is none that can be read, so nothing was "
                "done. Give addresses such as anna@shop.example (several with a comma between them), own ids or "
                "pseudonyms."
            )
        else:
            cannot = (
                f"wafa {command}: {which} is empty, so nothing was done. Give an address, an own id or a pseudonym."
            )
        if plain != [text.strip()] and text.strip() and is_known(text.strip()):
            plain = [text.strip()]
        if not plain:
            raise ParamsError(cannot)
        found |= dict.fromkeys(plain)
    return list(found)


def one(command: str, text: str, is_known: Callable[[str], bool]) -> str:
    """The one name in ``text``, as :func:`read` reads it.

    Raises:
        ParamsError: There is none, or more than one, or it cannot be read.
    """
    found = read(command, [text], is_known)
    if len(found) > 1:
        raise ParamsError(
            f"wafa {command}: {len(found)} people are named, but it answers for one. Ask for each separately."
        )
    return found[0]


def is_in_vault(text: str) -> bool:
    """Whether ``text`` is, as it stands, the own id or the address of somebody in the vault."""
    if not datasets.VAULT.is_file():
        return False
    vault = datasets.read_parquet(datasets.VAULT, ("shop_id", "email"))
    has_address = vault["email"].map(normalised, na_action="ignore").eq(normalised(text))
    return bool((vault["shop_id"].astype("str").eq(text) | has_address).any())


def _names(text: str) -> Iterator[str]:
    seen = "".join(
        letter
        for letter in unicodedata.normalize("NFKC", text)
        # Invisible characters come from copying: joiners, marks of direction, soft hyphens, controls.
        if letter.isspace() or unicodedata.category(letter) not in {"Cf", "Cc", "Cn", "Co"}
    )
    if not _AT.search(seen) and not _MAILTO.search(seen):
        for piece in re.split(r"[,;\r\n\t]", seen):
            if name := piece.strip(_AROUND).rstrip(_AFTER):
                yield name.lower() if _PSEUDONYM.fullmatch(name) else name
        return
    if _MAILTO.search(seen) or "@" not in seen:
        # A link: its letters are escaped, and what follows the question mark is the subject and the like.
        seen = unquote(re.sub(r"\?[^\s>,;]*", "", seen))
    for piece in _PIECE.findall(seen):
        if piece.strip(_AFTER):
            yield from _addresses(_COMMENT.sub(" ", piece))


def _addresses(piece: str) -> Iterator[str]:
    inside = [_address(each) for each in _ANGLES.findall(piece)]
    around = [word for word in re.split(r"\s+", _ANGLES.sub(" ", piece)) if "@" in word or not inside]
    outside = [_address(word) for word in around if word.strip(_AFTER)]
    # A name beside an address may be the address again, but not that of somebody else.
    if inside and not {*outside} <= {*inside}:
        raise _UnreadableError
    yield from inside or outside


def _address(word: str) -> str:
    bare = _MAILTO.sub("", word).strip(_AROUND).rstrip(_AFTER)
    if not _ADDRESS.fullmatch(bare):
        raise _UnreadableError
    return normalised(bare)
