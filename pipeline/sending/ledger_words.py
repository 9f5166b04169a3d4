"""What the contact ledger says of one person, for `wafa lists --why`: asked to be left alone, written to, left out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from campaigns import wording
from campaigns.ledger import Ledger
from pipeline.people import keys
from pipeline.project import datasets
from pipeline.project.settings import Settings
from sources import address_key, normalised

_STATES = {
    "reserved": "approved and not exported yet",
    "exported": "already written to by this campaign, which writes to nobody twice",
    "sent": "already written to by this campaign, which writes to nobody twice",
    "failed": "exported, and their platform could not send it",
    "holdout": "held out by lot when it was approved",
}
_REASONS = {
    "already_in_campaign": "was in this campaign before",
    "one_a_run": "gets another list of the same date",
    "list_again": "got this list too lately",
    "duplicate_address": "somebody else at the same address gets it",
}
"""Why the ledger leaves somebody out; the guards have their own words."""


def told(s: Settings, row: Mapping[str, Any], asked: Collection[str], events: Path) -> list[str]:
    """Lines on the person of ``row`` (people.parquet): a suppression, and of each list ``asked`` its newest message.

    Nothing where no list was ever approved and nobody suppressed.

    Raises:
        StaleListError: The ledger is damaged.
    """
    if not datasets.LEDGER.is_file():
        return []
    person = str(row["customer_id"])
    persons, inboxes = _keys(s, person, events)
    with Ledger(datasets.LEDGER) as ledger:
        known = ledger.about(persons | inboxes)
    lines = []
    if known["suppressions"]:
        lines.append("  ledger: noted by `wafa suppress`, so approve and export will skip them")
    in_turn = sorted(known["contacts"], key=lambda one: (one["as_of"], one["campaign"]))
    newest = {str(one["list"]): SimpleNamespace(**one) for one in in_turn}
    for name, last in sorted(newest.items()):
        if name in asked:
            whose = "" if last.person in persons else ", under another account at the same address"
            said = left_out(last.reason) if last.state == "skipped" else _STATES[last.state]
            lines.append(f"  ledger: {last.campaign} as of {last.as_of}{whose}: {said}")
    for one in known["skips"]:
        name = str(one["list"])
        if name in asked and (name not in newest or newest[name].as_of < one["as_of"]):
            lines.append(f"  ledger: {name} as of {one['as_of']}: {left_out(one['reason'])}")
    return lines


def left_out(reason: str) -> str:
    """That somebody was skipped, and why: the code of a guard or of a rule of the ledger, in words."""
    said = _REASONS.get(reason) or wording.spoken("en").get(reason, reason)
    return f"skipped, {said}"


def _keys(s: Settings, person: str, events: Path) -> tuple[set[str], set[str]]:
    """Every pseudonym of ``person``, also of accounts that became this one, and those of their addresses."""
    persons = {person}
    merges = datasets.merges(events)
    if merges.is_file():
        became = datasets.read_parquet(merges, ("customer_id", "now"), [("now", "==", person)])
        persons |= set(became["customer_id"])
    if not datasets.VAULT.is_file():
        return persons, set()
    emails = datasets.read_parquet(datasets.VAULT, ("customer_id", "email"), [("customer_id", "in", sorted(persons))])[
        "email"
    ].dropna()
    if emails.empty:
        return persons, set()
    key = keys.in_force(s, events).key
    return persons, {str(one) for one in address_key(sorted({normalised(email) for email in emails}), key)}
