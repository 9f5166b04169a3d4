"""Second opinions on what a customer buys: money, discounts, refunds, products."""

from statistics import mean, pstdev

from .case import DAY, Answer, Case, Row, days_since_newest, oracle, share, slope
from .rows import at_newest, at_oldest, completed_orders

COMPLETED = "Order Completed"


def _is_discounted(order: Row) -> bool:
    return (order["discount"] or 0) > 0 or order["coupon"] is not None


def _revenue(orders: list[Row]) -> int:
    return sum(order["revenue"] for order in orders)


def _average(orders: list[Row]) -> Answer:
    return share(_revenue(orders), len(orders))


def _depth(orders: list[Row]) -> Answer:
    given = sum(order["discount"] or 0 for order in orders)
    return share(given, _revenue(orders) + given)


def _refunds_of(case: Case, order: Row) -> list[Row]:
    return [r for r in case.history("orders", "Order Refunded") if r["order_id"] == order["order_id"]]


@oracle
def spend(case: Case) -> Answer:
    return _revenue(case.window("orders", COMPLETED))


@oracle
def average_order_value(case: Case) -> Answer:
    return _average(completed_orders(case))


@oracle
def largest_order_value(case: Case) -> Answer:
    return max((order["revenue"] for order in completed_orders(case)), default=None)


@oracle
def spend_per_year(case: Case) -> Answer:
    orders = completed_orders(case)
    if not orders:
        return None
    return _revenue(orders) * 365 / max(max(order["age"] for order in orders) / DAY, 30)


@oracle
def recent_spend_share(case: Case) -> Answer:
    orders = case.window("orders", COMPLETED)
    return share(_revenue(case.newer_half(orders)), _revenue(orders))


@oracle
def discounted_order_share(case: Case) -> Answer:
    orders = case.window("orders", COMPLETED)
    return share(sum(map(_is_discounted, orders)), len(orders))


@oracle
def discounted_order_share_so_far(case: Case) -> Answer:
    orders = completed_orders(case)
    return share(sum(map(_is_discounted, orders)), len(orders))


@oracle
def discount_depth(case: Case) -> Answer:
    return _depth(case.window("orders", COMPLETED))


@oracle
def full_price_orders(case: Case) -> Answer:
    return sum(not _is_discounted(order) for order in case.window("orders", COMPLETED))


@oracle
def days_since_full_price_order(case: Case) -> Answer:
    return days_since_newest([o for o in completed_orders(case) if not _is_discounted(o)])


@oracle
def discounted_streak(case: Case) -> Answer:
    streak = 0
    orders = completed_orders(case)
    for age in sorted({order["age"] for order in orders}):
        then = [order for order in orders if order["age"] == age]
        if not all(map(_is_discounted, then)):
            break
        streak += len(then)
    return streak


@oracle
def refunded_share(case: Case) -> Answer:
    if not case.window("orders"):
        return 0
    return share(_revenue(case.window("orders", "Order Refunded")), _revenue(case.window("orders", COMPLETED)))


@oracle
def refunds(case: Case) -> Answer:
    return len(case.window("orders", "Order Refunded"))


@oracle
def days_since_last_refund(case: Case) -> Answer:
    return days_since_newest(case.history("orders", "Order Refunded"))


@oracle
def cancellations(case: Case) -> Answer:
    return len(case.window("orders", "Order Cancelled"))


@oracle
def spend_same_season_last_year(case: Case) -> Answer:
    return _revenue([order for order in completed_orders(case) if 268 <= order["age"] // DAY < 365])


@oracle
def first_order_value(case: Case) -> Answer:
    return _average(at_oldest(completed_orders(case)))


@oracle
def first_order_discount(case: Case) -> Answer:
    return _depth(at_oldest(completed_orders(case)))


@oracle
def latest_order_to_average(case: Case) -> Answer:
    orders = completed_orders(case)
    if _revenue(orders) == 0:
        return None
    return mean(o["revenue"] for o in at_newest(orders)) / mean(o["revenue"] for o in orders)


@oracle
def spend_slope(case: Case) -> Answer:
    return slope(completed_orders(case), "revenue")


@oracle
def order_value_variation(case: Case) -> Answer:
    revenues = [order["revenue"] for order in completed_orders(case)]
    if len(revenues) < 2 or sum(revenues) == 0:
        return None
    return pstdev(revenues) / mean(revenues)


@oracle
def latest_order_discount(case: Case) -> Answer:
    return _depth(at_newest(completed_orders(case)))


@oracle
def discount_share_change(case: Case) -> Answer:
    newer = [_is_discounted(order) for order in completed_orders(case) if order["age"] <= 180 * DAY]
    older = [_is_discounted(order) for order in completed_orders(case) if order["age"] > 180 * DAY]
    return mean(newer) - mean(older) if newer and older else None


@oracle
def latest_order_refunded_share(case: Case) -> Answer:
    latest = at_newest(completed_orders(case))
    return share(sum(_revenue(_refunds_of(case, order)) for order in latest), _revenue(latest))


@oracle
def refunded_order_share(case: Case) -> Answer:
    orders = completed_orders(case)
    return share(sum(bool(_refunds_of(case, order)) for order in orders), len(orders))
