"""What is written is whole or not there at all, and equal values give equal bytes."""

import os

import numpy as np
import pandas as pd
import pytest

from pipeline.project import datasets


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_as_a_whole(tmp_path):
    file = tmp_path / "deeper" / "scores.txt"
    datasets.write_text("old\n", file)
    with datasets.replace_file(file) as draft:
        draft.write_text("new\n")
        assert file.read_text() == "old\n"
    assert file.read_text() == "new\n"
    assert names(file.parent) == ["scores.txt"]


def test_a_block_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    file = tmp_path / "scores.txt"
    datasets.write_text("old\n", file)

    def fails_midway():
        with datasets.replace_file(file) as draft:
            draft.write_text("half a fi")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails_midway()
    assert file.read_text() == "old\n"
    assert names(tmp_path) == ["scores.txt"]


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    folder = tmp_path / "model"
    for name in ("old.txt", "new.txt"):
        with datasets.replace_folder(folder) as draft:
            (draft / "deeper").mkdir()
            (draft / "deeper" / name).write_text(name)
    assert names(folder / "deeper") == ["new.txt"]
    assert names(tmp_path) == ["model"]


def test_a_block_that_fails_leaves_the_old_folder_and_nothing_beside_it(tmp_path):
    folder = tmp_path / "model"
    with datasets.replace_folder(folder) as draft:
        (draft / "trees.txt").write_text("old")

    def fails_midway():
        with datasets.replace_folder(folder) as draft:
            (draft / "trees.txt").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails_midway()
    assert (folder / "trees.txt").read_text() == "old"
    assert names(tmp_path) == ["model"]


def test_a_draft_that_a_killed_run_left_does_not_get_into_the_folder(tmp_path):
    folder = tmp_path / "model"
    with datasets.replace_folder(folder) as draft:
        left = draft
    left.mkdir()
    (left / "leftover").write_text("half")
    with datasets.replace_folder(folder) as draft:
        (draft / "trees.txt").write_text("whole")
    assert names(folder) == ["trees.txt"]


def test_equal_values_give_equal_json(tmp_path):
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    datasets.write_json({"b": 1, "a": {"d": [1.5], "c": "Ä"}}, one)
    datasets.write_json({"a": {"c": "Ä", "d": [1.5]}, "b": 1}, other)
    assert one.read_bytes() == other.read_bytes()
    assert datasets.read_json(one) == {"a": {"c": "Ä", "d": [1.5]}, "b": 1}
    assert b"\r" not in one.read_bytes()


def test_a_value_that_json_cannot_say_leaves_the_old_file(tmp_path):
    file = tmp_path / "metrics.json"
    datasets.write_json({"auroc": 0.8}, file)
    with pytest.raises(ValueError, match="JSON"):
        datasets.write_json({"auroc": float("nan")}, file)
    assert datasets.read_json(file) == {"auroc": 0.8}


def test_two_rows_with_one_key_are_refused_with_the_key(tmp_path):
    rows = pd.DataFrame({"customer_id": ["c1", "c1"], "rank": [1, 1]})
    file = tmp_path / "reasons.parquet"
    with pytest.raises(ValueError, match=r"reasons\.parquet: two rows share the key \(customer_id, rank\)"):
        datasets.write_parquet(rows, file, key=("customer_id", "rank"))
    assert not file.exists()


def test_a_table_is_ordered_by_its_key_so_that_row_order_leaves_no_trace(tmp_path):
    rows = pd.DataFrame({"customer_id": ["c2", "c1", "c1"], "rank": [1, 2, 1], "value": [0.1, 0.2, 0.3]})
    one, other = tmp_path / "one.parquet", tmp_path / "other.parquet"
    datasets.write_parquet(rows, one, key=("customer_id", "rank"))
    datasets.write_parquet(rows.iloc[::-1], other, key=("customer_id", "rank"))
    assert one.read_bytes() == other.read_bytes()
    assert datasets.read_parquet(one)["value"].tolist() == [0.3, 0.2, 0.1]
    assert datasets.read_parquet(one, ["rank"]).columns.tolist() == ["rank"]


def test_events_of_all_months_are_read_and_an_absent_log_is_none(tmp_path):
    for month, customer in (("2026-01", "c1"), ("2025-12", "c2")):
        rows = pd.DataFrame({"customer_id": [customer]})
        datasets.write_parquet(rows, tmp_path / "orders" / f"{month}.parquet", key=("customer_id",))
    assert datasets.read_events(tmp_path, "orders")["customer_id"].tolist() == ["c2", "c1"]
    assert datasets.read_events(tmp_path, "web_events") is None


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_only_its_owner_may_enter_a_private_folder(project):
    folder = datasets.private_folder(datasets.STATE / "outbox")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert datasets.STATE.stat().st_mode & 0o777 == 0o700


def _customers(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    ids = pd.array([f"c_{number:024x}" for number in range(rows)], dtype="str")  # as long as pseudonyms
    columns = {"spend": rng.integers(0, 10**6, rows) / 7, "days": rng.random(rows), "visits": rng.integers(0, 9, rows)}
    frame = pd.DataFrame({"customer_id": ids} | {name: values.astype("float64") for name, values in columns.items()})
    for name in columns:
        # Unknown values, everywhere and in one stretch: a part may hold none of them, or nothing else.
        frame.loc[(rng.random(rows) < 0.3) | (np.arange(rows) // 30_000 == 1), name] = np.nan
    return frame


@pytest.mark.parametrize("step", [120_000, 70_000, 33_333, 7_001, 50_000])
def test_bytes_do_not_depend_on_the_parts(tmp_path, step):
    whole = _customers(120_000)
    datasets.write_parquet_parts([whole], tmp_path / "whole.parquet", "customer_id")
    parts = (whole.iloc[start : start + step] for start in range(0, len(whole), step))
    rows = datasets.write_parquet_parts(parts, tmp_path / "parts.parquet", "customer_id")
    assert rows == len(whole)
    assert (tmp_path / "parts.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    pd.testing.assert_frame_equal(datasets.read_parquet(tmp_path / "parts.parquet"), whole, check_exact=True)


@pytest.mark.parametrize("order", [[1, 0], [0, 0]], ids=["falling", "twice"])
def test_parts_out_of_order_are_refused_and_nothing_is_left(tmp_path, order):
    part = _customers(2)
    with pytest.raises(ValueError, match="not ordered by a unique customer_id"):
        datasets.write_parquet_parts((part.iloc[[n]] for n in order), tmp_path / "parts.parquet", "customer_id")
    assert list(tmp_path.iterdir()) == []


def test_no_row_at_all_is_a_table_with_its_columns(tmp_path):
    assert datasets.write_parquet_parts([_customers(0)], tmp_path / "none.parquet", "customer_id") == 0
    assert list(datasets.read_parquet(tmp_path / "none.parquet").columns)[:2] == ["customer_id", "spend"]
