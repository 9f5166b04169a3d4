"""The save rate: by hand where figures are few, and on contacts made up with a known effect."""

from collections.abc import Iterator
from math import exp, log

import duckdb
import numpy as np
import pytest

from campaigns import save_rates, uplift
from timeline import DAY_US

AS_OF = 1000 * DAY_US
SENT = 800 * DAY_US

Table = list[tuple[object, ...]]


@pytest.fixture
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(f"SET VARIABLE as_of = {AS_OF}::BIGINT")
        for log_name, columns in {
            "campaign_contacts": "campaign_id VARCHAR, control BOOLEAN, propensity DOUBLE",
            "orders": "event VARCHAR, discount BIGINT, coupon VARCHAR",
            "email_events": "event VARCHAR, bot_click BOOLEAN",
            "web_events": "event VARCHAR",
        }.items():
            connection.execute(
                f"CREATE TABLE {log_name} (customer_id VARCHAR, occurred_at BIGINT, loaded_at BIGINT, {columns})"
            )
        connection.execute("CREATE TABLE people (customer_id VARCHAR, churn_probability DOUBLE)")
        yield connection


def contact(
    db: duckdb.DuckDBPyConnection, customer: str, control: bool | None, sent: int = SENT, chance: float | None = 0.5
) -> None:
    db.execute("INSERT INTO campaign_contacts VALUES (?, ?, ?, 'k', ?, ?)", [customer, sent, sent, control, chance])


def order(db: duckdb.DuckDBPyConnection, customer: str, moment: int, loaded: int | None = None, sale: int = 0) -> None:
    known = moment if loaded is None else loaded
    db.execute("INSERT INTO orders VALUES (?, ?, ?, 'Order Completed', ?, NULL)", [customer, moment, known, sale])


def outcomes(db: duckdb.DuckDBPyConnection) -> Table:
    save_rates.find_experiments(db, 90)
    return db.execute("SELECT customer_id, treated, lost FROM experiments ORDER BY customer_id").fetchall()


# What counts as an experiment


def test_an_order_counts_from_the_contact_on_until_the_horizon_ends(db: duckdb.DuckDBPyConnection) -> None:
    for customer in ("before", "at_once", "last", "late"):
        contact(db, customer, control=customer == "last")
    order(db, "before", SENT - 1)
    order(db, "at_once", SENT)
    order(db, "last", SENT + 90 * DAY_US - 1)
    order(db, "late", SENT + 90 * DAY_US)
    assert outcomes(db) == [
        ("at_once", True, False),
        ("before", True, True),
        ("last", False, False),
        ("late", True, True),
    ]


def test_a_contact_counts_once_its_horizon_is_over(db: duckdb.DuckDBPyConnection) -> None:
    over = AS_OF - 90 * DAY_US
    for customer, control, sent in (("a", True, over), ("b", False, over), ("c", False, over + 1)):
        contact(db, customer, control, sent)
    assert [row[0] for row in outcomes(db)] == ["a", "b"]


def test_what_was_not_drawn_by_chance_is_no_experiment(db: duckdb.DuckDBPyConnection) -> None:
    contact(db, "control", True)
    contact(db, "treated", False)
    contact(db, "certain", False, chance=1.0)
    contact(db, "unstated", False, chance=None)
    contact(db, "unknown", None)
    contact(db, "both", True)
    contact(db, "both", False)
    assert [row[0] for row in outcomes(db)] == ["control", "treated"]


def test_a_campaign_without_a_control_group_is_no_experiment(db: duckdb.DuckDBPyConnection) -> None:
    contact(db, "a", False)
    contact(db, "b", False)
    assert outcomes(db) == []


# The overall rate


def test_overall_effect_by_hand() -> None:
    lost = np.array([1.0, 1, 1, 0, 1, 0, 0, 1])
    treated = np.array([0.0, 0, 0, 0, 1, 1, 1, 1])
    found = uplift.overall(np.arange(8.0), lost, treated, np.full(8, 0.5))
    assert (found.lost_alone, found.effect, found.save_rate) == pytest.approx((3 / 4, 1 / 4, 1 / 3))
    # √(3/4 × 1/4 / 4 + 1/2 × 1/2 / 4), and of the ratio √((1/2)² / (3/4)⁴ × 3/64 + (4/3)² / 16)
    assert found.effect_error == pytest.approx((3 / 64 + 1 / 16) ** 0.5)
    assert found.save_rate_error == pytest.approx((0.25 / 0.75**4 * 3 / 64 + 1 / 0.75**2 / 16) ** 0.5)


