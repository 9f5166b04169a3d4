"""Leaks that make a model look better than it is, planted one by one, and the law or alarm that catches each.

They are the traps of every published churn model that was too good. Leaks into single features stand in
`planted_leaks.py`; two of the traps are such leaks and are named here again, so that the list is whole.
"""

import ast
import contextlib
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import ibis
import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from optuna.trial import FixedTrial

from benchmarks.shuffled_labels import rankings, shuffled
from features import MatrixBuilder
from models import baselines, classifier, ladder, training
from models.calibration import sigmoid
from models.classifier import Floats
from models.outlook import OutlookTrainer
from models.training import ChurnTrainer
from pipeline.evaluation import tune_model, watch_features
from pipeline.project import cutoffs, datasets, settings
from pipeline.project.training_inputs import OrderBook, question
from timeline import DAY_US, HOUR_US, Window, format_date, month_starts, parse_date

from .planted_leaks import (
    LEAKS,
    Law,
    Leak,
    Patch,
    closed_window_end,
    future,
    label,
    plant_lifetime_total,
    whole_cutoff_day,
)
from .shop_folder import ROOT, ZONE, write_params
from .test_structure import MODULES, name_of
from .worlds import framed

# A shop as it was at fourteen cutoffs ---------------------------------------------------------------------

FIRST, LAST = (parse_date(day, ZONE) for day in ("2022-01-01", "2024-06-10"))
CUTOFFS = month_starts(parse_date("2023-01-01", ZONE), parse_date("2024-02-01", ZONE), ZONE)
ORIGIN = CUTOFFS[-1]
CUSTOMERS = 600


@cache
def orders() -> pd.DataFrame:
    """Customers who arrive all the time, order at random at a rate of their own, and leave one day."""
    rng = np.random.default_rng(8)
    rows = []
    for number in range(CUSTOMERS):
        now = FIRST + int(rng.integers(LAST - FIRST))
        gap, leaving = rng.gamma(2, 25), rng.beta(1, 6)
        while now < LAST:
            rows.append({"customer_id": f"c{number:03d}", "occurred_at": now, "revenue": int(rng.integers(500, 9_000))})
            now += HOUR_US + int(rng.exponential(gap) * DAY_US)
            if rng.random() < leaving:
                break
    known = {"loaded_at": FIRST, "event": "Order Completed"}
    each = [row | known | {"event_id": f"e{n}", "order_id": f"o{n}"} for n, row in enumerate(rows)]
    return framed("orders", each).assign(loaded_at=lambda made: made["occurred_at"])


@cache
def params() -> settings.Settings:
    s = settings.parse((ROOT / "params.yaml").read_text(encoding="utf-8"))
    small = s.model.model_copy(update={"trees": 20, "leaves": 7, "min_rows_per_leaf": 20})
    return s.model_copy(update={"model": small, "features": s.features.model_copy(update={"windows_days": (30,)})})


def rows_at(instants: Iterable[int]) -> pd.DataFrame:
    """The training table of the shop at ``instants``, made by what makes it in a run."""
    s = params()
    connection = ibis.duckdb.connect()
    log = connection.create_table("orders", orders())
    builder = MatrixBuilder({"orders": log}, s.features, connection)
    frames = []
    for cutoff in instants:
        cohort = cutoffs.cohort_at({"orders": log}, cutoff, LAST, s, connection)
        matrix = builder.at(cohort["customer_id"].tolist(), cutoff)
        role = "test" if cutoff == ORIGIN else "train"
        frames.append(cohort.assign(role=role).merge(matrix, on="customer_id"))
    return pd.concat(frames).sort_values(["customer_id", "cutoff"], ignore_index=True)


@cache
def rows() -> pd.DataFrame:
    return rows_at(CUTOFFS)


def book_of(made: pd.DataFrame) -> OrderBook:
    connection = ibis.duckdb.connect()
    return OrderBook(connection.create_table("orders", made), connection)


