"""The same rows and the same seed give the same scores, whatever the threads and the order; columns go by name."""

import numpy as np
import pandas as pd
import pytest

from models import classifier
from models.calibration import sigmoid
from models.tree_tables import Margins


def test_scores_are_the_same_bytes_on_one_thread_and_on_two(small, matrix, churned, model):
    two = classifier.fit(matrix, churned, small.model_copy(update={"threads": 2}))
    assert classifier.margin(two, matrix).tobytes() == model.margin(matrix).tobytes()


def test_rows_that_arrive_shuffled_and_are_sorted_again_teach_the_same(small, matrix, churned, model):
    shuffled = matrix.assign(churned=churned).sample(frac=1, random_state=5).sort_index()
    again = classifier.fit(shuffled[list(matrix.columns)], shuffled["churned"], small)
    assert classifier.to_text(again) == classifier.to_text(model.booster)


def test_a_score_does_not_depend_on_the_rows_beside_it(matrix, model):
    shuffled = matrix.sample(frac=1, random_state=5)
    scores = pd.Series(model.margin(shuffled), index=shuffled.index).sort_index()
    assert scores.to_numpy().tobytes() == model.margin(matrix).tobytes()
    assert model.margin(matrix.iloc[[7]])[0] == model.margin(matrix)[7]


def test_a_booster_that_scores_many_rows_gives_the_same_bits(matrix, model, monkeypatch):
    expected = model.margin(matrix)
    monkeypatch.setattr(classifier, "MANY_ROWS", 1)
    monkeypatch.setattr(Margins, "margin", lambda self, rows, real=Margins.margin: used.append(1) or real(self, rows))
    used: list[int] = []
    assert model.margin(matrix).tobytes() == expected.tobytes()
    assert used
    with pytest.raises(ValueError, match="not the columns, in their order"):
        classifier.margin(model.booster, matrix[["b", "a", "c", "d", "e"]])


def test_another_seed_gives_other_trees(small, matrix, churned, model):
    other = classifier.fit(matrix, churned, small.model_copy(update={"seed": 8}))
    assert (classifier.margin(other, matrix) != model.margin(matrix)).any()


def test_columns_in_another_order_are_refused_by_the_classifier(matrix, model):
    with pytest.raises(ValueError, match="not the columns, in their order"):
        classifier.margin(model.booster, matrix[["b", "a", "c", "d", "e"]])
    with pytest.raises(ValueError, match="not the columns, in their order"):
        classifier.contributions(model.booster, matrix[["b", "a", "c", "d", "e"]])


def test_the_model_picks_its_columns_by_name(matrix, model):
    turned = matrix[["e", "b", "a", "d", "c"]].assign(customer_id="c_1", newer_feature=1.0)
    assert model.margin(turned).tobytes() == model.margin(matrix).tobytes()
    assert list(model.select(turned).columns) == ["a", "b", "c", "d", "e"]


def test_a_missing_column_is_named_with_the_cure(matrix, model):
    with pytest.raises(ValueError, match=r"lacks 2 of the 5 columns.*\(first: b\)\. Bring the log.*or train again"):
        model.probability(matrix[["a", "c", "e"]])


def test_contributions_and_base_add_up_to_the_margin(matrix, model):
    rng = np.random.default_rng(9)
    unseen = pd.DataFrame(rng.normal(size=(200, 5)) * 3, columns=matrix.columns)
    found = model.contributions(unseen)
    assert list(found.columns) == ["a", "b", "c", "d", "e", "base"]
    assert found.sum(axis=1).to_numpy() == pytest.approx(model.margin(unseen), abs=1e-5)
    assert len(set(found["base"])) == 1


def test_the_probability_is_the_calibrated_margin(matrix, model):
    assert model.probability(matrix) == pytest.approx(sigmoid(0.9 * model.margin(matrix) + 0.1))


def test_the_model_learned_something(matrix, churned, model):
    margin = model.margin(matrix)
    assert margin[churned == 1].mean() > margin[churned == 0].mean() + 0.5


def test_nobody_to_score_gives_no_scores(matrix, model):
    nobody = matrix.iloc[:0]
    assert model.margin(nobody).shape == (0,)
    assert list(model.contributions(nobody).columns) == [*matrix.columns, "base"]


def test_trees_survive_their_text(matrix, model):
    again = classifier.from_text(classifier.to_text(model.booster))
    assert classifier.margin(again, matrix).tobytes() == model.margin(matrix).tobytes()
