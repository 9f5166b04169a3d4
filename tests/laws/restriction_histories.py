"""What happened to a person between agreeing and refusing: every row of the table of restrictions, in random order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from .restriction_truth import Consent, Mail

YES, NO = "subscribed", "unsubscribed"


@dataclass
class Draft:
    """One account while its history is drawn: the newest row of the customers file, and what the older ones said."""

    id: str
    address: str
    now: dict[str, Any] = field(default_factory=lambda: {"consent": YES})
    before: dict[str, Any] = field(default_factory=dict)
    also: dict[str, Any] = field(default_factory=dict)
    """What a second row beside the newest says, at the same time."""
    old_address: str | None = None
    consents: list[Consent] = field(default_factory=list)
    mails: list[Mail] = field(default_factory=list)
    alone: bool = True
    """Whether the person has one account and nobody else reads the inbox, so that a row may name the address alone."""


def time_in(rng: Random, first_month: int, last_month: int) -> datetime:
    """Some instant of 2025 in those months, none of them twice in practice."""
    days = timedelta(days=rng.randrange(28), seconds=rng.randrange(86_400))
    return datetime(2025, rng.randint(first_month, last_month), 1, tzinfo=UTC) + days


def _named(draft: Draft, rng: Random, no: bool) -> tuple[str | None, str | None]:
    """The id, the address or both of a row about this person."""
    if not draft.id:
        return None, draft.address
    way = rng.choice(["id", "both", "address"] if draft.alone else ["id", "both"])
    if way == "address":
        return None, draft.old_address if no and draft.old_address and rng.random() < 0.7 else draft.address
    return draft.id, draft.address if way == "both" else None


def says(draft: Draft, rng: Random, status: str, at: datetime | None, channel: str | None = "email") -> None:
    draft.consents.append(Consent(*_named(draft, rng, status != YES), status, at, channel))


def _mails(draft: Draft, rng: Random, event: str, bounce: str = "", at: datetime | None = None) -> None:
    named = _named(draft, rng, event not in {"Email Delivered", "Email Opened"})
    draft.mails.append(Mail(*named, event, at or time_in(rng, 4, 6), bounce))


def _no_by_event(d: Draft, r: Random) -> None:
    if r.random() < 0.5:  # on other channels the page does not say what a row without a time restricts
        says(d, r, NO, None, r.choice(["email", None, "all", "?"]))
    else:
        says(d, r, NO, time_in(r, 4, 6), r.choice(["email", "email", None, "all", "?", "sms", "phone", "post"]))


def _no_then_yes(d: Draft, r: Random) -> None:
    channel = r.choice(["email", "all", None])
    says(d, r, NO, time_in(r, 4, 6), channel)
    says(d, r, YES, r.choice([time_in(r, 7, 10), time_in(r, 7, 10), None]), r.choice(["email", channel, "sms"]))


def _yes_then_no_within_a_day(d: Draft, r: Random) -> None:
    day = time_in(r, 4, 6).replace(hour=8)
    says(d, r, YES, day, "email")
    d.now["consent_at"] = r.choice([None, day + timedelta(hours=1)])
    later = day + timedelta(hours=r.randint(2, 12))
    if r.random() < 0.5:
        says(d, r, NO, later, "email")
    else:
        _mails(d, r, "Unsubscribed", at=later)


def _both_at_once(d: Draft, r: Random) -> None:
    at = time_in(r, 4, 6)
    for status in r.sample([YES, NO], 2):
        says(d, r, status, at, "email")


def _no_then_state(d: Draft, r: Random) -> None:
    says(d, r, NO, time_in(r, 4, 6), r.choice(["email", None]))
    d.now["consent_at"] = r.choice([time_in(r, 1, 3), time_in(r, 7, 8)])


def _objection(d: Draft, r: Random) -> None:
    says(d, r, NO, time_in(r, 4, 6), "profiling")
    if r.random() < 0.5:
        says(d, r, YES, time_in(r, 7, 10), r.choice(["profiling", "email", "all"]))


def _unsubscribed(d: Draft, r: Random) -> None:
    _mails(d, r, "Unsubscribed")
    if r.random() < 0.4:
        says(d, r, YES, time_in(r, 7, 10), "email")


def _state(now: str, before: str | None = None) -> Callable[[Draft, Random], None]:
    def history(d: Draft, r: Random) -> None:
        d.now["consent"] = now
        if before:
            d.before["consent"] = before

    return history


def _flag(name: str, now: bool | None, before: bool | None) -> Callable[[Draft, Random], None]:
    def history(d: Draft, r: Random) -> None:
        d.now[name], d.before[name] = now, before

    return history


def _reason(d: Draft, r: Random) -> None:
    d.now["reason"], d.now["suppressed"] = "hard bounce", r.choice([None, False])


def _reason_before(d: Draft, r: Random) -> None:
    d.before["reason"], d.now["suppressed"] = "asked by phone", r.choice([None, False])


def _contradiction(d: Draft, r: Random) -> None:
    name, no, yes = r.choice([("consent", NO, YES), ("suppressed", True, False), ("hold", True, False)])
    values = r.sample([no, yes], 2)
    d.now[name], d.also = values[0], {name: values[1]}


HISTORIES: dict[str, Callable[[Draft, Random], None]] = {
    "no by state": _state(NO),
    "no, now yes by state": _state(YES, NO),
    "yes, now no by state": _state(NO, YES),
    "no, now empty": _state("unknown", NO),
    "yes, now empty": _state("unknown", YES),
    "never": _state("never"),
    "unknown": _state("unknown"),
    "state in a word nobody knows": _state("?"),
    "no by event": _no_by_event,
    "no, then yes by event": _no_then_yes,
    "both at once": _both_at_once,
    "yes, then no within a day": _yes_then_no_within_a_day,
    "no by event, yes by state": _no_then_state,
    "status nobody knows": lambda d, r: says(d, r, "?", time_in(r, 4, 6), r.choice(["email", None])),
    "yes on another channel": lambda d, r: says(d, r, YES, time_in(r, 7, 9), r.choice(["sms", "phone", "post", "?"])),
    "objection to profiling": _objection,
    "unsubscribed by mail": _unsubscribed,
    "complaint": lambda d, r: _mails(d, r, "Email Marked as Spam"),
    "hard bounce": lambda d, r: _mails(d, r, "Email Bounced", r.choice(["hard", "hard", "?"])),
    "other bounce": lambda d, r: _mails(d, r, "Email Bounced", r.choice(["soft", "block", ""])),
    "event nobody knows": lambda d, r: _mails(d, r, "?"),
    "suppressed": _flag("suppressed", True, None),
    "suppressed before": _flag("suppressed", None, True),
    "suppressed no more": _flag("suppressed", False, True),
    "a reason": _reason,
    "a reason before": _reason_before,
    "held": _flag("hold", True, None),
    "held before": _flag("hold", None, True),
    "held no more": _flag("hold", False, True),
    "contradiction": _contradiction,
}
BY_ADDRESS = (_no_by_event, _no_then_yes, _both_at_once, _objection, _unsubscribed)
"""Histories that need no customers file."""

WEAK = {"no, now empty", "yes, now empty", "never", "unknown", "state in a word nobody knows"}
"""Histories without a yes in the newest row, left out where the page does not say whose yes counts."""


def give_history(draft: Draft, rng: Random, merged: bool) -> None:
    """None, one or two histories, on top of a dated yes that most people have."""
    if rng.random() < 0.6:
        says(draft, rng, YES, time_in(rng, 1, 3), rng.choice(["email", "email", "all", None]))
    names = [name for name in HISTORIES if not (merged and name in WEAK)]
    for name in rng.sample(names, rng.choices([0, 1, 2], [35, 50, 15])[0]):
        HISTORIES[name](draft, rng)
    if any(row.status == "?" for row in draft.consents):  # the page does not say whether a later yes lifts these
        last = max(row.at for row in draft.consents if row.status == "?" and row.at)
        draft.consents = [row for row in draft.consents if row.status != YES or (row.at and row.at < last)]
        draft.now.pop("consent_at", None)
    for _ in range(rng.randrange(3)):
        _mails(
            draft, rng, rng.choice(["Email Delivered", "Email Opened", "Email Link Clicked"]), at=time_in(rng, 7, 11)
        )
