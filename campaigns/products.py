"""Three products for each person: what they buy again, what goes with what they bought, else what sells."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
from pydantic import BaseModel, ConfigDict, Field

from timeline import DAY_US


class ProductSettings(BaseModel):
    """How products are chosen; days are whole."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sold_within_days: int = Field(default=60, ge=1)
    """What nobody bought for so long is not recommended."""
    popular_days: int = Field(default=30, ge=1)
    replenishable_share: float = Field(default=0.05, ge=0, le=1)
    """So many owners must have bought a product on a second day before it is offered to an owner."""
    history_days: int = Field(default=365, ge=1)
    """How old the purchases may be from which neighbours are learned."""
    half_life_days: int = Field(default=120, ge=1)
    seen_days: int = Field(default=30, ge=1)
    """How far back views and carts count."""
    profile: int = Field(default=20, ge=1)
    """So many products of a person, the newest, ask for neighbours."""
    neighbours: int = Field(default=30, ge=1)
    pairs: int = Field(default=10_000_000, ge=1_000)
    """Upper bound of the pairs of products counted; beyond it a fixed sample of people is."""


@dataclass(frozen=True)
class Blend:
    """What a purchase of one's own and a look at a product weigh against co-purchase, in hundredths."""

    own: int = 20
    seen: int = 3


_OWN, _SEEN = (3, 10, 30, 100, 300), (0, 1, 3, 10, 30)
_BLEND_DAYS = 30
_FEWEST_BUYERS, _MOST_BUYERS = 200, 5_000
_MOST_PRODUCTS = 1 << 20
_CEILING = (1 << 42) - 1
_BATCH = 100_000
# A share of one weighs so much: scores are whole numbers, so that sums do not depend on their order.
_ONE = 100_000_000
# Shrinkage: a product counts as so many owners of its category, a category as so many of the shop.
_PRIOR_OWNERS, _PRIOR_CATEGORY = 40, 100
_CAP = 60

_INPUT = """
CREATE OR REPLACE TEMP TABLE product_lines AS
SELECT customer_id, product_id, category, i.occurred_at AS bought_at, i.loaded_at AS known_at
FROM order_items i ANTI JOIN (SELECT order_id FROM orders WHERE event = 'Order Cancelled') USING (order_id)
WHERE i.event = 'Order Completed' AND product_id IS NOT NULL AND customer_id IS NOT NULL;

CREATE OR REPLACE TEMP TABLE product_looks AS
SELECT customer_id, product_id, category, occurred_at AS bought_at, loaded_at AS known_at,
       event = 'Product Added' AS carted
FROM web_events
WHERE event IN ('Product Viewed', 'Product Added') AND product_id IS NOT NULL AND customer_id IS NOT NULL;

CREATE OR REPLACE TEMP TABLE product_people AS
SELECT customer_id, (row_number() OVER (ORDER BY NOT asked, customer_id))::INTEGER AS person, asked
FROM (
    SELECT customer_id, bool_or(asked) AS asked
    FROM (
        SELECT customer_id, true AS asked FROM {wanted} WHERE customer_id IS NOT NULL
        UNION ALL SELECT customer_id, false FROM product_lines
        UNION ALL SELECT customer_id, false FROM product_looks
    ) GROUP BY customer_id
);
"""

