"""Three products a person: one rule, one test. Most shops here are too small to learn a blend, so the default holds."""

import pytest

from campaigns.products import Blend, ProductSettings, recommend
from tests.campaigns.tiny_logs import AS_OF, DAY_US, add, buys, tiny_logs, want


def crowd(product, people, days=5, category=None):
    """So many people, named after the product, bought it once."""
    return [(f"{product}-{n}", product, days, category) for n in range(people)]


def recommended(db, *customers, settings=None):
    want(db, *customers)
    recommend(db, "wanted", settings)
    rows = db.execute("SELECT * FROM products ORDER BY customer_id").fetchall()
    return {customer: list(found) for customer, *found in rows}


def recommend_nobody(db):
    want(db)
    return recommend(db)


def bestsellers(db):
    buys(db, crowd("lamp", 9) + crowd("rug", 8) + crowd("sofa", 7) + crowd("vase", 6))


def test_a_person_without_history_gets_what_sells_most():
    db = tiny_logs()
    bestsellers(db)
    assert recommended(db, "new") == {"new": ["lamp", "rug", "sofa"]}


def test_an_owned_product_that_nobody_buys_twice_is_not_offered_again():
    db = tiny_logs()
    bestsellers(db)
    buys(db, [("ann", "lamp", 3)])
    assert recommended(db, "ann") == {"ann": ["rug", "sofa", "vase"]}


def test_a_product_that_its_owners_buy_again_is_offered_to_an_owner():
    db = tiny_logs()
    bestsellers(db)
    # 1 + 5 owners, of whom five bought on a second day.
    buys(db, [(f"c{n}", "coffee", days) for n in range(5) for days in (40, 10)] + [("ann", "coffee", 35)])
    assert recommended(db, "ann") == {"ann": ["coffee", "lamp", "rug"]}


def test_one_owner_who_came_back_does_not_make_a_product_replenishable():
    db = tiny_logs()
    bestsellers(db)
    # Shop 1 of 31 owners; category (1 + 100/31) / 131 = 0.032; product (1 + 40 * 0.032) / 41 = 0.056.
    buys(db, [("ann", "tea", 40), ("ann", "tea", 10)])
    assert recommended(db, "ann", settings=ProductSettings(replenishable_share=0.05))["ann"][0] == "tea"
    assert "tea" not in recommended(db, "ann", settings=ProductSettings(replenishable_share=0.06))["ann"]


def test_two_lines_of_one_day_are_one_purchase():
    db = tiny_logs()
    bestsellers(db)
    buys(db, [(f"c{n}", "coffee", 10) for n in range(5) for _ in range(2)] + [("ann", "coffee", 10)])
    assert "coffee" not in recommended(db, "ann")["ann"]


def test_a_product_that_goes_with_an_owned_one_comes_before_a_more_popular_one():
    db = tiny_logs()
    bestsellers(db)
    buys(db, [(f"d{n}", product, 20) for n in range(5) for product in ("printer", "ink")] + [("ann", "printer", 50)])
    assert recommended(db, "ann") == {"ann": ["ink", "lamp", "rug"]}


def test_two_people_together_prove_no_neighbour():
    db = tiny_logs()
    bestsellers(db)
    buys(db, crowd("printer", 4) + crowd("ink", 3))
    buys(db, [(f"d{n}", product, 20) for n in range(2) for product in ("printer", "ink")] + [("ann", "printer", 50)])
    assert recommended(db, "ann") == {"ann": ["lamp", "rug", "sofa"]}


def test_the_main_interest_comes_before_the_shop():
    db = tiny_logs()
    buys(db, crowd("lamp", 9, category="home") + crowd("rug", 8, category="home") + crowd("novel", 3, category="books"))
    buys(db, [("ann", "atlas", 200, "books")])
    assert recommended(db, "ann") == {"ann": ["novel", "lamp", "rug"]}


def test_a_look_tells_the_interest_of_somebody_who_never_bought():
    db = tiny_logs()
    buys(db, crowd("lamp", 9, category="home") + crowd("novel", 3, category="books"))
    buys(db, crowd("poems", 2, category="books"))
    look = {"customer_id": "ann", "occurred_at": AS_OF - DAY_US, "event": "Product Viewed", "product_id": "poems"}
    add(db, "web_events", [look])
    assert recommended(db, "ann") == {"ann": ["poems", "novel", "lamp"]}


@pytest.mark.parametrize("event", ["Product Viewed", "Product Added"])
def test_what_somebody_looked_at_comes_before_what_sells(event):
    db = tiny_logs()
    bestsellers(db)
    look = {"customer_id": "ann", "occurred_at": AS_OF - DAY_US, "event": event, "product_id": "vase"}
    add(db, "web_events", [look])
    assert recommended(db, "ann", "ben") == {"ann": ["vase", "lamp", "rug"], "ben": ["lamp", "rug", "sofa"]}


def test_the_cart_comes_before_a_mere_look():
    db = tiny_logs()
    bestsellers(db)
    look = {"customer_id": "ann", "occurred_at": AS_OF - 2 * DAY_US}
    add(db, "web_events", [look | {"event": "Product Viewed", "product_id": "sofa"}])
    add(db, "web_events", [look | {"event": "Product Added", "product_id": "vase"}])
    assert recommended(db, "ann") == {"ann": ["vase", "sofa", "lamp"]}


