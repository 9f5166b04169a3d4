"""`wafa check --leaks` on a small shop's files: a certificate, and exit code 3 with the name of what leaks."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features import CATALOGUE
from pipeline import build_cohorts, build_features, cli
from pipeline.evaluation import check_leaks, watch_features
from pipeline.project import datasets, settings
from tests.laws.planted_leaks import plant_lifetime_total
from tests.laws.shop_folder import DAYS, small_shop, write_shop

Wafa = Callable[..., tuple[int, str, str]]


@pytest.fixture
def wafa(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Wafa:
    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["wafa", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return call


def certificate() -> Any:
    return datasets.read_json(datasets.LEAK_CERTIFICATE)


def test_certificate_of_a_shop_without_leaks(project: Path, wafa: Wafa) -> None:
    write_shop(small_shop(), project, cohort__max_cutoffs=2)
    code, out, err = wafa("check", "--leaks")
    assert (code, err) == (0, "")
    assert "no leak found" in out
    assert "wafa run" in out  # The alarms say what they miss.
    assert "warning: deliveries: no loaded_at" in out

    found = certificate()
    assert found["verdict"] == "no leak found"
    assert found["leaking_features"] == []
    assert [cutoff["day"] for cutoff in found["cutoffs"]] == list(DAYS[1:])
    cells = sum(cutoff["customers"] for cutoff in found["cutoffs"]) * len(found["columns"])
    for kind in ("future", "late_arrival"):
        law = found["laws"][kind]
        assert law["cells_compared"] == cells
        assert (law["cells_changed"], law["cells_changed_by_column"], law["eligible_changed"]) == (0, {}, 0)
        assert set(law["rows_added"]) == set(small_shop().logs)
        assert all(law["rows_added"].values())
    assert found["features"] == len(CATALOGUE)
    # The same rows before the cutoff are noticed: the comparison can fail.
    assert found["columns_that_no_poison_would_move"] == []
    assert found["late_arrival_unknown"] == ["deliveries"]
    assert found["alarms"]["checked"] is False
    text = datasets.LEAK_CERTIFICATE.read_text(encoding="utf-8")
    assert str(project) not in text
    assert not (project / datasets.LEAK_CHECK).exists()


@pytest.mark.stress
def test_the_same_data_give_the_same_certificate(project: Path) -> None:
    write_shop(small_shop(), project, cohort__max_cutoffs=2)
    texts = []
    for _ in range(2):
        check_leaks.certify(settings.load(), at_most=10)
        texts.append(datasets.LEAK_CERTIFICATE.read_text(encoding="utf-8"))
    assert texts[0] == texts[1]


def test_a_leak_is_named_and_ends_with_3(project: Path, wafa: Wafa, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shop(small_shop(), project, cohort__max_cutoffs=2)
    plant_lifetime_total(monkeypatch)
    code, out, err = wafa("check", "--leaks", "--customers", "10")
    assert code == 3
    assert err.startswith("check: feature lifetime_total changed with what a cutoff cannot know (future")
    assert "cells changed" in out
    found = certificate()
    assert found["verdict"] == "leak found"
    assert found["leaking_features"] == ["lifetime_total"]
    assert [cutoff["customers"] for cutoff in found["cutoffs"]] == [10, 10]
    assert found["laws"]["future"]["cells_changed_by_column"]["lifetime_total"] > 10


def test_a_leak_into_who_is_eligible_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shop(small_shop(), project, cohort__max_cutoffs=2, cohort__active_days=30)
    monkeypatch.setattr("features.cohort.known_before", lambda events, cutoff: events["customer_id"].notnull())
    with pytest.raises(check_leaks.StaleError, match="who counts as eligible changed"):
        check_leaks.certify(settings.load(), at_most=5)
    assert certificate()["leaking_features"] == []


def test_every_cutoff_and_everybody_if_asked(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shop(small_shop(), project)
    monkeypatch.setattr(check_leaks, "MEANING", {"future": check_leaks.MEANING["future"]})
    few, _ = check_leaks.run(settings.load(), at_most=1)
    laws, facts = check_leaks.run(settings.load(), at_most=0, every_cutoff=True)
    assert [cutoff["day"] for cutoff in facts["cutoffs"]] == list(DAYS)
    assert facts["customers"] > 20
    assert laws["future"].cells_compared > 20 * few["future"].cells_compared


def test_there_must_be_events(project: Path, wafa: Wafa) -> None:
    write_shop(small_shop(), project)
    (project / datasets.EVENTS / "manifest.json").unlink()
    code, _, err = wafa("check", "--leaks")
    assert (code, err) == (3, "data/events: there are no events to check. Run `wafa run` first.\n")


@pytest.mark.parametrize("option", [["--customers", "5"], ["--all-cutoffs"]])
def test_options_of_the_leak_check_need_it(wafa: Wafa, option: list[str]) -> None:
    code, _, err = wafa("check", *option)
    assert (code, err) == (
        2,
        "wafa check: --customers and --all-cutoffs belong to --leaks. Add it, or leave them out.\n",
    )


# Alarms ---------------------------------------------------------------------------------------------------


def test_alarms_name_what_knows_the_label_and_what_drifts(project: Path) -> None:
    write_shop(small_shop(), project, cohort__max_cutoffs=6)
    build_cohorts.main()
    build_features.main()
    cohort = datasets.read_parquet(datasets.COHORT)
    rng = np.random.default_rng(1)
    days = sorted(file for file in datasets.FEATURES.glob("*.parquet"))
    assert len(days) == 6
    for number, (file, cutoff) in enumerate(zip(days, sorted(cohort["cutoff"].unique()), strict=True)):
        matrix = datasets.read_parquet(file)
        churned = cohort[cohort["cutoff"] == cutoff].set_index("customer_id")["churned"]
        answer = matrix["customer_id"].map(churned).astype("float64")
        # One wrong row in fifty; the right ones are known by being missing.
        told = answer.where(rng.random(len(answer)) > 0.02, 1 - answer)
        matrix["spend_30d"] = np.where(told == 1, np.nan, rng.normal(size=len(told)))
        matrix["days_since_first_order"] = rng.normal(size=len(told)) + 3.0 * number
        matrix["points_gained_30d"] = rng.normal(size=len(told)) + 9.0 * (number % 2)
        datasets.write_parquet(matrix, file, key=("customer_id",))
    found = watch_features.watch(settings.load())
    assert found["rows"] == len(cohort)
    assert [alarm["column"] for alarm in found["telling_alone"]] == ["spend_30d"]
    assert "days_since_first_order" in [alarm["column"] for alarm in found["drifting"]]
    assert "points_gained_30d" not in [alarm["column"] for alarm in found["drifting"]]
    lines = "\n".join(watch_features.told(found))
    assert "alarm: alone above AUROC 0.95: spend_30d" in lines
    assert "alarm: rises or falls with the cutoff" in lines


def test_windows_that_reach_before_the_data_are_not_called_drift(project: Path) -> None:
    write_shop(small_shop(), project, cohort__max_cutoffs=6)
    build_cohorts.main()
    cutoffs = sorted(int(cutoff) for cutoff in datasets.read_parquet(datasets.COHORT)["cutoff"].unique())
    manifest = datasets.read_json(datasets.EVENTS / "manifest.json")
    for log in manifest["logs"].values():
        log["first"] = cutoffs[3] - 90 * 86_400_000_000
    datasets.write_json(manifest, datasets.EVENTS / "manifest.json")
    judged = watch_features._judged(settings.load(), cutoffs)
    assert judged["spend_90d"] == [3, 4, 5]
    assert judged["spend_365d"] == []
    assert judged["days_since_last_order"] == [0, 1, 2, 3, 4, 5]


def test_a_sample_does_not_depend_on_order() -> None:
    customers = [f"c{number}" for number in range(100)]
    assert watch_features.by_hash(customers, 10) == watch_features.by_hash(customers[::-1], 10)
    assert len(watch_features.by_hash(customers, 0)) == 100


def test_long_lists_are_cut_for_people_only() -> None:
    alarm = [{"column": f"c{number}", "index": 1.0} for number in range(8)]
    found = {
        "checked": True, "rows": 1, "cutoffs": 9, "telling_alone": [], "drifting": alarm, "drift_not_judged": ["x"],
        "not_built": ["y"],
    }  # fmt: skip
    lines = watch_features.told(found)
    assert any(line.startswith("note: y not looked at") and "wafa run" in line for line in lines)
    assert "c4 (1.00) and 3 more" in lines[2]
    assert lines[3].endswith("drift is not judged: x")