def test_contacts_weigh_by_the_inverse_of_their_chance() -> None:
    lost = np.array([1.0, 0, 1, 0])
    chance = np.array([0.2, 0.5, 0.2, 0.5])
    found = uplift.overall(np.arange(4.0), lost, np.array([1.0, 1, 0, 0]), chance)
    # Treated: 5 × 1 of 5 + 2; control: 1.25 × 1 of 1.25 + 2.
    assert found.effect == pytest.approx(1.25 / 3.25 - 5 / 7)


def test_two_contacts_of_one_customer_are_not_two_customers() -> None:
    lost, treated = np.array([1.0, 1, 0, 0, 0, 0, 1, 1]), np.array([0.0, 0, 0, 0, 1, 1, 1, 1])
    apart = uplift.overall(np.arange(8.0), lost, treated, np.full(8, 0.5))
    together = uplift.overall(np.array([0.0, 0, 1, 1, 2, 2, 3, 3]), lost, treated, np.full(8, 0.5))
    assert together.effect_error == pytest.approx(apart.effect_error * 2**0.5)


def test_without_experiments_the_assumption_stands(db: duckdb.DuckDBPyConnection) -> None:
    db.execute("INSERT INTO people VALUES ('b', 0.5), ('a', NULL)")
    facts = save_rates.add(db, 90, 0.07)
    assert (facts["source"], facts["save_rate"], facts["treated"], facts["control"]) == ("assumed", 0.07, 0, 0)
    assert db.execute("FROM save_rates").fetchall() == [("a", 0.07), ("b", pytest.approx(0.07, abs=2e-6))]


def test_the_overall_rate_is_spread_by_equal_odds(db: duckdb.DuckDBPyConnection) -> None:
    chances = {"a": 0.1, "b": 0.5, "c": 0.9, "d": 1.0, "e": 0.1, "f": 0.1}
    db.executemany("INSERT INTO people VALUES (?, ?)", list(chances.items()))
    facts = save_rates.add(db, 90, 0.05)
    found = dict(db.execute("FROM save_rates").fetchall())
    # The odds of a, b and c shrink by one factor; together a twentieth of all who would leave is kept.
    ratio = {
        name: chances[name] * (1 - rate) / (1 - chances[name] * (1 - rate)) / (chances[name] / (1 - chances[name]))
        for name, rate in found.items()
        if name != "d"
    }
    assert list(ratio.values()) == pytest.approx([exp(-facts["log_odds"])] * 5, abs=1e-4)
    assert sum(found[name] * chance for name, chance in chances.items()) == pytest.approx(0.05 * 2.7, abs=1e-4)
    assert found["a"] > found["b"] > found["c"] > found["d"] > 0


def test_where_nobody_is_scored_the_overall_rate_is_everyones(db: duckdb.DuckDBPyConnection) -> None:
    db.execute("INSERT INTO people VALUES ('a', NULL)")
    assert save_rates.add(db, 90, 0.07)["log_odds"] == 0
    assert db.execute("FROM save_rates").fetchall() == [("a", 0.07)]


def test_contacts_that_were_measured_to_harm_keep_less_than_nobody(db: duckdb.DuckDBPyConnection) -> None:
    db.execute("INSERT INTO people VALUES ('a', 0.5)")
    for number in range(400):  # lost: 120 of 200 alone, 160 of 200 written to
        contact(db, f"c{number}", control=number < 200)
        if not (number < 120 or 200 <= number < 360):
            order(db, f"c{number}", SENT + DAY_US)
    overall = save_rates.add(db, 90, 0.05)["save_rate"]
    assert overall < -0.03
    assert db.execute("FROM save_rates").fetchall() == [("a", pytest.approx(overall, abs=2e-6))]


