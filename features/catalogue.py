"""The catalogue: a feature is one function that carries its own name, label, wording and meaning of absence."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Table = Any
"""An Ibis table."""

Kind = Literal["actionable", "context"]
Unit = Literal["days", "count", "share", "money", "ratio", "points", "score"]


@dataclass(frozen=True)
class Family:
    """What a group of features is about, in words a marketer uses."""

    name: str
    title: str
    kind: Kind


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("rhythm", "Overdue against their own buying rhythm", "context"),
        Family("frequency", "How often they order", "context"),
        Family("value", "How much they spend", "context"),
        Family("discount", "Buying only at a discount", "actionable"),
        Family("returns", "Returns and cancellations", "actionable"),
        Family("range", "How widely they shop", "context"),
        Family("web", "Visits to the shop", "context"),
        Family("cart", "Carts left behind", "actionable"),
        Family("email", "Response to e-mails", "actionable"),
        Family("service", "Trouble with customer service", "actionable"),
        Family("delivery", "Late deliveries", "actionable"),
        Family("loyalty", "Loyalty programme", "context"),
        Family("contact", "Earlier campaigns", "context"),
    )
}


@dataclass(frozen=True)
class Feature:
    """One definition: what it reads, how it is worded, and the Ibis expression."""

    name: str
    view: str
    family: str
    label: str
    high: str
    low: str
    unit: Unit
    absent: float | None
    says: str | None
    body: Callable[..., Any]

    @property
    def meaning(self) -> str:
        """The exact definition, in one sentence."""
        return inspect.getdoc(self.body) or ""

    @property
    def is_windowed(self) -> bool:
        """Whether there is one column per window instead of one over the whole history."""
        return "{days}" in self.label

    def columns(self, windows_days: Sequence[int]) -> list[Column]:
        """Its columns, shortest window first."""
        if self.is_windowed:
            return [Column(self, days) for days in windows_days]
        return [Column(self, None)]


@dataclass(frozen=True)
class Column:
    """A feature over one window, or over the whole history (``days`` is None)."""

    feature: Feature
    days: int | None

    @property
    def name(self) -> str:
        """Column name in every feature table."""
        return self.feature.name if self.days is None else f"{self.feature.name}_{self.days}d"

    @property
    def label(self) -> str:
        """Human-readable heading."""
        return self.feature.label.format(days=self.days)

    def expression(self, table: Table) -> Any:
        """The scalar over ``table``, the view already cut to the window."""
        body = self.feature.body
        return body(table, self.days) if len(inspect.signature(body).parameters) == 2 else body(table)


@dataclass(frozen=True)
class View:
    """Rows that features aggregate: one log, or several brought to one grain."""

    name: str
    needs: tuple[str, ...]
    build: Callable[[Mapping[str, Table]], Table]


CATALOGUE: dict[str, Feature] = {}
VIEWS: dict[str, View] = {}


def feature(
    *,
    view: str,
    family: str,
    label: str,
    high: str,
    low: str,
    unit: Unit,
    absent: float | None,
    says: str | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function into the catalogue under its own name.

    Args:
        view: The rows it reads; they hold ``customer_id``, ``age_us`` and lie in the window before the cutoff.
        family: Key of :data:`FAMILIES`.
        label: Heading; with ``{days}`` in it there is one column per window.
        high: What a value above most customers' says about this customer.
        low: What a value below most customers' says.
        unit: How the value is written for people.
        absent: Value where the customer has no row in the window; None means unknown.
        says: Optional sentence with the customer's own numbers: ``{value}``, ``{days}`` or names of columns
            without a window.
    """

    def enter(body: Callable[..., Any]) -> Callable[..., Any]:
        name = body.__name__
        if name in CATALOGUE:
            raise ValueError(f"two features are called {name}")
        if family not in FAMILIES:
            raise ValueError(f"feature {name}: unknown family {family!r}; known: {', '.join(FAMILIES)}")
        CATALOGUE[name] = Feature(name, view, family, label, high, low, unit, absent, says, body)
        return body

    return enter


def view(*, needs: tuple[str, ...]) -> Callable[[Callable[..., Table]], Callable[..., Table]]:
    """Enter a function that turns logs into rows for features; it exists where the shop has all of ``needs``."""

    def enter(build: Callable[..., Table]) -> Callable[..., Table]:
        VIEWS[build.__name__] = View(build.__name__, needs, build)
        return build

    return enter


def columns(windows_days: Sequence[int], logs: Sequence[str]) -> list[Column]:
    """Every column that can be computed from ``logs``, in catalogue order."""
    have = set(logs)
    return [
        column
        for entry in CATALOGUE.values()
        if have.issuperset(VIEWS[entry.view].needs)
        for column in entry.columns(windows_days)
    ]
