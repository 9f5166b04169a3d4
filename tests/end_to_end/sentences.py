"""Says again, from the event files and the slow oracles alone, what a reason claims about a customer."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd

from features import CATALOGUE, Column, sentence
from pipeline.project.money import writer
from tests.end_to_end.project import Project
from tests.laws.oracles import ORACLES, Case
from timeline import parse_date

LOGS = ("orders", "order_items", "web_events", "email_events", "support_tickets", "deliveries", "loyalty_events",
        "campaign_contacts")  # fmt: skip


def false_sentences(project: Project, as_of: str, currency: str, count: int, seed: int) -> list[tuple[str, str]]:
    """(what was said, what the logs say) for each of ``count`` sampled reasons that do not agree."""
    reasons = project.table("data/scores/reasons.parquet").sample(count, random_state=seed)
    wanted = set(reasons["customer_id"])
    logs: dict[str, dict[str, list[dict[str, object]]]] = {customer: {} for customer in wanted}
    for log in LOGS:
        for file in project.path(f"data/events/{log}").glob("*.parquet"):
            frame = pd.read_parquet(file)
            frame = frame[frame["customer_id"].isin(wanted)].astype(object)
            for row in frame.where(frame.notna(), None).to_dict("records"):
                logs[row["customer_id"]].setdefault(log, []).append(row)

    cutoff = parse_date(as_of, "Europe/London")
    typical = project.table("data/scoring/features.parquet").drop(columns="customer_id").median().to_dict()
    wrong = []
    for reason in reasons.itertuples():
        name, _, days = re.fullmatch(r"(.*?)(_(\d+)d)?", str(reason.feature)).groups()
        column = Column(CATALOGUE[name], int(days) if days else None)
        needed = {str(reason.feature): column} | {
            other: Column(CATALOGUE[other], None)
            for other in re.findall(r"{(\w+)}", CATALOGUE[name].words["en"].says or "")
            if other in CATALOGUE
        }
        row = {
            key: _value(one, Case(logs[str(reason.customer_id)], cutoff, 1095, one.days)) for key, one in needed.items()
        }
        said = sentence(column, row, typical, writer(currency))
        if said != reason.sentence:
            wrong.append((str(reason.sentence), said))
    return wrong


def _value(column: Column, case: Case) -> float:
    answer = ORACLES[column.feature.name](case)
    return math.nan if answer is None else float(np.float64(answer))
