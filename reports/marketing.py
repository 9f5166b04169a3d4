"""The marketer's page: one self-contained HTML file that loads nothing and runs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports import numbers, pages, summary
from reports.wording import DIRECTION, LANGUAGES
from reports.wording_urdu import MONTHS


@dataclass(frozen=True)
class MarketingPage:
    """Everything the page is made of; the same values give the same bytes.

    ``scores`` has one row per scored customer, ``reasons`` one per customer and rank. ``lists`` are the
    manifests of the built lists in the order to show, ``metrics`` the evaluation's metrics (empty: not tested
    yet), ``events`` the manifest of the event tables. ``rules`` has the words of guards by code, ``conditions`` by
    list those of whoever does not fit, both in the language of the page. Amounts are minor units of ``currency``,
    which has ``minor_digits`` decimals.
    """

    shop_name: str
    as_of: str
    currency: str
    minor_digits: int
    horizon_days: int
    gap_days: int
    active_days: int
    is_simulated: bool
    scores: pd.DataFrame
    reasons: pd.DataFrame
    family_titles: Mapping[str, str]
    lists: Sequence[Mapping[str, Any]]
    metrics: Mapping[str, Any]
    events: Mapping[str, Any]
    rules: Mapping[str, str]
    conditions: Mapping[str, Mapping[str, str]]
    language: str = "en"


def render_marketing(page: MarketingPage) -> str:
    """The whole page as HTML text."""
    environment = pages.environment()
    words, is_english = LANGUAGES[page.language], page.language == "en"

    def apart(figure: str) -> str:
        """Between text that runs from right to left a figure keeps its own direction."""
        return f"\u2066{figure}\u2069" if DIRECTION[page.language] == "rtl" else figure

    def say(key: str, **values: Any) -> str:
        return words[key].format(**values)

    def rule(name: str) -> str:
        return page.rules.get(name, name)

    def money(minor: Any) -> str:
        return apart(numbers.money(minor, page.currency, page.minor_digits))

    def percent(share: Any) -> str:
        if is_english:
            return numbers.percent(share)
        said = numbers.percent(share, f"{apart('{}')} سے کم", f"{apart('{}')} سے زیادہ")
        return said if "\u2066" in said else apart(said)

    def rate(share: Any) -> str:
        return apart(numbers.fine_percent(share))

    def ratio(value: Any) -> str:
        return apart(numbers.ratio(value))

    def date(day: str) -> str:
        return numbers.date(day) if is_english else numbers.date(day, MONTHS)

    def told(one: dict[str, Any]) -> dict[str, Any]:
        """A list with its words."""
        name = str(one["list"])
        conditions = page.conditions.get(name, {})
        worth = one["worth"]
        return one | {
            "heading": one["title" if is_english else "title_urdu"],
            "task": one["action" if is_english else "action_urdu"],
            "who": say(f"who_{name}") if f"who_{name}" in words else say("who_own", name=name),
            "now": words.get(f"now_{name}", ""),
            "misfits": [(conditions.get(code, code), rows) for code, rows in one["misfits"]],
            "worth_words": summary.worth_words(worth, say, money, rate) if worth else [],
            "power_words": summary.power_words(one.get("power", {}), say, percent),
        }

    style, style_hash = pages.style("marketing.css")
    found, assumed = summary.bands(page.scores), summary.economy(page.lists)
    absent = [words.get(f"log_{log}", log) for log in page.events.get("absent_logs", [])]
    unchecked = [
        words.get(f"log_{log}", page.family_titles.get(log, log))  # a log of the shop's own is a family as well
        for log, facts in sorted(page.events.get("logs", {}).items())
        if not facts.get("arrival_checked", True)
    ]
    return environment.get_template("marketing.html.j2").render(
        say=say,
        rule=rule,
        money=money,
        count=numbers.count,
        percent=percent,
        ratio=ratio,
        date=date,
        is_known=numbers.is_known,
        style=style,
        style_hash=style_hash,
        language=page.language,
        direction=DIRECTION[page.language],
        page=page,
        bands=found,
        high=found[0],
        value_at_risk=int(page.scores["value_at_risk"].sum()),
        expected_value=int(page.scores["expected_value"].sum()),
        histogram=summary.histogram(page.scores),
        families=summary.families(page.scores, page.reasons, page.family_titles),
        without_first_reason=summary.without_first_reason(page.scores, page.reasons),
        examples=summary.examples(page.scores, page.reasons, page.as_of),
        outlook=summary.outlook(page.metrics),
        lists=[told(one) for one in summary.lists(page.lists)],
        missing=sorted({str(text) for one in page.lists for text in one["missing"]}),
        resting=summary.save_rate_words(assumed, say, rate) if assumed else [],
        quality=summary.quality(page.metrics, date),
        absent=absent,
        unchecked=unchecked,
    )
