"""Law: whatever becomes of the rows that a cutoff cannot see, its matrix keeps every byte."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features import MatrixBuilder, build_matrix

from .test_features import changed
from .worlds import CUTOFFS, DAY, KINDS, SETTINGS, World, connect, world

WORLDS = 4
STRESS_WORLDS = 200
STRESS_FIRST_SEED = 5_000
BLOCKS = 10

Rows = pd.DataFrame
Mutation = Callable[[Rows, int, np.random.Generator, World], Rows]
"""(rows that the cutoff cannot see, cutoff, dice, their world) → what takes their place."""


def _values_changed(rows: Rows, cutoff: int, rng: np.random.Generator, shop: World) -> Rows:
    """Every detail is drawn anew from the column; numbers also grow absurd."""
    new = rows.copy()
    for name in new.columns.difference(["customer_id", "occurred_at", "loaded_at", "event_id"]):
        new[name] = new[name].to_numpy()[rng.permutation(len(new))]
        new[name] = new[name].astype(rows[name].dtype)
        if new[name].dtype == "Int64":
            new[name] = new[name] * int(rng.integers(-500, 500)) + 3
    return new


def _deleted(rows: Rows, cutoff: int, rng: np.random.Generator, shop: World) -> Rows:
    return rows[rng.random(len(rows)) < rng.choice([0, 0.5])]


def _duplicated(rows: Rows, cutoff: int, rng: np.random.Generator, shop: World) -> Rows:
    again = rows.assign(event_id=rows["event_id"] + "-again")
    return pd.concat([rows, again, again.assign(event_id=again["event_id"] + "-again")])


def _moved_in_time(rows: Rows, cutoff: int, rng: np.random.Generator, shop: World) -> Rows:
    """Both times are drawn anew, so that one of them at least stays at the cutoff or after it."""
    n = len(rows)
    after = cutoff + rng.choice([0, 0, 1, DAY, 30 * DAY, 97 * DAY, 400 * DAY], n)
    before = cutoff - rng.choice([1, DAY, 29 * DAY, 30 * DAY, 90 * DAY, 365 * DAY, 730 * DAY], n)
    kind = rng.integers(0, 3, n)  # known before it happened, late, or both after
    return rows.assign(
        occurred_at=np.where(kind == 1, before, after),
        loaded_at=np.where(kind == 0, before, cutoff + rng.choice([0, 0, 1, DAY, 500 * DAY], n)),
    )


def _moved_to_another_customer(rows: Rows, cutoff: int, rng: np.random.Generator, shop: World) -> Rows:
    return rows.assign(customer_id=pd.array(rng.choice(np.array(shop.customers), len(rows)), dtype="str"))


MUTATIONS: dict[str, Mutation] = {
    "values changed": _values_changed,
    "deleted": _deleted,
    "duplicated": _duplicated,
    "moved in time": _moved_in_time,
    "moved to another customer": _moved_to_another_customer,
}


class Shop:
    """One engine and one builder for world after world."""

    def __init__(self) -> None:
        self.connection = connect()
        self.builder: MatrixBuilder | None = None

    def matrix(self, shop: World, cutoff: int) -> pd.DataFrame:
        logs = {n: self.connection.create_table(n, frame, overwrite=True) for n, frame in shop.logs.items()}
        self.builder = self.builder or MatrixBuilder(logs, SETTINGS, self.connection)
        return self.builder.at(shop.customers, cutoff)


@pytest.fixture(scope="module")
def engine() -> Any:
    shop = Shop()
    yield shop
    shop.connection.disconnect()


def mutated(shop: World, cutoff: int, mutation: Mutation, seed: int) -> World:
    """``shop`` with the rows that ``cutoff`` cannot see put through ``mutation``, and then all rows shuffled."""
    rng = np.random.default_rng(seed)
    logs = {}
    for name, frame in shop.logs.items():
        is_seen = (frame["occurred_at"] < cutoff) & (frame["loaded_at"] < cutoff)
        unseen = frame[~is_seen]
        if unseen.empty:  # In a small world a log may end before the cutoff.
            logs[name] = frame
            continue
        rows = pd.concat([frame[is_seen], mutation(unseen, cutoff, rng, shop)], ignore_index=True)
        logs[name] = rows.astype(frame.dtypes.to_dict()).sample(frac=1, random_state=seed, ignore_index=True)
        assert not logs[name].equals(frame)
    assert sum(logs[name] is not frame for name, frame in shop.logs.items()) > len(logs) / 2
    return shop.with_logs(logs)


def mutation_law(engine: Shop, shop: World, cutoff: int, seed: int) -> tuple[int, dict[str, list[str]]]:
    """Bytes compared, and the columns that each mutation changed."""
    clean = engine.matrix(shop, cutoff)
    broken = {
        name: found
        for number, (name, mutation) in enumerate(MUTATIONS.items())
        if (found := changed(clean, engine.matrix(mutated(shop, cutoff, mutation, 10 * seed + number), cutoff)))
    }
    return clean.drop(columns="customer_id").to_numpy().nbytes * len(MUTATIONS), broken


@pytest.mark.parametrize("seed", range(WORLDS))
def test_rows_after_the_cutoff_change_no_byte(engine: Shop, seed: int, record_property: Any) -> None:
    compared, broken = mutation_law(engine, world(seed), CUTOFFS[seed % 2], seed)
    record_property("bytes_compared", compared)
    assert broken == {}


@pytest.mark.stress
@pytest.mark.parametrize("block", range(BLOCKS))
def test_rows_after_the_cutoff_change_no_byte_in_many_worlds(engine: Shop, block: int, record_property: Any) -> None:
    broken, compared = {}, 0
    seeds = range(STRESS_FIRST_SEED + block, STRESS_FIRST_SEED + STRESS_WORLDS, BLOCKS)
    for seed in seeds:
        count, found = mutation_law(engine, world.__wrapped__(seed, 20 + seed % 30), CUTOFFS[seed % 2], seed)
        compared += count
        if found:
            broken[seed] = found
    record_property("bytes_compared", compared)
    print(
        f"\n{len(seeds)} worlds x {len(MUTATIONS)} mutations of the rows that the cutoff cannot see: "
        f"{compared:,} bytes compared, {sum(map(len, broken.values()))} mutations changed any"
    )
    assert broken == {}


def test_one_builder_for_all_worlds_gives_what_a_fresh_one_gives(engine: Shop) -> None:
    shop = world(1)
    connection = connect()
    logs = {name: connection.create_table(name, frame) for name, frame in shop.logs.items()}
    fresh = build_matrix(logs, shop.customers, CUTOFFS[0], SETTINGS, connection)
    assert changed(engine.matrix(shop, CUTOFFS[0]), fresh) == []
    assert set(shop.logs) == set(KINDS)


def test_the_mutation_law_bites(engine: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a cutoff that lets in what happens at its instant and what becomes known later, each mutation shows."""
    monkeypatch.setattr("timeline.windows.known_before", lambda events, cutoff: events["occurred_at"] <= cutoff)
    _, broken = mutation_law(engine, world(0), CUTOFFS[0], 0)
    assert set(broken) == set(MUTATIONS)
