"""What leaves the house: asked again, safe to open, and never granting consent."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pytest

from campaigns import (
    EXPORT_COLUMNS,
    StaleListError,
    check_fresh,
    content_hash,
    export_rows,
    neutral_cell,
    readme,
    to_csv,
)
from campaigns.export import ExportedList
from timeline import HOUR_US


def candidates(*ids: str, **more: object) -> pd.DataFrame:
    rows = [
        {
            "customer_id": customer,
            "list": "win_back",
            "arm": "treat",
            "rank": n + 1,
            "propensity": 0.9,
            "churn_probability": 0.71239,
            "band": "high",
            "percentile": 97.25,
            "value_at_risk": 123_405,
            "expected_value": 5,
            "days_since_order": 78,
            "usual_gap_days": 31.04,
            "act_by": "2026-01-31",
            "cart_value": None,
            "cart_age_hours": None,
            "reason_1": "Usually orders every 31 days; last order 78 days ago.",
            "reason_2": None,
            "reason_3": None,
            "action": "Write.",
            **more,
        }
        for n, customer in enumerate(ids)
    ]
    return pd.DataFrame(rows)


def vault(**emails: str | None) -> pd.DataFrame:
    return pd.DataFrame(
        [{"customer_id": name, "shop_id": f"00{name}", "email": email} for name, email in emails.items()]
    )


def rules(**by_name: str | None) -> pd.DataFrame:
    return pd.DataFrame([{"customer_id": name, "address_key": name, "rule": rule} for name, rule in by_name.items()])


def export(
    listed: pd.DataFrame, addresses: pd.DataFrame, now: pd.DataFrame, ordered: tuple[str, ...] = ()
) -> ExportedList:
    return export_rows(
        listed,
        addresses,
        now,
        ordered_since=ordered,
        as_of="2026-01-01",
        horizon_days=90,
        model_hash="abcdef" * 4,
    )


def test_row_of_the_neutral_profile() -> None:
    row = export(candidates("ann"), vault(ann=" Ann@shop.example "), rules(ann=None)).rows.iloc[0].to_dict()
    assert row == {
        "customer_id": "00ann",
        "email": "Ann@shop.example",
        "churn_list": "win_back",
        "churn_group": "treat",
        "churn_score_date": "2026-01-01",
        "churn_probability": "0.7124",
        "churn_risk": "high",
        "churn_percentile": "97.2",
        "churn_horizon_days": "90",
        "churn_value_at_risk": "1234.05",
        "churn_expected_value": "0.05",
        "churn_days_since_order": "78",
        "churn_usual_gap_days": "31.0",
        "churn_act_by": "2026-01-31",
        "churn_cart_value": "",
        "churn_reason_1": "Usually orders every 31 days; last order 78 days ago.",
        "churn_reason_2": "",
        "churn_reason_3": "",
        "churn_action": "Write.",
        "churn_model_version": "abcdefabcdef",
    }


def test_opt_out_after_the_list_was_built_is_heard() -> None:
    names = ("ann", "bob", "cid", "dan", "eve")
    now = rules(ann="opt_out", bob="complaint", cid=None, dan="objection")  # eve: unknown now
    out = export(candidates(*names), vault(**{name: f"{name}@a.example" for name in names}), now)
    assert list(out.rows["customer_id"]) == ["00cid"]
    assert out.counts == {
        "candidates": 5,
        "holdout": 0,
        "exported": 1,
        "left_out": {"complaint": 1, "no_consent": 1, "objection": 1, "opt_out": 1},
    }
    # An objection concerns our lists only: that address may still get the shop's newsletter.
    assert list(out.suppress["email"]) == ["ann@a.example", "bob@a.example"]


def test_holdout_and_recent_buyers_stay_at_home() -> None:
    listed = candidates("ann", "bob", "cid")
    listed["arm"] = ["treat", "holdout", "treat"]
    everyone = vault(ann="ann@a.example", bob="bob@a.example", cid="cid@a.example")
    out = export(listed, everyone, rules(ann=None, bob=None, cid=None), ordered=("cid",))
    assert list(out.rows["email"]) == ["ann@a.example"]
    assert (out.counts["holdout"], out.counts["left_out"]) == (1, {"ordered_since": 1})
    assert out.suppress.empty


def test_no_column_can_grant_consent() -> None:
    header = to_csv(export(candidates("ann"), vault(ann="a@a.example"), rules(ann=None)).rows).decode().splitlines()[0]
    assert header.split(",") == list(EXPORT_COLUMNS)
    for word in ("consent", "subscri", "opt_in", "optin", "opted", "status", "blacklist", "suppress"):
        assert word not in header.lower()


FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "  =1",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1",
    "＋1",
    "－1",
    "＠x",
    "\u200b=1",
    "\x00=1",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_formula_in_a_text_cell_is_made_harmless(text: str) -> None:
    out = export(candidates("ann", reason_1=text), vault(ann="a@a.example"), rules(ann=None))
    assert out.rows["churn_reason_1"].item() == f"'{text}" == neutral_cell(text)


@pytest.mark.parametrize("text", ["a=b", "Last order 78 days ago", "", "<script>", "1-2"])
def test_other_text_is_left_alone(text: str) -> None:
    assert neutral_cell(text) == text


@pytest.mark.parametrize("prefix", FORMULAS)
def test_formula_in_an_address_or_id_is_left_out_never_altered(prefix: str) -> None:
    bad_email = vault(ann=f"{prefix}@a.example", bob="bob@a.example")
    out = export(candidates("ann", "bob"), bad_email, rules(ann=None, bob=None))
    assert list(out.rows["email"]) == ["bob@a.example"]
    assert out.counts["left_out"] == {"unsafe_identifier": 1}
    bad_id = vault(ann="ann@a.example").assign(shop_id=prefix)
    assert export(candidates("ann"), bad_id, rules(ann=None)).counts["left_out"] == {"unsafe_identifier": 1}


@pytest.mark.parametrize(
    ("email", "reason"),
    [
        ("a@a.example\nBcc: all@a.example", "unsafe_identifier"),
        ("a@a.example\r", "unsafe_identifier"),
        ("a\u202e@a.example", "unsafe_identifier"),
        ("Ann <a@a.example>", "malformed_address"),
        ("a@a.example,b@a.example", "malformed_address"),
        ("a b@a.example", "malformed_address"),
        ("nobody", "malformed_address"),
        ("a@localhost", "malformed_address"),
        ("a" * 250 + "@a.example", "malformed_address"),
        (None, "not_in_vault"),
    ],
)
def test_address_that_is_no_single_address_is_left_out(email: str | None, reason: str) -> None:
    out = export(candidates("ann"), vault(ann=email), rules(ann=None))
    assert out.counts["left_out"] == {reason: 1}
    assert export(candidates("ann"), vault(ann=email), rules(ann="opt_out")).suppress.empty


def test_one_address_gets_one_row_and_the_higher_rank_keeps_it() -> None:
    same = vault(bob="Home@a.example", ann="home@A.example")
    out = export(candidates("ann", "bob"), same, rules(ann=None, bob=None))
    assert list(out.rows["customer_id"]) == ["00ann"]
    assert out.counts["left_out"] == {"duplicate_address": 1}


def test_customer_missing_from_the_vault_is_counted() -> None:
    out = export(candidates("ann"), vault(bob="b@a.example"), rules(ann=None))
    assert out.counts["left_out"] == {"not_in_vault": 1}


def test_file_is_plain_utf8_and_reads_back() -> None:
    sentence = 'Bought "Señora, XL"; then nothing'
    out = export(candidates("ann", reason_1=sentence), vault(ann="a@a.example"), rules(ann=None))
    content = to_csv(out.rows)
    assert not content.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in content
    back = list(csv.DictReader(io.StringIO(content.decode("utf-8"))))
    assert back[0]["churn_reason_1"] == sentence
    assert back[0]["customer_id"] == "00ann"
    assert content == to_csv(
        export(candidates("ann", reason_1=sentence), vault(ann="a@a.example"), rules(ann=None)).rows
    )


def test_age_of_what_we_know() -> None:
    check_fresh(0, 24 * HOUR_US, 24)
    check_fresh(10 * HOUR_US, 0, 24)  # data newer than the reference
    with pytest.raises(StaleListError, match=r"24 hours old.*suppression_max_age_hours = 24"):
        check_fresh(0, 24 * HOUR_US + 1, 24)


def test_content_hash_sees_every_value() -> None:
    one = candidates("ann", "bob")
    assert content_hash(one) == content_hash(one.copy())
    assert content_hash(one) != content_hash(one.assign(rank=[2, 1]))


def test_readme_says_what_to_click() -> None:
    text = readme("win_back", "2026-01-01", {"exported": 12, "holdout": 3})
    assert "12 people" in text
    assert "3 similar people" in text
    assert "win_back.suppress.csv" in text
