"""A shop written down row by row, for what both readings of docs/lists.md say about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from events.logs import arrow_schema
from tests.campaigns.both_readings import Both
from tests.campaigns.odd_worlds import World
from tests.campaigns.reference import DAY, Row
from timeline import parse_date

ZONE = "Europe/London"


class Rows:
    """Events by their age before the day of the lists, in microseconds."""

    def __init__(self, as_of: str = "2025-06-01") -> None:
        self.as_of = as_of
        self.now = parse_date(as_of, ZONE)
        self.shop: dict[str, list[dict[str, Any]]] = {}
        self.scores: list[Row] = []
        self.ledger: list[Row] = []

    def add(self, log: str, who: str | None, age: int, **values: Any) -> None:
        rows = self.shop.setdefault(log, [])
        row: dict[str, Any] = dict.fromkeys(arrow_schema(log).names)
        happened = self.now - age
        row |= {
            "customer_id": who,
            "occurred_at": happened,
            "loaded_at": happened,
            "event_id": f"{log}-{len(rows):04d}",
        }
        rows.append(row | values)

    def customer(self, who: str, joined: int = 700 * DAY, **values: Any) -> None:
        """Somebody who said yes to e-mail, with an address of their own unless ``values`` say otherwise."""
        usual = {"email_consent": "subscribed", "suppressed": False, "legal_hold": False, "address_key": f"at-{who}"}
        self.add("customers", who, joined, **(usual | values))

    def order(self, who: str, age: int, revenue: int = 1000, number: str | None = None, **values: Any) -> None:
        order_id = number or f"{who}-{age}"
        self.add(
            "orders", who, age, event="Order Completed", order_id=order_id, revenue=revenue, currency="GBP", **values
        )

    def score(self, who: str, probability: float = 0.8, **values: Any) -> None:
        band = "high" if probability >= 0.66 else "medium" if probability >= 0.4 else "low"
        usual = {"percentile": 50.0, "expected_value": 5000, "value_at_risk": 4000}
        self.scores.append({"customer_id": who, "churn_probability": probability, "band": band, **usual, **values})

    def both(self, folder: Path, values: dict[str, Any]) -> Both:
        return World(self.as_of, ZONE, values, self.shop, self.scores, ledger=self.ledger).both(folder)
