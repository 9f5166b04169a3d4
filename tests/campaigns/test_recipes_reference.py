"""A simulated shop of two thousand customers: every list, person by person, against a slow reading of docs/lists.md."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from campaigns.settings import CampaignSettings
from pipeline.project import settings as params
from simulation import SimulationSettings, file_bytes, simulate
from sources import Places, ingest
from tests.campaigns.both_readings import Both, Shop, read_logs, spare_the_rest
from tests.campaigns.reference import DAY, Row
from tests.campaigns.reference_lists import list_names
from timeline import is_before, parse_date

ZONE = "Europe/London"


@dataclass(frozen=True)
class Simulated:
    files: dict[str, list[str]]
    rows: Shop


def simulated(folder: Path, seed: int, customers: int = 2000, months: int = 18) -> Simulated:
    """The canonical logs of a simulated shop, as the pipeline would ingest them."""
    shipped = params.parse((Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8"))
    raw, landed, events = folder / "raw", folder / "landed", folder / "events"
    for place in (raw, landed):
        place.mkdir()
    shop = simulate(SimulationSettings(seed=seed, customers=customers, months=months, timezone=ZONE))
    for name, table in shop.files.items():
        (raw / name).write_bytes(file_bytes(name, table))
    sources = shipped.sources.model_copy(update={"path": str(raw)})
    ingest(Places(raw, landed, events), sources, zone=ZONE, key=b"k" * 32)
    logs = [place for place in sorted(events.iterdir()) if place.is_dir()]
    files = {log.name: [file.as_posix() for file in sorted(log.glob("*.parquet"))] for log in logs}
    return Simulated(files, read_logs(files))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    return simulated(tmp_path_factory.mktemp("simulated"), seed=5)


@pytest.fixture(autouse=True)
def _lists_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    spare_the_rest(monkeypatch)
    return


def made_up_scores(rows: Shop, now: int, seed: int) -> tuple[list[Row], list[Row]]:
    """Scores as a model might give them, for those who ordered in the last year; and those of 28 days earlier."""
    chance = random.Random(seed)
    orders = [row for row in rows["orders"] if is_before(row["occurred_at"], now) and is_before(row["loaded_at"], now)]
    newest: dict[str, int] = {}
    for row in orders:
        if row["event"] == "Order Completed":
            newest[row["customer_id"]] = max(row["occurred_at"], newest.get(row["customer_id"], 0))
    scores: list[Row] = []
    before: list[Row] = []
    for who in sorted(newest):
        days = (now - newest[who]) // DAY
        if days >= 365:
            continue
        # Few values, so that many are equal.
        probability = round(min(0.99, max(0.01, chance.gauss(0.3 + days / 500, 0.2))), 2)
        value = chance.choice((0, 500, 1000, 2500, 10_000, 40_000))
        scores.append(
            {
                "customer_id": who,
                "churn_probability": probability,
                "margin": chance.gauss(0, 1),
                "band": "high" if probability >= 0.66 else "medium" if probability >= 0.4 else "low",
                "expected_value": value,
                "value_at_risk": round(value * probability),
                "next_order_from": 3.0,
                "next_order_expected": 20.0,
                "next_order_until": 60.0,
                "act_by": "2025-02-01",
                "days_since_order": days,
                "usual_gap_days": chance.choice((None, 14.0, 30.5)),
                "orders": 1,
                "average_order_value": 4000,
                "percentile": float(chance.randrange(100)),
            }
        )
        if chance.random() < 0.8:
            was = round(min(0.99, max(0.01, probability - chance.choice((-0.2, 0, 0.05, 0.1, 0.2)))), 2)
            before.append({"customer_id": who, "churn_probability": was})
    return scores, before


def both(shop: Simulated, as_of: str, values: dict[str, Any], seed: int = 1, **more: Any) -> Both:
    scores, before = made_up_scores(shop.rows, parse_date(as_of, ZONE), seed)
    found = CampaignSettings.model_validate(values)
    return Both(shop.files, shop.rows, found, as_of=as_of, zone=ZONE, scores=scores, before=before, **more)


def sizes(found: Both) -> dict[str, int]:
    return {name: found.built.manifests[name]["groups"]["treat"] for name in found.built.recipes}


def ledger(shop: Simulated, as_of: str, names: list[str], seed: int) -> list[Row]:
    """Messages that our own ledger tells of."""
    chance, now = random.Random(seed), parse_date(as_of, ZONE)
    people = sorted({row["customer_id"] for row in shop.rows["customers"]})
    told = []
    for who in chance.sample(people, len(people) // 8):
        name = chance.choice(names)
        days = chance.choice((0, 1, 7, 14, 30, 60, 90, 91))
        at = now - days * DAY + chance.choice((-1, 0, 1))
        told.append({"customer_id": who, "campaign_id": f"{name}-x", "list": name, "occurred_at": at})
    return told


GENEROUS = {
    "holdout_share": 0.1,
    "global_holdout_share": 0.02,
    "economy": {"save_rate": 0.3, "contact_cost": 10},
    "lists": {
        "list_hygiene": {"unengaged_days": 90, "min_mails": 1},
        "win_back": {"arms": {"plain": 0.5, "warm": 0.5}},
    },
}

NARROW = {
    "holdout_share": 0.2,
    "capacity": 200,
    "quiet_days": 0,
    "facts": {"late_hours": 24, "slow_hours": 24, "low_rating": 3, "new_days": 30, "late_factor": 1.2},
    "economy": {"save_rate": 0.2, "contact_cost": 25},
    "priority": ["loyalty", "at_risk", "list_hygiene", "win_back", "welcome", "next_order", "browse_abandon"],
    "lists": {
        "loyalty": {"budget": 12, "tiers": ["gold"]},
        "at_risk": {"max_cost": 500, "min_rise": 0.05, "min_ignored_mails": 2, "every_days": 30},
        "win_back": {"min_probability": 0.5, "min_value": 1, "budget": 9},
        "welcome": {"step_days": [1, 2, 9, 30], "within_days": 12, "budget": 10},
        "next_order": {"within_days": 15, "max_probability": 0.8, "budget": 14, "holdout_share": 0.0},
        "browse_abandon": {"min_views": 1, "min_age_hours": 1, "budget": 30},
        "abandoned_cart": {"min_age_hours": 1, "min_value": 2000, "max_age_days": 30, "budget": 14},
        "birthday": {"days_before": 30, "max_cost": 180},
        "post_purchase_feedback": {"min_days": 1, "max_days": 30, "budget": 8},
        "service_recovery": {"max_age_days": 90},
        "list_hygiene": {"unengaged_days": 120, "budget": 5},
    },
    "own_lists": {
        "big_baskets": {
            "title": "Big baskets",
            "who": {"orders": {"min": 3}, "value_tier": ["high", "medium"], "country": "GB"},
            "rank_by": "revenue",
            "action": "Say thank you.",
            "budget": 6,
        },
        "silent": {"title": "Silent", "who": {"mails_30": 0}, "rank_by": "engaged_at", "action": "Wait.", "budget": 3},
    },
}


@pytest.mark.parametrize(("as_of", "values"), [("2024-12-29", GENEROUS), ("2024-10-27", NARROW)])
def test_every_person_is_on_the_lists_that_a_second_reading_gives(
    shop: Simulated, as_of: str, values: dict[str, Any]
) -> None:
    messages = ledger(shop, as_of, list_names(CampaignSettings.model_validate(values)), seed=3)
    found = both(shop, as_of, values, ledger=messages, erased={shop.rows["customers"][0]["customer_id"]})
    assert found.disagreements() == []
    # Lists that nobody is on would agree, too.
    assert min(sizes(found).values()) > 0, sizes(found)


@pytest.mark.stress
@pytest.mark.parametrize("seed", [6, 7, 8])
def test_every_person_of_other_shops_is_on_the_lists_that_a_second_reading_gives(tmp_path: Path, seed: int) -> None:
    other = simulated(tmp_path, seed, customers=2000, months=24)
    for n, as_of in enumerate(("2024-02-29", "2024-06-15", "2024-11-30", "2025-03-30", "2025-06-30")):
        for values in (GENEROUS, NARROW, {}):
            messages = ledger(other, as_of, list_names(CampaignSettings.model_validate(values)), seed=n)
            found = both(other, as_of, values, seed=seed + n, ledger=messages)
            assert found.disagreements() == [], (as_of, values)
