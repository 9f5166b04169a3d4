"""The marketer's page: says what its inputs say, loads nothing, runs nothing, names nobody."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import reports
from reports import MarketingPage, render_marketing
from reports.numbers import count, date, later, money, percent, ratio
from reports.wording import EN
from reports.wording_urdu import UR

SCORES = pd.DataFrame(
    {
        "customer_id": ["p1", "p2", "p3", "p4"],
        "churn_probability": [0.91, 0.72, 0.5, 0.02],
        "band": ["high", "high", "medium", "low"],
        "percentile": [100.0, 75.0, 50.0, 25.0],
        "expected_value": [10_000, 20_000, 30_000, 1_234_567],
        "value_at_risk": [90_012, 50_000, 30_000, 70_000],
        "days_since_order": [78, 40, 20, 3],
        "usual_gap_days": [31.2, None, 12.0, 9.0],
        "next_order_from": [4.9, 9.0, 3.0, 0.5],
        "next_order_until": [80.0, 90.5, 60.0, 20.0],
        "act_by": ["2026-02-01", "2026-02-10", "2026-01-20", "2026-01-05"],
    }
)
REASONS = pd.DataFrame(
    [
        ("p1", 1, "rhythm", "context", 0.693147, "Usually orders every 31 days; last order 78 days ago"),
        ("p1", 2, "email", "actionable", 0.2, "Opened none of 9 e-mails"),
        ("p2", 1, "email", "actionable", 0.6, "Opened none of 4 e-mails"),
        ("p4", 1, "web", "context", -0.4, "Visited yesterday"),
    ],
    columns=["customer_id", "rank", "family", "kind", "contribution", "sentence"],
)
WIN_BACK: dict[str, Any] = {
    "list": "win_back",
    "kind": "message",
    "title": "Win back",
    "title_urdu": "واپس بلائیں",
    "action": "Write a note.",
    "action_urdu": "پیغام لکھیں۔",
    "people": 1_000,
    "fitting": 80,
    "not_fitting": {"not_lapsed": 20, "never_ordered": 900},
    "misfits_say": {"never_ordered": "never ordered", "not_lapsed": "is not late"},
    "guards": [
        {"rule": "erased", "before": 80, "stopped": 0, "after": 80},
        {"rule": "opt_out", "before": 80, "stopped": 11, "after": 69},
        {"rule": "no_consent", "before": 69, "stopped": 20, "after": 49},
        {"rule": "other_list", "before": 49, "stopped": 3, "after": 46},
        {"rule": "held_out", "before": 46, "stopped": 5, "after": 41},
    ],
    "groups": {"treat": 41, "holdout": 5, "global_holdout": 2},
    "missing": [],
    "value_at_risk": 812_300,
    "cart_value": 0,
    "net_value": 30_000,
    "cost": 10_000,
    "power": {
        "treated": 41,
        "held_out": 5,
        "base": 0.25,
        "power": 0.8,
        "detectable_effect": 0.123_400_1,
        "assumed_effect": 0.016,
        "chance_to_see": 0.03,
        "people_needed": 73_801,
        "sentence": "Not this one.",
    },
    "economy": {
        "save_rate": {
            "source": "measured",
            "save_rate": 0.0225,
            "save_rate_interval_95": [-0.002, 0.044],
            "treated": 5_589,
            "control": 4_787,
            "personal": {"used": True},
        }
    },
}
HYGIENE: dict[str, Any] = {
    **{key: value for key, value in WIN_BACK.items() if key not in ("power", "economy")},
    "list": "list_hygiene",
    "kind": "suppression",
    "title": "List hygiene",
    "action": "Suppress them.",
    "groups": {"treat": 937, "holdout": 0, "global_holdout": 0},
}
ASSUMED = {"save_rate": {"source": "assumed", "save_rate": 0.05}}
TENTHS = [{"predicted": 0.2, "observed": 0.1, "rows": 100}, {"predicted": 0.8, "observed": 0.9, "rows": 100}]


def origin(day: str, rate: float, wafa: float, rule: float | None) -> dict[str, Any]:
    models: dict[str, Any] = {"wafa": {"lift_top_decile": wafa, "reliability": TENTHS}}
    if rule is not None:
        models["recency"] = {"lift_top_decile": rule}
    return {"origin": day, "rows": 1_500, "base_rate": rate, "models": models}


OUTLOOK: dict[str, Any] = {
    "timing": {"all": {"coverage": {"value": 0.8, "low": 0.79, "high": 0.81}}},
    "value": {
        "kind": "trees",
        "why": "learned",
        "origins": [
            {
                "origin": "2024-12-01",
                "models": {
                    "trees": {"predicted_to_actual": {"value": 0.96, "low": 0.93, "high": 1.02}},
                    "formula": {"predicted_to_actual": {"value": 0.65, "low": 0.63, "high": 0.67}},
                },
            }
        ],
    },
}


PAGE = MarketingPage(
    shop_name="Corner shop",
    as_of="2026-01-01",
    currency="GBP",
    minor_digits=2,
    horizon_days=90,
    gap_days=7,
    active_days=365,
    is_simulated=False,
    scores=SCORES,
    reasons=REASONS,
    family_titles={"rhythm": "Overdue against their rhythm", "email": "Response to e-mails", "web": "Visits"},
    lists=[WIN_BACK, HYGIENE],
    metrics={"origins": [origin("2025-06-01", 0.5, 1.6, 1.4), origin("2025-09-01", 0.3, 2.0, 1.8)]} | OUTLOOK,
    events={"absent_logs": ["deliveries"], "logs": {"orders": {"arrival_checked": False}}},
    rules={"opt_out": "opted out of e-mail", "other_list": "gets another message", "held_out": "is held out"},
    conditions={"win_back": {"never_ordered": "never ordered", "not_lapsed": "is not late"}},
)


class Reader(HTMLParser):
    """What a browser makes of a page: tags, attributes and the text outside the style sheet."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.pieces: list[str] = []
        self.style = ""
        self.feed(page)
        self.text = re.sub(r"\s+", " ", "".join(self.pieces))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "style" and not self.style:
            self.style = data
        else:
            self.pieces.append(data)


