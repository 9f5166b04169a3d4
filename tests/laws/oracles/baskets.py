"""Second opinions on what is on the order lines: products, categories, baskets, and what is due again."""

from collections import Counter
from statistics import median

from .case import DAY, Answer, Case, Row, oracle, share
from .rows import at_oldest

COMPLETED = "Order Completed"


def _lines(case: Case) -> list[Row]:
    return case.history("order_items", COMPLETED)


def _categories(case: Case) -> Counter[str]:
    """Lines of each category."""
    return Counter(line["category"] for line in _lines(case) if line["category"] is not None)


def _baskets(case: Case) -> list[Row]:
    baskets: dict[str, list[int]] = {}
    for line in _lines(case):
        baskets.setdefault(line["order_id"], []).append(line["age"])
    return [{"age": min(ages), "lines": len(ages)} for ages in baskets.values()]


def _ages_of_products(case: Case) -> list[list[int]]:
    """The ages of the lines of each product."""
    products: dict[str, list[int]] = {}
    for line in _lines(case):
        if line["product_id"] is not None:
            products.setdefault(line["product_id"], []).append(line["age"])
    return list(products.values())


def _repeats(case: Case) -> list[Row]:
    """One row per product bought on several days: the age of its newest line, the days it spans, the gaps in it."""
    repeats = []
    for ages in _ages_of_products(case):
        days = {age // DAY for age in ages}
        if len(days) > 1:
            repeats.append({"age": min(ages), "span": max(days) - min(days), "gaps": len(days) - 1})
    return repeats


@oracle
def products_bought(case: Case) -> Answer:
    return len({row["product_id"] for row in case.window("order_items", COMPLETED)} - {None})


@oracle
def categories_bought(case: Case) -> Answer:
    return len({row["category"] for row in case.window("order_items", COMPLETED)} - {None})


@oracle
def pieces_per_order(case: Case) -> Answer:
    lines = _lines(case)
    return share(sum(line["quantity"] for line in lines), len({line["order_id"] for line in lines}))


@oracle
def first_order_lines(case: Case) -> Answer:
    first = at_oldest(_baskets(case))
    return share(sum(basket["lines"] for basket in first), len(first))


@oracle
def top_category_share(case: Case) -> Answer:
    lines = _categories(case)
    return max(lines.values()) / lines.total() if lines else None


@oracle
def effective_categories(case: Case) -> Answer:
    lines = _categories(case)
    return share(lines.total() ** 2, sum(count**2 for count in lines.values()))


@oracle
def new_categories(case: Case) -> Answer:
    known = {line["category"] for line in _lines(case) if line["age"] > 90 * DAY}
    return len(_categories(case).keys() - known)


@oracle
def price_per_piece(case: Case) -> Answer:
    lines = _lines(case)
    return share(sum(line["price"] * line["quantity"] for line in lines), sum(line["quantity"] for line in lines))


@oracle
def repeat_products(case: Case) -> Answer:
    return len(_repeats(case))


@oracle
def rebuy_share(case: Case) -> Answer:
    return share(len(_repeats(case)), len(_ages_of_products(case)))


@oracle
def products_due(case: Case) -> Answer:
    return sum(product["age"] * product["gaps"] >= product["span"] * DAY for product in _repeats(case))


@oracle
def product_overdue_ratio(case: Case) -> Answer:
    ratios = [product["age"] / DAY / (product["span"] / product["gaps"]) for product in _repeats(case)]
    return median(ratios) if ratios else None
