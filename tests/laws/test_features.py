"""Laws over every feature of the catalogue: right, complete, and the same whatever does not matter."""

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest

from features import CATALOGUE, MatrixBuilder, build_matrix, columns, eligible_at, label_at, logs_behind
from features.settings import FeatureSettings
from timeline import Window, within_days

from .oracles import ORACLES, disagreements
from .worlds import CUTOFFS, DAY, KINDS, SETTINGS, World, connect, framed, matrix_of, world

WORLDS = 3
SMALL_MEMORY = "60MB"
STRESS_WORLDS = 200
STRESS_FIRST_SEED = 1_000

CROWD_ROWS = 150_000
"""Rows of a log above which the engine shares the work among two threads (it does so from 122,880 rows)."""


@cache
def base(seed: int, cutoff: int) -> pd.DataFrame:
    """The matrix of a world, built once for all laws that compare with it."""
    return matrix_of(world(seed), cutoff)


def changed(before: pd.DataFrame, after: pd.DataFrame) -> list[str]:
    """Columns whose bytes differ between two matrices of the same customers."""
    assert list(before["customer_id"]) == list(after["customer_id"])
    assert list(before.columns) == list(after.columns)
    names = [name for name in before.columns if name != "customer_id"]
    return [name for name in names if before[name].to_numpy().tobytes() != after[name].to_numpy().tobytes()]


def oracle_law(
    shop: World, cutoff: int, matrix: pd.DataFrame | None = None, settings: FeatureSettings = SETTINGS
) -> dict[str, str]:
    """One counter-example for each feature that its oracle contradicts."""
    matrix = matrix_of(shop, cutoff, settings) if matrix is None else matrix
    wanted = columns(settings.windows_days, list(shop.logs))
    result = disagreements(matrix, shop.logs, cutoff, wanted, settings.history_days)
    assert result.cells == len(wanted) * len(shop.customers)
    assert result.known > result.cells / 2, "the world is too empty to say anything"
    return result.broken


# Right ----------------------------------------------------------------------------------------------------


def test_every_feature_has_an_oracle() -> None:
    assert set(ORACLES) == set(CATALOGUE)


@pytest.mark.parametrize("cutoff", CUTOFFS)
@pytest.mark.parametrize("seed", range(WORLDS))
def test_features_equal_their_oracles(seed: int, cutoff: int) -> None:
    assert oracle_law(world(seed), cutoff, base(seed, cutoff)) == {}


@pytest.mark.stress
@pytest.mark.parametrize("seed", range(STRESS_FIRST_SEED, STRESS_FIRST_SEED + STRESS_WORLDS))
def test_features_equal_their_oracles_in_many_worlds(seed: int) -> None:
    cutoff = CUTOFFS[seed % len(CUTOFFS)]
    assert oracle_law(world.__wrapped__(seed, 20 + seed % 50), cutoff) == {}


def _stretched(shop: World, cutoff: int, factor: int) -> World:
    """``shop`` with every event ``factor`` times as far from ``cutoff``."""

    def stretch(frame: pd.DataFrame) -> pd.DataFrame:
        far = cutoff + (frame["occurred_at"] - cutoff) * factor
        return frame.assign(occurred_at=far, loaded_at=far + frame["loaded_at"] - frame["occurred_at"])

    return shop.with_logs({name: stretch(frame) for name, frame in shop.logs.items()})


