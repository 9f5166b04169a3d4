"""The worlds and the damage of the laws of restriction: varied enough, repeatable, and never empty."""

from pathlib import Path
from random import Random

import pytest

from .restriction_mutations import KINDS, damage, reached, restyle
from .restriction_reference import answers
from .restriction_restyles import RESTYLES
from .restriction_truth import Snapshot, Truth
from .restriction_worlds import draw

SPREADING = {"opt_out", "profiling", "complaint", "bounce", "suppressed", "hold", "age", "unclear"}
RULES = SPREADING | {"no_consent", "erased", "test"}


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_every_rule_stops_somebody_and_a_third_is_contactable() -> None:
    found = [rules for seed in range(4) for rules in answers(draw(seed).truth).values()]
    assert set().union(*found) == RULES
    assert {rule for rules in found if len(rules) == 1 for rule in rules} == RULES
    assert sum(not rules for rules in found) > len(found) / 3


@pytest.mark.parametrize("seed", range(4))
def test_a_seed_is_one_shop(seed: int, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        damage(draw(seed), KINDS, Random(seed), 3).files.write(tmp_path / folder)
    assert written(tmp_path / "one") == written(tmp_path / "two")


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_a_kind_of_damage_changes_the_files_and_names_somebody(kind: object, tmp_path: Path) -> None:
    world = draw(3)  # its customers files say when a row was updated
    mutated = damage(world, [one for one in KINDS if one is kind], Random(3), 3)
    world.files.write(tmp_path / "before")
    mutated.files.write(tmp_path / "after")
    assert written(tmp_path / "before") != written(tmp_path / "after")
    assert 0 < len(mutated.touched[KINDS[KINDS.index(kind)].name]) < 100


def test_restyles_change_every_file_and_no_order(tmp_path: Path) -> None:
    world = draw(2)
    world.files.write(tmp_path / "before")
    restyle(world, Random(2)).files.write(tmp_path / "after")
    before, after = written(tmp_path / "before"), written(tmp_path / "after")
    assert len(after) > len(before)
    assert not set(before.values()) & set(after.values())
    assert list(RESTYLES)[-2:] == ["columns", "bytes"]  # what comes before knows columns by our names


def test_damage_reaches_whoever_shares_an_inbox_or_an_account() -> None:
    rows = [("anna", "a@x"), ("bilal", "a@x"), ("old", "b@x"), ("cem", "b@x"), ("zoe", "z@x")]
    truth = Truth(tuple(Snapshot(*row) for row in rows), merges=(("old", "anna"),))
    assert reached(truth, {"bilal"}) == {"anna", "bilal"}
    assert reached(truth, {"anna"}) == {"anna", "bilal", "cem"}
    assert reached(truth, {"b@x"}) == {"anna", "bilal", "cem"}
    assert reached(truth, {"nobody"}) == set()
