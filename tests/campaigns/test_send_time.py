"""Send hours and weekdays: zones, clock changes, nights, shrinkage, each by hand."""

import math

import pytest

from campaigns.send_time import Habit, SendTimeSettings, find_moments, learn_habit, send_time
from tests.campaigns.tiny_logs import AS_OF, DAY_US, add, instant, tiny_logs, want

HOUR_US = 3_600_000_000


def order(customer, at):
    return {"customer_id": customer, "occurred_at": at, "event": "Order Completed", "revenue": 1, "currency": "GBP"}


def orders(db, customer, *times):
    add(db, "orders", [order(customer, instant(time)) for time in times])


def customer(db, name, timezone):
    row = {"customer_id": name, "occurred_at": instant("2025-01-01"), "timezone": timezone}
    add(db, "customers", [row | {"email_consent": "subscribed", "suppressed": False}])


def timed(db, *customers, settings=None):
    want(db, *customers)
    send_time(db, "wanted", settings)
    rows = db.execute("SELECT * FROM send_times ORDER BY customer_id").fetchall()
    return {name: (hour, weekday) for name, hour, weekday in rows}


def moments(db):
    find_moments(db, SendTimeSettings())
    return db.execute("SELECT * EXCLUDE (on_day) FROM send_moments ORDER BY ALL").fetchall()


@pytest.mark.parametrize(("zone", "hour"), [("UTC", 12), ("America/New_York", 7), ("Asia/Kolkata", 18)])
def test_the_hour_is_that_of_the_shop(zone, hour):
    db = tiny_logs(zone)
    orders(db, "ann", "2025-12-10 12:35")
    assert timed(db, "ann") == {"ann": (hour, "Wednesday")}


def test_the_weekday_is_local_too():
    db = tiny_logs("Asia/Karachi")
    orders(db, "ann", "2025-12-10 20:00")  # 01:00 on Thursday
    assert moments(db) == [("ann", 1, 3, 2)]


def test_a_customers_own_zone_goes_before_the_shops():
    db = tiny_logs("Europe/London")
    customer(db, "ann", "Asia/Karachi")
    orders(db, "ann", "2025-12-10 12:00")
    orders(db, "ben", "2025-12-10 12:00")
    assert moments(db) == [("ann", 17, 2, 2), ("ben", 12, 2, 2)]


@pytest.mark.parametrize("zone", [None, "", "Nowhere/Town", "'; DROP TABLE orders"])
def test_a_zone_that_does_not_exist_gives_way_to_the_shops(zone):
    db = tiny_logs("Asia/Karachi")
    customer(db, "ann", zone)
    orders(db, "ann", "2025-12-10 12:00")
    assert moments(db) == [("ann", 17, 2, 2)]


def test_summer_and_winter_time_are_one_clock():
    db = tiny_logs("Europe/London")
    orders(db, "ann", "2025-07-01 17:30", "2025-12-02 18:30")
    assert moments(db) == [("ann", 18, 1, 2), ("ann", 18, 1, 2)]


def test_the_hour_that_comes_twice_is_the_same_hour():
    db = tiny_logs("Europe/London")
    orders(db, "ann", "2025-10-26 00:30")  # 01:30 summer time
    orders(db, "ben", "2025-10-26 01:30")  # 01:30 an hour later
    orders(db, "cem", "2025-03-30 00:59", "2025-03-30 01:00")  # no hour 1: the second is at 02:00
    orders(db, "dan", "2025-03-30 01:00")
    assert moments(db) == [("ann", 1, 6, 2), ("ben", 1, 6, 2), ("cem", 0, 6, 2), ("dan", 2, 6, 2)]


def test_a_day_has_one_moment_the_weightiest_and_then_the_first():
    db = tiny_logs()
    at = instant("2025-12-10 08:00")
    web = {"customer_id": "ann", "event": "Page Viewed", "bot": False}
    add(db, "web_events", [web | {"occurred_at": at}, web | {"occurred_at": at + 3 * HOUR_US}])
    assert moments(db) == [("ann", 8, 2, 1)]
    click = {"customer_id": "ann", "event": "Email Link Clicked", "bot_click": False}
    add(db, "email_events", [click | {"occurred_at": at + 2 * HOUR_US}])
    assert moments(db) == [("ann", 10, 2, 2)]
    orders(db, "ann", "2025-12-10 09:30")
    assert moments(db) == [("ann", 9, 2, 2)]


