"""From candidates to the file a marketer uploads: consent asked again, nothing in it that grants consent."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from campaigns.cells import neutral_cell as neutral_cell
from campaigns.contact import SUPPRESS_RULES
from campaigns.errors import ListError, StaleListError
from timeline import HOUR_US, is_after

EXPORT_COLUMNS = (
    "customer_id",
    "email",
    "churn_list",
    "churn_group",
    "churn_score_date",
    "churn_probability",
    "churn_risk",
    "churn_percentile",
    "churn_horizon_days",
    "churn_value_at_risk",
    "churn_expected_value",
    "churn_days_since_order",
    "churn_usual_gap_days",
    "churn_act_by",
    "churn_cart_value",
    "churn_reason_1",
    "churn_reason_2",
    "churn_reason_3",
    "churn_action",
    "churn_model_version",
)
"""The neutral profile. It must never have a consent column: an upload must not opt anybody in."""

_ADDRESS = re.compile(r"[^\s@<>(),;:\"\\\[\]]+@[^\s@<>(),;:\"\\\[\]]+\.[^\s@<>(),;:\"\\\[\]]+")


@dataclass(frozen=True)
class ExportedList:
    """``rows`` and ``suppress`` hold text, one row per person; ``counts`` says where every candidate went."""

    rows: pd.DataFrame
    suppress: pd.DataFrame
    counts: dict[str, Any]


def _is_unsafe(identifier: str) -> bool:
    control = any(unicodedata.category(character) in ("Cc", "Cf") for character in identifier)
    return control or neutral_cell(identifier) != identifier


def _is_address(address: str) -> bool:
    return len(address) <= 254 and _ADDRESS.fullmatch(address) is not None


def _amount(minor: Any, minor_digits: int) -> str:
    """Minor units as decimal text, exact: 1234 is 12.34."""
    if pd.isna(minor):
        return ""
    whole, rest = divmod(abs(int(minor)), 10**minor_digits)
    sign = "-" if int(minor) < 0 else ""
    return f"{sign}{whole}.{rest:0{minor_digits}d}" if minor_digits else f"{sign}{whole}"


def _number(value: Any, decimals: int) -> str:
    return "" if pd.isna(value) else f"{value:.{decimals}f}"


def _text(value: Any) -> str:
    return "" if pd.isna(value) else neutral_cell(str(value))


def _reason(row: Any, contact: Mapping[str, str | None], ordered: Collection[str], seen: Collection[str]) -> str | None:
    """Why this candidate may not leave the house now, or None."""
    rule = contact.get(row.customer_id, "no_consent")
    if rule is not None:
        return rule
    if row.customer_id in ordered:
        return "ordered_since"
    if pd.isna(row.shop_id) or pd.isna(row.email):
        return "not_in_vault"
    if _is_unsafe(row.shop_id) or _is_unsafe(row.email):
        return "unsafe_identifier"
    if not _is_address(row.email.strip()):
        return "malformed_address"
    return "duplicate_address" if row.email.strip().casefold() in seen else None


def export_rows(
    candidates: pd.DataFrame,
    vault: pd.DataFrame,
    contact_now: pd.DataFrame,
    *,
    ordered_since: Collection[str],
    as_of: str,
    horizon_days: int,
    minor_digits: int = 2,
    model_hash: str | None = None,
) -> ExportedList:
    """The rows to upload, and the addresses the sender must suppress, for one list.

    ``vault`` has one row per customer: customer_id (pseudonym), shop_id, email. ``contact_now`` comes from
    :func:`campaigns.contact_rules` over everything known now; ``ordered_since`` are the customers who ordered
    since ``as_of``. Only the arm ``treat`` leaves. An id or address that a spreadsheet or a mail header could
    take for something else is left out, never altered.

    Raises:
        ListError: The candidates do not add up.
    """
    rules = {
        customer: None if pd.isna(rule) else str(rule)
        for customer, rule in zip(contact_now["customer_id"], contact_now["rule"], strict=True)
    }
    people = candidates.merge(vault, on="customer_id", how="left", validate="1:1").sort_values("rank")
    left_out: dict[str, int] = {}
    seen: set[str] = set()
    rows: list[dict[str, str]] = []
    held_out = 0
    for row in people.itertuples(index=False):
        if row.arm != "treat":
            held_out += 1
            continue
        reason = _reason(row, rules, ordered_since, seen)
        if reason is not None:
            left_out[reason] = left_out.get(reason, 0) + 1
            continue
        seen.add(str(row.email).strip().casefold())
        rows.append(
            {
                "customer_id": str(row.shop_id),
                "email": str(row.email).strip(),
                "churn_list": str(row.list),
                "churn_group": "treat",
                "churn_score_date": as_of,
                "churn_probability": _number(row.churn_probability, 4),
                "churn_risk": _text(row.band),
                "churn_percentile": _number(row.percentile, 1),
                "churn_horizon_days": str(horizon_days),
                "churn_value_at_risk": _amount(row.value_at_risk, minor_digits),
                "churn_expected_value": _amount(row.expected_value, minor_digits),
                "churn_days_since_order": _number(row.days_since_order, 0),
                "churn_usual_gap_days": _number(row.usual_gap_days, 1),
                "churn_act_by": _text(row.act_by),
                "churn_cart_value": _amount(row.cart_value, minor_digits),
                "churn_reason_1": _text(row.reason_1),
                "churn_reason_2": _text(row.reason_2),
                "churn_reason_3": _text(row.reason_3),
                "churn_action": _text(row.action),
                "churn_model_version": (model_hash or "")[:12],
            }
        )
    if held_out + len(rows) + sum(left_out.values()) != len(candidates):
        raise ListError(
            f"{held_out} held out, {len(rows)} exported and {sum(left_out.values())} left out are not the "
            f"{len(candidates)} candidates."
        )
    counts = {
        "candidates": len(candidates),
        "holdout": held_out,
        "exported": len(rows),
        "left_out": dict(sorted(left_out.items())),
    }
    exported = pd.DataFrame(rows, columns=list(EXPORT_COLUMNS), dtype="str")
    return ExportedList(exported, _suppressed(vault, contact_now), counts)


def _suppressed(vault: pd.DataFrame, contact_now: pd.DataFrame) -> pd.DataFrame:
    """One row per address of the shop that opted out, complained or bounced for good; why stays with us."""
    barred = contact_now.loc[contact_now["rule"].isin(SUPPRESS_RULES), "customer_id"]
    addresses = vault.loc[vault["customer_id"].isin(barred), "email"].dropna()
    safe = sorted({text.strip() for text in addresses if not _is_unsafe(text) and _is_address(text.strip())})
    return pd.DataFrame({"email": pd.Series(safe, dtype="str")})


def to_csv(rows: pd.DataFrame) -> bytes:
    """UTF-8 without BOM, comma, one header line, plain newlines: equal rows give equal bytes."""
    return rows.to_csv(index=False, lineterminator="\n").encode("utf-8")


def check_fresh(known_until: int, reference: int, max_age_hours: int) -> None:
    """Refuse when the newest event lies more than ``max_age_hours`` before ``reference`` (both instants).

    Raises:
        StaleListError: Somebody may have opted out since, and we would not know.
    """
    if is_after(reference - known_until, max_age_hours * HOUR_US):
        age = (reference - known_until) // HOUR_US
        raise StaleListError(
            f"Consent and suppression are {age} hours old, more than campaigns.suppression_max_age_hours = "
            f"{max_age_hours}. Export the shop's logs again, run `wafa score`, then export the list."
        )


def readme(list_name: str, as_of: str, counts: Mapping[str, Any]) -> str:
    """What to click, in a few lines that lie beside the files."""
    lines = [
        f"List {list_name}, scored as of {as_of}: {counts['exported']} people to write to.",
        f"1. Upload {list_name}.suppress.csv where your e-mail platform keeps suppressed addresses.",
        f"2. Import {list_name}.csv as a list of its own: match by e-mail, update only, create no new",
        "   contacts, and leave every consent or subscription choice as it is: this file grants none.",
        f"3. Write to this list only. {counts['holdout']} similar people are held out by lot, are not in it,",
        "   and get nothing from this campaign: that is how its effect is measured.",
        "churn_act_by: half of those who order again by themselves have done so by that day.",
        "Amounts are in the shop's currency. A leading quote in a cell keeps spreadsheets from running it.",
    ]
    return "\n".join(lines) + "\n"
