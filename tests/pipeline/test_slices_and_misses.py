"""A customer is in the slice that the shop could have put it in at the origin, and a miss is told with its days."""

import json

import numpy as np
import pandas as pd
import pytest

from pipeline.evaluation import find_misses, slice_customers
from pipeline.project import datasets
from timeline import DAY_US, parse_date

ORIGINS = ("2025-06-01", "2025-09-01")
CUTOFF = {origin: parse_date(origin, "Europe/London") for origin in ORIGINS}
PEOPLE = [f"c_{n}" for n in range(6)]


def events(log: str, rows: list[dict], columns: dict | None = None) -> None:
    """Events of ``log``; what arrived at another time than it happened says so."""
    table = pd.DataFrame([{"loaded_at": row["occurred_at"], "event_id": f"e{n}"} | row for n, row in enumerate(rows)])
    datasets.write_parquet(table.assign(**(columns or {})), datasets.EVENTS / log / "2025-01.parquet", key=["event_id"])


def day(origin: str, days: int) -> int:
    return CUTOFF[origin] + days * DAY_US + DAY_US // 2


@pytest.fixture
def tested(project) -> pd.DataFrame:
    matrix = pd.DataFrame(
        {
            "customer_id": PEOPLE,
            "days_with_order_so_far": [1.0, 1.0, 2.0, 2.0, 3.0, 9.0],
            "days_since_first_order": [10.0, 182.0, 183.0, 365.0, 730.0, 731.0],
            "spend_per_year": [100.0, 100.0, 900.0, 900.0, 5000.0, 9000.0],
        }
    )
    for origin in ORIGINS:
        datasets.write_parquet(matrix, datasets.FEATURES / f"{origin}.parquet", key=["customer_id"])
    frames = [pd.DataFrame({"customer_id": PEOPLE, "origin": origin, "churned": [0, 1] * 3}) for origin in ORIGINS]
    return pd.concat(frames, ignore_index=True).sample(frac=1, random_state=2).reset_index(drop=True)


def by_customer(labels: pd.Series, tested: pd.DataFrame, origin: str) -> list[str]:
    here = tested["origin"] == origin
    return pd.Series(labels[here].astype(str).to_numpy(), index=tested.loc[here, "customer_id"]).loc[PEOPLE].tolist()


def test_behaviour_makes_the_slices_of_every_shop(tested, shop):
    found = slice_customers.slices(shop, tested)
    assert list(found) == ["orders so far", "customer for", "spent so far"]
    for origin in ORIGINS:
        assert by_customer(found["orders so far"], tested, origin) == [
            "first order only", "first order only", "two orders", "two orders", "three or more", "three or more",
        ]  # fmt: skip
        assert by_customer(found["customer for"], tested, origin) == [
            "under half a year", "under half a year", "half to one year", "half to one year", "one to two years",
            "over two years",
        ]  # fmt: skip
        assert by_customer(found["spent so far"], tested, origin) == [
            "lowest third", "lowest third", "middle third", "middle third", "highest third", "highest third",
        ]  # fmt: skip
    assert list(found["orders so far"].cat.categories) == ["first order only", "two orders", "three or more"]


def customers(countries: list[str | None], **columns) -> None:
    at = CUTOFF[ORIGINS[0]] - 100 * DAY_US
    rows = [
        {"customer_id": who, "country": where, "occurred_at": at} for who, where in zip(PEOPLE, countries, strict=True)
    ]
    nothing = {"email_consent": None, "email_consent_at": np.nan, "suppressed": False, "address_key": None}
    events("customers", rows, nothing | columns)


def test_a_kind_that_divides_nobody_is_left_out(tested, shop):
    customers(["GB"] * 6)
    assert "country" not in slice_customers.slices(shop, tested)


def test_small_countries_are_one_slice_and_no_country_is_said(tested, shop, monkeypatch):
    monkeypatch.setattr(slice_customers, "COUNTRIES", 2)
    customers(["GB", "GB", "GB", "DE", "FR", None])
    found = slice_customers.slices(shop, tested)["country"]
    told = by_customer(found, tested, ORIGINS[0])
    assert told[:3] == ["GB"] * 3
    assert set(told[3:]) <= {"DE", "FR", "not known", "other countries"}
    assert len(found.cat.categories) == 3
    assert found.cat.categories[-1] == "other countries"


def test_the_country_is_the_one_known_at_the_origin(tested, shop):
    nothing = {"email_consent": None, "email_consent_at": np.nan, "suppressed": False, "address_key": None}
    before, between = day(ORIGINS[0], -10), day(ORIGINS[0], 10)
    rows = [{"customer_id": who, "country": "GB", "occurred_at": before} for who in PEOPLE]
    rows += [{"customer_id": "c_0", "country": "DE", "occurred_at": between}]
    rows += [{"customer_id": "c_1", "country": "DE", "occurred_at": before + 1, "loaded_at": between}]
    events("customers", rows, nothing)
    found = slice_customers.slices(shop, tested)["country"]
    assert by_customer(found, tested, ORIGINS[0]) == ["GB"] * 6
    assert by_customer(found, tested, ORIGINS[1]) == ["DE"] * 2 + ["GB"] * 4


