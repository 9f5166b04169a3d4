"""Who may be written to, as far as was known before an instant. Whatever is not clear is a no."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pandas as pd

from timeline import Window, is_before, known_before

Logs = Mapping[str, pd.DataFrame | None]
"""Canonical event tables by name; None, or no entry, where the shop lacks the log."""

CONTACT_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "customers": (
        "customer_id",
        "event_id",
        "email_consent",
        "email_consent_at",
        "suppressed",
        "address_key",
        "occurred_at",
        "loaded_at",
    ),
    "consent_events": ("customer_id", "channel", "status", "occurred_at", "loaded_at"),
    "email_events": ("customer_id", "event", "bounce_type", "occurred_at", "loaded_at"),
    "campaign_contacts": ("customer_id", "control", "occurred_at", "loaded_at"),
}
"""The logs that decide about contact, and what is read of them."""

STOP_RULES = (
    "erased",
    "complaint",
    "hard_bounce",
    "suppressed",
    "opt_out",
    "objection",
    "no_consent",
    "no_address",
    "recently_contacted",
)
"""Why somebody may not be written to; the first that applies is the one that is told."""

SUPPRESS_RULES = ("complaint", "hard_bounce", "suppressed", "opt_out")
"""The rules that hold for every e-mail of the shop, not for our lists only."""

# One inbox is one person: what stops one customer stops every customer at the same address.
_SHARED_BY_ADDRESS = (
    "erased",
    "complaint",
    "hard_bounce",
    "suppressed",
    "opt_out",
    "objection",
    "recently_contacted",
)


def _known(logs: Logs, log: str, cutoff: int) -> pd.DataFrame:
    table = logs.get(log)
    if table is None:
        return pd.DataFrame({column: pd.Series(dtype="object") for column in CONTACT_COLUMNS[log]})
    seen: pd.DataFrame = table[known_before(table, cutoff)]
    return seen[seen["customer_id"].notna()]


def _latest(statements: pd.DataFrame) -> pd.DataFrame:
    """The rows at each customer's newest instant; more than one where the source says two things at once."""
    newest = statements.groupby("customer_id")["occurred_at"].transform("max")
    return statements[statements["occurred_at"] == newest]


def _saying(statements: pd.DataFrame, status: str) -> set[str]:
    return set(statements.loc[statements["status"].eq(status), "customer_id"])


