"""What writing to a person is worth: what may be lost, times the share of it a contact keeps, less what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import duckdb
from pydantic import BaseModel, ConfigDict, Field, model_validator

FACTORS = (0.5, 1.0, 2.0)
"""The save rate is told half and twice as large, to show how much hangs on it."""

NOT_WORTH_IT = "not_worth_it"
"""The rule for whom doing nothing is the best that can be done."""

Offer = Literal["none", "small", "large"]


class OfferSettings(BaseModel):
    """What an offer costs when it is taken, and by how much it raises the save rate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount: int | None = Field(default=None, ge=0, description="Cost in minor units (pence, cents).")
    basket_share: float | None = Field(
        default=None, gt=0, le=1, description="Or the cost as a share of the customer's average order."
    )
    lift: float = Field(
        default=1.0, ge=1, le=10, description="The save rate with this offer, as a multiple of that without any."
    )

    @model_validator(mode="after")
    def _one(self) -> OfferSettings:
        if (self.amount is None) == (self.basket_share is None):
            raise ValueError("either amount or basket_share must be given, not both")
        return self

    @property
    def cost_sql(self) -> str:
        """Minor units, over the column ``basket``."""
        return f"{self.amount}" if self.amount is not None else f"{self.basket_share!r} * basket"


class EconomySettings(BaseModel):
    """What a contact costs and brings; who costs more than they bring is left alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    contact_cost: int = Field(default=100, ge=0, description="What writing to one person costs, in minor units.")
    offer_small: OfferSettings = OfferSettings(basket_share=0.10, lift=1.2)
    offer_large: OfferSettings = OfferSettings(basket_share=0.20, lift=1.3)
    acceptance: float = Field(
        default=0.30, ge=0, le=1, description="Share of those given an offer who take it, also of those who would stay."
    )
    save_rate: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Assumed share of those who would leave whom a contact keeps; measured experiments take its place.",
    )
    save_rate_days: int = Field(
        default=90, ge=1, description="Who does not order in so many days after a contact counts as having left."
    )
    measured_offer: Offer = Field(
        default="none", description="The offer that went with the contacts of the experiments."
    )
    min_net_value: int = Field(
        default=0, description="Nobody is written to who is worth no more than this, in minor units."
    )
    discount_only_gets_none: bool = Field(
        default=True, description="Nobody is given an offer who has only ever bought with one."
    )

    def lift(self, offer: Offer) -> float:
        """The save rate with ``offer`` as a multiple of the one that was measured or assumed."""
        lifts = {"none": 1.0, "small": self.offer_small.lift, "large": self.offer_large.lift}
        return lifts[offer] / lifts[self.measured_offer]


def _options(economy: EconomySettings) -> str:
    """Rows (place, offer, lift, cost): the three ways to write, cheapest first; cost in minor units over ``basket``."""
    costs: dict[Offer, str] = {
        "none": "0",
        "small": economy.offer_small.cost_sql,
        "large": economy.offer_large.cost_sql,
    }
    rows = [
        f"({place}, '{offer}', {economy.lift(offer)!r}::DOUBLE, "
        f"round({economy.contact_cost} + {economy.acceptance!r}::DOUBLE * {cost})::BIGINT)"
        for place, (offer, cost) in enumerate(costs.items())
    ]
    return ", ".join(rows)


def _best(economy: EconomySettings, factor: float) -> str:
    """A query with one row per scored person: the way to write that leaves most, the cheapest of equals."""
    may_offer = "coalesce(discount_dependence, '') <> 'only'" if economy.discount_only_gets_none else "true"
    return f"""
        WITH scored AS (
            SELECT p.customer_id, p.value_at_risk, p.discount_dependence, r.save_rate * {factor!r} AS save_rate,
                CASE WHEN p.orders > 0 THEN greatest(p.revenue, 0) / p.orders ELSE 0 END AS basket
            FROM people p JOIN save_rates r USING (customer_id)
            WHERE p.value_at_risk IS NOT NULL
        ), ways AS (
            SELECT customer_id, place, offer, contact_cost, least(1, round(save_rate * lift, 6)) AS save_rate,
                round(value_at_risk * least(1, round(save_rate * lift, 6)))::BIGINT - contact_cost AS net_value
            FROM scored, LATERAL (VALUES {_options(economy)}) way(place, offer, lift, contact_cost)
            WHERE place = 0 OR {may_offer}
        ), best AS (
            SELECT customer_id, arg_max((save_rate, offer, contact_cost, net_value), (net_value, -place)) AS way,
                max(save_rate) FILTER (place = 0) AS plain_save_rate,
                max(net_value) FILTER (place = 0) AS plain_net_value
            FROM ways GROUP BY customer_id
        )
        SELECT customer_id, way[1] AS save_rate, way[2] AS offer, way[3] AS contact_cost, way[4] AS net_value,
            way[4] > {economy.min_net_value} AS is_worth_it, plain_save_rate, plain_net_value,
            plain_net_value > {economy.min_net_value} AS is_worth_it_plain
        FROM best
    """


def add(db: duckdb.DuckDBPyConnection, economy: EconomySettings) -> None:
    """Make the table ``worth``: one row per person with a score, key customer_id, ordered by it.

    Columns: save_rate (with the offer), offer (none, small, large), contact_cost (with what the offer is expected to
    cost) and net_value, both in whole minor units. Whose net value is not above ``economy.min_net_value`` is best left
    alone (is_worth_it; rule :data:`NOT_WORTH_IT`); their row says what the best way of writing would have left.
    plain_save_rate, plain_net_value and is_worth_it_plain are those of writing without an offer.

    Args:
        db: With the tables ``people`` and ``save_rates``.
        economy: What contacts cost and bring.
    """
    db.execute(f"CREATE OR REPLACE TEMP TABLE worth AS {_best(economy, 1.0)} ORDER BY customer_id")


def sensitivity(
    db: duckdb.DuckDBPyConnection, economy: EconomySettings, factors: Sequence[float] = FACTORS
) -> list[dict[str, float]]:
    """How many people are worth writing to, and what that leaves, if the save rate were ``factors`` times as large.

    One entry per factor: factor, people, net_value (sum over them, minor units). Before guards, budgets and capacity.
    """
    result = []
    for factor in factors:
        people, value = db.execute(
            f"SELECT count(*), coalesce(sum(net_value), 0)::BIGINT FROM ({_best(economy, float(factor))}) "
            "WHERE net_value > ?",
            [economy.min_net_value],
        ).fetchall()[0]
        result.append({"factor": float(factor), "people": int(people), "net_value": int(value)})
    return result
