"""The pseudonyms of erased people in erased.txt, each below the line that names the key that made it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from pipeline.project import datasets
from pipeline.project.errors import ParamsError

_HEAD = re.compile(r"#\s*key\s+(\S+)\s+([0-9a-f]{16})\s*")
_TOKEN = re.compile(r"\s*(c_[0-9a-f]{24})\b")


def head(key_id: str, fingerprint: str) -> str:
    """The line above pseudonyms that this key made."""
    return f"# key {key_id} {fingerprint}\n"


def by_key() -> dict[str, set[str]]:
    """The pseudonyms by the fingerprint of the key that made them, '' where no line says so."""
    found: dict[str, set[str]] = {}
    for key, token, _ in _lines():
        if token:
            found.setdefault(key, set()).add(token)
    return found


def add(tokens: Collection[str], key_id: str, fingerprint: str) -> None:
    """Write pseudonyms down that this key made."""
    _write([*_lines(), *((fingerprint, token, f"{token}\n") for token in sorted(tokens))], key_id, fingerprint)


def adopt(key_id: str, fingerprint: str) -> None:
    """Write down that this key made those of which nothing is said."""
    _write([(key or fingerprint, token, line) for key, token, line in _lines()], key_id, fingerprint)


def carry(pairs: Mapping[str, str], key_id: str, fingerprint: str) -> None:
    """Change old pseudonyms to new ones (``pairs``), which this key made; comments beside them go along."""
    kept = [line for line in _lines() if line[1] not in pairs]
    there = {token for _, token, _ in kept}
    moved = [
        (fingerprint, pairs[token], line.replace(token, pairs[token], 1))
        for _, token, line in _lines()
        if token in pairs and pairs[token] not in there
    ]
    if len(kept) < len(_lines()):
        _write([*kept, *moved], key_id, fingerprint)


def _lines() -> list[tuple[str, str, str]]:
    """Every line: the key that it stands under, its pseudonym or '', and its text."""
    try:
        text = datasets.ERASED.read_text(encoding="utf-8-sig") if datasets.ERASED.is_file() else ""
    except UnicodeDecodeError:
        name = datasets.ERASED.name
        raise ParamsError(f"{name}: not UTF-8. Save the file as UTF-8, one pseudonym a line.") from None
    found, key = [], ""
    for line in text.splitlines():
        if said := _HEAD.fullmatch(line):
            key = said[2]
        token = _TOKEN.match(line)
        found.append((key, token[1] if token else "", f"{line}\n"))
    return found


def _write(lines: list[tuple[str, str, str]], key_id: str, fingerprint: str) -> None:
    """Write ``lines`` with a head above each pseudonym that would stand under another key without one."""
    text, under = "", ""
    for key, token, line in lines:
        if said := _HEAD.fullmatch(line.rstrip("\n")):
            under = said[2]
        elif token and key != under:
            text, under = text + head(key_id if key == fingerprint else "old", key), key
        text += line
    datasets.write_text(text, datasets.ERASED)


def erased_customers(path: Path) -> frozenset[str]:
    """The pseudonyms in ``path``, one a line; '#' starts a comment.

    Raises:
        ParamsError: a line is no pseudonym; ignored, it would leave somebody in who asked to be erased.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines() if path.is_file() else []
    except UnicodeDecodeError:
        raise ParamsError(f"{path.name}: not UTF-8. Save the file as UTF-8, one pseudonym a line.") from None
    words = {word: n for n, line in enumerate(lines, 1) if (word := line.partition("#")[0].strip())}
    for word, n in words.items():
        if not re.fullmatch(r"c_[0-9a-f]{24}", word):
            raise ParamsError(
                f"{path.name} line {n}: no pseudonym (c_ and 24 hex digits). "
                "`wafa explain ID` shows the pseudonym of a customer's own id."
            )
    return frozenset(words)
