"""Buy till you die: how often a customer orders, and after which order the customer left, from three numbers each.

While active, a customer orders at random at a rate of their own. After an order they leave for good with a probability
of their own. Rates spread over customers as a gamma, probabilities of leaving as a beta distribution:

* BG/NBD (Fader, Hardie & Lee 2005): nobody leaves before the second order.
* MBG/NBD (Batislam, Denizel & Filiztekin 2007): one may leave right after the first order too.

What is known of a customer is ``repeats``, the days with an order after the first; ``last``, the time from the first
such day to the newest; and ``age``, the time from the first to the cutoff. Any unit of time will do, as long as it is
the same everywhere; ``alpha`` is in it. No labels are needed, so a fit at a cutoff uses all that was known then.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from scipy.special import betaln, expit, gammaln, psi

from models.classifier import Floats

Kind = Literal["bg_nbd", "mbg_nbd"]

_FARTHEST = 7.0
"""Largest logarithm of a parameter: beyond it customers are all alike, and nothing but digits is lost."""

_FLAT = 1e-4
"""Largest slope of the log-likelihood per customer, in logarithms of the parameters, that counts as the top."""

_CLIMBS = 5
"""So often the search begins anew where it stopped: on a long ridge it takes the first standstill for the top."""

_SURE = 1e-15
"""Smallest probability of no order."""


@dataclass(frozen=True)
class BuyTillYouDie:
    """A fitted model: rates of ordering are gamma(r, alpha), probabilities of leaving beta(a, b)."""

    kind: Kind
    r: float
    alpha: float
    a: float
    b: float

    @classmethod
    def fit(cls, kind: Kind, repeats: Floats, last: Floats, age: Floats) -> BuyTillYouDie:
        """The parameters of greatest likelihood, one customer per place of the arrays.

        Neither the order of the customers nor the unit of time changes what is found.

        Raises:
            ValueError: The arrays hold what no customer can have done, nobody ordered twice, or no top is found.
        """
        from scipy.optimize import minimize

        if kind not in get_args(Kind):
            raise ValueError(f"buy till you die: the kind must be one of {', '.join(get_args(Kind))}, got {kind!r}")
        (x, t_x, age_), count = _grouped(*_checked(repeats, last, age))
        customers = count.sum()
        if not (x > 0).any():
            raise ValueError(
                f"buy till you die: none of the {int(customers):,} customers ordered on a second day, so there is no "
                "rate to learn. Bring a longer history."
            )
        # Measured in mean ages, the times of any shop are near 1, and so are the parameters to begin with.
        unit = float((count * age_).sum() / customers)
        groups = _Groups(kind, x, t_x / unit, age_ / unit, count)

        def uphill(logs: Floats) -> tuple[float, Floats]:
            value, slope = groups.log_likelihood(np.exp(logs))
            return -value / customers, -slope * np.exp(logs) / customers

        logs = np.zeros(4)
        for _ in range(_CLIMBS):
            found = minimize(
                uphill,
                logs,
                jac=True,
                method="L-BFGS-B",
                bounds=[(-_FARTHEST, _FARTHEST)] * 4,
                options={"maxiter": 2_000, "maxfun": 4_000, "ftol": 0.0, "gtol": 1e-9},
            )
            logs, slope = found.x, uphill(found.x)[1]
            # At a bound the likelihood may go on rising.
            slope[(logs >= _FARTHEST) & (slope < 0) | (logs <= -_FARTHEST) & (slope > 0)] = 0.0
            if np.abs(slope).max() <= _FLAT:
                break
        else:
            raise ValueError(
                f"buy till you die: no top of the likelihood found for {int(customers):,} customers, "
                f"{int(count[x > 0].sum()):,} of them with repeat orders ({found.message}). Bring a longer history."
            )
        r, alpha, a, b = map(float, np.exp(logs))
        return cls(kind, r, alpha * unit, a, b)

    def log_likelihood(self, repeats: Floats, last: Floats, age: Floats) -> float:
        """Sum over the customers of the natural logarithm of the likelihood of what they did."""
        rows, count = _grouped(*_checked(repeats, last, age))
        parameters = np.array([self.r, self.alpha, self.a, self.b])
        return _Groups(self.kind, *rows, count).log_likelihood(parameters)[0]

    def alive(self, repeats: Floats, last: Floats, age: Floats) -> Floats:
        """Probability per customer of not having left yet."""
        result: Floats = np.exp(self._log_alive(*_checked(repeats, last, age)))
        return result

    def probability_of_none(
        self, repeats: Floats, last: Floats, age: Floats, days: float, *, gap: float = 0.0
    ) -> Floats:
        """Probability per customer of no order in the ``days`` that begin ``gap`` after the cutoff.

        Exact: orders within the gap, which tell nothing of the days after it, may be the last ones.
        """
        result: Floats = -np.expm1(self._log_some(repeats, last, age, days, gap))
        return result

    def margin(self, repeats: Floats, last: Floats, age: Floats, days: float, *, gap: float = 0.0) -> Floats:
        """Log-odds of :meth:`probability_of_none`; they tell apart even those who have left beyond doubt."""
        log_some = self._log_some(repeats, last, age, days, gap)
        result: Floats = np.log(-np.expm1(log_some)) - log_some
        return result

    def expected_purchases(self, repeats: Floats, last: Floats, age: Floats, days: float) -> Floats:
        """Expected number per customer of order days in the ``days`` after the cutoff."""
        x, t_x, age_ = _checked(repeats, last, age)
        # The closed form divides by a − 1, whatever the limit there.
        a = self.a if abs(self.a - 1) > 1e-6 else 1 + 1e-6
        b = self.b + _flips(self.kind, x)
        left = _mean_power(self.r + x, a - 1, b, days / (self.alpha + age_))
        result: Floats = np.exp(self._log_alive(x, t_x, age_)) * (a + b - 1) / (a - 1) * (1 - left)
        return result

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> BuyTillYouDie:
        """The model written by :meth:`to_dict`."""
        return cls(values["kind"], *(float(values[name]) for name in ("r", "alpha", "a", "b")))

    def _log_alive(self, x: Floats, t_x: Floats, age: Floats) -> Floats:
        gone = _log_gone_to_alive(_flips(self.kind, x), x, t_x, age, self.r, self.alpha, self.a, self.b)
        result: Floats = -np.logaddexp(0.0, gone)
        return result

    def _log_some(self, repeats: Floats, last: Floats, age: Floats, days: float, gap: float) -> Floats:
        """Logarithm of the probability of an order in the ``days`` that begin ``gap`` after the cutoff."""
        x, t_x, age_ = _checked(repeats, last, age)
        orders = self._silent(x, age_, 0.0, gap) - self._silent(x, age_, days, gap)
        with np.errstate(divide="ignore"):
            log_orders = np.log(np.clip(orders, 0.0, 1.0))
        result: Floats = np.clip(self._log_alive(x, t_x, age_) + log_orders, -700.0, np.log1p(-_SURE))
        return result

    def _silent(self, x: Floats, age: Floats, days: float, gap: float) -> Floats:
        """Probability, of those active at the cutoff, of being so after the gap as well and then silent for ``days``.

        With a rate λ and a probability p of leaving it is e^−λ(p·gap + days). What is known at the cutoff makes λ
        gamma(r + x, alpha + age) and p beta(a, b + flips); this is the mean over both.
        """
        rate, seen = self.r + x, self.alpha + age
        silent: Floats = np.exp(-rate * np.log1p(days / seen))
        if gap == 0:
            return silent
        return silent * _mean_power(rate, self.a, self.b + _flips(self.kind, x), gap / (seen + days))


def _mean_power(rate: Floats, a: float, b: Floats, ratio: Floats) -> Floats:
    """Mean of (1 + p·ratio)^−rate over p from beta(a, b): a hypergeometric function.

    Of its transformations that one is summed whose terms neither cancel nor overflow.
    """
    by_rate = (rate < a) | (rate > a + b)
    power, other = np.where(by_rate, rate, a), np.where(by_rate, b, a + b - rate)
    mean: Floats = np.exp(-power * np.log1p(ratio)) * _hypergeometric(power, other, a + b, ratio / (1 + ratio))
    return mean


def _hypergeometric(a: Floats, b: Floats, c: Floats, z: Floats) -> Floats:
    """2F1(a, b; c; z) for 0 ≤ z < 1, term by term; scipy's own has no answer where a, b and c are some hundreds."""
    total: Floats = np.ones(len(z))
    term: Floats = np.ones(len(z))
    rows, n = np.arange(len(z)), 0
    while len(rows):
        ratio = (a + n) * (b + n) / ((c + n) * (1 + n)) * z
        term = term * ratio
        total[rows] += term
        n += 1
        # A term so small is lost in the sum, and so are all after it: when a row leaves changes no bit of it.
        more = np.abs(term) > 1e-17 * (1 - np.maximum(z, np.abs(ratio))) * np.abs(total[rows])
        if more.mean() < 0.5:
            a, b, c, z, term = a[more], b[more], c[more], z[more], term[more]
            rows = rows[more]
    return total


