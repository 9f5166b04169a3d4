"""Law: whoever said no before an export commits is in none of its files, by whatever route, words and moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from campaigns.ledger import Ledger
from pipeline.privacy import erase
from pipeline.project.errors import StaleError
from pipeline.sending import export_list, live_facts
from sources.words import plain

from .no_routes import ABOUT_LISTS, ROUTES, STATUS_NOES, SUPPRESS
from .no_shop import AS_OF, PLATFORMS, Shop, count
from .restriction_shop import LIST, inside

Report = Counter[tuple[str, str, str]]
INSIDE: list[tuple[Any, str]] = [
    (live_facts, "open_logs"), (live_facts, "ask_ledger"), (live_facts, "ask_guards"),
    (export_list, "_find_addresses"), (export_list, "_decide"), (export_list, "_write_down"), (export_list, "_draft"),
    (Ledger, "wrote"),
]  # fmt: skip
"""The steps of an export inside its transaction, before any of which files may change."""


def once(patch: pytest.MonkeyPatch, owner: Any, name: str, act: Callable[[], object]) -> None:
    """Do ``act`` right before the next call of a function."""
    genuine = getattr(owner, name)

    def first(*arguments: Any, **options: Any) -> Any:
        patch.setattr(owner, name, genuine)
        act()
        return genuine(*arguments, **options)

    patch.setattr(owner, name, first)


def before_approve(shop: Shop) -> None:
    shop.ingest()
    shop.build()
    shop.say_no()
    shop.approve()
    shop.export(*PLATFORMS)


def after_approve(shop: Shop) -> None:
    shop.ingest()
    shop.build()
    shop.approve()
    shop.say_no()
    shop.export(*PLATFORMS)


def after_export(shop: Shop) -> None:
    """All were exported before; one export takes them out of the files of every platform."""
    shop.ingest()
    shop.build()
    shop.approve()
    shop.export(*PLATFORMS)
    shop.assert_complete(with_all=True)
    assert len(shop.named()) == len(shop.route_of)
    shop.say_no()
    shop.export(PLATFORMS[shop.number % len(PLATFORMS)])


def before_the_transaction(shop: Shop) -> None:
    """The export has begun, and waits for its turn to write."""
    shop.ingest()
    shop.build()
    shop.approve()
    with pytest.MonkeyPatch.context() as patch:
        once(patch, Ledger, "writing", shop.say_no)
        shop.export(PLATFORMS[0])
    shop.export(*PLATFORMS[1:])


def inside_the_transaction(shop: Shop) -> None:
    """Files are read again while the export runs, then erased.txt grows while it runs again: both come to nothing."""
    shop.ingest()
    shop.build()
    shop.approve()
    step = INSIDE[shop.number % len(INSIDE)]
    with ThreadPoolExecutor(1) as pool, pytest.MonkeyPatch.context() as patch:
        waiting = []

        def say_no() -> None:
            shop.speak()
            shop.ingest()
            waiting.append(shop.in_another_thread(pool))

        once(patch, *step, say_no)
        with pytest.raises(StaleError, match="events changed during the export"):
            shop.export(PLATFORMS[0])
        waiting[0].result(60)
        once(patch, *step, shop.entomb)
        with pytest.raises(StaleError, match=r"erased\.txt changed during the export"):
            shop.export(PLATFORMS[0])
    assert shop.named() == []
    shop.have_spoken = True
    shop.export(*PLATFORMS)


MOMENTS: dict[str, Callable[[Shop], None]] = {
    "before approve": before_approve,
    "between approve and export": after_approve,
    "between two exports": after_export,
    "during, before its transaction": before_the_transaction,
    "during, inside its transaction": inside_the_transaction,
}
BEFORE_THE_COMMIT = [moment for moment in MOMENTS if moment.startswith("during")]


def assert_nobody_leaks(folder: Path, moment: str, shop: Callable[[], Shop], report: Report) -> set[tuple[str, ...]]:
    """Let a shop's people say no at ``moment``; how they spelt it."""
    with inside(folder):
        here = shop()
        MOMENTS[moment](here)
        leaked = count(report, moment, here)
        here.assert_complete()
        assert leaked == []
        return here.said.spellings


def show(report: Report, spellings: set[tuple[str, ...]]) -> None:
    print(f"\n{'route':40}" + "".join(f"{moment:>32}" for moment in MOMENTS))
    for route in ROUTES:
        told = [f"{report[moment, route, 'noes']:,} ({report[moment, route, 'leaks']} leaks)" for moment in MOMENTS]
        print(f"{route:40}" + "".join(f"{one:>32}" for one in told))
    print(f"{total(report, 'noes'):,} noes in {len(spellings):,} spellings, {total(report, 'leaks')} leaks; ", end="")
    print(f"{total(report, 'noes', BEFORE_THE_COMMIT):,} noes during an export and before its commit")