def trainer_of(table: pd.DataFrame, book: OrderBook) -> ChurnTrainer:
    """What the stage trains with, on ``table``."""
    columns = [name for name in table.columns if name not in cutoffs.COLUMNS and len(table[name].unique()) > 1]
    return ChurnTrainer(table, columns, question(params()), params().model, book, FIRST)


def opinions(trainer: ChurnTrainer) -> dict[str, Floats]:
    """What each model that can be made at the origin says of the customers there."""
    test, c = trainer.rows[trainer.rows["cutoff"] == ORIGIN], params().cohort
    said = {name: trainer.rung(name, ORIGIN).probability(test) for name in ladder.RUNGS}
    said["the model"] = trainer.calibrated(ORIGIN)[0].probability(test)
    outlook = OutlookTrainer.on(
        trainer.rows,
        trainer.columns,
        gap_days=c.gap_days,
        horizon_days=c.horizon_days,
        spacing=c.test_spacing_months,
        settings=params().model,
    ).tested(ORIGIN)
    said["days until the next order"] = outlook.next_order.days(test)
    said["value of the next year"] = np.stack(outlook.next_year.amounts(test))
    return said


# Laws -----------------------------------------------------------------------------------------------------


def _closes(cutoffs: Any) -> Any:
    c = params().cohort
    return cutoffs + (c.gap_days + c.horizon_days) * DAY_US


def _differ(one: dict[str, Floats], other: dict[str, Floats]) -> list[str]:
    assert one.keys() == other.keys()
    return [name for name in one if one[name].tobytes() != other[name].tobytes()]


def _turned() -> pd.DataFrame:
    """The training table with every answer turned round that was still open at the origin."""
    turned, cutoff = rows().copy(), rows()["cutoff"]
    is_open, has_open_year = _closes(cutoff) > ORIGIN, cutoff + 365 * DAY_US > ORIGIN
    turned["churned"] = turned["churned"].where(~is_open, 1 - turned["churned"])
    other_days = (97 - turned["days_to_next_order"]).fillna(5)
    turned["days_to_next_order"] = turned["days_to_next_order"].where(~is_open, other_days)
    turned["revenue_next_year"] = turned["revenue_next_year"].where(~has_open_year, 1e6)
    return turned


def open_labels() -> Iterable[str]:
    """The models of an origin that feel answers which were still open there."""
    book = book_of(orders())
    return _differ(*(opinions(trainer_of(table, book)) for table in (rows(), _turned())))


def _tuned(trainer: ChurnTrainer) -> float:
    """What `wafa tune` thinks of one set of settings."""
    values = {name: getattr(params().model, name) for name in tune_model.TUNED}
    trial = FixedTrial(values | {"trees": 50})
    return tune_model._objective(trainer, tune_model.tuning_origins(trainer))(trial)


def settings_and_the_test() -> Iterable[str]:
    """The settings whose loss feels answers that were still open at the first test origin."""
    book = book_of(orders())
    losses = [_tuned(trainer_of(table, book)) for table in (rows(), _turned())]
    return [] if losses[0] == losses[1] else ["tuning"]


def later_orders() -> Iterable[str]:
    """The models of an origin that feel orders which happen or become known there or later."""
    again = orders().assign(event_id=lambda made: made["event_id"] + "-again")
    happens = again.assign(occurred_at=ORIGIN + again["occurred_at"] % (90 * DAY_US), loaded_at=ORIGIN - 1)
    arrives = again.assign(occurred_at=ORIGIN - 1 - again["occurred_at"] % (300 * DAY_US), loaded_at=ORIGIN)
    poisoned = pd.concat([orders(), happens, arrives], ignore_index=True)
    return _differ(*(opinions(trainer_of(rows(), book_of(made))) for made in (orders(), poisoned)))


