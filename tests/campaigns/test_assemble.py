"""From who fits to who is written to: one message a person and inbox, budgets, holdouts, periods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from campaigns.assemble import period_start
from campaigns.errors import ListError
from campaigns.holdout import draw
from tests.campaigns.both_readings import Both, spare_the_rest
from tests.campaigns.shop_of_rows import Rows
from timeline import DAY_US

CUSTOMERS = [f"c{n:02d}" for n in range(12)]


@pytest.fixture(autouse=True)
def _lists_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    spare_the_rest(monkeypatch)


def birthdays(names: list[str] | None = None, **values: Any) -> Rows:
    """A shop whose customers all have their birthday on the day of the lists, and nothing else."""
    shop = Rows()
    for who in names or CUSTOMERS:
        shop.customer(who, birth_month_day="06-01", **values)
    return shop


def built(shop: Rows, folder: Path, **values: Any) -> Both:
    found = shop.both(folder, values)
    assert found.disagreements() == []
    return found


def told(found: Both, name: str = "birthday") -> dict[str, str]:
    return {row["customer_id"]: row[f"why_{name}"] for row in found.rows(found.built.told)}


def groups(found: Both, name: str = "birthday") -> dict[str, str]:
    asked = f"SELECT customer_id, \"group\" FROM candidates WHERE list = '{name}' ORDER BY rank"
    return {row["customer_id"]: row["group"] for row in found.rows(asked)}


def test_a_period_starts_the_same_day_for_every_day_in_it() -> None:
    assert period_start("1970-01-01", 90) == "1970-01-01"
    assert period_start("1970-03-31", 90) == "1970-01-01"
    assert period_start("1970-04-01", 90) == "1970-04-01"
    assert period_start("2024-02-29", 1) == "2024-02-29"


def test_the_list_ends_where_the_budget_is_spent(tmp_path: Path) -> None:
    everybody = groups(built(birthdays(), tmp_path / "all", holdout_share=0.4))
    assert set(everybody) == set(CUSTOMERS)
    order = list(everybody)
    treated = [who for who in order if everybody[who] == "treat"]
    assert 3 < len(treated) < len(order)
    found = built(birthdays(), tmp_path / "three", holdout_share=0.4, lists={"birthday": {"budget": 3}})
    # Up to just above the fourth who would be written to.
    assert list(groups(found)) == order[: order.index(treated[3])]
    assert {why for who, why in told(found).items() if who in order[order.index(treated[3]) :]} == {"over_budget"}


@pytest.mark.parametrize(
    "values",
    [
        {"lists": {"birthday": {"max_cost": 350}}},
        {"capacity": 3},
        {"lists": {"birthday": {"budget": 3}}},
    ],
)
def test_a_budget_a_cost_and_the_capacity_end_a_list_alike(tmp_path: Path, values: dict[str, Any]) -> None:
    # These customers have no score; a message to them costs what any message does, 100.
    found = built(birthdays(), tmp_path, holdout_share=0, **values)
    assert list(groups(found)) == CUSTOMERS[:3]
    assert {row["contact_cost"] for row in found.rows("SELECT * FROM candidates")} == {100}
    assert found.built.manifests["birthday"]["cost"] == 300


def test_people_held_out_above_the_first_row_written_to_stay_whatever_limits_there_are(tmp_path: Path) -> None:
    campaign = f"birthday-{period_start('2025-06-01', 300)}"
    salts = (f"s{n}" for n in range(100))
    salt = next(salt for salt in salts if draw(salt, campaign, "c00") < 0.4 <= draw(salt, campaign, "c01"))
    found = built(birthdays(), tmp_path / "one", holdout_share=0.4, salt=salt, lists={"birthday": {"max_cost": 100}})
    assert list(groups(found).items())[:2] == [("c00", "holdout"), ("c01", "treat")]


@pytest.mark.parametrize("values", [{"lists": {"birthday": {"budget": 0}}}, {"capacity": 0}])
def test_nobody_is_held_out_where_nobody_may_be_written_to(tmp_path: Path, values: dict[str, Any]) -> None:
    found = built(birthdays(), tmp_path, holdout_share=0.4, **values)
    assert set(told(found).values()) == {"over_budget"}


def test_capacity_is_shared_by_messages_and_spares_what_is_none(tmp_path: Path) -> None:
    shop = birthdays(CUSTOMERS[:4])
    for who in CUSTOMERS[4:8]:
        shop.customer(who, joined=DAY_US)
    for who in CUSTOMERS[8:]:
        shop.customer(who)
        shop.add("email_events", who, 50 * DAY_US, event="Email Marked as Spam")
    found = built(shop, tmp_path, holdout_share=0, capacity=6)
    sizes = {name: one["groups"]["treat"] for name, one in found.built.manifests.items() if one["groups"]["treat"]}
    # The welcome series comes first in the priority.
    assert sizes == {"welcome": 4, "birthday": 2, "list_hygiene": 4}


def test_nobody_gets_two_messages_and_no_inbox_does(tmp_path: Path) -> None:
    shop = Rows()
    shop.customer("both", joined=DAY_US, birth_month_day="06-01", address_key="at-home")
    shop.customer("partner", birth_month_day="06-01", address_key="at-home")
    shop.customer("older", birth_month_day="06-03", address_key="at-work")
    shop.customer("sooner", birth_month_day="06-02", address_key="at-work")
    found = built(shop, tmp_path, holdout_share=0)
    assert told(found) == {
        "both": "other_list",
        "partner": "same_inbox",
        "older": "same_inbox",
        "sooner": "selected",
    }
    assert told(found, "welcome")["both"] == "selected"


def test_whoever_got_this_lists_message_waits_and_so_does_their_inbox(tmp_path: Path) -> None:
    shop = birthdays(["now", "long_ago", "control", "other", "told"])
    shop.customer("flatmate", birth_month_day="06-01", address_key="at-now")
    edge = 300 * DAY_US
    contacts = {"now": ("birthday-x", edge), "long_ago": ("birthday-x", edge + 1), "other": ("win_back-x", edge)}
    for who, (campaign, age) in contacts.items():
        shop.add("campaign_contacts", who, age, campaign_id=campaign)
    shop.add("campaign_contacts", "control", edge, campaign_id="birthday-x", control=True)
    mine = {"customer_id": "told", "campaign_id": "birthday-2024-06-01", "list": "birthday"}
    shop.ledger.append({**mine, "occurred_at": shop.now - 100 * DAY_US})
    assert told(built(shop, tmp_path, holdout_share=0)) == {
        "now": "contacted_by_list",
        "flatmate": "contacted_by_list",
        "long_ago": "selected",
        "control": "selected",
        "other": "selected",
        "told": "contacted_by_list",
    }


def test_the_steps_of_a_series_are_one_experiment(tmp_path: Path) -> None:
    drawn = {}
    for days in (0, 3, 7, 14):
        shop = Rows()
        for n in range(40):
            shop.customer(f"c{n:02d}", joined=days * DAY_US + 1)
        drawn[days] = groups(built(shop, tmp_path / str(days), holdout_share=0.4), "welcome")
    assert set(drawn[0].values()) == {"treat", "holdout"}
    assert all(groups == drawn[0] for groups in drawn.values())


def test_a_customer_who_is_scored_twice_is_refused(tmp_path: Path) -> None:
    shop = birthdays(["one"])
    shop.score("one")
    shop.score("one", probability=0.1)
    with pytest.raises(ListError, match="1 customers are scored twice"):
        shop.both(tmp_path, {})
