"""A shop's files through ingest, approval and export, as the laws of restriction ask for them."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

from campaigns import StaleListError
from campaigns.platforms import COLUMNS
from pipeline.intake import reading
from pipeline.people import tombstones
from pipeline.people.find_person import find
from pipeline.project import datasets, settings
from pipeline.sending import approve_lists, export_list, live_facts, suppress
from sources import ContractError

ROOT = Path(__file__).parents[2]
LIST = "win_back"
_AROUND = r"""[^\x20-\x7e]|^[\s'"]+|[\s'"]+$|\.0$"""
_OFF = {"quiet_days": 0, "frequency_days": 0, "quiet_ticket_days": 0, "quiet_order_days": 0}


@dataclass(frozen=True)
class Outcome:
    """Who may be written to; where export as a whole is refused, why, and then nobody is."""

    people: frozenset[str]
    """The shop's own ids, of accounts that became one the id that survived; else the address, in small letters."""
    refused: str = ""
    is_unread: bool = False
    """Whether it was a file as a whole that could not be trusted."""


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in ``folder``, made where there is none."""
    before = Path.cwd()
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def contactable(folder: Path, sources: dict[str, Any], **facts: Any) -> Outcome:
    """Whom a list of everybody may write to, given the files in ``folder`` and the ``sources`` section of params.

    Facts: ``as_of`` and ``min_age`` of params; ``suppressed`` and ``erased``, the names noted by command.
    """
    project = folder.with_name(f"{folder.name}-project")
    with inside(project):
        write_params(sources, facts)
        s = settings.load()
        Path("files").symlink_to(folder, target_is_directory=True)
        try:
            reading.run(s, datasets.EVENTS)
        except ContractError as error:
            return Outcome(frozenset(), str(error), is_unread=True)
        if facts.get("erased"):
            datasets.ERASED.write_text(
                "".join(f"{one}\n" for one in sorted(find(s, facts["erased"], trust=True).pseudonyms))
            )
            reading.run(s, datasets.EVENTS)
        for name in facts.get("suppressed", ()):
            suppress.suppress(s, name, "opt_out", 0)
        write_list(s, facts["as_of"])
        return _ask(s)


def write_params(sources: dict[str, Any], facts: dict[str, Any]) -> None:
    """The params of a project whose shop has these ``sources``; see :func:`contactable` for ``facts``."""
    yaml = YAML(typ="safe")
    params = yaml.load((ROOT / "params.yaml").read_text())
    params |= {"demo": [], "sources": {"path": "files"} | sources}
    params["shop"] |= {"timezone": "Europe/Berlin", "currency": sources["currency"]}
    params["scoring"]["as_of"] = facts["as_of"]
    params["campaigns"] |= _OFF | {"min_age": facts.get("min_age", 0)}
    with Path("params.yaml").open("w") as out:
        yaml.dump(params, out)


def vault_rows() -> pd.DataFrame:
    """Pseudonym, own id and address of everybody."""
    return datasets.read_parquet(datasets.VAULT, ("customer_id", "shop_id", "email"))


def write_list(s: settings.Settings, as_of: str, ids: Collection[str] | None = None) -> None:
    """One list with everybody in it, or with whoever has one of the shop's ``ids``, as build_lists would leave it."""
    vault = vault_rows()
    people = sorted(vault["customer_id"] if ids is None else vault[vault["shop_id"].isin(ids)]["customer_id"])
    columns: dict[str, Any] = {column.source: None for column in COLUMNS if not column.of_context}
    columns |= {
        "customer_id": people, "list": LIST, "campaign": f"{LIST}-{as_of}", "group": "treat", "action": "Write.",
        "propensity": 0.9, "rank": list(range(1, len(people) + 1)), "net_value": 1000, "contact_cost": 5,
        "churn_probability": 0.8, "why_now": "Why.", "holdout": pd.array([None] * len(people), dtype="str"),
    }  # fmt: skip
    path = datasets.LISTS / LIST / datasets.CANDIDATES
    datasets.write_parquet(pd.DataFrame(columns, index=range(len(people))), path, ("customer_id",))
    logs = [place.name for place in datasets.EVENTS.iterdir() if place.is_dir()]
    facts = {
        "list": LIST, "as_of": as_of, "candidates_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "contact_logs": logs, "model_hash": "f" * 64, "holdout_share": 0.1,
    }  # fmt: skip
    datasets.write_json(facts, datasets.LISTS / LIST / datasets.MANIFEST)


def _ask(s: settings.Settings) -> Outcome:
    """Approve and export; the file must hold one person of each inbox that the guards let through, and nobody else."""
    places, now = live_facts.checked(s, None), s.instant(s.scoring.as_of)
    approve_lists.approve(s, LIST, now, places)
    try:
        exported = export_list.export(s, LIST, "neutral", now, places)
    except StaleListError as error:
        return Outcome(frozenset(), str(error))
    sent = set(pd.read_csv(exported.folder / f"{LIST}.csv", dtype="str")["email"])
    one = live_facts.built(places, LIST)
    with live_facts.opened(s, one) as db, live_facts.open_ledger(places) as ledger:
        run = live_facts.run_of(s, one, now)
        live_facts.open_logs(db, s, places.events, run.moment)
        live_facts.ask_ledger(db, ledger, run, live_facts.caps(s, LIST))
        live_facts.ask_guards(db, s, run, tombstones.erased_customers(places.erased))
        db.register("vault", vault_rows())
        free = db.execute(
            "SELECT shop_id, email FROM guards JOIN vault USING (customer_id) WHERE email IS NOT NULL AND "
            "(rule IS NULL OR rule IN ('recent_contact', 'frequency_cap'))"
        ).fetchall()
    # Of several people at an inbox one was chosen when the list was approved.
    assert sent <= {email for _, email in free}, "somebody is in the file whom the guards stop"
    # Damage may split an account in two; either stands for the person.
    return Outcome(frozenset(re.sub(_AROUND, "", shop_id) for shop_id, _ in free))
