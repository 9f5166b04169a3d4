from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from campaigns.errors import ListError
from campaigns.platforms import COLUMNS, Profile, Written, load, names
from campaigns.platforms.spec import CONSENT_WORDS
from tests.campaigns.platforms.people import CONTEXT

ASKED = {
    "braze",
    "brevo",
    "customerio",
    "hubspot",
    "iterable",
    "klaviyo",
    "listmonk",
    "mailchimp",
    "mautic",
    "neutral",
    "parquet",
    "sendgrid",
    "sfmc",
}


def some(**changes: Any) -> dict[str, Any]:
    return load("neutral").model_dump() | changes


def test_every_platform_is_there() -> None:
    assert set(names()) == ASKED


@pytest.mark.parametrize("name", sorted(ASKED))
def test_a_profile_names_its_pages_and_says_what_to_click(name: str) -> None:
    profile = load(name)
    assert profile.name == name
    assert profile.page.startswith("https://")
    if name not in ("neutral", "parquet"):
        assert any(fact.read for fact in profile.facts)
    assert profile.steps
    assert profile.suppression.step


@pytest.mark.parametrize("name", sorted(ASKED))
def test_no_column_of_a_list_speaks_of_consent(name: str) -> None:
    heads = [*load(name).headings(), *(column.name for column in COLUMNS)]
    for word in ("consent", "subscri", "opt_in", "optin", "opted", "status", "blacklist", "blocklist", "suppress"):
        assert not [head for head in heads if word in head.lower() and head != "SubscriberKey"]
    assert not [head for head in heads if CONSENT_WORDS.search(head)]


@pytest.mark.parametrize("name", sorted(ASKED))
def test_a_companion_file_can_only_take_away(name: str) -> None:
    assert set(load(name).suppression.constants.values()) <= {"unsubscribed", "Unsubscribed", "true", "1", "", "{}"}


@pytest.mark.parametrize(
    "header",
    [
        "Email Marketing Consent",
        "email_subscribe",
        "subscription_status",
        "Opt-in",
        "OPTED_IN_AT",
        "opt out",
        "doNotEmail",
        "emailBlacklist",
        "Subscriber Status",
        "GDPR permission",
        "CONFIRM_TIME",
    ],
)
def test_a_header_that_could_set_consent_is_refused(header: str) -> None:
    with pytest.raises(ValidationError, match="could set consent"):
        Profile.model_validate(some(headers={"churn_risk": header}))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"columns": ["churn_risc"]}, "churn_risc: no such column"),
        ({"headers": {"churn_risk": "email"}}, "two columns have the same header"),
        ({"delimiter": ";", "decimal_mark": ";"}, "decimal_mark"),
        ({"decimal_mark": ","}, "decimal_mark and delimiter must differ"),
        ({"dates": "{day}.{month}"}, "dates must hold"),
        ({"dates": "{year}{month}{day}\\1"}, "dates must hold"),
        ({"suppression": {"header": "email", "step": "x", "constants": {"status": "subscribed"}}}, "unsubscribed"),
        ({"identifiers": {}}, "identifiers"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_profile_that_cannot_be_meant_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Profile.model_validate(some(**changes))


def test_an_unknown_platform_gets_the_nearest_name_and_all_names() -> None:
    with pytest.raises(ListError, match=r"There is no platform 'Klavio'. Did you mean klaviyo\? Choose one of: braze"):
        load("Klavio")
    with pytest.raises(ListError, match=r"There is no platform 'xyzzy'. Choose one of"):
        load("xyzzy")
    with pytest.raises(ListError, match="There is no platform"):
        load("../neutral")


def test_a_broken_file_says_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("title: Mine\npage: https://example.org\nidentifiers: {phone: Phone}\n")
    monkeypatch.setattr("campaigns.platforms.profile.resources.files", lambda _: tmp_path)
    with pytest.raises(ListError, match=r"The profile mine.yaml is wrong at identifiers.phone"):
        load.__wrapped__("mine")


@pytest.mark.parametrize("name", sorted(ASKED))
def test_the_readme_names_the_files_and_grants_no_consent(name: str) -> None:
    files = tuple(f"win_back-{part}{load(name).suffix}" for part in (1, 2))
    written = Written(files, dict.fromkeys(files, ""), 7, cut_cells=3)
    suppressed = Written(("win_back.suppress.csv",), {"win_back.suppress.csv": ""}, 5)
    told = "\n".join(load(name).readme("win_back", written, suppressed, CONTEXT, held_out=2))
    assert "7 people" in told
    assert "2 similar people are held out" in told
    assert told.index("win_back.suppress.csv") < told.index(files[0]) < told.index(files[1])
    assert "this file grants none" in told
    assert ("3 texts were cut to the 255 bytes" in told) == (name == "mailchimp")
    assert load(name).page in told
    nobody = "\n".join(load(name).readme("win_back", written, suppressed, CONTEXT, held_out=0))
    assert "Nobody is held out" in nobody
