"""docs/lists.md a second time: plain Python, person by person and row by row, slow and independent of the code.

Here are the facts and segments of people, in ``reference_lists`` who is on which list. Nothing of ``campaigns`` is
used but the settings. Rows are dicts with the columns of the canonical logs, null is None. What an instant was is
told by its age before T, in microseconds.
"""

from __future__ import annotations

import calendar
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import pairwise
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from campaigns.settings import CampaignSettings

DAY = 24 * 3600 * 1_000_000
HOUR = 3600 * 1_000_000

Row = Mapping[str, Any]
Person = dict[str, Any]
Shop = Mapping[str, Sequence[Row]]
CART = ("Product Added", "Cart Viewed", "Checkout Started")
SCORES = (
    *("churn_probability", "band", "percentile", "margin", "expected_value", "value_at_risk", "act_by"),
    *("next_order_from", "next_order_expected", "next_order_until", "usual_gap_days"),
)


def newest(rows: Iterable[Row], column: str = "event_id") -> Row | None:
    """The newest row; of several at one instant that with the highest event_id."""
    return max(rows, key=lambda row: (row["occurred_at"], row[column]), default=None)


def newest_known(rows: Iterable[Row], column: str) -> Any:
    """What the newest row says that says anything."""
    row = newest(row for row in rows if row[column] is not None)
    return row and row[column]


def newest_of(*instants: int | None) -> int | None:
    return max((instant for instant in instants if instant is not None), default=None)


