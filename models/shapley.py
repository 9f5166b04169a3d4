"""Exact Shapley values of small trees, in numpy: what each column adds to a margin.

They are the path-dependent values of LightGBM's ``pred_contrib`` (a column left out follows the training rows down
both branches), many times faster. In a tree, all that a row can do to them is to hold or to break the conditions of
the splits, so the values of every combination stand in tables beforehand, and a row only looks them up. Each row's
sums run in the order of the trees, so no bit of them depends on the rows beside it.
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

SPLITS_AT_ONCE = 10
"""Splits behind one table, whose length is 2 to their number; a path of more splits has a table of its own."""


@dataclass(frozen=True)
class Leaf:
    """Where a path ends; ``rows`` of training came here."""

    value: float
    rows: int


@dataclass(frozen=True, eq=False)
class Split:
    """Rows whose ``column`` is at most ``threshold`` go left."""

    column: int
    threshold: float
    unknown_left: bool
    left: Split | Leaf
    right: Split | Leaf
    rows: int

    def holds(self, values: Floats) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which of ``values`` go left."""
        # No comparison with NaN is true.
        return ~(values > self.threshold) if self.unknown_left else values <= self.threshold


Path = tuple[tuple[Split, bool], ...]
"""The splits on the way to a leaf, each with whether the way went left."""


def _node(found: dict[str, Any], rows: int) -> Split | Leaf:
    if "split_index" not in found:
        return Leaf(found["leaf_value"], found.get("leaf_count", rows))
    if found["decision_type"] != "<=" or found["missing_type"] == "Zero":
        raise ValueError("Shapley values: only splits of numbers at a threshold, with zero a number, are known here.")
    # LightGBM's JSON has no infinity.
    threshold = math.inf if found["threshold"] >= 1e300 else found["threshold"]
    return Split(
        found["split_feature"],
        threshold,
        # A column that was never unknown in training takes an unknown value for zero.
        found["default_left"] if found["missing_type"] == "NaN" else threshold >= 0,
        _node(found["left_child"], rows),
        _node(found["right_child"], rows),
        found["internal_count"],
    )


def _splits(node: Split | Leaf) -> list[Split]:
    return [node, *_splits(node.left), *_splits(node.right)] if isinstance(node, Split) else []


def _leaves(node: Split | Leaf, path: Path = ()) -> Iterator[tuple[Path, Leaf]]:
    if isinstance(node, Leaf):
        yield path, node
    else:
        yield from _leaves(node.left, (*path, (node, True)))
        yield from _leaves(node.right, (*path, (node, False)))


def _groups(node: Split | Leaf, path: Path = ()) -> Iterator[tuple[list[Split], list[tuple[Path, Leaf]]]]:
    """The leaves in groups, each with the splits that decide which of its leaves' conditions hold."""
    splits = [*(split for split, _ in path), *_splits(node)]
    if len(splits) <= SPLITS_AT_ONCE or isinstance(node, Leaf):
        yield splits, [(path + rest, leaf) for rest, leaf in _leaves(node)]
    else:
        yield from _groups(node.left, (*path, (node, True)))
        yield from _groups(node.right, (*path, (node, False)))


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
    """Shapley values of some leaves of one tree, for each case of ``splits``: bit i of a case says split i holds."""

    splits: tuple[Split, ...]
    columns: tuple[int, ...]
    values: Floats

    @classmethod
    def of(cls, splits: Sequence[Split], leaves: Sequence[tuple[Path, Leaf]]) -> Table:
        """The sum over ``leaves``, one row per column that a path asks for."""
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
        return cls(tuple(splits), tuple(columns), values)


@dataclass(frozen=True, eq=False)
class TreeValues:
    """The tables of a whole booster."""

    tables: tuple[Table, ...]
    base: float
    columns: int

    @classmethod
    def of(cls, booster: lgb.Booster) -> TreeValues:
        """The tables of ``booster``, whose trees have no more than 15 leaves.

        Raises:
            ValueError: A split is not one of a number at a threshold.
        """
        tables, base = [], 0.0
        for tree in booster.dump_model()["tree_info"]:
            root = _node(tree["tree_structure"], 1)
            leaves = list(_leaves(root))
            base += sum(leaf.value * leaf.rows / root.rows for _, leaf in leaves)
            if isinstance(root, Split):
                tables += [Table.of(*group) for group in _groups(root)]
        return cls(tuple(tables), base, booster.num_feature())

    def contributions(self, matrix: Floats) -> Floats:
        """What each column adds to the margin of each row of ``matrix``; with ``base`` they add up to it."""
        rows = len(matrix)
        columns = np.ascontiguousarray(matrix.T)
        result, looked_up = np.zeros((self.columns, rows)), np.empty(rows)
        for table in self.tables:
            case = np.zeros(rows, dtype="int32")
            for bit, split in enumerate(table.splits):
                case |= split.holds(columns[split.column]).astype("int32") << bit
            places = case.astype("intp")
            for column, values in zip(table.columns, table.values, strict=True):
                np.take(values, places, out=looked_up, mode="clip")
                result[column] += looked_up
        return result.T
