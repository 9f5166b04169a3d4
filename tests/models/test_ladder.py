"""The ladder takes what the data carry, by evidence where there is some, and every rung is written as text."""

import numpy as np
import pandas as pd
import pytest

from models import ladder
from models.baselines import HISTORY, RECENCY, Lifetime, Logistic, unfitted_rule
from models.buy_till_you_die import BuyTillYouDie
from models.calibration import Calibrator, sigmoid
from models.ladder import Known, choose, choose_share, lacking
from models.scorer import Blend, Boosted, ChurnModel, baselines_to_dict, read_baselines

ENOUGH = Known(rows=5_000, rarer=1_000, cutoffs=6, repeat_buyers=500)


def test_a_large_shop_lacks_nothing():
    assert lacking(ENOUGH) == {}


@pytest.mark.parametrize(
    ("known", "rungs"),
    [
        (Known(999, 400, 6, 500), {"lightgbm"}),
        (Known(5_000, 1_000, 1, 500), {"lightgbm"}),
        (Known(5_000, 39, 6, 500), {"lightgbm", "logistic_rfm"}),
        (Known(5_000, 1_000, 6, 29), {"buy_till_you_die"}),
        (Known(0, 0, 0, 0), {"lightgbm", "logistic_rfm", "buy_till_you_die"}),
    ],
)
def test_what_data_lack_is_said_rung_by_rung(known, rungs):
    missing = lacking(known)
    assert set(missing) == rungs
    assert all("needed" in why for why in missing.values())


def losses(**values):
    return {name: [value] * 3 for name, value in values.items()}


def test_the_best_rung_on_earlier_origins_is_taken():
    found = choose({}, losses(rule=0.6, logistic_rfm=0.55, buy_till_you_die=0.5, lightgbm=0.58))
    assert found.rung == "buy_till_you_die"
    assert "the lowest log-loss, levels put right, on 3 earlier origins" in found.why


def test_a_higher_rung_that_is_level_goes_before_a_lower_one():
    assert choose({}, losses(rule=0.6, logistic_rfm=0.500, buy_till_you_die=0.51, lightgbm=0.502)).rung == "lightgbm"
    assert choose({}, losses(rule=0.6, logistic_rfm=0.500, buy_till_you_die=0.51, lightgbm=0.503)).rung != "lightgbm"


def test_without_earlier_origins_the_highest_rung_that_the_data_carry_is_taken():
    assert choose({}, {}).rung == "lightgbm"
    one_cutoff = choose({"lightgbm": "5,000 training rows of 1 cutoffs, 1,000 of 2 needed"}, {})
    assert one_cutoff.rung == "logistic_rfm"
    assert "lightgbm: 5,000 training rows of 1 cutoffs" in one_cutoff.why
    assert choose({"lightgbm": "x", "logistic_rfm": "y"}, {}).rung == "buy_till_you_die"
    assert choose({"lightgbm": "x", "logistic_rfm": "y", "buy_till_you_die": "z"}, {}).rung == "rule"


def test_a_level_that_is_wrong_does_not_count_against_a_rung():
    rng = np.random.default_rng(0)
    margin = rng.normal(size=4_000)
    churned = (rng.uniform(size=4_000) < sigmoid(margin)).astype("float64")
    right, low = sigmoid(margin), sigmoid(margin) ** 1.4
    assert ladder.loss(low, churned) == pytest.approx(ladder.loss(right, churned), abs=1e-9)
    assert ladder.loss(sigmoid(-margin), churned) > ladder.loss(right, churned) + 0.1


def test_the_weight_of_the_second_model_is_what_ranked_best():
    rng = np.random.default_rng(1)
    signal, other = rng.normal(size=3_000), rng.normal(size=3_000)
    noise = rng.normal(size=3_000)
    churned = (signal + other + 0.3 * rng.normal(size=3_000) > 0).astype("float64")
    assert choose_share([(2 * signal, 2 * other, churned)]) == 0.5
    assert choose_share([(2 * (signal + other), noise, churned)]) == 0.0
    assert choose_share([]) == 0.25


PROCESS = BuyTillYouDie("mbg_nbd", 0.6, 30.0, 0.8, 2.5)


@pytest.fixture
def buyers() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    age = rng.uniform(20, 400, 80)
    return pd.DataFrame(
        {
            "a": rng.normal(size=80),
            "days_with_order_so_far": rng.integers(1, 6, 80).astype("float64"),
            "days_since_first_order": age,
            "days_since_last_order": age * rng.uniform(0.1, 0.95, 80),
        }
    )


RANKERS = {
    "rule": unfitted_rule(90),
    "logistic": Logistic(("a", *RECENCY), (0.1, 3.0), (0.5, 0.7), (0.4, 1.2), -0.3),
    "lifetime": Lifetime(PROCESS, 90.0, 7.0, (2.0, 150.0, 60.0)),
}


def trees(buyers, small) -> Boosted:
    from models import classifier

    columns = ("a", "days_since_last_order")
    churned = (buyers["days_since_last_order"] > 60).astype("int8")
    return Boosted(classifier.fit(buyers[list(columns)], churned, small), columns)


@pytest.fixture(params=[*RANKERS, "trees", "blend"])
def model(request, buyers, small) -> ChurnModel:
    found = RANKERS.get(request.param) or trees(buyers, small)
    if request.param == "blend":
        found = Blend(found, RANKERS["lifetime"], (0.8, 0.1), 0.25)
    return ChurnModel(found, Calibrator("sigmoid", 0.9, 0.1, intensity=0.2), (found,))


def test_every_rung_comes_back_from_its_texts(model, buyers):
    files = model.to_files()
    again = ChurnModel.from_files(files)
    assert again.columns == model.columns
    assert again.probability(buyers).tobytes() == model.probability(buyers).tobytes()
    assert again.twins[0].margin(buyers).tobytes() == model.margin(buyers).tobytes()
    assert again.to_files() == files


def test_what_the_columns_add_gives_the_margin_on_every_rung(model, buyers):
    added = model.contributions(buyers)
    assert list(added.columns) == [*model.columns, "base"]
    np.testing.assert_allclose(added.sum(axis=1), model.margin(buyers), atol=1e-6)


def test_one_customer_gets_the_same_margin_alone_and_among_all(model, buyers):
    alone = np.concatenate([model.margin(buyers.iloc[[place]]) for place in range(len(buyers))])
    assert alone.tobytes() == model.margin(buyers).tobytes()


def test_a_wider_table_in_another_order_gives_the_same_margin(model, buyers):
    wider = buyers.assign(z=1.0)[["z", *reversed(buyers.columns)]]
    assert model.margin(wider).tobytes() == model.margin(buyers).tobytes()


def test_baselines_come_back_from_their_file(buyers):
    models = {name: ChurnModel(ranker, Calibrator("sigmoid", 1.1, -0.2)) for name, ranker in RANKERS.items()}
    again = read_baselines(baselines_to_dict(models))
    assert list(again) == list(models)
    for name, model in models.items():
        assert again[name].probability(buyers).tobytes() == model.probability(buyers).tobytes()


def test_the_rule_without_labels_says_a_half_after_one_horizon(buyers):
    rows = buyers.assign(days_since_last_order=90.0)
    assert unfitted_rule(90).probability(rows) == pytest.approx(0.5)


def test_a_customer_like_the_typical_one_gets_no_contributions():
    rows = pd.DataFrame([dict(zip(HISTORY, RANKERS["lifetime"].typical, strict=True))])
    added = RANKERS["lifetime"].contributions(rows)
    assert added[list(HISTORY)].abs().to_numpy().max() == 0.0
