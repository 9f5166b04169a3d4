"""The contact ledger: what it keeps, what it refuses, and whom it lets through."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from campaigns import ListError, StaleListError
from campaigns.caps import Caps, Run, decide, load_past, load_suppressed
from campaigns.ledger import Ledger
from timeline import DAY_US

NOW = 1_767_225_600_000_000
OFF = Caps(every_days=0, quiet_days=0, cap=99, cap_days=0)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "state" / "contacts.db") as opened:
        yield opened


def reserve(
    ledger: Ledger,
    name: str = "win_back",
    day: int = 0,
    treat: tuple[str, ...] = ("ann",),
    holdout: tuple[str, ...] = (),
    exported: bool = False,
    campaign: str | None = None,
) -> None:
    """A run of ``name`` so many days after NOW; everybody's inbox is named after them."""
    as_of = date(day)
    groups = [(one, "treat") for one in treat] + [(one, "holdout") for one in holdout]
    rows = [(campaign or f"{name}-{as_of}", one, f"at-{one}", grp, None, None, 0.9, 5) for one, grp in groups]
    with ledger.writing():
        ledger.approved(name, as_of, "id", 1, len(rows))
        ledger.reserve(name, as_of, "id", 1, NOW + day * DAY_US, rows)
        if exported:
            ledger.exported(name, as_of, 2, NOW + day * DAY_US)


def date(day: int) -> str:
    return f"2026-01-{1 + day:02d}" if day >= 0 else f"2025-12-{32 + day:02d}"


def rules(
    ledger: Ledger,
    asked: dict[str, str],
    name: str = "at_risk",
    day: int = 0,
    limits: Caps = OFF,
    became: dict[str, str] | None = None,
    group: str = "treat",
) -> dict[str, str | None]:
    """What the ledger says to people (with the inboxes they have now) whom a list asks for."""
    with duckdb.connect() as db:
        people = pd.DataFrame({"customer_id": list(asked), "inbox": list(asked.values())}, dtype="str")
        people["campaign"], people["group"], people["rank"] = f"{name}-{date(day)}", group, range(len(people))
        db.register("people", people)
        db.execute("CREATE TABLE candidate AS FROM people")
        db.execute("CREATE TABLE addresses AS SELECT customer_id, inbox FROM people WHERE inbox IS NOT NULL")
        db.execute("CREATE TABLE became (customer_id VARCHAR, now VARCHAR)")
        for pair in (became or {}).items():
            db.execute("INSERT INTO became VALUES (?, ?)", pair)
        run = Run(name, date(day), NOW + day * DAY_US)
        load_past(db, ledger, run, limits)
        load_suppressed(db, ledger)
        decide(db, run, limits)
        return dict(db.execute("SELECT customer_id, rule FROM decided ORDER BY 1").fetchall())


# What it keeps


