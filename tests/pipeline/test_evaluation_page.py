"""The page and the card of an evaluation say every figure and every verdict, and say so where there is none."""

import base64
import copy
import hashlib
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.costs import EvaluationSettings
from models.evaluation import evaluate, evaluate_slices, stability
from reports import EvaluationPage, ModelCard, render_evaluation, render_model_card
from reports.evaluation import findings, headline
from reports.model_card import LEAKS

ROOT = Path(__file__).parents[2]
COLUMNS = ("wafa", "wafa_undrifted", "mbg_nbd", "logistic_rfm", "recency")
ORIGINS = ("2025-06-01", "2025-09-01")
FINAL = {
    "rows": 1_200,
    "cutoffs": ["2025-01-01", "2025-04-01"],
    "model_hash": "ab12",
    "calibration": {"method": "sigmoid"},
}
MISS = {
    "customer_id": "c_0123abcd",
    "origin": "2025-06-01",
    "probability": 0.94,
    "churned": False,
    "known_days": 142,
    "ordered_in_gap": False,
    "came_back_later": False,
    "lanes": {"orders": [-40, 12], "visits": [-3, 5], "returned": []},
    "story": "Ordered on 1 day of the year before.",
}
LOST = MISS | {"customer_id": "c_99", "churned": True, "probability": 0.1, "ordered_in_gap": True}


def rows(churned: list[int], noise: dict[str, float] | None = None) -> pd.DataFrame:
    """Two origins; each model is the truth with so much noise."""
    rng = np.random.default_rng(2)
    frames = []
    for origin in ORIGINS:
        truth = np.array(churned, dtype="float64") * 0.4 + 0.3
        said = {
            name: np.clip(truth + rng.normal(0, (noise or {}).get(name, 0.3), len(truth)), 0.02, 0.98)
            for name in COLUMNS
        }
        frames.append(
            pd.DataFrame(
                {"customer_id": [f"c{n}" for n in range(len(truth))], "origin": origin, "churned": churned, **said}
            )
        )
    return pd.concat(frames, ignore_index=True)


def measured(table: pd.DataFrame) -> dict:
    costs = EvaluationSettings()
    found = evaluate(table, {name: name for name in COLUMNS}, draws=60, seed=7, costs=costs)
    kinds = pd.Series("few", index=table.index, dtype="object")
    kinds[50:] = "many"
    return {
        "population": {
            "eligibility": "customers who ordered in the 365 days before the cutoff",
            "label": "no order from day 7 to day 97 after the cutoff",
            "gap_days": 7,
            "horizon_days": 90,
        },
        "is_simulated": False,
        "costs": costs.model_dump(),
        **found,
        "slice_baseline": "mbg_nbd",
        "slices": evaluate_slices(table, {"size": kinds}, 60, 7, baseline="mbg_nbd"),
        "stability": stability(table, 60, 7),
    }


def page(metrics: dict, **changes) -> str:
    values = {
        "shop_name": "A shop",
        "currency": "GBP",
        "minor_digits": 2,
        "draws": 60,
        "metrics": metrics,
        "horizon": None,
        "misses": [MISS, LOST],
        "pictures": {"roc.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>", "beeswarm.png": b"\x89PNG"},
    }
    return render_evaluation(EvaluationPage(**(values | changes)))


def card(metrics: dict) -> str:
    return render_model_card(ModelCard("A shop", "LightGBM", FINAL, ["the season"], metrics))


@pytest.fixture(scope="module")
def usual() -> dict:
    return measured(rows([0, 1] * 80, dict.fromkeys(COLUMNS, 0.6) | {"wafa": 0.25, "wafa_undrifted": 0.25}))


def test_population_eligibility_gap_and_horizon_stand_beside_every_table(usual):
    tables = re.findall(r"<table.*?</table>", page(usual), flags=re.S)
    assert len(tables) >= 7
    for table in tables:
        caption = re.search(r"<caption>(.*?)</caption>", table, flags=re.S)[1]
        assert "ustomers who ordered in the 365 days before the cutoff" in caption
        assert "no order from day 7 to day 97 after the cutoff" in caption
        assert "gap 7 days, horizon 90 days" in caption


