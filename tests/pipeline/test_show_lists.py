"""`wafa lists` says what the manifests say, why a person is or is not on each list, and what to do where none is."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from campaigns import ListError, assemble, guards, wording
from campaigns.caps import LEDGER_RULES
from campaigns.ledger import Ledger
from campaigns.settings import CampaignSettings
from pipeline.people import keys
from pipeline.project import datasets
from pipeline.project.errors import ParamsError
from pipeline.sending import ledger_words, show_lists
from reports.summary import AFTER_GUARDS
from sources import address_key
from tests.reports.test_marketing import HYGIENE, WIN_BACK

SETTINGS = CampaignSettings()
S: Any = SimpleNamespace(
    campaigns=SETTINGS,
    shop=SimpleNamespace(currency="GBP"),
    scoring=SimpleNamespace(as_of="2026-01-01"),
    sources=SimpleNamespace(key_id="demo"),
)
ANN, BOB, CID = (f"c_{letter * 24}" for letter in "abc")
FACTS = {"as_of": "2026-01-01", "settings_sha256": assemble.settings_hash(SETTINGS), "budget": 500, "every_days": 90}


def person(name: str, guard: str | None, why: str, group: str | None) -> dict[str, Any]:
    listed = {"list": "win_back", "campaign": "win_back-2025-12-08", "group": group} if group else {}
    return {
        "customer_id": name,
        "rfm_segment": "At risk",
        "lifecycle": None,
        "guard": guard,
        **{"list": None, "campaign": None, "group": None, **listed},
        "why_win_back": why,
        "why_list_hygiene": "no_address" if name == CID else "engaged",
    }


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    words = {"engaged": "is engaged", "no_address": "has no address"}
    for manifest in (WIN_BACK, {**HYGIENE, "misfits_say": words}):
        datasets.write_json(manifest | FACTS, datasets.LISTS / manifest["list"] / datasets.MANIFEST)
    people = [
        person(ANN, None, "selected", "treat"),
        person(BOB, None, "held_out", "holdout"),
        person(CID, "recent_order", "recent_order", None),
    ]
    datasets.write_parquet(pd.DataFrame(people), datasets.LISTS / datasets.PEOPLE, ("customer_id",))
    candidate = {"campaign": "win_back-2025-12-08", "why_now": "no order for 90 days", "net_value": 6_983, "rank": 1}
    chosen = [
        {"customer_id": ANN, "group": "treat", "holdout": None, **candidate},
        {"customer_id": BOB, "group": "holdout", "holdout": "global", **candidate},
    ]
    datasets.write_parquet(pd.DataFrame(chosen), datasets.LISTS / "win_back" / datasets.CANDIDATES, ("customer_id",))
    vault = {"customer_id": [ANN, BOB, CID], "shop_id": ["17", "18", "19"], "email": ["Ann@example.com", None, None]}
    datasets.write_parquet(pd.DataFrame(vault), datasets.VAULT, ("customer_id",))
    monkeypatch.setattr(show_lists.reading, "ensure_vault", lambda s: None)
    monkeypatch.setattr(keys, "in_force", lambda *_: keys.Keys(KEY, "demo", "0" * 16))
    return tmp_path


def test_the_table_has_a_line_per_list(shop: Path) -> None:
    lines = show_lists.overview(S)
    assert lines[0] == "as of 2026-01-01, of 1,000 people; each gets one message at most"
    assert lines[2].split() == [
        "win_back",
        "80",
        "49",
        "41",
        "5",
        "GBP",
        "300.00",
        "GBP",
        "100.00",
        "win_back-2025-12-08",
    ]
    assert lines[3].split() == ["all", "of", "them", "41", "5", "GBP", "300.00", "GBP", "100.00"]
    assert "list_hygiene: 937 addresses to take off the mailing list" in lines
    assert not [line for line in lines if line.startswith("note")]


def test_the_total_is_of_every_list_that_writes_and_of_no_other(shop: Path) -> None:
    more = {**WIN_BACK, **FACTS, "list": "welcome", "groups": {**WIN_BACK["groups"], "treat": 1_000}, "cost": 1}
    datasets.write_json(more, datasets.LISTS / "welcome" / datasets.MANIFEST)
    [total] = [line for line in show_lists.overview(S) if line.startswith("all of them")]
    assert total.split()[3:] == ["1,041", "10", "GBP", "600.00", "GBP", "100.01"]


def test_one_list_shows_its_size_before_and_after_each_guard(shop: Path) -> None:
    lines = show_lists.detail(S, "win_back")
    text = "\n".join(lines)
    table = [line.split() for line in lines]
    assert ["opted", "out", "of", "e-mail", "80", "11", "69"] in table
    assert ["never", "ordered", "900"] in table
    assert "of 1,000 people 80 fit: 41 to write to, 5 held out (2 of them from every list)" in text
    assert "worth: Writing is expected to bring GBP 300.00" in text
    assert "power: Not this one." in text
    assert f"  {ANN}: no order for 90 days, net value GBP 69.83" in lines
    assert BOB not in text
    assert "held out" not in "\n".join(show_lists.detail(S, "list_hygiene")).splitlines()[2]


@pytest.mark.parametrize("called", [ANN, "17", "ann@EXAMPLE.com"])
def test_a_person_on_a_list_is_told_by_any_of_their_names(shop: Path, called: str) -> None:
    lines = show_lists.why(S, called)
    assert lines[0] == f"{ANN} as of 2026-01-01: At risk"
    assert "  guards: nothing stops a message" in lines
    assert lines[-2].split(maxsplit=2) == [
        "win_back", "yes", "no order for 90 days; campaign win_back-2025-12-08; net value GBP 69.83; rank 1",
    ]  # fmt: skip
    assert lines[-1].split(maxsplit=2) == ["list_hygiene", "no", "is engaged"]


def test_a_person_held_out_or_stopped_is_told_so_with_the_limit(shop: Path) -> None:
    [line] = [line for line in show_lists.why(S, BOB) if "win_back" in line]
    assert line.split(maxsplit=2)[1:] == [
        "no",
        "held out by lot from every list, to measure the effect; no order for 90 days; campaign win_back-2025-12-08; "
        "net value GBP 69.83",
    ]
    lines = show_lists.why(S, CID)
    assert "  guards: no message, ordered a few days ago (campaigns.quiet_order_days: 7)" in lines
    assert lines[-2].endswith("no  ordered a few days ago (campaigns.quiet_order_days: 7)")
    assert lines[-1].endswith("no  has no address")
    assert [line for line in show_lists.why(S, CID, "win_back") if "list_hygiene" in line] == []


def test_an_account_that_became_another_is_found_under_it(shop: Path) -> None:
    old = pd.DataFrame({"customer_id": [f"c_{'d' * 24}"], "now": [ANN]})
    datasets.write_parquet(old, datasets.merges(datasets.EVENTS), ("customer_id",))
    assert show_lists.whom(S, f"c_{'d' * 24}") == [ANN]


def test_wrong_names_are_told_in_one_sentence(shop: Path) -> None:
    with pytest.raises(ParamsError, match=r"no list 'win_bak'. Did you mean 'win_back'\? There are: win_back, list_hy"):
        show_lists.detail(S, "win_bak")
    with pytest.raises(ParamsError, match=r"nobody is called that .* Give the shop's own id") as told:
        show_lists.why(S, "zoe@example.com")
    assert "zoe" not in str(told.value)


def test_missing_and_old_lists_name_the_cure(shop: Path) -> None:
    with pytest.raises(ListError, match=r"no list was built as of 2025-01-01 yet. Run `wafa score --as-of 2025-01-01`"):
        show_lists.overview(S, "2025-01-01")
    (datasets.LISTS / datasets.PEOPLE).unlink()
    with pytest.raises(ListError, match=r"earlier version .* `wafa run`"):
        show_lists.why(S, ANN)


def test_changed_params_are_noted(shop: Path) -> None:
    changed: Any = SimpleNamespace(**vars(S) | {"campaigns": CampaignSettings(quiet_days=9)})
    note = (
        "note: the section campaigns of params.yaml has changed since these lists were built; build them again: "
        "`wafa run`."
    )
    for lines in (show_lists.overview(changed), show_lists.detail(changed, "win_back"), show_lists.why(changed, ANN)):
        assert note in lines
    assert not [line for line in show_lists.why(S, ANN) if line.startswith("note")]
    shop.joinpath("state", "batch").mkdir(parents=True, exist_ok=True)
    shutil.copytree(datasets.LISTS, datasets.batch("2026-01-01") / datasets.LISTS.name)
    assert show_lists.why(changed, ANN, as_of="2026-01-01")[-1].endswith("`wafa score --as-of 2026-01-01`.")


# The contact ledger

KEY = b"k" * 32
DAY = "2026-01-01"


def ledger_lines(person: str, name: str | None = None) -> list[str]:
    return [line.strip() for line in show_lists.why(S, person, name) if line.startswith("  ledger")]


def approve(ledger: Ledger, person: str, group: str = "treat", campaign: str = "win_back-2025-12-08") -> None:
    row = (campaign, person, f"a_{person}", group, "list" if group == "holdout" else None, None, 0.9, 10)
    name = campaign.split("-")[0]
    with ledger.writing():
        ledger.reserve(name, DAY, "hash", 1, 1, [row])
        ledger.approved(name, DAY, "hash", 1, 1)


def test_a_shop_that_never_approved_has_no_ledger_and_gets_none(shop: Path) -> None:
    assert ledger_lines(ANN) == []
    assert not datasets.LEDGER.exists()


NOTED = "ledger: noted by `wafa suppress`, so approve and export will skip them"


@pytest.mark.parametrize(
    "key", [ANN, str(address_key(["ann@example.com"], KEY)[0]), f"c_{'d' * 24}"], ids=["person", "inbox", "merged"]
)
def test_who_asked_to_be_left_alone_is_told_so_at_once(shop: Path, key: str) -> None:
    old = pd.DataFrame({"customer_id": [f"c_{'d' * 24}"], "now": [ANN]})
    datasets.write_parquet(old, datasets.merges(datasets.EVENTS), ("customer_id",))
    with Ledger(datasets.LEDGER) as ledger:
        ledger.suppress([key], "opt_out", 1)
    assert ledger_lines(ANN) == [NOTED]
    assert ledger_lines("17", "win_back") == [NOTED]
    assert ledger_lines(BOB) == []


def test_what_became_of_somebody_in_a_campaign_is_told(shop: Path) -> None:
    with Ledger(datasets.LEDGER) as ledger:
        approve(ledger, ANN)
        approve(ledger, BOB, "holdout")
        win_back = "ledger: win_back-2025-12-08 as of 2026-01-01: "
        assert ledger_lines(ANN) == [win_back + "approved and not exported yet"]
        assert ledger_lines(BOB) == [win_back + "held out by lot when it was approved"]
        with ledger.writing():
            ledger.exported("win_back", DAY, 2, 2)
        assert ledger_lines(ANN) == [win_back + "already written to by this campaign, which writes to nobody twice"]
        assert ledger_lines(ANN, "list_hygiene") == []
        with ledger.writing():
            ledger.drop("win_back", DAY, [(ANN, "opt_out")])
            ledger.skip("win_back", DAY, [(CID, "treat", "list_again")])
        assert ledger_lines(ANN) == [win_back + "skipped, opted out of e-mail"]
        assert ledger_lines(CID) == ["ledger: win_back as of 2026-01-01: skipped, got this list too lately"]


def test_every_reason_of_the_ledger_has_words() -> None:
    known = wording.spoken("en")
    assert [rule for rule in LEDGER_RULES if ledger_words.left_out(rule).endswith(rule)] == []
    assert ledger_words.left_out("opt_out") == f"skipped, {known['opt_out']}"


def test_lists_stand_in_the_order_in_which_they_take_people(shop: Path) -> None:
    assert [one["list"] for one in datasets.list_manifests(datasets.LISTS)] == ["win_back", "list_hygiene"]
    (datasets.LISTS / datasets.PEOPLE).unlink()
    assert [one["list"] for one in datasets.list_manifests(datasets.LISTS)] == ["list_hygiene", "win_back"]


def test_the_page_knows_what_is_a_guard_and_what_comes_after() -> None:
    assert {*AFTER_GUARDS, "selected"} == set(wording.OUTCOMES)
    assert not set(AFTER_GUARDS) & set(guards.RULES)