def read(**changes: Any) -> Reader:
    return Reader(render_marketing(dataclasses.replace(PAGE, **changes)))


@pytest.mark.parametrize(
    "said",
    [
        "Corner shop",
        "Scored as of 1 January 2026",
        "in the 365 days before",
        "no order from day 7 to day 97",
        "4customers scored",
        "2at high risk of leaving50 % of all",
        "£2,400value at risk£1,400 of it at high risk",
        "£12,946expected value",
        "41people to write to now5 more held out",
        "High risk250 %82 %",
        "Medium risk125 %50 %",
        "Low risk125 %2 %",
        "High risk£1,400 58 %",
        "Overdue against their rhythm50 %",
        "odds of leaving × 2.0 on average",
        "Response to e-mails50 %",
        "odds of leaving × 1.5 on average",
        "last order 78 days ago, usually every 31 days · £900 at risk",
        "last order 40 days ago · £500 at risk",
        "If they order by day 97: likely between 5 January 2026 and 22 March 2026, half of such customers by "
        "1 February 2026",
        "what leaving would cost: the net revenue of the next 12 months if the customer stays",
        "Tested as of 1 December 2024: the expected value of those customers added up to 96 % of what they then "
        "brought in (93 % to 102 % in 95 of 100 draws).",
        "Of the customers in the tests who did order, 80 % did so in the days named for them (79 % to 81 % in 95",
        "Half of the customers of this kind who come back by themselves have done so by then.",
        "Opened none of 4 e-mails▲ raises the risk · you can act on this",
        "Visited yesterday▼ lowers the risk",
        "ListFitMay get itTo write toHeld outNet value Win back8049415£300",
        "Customers who are late by their own rhythm",
        "80Fit 49May get it 41To write to 5Held out",
        "What to do: Write a note.",
        "Writing is expected to bring £300 more than its costs of £100. With half the save rate it would be £100, "
        "with twice the rate £700. Below 25.0 % of that rate the list costs more than it brings.",
        "The save rate is 2.2 %: of 100 people who would leave",
        "on 5,589 people written to and 4,787 left alone: between −0.2 % and 4.4 % in 95 of 100 draws. That includes "
        "zero, so it may be that messages keep nobody. It differs between people",
        "With 41 written to and 5 held out only an effect of 12.4 points or more would be seen 80 % of the time. 25 % "
        "are expected to order without a message.",
        "an effect of 1.6 points here, which would be seen 3 % of the time; to see it 80 % of the time needs 73,801 p",
        "2 of those held out are held out from every list.",
        "opted out of e-mail801169",
        "gets another message49346",
        "Do not fit never ordered900 is not late20",
        "wafa lists win_back wafa approve win_back wafa export win_back",
        "Whom to stop writing to",
        "80Fit 937To take off",
        "Promised and actual deliveries",
        "late arrival cannot be checked: Orders.",
        "Tested as of 1 June 2025, 1 September 2025",
        "3,000 customers and dates in all",
    ],
)
def test_page_says_what_its_inputs_say(said: str) -> None:
    assert said in read().text.replace("\u00a0", " ").replace("> <", "><").replace("  ", " ")


