"""Fault 64: consent that is missing, double, unknown or older than a refusal never allows contact."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sources import Ingested
from tests.faults.case import FORMATS, ORDERS, WRITERS, Case, Row, in_log, lines
from tests.faults.contact import stop_rule

CUSTOMERS = lines(
    "customer_id,email,created_at",
    "anna,anna@example.com,2024-12-01T10:00:00Z",
    "ben,ben@example.com,2024-12-01T10:00:00Z",
)
YES, NO = "subscribed", "unsubscribed"
_BESIDE = {
    "logs_beside": {"customers": {"file": "people.csv"}},
    "beside": {"shop.csv": ORDERS, "people.csv": CUSTOMERS},
}


def _said(at: str, status: str, **cells: str) -> Row:
    return {"customer_id": "anna", "occurred_at": at, "status": status} | cells


def _ruled(shop_id: str, rule: str | None) -> Callable[[Ingested], bool]:
    return lambda found: stop_rule(found, shop_id) == rule


def _stated(name: str, rows: Sequence[Row], rule: str | None, *formats: str, **expected: object) -> list[Case]:
    return [
        in_log(
            64,
            f"{name}, {kind}",
            "consent_events",
            WRITERS[kind](rows),
            declared={"format": kind},
            **({"kind": "accepted", "check": _ruled("anna", rule)} | _BESIDE | expected),
        )
        for kind in formats or ("csv",)
    ]


def _state(name: str, header: str, row: str, rule: str | None, **expected: object) -> Case:
    """What a customers file itself says of anna."""
    content = lines(f"customer_id,email,created_at,{header}", f"anna,anna@example.com,2024-12-01T10:00:00Z,{row}")
    return in_log(64, name, "customers", content, **({"kind": "accepted", "check": _ruled("anna", rule)} | expected))


STATEMENTS = [
    *_stated("nothing said", [_said("2025-01-01T10:00:00Z", YES, customer_id="ben")], "no_consent"),
    *_stated(
        "yes and no at one instant",
        [_said("2025-01-01T10:00:00Z", YES), _said("2025-01-01T10:00:00Z", NO)],
        "opt_out",
        *FORMATS,
    ),
    # One instant, written in two zones.
    *_stated(
        "yes and no at one instant of two zones",
        [_said("2025-01-01T15:00:00+05:00", YES), _said("2025-01-01T10:00:00Z", NO)],
        "opt_out",
    ),
    *_stated(
        "a no that only looks older than the yes",
        [_said("2025-01-01T10:30:00+01:00", YES), _said("2025-01-01T09:45:00Z", NO)],
        "opt_out",
    ),
    *_stated(
        "yes, then no", [_said("2025-01-01T10:00:00Z", YES), _said("2025-01-02T10:00:00Z", NO)], "opt_out", *FORMATS
    ),
    *_stated(
        "no, then a clear yes", [_said("2025-01-01T10:00:00Z", NO), _said("2025-01-02T10:00:00Z", YES)], None, *FORMATS
    ),
    *_stated("yes to text messages only", [_said("2025-01-01T10:00:00Z", YES, channel="sms")], "no_consent"),
    *_stated(
        "a word that is no answer",
        [_said("2025-01-01T10:00:00Z", NO, customer_id="ben"), _said("2025-01-02T10:00:00Z", "perhaps")],
        "opt_out",
        kind="quarantined",
        quarantined=(("consent_events.csv", 3, "status", "unknown_value"),),
    ),
    *_stated(
        "an answer without a time",
        [_said("2025-01-01T10:00:00Z", NO, customer_id="ben"), _said("", YES)],
        "no_consent",
        kind="quarantined",
        quarantined=(("consent_events.csv", 3, "occurred_at", "missing_time"),),
    ),
]

STATES = [
    _state("no column of consent", "country", "GB", "no_consent"),
    _state("an empty state", "email_consent", "", "no_consent"),
    _state("a state that is unknown", "email_consent", "unknown", "no_consent"),
    _state("never", "email_consent", "never", "no_consent"),
    _state("unsubscribed", "email_consent", NO, "opt_out"),
    _state("subscribed, yet suppressed", "email_consent,suppressed", f"{YES},true", "suppressed"),
    _state("subscribed", "email_consent", YES, None),
]

CASES: list[Case] = [*STATEMENTS, *STATES]
