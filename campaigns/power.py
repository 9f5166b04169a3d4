"""What a campaign's holdout can show, said before anything is sent."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

from campaigns.errors import ListError

ALPHA = 0.05
"""How often an effect may be seen where there is none, both directions together."""

POWER = 0.8
"""How often an effect that is there should be seen."""

UNKNOWN_BASE = 0.5
"""Stands for a share that nobody knows."""

_HALVINGS = 60


def _spread(base: float, effect: float, holdout_share: float) -> tuple[float, float]:
    """Deviation of the difference of two shares for one person in all: were there no effect, and with it."""
    treated, ordering = 1 - holdout_share, base + effect
    together = treated * ordering + holdout_share * base
    none = together * (1 - together) * (1 / treated + 1 / holdout_share)
    some = ordering * (1 - ordering) / treated + base * (1 - base) / holdout_share
    # Shares of 0 and 1 may come out a rounding below zero.
    return math.sqrt(max(none, 0)), math.sqrt(max(some, 0))


def _needed(base: float, effect: float, holdout_share: float, alpha: float, power: float) -> float:
    none, some = _spread(base, effect, holdout_share)
    quantile = NormalDist().inv_cdf
    return ((quantile(1 - alpha / 2) * none + quantile(power) * some) / effect) ** 2


def people_needed(
    base: float, effect: float, holdout_share: float, *, alpha: float = ALPHA, power: float = POWER
) -> int:
    """People, written to and held out together, so that ``effect`` is seen with the chance ``power``.

    Two-sided comparison of two shares with groups of unequal size, by the normal approximation without
    correction for continuity (Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions, 3rd ed.
    2003, chapter 4). ``base`` is the share of those left alone who order, ``effect`` what writing adds to it.
    """
    return math.ceil(_needed(base, effect, holdout_share, alpha, power))


def detectable_effect(
    treated: int, held_out: int, base: float, *, alpha: float = ALPHA, power: float = POWER
) -> float | None:
    """Least addition to the share ordering that is seen with the chance ``power``; None where no addition would be.

    The inverse of :func:`people_needed`.
    """
    people = treated + held_out
    if min(treated, held_out) == 0 or base >= 1:
        return None
    share, least, most = held_out / people, 0.0, 1 - base
    if _needed(base, most, share, alpha, power) > people:
        return None
    for _ in range(_HALVINGS):
        middle = (least + most) / 2
        enough = middle > 0 and _needed(base, middle, share, alpha, power) <= people
        least, most = (least, middle) if enough else (middle, most)
    return most


def chance_to_see(treated: int, held_out: int, base: float, effect: float, *, alpha: float = ALPHA) -> float:
    """The chance that ``effect`` is seen, as an addition to ``base``; 0 where nobody is written to or held out."""
    if min(treated, held_out) == 0:
        return 0.0
    none, some = _spread(base, effect, held_out / (treated + held_out))
    beyond = effect * math.sqrt(treated + held_out) - NormalDist().inv_cdf(1 - alpha / 2) * none
    if some == 0:
        return float(beyond > 0)
    return NormalDist().cdf(beyond / some)


def _times(power: float) -> str:
    return "4 times out of 5" if power == 0.8 else f"{power:.0%} of the time"


def _points(effect: float) -> str:
    return f"{effect * 100:.1f} points"


def _sentence(found: dict[str, Any], save_rate: float | None) -> str:
    treated, held_out = found["treated"], found["held_out"]
    if min(treated, held_out) == 0:
        nobody = "held out" if treated else "written to"
        return f"Nobody is {nobody}, so what writing changes cannot be measured."
    setting = f"With {treated:,} written to and {held_out:,} held out"
    anyway = f"{found['base']:.1%} are expected to order without a message"
    if not found["base_is_known"]:
        anyway = f"nobody knows how many order without a message; {found['base']:.0%} asks for about the most people"
    least = found["detectable_effect"]
    if least is None:
        said = f"{setting} no effect would be seen {_times(found['power'])} ({anyway})."
    else:
        # Upwards, because a smaller effect than is said would be missed more often.
        told = _points(math.ceil(least * 1000) / 1000)
        said = f"{setting} only an effect of {told} or more would be seen {_times(found['power'])} ({anyway})."
    if save_rate is None or not found["assumed_effect"]:
        return said
    return (
        f"{said} The save rate of {save_rate:.1%} that these people are listed with is an effect of "
        f"{_points(found['assumed_effect'])}, "
        f"which would be seen {found['chance_to_see']:.0%} of the time; {_times(found['power'])} needs "
        f"{found['people_needed']:,} people at the same share held out."
    )


def statement(
    treated: int,
    held_out: int,
    base: float | None,
    *,
    save_rate: float | None = None,
    alpha: float = ALPHA,
    power: float = POWER,
) -> dict[str, Any]:
    """What a campaign can show with so many people, as plain values for its manifest and one text in words.

    Effects are additions to the share ordering within the horizon (0.02: two points). ``detectable_effect``,
    and with a save rate ``assumed_effect``, ``chance_to_see`` and ``people_needed``, are None where there are none.

    Args:
        treated: People written to.
        held_out: People held out, by the list and by the global holdout.
        base: Share expected to order without a message: 1 - mean churn probability, or a measured one. None where
            nobody knows: one half is taken then, which asks for about the most people.
        save_rate: Share of those who would leave that writing keeps, as the list assumes.
        alpha: How often an effect may be seen where there is none.
        power: How often an effect that is there should be seen.

    Raises:
        ListError: ``base`` or ``save_rate`` is no share.
    """
    is_known, base = base is not None, UNKNOWN_BASE if base is None else base
    for name, share in (("the share expected to order", base), ("the save rate", save_rate or 0.0)):
        if not 0 <= share <= 1:
            raise ListError(f"{name} must lie between 0 and 1, got {share}.")
    effect = None if save_rate is None else save_rate * (1 - base)
    is_testable = bool(effect) and min(treated, held_out) > 0
    least = detectable_effect(treated, held_out, base, alpha=alpha, power=power)
    found: dict[str, Any] = {
        "treated": treated,
        "held_out": held_out,
        "base": round(base, 6),
        "base_is_known": is_known,
        "alpha": alpha,
        "power": power,
        "detectable_effect": None if least is None else round(least, 6),
        "assumed_effect": None if effect is None else round(effect, 6),
        "chance_to_see": None,
        "people_needed": None,
    }
    if is_testable and effect is not None:
        share = held_out / (treated + held_out)
        found["chance_to_see"] = round(chance_to_see(treated, held_out, base, effect, alpha=alpha), 6)
        found["people_needed"] = people_needed(base, effect, share, alpha=alpha, power=power)
    return {**found, "sentence": _sentence(found, save_rate)}
