"""Rows for Klaviyo against the models of its client library."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from campaigns.platforms import load
from tests.campaigns.platforms.people import CONTEXT, PEOPLE, frame

models = pytest.importorskip("openapi_client.models", reason="needs Klaviyo's models: pip install klaviyo-api")

TITLES = ("email", "email address", "phone number", "first name", "last name", "external id", "organization", "title")


def rows(folder: Path) -> list[dict[str, str]]:
    written = load("klaviyo").write([frame()], folder, "list", CONTEXT)
    with (folder / written.files[0]).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def attributes(row: dict[str, str]) -> dict[str, Any]:
    properties = dict(row)
    return {"email": properties.pop("Email"), "properties": properties}


def test_every_row_is_a_profile_that_klaviyo_takes(tmp_path: Path) -> None:
    profiles = [{"type": "profile", "attributes": attributes(row)} for row in rows(tmp_path)]
    job = {"type": "profile-bulk-import-job", "attributes": {"profiles": {"data": profiles}}}
    query = models.ProfileImportJobCreateQuery.from_dict({"data": job})
    told = [profile.attributes for profile in query.data.attributes.profiles.data]
    assert [profile.email for profile in told] == [person["email"] for person in PEOPLE]
    assert {len(profile.properties) for profile in told} == {36}
    assert all(name.startswith("churn_") and isinstance(text, str) for p in told for name, text in p.properties.items())
    # Fields the models do not know are dropped in silence; nothing of ours may be.
    assert [one.model_dump(exclude_none=True) for one in told] == [profile["attributes"] for profile in profiles]


def test_no_property_of_ours_is_a_field_of_klaviyo(tmp_path: Path) -> None:
    fields = {*models.ProfileUpsertQueryResourceObjectAttributes.model_fields, *TITLES}
    first, *others = rows(tmp_path)[0]
    assert first == "Email"
    assert not {other.casefold() for other in others} & fields


def test_days_are_days_and_empty_cells_are_empty(tmp_path: Path) -> None:
    anna, basit, _ = rows(tmp_path)
    assert date.fromisoformat(anna["churn_act_by"]) == date(2025, 11, 7)
    assert basit["churn_act_by"] == ""


def test_suppressed_addresses_are_what_klaviyo_suppresses(tmp_path: Path) -> None:
    load("klaviyo").write_suppressed(["bob@example.org", "anna@example.org"], tmp_path, "list")
    head, *addresses = (tmp_path / "list.suppress.csv").read_text().splitlines()
    assert head == "Email"
    profiles = [{"type": "profile", "attributes": {"email": address}} for address in addresses]
    job = {"type": "profile-suppression-bulk-create-job", "attributes": {"profiles": {"data": profiles}}}
    query = models.SuppressionCreateJobCreateQuery.from_dict({"data": job})
    told = [profile.attributes.email for profile in query.data.attributes.profiles.data]
    assert told == ["anna@example.org", "bob@example.org"]


def test_the_models_refuse_what_is_no_profile() -> None:
    with pytest.raises(ValueError, match="email"):
        models.ProfileUpsertQueryResourceObjectAttributes.from_dict({"email": 42})
