"""The page on mail that arrives: says what was measured, the worst first, and what to do; hostile names stay text."""

from __future__ import annotations

import copy
import dataclasses
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from campaigns.deliverability import DeliverabilitySettings
from campaigns.shares import rate
from events.logs import arrow_schema
from pipeline.project import datasets
from pipeline.project.settings import EngineSettings
from pipeline.sending import deliverability_page
from reports import DeliverabilityPage, render_deliverability
from reports.deliverability import fine, problems, span, verdict
from tests.campaigns.test_deliverability import AS_OF, IN, consent, past, person
from tests.reports.test_marketing import ALLOWED, HOSTILE, Reader
from timeline import DAY_US

LIMITS = DeliverabilitySettings().model_dump(mode="json")


def row(
    name: str, sent: int, complaint: int = 0, hard: int = 0, level: str = "", telling: int | None = None
) -> dict[str, Any]:
    """Mails of one name; ``telling`` of the delivered ones went to providers that tell of complaints."""
    delivered = sent - hard - 10
    told = delivered if telling is None else telling
    found = {
        "name": name,
        "sent": sent,
        "delivered": delivered,
        "open": 7,
        "machine_open": 900,
        "complaint_rate": rate(complaint, told, (0.001, 0.003)),
        "hard_rate": rate(hard, sent, (0.02, 0.05)),
        "other_bounce_rate": rate(10, sent),
        "unsubscribe_rate": rate(3, delivered),
        "click_rate": rate(200, delivered),
    }
    if level:
        found["complaint_rate"]["level"] = level
    return found


def month(name: str, gained: int, lost: int, size: int) -> dict[str, Any]:
    return {
        "month": name, "gained": gained, "opt_out": lost, "complaint": 0, "hard_bounce": 0, "net": gained - lost,
        "size": size,
    }  # fmt: skip


FACTS: dict[str, Any] = {
    "days": 90,
    "limits": LIMITS,
    "lacks": [],
    "silent": ["gmail", "icloud"],
    "all": row("", 50_000, 12, 30, telling=29_970),
    "providers": [row("gmail", 20_000, 0, 10, "silent", 0), row("yahoo", 30_000, 12, 20)],
    "series": [row("news", 40_000, 8, 25), row("deals", 10_000, 4, 5)],
    "campaigns": [row("news", 40_000, 8, 25), row("deals-2025-12-01", 10_000, 4, 5)],
    "months": [row("2025-11", 20_000, 6, 9), row("2025-12", 30_000, 6, 21)],
    "growth": [month("2025-10", 40, 10, 530), month("2025-11", 30, 20, 540), month("2025-12", 25, 5, 560)],
    "unengaged": {"people": 500, "days": {"180": rate(90, 500), "365": rate(50, 500)}},
}
EXPECTED = {"share": 0.0004, "low": 0.0002, "high": 0.0009, "of": 300, "level": "fine"}
FORECAST: dict[str, Any] = {
    "recipients": 300, "quiet": rate(30, 300), "complaint": EXPECTED, "hard": EXPECTED | {"share": 0.0123},
    "warnings": [],
}  # fmt: skip
PAGE = DeliverabilityPage("Corner shop", "2026-01-01", True, FACTS, {"win_back": FORECAST}, {"win_back": "Win back"})


def page(**facts: Any) -> DeliverabilityPage:
    return dataclasses.replace(PAGE, facts=copy.deepcopy(FACTS) | facts)


def read(one: DeliverabilityPage = PAGE) -> Reader:
    return Reader(render_deliverability(one))