def test_what_was_not_sold_lately_is_not_offered():
    db = tiny_logs()
    buys(db, crowd("lamp", 2) + crowd("skates", 50, days=60) + crowd("sledge", 1, days=59.9))
    assert recommended(db, "new") == {"new": ["lamp", "sledge", None]}
    settings = ProductSettings(sold_within_days=61, popular_days=61)
    assert recommended(db, "new", settings=settings) == {"new": ["skates", "lamp", "sledge"]}


def test_equal_products_come_by_name_whatever_the_order_of_rows():
    purchases = crowd("b", 3) + crowd("a", 3) + crowd("d", 3) + crowd("c", 3)
    for rows in (purchases, purchases[::-1]):
        db = tiny_logs(threads=2)
        buys(db, rows)
        assert recommended(db, "new") == {"new": ["a", "b", "c"]}


def test_null_stands_only_where_the_shop_has_nothing_more():
    db = tiny_logs()
    buys(db, crowd("lamp", 3) + crowd("rug", 2))
    assert recommended(db, "new", "rug-0") == {"new": ["lamp", "rug", None], "rug-0": ["lamp", None, None]}


def test_whoever_owns_all_bestsellers_gets_the_next():
    db = tiny_logs()
    buys(db, [row for n in range(12) for row in crowd(f"p{n:02}", 20 - n)])
    buys(db, [("ann", f"p{n:02}", 300) for n in range(9)])
    assert recommended(db, "ann") == {"ann": ["p09", "p10", "p11"]}


def test_a_cancelled_order_was_no_purchase():
    db = tiny_logs()
    bestsellers(db)
    buys(db, [("ann", "lamp", 3)])
    (order,) = db.execute("SELECT order_id, occurred_at FROM orders WHERE customer_id = 'ann'").fetchall()
    cancelled = {"customer_id": "ann", "event": "Order Cancelled", "order_id": order[0], "revenue": 0}
    add(db, "orders", [cancelled | {"occurred_at": order[1] + 1, "currency": "GBP"}])
    assert recommended(db, "ann") == {"ann": ["lamp", "rug", "sofa"]}


def test_without_order_lines_looks_tell_what_is_popular():
    db = tiny_logs()
    looks = [("a", "rug"), ("b", "rug"), ("a", "lamp"), ("c", "vase"), ("d", "vase"), ("e", "vase"), ("f", "sofa")]
    seen = {"occurred_at": AS_OF - 40 * DAY_US, "event": "Product Viewed"}
    add(db, "web_events", [seen | {"customer_id": customer, "product_id": product} for customer, product in looks])
    # The looks are older than the 30 days of popularity and of interest: all equal, by name.
    assert recommended(db, "a") == {"a": ["lamp", "rug", "sofa"]}
    assert recommended(db, "a", settings=ProductSettings(popular_days=50))["a"] == ["vase", "rug", "lamp"]


def test_a_shop_that_logs_no_products_gets_nulls():
    db = tiny_logs()
    add(db, "orders", [{"customer_id": "a", "occurred_at": AS_OF - DAY_US, "event": "Order Completed"}])
    assert recommended(db, "a", "b") == {"a": [None, None, None], "b": [None, None, None]}


def regulars(db, turned=False):
    """Two hundred and forty people who buy a bestseller with something new at times, and their own staple monthly."""
    rows = []
    for n in range(240):
        rows += [(f"r{n:03}", f"staple{n % 40:02}", days) for days in (5, 35, 65, 95, 125)]
        rows += [(f"r{n:03}", f"hit{n % 3}", 40 + n % 50), (f"r{n:03}", f"new{n % 7}", 45 + n % 50)]
    buys(db, rows[::-1] if turned else rows)


def test_threads_and_the_order_of_rows_change_nothing():
    one, two = tiny_logs(threads=1), tiny_logs(threads=2)
    regulars(one)
    regulars(two, turned=True)
    asked = [f"r{n:03}" for n in range(0, 240, 5)] + ["new"]
    assert recommended(one, *asked) == recommended(two, *asked)


def test_the_blend_is_learned_from_the_shops_own_last_month():
    db = tiny_logs()
    regulars(db)
    assert recommend_nobody(db) != Blend()
    found = recommended(db, *(f"r{n:03}" for n in range(240)))
    assert all(products[0] == f"staple{int(customer[1:]) % 40:02}" for customer, products in found.items())


def test_what_happened_in_the_last_month_does_not_choose_its_own_candidates():
    """The blend is judged on purchases that its evidence cannot see."""
    db = tiny_logs()
    # Everything was bought in the last 30 days only: nobody had ordered before, so nothing can be learned.
    buys(db, [(f"r{n:03}", f"staple{n % 40:02}", days) for n in range(240) for days in (5, 15)])
    assert recommend_nobody(db) == Blend()


def test_no_table_but_the_answer_is_left():
    db = tiny_logs()
    bestsellers(db)
    before = {name for (name,) in db.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    recommended(db, "new")
    after = {name for (name,) in db.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    assert after - before == {"products", "wanted"}
