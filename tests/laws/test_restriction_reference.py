"""The reference of the law of restriction, case by case: who, what happened, and the answer that the page gives."""

from datetime import UTC, date, datetime

import pytest

from .restriction_reference import answers
from .restriction_truth import Consent, Mail, Snapshot, Truth

A, B, Z = "anna@x.example", "bilal@x.example", "zoe@x.example"
MAR, JUN, SEP = (datetime(2025, month, 1, tzinfo=UTC) for month in (3, 6, 9))
OCT, NOV = (date(2025, 10, 1), date(2025, 10, 31)), (date(2025, 11, 1), date(2025, 11, 30))
SEPT = (date(2025, 9, 1), date(2025, 9, 30))
LATE_NOV = (date(2025, 11, 28), date(2025, 11, 28))


def anna(consent: str = "subscribed", **says: object) -> Snapshot:
    """Anna's row of a customers file."""
    return Snapshot("anna", A, consent, **says)


def at_home(consent: str = "subscribed", **says: object) -> Snapshot:
    """Bilal's row, who reads the same inbox as Anna."""
    return Snapshot("bilal", A, consent, **says)


def said(status: str, at: datetime | None, channel: str | None = "email", who: str | None = "anna") -> Consent:
    return Consent(who, None, status, at, channel)


def mail(event: str, at: datetime | None = JUN, bounce: str = "") -> Mail:
    return Mail("anna", None, event, at, bounce)


def shop(
    *customers: Snapshot, consents: tuple[Consent, ...] = (), mails: tuple[Mail, ...] = (), **more: object
) -> Truth:
    return Truth(customers, consents, mails, **more)


