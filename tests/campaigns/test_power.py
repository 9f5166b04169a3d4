"""What a holdout can show: against published figures, against itself, and against simulated campaigns."""

from __future__ import annotations

import math

import numpy as np
import pytest

from campaigns.errors import ListError
from campaigns.power import chance_to_see, detectable_effect, people_needed, statement


def seen(treated: int, held_out: int, base: float, effect: float, runs: int = 100_000) -> float:
    """How often the usual two-sided z-test of two shares sees the effect in simulated campaigns."""
    generator = np.random.default_rng(7)
    ordered = generator.binomial(treated, base + effect, runs)
    anyway = generator.binomial(held_out, base, runs)
    together = (ordered + anyway) / (treated + held_out)
    error = np.sqrt(together * (1 - together) * (1 / treated + 1 / held_out))
    difference = ordered / treated - anyway / held_out
    return float(np.mean(np.abs(difference) > 1.959964 * error))


@pytest.mark.parametrize("base", [0.02, 0.1, 0.3, 0.5, 0.8])
@pytest.mark.parametrize(("treated", "held_out"), [(450, 50), (1800, 200), (9000, 1000), (250, 250)])
def test_detectable_effect_is_seen_four_times_out_of_five(treated: int, held_out: int, base: float) -> None:
    least = detectable_effect(treated, held_out, base)
    assert least is not None
    assert 0.79 <= seen(treated, held_out, base, least) <= 0.84
    assert seen(treated, held_out, base, least * 0.8) < 0.72


@pytest.mark.parametrize("effect", [0.02, 0.05, 0.1])
def test_chance_to_see_is_that_of_simulated_campaigns(effect: float) -> None:
    assert chance_to_see(1800, 200, 0.4, effect) == pytest.approx(seen(1800, 200, 0.4, effect), abs=0.02)


def test_people_needed_as_in_the_books() -> None:
    # n = (1.960 * sqrt(2 * 0.5 * 0.5) + 0.8416 * sqrt(0.6 * 0.4 + 0.4 * 0.6))^2 / 0.2^2 = 96.9 in each group.
    assert people_needed(0.4, 0.2, 0.5) == math.ceil(2 * 96.92)
    assert people_needed(0.4, 0.02, 0.1) > people_needed(0.4, 0.02, 0.5) > people_needed(0.4, 0.04, 0.5)
    assert people_needed(0.4, 0.2, 0.5, power=0.9) > people_needed(0.4, 0.2, 0.5, alpha=0.1)


@pytest.mark.parametrize(("treated", "held_out", "base"), [(450, 50, 0.3), (9_000, 1_000, 0.05), (40, 60, 0.6)])
def test_needed_and_detectable_are_each_others_inverse(treated: int, held_out: int, base: float) -> None:
    least = detectable_effect(treated, held_out, base)
    assert least is not None
    share = held_out / (treated + held_out)
    assert people_needed(base, least + 1e-9, share) == treated + held_out
    assert people_needed(base, least * 0.99, share) > treated + held_out
    assert chance_to_see(treated, held_out, base, least) == pytest.approx(0.8)


def test_statement_says_what_would_be_seen_and_what_is_needed() -> None:
    found = statement(450, 50, 0.3, save_rate=0.1)
    assert found["detectable_effect"] == pytest.approx(0.204, abs=0.0005)
    assert found["assumed_effect"] == 0.07
    assert found["people_needed"] == people_needed(0.3, 0.07, 0.1)
    assert found["sentence"] == (
        "With 450 written to and 50 held out only an effect of 20.5 points or more would be seen 4 times out of 5 "
        "(30.0% are expected to order without a message). The save rate of 10.0% that these people are "
        "listed with is an effect of "
        f"7.0 points, which would be seen {found['chance_to_see']:.0%} of the time; 4 times out of 5 needs "
        f"{found['people_needed']:,} people at the same share held out."
    )
    assert statement(450, 50, 0.3)["sentence"].endswith("without a message).")
    assert "90% of the time" in statement(450, 50, 0.3, power=0.9)["sentence"]


@pytest.mark.parametrize(
    ("treated", "held_out", "base", "words"),
    [
        (450, 0, 0.3, "Nobody is held out"),
        (0, 50, 0.3, "Nobody is written to"),
        (0, 0, 0.3, "Nobody is written to"),
        (2, 1, 0.3, "no effect would be seen"),
        (450, 50, 1.0, "no effect would be seen"),
    ],
)
def test_statement_where_nothing_can_be_shown(treated: int, held_out: int, base: float, words: str) -> None:
    found = statement(treated, held_out, base, save_rate=0.1)
    assert words in found["sentence"]
    assert found["detectable_effect"] is None


def test_unknown_base_is_taken_for_one_half_and_said() -> None:
    unknown, half = statement(450, 50, None), statement(450, 50, 0.5)
    assert unknown["detectable_effect"] == half["detectable_effect"]
    assert (unknown["base_is_known"], half["base_is_known"]) == (False, True)
    assert "nobody knows" in unknown["sentence"]
    assert "nobody knows" not in half["sentence"]


def test_everything_is_possible_at_the_ends() -> None:
    assert statement(450, 50, 0.0, save_rate=1.0)["chance_to_see"] == 1
    assert statement(450, 50, 0.0, save_rate=0.0)["people_needed"] is None
    assert statement(450, 50, 1.0, save_rate=0.5)["assumed_effect"] == 0


@pytest.mark.parametrize(("base", "save_rate"), [(1.2, None), (-0.1, 0.1), (0.5, 1.5), (math.nan, None)])
def test_shares_that_are_none_are_refused(base: float, save_rate: float | None) -> None:
    with pytest.raises(ListError, match="between 0 and 1"):
        statement(450, 50, base, save_rate=save_rate)
