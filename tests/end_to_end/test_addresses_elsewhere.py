"""Addresses in every column of things and of texts: a whole run keeps none, and comes to the same scores as without."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from sources.inputs import INPUTS, PERSONS
from tests.end_to_end.project import Project
from tests.end_to_end.test_canary import FEW, KEY, KEY_ID, MARK, RAW, hits

PLACES = ("exports/", "state/landed/", "state/quarantine/", "state/outbox/")
"""Where a shop's own texts may be."""
ONE_FORM = {"currency", "birth_month_day"}
"""Texts of one form; what else stands there costs its row."""


def with_addresses(log: str, rows: pd.DataFrame) -> pd.DataFrame:
    """An address behind every id of a thing, and behind every text."""
    for name, field in INPUTS[log].columns.items():
        if (
            name in rows
            and name not in PERSONS | ONE_FORM
            and field.kind in {"id", "text"}
            and not (field.allowed or field.words)
        ):
            gap = "." if field.kind == "id" else " "
            rows[name] = [
                cell if pd.isna(cell) or cell == "" else f"{cell}{gap}{MARK}@mail.example" for cell in rows[name]
            ]
    return rows


def plant(path: Path) -> None:
    log = path.name.split(".")[0]
    if path.suffix == ".parquet":
        with_addresses(log, pd.read_parquet(path)).to_parquet(path, index=False)
    elif path.suffix == ".csv":
        with_addresses(log, pd.read_csv(path, dtype=str, keep_default_na=False)).to_csv(path, index=False)
    else:
        rows = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
        cells = with_addresses(log, pd.DataFrame(rows, dtype=object)).to_dict("records")
        kept = [{name: row[name] for name in given} for row, given in zip(cells, rows, strict=True)]
        path.write_text("".join(json.dumps(row) + "\n" for row in kept))


def finished(folder: Path, planted: bool) -> Project:
    folder.mkdir()
    project = Project(folder)
    project.params(**FEW)
    assert project.stage("simulate_logs").returncode == 0
    shutil.copytree(project.path("data/raw/simulated"), project.path(RAW))
    shutil.rmtree(project.path("data"))
    if planted:
        for path in project.path(RAW).iterdir():
            plant(path)
    project.params(demo=[], sources__path=RAW)
    keys = project.path("state/keys")
    keys.mkdir(parents=True, mode=0o700)
    (keys / f"{KEY_ID}.key").write_text(KEY)
    (keys / f"{KEY_ID}.key").chmod(0o600)
    done = project.wafa("run")
    assert done.returncode == 0, (done.stdout[-2000:], done.stderr[-3000:])
    assert MARK not in (done.stdout + done.stderr).lower()
    return project


@pytest.mark.stress
def test_addresses_in_other_columns_stay_outside_and_change_no_score(tmp_path: Path) -> None:
    project = finished(tmp_path / "planted", planted=True)
    found = hits(project.folder, set())
    assert [path for path in found if not path.startswith(PLACES)] == []
    assert [path for path in found if path.startswith("state/landed/")]
    clean = finished(tmp_path / "clean", planted=False)
    for table in ("data/features", "data/scores/scores.parquet"):
        one, other = (each.path(table) for each in (project, clean))
        files = sorted(path.relative_to(other) for path in other.rglob("*.parquet")) if other.is_dir() else [Path()]
        assert files
        for file in files:
            pd.testing.assert_frame_equal(pd.read_parquet(one / file), pd.read_parquet(other / file))
