"""Laws over the stages: what trains the model is what scores it, and nothing kept from an earlier run shows."""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from pipeline import build_cohorts, build_features, prepare_scoring
from pipeline.project import datasets, settings

from .shop_folder import DAYS, MONTHS, small_shop, write_events, write_shop
from .test_features import changed
from .worlds import DAY, World


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train() -> dict[str, str]:
    """Run the stages up to the features; content hash of each of their files."""
    build_cohorts.main()
    build_features.main()
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(datasets.FEATURES.iterdir())}


def training_against_scoring(day: str) -> list[str]:
    """Columns whose bytes differ between the features of training and those of scoring at ``day``."""
    trained = datasets.read_parquet(datasets.FEATURES / f"{day}.parquet")
    prepare_scoring.run(settings.load(), day, datasets.EVENTS, Path("scoring.parquet"))
    scored = pd.read_parquet("scoring.parquet")
    assert len(trained) > 5
    return changed(trained, scored)


def path_law(days: Sequence[str] = DAYS) -> list[str]:
    """Columns that differ between training and scoring of a small shop in this folder."""
    write_shop(small_shop(), Path())
    train()
    return sorted({name for day in days for name in training_against_scoring(day)})


def test_a_row_that_trains_is_the_row_that_scores(project: Path) -> None:
    assert path_law() == []


def known_until(shop: World, instant: int) -> World:
    """What the shop's files held at ``instant``."""
    return shop.with_logs(
        {
            name: frame[(frame["occurred_at"] < instant) & (frame["loaded_at"] < instant)].reset_index(drop=True)
            for name, frame in shop.logs.items()
        }
    )


def nights_law() -> list[str]:
    """Feature files that differ between three nights, each with what had come in by then, and one run at the end."""
    shop = small_shop()
    write_shop(shop, Path())
    scratch = train()
    shutil.rmtree("data")
    for known in (known_until(shop, MONTHS[1] + 3 * DAY), known_until(shop, MONTHS[2] + 45 * DAY), shop):
        shutil.rmtree(datasets.EVENTS, ignore_errors=True)
        write_events(known, datasets.EVENTS)
        nightly = train()
    assert len(scratch) == len(DAYS) + 1
    assert set(scratch) == set(nightly)
    return [name for name in scratch if scratch[name] != nightly[name]]


def test_night_after_night_gives_the_bytes_of_one_run_from_scratch(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert nights_law() == []
    capsys.readouterr()
    train()
    assert f"0 of {len(DAYS)} cutoffs built" in capsys.readouterr().out


def test_a_row_that_was_changed_changes_the_cutoffs_that_see_it(project: Path) -> None:
    shop = small_shop()
    write_shop(shop, project)
    before = train()
    orders = shop.logs["orders"].copy()
    recent = orders["occurred_at"].between(MONTHS[1], MONTHS[2] - 1) & (orders["loaded_at"] < MONTHS[2])
    assert recent.any()
    orders.loc[recent, "revenue"] = orders.loc[recent, "revenue"] + 1
    shutil.rmtree(project / datasets.EVENTS)
    write_events(shop.with_logs(dict(shop.logs) | {"orders": orders}), project / datasets.EVENTS)
    after = train()
    differ = [name for name in before if before[name] != after[name]]
    assert differ == [f"{DAYS[2]}.parquet", "fingerprints.json"]


def test_a_cutoff_that_is_no_longer_asked_for_leaves_nothing_behind(project: Path) -> None:
    write_shop(small_shop(), project, cohort__max_cutoffs=2)
    scratch = train()
    shutil.rmtree(project / "data")
    write_shop(small_shop(), project)
    assert len(train()) == len(scratch) + 1
    write_shop(small_shop(), project, cohort__max_cutoffs=2)
    assert train() == scratch
