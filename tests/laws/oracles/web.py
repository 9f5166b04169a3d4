"""Second opinions on visits and carts."""

from statistics import median

from .case import DAY, Answer, Case, Row, days_since_newest, fading, oracle, share, slope, trend
from .rows import by_day, completed_orders, gaps_between, sessions


def _window(case: Case) -> list[Row]:
    return case.newer_than(case.days, sessions(case))


def _has_cart(visit: Row) -> bool:
    return "Product Added" in visit["events"] or "Checkout Started" in visit["events"]


def _has_order(visit: Row) -> bool:
    return "Order Completed" in visit["events"]


def _since_last_order(case: Case) -> list[Row]:
    """The sessions whose newest event is newer than every completed order."""
    order_ages = [order["age"] for order in completed_orders(case)]
    return [visit for visit in sessions(case) if all(visit["age"] < age for age in order_ages)]


def _visit_gaps(case: Case) -> list[int]:
    return gaps_between(by_day(sessions(case)))


@oracle
def visit_count(case: Case) -> Answer:
    return len(_window(case))


@oracle
def days_with_visit(case: Case) -> Answer:
    return len({visit["age"] // DAY for visit in _window(case)})


@oracle
def days_since_last_visit(case: Case) -> Answer:
    return days_since_newest(sessions(case))


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
    return fading(sessions(case), 14)


@oracle
def visit_momentum(case: Case) -> Answer:
    visits = sessions(case)
    return fading(visits, 14) / (fading(visits, 120) + 0.1) if visits else None


@oracle
def visit_to_order_share(case: Case) -> Answer:
    visits = _window(case)
    return share(sum(map(_has_order, visits)), len(visits))


@oracle
def visits_since_last_order(case: Case) -> Answer:
    return len(_since_last_order(case))


@oracle
def cart_visits(case: Case) -> Answer:
    return sum(map(_has_cart, _window(case)))


@oracle
def abandoned_cart_share(case: Case) -> Answer:
    carts = [visit for visit in _window(case) if _has_cart(visit)]
    return share(sum(not _has_order(visit) for visit in carts), len(carts))


@oracle
def days_since_last_cart(case: Case) -> Answer:
    return days_since_newest([visit for visit in sessions(case) if _has_cart(visit)])


@oracle
def visits_before_first_order(case: Case) -> Answer:
    order_ages = [order["age"] for order in completed_orders(case)]
    return sum(all(visit["age"] > age for age in order_ages) for visit in sessions(case))


@oracle
def usual_visit_gap_days(case: Case) -> Answer:
    gaps = _visit_gaps(case)
    return median(gaps) if gaps else None


@oracle
def visit_overdue_ratio(case: Case) -> Answer:
    gaps = _visit_gaps(case)
    return min(visit["age"] for visit in sessions(case)) / DAY / median(gaps) if gaps else None


@oracle
def views_since_last_order(case: Case) -> Answer:
    return sum(visit["events"].count("Product Viewed") for visit in _since_last_order(case))


@oracle
def carts_since_last_order(case: Case) -> Answer:
    return sum(map(_has_cart, _since_last_order(case)))


@oracle
def visit_slope(case: Case) -> Answer:
    return slope(sessions(case))


@oracle
def checkouts_left(case: Case) -> Answer:
    recent = case.newer_than(90, sessions(case))
    return sum("Checkout Started" in visit["events"] and not _has_order(visit) for visit in recent)
