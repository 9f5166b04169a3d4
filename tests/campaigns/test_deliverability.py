"""How mail arrived and what a list would do: small logs with figures worked out by hand."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from campaigns import deliverability, send_forecast
from campaigns.deliverability import DeliverabilitySettings, measure
from campaigns.known import open_logs
from campaigns.shares import level, wilson
from events.logs import LOGS, arrow_schema
from timeline import DAY_US, parse_date

AS_OF = parse_date("2026-01-01", "UTC")
S = DeliverabilitySettings()
LONG_AGO = 1_000.0
Row = dict[str, Any]


def shop(**logs: list[Row]) -> duckdb.DuckDBPyConnection:
    """A connection with these events; ``ago`` is their age in days."""
    db = duckdb.connect(config={"threads": 1})
    open_logs(db, {}, {name: arrow_schema(name) for name in LOGS}, AS_OF, "Europe/London")
    for name, rows in logs.items():
        full = []
        for n, row in enumerate(rows):
            at = AS_OF - round(row.get("ago", LONG_AGO) * DAY_US)
            full.append(
                {"occurred_at": at, "loaded_at": at, "event_id": f"{name}-{n:05d}"}
                | {k: v for k, v in row.items() if k != "ago"}
            )
        db.register(f"rows_{name}", pa.Table.from_pylist(full, schema=arrow_schema(name)))
        db.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM rows_{name}")
    return db


def person(name: str, provider: str | None = "yahoo", ago: float = LONG_AGO, **more: Any) -> Row:
    usual = {"email_consent": "unknown", "suppressed": False, "legal_hold": False, "address_key": f"at {name}"}
    return {"customer_id": name, "mailbox_provider": provider, "ago": ago} | usual | more


def mail(name: str, event: str, ago: float, campaign: str | None = "news", **more: Any) -> Row:
    return {
        "customer_id": name,
        "event": event,
        "ago": ago,
        "campaign_id": campaign,
        "email_id": f"{campaign} {name}",
    } | more


def sent(name: str, ago: float, campaign: str | None = "news") -> list[Row]:
    return [mail(name, event, ago, campaign) for event in ("Email Sent", "Email Delivered")]


def bounced(name: str, ago: float, kind: str | None, campaign: str = "news") -> list[Row]:
    return [mail(name, "Email Sent", ago, campaign), mail(name, "Email Bounced", ago, campaign, bounce_type=kind)]


def named(rows: list[Row], *columns: str) -> dict[str, tuple[Any, ...]]:
    return {row["name"]: tuple(row[column] for column in columns) for row in rows}


# Shares


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(0, 10, 0, 0.27753), (1, 10, 0.01788, 0.40415), (5, 10, 0.23659, 0.76341), (10, 10, 0.72247, 1), (0, 0, 0, 1)],
)
def test_the_interval_of_a_share_is_wilsons(hits, of, low, high):
    assert wilson(hits, of) == pytest.approx((low, high), abs=5e-6)
    assert (wilson(hits, of)[0] == 0) == (hits == 0)


def test_nothing_of_many_and_all_of_many_are_exact():
    assert {wilson(0, of)[0] for of in range(1, 300)} == {0.0}
    assert {wilson(of, of)[1] for of in range(1, 300)} == {1.0}


@pytest.mark.parametrize(
    ("hits", "of", "expected"),
    [
        (30, 10_000, "over"),  # 0.3 %, surely above 0.1 %
        (29, 10_000, "near"),
        (10, 10_000, "near"),
        (3, 1_676, "few"),  # 0.18 %, but from 0.06 % to 0.52 % anything may be true
        (60, 25_000, "near"),
        (9, 10_000, "fine"),
        (1, 100, "few"),  # 1 %, but one reader in a hundred may be chance
        (2, 1_000, "few"),
        (0, 100, "few"),
        (0, 2_000, "fine"),
        (0, 0, "unknown"),
    ],
)
def test_a_rate_is_judged_only_where_there_are_mails_enough(hits, of, expected):
    assert level(hits, of, 0.001, 0.003) == expected


def test_a_rate_above_its_limit_that_may_be_chance_is_not_judged():
    assert level(3, 60, 0.02, 0.05) == "few"  # 5 %, but 1.7 % is as likely
    assert level(30, 600, 0.02, 0.05) == "over"


# Rates

MAILS = [
    *sent("ann", 5),
    *sent("ann", 4, "deals-2025-12-28"),
    *sent("ben", 3, "deals-2025-12-29"),
    *bounced("ben", 5, "hard"),
    *bounced("ben", 6, "soft"),
    *bounced("ben", 7, "block"),
    *bounced("ben", 8, None),
    *sent("cleo", 5),
    mail("ann", "Email Link Clicked", 4.5),
    mail("ann", "Email Link Clicked", 4.4),
    mail("cleo", "Email Link Clicked", 5, bot_click=True),
    mail("ann", "Email Opened", 4.6),
    mail("ann", "Email Opened", 4.5),
    mail("cleo", "Email Opened", 5, machine_open=True),
    mail("cleo", "Email Marked as Spam", 4.9),
    mail("ann", "Unsubscribed", 4.3),
    *sent("ann", 90.01, "too old"),
    *sent("dora", 90, None),
]
PEOPLE = [person("ann", "gmail"), person("ben"), person("cleo"), person("dora", None)]
COUNTED = ("sent", "delivered", "hard", "soft", "block", "untyped", "complaint", "unsubscribe")


def test_mails_are_counted_by_campaign_provider_and_month():
    found = measure(shop(customers=PEOPLE, email_events=MAILS), S)
    assert named(found["campaigns"], *COUNTED) == {
        "news": (6, 2, 1, 1, 1, 1, 1, 1),
        "deals-2025-12-28": (1, 1, 0, 0, 0, 0, 0, 0),
        "deals-2025-12-29": (1, 1, 0, 0, 0, 0, 0, 0),
        "(no campaign named)": (1, 1, 0, 0, 0, 0, 0, 0),
    }
    assert named(found["series"], "sent") == {"news": (6,), "deals": (2,), "(no campaign named)": (1,)}
    assert named(found["providers"], *COUNTED) == {
        "gmail": (2, 2, 0, 0, 0, 0, 0, 1),
        "yahoo": (6, 2, 1, 1, 1, 1, 1, 0),
        "no address known": (1, 1, 0, 0, 0, 0, 0, 0),
    }
    assert named(found["months"], "sent") == {"2025-10": (2,), "2025-12": (8,)}
    assert found["all"]["sent"] == 9


def test_only_people_click_and_a_mail_is_clicked_or_opened_once():
    by_name = named(
        measure(shop(customers=PEOPLE, email_events=MAILS), S)["campaigns"],
        "click",
        "bot_click",
        "open",
        "machine_open",
    )
    assert by_name["news"] == (1, 1, 1, 1)


def test_rates_are_of_what_was_sent_or_of_what_was_delivered():
    (row,) = [
        row for row in measure(shop(customers=PEOPLE, email_events=MAILS), S)["campaigns"] if row["name"] == "news"
    ]
    of = {name: (row[f"{name}_rate"]["hits"], row[f"{name}_rate"]["of"]) for name in (
        "hard", "other_bounce", "complaint", "unsubscribe", "click"
    )}  # fmt: skip
    assert of == {
        "hard": (1, 6), "other_bounce": (3, 6), "complaint": (1, 1), "unsubscribe": (1, 2), "click": (1, 2)
    }  # fmt: skip
    assert row["click_rate"]["low"] == pytest.approx(wilson(1, 2)[0])
    assert row["click_rate"]["high"] == pytest.approx(wilson(1, 2)[1])


@pytest.mark.parametrize("missing", ["Email Sent", "Email Delivered"])
def test_what_was_sent_follows_from_what_was_delivered_and_the_other_way_round(missing):
    some = [dict(row) for row in MAILS if row["event"] != missing]
    found = measure(shop(customers=[dict(one) for one in PEOPLE], email_events=some), S)
    assert named(found["campaigns"], "sent", "delivered")["news"] == (6, 2)
    assert found["lacks"] == ["consent", "web_events"]


def test_a_month_is_one_of_the_shops_calendar():
    summer = (AS_OF - parse_date("2025-07-01", "UTC")) / DAY_US
    mails = [*sent("ann", summer + 0.5 / 24), *sent("ann", summer + 1.5 / 24)]
    found = measure(shop(customers=PEOPLE[:1], email_events=mails), S)
    assert named(found["months"], "sent") == {"2025-06": (1,), "2025-07": (1,)}


def test_gmail_tells_no_sender_who_complained():
    def levels(*more: Row) -> dict[str, Any]:
        mails = [row for name in ("ann", "ben") for n in range(4_000) for row in sent(name, 5, f"c{n}")]
        people = [person("ann", "gmail"), person("ben")]
        found = measure(shop(customers=people, email_events=[*mails, *more]), S)
        return {row["name"]: row["complaint_rate"]["level"] for row in found["providers"]}

    assert levels() == {"gmail": "silent", "yahoo": "fine"}
    assert levels(mail("ann", "Email Marked as Spam", 4)) == {"gmail": "fine", "yahoo": "fine"}


def test_complaints_are_of_the_mails_to_providers_who_tell_of_them():
    people = [person("ann", "gmail"), person("ben"), person("cleo", "icloud")]
    mails = [row for n in range(2_000) for row in sent("ben", 5, "news")]
    mails += [row for name in ("ann", "cleo") for n in range(4_000) for row in sent(name, 5, "news")]
    mails += [*sent("ann", 5, "only gmail"), *(mail("ben", "Email Marked as Spam", 4) for _ in range(6))]

    def rates(*more: Row) -> tuple[Any, ...]:
        found = measure(shop(customers=people, email_events=[dict(row) for row in [*mails, *more]]), S)
        by_name = {row["name"]: row for row in found["campaigns"] + found["series"] + found["months"]}
        shown = [found["all"], by_name["news"], by_name["only gmail"], by_name["2025-12"]]
        return found["silent"], [(row["complaint_rate"]["hits"], row["complaint_rate"]["of"]) for row in shown], shown

    silent, pairs, shown = rates()
    assert silent == ["gmail", "icloud"]
    assert pairs == [(6, 2_000), (6, 2_000), (0, 0), (6, 2_000)]
    # 6 of 10,001 would be fine.
    assert [row["complaint_rate"]["level"] for row in shown] == ["over", "over", "silent", "over"]
    assert shown[0]["delivered"] == 10_001
    assert shown[0]["click_rate"]["of"] == 10_001
    # Whoever told of one complaint in the judged days tells.
    silent, pairs, _ = rates(mail("ann", "Email Marked as Spam", 20))
    assert silent == ["icloud"]
    assert pairs == [(7, 6_001), (7, 6_000), (0, 1), (7, 6_001)]
    # One from before that is no sign, and is not divided by the mails of others.
    found = measure(
        shop(
            customers=people,
            email_events=[*(dict(row) for row in mails), *sent("ben", 100), mail("ann", "Email Marked as Spam", 100)],
        ),
        S,
    )
    assert found["silent"] == ["gmail", "icloud"]
    before = found["months"][0]["complaint_rate"]
    assert (before["hits"], before["of"]) == (0, 1)


# The list of readers


def consent(name: str, status: str, ago: float, channel: str = "email") -> Row:
    return {"customer_id": name, "status": status, "ago": ago, "channel": channel}


IN, OUT = "subscribed", "unsubscribed"


def test_the_list_grows_and_decays_month_by_month():
    found = measure(
        shop(
            customers=[
                # The log of consent says nothing of her: her own row does.
                person("eve", email_consent=IN, email_consent_at=AS_OF - 40 * DAY_US),
                person("fay", email_consent=OUT, email_consent_at=AS_OF - 40 * DAY_US),
                person("ann", email_consent=IN, email_consent_at=AS_OF - 10 * DAY_US),
                person("ben", email_consent=OUT, email_consent_at=AS_OF - 39 * DAY_US),
                # Without a date a row speaks only where the log is silent.
                person("gia", email_consent=IN),
                person("ivy", email_consent=IN, ago=70),
                person("jon", email_consent=IN, email_consent_at=AS_OF),
            ],
            consent_events=[
                consent("ann", IN, 70), consent("ann", IN, 45), consent("ann", OUT, 20), consent("ann", IN, 10),
                consent("ben", IN, 70), consent("cleo", IN, 70), consent("dora", IN, 70),
                consent("dora", OUT, 65, "profiling"),
                consent("gia", OUT, 70),
            ],
            email_events=[
                mail("ann", "Unsubscribed", 20),
                mail("ben", "Email Marked as Spam", 40), mail("ben", "Unsubscribed", 40), consent_free("ben"),
                *bounced("cleo", 15, "hard"), *bounced("cleo", 14, "hard"), *bounced("dora", 15, "soft"),
                mail("hal", "Unsubscribed", 15),
            ],
        ),
        S,
    )["growth"]  # fmt: skip
    columns = ("month", "gained", "opt_out", "complaint", "hard_bounce", "net", "size")
    assert [tuple(month[column] for column in columns) for month in found] == [
        ("2025-10", 5, 0, 0, 0, 5, 5),
        ("2025-11", 1, 0, 1, 0, 0, 5),
        ("2025-12", 1, 1, 0, 1, -1, 4),
    ]


def consent_free(name: str) -> Row:
    """A mail that says nothing of anybody's consent."""
    return mail(name, "Email Delivered", 30)


