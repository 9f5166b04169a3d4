"""The mails as an export: sent, delivered, opened and clicked by people and machines, bounced."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from simulation.calendar import Calendar, instant
from simulation.columns import ids, iso, labels, loaded, stamps
from simulation.life import Facts
from simulation.people import People
from timeline import SECOND_US

Array = NDArray[Any]
EVENTS = (
    "Email Sent", "Email Delivered", "Email Opened", "Email Link Clicked", "Email Bounced",
    "Email Marked as Spam", "Unsubscribed",
)  # fmt: skip
_SENT, _DELIVERED, _OPENED, _CLICKED, _BOUNCED, _SPAM, _UNSUBSCRIBED = range(7)
BOUNCES = ("hard", "soft", "block")


def draw_mails(facts: Facts, people: People, calendar: Calendar, rng: np.random.Generator) -> Facts:
    """Mails with their instants, one entry each: sent at about nine, opened and clicked the same day."""
    count = len(facts["customer"])
    sent = instant(calendar, facts["day"], rng.integers(9 * 3600, 9 * 3600 + 1800, count))
    delivered = sent + rng.integers(1, 30, count) * SECOND_US
    opened = (
        delivered + np.minimum(rng.exponential(5400.0, count), 8 * 3600).astype(np.int64) * SECOND_US + 60 * SECOND_US
    )
    clicked = opened + rng.integers(5, 90, count) * SECOND_US
    return {
        **facts,
        "sent_at": sent,
        "delivered_at": delivered,
        "opened_at": opened,
        "clicked_at": clicked,
        "machine": people.machine_opens[facts["customer"]],
        "scanner": people.scanned[facts["customer"]] & (rng.random(count) < 0.7),
        "block": rng.random(count) < 0.15,
    }


def mail_file(mails: Facts, names: pa.Array, calendar: Calendar, rng: np.random.Generator) -> pa.Table:
    """``email_events.parquet``; ordered by time."""
    delivered = ~(mails["hard"] | mails["soft"])
    human_open = mails["opened"] & (~mails["machine"] | mails["clicked"])
    farewell = mails["opened_at"] + 120 * SECOND_US
    parts: list[tuple[int, Array, Array, bool, bool]] = [
        (_SENT, np.ones(len(delivered), dtype=bool), mails["sent_at"], False, False),
        (_DELIVERED, delivered, mails["delivered_at"], False, False),
        (_OPENED, delivered & mails["machine"], mails["delivered_at"], True, False),
        (_OPENED, human_open, mails["opened_at"], False, False),
        (_CLICKED, delivered & mails["scanner"], mails["delivered_at"] + 1, False, True),
        (_CLICKED, mails["clicked"], mails["clicked_at"], False, False),
        (_BOUNCED, ~delivered, mails["sent_at"] + 5 * SECOND_US, False, False),
        (_SPAM, mails["complains"], farewell, False, False),
        (_UNSUBSCRIBED, mails["unsubscribes"], farewell, False, False),
    ]
    mail = np.concatenate([np.flatnonzero(mask) for _, mask, _, _, _ in parts])
    sizes = [int(mask.sum()) for _, mask, _, _, _ in parts]
    at = np.concatenate([times[mask] for _, mask, times, _, _ in parts])
    event = np.repeat([kind for kind, *_ in parts], sizes)
    machine = np.repeat([flag for *_, flag, _ in parts], sizes)
    bot = np.repeat([flag for *_, flag in parts], sizes)
    order = np.lexsort((event, mail, at))
    mail, at, event, machine, bot = mail[order], at[order], event[order], machine[order], bot[order]
    bounce = np.where(mails["hard"][mail], 0, np.where(mails["block"][mail], 2, 1))
    campaign, which = np.unique(mails["day"] * 2 + ~mails["newsletter"], return_inverse=True)
    titles = [f"{('newsletter', 'deals')[one % 2]}-{calendar.dates[one // 2].isoformat()}" for one in campaign.tolist()]
    return pa.table(
        {
            "message_id": ids("M", np.arange(1, len(at) + 1), width=8),
            "customer_id": names.take(pa.array(mails["customer"][mail])),
            "event": labels(EVENTS, event),
            "occurred_at": stamps(at),
            "loaded_at": stamps(loaded(at, rng)),
            "email_id": ids("E", mail + 1, width=7),
            "campaign_id": labels(titles, which[mail]),
            "bounce_type": labels(BOUNCES, bounce, absent=event != _BOUNCED),
            "machine_open": pa.array(machine),
            "bot_click": pa.array(bot),
        }
    )


def consent_file(
    mails: Facts, people: People, names: pa.Array, calendar: Calendar, rng: np.random.Generator
) -> tuple[pa.Table, Array, Array]:
    """``consent_events.csv``, and everyone's consent at the end (coded as in ``People``) with its instant."""
    joined_at = instant(calendar, people.joined, np.full(len(people), 6 * 3600))
    consent, since = people.consent.copy(), joined_at.copy()
    asked = np.flatnonzero((consent == 0) | (consent == 3))
    leavers = np.flatnonzero(mails["unsubscribes"])
    left_list_at = mails["opened_at"][leavers] + 120 * SECOND_US
    consent[mails["customer"][leavers]] = 3
    since[mails["customer"][leavers]] = left_list_at
    objects = np.flatnonzero((rng.random(len(people)) < 0.004) & (people.joined < calendar.days - 2))
    objected_on = (
        people.joined[objects]
        + 1
        + (rng.random(len(objects)) * (calendar.days - 1 - people.joined[objects])).astype(np.int64)
    )
    customer = np.concatenate([asked, mails["customer"][leavers], objects])
    at = np.concatenate([joined_at[asked], left_list_at, instant(calendar, objected_on, np.full(len(objects), 43_200))])
    source = np.repeat([0, 1, 2], [len(asked), len(leavers), len(objects)])
    gone = np.concatenate([people.consent[asked] == 3, np.ones(len(leavers) + len(objects), dtype=bool)])
    order = np.lexsort((customer, at))
    table = pa.table(
        {
            "customer_id": names.take(pa.array(customer[order])),
            "occurred_at": iso(at[order], calendar),
            "channel": labels(["email", "email", "profiling"], source[order]),
            "status": labels(["subscribed", "unsubscribed"], gone[order].astype(np.int64)),
            "source": labels(["account", "newsletter", "letter"], source[order]),
        }
    )
    return table, consent, since
