"""Whom a row restricts that the contract sets aside, in drawn tables."""

import pytest

from sources.identity import address_key, pseudonym
from tests.sources.source_files import KEY, ORDERS, read
from timeline import parse_date

CUSTOMERS = "customer_id,email,created_at\nanna,anna@x.example,2025-01-01\nben,ben@x.example,2025-01-01\n"
CONSENT = "customer_id,email,occurred_at,channel,status\n"
MAILS = "customer_id,email,occurred_at,event,bounce_type\n"


def said(tmp_path, log, text, customers=CUSTOMERS, **declared):
    (tmp_path / "orders.csv").write_text(ORDERS)
    (tmp_path / "customers.csv").write_text(customers)
    (tmp_path / "log.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    logs = {"orders": {"file": "orders.csv"}, "customers": {"file": "customers.csv"}}
    return read(tmp_path, logs | {log: {"file": "log.csv", **declared}})


def restricted(found):
    """Own id: what restricts it (on e-mail, where it is an opt-out)."""
    names = {token: one for one, token in zip(NAMES, pseudonym(NAMES, KEY).to_pylist(), strict=True)}
    rows = found.tables.get("restrictions")
    return {
        (names.get(row["customer_id"], "?"), row["restriction"])
        for row in (rows.to_pylist() if rows is not None else [])
        if row["restriction"] != "same_inbox" and row["channel"] in {"email", None}
    }


NAMES = ["anna", "ben", "anna@x.example", "ben@x.example", "stranger@x.example"]
ANNA, BEN = {("anna", "opt_out")}, {("ben", "opt_out")}

DAMAGED = [
    # a row of consent_events                                     who is restricted, rows that name nobody
    ("anna,,,email,unsubscribed\n", ANNA, 0),  # no time
    ("anna,,soon,email,unsubscribed\n", ANNA, 0),
    ("anna,,2025-03-01,email,GDPR_ERASE\n", ANNA, 0),  # a word that nobody knows
    ("anna,,2025-03-01,email,\n", ANNA, 0),
    ("anna,,2025-03-01,fax,gone\n", ANNA, 0),
    ("anna,,2025-03-01,sms,gone\n", set(), 0),
    ("anna,,,email,subscribed\n", set(), 0),  # says yes, and permits nothing
    (" anna\u200b ,,,email,unsubscribed\n", ANNA, 0),
    ('"""anna""",,,email,unsubscribed\n', ANNA, 0),
    (",Anna <ANNA@x.example>,,email,unsubscribed\n", ANNA, 0),
    (",mailto:anna@x.example,2025-03-01,email,unsubscribed\n", ANNA, 0),
    (',"anna@x.example, ben@x.example",2025-03-01,email,unsubscribed\n', ANNA | BEN, 0),
    (",anna%40x.example,2025-03-01,email,unsubscribed\n", ANNA, 0),
    (",“anna@x.example”,2025-03-01,email,unsubscribed\n", ANNA, 0),
    (",anna#x.example,2025-03-01,email,unsubscribed\n", set(), 1),
    (",,2025-03-01,email,unsubscribed\n", set(), 1),
    ("undefined,,2025-03-01,email,unsubscribed\n", set(), 1),
    ("undefined,,2025-03-01,email,subscribed\n", set(), 0),
    ("cleo,,2025-03-01,email,unsubscribed\n", set(), 0),  # an id that no other log has can be read
    ("cleo,anna@x.example,2025-03-01,email,unsubscribed\n", ANNA, 0),
    ("ANNA@x.example,,2025-03-01,email,unsubscribed\n", ANNA, 0),  # an address in the place of an id
    (",anna@x.example/,2025-03-01,email,unsubscribed\n", ANNA, 0),
    (",anna@x.example?subject=u,2025-03-01,email,unsubscribed\n", ANNA, 0),
    (",anna@x..example,2025-03-01,email,unsubscribed\n", set(), 1),
    (",,,,\n", set(), 0),  # nothing but delimiters
    (",,\n", set(), 0),
    (",stranger@x.example,2025-03-01,email,unsubscribed\n", set(), 0),  # an address that nobody has yet
    ("anna,,2025-03-01,email\n", ANNA, 0),  # a cell too few: no word can be relied on
    ("x,anna,,2025-03-01,email,subscribed,true\n", ANNA, 0),
    ("an\udcffna,anna@x.example,2025-03-01,email,unsubscribed\n", ANNA, 0),
    ("anna,,2025-03-01,email,unsubscribed\n", set(), 0),  # a good row stands in consent_events
]


@pytest.mark.parametrize(("row", "expected", "unnamed"), DAMAGED)
def test_what_can_be_read_of_a_damaged_row_counts(tmp_path, row, expected, unnamed):
    found = said(tmp_path, "consent_events", CONSENT + "ben,,2025-02-01,email,subscribed\n" + row)
    assert restricted(found) == expected
    assert [(one["file"], one["lines"]) for one in found.manifest["unnamed_restrictions"]] == (
        [("log.csv", [3])] if unnamed else []
    )


@pytest.mark.parametrize(
    ("no", "yes", "expected"),
    [
        ("2025-03-01", "2025-03-01T15:00:00", ANNA),  # nobody knows which came first
        ("2025-03-01T00:00:00", "2025-03-01T15:00:00", ANNA),
        ("2025-03-01T15:00:00", "2025-03-01T15:00:00.5", ANNA),
        ("2025-03-01", "2025-03-02", set()),
        ("2025-03-01T15:00:00", "2025-03-01T15:01:00", set()),
        ("2025-03-01T15:00:00", "2025-03-01", set()),  # the later no stands in consent_events
    ],
)
@pytest.mark.parametrize("log", ["consent_events", "email_events"])
def test_a_no_of_a_day_counts_until_its_end(tmp_path, log, no, yes, expected):
    customers = "customer_id,email,created_at,email_consent,email_consent_at\n"
    customers += f"anna,anna@x.example,2025-01-01,subscribed,{yes}\n"
    rows = MAILS + f"anna,,{no},Unsubscribed,\n"
    if log == "consent_events":
        customers, rows = CUSTOMERS, CONSENT + f"anna,,{no},email,unsubscribed\nanna,,{yes},email,subscribed\n"
    assert restricted(said(tmp_path, log, rows, customers)) == expected


def test_a_damaged_no_of_a_day_is_dated_at_its_end(tmp_path):
    found = said(tmp_path, "consent_events", CONSENT + "anna,,2025-03-01,email,GDPR_ERASE\n")
    at = {row["occurred_at"] for row in found.tables["restrictions"].to_pylist() if row["restriction"] == "opt_out"}
    assert at == {parse_date("2025-03-02", "UTC") - 1}


def test_a_state_of_a_day_counts_until_its_end(tmp_path):
    customers = "customer_id,email,created_at,email_consent,email_consent_at\n"
    customers += "anna,anna@x.example,2025-01-01,unsubscribed,2025-03-01\n"
    found = said(tmp_path, "consent_events", CONSENT + "anna,,2025-03-01T15:00:00,email,subscribed\n", customers)
    assert restricted(found) == ANNA


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("anna,,2025-03-01,Unsubscribed,\n", set()),  # a good row stands in email_events
        ("anna,,,Unsubscribed,\n", ANNA),
        ("anna,,,Email Bounced,hard\n", {("anna", "hard_bounce")}),
        ("anna,,,Email Bounced,5.1.1\n", {("anna", "hard_bounce")}),
        ("anna,,,Email Bounced,\n", set()),
        ("anna,,,spam complaint,\n", {("anna", "complaint")}),
        ("anna,,,Email Opened,\n", set()),
        ("anna,,2025-03-01,Deferred,\n", set()),  # known, and of no interest
        ("anna,,2025-03-01,FBL,\n", {("anna", "unclear")}),
        ("anna,,2025-03-01,,\n", {("anna", "unclear")}),
        ("anna,2025-03-01,Email Opened\n", {("anna", "unclear")}),
    ],
)
def test_an_event_that_nobody_knows_is_unclear(tmp_path, row, expected):
    assert restricted(said(tmp_path, "email_events", MAILS + row)) == expected


