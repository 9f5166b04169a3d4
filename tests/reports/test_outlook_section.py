"""The evaluation page on the outlook: how many days held, how near the amounts came, and who told them why."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.outlook_evaluation import EVERYBODY, WINDOW, evaluate_next_order, evaluate_next_year
from models.value import STATEMENTS
from tests.pipeline.test_evaluation_page import COLUMNS, measured, page, rows


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    rng = np.random.default_rng(5)
    days = rng.uniform(0, 97, 200)
    year = rng.gamma(2, 5_000, 200)
    table = pd.DataFrame({"customer_id": [f"c{n}" for n in range(200)], "origin": "2025-06-01"})
    said = dict(zip(WINDOW, (10.0, 50.0, 90.0), strict=True)) | dict(zip(EVERYBODY, (5.0, 48.0, 95.0), strict=True))
    orders = evaluate_next_order(table.assign(days_to_next_order=days, **said), 60, 7)
    amounts = table.assign(revenue_next_year=year, trees=year * rng.uniform(0.5, 1.5, 200), formula=year.mean())
    found = evaluate_next_year(amounts, ("trees", "formula"), 60, 7)
    metrics = measured(rows([0, 1] * 80, dict.fromkeys(COLUMNS, 0.5)))
    return metrics | {
        "timing": {"follow_up_days": 97, "kind": "trees", "why": "trees did better", **orders},
        "value": {
            "days": 365,
            "kind": "trees",
            "why": "trees came closer",
            "statement": STATEMENTS["trees"],
            "origins": found,
        },
    }


def text_of(metrics: dict[str, Any]) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page(metrics)))


def test_coverage_and_totals_stand_there_with_their_intervals(told: dict[str, Any]) -> None:
    html = page(told)
    covered = told["timing"]["origins"][0]["coverage"]
    assert (
        f"{100 * covered['value']:.1f}<small>[{100 * covered['low']:.1f}, {100 * covered['high']:.1f}]</small>" in html
    )
    ratio = told["value"]["origins"][0]["models"]["trees"]["predicted_to_actual"]
    assert f"{ratio['value']:.2f}<small>[{ratio['low']:.2f}, {ratio['high']:.2f}]</small>" in html
    assert STATEMENTS["trees"] in text_of(told)
    assert "Trees tell the amounts: trees came closer." in text_of(told)


def test_every_tenth_of_what_tells_the_amounts_is_shown(told: dict[str, Any]) -> None:
    tenths = told["value"]["origins"][0]["models"]["trees"]["tenths"]
    text = text_of(told)
    assert len(tenths) == 10
    for tenth in tenths:
        assert f"£{tenth['predicted'] / 100:,.0f}" in text or f"£{tenth['predicted'] / 100:,.2f}" in text


def test_amounts_that_nothing_tested_say_so_and_why(told: dict[str, Any]) -> None:
    value = told["value"] | {"kind": "formula", "why": "the years are few", "origins": []}
    text = text_of(told | {"value": value})
    assert "A simple formula tells them: the years are few." in text
    assert "No year after a test origin has ended yet" in text
