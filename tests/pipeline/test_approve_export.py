"""`wafa approve`, `wafa export` and `wafa suppress` on a shop of a few people."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from campaigns import ListError, StaleListError, guards, wording
from campaigns.caps import LEDGER_RULES
from campaigns.ledger import Ledger
from pipeline import cli
from pipeline.people.keys import Keys
from pipeline.project import datasets
from pipeline.project.errors import ParamsError, StaleError
from pipeline.project.settings import Settings
from pipeline.sending import approve_lists, export_list, live_facts, suppress
from sources import address_key, fingerprint, load_key, pseudonym
from tests.pipeline.live_shop import DAY, Shop, addresses, contents, inbox, instant, person, settings
from timeline import DAY_US, HOUR_US

KEY = load_key("demo", {}, Path())


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.chdir(tmp_path)
    return Shop(tmp_path)


def states(shop: Shop) -> dict[str, str]:
    with Ledger(shop.places.ledger) as ledger, ledger.writing():
        found = ledger._sql.execute("SELECT person, state FROM contacts").fetchall()
    return {name[-1]: state for name, state in found}


def opt_out(shop: Shop, number: int) -> None:
    with Ledger(shop.places.ledger) as ledger:
        ledger.suppress([person(number)], "opt_out", 1)


def wrote(shop: Shop, *more: Any, **options: Any) -> list[str]:
    return addresses(shop.export(*more, **options).folder, options.get("name", "win_back"))


# Approving


def test_approving_reserves_people_and_notes_who_is_held_out(shop: Shop) -> None:
    shop.build()
    assert shop.approve() == {
        "selected": 4, "reserved": 4, "exported": 0, "skipped": {}, "holdout": 1, "holdout_skipped": {},
        "next": "wafa export win_back",
    }  # fmt: skip
    assert states(shop) == {**dict.fromkeys("0123", "reserved"), "4": "holdout"}
    with Ledger(shop.places.ledger) as ledger:
        row = ledger._sql.execute("SELECT campaign, inbox, list, as_of, propensity, cost, approved_at FROM contacts")
        assert row.fetchone() == (f"win_back-{DAY}", inbox(0), "win_back", DAY, 0.9, 5, 0)


def test_approving_again_changes_nothing(shop: Shop) -> None:
    shop.build()
    first = shop.approve(now=1)
    assert shop.approve(now=2) == first
    shop.export()
    assert shop.approve(now=3) == first | {"reserved": 0, "exported": 4}
    assert "approved already" in "\n".join(approve_lists.shown(settings(), "win_back", shop.places))


def test_what_is_shown_before_approving(shop: Shop) -> None:
    guards = [{"rule": "erased", "before": 9, "after": 9}, {"rule": "opt_out", "before": 9, "after": 6}]
    shop.build(day="2025-12-01", treat=(0, 1, 2), holdout=())
    shop.approve()
    shop.build(guards=guards, missing=["No log of mails."])
    told = approve_lists.shown(settings(), "win_back", shop.places)
    assert told[:2] == [
        f"win_back as of {DAY}: 4 people to write to, 1 held out (1 of this list, 0 of all lists)",
        "  expected net value GBP 40.00, cost of writing GBP 0.20",
    ]
    assert "  opted out of e-mail: 9 before, 6 after" in told
    assert not any("erased" in line for line in told)
    assert "  since the approval for 2025-12-01: 1 new, 0 gone, 3 stayed" in told
    assert f"  {person(0)}: Sentence of 0." in told
    assert "  warning: No log of mails." in told
    shop.build(treat=(0,), holdout=())
    assert any("nobody is held out" in line for line in approve_lists.shown(settings(), "win_back", shop.places))


def test_the_caps_hold_over_lists_and_their_reasons_are_kept(shop: Shop) -> None:
    caps = settings(guards={"quiet_days": 3}, lists={"at_risk": {"every_days": 30}})
    shop.build("at_risk", day="2025-12-10", treat=(0,), holdout=())
    shop.approve(caps, "at_risk")
    shop.export(caps, "at_risk")
    shop.build("loyalty", day="2025-12-30", treat=(1,), holdout=())
    shop.approve(caps, "loyalty")
    shop.build("at_risk", treat=(0, 1, 2, 3), holdout=())
    assert shop.approve(caps, "at_risk") == {
        "selected": 4, "reserved": 2, "exported": 0, "skipped": {"list_again": 1, "recent_contact": 1}, "holdout": 0,
        "holdout_skipped": {}, "next": "wafa export at_risk",
    }  # fmt: skip
    exported = shop.export(caps, "at_risk")
    assert addresses(exported.folder, "at_risk") == ["p2@example.com", "p3@example.com"]
    assert (
        exported.manifest["selected"] == 4 == exported.manifest["exported"] + sum(exported.manifest["skipped"].values())
    )


def test_a_reservation_that_was_never_exported_is_given_back(shop: Shop) -> None:
    shop.build(day="2025-12-20", treat=(0, 1, 5))
    shop.approve()
    shop.build(treat=(0, 1, 2))
    assert shop.approve()["skipped"] == {}
    assert states(shop) == {"0": "reserved", "1": "reserved", "2": "reserved", "4": "holdout"}


def test_a_list_that_was_built_again_after_its_export_adds_only_who_is_new(shop: Shop) -> None:
    shop.build()
    shop.approve()
    shop.export()
    shop.build(treat=(0, 1, 4, 5), holdout=(2,))
    with pytest.raises(StaleListError, match=r"was built again since it was approved\. Run `wafa approve win_back`"):
        shop.export()
    # 4 was held out of this campaign and stays so; 2 was written to and cannot be held out any more.
    counts = shop.approve()
    assert counts == {
        "selected": 4, "reserved": 1, "exported": 2, "skipped": {"already_in_campaign": 1}, "holdout": 0,
        "holdout_skipped": {"already_in_campaign": 1}, "next": "wafa export win_back",
    }  # fmt: skip
    assert approve_lists.told("win_back", counts) == [
        "approve: 4 selected = 1 reserved + 2 exported before + 1 skipped",
        "  skipped, was chosen for this campaign before: 1",
        "  held out by lot, beside them: 0",
        "  not held out, was chosen for this campaign before: 1",
        "next: wafa export win_back",
    ]
    exported = shop.export()
    assert addresses(exported.folder) == ["p5@example.com"]
    wanted = {
        "candidates": 5, "selected": 4, "exported": 1, "exported_before": 2, "holdout": 0,
        "skipped": {"already_in_campaign": 1},
    }  # fmt: skip
    assert {name: exported.manifest[name] for name in wanted} == wanted
    said = "2 people were in the file of an earlier approval already and are not repeated here"
    assert said in (exported.folder / "README.txt").read_text()
    assert said in "\n".join(export_list.told(exported))
    first = contents(exported.folder)
    assert contents(shop.export(now=9).folder) == first
    assert shop.export(platform="klaviyo").manifest["exported"] == 1


def test_the_same_candidates_approved_again_after_others_repeat_nobody(shop: Shop) -> None:
    for now, treat in enumerate([(0, 1), (0, 1, 2), (0, 1)], start=1):
        shop.build(treat=treat, holdout=())
        shop.approve(now=now)
        exported = shop.export(now=now)
    assert (exported.manifest["exported"], exported.manifest["exported_before"]) == (0, 2)


def test_files_of_an_older_approval_are_removed_on_every_platform(shop: Shop) -> None:
    shop.build("loyalty", treat=(5,), holdout=())
    shop.approve(name="loyalty")
    other = shop.export(name="loyalty", platform="klaviyo").folder
    shop.build()
    shop.approve()
    old = [shop.export(platform=platform).folder for platform in ("klaviyo", "parquet")]
    assert shop.export().removed == ()
    shop.build(treat=(0, 1))
    shop.approve()
    assert all(folder.is_dir() for folder in old)
    exported = shop.export()
    assert exported.removed == ("klaviyo", "parquet")
    assert "  removed klaviyo/ (an older approval); export again" in export_list.told(exported)
    assert [path.name for path in exported.folder.parent.iterdir()] == ["neutral"]
    assert other.is_dir()
    assert shop.export(platform="klaviyo").removed == ()
    assert shop.export().removed == ()


@pytest.mark.parametrize("step", ["rename", "delete", "forget"])
def test_a_kill_while_older_files_are_removed_is_made_good(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    shop.build()
    shop.approve()
    old = shop.export(platform="klaviyo").folder
    shop.build(treat=(0, 1))
    shop.approve()

    def die(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        if step == "rename":
            killed.setattr(Path, "replace", die)
        elif step == "forget":
            killed.setattr(Ledger, "removed", die)
        else:
            genuine = export_list.shutil.rmtree
            killed.setattr(
                "pipeline.sending.export_list.shutil.rmtree",
                lambda path, **options: die() if path.is_dir() and ".old" in path.name else genuine(path, **options),
            )
        with pytest.raises(KeyboardInterrupt):
            shop.export()
    exported = shop.export()
    assert exported.removed == ("klaviyo",)
    assert [path.name for path in old.parent.iterdir()] == ["neutral"]


def test_the_manifest_beside_the_files_says_what_could_be_seen(shop: Shop) -> None:
    shop.build(power={"sentence": "Too few to see less than 9 points.", "people": 5})
    shop.approve()
    assert shop.export().manifest["power"] == "Too few to see less than 9 points."


def test_hints_repeat_the_date_that_was_asked_for(shop: Shop) -> None:
    shop.places = replace(shop.places, as_of=DAY)
    with pytest.raises(ListError, match=f"Run `wafa score --as-of {DAY}` first"):
        shop.approve()
    shop.build()
    with pytest.raises(StaleListError, match=f"Run `wafa approve win_back --as-of {DAY}` first"):
        shop.export()
    assert approve_lists.told("win_back", shop.approve())[-1] == f"next: wafa export win_back --as-of {DAY}"
    assert live_facts.of_run(DAY).as_of == DAY
    assert live_facts.of_run(None).as_of is None


def test_a_list_counts_as_approved_until_it_is_built_again(shop: Shop) -> None:
    shop.build()
    assert not approve_lists.is_approved("win_back", shop.places)
    shop.approve()
    assert approve_lists.is_approved("win_back", shop.places)
    shop.build(treat=(0,))
    assert not approve_lists.is_approved("win_back", shop.places)


def test_every_reason_to_skip_has_words() -> None:
    codes = {*guards.RULES, *LEDGER_RULES, "duplicate_address", "unknown", "not_in_vault", "malformed_address"}
    for language in ("en", "ur"):
        assert codes | {"unsafe_identifier"} <= wording.skips(language).keys()


# Who leaves


def test_a_list_that_nobody_approved_is_refused(shop: Shop) -> None:
    shop.build()
    with pytest.raises(
        StaleListError, match=r"win_back as of 2026-01-01 was not approved\. Run `wafa approve win_back`"
    ):
        shop.export()
    assert not shop.places.outbox.exists()


def test_held_out_people_never_leave(shop: Shop) -> None:
    shop.build(treat=(0, 1), holdout=(2, 3))
    shop.approve()
    assert wrote(shop) == ["p0@example.com", "p1@example.com"]
    assert states(shop)["2"] == states(shop)["3"] == "holdout"


def test_files_are_private_and_come_out_the_same_again(shop: Shop) -> None:
    shop.build()
    shop.approve()
    folder = shop.export(now=1).folder
    assert folder == shop.places.outbox / "win_back" / DAY / "neutral"
    first = contents(folder)
    assert set(first) == {"win_back.csv", "win_back.suppress.csv", "win_back.manifest.json", "README.txt"}
    for path in (folder, *folder.parents[:2]):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    shop.export(now=2)
    assert contents(folder) == first
    other = shop.export(platform="klaviyo")
    assert other.manifest["exported"] == 4
    assert contents(folder) == first


@pytest.mark.parametrize("told_by", ["the ledger", "the logs", "a shared address"])
def test_an_opt_out_after_the_approval_is_heard(shop: Shop, told_by: str) -> None:
    shop.address[5] = 1
    shop.write_people()
    shop.build()
    shop.approve()
    if told_by == "the logs":
        shop.said.append((1, "unsubscribed"))
        shop.write_people()
    else:
        opt_out(shop, 1 if told_by == "the ledger" else 5)
    exported = shop.export()
    assert addresses(exported.folder) == ["p0@example.com", "p2@example.com", "p3@example.com"]
    assert exported.manifest["skipped"] == {"opt_out" if told_by == "the logs" else "suppressed": 1}
    assert (exported.folder / "win_back.suppress.csv").read_text() == "email\np1@example.com\n"


def test_who_opts_out_after_the_export_is_called_back_from_every_platform(shop: Shop) -> None:
    shop.build()
    shop.approve()
    shop.export(platform="klaviyo")
    shop.export()
    opt_out(shop, 2)
    exported = shop.export()
    assert exported.called_back == {"suppressed": 1}
    assert any(
        "must not be written to any more (is suppressed by the shop or its platform: 1)" in line
        for line in export_list.told(exported)
    )
    for platform in ("neutral", "klaviyo"):
        text = (exported.folder.parent / platform / "win_back.csv").read_text()
        assert "p1@example.com" in text
        assert "p2@example.com" not in text
    assert states(shop)["2"] == "skipped"
    first = contents(shop.places.outbox)
    assert shop.export().called_back == {}
    assert contents(shop.places.outbox) == first


def test_quiet_guards_hold_before_the_export_and_call_nobody_back(shop: Shop) -> None:
    def order(number: int) -> None:
        at = instant(DAY) - HOUR_US
        row = {
            "customer_id": [person(number)], "event_id": ["o"], "event": ["Order Completed"], "order_id": ["o"],
            "occurred_at": [at], "loaded_at": [at], "revenue": [100],
        }  # fmt: skip
        datasets.write_parquet(pd.DataFrame(row), shop.places.events / "orders" / "2025-12.parquet", ("event_id",))

    s = settings(guards={"quiet_order_days": 7})
    order(0)
    shop.build()
    shop.approve(s)
    exported = shop.export(s)
    assert exported.manifest["skipped"] == {"recent_order": 1}
    order(1)
    assert shop.export(s).manifest == exported.manifest
    shop.build("welcome", day="2026-01-02", treat=(1, 5), holdout=(), despite=["recent_order"])
    shop.approve(s, "welcome")
    assert wrote(shop, s, name="welcome") == ["p1@example.com", "p5@example.com"]


def test_people_who_cannot_be_addressed_are_skipped_with_the_reason(shop: Shop) -> None:
    shop.build(treat=(0, 1, 2, 3, 5))
    shop.approve()
    vault = datasets.read_parquet(shop.places.vault)
    vault.loc[vault["customer_id"] == person(0), "email"] = "=cmd()@example.com"
    vault.loc[vault["customer_id"] == person(1), "email"] = "nobody"
    vault.loc[vault["customer_id"] == person(2), "email"] = "P5@Example.com"
    datasets.write_parquet(vault[vault["customer_id"] != person(3)], shop.places.vault, ("customer_id",))
    exported = shop.export()
    assert exported.manifest["skipped"] == {
        "duplicate_address": 1, "malformed_address": 1, "not_in_vault": 1, "unsafe_identifier": 1,
    }  # fmt: skip
    assert addresses(exported.folder) == ["P5@Example.com"]


def test_erased_and_unknown_people_are_skipped(shop: Shop) -> None:
    shop.build()
    shop.approve()
    shop.places.erased.write_text(f"{person(0)}\n")
    del shop.address[1]
    shop.write_people()
    assert shop.export().manifest["skipped"] == {"erased": 1, "no_consent": 1}


def test_who_moved_to_an_address_that_was_written_to_is_skipped(shop: Shop) -> None:
    shop.build("at_risk", treat=(0,), holdout=())
    shop.approve(name="at_risk")
    shop.export(name="at_risk")
    shop.build(treat=(1, 2), holdout=())
    shop.approve()
    shop.address[1] = 0
    shop.write_people()
    exported = shop.export()
    assert exported.manifest["skipped"] == {"one_a_run": 1}
    assert addresses(exported.folder) == ["p2@example.com"]


def test_the_inbox_that_counts_is_the_one_of_the_export(shop: Shop) -> None:
    shop.build(treat=(0, 1), holdout=())
    shop.approve()
    shop.address |= {0: 1, 1: 0}
    shop.write_people()
    assert wrote(shop) == ["p1@example.com", "p0@example.com"]
    with Ledger(shop.places.ledger) as ledger:
        rows = ledger._sql.execute("SELECT person, inbox FROM contacts ORDER BY 1").fetchall()
    assert rows == [(person(0), inbox(1)), (person(1), inbox(0))]


@pytest.mark.parametrize("platform", ["neutral", "klaviyo", "mautic", "parquet"])
def test_hygiene_writes_addresses_to_suppress_and_contacts_nobody(shop: Shop, platform: str) -> None:
    actions = ["suppress", "sunset", "sunset", "sunset"]
    shop.build("list_hygiene", treat=(0, 1, 2, 5), holdout=(), kind="suppression", actions=actions)
    assert approve_lists.shown(settings(), "list_hygiene", shop.places)[0] == (
        f"list_hygiene as of {DAY}: 1 addresses to suppress (bounced or complained), 3 whose regular mail should stop "
        "(long silent); nobody is written to"
    )
    told = approve_lists.told("list_hygiene", shop.approve(name="list_hygiene"))
    assert told[0] == "approve: 4 addresses of list_hygiene; nobody is written to"
    opt_out(shop, 3)
    opt_out(shop, 2)
    exported = shop.export(name="list_hygiene", platform=platform)
    assert set(contents(exported.folder)) == {
        "list_hygiene.suppress.csv", "list_hygiene.sunset.csv", "list_hygiene.manifest.json", "README.txt",
    }  # fmt: skip
    suppress_file = (exported.folder / "list_hygiene.suppress.csv").read_text()
    assert [line.split(",")[0].strip('"') for line in suppress_file.splitlines()[1:]] == [
        "p0@example.com", "p2@example.com", "p3@example.com",
    ]  # fmt: skip
    # No column beside the address: these opted out of nothing.
    sunset = (exported.folder / "list_hygiene.sunset.csv").read_text().splitlines()
    assert [line.strip('"') for line in sunset[1:]] == ["p1@example.com", "p5@example.com"]
    manifest = exported.manifest
    assert (manifest["suppressed_addresses"], manifest["sunset_addresses"]) == (3, 2)
    assert set(manifest["files"]) == {"list_hygiene.suppress.csv", "list_hygiene.sunset.csv"}
    readme = (exported.folder / "README.txt").read_text()
    assert "3 addresses to suppress, 2 whose regular mail should stop." in readme
    assert "Make a list of list_hygiene.sunset.csv (addresses: 2) and leave it out of newsletters" in readme
    assert "2 addresses whose regular mail should stop, 3 addresses to suppress" in export_list.told(exported)[0]
    assert states(shop) == {}


def test_people_who_do_not_add_up_stop_the_export(shop: Shop) -> None:
    shop.build()
    shop.approve()
    with Ledger(shop.places.ledger) as ledger, ledger.writing():
        ledger._sql.execute("DELETE FROM contacts WHERE person = ?", (person(1),))
    with pytest.raises(ListError, match="3 exported and 0 skipped are not the 4 selected; nothing was exported"):
        shop.export()
    assert set(states(shop).values()) == {"reserved", "holdout"}
    assert not list(shop.places.outbox.rglob("*.csv"))


# When export refuses


def test_candidates_changed_by_hand_are_refused(shop: Shop) -> None:
    shop.build()
    path = shop.places.lists / "win_back" / datasets.CANDIDATES
    datasets.write_parquet(datasets.read_parquet(path).assign(group="treat"), path, ("customer_id",))
    for command in (shop.approve, shop.export):
        with pytest.raises(ListError, match="changed after it was built"):
            command()


@pytest.mark.parametrize("name", ["nonsense", "../lists/win_back", ""])
def test_an_unknown_list_is_refused(shop: Shop, name: str) -> None:
    with pytest.raises(ListError, match="not built yet"):
        shop.export(name=name)
    shop.build()
    for command in (shop.approve, shop.export):
        with pytest.raises(ParamsError, match="Choose one of: win_back"):
            command(name=name)


def test_an_unknown_platform_is_refused(shop: Shop) -> None:
    shop.build()
    shop.approve()
    with pytest.raises(ParamsError, match=r"no platform 'klavio'\. Did you mean klaviyo"):
        shop.export(platform="klavio")


def test_a_list_scored_beyond_its_data_is_refused(shop: Shop) -> None:
    shop.build()
    shop.approve()
    shop.write_people(instant(DAY) - DAY_US - 1)
    with pytest.raises(StaleListError, match=r"24 hours old, more than campaigns\.suppression_max_age_hours = 24"):
        shop.export()
    shop.write_people(instant(DAY) - DAY_US)
    shop.export()


def test_the_clock_counts_only_where_params_say_so(shop: Shop) -> None:
    shop.build()
    shop.approve()
    next_year = instant(DAY) + 365 * DAY_US
    with pytest.raises(StaleListError):
        shop.export(settings(check_clock=True), now=next_year)
    shop.export(now=next_year)
    shop.export(settings(check_clock=True), now=instant(DAY))


def test_a_clock_before_the_data_approves_and_exports_nothing(shop: Shop) -> None:
    shop.build()
    live, before = settings(check_clock=True), instant(DAY) - 1
    said = "says 2025-12-31, but the data are complete until 2026-01-01"
    with pytest.raises(StaleListError, match=said):
        shop.approve(live, now=before)
    assert states(shop) == {}
    shop.approve(live, now=instant(DAY))
    with pytest.raises(StaleListError, match=said):
        shop.export(live, now=before)
    shop.export(now=before)


def test_in_a_live_shop_a_message_counts_from_the_day_it_left(shop: Shop) -> None:
    live = settings(guards={"quiet_days": 3}, check_clock=True, suppression_max_age_hours=24 * 30)
    shop.build(treat=(0,), holdout=())
    shop.approve(live, now=instant(DAY) + 10 * DAY_US)
    shop.export(live, now=instant(DAY) + 10 * DAY_US)
    shop.build("at_risk", day="2026-01-09", treat=(0,), holdout=())
    assert shop.approve(live, "at_risk", now=instant(DAY) + 11 * DAY_US)["skipped"] == {"recent_contact": 1}


def test_a_vanished_consent_log_is_refused(shop: Shop) -> None:
    shop.build()
    shop.approve()
    for path in datasets.event_files(shop.places.events, "consent_events"):
        path.unlink()
    with pytest.raises(StaleListError, match="consent_events were there when win_back was built"):
        shop.export()


@pytest.mark.parametrize("feeds", [["email_events"], ["web_events", "consent_events"]])
def test_a_file_that_may_hold_opt_outs_and_was_not_read_is_refused(shop: Shop, feeds: list[str]) -> None:
    shop.build()
    shop.approve()
    manifest = datasets.read_json(shop.places.events / "manifest.json")
    rejected = {"name": "mail-02.jsonl", "log": feeds[0], "feeds": feeds, "sha256": "0", "reason": "truncated"}
    datasets.write_json(manifest | {"rejected_files": [rejected]}, shop.places.events / "manifest.json")
    with pytest.raises(StaleListError, match=r"mail-02\.jsonl could not be read and may hold opt-outs"):
        shop.export()
    assert "mail-02.jsonl could not be read" in approve_lists.refusal(settings(), "win_back", 0, shop.places)[0]
    harmless = rejected | {"feeds": ["web_events"]}
    datasets.write_json(manifest | {"rejected_files": [harmless]}, shop.places.events / "manifest.json")
    shop.export()
    assert approve_lists.refusal(settings(), "win_back", 0, shop.places) == []


def test_a_missing_vault_is_refused(shop: Shop) -> None:
    shop.build()
    shop.approve()
    shop.places.vault.unlink()
    with pytest.raises(ListError, match="vault"):
        shop.export()


def test_a_ledger_that_is_gone_while_exported_files_are_there_is_refused(shop: Shop) -> None:
    shop.build()
    shop.approve()
    shop.export()
    for path in shop.top.glob("contacts.db*"):
        path.unlink()
    for command in (shop.approve, shop.export):
        with pytest.raises(StaleListError, match=r"contacts\.db is missing though .* holds exported lists"):
            command()
    assert not shop.places.ledger.exists()


def test_an_ingest_during_the_export_undoes_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.build()
    shop.approve()
    genuine = export_list._decide

    def ingest(*arguments: Any) -> None:
        shop.said.append((0, "unsubscribed"))
        shop.write_people()
        genuine(*arguments)

    monkeypatch.setattr(export_list, "_decide", ingest)
    with pytest.raises(StaleError, match=r"changed during the export\. Run it again"):
        shop.export()
    monkeypatch.undo()
    monkeypatch.chdir(shop.top)
    assert set(states(shop).values()) == {"reserved", "holdout"}
    assert wrote(shop) == [f"p{number}@example.com" for number in (1, 2, 3)]


# The command line


@pytest.fixture
def project(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """The shop where the commands look for it; people have the pseudonyms of their own ids and addresses."""
    monkeypatch.setattr(live_facts, "checked", lambda s, as_of: shop.places)
    monkeypatch.setattr("pipeline.project.settings.load", settings)
    monkeypatch.setattr("pipeline.intake.reading.ensure_vault", lambda s: None)
    monkeypatch.setattr(datasets, "VAULT", shop.places.vault)
    monkeypatch.setattr(datasets, "LEDGER", shop.places.ledger)
    return shop


def wafa(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["wafa", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_the_commands_in_their_order(
    project: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project.build()
    assert wafa(monkeypatch, "export", "win_back") == 3
    assert "was not approved" in capsys.readouterr().err
    assert wafa(monkeypatch, "approve", "win_back") == 2
    said = capsys.readouterr()
    assert "4 people to write to" in said.out + said.err
    assert "nobody is there to confirm it. Add --yes." in said.err
    assert wafa(monkeypatch, "export", "win_back") == 3
    assert wafa(monkeypatch, "approve", "win_back", "--yes") == 0
    assert wafa(monkeypatch, "export", "win_back") == 0
    said = capsys.readouterr()
    assert "export: 4 people, 0 addresses to suppress in" in said.out + said.err


def test_approving_can_be_declined(project: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    project.build()
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setattr("typer.confirm", lambda question: False)
    assert wafa(monkeypatch, "approve", "win_back") == 0
    assert states(project) == {}
    monkeypatch.setattr("typer.confirm", lambda question: True)
    assert wafa(monkeypatch, "approve", "win_back") == 0
    assert len(states(project)) == 5


# Suppressing


def token(text: str) -> str:
    return str(pseudonym([text], KEY)[0])


@pytest.fixture
def vault(project: Shop) -> Shop:
    rows = [("17", "Anna@Example.com"), ("18", "ben@example.com"), ("171", "anna@example.com")]
    frame = pd.DataFrame(rows, columns=["shop_id", "email"]).assign(customer_id=[token(one) for one, _ in rows])
    datasets.write_parquet(frame, datasets.VAULT, ("customer_id",))
    return project


def keys(shop: Shop) -> set[str]:
    with Ledger(shop.places.ledger) as ledger:
        return {key for frame in ledger.suppressed() for key in frame["key"]}


@pytest.mark.parametrize("name", ["anna@example.com", " ANNA@example.com", "17", token("17")])
def test_an_opt_out_names_the_person_and_the_address(vault: Shop, shop_settings: Settings, name: str) -> None:
    told = suppress.suppress(shop_settings, name, "opt_out", 1)
    assert told == ["suppress: noted; it counts from now on"]
    anna = {token("17"), str(address_key(["anna@example.com"], KEY)[0])}
    assert anna <= keys(vault)
    assert token("18") not in keys(vault)
    assert suppress.suppress(shop_settings, name, "opt_out", 2) == ["suppress: was noted before"]


def test_an_address_that_nobody_has_is_kept_and_an_id_is_refused(vault: Shop, shop_settings: Settings) -> None:
    told = suppress.suppress(shop_settings, "new@example.com", "opt_out", 1)
    assert "nobody here has this address yet" in told[1]
    assert str(address_key(["new@example.com"], KEY)[0]) in keys(vault)
    for name in ("999", token("999")):
        with pytest.raises(ParamsError, match="nobody here has this id, so nobody was suppressed"):
            suppress.suppress(shop_settings, name, "opt_out", 1)
    with pytest.raises(ParamsError, match="none that can be read"):
        suppress.suppress(shop_settings, "new@", "opt_out", 1)


def test_of_several_all_are_noted_or_nobody(vault: Shop, shop_settings: Settings) -> None:
    for refused in (["17", "999"], ["17", "ben@"], "anna@example.com, ben@", "", ","):
        with pytest.raises(ParamsError):
            suppress.suppress(shop_settings, refused, "opt_out", 1)
        assert keys(vault) == set()
    told = suppress.suppress(shop_settings, ["Ben <ben@example.com>; new@example.com", "17"], "opt_out", 1)
    assert told == [
        "suppress: 3 names noted; they count from now on",
        "  nobody here has 1 of these addresses yet; it is kept in case somebody comes with it. Check its spelling",
    ]
    assert {token("17"), token("18"), str(address_key(["new@example.com"], KEY)[0])} <= keys(vault)


def test_no_address_is_kept_as_it_is(vault: Shop, shop_settings: Settings) -> None:
    with pytest.raises(ParamsError, match="--reason is kept as it is"):
        suppress.suppress(shop_settings, "17", "ben@example.com told me", 1)
    suppress.suppress(shop_settings, "ben@example.com", "by phone", 1)
    content = b"".join(path.read_bytes() for path in vault.top.glob("contacts.db*"))
    assert b"by phone" in content
    assert b"ben@example.com" not in content


def test_an_opt_out_names_the_lists_that_have_left_already(
    project: Shop, shop_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Keys(KEY, "demo", fingerprint(KEY))
    monkeypatch.setattr(suppress.keys, "in_force", lambda *_: known)  # the people of this shop are of no key
    with Ledger(project.places.ledger, key=known.fingerprint) as ledger, ledger.writing():
        pass
    project.build()
    project.approve()
    project.export()
    told = suppress.suppress(shop_settings, "p2@example.com", "opt_out", 1)
    assert (
        told[1] == f"  already exported in win_back of {DAY}: export that list again, and upload win_back.suppress.csv"
    )


@pytest.fixture
def shop_settings(shipped: str) -> Any:
    """What `wafa suppress` reads of params: the name of the key."""
    from types import SimpleNamespace

    return SimpleNamespace(sources=SimpleNamespace(key_id="demo"))


def test_a_log_that_decided_before_may_not_disappear(shop):
    """Its opt-outs would be forgotten; only params can say that the shop no longer has it."""
    shop.build()
    shop.approve()
    shop.export()
    for path in (shop.places.events / "consent_events").iterdir():
        path.unlink()
    shop.build(contact_logs=["customers"])
    shop.approve()
    with pytest.raises(StaleListError, match=r"consent_events decided .* campaigns\.retired_logs"):
        shop.export()
    assert "consent_events decided" in approve_lists.refusal(settings(), "win_back", 0, shop.places)[0]
    s = settings(retired_logs=("consent_events",))
    assert shop.export(s).manifest["exported"] == 0  # nobody's yes is known any more
