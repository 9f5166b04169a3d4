"""Who may be written to: every guard, as a table a marketer can read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from campaigns.errors import ListError
from campaigns.guards import (
    GUARD_LOGS,
    QUIET_RULES,
    RULES,
    SUPPRESS_RULES,
    GuardSettings,
    after_everything,
    create,
    missing_consent,
    rule_despite,
)
from events.logs import arrow_schema
from timeline import DAY_US, parse_date

AS_OF = parse_date("2026-01-01", "Europe/London")
YES, NO = "subscribed", "unsubscribed"
# No quiet time, no cap and no age gate: what is left are the guards of consent.
OPEN = GuardSettings(quiet_days=0, frequency_days=0, quiet_ticket_days=0, quiet_order_days=0)

Row = dict[str, Any]
Shop = Mapping[str, Sequence[Row]]


def days_before(days: float) -> int:
    """The instant so many days before the scoring date."""
    return AS_OF - int(days * DAY_US)


def connect(
    shop: Shop, as_of: int = AS_OF, people: Sequence[str] = ("ann", "bob"), without: Collection[str] = ()
) -> duckdb.DuckDBPyConnection:
    """A connection with the logs as known before ``as_of``, and the table people; ``without`` these columns."""
    db = duckdb.connect(config={"threads": 1})
    db.execute(f"SET VARIABLE as_of = {as_of}::BIGINT")
    db.execute("SET VARIABLE zone = 'Europe/London'")
    for log in GUARD_LOGS:
        schema = pa.schema([field for field in arrow_schema(log) if field.name not in without])
        rows = pa.Table.from_pylist(
            [
                {"loaded_at": row["occurred_at"], "event_id": f"e{n:06d}", **row}
                for n, row in enumerate(shop.get(log, ()))
            ],
            schema=schema,
        )
        db.register("given", rows)
        db.execute(f"CREATE TABLE all_{log} AS FROM given")
        db.unregister("given")
        db.execute(f"CREATE VIEW {log} AS FROM all_{log} WHERE occurred_at < {as_of} AND loaded_at < {as_of}")
    db.execute("CREATE TABLE people AS SELECT unnest($1::VARCHAR[]) AS customer_id", [list(people)])
    return db


def rules(shop: Shop, settings: GuardSettings = OPEN, erased: Collection[str] = (), **options: Any) -> dict[str, str]:
    """Each person's rule."""
    created = {name: options.pop(name) for name in ("suppressed", "contacts", "persons", "now") if name in options}
    with connect(shop, **options) as db:
        create(db, settings, erased, **created)
        return dict(db.execute("SELECT customer_id, rule FROM guards").fetchall())


def rule_of(shop: Shop, settings: GuardSettings = OPEN, **options: Any) -> str | None:
    """The rule of ann."""
    return rules(shop, settings, **options)["ann"]


def said(*statements: tuple[float, str], **more: Any) -> list[Row]:
    """Consent events of ann: (days before the scoring date, status)."""
    return [
        {"customer_id": "ann", "channel": "email", "occurred_at": days_before(days), "status": status, **more}
        for days, status in statements
    ]


def crm(status: str | None, days: float | None = None, **more: Any) -> list[Row]:
    """Ann's record in the customers log."""
    at = None if days is None else days_before(days)
    row = {"customer_id": "ann", "occurred_at": days_before(700), "address_key": "home", "suppressed": False}
    return [{**row, "email_consent": status, "email_consent_at": at, **more}]


def mail(event: str, days: float, bounce: str | None = None) -> list[Row]:
    """An e-mail event of ann."""
    return [{"customer_id": "ann", "event": event, "occurred_at": days_before(days), "bounce_type": bounce}]


def event(days: float, **more: Any) -> Row:
    """Something that happened to ann."""
    return {"customer_id": "ann", "occurred_at": days_before(days), **more}


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([(10, YES)], None),
        ([(10, NO)], "opt_out"),
        ([(10, YES), (5, NO)], "opt_out"),
        ([(10, NO), (5, YES)], None),  # a clear opt-in after an opt-out
        ([(5, YES), (10, NO)], None),  # the order of the rows does not matter
        ([(5, YES), (5, NO)], "opt_out"),  # both at the same instant
        ([(5, NO), (5, YES)], "opt_out"),
        ([(5, YES), (5, "maybe")], "no_consent"),
        ([(10, YES), (5, "unknown")], "no_consent"),
        ([(10, NO), (5, "unknown")], "opt_out"),
        ([(10, "never")], "no_consent"),
        ([(0, YES)], "no_consent"),  # at the very instant: not known before it
        ([(10, NO), (0, YES)], "opt_out"),
        ([(10, YES), (0, NO)], None),  # not known yet; the export asks again
    ],
)
def test_latest_dated_statement_decides(statements: list[tuple[float, str]], expected: str | None) -> None:
    assert rule_of({"consent_events": said(*statements)}) == expected


