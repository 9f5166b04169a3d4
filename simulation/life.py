"""The daily life of the shop: who visits, buys, reads, complains and leaves. Yields facts, not log rows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulation.belief import IDLE, INTENT, LEFT, Belief, Day, pass_a_day
from simulation.calendar import Calendar
from simulation.hazards import NEVER, Seen, bond, excess, heavy_mail_today, intent_chance, under_contact
from simulation.people import People
from simulation.rates import RATES

Array = NDArray[Any]
Facts = dict[str, Array]
"""Columns of equal length; one entry per fact (visit, order, mail, contact)."""


@dataclass
class Now:
    """Everyone who has joined, at the beginning of a day: what is hidden, seen, and concluded."""

    day: int
    people: People
    state: Array
    left_day: Array
    left_because: Array
    """Share of each cause in the chance of leaving, on the day of leaving; one row per cause."""
    seen: Seen
    belief: Belief


@dataclass
class _Diary:
    facts: dict[str, list[Facts]] = field(default_factory=dict)

    def note(self, kind: str, **columns: Array) -> None:
        self.facts.setdefault(kind, []).append(columns)

    def tables(self) -> dict[str, Facts]:
        return {
            kind: {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
            for kind, parts in self.facts.items()
        }


def leaving_chance(people: People, seen: Seen, day: int) -> tuple[Array, Array]:
    """Chance of leaving today, and each cause's share in it (one row per cause)."""
    added = excess(seen, day)
    annoyed = RATES.annoyed_excess * (under_contact(seen, day) & (people.effect < 0))
    whole = bond(seen) + added.sum(axis=0) + annoyed
    return np.minimum(people.leaving * whole, 0.5), added / whole


def wanting_chance(people: People, seen: Seen, day: int, season: float) -> Array:
    """Chance of getting the intent to buy today."""
    pushed = np.where(under_contact(seen, day), np.exp(people.effect), 1.0)
    return np.asarray(np.minimum(intent_chance(people, seen.age, season) * pushed, 0.5))


def live(
    everyone: People,
    calendar: Calendar,
    rng: np.random.Generator,
    at_month_start: Callable[[Now], None],
    progress: Callable[[float], None],
) -> tuple[dict[str, Facts], Array]:
    """Lives all days; returns the facts by kind and the day each customer left (``NEVER`` if they stayed).

    ``at_month_start`` is called before the first day of each month, and once after the last day.
    """
    seen_all, belief_all = Seen.of(everyone), Belief.of(len(everyone))
    state_all = np.full(len(everyone), IDLE)
    left_day = np.full(len(everyone), NEVER, dtype=np.int64)
    left_because = np.zeros((4, len(everyone)))
    diary = _Diary()
    _note_contacts(diary, 0, np.empty(0, dtype=np.int64), np.empty(0, dtype=bool), np.empty(0))
    month_starts = set(calendar.month_starts)
    campaign_days = {calendar.month_starts[m - 1] + 9 for m in RATES.campaign_months if m <= len(calendar.month_starts)}
    present = np.searchsorted(everyone.joined, np.arange(calendar.days + 1), side="right")
    for day in range(calendar.days + 1):
        earlier = int(present[day - 1]) if day else 0
        if day in month_starts:
            at_month_start(
                Now(
                    day, everyone.first(earlier), state_all[:earlier], left_day[:earlier],
                    left_because[:, :earlier], seen_all.first(earlier), belief_all.first(earlier),
                )
            )  # fmt: skip
        if day == calendar.days:
            break
        count = int(present[day])
        now = Now(
            day, everyone.first(count), state_all[:count], left_day[:count], left_because[:, :count],
            seen_all.first(count), belief_all.first(count),
        )  # fmt: skip
        if day in campaign_days:
            _contact(now, diary, rng)
        _live_a_day(now, calendar, diary, rng)
        progress((day + 1) / calendar.days)
    return diary.tables(), left_day


def _contact(now: Now, diary: _Diary, rng: np.random.Generator) -> None:
    """A re-engagement campaign: a postcard with a voucher to a random part of the quiet customers."""
    seen = now.seen
    quiet = np.flatnonzero((seen.orders > 0) & (seen.age >= 45) & (seen.age < 330))
    propensity = np.where(seen.orders[quiet] >= 3, 0.6, 0.5)
    treated = rng.random(len(quiet)) < propensity
    seen.contacted[quiet[treated]] = now.day
    _note_contacts(diary, now.day, quiet, treated, propensity)


def _note_contacts(diary: _Diary, day: int, customer: Array, treated: Array, propensity: Array) -> None:
    days = np.full(len(customer), day, dtype=np.int64)
    diary.note("contacts", customer=customer, day=days, treated=treated, propensity=propensity)


