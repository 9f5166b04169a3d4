"""The page and the card of an evaluation say every figure, and say so where there is none."""

import numpy as np
import pandas as pd
import pytest

from models.evaluation import evaluate
from pipeline.evaluation_page import model_card, page, plots

MODELS = {"wafa": "wafa", "logistic_rfm": "logistic_rfm", "recency": "recency"}
COLUMNS = ("days_since_last_order", "spend_90d")
FINAL = {
    "rows": 1_200,
    "cutoffs": ["2025-01-01", "2025-04-01"],
    "model_hash": "ab12",
    "calibration": {"method": "sigmoid"},
}


def metrics(churned: list[int]) -> dict:
    rng = np.random.default_rng(2)
    rows = pd.DataFrame(
        {
            "customer_id": [f"c{n}" for n in range(len(churned))],
            "origin": "2025-09-01",
            "churned": churned,
            **{name: rng.uniform(0.2, 0.8, len(churned)) for name in MODELS},
        }
    )
    population = {
        "eligibility": "customers who ordered in the 365 days before the cutoff",
        "label": "no order from day 7 to day 97 after the cutoff",
    }
    return {"population": population, "is_simulated": False, **evaluate(rows, MODELS, draws=50, seed=7)}


@pytest.fixture(scope="module")
def usual() -> dict:
    return metrics([0, 1] * 30)


def test_the_page_and_the_card_name_population_base_rate_and_interval(shop, usual):
    auroc = usual["origins"][0]["models"]["wafa"]["auroc"]
    interval = f"{auroc['value']:.3f} [{auroc['low']:.3f}, {auroc['high']:.3f}]"
    html, card = page(shop, usual, {}), model_card(shop, usual, FINAL, COLUMNS)
    for text in (html, card):
        assert "customers who ordered in the 365 days before the cutoff" in text
        assert interval in text
    assert "base rate 50.0 % churned" in html
    assert "largest possible lift 2.00" in html
    assert "| 2025-09-01 | 60 | 50.0% |" in card
    assert "`ab12`" in card


@pytest.mark.parametrize("churned", [0, 1])
def test_an_origin_where_all_did_the_same_is_told_and_not_a_crash(shop, churned):
    found = metrics([churned] * 30)
    html, card = page(shop, found, {}), model_card(shop, found, FINAL, COLUMNS)
    assert "not defined" in html
    assert "Mean AUROC not defined;" in card
    assert "None" not in html + card
    assert "nan" not in html + card


def test_figures_of_a_simulated_shop_are_marked_as_such(shop, usual):
    real, simulated = usual, usual | {"is_simulated": True}
    assert "Figures from a simulated shop" not in page(shop, real, {}) + model_card(shop, real, FINAL, COLUMNS)
    assert "Figures from a simulated shop" in page(shop, simulated, {})
    assert "Figures from a simulated shop" in model_card(shop, simulated, FINAL, COLUMNS)


def test_a_shops_own_text_cannot_become_markup(shop, usual):
    named = shop.model_copy(update={"shop": shop.shop.model_copy(update={"name": "<script>x</script>"})})
    assert "<script>" not in page(named, usual, {})


def test_equal_figures_give_equal_drawings(usual):
    importance = {"days_since_last_order": 0.9, "spend_90d": 0.1}
    drawn = plots(usual, importance)
    assert drawn == plots(usual, importance)
    assert sorted(drawn) == ["calibration.svg", "drivers.svg"]
    assert "days_since_last_order" in drawn["drivers.svg"]
    assert drawn["drivers.svg"] != plots(usual, {"spend_90d": 0.4})["drivers.svg"]
