"""Half-open windows, and what could be known at a cutoff.

Every function takes plain integers, pandas or numpy columns, or Ibis columns: the comparison is written once
and means the same on each of them.
"""

from dataclasses import dataclass
from typing import Any

from timeline.instants import DAY_US

Times = Any
"""An instant, or a column of instants (microseconds UTC)."""


@dataclass(frozen=True)
class Window:
    """The half-open interval ``[start, end)`` of instants."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError(f"a window must not end before it starts: [{self.start}, {self.end})")

    @classmethod
    def last(cls, days: int, before: int) -> "Window":
        """The ``days`` × 24 hours that end just before the instant ``before``."""
        return cls(before - days * DAY_US, before)

    @classmethod
    def label(cls, cutoff: int, gap_days: int, horizon_days: int) -> "Window":
        """The window in which an order means that the customer stayed: it opens ``gap_days`` after."""
        start = cutoff + gap_days * DAY_US
        return cls(start, start + horizon_days * DAY_US)

    def contains(self, times: Times) -> Any:
        """Whether each of ``times`` lies in the window; the start belongs to it, the end does not."""
        return (times >= self.start) & (times < self.end)

    def is_complete(self, known_until: int) -> bool:
        """Whether everything in the window had happened by ``known_until``."""
        return self.end <= known_until


def is_before(times: Times, instant: Times) -> Any:
    """Whether ``times`` lie strictly before ``instant``."""
    return times < instant


def is_after(times: Times, instant: Times) -> Any:
    """Whether ``times`` lie strictly after ``instant``."""
    return times > instant


def known_before(events: Any, cutoff: int) -> Any:
    """Mask of the ``events`` that had both happened and reached us before ``cutoff``.

    ``events`` is anything with the columns ``occurred_at`` and ``loaded_at``.
    """
    return (events["occurred_at"] < cutoff) & (events["loaded_at"] < cutoff)


def as_seen_at(events: Any, cutoff: int, days: int) -> Any:
    """The Ibis table ``events`` as a person at ``cutoff`` saw its last ``days``, with the age of each event.

    ``age_us`` (microseconds before the cutoff, always above zero) replaces both times: what reads the result
    cannot see the cutoff's other side.
    """
    seen = events.filter(known_before(events, cutoff) & Window.last(days, cutoff).contains(events["occurred_at"]))
    return seen.mutate(age_us=cutoff - seen["occurred_at"]).drop("occurred_at", "loaded_at")


def within_days(aged: Any, days: int) -> Any:
    """Mask of the rows of ``aged`` (see :func:`as_seen_at`) in ``[cutoff − days, cutoff)``."""
    return aged["age_us"] <= days * DAY_US
