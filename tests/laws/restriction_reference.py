"""Who may be written to, read off docs/restrictions.md alone and worked out person by person in plain Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime

from .restriction_truth import Consent, Mail, Person, Snapshot, Truth

NOT_SHARED = {"no_consent", "no_address", "erased", "test"}
"""The only rules that stop nobody but the person; all others reach every account at their addresses."""


def people(truth: Truth) -> list[Person]:
    """Everybody whom the files name, called by the id that survived or else by the address."""
    became = dict(truth.merges)

    def survivor(name: str) -> str:
        while name in became:
            name = became[name]
        return name

    rows: list[tuple[str | None, str | None]] = [(row.id, row.address) for row in truth.customers]
    rows += [(row.id, row.address) for row in truth.consents]
    rows += [(row.id, row.address) for row in truth.mails]
    rows += [(None, name) if "@" in name else (name, None) for name in truth.buyers]
    rows += [(name, None) for pair in truth.merges for name in pair]
    found: dict[str, Person] = {}
    for name, address in rows:
        if name is not None:
            person = found.setdefault(survivor(name), Person(survivor(name), {survivor(name)}))
            person.ids.add(name)
            person.addresses.update({address} if address else ())
    known = {address for person in found.values() for address in person.addresses}
    alone = {address for name, address in rows if name is None and address is not None} - known
    return [*found.values(), *(Person(address, set(), {address}) for address in sorted(alone))]


def newer(one: Snapshot, other: Snapshot, rows: Iterable[Snapshot]) -> bool:
    """Whether ``one`` is shown to be newer, by the first evidence that all ``rows`` of the account have."""
    rows = list(rows)
    if all(row.loaded_at for row in rows):
        return one.loaded_at > other.loaded_at
    if all(row.updated_at for row in rows):
        return one.updated_at > other.updated_at
    if all(row.period for row in rows):
        return one.period[0] > other.period[1]
    return False


def stands(rows: list[Snapshot], says: Callable[[Snapshot], bool], unsays: Callable[[Snapshot], bool]) -> bool:
    """Whether some row restricts and no newer row takes it back in words."""
    return any(says(row) and not any(unsays(late) and newer(late, row, rows) for late in rows) for row in rows)


def newest(rows: list[Snapshot]) -> list[Snapshot]:
    """The rows of an account that no other row is newer than."""
    return [row for row in rows if not any(newer(late, row, rows) for late in rows)]


def covers(row: Consent, channel: str) -> bool:
    """Whether ``row`` is about ``channel``: an unknown channel is all of them for a no, and none for a yes."""
    if row.channel == "?":
        return row.status != "subscribed"
    return row.channel in {channel, "all"} or (row.channel is None and channel == "email")


def opted_out(
    person: Person, channel: str, yes_at: list[datetime], consents: list[Consent], mails: list[Mail]
) -> tuple[bool, bool]:
    """Whether a no on ``channel`` stands, and whether there is a dated yes; ``yes_at`` are those of customers."""
    noes = [row.at for row in consents if row.status != "subscribed" and covers(row, channel)]
    if channel == "email":
        noes += [row.at for row in mails if row.event == "Unsubscribed"]
    dated = [row.at for row in consents if row.status == "subscribed" and covers(row, channel) and row.at]
    yes = [*dated, *yes_at]
    stands_still = bool(noes) and (None in noes or not yes or max(yes) <= max(at for at in noes if at))
    return stands_still, bool(dated)


def own_rules(person: Person, truth: Truth, alone_at: Callable[[str], bool]) -> set[str]:
    """The rules that the person's own rows bring, before those of others at their addresses."""
    accounts: dict[str, list[Snapshot]] = defaultdict(list)
    for row in truth.customers:
        if row.id in person.ids:
            accounts[row.id].append(row)

    def names(row: Consent | Mail) -> bool:
        return row.id in person.ids if row.id else row.address in person.addresses

    def permits(row: Consent) -> bool:
        return bool(row.id) or alone_at(row.address or "")

    consents = [row for row in truth.consents if names(row) and (row.status != "subscribed" or permits(row))]
    mails = [row for row in truth.mails if names(row)]
    yes_rows = newest(accounts[person.name])
    state_yes = bool(yes_rows) and all(row.consent == "subscribed" for row in yes_rows)
    yes_at = [row.consent_at for row in yes_rows if row.consent_at] if state_yes else []
    rules = set()
    no_by_event, event_yes = opted_out(person, "email", yes_at, consents, mails)
    if no_by_event:
        rules.add("opt_out")
    if opted_out(person, "profiling", [], consents, mails)[0]:
        rules.add("profiling")
    for rows in accounts.values():
        if stands(rows, lambda row: row.consent in {"unsubscribed", "?"}, lambda row: row.consent == "subscribed"):
            rules.add("opt_out")
        if stands(
            rows,
            lambda row: bool(row.suppressed or row.reason),
            lambda row: row.suppressed is False and not row.reason,
        ):
            rules.add("suppressed")
        if stands(rows, lambda row: row.hold is True, lambda row: row.hold is False):
            rules.add("hold")
    for mail in mails:
        if mail.event == "Email Marked as Spam":
            rules.add("complaint")
        elif mail.event == "Email Bounced" and mail.bounce in {"hard", "?"}:
            rules.add("bounce")
        elif mail.event == "?":
            rules.add("unclear")
    mine = person.ids | person.addresses
    if mine & set(truth.suppressed):
        rules.add("suppressed")
    if mine & set(truth.erased):
        rules.add("erased")
    if mine & set(truth.tests) or any(name.endswith(end) for name in mine for end in truth.tests if end[0] == "@"):
        rules.add("test")
    born = [row.born for rows in accounts.values() for row in newest(rows) if row.born]
    if truth.min_age and (not born or truth.as_of.year - max(born) - 1 < truth.min_age):
        rules.add("age")
    if not state_yes and not event_yes:
        rules.add("no_consent")
    return rules if person.addresses else rules | {"no_address"}


def answers(truth: Truth) -> dict[str, set[str]]:
    """Each person → the names of the rules that keep them off every e-mail list; none of them: contactable."""
    everybody = people(truth)
    at: dict[str, list[Person]] = defaultdict(list)
    for person in everybody:
        for address in person.addresses:
            at[address].append(person)
    for person in everybody:
        person.rules = own_rules(person, truth, lambda address: len(at[address]) == 1)
    return {
        person.name: person.rules.union(
            *(other.rules - NOT_SHARED for address in person.addresses for other in at[address])
        )
        for person in everybody
    }


def contactable_people(truth: Truth) -> set[str]:
    """Everybody whom no rule stops."""
    return {name for name, rules in answers(truth).items() if not rules}
