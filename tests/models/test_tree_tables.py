"""What the tables of small trees say is what LightGBM says, whatever the trees and the rows look like."""

import itertools
import math

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

from models import classifier, tree_tables
from models.tree_tables import Contributions, Leaf, Margins, Split

CASES = {
    "known": {"unknown": 0.0},
    "unknown, learned": {"unknown": 0.3},
    "unknown only in scoring": {"unknown": 0.0, "unknown_later": 0.3},
    "stumps": {"unknown": 0.2, "num_leaves": 2},
    "long paths that ask a column twice": {"unknown": 0.1, "columns": 7, "shape": "between", "min_data_in_leaf": 1},
    "long paths over many columns": {"unknown": 0.1, "columns": 20, "shape": "above", "min_data_in_leaf": 1},
    "one column": {"unknown": 0.2, "columns": 1},
    "few values": {"unknown": 0.2, "digits": 0},
    "some rows and columns a tree": {
        "unknown": 0.2,
        "bagging_fraction": 0.5,
        "bagging_freq": 1,
        "feature_fraction": 0.5,
    },
    "weighted away": {"unknown": 0.1, "lambda_l2": 100.0, "lambda_l1": 0.5},
    "uneven trees": {"unknown": 0.1, "min_gain_to_split": 10.0},
    "no split": {"unknown": 0.1, "min_gain_to_split": 1e9},
}


def world(seed: int, rows: int, columns: int, unknown: float, digits: int | None = None) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, columns)) * rng.choice([0.1, 1, 1000], columns)
    if digits is not None:
        values = np.round(values, digits)
    values[rng.uniform(size=values.shape) < rng.choice([0.0, 1.0, 2.0], columns) * unknown] = np.nan
    return pd.DataFrame(values, columns=[f"x{i}" for i in range(columns)])


def grown(seed: int, unknown: float = 0.0, columns: int = 8, digits=None, shape=None, unknown_later=None, **params):
    """A booster, and rows it never saw, with the extremes among them."""
    train = world(seed, 400, columns, unknown, digits)
    known = train.fillna(0.5).to_numpy()
    score = np.tanh(known).sum(axis=1) + np.random.default_rng(seed + 1).normal(size=len(train))
    if shape:
        # Every split but the last sends a pure branch away.
        low, high = np.quantile(known, [0.05, 0.95], axis=0)
        score = ((known > low) & (known < (high if shape == "between" else np.inf))).all(axis=1).astype(float)
    options = {
        "objective": "regression" if shape else "binary",
        "num_leaves": 15,
        "min_data_in_leaf": 5,
        "seed": seed,
        "num_threads": 1,
        "deterministic": True,
        "verbosity": -1,
    } | params
    label = score if shape else (score > np.median(score)).astype(float)
    booster = lgb.train(options, lgb.Dataset(train, label=label, params={"verbosity": -1}), num_boost_round=6)
    booster = classifier.from_text(classifier.to_text(booster))
    unseen = world(seed + 2, 300, columns, unknown if unknown_later is None else unknown_later, digits)
    extremes = pd.DataFrame({name: [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-36, -1e-36] for name in train})
    splits = booster.trees_to_dataframe().dropna(subset="threshold")
    splits = splits[splits["threshold"].abs() > 1e-30]  # LightGBM takes what is nearer to zero for zero
    on_threshold = splits.pivot_table(values="threshold", index=splits.index, columns="split_feature")
    on_threshold = on_threshold.reindex(columns=train.columns).bfill()
    return booster, pd.concat([unseen, train.head(100), extremes, on_threshold], ignore_index=True)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("case", CASES)
def test_values_are_those_of_lightgbm(case, seed):
    booster, rows = grown(seed, **CASES[case])
    expected = booster.predict(rows, pred_contrib=True)
    found = classifier.contributions(booster, rows)
    assert list(found.columns) == [*rows.columns, "base"]
    scale = max(1.0, np.abs(expected).max())
    assert found.to_numpy() / scale == pytest.approx(expected / scale, abs=1e-12)
    assert found.sum(axis=1).to_numpy() / scale == pytest.approx(
        booster.predict(rows, raw_score=True) / scale, abs=1e-12
    )


