"""Second opinions on support, deliveries, loyalty points and earlier campaigns."""

from .case import Answer, Case, Row, days_since_newest, oracle, share


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
    deliveries = case.history("deliveries")
    newest = min((delivery["age"] for delivery in deliveries), default=None)
    return max((d["delay_hours"] for d in deliveries if d["age"] == newest), default=None)


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
