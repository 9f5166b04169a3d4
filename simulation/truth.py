"""What is true of each customer at a month start: whether they left, why, and the chances of no order."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from simulation.belief import IDLE, INTENT, LEFT
from simulation.calendar import Calendar
from simulation.hazards import NEVER, Seen, bond, heavy_mail_today
from simulation.life import Now, leaving_chance, wanting_chance
from simulation.people import People
from simulation.rates import CAUSES, RATES

Array = NDArray[Any]
HORIZONS = (30, 60, 90, 180)
"""Lengths in days of the windows the truth speaks of."""
EFFECT_HORIZON = 90
GIVEN_UP = 1.0 - 1e-7
DOMINATES = 0.6
"""A cause dominates where it makes up more than this share of the chance of leaving."""

_STILL_BOUGHT_AT_AGE = 6
"""Parcels of orders younger than this may still turn out late, tickets may still go wrong."""


def _foreseen(seen: Seen, day: int) -> tuple[Seen, Array]:
    """The state without what nobody can know yet, and the chance that trouble of the last order is to come.

    A parcel is known to be late once its promised day has passed; an open ticket is not known to go wrong.
    """
    known = Seen(**{name: column.copy() for name, column in vars(seen).items()})
    fresh = seen.age < _STILL_BOUGHT_AT_AGE
    known.delivery_from[(seen.delivery_from > day) & fresh] = NEVER
    known.service_from[seen.service_from > day] = NEVER
    ticket = RATES.bad_ticket_per_order * np.clip(1.0 - seen.age / 18.0, 0.0, 1.0)
    to_come = np.where(fresh, RATES.late_per_order, 0.0) + ticket
    return known, np.where(seen.orders > 0, to_come, 0.0)


def _averaged_trouble(people: People, to_come: Array, ahead: int, age: Array) -> Array:
    """Chance of leaving today for trouble of the last order that has not shown yet, averaged."""
    ages = age + ahead
    at_work = (ages >= 11) & (ages < 11 + RATES.excess_days)
    strength = people.leaving * RATES.service_excess
    # Whoever suffers leaves within the window with this chance; spread evenly over it.
    leaves = 1.0 - np.exp(-strength * RATES.excess_days)
    return np.asarray(to_come * leaves / RATES.excess_days * at_work)


def no_order_chances(
    people: People, seen: Seen, day: int, calendar: Calendar, gap_days: int, horizons: tuple[int, ...]
) -> Array:
    """P(no order in the ``h`` days that begin ``gap_days`` after the beginning of ``day``).

    Shape (horizon, start, customer); start 0 for customers idle on that morning, 1 with intent to buy.
    Exact but for these averages: trouble of an order too young to have shown it, spells of heavy mail that
    begin later (left out), clicks and unsubscriptions to come (clicks tempt, but end no spell), and orders in
    the gap, after which the personal rhythm begins anew in the middle of the gap.
    """
    count = len(people)
    known, to_come = _foreseen(seen, day)
    idle = np.vstack([np.ones(count), np.zeros(count)])
    intent = 1.0 - idle
    gone = np.zeros((2, count))
    again_idle, again_intent = np.zeros((2, count)), np.zeros((2, count))
    age = seen.age
    fresh = Seen.of(people)
    fresh.orders = seen.orders + 1
    fresh.contacted = seen.contacted
    chances = np.empty((len(horizons), 2, count))
    for ahead in range(gap_days + max(horizons)):
        today = day + ahead
        season = float(calendar.season[today])
        known.age = age + ahead
        leaving = _leaving(people, known, today, ahead) + _averaged_trouble(people, to_come, ahead, age)
        wanting = wanting_chance(people, known, today, season)
        mailed = seen.subscribed & (calendar.newsletter[today] | heavy_mail_today(known, today))
        click = people.click * (1.0 if calendar.newsletter[today] else RATES.heavy_click_factor)
        tempting = np.where(mailed, click * RATES.click_to_intent, 0.0)
        idle, intent, lost, bought = _pass(idle, intent, leaving, wanting, tempting)
        gone += lost
        if gap_days == 0:
            _note(chances, ahead, horizons, idle + intent + gone)
            continue
        fresh.age = np.full(count, max(ahead - gap_days // 2, 0))
        leaving = people.leaving * bond(fresh)
        wanting = wanting_chance(people, fresh, today, season)
        again_idle, again_intent, lost, again = _pass(again_idle, again_intent, leaving, wanting, tempting)
        gone += lost
        if ahead < gap_days:
            again_idle += bought + again
        _note(chances, ahead - gap_days, horizons, idle + intent + gone + again_idle + again_intent)
    return chances


def _note(chances: Array, ahead: int, horizons: tuple[int, ...], mass: Array) -> None:
    if ahead + 1 in horizons:
        chances[horizons.index(ahead + 1)] = mass


def _leaving(people: People, seen: Seen, day: int, ahead: int) -> Array:
    """Chance of leaving; far enough ahead, no cause that is at work today still is."""
    if ahead < max(RATES.excess_days + 15, RATES.email_until_day, RATES.discount_days, RATES.campaign_days):
        return leaving_chance(people, seen, day)[0]
    return np.asarray(people.leaving * bond(seen))


def _pass(
    idle: Array, intent: Array, leaving: Array, wanting: Array, tempting: Array
) -> tuple[Array, Array, Array, Array]:
    """One day's masses: idle, with intent, newly left, bought."""
    stays = 1.0 - leaving
    lost = (idle + intent) * leaving
    becomes, ends = idle * stays * wanting, intent * stays * RATES.gives_up_intent
    idle, intent = idle * stays - becomes + ends, intent * stays + becomes - ends
    bought = intent * RATES.buys_when_intent
    tempted = idle * tempting
    return idle - tempted, intent - bought + tempted, lost, bought


