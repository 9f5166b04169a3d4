"""Faults 38 to 42: visits, opens and clicks of machines, and e-mail events in an impossible order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sources import Ingested
from tests.faults.case import FORMATS, WRITERS, Case, Row, by_id, good_row, in_log
from tests.faults.contact import stop_rule

GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
PERSON = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/131.0 Safari/537.36"
APPLE_PROXY = "Mozilla/5.0"
GOOGLE_PROXY = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"


def _flagged(log: str, column: str, *event_ids: str) -> Callable[[Ingested], bool]:
    """A check: of all rows, which stay in the table, these alone have the flag."""

    def check(found: Ingested) -> bool:
        flags = by_id(found, log, column)
        return {event for event, flag in flags.items() if flag} == set(event_ids)

    return check


# Visits


def _visit(n: int, at: str, **cells: str) -> Row:
    return good_row("web_events", 1) | {"message_id": f"w{n}", "occurred_at": at} | cells


def _visits(name: str, rows: Sequence[Row], bots: Sequence[str], *formats: str) -> list[Case]:
    expected = {"kind": "warned", "words": ("web_events", "bot", str(len(bots)))} if bots else {"kind": "accepted"}
    return [
        in_log(
            38,
            f"{name}, {kind}",
            "web_events",
            WRITERS[kind](rows),
            declared={"format": kind},
            counts={f"web_events.{kind}": (len(rows), 0)},
            check=_flagged("web_events", "bot", *bots),
            **expected,
        )
        for kind in formats or ("csv",)
    ]


def _burst(views: int) -> list[Row]:
    """``views`` pages of one visitor from 10:00:00 on within a minute, and one page of another."""
    rows = [_visit(n, f"2025-01-12T10:00:{n * 59 // views:02d}Z") for n in range(views)]
    return [*rows, _visit(views, "2025-01-12T10:00:30Z", customer_id="ben")]


_AGENTS = [
    _visit(1, "2025-01-12T10:00:00Z", user_agent=PERSON),
    _visit(2, "2025-01-12T10:00:00Z", user_agent=GOOGLEBOT),
    _visit(3, "2025-01-12T10:00:00Z", user_agent="python-requests/2.32"),
    _visit(4, "2025-01-12T10:00:00Z", user_agent="HeadlessChrome/131.0"),
    _visit(5, "2025-01-12T10:00:00Z", user_agent=""),
]
_ALL_OF = [f"w{n}" for n in range(301)]

BOTS = [
    *_visits("agents that say what they are", _AGENTS, ("w2", "w3", "w4"), *FORMATS),
    *_visits("three hundred and one pages in a minute", _burst(301), _ALL_OF, "csv", "parquet"),
    *_visits("three hundred pages in a minute", _burst(300), ()),
]

# Opens and clicks


def _mail(n: int, event: str, at: str, **cells: str) -> Row:
    """An event of one e-mail to anna, sent and delivered at 10:00:00."""
    row = good_row("email_events", 1) | {"message_id": f"e{n}", "event": event, "email_id": "m1"}
    return row | {"occurred_at": f"2025-01-12T{at}Z"} | cells


_SENT = [_mail(1, "Email Sent", "10:00:00"), _mail(2, "Email Delivered", "10:00:01")]


def _mails(number: int, name: str, rows: Sequence[Row], check: Callable[[Ingested], bool], *formats: str) -> list[Case]:
    rows = [*_SENT, *rows]
    return [
        in_log(
            number,
            f"{name}, {kind}",
            "email_events",
            WRITERS[kind](rows),
            declared={"format": kind},
            kind="accepted",
            counts={f"email_events.{kind}": (len(rows), 0)},
            check=check,
        )
        for kind in formats or ("csv",)
    ]


def _open(n: int, at: str, **cells: str) -> Row:
    return _mail(n, "Email Opened", at, **cells)


def _click(n: int, at: str, link: str, **cells: str) -> Row:
    return _mail(n, "Email Link Clicked", at, link_url=f"https://shop.example.com/{link}", **cells)


_MACHINE_OPENS = ("machine_open", "e3")
_UNSUBSCRIBED = [
    _click(3, "10:00:02", "one"),
    _click(4, "10:00:02", "two"),
    _click(5, "10:00:03", "unsubscribe"),
    _mail(6, "Unsubscribed", "10:00:03"),
]

MACHINES = [
    *_mails(
        39,
        "open at delivery, open at night",
        [_open(3, "10:00:02"), _open(4, "20:15:00")],
        _flagged("email_events", *_MACHINE_OPENS),
        *FORMATS,
    ),
    *_mails(
        39,
        "the proxies of Apple; that of Google fetches when a person opens",
        [
            _open(3, "12:00:00", user_agent=APPLE_PROXY),
            _open(4, "12:00:00", user_agent=GOOGLE_PROXY),
            _open(5, "12:00:00", user_agent=PERSON),
        ],
        _flagged("email_events", "machine_open", "e3"),
        "csv",
        "jsonl",
    ),
    # The sender's own flag is believed, even where the time says something else.
    *_mails(
        39,
        "the sender says which",
        [_open(3, "12:00:00", machine_open="true"), _open(4, "10:00:02", machine_open="false")],
        _flagged("email_events", *_MACHINE_OPENS),
    ),
    *_mails(
        40,
        "three links in ten seconds",
        [
            _click(3, "11:00:00", "a"),
            _click(4, "11:00:05", "b"),
            _click(5, "11:00:10", "c"),
            _click(6, "18:00:00", "a"),
        ],
        _flagged("email_events", "bot_click", "e3", "e4", "e5"),
        *FORMATS,
    ),
    *_mails(
        40,
        "one link three times, two links in ten seconds",
        [_click(3, "11:00:00", "a"), _click(4, "11:00:02", "a"), _click(5, "11:00:04", "b")],
        _flagged("email_events", "bot_click"),
    ),
    *_mails(
        40,
        "a click two seconds after delivery, one after three",
        [_click(3, "10:00:03", "a"), _click(4, "10:00:04", "a")],
        _flagged("email_events", "bot_click", "e3"),
    ),
    *_mails(
        40,
        "the scanner asks for heads",
        [_click(3, "12:00:00", "a", bot_click="true"), _click(4, "12:00:00", "b", bot_click="false")],
        _flagged("email_events", "bot_click", "e3"),
    ),
    *_mails(
        41,
        "unsubscribed by a scanner",
        _UNSUBSCRIBED,
        lambda found: stop_rule(found, "anna") == "opt_out",
        "csv",
        "parquet",
    ),
    *_mails(
        41,
        "unsubscribed by a click that is flagged",
        [_mail(3, "Unsubscribed", "12:00:00", bot_click="true")],
        lambda found: stop_rule(found, "anna") == "opt_out",
    ),
]


def _impossible(name: str, rows: Sequence[Row], column: str, *formats: str) -> list[Case]:
    """The rows behind the send and the delivery; the first of them cannot be, because of ``column`` if any."""
    return [
        in_log(
            42,
            f"{name}, {kind}",
            "email_events",
            WRITERS[kind]([*_SENT, *rows]),
            declared={"format": kind},
            kind="quarantined" if column else "accepted",
            quarantined=((f"email_events.{kind}", 4 if kind == "csv" else 3, column, "impossible_order"),)
            if column
            else (),
        )
        for kind in formats or ("csv",)
    ]


_BEFORE = _NOT_SENT = "occurred_at"

IMPOSSIBLE = [
    *_impossible("opened before it was sent", [_open(3, "09:59:00"), _open(4, "11:00:00")], _BEFORE, *FORMATS),
    *_impossible("clicked before it was sent", [_click(3, "09:59:00", "a")], _BEFORE),
    *_impossible(
        "clicked by one to whom it was not sent", [_click(3, "11:00:00", "a", customer_id="ben")], _NOT_SENT, *FORMATS
    ),
    *_impossible("opened by one to whom it was not sent", [_open(3, "11:00:00", customer_id="ben")], _NOT_SENT),
    # A log that begins after the send, or that has no sends, is not impossible.
    *_impossible("clicked, of an e-mail without any send", [_click(3, "11:00:00", "a", email_id="m0")], ""),
    *_impossible("opened in the second of the send", [_open(3, "10:00:00")], ""),
]

CASES = [*BOTS, *MACHINES, *IMPOSSIBLE]
