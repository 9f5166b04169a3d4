"""A shop on disk whose lists are ready to be approved: events, vault, candidates, and nothing that made them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd

from campaigns.platforms import COLUMNS
from campaigns.settings import CampaignSettings
from pipeline.project import datasets
from pipeline.sending import approve_lists, export_list
from pipeline.sending.live_facts import Places
from timeline import DAY_US, parse_date

ZONE = "Europe/London"
DAY = "2026-01-01"


def instant(day: str) -> int:
    return parse_date(day, ZONE)


def person(number: int) -> str:
    return f"c_{number:024x}"


def inbox(number: int) -> str:
    return f"a_{number:024x}"


def settings(guards: Mapping[str, Any] | None = None, **campaigns: Any) -> Any:
    """What the commands read of params; quiet days and caps are off unless a test asks for them."""
    off = {"quiet_days": 0, "frequency_days": 0, "quiet_ticket_days": 0, "quiet_order_days": 0}
    return SimpleNamespace(
        campaigns=CampaignSettings.model_validate(off | {**(guards or {})} | campaigns),
        cohort=SimpleNamespace(horizon_days=90),
        shop=SimpleNamespace(currency="GBP", timezone=ZONE),
        engine=SimpleNamespace(memory_limit="500MB", threads=1),
        instant=instant,
    )


class Shop:
    """A shop of people with the numbers 0, 1, 2, ..., each with an address of their own and a yes to e-mail."""

    def __init__(self, top: Path, people: int = 6) -> None:
        self.top = top
        self.places = self.places_below(top)
        self.address = {number: number for number in range(people)}
        self.said: list[tuple[int, str]] = []
        self.write_people()

    @staticmethod
    def who(number: int) -> str:
        """The pseudonym of a person."""
        return person(number)

    @staticmethod
    def places_below(top: Path) -> Places:
        names = ("lists", "events", "vault.parquet", "outbox", "contacts.db", "erased.txt")
        return Places(*(top / name for name in names))

    def write_people(self, watermark: int | None = None) -> None:
        """Ingest: write customers, consent and vault as they are now."""
        numbers = sorted(self.address)
        told = instant(DAY) - 300 * DAY_US
        customers = pd.DataFrame(
            {
                "customer_id": [person(n) for n in numbers],
                "event_id": [f"e{n}" for n in numbers],
                "occurred_at": told,
                "loaded_at": told,
                "address_key": pd.array([inbox(self.address[n]) for n in numbers], dtype="str"),
            }
        )
        datasets.write_parquet(customers, self.places.events / "customers" / "2025-03.parquet", ("event_id",))
        statements = [(n, "subscribed") for n in numbers] + [one for one in self.said if one[0] in self.address]
        consent = pd.DataFrame(
            {
                "customer_id": [person(n) for n, _ in statements],
                "event_id": [f"s{at}" for at in range(len(statements))],
                "occurred_at": [told + at for at in range(len(statements))],
                "loaded_at": [told + at for at in range(len(statements))],
                "channel": "email",
                "status": [status for _, status in statements],
            }
        )
        datasets.write_parquet(consent, self.places.events / "consent_events" / "2025-03.parquet", ("event_id",))
        manifest = {"watermark": watermark or instant(DAY), "logs": {}, "said": len(self.said), "people": len(numbers)}
        datasets.write_json(manifest, self.places.events / "manifest.json")
        vault = pd.DataFrame(
            {
                "customer_id": [person(n) for n in numbers],
                "shop_id": [f"shop{n}" for n in numbers],
                "email": [f"p{self.address[n]}@example.com" for n in numbers],
            }
        )
        datasets.write_parquet(vault, self.places.vault, ("customer_id",))

    def build(
        self,
        name: str = "win_back",
        day: str = DAY,
        treat: Sequence[int] = (0, 1, 2, 3),
        holdout: Sequence[int] = (4,),
        campaign: str | None = None,
        actions: Sequence[str] | None = None,
        **manifest: Any,
    ) -> str:
        """Write one list as build_lists would; the hash of its candidates."""
        numbers = [*treat, *holdout]
        columns: dict[str, Any] = {column.source: None for column in COLUMNS if not column.of_context}
        columns |= {
            "customer_id": [self.who(n) for n in numbers],
            "list": name,
            "campaign": campaign or f"{name}-{day}",
            "group": ["treat"] * len(treat) + ["holdout"] * len(holdout),
            "holdout": pd.array([None] * len(treat) + ["list"] * len(holdout), dtype="str"),
            "action": pd.array(actions or ["Write."] * len(numbers), dtype="str"),
            "propensity": 0.9,
            "rank": list(range(1, len(numbers) + 1)),
            "net_value": 1000,
            "contact_cost": 5,
            "churn_probability": 0.8,
            "why_now": [f"Sentence of {n}." for n in numbers],
        }
        frame = pd.DataFrame(columns, index=range(len(numbers)))
        path = self.places.lists / name / datasets.CANDIDATES
        datasets.write_parquet(frame, path, ("customer_id",))
        list_id = hashlib.sha256(path.read_bytes()).hexdigest()
        told = {
            "list": name,
            "as_of": day,
            "candidates_sha256": list_id,
            "contact_logs": ["consent_events", "customers"],
            "model_hash": "f" * 64,
            "holdout_share": 0.1,
        }
        datasets.write_json(told | manifest, self.places.lists / name / datasets.MANIFEST)
        return list_id

    def approve(self, s: Any = None, name: str = "win_back", now: int = 0) -> dict[str, Any]:
        return approve_lists.approve(s or settings(), name, now, self.places)

    def export(
        self, s: Any = None, name: str = "win_back", platform: str = "neutral", now: int = 0
    ) -> export_list.Exported:
        return export_list.export(s or settings(), name, platform, now, self.places)


def addresses(folder: Path, name: str = "win_back") -> list[str]:
    """Who is in the neutral file of a list."""
    return pd.read_csv(folder / f"{name}.csv", dtype="str")["email"].tolist()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