def judged() -> Iterable[str]:
    """The fits that were asked about customers at a cutoff before which some label they learned was open."""
    table, newest, found = rows(), {}, set()
    fits = {"trees": (classifier, "fit"), "regression": (baselines, "fit_logistic")}
    asks = {"trees": (classifier, "margin"), "regression": (baselines.Logistic, "margin")}
    asked_of_trees = 0

    def cutoffs_of(features: pd.DataFrame) -> pd.Series:
        known = table.loc[features.index]
        column = "days_since_last_order"
        assert np.array_equal(known[column].to_numpy(), features[column].to_numpy()), "rows are not recognised"
        return known["cutoff"]

    with pytest.MonkeyPatch.context() as patch:
        for place in fits.values():
            right = getattr(*place)

            def fit(*given: Any, right: Any = right) -> Any:
                model = right(*given)
                features = next(value for value in given if isinstance(value, pd.DataFrame))
                newest[id(model)] = (cutoffs_of(features).max(), model)
                return model

            patch.setattr(*place, fit)
        for name, place in asks.items():
            right = getattr(*place)

            def margin(model: Any, features: pd.DataFrame, right: Any = right, name: str = name) -> Floats:
                nonlocal asked_of_trees
                asked_of_trees += name == "trees"
                if id(model) in newest and _closes(newest[id(model)][0]) > cutoffs_of(features).min():
                    found.add(name)
                return right(model, features)

            patch.setattr(*place, margin)
        trainer = trainer_of(table, book_of(orders()))
        trainer.calibrated(ORIGIN)
        _tuned(trainer)
    assert asked_of_trees > 0
    return sorted(found)


RANDOM = {"model_selection", "KFold", "StratifiedKFold", "ShuffleSplit", "train_test_split", "cross_val_score"}


def split_at_random(source: str) -> set[str]:
    """Tools in ``source`` that split rows without regard to time."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        named = {alias.name for alias in node.names} if isinstance(node, ast.Import | ast.ImportFrom) else set()
        named |= {node.module or ""} if isinstance(node, ast.ImportFrom) else set()
        found |= {part for name in named for part in name.split(".")} & RANDOM
        if isinstance(node, ast.Attribute) and node.attr == "cv":
            found.add("lightgbm.cv")
    return found


def unweighted() -> Iterable[str]:
    """Fits whose mean probability, on the very rows they were fitted on, is not the share that churned."""
    table = rows()
    columns = table.columns.difference(cutoffs.COLUMNS, sort=False)
    # Three in four of those who stayed are left out: the classes are far from equal.
    part = table[(table["churned"] == 1) | (np.arange(len(table)) % 4 == 0)]
    # Trees this slow have not left the base rate yet, so the rows say nothing but their weights.
    steady = params().model.model_copy(update={"learning_rate": 0.01, "row_share": 1.0})
    booster = classifier.fit(part[columns], part["churned"], steady)
    line = baselines.fit_logistic(baselines.RFM, part, part["churned"])
    found = {"trees": classifier.margin(booster, part[columns]), "regression": line.margin(part)}
    return [name for name, margins in found.items() if abs(sigmoid(margins).mean() - part["churned"].mean()) > 0.01]


def watched(table: pd.DataFrame) -> dict[str, Any]:
    """What the alarms of `wafa check --leaks` say of a training table."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        write_params(Path(folder), features__windows_days=[30])
        datasets.write_parquet(table[list(cutoffs.COLUMNS)], datasets.COHORT, key=("customer_id", "cutoff"))
        for cutoff, part in table.groupby("cutoff"):
            matrix = part.drop(columns=[name for name in cutoffs.COLUMNS if name != "customer_id"])
            name = f"{format_date(int(cutoff), ZONE)}.parquet"
            datasets.write_parquet(matrix, datasets.FEATURES / name, key=("customer_id",))
        manifest = {"logs": {"orders": {"rows": len(orders()), "first": FIRST}}, "watermark": LAST}
        datasets.write_json(manifest, datasets.EVENTS / "manifest.json")
        return watch_features.watch(settings.load())


def alarm_of_drift() -> Iterable[str]:
    """The columns over a window that the alarm calls drifting; the shop is the same from month to month."""
    found = watched(rows_at(CUTOFFS[::3]))["drifting"]
    return [alarm["column"] for alarm in found if alarm["column"].endswith("_30d")]


