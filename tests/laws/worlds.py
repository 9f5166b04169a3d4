"""Small random worlds: the logs of a shop with few customers, dense in the instants where code goes wrong."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import ibis
import numpy as np
import pandas as pd

from events.logs import EMAIL_EVENTS, ORDER_EVENTS, WEB_EVENTS
from features import build_matrix
from features.settings import FeatureSettings

DAY = 86_400_000_000
SETTINGS = FeatureSettings(windows_days=(30, 90, 365), history_days=730)
CUTOFFS = (1_700_000_000_000_000, 1_700_000_000_000_000 + 61 * DAY)

EDGES_DAYS = (*SETTINGS.windows_days, *(days // 2 for days in SETTINGS.windows_days), 60, 180, SETTINGS.history_days)
"""The first instants of windows, of their newer halves, of what definitions call recent, and of the history."""

LABEL_EDGES_DAYS = (0, 7, 30, 61, 97)
"""Where windows of labels start and end after the cutoff."""

DAY_EDGES = (1, 2, 7, 29, 31, 89, 91, 120, 150, 181, 267, 268, 269, 364, 366, 633)

PLOTS = ("touches", "clicks", "clicks", "lines", "orders", "tickets")
"""What hangs together in the life of a customer of whom nothing else is known; one customer for each and cutoff."""

TICKET_EVENTS = ("Ticket Opened", "Ticket Closed")

KINDS: dict[str, dict[str, str]] = {
    "orders": {
        "order_id": "str",
        "event": "str",
        "revenue": "Int64",
        "discount": "Int64",
        "total": "Int64",
        "coupon": "str",
        "channel": "str",
        "currency": "str",
    },
    "order_items": {
        "order_id": "str",
        "event": "str",
        "product_id": "str",
        "category": "str",
        "quantity": "Int64",
        "price": "Int64",
        "discount": "Int64",
    },
    "web_events": {
        "session_id": "str",
        "anonymous_id": "str",
        "event": "str",
        "product_id": "str",
        "category": "str",
        "price": "Int64",
        "quantity": "Int64",
        "cart_id": "str",
        "order_id": "str",
    },
    "email_events": {
        "event": "str",
        "email_id": "str",
        "campaign_id": "str",
        "bounce_type": "str",
        "machine_open": "boolean",
        "bot_click": "boolean",
    },
    "support_tickets": {
        "ticket_id": "str",
        "event": "str",
        "channel": "str",
        "category": "str",
        "priority": "str",
        "satisfaction": "Int64",
    },
    "deliveries": {"order_id": "str", "promised_at": "Int64", "delay_hours": "Int64"},
    "loyalty_events": {"points": "Int64", "tier": "str"},
    "campaign_contacts": {
        "campaign_id": "str",
        "arm": "str",
        "control": "boolean",
        "propensity": "Float64",
        "cost": "Int64",
    },
}
"""The logs that features read, with the type of each column beside the common ones."""

COMMON = {"customer_id": "str", "occurred_at": "int64", "loaded_at": "int64", "event_id": "str"}


def framed(log: str, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """``rows`` as the canonical table ``log``; what a row leaves out is missing."""
    kinds = COMMON | KINDS[log]
    columns = {name: pd.array([row.get(name) for row in rows], dtype=kind) for name, kind in kinds.items()}
    frame = pd.DataFrame(columns)
    return frame.sort_values(["customer_id", "occurred_at", "event_id"], ignore_index=True)


class _Dice:
    def __init__(self, seed: int, cutoffs: Sequence[int]) -> None:
        self.rng = np.random.default_rng(seed)
        self.cutoffs = cutoffs

    def one(self, *choices: Any) -> Any:
        return choices[self.rng.integers(len(choices))]

    def whole(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high))

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def instant(self, earlier: list[int]) -> int:
        """An instant of which a good part is nasty; ``earlier`` are the customer's instants so far."""
        cutoff = self.one(*self.cutoffs)
        kind = self.rng.random()
        if kind < 0.30:
            return cutoff - self.one(*EDGES_DAYS) * DAY + self.one(-1, 0, 1)
        if kind < 0.38:
            return cutoff + self.one(-1, 0, 1, DAY, 30 * DAY)
        if kind < 0.48:
            return cutoff - self.one(*DAY_EDGES) * DAY + self.one(-1, 0, 1)
        if kind < 0.60 and earlier:
            return self.one(*earlier) + self.one(0, 0, 0, -1, 1, 3_600_000_000, -7_200_000_000)
        if kind < 0.80:
            return cutoff - int(self.rng.exponential(25 * DAY)) - 1
        return cutoff - self.whole(0, 800 * DAY)

    def arrival(self, happened: int) -> int:
        cutoff = self.one(*self.cutoffs)
        kind = self.rng.random()
        if kind < 0.65:
            return happened
        if kind < 0.75:
            return max(happened, cutoff + self.one(-1, 0, 0, 1))
        if kind < 0.80:
            return happened - 1_000_000  # Clocks of two machines: known a second before it happened.
        return happened + self.whole(0, 20 * DAY)


