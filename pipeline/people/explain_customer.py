"""`wafa explain`: one customer's score and reasons, by the shop's own id, by address or by pseudonym."""

from __future__ import annotations

import numpy as np

from features import Language
from models.timing import days_later
from pipeline.people import keys, names
from pipeline.project import datasets
from pipeline.project.errors import ParamsError
from pipeline.project.money import writer
from pipeline.project.settings import Settings
from pipeline.project.shop_features import NO_FIRST_REASON
from reports.numbers import percent
from sources import normalised, pseudonym


def explain(s: Settings, customer: str, language: Language = "en") -> list[str]:
    """What is known of ``customer``, in lines for a person; the reasons are in ``language``.

    Raises:
        ParamsError: Nothing was scored yet, or nobody of that name was scored.
    """
    if not datasets.SCORES.is_file():
        raise ParamsError("wafa explain: nothing was scored yet. Run `wafa run` first.")
    key = keys.in_force(s, datasets.EVENTS).key
    scores = datasets.read_parquet(datasets.SCORES).set_index("customer_id")
    name = names.one("explain", customer, names.is_in_vault)
    known = [one for one in ([name] if name in scores.index else _tokens(key, name)) if one in scores.index]
    if len(known) > 1:
        raise ParamsError("wafa explain: several customers have this address. Give the own id of one of them.")
    found = next(iter(known), None)
    if found is None:
        raise ParamsError(
            f"wafa explain: this customer was not scored at {s.scoring.as_of}. Scored are customers who ordered in the "
            f"{s.cohort.active_days} days before and do not object to profiling."
        )
    row, money = scores.loc[found].to_dict(), writer(s.shop.currency)
    reasons = datasets.read_parquet(datasets.REASONS)
    reasons = reasons[reasons["customer_id"] == found].sort_values("rank")
    c = s.cohort
    earliest, latest = days_later(s.scoring.as_of, np.array([row["next_order_from"], row["next_order_until"]]))
    lines = [
        f"{found} at {s.scoring.as_of}",
        f"  {percent(row['churn_probability'])} likely not to order from day {c.gap_days} to day "
        f"{c.gap_days + c.horizon_days} (risk: {row['band']}; "
        f"higher than {percent(row['percentile'] / 100)} of the customers scored)",
        f"  if they order by day {c.gap_days + c.horizon_days}: likely from {earliest} to {latest}, and half of such "
        f"customers by {row['act_by']}",
        f"  value at risk {money(row['value_at_risk'])}, "
        f"expected value of the next 12 months {money(row['expected_value'])}",
    ]
    said = "sentence" if language == "en" else f"sentence_{language}"
    if 1 not in reasons["rank"].to_numpy():
        lines.append(f"  1. {NO_FIRST_REASON[language]}")
    for _, reason in reasons.iterrows():
        way = "raises" if reason["contribution"] > 0 else "lowers"
        lines.append(f"  {reason['rank']}. {reason[said]}  ({way} the risk)")
    return lines


def _tokens(key: bytes, name: str) -> list[str]:
    """The pseudonyms that somebody whose own id or address is ``name`` may have."""
    found = {str(pseudonym([name], key)[0])}
    if "@" in name and datasets.VAULT.is_file():
        vault = datasets.read_parquet(datasets.VAULT, ("customer_id", "email"))
        found |= set(vault["customer_id"][vault["email"].map(normalised, na_action="ignore").eq(normalised(name))])
    return sorted(found)
