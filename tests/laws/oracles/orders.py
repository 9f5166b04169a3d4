"""Second opinions on what a customer buys: money, discounts, refunds, products."""

from .case import DAY, Answer, Case, Row, days_since_newest, oracle, share

COMPLETED = "Order Completed"


def _is_discounted(order: Row) -> bool:
    return (order["discount"] or 0) > 0 or order["coupon"] is not None


def _revenue(orders: list[Row]) -> int:
    return sum(order["revenue"] for order in orders)


@oracle
def spend(case: Case) -> Answer:
    return _revenue(case.window("orders", COMPLETED))


@oracle
def average_order_value(case: Case) -> Answer:
    orders = case.history("orders", COMPLETED)
    return share(_revenue(orders), len(orders))


@oracle
def largest_order_value(case: Case) -> Answer:
    return max((order["revenue"] for order in case.history("orders", COMPLETED)), default=None)


@oracle
def spend_per_year(case: Case) -> Answer:
    orders = case.history("orders", COMPLETED)
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
    orders = case.history("orders", COMPLETED)
    return share(sum(map(_is_discounted, orders)), len(orders))


@oracle
def discount_depth(case: Case) -> Answer:
    orders = case.window("orders", COMPLETED)
    given = sum(order["discount"] or 0 for order in orders)
    return share(given, _revenue(orders) + given)


@oracle
def full_price_orders(case: Case) -> Answer:
    return sum(not _is_discounted(order) for order in case.window("orders", COMPLETED))


@oracle
def days_since_full_price_order(case: Case) -> Answer:
    return days_since_newest([o for o in case.history("orders", COMPLETED) if not _is_discounted(o)])


@oracle
def discounted_streak(case: Case) -> Answer:
    streak = 0
    orders = case.history("orders", COMPLETED)
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
def products_bought(case: Case) -> Answer:
    return len({row["product_id"] for row in case.window("order_items", COMPLETED)} - {None})


@oracle
def categories_bought(case: Case) -> Answer:
    return len({row["category"] for row in case.window("order_items", COMPLETED)} - {None})


@oracle
def pieces_per_order(case: Case) -> Answer:
    lines = case.history("order_items", COMPLETED)
    return share(sum(line["quantity"] for line in lines), len({line["order_id"] for line in lines}))
