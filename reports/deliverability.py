"""The page that says whether the shop's mail arrives: one self-contained HTML file that loads nothing and runs nothing.

It shows counts and names of campaigns, lists and mailbox providers. No person and no address stands on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports import numbers, pages

MOST_CAMPAIGNS = 15
"""Campaigns told one by one: those that stand out first, then the largest."""

_LACKS = {
    "email_events": ("No log of mails is there, so nothing is known of how they arrive.", "email_events"),
    "sent": ("The log of mails does not say which were sent or delivered, so no rate can be given.", "email_events"),
    "complaint": ("No complaint was ever logged: the feedback of the providers does not reach us.", "email_events"),
    "hard": ("Bounces are not logged, or without their kind: dead addresses cannot be told.", "email_events"),
    "provider": ("No provider of a mailbox is known, because no customer has an address here.", "customers"),
    "consent": ("Nothing says when somebody subscribed, so the list's growth is not known.", "consent_events"),
    "web_events": ("No visits are logged: readers who only look count as unengaged.", "web_events"),
}
_UNTOLD = "The logs tell of no"
"""Begins what a forecast says of missing logs: the page says it once, not for every list."""
_COMPLAINT_CURE = (
    "Write only to people who clicked, visited or ordered lately until the rate has fallen, and make leaving the list "
    "easier than the spam button."
)
_BOUNCE_CURE = "Take dead addresses off with the list list_hygiene, and find the form or import that let them in."
_QUIET_CURE = "Send the list list_hygiene, and win back the rest with one last mail before they are let go."
_SHRINK_CURE = "Look at where sign-ups come from, and at the campaigns that people leave after."


@dataclass(frozen=True)
class DeliverabilityPage:
    """Everything the page is made of; the same values give the same bytes.

    ``facts`` are what ``campaigns.deliverability.measure`` found, ``forecasts`` what it says of each built list, by
    name in the order to show; ``titles`` what the lists are called.
    """

    shop_name: str
    as_of: str
    is_simulated: bool
    facts: Mapping[str, Any]
    forecasts: Mapping[str, Mapping[str, Any]]
    titles: Mapping[str, str]


def fine(share: Any) -> str:
    """A share in percent with two decimals below one percent, one below ten, none above."""
    if not numbers.is_known(share):
        return numbers.DASH
    whole = 100 * float(share)
    return f"{whole:.{2 if whole < 1 else 1 if whole < 10 else 0}f}\u00a0%"


def span(rate: Mapping[str, Any]) -> str:
    """The 95 % interval of a rate."""
    return f"{fine(rate['low'])} to {fine(rate['high'])}" if rate["of"] else numbers.DASH


@dataclass(frozen=True)
class Problem:
    """Something that is wrong, how bad it is (0 worst), and what to do."""

    weight: int
    said: str
    do: str


def _rate_problem(
    where: str, row: Mapping[str, Any], what: str, limits: Mapping[str, float], weight: int, mails: str
) -> list[Problem]:
    rate = row[f"{what}_rate"]
    if rate["level"] not in ("over", "near"):
        return []
    name, verb, cure = (
        ("complaint", "were complained about", _COMPLAINT_CURE)
        if what == "complaint"
        else ("bounce", "bounced hard", _BOUNCE_CURE)
    )
    over = rate["level"] == "over"
    bound = ("at or above the limit of", f"{name}_limit") if over else ("above the aim of", f"{name}_aim")
    said = (
        f"{where}: {rate['hits']:,} of {rate['of']:,} {mails} {verb}, {fine(rate['share'])} "
        f"(95 % interval {span(rate)}), {bound[0]} {fine(limits[bound[1]])}."
    )
    return [Problem(weight + (0 if over else 20), said, cure)]


def problems(page: DeliverabilityPage) -> list[Problem]:
    """What is wrong, the worst first: limits broken, then sends that would break them, then what decays."""
    facts, limits = page.facts, page.facts["limits"]
    found = [
        Problem(3 if code in ("email_events", "sent") else 40, said, f"Export {log} with it; see my-own-data.md.")
        for code in facts["lacks"]
        for said, log in [_LACKS[code]]
    ]
    telling = "mails delivered to providers who tell" if facts["silent"] else "delivered mails"
    for what, first, mails, own in (
        ("complaint", 0, telling, "delivered mails"),
        ("hard", 1, "sent mails", "sent mails"),
    ):
        found += _rate_problem("All mails", facts["all"], what, limits, first, mails)
        for row in facts["providers"]:
            if len(facts["providers"]) > 1:
                found += _rate_problem(f"Readers at {row['name']}", row, what, limits, first + 4, own)
        for row in facts["series"]:
            if len(facts["series"]) > 1:
                found += _rate_problem(f"Campaign {row['name']}", row, what, limits, first + 6, mails)
    for name, forecast in page.forecasts.items():
        found += [
            Problem(10 if "limit" in said else 30, f"List {page.titles.get(name, name)}, not sent yet. {said}", "")
            for said in forecast["warnings"]
            if not said.startswith(_UNTOLD)
        ]
    months = facts["growth"][-3:]
    net = sum(month["net"] for month in months)
    if len(months) == 3 and net < 0:
        lost = sum(month["opt_out"] + month["complaint"] + month["hard_bounce"] for month in months)
        gained = sum(month["gained"] for month in months)
        found.append(
            Problem(
                32,
                f"The list shrinks: {gained:,} people came and {lost:,} left in the last three months.",
                _SHRINK_CURE,
            )
        )
    people = facts["unengaged"]["people"]
    days, quiet = list(facts["unengaged"]["days"].items())[-1]
    if people and quiet["share"] >= 0.2 and "email_events" not in facts["lacks"]:
        said = (
            f"{quiet['hits']:,} of {people:,} people on the list who can be written to ({fine(quiet['share'])}) "
            f"neither clicked, visited nor ordered for {days} days or longer."
        )
        found.append(Problem(31, said, _QUIET_CURE))
    return sorted(found, key=lambda one: (one.weight, one.said))


def verdict(page: DeliverabilityPage, found: Sequence[Problem]) -> tuple[str, str]:
    """How it stands (``fit``, ``care`` or ``unfit``), and a sentence."""
    if {"email_events", "sent"} & set(page.facts["lacks"]):
        return "care", "Nobody can tell whether mail arrives."
    if any(one.weight < 10 for one in found):
        return "unfit", "Providers have reason to block this shop's mail."
    if any(one.weight < 40 for one in found):
        return "care", "Mail arrives, and something should be mended."
    return "fit", "Mail arrives as it should."


def _spoken(names: Sequence[str]) -> str:
    """Names in a sentence; the providers' as they write themselves."""
    said = [{"gmail": "Gmail", "icloud": "iCloud"}.get(name, name) for name in names]
    return " and ".join(said)