def test_every_figure_has_its_interval_on_the_page_and_the_card(usual):
    html, text = page(usual), card(usual)
    for origin in usual["origins"]:
        for name in ("wafa", "mbg_nbd"):
            auroc = origin["models"][name]["auroc"]
            interval = f"[{auroc['low']:.3f}, {auroc['high']:.3f}]"
            assert f"{auroc['value']:.3f}<small>{interval}</small>" in html
            assert f"{auroc['value']:.3f} {interval}" in text
        assert f"{origin['rows']} customers, base rate 50.0 % left" in html
    assert "largest possible lift 2.00" in html
    assert "| 2025-09-01 | 160 | 50.0% |" in text
    assert "`ab12`" in text


def test_a_wide_table_scrolls_in_a_box_of_its_own(usual):
    html = page(usual)
    assert html.count("<table") == html.count('<div class="scroll" tabindex="0"><table')


@pytest.mark.parametrize("churned", [0, 1])
def test_an_origin_where_all_did_the_same_is_told_and_not_a_crash(churned):
    found = measured(rows([churned] * 120))
    html, text = page(found), card(found)
    assert "not defined" in html
    assert "Mean AUROC not defined" in text
    assert "cannot be judged" in headline(found)
    for said in (re.sub(r'src="data:[^"]*"', "", html), text):
        assert not re.search(r"\b(None|nan)\b", said)


def test_figures_of_a_simulated_shop_are_marked_as_such(usual):
    simulated = usual | {"is_simulated": True}
    assert "imulated shop" not in page(usual) + card(usual)
    assert "Figures from a simulated shop" in page(simulated)
    assert page(simulated).count("Simulated shop.") >= 7
    assert "Figures from a simulated shop" in card(simulated)


def test_a_shops_own_text_cannot_become_markup(usual):
    html = page(usual, shop_name="<script>x</script>", misses=[MISS | {"lanes": {"<b>calls": [-3]}}])
    assert "<script>" not in html
    assert "<b>calls" not in html


def test_the_page_runs_nothing_and_loads_nothing(usual):
    html = page(usual)
    style = re.search(r"<style>(.*?)</style>", html, flags=re.S)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in html
    assert 'style="' not in html
    assert "<script" not in html
    assert "default-src 'none'" in html
    assert not re.findall(r'(?:src|href)="(?!data:|#)', html)


def test_pictures_are_within_the_page_and_say_what_they_show(usual):
    html = page(usual)
    assert 'src="data:image/png;base64,iVBORw==' in html or 'src="data:image/png;base64,' in html
    assert html.count("<img") == 2
    assert all(re.search(r'alt="[^"]{20,}"', image) for image in re.findall(r"<img[^>]*>", html))


def with_verdicts(metrics: dict, **said: str) -> dict:
    """The metrics with the verdicts on AUROC and Brier score turned into those said of each baseline."""
    found = copy.deepcopy(metrics)
    for name, (auroc, brier) in said.items():
        found["paired"][f"wafa - {name}"]["auroc"]["verdict"] = auroc
        found["paired"][f"wafa - {name}"]["brier"]["verdict"] = brier
    return found


BETTER = ("better", "better")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            (BETTER, BETTER, BETTER),
            "Wafa is better than every baseline, at ranking customers and at giving probabilities.",
        ),
        (
            (("worse", "level"), BETTER, BETTER),
            "Wafa is worse than MBG/NBD at ranking customers. Use what is better, or find out why.",
        ),
        (
            (("worse", "worse"), ("worse", "better"), BETTER),
            "Wafa is worse than MBG/NBD and logistic RFM at ranking customers and worse than MBG/NBD at giving "
            "probabilities. Use what is better, or find out why.",
        ),
        (
            (("level", "level"), BETTER, BETTER),
            "Wafa and MBG/NBD cannot be told apart on these tests: the simpler one would do.",
        ),
        ((("level", "better"), BETTER, BETTER), "Wafa is nowhere worse than a baseline, but not better at everything."),
    ],
)
def test_the_verdict_never_says_more_than_the_intervals(usual, said, expected):
    found = with_verdicts(usual, **dict(zip(("mbg_nbd", "logistic_rfm", "recency"), said, strict=True)))
    found["mean"]["wafa"]["ece"] = 0.03
    assert headline(found) == expected
    assert expected in page(found)
    assert expected in card(found)
    found["mean"]["wafa"]["ece"] = 0.06
    assert headline(found) == f"{expected} Its probabilities cannot be taken at their word (ECE 0.060)."


