"""Which reasons are named, in which order, and which way they point: on a table made by hand."""

import pandas as pd
import pytest

from models.explanation import REASONS, family_contributions, top_reasons

FAMILY_OF = {
    "days_since_last_order": "rhythm",
    "overdue": "rhythm",
    "spend": "value",
    "clicks": "email",
    "refunds": "returns",
    "carts": "cart",
}
ACTIONABLE = {"rhythm": False, "value": False, "email": True, "returns": True, "cart": True}


def customer(base: float = 0.0, **contributions: float) -> pd.DataFrame:
    return pd.DataFrame([{name: contributions.get(name, 0.0) for name in FAMILY_OF} | {"base": base}])


def reasons(table: pd.DataFrame) -> pd.DataFrame:
    return top_reasons(table, FAMILY_OF, ACTIONABLE)


def test_what_can_be_acted_on_goes_first_though_it_weighs_less():
    found = reasons(customer(days_since_last_order=2.0, clicks=0.3, refunds=0.2))
    assert found["family"].tolist() == ["email", "returns", "rhythm"]
    assert found["rank"].tolist() == [1, 2, 3]


def test_a_small_actionable_reason_does_not_push_ahead():
    found = reasons(customer(days_since_last_order=2.0, spend=0.5, clicks=0.09))
    assert found["family"].tolist() == ["rhythm", "value", "email"]


def test_an_actionable_reason_of_exactly_the_worth_is_named_first():
    assert reasons(customer(days_since_last_order=2.0, clicks=0.1))["family"].tolist()[0] == "email"


def test_at_most_three_reasons_are_given():
    found = reasons(customer(days_since_last_order=1.0, spend=0.9, clicks=0.8, refunds=0.7, carts=0.6))
    assert found["family"].tolist() == ["email", "returns", "cart"]
    assert len(found) == REASONS == 3


def test_reasons_of_high_risk_raise_it_and_reasons_of_low_risk_lower_it():
    high = reasons(customer(days_since_last_order=2.0, spend=0.5, clicks=-0.4))
    assert set(high["family"]) == {"rhythm", "value"}
    low = reasons(customer(days_since_last_order=-2.0, spend=0.5, clicks=-0.4))
    assert low["family"].tolist() == ["email", "rhythm"]
    assert (high["contribution"] > 0).all()
    assert (low["contribution"] < 0).all()


def test_reasons_point_the_way_of_the_score_and_not_of_its_distance_from_the_base():
    # More likely to leave than to stay, though less so than most: what raises the risk is told.
    assert reasons(customer(base=1.0, spend=-0.5, clicks=0.2))["family"].tolist() == ["email"]
    assert reasons(customer(base=-1.0, spend=0.5, clicks=-0.2))["family"].tolist() == ["email"]


def test_a_family_weighs_the_sum_of_its_columns():
    table = customer(days_since_last_order=0.75, overdue=-0.25, spend=0.25, base=-1.0)
    families = family_contributions(table, FAMILY_OF)
    assert families.loc[0, "rhythm"] == 0.5
    assert "base" not in families
    assert families.sum(axis=1)[0] == pytest.approx(0.75)


def test_families_add_up_to_what_moves_the_score_off_the_base():
    table = customer(days_since_last_order=0.7, overdue=-0.1, spend=0.2, clicks=-0.3, base=-0.4)
    families = family_contributions(table, FAMILY_OF)
    assert families.sum(axis=1)[0] + table["base"][0] == pytest.approx(table.sum(axis=1)[0])


def test_a_family_speaks_through_the_column_that_weighs_most_in_its_direction():
    raised = reasons(customer(days_since_last_order=0.5, overdue=0.9)).iloc[0]
    assert (raised["column"], raised["contribution"]) == ("overdue", pytest.approx(1.4))
    # The larger number points the other way: it is no reason for a raised risk.
    mixed = reasons(customer(days_since_last_order=0.5, overdue=-0.4, spend=1.0))
    assert mixed.set_index("family")["column"]["rhythm"] == "days_since_last_order"
    lowered = reasons(customer(days_since_last_order=-0.9, overdue=-0.5)).iloc[0]
    assert lowered["column"] == "days_since_last_order"


