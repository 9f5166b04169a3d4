"""Laws of the instants: the cutoff, the edges of windows, clocks that change, and days that are left in."""

from collections.abc import Sequence
from functools import cache

import pandas as pd
import pytest

from features import CATALOGUE, Column, columns
from timeline import parse_date

from .oracles import disagreements
from .test_features import changed, oracle_law
from .worlds import CUTOFFS, DAY, KINDS, SETTINGS, World, matrix_of, world

T = CUTOFFS[0]
TEMPLATES = 12
"""Customers of a world whose events are put at the instant under test: those who did most."""

NAMES = ("order_id", "session_id", "ticket_id", "cart_id", "email_id", "campaign_id")
"""What hangs events together; events at two instants under test share none of it."""

RECENT = 20 * DAY
"""How old what the customers with a past have done is: inside of every window."""

UNMOVED_AT_MOST = 0.15
UNMOVED_BY_HISTORY_AT_MOST = 0.4
"""Share of the features that may not notice an event at their own edge; what is two years old matters to fewer."""


def most_active(shop: World) -> list[str]:
    """The customers known to most logs, and of those the ones with most events."""
    events = pd.concat([frame[["customer_id"]].assign(log=name) for name, frame in shop.logs.items()])
    by_customer = events.dropna().groupby("customer_id")["log"].agg(["nunique", "size"])
    ranked = by_customer.sort_values(["nunique", "size"]).index[-TEMPLATES:]
    return [name for name in shop.customers if name in set(ranked)]


def _at(frame: pd.DataFrame, instant: int, arrived: int, suffix: str) -> pd.DataFrame:
    named = {name: frame[name] + suffix for name in ("customer_id", "event_id", *NAMES) if name in frame}
    return frame.assign(occurred_at=instant, loaded_at=arrived, **named)


@cache
def at_instants(instants: tuple[tuple[int, int], ...]) -> tuple[World, pd.DataFrame]:
    """A world and its matrix: every template once for each (happened, arrived), with and without a recent past.

    The customers' names end in -<place of the instant>, or in -none, and in p for those with a past.
    """
    shop = world(0)
    who = most_active(shop)
    logs = {}
    for log, frame in shop.logs.items():
        rows = frame[frame["customer_id"].isin(who)]
        parts = []
        for place, (happened, arrived) in enumerate(instants):
            parts += [_at(rows, happened, arrived, f"-{place}{past}") for past in ("", "p")]
        for place in [*range(len(instants)), "none"]:
            for days in (0, 1, 4):
                when = T - RECENT + days * DAY
                older = _at(rows, when, when, f"-{place}p")
                past = {name: older[name] + f"-past{days}" for name in ("event_id", *NAMES) if name in older}
                parts.append(older.assign(**past))
        logs[log] = pd.concat(parts, ignore_index=True)
    places = [*map(str, range(len(instants))), "none"]
    customers = [f"{name}-{place}{past}" for name in who for place in places for past in ("", "p")]
    together = World(logs, tuple(customers))
    return together, matrix_of(together, T)


def moved(matrix: pd.DataFrame, place: int | str, against: int | str = "none") -> set[str]:
    """Columns in which somebody with events at one instant differs from the same customer without them."""
    name = matrix["customer_id"].str
    pick = [
        matrix[name.endswith(f"-{where}") | name.endswith(f"-{where}p")]
        .assign(customer_id=lambda rows, where=where: rows["customer_id"].str.replace(f"-{where}", ""))
        .sort_values("customer_id", ignore_index=True)
        for where in (place, against)
    ]
    assert len(pick[0]) == 2 * TEMPLATES
    return set(changed(*pick))


def unmoved(wanted: Sequence[Column], found: set[str], at_most: float = UNMOVED_AT_MOST) -> list[str]:
    """The features of ``wanted`` of which no column is in ``found``, where these are more than a few."""
    left = {column.feature.name for column in wanted} - {c.feature.name for c in wanted if c.name in found}
    return sorted(left) if len(left) > at_most * len({column.feature.name for column in wanted}) else []