def _standing(rows: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], int]:
    """Those that stand out first, then the largest; and how many are left."""
    order = {"over": 0, "near": 1}

    def place(row: Mapping[str, Any]) -> tuple[int, int, str]:
        levels = (row["complaint_rate"]["level"], row["hard_rate"]["level"])
        return min(order.get(one, 2) for one in levels), -row["sent"], row["name"]

    rows = sorted(rows, key=place)
    return rows[:MOST_CAMPAIGNS], max(len(rows) - MOST_CAMPAIGNS, 0)


def _chart(months: Sequence[Mapping[str, Any]], what: str, aim: float, limit: float) -> dict[str, Any]:
    """Bars of a rate by month, as parts of a picture of height 100 in which the limit stays inside."""
    rates = [month[f"{what}_rate"] for month in months]
    top = 1.12 * max([limit, *(rate["share"] or 0 for rate in rates)])
    bars = [
        {
            "name": month["name"],
            "share": rate["share"],
            "rate": rate,
            "height": 100 * (rate["share"] or 0) / top,
            "low": 100 * rate["low"] / top if rate["of"] else 0,
            "high": min(100 * rate["high"] / top, 100) if rate["of"] else 0,
        }
        for month, rate in zip(months, rates, strict=True)
    ]
    return {"bars": bars, "aim": 100 * aim / top, "limit": 100 * limit / top}


LEVELS = {
    "over": "over the limit",
    "near": "above the aim",
    "fine": "fine",
    "few": "too few to tell",
    "unknown": "not known",
    "silent": "not told",
}
"""How a rate stands, in words; ``silent``: the provider tells no sender of complaints."""


def render_deliverability(page: DeliverabilityPage) -> str:
    """The whole page as HTML text."""
    facts, limits = page.facts, page.facts["limits"]
    style, style_hash = pages.style("marketing.css", "data_quality.css", "deliverability.css")
    found = problems(page)
    level, said = verdict(page, found)
    series, series_left = _standing(facts["series"])
    standing_out = [
        row
        for row in facts["campaigns"]
        if {row["complaint_rate"]["level"], row["hard_rate"]["level"]} & {"over", "near"}
        and row["name"] not in {one["name"] for one in facts["series"]}
    ]
    single, single_left = _standing(standing_out)
    days, quiet = list(facts["unengaged"]["days"].items())[-1]
    came = max([1, *(month["gained"] for month in facts["growth"])])
    left = max([1, *(month["gained"] - month["net"] for month in facts["growth"])])
    size = facts["growth"][-1]["size"] if facts["growth"] else None
    return (
        pages.environment()
        .get_template("deliverability.html.j2")
        .render(
            page=page,
            facts=facts,
            limits=limits,
            style=style,
            style_hash=style_hash,
            count=numbers.count,
            date=numbers.date,
            fine=fine,
            span=span,
            levels=LEVELS,
            level=level,
            verdict=said,
            problems=found[:8],
            more=max(len(found) - 8, 0),
            size=size,
            unreached=max(size - facts["unengaged"]["people"], 0) if size is not None else 0,
            silent=_spoken(facts["silent"]),
            tells="delivered to providers who tell" if facts["silent"] else "delivered",
            quiet=quiet,
            quiet_days=days,
            forecasts=[(page.titles.get(name, name), one) for name, one in page.forecasts.items()],
            providers=sorted(facts["providers"], key=lambda row: (-row["sent"], row["name"])),
            series=series,
            series_left=series_left,
            single=single,
            single_left=single_left,
            complaints=_chart(facts["months"], "complaint", limits["complaint_aim"], limits["complaint_limit"]),
            bounces=_chart(facts["months"], "hard", limits["bounce_aim"], limits["bounce_limit"]),
            most_came=came,
            most_left=left,
            middle=98 * came / (came + left),
        )
    )
