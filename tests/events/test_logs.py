"""What a canonical log is stands in one place: contracts, types and the page in docs/ say the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pandera.errors
import pytest

from events.logs import LOGS, Column, arrow_schema, columns_of
from pipeline.project.document_logs import page
from sources.contracts import TABLES

DOCS = Path(__file__).parents[2] / "docs" / "events.md"
GOOD: dict[str, Any] = {"instant": 1, "money": 1, "whole": 2, "share": 0.5, "flag": True, "id": "x", "text": "x"}
TOKENS = {"customer_id": "c_", "address_key": "a_", "anonymous_id": "v_", "inbox": "a_"}


def good(log: str) -> dict[str, Any]:
    """A row that keeps the contract of ``log``."""
    row = {name: (column.allowed or [GOOD[column.kind]])[0] for name, column in columns_of(log).items()}
    row |= {name: mark + "0" * 24 for name, mark in TOKENS.items() if name in row}
    row |= {"birth_month_day": "02-28", "birth_year": 1990, "mailbox_provider": "gmail"} if log == "customers" else {}
    return row


def bad(column: Column) -> list[Any]:
    """A value against each limit of a column."""
    found: list[Any] = ["other words"] if column.allowed or column.pattern else []
    found += [column.least - 1] if column.least is not None else []
    found += [column.most + 1] if column.most is not None else []
    return found + ([None] if column.required else [])


def is_held(log: str, row: dict[str, Any]) -> bool:
    kinds = {name: str(column.dtype) for name, column in TABLES[log].columns.items()}
    try:
        TABLES[log].validate(pd.DataFrame([row]).astype(kinds))
    except (pandera.errors.SchemaError, ValueError, TypeError):
        return False
    return True


@pytest.mark.parametrize("log", LOGS)
def test_the_contract_holds_every_declared_limit(log: str) -> None:
    assert is_held(log, good(log))
    broken = [(name, value) for name, column in columns_of(log).items() for value in bad(column)]
    assert [place for place in broken if is_held(log, good(log) | {place[0]: place[1]})] == []


@pytest.mark.parametrize("log", [*LOGS, "calls"])
def test_the_common_columns_come_first(log: str) -> None:
    assert arrow_schema(log).names[:4] == ["customer_id", "occurred_at", "loaded_at", "event_id"]
    assert arrow_schema(log).names == list(columns_of(log))


def test_every_column_says_what_it_means() -> None:
    assert [name for log in LOGS for name, column in columns_of(log).items() if not column.meaning] == []


def test_the_page_is_up_to_date() -> None:
    assert DOCS.read_text(encoding="utf-8") == page(), "run `make docs`"