@pytest.mark.parametrize(
    "said",
    [
        "Corner shop",
        "These mails were sent by a simulated shop.",
        "Every mail of the 90 days before 1 January 2026",
        "50,000mails sent49,960 delivered, 90 days",
        "0.04 %complained about12 of 29,970 delivered to providers who tell; 0.02 % to 0.07 %; aim below 0.10 %, limit",
        "Complaints of delivered to providers who tell",
        "“Providers who tell” are all but Gmail and iCloud: of readers there no complaint reached this log in these",
        "0.06 %bounced hard0.04 % to 0.09 %; aim below 2.0 %, limit 5.0 %",
        "560people on the listsubscribed, and not left, complained or bounced since; 60 of them cannot be written to, "
        "having no address here, a suppression or a legal hold",
        "Of the 560 people on the list, 60 cannot be written to: they have no address here, are suppressed, or",
        "The shares are of the 500 on the list who can be written to.",
        "10 %long unengaged50 of 500 on the list who can be written to: no click, visit or order for 365 days",
        "Mail arrives as it should.",
        "Win back300 0.04 % fine0.02 % to 0.09 % 1.2 % fine0.02 % to 0.09 % 10 %30 of 300",
        "gmail20,000– not told",
        "yahoo30,0000.04 % fine12 of 29,9700.02 % to 0.07 %",
        "2025-11: 0.03 %, 6 of 19,981",
        "2025-122550020560",
        "180 days or longer18 % 90 people; 95 % interval 15 % to 22 %",
        "7 mails were opened by somebody, and 900 by a machine",
    ],
)  # fmt: skip
def test_it_says_what_was_measured(said: str) -> None:
    assert said in read().text.replace("\xa0", " ").replace("> <", "><")


@pytest.mark.parametrize(
    ("share", "said"),
    [(None, "–"), (0, "0.00 %"), (0.00045, "0.04 %"), (0.00999, "1.00 %"), (0.0123, "1.2 %"), (0.246, "25 %")],
)
def test_small_shares_keep_the_decimals_that_limits_have(share: float | None, said: str) -> None:
    assert fine(share).replace("\xa0", " ") == said


def test_an_interval_of_nothing_is_a_dash() -> None:
    assert span(rate(0, 0)) == "–"


BAD = "Write only to people who clicked"


