"""Who may be written to, from the canonical logs: the one place that reads consent and every other restriction.

docs/restrictions.md has the rules. Everything else asks for :func:`standing`, or for the statements behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

import ibis

from events.logs import ibis_schema
from timeline import is_before, known_before

Table = Any
"""An Ibis table."""

SINCE_EVER = 0
"""The instant of a no without a time: no yes can be shown to come after it."""

_READ = {
    "customers": (
        "customer_id",
        "event_id",
        "email_consent",
        "email_consent_at",
        "suppressed",
        "legal_hold",
        "occurred_at",
    ),
    "consent_events": ("customer_id", "event_id", "channel", "status", "occurred_at"),
    "email_events": ("customer_id", "event_id", "event", "bounce_type", "occurred_at"),
    "restrictions": ("customer_id", "event_id", "restriction", "channel", "inbox", "occurred_at"),
}
COLUMNS: Mapping[str, Mapping[str, str]] = {log: ibis_schema(log, *names) for log, names in _READ.items()}
"""The logs that are read, and the columns of each with their Ibis types."""

OBJECTIONS = ("consent_events", "restrictions")
"""The logs that may hold an objection to profiling."""

FLAGS = ("opt_out", "complaint", "hard_bounce", "suppressed", "legal_hold", "objection", "unclear")
"""The restrictions; :func:`standing` has a column for each."""


def up_to(logs: Mapping[str, Table], known_until: int, yes_until: int) -> dict[str, Table]:
    """``logs`` without states of customers dated from ``known_until`` on, and without a yes from ``yes_until`` on."""
    state, consent = logs["customers"], logs["consent_events"]

    def from_on(moment: Any, instant: int) -> Any:
        return (~is_before(moment, instant)).fill_null(False)

    is_later = from_on(state.email_consent_at, known_until)
    is_later |= (state.email_consent == "subscribed") & from_on(state.email_consent_at, yes_until)
    state = state.mutate(
        email_consent=ibis.ifelse(is_later, "unknown", state.email_consent),
        email_consent_at=ibis.ifelse(is_later, None, state.email_consent_at),
    )
    consent = consent.filter(~((consent.status == "subscribed") & from_on(consent.occurred_at, yes_until)))
    return {**logs, "customers": state, "consent_events": consent}


def statements(logs: Mapping[str, Table], channel: str) -> Table:
    """One row per statement about ``channel``: customer_id, event_id, said_at (null where unknown), word, log.

    ``word``: yes, no, or other, which permits nothing and restricts nothing.
    """
    parts = []
    if "consent_events" in logs:
        consent = logs["consent_events"].filter(lambda said: said.channel == channel)
        parts.append(_said("consent_events", consent, consent.occurred_at, _word(consent.status)))
    if "restrictions" in logs:
        no = logs["restrictions"].filter(lambda row: (row.restriction == "opt_out") & (row.channel == channel))
        parts.append(_said("restrictions", no, no.occurred_at.nullif(SINCE_EVER), ibis.literal("no")))
    if channel == "email" and "email_events" in logs:
        left = logs["email_events"].filter(lambda mail: mail.event == "Unsubscribed")
        parts.append(_said("email_events", left, left.occurred_at, ibis.literal("no")))
    if channel == "email" and "customers" in logs:
        state = logs["customers"]
        parts.append(_said("customers", state, state.email_consent_at, _word(state.email_consent)))
    return ibis.union(*parts).filter(lambda said: said.customer_id.notnull())


def _said(log: str, rows: Table, said_at: Any, word: Any) -> Table:
    event_id = rows.event_id if "event_id" in rows.columns else ibis.null("string")
    return rows.select("customer_id", event_id=event_id, said_at=said_at, word=word, log=ibis.literal(log))


def _word(status: Any) -> Any:
    return ibis.cases((status == "subscribed", "yes"), (status == "unsubscribed", "no"), else_="other")


def answers(said: Table) -> Table:
    """One row per person of ``said`` (see :func:`statements`): ``agreed`` and ``refused``; neither where it is unclear.

    A yes counts where no other statement has its instant or a later one; a yes without a time, where none has a time.
    A no without a time stands.
    """
    dated, yes, no = said.said_at.notnull(), said.word == "yes", said.word == "no"
    each = said.group_by("customer_id").agg(
        last_yes=said.said_at.max(where=yes),
        last_other=said.said_at.max(where=~yes),
        is_dated=dated.any(),
        undated_yes=(yes & ~dated).any(),
        undated_no=(no & ~dated).any(),
        any_no=no.any(),
    )
    newest = (each.last_yes.notnull() & (each.last_other.isnull() | (each.last_yes > each.last_other))).fill_null(False)
    agreed = ibis.ifelse(each.is_dated, newest, each.undated_yes) & ~each.undated_no
    return each.select("customer_id", agreed=agreed, refused=each.any_no & ~agreed)


def unwanted(mails: Table) -> Table:
    """The complaints and hard bounces among e-mail events: customer_id, event_id, occurred_at, kind."""
    spam = mails.event == "Email Marked as Spam"
    hard = (mails.event == "Email Bounced") & (mails.bounce_type == "hard")
    kind = ibis.ifelse(spam, "complaint", "hard_bounce")
    return mails.filter((spam | hard).fill_null(False)).select("customer_id", "event_id", "occurred_at", kind=kind)


def standing(logs: Mapping[str, Table]) -> Table:
    """One row per person in any of the logs: customer_id, agreed (to e-mail), and each of :data:`FLAGS`.

    ``logs`` hold the columns of :data:`COLUMNS`. A restriction is not yet spread to others at the same address.
    """
    e_mail = answers(statements(logs, "email")).rename(opt_out="refused")
    profiling = answers(statements(logs, "profiling")).select("customer_id", objection="refused")
    customers, restrictions, mails = logs["customers"], logs["restrictions"], unwanted(logs["email_events"])
    flags = [
        customers.filter(customers.suppressed).select("customer_id", flag=ibis.literal("suppressed")),
        customers.filter(customers.legal_hold).select("customer_id", flag=ibis.literal("legal_hold")),
        mails.select("customer_id", flag="kind"),
        restrictions.filter(~restrictions.restriction.isin(["opt_out", "same_inbox"])).select(
            "customer_id", flag="restriction"
        ),
    ]
    every = ibis.union(*flags)
    raised = every.group_by("customer_id").agg(
        **{flag: (every.flag == flag).any() for flag in FLAGS if flag not in {"opt_out", "objection"}}
    )
    persons = ibis.union(*(part.select("customer_id") for part in (e_mail, profiling, raised)), distinct=True).filter(
        lambda one: one.customer_id.notnull()
    )
    found = reduce(
        lambda left, right: left.left_join(right, "customer_id").drop("customer_id_right"),
        (e_mail, profiling, raised),
        persons,
    )
    return found.select("customer_id", **{name: found[name].fill_null(False) for name in ("agreed", *FLAGS)})


def objectors_at(logs: Mapping[str, Table], cutoff: int) -> Table | None:
    """The customers (column customer_id) who, as known before ``cutoff``, object to profiling; None where none can."""
    known = {log: logs[log].filter(known_before(logs[log], cutoff)) for log in OBJECTIONS if log in logs}
    if "restrictions" in known:  # that of a date alone is dated at the end of its day
        known["restrictions"] = logs["restrictions"].filter(is_before(logs["restrictions"].loaded_at, cutoff))
    if not known:
        return None
    found = answers(statements(known, "profiling"))
    return found.filter(found.refused).select("customer_id")
