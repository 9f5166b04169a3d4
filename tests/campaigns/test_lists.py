"""Lists: recipes, precedence, conservation, holdout, budget."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from campaigns import LEFT_OUT_RULES, BuiltList, ListError, arms, build_lists, contact_rules, open_carts
from campaigns.settings import CampaignSettings
from tests.campaigns.small_shop import AS_OF, carts, customers, mails, reasons_for, scores
from timeline import DAY_US

EVERYONE = {"holdout_share": 0.0}


def settings(
    win_back: dict[str, object] | None = None, cart: dict[str, object] | None = None, **more: object
) -> CampaignSettings:
    lists = {"win_back": win_back or {}, "abandoned_cart": cart or {}}
    return CampaignSettings.model_validate({**EVERYONE, **more, "lists": lists})


def build(
    scored: pd.DataFrame,
    people: pd.DataFrame | None,
    s: CampaignSettings,
    web: pd.DataFrame | None = None,
    reasons: pd.DataFrame | None = None,
    **logs: pd.DataFrame,
) -> dict[str, BuiltList]:
    every = {"customers": people, "web_events": web, **logs}
    left_behind = open_carts(every, s.lists.abandoned_cart, AS_OF)
    ids = set(scored["customer_id"]) | set(left_behind["customer_id"])
    contact = contact_rules(every, ids, AS_OF)
    told = reasons_for(list(scored["customer_id"])) if reasons is None else reasons
    return build_lists(scored, told, contact, left_behind, s, as_of="2026-01-01")


def agreeing(*names: str, **more: object) -> pd.DataFrame:
    return customers([{"customer_id": name, "email_consent": "subscribed", **more} for name in names])


def who(built: BuiltList) -> list[str]:
    return list(built.candidates["customer_id"])


def why(built: BuiltList) -> dict[str, str]:
    return dict(built.left_out.itertuples(index=False, name=None))


def test_win_back_takes_the_high_band_by_value_at_risk() -> None:
    scored = scores(
        [
            {"customer_id": "small", "value_at_risk": 100},
            {"customer_id": "big", "value_at_risk": 900},
            {"customer_id": "tie_b", "value_at_risk": 500, "percentile": 80.0},
            {"customer_id": "tie_a", "value_at_risk": 500, "percentile": 99.0},
            {"customer_id": "calm", "value_at_risk": 9_000, "band": "low", "churn_probability": 0.1},
        ]
    )
    built = build(scored, agreeing(*scored["customer_id"]), settings())["win_back"]
    assert who(built) == ["big", "tie_a", "tie_b", "small"]
    assert list(built.candidates["rank"]) == [1, 2, 3, 4]
    assert why(built) == {"calm": "below_threshold"}
    poor = build(scored, agreeing(*scored["customer_id"]), settings({"min_value": 500}))["win_back"]
    assert why(poor) == {"calm": "below_threshold", "small": "below_min_value"}


def test_min_probability_decides_instead_of_the_bands() -> None:
    scored = scores(
        [
            {"customer_id": "at", "band": "medium", "churn_probability": 0.5},
            {"customer_id": "under", "band": "high", "churn_probability": 0.4999},
        ]
    )
    built = build(scored, agreeing("at", "under"), settings({"min_probability": 0.5}))["win_back"]
    assert who(built) == ["at"]
    assert why(built) == {"under": "below_threshold"}


def test_candidate_row_carries_the_customers_own_numbers() -> None:
    built = build(scores([{"customer_id": "ann"}]), agreeing("ann"), settings(holdout_share=0.1))["win_back"]
    row = built.candidates.iloc[0]
    assert (row["churn_probability"], row["band"], row["value_at_risk"]) == (0.8, "high", 10_000)
    assert row["reason_1"] == "Reason 1 of ann. (raises the risk)"
    assert row["reason_2"] == "Reason 2 of ann. (raises the risk)"
    assert pd.isna(row["reason_3"])
    assert row["propensity"] == pytest.approx(0.9)
    assert row["action"] == built.manifest["action"]


def test_a_reason_says_which_way_it_points_and_a_missing_first_one_is_said_to_be_missing() -> None:
    told = reasons_for(["ann", "bea"]).assign(contribution=[0.5, -0.2, 0.5, 0.3])
    told = told[~((told["customer_id"] == "bea") & (told["rank"] == 1))]
    names = ("ann", "bea", "cid")
    built = build(scores([{"customer_id": name} for name in names]), agreeing(*names), settings(), reasons=told)
    found = built["win_back"].candidates.set_index("customer_id")[["reason_1", "reason_2"]]
    assert found.loc["ann"].tolist() == ["Reason 1 of ann. (raises the risk)", "Reason 2 of ann. (lowers the risk)"]
    assert found.loc["bea"].tolist() == ["no single reason stands out", "Reason 2 of bea. (raises the risk)"]
    assert found.loc["cid", "reason_1"] == "no single reason stands out"
    assert pd.isna(found.loc["cid", "reason_2"])


def cart_of(*people: tuple[str, int]) -> pd.DataFrame:
    return carts(
        [
            {
                "customer_id": name,
                "event": "Product Added",
                "occurred_at": AS_OF - DAY_US,
                "session_id": "s",
                "cart_id": name,
                "price": price,
                "quantity": 1,
            }
            for name, price in people
        ]
    )


def test_abandoned_cart_lists_also_customers_nobody_scored() -> None:
    scored = scores([{"customer_id": "ann"}, {"customer_id": "calm"}])
    web = cart_of(("ann", 100), ("new", 900), ("cheap", 99))
    people = agreeing("ann", "new", "cheap", "calm")
    built = build(scored, people, settings(cart={"min_value": 100}), web)["abandoned_cart"]
    assert who(built) == ["new", "ann"]
    assert why(built) == {"cheap": "below_min_value", "calm": "no_open_cart"}
    new = built.candidates.iloc[0]
    assert pd.isna(new["churn_probability"])
    assert pd.isna(new["reason_1"])
    assert (new["cart_value"], new["cart_age_hours"]) == (900, 24)


def test_each_rule_gives_way_to_the_one_before_it() -> None:
    names = ("spam", "not_asked", "nowhere", "twin_rich", "twin_poor", "low", "third", "first", "second")
    scored = scores([{"customer_id": name, "value_at_risk": 1_000} for name in names])
    scored["band"] = scored["band"].mask(scored["customer_id"].isin(["spam", "not_asked", "nowhere", "low"]), "low")
    worth = {"twin_rich": 9_000, "twin_poor": 8_000, "first": 7_000, "second": 6_000, "third": 5_000}
    scored["value_at_risk"] = scored["customer_id"].map(worth).fillna(1_000).astype("int64")
    people = agreeing(*names).set_index("customer_id", drop=False)
    people.loc["not_asked", "email_consent"] = "never"
    people.loc["nowhere", "address_key"] = None
    people.loc[["twin_rich", "twin_poor"], "address_key"] = "home"
    complaint = mails([{"customer_id": "spam", "event": "Email Marked as Spam", "occurred_at": AS_OF - DAY_US}])
    built = build(scored, people, settings({"budget": 3}), email_events=complaint)["win_back"]
    assert who(built) == ["twin_rich", "first", "second"]
    assert why(built) == {
        "spam": "complaint",
        "not_asked": "no_consent",
        "nowhere": "no_address",
        "twin_poor": "duplicate_address",
        "low": "below_threshold",
        "third": "over_budget",
    }
    assert built.manifest["fitting"] == {
        "customers": 5,
        "left_out": {"duplicate_address": 1, "over_budget": 1},
    }


def test_at_one_address_whoever_fits_the_recipe_is_kept() -> None:
    scored = scores(
        [
            {"customer_id": "rich_but_calm", "value_at_risk": 9_000, "band": "low"},
            {"customer_id": "at_risk", "value_at_risk": 10},
        ]
    )
    built = build(scored, agreeing("rich_but_calm", "at_risk", address_key="home"), settings())["win_back"]
    assert who(built) == ["at_risk"]
    assert why(built) == {"rich_but_calm": "duplicate_address"}


def test_somebody_the_guards_do_not_know_is_not_contacted() -> None:
    scored = scores([{"customer_id": "ann"}])
    nobody = contact_rules({}, [], AS_OF)
    built = build_lists(
        scored,
        reasons_for(["ann"]),
        nobody,
        open_carts({}, settings().lists.abandoned_cart, AS_OF),
        settings(),
        as_of="2026-01-01",
    )
    assert why(built["win_back"]) == {"ann": "no_consent"}


def crowd(people: int) -> pd.DataFrame:
    return scores(
        [
            {
                "customer_id": f"c{n:05d}",
                "value_at_risk": (n * 7_919) % 50_000,
                "band": "high" if n % 3 else "low",
            }
            for n in range(people)
        ]
    )


def test_everyone_considered_is_a_candidate_or_has_exactly_one_rule() -> None:
    scored = crowd(2_000)
    asked = list(scored["customer_id"])[::2]
    web = cart_of(*((name, 500) for name in list(scored["customer_id"])[::7]), ("stranger", 900))
    for built in build(scored, agreeing(*asked), settings({"budget": 150}, holdout_share=0.2), web).values():
        facts = built.manifest
        listed, left = set(who(built)), set(why(built))
        everyone = set(scored["customer_id"]) | ({"stranger"} if facts["list"] == "abandoned_cart" else set())
        assert listed | left == everyone
        assert not listed & left
        assert len(listed) + len(built.left_out) == facts["considered"] == len(everyone)
        assert sum(facts["arms"].values()) == len(listed)
        assert sum(facts["left_out"].values()) == len(left)
        assert set(why(built).values()) <= set(LEFT_OUT_RULES)


def test_budget_counts_the_people_treated_and_ends_both_arms_at_one_rank() -> None:
    scored = crowd(2_000)
    built = build(scored, agreeing(*scored["customer_id"]), settings({"budget": 100}, holdout_share=0.2))["win_back"]
    assert built.manifest["arms"]["treat"] == 100
    assert 5 <= built.manifest["arms"]["holdout"] <= 60
    worst = built.candidates["value_at_risk"].min()
    over = built.left_out.loc[built.left_out["rule"].eq("over_budget"), "customer_id"]
    assert scored.set_index("customer_id").loc[over, "value_at_risk"].max() <= worst
    off = settings({"budget": 0}, holdout_share=0.45)
    assert who(build(scored, agreeing(*scored["customer_id"]), off)["win_back"]) == []


def test_holdout_stays_with_the_customer_and_has_its_share() -> None:
    ids = [f"c{n:05d}" for n in range(20_000)]
    first = arms(ids, list_name="win_back", salt="s", holdout_share=0.1)
    again = arms(ids[::-1], list_name="win_back", salt="s", holdout_share=0.1)[::-1]
    assert list(first) == list(again)
    held = int(first.eq("holdout").sum())
    assert abs(held - 2_000) < 4 * math.sqrt(20_000 * 0.1 * 0.9)
    other = arms(ids, list_name="abandoned_cart", salt="s", holdout_share=0.1)
    both = int((first.eq("holdout") & other.eq("holdout")).sum())
    assert abs(both - 200) < 4 * math.sqrt(20_000 * 0.01 * 0.99)  # lists draw apart from each other
    # Frozen: a new hash would move customers between the arms of a running campaign.
    assert [n for n in range(60) if first[n] == "holdout"] == [6, 7, 13, 27, 28, 33, 37, 42, 51, 54]


def test_holdout_does_not_move_when_other_customers_come_and_go() -> None:
    scored = crowd(600)
    s = settings(holdout_share=0.3)
    whole = build(scored, agreeing(*scored["customer_id"]), s)["win_back"].candidates
    half = build(scored.iloc[::2], agreeing(*scored["customer_id"]), s)["win_back"].candidates
    before = dict(zip(whole["customer_id"], whole["arm"], strict=True))
    assert all(before[row.customer_id] == row.arm for row in half.itertuples())
    assert set(half["arm"]) == {"treat", "holdout"}


def test_result_does_not_depend_on_the_order_of_rows() -> None:
    scored, s = crowd(300), settings({"budget": 50}, holdout_share=0.1)
    people = agreeing(*scored["customer_id"])
    one = build(scored, people, s)["win_back"]
    other = build(scored.sample(frac=1, random_state=1), people.sample(frac=1, random_state=2), s)["win_back"]
    pd.testing.assert_frame_equal(one.candidates, other.candidates)
    pd.testing.assert_frame_equal(one.left_out, other.left_out)
    assert one.left_out["customer_id"].is_monotonic_increasing
    assert one.manifest == other.manifest


def test_shop_without_consent_gets_empty_lists_that_say_why() -> None:
    scored = crowd(20)
    contact = contact_rules({}, scored["customer_id"], AS_OF)
    no_carts = open_carts({}, settings().lists.abandoned_cart, AS_OF)
    built = build_lists(
        scored,
        reasons_for(["c00000"]),
        contact,
        no_carts,
        settings(),
        as_of="2026-01-01",
        missing=("Nothing is known of consent.",),
    )
    for one in built.values():
        assert who(one) == []
        assert set(why(one).values()) == {"no_consent"}
        assert one.manifest["missing"] == ["Nothing is known of consent."]


def test_customer_scored_twice_is_refused() -> None:
    scored = scores([{"customer_id": "ann"}, {"customer_id": "ann"}])
    with pytest.raises(ListError, match="scored twice"):
        build(scored, agreeing("ann"), settings())


def test_inputs_are_not_changed() -> None:
    scored, people = crowd(20), agreeing("c00001", "c00002")
    web = cart_of(("c00001", 100))
    before = [frame.copy(deep=True) for frame in (scored, people, web)]
    build(scored, people, settings(), web)
    for frame, copy in zip((scored, people, web), before, strict=True):
        pd.testing.assert_frame_equal(frame, copy)
