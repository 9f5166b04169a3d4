"""Erasing somebody from a vendor's file leaves what an ingest makes of everybody else as it was."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.people.find_person import find
from pipeline.people.raw_records import declared
from pipeline.privacy.rewrite_raw import write_without
from sources import ContractError, SourceSettings
from tests.sources.source_files import read

GOLDEN = Path(__file__).parents[1] / "sources" / "golden"
ADAPTERS = sorted(folder.name for folder in GOLDEN.iterdir() if folder.is_dir())


def rows_of(found):
    """Every canonical row by table; who it is about, by pseudonym; without the id that says where it stood."""
    return {
        name: sorted(
            json.dumps({k: v for k, v in row.items() if k != "event_id"}, default=str) for row in table.to_pylist()
        )
        for name, table in found.tables.items()
        if name != "restrictions"  # a broken line that names several people goes with one of them
    }


def without(rows, customer):
    return {name: [row for row in lines if customer not in row] for name, lines in rows.items()}


def settings_of(expected, adapter):
    also = expected["also"]
    logs, exports = also.get("logs", {}), {adapter: expected["params"]} | also.get("exports", {})
    declared_here = {"path": "exports", "currency": "GBP", "logs": logs, "own_logs": {}, "exports": exports}
    return logs, exports, SimpleNamespace(sources=SourceSettings.model_validate(declared_here))


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_the_others_stay_as_they_were(project, adapter):
    expected = json.loads((GOLDEN / adapter / "expected.json").read_text(encoding="utf-8"))
    logs, exports, s = settings_of(expected, adapter)
    zone = expected.get("zone", "UTC")
    shutil.copytree(GOLDEN / adapter, project / "before")
    everybody = read(project / "before", logs, exports=exports, zone=zone)
    before = rows_of(everybody)
    tried = 0
    for person in everybody.vault.itertuples():
        shutil.rmtree(project / "exports", ignore_errors=True)
        shutil.copytree(project / "before", project / "exports")
        found = find(s, [str(person.shop_id)])
        assert not found.unknown
        assert not found.unread
        for file in declared(s)[0]:
            write_without(file, found.people)
        text = "".join(file.path.read_text(encoding="utf-8") for file in declared(s)[0]).lower()
        assert not [address for address in found.people.addresses if address in text]
        try:
            left = read(project / "exports", logs, exports=exports, zone=zone)
        except ContractError as error:
            if "usable order" in str(error) or "empty_file" in str(error):
                continue  # nobody else had ordered
            raise
        assert person.customer_id not in set(left.vault["customer_id"])
        assert without(rows_of(left), person.customer_id) == rows_of(left)
        wanted, now = without(before, person.customer_id), rows_of(left)
        # Without any sent e-mail nobody can say that an open has none before it.
        judged = set() if "Email Sent" in str(now) or "Email Delivered" in str(now) else {"email_events"}
        for name in wanted:
            if name in judged:
                assert set(wanted[name]) <= set(now.get(name, []))
            else:
                assert wanted[name] == now.get(name, [])
        tried += 1
    assert tried