def _flips(kind: Kind, repeats: Floats) -> Floats:
    """After how many orders a customer has had the chance to leave."""
    return repeats + 1 if kind == "mbg_nbd" else repeats


def _log_gone_to_alive(
    flips: Floats, x: Floats, t_x: Floats, age: Floats, r: float, alpha: float, a: float, b: float
) -> Floats:
    """Logarithm of how much likelier it is that a customer has left after the newest order than that none has."""
    could = flips > 0
    chance = np.log(a) - np.log(np.where(could, b + flips - 1, 1.0))
    waited = (r + x) * (np.log(alpha + age) - np.log(alpha + t_x))
    return np.where(could, chance + waited, -np.inf)


class _Groups:
    """Customers of whom the same is known, counted."""

    def __init__(self, kind: Kind, x: Floats, t_x: Floats, age: Floats, count: Floats) -> None:
        self._rows = (_flips(kind, x), x, t_x, age)
        self._count = count
        # Gamma functions depend on the repeats alone, of which there are few.
        self._levels, place = np.unique(x, return_inverse=True)
        self._at_level = np.bincount(place, weights=count)
        self._flips_of_levels = _flips(kind, self._levels)

    def log_likelihood(self, parameters: Floats) -> tuple[float, Floats]:
        """Log-likelihood at (r, alpha, a, b), and its slope along each of them."""
        r, alpha, a, b = parameters
        flips, x, t_x, age = self._rows
        levels, of_levels, n = self._levels, self._flips_of_levels, self._at_level
        gone = _log_gone_to_alive(flips, x, t_x, age, r, alpha, a, b)
        share = expit(gone)
        log_age, log_last = np.log(alpha + age), np.log(alpha + t_x)

        per_level = gammaln(r + levels) - gammaln(r) + betaln(a, b + of_levels) - betaln(a, b) + r * np.log(alpha)
        per_row = np.logaddexp(0.0, gone) - (r + x) * log_age
        value = (n * per_level).sum() + (self._count * per_row).sum()

        slope_of_beta = psi(a + b) - psi(a + b + of_levels)
        along_r = (n * (psi(r + levels) - psi(r) + np.log(alpha))).sum()
        along_r += (self._count * (share * (log_age - log_last) - log_age)).sum()
        along_alpha = self._count.sum() * r / alpha
        ages = (1 - share) / (alpha + age) + share / (alpha + t_x)
        along_alpha -= (self._count * (r + x) * ages).sum()
        along_a = (n * slope_of_beta).sum() + (self._count * share).sum() / a
        chances = np.where(flips > 0, share / np.where(flips > 0, b + flips - 1, 1.0), 0.0)
        along_b = (n * (slope_of_beta + psi(b + of_levels) - psi(b))).sum() - (self._count * chances).sum()
        return float(value), np.array([along_r, along_alpha, along_a, along_b])


