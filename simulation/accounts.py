"""The rest of the export: customers, their tickets, and the contacts of past re-engagement campaigns."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from simulation import rates as r
from simulation.calendar import Calendar, instant
from simulation.columns import ids, iso, labels, money
from simulation.life import Facts
from simulation.people import People
from timeline import HOUR_US, SECOND_US

Array = NDArray[Any]
CONSENT = ("subscribed", "never", "unknown", "unsubscribed")
COUNTRIES = ("GB", "IE", "DE", "FR", "NL")
POSTCARD_PENCE = 80
PROVIDERS = (
    ("gmail", 34),
    ("outlook", 17),
    ("icloud", 14),
    ("yahoo", 10),
    ("bt", 5),
    ("gmx", 3),
    ("orange", 3),
    ("proton", 2),
    ("", 12),
)
"""Of a hundred mailboxes so many lie there; the last ones at a domain of their own.

All domains end in .example, where nobody can have an address.
"""


def customers_file(
    people: People,
    names: pa.Array,
    consent: Array,
    since: Array,
    calendar: Calendar,
    rng: np.random.Generator,
) -> pa.Table:
    """``customers.csv``; consent as it stands at the end. One customer in a hundred shares an address."""
    count = len(people)
    opened = instant(calendar, people.joined, np.full(count, 6 * 3600))
    address = np.arange(count)
    sharing = np.flatnonzero(rng.random(count) < 0.01)
    address[sharing] = np.maximum(sharing - 1 - rng.integers(0, 50, len(sharing)), 0)
    day_of_year = rng.integers(0, 365, count)
    birthdays = [
        f"{date.month:02d}-{date.day:02d}" for date in calendar.dates[:366] if (date.month, date.day) != (2, 29)
    ]
    mailbox = pa.chunked_array([ids("shopper", address + 1)]).combine_chunks()
    return pa.table(
        {
            "customer_id": names,
            "email": _mask(pc.binary_join_element_wise(mailbox, _domains(address), "@"), ~people.has_address),
            "created_at": iso(opened, calendar),
            "country": labels(COUNTRIES, rng.choice(5, count, p=(0.82, 0.06, 0.05, 0.04, 0.03))),
            "birth_month_day": labels(birthdays[:365], day_of_year, absent=rng.random(count) < 0.3),
            "acquisition_channel": labels(r.CHANNELS, people.channel),
            "email_consent": labels(CONSENT, consent),
            "email_consent_at": iso(since, calendar, absent=(consent == 1) | (consent == 2)),
        }
    )


def _domains(mailboxes: Array) -> pa.Array:
    """Where each mailbox lies, from its number: a draw would move every draw after it."""
    names = [f"{provider}.example" if provider else "" for provider, share in PROVIDERS for _ in range(share)]
    # Fibonacci hashing: neighbours in number are strangers in place.
    place = (mailboxes.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(32)) % np.uint64(len(names))
    own = pc.binary_join_element_wise(ids("shop", mailboxes % 97, width=2), ".example", "")
    there = labels(names, place.astype(np.int64))
    return pc.if_else(pc.equal(there, ""), own, there)


def _mask(column: pa.Array, absent: Array) -> pa.Array:
    return pc.if_else(pa.array(absent), pa.scalar(None, pa.string()), column)


def tickets_file(orders: Facts, names: pa.Array, calendar: Calendar, rng: np.random.Generator) -> pa.Table:
    """``support_tickets.jsonl``: badly handled ones stay open for days; still open ones have no close."""
    rows = np.flatnonzero(orders["bad"] | orders["good"])
    rows = rows[np.lexsort((rows, orders["day"][rows] + orders["opened_after"][rows]))]
    rows = rows[orders["day"][rows] + orders["opened_after"][rows] < calendar.days]
    count, bad = len(rows), orders["bad"][rows]
    opened = instant(
        calendar, orders["day"][rows] + orders["opened_after"][rows], rng.integers(9 * 3600, 13 * 3600, count)
    )
    close_day = orders["day"][rows] + orders["closed_after"][rows]
    closed = instant(calendar, close_day, rng.integers(14 * 3600, 20 * 3600, count))
    still_open = close_day >= calendar.days
    rating = np.where(bad, rng.choice(3, count, p=(0.6, 0.3, 0.1)) + 1, rng.choice(2, count, p=(0.4, 0.6)) + 4)
    return pa.table(
        {
            "ticket_id": ids("T", np.arange(1, count + 1), width=6),
            "customer_id": names.take(pa.array(orders["customer"][rows])),
            "opened_at": iso(opened, calendar),
            "closed_at": iso(closed, calendar, absent=still_open),
            "channel": labels(["email", "chat", "phone"], rng.choice(3, count, p=(0.5, 0.35, 0.15))),
            "category": labels(
                ["product", "delivery", "payment", "account"], rng.choice(4, count, p=(0.4, 0.3, 0.2, 0.1))
            ),
            "priority": labels(["normal", "high"], (rng.random(count) < 0.2).astype(np.int64)),
            "satisfaction": pa.array(rating, mask=still_open | (rng.random(count) < 0.25)),
        }
    )


def contacts_file(contacts: Facts, names: pa.Array, calendar: Calendar) -> pa.Table:
    """``campaign_contacts.csv``: both arms; a control stands there with the instant it was not written to."""
    customer, day, treated = contacts["customer"], contacts["day"], contacts["treated"]
    at = instant(calendar, day, np.full(len(day), 10 * HOUR_US // SECOND_US))
    campaign, which = np.unique(day, return_inverse=True)
    return pa.table(
        {
            "campaign_id": labels(
                [f"winback-{calendar.dates[one].isoformat()[:7]}" for one in campaign.tolist()], which
            ),
            "customer_id": names.take(pa.array(customer)),
            "contacted_at": iso(at, calendar),
            "arm": labels(["control", "voucher"], treated.astype(np.int64)),
            "control": pa.array(~treated),
            "propensity": pa.array(contacts["propensity"]),
            "cost": money(treated * POSTCARD_PENCE),
        }
    )