NO, YES = "unsubscribed", "subscribed"
CASES: list[tuple[str, Truth, str]] = [
    ("a yes in the customers file", shop(anna()), ""),
    ("a no in the customers file", shop(anna(NO)), "no_consent opt_out"),
    ("never agreed", shop(anna("never")), "no_consent"),
    ("unknown state", shop(anna("unknown")), "no_consent"),
    ("unknown state, a dated yes", shop(anna("unknown"), consents=(said(YES, MAR),)), ""),
    ("unknown state, a yes without a time", shop(anna("unknown"), consents=(said(YES, None),)), "no_consent"),
    ("a word nobody knows", shop(anna("?")), "no_consent opt_out"),
    ("a no, later a yes", shop(anna("unknown"), consents=(said(NO, MAR), said(YES, JUN))), ""),
    ("a yes, later a no", shop(anna(), consents=(said(YES, MAR), said(NO, JUN))), "opt_out"),
    ("both at one instant", shop(anna(), consents=(said(YES, MAR), said(NO, MAR))), "opt_out"),
    ("a no without a time", shop(anna(), consents=(said(NO, None), said(YES, SEP))), "opt_out"),
    ("a no, the state says yes", shop(anna(), consents=(said(NO, MAR),)), "opt_out"),
    ("a no, the state says yes later", shop(anna(consent_at=JUN), consents=(said(NO, MAR),)), ""),
    ("a no, the state said yes before", shop(anna(consent_at=MAR), consents=(said(NO, JUN),)), "opt_out"),
    ("a no to text messages", shop(anna(), consents=(said(NO, MAR, "sms"),)), ""),
    ("a yes to text messages", shop(anna("unknown"), consents=(said(YES, MAR, "sms"),)), "no_consent"),
    ("a yes to everything", shop(anna("unknown"), consents=(said(YES, MAR, "all"),)), ""),
    ("a no to everything", shop(anna(), consents=(said(NO, MAR, "all"),)), "opt_out profiling"),
    (
        "a no to everything, a yes to e-mail",
        shop(anna(), consents=(said(NO, MAR, "all"), said(YES, JUN))),
        "profiling",
    ),
    ("a no to everything, a yes to it", shop(anna(), consents=(said(NO, MAR, "all"), said(YES, JUN, "all"))), ""),
    ("a no on a channel nobody knows", shop(anna(), consents=(said(NO, MAR, "?"),)), "opt_out profiling"),
    ("a yes on one", shop(anna("unknown"), consents=(said(YES, MAR, "?"),)), "no_consent"),
    ("a row without a channel", shop(anna(), consents=(said(NO, MAR, None),)), "opt_out"),
    ("an objection to profiling", shop(anna(), consents=(said(NO, MAR, "profiling"),)), "profiling"),
    (
        "an objection, a yes to e-mail",
        shop(anna(), consents=(said(NO, MAR, "profiling"), said(YES, JUN))),
        "profiling",
    ),
    ("a status nobody knows", shop(anna(), consents=(said("?", MAR),)), "opt_out"),
    ("an unsubscribe click", shop(anna(), mails=(mail("Unsubscribed"),)), "opt_out"),
    (
        "an unsubscribe click, later a yes",
        shop(anna(), consents=(said(YES, SEP),), mails=(mail("Unsubscribed"),)),
        "",
    ),
    (
        "a complaint, later a yes",
        shop(anna(), consents=(said(YES, SEP),), mails=(mail("Email Marked as Spam"),)),
        "complaint",
    ),
    ("a hard bounce", shop(anna(), mails=(mail("Email Bounced", JUN, "hard"), mail("Email Delivered", SEP))), "bounce"),
    ("a soft bounce", shop(anna(), mails=(mail("Email Bounced", JUN, "soft"),)), ""),
    ("a bounce of unknown type", shop(anna(), mails=(mail("Email Bounced", JUN, "?"),)), "bounce"),
    ("a bounce without a type", shop(anna(), mails=(mail("Email Bounced"),)), ""),
    ("an event nobody knows", shop(anna(), mails=(mail("?"),)), "unclear"),
    ("suppressed", shop(anna(suppressed=True)), "suppressed"),
    ("only a reason", shop(anna(suppressed=False, reason="hard bounce")), "suppressed"),
    ("suppressed, then an empty cell", shop(anna(suppressed=True, period=OCT), anna(period=NOV)), "suppressed"),
    (
        "suppressed, then taken back",
        shop(anna(suppressed=True, period=OCT), anna(suppressed=False, period=NOV)),
        "",
    ),
    ("held, then an empty cell", shop(anna(hold=True, period=OCT), anna(period=NOV)), "hold"),
    ("held, then taken back", shop(anna(hold=True, period=OCT), anna(hold=False, period=NOV)), ""),
    ("noted by command", shop(anna(), at_home(), suppressed=("anna",)), "suppressed"),
    ("yes in October, no in November", shop(anna(period=OCT), anna(NO, period=NOV)), "no_consent opt_out"),
    ("no in October, yes in November", shop(anna(NO, period=OCT), anna(period=NOV)), ""),
    ("no, then an empty cell", shop(anna(NO, period=OCT), anna("unknown", period=NOV)), "no_consent opt_out"),
    ("yes, then an empty cell", shop(anna(period=OCT), anna("unknown", period=NOV)), "no_consent"),
    ("times that overlap", shop(anna(NO, period=NOV), anna(period=LATE_NOV)), "no_consent opt_out"),
    (
        "loaded_at beats the file's date",
        shop(anna(NO, period=NOV, loaded_at=MAR), anna(period=OCT, loaded_at=JUN)),
        "",
    ),
    (
        "updated_at beats the file's date",
        shop(anna(NO, period=NOV, updated_at=MAR), anna(period=OCT, updated_at=JUN)),
        "",
    ),
    (
        "loaded_at in two rows of three",
        shop(anna(NO, period=NOV, loaded_at=MAR), anna(period=OCT, loaded_at=JUN), anna(period=SEPT)),
        "no_consent opt_out",
    ),
    (
        "suppressed, then false beside a reason",
        shop(anna(suppressed=True, period=OCT), anna(suppressed=False, reason="asked", period=NOV)),
        "suppressed",
    ),
    (
        "a yes that names only an inbox of two",
        shop(anna("unknown"), at_home("unknown"), consents=(Consent(None, A, YES, MAR, "email"),)),
        "no_consent",
    ),
    (
        "a no of somebody who once wrote from Anna's address",
        shop(anna(), Snapshot("bilal", B, YES), mails=(Mail("bilal", A, "Unsubscribed", JUN),)),
        "opt_out",
    ),
    (
        "loaded_at in one row only",
        shop(anna(NO, period=OCT, loaded_at=SEP), anna(period=NOV)),
        "",
    ),
    ("a no at the same inbox", shop(anna(), at_home(NO)), "opt_out"),
    (
        "a no at the inbox, a yes of Anna",
        shop(anna(), at_home(), consents=(said(NO, MAR, who="bilal"), said(YES, JUN))),
        "opt_out",
    ),
    ("no consent at the same inbox", shop(anna(), at_home("never")), ""),
    (
        "a no at the address Anna had",
        shop(Snapshot("anna", B, YES, period=OCT), anna(period=NOV), consents=(Consent(None, B, NO, MAR, "email"),)),
        "opt_out",
    ),
    (
        "a hold of an account that became Anna's",
        shop(anna(), Snapshot("old", B, YES, hold=True), merges=(("old", "anna"),)),
        "hold",
    ),
    (
        "a no of one account, a later yes of the other",
        shop(
            anna(),
            Snapshot("old", B, YES),
            consents=(said(NO, MAR, who="old"), said(YES, JUN)),
            merges=(("old", "anna"),),
        ),
        "",
    ),
    ("too young", shop(anna(born=2010), min_age=18), "age"),
    ("old enough", shop(anna(born=1980), min_age=18), ""),
    ("of unknown age", shop(anna(), min_age=18), "age"),
    ("erased", shop(anna(), at_home(), erased=("anna",)), "erased"),
    ("the other one at the inbox was erased", shop(anna(), at_home(), erased=("bilal",)), ""),
    ("staff", shop(anna(), tests=("@x.example",)), "test"),
    ("no address", shop(Snapshot("anna", None, YES)), "no_address"),
]


@pytest.mark.parametrize(("history", "truth", "rules"), CASES, ids=[name for name, _, _ in CASES])
def test_anna_is_off_the_lists_for_these_rules(history: str, truth: Truth, rules: str) -> None:
    assert answers(truth)["anna"] == set(rules.split())


def test_somebody_known_by_address_alone_is_called_by_it() -> None:
    yes = Consent(None, Z, "subscribed", MAR, "email")
    assert answers(shop(anna(), consents=(yes,)))[Z] == set()
    assert answers(shop(anna(), consents=(yes,), mails=(Mail(None, Z, "Unsubscribed", JUN),)))[Z] == {"opt_out"}


def test_an_account_that_became_another_is_not_a_person_of_its_own() -> None:
    chain = shop(anna(), Snapshot("b", B), Snapshot("c", Z, suppressed=True), merges=(("c", "b"), ("b", "anna")))
    assert answers(chain) == {"anna": {"suppressed"}}