WANTED = columns(SETTINGS.windows_days, list(KINDS))

AT_THE_CUTOFF = (
    # happened, arrived, seen
    (T - 1, T - 1, True),
    (T - 1, T, False),
    (T - 1, T + 1, False),
    (T, T - 1, False),
    (T, T, False),
    (T, T + 1, False),
    (T + 1, T - 1, False),
    (T + 1, T + 1, False),
)


def test_the_last_microsecond_before_the_cutoff_is_seen_and_the_next_is_not() -> None:
    shop, matrix = at_instants(tuple((happened, arrived) for happened, arrived, _ in AT_THE_CUTOFF))
    for place, (happened, arrived, is_seen) in enumerate(AT_THE_CUTOFF):
        found = moved(matrix, place)
        if is_seen:
            assert unmoved(WANTED, found) == []
        else:
            assert found == set(), (happened - T, arrived - T)
    assert disagreements(matrix, shop.logs, T, WANTED, SETTINGS.history_days).broken == {}


@pytest.mark.parametrize("days", [*SETTINGS.windows_days, SETTINGS.history_days])
def test_the_first_instant_of_a_window_belongs_to_it_and_the_microsecond_before_does_not(days: int) -> None:
    edge = T - days * DAY
    shop, matrix = at_instants(tuple((edge + beside, edge + beside) for beside in (-1, 0, 1)))
    mine = [column for column in WANTED if (column.days or SETTINGS.history_days) == days]
    names = {column.name for column in mine}
    assert names
    assert moved(matrix, 0) & names == set()
    for place in (1, 2):
        at_most = UNMOVED_BY_HISTORY_AT_MOST if days == SETTINGS.history_days else UNMOVED_AT_MOST
        assert unmoved(mine, moved(matrix, place), at_most) == []
    assert disagreements(matrix, shop.logs, T, WANTED, SETTINGS.history_days).broken == {}


# Clocks and calendars -------------------------------------------------------------------------------------

LOCAL_DAYS = (
    # Europe/London: clocks went forward on 2024-03-31 and back on 2024-10-27.
    ("2024-04-01", "2024-11-01"),
    ("2024-03-31", "2024-10-27"),
    # A window over the leap day, one that ends with it, and a year that holds it.
    ("2024-02-29", "2024-03-01"),
    ("2024-03-02", "2025-03-01"),
)


@pytest.mark.parametrize("days", LOCAL_DAYS)
def test_windows_are_n_times_24_hours_whatever_clocks_and_calendars_do(days: tuple[str, str]) -> None:
    cutoffs = tuple(parse_date(day, "Europe/London") for day in days)
    shop = world(3, 40, cutoffs)
    for cutoff in cutoffs:
        assert oracle_law(shop, cutoff) == {}


def shifted(shop: World, by: int) -> World:
    """``shop`` with all it ever did ``by`` microseconds later."""
    times = ("occurred_at", "loaded_at", "promised_at")
    return shop.with_logs(
        {
            name: frame.assign(**{time: frame[time] + by for time in times if time in frame})
            for name, frame in shop.logs.items()
        }
    )


OF_THE_CALENDAR: set[str] = {name for name, feature in CATALOGUE.items() if feature.family == "calendar"}
"""Features that may depend on the date itself."""


def test_the_date_itself_does_not_matter() -> None:
    """The same lives at another time, over a change of clocks and a leap day, give the same bytes."""
    april, november, leap = (parse_date(day, "Europe/London") for day in ("2023-04-01", "2023-11-01", "2024-03-01"))
    shop = world(4, 40, (april,))
    first = matrix_of(shop, april)
    of_the_date = {column.name for column in WANTED if column.feature.name in OF_THE_CALENDAR}
    for cutoff in (november, leap):
        later = matrix_of(shifted(shop, cutoff - april), cutoff)
        assert set(changed(first, later)) <= of_the_date
