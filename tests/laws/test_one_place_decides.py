"""One place decides who may be written to: nobody else reads consent, and words are compared of closed lists only."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from events.logs import CHANNELS, RESTRICTIONS
from events.permission import COLUMNS
from sources.contracts import TABLES
from sources.inputs import INPUTS

from .test_structure import MODULES, name_of, strings

DECIDES = "events/permission.py"
# What a guard reads is made by ingest, told by the schema, and simulated; these compare nothing.
MAKES = re.compile(r"^(sources|simulation)/|^events/logs\.py$")
READS_CONSENT = re.compile(
    r"\b(email_consent|suppressed_reason)\b|\b(channel|status)\s*(=|<>|IN|IS)|\b(suppressed|legal_hold)\b\s*(=|,\s*false|IS|OR|AND)"
)


def deciding(text: str) -> bool:
    return bool(READS_CONSENT.search(text))


def test_nothing_else_filters_on_consent() -> None:
    found = {
        name_of(path): [text[:80] for text in strings(path) if deciding(text)]
        for path in MODULES
        if name_of(path) != DECIDES and not MAKES.match(name_of(path))
    }
    found = {name: texts for name, texts in found.items() if texts}
    # Names of the columns that are read, and the flags that the one place has raised.
    assert set(found) <= {"campaigns/guards.py", "campaigns/deliverability.py", "features/example.py"}, found
    for name in ("campaigns/guards.py", "campaigns/deliverability.py"):
        text = (Path(__file__).parents[2] / name).read_text(encoding="utf-8")
        assert "FROM consent_events" not in text
        assert not re.search(r"email_consent\s*(=|IN|IS)", text)


def test_the_law_bites() -> None:
    assert deciding("SELECT customer_id FROM consent_events WHERE channel = 'email'")
    assert deciding("bool_or(coalesce(suppressed, false))")
    assert not deciding("SELECT customer_id FROM orders")


@pytest.mark.parametrize(
    ("log", "column"),
    [
        ("consent_events", "channel"),
        ("consent_events", "status"),
        ("customers", "email_consent"),
        ("email_events", "event"),
        ("email_events", "bounce_type"),
    ],
)
def test_a_column_that_decides_has_a_closed_list(log: str, column: str) -> None:
    field = INPUTS[log].columns[column]
    assert field.words is not None
    (check,) = TABLES[log].columns[column].checks
    assert set(check.statistics["allowed_values"]) <= set(field.words.words)


def test_every_column_that_decides_is_of_a_closed_list_or_a_flag() -> None:
    free = {"customer_id", "event_id", "inbox"}
    for log, columns in COLUMNS.items():
        for column, kind in columns.items():
            if kind == "string" and column not in free:
                assert TABLES[log].columns[column].checks, (log, column)


def test_the_one_place_compares_with_words_of_the_lists_only() -> None:
    known = set(CHANNELS) | set(RESTRICTIONS) | {"yes", "no"}  # the last are its own
    for log, column in (
        ("consent_events", "status"),
        ("customers", "email_consent"),
        ("email_events", "event"),
        ("email_events", "bounce_type"),
    ):
        field = INPUTS[log].columns[column]
        assert field.words is not None
        known |= set(field.words.words)
    path = Path(__file__).parents[2] / DECIDES
    compared = set(re.findall(r'== "([^"]+)"', path.read_text(encoding="utf-8")))
    assert compared
    assert compared <= known
