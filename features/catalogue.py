"""The catalogue: a feature is one function that carries its own name, label, wording and meaning of absence."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from features.arithmetic import days, trend

Table = Any
"""An Ibis table."""

Kind = Literal["actionable", "context"]
Unit = Literal["days", "count", "share", "money", "ratio", "points", "score"]
Language = Literal["en", "ur"]
LANGUAGES: tuple[Language, ...] = get_args(Language)


@dataclass(frozen=True)
class Words:
    """How a feature is spoken of in one language; see :func:`feature` for the parts."""

    label: str
    high: str
    low: str
    says: str | None = None


@dataclass(frozen=True)
class Family:
    """What a group of features is about, in words a marketer uses."""

    name: str
    title: str
    title_urdu: str
    kind: Kind


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("rhythm", "Overdue against their own buying rhythm", "اپنے معمول سے زیادہ دیر", "context"),
        Family("frequency", "How often they order", "کتنی بار آرڈر کرتے ہیں", "context"),
        Family("calendar", "The season", "موسم اور سیزن", "context"),
        Family("acquisition", "How they became a customer", "گاہک کیسے بنے", "context"),
        Family("value", "How much they spend", "کتنا خرچ کرتے ہیں", "context"),
        Family("discount", "Buying only at a discount", "صرف رعایت پر خریداری", "actionable"),
        Family("returns", "Returns and cancellations", "واپسی اور منسوخی", "actionable"),
        Family("range", "How widely they shop", "خریداری کی وسعت", "context"),
        Family("replenishment", "Due to buy again", "دوبارہ خریدنے کا وقت", "actionable"),
        Family("web", "Visits to the shop", "ویب سائٹ کے وزٹ", "context"),
        Family("cart", "Carts left behind", "ادھوری چھوڑی گئی ٹوکریاں", "actionable"),
        Family("email", "Response to e-mails", "ای میل پر ردعمل", "actionable"),
        Family("channels", "Silence across the channels", "ہر چینل پر خاموشی", "context"),
        Family("service", "Trouble with customer service", "کسٹمر سروس میں مشکل", "actionable"),
        Family("delivery", "Late deliveries", "دیر سے ڈیلیوری", "actionable"),
        Family("loyalty", "Loyalty programme", "لائلٹی پروگرام", "context"),
        Family("contact", "Earlier campaigns", "پچھلی مہمات", "context"),
    )
}


@dataclass(frozen=True)
class Feature:
    """One definition: what it reads, how it is worded, and the Ibis expression."""

    name: str
    view: str
    family: str
    unit: Unit
    absent: float | None
    words: Mapping[Language, Words]
    body: Callable[..., Any]

    @property
    def meaning(self) -> str:
        """The exact definition, in one sentence."""
        return inspect.getdoc(self.body) or ""

    @property
    def is_windowed(self) -> bool:
        """Whether there is one column per window instead of one over the whole history."""
        return "{days}" in self.words["en"].label

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

    def label(self, language: Language = "en") -> str:
        """Human-readable heading."""
        return self.feature.words[language].label.format(days=self.days)

    def expression(self, rows: Table) -> Any:
        """The scalar over ``rows``, the view; the engine narrows it to the window."""
        body = self.feature.body
        return body(rows, self.days) if len(inspect.signature(body).parameters) == 2 else body(rows)


@dataclass(frozen=True)
class OwnLog:
    """A log the catalogue knows nothing of, declared by the shop: calls, visits to a store, survey answers."""

    name: str
    title: str
    title_urdu: str
    kind: Kind


@dataclass(frozen=True)
class View:
    """Rows that features aggregate: several logs or views brought to one grain."""

    name: str
    needs: tuple[str, ...]
    build: Callable[[Mapping[str, Table]], Table]

    @property
    def grain(self) -> str:
        """What one row is."""
        return inspect.getdoc(self.build) or ""


LOGS = (
    "orders",
    "order_items",
    "web_events",
    "email_events",
    "support_tickets",
    "deliveries",
    "loyalty_events",
    "campaign_contacts",
)
"""The canonical logs that features may read."""

CATALOGUE: dict[str, Feature] = {}
VIEWS: dict[str, View] = {}


def feature(
    *,
    view: str,
    family: str,
    unit: Unit,
    absent: float | None,
    label: str,
    high: str,
    low: str,
    urdu: Words | None = None,
    says: str | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function into the catalogue under its own name.

    Args:
        view: The view or log whose rows it reads; they hold ``customer_id``, ``age_us`` and lie before the cutoff.
        family: Key of :data:`FAMILIES`.
        unit: How the value is written for people.
        absent: Value where the customer has no row in the window; None means unknown.
        label: Heading; with ``{days}`` in it there is one column per window.
        high: What a value above most customers' says about this customer.
        low: What a value below most customers' says.
        urdu: The same words in Urdu; they must be there.
        says: Optional sentence with the customer's own numbers: ``{value}``, ``{days}`` or names of columns
            without a window.
    """

    def enter(body: Callable[..., Any]) -> Callable[..., Any]:
        name = body.__name__
        if name in CATALOGUE:
            raise ValueError(f"two features are called {name}")
        if family not in FAMILIES:
            raise ValueError(f"feature {name}: unknown family {family!r}; known: {', '.join(FAMILIES)}")
        if urdu is None:
            raise ValueError(f"feature {name}: no Urdu; add urdu=Words(…) as docs/how-to/add-a-feature.md shows")
        words: dict[Language, Words] = {"en": Words(label, high, low, says), "ur": urdu}
        CATALOGUE[name] = Feature(name, view, family, unit, absent, words, body)
        return body

    return enter