def quiet(**logs: list[Row]) -> tuple[int, dict[str, int]]:
    found = measure(shop(**logs), S)["unengaged"]
    return found["people"], {days: one["hits"] for days, one in found["days"].items()}


def test_who_neither_clicks_visits_nor_orders_is_unengaged_whatever_they_open():
    names = [
        "opens",
        "scanned",
        "clicks",
        "visits",
        "orders",
        "new",
        "nothing",
        "cancels",
        "held",
        "stopped",
        "nowhere",
    ]
    people = {
        "new": {"ago": 10},
        "held": {"legal_hold": True},
        "stopped": {"suppressed": True},
        "nowhere": {"address_key": None},
    }
    assert quiet(
        customers=[person("elsewhere"), *(person(name, **people.get(name, {})) for name in names)],
        consent_events=[consent(name, IN, 900) for name in names],
        email_events=[
            mail("opens", "Email Opened", 2),
            mail("scanned", "Email Link Clicked", 2, bot_click=True),
            mail("clicks", "Email Link Clicked", 179.9),
        ],
        web_events=[
            {"customer_id": "visits", "event": "Page Viewed", "bot": False, "ago": 180},
            {"customer_id": None, "event": "Page Viewed", "bot": False, "ago": 1},
        ],
        orders=[
            {"customer_id": "orders", "event": "Order Completed", "order_id": "1", "revenue": 1, "ago": 365},
            {"customer_id": "cancels", "event": "Order Cancelled", "order_id": "2", "revenue": 1, "ago": 1},
        ],
    ) == (8, {"180": 6, "365": 5})