def _live_a_day(now: Now, calendar: Calendar, diary: _Diary, rng: np.random.Generator) -> None:
    day, people, seen, state = now.day, now.people, now.seen, now.state
    leaving, because = leaving_chance(people, seen, day)
    wanting = wanting_chance(people, seen, day, float(calendar.season[day]))
    chance = rng.random((6, len(people)), dtype=np.float32)
    new = people.joined == day

    leaves = (state != LEFT) & (chance[0] < leaving)
    now.left_day[leaves] = day
    now.left_because[:, leaves] = because[:, leaves]
    was = state.copy()
    state[(was == IDLE) & (chance[1] < wanting)] = INTENT
    state[(was == INTENT) & (chance[1] < RATES.gives_up_intent)] = IDLE
    state[leaves] = LEFT
    # Whoever opens an account to buy, buys: the first day is not left to chance.
    at_once = new & people.buys_at_once & (state != LEFT)

    ordered = ((state == INTENT) & (chance[2] < RATES.buys_when_intent)) | at_once
    visit_chance = np.where(
        state == IDLE,
        people.visit,
        np.where(state == INTENT, RATES.visit_when_intent, people.visit * RATES.visit_left_factor),
    )
    visited = (chance[3] < visit_chance) & ~ordered
    known = visited & (chance[4] < RATES.visit_known)
    cart_chance = np.choose(state, (RATES.cart_idle, RATES.cart_intent, RATES.cart_left))
    carted = visited & (chance[5] < cart_chance)
    mail = _mail(now, calendar, ordered, diary, rng)
    # A click brings its own visit; a second one on the same day would say nothing new.
    visited &= ~mail.clicked
    known &= ~mail.clicked
    carted &= ~mail.clicked

    chosen = np.flatnonzero(visited)
    diary.note("visits", customer=chosen, day=np.full(len(chosen), day), known=known[chosen], carted=carted[chosen])
    pass_a_day(
        now.belief, people, leaving, wanting,
        Day(known, carted & known, ordered, mail.mailed, mail.clicked, mail.opened, mail.click_chance),
    )  # fmt: skip
    state[mail.clicked & (state == IDLE) & (rng.random(len(people)) < RATES.click_to_intent)] = INTENT
    seen.age += ~new
    _order(now, np.flatnonzero(ordered), diary, rng)
    state[ordered] = IDLE


def _mail(now: Now, calendar: Calendar, ordered: Array, diary: _Diary, rng: np.random.Generator) -> Day:
    """Today's mails and what became of them; whoever orders today reads no mail first."""
    day, people, seen = now.day, now.people, now.seen
    nobody = np.zeros(len(people), dtype=bool)
    starts = seen.subscribed & (day - seen.heavy_from > 200) & (rng.random(len(people)) < RATES.heavy_start)
    seen.heavy_from[starts] = day
    seen.heavy_clicked[starts] = False
    newsletter = bool(calendar.newsletter[day])
    sent = seen.subscribed & (people.joined < day) & (heavy_mail_today(seen, day) | newsletter)
    who = np.flatnonzero(sent)
    click_chance = people.click * (1.0 if newsletter else RATES.heavy_click_factor)
    if len(who) == 0:
        return Day(nobody, nobody, ordered, nobody, nobody, nobody, click_chance)
    luck = rng.random((4, len(who)))
    hard = luck[0] < RATES.hard_bounces_per_mail
    soft = ~hard & (luck[0] < RATES.hard_bounces_per_mail + RATES.soft_bounces_per_mail)
    delivered = ~(hard | soft)
    faint = np.where(now.state[who] == LEFT, RATES.mail_left_factor, 1.0)
    idle_day = delivered & ~ordered[who]
    click = idle_day & (luck[1] < click_chance[who] * faint)
    opened = click | (idle_day & (luck[2] < people.opens[who] * faint))
    complains = delivered & (luck[3] < RATES.complains_per_mail)
    unsubscribes = delivered & ~complains & (luck[3] < RATES.complains_per_mail + RATES.unsubscribes_per_mail)
    diary.note(
        "mails", customer=who, day=np.full(len(who), day), newsletter=np.full(len(who), newsletter),
        hard=hard, soft=soft, opened=opened, clicked=click, complains=complains, unsubscribes=unsubscribes,
    )  # fmt: skip
    lost = who[hard | complains | unsubscribes]
    seen.subscribed[lost] = False
    seen.heavy_from[lost] = NEVER  # whoever gets no more mail is no longer annoyed by it
    seen.heavy_clicked[who[click]] = True

    def spread(part: Array) -> Array:
        whole = nobody.copy()
        whole[who[part]] = True
        return whole

    return Day(nobody, nobody, ordered, spread(idle_day), spread(click), spread(opened), click_chance)


def _order(now: Now, buyers: Array, diary: _Diary, rng: np.random.Generator) -> None:
    """Today's orders, and what will become of them: late or in time, a ticket or none."""
    day, seen = now.day, now.seen
    count = len(buyers)
    luck = rng.random((3, count))
    discounted = luck[0] < now.people.discounted[buyers]
    late = luck[1] < RATES.late_per_order
    delivered_after = np.where(late, 5 + rng.integers(3, 10, count), rng.integers(2, 5, count))
    bad = luck[2] < RATES.bad_ticket_per_order
    good = ~bad & (luck[2] < RATES.bad_ticket_per_order + RATES.good_ticket_per_order)
    opened_after = rng.integers(1, 9, count)
    closed_after = opened_after + np.where(bad, rng.integers(4, 10, count), rng.integers(0, 2, count))
    diary.note(
        "orders", customer=buyers, day=np.full(count, day), discounted=discounted, late=late,
        delivered_after=delivered_after, bad=bad, good=good, opened_after=opened_after,
        closed_after=closed_after, number=seen.orders[buyers] + 1,
    )  # fmt: skip

    def counts_anew(since: Array) -> Array:
        # A grudge already at work is not put off by the next one.
        return (day - since < 0) | (day - since >= RATES.excess_days)

    grudge = bad & counts_anew(seen.service_from[buyers])
    seen.service_from[buyers[grudge]] = day + closed_after[grudge] + 1
    grudge = late & counts_anew(seen.delivery_from[buyers])
    seen.delivery_from[buyers[grudge]] = day + delivered_after[grudge] + 1
    seen.discount_run[buyers] = np.where(discounted, seen.discount_run[buyers] + 1, 0)
    seen.orders[buyers] += 1
    seen.age[buyers] = 0
