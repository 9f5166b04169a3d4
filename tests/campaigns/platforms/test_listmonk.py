"""Our files through what listmonk's importer does with a file, written down from its source."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

from campaigns.platforms import COLUMNS, load
from tests.campaigns.platforms.people import ANNA, CONTEXT, PEOPLE, frame

KNOWN = {"email", "name", "attributes"}


def imported(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Subscribers and complaints: headers cleaned of bytes beyond ASCII, short rows skipped, attributes as JSON."""
    with path.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    places = {re.sub(r"[^\x00-\x7f]", "", header.strip()): n for n, header in enumerate(head)}
    places = {name: n for name, n in places.items() if name in KNOWN}
    assert "email" in places
    subscribers, complaints = [], [f"ignoring unknown header {h}" for h in head if h not in KNOWN]
    for row in rows:
        if len(row) != len(head):
            complaints.append("wrong number of fields")
            continue
        found: dict[str, Any] = {"email": row[places["email"]].strip().lower()}
        name = row[places["name"]].strip() if "name" in places else ""
        found["name"] = name or found["email"].split("@")[0].replace(".", " ").title()
        text = row[places["attributes"]]
        try:
            found["attributes"] = json.loads(text) if text else {}
        except json.JSONDecodeError:
            complaints.append("invalid attributes")
        assert isinstance(found["attributes"], dict)
        subscribers.append(found)
    return subscribers, complaints


def test_listmonk_takes_every_subscriber_with_all_attributes(tmp_path: Path) -> None:
    load("listmonk").write([frame()], tmp_path, "list", CONTEXT)
    subscribers, complaints = imported(tmp_path / "list.csv")
    assert complaints == []
    assert [one["email"] for one in subscribers] == [person["email"] for person in PEOPLE]
    for person, one in zip(PEOPLE, subscribers, strict=True):
        for column in COLUMNS:
            if column.of_context:
                continue
            value, found = person[column.source], one["attributes"].get(column.name)
            if column.kind in ("text", "whole") or value is None:
                assert found == value, column.name
            elif column.kind == "number":
                assert abs(found - value) <= 0.5 / 10**column.decimals
            elif column.kind == "amount":
                assert found == value / 100


def test_texts_come_back_as_they_were_even_if_they_are_formulas(tmp_path: Path) -> None:
    texts = ["=1+1", 'a "b", c', "back\\slash", "line\nline", "\x01\x7f", "چائے", "\u2028", "</script>"]
    load("listmonk").write([frame([ANNA | {"why_now": text} for text in texts])], tmp_path, "list", CONTEXT)
    subscribers, complaints = imported(tmp_path / "list.csv")
    assert complaints == []
    assert [one["attributes"]["churn_why_now"] for one in subscribers] == texts


def test_numbers_are_numbers(tmp_path: Path) -> None:
    load("listmonk").write([frame([ANNA])], tmp_path, "list", CONTEXT)
    attributes = imported(tmp_path / "list.csv")[0][0]["attributes"]
    assert attributes["churn_probability"] == 0.8125
    assert attributes["churn_points"] == 1200
    assert attributes["churn_value_at_risk"] == 1234.5
    assert "churn_cart_value" not in attributes


def test_blocklisted_addresses_bring_no_attributes(tmp_path: Path) -> None:
    load("listmonk").write_suppressed(["bob@example.org"], tmp_path, "list")
    subscribers, complaints = imported(tmp_path / "list.suppress.csv")
    assert (subscribers, complaints) == ([{"email": "bob@example.org", "name": "Bob", "attributes": {}}], [])