def test_the_cases_are_what_they_are_called():
    def trees(case):
        return grown(1, **CASES[case])[0].dump_model()["tree_info"]

    def depth(node):
        return 1 + max(depth(node["left_child"]), depth(node["right_child"])) if "left_child" in node else 0

    def kinds(case):
        text = grown(1, **CASES[case])[0].model_to_string()
        found = {
            int(kind) for line in text.splitlines() if line.startswith("decision_type=") for kind in line[14:].split()
        }
        return {(("None", "Zero", "NaN")[kind >> 2 & 3], bool(kind & 2)) for kind in found}

    assert {missing for missing, _ in kinds("unknown only in scoring")} == {"None"}
    assert {("NaN", True), ("NaN", False)} <= kinds("unknown, learned")
    for case in ("long paths that ask a column twice", "long paths over many columns"):
        assert max(depth(tree["tree_structure"]) for tree in trees(case)) > tree_tables.SPLITS_AT_ONCE
    assert {tree["num_leaves"] for tree in trees("no split")} == {1}
    assert len({tree["num_leaves"] for tree in trees("uneven trees")}) > 1


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("case", CASES)
def test_margins_are_those_of_lightgbm_to_the_last_bit(case, seed):
    booster, rows = grown(seed, **CASES[case])
    found = Margins.of(booster).margin(rows.to_numpy())
    assert found.tobytes() == booster.predict(rows, raw_score=True).tobytes()


def test_a_tree_too_large_for_tables_is_refused():
    booster, _ = grown(1, unknown=0.2, num_leaves=31)
    for kind in (Margins, Contributions):
        with pytest.raises(ValueError, match="a tree has 31 leaves, at most 15 are possible"):
            kind.of(booster)


@pytest.mark.parametrize("splits", [1, 3, 14])
def test_the_length_of_the_tables_changes_no_value(monkeypatch, splits):
    booster, rows = grown(4, unknown=0.2)
    expected = Contributions.of(booster).contributions(rows.to_numpy())
    monkeypatch.setattr(tree_tables, "SPLITS_AT_ONCE", splits)
    assert Contributions.of(booster).contributions(rows.to_numpy()) == pytest.approx(expected, abs=1e-13)


def test_a_row_gets_the_same_bits_beside_any_other_rows():
    booster, rows = grown(5, unknown=0.2)
    expected = classifier.contributions(booster, rows)
    for size in (1, 7, 100):
        parts = [
            classifier.contributions(booster, rows.iloc[start : start + size]) for start in range(0, len(rows), size)
        ]
        pd.testing.assert_frame_equal(pd.concat(parts), expected, check_exact=True)
    shuffled = rows.sample(frac=1, random_state=6)
    found = classifier.contributions(booster, shuffled).sort_index()
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    columns_apart = classifier.contributions(booster, pd.DataFrame({name: rows[name] for name in rows}))
    pd.testing.assert_frame_equal(columns_apart, expected, check_exact=True)


def test_values_are_shapley_s_by_his_own_formula():
    """All orders of asking, on a tree small enough for it: x0 twice on a path."""
    inner = Split(0, 1.0, False, Leaf(2.0, 30), Leaf(-1.0, 10), 40)
    tree = Split(
        0,
        3.0,
        False,
        Split(1, 0.0, False, inner, Leaf(5.0, 20), 60),
        Split(2, 0.0, False, Leaf(7.0, 15), Leaf(0.5, 25), 40),
        100,
    )
    row = np.array([2.0, -1.0, 4.0])

    def arrives(node, asked):
        if isinstance(node, Leaf):
            return node.value
        left, right = arrives(node.left, asked), arrives(node.right, asked)
        if node.column in asked:
            return left if row[node.column] <= node.threshold else right
        return (left * node.left.rows + right * node.right.rows) / node.rows

    orders = list(itertools.permutations(range(3)))
    expected = np.zeros(3)
    for order in orders:
        for place, column in enumerate(order):
            gain = arrives(tree, {*order[: place + 1]}) - arrives(tree, {*order[:place]})
            expected[column] += gain / len(orders)
    trees = Contributions.of_trees([tree], 3)
    assert trees.contributions(row[None, :])[0] == pytest.approx(expected, abs=1e-14)


def test_a_split_by_category_is_refused():
    rows = pd.DataFrame({"kind": pd.Categorical(["a", "b", "c", "d"] * 50), "x": np.arange(200.0)})
    label = (rows["kind"].isin(["a", "c"])).astype(float)
    data = lgb.Dataset(rows, label=label, params={"verbosity": -1})
    booster = lgb.train(
        {"objective": "binary", "min_data_in_leaf": 1, "min_data_per_group": 1, "verbosity": -1}, data, 2
    )
    with pytest.raises(ValueError, match="only splits of numbers"):
        Contributions.of(booster)


def test_nobody_to_explain_gives_no_values():
    booster, rows = grown(6)
    found = classifier.contributions(booster, rows.iloc[:0])
    assert found.shape == (0, len(rows.columns) + 1)
    assert not math.isnan(Contributions.of(booster).base)