def test_statement_that_reached_us_late_is_not_known() -> None:
    assert rule_of({"consent_events": said((10, YES), loaded_at=AS_OF)}) == "no_consent"


def test_yes_to_text_messages_is_no_yes_to_mail() -> None:
    assert rule_of({"consent_events": said((10, YES), channel="sms")}) == "no_consent"
    assert rule_of({"consent_events": [*said((10, YES)), *said((5, NO), channel="sms")]}) is None


@pytest.mark.parametrize(
    ("current", "events", "expected"),
    [
        (crm(YES), [], None),
        (crm(YES, 30), [], None),
        (crm(NO), [], "opt_out"),
        (crm("never"), [], "no_consent"),
        (crm("unknown"), [], "no_consent"),
        (crm(None), [], "no_consent"),
        (crm(YES, 0), [], "no_consent"),  # agreed at the scoring instant: not known before it
        (crm(YES), said((10, NO)), "opt_out"),  # an undated yes does not overrule a dated no
        (crm(YES, 5), said((10, NO)), None),  # a dated, later yes does
        (crm(YES, 10), said((5, NO)), "opt_out"),
        (crm(NO), said((10, YES)), "opt_out"),  # an undated no always counts
        (crm(NO, 10), said((5, YES)), None),
        (crm("never"), said((5, YES)), None),
        (crm("never", 3), said((5, YES)), "no_consent"),
        (crm(None, 3), said((5, YES)), "no_consent"),  # something newer was said, nobody knows what
    ],
)
def test_customer_record_is_the_fallback(current: list[Row], events: list[Row], expected: str | None) -> None:
    assert rule_of({"customers": current, "consent_events": events}) == expected


@pytest.mark.parametrize(
    ("event", "bounce", "before_opt_in", "after_opt_in"),
    [
        ("Unsubscribed", None, None, "opt_out"),
        ("Email Marked as Spam", None, "complaint", "complaint"),
        ("Email Bounced", "hard", "hard_bounce", "hard_bounce"),
        ("Email Bounced", "soft", None, None),
        ("Email Bounced", "block", None, None),
        ("Email Bounced", None, None, None),
        ("Email Opened", None, None, None),
    ],
)
def test_complaint_and_hard_bounce_outlive_an_opt_in(
    event: str, bounce: str | None, before_opt_in: str | None, after_opt_in: str | None
) -> None:
    agreed = said((10, YES))
    assert rule_of({"consent_events": agreed, "email_events": mail(event, 20, bounce)}) == before_opt_in
    assert rule_of({"consent_events": agreed, "email_events": mail(event, 5, bounce)}) == after_opt_in
    assert rule_of({"consent_events": agreed, "email_events": mail(event, 0, bounce)}) is None


def test_objection_to_profiling_can_be_taken_back() -> None:
    def profiling(*statements: tuple[float, str]) -> str | None:
        return rule_of({"consent_events": [*said((90, YES)), *said(*statements, channel="profiling")]})

    assert profiling((10, NO)) == "objection"
    assert profiling((10, NO), (5, YES)) is None
    assert profiling((5, NO), (5, YES)) == "objection"
    assert profiling((10, YES)) is None
    assert profiling((10, YES), (5, NO)) == "objection"


def test_suppressed_no_address_and_erased() -> None:
    assert rule_of({"customers": crm(YES, suppressed=True)}) == "suppressed"
    assert rule_of({"customers": crm(YES, address_key=None)}) == "no_address"
    assert rule_of({"customers": crm(YES)}, erased={"ann"}) == "erased"
    assert rule_of({"customers": crm(YES)}, erased={"home"}) == "erased"
    assert rule_of({"customers": crm(YES)}, suppressed=["ann"]) == "suppressed"
    assert rule_of({"customers": crm(YES)}, suppressed=["home", "elsewhere"]) == "suppressed"
    assert rule_of({"customers": crm(YES)}, suppressed=["bob"]) is None
    # Without a customers log nobody's address is known, and export will ask the vault.
    assert rule_of({"consent_events": said((10, YES))}) is None


def test_legal_hold_stops_also_where_the_shop_has_no_such_column() -> None:
    assert rule_of({"customers": crm(YES, legal_hold=True)}) == "legal_hold"
    assert rule_of({"customers": crm(YES, legal_hold=None)}) is None
    columns = ("legal_hold", "birth_year", "birth_month_day")
    assert rule_of({"customers": crm(YES)}, without=columns) is None
    gate = OPEN.model_copy(update={"min_age": 18})
    assert rule_of({"customers": crm(YES)}, gate, without=columns) == "too_young"


