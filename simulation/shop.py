"""A shop with known truth: its export files and what is true of its customers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from simulation.accounts import contacts_file, customers_file, tickets_file
from simulation.calendar import build_calendar
from simulation.columns import ids
from simulation.flaws import plant_flaws
from simulation.life import Now, live
from simulation.mail import consent_file, draw_mails, mail_file
from simulation.orders import draw_orders, order_files
from simulation.people import draw_people
from simulation.settings import SimulationSettings
from simulation.truth import truth_at, truth_table
from simulation.web import draw_sessions, identity_file, web_file

_DAYS_ARE_THIS_SHARE_OF_THE_WORK = 0.8


@dataclass(frozen=True)
class SimulatedShop:
    """One table per export file, by name, and the truth, one row per customer and month start."""

    files: dict[str, pa.Table]
    truth: pa.Table


def simulate(settings: SimulationSettings, progress: Callable[[float], None] = lambda _: None) -> SimulatedShop:
    """Simulates the shop; the same settings give the same tables.

    ``progress`` is called with the share of the work that is done, 0..1.

    Raises:
        ValueError: the first day is not the first of a month.
    """
    calendar = build_calendar(settings)
    who, days, goods, mailing, browsing, rest, breaking = (
        np.random.default_rng(seed) for seed in np.random.SeedSequence(settings.seed).spawn(7)
    )
    people = draw_people(settings.customers, calendar, who)
    names = ids("C", np.arange(1, settings.customers + 1), width=6)
    months: list[dict[str, NDArray[Any]]] = []

    def note_truth(now: Now) -> None:
        months.append(truth_at(now, calendar, settings.gap_days))

    facts, left_day = live(
        people, calendar, days, note_truth, lambda done: progress(done * _DAYS_ARE_THIS_SHARE_OF_THE_WORK)
    )
    orders, lines = draw_orders(facts["orders"], people, calendar, goods)
    mails = draw_mails(facts["mails"], people, calendar, mailing)
    sessions = draw_sessions(facts["visits"], mails, orders, lines, people, calendar, browsing)
    consents, consent, since = consent_file(mails, people, names, calendar, rest)
    files = {
        "customers.csv": customers_file(people, names, consent, since, calendar, rest),
        "consent_events.csv": consents,
        **order_files(orders, lines, people, names, calendar, goods),
        "web_events.parquet": web_file(sessions, orders, names, browsing),
        "identity_map.csv": identity_file(sessions, people, names, calendar, browsing),
        "email_events.parquet": mail_file(mails, names, calendar, mailing),
        "support_tickets.jsonl": tickets_file(orders, names, calendar, rest),
        "campaign_contacts.csv": contacts_file(facts["contacts"], names, calendar),
    }
    if settings.planted_flaws:
        files = plant_flaws(files, breaking)
    truth = truth_table(months, names, calendar, left_day)
    progress(1.0)
    return SimulatedShop(files, truth)
