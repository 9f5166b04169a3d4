"""Small trees as tables to look up: LightGBM's margins and SHAP values to the last bit or nearly so, and faster.

All that a row can do in a tree is to hold or to break the conditions of its splits. What follows from each case is
worked out once for all rows: the leaf that is reached, or the path-dependent Shapley values of LightGBM's
``pred_contrib`` (a column left out follows the training rows down both branches). A row then only looks its case up.
Sums run in the order of the trees, so no bit of them depends on the rows beside a row.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
Whole = np.ndarray[Any, np.dtype[np.intp]]

MOST_LEAVES = 15
"""Of a tree: a table has 2 to the number of splits rows."""

SPLITS_AT_ONCE = 10
"""Splits behind one table of Shapley values; a path of more splits has a table of its own."""


@dataclass(frozen=True)
class Leaf:
    """Where a path ends; ``rows`` of training came here."""

    value: float
    rows: int


@dataclass(frozen=True, eq=False)
class Split:
    """Rows whose ``column`` is at most ``threshold`` go left: they hold the condition."""

    column: int
    threshold: float
    unknown_left: bool
    left: Split | Leaf
    right: Split | Leaf
    rows: int


Node = Split | Leaf
Path = tuple[tuple[Split, bool], ...]
"""The splits on the way to a leaf, each with whether the way went left."""


def _trees(booster: lgb.Booster) -> list[Node]:
    trees = booster.dump_model()["tree_info"]
    most = max((tree["num_leaves"] for tree in trees), default=0)
    if most > MOST_LEAVES:
        raise ValueError(f"tree tables: a tree has {most} leaves, at most {MOST_LEAVES} are possible. Train again.")
    return [_node(tree["tree_structure"]) for tree in trees]


def _node(found: dict[str, Any]) -> Node:
    if "split_index" not in found:
        return Leaf(float(found["leaf_value"]), found.get("leaf_count", 1))
    if found["decision_type"] != "<=" or found["missing_type"] == "Zero":
        raise ValueError("tree tables: only splits of numbers at a threshold, with zero a number, are known here.")
    # LightGBM's JSON has no infinity.
    threshold = math.inf if found["threshold"] >= 1e300 else found["threshold"]
    return Split(
        found["split_feature"],
        threshold,
        # A column that was never unknown in training takes an unknown value for zero.
        found["default_left"] if found["missing_type"] == "NaN" else threshold >= 0,
        _node(found["left_child"]),
        _node(found["right_child"]),
        found["internal_count"],
    )


def _splits(node: Node) -> list[Split]:
    return [node, *_splits(node.left), *_splits(node.right)] if isinstance(node, Split) else []


def _leaves(node: Node, path: Path = ()) -> Iterator[tuple[Path, Leaf]]:
    if isinstance(node, Leaf):
        yield path, node
    else:
        yield from _leaves(node.left, (*path, (node, True)))
        yield from _leaves(node.right, (*path, (node, False)))


def _groups(node: Node, path: Path = ()) -> Iterator[tuple[list[Split], list[tuple[Path, Leaf]]]]:
    """The leaves in groups, each with the splits that decide which of its leaves' conditions hold."""
    splits = [*(split for split, _ in path), *_splits(node)]
    if len(splits) <= SPLITS_AT_ONCE or isinstance(node, Leaf):
        yield splits, [(path + rest, leaf) for rest, leaf in _leaves(node)]
    else:
        yield from _groups(node.left, (*path, (node, True)))
        yield from _groups(node.right, (*path, (node, False)))


@dataclass(frozen=True, eq=False)
class Cases:
    """Which case of a tree each row is.

    ``weights`` has a row for each table: bit i of a case of that table says whether its split i holds.
    """

    splits: tuple[Split, ...]
    weights: np.ndarray[Any, np.dtype[np.float32]]

    @classmethod
    def of(cls, tree: Node, tables: Sequence[Sequence[Split]]) -> Cases:
        """The cases of tables that are each about some splits of ``tree``."""
        splits = tuple(_splits(tree))
        place = {id(split): i for i, split in enumerate(splits)}
        weights = np.zeros((len(tables), len(splits)), dtype="float32")
        for row, asked in enumerate(tables):
            for bit, split in enumerate(asked):
                weights[row, place[id(split)]] = 2**bit
        return cls(splits, weights)

    def find(self, columns: Floats) -> Whole:
        """One row per table, one column per column of ``columns``, which are the customers."""
        holds = np.empty((len(self.splits), columns.shape[1]), dtype=bool)
        for split, out in zip(self.splits, holds, strict=True):
            # No comparison with NaN is true.
            if split.unknown_left:
                np.greater(columns[split.column], split.threshold, out=out)
                np.logical_not(out, out=out)
            else:
                np.less_equal(columns[split.column], split.threshold, out=out)
        # Sums of different powers of two are exact, in whichever order they are added.
        found: Whole = (self.weights @ holds.view("uint8").astype("float32")).astype("intp")
        return found