def test_the_page_hears_which_logs_do_not_tell():
    assert measure(shop(), S)["lacks"] == ["email_events", "provider", "consent", "web_events"]
    bare = measure(shop(customers=PEOPLE, email_events=[mail("ann", "Email Opened", 1)]), S)
    assert bare["lacks"] == ["sent", "complaint", "hard", "consent", "web_events"]
    assert bare["all"]["complaint_rate"]["level"] == "unknown"
    assert bare["all"]["complaint_rate"]["share"] is None


# Forecasts


def past(name: str, mails: int, complaints: int, hard: int, ago: float = 30) -> list[Row]:
    """So many mails of one day; those that bounced hard are among them."""
    rows = [row for n in range(mails - hard) for row in sent(name, ago, f"c{n}")]
    rows += [row for n in range(hard) for row in bounced(name, ago, "hard", f"b{n}")]
    return rows + [mail(name, "Email Marked as Spam", ago - 0.1, f"c{n}") for n in range(complaints)]


def test_a_forecast_goes_by_provider_and_by_how_quiet_the_readers_are():
    people = [person("busy", ago=31), person("quiet"), person("elsewhere", "aol", ago=31)]
    mails = [*past("busy", 8_000, 8, 0), *past("quiet", 2_010, 40, 10), *past("elsewhere", 10_000, 32, 0)]
    db = shop(customers=people, email_events=mails)
    deliverability.create(db, S)
    rates = send_forecast.learn(db, S)
    assert rates.mails == 20_010
    # 80 complaints about 20,000 mails; cells are drawn to their quietness, and that to all, as by 2,000 mails.
    engaged, long_quiet = (40 + 2_000 * 0.004) / 20_000, (40 + 2_000 * 0.004) / 4_000
    assert {cell: triple[0] for cell, triple in rates.complaint.items()} == pytest.approx(
        {
            ("", 0): engaged,
            ("", 1): 0.004,
            ("", 2): long_quiet,
            ("yahoo", 0): (8 + 2_000 * engaged) / 10_000,
            ("yahoo", 2): (40 + 2_000 * long_quiet) / 4_000,
            ("aol", 0): (32 + 2_000 * engaged) / 12_000,
        }
    )
    assert all(low < share < high for share, low, high in rates.complaint.values())
    assert rates.hard["yahoo", 2][0] > rates.hard["yahoo", 0][0]

    db.execute("CREATE TABLE chosen AS SELECT unnest(['busy', 'quiet', 'quiet', 'stranger']) AS customer_id")
    found = send_forecast.forecast(db, "chosen", rates, S)
    expected = (
        rates.complaint["yahoo", 0][0] + 2 * rates.complaint["yahoo", 2][0] + rates.complaint["", 2][0]
    ) / 4  # fmt: skip
    assert found["complaint"]["share"] == pytest.approx(expected)
    assert (found["recipients"], found["quiet"]["hits"], found["complaint"]["level"]) == (4, 3, "over")


