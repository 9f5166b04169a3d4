"""Laws over the features of a log that the shop declared itself: counted by hand, at every edge, without leaks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import pandas as pd
import pytest

from features import OwnLog, build_matrix
from timeline import Window

from .test_features import changed
from .test_features_leaks import POISONS, Poison, with_late_arrivals, with_the_future
from .worlds import COMMON, CUTOFFS, DAY, SETTINGS, World, connect, world

# "order" is a word of SQL, which a name may be all the same.
CALLS = OwnLog("calls", "Calls to the shop", "دکان کو کالیں", "actionable")
ORDER = OwnLog("order", "Orders by post", "ڈاک سے آرڈر", "context")
CUTOFF = CUTOFFS[0]


def own_matrix(logs: Mapping[str, pd.DataFrame], customers: Any, cutoff: int, *own: OwnLog) -> pd.DataFrame:
    """The matrix of the customers, built in a fresh engine."""
    connection = connect()
    try:
        tables = {name: connection.create_table(name, frame) for name, frame in logs.items()}
        return build_matrix(tables, customers, cutoff, SETTINGS, connection, own)
    finally:
        connection.disconnect()


@cache
def shop(seed: int) -> World:
    """The instants of a world's loyalty and web events, as two logs of the shop's own."""
    base = world(seed)
    columns = list(COMMON)
    web = base.logs["web_events"][columns].dropna(subset=["customer_id"]).reset_index(drop=True)
    return base.with_logs({"calls": base.logs["loyalty_events"][columns], "order": web})


def by_hand(frame: pd.DataFrame, name: str, customer: str, cutoff: int) -> dict[str, float]:
    """Count, recency and trend of one customer, in plain Python."""
    rows = frame[frame["customer_id"] == customer]
    ages = [
        cutoff - happened
        for happened, arrived in zip(rows["occurred_at"].tolist(), rows["loaded_at"].tolist(), strict=True)
        if happened < cutoff and arrived < cutoff and happened >= cutoff - SETTINGS.history_days * DAY
    ]
    found = {f"days_since_{name}": min(ages) / DAY if ages else math.nan}
    for days in SETTINGS.windows_days:
        newer = sum(age <= days // 2 * DAY for age in ages)
        older = sum(days // 2 * DAY < age <= days * DAY for age in ages)
        found[f"{name}_count_{days}d"] = newer + older
        found[f"{name}_trend_{days}d"] = (newer - older) / (newer + older + 1)
    return found


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("cutoff", CUTOFFS)
def test_features_equal_a_count_by_hand(seed: int, cutoff: int) -> None:
    own = shop(seed)
    matrix = own_matrix(own.logs, own.customers, cutoff, CALLS, ORDER).set_index("customer_id")
    expected = pd.DataFrame(
        {
            customer: by_hand(own.logs["calls"], "calls", customer, cutoff)
            | by_hand(own.logs["order"], "order", customer, cutoff)
            for customer in own.customers
        }
    ).T
    assert set(matrix.columns) == set(expected.columns)
    pd.testing.assert_frame_equal(matrix, expected.loc[matrix.index, matrix.columns], check_names=False, rtol=1e-15)
    assert matrix["calls_count_365d"].max() > 3
    assert matrix["days_since_order"].notna().sum() > len(own.customers) / 2


def one_call(age_us: int, late_us: int | None = None) -> dict[str, float]:
    """The features of a customer who called once, ``age_us`` before the cutoff, known so long before it."""
    frame = pd.DataFrame(
        {
            "customer_id": ["c_anna"],
            "occurred_at": [CUTOFF - age_us],
            "loaded_at": [CUTOFF - (age_us if late_us is None else late_us)],
            "event_id": ["1"],
        }
    )
    return own_matrix({"calls": frame}, ["c_anna"], CUTOFF, CALLS).drop(columns="customer_id").iloc[0].to_dict()


NEVER = {
    "calls_count_30d": 0, "calls_count_90d": 0, "calls_count_365d": 0, "days_since_calls": math.nan,
    "calls_trend_30d": 0, "calls_trend_90d": 0, "calls_trend_365d": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("age_us", "expected"),
    [
        pytest.param(-1, {}, id="just after the cutoff"),
        pytest.param(0, {}, id="at the cutoff"),
        pytest.param(
            1,
            {"calls_count_30d": 1, "calls_count_90d": 1, "calls_count_365d": 1, "days_since_calls": 1 / DAY}
            | {"calls_trend_30d": 0.5, "calls_trend_90d": 0.5, "calls_trend_365d": 0.5},
            id="just before the cutoff",
        ),
        pytest.param(
            15 * DAY + 1,
            {"calls_count_30d": 1, "calls_count_90d": 1, "calls_count_365d": 1, "days_since_calls": 15 + 1 / DAY}
            | {"calls_trend_30d": -0.5, "calls_trend_90d": 0.5, "calls_trend_365d": 0.5},
            id="just in the older half",
        ),
        pytest.param(
            30 * DAY,
            {"calls_count_30d": 1, "calls_count_90d": 1, "calls_count_365d": 1, "days_since_calls": 30.0}
            | {"calls_trend_30d": -0.5, "calls_trend_90d": 0.5, "calls_trend_365d": 0.5},
            id="first instant of a window",
        ),
        pytest.param(
            30 * DAY + 1,
            {"calls_count_90d": 1, "calls_count_365d": 1, "days_since_calls": 30 + 1 / DAY}
            | {"calls_trend_90d": 0.5, "calls_trend_365d": 0.5},
            id="just before a window",
        ),
        pytest.param(
            SETTINGS.history_days * DAY,
            {"days_since_calls": float(SETTINGS.history_days)},
            id="first instant of the history",
        ),
        pytest.param(SETTINGS.history_days * DAY + 1, {}, id="just before the history"),
    ],
)
def test_boundary_instants(age_us: int, expected: dict[str, float]) -> None:
    assert one_call(age_us) == pytest.approx(NEVER | expected, nan_ok=True, rel=1e-15)


@pytest.mark.parametrize(("late_us", "is_known"), [(1, True), (0, False), (-1, False)])
def test_a_call_counts_from_when_it_is_known(late_us: int, is_known: bool) -> None:
    assert one_call(3 * DAY, late_us)["calls_count_30d"] == is_known


@POISONS
@pytest.mark.parametrize("seed", range(2))
def test_poison_changes_nothing(seed: int, poison: Poison) -> None:
    own, cutoff = shop(seed), CUTOFFS[seed]
    poisoned = poison(own, cutoff)
    assert all(len(poisoned.logs[name]) > len(frame) for name, frame in own.logs.items())
    clean, after = (own_matrix(w.logs, own.customers, cutoff, CALLS, ORDER) for w in (own, poisoned))
    assert changed(clean, after) == []


@pytest.mark.parametrize(
    ("poison", "leaky"),
    [
        pytest.param(
            with_the_future, lambda events, cutoff: events["loaded_at"] < cutoff + DAY, id="what happens at the cutoff"
        ),
        pytest.param(with_late_arrivals, lambda events, cutoff: events["occurred_at"] < cutoff, id="no loaded_at"),
    ],
)
def test_the_law_catches_a_leak(poison: Poison, leaky: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timeline.windows.known_before", leaky)
    monkeypatch.setattr(Window, "contains", lambda self, times: (times >= self.start) & (times <= self.end))
    own = shop(0)
    clean, after = (own_matrix(w.logs, own.customers, CUTOFF, CALLS) for w in (own, poison(own, CUTOFF)))
    assert set(changed(clean, after)) == set(NEVER)


def test_an_own_log_leaves_the_other_columns_as_they_are() -> None:
    base = world(0)
    logs = {"orders": base.logs["orders"], "calls": shop(0).logs["calls"]}
    both = own_matrix(logs, base.customers, CUTOFF, CALLS)
    alone = own_matrix({"orders": logs["orders"]}, base.customers, CUTOFF)
    assert list(both.columns) == [*alone.columns, *NEVER]
    pd.testing.assert_frame_equal(both[alone.columns], alone)


def test_a_declared_log_without_rows_has_no_columns_and_an_undeclared_one_is_not_read() -> None:
    logs = {"orders": world(0).logs["orders"]}
    alone = own_matrix(logs, world(0).customers, CUTOFF)
    assert list(own_matrix(logs, world(0).customers, CUTOFF, CALLS).columns) == list(alone.columns)
    with_calls = logs | {"calls": shop(0).logs["calls"]}
    assert list(own_matrix(with_calls, world(0).customers, CUTOFF).columns) == list(alone.columns)