def _checked(repeats: Floats, last: Floats, age: Floats) -> tuple[Floats, Floats, Floats]:
    """The three as arrays of floats.

    Raises:
        ValueError: They hold what no customer can have done.
    """
    x, t_x, age_ = (np.asarray(values, dtype="float64") for values in (repeats, last, age))
    if not x.shape == t_x.shape == age_.shape or x.ndim != 1:
        raise ValueError(
            f"buy till you die: repeats, last and age differ in shape: {x.shape}, {t_x.shape}, {age_.shape}"
        )
    rules = {
        "every value is a number": np.isfinite(x) & np.isfinite(t_x) & np.isfinite(age_),
        "repeats is a whole number, 0 or more": (x >= 0) & (x == np.floor(x)),
        "last is above 0 with repeats and 0 without": (t_x > 0) == (x > 0),
        "0 ≤ last ≤ age": (t_x >= 0) & (t_x <= age_),
    }
    for rule, holds in rules.items():
        if not holds.all():
            row = int(np.argmin(holds))
            raise ValueError(
                f"buy till you die: «{rule}» is broken in {int((~holds).sum()):,} of {len(x):,} rows (first: row "
                f"{row} with repeats {x[row]:g}, last {t_x[row]:g}, age {age_[row]:g})"
            )
    return x, t_x, age_


def _grouped(x: Floats, t_x: Floats, age: Floats) -> tuple[tuple[Floats, Floats, Floats], Floats]:
    """The distinct rows, sorted, and how many customers each stands for."""
    if not len(x):
        raise ValueError("buy till you die: there are no customers to fit on")
    order = np.lexsort((age, t_x, x))
    x, t_x, age = x[order], t_x[order], age[order]
    starts = np.flatnonzero(np.concatenate([[True], (np.diff(x) != 0) | (np.diff(t_x) != 0) | (np.diff(age) != 0)]))
    count = np.diff(np.append(starts, len(x))).astype("float64")
    return (x[starts], t_x[starts], age[starts]), count
