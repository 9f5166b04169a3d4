"""Shops whose people have varied histories of consent, drawn from a seed: what is true, and the files that say it."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

from .restriction_files import Files, render
from .restriction_histories import BY_ADDRESS, YES, Draft, give_history, says, time_in
from .restriction_reference import answers
from .restriction_truth import Snapshot, Truth

AS_OF = date(2025, 12, 30)
MONTHS = [(date(2025, month, 1), date(2025, month + 1, 1) - timedelta(days=1)) for month in (9, 10, 11)]
STYLES = ("single", "monthly", "loaded_at", "updated_at")
"""What tells which row of a customers file is the newest; ``single`` is one file without any such evidence."""


@dataclass(frozen=True)
class World:
    """A shop: what is true of its people, its files and what is known beside them."""

    truth: Truth
    files: Files
    style: str

    @property
    def facts(self) -> dict[str, Any]:
        """What the shop's own commands and params say, as ``contactable`` takes it."""
        truth = self.truth
        return {
            "as_of": truth.as_of.isoformat(),
            "min_age": truth.min_age,
            "suppressed": list(truth.suppressed),
            "erased": list(truth.erased),
        }


def _groups(drafts: list[Draft], rng: Random) -> list[tuple[str, str]]:
    """Shared inboxes, changed addresses and merged accounts; the pairs of the latter."""
    merges = []
    pool = rng.sample(drafts, len(drafts) * 2 // 5)
    while len(pool) > 6:
        kind = rng.choice(["inbox", "inbox", "moved", "moved", "merged", "chain", "merged at an inbox"])
        first, second, third = pool.pop(), pool.pop(), pool.pop()
        if kind == "moved":
            first.old_address = f"old.{first.address}"
            continue
        first.alone = second.alone = third.alone = False
        if kind == "inbox":
            second.address = third.address = first.address
            continue
        merges.append((second.id, first.id))
        if kind == "chain":
            merges.append((third.id, second.id))
        elif kind == "merged at an inbox":
            third.address = rng.choice([first, second]).address
        elif rng.random() < 0.5:
            second.address = first.address
        if kind == "merged":
            third.alone = True
    return merges


def _rows(draft: Draft, style: str, rng: Random, born: int | None) -> list[Snapshot]:
    """The rows of the account in the customers files."""
    newest, *twice = (
        Snapshot(draft.id, draft.address, **(draft.now | more), born=born)
        for more in [{}, draft.also][: 1 + bool(draft.also)]
    )
    if style == "single":
        return [replace(row, consent_at=row.consent_at if row.consent == YES else None) for row in (newest, *twice)]
    past: dict[str, Any] = {"consent": YES} | draft.before | {"born": born}
    history = [Snapshot(draft.id, draft.old_address or draft.address, **past) for _ in MONTHS[1:]] + [newest]
    rows = [replace(row, period=month) for row, month in zip(history, MONTHS, strict=True)]
    rows += [replace(row, period=MONTHS[-1]) for row in twice]
    rows = [replace(row, consent_at=row.consent_at if row.consent == YES else None) for row in rows]
    if style in {"loaded_at", "updated_at"}:
        times: dict[Any, Any] = {month: datetime(month[0].year, month[0].month, 20, 6, tzinfo=UTC) for month in MONTHS}
        skipped = rng.choice(MONTHS) if rng.random() < 0.1 else None  # then the date in the file's name decides
        rows = [row if row.period == skipped else replace(row, **{style: times[row.period]}) for row in rows]
        if not skipped and not twice and rng.random() < 0.2:  # rows stand in other files than their times say
            rows = [replace(row, period=month) for row, month in zip(rows, reversed(MONTHS), strict=True)]
    return rows


def draw(seed: int, people: int = 400) -> World:
    """The shop of ``seed``, with so many accounts in its customers files and some people known by address alone."""
    rng = Random(seed)
    style = STYLES[seed % len(STYLES)]
    min_age = 18 if seed % 3 == 0 else 0
    form = "{}" if seed % 2 else "k{}"
    drafts = [Draft(form.format(100_003 + 7 * n), f"p{n:03d}{rng.choice('abcd')}@x.example") for n in range(people)]
    merges = _groups(drafts, rng)
    absorbed, survivors = {old for old, _ in merges}, {new for _, new in merges}
    facts: dict[str, list[str]] = {"suppressed": [], "erased": [], "tests": ["@staff.example"] if seed % 2 else []}
    for draft in drafts:
        if style == "single":  # no file says the address that they had
            draft.old_address = None
        merged = draft.id in absorbed | survivors
        plain = draft.alone and not draft.old_address
        lot = rng.random()
        if lot < 0.03 and (plain or (not merged and not draft.alone)):
            facts["erased"].append(rng.choice([draft.id, draft.address]) if plain else draft.id)
        elif 0.03 <= lot < 0.05 and plain:
            if facts["tests"] and rng.random() < 0.5:
                draft.address = draft.address.replace("@x.", "@staff.")
            else:
                facts["tests"].append(rng.choice([draft.id, draft.address]))
        else:
            give_history(draft, rng, merged)
            if draft.id in absorbed:
                draft.now.pop("consent_at", None)
            if 0.05 <= lot < 0.08:
                facts["suppressed"].append(rng.choice([draft.id, draft.address]))
    customers = []
    for draft in drafts:
        gone = {draft.id, draft.address} & set(facts["erased"])
        born = (
            1975
            if gone
            else rng.choice([1950, 1975, 1990, 2000])
            if rng.random() < 0.95
            else rng.choice([2010, 2015, None])
        )
        customers += _rows(draft, style, rng, born if min_age or rng.random() < 0.5 else None)
    strangers = [Draft("", f"q{n:03d}@x.example") for n in range(0 if min_age else people // 16)]
    for stranger in strangers:
        says(stranger, rng, YES, time_in(rng, 1, 3), "email")
        if rng.random() < 0.5:
            rng.choice(BY_ADDRESS)(stranger, rng)
    consents = [row for draft in [*drafts, *strangers] for row in draft.consents]
    truth = Truth(
        tuple(customers),
        tuple(rng.sample(consents, len(consents))),
        tuple(row for draft in [*drafts, *strangers] for row in draft.mails),
        tuple(merges),
        (*(draft.id for draft in drafts), *(stranger.address for stranger in strangers)),
        AS_OF,
        min_age,
        *(tuple(names) for names in facts.values()),
    )
    return World(truth, render(truth, rng, style), style)


def main() -> None:
    """Prints how many people of so many worlds are off the lists, by rule."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    counts: Counter[str] = Counter()
    for seed in range(given.seed, given.seed + given.count):
        for rules in answers(draw(seed).truth).values():
            counts.update(["people", *(rules or {"contactable"})])
    for rule, count in counts.most_common():
        print(f"{rule:15}{count:8}")


if __name__ == "__main__":
    main()
