"""The hour and the weekday at which each person is most likely to look: their own habit, shrunk to the shop's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
from pydantic import BaseModel, ConfigDict, Field

from timeline import DAY_US

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class SendTimeSettings(BaseModel):
    """Hours are local, 0 to 23."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    night_from: int = Field(default=22, ge=0, le=23, description="From this hour on nothing is sent ...")
    night_until: int = Field(default=7, ge=0, le=23, description="... until this one; two equal hours allow all.")
    history_days: int = Field(default=365, ge=1, description="How far back habits are looked for.")
    click_weight: int = Field(default=2, ge=0, description="What a click counts against a visit.")
    visit_weight: int = Field(default=1, ge=0, description="What a day with a visit counts.")
    order_weight: int = Field(default=2, ge=0, description="What an order counts against a visit.")

    def allowed_hours(self) -> tuple[int, ...]:
        """The hours at which a message may be sent, ascending."""
        length = (self.night_until - self.night_from) % 24
        night = {(self.night_from + step) % 24 for step in range(length)}
        return tuple(hour for hour in range(24) if hour not in night)


@dataclass(frozen=True)
class Habit:
    """What the shop does as a whole: the share of each hour or weekday, and how strongly people are shrunk to it.

    ``strength`` is the weight of the shop's mean in visits; infinite where no personal habit shows.
    """

    shares: tuple[float, ...]
    strength: float


_STRENGTHS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, math.inf)
_INFINITE = 1e9
_SLOTS = {"hour": 24, "weekday": 7}
_QUARTER = 900_000_000

# One moment per person and local day, the weightiest and then the first: a click, the visit it leads to and the order
# at its end are one occasion. Zones are turned into local time once per quarter of an hour, not once per event.
_MOMENTS = """
CREATE OR REPLACE TEMP TABLE send_moments AS
WITH events AS (
    SELECT customer_id, occurred_at, {order_weight} AS weight FROM orders WHERE event = 'Order Completed'
    UNION ALL
    SELECT customer_id, occurred_at, {click_weight} FROM email_events
    WHERE event = 'Email Link Clicked' AND NOT coalesce(bot_click, false)
    UNION ALL
    SELECT customer_id, min(occurred_at), {visit_weight} FROM web_events
    WHERE customer_id IS NOT NULL AND getvariable('as_of') - occurred_at <= {history_days} * {day}
    GROUP BY customer_id, occurred_at // {quarter}
),
zones AS (
    SELECT customer_id, arg_max(timezone, (occurred_at, event_id)) AS zone
    FROM customers WHERE timezone IN (SELECT name FROM pg_timezone_names()) GROUP BY customer_id
),
placed AS (
    SELECT customer_id, occurred_at, weight, coalesce(zone, getvariable('zone')) AS zone,
           occurred_at // {quarter} AS slot
    FROM events LEFT JOIN zones USING (customer_id)
    WHERE customer_id IS NOT NULL AND weight > 0 AND getvariable('as_of') - occurred_at <= {history_days} * {day}
),
clock AS (
    SELECT zone, slot, timezone(zone, make_timestamptz(slot * {quarter})) AS local
    FROM (SELECT DISTINCT zone, slot FROM placed)
)
SELECT customer_id, local::DATE AS on_day, hour(local)::INTEGER AS hour, isodow(local)::INTEGER - 1 AS weekday, weight
FROM placed JOIN clock USING (zone, slot)
QUALIFY row_number() OVER (PARTITION BY customer_id, on_day ORDER BY weight DESC, occurred_at) = 1
"""

_COUNTS = """
CREATE OR REPLACE TEMP TABLE send_counts_{slot} AS
SELECT customer_id, slot, weight, sum(weight) OVER (PARTITION BY customer_id)::BIGINT AS total
FROM (SELECT customer_id, {slot} AS slot, sum(weight)::BIGINT AS weight FROM send_moments GROUP BY ALL)
"""


def find_moments(db: duckdb.DuckDBPyConnection, settings: SendTimeSettings) -> None:
    """Create ``send_moments``: one row per person and local day with on_day, hour, weekday (Monday 0) and weight.

    Local is the customer's own time zone where it is known and exists, else the variable ``zone``.
    """
    values = settings.model_dump() | {"day": DAY_US, "quarter": _QUARTER}
    db.execute(_MOMENTS.format(**values))


