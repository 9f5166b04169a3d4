"""What each model said of each customer at each origin, for whoever compares two models on the same rows."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from models import baselines
from models.calibration import Calibrator, sigmoid
from models.scorer import ChurnModel, baselines_to_dict
from pipeline import evaluate_model
from pipeline.project import datasets, model_store
from pipeline.project.errors import DataError
from timeline import parse_date

ORIGINS = ("2025-06-01", "2025-09-01")


@pytest.fixture
def tested(project, model, shop) -> pd.DataFrame:
    """A project with two test origins and one training cutoff; the second origin has a re-seeded twin."""
    rng = np.random.default_rng(5)
    customers = [f"c_{n:02d}" for n in range(40)]
    matrix = pd.DataFrame({"customer_id": customers} | {name: rng.normal(size=40) for name in ("a", "b", "c")})
    cohorts = []
    for date in ("2025-03-01", *ORIGINS):
        cutoff, role = parse_date(date, shop.shop.timezone), "test" if date in ORIGINS else "train"
        labels = rng.integers(0, 2, 40)
        cohorts.append(pd.DataFrame({"customer_id": customers, "cutoff": cutoff, "churned": labels, "role": role}))
        datasets.write_parquet(matrix, datasets.FEATURES / f"{date}.parquet", key=["customer_id"])
    cohort = pd.concat(cohorts, ignore_index=True).astype({"churned": "int8"})
    datasets.write_parquet(cohort, datasets.COHORT, key=["customer_id", "cutoff"])
    line = ChurnModel(baselines.fit_logistic(("a",), matrix, cohort.loc[:39, "churned"]), Calibrator("none"))
    for date, twins in zip(ORIGINS, ((), (line.ranker,)), strict=True):
        folder = datasets.MODEL / "backtest" / date
        beside = datasets.as_json(baselines_to_dict({"recency": line, "logistic_rfm": line}))
        drifting = replace(model.calibrator, intensity=0.4)
        files = replace(model, calibrator=drifting, twins=twins).to_files() | {"baselines.json": beside}
        model_store.write_files(folder, files, {})
    return matrix


def test_there_is_a_row_per_customer_and_origin_and_a_column_per_model(tested, model, shop):
    found = evaluate_model.predict(shop)
    assert list(found.columns[:4]) == ["customer_id", "churned", "origin", "wafa"]
    assert {"recency", "logistic_rfm", "wafa_undrifted", "wafa_reseeded"} == set(found.columns[4:])
    assert found[["customer_id", "origin"]].apply(tuple, axis=1).tolist() == [
        (customer, origin) for customer in tested["customer_id"] for origin in ORIGINS
    ]
    first = found[found["origin"] == ORIGINS[0]]
    assert first["wafa_undrifted"].tolist() == model.probability(tested).tolist()
    assert (first["wafa"] < first["wafa_undrifted"]).all()  # more orders than usual were expected
    assert first["wafa"].tolist() != sigmoid(model.margin(tested)).tolist()
    assert (found.drop(columns=["customer_id", "origin", "churned"]).dtypes == "float64").all()


def test_a_model_that_an_origin_lacks_says_nothing_there(tested, shop):
    reseeded = evaluate_model.predict(shop).set_index("origin")["wafa_reseeded"]
    assert reseeded.loc[ORIGINS[0]].isna().all()
    assert reseeded.loc[ORIGINS[1]].notna().all()


@pytest.mark.parametrize("is_same", [True, False])
def test_the_final_model_is_tried_against_its_twin_of_another_seed(tested, model, shop, is_same):
    model_store.write(model, datasets.MODEL, {})
    assert evaluate_model.final_reseeded(shop) is None
    other = baselines.fit_logistic(("b",), tested, (tested["b"] > 0).astype("int8"))
    model_store.write(replace(model, twins=(model.ranker if is_same else other,)), datasets.MODEL, {})
    found = evaluate_model.final_reseeded(shop)
    assert (found["origin"], found["customers"]) == (ORIGINS[1], 40)
    assert (found["rank_correlation"]["value"] == found["top_tenth_overlap"]["value"] == 1) == is_same


def test_a_history_too_short_for_an_origin_is_refused_with_the_cure(tested, shop):
    cohort = datasets.read_parquet(datasets.COHORT).assign(role="train")
    datasets.write_parquet(cohort, datasets.COHORT, key=["customer_id", "cutoff"])
    with pytest.raises(DataError, match=r"no test origin has .* lower cohort\.horizon_days"):
        evaluate_model.predict(shop)