# What is known before an instant: the products on sale by popularity, and what each person bought and looked at.
_KNOWN = """
CREATE OR REPLACE TEMP TABLE product_sales AS
SELECT person, product_id, category, ({before} - bought_at) // {day} AS age, bought_at // {day} AS on_day
FROM {source} JOIN product_people USING (customer_id)
WHERE bought_at < {before} AND known_at < {before};

CREATE OR REPLACE TEMP TABLE product_shelf AS
WITH active AS (SELECT count(DISTINCT person) AS people FROM product_sales WHERE age < {popular_days}),
kinds AS (
    SELECT product_id, arg_max(category, (-age, category)) AS category
    FROM product_sales WHERE category IS NOT NULL GROUP BY product_id
),
sold AS (
    SELECT product_id, count(DISTINCT person) FILTER (WHERE age < {popular_days}) AS buyers
    FROM product_sales WHERE age < {sold_within_days} GROUP BY product_id
)
SELECT product_id, category, buyers,
       (row_number() OVER (ORDER BY buyers DESC, product_id))::INTEGER AS product,
       (row_number() OVER (PARTITION BY category ORDER BY buyers DESC, product_id))::INTEGER AS place,
       floor({one} * sqrt(50.0 * buyers / greatest(people, 1)))::BIGINT AS trend
FROM sold LEFT JOIN kinds USING (product_id), active
QUALIFY row_number() OVER (ORDER BY buyers DESC, product_id) < {most_products};

CREATE OR REPLACE TEMP TABLE product_owned AS
SELECT person, product_id, count(*) AS times, min(age) AS age, max(age) AS first_age
FROM (SELECT person, product_id, on_day, min(age) AS age FROM product_sales{purchases} GROUP BY ALL)
GROUP BY person, product_id;

CREATE OR REPLACE TEMP TABLE product_replenished AS
WITH owners AS (
    SELECT product_id, category, count(*) AS owners, count(*) FILTER (WHERE times > 1) AS again
    FROM product_owned JOIN product_shelf USING (product_id) GROUP BY ALL
),
shop AS (SELECT sum(again) / greatest(sum(owners), 1) AS share FROM owners),
kinds AS (
    SELECT category, (sum(again) + {prior_category} * any_value(share)) / (sum(owners) + {prior_category}) AS share
    FROM owners, shop GROUP BY category
)
SELECT product_id FROM owners JOIN kinds ON owners.category IS NOT DISTINCT FROM kinds.category
WHERE (again + {prior_owners} * share) / (owners + {prior_owners}) >= {replenishable_share};

CREATE OR REPLACE TEMP TABLE product_bought AS
SELECT person, product_id, product, times, age, trend, r.product_id IS NULL AS keep_away
FROM product_owned LEFT JOIN product_shelf s USING (product_id) LEFT JOIN product_replenished r USING (product_id);

CREATE OR REPLACE TEMP TABLE product_seen AS
SELECT person, product, max(floor({one} * pow(0.5, age / 7.0) * if(carted, 3, 1)))::BIGINT AS weight
FROM (
    SELECT person, product, ({before} - bought_at) // {day} AS age, carted
    FROM product_looks JOIN product_people USING (customer_id) JOIN product_shelf USING (product_id)
    WHERE bought_at < {before} AND known_at < {before} AND bought_at >= {before} - {seen_days} * {day}
)
GROUP BY person, product QUALIFY row_number() OVER (PARTITION BY person ORDER BY weight DESC, product) <= 10;

CREATE OR REPLACE TEMP TABLE product_interest AS
WITH counted AS (
    SELECT person, category, count(*) FILTER (WHERE age < {history_days}) AS lately, count(*) AS ever
    FROM product_sales WHERE category IS NOT NULL GROUP BY ALL
), looked AS (
    SELECT person, category, -1 AS lately, count(*) AS ever FROM product_seen JOIN product_shelf USING (product)
    WHERE category IS NOT NULL GROUP BY ALL
)
SELECT person, category FROM (FROM counted UNION ALL FROM looked)
QUALIFY row_number() OVER (PARTITION BY person ORDER BY lately DESC, ever DESC, category) = 1;
"""

# Whoever bought one product, which others did they buy? Few buyers prove nothing; many pairs are sampled by person.
_NEIGHBOURS = """
CREATE OR REPLACE TEMP TABLE product_basis AS
WITH enough AS (
    SELECT product_id FROM product_owned WHERE age < {history_days} GROUP BY product_id HAVING count(*) >= 5
), capped AS (
    SELECT person, product_id FROM product_owned SEMI JOIN enough USING (product_id) WHERE age < {history_days}
    QUALIFY row_number() OVER (PARTITION BY person ORDER BY age, product_id) <= {cap}
), within AS (
    SELECT person FROM (SELECT person, count(*) AS products FROM capped GROUP BY person)
    JOIN product_people USING (person)
    QUALIFY sum(products * products) OVER (ORDER BY md5(customer_id), person) <= {pairs}
)
SELECT person, product_id FROM capped SEMI JOIN within USING (person);

CREATE OR REPLACE TEMP TABLE product_neighbours AS
WITH alone AS (SELECT product_id, count(*) AS buyers FROM product_basis GROUP BY product_id),
together AS (
    SELECT a.product_id AS one, b.product_id AS other, count(*) AS shared
    FROM product_basis a JOIN product_basis b ON a.person = b.person AND a.product_id <> b.product_id
    GROUP BY ALL HAVING count(*) >= 3
)
SELECT one AS product_id, product, round({hundred_thousand} * (shared / x.buyers + shared / sqrt(x.buyers * y.buyers)))
       ::BIGINT AS closeness
FROM together JOIN alone x ON x.product_id = one JOIN alone y ON y.product_id = other
JOIN product_shelf s ON s.product_id = other
QUALIFY row_number() OVER (PARTITION BY one ORDER BY closeness DESC, product) <= {neighbours};

CREATE OR REPLACE TEMP TABLE product_profile AS
SELECT person, product_id, (1000 * weight // sum(weight) OVER (PARTITION BY person))::BIGINT AS weight
FROM (
    SELECT person, product_id, 1 + floor(1024 * pow(0.5, age / {half_life_days}.0))::BIGINT AS weight
    FROM product_bought
    QUALIFY row_number() OVER (PARTITION BY person ORDER BY age, product_id) <= {profile}
);
"""

