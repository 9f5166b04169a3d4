"""Who is on which list: hand-made customers on either side of a limit, and odd little shops against the reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from campaigns.errors import RecipeError
from campaigns.guards import RULES
from campaigns.settings import CampaignSettings
from campaigns.wording import OUTCOMES
from tests.campaigns.both_readings import Both, spare_the_rest
from tests.campaigns.odd_worlds import PARAMS, Maker
from tests.campaigns.shop_of_rows import Rows
from timeline import DAY_US, HOUR_US


@pytest.fixture(autouse=True)
def _lists_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    spare_the_rest(monkeypatch)


@pytest.fixture(scope="module")
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    # One connection for all, so that what an earlier shop left behind would show.
    with duckdb.connect(config={"memory_limit": "500MB", "threads": 1}) as opened:
        yield opened


def disagreements(worlds: int, seed: int, folder: Path, db: duckdb.DuckDBPyConnection) -> tuple[list[object], Counter]:
    """Where code and reference differ, and how often each list told each reason."""
    wrong: list[object] = []
    told: Counter[tuple[str, str]] = Counter()
    for n in range(worlds):
        world = Maker(f"{seed}/{n}").world()
        found = world.both(folder / str(n), db)
        wrong += [(n, world.as_of, world.zone, *one) for one in found.disagreements()]
        for row in found.rows(found.built.told):
            told.update((column.removeprefix("why_"), why) for column, why in row.items() if column.startswith("why_"))
    return wrong, told


def test_odd_little_shops_get_the_lists_that_a_second_reading_gives(
    tmp_path: Path, db: duckdb.DuckDBPyConnection
) -> None:
    wrong, told = disagreements(12, 1, tmp_path, db)
    assert wrong == []
    # The shops are worth something only if people fit the lists at all.
    fitting = {name for name, why in told if why in ("selected", "held_out")}
    assert len(fitting) >= 9, fitting


@pytest.mark.parametrize("missing", ["customers", "orders", "web_events", "deliveries", "scores", "everything else"])
def test_a_shop_may_lack_any_log_and_every_score(tmp_path: Path, db: duckdb.DuckDBPyConnection, missing: str) -> None:
    world = Maker("full").world()
    if missing == "scores":
        world.scores, world.before = [], []
    for log in [log for log in world.shop if log == missing or missing == "everything else" != log != "orders"]:
        del world.shop[log]
    found = world.both(tmp_path, db)
    assert found.disagreements() == []
    assert len(found.reading.people) >= (20 if missing != "everything else" else 10)


@pytest.mark.stress
def test_five_hundred_odd_little_shops_get_the_lists_that_a_second_reading_gives(
    tmp_path: Path, db: duckdb.DuckDBPyConnection
) -> None:
    wrong, told = disagreements(500, 2, tmp_path, db)
    assert wrong == []
    own = {name for values in PARAMS for name in values.get("own_lists", {})}
    shipped = set(type(CampaignSettings().lists).model_fields)
    # Somebody fits each list, whether or not a guard stops them.
    assert {name for name, why in told if why in (*RULES, *OUTCOMES)} == shipped | own
    assert len(told) >= 150


def listed(shop: Rows, folder: Path, name: str, **values: Any) -> dict[str, str]:
    """What each customer is told about one list."""
    found = shop.both(folder, values)
    assert found.disagreements() == []
    return {row["customer_id"]: row[f"why_{name}"] for row in found.rows(found.built.told)}


def test_a_cart_is_left_behind_from_four_hours_to_fourteen_days(tmp_path: Path) -> None:
    shop = Rows()
    ages = {
        "young": 4 * HOUR_US - 1,
        "just": 4 * HOUR_US,
        "old": 14 * DAY_US,
        "forgotten": 14 * DAY_US + 1,
        "bought": 8 * HOUR_US,
        "cancelled": 8 * HOUR_US,
    }
    for who, age in ages.items():
        shop.customer(who)
        shop.add("web_events", who, age, event="Cart Viewed", cart_id="k", session_id="s", bot=False)
    # An order at the very instant of the cart closes it; one that was cancelled was none.
    shop.order("bought", 8 * HOUR_US)
    shop.order("cancelled", 7 * HOUR_US, number="undone")
    shop.add("orders", "cancelled", 6 * HOUR_US, event="Order Cancelled", order_id="undone", revenue=0, currency="GBP")
    told = listed(shop, tmp_path, "abandoned_cart", holdout_share=0, quiet_order_days=0)
    assert told == {
        "young": "cart_too_recent",
        "just": "selected",
        "old": "selected",
        "forgotten": "no_open_cart",
        "bought": "bought_since_cart",
        "cancelled": "selected",
    }


def test_a_step_of_the_welcome_series_is_due_for_three_days(tmp_path: Path) -> None:
    shop = Rows()
    days = {0: 1, 1: 1, 2: 1, 3: 2, 5: 2, 6: None, 7: 3, 9: 3, 10: None, 14: 4, 16: 4, 17: None}
    for day in days:
        shop.customer(f"d{day:02d}", joined=day * DAY_US + HOUR_US)
    found = shop.both(tmp_path, {"holdout_share": 0})
    assert found.disagreements() == []
    steps = {row["customer_id"]: row for row in found.rows("SELECT * FROM candidates WHERE list = 'welcome'")}
    assert {who: row["step"] for who, row in steps.items()} == {
        f"d{day:02d}": step for day, step in days.items() if step
    }
    assert steps["d03"]["campaign"] == "welcome-signup-2"


def test_a_delivery_that_is_only_assumed_is_not_asked_about_before_it_comes(tmp_path: Path) -> None:
    shop = Rows()
    for who, days in {"on_its_way": 4.5, "there": 5, "older": 8.5}.items():
        shop.customer(who)
        shop.order(who, int(days * DAY_US))
    told = listed(
        shop,
        tmp_path,
        "post_purchase_feedback",
        holdout_share=0,
        quiet_order_days=0,
        lists={"post_purchase_feedback": {"min_days": 0, "max_days": 3}, "welcome": {"on": False}},
    )
    assert told == {"on_its_way": "not_lately", "there": "selected", "older": "selected"}


def test_nobody_is_asked_about_an_order_with_a_ticket_at_its_instant_or_since(tmp_path: Path) -> None:
    shop = Rows()
    for who, hours in {"before": 1, "with_it": 0, "since": -1}.items():
        shop.customer(who)
        shop.order(who, 20 * DAY_US)
        shop.add("deliveries", who, 10 * DAY_US, order_id="o", promised_at=0, delay_hours=0)
        opened = {"ticket_id": "t", "event": "Ticket Closed", "satisfaction": 5}
        shop.add("support_tickets", who, 20 * DAY_US + hours * HOUR_US, **opened)
    told = listed(shop, tmp_path, "post_purchase_feedback", holdout_share=0, lists={"welcome": {"on": False}})
    assert told == {"before": "selected", "with_it": "had_trouble", "since": "had_trouble"}


def test_an_address_that_was_taken_back_is_none(tmp_path: Path) -> None:
    shop = Rows()
    shop.customer("gone", joined=900 * DAY_US)
    shop.customer("gone", joined=500 * DAY_US, address_key=None)
    shop.customer("there", joined=900 * DAY_US)
    for who in ("gone", "there"):
        shop.add("email_events", who, 30 * DAY_US, event="Email Marked as Spam")
    assert listed(shop, tmp_path, "list_hygiene") == {"gone": "no_address", "there": "selected"}


def test_an_own_list_finds_carts_of_people_who_never_ordered(tmp_path: Path) -> None:
    shop = Rows()
    shop.customer("new")
    shop.add("web_events", "new", DAY_US, event="Cart Viewed", cart_id="k", bot=False)
    mine = {"title": "Mine", "who": {"cart_bought": False}, "rank_by": "revenue", "action": "Ask."}
    told = listed(
        shop, tmp_path, "mine", holdout_share=0, own_lists={"mine": mine}, lists={"abandoned_cart": {"on": False}}
    )
    assert told == {"new": "selected"}


def test_a_birthday_on_the_29th_of_february_is_kept_on_the_28th(tmp_path: Path) -> None:
    days = {}
    for as_of in ("2024-02-27", "2024-02-29", "2025-02-28", "2025-03-01"):
        shop = Rows(as_of)
        shop.customer("leap", birth_month_day="02-29")
        shop.customer("never", birth_month_day="02-30")
        found = shop.both(tmp_path / as_of, {})
        assert found.disagreements() == []
        told = {row["customer_id"]: row["days_to_birthday"] for row in found.rows("SELECT * FROM people")}
        assert told.pop("never") is None
        days[as_of] = told["leap"]
    assert days == {"2024-02-27": 2, "2024-02-29": 0, "2025-02-28": 0, "2025-03-01": 364}


def test_an_empty_shop_gets_empty_lists(tmp_path: Path) -> None:
    found: Both = Rows().both(tmp_path, {})
    assert found.disagreements() == []
    assert {name: one["people"] for name, one in found.built.manifests.items()} == dict.fromkeys(found.built.recipes, 0)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"priority": ["win_bakc"]}, "there is no list 'win_bakc'. Did you mean 'win_back'?"),
        ({"own_lists": {"win_back": {"who": {"orders": 1}}}}, "campaigns.own_lists.win_back is the name of a list"),
        (
            {"own_lists": {"mine": {"who": {"ordres": 1}}}},
            "there is no column 'ordres' of people. Did you mean 'orders'?",
        ),
    ],
)
def test_a_list_that_cannot_be_followed_is_refused_by_name(tmp_path: Path, values: dict[str, Any], said: str) -> None:
    for own in values.get("own_lists", {}).values():
        own |= {"title": "Mine", "action": "Ask."}
    with pytest.raises(RecipeError) as told:
        Rows().both(tmp_path, values)
    assert said in str(told.value)