def test_longest_history_that_can_be_set() -> None:
    longest = max(bound.le for bound in FeatureSettings.model_fields["history_days"].metadata if hasattr(bound, "le"))
    settings = FeatureSettings(windows_days=(1, 150, longest), history_days=longest)
    far = _stretched(world(0), CUTOFFS[0], longest // SETTINGS.history_days)
    assert oracle_law(far, CUTOFFS[0], settings=settings) == {}


def test_worlds_tell_something_about_every_column() -> None:
    """A column that is the same for everybody in every world would pass any law."""
    together = pd.concat([base(seed, cutoff) for seed in range(WORLDS) for cutoff in CUTOFFS])
    # Yes or no: to say either now and then is all they can, but it must be said of a good many.
    flags = [f"{channel}_first_silent" for channel in ("orders", "web", "email")]
    assert together[flags].apply(lambda said: said.value_counts()[[0, 1]].min()).min() > len(together) / 20
    dull = [name for name in together.columns.difference(flags) if together[name].dropna().nunique() < 3]
    assert dull == []


def test_law_catches_open_window_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first instant of the history belongs to it."""
    monkeypatch.setattr(Window, "contains", lambda self, times: (times > self.start) & (times < self.end))
    shop, cutoff = world(0), CUTOFFS[0]
    matrix = matrix_of(shop, cutoff)
    whole = {name for name, feature in CATALOGUE.items() if not feature.is_windowed}
    assert len(whole & set(oracle_law(shop, cutoff, matrix))) > len(whole) * 3 / 4
    # Of what looks back half a year, or only to the newest, nobody could say; oracles with less history agree.
    a_moment_less = Fraction(SETTINGS.history_days * DAY - 1, DAY)
    wanted = columns(SETTINGS.windows_days, list(shop.logs))
    assert disagreements(matrix, shop.logs, cutoff, wanted, a_moment_less).broken == {}


def test_law_catches_open_start_of_feature_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first instant of a feature's window belongs to it."""
    assert within_days(pd.DataFrame({"age_us": [30 * DAY]}), 30).all()
    monkeypatch.setattr("features.matrix.within_days", lambda aged, days: aged["age_us"] < days * DAY)
    broken = oracle_law(world(0), CUTOFFS[0])
    windowed = {name for name, feature in CATALOGUE.items() if feature.is_windowed}
    assert set(broken) == windowed


# The same whatever does not matter ------------------------------------------------------------------------


def _shuffled(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    return frame.sample(frac=1, random_state=seed, ignore_index=True)


def test_row_order_changes_nothing() -> None:
    shop = world(0)
    mixed = shop.with_logs({name: _shuffled(frame, 7) for name, frame in shop.logs.items()})
    assert any(not mixed.logs[name].equals(frame) for name, frame in shop.logs.items())
    assert changed(base(0, CUTOFFS[0]), matrix_of(mixed, CUTOFFS[0])) == []


def test_file_split_changes_nothing(tmp_path: Path) -> None:
    connection = connect(threads=2)
    logs = {}
    for name, frame in world(0).logs.items():
        paths = [tmp_path / f"{name}-{part}.parquet" for part in range(3)]
        for part, path in enumerate(paths):
            _shuffled(frame, 3).iloc[part::3].to_parquet(path, index=False)
        logs[name] = connection.read_parquet([str(path) for path in paths], table_name=name)
    matrix = build_matrix(logs, world(0).customers, CUTOFFS[0], SETTINGS, connection)
    assert changed(base(0, CUTOFFS[0]), matrix) == []


def _crowd(shop: World, rows: int) -> World:
    """The events of ``shop`` again and again, at other instants and partly of other customers."""
    rng = np.random.default_rng(1)
    logs = {}
    for name, frame in shop.logs.items():
        drawn = frame.iloc[rng.integers(0, len(frame), rows)].reset_index(drop=True)
        happened = CUTOFFS[0] - rng.integers(1, SETTINGS.history_days * DAY, rows)
        drawn["occurred_at"] = drawn["loaded_at"] = happened
        drawn["event_id"] = pd.Series(np.arange(rows)).astype("str")
        drawn["customer_id"] = pd.array(np.array(shop.customers)[rng.integers(0, 30, rows)], dtype="str")
        logs[name] = drawn
    return shop.with_logs(logs)


@pytest.mark.parametrize(("events_at_once", "customers"), [(700, 50), (1, 4)])
def test_ranges_of_customers_change_nothing(events_at_once: int, customers: int) -> None:
    """Some customers at a time, and one after another."""
    whole, asked = base(0, CUTOFFS[0]), sorted(world(0).customers)[:customers]
    parts = list(builder_of(world(0), events_at_once=events_at_once).parts(asked, CUTOFFS[0]))
    assert len(parts) >= 4
    alone = whole[whole["customer_id"].isin(asked)].reset_index(drop=True)
    assert changed(alone, pd.concat(parts, ignore_index=True)) == []


def test_memory_so_small_that_the_engine_spills_changes_nothing(tmp_path: Path) -> None:
    crowd = _crowd(world(0), CROWD_ROWS)
    expected = matrix_of(crowd, CUTOFFS[0])
    connection = connect()
    connection.raw_sql(f"SET temp_directory = '{tmp_path}'")
    connection.raw_sql(f"SET memory_limit = '{SMALL_MEMORY}'")
    logs = {name: connection.create_table(name, frame) for name, frame in crowd.logs.items()}
    matrix = build_matrix(logs, crowd.customers, CUTOFFS[0], SETTINGS, connection)
    spilled = connection.raw_sql("SELECT sum(size) FROM duckdb_temporary_files()").fetchone()[0]
    assert spilled > 10_000_000
    assert changed(expected, matrix) == []


def test_number_of_threads_changes_nothing() -> None:
    crowd = _crowd(world(0), CROWD_ROWS)
    assert changed(matrix_of(crowd, CUTOFFS[0]), matrix_of(crowd, CUTOFFS[0], threads=2)) == []


def company_law(whole: pd.DataFrame) -> list[str]:
    """Columns of ``whole``, the matrix of all, that change for some when others are asked along with them."""
    some = list(world(0).customers[::-2])
    strangers = ["c_0", "c_zzz", "Ünknown 'customer'"]
    matrix = matrix_of(world(0), CUTOFFS[0], customers=[*strangers, *some])
    assert list(matrix["customer_id"]) == sorted([*strangers, *some])
    rows = matrix[matrix["customer_id"].isin(some)].reset_index(drop=True)
    return changed(whole[whole["customer_id"].isin(some)].reset_index(drop=True), rows)


def test_who_else_is_asked_changes_nothing() -> None:
    assert company_law(base(0, CUTOFFS[0])) == []


def _of_nobody(logs: Sequence[str]) -> dict[str, float]:
    """What a customer without events has in each column."""
    return {
        column.name: float("nan") if column.feature.absent is None else float(column.feature.absent)
        for column in columns(SETTINGS.windows_days, logs)
    }


def test_customer_without_events_gets_what_absence_means() -> None:
    expected = pd.Series(_of_nobody(list(KINDS)))
    for seed in range(WORLDS):
        row = base(seed, CUTOFFS[0]).set_index("customer_id").loc[world(seed).stranger]
        pd.testing.assert_series_equal(row, expected, check_names=False, check_exact=True)


def test_log_without_rows_is_not_an_absent_log() -> None:
    shop = world(0).with_logs({name: framed(name, []) for name in KINDS})
    matrix = matrix_of(shop, CUTOFFS[0]).set_index("customer_id")
    assert list(matrix.columns) == list(_of_nobody(list(KINDS)))
    for customer in shop.customers:
        assert matrix.loc[customer].equals(pd.Series(_of_nobody(list(KINDS))))


def test_inputs_are_left_alone_and_the_second_call_gives_the_same_bytes() -> None:
    shop = world(0)
    frames = {name: frame.copy(deep=True) for name, frame in shop.logs.items()}
    connection = connect()
    logs = {name: connection.create_table(name, frame) for name, frame in shop.logs.items()}
    asked, given = list(shop.customers), dict(logs)

    first = build_matrix(logs, asked, CUTOFFS[0], SETTINGS, connection)
    fewer = build_matrix({"orders": logs["orders"]}, asked[:3], CUTOFFS[1], SETTINGS, connection)
    second = build_matrix(logs, asked, CUTOFFS[0], SETTINGS, connection)

    assert changed(first, second) == []
    assert changed(first, base(0, CUTOFFS[0])) == []
    assert len(fewer) == 3
    assert asked == list(shop.customers)
    assert list(logs) == list(given)
    for name, frame in frames.items():
        pd.testing.assert_frame_equal(shop.logs[name], frame, check_exact=True)
        stored = connection.to_pandas(connection.table(name))
        assert list(stored["event_id"]) == list(frame["event_id"])


def succession_law(builder: MatrixBuilder) -> list[str]:
    """Columns that depend on which cutoff ``builder``, over world 0, was asked for before."""
    shop = world(0)
    return sorted(
        {
            name
            for cutoff in (*reversed(CUTOFFS), CUTOFFS[1])
            for name in changed(base(0, cutoff), builder.at(shop.customers, cutoff))
        }
    )


def builder_of(shop: World, **options: Any) -> MatrixBuilder:
    """A builder in a fresh engine."""
    connection = connect()
    logs = {name: connection.create_table(name, frame) for name, frame in shop.logs.items()}
    return MatrixBuilder(logs, SETTINGS, connection, **options)


def test_cutoffs_built_one_after_another_know_nothing_of_each_other() -> None:
    shop = world(0)
    builder = builder_of(shop)
    assert succession_law(builder) == []
    few = shop.customers[:5]
    whole = base(0, CUTOFFS[0])
    alone = whole[whole["customer_id"].isin(few)].reset_index(drop=True)
    assert changed(alone, builder.at(few, CUTOFFS[0])) == []


def _check_logs_alone(*names: str) -> None:
    shop = world(0)
    matrix = matrix_of(shop.with_logs({name: shop.logs[name] for name in names}), CUTOFFS[0])
    wanted = [
        column.name
        for feature in CATALOGUE.values()
        if logs_behind(feature.view) <= set(names)
        for column in feature.columns(SETTINGS.windows_days)
    ]
    assert list(matrix.columns) == ["customer_id", *wanted]
    assert changed(base(0, CUTOFFS[0])[matrix.columns], matrix) == []


def test_orders_alone_give_the_features_that_need_only_orders() -> None:
    _check_logs_alone("orders")


@pytest.mark.stress
@pytest.mark.parametrize("second", [name for name in KINDS if name != "orders"])
def test_two_logs_give_the_features_that_need_only_those(second: str) -> None:
    _check_logs_alone("orders", second)
    _check_logs_alone(second)


# Who is eligible, and who stayed --------------------------------------------------------------------------

T = CUTOFFS[0]
GAP, HORIZON, ACTIVE = 7, 90, 365
LABEL_START = T + GAP * DAY
LABEL_END = LABEL_START + HORIZON * DAY

COMPLETED = "Order Completed"

ELIGIBLE = [
    # what, event, occurred_at, loaded_at, eligible
    ("first instant of the active days", COMPLETED, T - ACTIVE * DAY, T - ACTIVE * DAY, True),
    ("just before the active days", COMPLETED, T - ACTIVE * DAY - 1, T - ACTIVE * DAY - 1, False),
    ("just after the first instant", COMPLETED, T - ACTIVE * DAY + 1, T - ACTIVE * DAY + 1, True),
    ("last instant before the cutoff", COMPLETED, T - 1, T - 1, True),
    ("exactly at the cutoff", COMPLETED, T, T, False),
    ("exactly at the cutoff, known before", COMPLETED, T, T - 1, False),
    ("after the cutoff", COMPLETED, T + 1, T + 1, False),
    ("before the cutoff, known exactly at it", COMPLETED, T - DAY, T, False),
    ("before the cutoff, known just before it", COMPLETED, T - DAY, T - 1, True),
    ("before the cutoff, known after it", COMPLETED, T - DAY, T + 1, False),
    ("cancelled order", "Order Cancelled", T - DAY, T - DAY, False),
    ("refund of an older order", "Order Refunded", T - DAY, T - DAY, False),
]

STAYED = [
    # what, event, occurred_at, loaded_at, stayed
    ("exactly at the cutoff", COMPLETED, T, T, False),
    ("last instant of the gap", COMPLETED, LABEL_START - 1, LABEL_START, False),
    ("first instant after the gap", COMPLETED, LABEL_START, LABEL_START, True),
    ("just after the gap", COMPLETED, LABEL_START + 1, LABEL_START + 1, True),
    ("last instant of the horizon", COMPLETED, LABEL_END - 1, LABEL_END - 1, True),
    ("exactly at the end of the horizon", COMPLETED, LABEL_END, LABEL_END, False),
    ("after the horizon", COMPLETED, LABEL_END + 1, LABEL_END + 1, False),
    ("in the horizon, known long after it", COMPLETED, LABEL_START, LABEL_END + 400 * DAY, True),
    ("before the cutoff", COMPLETED, T - 1, T - 1, False),
    ("cancelled in the horizon", "Order Cancelled", LABEL_START, LABEL_START, False),
    ("refund in the horizon", "Order Refunded", LABEL_START, LABEL_START, False),
]


def _orders(rows: Sequence[tuple[str, str, int, int, bool]]) -> pd.DataFrame:
    return framed(
        "orders",
        [
            {
                "customer_id": what,
                "event": event,
                "occurred_at": happened,
                "loaded_at": arrived,
                "event_id": f"e{number}",
                "order_id": f"o{number}",
                "revenue": 1,
                "currency": "GBP",
            }
            for number, (what, event, happened, arrived, _) in enumerate(rows)
        ],
    )


def _ids(table: Any) -> list[str]:
    frame = table.execute()
    assert list(frame.columns) == ["customer_id"]
    return sorted(frame["customer_id"])


def test_who_is_eligible() -> None:
    orders = ibis.memtable(_orders(ELIGIBLE))
    assert _ids(eligible_at(orders, T, ACTIVE)) == sorted(what for what, *_, yes in ELIGIBLE if yes)


def test_who_stayed() -> None:
    orders = ibis.memtable(_orders(STAYED))
    assert _ids(label_at(orders, T, GAP, HORIZON)) == sorted(what for what, *_, yes in STAYED if yes)


@pytest.mark.parametrize("active", [30, 90, 365])
@pytest.mark.parametrize("seed", range(WORLDS))
def test_eligible_customers_equal_their_oracle(seed: int, active: int) -> None:
    frame = world(seed).logs["orders"]
    expected = {
        row.customer_id
        for row in frame.itertuples()
        if row.event == COMPLETED and T - active * DAY <= row.occurred_at and max(row.occurred_at, row.loaded_at) < T
    }
    assert 0 < len(expected) < len(world(seed).customers)
    assert _ids(eligible_at(ibis.memtable(frame), T, active)) == sorted(expected)


def label_law(seed: int, gap: int, horizon: int) -> set[str]:
    """The customers of whom the label and its oracle say different things."""
    frame = world(seed).logs["orders"]
    expected = {
        row.customer_id
        for row in frame.itertuples()
        if row.event == COMPLETED and 0 <= row.occurred_at - T - gap * DAY < horizon * DAY
    }
    assert 0 < len(expected) < len(world(seed).customers)
    return expected ^ set(_ids(label_at(ibis.memtable(frame), T, gap, horizon)))


@pytest.mark.parametrize(("gap", "horizon"), [(0, 30), (7, 90), (30, 31)])
@pytest.mark.parametrize("seed", range(WORLDS))
def test_labels_equal_their_oracle(seed: int, gap: int, horizon: int) -> None:
    assert label_law(seed, gap, horizon) == set()