@pytest.mark.parametrize(
    ("facts", "first", "do", "level"),
    [
        (
            {"all": row("", 50_000, 200)},
            "All mails: 200 of 49,990 mails delivered to providers who tell were complained about, 0.40 % (95 % "
            "interval 0.35 % to 0.46 %), at or above the limit of 0.30 %.",
            BAD,
            "unfit",
        ),
        (
            {"all": row("", 50_000, 100)},
            "All mails: 100 of 49,990 mails delivered to providers who tell were",
            BAD,
            "care",
        ),
        (
            {"all": row("", 50_000, 0, 3_000)},
            "All mails: 3,000 of 50,000 sent mails bounced hard, 6.0 % (95 % interval 5.8 % to 6.2 %), at or above "
            "the limit of 5.0 %.",
            "Take dead addresses off with the list list_hygiene",
            "unfit",
        ),
        (
            {"providers": [row("gmail", 20_000), row("aol", 2_000, 20)]},
            "Readers at aol: 20 of 1,990 delivered mails",
            BAD,
            "unfit",
        ),
        ({"series": [row("news", 20_000), row("spam", 2_000, 20)]}, "Campaign spam: 20 of 1,990", BAD, "unfit"),
        (
            {"growth": [month("2025-10", 4, 10, 530), month("2025-11", 3, 20, 540), month("2025-12", 2, 5, 560)]},
            "The list shrinks: 9 people came and 35 left in the last three months.",
            "Look at where sign-ups come from",
            "care",
        ),
        (
            {"unengaged": {"people": 500, "days": {"180": rate(200, 500), "365": rate(100, 500)}}},
            "100 of 500 people on the list who can be written to (20 %) neither clicked, visited nor",
            "Send the list list_hygiene",
            "care",
        ),
        ({"lacks": ["consent"]}, "Nothing says when somebody subscribed", "Export consent_events with it", "fit"),
        ({"lacks": ["sent"]}, "The log of mails does not say which were sent", "Export email_events", "care"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(facts: dict[str, Any], first: str, do: str, level: str) -> None:
    one = page(**facts)
    (found,) = problems(one)
    assert found.said.replace("\xa0", " ").startswith(first)
    assert found.do.startswith(do)
    assert verdict(one, [found])[0] == level
    text = read(one).text.replace("\xa0", " ")
    assert found.said.replace("\xa0", " ") in text
    assert verdict(one, [found])[1] in text
    assert f"verdict is-{level}" in {value for name, value in read(one).attributes if name == "class"}


def test_where_every_provider_tells_complaints_are_of_all_delivered_mails() -> None:
    one = page(silent=[], all=row("", 50_000, 200))
    assert problems(one)[0].said.startswith("All mails: 200 of 49,990 delivered mails were complained about")
    text = read(one).text.replace("\xa0", " ")
    assert "0.40 %complained about200 of 49,990 delivered; 0.35 %" in text
    assert "who tell" not in text


def test_a_shop_whose_readers_are_all_at_silent_providers_has_no_rate() -> None:
    one = page(all=row("", 50_000, 0, 30, "silent", 0))
    text = read(one).text.replace("\xa0", " ")
    assert "–complained aboutGmail and iCloud tell no sender; aim below 0.10 %" in text


def test_the_worst_comes_first() -> None:
    warned = FORECAST | {"warnings": ["Expected complaints about the 300 mails: 1.00%, at or above the limit of 0.3%."]}
    one = dataclasses.replace(
        page(
            all=row("", 50_000, 200),
            providers=[row("aol", 2_000, 0, 200), row("yahoo", 48_000, 100)],
            series=[row("news", 40_000, 200), row("deals", 10_000)],
            lacks=["web_events"],
        ),
        forecasts={"win_back": warned},
    )
    starts = [found.said.split(",")[0].split(":")[0] for found in problems(one)]
    assert starts == [
        "All mails", "Readers at aol", "Campaign news", "List Win back", "Readers at yahoo", "No visits are logged"
    ]  # fmt: skip
    assert "List Win back, not sent yet. Expected complaints about the 300 mails" in read(one).text


def test_what_the_logs_do_not_tell_is_said_once_and_not_for_every_list() -> None:
    untold = FORECAST | {"warnings": ["The logs tell of no complaints, so nothing is known of it."], "complaint": None}
    one = dataclasses.replace(page(lacks=["complaint"]), forecasts={"win_back": untold, "birthday": untold})
    assert [found.said[:12] for found in problems(one)] == ["No complaint"]
    assert "birthday300 – not known" in read(one).text


def test_single_sends_that_stand_out_are_named_and_the_rest_counted() -> None:
    many = [row(f"deals-{n:02d}", 1_000 + n) for n in range(20)]
    one = page(
        series=many, campaigns=[row("news", 9), row("deals-2025-12-24", 2_000, 30), row("deals-2025-12-25", 50, 2)]
    )
    text = read(one).text
    assert "deals-2025-12-24" in text
    assert "deals-2025-12-25" not in text
    assert "Of 3 sends." in text
    assert "And 5 more, smaller" in text
    assert "deals-19" in text
    assert "deals-04" not in text


@pytest.mark.parametrize(
    "facts",
    [
        {"lacks": ["email_events"], "providers": [], "series": [], "campaigns": [], "months": [], "all": row("", 10)},
        {"growth": [], "unengaged": {"people": 0, "days": {"180": rate(0, 0), "365": rate(0, 0)}}},
        {"providers": [], "series": [], "campaigns": []},
    ],
)
def test_a_shop_without_a_log_gets_a_page_all_the_same(facts: dict[str, Any]) -> None:
    one = dataclasses.replace(page(**facts), forecasts={}, is_simulated=False)
    text = read(one).text
    assert "simulated" not in text
    assert "No list with anybody on it is ready." in text
    assert ("No log of mails is there" in text) == ("lacks" in facts)
    assert ("By campaign" in text) == ("lacks" not in facts)
    assert ("Nothing says when anybody subscribed." in text) == ("growth" in facts)


def hostile(text: str) -> list[DeliverabilityPage]:
    warned = {text: FORECAST | {"warnings": [f"Expected {text}"]}}
    return [
        dataclasses.replace(PAGE, shop_name=text),
        dataclasses.replace(PAGE, forecasts=warned, titles={text: text}),
        page(series=[row(text, 5_000, 40), row("news", 5_000)]),
        page(campaigns=[row(text, 5_000, 40)]),
        page(providers=[row(text, 5_000, 40), row("gmail", 5_000)]),
        page(months=[row(text, 5_000)]),
    ]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("place", range(6))
def test_hostile_text_stays_text(place: int, text: str) -> None:
    found = read(hostile(text)[place])
    assert re.sub(r"\s+", " ", text) in found.text
    assert set(found.tags) <= ALLOWED
    assert found.tags.count("style") == 1
    assert found.style == read().style
    assert not {name for name, _ in found.attributes} & {"src", "href", "style", "onload", "onerror", "onmouseover"}


def test_the_page_loads_nothing_and_repeats_its_bytes() -> None:
    assert render_deliverability(PAGE) == render_deliverability(copy.deepcopy(PAGE))
    assert "http" not in render_deliverability(PAGE).replace("http-equiv", "")


# The stage


def write_log(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for n, one in enumerate(rows):
        one |= {"occurred_at": AS_OF - round(one.pop("ago") * DAY_US), "event_id": f"{n:05d}"}
        one["loaded_at"] = one["occurred_at"]
    (folder / name).mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=arrow_schema(name)), folder / name / "2025-12.parquet")


def test_the_stage_measures_the_logs_and_forecasts_the_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas as pd

    monkeypatch.chdir(tmp_path)
    events, lists = tmp_path / "events", tmp_path / "lists"
    write_log(events, "customers", [person("busy", ago=31), person("quiet", ago=900)])
    write_log(events, "consent_events", [consent("busy", IN, 31), consent("quiet", IN, 900)])
    mails = [*past("busy", 3_000, 0, 0), *past("quiet", 2_000, 60, 3), *past("busy", 40, 0, 0, ago=-1)]
    write_log(events, "email_events", mails)
    for name, kind, people in (
        ("win_back", "message", [("quiet", "treat"), ("busy", "holdout")]),
        ("list_hygiene", "suppression", [("quiet", "treat")]),
        ("birthday", "message", [("busy", "holdout")]),
    ):
        rows = pd.DataFrame(people, columns=["customer_id", "group"])
        datasets.write_parquet(rows, lists / name / datasets.CANDIDATES, ("customer_id",))
        datasets.write_json({"list": name, "kind": kind, "title": f"The list {name}"}, lists / name / datasets.MANIFEST)
    s: Any = SimpleNamespace(
        shop=SimpleNamespace(name="Corner shop", timezone="UTC"),
        campaigns=SimpleNamespace(deliverability=DeliverabilitySettings()),
        demo=[],
        engine=EngineSettings(),
        instant=lambda _: AS_OF,
    )
    for output in ("a.html", "b.html"):
        deliverability_page.run(s, events_dir=events, lists_dir=lists, output=tmp_path / output, as_of="2026-01-01")
    text = Reader((tmp_path / "a.html").read_text(encoding="utf-8")).text.replace("\xa0", " ")
    assert "5,000mails sent" in text  # those of tomorrow are not known yet
    assert "Providers have reason to block this shop's mail." in text
    assert "List The list win_back, not sent yet. Expected complaints about the 1 mail:" in text
    assert "The list list_hygiene" not in text
    assert "The list birthday" not in text
    assert "simulated" not in text
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_it_lies_beside_the_other_pages() -> None:
    assert datasets.DELIVERABILITY_PAGE.parent == datasets.REPORT.parent