def test_only_clicks_of_people_count():
    db = tiny_logs()
    at = instant("2025-12-10 08:00")
    mail = {"customer_id": "ann", "occurred_at": at}
    add(db, "email_events", [mail | {"event": "Email Link Clicked", "bot_click": True}])
    add(db, "email_events", [mail | {"event": "Email Opened", "bot_click": False}])
    assert moments(db) == []


def test_habits_older_than_the_history_are_forgotten():
    db = tiny_logs()
    add(db, "orders", [order("ann", AS_OF - 365 * DAY_US), order("ben", AS_OF - 365 * DAY_US - 1)])
    assert [row[0] for row in moments(db)] == ["ann"]


def test_nothing_is_sent_at_night():
    db = tiny_logs()
    orders(db, "ann", *(f"2025-12-{day:02} 23:10" for day in range(1, 9)), "2025-12-10 21:00", "2025-12-11 22:00")
    orders(db, "ben", "2025-12-10 06:59")
    assert [hour for hour, _ in timed(db, "ann", "ben").values()] == [21, 21]
    open_all_night = SendTimeSettings(night_from=0, night_until=0)
    assert timed(db, "ann", settings=open_all_night)["ann"][0] == 23


def test_the_allowed_hours_may_or_may_not_cross_midnight():
    assert SendTimeSettings().allowed_hours() == tuple(range(7, 22))
    assert SendTimeSettings(night_from=1, night_until=3).allowed_hours() == (0, *range(3, 24))


def test_whoever_left_no_trace_gets_the_shops_best():
    db = tiny_logs()
    orders(db, "ann", "2025-12-10 18:00")
    orders(db, "ben", "2025-12-11 18:00")
    orders(db, "cem", "2025-12-10 11:00")
    assert timed(db, "new")["new"] == (18, "Wednesday")


def test_a_shop_without_any_moment_says_nothing():
    assert timed(tiny_logs(), "new") == {"new": (None, None)}


def test_equal_hours_go_to_the_earlier():
    db = tiny_logs()
    orders(db, "ann", "2025-12-10 18:00")
    orders(db, "ben", "2025-12-11 11:00")
    assert timed(db, "new")["new"] == (11, "Wednesday")


def habits(db, hour_of):
    """Sixty people with ten orders each, at the hour that ``hour_of`` names for person and order."""
    rows = [
        order(f"p{person:02}", AS_OF - (number * 9 + 3) * DAY_US + hour_of(person, number) * HOUR_US)
        for person in range(60)
        for number in range(10)
    ]
    add(db, "orders", rows)


def test_people_with_habits_get_their_own_hour():
    db = tiny_logs()
    habits(db, lambda person, number: (9 if person < 40 else 20) if number < 9 else 13)
    found = timed(db, "p00", "p50", "new")
    assert [found[name][0] for name in ("p00", "p50", "new")] == [9, 20, 9]
    find_moments(db, SendTimeSettings())
    assert learn_habit(db, "hour").strength < 20  # what one of them weighs in all


def test_people_without_habits_get_the_shops_hour():
    db = tiny_logs()
    # Ten hours, everybody at each of them once; two thirds of the people have been at 15 twice instead of at 10.
    habits(db, lambda person, number: 15 if number == 0 and person % 3 else 10 + number)
    find_moments(db, SendTimeSettings())
    assert learn_habit(db, "hour").strength == math.inf
    assert {hour for hour, _ in timed(db, "p00", "p03", "p59").values()} == {15}


def test_shares_and_counts_by_hand():
    db = tiny_logs()
    orders(db, "ann", "2025-12-10 18:00", "2025-12-11 18:00")
    orders(db, "ben", "2025-12-10 09:00")
    find_moments(db, SendTimeSettings(order_weight=3))
    habit = learn_habit(db, "hour")
    # Three orders of weight 3, and one visit in each of the 24 hours.
    assert habit == Habit(tuple({18: 7 / 33, 9: 4 / 33}.get(hour, 1 / 33) for hour in range(24)), math.inf)
    counts = db.execute("SELECT * FROM send_counts_hour ORDER BY 1").fetchall()
    assert counts == [("ann", 18, 6, 6), ("ben", 9, 3, 3)]


def test_no_table_but_the_answer_is_left():
    db = tiny_logs()
    before = {name for (name,) in db.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    timed(db, "new")
    after = {name for (name,) in db.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    assert after - before == {"send_times", "wanted"}
