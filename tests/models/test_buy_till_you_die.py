"""Buy till you die: the published fit on CDNOW, what follows from it, and laws it must keep whatever the shop."""

from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import roots_jacobi

from features import build_matrix, purchase_history_at
from features.engines import fetch
from features.settings import FeatureSettings
from models.buy_till_you_die import BuyTillYouDie, Kind
from timeline import DAY_US, HOUR_US, parse_date

CDNOW = Path(__file__).parents[3] / "shared" / "data" / "cdnow" / "CDNOW_sample.txt"
NEEDS_CDNOW = pytest.mark.skipif(not CDNOW.is_file(), reason="no folder shared/data/cdnow beside the project")
WEEKS_1_TO_39 = parse_date("1997-10-01", "UTC")

PUBLISHED = BuyTillYouDie("bg_nbd", 0.243, 4.414, 0.793, 2.426)
"""Fader, Hardie & Lee 2005, Table 2; in weeks."""

KINDS = pytest.mark.parametrize("kind", ["bg_nbd", "mbg_nbd"])


def cdnow_orders() -> pd.DataFrame:
    """The sample as canonical orders, each at noon of its day."""
    lines = pd.read_fwf(CDNOW, header=None, names=["id", "day"], colspecs=[(0, 6), (12, 20)], dtype=str)
    days = {day: parse_date(f"{day[:4]}-{day[4:6]}-{day[6:]}", "UTC") for day in lines["day"].unique()}
    instant = lines["day"].map(days) + 12 * HOUR_US
    return pd.DataFrame(
        {"customer_id": lines["id"], "event": "Order Completed", "occurred_at": instant, "loaded_at": instant}
    )


def history_at(orders: pd.DataFrame, cutoff: int) -> pd.DataFrame:
    connection = ibis.duckdb.connect()
    found = fetch(connection, purchase_history_at(connection.create_table("orders", orders), cutoff))
    return found.sort_values("customer_id", ignore_index=True)