def total(report: Report, what: str, moments: list[str] | None = None) -> int:
    return sum(n for (moment, _, column), n in report.items() if column == what and moment in (moments or MOMENTS))


@pytest.mark.parametrize("number", range(len(MOMENTS)), ids=list(MOMENTS))
def test_nobody_who_said_no_is_in_a_file(number: int, tmp_path: Path) -> None:
    report: Report = Counter()
    moment = list(MOMENTS)[number]
    show(report, assert_nobody_leaks(tmp_path, moment, partial(Shop, number, ROUTES, 320), report))
    assert total(report, "noes") == 320


@pytest.mark.parametrize(
    "step",
    [pytest.param(step, marks=[] if step[1] == "ask_guards" else pytest.mark.stress, id=step[1]) for step in INSIDE],
)
def test_a_no_inside_the_transaction_waits_and_is_heard_by_the_next_export(
    step: tuple[Any, str], tmp_path: Path
) -> None:
    with inside(tmp_path):
        shop = Shop(0, SUPPRESS, 120)
        shop.ingest()
        shop.build()
        shop.approve()
        shop.speak()
        assert_waits(shop, step)


def assert_waits(shop: Shop, step: tuple[Any, str]) -> None:
    """The no of `wafa suppress` comes after the commit, names the run, and counts for the files of every platform."""
    shop.export(*PLATFORMS[1:])
    with ThreadPoolExecutor(1) as pool, pytest.MonkeyPatch.context() as patch:
        waiting, is_there = [], Event()
        once(patch, Ledger, "suppress", is_there.set)

        def suppress() -> None:
            waiting.append(shop.in_another_thread(pool))
            assert is_there.wait(60)
            with pytest.raises(TimeoutError):
                waiting[0].result(0.5)

        once(patch, *step, suppress)
        shop.export(PLATFORMS[0])
        shop.assert_complete(with_all=True)
        lines = waiting[0].result(60)
    assert any(f"already exported in {LIST} of {AS_OF}: export that list again" in line for line in lines)
    shop.have_spoken = True
    shop.export(PLATFORMS[0])
    assert count(Counter(), "waiting", shop) == []
    shop.assert_complete()
    shop.assert_suppress_file()


def test_each_name_given_to_suppress_names_the_files_they_are_in(tmp_path: Path) -> None:
    with inside(tmp_path):
        shop = Shop(1, SUPPRESS, 150)
        shop.ingest()
        shop.build()
        shop.approve()
        shop.export(PLATFORMS[0])
        shop.speak()
        told = {text: "\n".join(shop.suppress(text)) for text in shop.pasted()}
        assert [text for text, lines in told.items() if "already exported" not in lines] == []
        strangers = {text for text, lines in told.items() if "nobody here has" in lines}
        assert strangers == {text for text in told if "stranger@" in text}


def test_nobody_who_was_erased_by_command_is_in_a_file(tmp_path: Path) -> None:
    """Those who were exported before leave the files at once, and stay out of what is made again."""
    with inside(tmp_path):
        shop = Shop(3, {"wafa erase": lambda *_: None}, 40)
        shop.ingest()
        shop.build()
        shop.approve()
        shop.export(*PLATFORMS)
        shop.assert_complete(with_all=True)
        names = [person.id if n % 2 else person.address.upper() for n, person in enumerate(shop.route_of)]
        erase.erase(shop.s, erase.whom(shop.s, names), keep_raw=True)
        shop.have_spoken = True
        assert count(Counter(), "erased", shop) == []
        shop.ingest()
        shop.build()
        shop.approve()
        shop.export(*PLATFORMS)
        assert count(Counter(), "erased", shop) == []


@pytest.mark.stress
def test_law_of_every_route(tmp_path: Path) -> None:
    """40 shops of 330 people, eight at each moment."""
    report: Report = Counter()
    spellings: set[tuple[str, ...]] = set()
    failures: list[str] = []
    for number in range(40):
        moment = list(MOMENTS)[number % len(MOMENTS)]
        shop = partial(Shop, 100 + number, ROUTES, 330)
        try:
            spellings |= assert_nobody_leaks(tmp_path / f"{number}", moment, shop, report)
        except AssertionError as error:  # the table of all routes says more than the first that fails
            failures.append(str(error))
    show(report, spellings)
    assert not failures, "\n".join(failures)
    pairs = {(plain(said[1]), plain(said[2])) for said in spellings if said[0] == "consent_events"}
    assert pairs == set(product(map(plain, STATUS_NOES), map(plain, ABOUT_LISTS)))
    assert total(report, "noes") >= 10_000
    assert total(report, "noes", BEFORE_THE_COMMIT) >= 2_000
