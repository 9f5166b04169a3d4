"""docs/features.md is what the catalogue says today."""

from pathlib import Path

from features import CATALOGUE
from pipeline.project.document_features import page

DOCS = Path(__file__).parents[2] / "docs" / "features.md"


def test_the_page_is_up_to_date() -> None:
    assert DOCS.read_text(encoding="utf-8") == page(), "run `make docs`"


def test_every_feature_has_a_heading_a_definition_and_values() -> None:
    sections = {part.partition("\n")[0]: part for part in page().split("\n### ")}
    for name, entry in CATALOGUE.items():
        assert " ".join(entry.meaning.split()) in sections[name]
        for column in entry.columns((30, 90, 365)):
            assert f"| `{column.name}` |" in sections[name]