def view(*, needs: tuple[str, ...]) -> Callable[[Callable[..., Table]], Callable[..., Table]]:
    """Enter a function that makes rows for features from what it ``needs``: logs, or other views.

    The view exists where the shop has all the logs behind them.
    """

    def enter(build: Callable[..., Table]) -> Callable[..., Table]:
        VIEWS[build.__name__] = View(build.__name__, needs, build)
        return build

    return enter


def check_rows() -> None:
    """Make sure that every feature reads, and every view needs, rows that exist.

    Raises:
        ValueError: One does not; unchecked, it would vanish as if the shop lacked a log.
    """
    known = [*VIEWS, *LOGS]
    asked = [(f"feature {name}", entry.view) for name, entry in CATALOGUE.items()]
    asked += [(f"view {name}", need) for name, view in VIEWS.items() for need in view.needs]
    for who, rows in asked:
        if rows not in known:
            close = difflib.get_close_matches(rows, known, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"{who}: there is no view or log {rows!r}.{hint} Known: {', '.join(known)}")


def logs_behind(rows: str) -> set[str]:
    """The logs from which the view ``rows`` is made; a log stands for itself."""
    if rows not in VIEWS:
        return {rows}
    return set().union(*(logs_behind(need) for need in VIEWS[rows].needs))


def own_family(log: OwnLog) -> Family:
    """The family that the features of ``log`` form."""
    return Family(log.name, log.title, log.title_urdu, log.kind)


def own_features(log: OwnLog) -> list[Feature]:
    """What can be said of a log without knowing what its events mean: count, recency and trend."""
    title, urdu = log.title, log.title_urdu

    def count(t: Table) -> Any:
        """Number of events in the window."""
        return t.count()

    def recency(t: Table) -> Any:
        """Days, with the fraction, since the newest event; missing if there was none."""
        return days(t.age_us.min())

    def change(t: Table, window: int) -> Any:
        """(events in the newer half − older half) ÷ (both + 1); the newer half is the last days // 2 days."""
        return trend(t.age_us, window)

    def entry(
        name: str, unit: Unit, absent: float | None, english: Words, urdu: Words, body: Callable[..., Any]
    ) -> Feature:
        return Feature(name, log.name, log.name, unit, absent, {"en": english, "ur": urdu}, body)

    return [
        entry(
            f"{log.name}_count",
            "count",
            0,
            Words(
                f"{title} in the last {{days}} days",
                f"{title}: more than most",
                f"{title}: fewer than most",
                f"{title} in the last {{days}} days: {{value}}",
            ),
            Words(
                f"{urdu}: پچھلے {{days}} دن میں",
                f"{urdu}: اکثر گاہکوں سے زیادہ",
                f"{urdu}: اکثر گاہکوں سے کم",
                f"{urdu}، پچھلے {{days}} دن میں: {{value}}",
            ),
            count,
        ),
        entry(
            f"days_since_{log.name}",
            "days",
            None,
            Words(
                f"{title}: days since the last",
                f"{title}: the last lies longer back than for most",
                f"{title}: the last was more recent than for most",
                f"{title}: the last {{value}} days ago",
            ),
            Words(
                f"{urdu}: آخری کو کتنے دن ہوئے",
                f"{urdu}: آخری کو اکثر گاہکوں سے زیادہ دن ہوئے",
                f"{urdu}: آخری کو اکثر گاہکوں کی نسبت کم دن ہوئے ہیں",
                f"{urdu}: آخری {{value}} دن پہلے",
            ),
            recency,
        ),
        entry(
            f"{log.name}_trend",
            "ratio",
            0,
            Words(
                f"{title}: trend within the last {{days}} days",
                f"{title}: more than in the time before",
                f"{title}: fewer than in the time before",
            ),
            Words(
                f"{urdu}: پچھلے {{days}} دنوں کا رجحان",
                f"{urdu}: پہلے سے زیادہ",
                f"{urdu}: پہلے سے کم",
            ),
            change,
        ),
    ]


def columns(windows_days: Sequence[int], logs: Sequence[str], own_logs: Sequence[OwnLog] = ()) -> list[Column]:
    """Every column that can be computed from ``logs``, in catalogue order; those of a shop's own logs come last."""
    have = set(logs)
    entries = [*CATALOGUE.values(), *(entry for log in own_logs for entry in own_features(log))]
    return [column for entry in entries if logs_behind(entry.view) <= have for column in entry.columns(windows_days)]
