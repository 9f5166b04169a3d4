"""A shop's own lists: every mistake is one sentence with place and cure, before anything runs."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from campaigns import known, own_lists, people, segments
from campaigns.errors import RecipeError
from campaigns.recipes import cook
from campaigns.settings import PRIORITY, Between, CampaignSettings, FactSettings
from events.logs import LOGS, arrow_schema

NUMBERS = {"BIGINT", "INTEGER", "DOUBLE"}


def cooked(own: dict[str, Any], **more: Any) -> dict[str, Any]:
    full = {name: {"title": "T", "action": "A", **one} for name, one in own.items()}
    return cook(CampaignSettings.model_validate({"own_lists": full, **more}))


def test_the_columns_are_those_of_people() -> None:
    with duckdb.connect() as db:
        known.open_logs(db, {}, {log: arrow_schema(log) for log in LOGS}, 0, "UTC")
        score = ", ".join(f"NULL::{kind} AS {name}" for name, kind in people.SCORE_COLUMNS.items())
        for view in ("scores", "scores_before"):
            db.execute(f"CREATE TABLE {view} AS SELECT ''::VARCHAR AS customer_id, {score} LIMIT 0")
        people.create(db, FactSettings(), 14, 7)
        segments.add(db, FactSettings(), 365)
        kinds = {name: kind for name, kind, *_ in db.execute("DESCRIBE people").fetchall()}
    words = {"VARCHAR": "a text", "BOOLEAN": "true or false"} | dict.fromkeys(NUMBERS, "a number")
    assert {name: words[kind] for name, kind in kinds.items()} == dict(own_lists.COLUMNS)


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ({"ordrs": 1}, "no column 'ordrs' of people. Did you mean 'orders'?"),
        ({"orders": "many"}, "who.orders: 'many' is a text, but the column holds a number"),
        ({"main_interest": 3}, "3 is a number, but the column holds a text"),
        ({"complained": 1}, "1 is a number, but the column holds true or false"),
        ({"main_interest": {"min": 2}}, "the column holds a text, so it has no min or max"),
        ({"orders": {"min": 5, "max": 2}}, "min 5 is above max 2"),
        ({"orders": {}}, "a range needs min or max"),
        ({"lifecycle": "slippin"}, "'slippin' is none of prospect, new, active, slipping, lapsed, lost. Did you mean"),
        ({"band": ["low", "hi"]}, "'hi' is none of low, medium, high"),
        ({"orders": []}, "the list of values is empty"),
    ],
)
def test_a_condition_nobody_could_meet_is_refused(who: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError) as error:
        cooked({"tea": {"who": who}})
    assert str(error.value).startswith("params.yaml: campaigns.own_lists.tea")
    assert said in str(error.value)


def test_a_text_is_no_ranking_and_a_shipped_name_is_taken() -> None:
    with pytest.raises(RecipeError, match="rank_by: main_interest holds a text"):
        cooked({"tea": {"who": {"orders": 1}, "rank_by": "main_interest"}})
    with pytest.raises(RecipeError, match="is the name of a list that ships"):
        cooked({"birthday": {"who": {"orders": 1}}})


def test_segments_and_priorities_that_are_unknown_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"segments: 'Champion' is none of .* Did you mean 'Champions'"):
        cook(CampaignSettings.model_validate({"lists": {"loyalty": {"segments": ["Champion"]}}}))
    with pytest.raises(RecipeError, match=r"no list 'at_rsk'. Did you mean 'at_risk'"):
        cook(CampaignSettings.model_validate({"priority": ["at_rsk"]}))


def test_lists_that_the_priority_leaves_out_keep_their_order() -> None:
    made = list(cooked({"tea": {"who": {"orders": 1}}}, priority=["tea", "win_back", "tea"]))
    rest = [name for name in PRIORITY if name != "win_back"]
    assert made == ["tea", "win_back", *rest, "list_hygiene"]


@pytest.mark.parametrize(
    ("wanted", "sql", "words"),
    [
        ("tea", "\"x\" IN ('tea')", "tea"),
        ("it's", "\"x\" IN ('it''s')", "it's"),
        (("a", "b"), "\"x\" IN ('a', 'b')", "a or b"),
        (True, '"x" IN (true)', "true"),
        (Between(min=2), '"x" >= 2.0', "from 2"),
        (Between(min=2, max=3), '"x" >= 2.0 AND "x" <= 3.0', "from 2 up to 3"),
    ],
)
def test_a_condition_is_sql_and_words(wanted: Any, sql: str, words: str) -> None:
    assert own_lists.condition("x", wanted) == sql
    assert own_lists.words(wanted) == words
