"""Small files as each platform's page asks for them; golden/SOURCE.md says which page and what on it."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from campaigns.platforms import load, names
from tests.campaigns.platforms.people import CONTEXT, frame

GOLDEN = Path(__file__).parent / "golden"
PLATFORMS = [name for name in names() if name != "parquet"]


@pytest.mark.parametrize("name", PLATFORMS)
def test_the_list_is_the_golden_file(name: str, tmp_path: Path) -> None:
    load(name).write([frame()], tmp_path, name, CONTEXT)
    assert (tmp_path / f"{name}.csv").read_bytes() == (GOLDEN / f"{name}.csv").read_bytes()


@pytest.mark.parametrize("name", PLATFORMS)
def test_the_companion_file_is_the_golden_file(name: str, tmp_path: Path) -> None:
    load(name).write_suppressed(["dora@example.org", "carl@example.com"], tmp_path, name)
    assert (tmp_path / f"{name}.suppress.csv").read_bytes() == (GOLDEN / f"{name}.suppress.csv").read_bytes()


# What each page says of the first line and of days, read again by a second pair of eyes: header of the identifier,
# separator, how a day looks, most rows, most bytes, most columns.
PAGES = {
    "braze": ("external_id", ",", r"\d{4}-\d\d-\d\d", None, 500e6, None),
    "brevo": ("EMAIL", ";", r"\d{4}-\d\d-\d\d", None, 8e6, None),
    "customerio": ("email", ",", r"\d{4}-\d\d-\d\d", None, 100e6, 100),
    "hubspot": ("Email", ",", r"\d{4}-\d\d-\d\d", 1_048_576 - 1, 20e6, 999),
    "iterable": ("email", ",", r"\d{4}-\d\d-\d\d", 2_000_000, None, None),
    "klaviyo": ("Email", ",", r"\d{4}-\d\d-\d\d", None, 50e6, None),
    "listmonk": ("email", ",", None, None, None, 3),
    "mailchimp": ("Email Address", ",", r"\d{4}-\d\d-\d\d", None, None, 26),
    "mautic": ("email", ",", r"\d{4}-\d\d-\d\d", 5000, None, None),
    "neutral": ("customer_id", ",", r"\d{4}-\d\d-\d\d", None, None, None),
    "sendgrid": ("email", ",", r"\d\d/\d\d/\d{4}", 1_000_000, 5e9, 500),
    "sfmc": ("SubscriberKey", ",", r"\d\d/\d\d/\d{4}", None, None, None),
}


def test_every_platform_has_a_page() -> None:
    assert set(PAGES) == set(PLATFORMS)


@pytest.mark.parametrize("name", PLATFORMS)
def test_the_golden_file_is_what_the_page_asks_for(name: str) -> None:
    first, mark, day, most_rows, most_bytes, most_columns = PAGES[name]
    content = (GOLDEN / f"{name}.csv").read_bytes()
    assert not content.startswith(b"\xef\xbb\xbf")
    assert "آخری خریداری" in content.decode("utf-8")
    head, *rows = csv.reader(content.decode("utf-8").splitlines(keepends=True), delimiter=mark)
    assert head[0] == first
    assert len(rows) == 3
    assert {len(row) for row in rows} == {len(head)}
    assert len(set(head)) == len(head) <= (most_columns or 1000)
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", header) for header in head[1:])
    if day is not None:
        places = [n for n, header in enumerate(head) if header.lower() in ("churn_act_by", "churn_score_date")]
        days = [row[n] for row in rows for n in places]
        assert all(re.fullmatch(day, text) for text in days if text)
        assert any(days)
    if most_rows is not None:
        assert load(name).file_rows is not None
        assert load(name).file_rows <= most_rows
    if most_bytes is not None and name != "sendgrid":
        assert load(name).file_bytes is not None
        assert load(name).file_bytes <= most_bytes


def test_braze_is_given_no_address_and_iterable_no_number() -> None:
    assert b"@example" not in (GOLDEN / "braze.csv").read_bytes()
    head, anna, *_ = csv.reader((GOLDEN / "iterable.csv").read_text(encoding="utf-8").splitlines())
    assert "churn_risk" in head
    assert "churn_probability" not in head
    assert not [cell for cell in anna if re.fullmatch(r"-?[0-9.]+", cell)]


def test_mailchimp_keeps_255_bytes() -> None:
    rows = list(csv.reader((GOLDEN / "mailchimp.csv").read_text(encoding="utf-8").splitlines(keepends=True)))
    assert max(len(cell.encode()) for row in rows for cell in row) == 254