def learn_habit(db: duckdb.DuckDBPyConnection, slot: str) -> Habit:
    """The shop's shares and the strength under which people's moments, each left out in turn, are likeliest.

    ``slot`` is ``hour`` or ``weekday``. Creates ``send_counts_<slot>``: one row per person and slot with the weight
    there and in total.
    """
    db.execute(_COUNTS.format(slot=slot))
    totals = dict(
        db.execute(f"SELECT slot, sum(weight)::BIGINT FROM send_counts_{slot} GROUP BY 1 ORDER BY 1").fetchall()
    )
    whole = sum(totals.values()) + _SLOTS[slot]
    # One visit in every slot: a share is never nought.
    shares = tuple((totals.get(place, 0) + 1) / whole for place in range(_SLOTS[slot]))
    groups = db.execute(
        f"""
        SELECT slot, c.weight, total, m.weight, count(*)
        FROM send_counts_{slot} c JOIN send_moments m ON m.customer_id = c.customer_id AND m.{slot} = c.slot
        GROUP BY ALL ORDER BY ALL
        """
    ).fetchall()
    gains = {strength: _left_out(groups, shares, strength) for strength in _STRENGTHS}
    best = max(_STRENGTHS, key=lambda strength: _total(gains[strength], groups))
    # The strongest shrinkage that is not clearly worse: chance alone must not look like a habit.
    return Habit(
        shares, max(strength for strength in _STRENGTHS if not _clearly_below(gains[strength], gains[best], groups))
    )


def _left_out(groups: Sequence[tuple[int, ...]], shares: tuple[float, ...], strength: float) -> list[float]:
    """The log-likelihood of one moment of each group, itself left out of its person's counts."""
    if math.isinf(strength):
        return [math.log(shares[slot]) for slot, *_ in groups]
    return [
        math.log((here - own + strength * shares[slot]) / (everywhere - own + strength))
        for slot, here, everywhere, own, _ in groups
    ]


def _total(likely: Sequence[float], groups: Sequence[tuple[int, ...]]) -> float:
    return math.fsum(own * n * value for value, (_, _, _, own, n) in zip(likely, groups, strict=True))


def _clearly_below(these: Sequence[float], best: Sequence[float], groups: Sequence[tuple[int, ...]]) -> bool:
    """Whether a strength is below the best by more than two standard errors of their paired difference."""
    gaps = [own * (high - low) for low, high, (_, _, _, own, _) in zip(these, best, groups, strict=True)]
    moments = [group[-1] for group in groups]
    spread = math.sqrt(math.fsum(n * gap * gap for n, gap in zip(moments, gaps, strict=True)))
    return math.fsum(n * gap for n, gap in zip(moments, gaps, strict=True)) > 2 * spread


def _best(db: duckdb.DuckDBPyConnection, wanted: str, slot: str, habit: Habit, allowed: tuple[int, ...]) -> None:
    """Create ``send_best_<slot>``: the best of the allowed slots for each of ``wanted``."""
    order = sorted(allowed, key=lambda place: (-habit.shares[place], place))
    strength = min(habit.strength, _INFINITE)
    rows = ", ".join(f"({place}, {strength * habit.shares[place]!r}, {rank})" for rank, place in enumerate(order))
    # Only a slot of one's own, or the shop's best, can be the best. Equal ones go to the shop's liking.
    db.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE send_best_{slot} AS
        WITH shop (slot, prior, rank) AS (VALUES {rows}),
        own AS (
            SELECT customer_id, slot, weight + prior AS score, rank
            FROM send_counts_{slot} SEMI JOIN {wanted} USING (customer_id) JOIN shop USING (slot)
            UNION ALL
            SELECT customer_id, slot, prior, rank FROM (SELECT DISTINCT customer_id FROM {wanted}), shop WHERE rank = 0
        )
        SELECT customer_id, arg_max(slot, (score, -rank)) AS slot FROM own GROUP BY customer_id
        """
    )


def send_time(
    db: duckdb.DuckDBPyConnection, wanted: str = "wanted", settings: SendTimeSettings | None = None
) -> dict[str, Habit]:
    """Create the table ``send_times``: one row per customer_id of the table ``wanted`` with send_hour, send_weekday.

    The hour is a local one outside the night, the weekday an English name; both are null where the shop logs no
    click, visit or order. Needs the variables ``as_of`` and ``zone`` and the views customers, orders, web_events and
    email_events. Returns what was learned of the shop, by slot.
    """
    settings = settings or SendTimeSettings()
    find_moments(db, settings)
    habits = {slot: learn_habit(db, slot) for slot in _SLOTS}
    _best(db, wanted, "hour", habits["hour"], settings.allowed_hours())
    _best(db, wanted, "weekday", habits["weekday"], tuple(range(7)))
    known = db.execute("SELECT count(*) > 0 FROM send_moments").fetchall()[0][0]
    names = ", ".join(f"'{name}'" for name in WEEKDAYS)
    db.execute(
        f"""
        CREATE OR REPLACE TABLE send_times AS
        SELECT customer_id, CASE WHEN {known} THEN h.slot END AS send_hour,
               CASE WHEN {known} THEN ([{names}])[w.slot + 1] END AS send_weekday
        FROM send_best_hour h JOIN send_best_weekday w USING (customer_id) ORDER BY customer_id
        """
    )
    for table in ("moments", "counts_hour", "counts_weekday", "best_hour", "best_weekday"):
        db.execute(f"DROP TABLE send_{table}")
    return habits
