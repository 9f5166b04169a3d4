"""Every reason why somebody is not on a list can be said, in both languages."""

from campaigns import assemble, guards, wording
from campaigns.recipes import cook
from campaigns.settings import CampaignSettings


def test_every_guard_and_outcome_has_words_in_both_languages():
    assert tuple(wording.GUARDS) == guards.RULES
    assert {assemble.SELECTED, assemble.HELD_OUT} < set(wording.OUTCOMES)
    for said in (*wording.GUARDS.values(), *wording.OUTCOMES.values()):
        assert set(said) == {"en", "ur"}
        assert all(said.values())


def test_every_condition_of_a_recipe_that_ships_has_urdu_and_none_is_left_over():
    rules = {step.rule for recipe in cook(CampaignSettings()).values() for step in recipe.steps}
    assert rules == set(wording.MISFITS_URDU)


def test_a_condition_of_the_shops_own_keeps_its_words():
    said = {"never_ordered": "never ordered", "country": "country is not PK"}
    assert wording.misfits(said, "en") == said
    assert wording.misfits(said, "ur") == {"never_ordered": "کبھی آرڈر نہیں کیا", "country": "country is not PK"}
