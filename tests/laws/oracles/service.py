"""Second opinions on support, deliveries, loyalty points and earlier campaigns."""

from statistics import mean

from .case import DAY, Answer, Case, Row, days_since_newest, oracle, share
from .rows import at_newest, completed_orders


def _unhappy(tickets: list[Row]) -> list[Row]:
    return [t for t in tickets if t["event"] == "Ticket Closed" and t["satisfaction"] in (1, 2)]


def _late(deliveries: list[Row]) -> list[Row]:
    return [delivery for delivery in deliveries if delivery["delay_hours"] >= 24]


@oracle
def tickets_opened(case: Case) -> Answer:
    return len(case.window("support_tickets", "Ticket Opened"))


@oracle
def days_since_last_ticket(case: Case) -> Answer:
    return days_since_newest(case.history("support_tickets", "Ticket Opened"))


@oracle
def unhappy_tickets(case: Case) -> Answer:
    return len(_unhappy(case.window("support_tickets")))


@oracle
def worst_satisfaction(case: Case) -> Answer:
    closed = case.window("support_tickets", "Ticket Closed")
    return min((t["satisfaction"] for t in closed if t["satisfaction"] is not None), default=None)


@oracle
def days_since_unhappy_ticket(case: Case) -> Answer:
    return days_since_newest(_unhappy(case.history("support_tickets")))


@oracle
def open_tickets(case: Case) -> Answer:
    opened = case.history("support_tickets", "Ticket Opened")
    return len(opened) - len(case.history("support_tickets", "Ticket Closed"))


@oracle
def late_deliveries(case: Case) -> Answer:
    return len(_late(case.window("deliveries")))


@oracle
def late_delivery_share(case: Case) -> Answer:
    deliveries = case.history("deliveries")
    return share(len(_late(deliveries)), len(deliveries))


@oracle
def worst_delay_hours(case: Case) -> Answer:
    return max((delivery["delay_hours"] for delivery in case.window("deliveries")), default=None)


@oracle
def latest_delay_hours(case: Case) -> Answer:
    return max((delivery["delay_hours"] for delivery in at_newest(case.history("deliveries"))), default=None)


@oracle
def days_since_late_delivery(case: Case) -> Answer:
    return days_since_newest(_late(case.history("deliveries")))


@oracle
def points_gained(case: Case) -> Answer:
    return sum(max(row["points"] or 0, 0) for row in case.window("loyalty_events"))


@oracle
def points_in_hand(case: Case) -> Answer:
    return sum(row["points"] or 0 for row in case.history("loyalty_events"))


@oracle
def campaigns_received(case: Case) -> Answer:
    return sum(not row["control"] for row in case.window("campaign_contacts"))


@oracle
def tickets_per_order(case: Case) -> Answer:
    return share(len(case.history("support_tickets", "Ticket Opened")), len(completed_orders(case)))


@oracle
def average_satisfaction(case: Case) -> Answer:
    scores = [t["satisfaction"] for t in case.history("support_tickets") if t["satisfaction"] is not None]
    return share(sum(scores), len(scores))


@oracle
def slowest_close_hours(case: Case) -> Answer:
    opened: dict[str, list[int]] = {}
    closed: dict[str, list[int]] = {}
    for ticket in case.history("support_tickets"):
        times = opened if ticket["event"] == "Ticket Opened" else closed
        times.setdefault(ticket["ticket_id"], []).append(ticket["age"])
    took = [max(opened[ticket]) - min(closed[ticket]) for ticket in opened.keys() & closed.keys()]
    return max((time / (DAY // 24) for time in took if time >= 0), default=None)


@oracle
def delay_against_usual(case: Case) -> Answer:
    deliveries = case.history("deliveries")
    if not deliveries:
        return None
    latest = max(delivery["delay_hours"] for delivery in at_newest(deliveries))
    return latest - mean(delivery["delay_hours"] for delivery in deliveries)


@oracle
def undelivered_orders(case: Case) -> Answer:
    settled = case.history("deliveries") + case.history("orders", "Order Cancelled")
    known = {row["order_id"] for row in settled}
    return sum(order["order_id"] not in known for order in case.newer_than(60, completed_orders(case)))


@oracle
def points_spent(case: Case) -> Answer:
    return sum(max(-(row["points"] or 0), 0) for row in case.history("loyalty_events"))


@oracle
def days_since_points_spent(case: Case) -> Answer:
    return days_since_newest([row for row in case.history("loyalty_events") if (row["points"] or 0) < 0])


@oracle
def days_since_last_campaign(case: Case) -> Answer:
    return days_since_newest([row for row in case.history("campaign_contacts") if not row["control"]])
