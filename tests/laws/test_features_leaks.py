"""Laws against leaks: what happens or arrives at the cutoff or later changes no feature; and their teeth."""

from collections.abc import Callable
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest

from features import CATALOGUE, columns, eligible_at
from features.settings import FeatureSettings
from timeline import Window

from .test_features import base, changed
from .worlds import CUTOFFS, DAY, SETTINGS, World, matrix_of, world

WORLDS = 2
STRESS_WORLDS = 50
STRESS_FIRST_SEED = 2_000

ONE_WINDOW = FeatureSettings(windows_days=(90,), history_days=730)

FUTURE = (0, 0, 1, DAY, 45 * DAY, 400 * DAY)
"""When poison happens, after the cutoff."""

PAST = (1, 1, 30 * DAY + 1, *(days * DAY for days in (1, 14, 15, 30, 45, 80, 90, 182, 300, 365, 700, 729)))
"""How long before the cutoff what arrives late has happened."""

LATE = (0, 0, 0, 1, 3 * DAY, 500 * DAY)
"""How long after the cutoff it arrives."""

EXAGGERATED = ("revenue", "discount", "total", "quantity", "price", "points", "delay_hours")


def _poison(shop: World, happened: Callable[[int], Any], arrived: Callable[[Any], Any]) -> World:
    """Each event again, with absurd numbers: once for its customer, once for somebody else.

    Order ids, sessions and products stay, so that the poison could slip into what is there already.
    """
    rng = np.random.default_rng(5)
    logs = {}
    for name, frame in shop.logs.items():
        again = frame.copy()
        others = frame.assign(customer_id=pd.array(rng.choice(np.array(shop.customers), len(frame)), dtype="str"))
        added = pd.concat([again, others], ignore_index=True)
        times = happened(len(added))
        added["occurred_at"], added["loaded_at"] = times, arrived(times)
        added["event_id"] = [f"{name}-poison-{number}" for number in range(len(added))]
        for column in EXAGGERATED:
            if column in added:
                added[column] = added[column] * 997 + 7
        logs[name] = pd.concat([frame, added], ignore_index=True)
    return shop.with_logs(logs)


def with_the_future(shop: World, cutoff: int) -> World:
    """``shop`` with events that happen at ``cutoff`` or later; some claim to have been known before."""
    rng = np.random.default_rng(11)

    def arrived(times: Any) -> Any:
        choice = rng.integers(0, 3, len(times))
        return np.select([choice == 0, choice == 1], [np.full(len(times), cutoff - 1), times], cutoff)

    return _poison(shop, lambda n: cutoff + rng.choice(FUTURE, n), arrived)


def with_late_arrivals(shop: World, cutoff: int) -> World:
    """``shop`` with events that happened before ``cutoff`` and arrive at it or later."""
    rng = np.random.default_rng(12)
    return _poison(
        shop,
        lambda n: cutoff - rng.choice(PAST, n),
        lambda times: cutoff + rng.choice(LATE, len(times)),
    )


Poison = Callable[[World, int], World]


def leak_law(
    poison: Poison,
    shop: World,
    cutoff: int,
    settings: FeatureSettings = SETTINGS,
    clean: pd.DataFrame | None = None,
) -> list[str]:
    """The features that ``poison`` changes at ``cutoff``; none if they do not leak."""
    clean = matrix_of(shop, cutoff, settings) if clean is None else clean
    poisoned = poison(shop, cutoff)
    assert all(len(poisoned.logs[name]) > len(frame) for name, frame in shop.logs.items())
    names = changed(clean, matrix_of(poisoned, cutoff, settings))
    feature_of = {column.name: column.feature.name for column in columns(settings.windows_days, list(shop.logs))}
    return sorted({feature_of[name] for name in names})


POISONS = pytest.mark.parametrize("poison", [with_the_future, with_late_arrivals])


@POISONS
@pytest.mark.parametrize("seed", range(WORLDS))
def test_poison_changes_nothing(seed: int, poison: Poison) -> None:
    cutoff = CUTOFFS[seed % len(CUTOFFS)]
    assert leak_law(poison, world(seed), cutoff, clean=base(seed, cutoff)) == []


@pytest.mark.stress
@POISONS
@pytest.mark.parametrize("seed", range(STRESS_FIRST_SEED, STRESS_FIRST_SEED + STRESS_WORLDS))
def test_poison_changes_nothing_in_many_worlds(seed: int, poison: Poison) -> None:
    assert leak_law(poison, world.__wrapped__(seed, 20 + seed % 50), CUTOFFS[seed % len(CUTOFFS)]) == []


def eligibility_law(poison: Poison, cutoff: int) -> set[str]:
    """The customers whom ``poison`` makes or stops being eligible at ``cutoff``."""
    shop = world(0)
    before, after = (
        set(eligible_at(ibis.memtable(w.logs["orders"]), cutoff, 30).execute()["customer_id"])
        for w in (shop, poison(shop, cutoff))
    )
    assert 0 < len(before) < len(shop.customers)
    return before ^ after


@POISONS
@pytest.mark.parametrize("cutoff", CUTOFFS)
def test_poison_changes_nobodys_eligibility(cutoff: int, poison: Poison) -> None:
    assert eligibility_law(poison, cutoff) == set()


# The laws have teeth --------------------------------------------------------------------------------------


def _inclusive(events: Any, cutoff: int) -> Any:
    return (events["occurred_at"] <= cutoff) & (events["loaded_at"] <= cutoff)


def test_law_catches_inclusive_cutoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timeline.windows.known_before", _inclusive)
    caught = leak_law(with_late_arrivals, world(0), CUTOFFS[0], ONE_WINDOW)
    assert set(caught) == set(CATALOGUE)

    # The window still ends before the cutoff; only when it gives way too, events at the cutoff come in.
    monkeypatch.setattr(Window, "contains", lambda self, times: (times >= self.start) & (times <= self.end))
    caught = leak_law(with_the_future, world(0), CUTOFFS[0], ONE_WINDOW)
    # What happens at the cutoff cannot change what was ordered in one season of last year.
    blind = {"orders_same_season_last_year", "spend_same_season_last_year"}
    assert set(caught) == set(CATALOGUE) - blind


def test_law_catches_dropped_loaded_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timeline.windows.known_before", lambda events, cutoff: events["occurred_at"] < cutoff)
    caught = leak_law(with_late_arrivals, world(0), CUTOFFS[0], ONE_WINDOW)
    assert set(caught) == set(CATALOGUE)
