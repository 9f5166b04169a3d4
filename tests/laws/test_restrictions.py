"""Laws: nobody who is restricted is ever contactable, and nobody else is restricted, whatever becomes of the files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from .restriction_mutations import KINDS, Kind, Mutated, damage, restyle, without
from .restriction_reference import answers, contactable_people, people
from .restriction_shop import Outcome, contactable
from .restriction_worlds import World, draw

NAMED = [kind for kind in KINDS if not kind.nameless]
NAMELESS = [kind for kind in KINDS if kind.nameless]
LOGS = ("consent_events", "email_events", "customer_merges")
FEW, MANY = 8, 70
"""Damaged rows of each kind in one shop: most people are untouched, or nearly everybody is touched."""


def asked(world: World, mutated: Mutated, folder: Path) -> Outcome:
    mutated.files.write(folder)
    return contactable(folder, mutated.files.sources, **world.facts)


def unmutated(world: World) -> Mutated:
    return Mutated(world.files, world.truth)


def assert_exact(world: World, mutated: Mutated, folder: Path) -> None:
    """Nobody too many, nobody too few; the message counts them by rule and by kind of history."""
    outcome = asked(world, mutated, folder)
    rules = answers(mutated.truth)
    right = contactable_people(mutated.truth)
    leaks = Counter(" ".join(sorted(rules.get(name, {"nobody"}))) for name in outcome.people - right)
    assert (outcome.refused, leaks) == ("", Counter())
    assert right - outcome.people == set()


def assert_lawful(world: World, mutated: Mutated, folder: Path, report: Counter[tuple[str, str]]) -> None:
    """No restricted person is contactable; whoever could not be named is as before; counted by kind in ``report``."""
    outcome = asked(world, mutated, folder)
    rules = answers(mutated.truth)
    right = contactable_people(mutated.truth)
    everybody = people(mutated.truth)
    alone = Counter(address for person in everybody for address in person.addresses)
    # Where a damaged row lost an address, its only reader is known by it.
    person_of = {one: person.name for person in everybody for one in person.addresses if alone[one] == 1}
    person_of |= {name: person.name for person in everybody for name in person.ids or {person.name}}
    touched = set[str]().union(*mutated.touched.values())
    for kind, at in mutated.touched.items():
        report[kind, "shops"] += 1
        report[kind, "refused"] += bool(outcome.refused)
        report[kind, "touched"] += len(at)
        report[kind, "restricted more"] += 0 if outcome.refused else len((at & right) - outcome.people)
    leaks = {}
    for name in sorted(outcome.people):
        person = person_of.get(name, name)  # an account whose merge was lost stands for whoever it became
        if person not in right:
            kinds = [kind for kind, at in mutated.touched.items() if person in at]
            leaks[name] = (" ".join(sorted(rules.get(person, {"nobody"}))), kinds)
    assert leaks == {}
    if outcome.refused:
        assert outcome.people == set()
        refusable = mutated.nameless or outcome.is_unread
        assert refusable, f"refused although every damaged row names somebody: {outcome.refused}"
    else:
        assert right - outcome.people <= touched


def show(report: Counter[tuple[str, str]]) -> None:
    columns = ("shops", "refused", "touched", "restricted more")
    print(f"\n{'kind':34}" + "".join(f"{column:>17}" for column in columns))
    for kind in sorted({kind for kind, _ in report}):
        print(f"{kind:34}" + "".join(f"{report[kind, column]:17,}" for column in columns))


@pytest.mark.parametrize("seed", [0, 1])
def test_clean_files_restrict_whom_the_page_restricts(seed: int, tmp_path: Path) -> None:
    world = draw(seed)
    assert_exact(world, unmutated(world), tmp_path)


def test_another_form_of_the_same_rows_changes_nobody(tmp_path: Path) -> None:
    world = draw(2)
    assert_exact(world, restyle(world, Random(2)), tmp_path)


@pytest.mark.parametrize("seed", [3, 4])
def test_damaged_rows_free_nobody_and_restrict_only_whom_they_could_name(seed: int, tmp_path: Path) -> None:
    report: Counter[tuple[str, str]] = Counter()
    world = draw(seed)
    assert_lawful(world, damage(world, NAMED, Random(seed), FEW), tmp_path, report)
    show(report)


def test_rows_that_name_nobody_free_nobody(tmp_path: Path) -> None:
    report: Counter[tuple[str, str]] = Counter()
    world = draw(5)
    assert_lawful(world, damage(world, NAMELESS, Random(5), FEW), tmp_path, report)
    show(report)


@pytest.mark.stress
def test_law_of_restriction(tmp_path: Path) -> None:
    """60 shops: 8 clean, 8 in another form, 23 damaged, 14 with rows of one kind that name nobody, 7 without a log."""
    report: Counter[tuple[str, str]] = Counter()
    failures: list[str] = []
    shops = cases = 0

    def packs() -> list[tuple[int, str, list[Kind]]]:
        alike = [(seed, form, list[Kind]()) for form in ("clean", "restyled") for seed in range(8)]
        absent = [(seed, LOGS[seed % 3], list[Kind]()) for seed in range(7)]
        damaged = [(seed, "damaged", NAMED) for seed in range(23)]
        nameless = [(seed, "damaged", [kind]) for kind in NAMELESS for seed in (6, 7)]
        return [*alike, *absent, *damaged, *nameless]

    for number, (seed, form, kinds) in enumerate(packs()):
        world = draw(1_000 + 100 * number + seed)
        rng, folder = Random(number), tmp_path / f"{number}"
        try:
            if form == "damaged":
                assert_lawful(
                    world, damage(world, kinds, rng, MANY if seed % 2 and kinds is NAMED else FEW), folder, report
                )
            elif form in LOGS:
                assert_exact(world, without(world, form), folder)
            else:
                assert_exact(world, restyle(world, rng) if form == "restyled" else unmutated(world), folder)
        except AssertionError as error:  # the table of all kinds says more than the first that fails
            failures.append(f"shop {number} ({form} {' '.join(kind.name for kind in kinds[:1])}): {error}")
        shops, cases = shops + 1, cases + len(answers(world.truth))
    show(report)
    touched = sum(count for (_, column), count in report.items() if column == "touched")
    print(f"{cases:,} people in {shops} shops, {touched:,} times touched, {len(failures)} shops against the law")
    assert not failures, "\n".join(failures)
    assert min(cases, touched) >= 20_000