def test_only_its_owner_may_read_it(ledger: Ledger) -> None:
    reserve(ledger)
    files = list(ledger.path.parent.iterdir())
    assert {path.name for path in files} >= {"contacts.db", "contacts.db-wal"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(ledger.path.parent.stat().st_mode) == 0o700


def test_contacts_before_a_date_are_messages_only_and_in_order(ledger: Ledger) -> None:
    reserve(ledger, day=-3, treat=("cid", "ann"), holdout=("bob",), exported=True)
    reserve(ledger, "at_risk", day=-1, treat=("dan",))
    reserve(ledger, day=0, treat=("eve",))
    found = ledger.contacts_before(date(0))
    assert list(found.columns) == ["customer_id", "campaign", "list", "as_of"]
    assert found["customer_id"].tolist() == ["ann", "cid", "dan"]
    assert found["as_of"].tolist() == ["2025-12-29", "2025-12-29", "2025-12-31"]
    assert ledger.contacts_before("2020-01-01").empty


def test_a_second_message_of_a_campaign_is_refused_by_the_file_itself(ledger: Ledger) -> None:
    reserve(ledger)
    with pytest.raises(ListError, match="1 people are in this campaign already"):
        reserve(ledger)
    with pytest.raises(ListError, match="two messages would go to one inbox"), ledger.writing():
        ledger.reserve(
            "loyalty", date(9), "id", 1, NOW, [("win_back-2026-01-01", "zoe", "at-ann", "treat", *[None] * 4)]
        )
    assert ledger.counts("win_back", date(0))["reserved"] == 1


def test_two_messages_of_one_run_are_refused_by_the_file_itself(ledger: Ledger) -> None:
    reserve(ledger)
    with pytest.raises(ListError, match="two messages would go to one inbox"):
        reserve(ledger, "at_risk")


def test_what_fails_half_way_is_undone(ledger: Ledger) -> None:
    def some() -> Iterator[tuple[Any, ...]]:
        yield ("c", "ann", "at-ann", "treat", None, None, 0.9, 5)
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"), ledger.writing():
        ledger.reserve("win_back", date(0), "id", 1, NOW, some())
    assert ledger.counts("win_back", date(0))["reserved"] == 0


def test_who_was_skipped_before_anything_was_sent_may_be_chosen_again(ledger: Ledger) -> None:
    reserve(ledger, treat=("ann", "bob"), campaign="c")
    with ledger.writing():
        ledger.drop("win_back", date(0), [("ann", "open_ticket")])
        ledger.exported("win_back", date(0), 2, NOW)
        ledger.drop("win_back", date(0), [("bob", "opt_out")])
    assert ledger.counts("win_back", date(0)) == {
        "reserved": 0, "exported": 0, "holdout": 0, "skipped": {"open_ticket": 1, "opt_out": 1},
    }  # fmt: skip
    reserve(ledger, day=3, treat=("ann",), campaign="c")
    with pytest.raises(ListError, match="in this campaign already"):
        reserve(ledger, day=4, treat=("bob",), campaign="c")


def test_a_run_that_was_never_exported_is_given_back_whole_and_an_exported_one_is_not(ledger: Ledger) -> None:
    reserve(ledger, day=-2, treat=("ann",), holdout=("bob",))
    reserve(ledger, day=-1, treat=("cid",), holdout=("dan",), exported=True)
    reserve(ledger, "at_risk", day=-1, treat=("eve",))
    with ledger.writing():
        assert ledger.release("win_back", date(0)) == 2
    assert ledger.run("win_back", date(-2)) is None
    assert ledger.counts("win_back", date(-1)) == {"reserved": 0, "exported": 1, "holdout": 1, "skipped": {}}
    assert ledger.counts("at_risk", date(-1))["reserved"] == 1


def test_people_who_swapped_their_addresses_both_move(ledger: Ledger) -> None:
    reserve(ledger, treat=("ann", "bob"))
    with ledger.writing():
        ledger.move("win_back", date(0), [("ann", "at-bob"), ("bob", "at-ann")])
    found = next(ledger.near("win_back", date(0), [], NOW, 1))
    assert dict(zip(found["person"], found["inbox"], strict=True)) == {"ann": "at-bob", "bob": "at-ann"}


def test_forgotten_people_leave_no_trace_in_the_file(ledger: Ledger) -> None:
    reserve(ledger, treat=("c_ann", "c_bob"), exported=True)
    ledger.suppress(["c_ann", "at-c_ann"], "opt_out", 1)
    with ledger.writing():
        ledger.drop("win_back", date(0), [("c_ann", "opt_out")])
    assert ledger.forget(["c_ann", "at-c_ann"]) == 4
    for path in ledger.path.parent.iterdir():
        assert b"c_ann" not in path.read_bytes()
    assert ledger.contacts_before("2027-01-01")["customer_id"].tolist() == ["c_bob"]


def test_what_somebody_else_got_at_a_forgotten_inbox_stays_without_the_inbox(ledger: Ledger) -> None:
    reserve(ledger, treat=("c_ann", "c_bob"), exported=True)
    with ledger.writing():
        # Two messages of one day, at two inboxes that are forgotten together.
        ledger._sql.execute("UPDATE contacts SET inbox = 'a_one' WHERE person = 'c_bob'")
        ledger._sql.execute(
            "INSERT INTO contacts SELECT 'another', person, 'a_two', 'at_risk', as_of, list_id, grp, holdout, arm, "
            "propensity, cost, state, reason, approved_at, exported_at, at, counts FROM contacts WHERE person = 'c_bob'"
        )
    ledger.suppress(["a_one", "a_shared"], "opt_out", 1)
    assert ledger.forget(["c_ann", "at-c_ann", "a_one", "a_two"]) == 2
    assert ledger.contacts_before("2027-01-01")["customer_id"].tolist() == ["c_bob", "c_bob"]
    inboxes = [row["inbox"] for row in ledger.about(["c_bob"])["contacts"]]
    assert len({*inboxes}) == 2
    assert "c_bob" in inboxes
    assert {"a_one", "a_two"}.isdisjoint(inboxes)
    assert [key for frame in ledger.suppressed() for key in frame["key"]] == ["a_shared"]


def test_all_that_is_held_about_a_person_can_be_told(ledger: Ledger) -> None:
    reserve(ledger, treat=("ann", "bob"))
    ledger.suppress(["ann"], "asked by phone", 7)
    with ledger.writing():
        ledger.drop("win_back", date(0), [("ann", "opt_out")])
    told = ledger.about(["ann", "at-ann"])
    assert [(row["person"], row["state"], row["reason"]) for row in told["contacts"]] == [("ann", "skipped", "opt_out")]
    assert [row["reason"] for row in told["skips"]] == ["opt_out"]
    assert told["suppressions"] == [{"key": "ann", "reason": "asked by phone", "noted_at": 7}]


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "contacts.db"
    with Ledger(path) as opened:
        reserve(opened, treat=tuple(f"person {number}" for number in range(2000)))
    content = bytearray(path.read_bytes())
    content[20_000:60_000] = b"\xff" * 40_000
    path.write_bytes(content)
    with pytest.raises(StaleListError, match=r"contacts\.db is damaged .* Put back a copy"):
        Ledger(path)
    path.write_bytes(b"this is no database at all, whatever its name says" * 100)
    with pytest.raises(StaleListError, match="is damaged"):
        Ledger(path)


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "contacts.db")) as database:
        database.execute("PRAGMA user_version = 3")
    with pytest.raises(StaleListError, match="has version 3, made by a newer Wafa; this one knows 2"):
        Ledger(tmp_path / "contacts.db")