class Reading:
    """What was known of a shop at T."""

    def __init__(
        self,
        shop: Shop,
        now: int,
        zone: str,
        settings: CampaignSettings,
        active_days: int,
        scores: Sequence[Row] = (),
        before: Sequence[Row] = (),
    ) -> None:
        self.now, self.zone, self.s, self.active_days = now, zone, settings, active_days
        self.logs = {
            log: [row for row in rows if self.age(row) > 0 and now - row["loaded_at"] > 0 and not row.get("bot")]
            for log, rows in shop.items()
        }
        self.own: dict[str, dict[str, list[Row]]] = {}
        for log, rows in self.logs.items():
            of = self.own[log] = defaultdict(list)
            for row in rows:
                if row["customer_id"] is not None:
                    of[row["customer_id"]].append(row)
        orders = self.logs.get("orders", [])
        cancelled = {row["order_id"] for row in orders if row["event"] == "Order Cancelled"}
        refunded: Counter[str] = Counter()
        for row in orders:
            if row["event"] == "Order Refunded":
                refunded[row["order_id"]] += row["revenue"]
        self.counted: dict[str, list[Row]] = defaultdict(list)
        for row in orders:
            if row["event"] == "Order Completed" and row["order_id"] not in cancelled:
                self.counted[row["customer_id"]].append({**row, "net": row["revenue"] - refunded[row["order_id"]]})
        self.scores = {row["customer_id"]: row for row in scores}
        self.before = {row["customer_id"]: row["churn_probability"] for row in before}
        names = set(self.own.get("customers", {})) | set(self.counted)
        self.people: dict[str, Person] = {who: self.facts(who) for who in sorted(names)}
        self.add_segments()

    def age(self, row: Row) -> int:
        return self.now - row["occurred_at"]

    def of(self, log: str, who: str) -> list[Row]:
        return self.own.get(log, {}).get(who, [])

    def days_ago(self, instant: int | None) -> int | None:
        return None if instant is None else (self.now - instant) // DAY

    def hours_ago(self, instant: int | None) -> int | None:
        return None if instant is None else (self.now - instant) // HOUR

    # Facts

    def facts(self, who: str) -> Person:
        """Everything about one person that is no segment."""
        records = self.of("customers", who)
        record = newest(records) or {}
        orders = self.counted.get(who, [])
        first = min((row["occurred_at"] for row in orders), default=None)
        last = newest(orders, "order_id")
        days = sorted({self.age(row) // DAY for row in orders})
        gaps = [later - earlier for earlier, later in pairwise(days)]
        signed_up = min((row["occurred_at"] for row in records), default=None)
        discounted = sum((row["discount"] or 0) > 0 or row["coupon"] is not None for row in orders)
        person: Person = {
            "customer_id": who,
            "address_key": record.get("address_key"),
            "country": newest_known(records, "country"),
            "birth_month_day": newest_known(records, "birth_month_day"),
            "joined_at": signed_up if signed_up is not None else first,
            "signed_up_days": self.days_ago(signed_up if signed_up is not None else first),
            "orders": len(orders),
            "first_order_at": first,
            "last_order_at": last and last["occurred_at"],
            "last_order_id": last and last["order_id"],
            "days_since_order": self.days_ago(last and last["occurred_at"]),
            "revenue": sum(row["net"] for row in orders),
            "revenue_365": sum(row["net"] for row in orders if self.age(row) <= 365 * DAY),
            "discounted_orders": discounted,
            "discount_share": discounted / len(orders) if orders else None,
            "own_gap_days": median(gaps) if gaps else None,
            "own_gaps": len(gaps),
            "welcome_from": {0: signed_up, 1: first}.get(len(orders)),
            "days_to_birthday": self.days_to_birthday(newest_known(records, "birth_month_day")),
        }
        person |= self.visits(who, orders) | self.parcels(who, last) | self.tickets(who) | self.mails(who)
        person |= self.loyalty(who)
        contacts = [row for row in self.of("campaign_contacts", who) if not row["control"]]
        person["last_contact_at"] = newest_of(*(row["occurred_at"] for row in contacts))
        person["contacts_30"] = sum(self.age(row) <= 30 * DAY for row in contacts)
        person["engaged_at"] = newest_of(
            person["last_click_at"], person["last_visit_at"], person["last_order_at"], person["joined_at"]
        )
        score = self.scores.get(who, {})
        person |= {name: score.get(name) for name in SCORES}
        person["probability_before"] = self.before.get(who)
        return person

    def days_to_birthday(self, month_day: str | None) -> int | None:
        if month_day is None:
            return None
        today = datetime.fromtimestamp(self.now // 1_000_000, ZoneInfo(self.zone)).date()
        month, day = int(month_day[:2]), int(month_day[3:])
        for year in (today.year, today.year + 1):
            kept = 28 if (month, day) == (2, 29) and not calendar.isleap(year) else day
            try:
                birthday = date(year, month, kept)
            except ValueError:
                return None
            if birthday >= today:
                return (birthday - today).days
        raise AssertionError("a birthday comes every year")

    def visits(self, who: str, orders: Sequence[Row]) -> Person:
        """Carts and browsing."""
        web = self.of("web_events", who)
        bought = newest_of(
            *(row["occurred_at"] for row in orders),
            *(row["occurred_at"] for row in web if row["event"] == "Order Completed"),
        )

        def since(instant: int | None) -> bool | None:
            return None if instant is None else bought is not None and bought >= instant

        def name(row: Row) -> str:
            for prefix, column in (("", "cart_id"), ("session ", "session_id"), ("event ", "event_id")):
                if row[column] is not None:
                    return prefix + str(row[column])
            raise AssertionError("every event has an id")

        lists = self.s.lists
        active = [r for r in web if r["event"] in CART and self.age(r) <= lists.abandoned_cart.max_age_days * DAY]
        cart = newest(active)
        value = None
        for row in active:
            if cart and name(row) == name(cart) and row["event"] == "Product Added" and row["price"] is not None:
                value = (value or 0) + row["price"] * (1 if row["quantity"] is None else row["quantity"])
        reach = lists.browse_abandon.max_age_days * DAY
        views = [r for r in web if r["event"] == "Product Viewed" and self.age(r) <= reach]
        view = newest(views)
        cart_at, browse_at = cart and cart["occurred_at"], view and view["occurred_at"]
        return {
            "cart_at": cart_at,
            "cart_id": cart and name(cart),
            "cart_value": value,
            "cart_age_hours": self.hours_ago(cart_at),
            "cart_bought": since(cart_at),
            "browse_at": browse_at,
            "browse_views": len(views) if views else None,
            "browse_age_hours": self.hours_ago(browse_at),
            "browse_bought": since(browse_at),
            "last_visit_at": newest_of(*(row["occurred_at"] for row in web)),
        }

    def parcels(self, who: str, last: Row | None) -> Person:
        f = self.s.facts
        rows = self.of("deliveries", who)
        delivery = newest(rows, "order_id")
        delivered_at = delivery and delivery["occurred_at"]
        order = delivery and delivery["order_id"]
        late = newest_of(*(row["occurred_at"] for row in rows if row["delay_hours"] >= f.late_hours))
        if not self.logs.get("deliveries") and last:
            delivered_at, order = last["occurred_at"] + f.assumed_delivery_days * DAY, last["order_id"]
        return {
            "delivered_at": delivered_at,
            "delivered_order_id": order,
            # Of several parcels on one instant a late one is trouble.
            "delivered_late": late is not None and late == delivered_at,
            "late_delivery_at": late,
        }

    def tickets(self, who: str) -> Person:
        f = self.s.facts
        by_ticket = defaultdict(list)
        for row in self.of("support_tickets", who):
            by_ticket[row["ticket_id"]].append(row)
        bad, low, last, is_open = [], [], [], False
        for rows in by_ticket.values():
            opened = min(row["occurred_at"] for row in rows)
            closed = newest_of(*(row["occurred_at"] for row in rows if row["event"] == "Ticket Closed"))
            rated = newest(row for row in rows if row["satisfaction"] is not None)
            is_low = rated is not None and rated["satisfaction"] <= f.low_rating
            if closed is None:
                last.append(opened)
                is_open = is_open or (self.now - opened) // DAY < f.forgotten_days
                continue
            last.append(closed)
            if is_low:
                low.append(closed)
            if is_low or closed - opened > f.slow_hours * HOUR:
                bad.append(closed)
        return {
            "bad_ticket_at": newest_of(*bad),
            "low_rating_at": newest_of(*low),
            "open_ticket": is_open,
            "last_ticket_at": newest_of(*last),
        }

    def mails(self, who: str) -> Person:
        rows = self.of("email_events", who)
        ages = [self.age(row) for row in rows if row["event"] == "Email Delivered"]
        clicks = [row for row in rows if row["event"] == "Email Link Clicked" and not row["bot_click"]]
        return {
            "mails_30": sum(age <= 30 * DAY for age in ages),
            "mails_180": sum(age <= 180 * DAY for age in ages),
            "clicks_180": sum(self.age(row) <= 180 * DAY for row in clicks),
            "last_click_at": newest_of(*(row["occurred_at"] for row in clicks)),
            "hard_bounced": any(row["event"] == "Email Bounced" and row["bounce_type"] == "hard" for row in rows),
            "complained": any(row["event"] == "Email Marked as Spam" for row in rows),
        }

    def loyalty(self, who: str) -> Person:
        rows = self.of("loyalty_events", who)
        points = [row["points"] for row in rows if row["points"] is not None]
        return {"tier": newest_known(rows, "tier"), "points": sum(points) if points else None}

    # Segments

    def add_segments(self) -> None:
        """Those that depend on everybody else, too."""
        buyers = [person for person in self.people.values() if person["orders"]]
        columns = ("last_order_at", "orders", "revenue")
        sorted_by = {column: sorted(person[column] for person in buyers) for column in columns}
        spent = sorted(person["revenue_365"] for person in buyers)
        rhythms = [person["own_gap_days"] for person in buyers if person["own_gaps"] >= 2]
        shop_gap = median(rhythms) if rhythms else self.s.facts.new_days
        for who, person in self.people.items():
            fifths = [
                1 + 5 * bisect_left(sorted_by[column], person[column]) // len(buyers) if person["orders"] else 0
                for column in columns
            ]
            more = len(spent) - bisect_right(spent, person["revenue_365"])
            person["rfm_segment"] = rfm(*fifths)
            person["lifecycle"] = self.lifecycle(person, shop_gap)
            person["value_tier"] = value_tier(person, more, len(buyers))
            person["discount_dependence"] = discount_dependence(person)
            person["main_interest"] = self.main_interest(who)

    def lifecycle(self, person: Person, shop_gap: float) -> str:
        days = person["days_since_order"]
        if not person["orders"]:
            return "prospect"
        if days >= self.active_days:
            return "lost"
        if person["orders"] == 1 and days < self.s.facts.new_days:
            return "new"
        gap = max(person["own_gap_days"], 7) if person["own_gaps"] >= 2 else shop_gap
        limit = self.s.facts.late_factor * gap
        return "active" if days <= limit else "slipping" if days <= 2 * limit else "lapsed"

    def main_interest(self, who: str) -> str | None:
        orders = {row["order_id"]: row for row in self.counted.get(who, []) if self.age(row) <= 730 * DAY}
        found: dict[str, list[int]] = {}
        for row in self.of("order_items", who):
            if row["event"] == "Order Completed" and row["order_id"] in orders and row["category"] is not None:
                found.setdefault(row["category"], []).extend([row["occurred_at"]] * row["quantity"])
        if not found:
            for row in self.of("web_events", who):
                if row["event"] == "Product Viewed" and self.age(row) <= 90 * DAY and row["category"] is not None:
                    found.setdefault(row["category"], []).append(row["occurred_at"])
        return max(found, key=lambda category: (len(found[category]), max(found[category]), category), default=None)


def rfm(recency: int, frequency: int, monetary: int) -> str:
    if not recency:
        return "Prospects"
    worth = (frequency + monetary + 1) // 2
    if recency == 5 and worth >= 4:
        return "Champions"
    if recency >= 3 and worth >= 4:
        return "Loyal"
    if recency >= 4 and worth == 3:
        return "Active"
    if recency >= 4:
        return "New" if recency == 5 else "Promising"
    if recency == 3:
        return "Needs attention" if worth == 3 else "Almost lost"
    return "Previously loyal" if worth == 5 else "At risk" if worth >= 3 else "Dormant"


def value_tier(person: Person, more: int, buyers: int) -> str:
    if not person["orders"] or person["revenue_365"] <= 0:
        return "none"
    return "high" if more / buyers < 0.2 else "medium" if more / buyers < 0.5 else "low"


def discount_dependence(person: Person) -> str | None:
    share = person["discount_share"]
    if share is None:
        return None
    if share == 0:
        return "never"
    if share >= 0.8 and person["orders"] >= 2:
        return "only"
    return "often" if share >= 0.4 else "rarely"
