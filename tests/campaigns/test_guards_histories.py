"""Random histories of consent and suppression: the guards against the same rules, read row by row."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from campaigns.guards import create
from tests.campaigns.test_guards import AS_OF, NO, OPEN, YES, Row, connect
from timeline import DAY_US, is_before

INSTANTS = (
    *(AS_OF - days * DAY_US for days in (400, 30, 3, 1)),
    *(AS_OF + around for around in (-1, 0, 1, DAY_US)),
)
"""Few, so that statements often fall on one instant, and some on the scoring instant or after it."""

HISTORIES_AT_ONCE = 250

Shop = dict[str, list[Row]]


def own_rules(who: str, shop: Shop, listed: dict[str, set[str]]) -> tuple[str | None, set[str]]:
    """The reference: one customer's address, and the rules that their own rows give."""
    known = {
        log: [
            row
            for row in rows
            if row["customer_id"] == who and is_before(max(row["occurred_at"], row["loaded_at"]), AS_OF)
        ]
        for log, rows in shop.items()
    }
    records = sorted(known["customers"], key=lambda row: (row["occurred_at"], row["event_id"]))
    address = records[-1]["address_key"] if records else None
    happened = [(row["event"], row["bounce_type"]) for row in known["email_events"]]
    dated = [(row["occurred_at"], row["status"]) for row in known["consent_events"] if row["channel"] == "email"]
    dated += [(row["occurred_at"], NO) for row in known["email_events"] if row["event"] == "Unsubscribed"]
    dated += [(row["email_consent_at"], row["email_consent"]) for row in records if row["email_consent_at"] is not None]
    dated = [(instant, status) for instant, status in dated if is_before(instant, AS_OF)]
    undated = {row["email_consent"] for row in records if row["email_consent_at"] is None}
    latest = {status for instant, status in dated if instant == max(dated, key=lambda one: one[0])[0]}
    agreed = latest == {YES} if dated else YES in undated
    objections = [
        (row["occurred_at"], row["status"]) for row in known["consent_events"] if row["channel"] == "profiling"
    ]
    applies = {
        "erased": bool({who, address} & listed["erased"]),
        "legal_hold": any(row["legal_hold"] for row in records),
        "opt_out": NO in undated or (not agreed and NO in {status for _, status in dated}),
        "complaint": any(event == "Email Marked as Spam" for event, _ in happened),
        "hard_bounce": ("Email Bounced", "hard") in happened,
        "suppressed": any(row["suppressed"] for row in records) or bool({who, address} & listed["suppressed"]),
        # As with an opt-out: only a yes after every other word lifts a no.
        "objection": NO in {status for _, status in objections}
        and {status for instant, status in objections if instant == max(objections)[0]} != {YES},
        "no_consent": not agreed or NO in undated,
        "no_address": address is None and any(is_before(row["loaded_at"], AS_OF) for row in shop["customers"]),
    }
    return address, {rule for rule, holds in applies.items() if holds}


ORDER = (
    *("erased", "legal_hold", "opt_out", "complaint", "hard_bounce", "suppressed", "objection"),
    *("no_consent", "no_address"),
)
OWN = {"no_consent", "no_address"}
"""Every other rule stops the whole inbox."""


def reference(people: list[str], shop: Shop, listed: dict[str, set[str]]) -> dict[str, str | None]:
    """Each person's first rule."""
    own = {who: own_rules(who, shop, listed) for who in people}
    told: dict[str, str | None] = {}
    for who, (address, rules) in own.items():
        there = [theirs for home, theirs in own.values() if address is not None and home == address]
        stopped = rules.union(*(theirs - OWN for theirs in there))
        told[who] = next((rule for rule in ORDER if rule in stopped), None)
    return told


