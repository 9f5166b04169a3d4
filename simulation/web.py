"""The visits as an export: what was looked at and bought, by whom as far as the shop could tell."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from simulation import rates as r
from simulation.calendar import LAST_START_SECOND, Calendar, instant
from simulation.columns import MINUTE, ids, iso, labels, loaded, money, stamps
from simulation.life import Facts
from simulation.orders import PRODUCTS_PER_CATEGORY, product_ids, product_prices
from simulation.people import People
from timeline import DAY_US, SECOND_US

Array = NDArray[Any]
EVENTS = (
    "Page Viewed", "Product Viewed", "Products Searched", "Product Added", "Cart Viewed", "Checkout Started",
    "Order Completed",
)  # fmt: skip
_PAGE, _PRODUCT, _SEARCH, _ADDED, _CART, _CHECKOUT, _ORDER = range(7)
_ON_PRODUCTS = (_PRODUCT, _ADDED)
_OWN, _CLICK, _BUYING = range(3)
_FINDS_OUT_WITHIN_DAYS = 30


def draw_sessions(
    visits: Facts,
    mails: Facts,
    orders: Facts,
    lines: Facts,
    people: People,
    calendar: Calendar,
    rng: np.random.Generator,
) -> Facts:
    """One entry per session, by time: own visits, visits after a click, visits that end in an order."""
    clicks = np.flatnonzero(mails["clicked"])
    own, buying = len(visits["customer"]), len(orders["customer"])
    customer = np.concatenate([visits["customer"], mails["customer"][clicks], orders["customer"]])
    seconds = rng.triangular(7 * 3600, 18 * 3600, LAST_START_SECOND, own)
    placed = orders["at"] - rng.integers(4, 15, buying) * MINUTE
    total = len(customer)
    category = np.where(
        rng.random(total) < 0.7,
        people.category[customer],
        rng.choice(len(r.CATEGORIES), total, p=r.CATEGORY_SHARE),
    )
    product = rng.integers(0, PRODUCTS_PER_CATEGORY, total)
    first_line = np.searchsorted(lines["order"], np.arange(buying))
    category[total - buying :] = lines["category"][first_line]
    product[total - buying :] = lines["product"][first_line]
    sessions = {
        "customer": customer,
        "at": np.concatenate(
            [instant(calendar, visits["day"], seconds), mails["clicked_at"][clicks] + 2 * SECOND_US, placed]
        ),
        "kind": np.repeat([_OWN, _CLICK, _BUYING], [own, len(clicks), buying]),
        "known": np.concatenate([visits["known"], np.ones(total - own, dtype=bool)]),
        "carted": np.concatenate([visits["carted"], np.zeros(len(clicks), dtype=bool), np.ones(buying, dtype=bool)]),
        "order": np.concatenate([np.full(total - buying, -1), np.arange(buying)]),
        "category": category,
        "product": product,
    }
    by_time = np.lexsort((customer, sessions["at"]))
    return {name: column[by_time] for name, column in sessions.items()}


def identity_file(
    sessions: Facts, people: People, names: pa.Array, calendar: Calendar, rng: np.random.Generator
) -> pa.Table:
    """``identity_map.csv``: the own device from the account on, strange ones from a log-in on."""
    opened = instant(calendar, people.joined, np.full(len(people), 6 * 3600))
    unknown = np.flatnonzero(~sessions["known"])
    start = calendar.midnight[0]

    def key(rows: Array) -> Array:
        return np.asarray(sessions["customer"][rows] * 10**9 + (sessions["at"][rows] - start) // SECOND_US)

    known = np.flatnonzero(sessions["known"])
    known = known[np.argsort(key(known), kind="stable")]
    following = np.searchsorted(key(known), key(unknown), side="right")
    login = known[np.minimum(following, len(known) - 1)]
    wait = sessions["at"][login] - sessions["at"][unknown]
    found = (sessions["customer"][login] == sessions["customer"][unknown]) & (following < len(known))
    found &= (wait > 0) & (wait <= _FINDS_OUT_WITHIN_DAYS * DAY_US) & (rng.random(len(unknown)) < 0.5)
    rows = unknown[found]
    customer = np.concatenate([np.arange(len(people)), sessions["customer"][rows]])
    at = np.concatenate([opened, sessions["at"][login[found]] + MINUTE])
    devices = pa.concat_arrays([_own_device(np.arange(len(people))), _strange_device(rows)])
    by_time = np.lexsort((customer, at))
    return pa.table(
        {
            "anonymous_id": devices.take(pa.array(by_time)),
            "customer_id": names.take(pa.array(customer[by_time])),
            "identified_at": iso(at[by_time], calendar),
        }
    )


def _own_device(customer: Array) -> pa.Array:
    return ids("D", customer + 1)


def _strange_device(session: Array) -> pa.Array:
    return ids("V", session + 1)


def web_file(sessions: Facts, orders: Facts, names: pa.Array, rng: np.random.Generator) -> pa.Table:
    """``web_events.parquet``; ordered by time. An anonymous visit has no customer."""
    count = len(sessions["at"])
    start, carted, buying = sessions["at"], sessions["carted"], sessions["kind"] == _BUYING
    luck = rng.random((4, count))
    views = np.minimum(rng.poisson(0.9, count), 3)
    views = np.where(carted, np.maximum(views, 1), views)
    # Pages of a session lie within twelve minutes (buying ones before their order).
    step = np.where(buying, (orders["at"][sessions["order"]] - start) // 8, rng.integers(5, 80, count) * SECOND_US)
    parts: list[tuple[int, Array, int]] = [
        (_PAGE, np.ones(count, dtype=bool), 0),
        (_SEARCH, luck[0] < 0.12, 1),
        (_PRODUCT, views >= 1, 2),
        (_PRODUCT, views >= 2, 3),
        (_PRODUCT, views >= 3, 4),
        (_ADDED, carted, 5),
        (_CART, carted & (luck[1] < 0.4), 6),
        (_CHECKOUT, buying | (carted & (luck[2] < 0.15)), 7),
        (_ORDER, buying, 8),
    ]
    session = np.concatenate([np.flatnonzero(mask) for _, mask, _ in parts])
    sizes = [int(mask.sum()) for _, mask, _ in parts]
    event = np.repeat([kind for kind, _, _ in parts], sizes)
    place = np.repeat([steps for _, _, steps in parts], sizes)
    at = start[session] + place * step[session]
    at = np.where(event == _ORDER, orders["at"][sessions["order"][session]], at)
    order = np.lexsort((place, session, at))
    session, event, at, place = session[order], event[order], at[order], place[order]
    on_product = np.isin(event, _ON_PRODUCTS)
    in_cart = np.isin(event, (_ADDED, _CART, _CHECKOUT, _ORDER))
    category = sessions["category"][session]
    product = (sessions["product"][session] + np.where(event == _PRODUCT, place - 2, 0)) % PRODUCTS_PER_CATEGORY
    customer, known = sessions["customer"][session], sessions["known"][session]
    devices = pa.concat_arrays([_own_device(np.arange(len(names))), _strange_device(np.arange(count))])
    device = np.where(known, customer, len(names) + session)
    bought = sessions["order"][session]
    return pa.table(
        {
            "message_id": ids("W", np.arange(1, len(at) + 1), width=8),
            "customer_id": names.take(pa.array(customer, mask=~known)),
            "anonymous_id": devices.take(pa.array(device)),
            "session_id": ids("S", np.arange(1, count + 1)).take(pa.array(session)),
            "event": labels(EVENTS, event),
            "occurred_at": stamps(at),
            "loaded_at": stamps(loaded(at, rng)),
            "product_id": product_ids(category, product).filter(pa.array(on_product)).take(_places(on_product)),
            "category": labels(r.CATEGORIES, category, absent=~on_product),
            "price": money(product_prices()[category, product], absent=~on_product),
            "quantity": pa.array(np.ones(len(at), dtype=np.int64), mask=event != _ADDED),
            "cart_id": ids("K", np.arange(1, count + 1)).take(pa.array(session, mask=~in_cart)),
            "order_id": ids("O", bought + 1).filter(pa.array(event == _ORDER)).take(_places(event == _ORDER)),
        }
    )


def _places(mask: Array) -> pa.Array:
    """For each row its position among the rows of ``mask``; null elsewhere."""
    return pa.array(np.cumsum(mask) - 1, mask=~mask)
