"""The chances that rule a customer's day; the simulation and the truth use the same functions."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulation.people import People
from simulation.rates import CAUSES, RATES

Array = NDArray[Any]
NEVER = -100_000
"""A day so early that no window reaches back to it."""


@dataclass
class Seen:
    """What the logs show of each customer at the beginning of a day; one entry each, days as day numbers."""

    age: Array
    """Days since the latest order, or since joining where there was none."""
    orders: Array
    discount_run: Array
    """Discounted orders in a row, counted back from the latest."""
    service_from: Array
    """Day after the close of the latest badly handled ticket; may lie ahead while the ticket is open."""
    delivery_from: Array
    """Day after the latest delivery that was days late; may lie ahead while the parcel is under way."""
    heavy_from: Array
    """First day of the latest spell of heavy mailing."""
    heavy_clicked: Array
    """Whether a mail was clicked since that day."""
    subscribed: Array
    contacted: Array
    """Day of the latest re-engagement contact."""

    @classmethod
    def of(cls, people: People) -> "Seen":
        """Customers of whom nothing was seen yet."""
        count = len(people)

        def never() -> Array:
            return np.full(count, NEVER, dtype=np.int64)

        def zeros() -> Array:
            return np.zeros(count, dtype=np.int64)

        return cls(
            age=zeros(), orders=zeros(), discount_run=zeros(), service_from=never(), delivery_from=never(),
            heavy_from=never(), heavy_clicked=np.zeros(count, dtype=bool),
            subscribed=people.subscribed.copy(), contacted=never(),
        )  # fmt: skip

    def first(self, count: int) -> "Seen":
        """Views on the first ``count`` customers."""
        return Seen(**{name: column[:count] for name, column in vars(self).items()})

    def only(self, chosen: Array) -> "Seen":
        """Copies of the customers at positions ``chosen``."""
        return Seen(**{name: column[chosen] for name, column in vars(self).items()})


def intent_chance(people: People, age: Array, season: float) -> Array:
    """Chance of getting the intent to buy today: rises with the phase of the personal rhythm."""
    phase = np.clip(age / people.interval, 0.02, RATES.phase_cap)
    return np.asarray(np.minimum(people.scale * phase ** (people.shape - 1.0) * season, 0.5))


def under_contact(seen: Seen, day: int) -> Array:
    """Whether a re-engagement contact still works today."""
    since = day - seen.contacted
    return np.asarray((since >= 0) & (since < RATES.campaign_days))


def excess(seen: Seen, day: int) -> Array:
    """What each cause adds to a leaving chance of 1; one row per cause, one column per customer."""
    service = day - seen.service_from
    delivery = day - seen.delivery_from
    heavy = day - seen.heavy_from
    result = np.empty((len(CAUSES), len(seen.age)))
    result[0] = RATES.service_excess * ((service >= 0) & (service < RATES.excess_days))
    result[1] = RATES.delivery_excess * ((delivery >= 0) & (delivery < RATES.excess_days))
    mailed_too_much = (heavy >= RATES.email_from_day) & (heavy < RATES.email_until_day) & ~seen.heavy_clicked
    result[2] = RATES.email_excess * mailed_too_much
    result[3] = RATES.discount_excess * ((seen.discount_run >= 2) & (seen.age < RATES.discount_days))
    return result


def bond(seen: Seen) -> Array:
    """Factor on the base chance of leaving: high after a first order, lower with every further one."""
    usual = np.array(RATES.bond)[np.minimum(seen.orders, len(RATES.bond) - 1)]
    return np.where((seen.orders == 1) & (seen.age < RATES.new_days), RATES.new_factor, usual)


def heavy_mail_today(seen: Seen, day: int) -> Array:
    """Whether the spell of heavy mailing sends today."""
    since = day - seen.heavy_from
    return np.asarray((since >= 0) & (since < RATES.heavy_length) & (since % RATES.heavy_every == 1))
