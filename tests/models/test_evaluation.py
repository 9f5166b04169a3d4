"""Intervals come from drawing customers with all their rows, and no figure claims more than its interval."""

import numpy as np
import pandas as pd
import pytest

from models.costs import EvaluationSettings
from models.evaluation import curves, evaluate, evaluate_slices, stability, verdict

COSTS = EvaluationSettings(
    acceptance_alpha=6, acceptance_beta=14, customer_value=20_000, offer_cost=1_000, contact_cost=100
)


def origin(name: str, rows: int = 120, seed: int = 1, prefix: str = "c") -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.1, 0.9, rows)
    return pd.DataFrame(
        {
            "customer_id": [f"{prefix}{n:03d}" for n in range(rows)],
            "origin": name,
            "churned": (rng.uniform(size=rows) < truth).astype("int8"),
            "wafa": truth,
            "recency": np.clip(truth + rng.normal(0, 0.3, rows), 0.01, 0.99),
        }
    )


MODELS = {"wafa": "wafa", "recency": "recency"}
ORIGINS = [f"2025-0{month}-01" for month in (1, 4, 7)]


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return pd.concat([origin(name, seed=n) for n, name in enumerate(ORIGINS)], ignore_index=True)


def paired_width(rows: pd.DataFrame) -> float:
    gap = evaluate(rows, MODELS, draws=200, seed=7)["paired"]["wafa - recency"]["auroc"]
    assert gap["low"] <= gap["value"] <= gap["high"]
    return gap["high"] - gap["low"]


def test_the_rows_of_a_customer_are_drawn_together():
    same_people = pd.concat([origin(name) for name in ORIGINS], ignore_index=True)
    other_people = pd.concat([origin(name, prefix=f"{name} ") for name in ORIGINS], ignore_index=True)
    # Seeing the same people three times says nothing new: the interval is that of one origin.
    assert paired_width(same_people) == pytest.approx(paired_width(origin(ORIGINS[0])), abs=2e-6)
    assert paired_width(other_people) < 0.75 * paired_width(same_people)


def test_intervals_follow_from_the_seed_alone():
    rows = origin("2025-01-01")
    once = evaluate(rows, MODELS, draws=60, seed=7)
    assert evaluate(rows, MODELS, draws=60, seed=7) == once
    assert evaluate(rows, MODELS, draws=60, seed=8)["paired"] != once["paired"]
    assert evaluate(rows.sample(frac=1, random_state=3), MODELS, draws=60, seed=7)["mean"] == once["mean"]


def test_a_model_differs_from_itself_by_nothing(rows):
    paired = evaluate(rows.assign(twin=rows["wafa"]), {"wafa": "wafa", "twin": "twin"}, 60, 7, costs=COSTS)["paired"]
    assert list(paired) == ["wafa - twin"]
    for gap in paired["wafa - twin"].values():
        assert gap == {"value": 0.0, "low": 0.0, "high": 0.0, "verdict": "level"}


def test_a_value_lies_in_its_interval_and_the_mean_is_over_origins(rows):
    found = evaluate(rows, MODELS, draws=100, seed=7)
    values = [o["models"]["wafa"]["auroc"] for o in found["origins"]]
    assert [o["origin"] for o in found["origins"]] == ORIGINS
    assert all(v["low"] < v["value"] < v["high"] for v in values)
    assert found["mean"]["wafa"]["auroc"] == pytest.approx(np.mean([v["value"] for v in values]), abs=1e-6)
    mean = found["mean_interval"]["wafa"]["auroc"]
    assert mean["value"] == found["mean"]["wafa"]["auroc"]
    assert values[0]["low"] < mean["low"] < mean["value"] < mean["high"] < max(v["high"] for v in values)
    assert [o["rows"] for o in found["origins"]] == [o["customers"] for o in found["origins"]] == [120] * 3
    assert found["origins"][0]["max_lift"] == pytest.approx(1 / found["origins"][0]["base_rate"], abs=1e-4)


def test_capture_and_lift_stand_beside_the_most_that_is_possible(rows):
    first = evaluate(rows, MODELS, draws=60, seed=7)["origins"][0]
    wafa, rate = first["models"]["wafa"], first["base_rate"]
    for k in (5, 10, 20, 30):
        found, best = wafa[f"capture_at_{k}"]["value"], first["max_capture"][str(k)]
        assert best == pytest.approx(min(1, k / 100 / rate), abs=1e-6)
        assert wafa[f"lift_at_{k}"]["value"] == pytest.approx(found / (k / 100), abs=1e-4)
        assert wafa[f"reached_at_{k}"]["value"] == pytest.approx(found / best, abs=1e-4)
        assert wafa[f"reached_at_{k}"]["high"] <= 1
    assert wafa["lift_top_decile"] == wafa["lift_at_10"]["value"]