def test_every_customer_has_reasons_of_their_own():
    table = pd.concat([customer(spend=1.0), customer(clicks=-1.0)], ignore_index=True)
    found = reasons(table)
    assert found[["row", "family"]].values.tolist() == [[0, "value"], [1, "email"]]


def test_a_customer_whom_nothing_moves_has_no_reason():
    assert reasons(customer()).empty


def test_a_customer_likely_to_leave_by_the_base_alone_hears_what_speaks_against_it():
    found = reasons(customer(base=2.0, spend=-0.4, clicks=-0.3))
    assert found["family"].tolist() == ["email", "value"]
    assert (found["contribution"] < 0).all()


def test_what_is_unknown_is_no_cause_to_act_on_and_lets_a_known_column_speak():
    table = customer(days_since_last_order=0.5, overdue=0.2, clicks=0.4)
    known = pd.DataFrame([dict.fromkeys(FAMILY_OF, 1.0) | {"clicks": None, "days_since_last_order": None}])
    found = top_reasons(table, FAMILY_OF, ACTIONABLE, known)
    assert found["family"].tolist() == ["rhythm", "email"]
    assert found["column"].tolist() == ["overdue", "clicks"]


def test_what_hardly_weighs_is_not_said_beside_what_does():
    assert reasons(customer(spend=0.9, clicks=0.04))["family"].tolist() == ["value"]
    assert reasons(customer(spend=0.04, clicks=0.03))["family"].tolist() == ["value"]


def first(table: pd.DataFrame, *twins: pd.DataFrame) -> list[str]:
    found = top_reasons(table, FAMILY_OF, ACTIONABLE, twins=twins)
    return found[found["rank"] == 1]["family"].tolist()


def ranked(table: pd.DataFrame, *twins: pd.DataFrame) -> list[tuple[int, str]]:
    found = top_reasons(table, FAMILY_OF, ACTIONABLE, twins=twins)
    return list(zip(found["rank"], found["family"], strict=True))


def test_a_first_reason_stands_where_every_twin_puts_it_first():
    own = customer(days_since_last_order=2.0, clicks=0.3, refunds=0.2)
    assert first(own, customer(clicks=0.9, refunds=0.8), customer(spend=3.0, clicks=0.2)) == ["email"]
    assert first(own, customer(clicks=0.9, refunds=0.8), customer(clicks=0.2, refunds=0.3)) == []


def test_where_none_stands_out_the_ranks_begin_at_two_and_name_what_every_twin_shares():
    own = customer(days_since_last_order=2.0, clicks=0.3, refunds=0.2)
    twin = customer(days_since_last_order=1.5, clicks=0.2, refunds=0.3, carts=0.6)
    assert ranked(own, twin) == [(2, "email"), (3, "returns")]


def test_a_reason_that_a_twin_does_not_share_is_not_given():
    own = customer(days_since_last_order=2.0, spend=0.9, clicks=0.3)
    assert ranked(own, customer(days_since_last_order=2.0, spend=0.04, clicks=0.3)) == [(1, "email"), (2, "rhythm")]
    assert ranked(own, customer(days_since_last_order=2.0, spend=-0.9, clicks=0.3)) == [(1, "email"), (2, "rhythm")]


def test_what_is_worth_naming_must_be_so_for_the_twins_as_well():
    own = customer(days_since_last_order=2.0, clicks=0.11)
    assert first(own, customer(days_since_last_order=2.0, clicks=0.10)) == ["email"]
    assert first(own, customer(days_since_last_order=2.0, clicks=0.09)) == []


def test_the_contribution_told_is_that_of_the_model_and_not_of_its_twins():
    own, twin = customer(clicks=0.5), customer(clicks=0.7)
    found = top_reasons(own, FAMILY_OF, ACTIONABLE, twins=[twin])
    assert found["contribution"].tolist() == [0.5]