@pytest.mark.parametrize(
    ("year", "month_day", "expected"),
    [
        (2007, None, None),  # 18 at the latest on the last day of 2025
        (2008, None, "too_young"),  # may be born on the last day of the year
        (2008, "01-01", None),  # 18 on the scoring date
        (2008, "01-02", "too_young"),
        (2009, "01-01", "too_young"),
        (None, "01-01", "too_young"),  # unknown is not old enough
        (1900, None, "too_young"),  # a placeholder
        (2030, None, "too_young"),
    ],
)
def test_age_gate_counts_the_youngest_possible_age(
    year: int | None, month_day: str | None, expected: str | None
) -> None:
    born = {"customers": crm(YES, birth_year=year, birth_month_day=month_day)}
    assert rule_of(born, OPEN.model_copy(update={"min_age": 18})) == expected
    assert rule_of(born) is None


def test_recent_contact_unless_held_out_of_that_campaign() -> None:
    def contacted(days: float, control: bool | None, quiet_days: int = 7) -> str | None:
        sent = [event(days, campaign_id="w", control=control)]
        quiet = OPEN.model_copy(update={"quiet_days": quiet_days})
        return rule_of({"customers": crm(YES), "campaign_contacts": sent}, quiet)

    assert contacted(7, control=False) == "recent_contact"
    assert contacted(1, control=None) == "recent_contact"
    assert contacted(7.01, control=False) is None
    assert contacted(1, control=True) is None
    assert contacted(1, control=False, quiet_days=0) is None


def test_frequency_cap_counts_all_lists_of_an_inbox() -> None:
    cap = OPEN.model_copy(update={"frequency_cap": 3, "frequency_days": 28})
    sent = [event(day, campaign_id=f"c{day}", control=False) for day in (1, 9, 28)]
    shop = {"customers": crm(YES), "campaign_contacts": sent}
    assert rule_of(shop, cap) == "frequency_cap"
    assert rule_of(shop, cap.model_copy(update={"frequency_cap": 4})) is None
    assert rule_of(shop, cap.model_copy(update={"frequency_days": 27})) is None
    assert rule_of(shop, cap.model_copy(update={"frequency_days": 0})) is None
    assert rule_of({**shop, "campaign_contacts": [*sent[:2], {**sent[2], "control": True}]}, cap) is None
    both = crm(YES) + crm(YES, customer_id="bob")
    split = [*sent[:2], {**sent[2], "customer_id": "bob"}]
    assert set(rules({"customers": both, "campaign_contacts": split}, cap).values()) == {"frequency_cap"}


def test_contacts_of_the_ledger_count_once_beside_the_log() -> None:
    cap = OPEN.model_copy(update={"frequency_cap": 2, "frequency_days": 28})

    def with_ledger(settings: GuardSettings, *logged: str) -> str | None:
        sent = [event(9, campaign_id=name, control=False) for name in logged]
        with connect({"customers": crm(YES), "campaign_contacts": sent}) as db:
            db.execute(
                f"CREATE TABLE ledger AS SELECT 'ann' AS customer_id, 'a' AS campaign_id, {AS_OF} AS occurred_at"
            )
            create(db, settings, (), contacts="ledger")
            return db.execute("SELECT rule FROM guards WHERE customer_id = 'ann'").fetchall()[0][0]

    assert with_ledger(cap) is None
    assert with_ledger(cap, "b") == "frequency_cap"
    assert with_ledger(cap, "a") is None
    # Promised at this very instant is recent.
    assert with_ledger(OPEN.model_copy(update={"quiet_days": 1})) == "recent_contact"


def ticket(*events: tuple[float, str], ticket_id: str = "t1") -> list[Row]:
    """Events of one ticket of ann: (days before the scoring date, what)."""
    return [event(days, ticket_id=ticket_id, event=f"Ticket {what}") for days, what in events]


