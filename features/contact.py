"""Earlier campaigns that reached the customer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from features.arithmetic import count_where, days
from features.catalogue import Table, Words, feature, view


@view(needs=("campaign_contacts",))
def contacts(rows: Mapping[str, Table]) -> Table:
    """One row per customer reached by a campaign; those held out are not among them."""
    reached = rows["campaign_contacts"]
    return reached.filter(~reached.control.fill_null(False))


@feature(
    view="contacts",
    family="contact",
    unit="count",
    absent=0,
    label="Re-engagement campaigns received in the last {days} days",
    high="was contacted by campaigns more often than most",
    low="was contacted by campaigns less often than most",
    says="re-engagement campaigns received: {value} in the last {days} days",
    urdu=Words(
        label="پچھلے {days} دن میں گاہک کو واپس لانے کے لیے بھیجی گئی مہمات",
        high="مہمات کے ذریعے اکثر گاہکوں سے زیادہ بار رابطہ کیا گیا",
        low="مہمات کے ذریعے اکثر گاہکوں سے کم بار رابطہ کیا گیا",
        says="پچھلے {days} دن میں گاہک کو واپس لانے کے لیے بھیجی گئی مہمات: {value}",
    ),
)
def campaigns_received(t: Table) -> Any:
    """Contacts in the window that were not held out as control."""
    return count_where(t.campaign_id.notnull())


@feature(
    view="contacts",
    family="contact",
    unit="days",
    absent=None,
    label="Days since the last re-engagement campaign",
    high="the last campaign lies longer back than for most",
    low="was reached by a campaign more recently than most",
    says="last re-engagement campaign {value} days ago",
    urdu=Words(
        "گاہک کو واپس لانے کی آخری مہم کو کتنے دن ہوئے",
        "آخری مہم کو اکثر گاہکوں کی نسبت زیادہ دن ہوئے ہیں",
        "آخری مہم کو اکثر گاہکوں کی نسبت کم دن ہوئے ہیں",
        "گاہک کو واپس لانے کی آخری مہم: {value} دن پہلے",
    ),
)
def days_since_last_campaign(t: Table) -> Any:
    """Days since the newest contact that was not held out as control; missing if there was none."""
    return days(t.age_us.min())