def test_a_measurement_of_few_leans_on_the_assumption(db: duckdb.DuckDBPyConnection) -> None:
    for number in range(400):  # lost: 150 of 200 alone, 120 of 200 written to
        contact(db, f"c{number}", control=number < 200)
        if not (number < 150 or 200 <= number < 320):
            order(db, f"c{number}", SENT + DAY_US)
    facts = save_rates.add(db, 90, 0.05)
    assert facts["source"] == "measured"
    assert facts["save_rate_measured"] == pytest.approx(0.2)
    error = (0.36 / 0.75**4 * 0.1875 / 200 + 1 / 0.75**2 * 0.24 / 200) ** 0.5
    weight = 0.0025 / (0.0025 + error**2)
    assert facts["save_rate"] == pytest.approx(0.2 * weight + 0.05 * (1 - weight), abs=1e-6)
    assert facts["save_rate_interval_95"] == pytest.approx([0.2 - 1.96 * error, 0.2 + 1.96 * error], abs=1e-6)
    assert facts["personal"]["used"] is False


# What was known of a person


def test_facts_are_those_known_before_the_contact(db: duckdb.DuckDBPyConnection) -> None:
    order(db, "a", SENT - 300 * DAY_US, sale=5)
    order(db, "a", SENT - 100 * DAY_US)
    order(db, "a", SENT - 50 * DAY_US, loaded=SENT)  # not known yet
    order(db, "a", SENT, loaded=SENT - 1)  # by a clock that is fast
    for moment, bot in ((SENT - 366 * DAY_US, False), (SENT - 91 * DAY_US, False), (SENT - 1, True), (SENT, False)):
        for event in ("Email Delivered", "Email Link Clicked"):
            db.execute("INSERT INTO email_events VALUES ('a', ?, ?, ?, ?)", [moment, moment, event, bot])
    for moment in (SENT - 91 * DAY_US, SENT - 90 * DAY_US, SENT - 1, SENT):
        db.execute("INSERT INTO web_events VALUES ('a', ?, ?, 'Page Viewed')", [moment, moment])
    db.execute("CREATE TABLE moments AS SELECT * FROM (VALUES ('a', ?), ('b', ?)) m(customer_id, at_us)", [SENT, SENT])
    save_rates.count_facts(db, "moments")
    found = db.execute(
        "SELECT orders, discounted, days, tenure, mails, mails_90, clicks, views_90 FROM moment_facts "
        "ORDER BY customer_id"
    ).fetchall()
    assert found == [(2, 1, 100, 300, 2, 1, 1, 2), (0,) * 8]


def test_shares_weigh_as_much_as_people_differ() -> None:
    # Nobody differs beyond chance: the shop's share counts for everyone.
    assert uplift.shares(np.array([1.0, 1]), np.array([2.0, 2])) == (0.5, 1000.0)
    # (0 − 1)² − 2/4 twice over 4 pairs: between people 1/4, which is all there is.
    assert uplift.shares(np.array([0.0, 2]), np.array([2.0, 2])) == (0.5, 1.0)
    # (3 − 2)² − 1 twice is nothing; (4 − 2)² − 1 twice over 24 pairs: 1/4 again; (0, 4, 2, 2): 1/4 × 2 − … = 1/12
    assert uplift.shares(np.array([0.0, 4, 2, 2]), np.full(4, 4.0)) == (0.5, 2.0)
    assert uplift.shares(np.zeros(2), np.zeros(2)) == (0.0, 1.0)


# Personal rates


def made_up(strength: float, seed: int, count: int = 6000) -> tuple[uplift.Floats, ...]:
    """Contacts whose first fact, of three, moves the logit of being lost by ``strength`` when they are written to."""
    generator = np.random.default_rng(seed)
    facts = generator.normal(size=(count, 3))
    treated = generator.integers(0, 2, count).astype("float64")
    logit = 0.5 * facts[:, 1] - strength * facts[:, 0] * treated
    lost = (generator.random(count) < 1 / (1 + np.exp(-logit))).astype("float64")
    return np.arange(float(count)), lost, treated, np.full(count, 0.5), facts


