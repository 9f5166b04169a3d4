"""Keys know their data: another key, a lost one or one that was changed forgets nobody."""

import shutil

import pandas as pd
import pytest

from campaigns.ledger import Ledger
from pipeline import cli
from pipeline.champion import champion
from pipeline.champion.champions import CHAMPIONS, PROMOTION
from pipeline.intake import reading
from pipeline.people import keys, tombstones
from pipeline.people.find_person import find
from pipeline.privacy import erase, rekey, subject
from pipeline.project import datasets, settings
from pipeline.project.errors import ParamsError, StaleError
from pipeline.sending import live_facts, suppress
from sources import ContractError, fingerprint, load_key, read_key
from tests.pipeline import shop_with_keys as keyed
from tests.pipeline.shop_with_keys import (
    ERASED,
    EVERYBODY,
    NEW,
    OLD,
    OTHER,
    SUPPRESSED,
    WRITTEN_TO,
    all_under,
    at,
    in_events,
    known_to_ledger,
    mail,
    of,
    use,
)

COMMANDS = [
    ("run",),
    ("score", "--as-of", "2025-01-05"),
    ("promote",),
    ("rollback",),
    ("explain", "anna"),
    ("check",),
    ("lists", "--why", "anna"),
    ("approve", "win_back", "--yes"),
    ("export", "win_back"),
    ("suppress", "anna@example.com"),
    ("erase", "anna", "--yes"),
    ("subject", "anna"),
]


@pytest.fixture
def s(project, shipped):
    return keyed.make(shipped)