def test_a_writer_waits_for_the_other_one(ledger: Ledger) -> None:
    with (
        ledger.writing(),
        Ledger(ledger.path, wait_seconds=0) as other,
        pytest.raises(StaleListError, match="in use by another export"),
    ):
        other.suppress(["ann"], "opt_out", 1)
    with Ledger(ledger.path, wait_seconds=0) as other:
        assert other.suppress(["ann"], "opt_out", 1) == 1
        assert other.suppress(["ann"], "opt_out", 1) == 0


# Whom it lets through


def test_nobody_in_the_ledger_means_everybody_may(ledger: Ledger) -> None:
    assert rules(ledger, {"ann": "at-ann"}) == {"ann": None}


@pytest.mark.parametrize("group", ["treat", "holdout"])
def test_a_campaign_meets_a_person_and_an_inbox_once(ledger: Ledger, group: str) -> None:
    reserve(ledger, "at_risk", day=-40 + 35, treat=("ann",), holdout=("bob",), campaign=f"at_risk-{date(0)}")
    asked = {"ann": "at-new", "bob": "at-bob", "cid": "at-ann", "dan": "at-dan"}
    assert rules(ledger, asked, group=group) == {
        "ann": "already_in_campaign",
        "bob": "already_in_campaign",
        "cid": "already_in_campaign",
        "dan": None,
    }


def test_one_message_a_run_whatever_the_list(ledger: Ledger) -> None:
    reserve(ledger, "win_back", treat=("ann",), holdout=("bob",))
    assert rules(ledger, {"ann": "at-ann", "bob": "at-bob"}) == {"ann": "one_a_run", "bob": None}


