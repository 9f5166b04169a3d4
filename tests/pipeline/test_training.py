"""The model of an origin is fitted on labels that had closed there, and calibrated on origins of the same kind."""

import ibis
import numpy as np
import pandas as pd
import pytest

from models import calibration, classifier
from models.errors import LearningError
from models.training import ChurnTrainer
from pipeline.project.training_inputs import OrderBook
from tests.pipeline.twelve_cutoffs import CUSTOMERS, CUTOFFS, ZONE, small_trainer, training_rows
from timeline import DAY_US, format_date


@pytest.fixture
def rows() -> pd.DataFrame:
    return training_rows()


@pytest.fixture
def trainer(rows, shop) -> ChurnTrainer:
    return small_trainer(rows, shop)


@pytest.fixture
def fitted_on(monkeypatch):
    """Every matrix that a classifier is fitted on, in order."""
    seen = []
    fit = classifier.fit

    def recorded(features, churned, settings):
        seen.append(features)
        return fit(features, churned, settings)

    monkeypatch.setattr(classifier, "fit", recorded)
    return seen


def test_no_row_whose_label_was_open_at_the_origin_is_learned_from(trainer, rows, fitted_on):
    trainer.fit(CUTOFFS[8])
    (learned,) = fitted_on
    cutoffs = rows.loc[learned.index, "cutoff"]
    assert (cutoffs + 97 * DAY_US).max() <= CUTOFFS[8]
    # 1 May: its label closes on 6 August, that of 1 June on 6 September.
    assert format_date(int(cutoffs.max()), ZONE) == "2025-05-01"
    assert len(learned) == 5 * CUSTOMERS


def flipped_after(trainer: ChurnTrainer, origin: int) -> ChurnTrainer:
    """The same trainer, with the labels that were open at ``origin`` turned round."""
    rows = trainer.rows
    is_open = rows["cutoff"] + 97 * DAY_US > origin
    turned = rows.assign(churned=rows["churned"].where(~is_open, 1 - rows["churned"]))
    return ChurnTrainer(turned, ["a"], trainer.question, trainer.settings, trainer.book, trainer.first)


def test_an_origin_does_not_feel_the_labels_after_it(trainer, rows):
    other = flipped_after(trainer, CUTOFFS[11])
    one, another = trainer.calibrated(CUTOFFS[11])[0], other.calibrated(CUTOFFS[11])[0]
    assert one.probability(rows).tobytes() == another.probability(rows).tobytes()


def test_a_calibration_origin_is_scored_by_a_model_that_did_not_know_its_labels(trainer, monkeypatch):
    folds = []

    def recorded(given):
        folds.append(given)
        return calibration.Calibrator("none"), {}

    monkeypatch.setattr(calibration, "choose", recorded)
    trainer.calibrated(CUTOFFS[11])
    flipped_after(trainer, CUTOFFS[4]).calibrated(CUTOFFS[11])
    (margins, churned), (same_margins, flipped) = folds[0][0], folds[1][0]
    assert margins.tobytes() == same_margins.tobytes()
    assert (churned == 1 - flipped).all()


def test_a_model_that_two_origins_share_is_fitted_once(trainer, fitted_on):
    assert trainer.fit(CUTOFFS[8]) is trainer.fit(CUTOFFS[8] + DAY_US)
    assert len(fitted_on) == 1


def test_the_facts_name_cutoffs_rows_and_calibration_origins(trainer):
    facts = trainer.calibrated(CUTOFFS[11])[1]
    assert facts["cutoffs"] == [f"2025-0{month}-01" for month in range(1, 9)]
    assert facts["rows"] == 8 * CUSTOMERS
    assert facts["calibration"]["origins"] == ["2025-05-01", "2025-08-01"]


def test_labels_that_are_all_alike_are_refused_with_the_cure(trainer, rows):
    alike = ChurnTrainer(rows.assign(churned=1), ["a"], trainer.question, trainer.settings, trainer.book, trainer.first)
    with pytest.raises(LearningError, match=r"all 1,000 training rows have the same label.*Lower cohort\.horizon_days"):
        alike.fit(CUTOFFS[8])


def later_orders(trainer: ChurnTrainer, origin: int) -> OrderBook:
    """The same orders, and after ``origin`` one of every customer each week."""
    seen = trainer.book.orders.to_pandas()
    weeks = [origin + week * 7 * DAY_US for week in range(20)]
    more = pd.DataFrame({"customer_id": list(seen["customer_id"].unique()) * len(weeks), "event": "Order Completed"})
    more["occurred_at"] = more["loaded_at"] = np.repeat(weeks, seen["customer_id"].nunique())
    connection = ibis.duckdb.connect()
    return OrderBook(connection.create_table("orders", pd.concat([seen, more], ignore_index=True)), connection)


def test_the_answer_to_drift_does_not_feel_the_orders_after_the_origin(trainer):
    origin = CUTOFFS[9]
    before = ChurnTrainer(trainer.rows, ["a"], trainer.question, trainer.settings, trainer.book, trainer.first)
    after = ChurnTrainer(
        trainer.rows, ["a"], trainer.question, trainer.settings, later_orders(trainer, origin), trainer.first
    )
    assert before.recent_intensities(origin) == after.recent_intensities(origin)
    assert before.recent_intensities(origin), "the cutoffs whose label is open say nothing"
    # One month on those orders are the past, and must count.
    assert before.recent_intensities(CUTOFFS[10]) != after.recent_intensities(CUTOFFS[10])


def test_less_than_a_year_of_orders_gives_no_answer_to_drift(trainer):
    young = ChurnTrainer(
        trainer.rows, ["a"], trainer.question, trainer.settings, trainer.book, CUTOFFS[11] - 364 * DAY_US
    )
    model, facts = young.calibrated(CUTOFFS[11])
    assert model.calibrator.intensity == 0.0
    assert facts["drift"]["taken_from"].startswith("nothing: less than a year of orders")
    older = ChurnTrainer(
        trainer.rows, ["a"], trainer.question, trainer.settings, trainer.book, CUTOFFS[11] - 366 * DAY_US
    )
    assert older.calibrated(CUTOFFS[11])[0].calibrator.intensity != 0.0


def test_the_order_in_which_the_engine_gives_its_rows_changes_no_bit(trainer):
    backwards = ibis.duckdb.connect()
    orders = trainer.book.orders.to_pandas().sort_values(["customer_id", "occurred_at"], ascending=False)
    other = OrderBook(backwards.create_table("orders", orders), backwards)
    assert trainer.book.history(CUTOFFS[9]).equals(other.history(CUTOFFS[9]))
    assert other.history(CUTOFFS[9])["customer_id"].is_monotonic_increasing