@pytest.fixture
def wafa(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["wafa", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code or 0, capsys.readouterr().err

    return call


def unsay_key(in_erased=False):
    """Make the records those of a Wafa that knew no fingerprints."""
    with Ledger(datasets.LEDGER) as ledger:
        for statement in ("DROP TABLE key", "DROP TABLE old_tokens", "PRAGMA user_version = 1"):
            ledger._sql.execute(statement)
    if in_erased:
        lines = datasets.ERASED.read_text().splitlines(keepends=True)
        datasets.ERASED.write_text("".join(line for line in lines if not line.startswith("#")))


# Another key


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_another_key_is_refused_by_every_command(s, wafa, command):
    datasets.write_parquet(pd.DataFrame({"customer_id": ["c"]}), datasets.SCORES, ("customer_id",))
    datasets.write_json(
        {"list": "win_back", "as_of": "2025-01-05", "guards": []}, datasets.LISTS / "win_back" / datasets.MANIFEST
    )
    datasets.write_parquet(pd.DataFrame({"customer_id": ["c"]}), datasets.LISTS / datasets.PEOPLE, ("customer_id",))
    use(NEW)
    before = known_to_ledger(), datasets.ERASED.read_bytes()
    code, said = wafa(*command)
    assert code == 3, said
    assert f"state/contacts.db was made with the key {fingerprint(OLD)}" in said
    assert "Put the old key back, or run `wafa rekey`" in said
    assert before == (known_to_ledger(), datasets.ERASED.read_bytes())
    assert in_events(OLD) == {*EVERYBODY} - {ERASED}


def test_another_key_is_refused_by_the_stage_too(s):
    use(NEW)
    with pytest.raises(StaleError, match=r"contacts\.db was made with the key"):
        reading.run(s, datasets.EVENTS)


@pytest.mark.parametrize("record", ["erased.txt", "manifest.json", "vault.parquet", "champions"])
def test_every_record_knows_its_key(s, record):
    datasets.LEDGER.unlink()
    if record != "erased.txt":
        datasets.ERASED.unlink()
    if record == "vault.parquet":
        manifest = datasets.read_json(datasets.EVENTS / "manifest.json")
        datasets.write_json(manifest | {"key": fingerprint(NEW)}, datasets.EVENTS / "manifest.json")
    if record == "champions":
        place = datasets.CHAMPIONS / ("a" * 64)
        datasets.write_json({"key": fingerprint(OLD)}, place / PROMOTION)
        datasets.write_json({"current": place.name, "previous": []}, datasets.CHAMPION_POINTER)
        datasets.VAULT.unlink()
        (datasets.EVENTS / "manifest.json").unlink()
    champion.check_keys(s) if record != "vault.parquet" else None
    use(NEW)
    with pytest.raises(StaleError, match=record):
        champion.check_keys(s)


def test_a_night_knows_its_key(s):
    shutil.copytree(datasets.EVENTS, datasets.batch("2025-01-05") / "events")
    assert live_facts.checked(s, "2025-01-05").key == fingerprint(OLD)
    manifest = datasets.batch("2025-01-05") / "events" / "manifest.json"
    datasets.write_json(datasets.read_json(manifest) | {"key": fingerprint(NEW)}, manifest)
    with pytest.raises(StaleError, match=r"state/batch/2025-01-05/events/manifest\.json was made with the key"):
        live_facts.checked(s, "2025-01-05")


def test_another_key_in_the_environment_is_refused(s, monkeypatch):
    monkeypatch.setenv("WAFA_KEY_MY_SHOP", NEW.hex())
    with pytest.raises(StaleError, match=r"contacts\.db was made with the key"):
        keys.in_force(s)


def test_the_demo_key_is_a_key_like_any_other(s):
    with Ledger(datasets.LEDGER) as ledger, ledger.writing():
        ledger.adopt(fingerprint(load_key("demo", {}, None)))
    with pytest.raises(StaleError, match=r"contacts\.db was made with the key"):
        keys.in_force(s)


def test_a_lost_key_names_what_it_made(s):
    (datasets.KEYS / "my_shop.key").unlink()
    with pytest.raises(
        ContractError, match=r"If this key made the pseudonyms in state/contacts\.db, data/events, .* put"
    ):
        keys.in_force(s)


def test_a_key_that_changed_between_reading_and_writing_writes_nothing(s):
    rekeyed = fingerprint(NEW)
    with Ledger(datasets.LEDGER, key=fingerprint(OLD)) as ledger:
        with Ledger(datasets.LEDGER) as other:
            other.rekey(rekeyed, {})
        with pytest.raises(Exception, match="another key than a moment ago"):
            ledger.suppress(["c_" + "0" * 24], "opt_out", 1)
    assert "c_" + "0" * 24 not in known_to_ledger()["suppressed"]


# Records of before fingerprints


def test_an_old_ledger_is_taken_over_by_the_key_that_recognises_somebody_in_it(s):
    unsay_key()
    keys.in_force(s)
    with Ledger(datasets.LEDGER) as ledger:
        assert ledger.made_by() == fingerprint(OLD)
    assert known_to_ledger() == all_under(OLD)


def test_an_old_ledger_is_refused_to_a_key_that_recognises_nobody_in_it(s):
    unsay_key()
    use(NEW)
    for _ in range(2):
        with pytest.raises(StaleError, match=r"contacts\.db does not say which key .* recognises nobody in it"):
            keys.in_force(s)


def test_an_old_ledger_that_holds_nobody_is_anybodys(s):
    datasets.LEDGER.unlink()
    datasets.ERASED.unlink()
    Ledger(datasets.LEDGER).close()
    unsay_key()
    use(NEW)
    assert keys.in_force(s).fingerprint == fingerprint(NEW)


def test_old_tombstones_are_taken_over_where_the_files_hold_one_of_them(s):
    unsay_key(in_erased=True)
    text = datasets.ERASED.read_text()
    keys.in_force(s)
    assert datasets.ERASED.read_text() == text  # without the lock of the run nothing is written
    reading.run(s, datasets.EVENTS)
    assert datasets.ERASED.read_text() == tombstones.head("my_shop", fingerprint(OLD)) + text
    assert in_events(OLD) == {*EVERYBODY} - {ERASED}


def test_old_tombstones_of_nobody_in_the_files_are_refused_until_a_line_says_whose_they_are(s):
    unsay_key(in_erased=True)
    keyed.write_files([name for name in EVERYBODY if name != ERASED])
    with pytest.raises(StaleError, match=f"write the line `# key my_shop {fingerprint(OLD)}` above them"):
        keys.in_force(s)
    datasets.ERASED.write_text(tombstones.head("my_shop", fingerprint(OLD)) + datasets.ERASED.read_text())
    keys.in_force(s)


def test_a_named_old_key_speaks_for_old_records(s, tmp_path):
    unsay_key(in_erased=True)
    use(NEW)
    old = tmp_path / "backup.key"
    old.touch(mode=0o600)
    old.write_text(OLD.hex())
    with pytest.raises(StaleError, match="no key at hand recognises anybody in it"):
        rekey.rekey(s)
    rekey.rekey(s, old)
    assert known_to_ledger() == all_under(NEW)
    assert tombstones.by_key() == {fingerprint(NEW): {of(ERASED, NEW), of(mail(ERASED), NEW)}}


# Another key, on purpose


def change_key(s):
    """The old key lies where it was, under another name, and the shop's is a new one."""
    file = datasets.KEYS / "before.key"
    file.touch(mode=0o600)
    file.write_text(OLD.hex())
    use(NEW)
    return rekey.rekey(s)


def test_whom_the_files_hold_is_carried_over(s):
    lines = change_key(s)
    assert any("of 4 pseudonyms of people noted or written to 4 carried over, 0 wait" in line for line in lines), lines
    assert known_to_ledger() == all_under(NEW)
    assert tombstones.by_key() == {fingerprint(NEW): {of(ERASED, NEW), of(mail(ERASED), NEW)}}
    left = (datasets.VAULT, datasets.EVENTS, datasets.REKEYING, datasets.LANDED)
    assert [place for place in left if place.exists()] == []
    reading.run(s, datasets.EVENTS)
    assert in_events(NEW) == {*EVERYBODY} - {ERASED}
    assert keys.in_force(s, datasets.EVENTS).old == ()
    assert rekey.drop(s, fingerprint(OLD))
    assert not datasets.old_key_file(fingerprint(OLD)).exists()


@pytest.mark.parametrize("key", [load_key("demo", {}, None), NEW], ids=["demo", "own"])
def test_a_key_that_was_kept_can_be_read_again(s, key):
    rekey._keep(key)
    assert read_key(datasets.old_key_file(fingerprint(key))) == key
    rekey.rekey(s)  # which reads every key that is kept


def test_comments_of_tombstones_go_along(s):
    text = datasets.ERASED.read_text().replace(of(ERASED, OLD), f"{of(ERASED, OLD)}  # by letter")
    datasets.ERASED.write_text(f"# of the shop\n{text}")
    change_key(s)
    text = datasets.ERASED.read_text()
    assert text.startswith("# of the shop\n")
    assert f"{of(ERASED, NEW)}  # by letter\n" in text


def test_who_comes_back_after_the_change_is_still_written_to_suppressed_and_erased(s):
    datasets.VAULT.unlink()
    keyed.write_files(["dora", "emil"])
    lines = change_key(s)
    assert sum("wait until an id or address of theirs comes" in line for line in lines) == 2
    assert known_to_ledger() == all_under(OLD)
    reading.run(s, datasets.EVENTS)
    assert known_to_ledger() == all_under(OLD)
    with pytest.raises(StaleError, match="still guards 6 pseudonyms"):
        rekey.drop(s, fingerprint(OLD))
    keyed.write_files()
    reading.run(s, datasets.EVENTS)
    assert known_to_ledger() == all_under(NEW)
    assert in_events(NEW) == {*EVERYBODY} - {ERASED}
    with pytest.raises(StaleError, match="still guards 2 pseudonyms"):
        rekey.drop(s, fingerprint(OLD))
    rekey.rekey(s)
    assert datasets.EVENTS.exists()  # nothing was made with another key
    assert tombstones.by_key() == {fingerprint(NEW): {of(ERASED, NEW), of(mail(ERASED), NEW)}}
    rekey.drop(s, fingerprint(OLD))


def test_the_check_of_files_carries_nobody_over(s):
    datasets.VAULT.unlink()
    keyed.write_files(["dora"])
    change_key(s)
    keyed.write_files()
    assert reading.read_into(s, datasets.STATE / "check" / "events").carried
    assert known_to_ledger() == all_under(OLD)


def test_who_stands_in_the_vault_is_carried_over_before_a_list_leaves(s):
    datasets.VAULT.unlink()
    keyed.write_files(["dora"])
    change_key(s)
    keyed.write_files()
    reading.read_into(s, datasets.EVENTS)
    reading._write_vault(reading._ingested(s, datasets.STATE / "check", None).vault)
    assert known_to_ledger() == all_under(OLD)
    keys.ready(s, datasets.EVENTS)
    assert known_to_ledger() == all_under(NEW)


def test_a_vault_that_is_made_again_carries_over(s):
    datasets.VAULT.unlink()
    keyed.write_files(["dora"])
    change_key(s)
    keyed.write_files()
    reading.ensure_vault(s)
    assert known_to_ledger() == all_under(NEW)


def test_names_are_tried_under_old_keys(s):
    datasets.VAULT.unlink()
    keyed.write_files(["dora"])
    change_key(s)
    suppress.suppress(s, mail(WRITTEN_TO), "opt_out", 1)
    assert known_to_ledger()["inbox"] == {at(WRITTEN_TO, NEW)}
    assert subject.held(s, SUPPRESSED)["contact ledger"]["suppressions"]
    assert subject.held(s, of(SUPPRESSED, OLD))["contact ledger"]["suppressions"]
    erase.erase(s, find(s, [SUPPRESSED, mail(SUPPRESSED)]))
    assert known_to_ledger()["suppressed"] == {of(mail(WRITTEN_TO), NEW), at(WRITTEN_TO, NEW)}
    found = tombstones.by_key()
    assert of(SUPPRESSED, NEW) in found[fingerprint(NEW)]
    assert found[fingerprint(OLD)] == {of(ERASED, OLD), of(mail(ERASED), OLD)}
    keyed.write_files()
    reading.run(s, datasets.EVENTS)
    assert in_events(NEW) == {*EVERYBODY} - {ERASED, SUPPRESSED}


def test_a_pseudonym_of_an_old_key_is_a_tombstone_of_that_key(s):
    datasets.VAULT.unlink()
    keyed.write_files(["dora"])
    change_key(s)
    erase.erase(s, find(s, [of(SUPPRESSED, OLD)]))
    keyed.write_files()
    reading.run(s, datasets.EVENTS)
    assert in_events(NEW) == {*EVERYBODY} - {ERASED, SUPPRESSED}


def test_two_changes_and_back(s):
    datasets.VAULT.unlink()
    keyed.write_files(["dora"])
    change_key(s)
    use(OTHER)
    rekey.rekey(s)
    assert known_to_ledger() == all_under(OLD)
    keyed.write_files()
    reading.run(s, datasets.EVENTS)
    assert known_to_ledger() == all_under(OTHER)
    assert in_events(OTHER) == {*EVERYBODY} - {ERASED}
    (datasets.KEYS / "my_shop.key").rename(datasets.KEYS / "other.key")
    use(OLD)
    rekey.rekey(s)
    assert known_to_ledger() == all_under(OLD)
    reading.run(s, datasets.EVENTS)
    assert in_events(OLD) == {*EVERYBODY} - {ERASED}


def test_an_old_key_that_is_gone_while_somebody_waits_stops_everything(s):
    datasets.VAULT.unlink()
    keyed.write_files(["dora"])
    change_key(s)
    file = datasets.old_key_file(fingerprint(OLD))
    assert file.stat().st_mode & 0o777 == 0o600
    file.unlink()
    with pytest.raises(StaleError, match=r"erased\.txt was made with the key"):
        keys.in_force(s)
    datasets.ERASED.unlink()
    with pytest.raises(StaleError, match=r"\.key is missing or holds another key, though people noted .* wait"):
        keys.in_force(s)
    file.touch(mode=0o600)
    file.write_text(OTHER.hex())
    with pytest.raises(StaleError, match=r"\.key is missing or holds another key, though people noted .* wait"):
        keys.in_force(s)


def test_a_key_that_is_nowhere_cannot_be_changed(s):
    use(NEW)
    before = known_to_ledger()
    with pytest.raises(StaleError, match=f"made with the key {fingerprint(OLD)}, which is nowhere below state/keys"):
        rekey.rekey(s)
    assert before == known_to_ledger()
    assert datasets.EVENTS.exists()
    assert not datasets.REKEYING.exists()


def test_an_interrupted_change_and_an_interrupted_erasure_come_first(s):
    datasets.write_json({}, datasets.REKEYING)
    with pytest.raises(StaleError, match=r"a change of the key was interrupted\. Run `wafa rekey`"):
        keys.in_force(s)
    datasets.write_json({}, erase.JOURNAL)
    with pytest.raises(StaleError, match="an erasure was interrupted"):
        rekey.rekey(s)


def test_only_an_old_key_can_be_dropped(s):
    for name in ("0" * 16, "../my_shop"):
        with pytest.raises(ParamsError, match="holds no key"):
            rekey.drop(s, name)


def test_a_champion_goes_along(s, train_champion):
    train_champion(["anna", "ben", "gone"])
    assert CHAMPIONS.facts(CHAMPIONS.folder().parent.name)["key"] == fingerprint(OLD)
    change_key(s)
    pointer = CHAMPIONS.pointer()
    place = datasets.CHAMPIONS / pointer.current
    assert set(datasets.read_parquet(place / datasets.PREDICTIONS.name)["customer_id"]) == {
        of("anna", NEW),
        of("ben", NEW),
    }
    assert CHAMPIONS.is_whole(place.name)
    champion.check_keys(s)


@pytest.fixture
def train_champion(model, monkeypatch):
    from pipeline.project import model_store

    monkeypatch.setattr(champion, "_move_alias", lambda model_hash: None)

    def run(names):
        model_store.write(model, datasets.MODEL, {})
        rows = pd.DataFrame({"customer_id": [of(name, OLD) for name in names], "origin": "2025-01-01"})
        datasets.write_parquet(rows, datasets.PREDICTIONS, ("customer_id", "origin"))
        champion._install([])

    return run


def test_messages_of_both_keys_in_one_campaign_become_one(s):
    """Only a ledger that was written under both keys has them; the message that counts stays."""
    pairs = {of(WRITTEN_TO, OLD): of(WRITTEN_TO, NEW), at(WRITTEN_TO, OLD): at(WRITTEN_TO, NEW)}
    with Ledger(datasets.LEDGER) as ledger:
        with ledger.writing():
            row = ("win_back-1", of(WRITTEN_TO, NEW), at(WRITTEN_TO, NEW), "holdout", "list", None, None, 5)
            ledger.reserve("win_back", "2025-03-01", "id", 1, 59 * keyed.DAY, [row])
        ledger.suppress([of(SUPPRESSED, NEW)], "opt_out", 3)
        ledger.rekey(fingerprint(NEW), pairs | {of(SUPPRESSED, OLD): of(SUPPRESSED, NEW)})
        found = ledger._sql.execute("SELECT person, inbox, state, counts FROM contacts").fetchall()
    assert found == [(of(WRITTEN_TO, NEW), at(WRITTEN_TO, NEW), "exported", 1)]
    assert known_to_ledger()["suppressed"] == {of(SUPPRESSED, NEW), at(SUPPRESSED, OLD)}


def test_settings_name_the_key(s):
    assert settings.load().sources.key_id == keys.load(s).key_id == "my_shop"
