"""What a new entry of the catalogue may get wrong, and what it is told."""

import pytest

from features import CATALOGUE, VIEWS, Words, check_rows
from features.catalogue import feature, view

GIVEN = {
    "view": "orders",
    "family": "value",
    "unit": "count",
    "absent": 0,
    "label": "Made up",
    "high": "more",
    "low": "less",
    "urdu": Words("a", "b", "c"),
}


@pytest.fixture(autouse=True)
def catalogue_as_it_was(monkeypatch):
    """Entries made here are forgotten."""
    monkeypatch.setattr("features.catalogue.CATALOGUE", dict(CATALOGUE))
    monkeypatch.setattr("features.catalogue.VIEWS", dict(VIEWS))


def enter(**changes):
    @feature(**(GIVEN | changes))
    def made_up(t):
        """Number of rows."""
        return t.count()

    check_rows()


def test_a_sound_entry_is_taken():
    enter()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"family": "valu"}, "feature made_up: unknown family 'valu'; known: .*value"),
        ({"view": "purchase"}, "feature made_up: there is no view or log 'purchase'. Did you mean 'purchases'"),
        ({"urdu": None}, r"feature made_up: no Urdu; add urdu=Words\(…\) as docs/how-to/add-a-feature.md shows"),
    ],
)
def test_a_mistake_is_named_with_its_cure(changes, message):
    with pytest.raises(ValueError, match=message):
        enter(**changes)


def test_a_name_is_given_once():
    enter()
    with pytest.raises(ValueError, match="two features are called made_up"):
        enter()


def test_a_view_needs_rows_that_exist():
    @view(needs=("purchases", "visit"))
    def made_of(rows):
        """Nothing."""

    with pytest.raises(ValueError, match=r"view made_of: there is no view or log 'visit'. Did you mean 'visits'"):
        check_rows()