def _details(log: str, dice: _Dice, customer: str, happened: int) -> dict[str, Any]:
    one, whole, chance = dice.one, dice.whole, dice.chance
    # Two shops in one log may give the same id to the orders or the tickets of two customers.
    namespace = one(customer, customer, customer, "shared")
    order_id = f"{namespace}-{whole(0, 6)}"
    if log == "orders":
        revenue = one(0, 1, whole(100, 20_000), whole(100, 20_000), whole(100, 20_000))
        return {
            "order_id": order_id,
            "event": one(*ORDER_EVENTS[:1] * 5, *ORDER_EVENTS[1:]),
            "revenue": revenue,
            "discount": one(None, 0, 1, whole(1, 3_000)),
            "total": one(None, revenue),
            "coupon": one(None, None, "SPRING"),
            "channel": one(None, "web"),
            "currency": "GBP",
        }
    if log == "order_items":
        return {
            "order_id": order_id,
            "event": one(*ORDER_EVENTS[:1] * 5, *ORDER_EVENTS[1:]),
            "product_id": one(None, *(f"p{n}" for n in range(6))),
            "category": one(None, "a", "b", "c"),
            "quantity": whole(1, 6),
            "price": whole(0, 5_000),
            "discount": one(None, 0, 100),
        }
    if log == "web_events":
        # Some sessions are known under one id to several customers.
        return {
            "session_id": one(None, f"{customer}-{whole(0, 5)}", f"{customer}-{whole(0, 9)}", "shared"),
            "anonymous_id": one(None, "v1"),
            "event": one(*WEB_EVENTS),
            "product_id": one(None, "p1"),
            "category": one(None, "a"),
            "price": one(None, 100),
            "quantity": one(None, 1),
            "cart_id": one(None, "cart"),
            "order_id": one(None, order_id),
        }
    if log == "email_events":
        return {
            "event": one(*EMAIL_EVENTS, "Email Delivered", "Email Opened", "Email Link Clicked"),
            "email_id": one(None, "m1"),
            "campaign_id": one(None, "k1"),
            "bounce_type": one(None, "hard", "soft", "block"),
            "machine_open": one(None, False, True),
            "bot_click": one(None, False, True),
        }
    if log == "support_tickets":
        event = one(*TICKET_EVENTS)
        return {
            "ticket_id": f"{namespace}-{whole(0, 5)}",
            "event": event,
            "channel": one(None, "phone"),
            "category": one(None, "delivery"),
            "priority": one(None, "high"),
            "satisfaction": one(None, 1, 2, 3, 4, 5) if event == "Ticket Closed" else None,
        }
    if log == "deliveries":
        delay = one(-30, 0, 23, 24, 25, whole(-50, 100))
        return {"order_id": order_id, "promised_at": happened - delay * 3_600_000_000, "delay_hours": delay}
    if log == "loyalty_events":
        return {"points": one(None, -1, 0, 1, whole(-200, 400), whole(-200, 400)), "tier": one(None, "gold")}
    assert log == "campaign_contacts"
    control = one(None, False, True)
    return {
        "campaign_id": f"k{whole(0, 3)}",
        "arm": one(None, "voucher"),
        "control": control,
        "propensity": one(None, 0.5),
        "cost": one(None, 50) if not chance(0.2) else 0,
    }