def history(chance: random.Random, name: str, with_customers: bool) -> tuple[list[str], Shop, dict[str, set[str]]]:
    """One to three customers of at most two addresses, and what they said and did."""
    people = [f"{name}-{n}" for n in range(chance.choice((1, 1, 1, 2, 3)))]
    homes = [f"{name}-home", f"{name}-home", f"{name}-office", None]
    shop: Shop = {"customers": [], "consent_events": [], "email_events": []}

    def row(who: str, **more: object) -> Row:
        happened = chance.choice(INSTANTS)
        known = happened if chance.random() < 0.8 else max(happened, chance.choice(INSTANTS))
        return {"customer_id": who, "occurred_at": happened, "loaded_at": known, **more}

    for who in people:
        for n in range(chance.choice((0, 1, 1, 1, 1, 2)) if with_customers else 0):
            record = row(
                who,
                event_id=f"{who}-{n}",
                email_consent=chance.choice((YES, YES, YES, NO, "never", "unknown", None)),
                email_consent_at=chance.choice((None, *INSTANTS)),
                suppressed=chance.choice((False, False, False, False, False, None, True)),
                legal_hold=chance.choice((False, None, False, False, False, False, False, True)),
                address_key=chance.choice(homes),
            )
            shop["customers"].append(record)
        for _ in range(chance.choice((0, 1, 2, 4))):
            channel = chance.choice(("email", "email", "email", "sms", "profiling"))
            status = chance.choice((YES, YES, YES, NO, NO, "maybe"))
            shop["consent_events"].append(row(who, channel=channel, status=status))
        for _ in range(chance.choice((0, 0, 1, 3))):
            event = chance.choice(
                (
                    "Email Delivered",
                    "Email Opened",
                    "Email Bounced",
                    "Email Bounced",
                    "Email Marked as Spam",
                    "Unsubscribed",
                )
            )
            bounce = chance.choice(("soft", "soft", "block", None, "hard")) if event == "Email Bounced" else None
            shop["email_events"].append(row(who, event=event, bounce_type=bounce))
    listed = {
        name: {one for one in (*people, *homes) if one is not None and chance.random() < 0.02}
        for name in ("erased", "suppressed")
    }
    return people, shop, listed


def disagreements(histories: int, seed: int) -> tuple[list[object], Counter[str | None]]:
    """People for whom the guards and the reference tell different rules, and how often the reference tells each."""
    wrong: list[object] = []
    told: Counter[str | None] = Counter()
    for batch, first in enumerate(range(0, histories, HISTORIES_AT_ONCE)):
        chance = random.Random(f"{seed}/{batch}")
        everybody: list[str] = []
        together: Shop = {"customers": [], "consent_events": [], "email_events": []}
        on: dict[str, set[str]] = {"erased": set(), "suppressed": set()}
        expected: dict[str, str | None] = {}
        for n in range(first, min(first + HISTORIES_AT_ONCE, histories)):
            people, shop, listed = history(chance, f"h{n}", with_customers=batch % 4 != 1)
            everybody += people
            for log, rows in shop.items():
                together[log] += rows
            for name, ids in listed.items():
                on[name] |= ids
            has_log = {"customer_id": "nobody", "occurred_at": INSTANTS[0], "loaded_at": INSTANTS[0]}
            # Whether the shop has the log at all is told by any customer's record.
            known = {**shop, "customers": [*shop["customers"], *([has_log] if batch % 4 != 1 else [])]}
            expected |= reference(people, known, listed)
        if batch % 4 != 1:
            together["customers"].append({**has_log, "event_id": "nobody"})
        with connect(together, people=everybody) as db:
            create(db, OPEN, on["erased"], on["suppressed"])
            found = dict(db.execute("SELECT customer_id, rule FROM guards").fetchall())
        assert set(found) == set(expected)
        wrong += [(who, rule, found[who]) for who, rule in expected.items() if found[who] != rule]
        told.update(expected.values())
    return wrong, told


def _check(histories: int, seed: int) -> None:
    wrong, told = disagreements(histories, seed)
    assert wrong == []
    # The histories are worth something only if they reach every rule, and people whom nothing stops.
    assert set(told) == {*ORDER, None}


def test_guards_agree_with_a_reading_row_by_row() -> None:
    _check(750, seed=1)


@pytest.mark.stress
def test_guards_agree_with_a_reading_row_by_row_in_ten_thousand_histories() -> None:
    _check(10_000, seed=2)
