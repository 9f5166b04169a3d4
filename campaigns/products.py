"""Three products for each person: what they buy again, what goes with what they bought, else what sells."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
from pydantic import BaseModel, ConfigDict, Field

from campaigns.product_queries import BEST, EVIDENCE, INPUT, KNOWN, NEIGHBOURS
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
    for statement in (KNOWN, NEIGHBOURS):
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
    db.execute("CREATE OR REPLACE TEMP TABLE product_trial AS" + EVIDENCE.format(deep=6))
    hits = {}
    for blend in (Blend(own, seen) for own in _OWN for seen in _SEEN):
        best = BEST.format(
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
    db.execute(INPUT.format(wanted=wanted))
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
        db.execute("INSERT INTO product_best" + BEST.format(**best, evidence=EVIDENCE.format(deep=6)))
    # Whoever owns most of what sells needs a look at the whole shelf.
    db.execute(
        """
        CREATE OR REPLACE TEMP TABLE product_batch AS
        SELECT person FROM product_people LEFT JOIN product_best USING (person)
        WHERE asked AND coalesce(len(best), 0) < least(3, (SELECT count(*) FROM product_shelf))
        """
    )
    db.execute("DELETE FROM product_best WHERE person IN (SELECT person FROM product_batch)")
    everything = EVIDENCE.format(deep=_MOST_PRODUCTS)
    db.execute("INSERT INTO product_best" + BEST.format(**best, evidence=everything))
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
