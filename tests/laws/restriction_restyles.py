"""The same rows in another form: other spellings, columns, orders and files, which change nobody's answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from .restriction_files import Cell, Files, Table

CHANNEL = {
    "email": ["e-mail", "mail", "emails", "newsletter", "email marketing", "newsletters"],
    "sms": ["text", "text message", "mobile", "mms"],
    "phone": ["call", "telephone", "voice", "tel"],
    "post": ["postal", "letter", "direct mail", "print"],
    "profiling": ["profile", "personalisation", "personalization", "analytics"],
    "all": ["marketing", "any", "every channel", "all channels", "global"],
}
_YES = "yes,true,1,opt in,opted in,subscribe,granted,given,confirmed,active,accepted"
_NO = (
    "no,false,0,opt out,opted out,unsubscribe,withdrawn,revoked,denied,declined,refused,gdpr opt out,"
    "do not contact,removed,erased,suppressed,cleaned"
)
STATUS = {"subscribed": _YES.split(","), "unsubscribed": _NO.split(",")}
SYNONYMS: dict[str, dict[str, list[str]]] = {
    "channel": CHANNEL,
    "status": STATUS,
    "email_consent": STATUS
    | {"never": ["never subscribed", "not subscribed", "none"], "unknown": ["pending", "unconfirmed", "not set", ""]},
    "event": {
        "Email Opened": ["open", "opened"],
        "Email Link Clicked": ["click", "clicked"],
        "Email Delivered": ["delivered", "delivery"],
        "Unsubscribed": ["unsubscribe", "unsub", "opt out"],
        "Email Marked as Spam": ["spam", "spam complaint", "complaint", "abuse"],
        "Email Bounced": ["bounce", "bounced"],
    },
    "bounce_type": {
        "hard": ["permanent", "invalid", "hard bounce", "cleaned"],
        "soft": ["transient", "temporary", "soft bounce"],
        "block": ["blocked", "policy"],
    },
    "suppressed": {"true": ["yes", "1", "t", "y", "x", "on"], "false": ["no", "0", "f", "n", "off"]},
    "legal_hold": {"true": ["yes", "1", "t", "y", "x", "on"], "false": ["no", "0", "f", "n", "off"]},
}
CODES = {
    ("consent_events", "status"): ({"subscribed": "S+", "unsubscribed": "active"}, "values"),
    ("consent_events", "channel"): ({"email": "K1", "all": "K9", "sms": "K2"}, "values"),
    ("customers", "email_consent"): ({"subscribed": "J", "unsubscribed": "N", "never": "V"}, "values"),
    ("email_events", "event"): ({"Unsubscribed": "E7", "Email Marked as Spam": "E8", "Email Bounced": "E9"}, "events"),
    ("email_events", "bounce_type"): ({"hard": "fatal", "soft": "hard?"}, "values"),
}
"""Words of the shop's own that its params map; one of them means something else when nobody maps it."""


def _full_width(text: str) -> str:
    return "".join(chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in text)


DRESSES: list[Callable[[str, Random], str]] = [
    lambda text, rng: text,
    lambda text, rng: text.upper(),
    lambda text, rng: text.title(),
    lambda text, rng: f" {text}  ",
    lambda text, rng: text.replace(" ", rng.choice(["", "-", "_", ".", "\u00a0"])),
    lambda text, rng: _full_width(text),
    lambda text, rng: text[:1] + rng.choice(["\u200b", "\ufeff", "\u00ad", "-", "_", "."]) + text[1:],
]


def _cells(files: Files, log: str, column: str) -> list[tuple[list[Cell], int, str]]:
    """Every filled cell of a column, with its row and place."""
    found = []
    for table in files.of(log):
        at = table.at(column) if column in table.columns else None
        for row in table.rows if at is not None else []:
            cell = row[at]
            if isinstance(cell, str) and cell:
                found.append((row, at, cell))
    return found


def _reword(files: Files, rng: Random) -> None:
    """Half of all words become a synonym, in some dress."""
    for log in ("customers", "consent_events", "email_events"):
        for column, words in SYNONYMS.items():
            for row, at, cell in _cells(files, log, column):
                if cell in words and rng.random() < 0.5:
                    word = rng.choice([cell, *words[cell]])
                    row[at] = rng.choice(DRESSES)(word, rng) if word else ""


def _code(files: Files, rng: Random) -> None:
    """Words become codes that params map."""
    for (log, column), (codes, section) in CODES.items():
        if log not in files.sources["logs"] or rng.random() < 0.4:
            continue
        for row, at, cell in _cells(files, log, column):
            row[at] = codes.get(cell, cell)
        mapped = {code: word for word, code in codes.items()}
        files.sources["logs"][log][section] = (
            mapped if section == "events" else (files.sources["logs"][log].get(section, {}) | {column: mapped})
        )


def _columns(files: Files, rng: Random) -> None:
    """Other names of columns, mapped in params; another order; columns that nobody reads."""
    for log, options in files.sources["logs"].items():
        names = {name: f"{name[::-1]} 1" for table in files.of(log) for name in table.columns}
        names = {name: theirs for name, theirs in names.items() if rng.random() < 0.4}
        for table in files.of(log):
            order = rng.sample(range(len(table.columns)), len(table.columns))
            table.columns = [names.get(table.columns[at], table.columns[at]) for at in order] + ["note"]
            table.rows = [[*(row[at] for at in order), rng.choice(["", "x, y", 'said "no"'])] for row in table.rows]
        if names:
            options["columns"] = names


def _rows(files: Files, rng: Random) -> None:
    """Rows in another order, some of them twice."""
    for table in files.tables:
        if table.log != "orders":
            table.rows += [list(row) for row in rng.sample(table.rows, len(table.rows) // 10)]
        rng.shuffle(table.rows)


def _split(files: Files, rng: Random) -> None:
    """Logs of events in several files, whose names sort in another order than their rows."""
    for log in ("consent_events", "email_events"):
        for table in files.of(log):
            parts = [Table(log, f"{log}-{name}.csv", table.columns, []) for name in rng.sample("abc", 3)]
            for row in table.rows:
                rng.choice(parts).rows.append(row)
            files.tables = [other for other in files.tables if other is not table] + [
                part for part in parts if part.rows
            ]
            files.sources["logs"][log]["file"] = f"{log}-*.csv"


def _bytes(files: Files, rng: Random) -> None:
    """A byte order mark, and lines that end as on Windows."""
    files.tables = [
        replace(table, mark=rng.choice([b"", b"\xef\xbb\xbf"]), end=rng.choice([b"\n", b"\r\n"]))
        for table in files.tables
    ]


RESTYLES: dict[str, Callable[[Files, Random], None]] = {
    "words in params": _code,
    "spelling": _reword,
    "order of rows, rows twice": _rows,
    "files": _split,
    "columns": _columns,
    "bytes": _bytes,
}
"""Run in this order: columns lose their names last."""