def alarm_of_telling() -> Iterable[str]:
    """The columns that the alarm says know the answer alone."""
    return [alarm["column"] for alarm in watched(rows())["telling_alone"]]


LAWS: dict[Law, str] = {
    open_labels: "labels that were open at an origin change none of its models",
    settings_and_the_test: "answers that were open at the first test origin change nothing that settings are tuned by",
    later_orders: "orders that happen or become known at an origin or later change none of its models",
    judged: "whoever is judged at a cutoff has learned only from labels that had closed before it",
    unweighted: "the mean probability of a fit is the share that churned",
    alarm_of_drift: "no column over a window drifts with the cutoff",
    alarm_of_telling: "no column tells the answer alone",
}

# Leaks ----------------------------------------------------------------------------------------------------


def total_with_the_orders_to_come(patch: Patch) -> None:
    """A column counts the orders of the next months with those so far."""
    made, table = orders(), rows().copy()
    for cutoff, part in table.groupby("cutoff"):
        later = made[Window.label(int(cutoff), 0, 97).contains(made["occurred_at"])]
        more = part["customer_id"].map(later["customer_id"].value_counts()).fillna(0)
        table.loc[part.index, "days_with_order_30d"] += 10 * more
    patch.setitem(globals(), "rows", lambda: table)


def rows_split_at_random(patch: Patch) -> None:
    """Four in five rows train, whatever their cutoff; the others test."""

    def rows_known_at(self: ChurnTrainer, origin: int) -> pd.DataFrame:
        return self.rows[np.random.default_rng(3).random(len(self.rows)) < 0.8]

    patch.setattr(ChurnTrainer, "rows_known_at", rows_known_at)


def overlapping_labels(patch: Patch) -> None:
    """Every cutoff before the origin trains, with labels that close in the middle of the test window."""
    patch.setattr(Window, "is_complete", lambda self, known_until: self.start < known_until)


def calibrated_on_the_test(patch: Patch) -> None:
    """The calibrator is fitted on the newest cutoffs there are, the tested one among them."""
    right = training.calibration_origins
    patch.setattr(
        training, "calibration_origins", lambda cutoffs, origin, *rest: [*right(cutoffs, origin, *rest), origin]
    )


def history_of_today(patch: Patch) -> None:
    """The buy-till-you-die model of an origin is fitted on all that the shop has seen until today."""
    right = OrderBook.history
    patch.setattr(OrderBook, "history", lambda self, cutoff: right(self, LAST))


def selected_by_random_folds(patch: Patch) -> None:
    """A rung is chosen by cross-validation over random folds of all rows."""

    def choose(self: ChurnTrainer, origin: int) -> ladder.Choice:
        known = self.rows_known_at(origin)
        is_out = np.random.default_rng(4).random(len(known)) < 0.2
        train, held = known[~is_out], known[is_out]
        deep = self.settings.model_copy(update={"trees": 200, "leaves": 15, "min_rows_per_leaf": 1})
        booster = classifier.fit(train[self.columns], train["churned"], deep)
        loss = ladder.log_loss(sigmoid(classifier.margin(booster, held[self.columns])), held["churned"].to_numpy())
        return ladder.Choice("lightgbm", "it did best on random folds", {"lightgbm": loss})

    patch.setattr(ChurnTrainer, "choose", choose)


def tuned_by_random_folds(patch: Patch) -> None:
    """Settings are tuned on random folds of the rows."""
    patch.setattr(ChurnTrainer, "rows_known_at", lambda self, origin: self.rows.sample(frac=0.8, random_state=5))
    patch.setattr(ChurnTrainer, "calibrated", lambda self, origin: None)


def tuned_on_the_test(patch: Patch) -> None:
    """Settings are tuned at the origin that tests them."""
    patch.setattr(tune_model, "tuning_origins", lambda trainer: trainer.test_origins)


def class_weights(patch: Patch) -> None:
    """`is_unbalance` lets both classes weigh the same."""
    right = lgb.train
    patch.setattr(lgb, "train", lambda given, *rest, **more: right(given | {"is_unbalance": True}, *rest, **more))


