"""What the best observer believes: the chance of each hidden state, given all the logs showed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulation.people import People
from simulation.rates import RATES

Array = NDArray[Any]
IDLE, INTENT, LEFT = 0, 1, 2
"""The hidden states of a customer: faithful but not shopping, about to buy, gone for good."""


@dataclass(frozen=True)
class Day:
    """What one day showed of each customer."""

    visited: Array
    """Seen by name on the site, by a visit of their own (not one that followed a click or made an order)."""
    carted: Array
    ordered: Array
    mailed: Array
    clicked: Array
    opened: Array
    """A human opened the mail; only seen where the mail program does not open every mail itself."""
    click_chance: Array
    """Chance that this customer, alive, clicks the mail of this day."""


@dataclass
class Belief:
    """Chances of the three hidden states, one entry per customer; they add up to one."""

    idle: Array
    intent: Array
    left: Array

    @classmethod
    def of(cls, count: int) -> "Belief":
        """Everyone is idle on the day they join."""
        return cls(np.ones(count), np.zeros(count), np.zeros(count))

    def first(self, count: int) -> "Belief":
        """Views on the first ``count`` customers."""
        return Belief(self.idle[:count], self.intent[:count], self.left[:count])

    def only(self, chosen: Array) -> "Belief":
        """Copies of the customers at positions ``chosen``."""
        return Belief(self.idle[chosen], self.intent[chosen], self.left[chosen])


def visit_chances(people: People) -> tuple[Array, float, Array]:
    """Chances of a visit a day in each hidden state."""
    return people.visit, RATES.visit_when_intent, people.visit * RATES.visit_left_factor


def pass_a_day(belief: Belief, people: People, leaving: Array, intent: Array, day: Day) -> None:
    """Carries the belief over one day, in place: what may have happened, then what was seen.

    ``leaving`` and ``intent`` are the day's chances of leaving and of getting the intent to buy.
    """
    stays = 1.0 - leaving
    gone = belief.left + (belief.idle + belief.intent) * leaving
    becomes = belief.idle * stays * intent
    ends = belief.intent * stays * RATES.gives_up_intent
    idle = belief.idle * stays - becomes + ends
    wants = belief.intent * stays + becomes - ends

    chances = visit_chances(people)
    carts = (RATES.cart_idle, RATES.cart_intent, RATES.cart_left)
    own_visit_visible = ~(day.clicked | day.ordered)
    weights: list[Array] = []
    for state, before in enumerate((idle, wants, gone)):
        seen = np.multiply(chances[state], RATES.visit_known)
        cart = np.where(day.carted, carts[state], 1.0 - carts[state])
        weight = np.where(day.visited, seen * cart, 1.0 - seen)
        weights.append(before * np.where(own_visit_visible, weight, 1.0))
    idle, wants, gone = weights
    wants = wants * np.where(day.ordered, RATES.buys_when_intent, 1.0 - RATES.buys_when_intent)
    idle = np.where(day.ordered, 0.0, idle)
    gone = np.where(day.ordered, 0.0, gone)

    faint = RATES.mail_left_factor
    alive_mail = np.where(day.clicked, day.click_chance, 1.0 - day.click_chance)
    gone_mail = np.where(day.clicked, day.click_chance * faint, 1.0 - day.click_chance * faint)
    read = day.mailed & ~day.clicked & ~people.machine_opens
    alive_mail = alive_mail * np.where(read, np.where(day.opened, people.opens, 1.0 - people.opens), 1.0)
    gone_mail = gone_mail * np.where(read, np.where(day.opened, people.opens * faint, 1.0 - people.opens * faint), 1.0)
    alive_mail = np.where(day.mailed, alive_mail, 1.0)
    gone_mail = np.where(day.mailed, gone_mail, 1.0)
    idle, wants, gone = idle * alive_mail, wants * alive_mail, gone * gone_mail

    bought = day.ordered
    total = np.where(bought, 1.0, idle + wants + gone)
    idle, wants, gone = idle / total, wants / total, gone / total
    tempted = np.where(day.clicked, idle * RATES.click_to_intent, 0.0)
    belief.idle[:] = np.where(bought, 1.0, idle - tempted)
    belief.intent[:] = np.where(bought, 0.0, wants + tempted)
    belief.left[:] = np.where(bought, 0.0, gone)