def test_two_events_under_one_id_both_count(tmp_path):
    text = "message_id,customer_id,occurred_at,event\nm,anna,2025-03-01,Email Opened\nm,anna,2025-03-02,Unsubscribed\n"
    found = said(tmp_path, "email_events", text)
    assert found.tables["email_events"]["event"].to_pylist() == ["Email Opened"]
    assert restricted(found) == ANNA


def test_a_no_by_address_reaches_whoever_had_it_before(tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "2025-11.csv").write_text("customer_id,email,created_at\nanna,old@x.example,2025-01-01\n")
    (tmp_path / "c" / "2025-12.csv").write_text("customer_id,email,created_at\nanna,new@x.example,2025-01-01\n")
    (tmp_path / "log.csv").write_text(CONSENT + ",old@x.example,2025-03-01,email,unsubscribed\n")
    (tmp_path / "orders.csv").write_text(ORDERS)
    logs = {"orders": {"file": "orders.csv"}, "customers": {"file": "c/*.csv"}, "consent_events": {"file": "log.csv"}}
    assert restricted(read(tmp_path, logs)) == ANNA


def test_a_damaged_row_of_an_account_still_says_whose_inbox_it_is(tmp_path):
    found = said(
        tmp_path, "customers", "customer_id,email,created_at\nanna,both@x.example,soon\nben,both@x.example,2025-01-01\n"
    )
    (inbox,) = address_key(["both@x.example"], KEY).to_pylist()
    (anna,) = pseudonym(["anna"], KEY).to_pylist()
    rows = found.tables["restrictions"].to_pylist()
    assert [(row["customer_id"], row["inbox"]) for row in rows if row["restriction"] == "same_inbox"] == [(anna, inbox)]


def test_a_restricted_person_whose_address_cannot_be_read_stops_the_export(tmp_path):
    customers = "customer_id,email,created_at,email_consent\nanna,anna#x.example,2025-01-01,{}\n"
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    free = said(tmp_path / "a", "customers", customers.format("subscribed"))
    assert not free.manifest["unnamed_restrictions"]
    found = said(tmp_path / "b", "customers", customers.format("unsubscribed"))
    assert [one["lines"] for one in found.manifest["unnamed_restrictions"]] == [[2]]


def test_a_no_on_all_channels_is_one_on_each(tmp_path):
    text = CONSENT + "anna,,2025-03-01,Marketing,opt-out\nben,,2025-03-01,ｅｍａｉｌ,yes\nben,,2025-03-01,fax,yes\n"
    found = said(tmp_path, "consent_events", text)
    rows = [(row["channel"], row["status"]) for row in found.tables["consent_events"].to_pylist()]
    assert sorted(rows) == sorted(
        [(one, "unsubscribed") for one in ("email", "sms", "phone", "post", "profiling")] + [("email", "subscribed")]
    )
    assert found.quarantine["rule"].tolist() == ["unknown_value"]
