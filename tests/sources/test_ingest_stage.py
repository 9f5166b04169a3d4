"""The stage: what it leaves in data/ and state/, and who may read it."""

import json
import os
import stat
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest

from pipeline.intake import reading
from pipeline.project import datasets
from pipeline.project.errors import ParamsError
from sources import ContractError, SourceSettings, pseudonym
from tests.sources.source_files import KEY, ORDERS


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project folder with three orders and a bad one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAFA_KEY_TEST", KEY.hex())
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "orders.csv").write_text(ORDERS + "4,cleo-canary,soon,1.00\n")
    return tmp_path


def params(currency: str = "GBP", path: str = "exports") -> SimpleNamespace:
    sources = SourceSettings.model_validate(
        {
            "path": path,
            "currency": "GBP",
            "key_id": "test",
            "logs": {"orders": {"file": "orders.csv"}},
            "own_logs": {},
        }
    )
    return SimpleNamespace(
        sources=sources,
        shop=SimpleNamespace(timezone="UTC", currency=currency),
        engine=SimpleNamespace(memory_limit="1GB", threads=2),
    )


def files_below(folder) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_events_are_monthly_files_and_a_manifest(project, capsys):
    manifest = reading.run(params(), datasets.EVENTS)
    events = files_below(project / "data" / "events")
    assert sorted(events) == ["manifest.json", "orders/2025-01.parquet", "orders/2025-02.parquet"]
    assert json.loads(events["manifest.json"]) == manifest
    assert "orders: 3 events, 1 rows quarantined, 0 duplicates" in capsys.readouterr().out
    assert pq.read_table(datasets.EVENTS / "orders" / "2025-01.parquet").num_rows == 2


def test_a_second_run_gives_the_same_bytes_and_a_nightly_folder_too(project):
    reading.run(params(), datasets.EVENTS)
    first = files_below(project / "data" / "events")
    reading.run(params(), datasets.EVENTS)
    reading.run(params(), datasets.batch("2025-03-01") / "events")
    assert files_below(project / "data" / "events") == first
    assert files_below(project / "state" / "batch" / "2025-03-01" / "events") == first


def test_raw_ids_stay_in_state_where_only_the_owner_reads_them(project, capfd):
    reading.run(params(), datasets.EVENTS)
    outside = b"".join(files_below(project / "data").values()) + "".join(capfd.readouterr()).encode()
    for secret in (b"anna", b"cleo-canary", KEY.hex().encode()):
        assert secret not in outside
    assert b"cleo-canary" in (datasets.QUARANTINE / "orders.jsonl").read_bytes()
    assert set(datasets.read_parquet(datasets.VAULT)["shop_id"]) == {"anna", "ben"}
    if os.name == "posix":
        private = [datasets.VAULT, datasets.QUARANTINE / "orders.jsonl"]
        assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
        assert {stat.S_IMODE(path.stat().st_mode) for path in (datasets.STATE, datasets.QUARANTINE)} == {0o700}


def test_quarantine_says_where_each_line_stood(project):
    reading.run(params(), datasets.EVENTS)
    assert json.loads((datasets.QUARANTINE / "orders.jsonl").read_text()) == {
        "log": "orders",
        "file": "orders.csv",
        "line": 5,
        "rule": "unparsable_time",
        "column": "ordered_at",
        "message": "No ISO 8601 time; correct it, or declare time_format.",
        "raw": "4,cleo-canary,soon,1.00",
    }


def test_people_in_erased_txt_are_left_out(project):
    (anna,) = pseudonym(["anna"], KEY).to_pylist()
    datasets.ERASED.write_text(f"# who asked to be forgotten\n{anna}  # 2025-03-01\n\n")
    reading.run(params(), datasets.EVENTS)
    assert datasets.read_parquet(datasets.VAULT)["shop_id"].tolist() == ["ben"]


def test_the_vault_can_be_made_again_without_touching_the_events(project):
    reading.ensure_vault(params())
    assert set(datasets.read_parquet(datasets.VAULT)["shop_id"]) == {"anna", "ben"}
    assert not datasets.EVENTS.exists()
    before = datasets.VAULT.stat().st_mtime_ns
    reading.ensure_vault(params())
    assert datasets.VAULT.stat().st_mtime_ns == before


def test_a_refused_file_leaves_the_events_of_before(project):
    reading.run(params(), datasets.EVENTS)
    before = files_below(project)
    (project / "exports" / "orders.csv").write_text("")
    with pytest.raises(ContractError, match="empty_file"):
        reading.run(params(), datasets.EVENTS)
    assert files_below(project) == before | {"exports/orders.csv": b""}


def test_shop_and_sources_agree_about_the_currency(project):
    with pytest.raises(ParamsError, match=r"sources\.currency is GBP, but shop.currency is EUR"):
        reading.run(params(currency="EUR"), datasets.EVENTS)


def test_a_line_of_erased_txt_that_is_no_pseudonym_is_refused(tmp_path):
    from pipeline.people.tombstones import erased_customers
    from pipeline.project.errors import ParamsError

    file = tmp_path / "erased.txt"
    file.write_text(f"# comment\nc_{'0a' * 12}  # asked in May\n")
    assert erased_customers(file) == {"c_" + "0a" * 12}
    file.write_text("# comment\nC018529\n")
    with pytest.raises(ParamsError, match=r"line 2: no pseudonym.*wafa explain"):
        erased_customers(file)
