"""Coverage, pinball loss and totals of the outlook, on tables small enough to count by hand."""

import numpy as np
import pandas as pd
import pytest

from models.outlook_evaluation import EVERYBODY, WINDOW, evaluate_next_order, evaluate_next_year


def windows(actual: list[float], origin: str = "2025-01-01") -> pd.DataFrame:
    table = pd.DataFrame({"days_to_next_order": actual}).assign(origin=origin)
    table["customer_id"] = [f"c_{n}" for n in range(len(actual))]
    said = dict(zip(WINDOW, (10.0, 20.0, 30.0), strict=True)) | dict(zip(EVERYBODY, (0.0, 20.0, 90.0), strict=True))
    return table.assign(**said)


def test_coverage_counts_both_ends_and_only_those_who_ordered() -> None:
    found = evaluate_next_order(windows([10, 15, 25, 30, 9.9, 30.1, 50, np.nan]), draws=50, seed=1)
    (origin,) = found["origins"]
    assert (origin["origin"], origin["customers"], origin["ordered"]) == ("2025-01-01", 8, 7)
    assert origin["coverage"]["value"] == pytest.approx(4 / 7, abs=1e-6)
    assert origin["earlier"]["value"] == pytest.approx(1 / 7, abs=1e-6)
    assert origin["later"]["value"] == pytest.approx(2 / 7, abs=1e-6)
    assert origin["by_middle"]["value"] == pytest.approx(3 / 7, abs=1e-6)
    assert origin["width_days"]["value"] == 20
    assert origin["everybody_coverage"]["value"] == 1
    assert origin["coverage"]["low"] < origin["coverage"]["value"] < origin["coverage"]["high"]
    assert found["all"] == {"ordered": 7, **{k: v for k, v in origin.items() if isinstance(v, dict)}}


def test_gain_is_the_share_of_the_loss_that_is_spared() -> None:
    (origin,) = evaluate_next_order(windows([20.0]), draws=50, seed=1)["origins"]
    # Ours: 0.1 × 10, nothing, 0.1 × 10; everybody's: 0.1 × 20, nothing, 0.1 × 70; a third of each.
    assert origin["pinball_days"]["value"] == pytest.approx(2 / 3, abs=1e-6)
    assert origin["everybody_pinball_days"]["value"] == pytest.approx(9 / 3, abs=1e-6)
    assert origin["gain"]["value"] == pytest.approx(1 - 2 / 9, abs=1e-6)


def test_an_origin_from_which_nobody_came_back_says_so() -> None:
    rows = pd.concat([windows([15.0]), windows([np.nan], "2025-04-01")], ignore_index=True)
    last = evaluate_next_order(rows, draws=50, seed=1)["origins"][1]
    assert last == {"origin": "2025-04-01", "customers": 1, "ordered": 0}


def years(origin: str = "2025-01-01") -> pd.DataFrame:
    actual = np.arange(100.0)
    return pd.DataFrame(
        {
            "customer_id": [f"c_{n}" for n in range(100)],
            "origin": origin,
            "revenue_next_year": actual,
            "half": actual / 2,
            "reversed": actual[::-1],
            "silent": np.nan,
        }
    )


def test_totals_ranks_and_tenths() -> None:
    (origin,) = evaluate_next_year(years(), ["half", "reversed", "silent"], draws=50, seed=1)
    assert (origin["customers"], origin["mean_revenue"]) == (100, 49.5)
    assert set(origin["models"]) == {"half", "reversed"}
    half, reverse = origin["models"]["half"], origin["models"]["reversed"]
    assert half["predicted_to_actual"] == {"value": 0.5, "low": 0.5, "high": 0.5}
    assert half["rank_correlation"]["value"] == 1
    assert reverse["predicted_to_actual"]["value"] == 1
    assert reverse["predicted_to_actual"]["low"] < 1 < reverse["predicted_to_actual"]["high"]
    assert reverse["rank_correlation"]["value"] == pytest.approx(-1)
    assert half["typical_error"]["value"] == pytest.approx(np.sqrt(np.mean((np.arange(100) / 2) ** 2)), abs=1e-6)
    assert half["tenths"][0] == {"customers": 10, "predicted": 2.25, "actual": 4.5}
    assert reverse["tenths"][-1] == {"customers": 10, "predicted": 94.5, "actual": 4.5}


def test_a_year_without_revenue_has_no_ratio() -> None:
    rows = years().assign(revenue_next_year=0.0)
    (origin,) = evaluate_next_year(rows, ["half"], draws=50, seed=1)
    assert origin["models"]["half"]["predicted_to_actual"] == {"value": None, "low": None, "high": None}
    assert origin["models"]["half"]["rank_correlation"]["value"] is None


def test_draws_are_of_customers_with_all_their_origins() -> None:
    rows = pd.concat([years(), years("2025-04-01")], ignore_index=True)
    first, second = evaluate_next_year(rows, ["reversed"], draws=50, seed=1)
    assert first["models"] == second["models"]