@pytest.mark.parametrize(("day", "rule"), [(-6, "list_again"), (-7, None), (6, "list_again"), (7, None)])
def test_a_list_waits_its_days_in_both_directions(ledger: Ledger, day: int, rule: str | None) -> None:
    reserve(ledger, "at_risk", day=day)
    reserve(ledger, "win_back", day=day, treat=("bob",))
    limits = Caps(every_days=7, quiet_days=0, cap=99, cap_days=0)
    assert rules(ledger, {"ann": "at-ann", "bob": "at-bob"}, limits=limits) == {"ann": rule, "bob": None}


@pytest.mark.parametrize(("day", "rule"), [(-2, "recent_contact"), (-3, None), (2, "recent_contact"), (3, None)])
def test_quiet_days_hold_over_all_lists(ledger: Ledger, day: int, rule: str | None) -> None:
    reserve(ledger, "win_back", day=day)
    limits = Caps(every_days=0, quiet_days=3, cap=99, cap_days=0)
    assert rules(ledger, {"ann": "at-ann"}, limits=limits) == {"ann": rule}


def test_the_cap_counts_an_inbox_over_all_lists(ledger: Ledger) -> None:
    reserve(ledger, "win_back", day=-9, treat=("ann", "bob"), exported=True)
    reserve(ledger, "loyalty", day=-5, treat=("ann",))
    reserve(ledger, "birthday", day=-12, treat=("bob",), exported=True)
    limits = Caps(every_days=0, quiet_days=0, cap=2, cap_days=10)
    assert rules(ledger, {"ann": "at-ann", "bob": "at-bob", "cid": "at-ann"}, limits=limits) == {
        "ann": "frequency_cap",
        "bob": None,
        "cid": "frequency_cap",
    }


def test_accounts_that_became_one_count_as_one(ledger: Ledger) -> None:
    reserve(ledger, "win_back", day=-1, treat=("old",))
    limits = Caps(every_days=0, quiet_days=3, cap=99, cap_days=0)
    asked = {"new": "at-new"}
    assert rules(ledger, asked, limits=limits) == {"new": None}
    assert rules(ledger, asked, limits=limits, became={"old": "new"}) == {"new": "recent_contact"}


def test_an_address_follows_its_owner(ledger: Ledger) -> None:
    """Ann was written to at an address she has left; now two people share her new one."""
    reserve(ledger, "win_back", day=-1)
    limits = Caps(every_days=0, quiet_days=3, cap=99, cap_days=0)
    assert rules(ledger, {"ann": "at-new", "bob": "at-new"}, limits=limits) == {
        "ann": "recent_contact",
        "bob": "recent_contact",
    }


def test_of_two_people_at_one_address_the_higher_ranked_is_taken(ledger: Ledger) -> None:
    assert rules(ledger, {"zoe": "at-home", "ann": "at-home"}) == {"ann": "duplicate_address", "zoe": None}


def test_people_without_an_address_do_not_share_one(ledger: Ledger) -> None:
    with duckdb.connect() as db:
        db.execute("SELECT 1").fetchall()
    assert rules(ledger, {"ann": None, "bob": None}) == {"ann": None, "bob": None}  # type: ignore[dict-item]  # null


def test_who_was_taken_out_after_the_export_still_counts(ledger: Ledger) -> None:
    reserve(ledger, "win_back", day=-1, treat=("ann", "bob"))
    with ledger.writing():
        ledger.drop("win_back", date(-1), [("bob", "open_ticket")])
        ledger.exported("win_back", date(-1), 2, NOW - DAY_US)
        ledger.drop("win_back", date(-1), [("ann", "opt_out")])
    limits = Caps(every_days=0, quiet_days=3, cap=99, cap_days=0)
    assert rules(ledger, {"ann": "at-ann", "bob": "at-bob"}, limits=limits) == {"ann": "recent_contact", "bob": None}