def _staged(plot: str, dice: _Dice, customer: str, cutoff: int) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Events that hang together, at the very distances where definitions turn: log, instant, what is known."""
    one, whole = dice.one, dice.whole
    completed, clicked = {"event": "Order Completed"}, {"event": "Email Link Clicked", "bot_click": one(None, False)}

    def beside() -> int:
        return int(one(-1, 0, 0, 1))

    if plot == "touches":
        # Each channel falls silent about 60 days before the cutoff, some in the same instant.
        silent = cutoff - 60 * DAY + beside()
        yield "orders", silent + one(0, 0, 0, -1, 1, DAY), completed
        if dice.chance(0.7):
            yield "web_events", silent + one(0, 0, -1, 1), {}
        yield "email_events", silent + one(0, 0, 0, -1, 1), clicked
    if plot == "clicks":
        for episode in (0, 30):
            click = cutoff - (episode + whole(10, 30)) * DAY - whole(0, DAY)
            visit = {"session_id": one(None, f"{customer}-{episode}")}
            for again in range(one(1, 2)):
                yield "email_events", click - again * one(0, DAY), clicked
            start = click + one(0, 1, 7) * DAY + beside()
            yield "web_events", start, visit
            yield "web_events", start + 600_000_000, visit
            # A second visit after the same click.
            yield "web_events", start + one(2, 3) * DAY, {"session_id": f"{customer}-{episode}-later"}
            yield "orders", click + one(0, 7, 7) * DAY + beside(), completed
            if dice.chance(0.4):
                # The visit, or another on the same day, began before the click.
                yield "web_events", click - one(1, 3_600_000_000), visit
    if plot == "lines":
        # A product bought two or three times, due again at the cutoff or a moment later.
        for product in ("x", "y"):
            days, gaps = whole(2, 40), one(1, 2)
            line = {"event": "Order Completed", "product_id": product, "category": product}
            newest = cutoff - days * DAY // gaps + beside()
            for ago in (0, days) if gaps == 1 else (0, 1, days):
                yield "order_items", newest - ago * DAY, line
            yield "order_items", newest - days * DAY + whole(0, 3), line
    if plot == "orders":
        # Orders of one instant and one id, sent back in parts, before and after they were made.
        ordered = cutoff - one(60, 180) * DAY + beside()
        last_year = [cutoff - days * DAY + beside() for days in (268, 365, 633)]
        paid = one({}, {}, {}, {"revenue": 0})
        for instant in (ordered, ordered, ordered - one(0, 1), ordered - 30 * DAY, *last_year):
            yield "orders", instant, completed | {"order_id": f"{customer}-{whole(0, 3)}"} | paid
        for _ in range(2):
            yield "orders", ordered + one(-1, 1) * DAY, {"event": "Order Refunded", "order_id": f"{customer}-0"}
        yield "deliveries", ordered + DAY, {"order_id": f"{customer}-1"}
        yield "web_events", ordered + beside(), {"session_id": one(None, f"{customer}-w")}
    if plot == "tickets":
        # Closed as soon as it was opened, or opened again after that.
        opened = cutoff - whole(2, 50) * DAY - DAY // 2
        ticket = {"ticket_id": f"{customer}-t", "satisfaction": None}
        yield "support_tickets", opened, ticket | {"event": "Ticket Opened"}
        yield "support_tickets", opened + one(-1, 0, 0, 1, DAY), ticket | {"event": "Ticket Closed"}
        yield "support_tickets", opened + one(0, 2 * DAY), ticket | {"event": one(*TICKET_EVENTS)}
        # An order in the middle of a visit that has no id.
        yield "orders", opened, completed
        for hours, event in (
            (-1, one("Product Viewed", "Checkout Started")),
            (-1, one("Product Viewed", "Checkout Started")),
            (1, one("Product Viewed", "Order Completed")),
        ):
            yield "web_events", opened + hours * 3_600_000_000, {"session_id": None, "event": event}


def _identity(*parts: object) -> str:
    return "c_" + "".join(f"{zlib.crc32(repr((part, parts)).encode()):08x}" for part in range(3))


@dataclass(frozen=True, eq=False)
class World:
    """The logs of a shop, and every customer one may ask about; the last of them left no trace."""

    logs: Mapping[str, pd.DataFrame]
    customers: tuple[str, ...]

    @property
    def stranger(self) -> str:
        """The customer without any event."""
        return self.customers[-1]

    def with_logs(self, logs: Mapping[str, pd.DataFrame]) -> "World":
        """The same customers in other logs."""
        return World(logs, self.customers)


@cache
def world(seed: int, customers: int = 50, cutoffs: tuple[int, ...] = CUTOFFS) -> World:
    """The same world for the same seed.

    The first customers, one for each cutoff, did all they ever did at the first instant of its history. Of
    the ones after them only events are known that hang together. The last but one only ordered, a day and two
    days apart.
    """
    dice = _Dice(seed, cutoffs)
    ids = tuple(_identity(seed, number) for number in range(customers))
    rows: dict[str, list[dict[str, Any]]] = {log: [] for log in KINDS}

    def happens(log: str, customer: str, instant: int, arrived: int | None = None, **known: Any) -> None:
        who = None if log == "web_events" and dice.chance(0.05) else customer
        times = {"occurred_at": instant, "loaded_at": dice.arrival(instant) if arrived is None else arrived}
        rows[log].append({"customer_id": who} | times | _details(log, dice, customer, instant) | known)

    old_timers = dict(zip(ids, cutoffs, strict=False))
    *others, regular, _ = ids[len(cutoffs) :]
    plots = [(plot, cutoff) for plot in PLOTS for cutoff in cutoffs]
    staged, ordinary = others[: len(plots)], others[len(plots) :]
    for number, customer in enumerate(ordinary):
        instants: list[int] = []
        for log in rows:
            # The first of them is known to every log.
            if number and dice.chance(0.2):
                continue
            for _ in range(dice.one(1, 2, 5, 10, 20)):
                instants.append(dice.instant(instants))
                happens(log, customer, instants[-1])
    for customer, (plot, cutoff) in zip(staged, plots, strict=True):
        for log, instant, known in _staged(plot, dice, customer, cutoff):
            happens(log, customer, instant, instant, **known)
    for days in (2, 3, 5):
        ordered = cutoffs[0] - days * DAY - 1
        happens("orders", regular, ordered, ordered, event=ORDER_EVENTS[0])
    for cutoff in cutoffs:
        for days in LABEL_EDGES_DAYS:
            for beside in (-1, 0, 0, 1):
                happens("orders", dice.one(*ordinary), cutoff + days * DAY + beside)
    for log in rows:
        for customer, cutoff in old_timers.items():
            for _ in range(24):
                happened = cutoff - SETTINGS.history_days * DAY
                happens(log, customer, happened, happened)
        for cutoff in cutoffs:
            for days in EDGES_DAYS:
                for beside in (-1, 1, *(0 for _ in range(8))):
                    happened = cutoff - days * DAY + beside
                    happens(log, dice.one(*ordinary), happened, happened)
    for log, gathered in rows.items():
        # Event ids say nothing about the order of events.
        for row, place in zip(gathered, dice.rng.permutation(len(gathered)), strict=True):
            row["event_id"] = f"{log}-{place:05d}"
    return World({log: framed(log, gathered) for log, gathered in rows.items()}, ids)


def connect(threads: int = 1) -> Any:
    """A fresh embedded engine."""
    connection = ibis.duckdb.connect()
    connection.raw_sql(f"SET threads = {threads}")
    return connection


def matrix_of(
    shop: World,
    cutoff: int,
    settings: FeatureSettings = SETTINGS,
    *,
    customers: Sequence[str] | None = None,
    threads: int = 1,
) -> pd.DataFrame:
    """The feature matrix of ``shop`` at ``cutoff``, built in a fresh engine."""
    connection = connect(threads)
    try:
        logs = {name: connection.create_table(name, frame) for name, frame in shop.logs.items()}
        return build_matrix(logs, customers or shop.customers, cutoff, settings, connection)
    finally:
        connection.disconnect()