def in_weeks(history: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return tuple(history[name].to_numpy() / unit for name, unit in (("repeats", 1), ("last_days", 7), ("age_days", 7)))


@pytest.fixture(scope="module")
def cdnow() -> pd.DataFrame:
    return cdnow_orders()


@NEEDS_CDNOW
def test_cdnow_gives_the_published_parameters(cdnow: pd.DataFrame) -> None:
    history = history_at(cdnow, WEEKS_1_TO_39)
    assert len(history) == 2_357
    known = in_weeks(history)
    fitted = BuyTillYouDie.fit("bg_nbd", *known)
    for name in ("r", "alpha", "a", "b"):
        # Half a unit of the last published digit.
        assert getattr(fitted, name) == pytest.approx(getattr(PUBLISHED, name), abs=0.0005), name
    assert fitted.log_likelihood(*known) == pytest.approx(-9582.4, abs=0.05)
    assert fitted.log_likelihood(*known) >= PUBLISHED.log_likelihood(*known)


@NEEDS_CDNOW
def test_cdnow_predicts_who_orders_in_weeks_40_to_65(cdnow: pd.DataFrame) -> None:
    history = history_at(cdnow, WEEKS_1_TO_39)
    none = BuyTillYouDie.fit("bg_nbd", *in_weeks(history)).probability_of_none(*in_weeks(history), 26)
    later = cdnow["occurred_at"].between(WEEKS_1_TO_39, WEEKS_1_TO_39 + 26 * 7 * DAY_US, inclusive="left")
    stayed = history["customer_id"].isin(cdnow.loc[later, "customer_id"])
    assert np.mean((none - ~stayed) ** 2) == pytest.approx(0.1475, abs=0.00005)


@NEEDS_CDNOW
def test_cdnow_expects_the_published_number_of_repeat_orders(cdnow: pd.DataFrame) -> None:
    history = history_at(cdnow, WEEKS_1_TO_39)
    expected = PUBLISHED.expected_purchases(*in_weeks(history), 39)
    later = cdnow[cdnow["occurred_at"] >= WEEKS_1_TO_39].drop_duplicates()
    actual = later.groupby("customer_id").size().reindex(history["customer_id"], fill_value=0)
    # Fader, Hardie & Lee 2005, Table 3.
    assert np.corrcoef(expected, actual)[0, 1] == pytest.approx(0.626, abs=0.0005)


@NEEDS_CDNOW
@pytest.mark.stress
def test_the_ladder_does_no_worse_on_cdnow_than_plain_bg_nbd() -> None:
    from benchmarks.cdnow import compared

    table, _ = compared(CDNOW)
    brier = ((table[["plain_bg_nbd", "ladder"]].sub(table["churned"], axis=0)) ** 2).mean()
    assert brier["plain_bg_nbd"] == pytest.approx(0.1475, abs=0.00005)
    assert brier["ladder"] <= brier["plain_bg_nbd"]


def lives(kind: Kind, customers: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Repeats, last and age in days of customers who live by the model."""
    rng = np.random.default_rng(seed)
    rate, leaving = rng.gamma(0.8, 1 / 40, customers), rng.beta(1.2, 3.0, customers)
    age = rng.uniform(0, 700, customers)
    repeats, now = np.zeros(customers), np.zeros(customers)
    active = rng.random(customers) >= leaving if kind == "mbg_nbd" else np.ones(customers, bool)
    while active.any():
        at = np.flatnonzero(active)
        following = now[at] + rng.exponential(1 / rate[at])
        ordered = following <= age[at]
        repeats[at[ordered]] += 1
        now[at[ordered]] = following[ordered]
        active[at] = ordered & (rng.random(len(at)) >= leaving[at])
    return repeats, now, age


@KINDS
def test_the_parameters_of_customers_who_live_by_the_model_are_found(kind: Kind) -> None:
    found = BuyTillYouDie.fit(kind, *lives(kind, 60_000, 1))
    assert found.r == pytest.approx(0.8, rel=0.06)
    assert found.a / (found.a + found.b) == pytest.approx(1.2 / 4.2, rel=0.06)
    assert found.alpha == pytest.approx(40, rel=0.06)


@KINDS
def test_units_and_the_order_of_customers_change_nothing(kind: Kind) -> None:
    x, last, age = lives(kind, 3_000, 2)
    found = BuyTillYouDie.fit(kind, x, last, age)
    shuffled = np.random.default_rng(3).permutation(len(x))
    assert BuyTillYouDie.fit(kind, x[shuffled], last[shuffled], age[shuffled]) == found
    weeks = BuyTillYouDie.fit(kind, x, last / 7, age / 7)
    assert (weeks.r, weeks.alpha * 7, weeks.a, weeks.b) == pytest.approx(
        (found.r, found.alpha, found.a, found.b), rel=1e-4
    )
    margins = found.margin(x, last, age, 90, gap=7)
    assert np.array_equal(found.margin(x[shuffled], last[shuffled], age[shuffled], 90, gap=7), margins[shuffled])


@KINDS
def test_the_top_is_a_top(kind: Kind) -> None:
    known = lives(kind, 2_000, 4)
    found = BuyTillYouDie.fit(kind, *known)
    best = found.log_likelihood(*known)
    values = np.array([found.r, found.alpha, found.a, found.b])
    for place in range(4):
        for factor in (0.98, 1.02):
            moved = values * np.where(np.arange(4) == place, factor, 1.0)
            assert BuyTillYouDie(kind, *moved).log_likelihood(*known) < best


def test_likelihood_by_hand() -> None:
    model = BuyTillYouDie("mbg_nbd", 1.0, 2.0, 1.0, 3.0)
    # Alive: p is left standing once, mean 3/4, and the rate is silent for 2 of 2 + 2. Gone at once: 1/4.
    assert model.log_likelihood([0], [0], [2]) == pytest.approx(np.log(3 / 4 * 2 / 4 + 1 / 4))
    assert model.alive([0], [0], [2])[0] == pytest.approx(3 / 5)
    # One repeat at 1 of 2: rates 2·1/(2 + 2)² and 2·1/(2 + 1)², chances 3·4/(4·5) and 3·1/(4·5).
    alive, gone = 12 / 20 * 2 / 16, 3 / 20 * 2 / 9
    assert model.log_likelihood([1], [1], [2]) == pytest.approx(np.log(alive + gone))
    assert model.alive([1], [1], [2])[0] == pytest.approx(alive / (alive + gone))
    # Of those alive at 2, two more days pass without an order with (4/6)².
    assert model.probability_of_none([1], [1], [2], 2)[0] == pytest.approx(1 - alive / (alive + gone) * (1 - 16 / 36))
    bg = BuyTillYouDie("bg_nbd", 1.0, 2.0, 1.0, 3.0)
    assert bg.log_likelihood([0], [0], [2]) == pytest.approx(np.log(2 / 4))
    assert bg.alive([0], [0], [700])[0] == 1


def lives_of_all_kinds() -> list[tuple[BuyTillYouDie, int, float, float]]:
    """Models, repeats, last and age: ordinary ones, and such whose hypergeometric series would cancel or overflow."""
    rng = np.random.default_rng(9)
    found = []
    for number in range(60):
        r, alpha, a, b = np.exp(rng.uniform(np.log([0.05, 1, 0.05, 0.05]), np.log([20, 200, 20, 20])))
        x, age = int(rng.choice([0, 0, 1, 3, 20, 60])), rng.uniform(1, 900)
        last = rng.uniform(0.05, 1) * age if x else 0.0
        found.append((BuyTillYouDie(("bg_nbd", "mbg_nbd")[number % 2], r, alpha, a, b), x, last, age))
    for values in ((300, 300, 0.5, 1), (0.01, 20, 400, 2), (2, 30, 300, 200)):
        found.append((BuyTillYouDie("mbg_nbd", *values), 0, 0.0, 10.0))
    return found


@pytest.mark.parametrize(("days", "gap"), [(30, 0), (90, 7), (365, 60)])
def test_the_gap_and_expected_orders_are_exact(days: int, gap: int) -> None:
    for model, x, last, age in lives_of_all_kinds():
        known = np.array([x]), np.array([last]), np.array([age])
        # Gauss and Jacobi: sums over chances of leaving p, weighted as the beta distribution weights them.
        places, weights = roots_jacobi(150, model.b + x + (model.kind == "mbg_nbd") - 1, model.a - 1)
        p, weights = (1 + places) / 2, weights / weights.sum()
        rate, seen = model.r + x, model.alpha + age
        some = (1 + p * gap / seen) ** -rate - (1 + (p * gap + days) / seen) ** -rate
        alive = model.alive(*known)[0]
        none = model.probability_of_none(*known, days, gap=gap)[0]
        assert 1 - none == pytest.approx(alive * (weights * some).sum(), rel=1e-6, abs=1e-12), model
        orders = -np.expm1(-rate * np.log1p(p * days / seen)) / p
        expected = model.expected_purchases(*known, days)[0]
        assert expected == pytest.approx(alive * (weights * orders).sum(), rel=1e-6, abs=1e-12), model


def test_expected_orders_do_not_jump_where_the_closed_form_divides_by_zero() -> None:
    known = np.array([3]), np.array([50.0]), np.array([80.0])
    at, next_to, beside = (
        BuyTillYouDie("bg_nbd", 0.5, 20, a, 2.0).expected_purchases(*known, 90)[0] for a in (1.0, 1 + 1e-15, 1.0001)
    )
    assert at == pytest.approx(beside, rel=1e-4)
    assert next_to == pytest.approx(beside, rel=1e-4)


@settings(max_examples=100, deadline=None)
@given(
    kind=st.sampled_from(["bg_nbd", "mbg_nbd"]),
    parameters=st.tuples(*[st.floats(1e-3, 1e3)] * 4),
    x=st.integers(0, 2_000),
    part=st.floats(0.001, 1),
    age=st.floats(1, 4_000),
)
def test_every_probability_is_one(kind: Kind, parameters: tuple[float, ...], x: int, part: float, age: float) -> None:
    r, alpha, a, b = parameters
    model = BuyTillYouDie(kind, r, max(alpha, r), a, b)
    known = np.array([x]), np.array([part * age if x else 0.0]), np.array([max(age, x)])
    for gap in (0, 7):
        none, more = (model.probability_of_none(*known, days, gap=gap)[0] for days in (30, 90))
        assert 0 < more <= none <= 1
        assert model.alive(*known)[0] + none >= 1 - 1e-9
        assert np.isfinite(model.margin(*known, 90, gap=gap)[0])


def test_margins_tell_apart_those_who_have_left_beyond_doubt() -> None:
    model = BuyTillYouDie("mbg_nbd", 0.5, 20, 0.8, 2.5)
    age = np.array([600.0, 700.0, 800.0])
    margins = model.margin(np.full(3, 80.0), np.full(3, 100.0), age, 90)
    assert (np.diff(margins) > 0).all()
    assert (model.probability_of_none(np.full(3, 80.0), np.full(3, 100.0), age, 90) == 1).all()


@KINDS
def test_a_model_survives_being_written(kind: Kind) -> None:
    model = BuyTillYouDie(kind, 0.1, 1 / 3, 0.7, 1e-3)
    assert BuyTillYouDie.from_dict(model.to_dict()) == model


@pytest.mark.parametrize(
    ("repeats", "last", "age", "said"),
    [
        pytest.param([0, 0], [0, 0], [9, 3], "none of the 2 customers ordered on a second day", id="no repeat"),
        pytest.param([], [], [], "no customers", id="nobody"),
        pytest.param([1, 1], [3, 5], [9, 4], "0 ≤ last ≤ age» is broken in 1 of 2 rows .first: row 1", id="after"),
        pytest.param([1, 0], [3, 5], [9, 9], "without» is broken in 1 of 2", id="last without repeats"),
        pytest.param([1, 1.5], [3, 5], [9, 9], "whole number", id="half an order"),
        pytest.param([1, 1], [3, np.nan], [9, 9], "is a number", id="not a number"),
        pytest.param([1, 1], [3], [9, 9], "differ in shape", id="shapes"),
    ],
)
def test_what_cannot_be_fitted_is_named(repeats: list[float], last: list[float], age: list[float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        BuyTillYouDie.fit("mbg_nbd", repeats, last, age)


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ValueError, match="bg_nbd, mbg_nbd, got 'pareto'"):
        BuyTillYouDie.fit("pareto", [1], [1], [1])


@KINDS
@pytest.mark.parametrize("shape", ["everyone alike", "nobody leaves", "one customer"])
def test_shops_without_variety_are_fitted_too(kind: Kind, shape: str) -> None:
    x, last, age = {
        "everyone alike": (np.full(200, 5.0), np.full(200, 100.0), np.full(200, 120.0)),
        "nobody leaves": (np.arange(1, 201.0), np.arange(10, 2_001, 10.0), np.arange(10, 2_001, 10.0)),
        "one customer": (np.ones(1), np.ones(1), np.full(1, 2.0)),
    }[shape]
    model = BuyTillYouDie.fit(kind, x, last, age)
    none = model.probability_of_none(x, last, age, 90, gap=7)
    assert np.isfinite(none).all()
    assert ((none > 0) & (none < 1)).all()
    assert np.isfinite(model.expected_purchases(x, last, age, 90)).all()


# What is known of a customer at a cutoff -------------------------------------------------------------------

CUTOFF = parse_date("2024-04-01", "Europe/London")


def orders_of(customer: str, *ages_us: int, event: str = "Order Completed", late: int = 0) -> pd.DataFrame:
    instants = np.array([CUTOFF - age for age in ages_us], dtype="int64")
    return pd.DataFrame(
        {"customer_id": customer, "event": event, "occurred_at": instants, "loaded_at": instants + late}
    )


def test_history_counts_days_from_the_cutoff_back() -> None:
    orders = pd.concat(
        [
            orders_of("once", 10 * DAY_US),
            orders_of("twice on a day", 10 * DAY_US, 10 * DAY_US + HOUR_US),
            orders_of("regular", 90 * DAY_US + 5, 30 * DAY_US, 1),
            orders_of("at the cutoff", 5 * DAY_US, 0),
            orders_of("only later", -DAY_US),
            orders_of("known late", 5 * DAY_US, late=5 * DAY_US),
            orders_of("sent back", 5 * DAY_US, event="Order Refunded"),
        ]
    )
    expected = [("at the cutoff", 0, 0, 5), ("once", 0, 0, 10), ("regular", 2, 90, 90), ("twice on a day", 0, 0, 10)]
    assert list(history_at(orders, CUTOFF).itertuples(index=False, name=None)) == expected


def test_history_agrees_with_the_features() -> None:
    from tests.laws.worlds import CUTOFFS, SETTINGS, world

    shop = world(0)
    connection = ibis.duckdb.connect()
    logs = {name: connection.create_table(name, frame) for name, frame in shop.logs.items()}
    reach = FeatureSettings(windows_days=SETTINGS.windows_days, history_days=3_650)
    for cutoff in CUTOFFS:
        history = fetch(connection, purchase_history_at(logs["orders"], cutoff)).set_index("customer_id")
        matrix = build_matrix(logs, shop.customers, cutoff, reach, connection).set_index("customer_id")
        ordered = matrix[matrix["days_with_order_so_far"] > 0].sort_index()
        history = history.sort_index()
        assert history.index.tolist() == ordered.index.tolist()
        assert (history["repeats"] + 1).tolist() == ordered["days_with_order_so_far"].tolist()
        newest = history["age_days"] - history["last_days"]
        assert newest.tolist() == np.floor(ordered["days_since_last_order"]).tolist()
        assert history["age_days"].tolist() == np.floor(ordered["days_since_first_order"]).tolist()
        assert ((history["repeats"] > 0) == (history["last_days"] > 0)).all()