def test_quality_sentence_is_the_mean_over_tests() -> None:
    text = read().text
    assert "In 2 past tests on customers who had ordered in the last 365 days" in text
    assert "70 of 100 really did not come back, against 40 of 100 of all" in text
    assert "days since the last order would have found 62." in text


def test_quality_sentence_admits_when_the_simple_rule_does_as_well() -> None:
    text = read(metrics={"origins": [origin("2025-06-01", 0.5, 1.6, 1.6)]}).text
    assert "In one past test" in text
    assert "would have found 80: no fewer." in text
    assert "no fewer" not in read().text


def test_quality_without_tests_or_without_the_rule() -> None:
    assert "has not been tested on the past yet" in read(metrics={}).text
    nothing_left = {**origin("2025-06-01", 0.0, 1.0, 1.0), "models": {"wafa": {"lift_top_decile": None}}}
    assert "has not been tested on the past yet" in read(metrics={"origins": [nothing_left]}).text
    only_model = read(metrics={"origins": [origin("2025-06-01", 0.5, 1.6, None)]}).text
    assert "80 of 100 really did not come back" in only_model
    assert "days since the last order would have" not in only_model


def test_for_whom_no_single_reason_stands_out_is_said() -> None:
    unclear = "of the high-risk customers no single reason stands out"
    assert unclear not in read().text
    page = read(reasons=REASONS.assign(rank=[2, 3, 1, 1]))
    assert f"For 50 % {unclear}" in page.text
    assert "Response to e-mails100 %" in page.text
    assert "p1" not in page.text


def test_amounts_by_formula_say_so_and_why() -> None:
    value = OUTLOOK["value"] | {"kind": "formula", "why": "too few years"}
    text = read(metrics={"value": value}).text
    assert "judged by all orders so far, times the probability that they leave" in text
    assert "added up to 65 % of what they then brought in" in text
    assert "A simple formula tells them, and nothing learned from the past, because too few years." in text
    assert "what leaving would cost" not in text


def test_amounts_that_nothing_tested_say_so() -> None:
    for metrics in ({}, {"value": OUTLOOK["value"] | {"origins": []}}):
        assert "No past test has a whole year behind it yet" in read(metrics=metrics).text
    unknown = {"value": None, "low": None, "high": None}
    silent = OUTLOOK["value"]["origins"][0] | {"models": {"trees": {"predicted_to_actual": unknown}}}
    assert "No past test" in read(metrics={"value": OUTLOOK["value"] | {"origins": [silent]}}).text