# One row per person and product with any reason; `ground` orders what has no other reason.
_EVIDENCE = """
    SELECT person, product, sum(own)::BIGINT AS own, sum(others)::BIGINT AS others,
           sum(seen)::BIGINT AS seen,
           max(ground) AS ground
    FROM (
        SELECT person, product, times * trend AS own, 0 AS others, 0 AS seen, 0 AS ground, keep_away
        FROM product_bought SEMI JOIN product_batch USING (person)
        UNION ALL
        SELECT person, product, 0, p.weight * closeness, 0, 0, false
        FROM product_profile p SEMI JOIN product_batch USING (person) JOIN product_neighbours USING (product_id)
        UNION ALL
        SELECT person, product, 0, 0, weight, 300, false FROM product_seen SEMI JOIN product_batch USING (person)
        UNION ALL
        SELECT person, product, 0, 0, 0, 200, false
        FROM product_interest SEMI JOIN product_batch USING (person) JOIN product_shelf USING (category)
        WHERE place <= {deep}
        UNION ALL
        SELECT person, product, 0, 0, 0, 100, false FROM product_batch, product_shelf WHERE product <= {deep}
    )
    WHERE product IS NOT NULL
    GROUP BY person, product HAVING NOT bool_or(keep_away)
"""

# Score and place in one number: the greatest three are the choice, equal scores go to what sells more.
_BEST = """
SELECT person, max(least((own * {own} + seen * {seen}) // 100 + others + ground, {ceiling})
                   * {most_products} + {most_products} - product, 3) AS best
FROM ({evidence}) GROUP BY person
"""


def _values(settings: ProductSettings, before: int) -> dict[str, object]:
    return settings.model_dump() | {
        "before": before,
        "day": DAY_US,
        "one": _ONE,
        "hundred_thousand": _ONE // 1000,
        "most_products": _MOST_PRODUCTS,
        "prior_owners": _PRIOR_OWNERS,
        "prior_category": _PRIOR_CATEGORY,
        "cap": _CAP,
    }


def _look_back(db: duckdb.DuckDBPyConnection, settings: ProductSettings, before: int) -> None:
    """Make the tables of what was known before the instant ``before``."""
    sold = _first(db, "SELECT count(*) FROM product_lines") > 0
    # Without order lines popularity is what people look at, and nobody owns anything.
    source = {"source": "product_lines", "purchases": ""}
    if not sold:
        source = {"source": "product_looks", "purchases": " WHERE false"}
    for statement in (_KNOWN, _NEIGHBOURS):
        db.execute(statement.format(**_values(settings, before), **source))