def test_an_answer_to_a_mail_does_not_make_its_reader_engaged_but_a_sign_up_does():
    people = [person("ann"), person("new", ago=30.2)]
    mails = [*sent("ann", 30), mail("ann", "Email Link Clicked", 29.9), *sent("ann", 20), *sent("new", 30)]
    db = shop(customers=people, email_events=mails)
    deliverability.create(db, S)
    cells = {cell: counts.get("delivered", 0) for cell, counts in send_forecast._past(db, S).items()}
    assert cells == {("yahoo", 2): 1, ("yahoo", 0): 2}


def test_how_quiet_a_reader_was_agrees_with_looking_mail_by_mail():
    draw = random.Random(5)
    names = [f"p{n}" for n in range(12)]
    joined = {name: draw.uniform(300, 900) for name in names}
    visits = [(draw.choice(names), draw.uniform(0, 900)) for _ in range(25)]
    mails = [(name, draw.uniform(0, 364)) for name in names for _ in range(8)]
    mails = [(name, ago) for name, ago in mails if ago < joined[name]]
    db = shop(
        customers=[person(name, ago=joined[name]) for name in names],
        web_events=[{"customer_id": name, "event": "Page Viewed", "bot": False, "ago": ago} for name, ago in visits],
        email_events=[mail(name, "Email Delivered", ago, f"m{n}") for n, (name, ago) in enumerate(mails)],
    )
    deliverability.create(db, S)

    def day(ago: float) -> int:
        return (AS_OF - round(ago * DAY_US)) // DAY_US

    expected: Counter[int] = Counter()
    for name, ago in mails:
        before = [day(seen) for who, seen in visits if who == name and day(seen) < day(ago)]
        gap = day(ago) - max([*before, day(joined[name])])
        expected[0 if gap < 180 else 1 if gap < 365 else 2] += 1
    assert min(expected.values()) > 3
    assert {cell[1]: counts["delivered"] for cell, counts in send_forecast._past(db, S).items()} == expected