def test_a_model_that_does_worse_is_called_worse_in_the_table(usual):
    table = rows([0, 1] * 80, {"wafa": 0.9, "mbg_nbd": 0.1})
    found = measured(table)
    assert headline(found).startswith("Wafa is worse than")
    html = page(found)
    assert '<span class="worse">worse</span>' in html
    assert "Ranking: worse than MBG/NBD" in html
    assert any("At 2025-06-01 it ranked worse than MBG/NBD" in line for line in findings(found))


def test_what_a_reader_should_know_is_told(usual):
    found = copy.deepcopy(usual)
    told = " ".join(findings(found))
    assert "The answer to the drift of the base rate" in told
    assert "suspicious" not in told
    found["mean_interval"]["wafa"]["auroc"]["value"] = 0.97
    for origin, rung in zip(found["origins"], ("lightgbm", "rule"), strict=True):
        origin["rung"] = rung
    found["mean_interval"]["wafa"]["bias"]["value"] = 0.01
    found["slices"][1]["bias"] = {"value": 0.05, "low": 0.04, "high": 0.06}
    found["slices"][1]["auroc_gap"]["verdict"] = "worse"
    told = " ".join(findings(found))
    assert "An AUROC this high is suspicious" in told
    assert "boosted trees at 2025-06-01; recency rule at 2025-09-01" in told
    assert "Predicted minus real differs by group: “size: many” +5.0 points; everybody +1.0." in told
    assert "Among “size: many” the best baseline ranks better." in told


def test_a_small_slice_says_so(usual):
    assert re.search(r"size: few<small>fewer than 100 rows", page(usual))


def test_a_miss_is_told_by_pseudonym_with_its_days(usual):
    html = page(usual)
    assert "c_0123abcd" in html
    assert "94&nbsp;% to leave, and came back" in html
    assert "10&nbsp;% to leave, and left" in html
    # One line for each kind of event that happened: the second order was on day 12, a year and 12 days along.
    assert html.count('<svg class="lane"') == 4
    assert '<rect x="377" y="1"' in html
    assert "Of the 1 who were expected to order and left, 1 had ordered in the gap and 0 came back" in html
    assert "Worst misses" not in page(usual, misses=[])


def test_the_horizon_and_the_outlook_are_told_where_they_are(usual):
    assert "Is the horizon right" not in page(usual)
    quantiles = {"gaps": 7, "50": 40, "80": None, "90": None, "95": None}
    row = {"churned_share": 0.5, "came_back_share": 0.3, "lowest": 0.2, "highest": 0.4, "came_back_by_end_share": None}
    horizon = {
        "population": usual["population"],
        "sentence": "Recommended: a horizon of 60 days.",
        "follow_up_days": 180,
        "orders_from": "2023-07-01",
        "complete_until": "2025-07-01",
        "recommended": 60,
        "horizons": [row | {"horizon_days": days, "cutoffs": 4} for days in (60, 90)],
        "gaps_in_days": {"with_open": quantiles},
    }
    html = page(usual, horizon=horizon)
    assert "Recommended: a horizon of 60 days." in html
    assert "90 days<small>in params.yaml</small>" in html
    assert "40 / never / never / never" in html


def test_another_seed_is_told_where_there_was_one(usual):
    assert "Final model at" not in page(usual)
    agreed = usual["stability"]["next"][0] | {"origin": "2025-09-01"}
    html = page(usual | {"stability": usual["stability"] | {"final_reseeded": agreed}})
    assert "Final model at 2025-09-01, another seed" in html
    assert "was fitted on the customers it is tried on" in html


def test_equal_values_give_equal_bytes(usual):
    assert page(usual) == page(copy.deepcopy(usual))
    assert card(usual) == card(copy.deepcopy(usual))


@pytest.mark.parametrize("test", sorted({test for _, _, tests in LEAKS for test in tests}))
def test_each_test_that_the_checklist_names_is_there(test):
    file, _, name = test.partition("::")
    assert re.search(rf"^def {name}\(", (ROOT / file).read_text(encoding="utf-8"), flags=re.M)


def test_the_checklist_has_every_kind_of_leak_and_stands_on_the_card(usual):
    kinds = [kind.split()[0] for kind, _, _ in LEAKS]
    assert kinds == ["L1.1", "L1.2", "L1.3", "L1.4", "L2", "L3.1", "L3.2", "L3.3"]
    text = card(usual)
    for _, _, tests in LEAKS:
        assert tests
        assert all(f"`{test}`" in text for test in tests)