def test_an_effect_that_differs_is_found_and_one_that_does_not_is_not() -> None:
    found = uplift.learn(*made_up(0.5, 1))
    assert found.holds
    assert found.evidence["effect_upper_half"] > 0 > found.evidence["effect_lower_half"]
    assert found.told[0] == pytest.approx(0.5, abs=0.12)
    assert np.abs(found.told[1:]).max() < 0.12
    assert not uplift.learn(*made_up(0.0, 2)).holds


def test_what_may_be_chance_alone_is_not_used() -> None:
    found = uplift.learn(*made_up(0.0, 43, 500))
    assert 0 < found.evidence["qini"] < found.evidence["used_above"]
    assert not found.holds


def test_personal_rates_follow_the_model_and_the_score(db: duckdb.DuckDBPyConnection) -> None:
    # Whoever clicks mails orders more often when written to, whoever does not orders less often.
    db.execute(
        f"""
        CREATE TABLE drawn AS SELECT 'c' || lpad(range::VARCHAR, 4, '0') AS customer_id, range % 2 = 0 AS control,
            range // 2 % 2 = 0 AS clicks, md5_number_lower(range::VARCHAR) % 10 AS dice
            FROM range(4000);
        INSERT INTO campaign_contacts SELECT customer_id, {SENT}, {SENT}, 'k', control, 0.5 FROM drawn;
        INSERT INTO orders SELECT customer_id, {SENT - 60 * DAY_US}, {SENT - 60 * DAY_US}, 'Order Completed', 0, NULL
            FROM drawn;
        INSERT INTO orders SELECT customer_id, {SENT + DAY_US}, {SENT + DAY_US}, 'Order Completed', 0, NULL
            FROM drawn WHERE dice < CASE WHEN control THEN 4 WHEN clicks THEN 7 ELSE 3 END;
        INSERT INTO email_events SELECT customer_id, {SENT - 9 * DAY_US}, {SENT - 9 * DAY_US}, event, false
            FROM drawn, (VALUES ('Email Delivered'), ('Email Link Clicked')) e(event)
            WHERE clicks OR event = 'Email Delivered';
        -- At the scoring date too, one of two clicks all mails.
        INSERT INTO email_events SELECT 'c000' || n, {AS_OF - 9 * DAY_US}, {AS_OF - 9 * DAY_US}, event, false
            FROM (VALUES ('Email Delivered'), ('Email Link Clicked')) e(event), (VALUES (0), (2)) c(n)
            WHERE n = 0 OR event = 'Email Delivered';
        INSERT INTO people VALUES ('c0000', 0.6), ('c0002', 0.6), ('c0004', NULL), ('new', NULL), ('zero', 0.0);
        """
    )
    facts = save_rates.add(db, 90, 0.05)
    assert facts["personal"]["used"]
    found = dict(db.execute("FROM save_rates").fetchall())
    assert list(found) == ["c0000", "c0002", "c0004", "new", "zero"]
    assert found["c0000"] > 0.2 > 0 > found["c0002"]
    # Who has no score is taken for what the control group was like; a chance of 0 or 1 is none.
    assert found["c0004"] == pytest.approx(found["c0000"], abs=0.1)
    assert -1 < found["zero"] < 1

    personal = save_rates.measure(db, 90, 0.05).personal
    assert personal is not None
    db.execute("CREATE OR REPLACE TABLE one AS SELECT 'c0000' AS customer_id, ?::BIGINT AS at_us", [AS_OF])
    save_rates.count_facts(db, "one")
    facts_sql = ", ".join(expression.format_map(personal.shop) for expression in save_rates.FACTS.values())
    values = db.execute(f"SELECT {facts_sql} FROM moment_facts").fetchall()[0]
    model, shift = personal.model, float(personal.model.shift[0])
    for place, value in enumerate(values):
        clipped = min(max(value, model.lows[place]), model.highs[place])
        shift += model.shift[place + 1] * (clipped - model.means[place]) / model.scales[place]
    written = 1 / (1 + exp(shift - log(0.6 / 0.4)))
    assert found["c0000"] == pytest.approx((0.6 - written) / 0.6, abs=2e-6)
