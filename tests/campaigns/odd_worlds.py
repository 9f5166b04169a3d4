"""Tiny random shops, dense in what goes wrong: edges of windows, equal instants, missing logs, columns and scores."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from campaigns.settings import CampaignSettings
from events.logs import arrow_schema
from tests.campaigns.both_readings import Both
from tests.campaigns.reference import DAY, HOUR, Row
from timeline import parse_date

DATES = ("2024-02-28", "2024-02-29", "2025-02-28", "2024-03-01", "2024-03-31", "2024-10-27", "2024-10-28", "2025-01-01")
"""Around leap days, on days of 23 and 25 hours, at the turn of a year."""

ZONES = ("Europe/London", "America/New_York", "Asia/Karachi", "UTC")

EDGES = tuple(hours * HOUR for hours in (1, 4, 12, 24, 48, 72, 96)) + tuple(
    days * DAY for days in (3, 5, 6, 7, 10, 14, 15, 28, 30, 31, 45, 60, 90, 120, 180, 364, 365, 366, 400, 729, 730, 731)
)
"""Ages at which some rule changes its mind."""

DROPPABLE = {
    "customers": ("country", "birth_month_day", "birth_year", "email_consent_at", "address_key"),
    "orders": ("discount", "total", "coupon", "channel"),
    "order_items": ("category", "product_id", "discount"),
    "web_events": ("session_id", "category", "price", "quantity", "cart_id", "product_id"),
    "email_events": ("bot_click", "machine_open", "bounce_type"),
    "support_tickets": ("satisfaction",),
    "loyalty_events": ("tier", "points"),
    "campaign_contacts": ("control", "arm", "propensity", "cost"),
}

PARAMS: tuple[dict[str, Any], ...] = (
    {"economy": {"save_rate": 0.5, "contact_cost": 0}},
    {
        "capacity": 5,
        "holdout_share": 0.4,
        "quiet_days": 0,
        "quiet_order_days": 0,
        "facts": {"late_hours": 24, "new_days": 15, "late_factor": 1.0, "assumed_delivery_days": 1},
        "economy": {"save_rate": 0.9, "contact_cost": 7},
        "priority": ["loyalty", "welcome", "list_hygiene", "mine"],
        "lists": {
            "loyalty": {"tiers": ["gold", "silver"], "budget": 1},
            "welcome": {"step_days": [0, 1, 5, 30], "within_days": 10, "max_cost": 14},
            "win_back": {"min_probability": 0.5, "min_value": 100, "bands": ["low"]},
            "post_purchase_feedback": {"min_days": 0, "max_days": 3},
            "at_risk": {"min_rise": 0.05, "min_ignored_mails": 1, "max_cost": 20},
            "birthday": {"days_before": 1, "holdout_share": 0.0},
            "list_hygiene": {"unengaged_days": 90, "min_mails": 1, "budget": 2},
            "next_order": {"within_days": 1},
            "browse_abandon": {"min_views": 1, "on": False},
        },
        "own_lists": {
            "mine": {
                "title": "Mine",
                "who": {"cart_bought": False, "main_interest": ["tea", "pets"]},
                "rank_by": "cart_value",
                "action": "Ask.",
            }
        },
    },
    {
        "holdout_share": 0.0,
        "global_holdout_share": 0.3,
        "quiet_days": 0,
        "frequency_days": 0,
        "lists": {
            "abandoned_cart": {"min_value": 1, "min_age_hours": 0, "arms": {"a": 0.3, "b": 0.7}},
            "birthday": {"days_before": 0, "budget": 0},
            "service_recovery": {"max_age_days": 1},
            "win_back": {"bands": ["high", "medium", "low"]},
            "list_hygiene": {"min_mails": 1},
        },
    },
)


@dataclass
class World:
    """A shop as of one day."""

    as_of: str
    zone: str
    values: dict[str, Any]
    shop: dict[str, list[dict[str, Any]]]
    scores: list[Row] = field(default_factory=list)
    before: list[Row] = field(default_factory=list)
    ledger: list[Row] = field(default_factory=list)
    erased: set[str] = field(default_factory=set)
    without: dict[str, set[str]] = field(default_factory=dict)
    active_days: int = 365

    def both(self, folder: Path, db: duckdb.DuckDBPyConnection | None = None) -> Both:
        """Both readings of it; the files lack the columns of ``without``."""
        files = {}
        folder.mkdir(parents=True, exist_ok=True)
        for log, rows in self.shop.items():
            path = folder / f"{log}.parquet"
            table = pa.Table.from_pylist(rows, schema=arrow_schema(log))
            pq.write_table(table.drop_columns(sorted(self.without.get(log, ()))), path)
            files[log] = [path.as_posix()]
        return Both(
            files,
            self.shop,
            CampaignSettings.model_validate(self.values),
            as_of=self.as_of,
            zone=self.zone,
            active_days=self.active_days,
            scores=self.scores,
            before=self.before,
            ledger=self.ledger,
            erased=self.erased,
            db=db,
        )


class Maker:
    """Draws one world after the other."""

    def __init__(self, seed: int | str, people: int = 40) -> None:
        self.chance = random.Random(seed)
        self.people = people

    def instant(self) -> int:
        """An age near an edge, now and then in the future."""
        draw = self.chance.random()
        if draw < 0.04:
            return self.now + self.chance.choice((0, 1, DAY))
        if draw < 0.5 and self.instants:
            return self.chance.choice(self.instants)
        near = EDGES if self.chance.random() < 0.4 else [age for age in EDGES if age <= 120 * DAY]
        edge = self.chance.choice(near) if draw < 0.9 else self.chance.randrange(1, 800 * DAY)
        found = self.now - edge + self.chance.choice((-1, 0, 0, 1))
        self.instants.append(found)
        return found

    def row(self, log: str, who: str | None, **values: Any) -> dict[str, Any]:
        happened = values.pop("occurred_at", None)
        happened = self.instant() if happened is None else happened
        late = self.chance.random() < 0.05
        row: dict[str, Any] = dict.fromkeys(arrow_schema(log).names)
        # Ids in no order of time, so that ties are settled by them.
        event = f"{self.chance.randrange(10**9):09d}{len(self.rows):04d}"
        row |= {"customer_id": who, "occurred_at": happened, "event_id": event}
        row |= {"loaded_at": self.instant() if late else happened, **values}
        self.rows.append(row)
        self.shop.setdefault(log, []).append(row)
        return row

    def world(self) -> World:
        chance = self.chance
        as_of, zone = chance.choice(DATES), chance.choice(ZONES)
        self.now = parse_date(as_of, zone)
        self.instants: list[int] = []
        self.rows: list[dict[str, Any]] = []
        self.shop: dict[str, list[dict[str, Any]]] = {}
        values = chance.choice(PARAMS)
        world = World(as_of, zone, values, self.shop, active_days=chance.choice((365, 365, 90)))
        everybody = [f"c{n:02d}" for n in range(chance.choice((0, 3, *[self.people] * 8)))]
        chance.shuffle(everybody)
        for who in everybody:
            self.live(who)
        for log in list(self.shop):
            if chance.random() < 0.06:
                del self.shop[log]
        for log, rows in self.shop.items():
            for column in DROPPABLE.get(log, ()):
                if chance.random() < 0.05:
                    world.without.setdefault(log, set()).add(column)
                    for row in rows:
                        row[column] = None
        if chance.random() < 0.8:
            world.scores = [self.score(who) for who in (*everybody, "stranger") if chance.random() < 0.7]
            world.before = [
                {"customer_id": row["customer_id"], "churn_probability": chance.choice((0.1, 0.3, 0.5, 0.6))}
                for row in world.scores
                if chance.random() < 0.7
            ]
        for who in everybody:
            if chance.random() < 0.1:
                name = chance.choice(("welcome", "birthday", "win_back", "loyalty"))
                told = {"customer_id": who, "campaign_id": f"{name}-x", "list": name, "occurred_at": self.instant()}
                world.ledger.append(told)
            if chance.random() < 0.02:
                world.erased.add(who)
        return world

    def score(self, who: str) -> Row:
        chance = self.chance
        probability = chance.choice((0.1, 0.4, 0.5, 0.6, 0.9))
        return {
            "customer_id": who,
            "churn_probability": probability,
            "band": chance.choice(("low", "medium", "high")),
            "percentile": float(chance.choice((10, 50, 90))),
            "expected_value": chance.choice((0, 100, 2000)),
            "value_at_risk": chance.choice((0, 99, 100, 2000, 2000)),
        }

    def live(self, who: str) -> None:
        """What one customer did."""
        chance, row = self.chance, self.row
        for _ in range(chance.choice((0, 1, 1, 1, 1, 1, 1, 2))):
            row(
                "customers",
                who,
                country=chance.choice(("GB", "PK", None)),
                birth_month_day=chance.choice(("02-28", "02-29", "03-01", "02-30", "10-27", "01-01", "12-31", None)),
                birth_year=chance.choice((1980, None)),
                email_consent=chance.choice(("subscribed",) * 19 + ("unsubscribed", "unknown")),
                suppressed=False,
                legal_hold=False,
                address_key=chance.choice((f"a-{who}",) * 5 + ("a-shared", "a-other", None)),
            )
        for n in range(chance.choice((0, 0, 1, 1, 2, 3, 4, 6))):
            self.order(who, f"{who}-{n}")
        for _ in range(chance.choice((0, 0, 1, 4))):
            row(
                "web_events",
                chance.choice((who,) * 9 + (None,)),
                event=chance.choice(
                    ("Product Viewed",) * 3
                    + ("Product Added",) * 3
                    + ("Cart Viewed", "Checkout Started", "Order Completed", "Page Viewed")
                ),
                session_id=chance.choice(("s1", "s2", None)),
                cart_id=chance.choice(("k1", "k2", None, None)),
                category=chance.choice(("tea", "pets", None)),
                product_id=chance.choice(("p1", "p2", None)),
                price=chance.choice((0, 500, 1999, None)),
                quantity=chance.choice((None, 1, 3)),
                bot=chance.random() < 0.05,
            )
        for _ in range(chance.choice((0, 0, 2, 9))):
            event = chance.choice(("Email Delivered",) * 18 + ("Email Link Clicked",) * 3 + ("Email Bounced",))
            bounce = chance.choice(("soft", "hard", None)) if event == "Email Bounced" else None
            row("email_events", who, event=event, bounce_type=bounce, bot_click=chance.choice((None, False, True)))
        if chance.random() < 0.03:
            row("email_events", who, event="Email Marked as Spam")
        for ticket in range(chance.choice((0, 0, 0, 0, 0, 1, 2))):
            opened = row("support_tickets", who, ticket_id=f"{who}-t{ticket}", event="Ticket Opened")
            for _ in range(chance.choice((0, 1, 1, 1, 1, 2))):
                took = chance.choice((0, HOUR, 72 * HOUR, 72 * HOUR + 1, 30 * DAY))
                row(
                    "support_tickets",
                    who,
                    ticket_id=f"{who}-t{ticket}",
                    event="Ticket Closed",
                    occurred_at=opened["occurred_at"] + took,
                    satisfaction=chance.choice((None, 1, 2, 3, 5)),
                )
        for _ in range(chance.choice((0, 0, 1, 2))):
            row(
                "loyalty_events",
                who,
                points=chance.choice((None, 5, -5)),
                tier=chance.choice((None, "gold", "silver", "bronze")),
            )
        if chance.random() < 0.15:
            name = chance.choice(("win_back-2024-01", "birthday-x", "welcome-order-1", "summer sale"))
            row("campaign_contacts", who, campaign_id=name, control=chance.choice((None, False, True)))

    def order(self, who: str, number: str) -> None:
        chance, row = self.chance, self.row
        done = row(
            "orders",
            who,
            order_id=number,
            event="Order Completed",
            revenue=chance.choice((0, 1000, 1000, 5000)),
            discount=chance.choice((None, 0, 0, 100)),
            coupon=chance.choice((None, None, None, "SALE")),
            currency="GBP",
        )
        happened = done["occurred_at"]
        for event in ("Order Cancelled", "Order Refunded", "Order Refunded"):
            if chance.random() < 0.15:
                after = chance.choice((0, DAY, 20 * DAY))
                revenue = chance.choice((0, 500, 1000))
                row(
                    "orders",
                    who,
                    order_id=number,
                    event=event,
                    revenue=revenue,
                    currency="GBP",
                    occurred_at=happened + after,
                )
        for event in chance.choices(("Order Completed", "Order Completed", "Order Refunded"), k=chance.randrange(4)):
            row(
                "order_items",
                who,
                order_id=number,
                event=event,
                category=chance.choice(("tea", "pets", "books", None)),
                quantity=chance.choice((1, 1, 2)),
                price=500,
                occurred_at=happened + chance.choice((0, 0, 0, -1, 1)),
            )
        for _ in range(chance.choice((0, 1, 1, 2))):
            row(
                "deliveries",
                who,
                order_id=number,
                promised_at=happened,
                delay_hours=chance.choice((-20, 0, 23, 24, 47, 48, 49)),
                occurred_at=happened + chance.choice((0, DAY, 3 * DAY)),
            )
