"""The pictures of an evaluation: equal figures give equal bytes, and one class or one column is no crash."""

import numpy as np
import pandas as pd
import pytest

from models.evaluation import curves, evaluate, evaluate_slices
from reports import drawings

TITLES = {"wafa": "Wafa", "recency": "Recency rule", "wafa_undrifted": "Wafa, drift not answered"}


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    frames = []
    for origin in ("2025-06-01", "2025-09-01"):
        p = rng.uniform(0.05, 0.95, 150)
        said = {"wafa": p, "recency": rng.uniform(0.05, 0.95, 150), "wafa_undrifted": p**2}
        people = [f"c{n}" for n in range(150)]
        churned = (rng.uniform(size=150) < p).astype("int8")
        frames.append(pd.DataFrame({"customer_id": people, "origin": origin, "churned": churned, **said}))
    return pd.concat(frames, ignore_index=True)


def lines(rows: pd.DataFrame) -> dict:
    return {name: curves(rows[name].to_numpy(), rows["churned"].to_numpy(dtype="float64")) for name in TITLES}


@pytest.fixture(scope="module")
def matrix() -> pd.DataFrame:
    values = np.random.default_rng(4).normal(size=(80, 4))
    values[::7, 1] = np.nan
    return pd.DataFrame(values, columns=["a", "b", "c", "d"])


def moved(matrix: pd.DataFrame) -> pd.DataFrame:
    return (matrix.fillna(0) * [0.5, -1.0, 0.0, 0.1]).assign(base=0.2)


def all_pictures(rows: pd.DataFrame, matrix: pd.DataFrame) -> dict:
    found = evaluate(rows, {name: name for name in TITLES}, draws=50, seed=7)
    halves = {"half": pd.Series(np.where(rows.index % 2, "odd", "even"), index=rows.index)}
    rates = [
        {"cutoff": f"2025-0{n}-01", "base_rate": 0.5 + n / 50, "role": "test" if n > 3 else "train"}
        for n in range(1, 6)
    ]
    return {
        **drawings.rankings(lines(rows), TITLES),
        **drawings.by_origin(found["origins"], TITLES),
        **drawings.base_rates(rates),
        **drawings.by_slice(evaluate_slices(rows, halves, 50, 7)),
        **drawings.drivers(moved(matrix), matrix, {"a": "Visits in a week"}, seed=7),
    }


def test_equal_figures_give_equal_pictures(rows, matrix):
    once = all_pictures(rows, matrix)
    np.random.seed(99)  # somebody else's chance has no say
    assert all_pictures(rows, matrix) == once
    assert sorted(once) == [
        "auroc_by_origin.svg", "auroc_by_slice.svg", "base_rate.svg", "beeswarm.png", "calibration.svg",
        "dependence_1.png", "dependence_2.png", "dependence_3.png", "drivers.svg", "gain.svg", "level_by_origin.svg",
        "level_by_slice.svg", "precision_recall.svg", "roc.svg",
    ]  # fmt: skip
    for name, picture in once.items():
        assert isinstance(picture, bytes) == name.endswith(".png")
        assert len(picture) < 150_000


def test_drawing_leaves_the_global_generator_of_numpy_alone(matrix):
    np.random.seed(5)
    before = np.random.get_state()[1].tolist()
    drawings.drivers(moved(matrix), matrix, {}, seed=7)
    assert np.random.get_state()[1].tolist() == before


def test_the_bars_name_the_columns_that_move_the_scores_most_first(matrix):
    assert drawings.leading(moved(matrix)) == ["b", "a", "d"]
    svg = drawings.drivers(moved(matrix), matrix, {"a": "Visits in a week"}, seed=7)["drivers.svg"]
    assert "Visits in a week" in svg
    assert ">a</text>" in svg


def test_a_model_of_one_column_is_drawn(matrix):
    one = matrix[["a"]]
    drawn = drawings.drivers(one.assign(base=0.1), one, {}, seed=7)
    assert sorted(drawn) == ["dependence_1.png", "drivers.svg"]


def test_a_model_that_moves_nothing_has_no_dependence(matrix):
    assert list(drawings.drivers(matrix * 0.0 + 0.0, matrix, {}, 7) if "base" in matrix else []) == []
    still = pd.DataFrame(0.0, index=matrix.index, columns=[*matrix.columns, "base"])
    assert list(drawings.drivers(still, matrix, {}, seed=7)) == ["drivers.svg"]


def test_where_all_did_the_same_there_is_no_curve(rows):
    assert drawings.rankings(lines(rows.assign(churned=1)), TITLES) == {}
    found = evaluate(rows.assign(churned=1), {name: name for name in TITLES}, draws=50, seed=7)
    assert "auroc_by_origin.svg" in drawings.by_origin(found["origins"], TITLES)


def test_the_curves_know_the_base_rate(rows):
    line = {name: np.array(values) for name, values in lines(rows)["wafa"].items()}
    assert drawings._base_rate(line) == pytest.approx(rows["churned"].mean(), abs=1e-3)