def test_a_family_speaks_through_what_weighs_most_over_model_and_twins():
    own = customer(days_since_last_order=0.5, overdue=0.4)
    found = top_reasons(own, FAMILY_OF, ACTIONABLE, twins=[customer(days_since_last_order=0.3, overdue=0.6)])
    assert found["column"].tolist() == ["overdue"]


def test_a_column_that_points_the_other_way_does_not_speak_though_it_alone_is_known():
    known = pd.DataFrame([dict.fromkeys(FAMILY_OF, 1.0) | {"overdue": None}])
    found = top_reasons(customer(days_since_last_order=-0.2, overdue=0.9), FAMILY_OF, ACTIONABLE, known)
    assert found["column"].tolist() == ["overdue"]


TOLD = {"overdue": ["days_since_last_order", "usual_gap"], "spend": ["spend", "days_since_last_order"]}


def columns(table: pd.DataFrame, values: dict[str, float], *moments: str) -> list[str]:
    rows = pd.DataFrame([dict.fromkeys(FAMILY_OF, 1.0) | values])
    return top_reasons(table, FAMILY_OF, ACTIONABLE, rows, told=TOLD, moments=moments)["column"].tolist()


def test_no_two_reasons_tell_the_same_number():
    assert columns(customer(overdue=2.0, spend=1.0, clicks=0.06), {}) == ["overdue", "clicks"]
    assert columns(customer(overdue=1.0, spend=2.0), {}) == ["spend"]


def test_a_family_that_would_repeat_a_number_tells_another_of_its_own():
    table = customer(spend=2.0, overdue=0.9, days_since_last_order=0.8)
    assert columns(table, {}) == ["spend"]
    family_of = FAMILY_OF | {"carts": "rhythm"}
    found = top_reasons(table.assign(carts=0.1), family_of, ACTIONABLE, told=TOLD)
    assert found["column"].tolist() == ["spend", "carts"]


def test_two_moments_of_the_same_day_are_told_once():
    table = customer(days_since_last_order=2.0, clicks=0.06, carts=0.05)
    asked = ("days_since_last_order", "clicks", "carts")
    assert columns(table, {"days_since_last_order": 5.2, "clicks": 5.9, "carts": 6.0}, *asked) == [
        "days_since_last_order",
        "carts",
    ]
    # Equal numbers that are no moments say different things.
    assert columns(table, {"days_since_last_order": 5.2, "clicks": 5.9, "carts": 6.0}) == [
        "days_since_last_order",
        "clicks",
        "carts",
    ]


def test_what_is_unknown_is_no_moment():
    table = customer(days_since_last_order=2.0, clicks=0.06)
    unknown = {"days_since_last_order": None, "clicks": None}
    assert columns(table, unknown, "days_since_last_order", "clicks") == ["days_since_last_order", "clicks"]


def test_customers_are_told_of_one_by_one():
    own = pd.concat(
        [customer(spend=2.0, overdue=1.0, clicks=0.3), customer(clicks=-1.0, spend=-0.4)], ignore_index=True
    )
    twin = pd.concat([customer(spend=2.0, overdue=1.0), customer(clicks=-1.0, spend=-0.4)], ignore_index=True)
    rows = pd.DataFrame([dict.fromkeys(FAMILY_OF, 1.0)] * 2)
    both = top_reasons(own, FAMILY_OF, ACTIONABLE, rows, twins=[twin], told=TOLD)
    for row in (0, 1):
        alone = top_reasons(
            own.iloc[[row]], FAMILY_OF, ACTIONABLE, rows.iloc[[row]], twins=[twin.iloc[[row]]], told=TOLD
        )
        pd.testing.assert_frame_equal(both[both["row"] == row].assign(row=0).reset_index(drop=True), alone)


def test_nobody_to_explain_gives_an_empty_table_of_the_same_types():
    nobody = customer().iloc[:0]
    found = top_reasons(nobody, FAMILY_OF, ACTIONABLE, twins=[nobody])
    assert found.empty
    assert found.dtypes.to_dict() == reasons(customer(spend=1.0)).dtypes.to_dict()
