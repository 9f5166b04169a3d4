"""Each planted leak is caught by its law, and without it the law holds."""

import pytest

from .planted_leaks import LAWS, LEAKS, Law, Leak, nights, training_is_scoring

SLOW = (nights, training_is_scoring)
"""Laws that run stages; two of the leaks under them stay in the quick run."""


def _cases() -> list[object]:
    quick = [leak for leak in LEAKS if leak.law not in SLOW or leak.name == "two_time_zones"]
    return [pytest.param(leak, id=leak.name, marks=[] if leak in quick else pytest.mark.stress) for leak in LEAKS]


@pytest.mark.parametrize("leak", _cases())
def test_a_planted_leak_is_caught(leak: Leak) -> None:
    assert leak.caught(), f"{leak.plant.__doc__} Nothing in «{LAWS[leak.law]}» noticed."


@pytest.mark.stress
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_without_a_leak_the_law_holds(law: Law) -> None:
    assert list(law()) == []


def test_there_are_enough_leaks_and_each_has_its_own_name() -> None:
    assert len({leak.name for leak in LEAKS}) == len(LEAKS) >= 12
    assert {leak.law for leak in LEAKS} == set(LAWS)