def _first(db: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(db.execute(query).fetchall()[0][0])


def learn_blend(db: duckdb.DuckDBPyConnection, settings: ProductSettings) -> Blend:
    """The blend that would have hit most often in the shop's own last 30 days; the default where too few bought.

    A hit is one of three products bought in those days by somebody who had ordered before. At most 5,000 people
    are asked, the same at every run.
    """
    as_of = _first(db, "SELECT getvariable('as_of')")
    before = as_of - _BLEND_DAYS * DAY_US
    _look_back(db, settings, before)
    db.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE product_truth AS
        SELECT DISTINCT person, product
        FROM product_lines JOIN product_people USING (customer_id) LEFT JOIN product_shelf USING (product_id)
        WHERE bought_at >= {before} AND person IN (SELECT person FROM product_owned);
        CREATE OR REPLACE TEMP TABLE product_batch AS
        SELECT person FROM (SELECT DISTINCT person FROM product_truth) JOIN product_people USING (person)
        ORDER BY md5(customer_id), person LIMIT {_MOST_BUYERS}
        """
    )
    if _first(db, "SELECT count(*) FROM product_batch") < _FEWEST_BUYERS:
        return Blend()
    db.execute("CREATE OR REPLACE TEMP TABLE product_trial AS" + _EVIDENCE.format(deep=6))
    hits = {}
    for blend in (Blend(own, seen) for own in _OWN for seen in _SEEN):
        best = _BEST.format(
            own=blend.own,
            seen=blend.seen,
            most_products=_MOST_PRODUCTS,
            ceiling=_CEILING,
            evidence="FROM product_trial",
        )
        hits[blend] = _first(
            db,
            f"""
            SELECT count(DISTINCT person)
            FROM (SELECT person, {_MOST_PRODUCTS} - unnest(best) % {_MOST_PRODUCTS} AS product FROM ({best}))
            SEMI JOIN product_truth USING (person, product)
            """,
        )
    return max(hits, key=lambda blend: hits[blend])


def recommend(db: duckdb.DuckDBPyConnection, wanted: str = "wanted", settings: ProductSettings | None = None) -> Blend:
    """Create the table ``products``: one row per customer_id of the table ``wanted``, product_1 to product_3.

    The three are distinct; null stands only where the shop has no further product that may be offered. An owned
    product is offered only where it is replenishable. Needs the variable ``as_of`` and the views order_items,
    orders and web_events. Returns the blend that was used.
    """
    settings = settings or ProductSettings()
    db.execute(_INPUT.format(wanted=wanted))
    blend = learn_blend(db, settings)
    _look_back(db, settings, _first(db, "SELECT getvariable('as_of')"))
    db.execute("CREATE OR REPLACE TEMP TABLE product_best (person INTEGER, best BIGINT[])")
    best = {"own": blend.own, "seen": blend.seen, "most_products": _MOST_PRODUCTS, "ceiling": _CEILING}
    asked = _first(db, "SELECT count(*) FROM product_people WHERE asked")
    for start in range(0, asked, _BATCH):
        db.execute(
            "CREATE OR REPLACE TEMP TABLE product_batch AS SELECT person FROM product_people"
            f" WHERE asked AND person > {start} AND person <= {start + _BATCH}"
        )
        db.execute("INSERT INTO product_best" + _BEST.format(**best, evidence=_EVIDENCE.format(deep=6)))
    # Whoever owns most of what sells needs a look at the whole shelf.
    db.execute(
        """
        CREATE OR REPLACE TEMP TABLE product_batch AS
        SELECT person FROM product_people LEFT JOIN product_best USING (person)
        WHERE asked AND coalesce(len(best), 0) < least(3, (SELECT count(*) FROM product_shelf))
        """
    )
    db.execute("DELETE FROM product_best WHERE person IN (SELECT person FROM product_batch)")
    everything = _EVIDENCE.format(deep=_MOST_PRODUCTS)
    db.execute("INSERT INTO product_best" + _BEST.format(**best, evidence=everything))
    chosen = ", ".join(f"n{place}.product_id AS product_{place}" for place in (1, 2, 3))
    joined = " ".join(
        f"LEFT JOIN product_shelf n{place} ON n{place}.product = {_MOST_PRODUCTS} - best[{place}] % {_MOST_PRODUCTS}"
        for place in (1, 2, 3)
    )
    db.execute(
        f"CREATE OR REPLACE TABLE products AS SELECT customer_id, {chosen}"
        f" FROM product_people LEFT JOIN product_best USING (person) {joined} WHERE asked ORDER BY customer_id"
    )
    _tidy(db)
    return blend


def _tidy(db: duckdb.DuckDBPyConnection) -> None:
    steps = "lines looks people sales shelf owned replenished bought seen interest basis neighbours profile"
    for table in (*steps.split(), "batch", "truth", "trial", "best"):
        db.execute(f"DROP TABLE IF EXISTS product_{table}")
