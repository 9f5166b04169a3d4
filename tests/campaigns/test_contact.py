"""Who may be written to: every guard, as a table a marketer can read."""

from __future__ import annotations

import pandas as pd
import pytest

from campaigns import STOP_RULES, after_everything, contact_rules, missing_consent
from tests.campaigns.small_shop import AS_OF, consent, customers, days_before, mails, table

YES, NO = "subscribed", "unsubscribed"


def rule_of(logs: dict[str, pd.DataFrame | None], customer: str = "ann", **options: object) -> str | None:
    rules = contact_rules(logs, ["ann", "bob"], AS_OF, **options).set_index("customer_id")["rule"]
    return None if pd.isna(rules[customer]) else rules[customer]


def said(*statements: tuple[float, str], loaded_late: bool = False) -> pd.DataFrame:
    """Consent events of ann: (days before the scoring date, status)."""
    late = {"loaded_at": AS_OF} if loaded_late else {}
    return consent(
        [
            {"customer_id": "ann", "occurred_at": days_before(days), "status": status, **late}
            for days, status in statements
        ]
    )


def crm(status: str | None, days: float | None = None, **more: object) -> pd.DataFrame:
    at = None if days is None else days_before(days)
    return customers([{"customer_id": "ann", "email_consent": status, "email_consent_at": at, **more}])


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
    assert rule_of({"consent_events": said((10, YES), loaded_late=True)}) == "no_consent"


@pytest.mark.parametrize(
    ("current", "events", "expected"),
    [
        (crm(YES), None, None),
        (crm(YES, 30), None, None),
        (crm(NO), None, "opt_out"),
        (crm("never"), None, "no_consent"),
        (crm("unknown"), None, "no_consent"),
        (crm(None), None, "no_consent"),
        (crm(YES, 0), None, "no_consent"),  # agreed at the scoring instant: not known before it
        (crm(YES), said((10, NO)), "opt_out"),  # an undated yes does not overrule a dated no
        (crm(YES, 5), said((10, NO)), None),  # a dated, later yes does
        (crm(YES, 10), said((5, NO)), "opt_out"),
        (crm(NO), said((10, YES)), "opt_out"),  # an undated no always counts
        (crm(NO, 10), said((5, YES)), None),
        (crm("never"), said((5, YES)), None),
        (crm("never", 3), said((5, YES)), "no_consent"),
    ],
)
def test_customer_record_is_the_fallback(
    current: pd.DataFrame, events: pd.DataFrame | None, expected: str | None
) -> None:
    assert rule_of({"customers": current, "consent_events": events}) == expected


def mail(event: str, days: float, bounce: str | None = None) -> pd.DataFrame:
    return mails([{"customer_id": "ann", "event": event, "occurred_at": days_before(days), "bounce_type": bounce}])