@dataclass(frozen=True, eq=False)
class Margins:
    """The leaf that is reached in each case of each tree."""

    trees: tuple[tuple[Cases, Floats], ...]

    @classmethod
    def of(cls, booster: lgb.Booster) -> Margins:
        """The tables of ``booster``.

        Raises:
            ValueError: A tree is too large, or a split is not one of a number at a threshold.
        """
        trees = []
        for tree in _trees(booster):
            cases = Cases.of(tree, [_splits(tree)])
            place = {id(split): i for i, split in enumerate(cases.splits)}
            holds = np.arange(2 ** len(place))[:, None] >> np.arange(len(place)) & 1 == 1

            def reached(node: Node, holds: Any = holds, place: dict[int, int] = place) -> Any:
                if isinstance(node, Leaf):
                    return np.full(len(holds), node.value)
                return np.where(holds[:, place[id(node)]], reached(node.left), reached(node.right))

            trees.append((cases, reached(tree)))
        return cls(tuple(trees))

    def margin(self, matrix: Floats) -> Floats:
        """Raw log-odds of each row of ``matrix``, LightGBM's own to the last bit."""
        columns = np.ascontiguousarray(matrix.T)
        result, looked_up = np.zeros(len(matrix)), np.empty(len(matrix))
        for cases, values in self.trees:
            np.take(values, cases.find(columns)[0], out=looked_up, mode="clip")
            result += looked_up
        return result


@functools.cache
def _points(count: int) -> tuple[Floats, Floats]:
    """Gauss's points and weights on [0, 1], exact for polynomials of degree 2 · ``count`` − 1."""
    points, weights = np.polynomial.legendre.leggauss(count)
    return (points + 1) / 2, weights / 2


def _unit_values(shares: Sequence[float]) -> Floats:
    """Shapley values of a leaf of value 1 in every case: one row per case, one column per column of the path.

    Case c is that of the customers who meet the conditions on column i of the path where bit i of c is set. Who is
    not asked for it meets it with probability ``shares[i]``. The mean over all orders in which columns can be asked is
    the integral, over t from 0 to 1, of the chance to arrive when each other column is asked with probability t.
    """
    count = len(shares)
    asked, weights = _points((count + 1) // 2)
    meets = (np.arange(2**count)[:, None] >> np.arange(count) & 1).astype("float64")
    factors = (1 - asked) * np.array(shares)[:, None] + asked * meets[:, :, None]
    one = np.ones_like(factors[:, :1])
    before = np.concatenate([one, factors[:, :-1]], axis=1).cumprod(axis=1)
    after = np.concatenate([one, factors[:, :0:-1]], axis=1).cumprod(axis=1)[:, ::-1]
    result: Floats = (meets - np.array(shares)) * (before * after @ weights)
    return result


@dataclass(frozen=True, eq=False)
class Table:
    """Shapley values of some leaves of one tree: one row per column that they ask for, one column per case."""

    columns: tuple[int, ...]
    values: Floats

    @classmethod
    def of(cls, splits: Sequence[Split], leaves: Sequence[tuple[Path, Leaf]]) -> Table:
        """The sum over ``leaves``, whose paths ask for ``splits``."""
        bit = {id(split): place for place, split in enumerate(splits)}
        columns = sorted({split.column for split in splits})
        cases = np.arange(2 ** len(splits))
        values = np.zeros((len(columns), len(cases)))
        for path, leaf in leaves:
            met: dict[int, Any] = {}
            share: dict[int, float] = {}
            for split, is_left in path:
                child = split.left if is_left else split.right
                holds = (cases >> bit[id(split)] & 1) == is_left
                met[split.column] = met.get(split.column, True) & holds
                share[split.column] = share.get(split.column, 1.0) * child.rows / split.rows
            case = sum(met[column].astype("int64") << place for place, column in enumerate(met))
            units = _unit_values(list(share.values()))
            for place, column in enumerate(met):
                values[columns.index(column)] += leaf.value * units[case, place]
        return cls(tuple(columns), values)


@dataclass(frozen=True, eq=False)
class Contributions:
    """Exact Shapley values in each case of each tree; with ``base`` they add up to the margin."""

    trees: tuple[tuple[Cases, tuple[Table, ...]], ...]
    base: float
    columns: int

    @classmethod
    def of(cls, booster: lgb.Booster) -> Contributions:
        """The tables of ``booster``.

        Raises:
            ValueError: A tree is too large, or a split is not one of a number at a threshold.
        """
        return cls.of_trees(_trees(booster), booster.num_feature())

    @classmethod
    def of_trees(cls, trees: Sequence[Node], columns: int) -> Contributions:
        """The tables of ``trees`` that ask for so many columns."""
        found, base = [], 0.0
        for tree in trees:
            base += sum(leaf.value * leaf.rows / tree.rows for _, leaf in _leaves(tree))
            if isinstance(tree, Split):
                groups = list(_groups(tree))
                tables = tuple(Table.of(*group) for group in groups)
                found.append((Cases.of(tree, [splits for splits, _ in groups]), tables))
        return cls(tuple(found), base, columns)

    def contributions(self, matrix: Floats) -> Floats:
        """What each column adds to the margin of each row of ``matrix``."""
        columns = np.ascontiguousarray(matrix.T)
        result, looked_up = np.zeros((self.columns, len(matrix))), np.empty(len(matrix))
        for cases, tables in self.trees:
            for table, case in zip(tables, cases.find(columns), strict=True):
                for column, values in zip(table.columns, table.values, strict=True):
                    np.take(values, case, out=looked_up, mode="clip")
                    result[column] += looked_up
        return result.T