def test_a_date_lies_whole_days_later() -> None:
    assert [later("2026-01-31", 1.9), later("2024-02-28", 1.0), later("soon", 3.0)] == [
        "2026-02-01",
        "2024-02-29",
        "soon",
    ]


def test_calibration_picture_pools_the_tests() -> None:
    circles = re.findall(r'<circle[^>]*cx="([\d.]+)" cy="([\d.]+)"', render_marketing(PAGE))
    assert circles == [("112.00", "244.00"), ("298.00", "36.00")]


def test_histogram_has_every_customer_once() -> None:
    page = render_marketing(PAGE)
    titles = re.findall(r"<title>(\d+) customers between (\d+) % and (\d+) %</title>", page)
    assert {int(low): int(n) for n, low, _ in titles if int(n)} == {90: 1, 70: 1, 50: 1, 0: 1}
    certain = SCORES.assign(churn_probability=1.0)
    assert "4 customers between 95 % and 100 %" in render_marketing(dataclasses.replace(PAGE, scores=certain))


def test_simulated_shop_says_so() -> None:
    assert "This shop is simulated" in read(is_simulated=True).text
    assert "This shop is simulated" not in read().text


def test_list_nobody_may_be_on_says_why() -> None:
    empty = {
        **WIN_BACK,
        "groups": {"treat": 0, "holdout": 0, "global_holdout": 0},
        "missing": ["This shop's files say nothing about consent."],
    }
    text = read(lists=[empty]).text
    assert "Nobody is on this list." in text
    assert "This shop's files say nothing about consent." in text
    assert "wafa export" not in text


def test_page_without_customers_lists_or_reasons_still_reads() -> None:
    text = read(scores=SCORES.head(0), reasons=REASONS.head(0), lists=[], metrics={}, events={}).text
    for said in (
        "0customers scored",
        "No customer is at high risk",
        "No customer was explained",
        "No list was built",
    ):
        assert said in text


HOSTILE = [
    "<script>alert(1)</script>",
    "</style><script>alert(2)</script>",
    '"><img src=x onerror=alert(3)>',
    "' onmouseover='alert(4)",
    "<svg/onload=alert(5)>",
    "<a href=javascript:alert(6)>x</a>",
    "{{ 7 * 7 }}{% raw %}",
    "{page.shop_name.__class__}",
    "<!-- <iframe src=//evil.example></iframe> -->",
    "&lt;script&gt;alert(7)&lt;/script&gt;",
]
# fmt: off
ALLOWED = {
    "a", "article", "body", "circle", "code", "dd", "details", "div", "dl", "dt", "footer", "g", "h1", "h2", "h3",
    "h4", "head", "header", "html", "li", "line", "main", "meta", "ol", "p", "rect", "section", "small",
    "span", "strong", "style", "summary", "svg", "table", "tbody", "td", "text", "th", "thead", "title", "tr",
    "ul",
}
# fmt: on