def said(people: list[Row], mails: list[Row], recipients: dict[str, int]) -> list[str]:
    db = shop(customers=people, email_events=mails)
    db.execute("CREATE TABLE chosen (customer_id VARCHAR)")
    for name, times in recipients.items():
        db.execute("INSERT INTO chosen SELECT ? FROM range(?)", [name, times])
    return send_forecast.warnings(db, "chosen", S)


def test_a_send_that_would_breach_a_limit_is_warned_of():
    people = [person("busy", ago=31), person("quiet")]
    mails = [*past("busy", 9_000, 2, 0), *past("quiet", 3_000, 60, 300)]
    assert said(people, mails, {"busy": 500}) == []
    over = said(people, mails, {"quiet": 500})
    assert over[0].startswith("Expected complaints about the 500 mails: 1.")
    assert "at or above the limit of 0.3%" in over[0]
    assert over[1].startswith("Expected hard bounces of the 500 mails: ")
    assert "at or above the limit of 5.0%" in over[1]
    assert over[2] == "500 of 500 recipients neither clicked, visited nor ordered for 365 days or longer."
    (near,) = said(people, mails, {"busy": 900, "quiet": 100})
    assert near.startswith("Expected complaints about the 1,000 mails: 0.2")
    assert "above the aim of 0.1%" in near
    assert said(people, mails, {}) == []


def test_one_provider_is_warned_of_where_the_others_hide_it():
    people = [person("here", ago=31), person("there", "aol", ago=31)]
    mails = [*past("here", 9_900, 1, 0), *past("there", 5_000, 50, 0), *bounced("here", 30, "soft")]
    (one,) = said(people, mails, {"here": 5_000, "there": 100})
    assert "the 100 mails at aol" in one
    assert "limit" in one
    assert said(people, mails, {"here": 5_000, "there": 99}) == []


def test_readers_of_a_provider_that_tells_nothing_count_as_the_others_do():
    people = [person("here", ago=31), person("there", "gmail", ago=31)]
    mails = [*past("here", 5_000, 50, 0), *past("there", 20_000, 0, 0), *bounced("here", 30, "soft")]
    (one,) = said(people, mails, {"there": 500})
    assert "Expected complaints about the 500 mails: 1.00%" in one


def test_without_a_log_of_complaints_or_bounces_nothing_is_promised():
    people = [person("busy", ago=31)]
    (one,) = said(people, [*sent("busy", 30)], {"busy": 5})
    assert one.startswith("The logs tell of no complaints and hard bounces")
    (one,) = said(people, past("busy", 5_000, 2, 0), {"busy": 5})
    assert one.startswith("The logs tell of no hard bounces")


def test_settings_that_contradict_themselves_are_refused():
    for wrong in ({"complaint_aim": 0.01}, {"bounce_aim": 0.06}, {"quiet_days": (365, 180)}):
        with pytest.raises(ValueError, match=r"aim|rising"):
            DeliverabilitySettings.model_validate(wrong)