def truth_at(now: Now, calendar: Calendar, gap_days: int) -> dict[str, Array]:
    """The truth at the beginning of ``now.day`` of everyone who has ordered; ``customer`` is a position."""
    chosen = np.flatnonzero(now.seen.orders > 0)
    people, seen, belief = now.people.only(chosen), now.seen.only(chosen), now.belief.only(chosen)
    state, left_because = now.state[chosen], now.left_because[:, chosen]
    left = state == LEFT
    # Nothing is left to compute for those who left long ago and whom the observer has given up.
    open_cases = np.flatnonzero(~(left & (belief.left > GIVEN_UP)))
    chances = np.ones((len(HORIZONS), 2, len(chosen)))
    chances[:, :, open_cases] = no_order_chances(
        people.only(open_cases), seen.only(open_cases), now.day, calendar, gap_days, HORIZONS
    )
    columns: dict[str, Array] = {
        "customer": chosen,
        "cutoff": np.full(len(chosen), calendar.midnight[now.day]),
        "left": left,
    }
    for horizon, (if_idle, if_intent) in zip(HORIZONS, chances, strict=True):
        columns[f"oracle_{horizon}"] = np.where(left, 1.0, np.where(state == INTENT, if_intent, if_idle))
    for horizon, (if_idle, if_intent) in zip(HORIZONS, chances, strict=True):
        columns[f"observer_{horizon}"] = belief.left + belief.idle * if_idle + belief.intent * if_intent
    alive = np.flatnonzero(~left)
    columns["effect"] = np.zeros(len(chosen))
    columns["effect"][alive] = _effect(people.only(alive), seen.only(alive), now.day, calendar, state[alive])
    at_work = leaving_chance(people, seen, now.day)[1]
    share = np.where(left, left_because, at_work)
    columns["driver"] = np.where(share.max(axis=0) > DOMINATES, share.argmax(axis=0), -1)
    return columns


def _effect(people: People, seen: Seen, day: int, calendar: Calendar, state: Array) -> Array:
    """By how much a contact on this day lowers P(no order in the 90 days from then on): below zero it harms.

    No gap here: a contact hurries many orders into the first days, and those count.
    """
    alone, written = seen.only(np.arange(len(people))), seen.only(np.arange(len(people)))
    written.contacted = np.full(len(people), day)
    alone.contacted = np.full(len(people), NEVER)
    without, with_contact = (
        no_order_chances(people, case, day, calendar, 0, (EFFECT_HORIZON,))[0] for case in (alone, written)
    )
    gain = without - with_contact
    return np.asarray(np.where(state == IDLE, gain[0], gain[1]))


def truth_table(months: list[dict[str, Array]], names: pa.Array, calendar: Calendar, left_day: Array) -> pa.Table:
    """One row per customer and month start at which they had ordered before; by customer, then cutoff."""
    columns = {name: np.concatenate([month[name] for month in months]) for name in months[0]}
    order = np.lexsort((columns["cutoff"], columns["customer"]))
    columns = {name: column[order] for name, column in columns.items()}
    customer, driver = columns.pop("customer"), columns.pop("driver")
    ever = left_day[customer] != NEVER
    left_at = calendar.midnight[np.where(ever, left_day[customer], 0)]
    labels = pa.array(CAUSES)
    return pa.table(
        {
            "customer_id": names.take(pa.array(customer)),
            **{name: pa.array(column) for name, column in columns.items()},
            "driver": labels.take(pa.array(driver, mask=driver < 0)),
            "left_at": pa.array(left_at, mask=~ever),
        }
    )