def hostile_pages(text: str) -> dict[str, dict[str, Any]]:
    """Every text field of the page that comes from outside, one at a time."""
    stopped = {"rule": text, "before": 9, "stopped": 3, "after": 6}
    return {
        "shop_name": {"shop_name": text},
        "as_of": {"as_of": text},
        "currency": {"currency": text},
        "pseudonym": {
            "scores": SCORES.replace({"customer_id": {"p1": text}}),
            "reasons": REASONS.replace({"customer_id": {"p1": text}}),
        },
        "sentence": {"reasons": REASONS.assign(sentence=text)},
        "family": {"reasons": REASONS.assign(family=text)},
        "title": {"family_titles": {"rhythm": text, "email": text, "web": text}},
        "list_name": {"lists": [{**WIN_BACK, "list": text}]},
        "list_title": {"lists": [{**WIN_BACK, "title": text}]},
        "action": {"lists": [{**WIN_BACK, "action": text}]},
        "missing": {"lists": [{**WIN_BACK, "missing": [text]}]},
        "rule": {"lists": [{**WIN_BACK, "guards": [stopped]}]},
        "guard_words": {"lists": [WIN_BACK], "rules": {"opt_out": text}},
        "condition": {"lists": [WIN_BACK], "conditions": {"win_back": {"never_ordered": text}}},
        "misfit": {"lists": [{**WIN_BACK, "not_fitting": {text: 3}}]},
        "power": {"lists": [{**WIN_BACK, "power": {"sentence": text}}]},
        "absent": {"events": {"absent_logs": [text]}},
        "unchecked": {"events": {"logs": {text: {"arrival_checked": False}}}},
        "origin": {"metrics": {"origins": [origin(text, 0.5, 1.5, 1.2)]}},
        "act_by": {"scores": SCORES.assign(act_by=text)},
        "why": {"metrics": {"value": {"kind": "formula", "why": text}}},
        "year": {
            "metrics": {"value": OUTLOOK["value"] | {"origins": [OUTLOOK["value"]["origins"][0] | {"origin": text}]}}
        },
    }


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("field", list(hostile_pages("")))
def test_hostile_text_stays_text(field: str, text: str) -> None:
    page = read(**hostile_pages(text)[field])
    assert re.sub(r"\s+", " ", text) in page.text
    assert set(page.tags) <= ALLOWED
    assert page.tags.count("style") == 1
    assert page.style == read().style
    plain = {name for name, _ in read().attributes}
    assert {name for name, _ in page.attributes} <= plain
    links = [value for name, value in page.attributes if name == "href"]
    assert links[-1] == "data_quality.html"
    assert links[0] == "marketing.ur.html"
    assert all(link.startswith("#") for link in links[1:-1])
    assert len(links) <= 3


def test_page_loads_nothing_and_runs_nothing() -> None:
    page = read()
    assert set(page.tags) <= ALLOWED
    names = {name for name, _ in page.attributes}
    assert not names & {"src", "srcset", "style", "action", "data", "xlink:href"}
    assert [value for name, value in page.attributes if name == "href"] == [
        "marketing.ur.html",
        "#win_back",
        "data_quality.html",
    ]
    assert ("id", "win_back") in page.attributes
    assert not [name for name in names if name.startswith("on")]
    whole = render_marketing(PAGE)
    for needle in ("http:", "https:", "url(", "@import", "javascript:", "//"):
        assert needle not in whole


def test_policy_lets_in_this_style_sheet_and_nothing_else() -> None:
    page = read()
    policy = next(value for name, value in page.attributes if name == "content" and "default-src" in value)
    digest = base64.b64encode(hashlib.sha256(page.style.encode("utf-8")).digest()).decode("ascii")
    rules = [rule.strip() for rule in policy.split(";")]
    assert rules == [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]


def test_no_address_on_the_page() -> None:
    # The page takes only scores, reasons and counts: columns it does not know must not leak.
    told = SCORES.assign(email=[f"{name}@shop.example" for name in SCORES["customer_id"]], shop_id="4711-X")
    page = read(scores=told, reasons=REASONS.assign(email="x@shop.example"))
    assert "@" not in page.text
    assert "4711-X" not in page.text


def test_same_values_give_the_same_bytes() -> None:
    shuffled = dataclasses.replace(
        PAGE, scores=SCORES.sample(frac=1, random_state=3), reasons=REASONS.sample(frac=1, random_state=4)
    )
    assert render_marketing(PAGE) == render_marketing(PAGE) == render_marketing(shuffled)


def test_inputs_are_not_changed() -> None:
    scores, reasons = SCORES.copy(deep=True), REASONS.copy(deep=True)
    render_marketing(dataclasses.replace(PAGE, scores=scores, reasons=reasons))
    pd.testing.assert_frame_equal(scores, SCORES)
    pd.testing.assert_frame_equal(reasons, REASONS)