@pytest.mark.parametrize(
    ("tickets", "expected"),
    [
        (ticket((9, "Opened")), "open_ticket"),
        (ticket((9, "Opened"), (4, "Closed")), None),
        (ticket((9, "Opened"), (3, "Closed")), "recent_ticket"),
        (ticket((9, "Opened"), (8, "Closed"), (7, "Opened")), "open_ticket"),
        (ticket((9, "Opened"), (9, "Closed")), None),
        (ticket((9, "Closed")), None),
        (ticket((30, "Opened")), "open_ticket"),
        (ticket((30.001, "Opened")), None),  # nobody closed it, and nobody will
        (ticket((9, "Opened"), (0, "Closed")), "open_ticket"),  # not known yet
        (ticket((9, "Opened"), (8, "Closed")) + ticket((7, "Opened"), ticket_id="t2"), "open_ticket"),
    ],
)
def test_peace_while_a_ticket_is_open_and_shortly_after(tickets: list[Row], expected: str | None) -> None:
    shop = {"customers": crm(YES), "support_tickets": tickets}
    assert rule_of(shop, OPEN.model_copy(update={"quiet_ticket_days": 3})) == expected


def test_peace_after_an_order_that_was_completed() -> None:
    def ordered(days: float, what: str = "Order Completed") -> str | None:
        shop = {"customers": crm(YES), "orders": [event(days, event=what)]}
        return rule_of(shop, OPEN.model_copy(update={"quiet_order_days": 7}))

    assert ordered(7) == "recent_order"
    assert ordered(7.01) is None
    assert ordered(1, "Order Refunded") is None


def test_a_recipe_goes_ahead_despite_the_quiet_rules_it_names() -> None:
    shop = {
        "customers": crm(YES) + crm(YES, customer_id="bob", address_key="b", legal_hold=True),
        "support_tickets": ticket((9, "Opened"), (2, "Closed")),
        "orders": [event(1, event="Order Completed"), {**event(1, event="Order Completed"), "customer_id": "bob"}],
    }
    with connect(shop) as db:
        create(db, GuardSettings(), ())

        def despite(*rules: str) -> list[str | None]:
            found = db.execute(f"SELECT {rule_despite(rules)} FROM guards ORDER BY customer_id").fetchall()
            return [rule for (rule,) in found]

        assert despite() == ["recent_ticket", "legal_hold"]
        assert despite("recent_ticket") == ["recent_order", "legal_hold"]
        assert despite("recent_order") == ["recent_ticket", "legal_hold"]
        assert despite(*QUIET_RULES) == [None, "legal_hold"]
        every = db.execute(f"SELECT {', '.join(QUIET_RULES)}, hard_rule FROM guards").fetchall()
        assert every == [(False, True, True, None), (False, False, True, "legal_hold")]
    with pytest.raises(ListError, match="opt_out"):
        rule_despite(["opt_out"])


def test_first_rule_in_precedence_is_told() -> None:
    """Ann has every reason; one after the other is taken away."""
    shop: dict[str, list[Row]] = {
        "customers": crm(YES, address_key=None, suppressed=True, legal_hold=True),
        "consent_events": said((9, NO)) + said((9, NO), channel="profiling"),
        "email_events": mail("Email Marked as Spam", 3) + mail("Email Bounced", 3, "hard"),
        "restrictions": [event(3, restriction="unclear")],
        "campaign_contacts": [event(1, campaign_id="w", control=False)],
        "support_tickets": ticket((9, "Opened")) + ticket((9, "Opened"), (1, "Closed"), ticket_id="t2"),
        "orders": [event(1, event="Order Completed")],
    }
    settings = GuardSettings(frequency_cap=1, min_age=18)
    told = [rule_of(shop, settings, erased={"ann"}), rule_of(shop, settings)]

    def then(log: str, rows: list[Row]) -> None:
        shop[log] = rows
        told.append(rule_of(shop, settings))

    then("customers", crm("never", address_key=None, suppressed=True))
    then("consent_events", said((9, NO), channel="profiling"))
    then("email_events", mail("Email Bounced", 3, "hard"))
    then("email_events", [])
    then("customers", crm("never", address_key=None))
    then("restrictions", [])
    then("consent_events", [])
    then("customers", crm(YES, address_key=None))
    then("customers", crm(YES))
    then("customers", crm(YES, birth_year=1980))
    settings = GuardSettings(min_age=18)
    told.append(rule_of(shop, settings))
    then("campaign_contacts", [])
    then("support_tickets", shop["support_tickets"][1:])
    then("support_tickets", [])
    assert tuple(told) == RULES
    assert set(SUPPRESS_RULES) <= set(RULES)


