"""Second opinions on visits, carts and signs of life."""

from .case import DAY, Answer, Case, Row, days_since_newest, fading, oracle, share, trend


def _visits(case: Case) -> list[Row]:
    """One row per session: what happened in it, and the age of its newest event.

    The events without a session id that are equally many whole days old make one session.
    """
    visits: dict[object, Row] = {}
    for row in case.history("web_events"):
        session = row["session_id"] if row["session_id"] is not None else row["age"] // DAY
        visit = visits.setdefault(session, {"age": row["age"], "events": []})
        visit["age"] = min(visit["age"], row["age"])
        visit["events"].append(row["event"])
    return list(visits.values())


def _window(case: Case) -> list[Row]:
    return case.newer_than(case.days, _visits(case))


def _has_cart(visit: Row) -> bool:
    return "Product Added" in visit["events"] or "Checkout Started" in visit["events"]


def _has_order(visit: Row) -> bool:
    return "Order Completed" in visit["events"]


def _signs_of_life(case: Case) -> list[Row]:
    clicks = [row for row in case.history("email_events", "Email Link Clicked") if not row["bot_click"]]
    return [
        {"age": row["age"], "channel": channel}
        for channel, rows in (
            ("order", case.history("orders", "Order Completed")),
            ("web", case.history("web_events")),
            ("e-mail click", clicks),
        )
        for row in rows
    ]


@oracle
def days_since_any_touch(case: Case) -> Answer:
    return days_since_newest(_signs_of_life(case))


@oracle
def active_channels(case: Case) -> Answer:
    return len({row["channel"] for row in case.newer_than(case.days, _signs_of_life(case))})


@oracle
def visit_count(case: Case) -> Answer:
    return len(_window(case))


@oracle
def days_with_visit(case: Case) -> Answer:
    return len({visit["age"] // DAY for visit in _window(case)})


@oracle
def days_since_last_visit(case: Case) -> Answer:
    return days_since_newest(_visits(case))


@oracle
def product_views(case: Case) -> Answer:
    return sum(visit["events"].count("Product Viewed") for visit in _window(case))


@oracle
def searches(case: Case) -> Answer:
    return sum(visit["events"].count("Products Searched") for visit in _window(case))


@oracle
def visit_trend(case: Case) -> Answer:
    return trend(_window(case), case)


@oracle
def fading_visits(case: Case) -> Answer:
    return fading(_visits(case), 14)


@oracle
def visit_momentum(case: Case) -> Answer:
    visits = _visits(case)
    return fading(visits, 14) / (fading(visits, 120) + 0.1) if visits else None


@oracle
def visit_to_order_share(case: Case) -> Answer:
    visits = _window(case)
    return share(sum(map(_has_order, visits)), len(visits))


@oracle
def visits_since_last_order(case: Case) -> Answer:
    visits = _visits(case)
    order_ages = [row["age"] for row in case.history("orders", "Order Completed")]
    if not order_ages:
        return len(visits)
    return sum(visit["age"] < min(order_ages) for visit in visits)


@oracle
def cart_visits(case: Case) -> Answer:
    return sum(map(_has_cart, _window(case)))


@oracle
def abandoned_cart_share(case: Case) -> Answer:
    carts = [visit for visit in _window(case) if _has_cart(visit)]
    return share(sum(not _has_order(visit) for visit in carts), len(carts))


@oracle
def days_since_last_cart(case: Case) -> Answer:
    return days_since_newest([visit for visit in _visits(case) if _has_cart(visit)])