@pytest.mark.parametrize(
    ("event", "bounce", "before_opt_in", "after_opt_in"),
    [
        ("Unsubscribed", None, None, "opt_out"),
        ("Email Marked as Spam", None, "complaint", "complaint"),
        ("Email Bounced", "hard", "hard_bounce", "hard_bounce"),
        ("Email Bounced", "soft", None, None),
        ("Email Bounced", "block", None, None),
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
        rows = [
            {"customer_id": "ann", "channel": "profiling", "occurred_at": days_before(days), "status": status}
            for days, status in statements
        ]
        agreed = {"customer_id": "ann", "occurred_at": days_before(90), "status": YES}
        return rule_of({"consent_events": consent([agreed, *rows])})

    assert profiling((10, NO)) == "objection"
    assert profiling((10, NO), (5, YES)) is None
    assert profiling((5, NO), (5, YES)) == "objection"
    assert profiling((10, YES)) is None


def test_suppressed_no_address_and_erased() -> None:
    assert rule_of({"customers": crm(YES, suppressed=True)}) == "suppressed"
    assert rule_of({"customers": crm(YES, address_key=None)}) == "no_address"
    assert rule_of({"customers": crm(YES)}, erased={"ann"}) == "erased"
    # Without a customers log nobody's address is known, and export will ask the vault.
    assert rule_of({"consent_events": said((10, YES))}) is None


def test_recently_contacted_unless_held_out_of_that_campaign() -> None:
    def contacted(days: float, control: bool) -> dict[str, pd.DataFrame | None]:
        contact = {"customer_id": "ann", "occurred_at": days_before(days), "control": control}
        return {"customers": crm(YES), "campaign_contacts": table([contact], "control")}

    assert rule_of(contacted(7, control=False), quiet_days=7) == "recently_contacted"
    assert rule_of(contacted(7.01, control=False), quiet_days=7) is None
    assert rule_of(contacted(1, control=True), quiet_days=7) is None
    assert rule_of(contacted(1, control=False), quiet_days=0) is None


def test_first_rule_in_precedence_is_told() -> None:
    everything = {
        "customers": crm("never", suppressed=True, address_key=None),
        "consent_events": consent(
            [
                {"customer_id": "ann", "occurred_at": days_before(9), "status": NO},
                {"customer_id": "ann", "occurred_at": days_before(9), "status": NO, "channel": "profiling"},
            ]
        ),
        "email_events": pd.concat([mail("Email Marked as Spam", 3), mail("Email Bounced", 3, "hard")]),
        "campaign_contacts": table(
            [{"customer_id": "ann", "occurred_at": days_before(1), "control": False}], "control"
        ),
    }
    told = [rule_of(everything, erased={"ann"}, quiet_days=7)]
    told.append(rule_of(everything, quiet_days=7))
    everything["email_events"] = mail("Email Bounced", 3, "hard")
    told.append(rule_of(everything, quiet_days=7))
    everything["email_events"] = None
    told.append(rule_of(everything, quiet_days=7))
    everything["customers"] = crm("never", address_key=None)
    told.append(rule_of(everything, quiet_days=7))
    everything["consent_events"] = everything["consent_events"].tail(1)
    told.append(rule_of(everything, quiet_days=7))
    everything["consent_events"] = None
    told.append(rule_of(everything, quiet_days=7))
    everything["customers"] = crm(YES, address_key=None)
    told.append(rule_of(everything, quiet_days=7))
    everything["customers"] = crm(YES)
    told.append(rule_of(everything, quiet_days=7))
    assert tuple(told) == STOP_RULES


def test_what_stops_one_customer_stops_everyone_at_the_address() -> None:
    two = customers([{"customer_id": name, "email_consent": YES, "address_key": "home"} for name in ("ann", "bob")])
    logs = {"customers": two, "email_events": mail("Email Marked as Spam", 3)}
    assert rule_of(logs, "ann") == rule_of(logs, "bob") == "complaint"
    apart = customers([{"customer_id": name, "email_consent": YES} for name in ("ann", "bob")])
    assert rule_of({**logs, "customers": apart}, "bob") is None
    # Two customers without an address do not share one.
    nowhere = two.assign(address_key=None)
    assert rule_of({**logs, "customers": nowhere}, "bob") == "no_address"


def test_shop_without_any_consent_information() -> None:
    logs: dict[str, pd.DataFrame | None] = {"orders": None}
    assert set(contact_rules(logs, ["ann", "bob"], AS_OF)["rule"]) == {"no_consent"}
    assert "consent" in (missing_consent(logs) or "")
    assert missing_consent({"customers": crm(None)}) is not None
    assert missing_consent({"customers": crm(NO)}) is None
    assert missing_consent({"consent_events": said((10, YES))}) is None


def test_inputs_are_not_changed() -> None:
    logs = {
        "customers": crm(YES, 30),
        "consent_events": said((10, YES)),
        "email_events": mail("Unsubscribed", 3),
    }
    before = {name: frame.copy(deep=True) for name, frame in logs.items()}
    contact_rules(logs, ["ann"], AS_OF)
    for name, frame in logs.items():
        pd.testing.assert_frame_equal(frame, before[name])


def test_everything_known_lies_after_every_time_in_the_logs() -> None:
    assert after_everything({"customers": crm(NO, -3), "orders": None}) == days_before(-3) + 1
    assert after_everything({"consent_events": said((9, NO), loaded_late=True)}) == AS_OF + 1
    assert rule_of({"customers": crm(NO, -3)}) == "no_consent"
    later = {"customers": crm(NO, -3)}
    rules = contact_rules(later, ["ann"], after_everything(later)).set_index("customer_id")["rule"]
    assert rules["ann"] == "opt_out"