def _dated_statements(customers: pd.DataFrame, consent: pd.DataFrame, mails: pd.DataFrame, cutoff: int) -> pd.DataFrame:
    """One row per dated statement about e-mail: customer_id, occurred_at, status."""
    columns = ["customer_id", "occurred_at", "status"]
    events = consent[consent["channel"].eq("email")][columns]
    unsubscribed = mails[mails["event"].eq("Unsubscribed")].assign(status="unsubscribed")[columns]
    dated = customers[customers["email_consent_at"].notna()]
    dated = dated[is_before(dated["email_consent_at"].astype("int64"), cutoff)]
    current = pd.DataFrame(
        {
            "customer_id": dated["customer_id"],
            "occurred_at": dated["email_consent_at"],
            "status": dated["email_consent"].fillna("unknown"),
        }
    )
    parts = [part.astype({"occurred_at": "int64"}) for part in (events, unsubscribed, current) if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _email_consent(
    customers: pd.DataFrame, consent: pd.DataFrame, mails: pd.DataFrame, cutoff: int
) -> tuple[set[str], set[str]]:
    """The customers who clearly agreed to e-mail, and those who declined it."""
    dated = _dated_statements(customers, consent, mails, cutoff)
    latest = _latest(dated)
    others = set(latest.loc[~latest["status"].eq("subscribed"), "customer_id"])
    agreed = _saying(latest, "subscribed") - others
    undated = customers[customers["email_consent_at"].isna()]
    undated = undated.assign(status=undated["email_consent"])
    # An undated yes counts only where nothing dated speaks; an undated no always does.
    agreed |= _saying(undated, "subscribed") - set(dated["customer_id"])
    declined = (_saying(dated, "unsubscribed") - agreed) | _saying(undated, "unsubscribed")
    return agreed - declined, declined


def _objected(consent: pd.DataFrame) -> set[str]:
    return _saying(_latest(consent[consent["channel"].eq("profiling")]), "unsubscribed")


def _contacted(contacts: pd.DataFrame, cutoff: int, quiet_days: int) -> set[str]:
    recent = contacts[Window.last(quiet_days, before=cutoff).contains(contacts["occurred_at"])]
    return set(recent.loc[~recent["control"].fillna(False).astype(bool), "customer_id"])


def contact_rules(
    logs: Logs,
    customer_ids: Collection[str],
    cutoff: int,
    *,
    quiet_days: int = 0,
    erased: Collection[str] = (),
) -> pd.DataFrame:
    """One row per customer of ``customer_ids`` and of the customers log: customer_id, address_key, rule.

    ``rule`` is the one of :data:`STOP_RULES` that forbids contact, or null where the customer may be written
    to. Only what had happened and reached us before the instant ``cutoff`` counts. A clear opt-in after an
    opt-out is heard; a hard bounce and a complaint stay for good.
    """
    customers = _known(logs, "customers", cutoff).sort_values(["occurred_at", "event_id"])
    consent = _known(logs, "consent_events", cutoff)
    mails = _known(logs, "email_events", cutoff)
    agreed, declined = _email_consent(customers, consent, mails, cutoff)
    addresses = customers.drop_duplicates("customer_id", keep="last").set_index("customer_id")["address_key"]
    people = pd.DataFrame({"customer_id": sorted(set(customer_ids) | set(customers["customer_id"]))}, dtype="str")
    people["address_key"] = people["customer_id"].map(addresses.to_dict()).astype("str")
    bounced = mails["event"].eq("Email Bounced") & mails["bounce_type"].eq("hard")
    stopped: dict[str, set[str]] = {
        "erased": set(erased),
        "complaint": set(mails.loc[mails["event"].eq("Email Marked as Spam"), "customer_id"]),
        "hard_bounce": set(mails.loc[bounced, "customer_id"]),
        "suppressed": set(customers.loc[customers["suppressed"].fillna(False).astype(bool), "customer_id"]),
        "opt_out": declined,
        "objection": _objected(consent),
        "no_consent": set(people["customer_id"]) - agreed,
        "no_address": set(),
        "recently_contacted": _contacted(_known(logs, "campaign_contacts", cutoff), cutoff, quiet_days),
    }
    if logs.get("customers") is not None:
        stopped["no_address"] = set(people.loc[people["address_key"].isna(), "customer_id"])
    rule = pd.Series(None, index=people.index, dtype="object")
    for name in reversed(STOP_RULES):
        applies = people["customer_id"].isin(stopped[name])
        if name in _SHARED_BY_ADDRESS:
            applies |= people["address_key"].isin(people.loc[applies, "address_key"].dropna())
        rule = rule.mask(applies, name)
    return people.assign(rule=rule.astype("str"))


def after_everything(logs: Logs) -> int:
    """The first instant at which everything in ``logs`` is known, whatever time it carries."""
    latest = 0
    for table in logs.values():
        if table is None:
            continue
        for column in ("occurred_at", "loaded_at", "email_consent_at"):
            if column in table and table[column].notna().any():
                latest = max(latest, int(table[column].max()))
    return latest + 1


def missing_consent(logs: Logs) -> str | None:
    """Why nobody of this shop may be written to, and how to change it; None where consent is recorded."""
    customers, consent = logs.get("customers"), logs.get("consent_events")
    if consent is not None and len(consent):
        return None
    if customers is not None and customers["email_consent"].isin(["subscribed", "unsubscribed"]).any():
        return None
    return (
        "This shop's files say nothing about consent to e-mail, so nobody may be written to. Declare under "
        "sources.logs a customers file with email_consent (and email_consent_at), or a consent_events file, "
        "and run again."
    )