def whole_history_columns(patch: Patch) -> None:
    """Windows are forgotten, so that columns grow for as long as the shop has been there."""
    patch.setattr("features.matrix.within_days", lambda aged, days: aged["age_us"] > 0)


TRAPS: dict[str, tuple[Leak, ...]] = {
    "lifetime totals without a cutoff": (
        Leak(plant_lifetime_total, future),
        Leak(total_with_the_orders_to_come, alarm_of_telling),
    ),
    "random split of the customers' snapshots": (Leak(rows_split_at_random, open_labels),),
    "label windows of training that overlap the test": (
        Leak(overlapping_labels, open_labels),
        Leak(calibrated_on_the_test, open_labels),
        Leak(history_of_today, later_orders),
    ),
    "the cutoff's day in features and label": (Leak(whole_cutoff_day, future), Leak(closed_window_end, label)),
    "a model selected by random cross-validation": (
        Leak(selected_by_random_folds, judged),
        Leak(tuned_by_random_folds, judged),
        Leak(tuned_on_the_test, settings_and_the_test),
    ),
    "class weights, and columns that drift with the cutoff": (
        Leak(class_weights, unweighted),
        Leak(whole_history_columns, alarm_of_drift),
    ),
}


def _cases() -> list[Any]:
    """Those that `planted_leaks.py` plants are caught in its own test."""
    return [
        pytest.param(trap, leak, id=leak.name) for trap, leaks in TRAPS.items() for leak in leaks if leak not in LEAKS
    ]


@pytest.mark.parametrize(("trap", "leak"), _cases())
def test_a_trap_is_noticed(trap: str, leak: Leak) -> None:
    assert leak.caught(), f"{trap}: {leak.plant.__doc__} Nothing noticed."


def test_all_six_traps_are_set() -> None:
    assert len(TRAPS) == 6
    assert all(TRAPS.values())
    assert {leak.law for leaks in TRAPS.values() for leak in leaks} >= set(LAWS)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_without_a_trap_nothing_is_noticed(law: Law) -> None:
    assert list(law()) == []


def test_no_module_splits_rows_at_random() -> None:
    found = {name_of(path): names for path in MODULES if (names := split_at_random(path.read_text(encoding="utf-8")))}
    assert found == {}


def test_the_law_of_random_splits_bites() -> None:
    assert split_at_random("from sklearn.model_selection import KFold") == {"model_selection", "KFold"}
    assert split_at_random("import lightgbm as lgb\nlgb.cv({}, data)") == {"lightgbm.cv"}


def test_class_weights_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match="is_unbalance"):
        type(params().model)(**params().model.model_dump(), is_unbalance=True)


# Labels by lot --------------------------------------------------------------------------------------------

BY_LOT = CUTOFFS[-4:]
"""Some 1,500 rows: by chance alone AUROC strays from .5 by .055 once in thousands of draws."""


def test_labels_dealt_out_by_lot_are_not_found() -> None:
    found = rankings(trainer_of(shuffled(rows(), 0), book_of(orders())), BY_LOT)
    assert {*ladder.RUNGS, "the ladder's choice"} == set(found)
    assert all(value == pytest.approx(0.5, abs=0.055) for value in found.values()), found


def test_labels_as_they_are_are_found() -> None:
    assert rankings(trainer_of(rows(), book_of(orders())), BY_LOT[-1:])["the ladder's choice"] > 0.65


def test_labels_dealt_out_by_lot_are_found_where_rows_are_split_at_random(monkeypatch: pytest.MonkeyPatch) -> None:
    rows_split_at_random(monkeypatch)
    deep = {"trees": 100, "leaves": 15, "min_rows_per_leaf": 1, "l2": 0.0}
    s = params().model_copy(update={"model": params().model.model_copy(update=deep)})
    trainer = replace(trainer_of(shuffled(rows(), 0), book_of(orders())), settings=s.model)
    assert rankings(trainer, BY_LOT[-1:])["lightgbm"] > 0.7
