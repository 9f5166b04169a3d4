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