def test_consent_counts_as_it_was_known_at_the_origin(tested, shop):
    customers(["GB"] * 6, address_key="a_1")
    before, between = day(ORIGINS[0], -10), day(ORIGINS[0], 10)
    opted = {"channel": "email", "status": "subscribed", "source": "account"}
    stopped = opted | {"status": "unsubscribed"}
    rows = [{"customer_id": who, "occurred_at": before, **opted} for who in PEOPLE[:4]]
    rows += [{"customer_id": "c_4", "occurred_at": between, **opted}]
    # Said before the first origin, heard after it.
    rows += [{"customer_id": "c_5", "occurred_at": before, "loaded_at": between, **opted}]
    rows += [{"customer_id": "c_3", "occurred_at": between, **stopped}]
    events("consent_events", rows)
    customers(["GB"] * 6, address_key=[f"a_{n}" for n in range(6)])
    found = slice_customers.slices(shop, tested)["e-mail"]
    assert by_customer(found, tested, ORIGINS[0]) == ["may be written to"] * 4 + ["may not"] * 2
    later = ["may be written to"] * 3 + ["may not"] + ["may be written to"] * 2
    assert by_customer(found, tested, ORIGINS[1]) == later


def test_a_shop_that_logs_no_consent_has_no_slice_of_it(tested, shop):
    customers(["GB", "DE"] * 3)
    assert "e-mail" not in slice_customers.slices(shop, tested)


def predictions(errors: list[tuple[str, str, int, float]]) -> pd.DataFrame:
    return pd.DataFrame(errors, columns=["customer_id", "origin", "churned", "wafa"])


def test_the_worst_errors_of_both_kinds_are_taken_once_per_customer():
    rows = [(f"a{n:02d}", ORIGINS[0], 0, 0.6 + n / 100) for n in range(15)]
    rows += [(f"b{n:02d}", ORIGINS[0], 1, 0.4 - n / 100) for n in range(15)]
    rows += [("a14", ORIGINS[1], 0, 0.99), ("right", ORIGINS[0], 1, 0.9), ("unsure", ORIGINS[0], 0, 0.5)]
    found = find_misses.surest_and_wrong(predictions(rows))
    assert found["customer_id"].tolist()[:2] == ["a14", "a13"]
    assert found.loc[found["customer_id"] == "a14", "wafa"].tolist() == [0.99]
    assert found["churned"].tolist() == [0] * 10 + [1] * 10
    assert found["customer_id"].iloc[10] == "b14"


@pytest.fixture
def logged(project, shop) -> None:
    """Orders and visits of three customers around the first origin; the data end 150 days after it."""
    origin = ORIGINS[0]
    completed = {"event": "Order Completed", "total": 100}
    rows = [{"customer_id": "c_0", "occurred_at": day(origin, n), **completed} for n in (-400, -30, -20, 12, 13, 120)]
    rows += [{"customer_id": "c_1", "occurred_at": day(origin, n), **completed} for n in (-5, 3, 99)]
    rows += [{"customer_id": "c_2", "occurred_at": day(origin, -5), **completed}]
    rows += [{"customer_id": "c_2", "occurred_at": day(origin, 10), "event": "Order Cancelled"}]
    events("orders", rows)
    mails = [
        {"customer_id": "c_0", "occurred_at": day(origin, -3), "event": "Email Link Clicked", "bot_click": bot}
        for bot in (True, False)
    ]
    events("email_events", [*mails, mails[1] | {"occurred_at": day(origin, -9), "bot_click": True}])
    covered = {"logs": {"orders": {"first": 0}}, "watermark": CUTOFF[origin] + 130 * DAY_US}
    (datasets.EVENTS / "manifest.json").write_text(json.dumps(covered))


def test_a_miss_is_told_with_what_the_customer_did_before_and_after(logged, shop):
    rows = [("c_0", ORIGINS[0], 0, 0.9), ("c_1", ORIGINS[0], 1, 0.1), ("c_2", ORIGINS[0], 1, 0.2)]
    came_back, in_gap, gone = find_misses.misses(shop, predictions(rows))
    assert came_back["lanes"]["orders"] == [-30, -20, 12, 13, 120]
    assert came_back["lanes"]["clicks"] == [-3]
    assert came_back["story"] == (
        "Ordered on 2 days of the year before, last 20 days before the cutoff. Ordered on day 12 after the cutoff. "
        "1 more followed in time."
    )
    assert in_gap["story"] == (
        "Ordered on 1 day of the year before, last 5 days before the cutoff. No order from day 7 to day 97. It had "
        "ordered on day 3, in the gap, which does not count. Ordered again on day 99, 3 days too late."
    )
    assert (in_gap["ordered_in_gap"], in_gap["came_back_later"]) == (True, True)
    assert gone["lanes"]["returned"] == [10]
    assert gone["story"].endswith("No order from day 7 to day 97. Nothing until day 130 either.")
    assert gone["known_days"] == 130
    assert (gone["ordered_in_gap"], gone["came_back_later"]) == (False, False)


def test_a_shop_without_visits_and_mails_is_told_by_its_orders(logged, shop):
    (told,) = find_misses.misses(shop, predictions([("c_2", ORIGINS[0], 1, 0.2)]))
    assert "visits" not in told["lanes"]
    assert find_misses.misses(shop, predictions([("c_2", ORIGINS[0], 1, 0.8)])) == []