def test_mean_prediction_stands_beside_the_base_rate(rows):
    first = evaluate(rows, MODELS, draws=60, seed=7)["origins"][0]
    wafa = first["models"]["wafa"]
    assert wafa["bias"]["value"] == pytest.approx(wafa["mean_prediction"] - first["base_rate"], abs=2e-6)
    assert wafa["bias"]["low"] < wafa["bias"]["value"] < wafa["bias"]["high"]
    assert first["base_rate_interval"]["low"] < first["base_rate"] < first["base_rate_interval"]["high"]


def test_the_calibration_error_lies_in_its_interval_though_draws_only_add_to_it(rows):
    calibrated = rows.assign(wafa=0.5, churned=[0, 1] * (len(rows) // 2))
    for found in evaluate(pd.concat([rows, calibrated.assign(origin="flat")]), MODELS, draws=200, seed=7)["origins"]:
        ece = found["models"]["wafa"]["ece"]
        assert 0 <= ece["low"] <= ece["value"] <= ece["high"]


def test_the_bins_of_the_reliability_plot_have_intervals(rows):
    bins = evaluate(rows, MODELS, draws=60, seed=7)["origins"][0]["models"]["wafa"]["reliability"]
    assert [bin_["rows"] for bin_ in bins] == [12] * 10
    assert [bin_["predicted"] for bin_ in bins] == sorted(bin_["predicted"] for bin_ in bins)
    assert all(bin_["low"] <= bin_["observed"] <= bin_["high"] for bin_ in bins)


def test_the_expected_profit_is_told_where_costs_are(rows):
    found = evaluate(rows, MODELS, draws=60, seed=7, costs=COSTS)
    wafa = found["origins"][0]["models"]["wafa"]
    assert wafa["expected_profit"]["low"] < wafa["expected_profit"]["value"] < wafa["expected_profit"]["high"]
    assert 0 < wafa["target_share"]["value"] <= 1
    assert "expected_profit" in found["paired"]["wafa - recency"]
    assert "target_share" not in found["paired"]["wafa - recency"]
    assert "expected_profit" not in evaluate(rows, MODELS, draws=60, seed=7)["mean"]["wafa"]


def test_what_is_not_defined_is_none():
    rows = origin("2025-01-01", rows=30).assign(churned=0)
    found = evaluate(rows, MODELS, draws=50, seed=7, costs=COSTS)
    wafa = found["origins"][0]["models"]["wafa"]
    assert wafa["auroc"] == {"value": None, "low": None, "high": None}
    assert wafa["lift_top_decile"] is None
    assert found["origins"][0]["max_lift"] is None
    assert found["mean"]["wafa"]["auroc"] is None
    assert found["paired"]["wafa - recency"]["auroc"] == {"value": None, "low": None, "high": None, "verdict": None}
    assert wafa["brier"]["value"] > 0


def test_a_draw_without_anybody_of_a_small_origin_is_left_out():
    rows = pd.concat([origin("2025-01-01"), origin("2025-04-01", rows=3, prefix="new")], ignore_index=True)
    brier_of_three = evaluate(rows, MODELS, draws=200, seed=7, costs=COSTS)["origins"][1]["models"]["wafa"]["brier"]
    assert brier_of_three["low"] <= brier_of_three["value"] <= brier_of_three["high"]


def test_a_model_that_an_origin_lacks_is_compared_on_the_others(rows):
    partly = rows.assign(recency=rows["recency"].where(rows["origin"] != ORIGINS[0]))
    found = evaluate(partly, MODELS, draws=60, seed=7)
    assert [list(o["models"]) for o in found["origins"]] == [["wafa"], ["wafa", "recency"], ["wafa", "recency"]]
    rest = evaluate(rows[rows["origin"] != ORIGINS[0]], MODELS, draws=60, seed=7)
    gap = found["paired"]["wafa - recency"]["auroc"]["value"]
    assert gap == rest["paired"]["wafa - recency"]["auroc"]["value"]


@pytest.mark.parametrize(
    ("metric", "low", "high", "said"),
    [
        ("auroc", 0.01, 0.02, "better"),
        ("auroc", -0.02, -0.01, "worse"),
        ("auroc", -0.01, 0.02, "level"),
        ("auroc", 0.0, 0.02, "level"),
        ("brier", -0.02, -0.01, "better"),
        ("brier", 0.01, 0.02, "worse"),
        ("ece", -0.01, 0.01, "level"),
        ("target_share", 0.01, 0.02, None),
        ("auroc", None, None, None),
    ],
)
def test_a_difference_is_better_or_worse_only_where_its_interval_leaves_out_zero(metric, low, high, said):
    assert verdict({"value": 0.0, "low": low, "high": high}, metric) == said


def test_a_worse_model_is_called_worse(rows):
    turned = {"wafa": "recency", "other": "wafa"}
    found = evaluate(rows, turned, draws=100, seed=7)["paired"]["wafa - other"]
    assert found["auroc"]["verdict"] == found["brier"]["verdict"] == "worse"


def test_a_slice_is_measured_on_its_own_rows_alone(rows):
    tenure = pd.Series(np.where(rows.index % 3 == 0, "new", "old"), index=rows.index, dtype="object")
    old, new = evaluate_slices(
        rows,
        {"tenure": tenure.astype(pd.CategoricalDtype(["old", "new"]))},
        draws=60,
        seed=7,
        baseline="recency",
    )
    assert [(s["kind"], s["slice"], s["rows"]) for s in (old, new)] == [("tenure", "old", 240), ("tenure", "new", 120)]
    part = rows[tenure == "new"].assign(origin="all")
    alone = evaluate(part, MODELS, draws=60, seed=7)
    for name in ("auroc", "lift_at_10", "ece", "bias"):
        assert new[name]["value"] == alone["origins"][0]["models"]["wafa"][name]["value"]
        assert new[name]["low"] <= new[name]["value"] <= new[name]["high"]
    assert new["auroc_gap"]["value"] == alone["paired"]["wafa - recency"]["auroc"]["value"]
    assert new["base_rate"]["value"] == alone["origins"][0]["base_rate"]
    assert new["max_lift_at_10"] == pytest.approx(1 / new["base_rate"]["value"], abs=1e-4)


def test_a_slice_too_small_or_of_one_class_says_so(rows):
    kinds = pd.Series("many", index=rows.index, dtype="object")
    kinds[:99] = "few"
    few, many = evaluate_slices(rows, {"size": kinds}, draws=50, seed=7)
    assert "fewer than 100 rows" in few["note"]
    assert "auroc" not in few
    assert many["note"] is None
    (alike,) = evaluate_slices(rows.assign(churned=1), {"all": pd.Series("all", index=rows.index)}, draws=50, seed=7)
    assert "nothing to rank" in alike["note"]
    assert alike["auroc"]["value"] is None
    assert alike["mean_prediction"]["value"] > 0


def test_rows_that_belong_to_no_slice_are_in_none(rows):
    country = pd.Series("GB", index=rows.index, dtype="object")
    country[:150] = None
    (only,) = evaluate_slices(rows, {"country": country}, draws=50, seed=7)
    assert only["rows"] == 210


def test_stability_compares_the_customers_that_two_origins_share():
    first, second = origin(ORIGINS[0], 200), origin(ORIGINS[1], 200)
    kept = second[50:].assign(wafa=1 - second["wafa"])
    rows = pd.concat([first, kept], ignore_index=True)
    (between,) = stability(rows, draws=50, seed=7)["next"]
    assert (between["from"], between["to"], between["customers"]) == (ORIGINS[0], ORIGINS[1], 150)
    assert between["rank_correlation"]["value"] == -1
    assert between["top_tenth_overlap"]["value"] == 0
    same = pd.concat([first, second], ignore_index=True).sample(frac=1, random_state=1).reset_index(drop=True)
    (between,) = stability(same, draws=50, seed=7)["next"]
    assert between["rank_correlation"]["value"] == between["top_tenth_overlap"]["value"] == 1


def test_stability_under_another_seed_is_told_where_there_is_a_twin(rows):
    assert stability(rows, draws=50, seed=7)["reseeded"] == []
    twin = rows.assign(twin=rows["recency"].where(rows["origin"] == ORIGINS[1]))
    (again,) = stability(twin, draws=50, seed=7, twin="twin")["reseeded"]
    assert (again["origin"], again["customers"]) == (ORIGINS[1], 120)
    assert again["rank_correlation"]["low"] < again["rank_correlation"]["value"] < again["rank_correlation"]["high"]


def test_curves_end_where_everybody_is_on_the_list():
    churned = (np.arange(100) < 40).astype("float64")
    perfect = curves(1 - np.arange(100) / 100, churned, points=11)
    assert perfect["rows"] == pytest.approx(np.linspace(0, 1, 11), abs=1e-5)
    assert perfect["leavers"] == pytest.approx([0, 0.25, 0.5, 0.75, *[1] * 7], abs=1e-5)
    assert perfect["returners"] == pytest.approx([0, 0, 0, 0, 0, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1], abs=1e-5)
