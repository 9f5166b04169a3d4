"""The net value of writing to a person, by hand: value at risk × save rate − cost, all in minor units."""

from collections.abc import Iterator

import duckdb
import pytest
from pydantic import ValidationError

from campaigns.worth import EconomySettings, OfferSettings, add, sensitivity

PLAIN = OfferSettings(amount=0)


def economy(**changed: object) -> EconomySettings:
    """A contact costs 100; the small offer 10 % of a basket and lifts by a fifth, the large one 20 % and 0.3."""
    return EconomySettings.model_validate({"contact_cost": 100, "acceptance": 0.3, **changed})


@pytest.fixture
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE people (customer_id VARCHAR, churn_probability DOUBLE, value_at_risk BIGINT, "
            "discount_dependence VARCHAR, orders BIGINT, revenue BIGINT)"
        )
        connection.execute("CREATE TABLE save_rates (customer_id VARCHAR, save_rate DOUBLE)")
        yield connection


def put(
    db: duckdb.DuckDBPyConnection,
    customer: str,
    value_at_risk: int | None,
    save_rate: float,
    discounts: str | None = "never",
    basket: int = 5000,
) -> None:
    db.execute("INSERT INTO people VALUES (?, 0.5, ?, ?, 2, ?)", [customer, value_at_risk, discounts, 2 * basket])
    db.execute("INSERT INTO save_rates VALUES (?, ?)", [customer, save_rate])


def rows(db: duckdb.DuckDBPyConnection, settings: EconomySettings) -> list[tuple[object, ...]]:
    add(db, settings)
    return db.execute("SELECT customer_id, save_rate, offer, contact_cost, net_value FROM worth").fetchall()


def test_net_value_is_value_at_risk_times_save_rate_less_cost(db: duckdb.DuckDBPyConnection) -> None:
    # The value at risk holds the chance of leaving already: 20000 × 0.05 − 100, and not half of it.
    put(db, "b", 20000, 0.05)
    put(db, "a", 1234, 0.05)  # 61.7 − 100
    assert rows(db, economy(offer_small=PLAIN, offer_large=PLAIN)) == [
        ("a", 0.05, "none", 100, -38),
        ("b", 0.05, "none", 100, 900),
    ]


def test_the_offer_that_leaves_most_is_given(db: duckdb.DuckDBPyConnection) -> None:
    # Small: 0.3 × 500 = 150 more for a fifth of 1000 more; large: 300 for 0.3 of it.
    put(db, "small", 20000, 0.05)  # 900; 1200 − 250 = 950; 1300 − 400 = 900
    put(db, "none", 10000, 0.05)  # 400; 600 − 250 = 350; 650 − 400 = 250
    put(db, "large", 80000, 0.05)  # 3900; 4800 − 250 = 4550; 5200 − 400 = 4800
    put(db, "equal", 15000, 0.05)  # 650; 900 − 250 = 650; 975 − 400 = 575
    found = {row[0]: row[1:] for row in rows(db, economy())}
    assert found == {
        "small": (0.06, "small", 250, 950),
        "none": (0.05, "none", 100, 400),
        "large": (0.065, "large", 400, 4800),
        "equal": (0.05, "none", 100, 650),
    }


def test_an_offer_may_be_an_amount(db: duckdb.DuckDBPyConnection) -> None:
    put(db, "a", 20000, 0.05, basket=0)
    settings = economy(offer_small={"amount": 200, "lift": 1.2}, offer_large={"amount": 2000, "lift": 1.3})
    assert rows(db, settings) == [("a", 0.06, "small", 160, 1040)]


def test_who_buys_on_discount_only_is_given_none(db: duckdb.DuckDBPyConnection) -> None:
    for dependence in ("only", "often", None):
        put(db, str(dependence), 80000, 0.05, dependence)
    assert [row[2] for row in rows(db, economy())] == ["large", "large", "none"]  # None, often, only
    assert [row[2] for row in rows(db, economy(discount_only_gets_none=False))] == ["large"] * 3


def test_no_offer_makes_up_for_a_contact_that_harms(db: duckdb.DuckDBPyConnection) -> None:
    put(db, "a", 20000, -0.1)
    assert rows(db, economy()) == [("a", -0.1, "none", 100, -2100)]


def test_no_more_can_be_kept_than_is_at_risk(db: duckdb.DuckDBPyConnection) -> None:
    put(db, "a", 20000, 0.9, basket=0)  # 1.2 × 0.9 is more than all
    assert rows(db, economy()) == [("a", 1.0, "small", 100, 19900)]


def test_what_was_measured_with_an_offer_is_less_without(db: duckdb.DuckDBPyConnection) -> None:
    put(db, "a", 20000, 0.06, "only")  # 0.06 / 1.2 = 0.05
    put(db, "b", 20000, 0.06)
    settings = economy(measured_offer="small")
    assert rows(db, settings) == [("a", 0.05, "none", 100, 900), ("b", 0.06, "small", 250, 950)]


def test_who_has_no_score_has_no_net_value(db: duckdb.DuckDBPyConnection) -> None:
    put(db, "a", None, 0.5)
    assert rows(db, economy()) == []


def test_sensitivity_counts_who_is_worth_it_at_half_and_at_twice(db: duckdb.DuckDBPyConnection) -> None:
    for customer, value_at_risk in (("a", 20000), ("b", 3000), ("c", 1500)):
        put(db, customer, value_at_risk, 0.05, "only")
    # At half: 400, −25, −62. At one: 900, 50, −25. At twice: 1900, 200, 50.
    assert sensitivity(db, economy()) == [
        {"factor": 0.5, "people": 1, "net_value": 400},
        {"factor": 1.0, "people": 2, "net_value": 950},
        {"factor": 2.0, "people": 3, "net_value": 2150},
    ]
    # Who is worth exactly the least that is asked for is left alone.
    assert sensitivity(db, economy(min_net_value=50), [1.0]) == [{"factor": 1.0, "people": 1, "net_value": 900}]


@pytest.mark.parametrize("offer", [{}, {"amount": 5, "basket_share": 0.1}, {"basket_share": 10}])
def test_an_offer_is_an_amount_or_a_share(offer: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        economy(offer_small=offer)