def test_numbers_as_people_write_them() -> None:
    assert [count(1_234_567), count(None), count(float("nan"))] == ["1,234,567", "–", "–"]
    shares = [percent(n).replace("\u00a0", " ") for n in (0, 0.004, 0.126, 0.996, 1, float("nan"))]
    assert shares == ["0 %", "under 1 %", "13 %", "over 99 %", "100 %", "–"]
    shares = [ratio(n).replace("\u00a0", " ") for n in (0.993, 1.02, 0.004, None)]
    assert shares == ["99 %", "102 %", "0 %", "–"]
    assert money(9_999, "GBP", 2) == "£99.99"
    assert money(1_234_567, "EUR", 2) == "€12,346"
    assert money(1_234, "JPY", 0) == "¥1,234"
    assert money(-5_000, "CHF", 2).replace("\u00a0", " ") == "−CHF 50.00"
    assert [date("2026-01-31"), date("2026-13-01"), date("soon")] == ["31 January 2026", "2026-13-01", "soon"]


def test_every_word_is_used() -> None:
    folder = Path(reports.__file__).parent
    files = [*folder.rglob("*.j2"), folder / "summary.py"]
    sources = "".join(file.read_text(encoding="utf-8") for file in files)
    said = set(re.findall(r'"([a-z_0-9]+)"', sources))
    # Looked up by a name that comes with the data.
    families = ("high", "medium", "low", "who_", "now_", "log_", "term_", "meaning_", "value_lead_")
    assert {key for key in EN if not key.startswith(families)} <= said


def test_an_assumed_save_rate_says_so_and_no_list_says_what_it_does_not_know() -> None:
    text = read(lists=[{**WIN_BACK, "economy": ASSUMED}]).text
    assert "The save rate is 5.0 %" in text
    assert "no experiment here has measured it" in text
    assert "That includes zero" not in text
    unknown = {key: value for key, value in WIN_BACK.items() if key not in ("economy", "power")}
    text = read(lists=[{**unknown, "net_value": 0, "cost": 0}]).text
    for said in ("The save rate is", "Writing is expected", "would be seen"):
        assert said not in text


def test_what_a_comparison_cannot_show_is_said() -> None:
    power = WIN_BACK["power"]
    blind = {**WIN_BACK, "power": power | {"detectable_effect": None}}
    assert "With 41 written to and 5 held out no effect would be seen" in read(lists=[blind]).text
    alone = {**WIN_BACK, "power": power | {"held_out": 0}}
    assert "what writing changes cannot be measured" in read(lists=[alone]).text


def test_addresses_to_take_off_are_no_people_to_write_to() -> None:
    text = read().text
    assert "41people to write to now" in text
    assert "Win back8049415£300 What the amounts rest on" in text
    assert text.index("List hygiene") > text.index("Whom to stop writing to") > text.index("wafa export win_back")


def test_a_list_of_the_shops_own_says_where_it_is_described() -> None:
    own = {**WIN_BACK, "list": "gifts", "title": "Gift givers"}
    text = read(lists=[own]).text
    assert "Gift givers" in text
    assert "described in params.yaml under campaigns.own_lists.gifts" in text


def test_urdu_says_everything_with_the_same_figures() -> None:
    assert set(UR) == set(EN)
    for key, words in UR.items():
        assert sorted(re.findall(r"{\w+}", words)) == sorted(re.findall(r"{\w+}", EN[key])), key


def test_the_page_in_urdu_runs_from_right_to_left_and_keeps_figures_apart() -> None:
    page = render_marketing(dataclasses.replace(PAGE, language="ur", lists=[{**WIN_BACK, "title": "Not this one"}]))
    text = Reader(page).text
    assert '<html lang="ur" dir="rtl">' in page
    for said in ("واپس بلائیں", "پیغام لکھیں۔", "\u2066£300\u2069", "1 جنوری 2026", "\u206680 %\u2069 بار"):
        assert said in text
    for said in ("Not this one", "Write a note.", "January", "under 1"):
        assert said not in text
    assert "\u2066" not in render_marketing(PAGE)
    assert 'href="marketing.html"' in page
