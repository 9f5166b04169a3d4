"""Who the customers are: what stays the same about each of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gamma

from simulation import rates as r
from simulation.calendar import Calendar
from simulation.rates import RATES

Array = NDArray[Any]
CONSENT_SHARE = (RATES.subscribed_share, 0.95 - RATES.subscribed_share - 0.08, 0.08, 0.05)


@dataclass(frozen=True)
class People:
    """One entry per customer, ordered by the day they joined."""

    joined: Array
    buys_at_once: Array
    channel: Array
    category: Array
    interval: Array
    """Personal days between orders."""
    shape: Array
    """Weibull shape of the personal rhythm; 1 has no rhythm at all."""
    scale: Array
    """Weibull hazard factor, so that the mean gap is the personal interval."""
    visit: Array
    """Chance of a visit on a day without intent to buy."""
    leaving: Array
    """Base chance of leaving a day."""
    discounted: Array
    """Chance that an order is bought with a discount."""
    click: Array
    opens: Array
    machine_opens: Array
    scanned: Array
    subscribed: Array
    consent: Array
    """0 subscribed, 1 never, 2 unknown, 3 unsubscribed before the logs begin."""
    has_address: Array
    price_level: Array
    basket: Array
    loyalty: Array
    effect: Array
    """Logarithm of the factor on the chance of buying intent in the days after a re-engagement contact."""

    def __len__(self) -> int:
        return len(self.joined)

    def first(self, count: int) -> "People":
        """Views on the first ``count`` customers."""
        return People(**{name: column[:count] for name, column in vars(self).items()})

    def only(self, chosen: Array) -> "People":
        """The customers at positions ``chosen``."""
        return People(**{name: column[chosen] for name, column in vars(self).items()})


def draw_people(count: int, calendar: Calendar, rng: np.random.Generator) -> People:
    """``count`` customers; the shop grows slowly, and more join before Christmas."""
    day = np.arange(calendar.days)
    weight = (0.65 + 0.7 * day / calendar.days) * np.sqrt(calendar.season[: calendar.days])
    joined = np.sort(rng.choice(calendar.days, size=count, p=weight / weight.sum()))
    channel = rng.choice(len(r.CHANNELS), size=count, p=r.CHANNEL_SHARE)
    category = rng.choice(len(r.CATEGORIES), size=count, p=r.CATEGORY_SHARE)
    log_interval = (
        np.log(RATES.interval_median)
        + np.array(r.CHANNEL_LOG_INTERVAL)[channel]
        + np.array(r.CATEGORY_LOG_INTERVAL)[category]
        + rng.normal(0.0, RATES.interval_log_sd, count)
    )
    interval = np.exp(log_interval)
    shape = rng.uniform(RATES.regularity_low, RATES.regularity_high, count)
    visits = RATES.visits_per_interval * np.exp(rng.normal(0.0, RATES.visits_log_sd, count))
    price_only = rng.random(count) < RATES.price_only_share
    interest = rng.random(count)
    has_address = rng.random(count) >= 0.015
    consent = rng.choice(4, size=count, p=CONSENT_SHARE)
    return People(
        joined=joined,
        buys_at_once=rng.random(count) < RATES.first_order_share,
        channel=channel,
        category=category,
        interval=interval,
        shape=shape,
        scale=shape * gamma(1.0 + 1.0 / shape) ** shape / interval,
        visit=np.minimum(visits * (RATES.interval_median / interval) ** RATES.visit_power / RATES.interval_median, 0.5),
        leaving=RATES.leaves_base * np.array(r.CHANNEL_LEAVING)[channel],
        discounted=np.where(price_only, RATES.price_only_discounted, RATES.others_discounted),
        click=RATES.click_mean * (0.3 + 1.4 * interest),
        opens=np.clip(RATES.open_mean * (0.5 + interest), 0.0, 0.9),
        machine_opens=rng.random(count) < 0.45,
        scanned=rng.random(count) < 0.03,
        subscribed=(consent == 0) & has_address,
        consent=consent,
        has_address=has_address,
        price_level=rng.normal(0.0, 1.0, count),
        basket=rng.gamma(2.0, 0.7, count),
        loyalty=rng.random(count) < 0.55,
        effect=-0.35 + 1.1 * interest + 0.4 * price_only + rng.normal(0.0, 0.15, count),
    )