def test_what_stops_one_customer_stops_everyone_at_the_address() -> None:
    two = crm(YES) + crm(YES, customer_id="bob")
    gate = OPEN.model_copy(update={"min_age": 18})
    spam = mail("Email Marked as Spam", 3)
    assert set(rules({"customers": two, "email_events": spam}).values()) == {"complaint"}
    assert set(rules({"customers": two}, erased=["bob"]).values()) == {"erased"}
    apart = crm(YES) + crm(YES, customer_id="bob", address_key="elsewhere")
    assert rules({"customers": apart, "email_events": spam}) == {"ann": "complaint", "bob": None}
    # Two customers without an address do not share one.
    nowhere = crm(YES, address_key=None) + crm(YES, customer_id="bob", address_key=None)
    assert rules({"customers": nowhere, "email_events": spam})["bob"] == "no_address"
    # The one who stops need not be on the list that is asked about.
    assert rules({"customers": two, "email_events": spam}, people=["bob"]) == {"bob": "complaint"}
    # Consent is each customer's own. An age is not: whoever is too young, or of unknown age, reads that inbox too.
    assert rules({"customers": crm(None) + two[1:]}) == {"ann": "no_consent", "bob": None}
    grown = crm(YES) + crm(YES, customer_id="bob", birth_year=1980)
    assert set(rules({"customers": grown}, gate).values()) == {"too_young"}
    child = crm(YES, birth_year=2015) + crm(YES, customer_id="bob", birth_year=1980)
    assert set(rules({"customers": child}, gate).values()) == {"too_young"}


def test_newest_record_tells_the_address() -> None:
    moved = crm(YES) + crm(YES, address_key="new", occurred_at=days_before(5), event_id="e2")
    shop = {"customers": moved + crm(YES, customer_id="bob"), "email_events": mail("Email Marked as Spam", 3)}
    assert rules(shop) == {"ann": "complaint", "bob": None}
    gone = crm(YES) + crm(YES, address_key=None, occurred_at=days_before(5), event_id="e2")
    assert rule_of({"customers": gone}) == "no_address"


def test_any_table_of_people_gives_one_row_each() -> None:
    with connect({"customers": crm(YES)}) as db:
        db.execute("CREATE TABLE asked AS SELECT unnest(['zoe', 'ann', 'zoe', NULL]) AS customer_id")
        create(db, OPEN, (), persons="asked")
        assert db.execute("SELECT customer_id, rule FROM guards").fetchall() == [("ann", None), ("zoe", "no_consent")]
        create(db, OPEN, ["ann"], persons="asked")
        assert db.execute("SELECT rule FROM guards").fetchall() == [("erased",), ("no_consent",)]


def test_shop_without_any_consent_information() -> None:
    assert set(rules({}).values()) == {"no_consent"}
    for shop in ({}, {"customers": crm(None)}):
        with connect(shop) as db:
            assert "consent" in (missing_consent(db) or "")
    for shop in ({"customers": crm(NO)}, {"consent_events": said((10, YES))}):
        with connect(shop) as db:
            assert missing_consent(db) is None


def test_everything_known_lies_after_every_time_in_the_logs() -> None:
    everything = [f"all_{log}" for log in GUARD_LOGS]
    with connect({"customers": crm(NO, -3)}) as db:
        assert after_everything(db, everything) == days_before(-3) + 1
    with connect({"consent_events": said((9, NO), loaded_at=AS_OF)}) as db:
        assert after_everything(db, everything) == AS_OF + 1
    with connect({}) as db:
        assert after_everything(db, everything) == 1
    later = {"customers": crm(NO, -3)}
    assert rule_of(later) == "no_consent"
    assert rule_of(later, as_of=days_before(-3) + 1) == "opt_out"


def test_days_count_from_now_when_the_logs_reach_beyond_it() -> None:
    """One row dated far ahead must not make everything else look long ago, nor a child look grown up."""
    far = days_before(-9_000)
    shop = {
        "customers": crm(YES, birth_year=2015) + crm(YES, customer_id="bob", address_key="b", birth_year=1980),
        "campaign_contacts": [{**event(1, campaign_id="w", control=False), "customer_id": "bob"}],
        "email_events": mail("Email Opened", -8_000),
    }
    settings = GuardSettings(min_age=18)
    assert rules(shop, settings, as_of=far) == {"ann": None, "bob": None}
    assert rules(shop, settings, as_of=far, now=AS_OF) == {"ann": "too_young", "bob": "recent_contact"}
    # What happened after now is known, and recent.
    shop["campaign_contacts"][0]["occurred_at"] = days_before(-30)
    assert rules(shop, settings, as_of=far, now=AS_OF)["bob"] == "recent_contact"
    for log, happened in (
        ("orders", event(-30, event="Order Completed")),
        ("support_tickets", event(-30, event="Ticket Closed", ticket_id="t")),
    ):
        after = {"customers": crm(YES), log: [happened]}
        assert rule_of(after, GuardSettings(), as_of=far, now=AS_OF) in ("recent_order", "recent_ticket")
        assert rule_of(after, GuardSettings(), as_of=far) is None
