"""The params section ``campaigns``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from campaigns.deliverability import DeliverabilitySettings
from campaigns.guards import GuardSettings
from campaigns.products import ProductSettings
from campaigns.send_time import SendTimeSettings
from campaigns.worth import EconomySettings

Share = float


class Section(BaseModel):
    """A part of the section: nothing unknown in it, nothing changed after it was read."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FactSettings(Section):
    """Where a parcel is late, a ticket slow, a rating low, a customer new."""

    late_hours: int = Field(default=48, ge=1, description="A parcel so many hours after the promised day is late.")
    slow_hours: int = Field(default=72, ge=1, description="A ticket open for longer was handled badly.")
    low_rating: int = Field(default=2, ge=1, le=5, description="A satisfaction up to this one is low.")
    forgotten_days: int = Field(default=30, ge=1, description="A ticket open for so long was forgotten to be closed.")
    assumed_delivery_days: int = Field(
        default=5, ge=0, description="Days from order to delivery where the shop logs no parcels."
    )
    new_days: int = Field(default=60, ge=1, description="After a first order somebody is new for so many days.")
    late_factor: float = Field(
        default=1.5, ge=1, description="Overdue: longer without an order than so many times the usual gap."
    )


class ListSettings(Section):
    """What every list has."""

    on: bool = Field(default=True, description="false: the list is not made.")
    budget: int = Field(default=2000, ge=0, description="At most so many people are written to in a run.")
    max_cost: int | None = Field(default=None, ge=0, description="Most a run may cost, in minor units.")
    every_days: int = Field(default=90, ge=1, description="Nobody gets this list's message twice within so many days.")
    holdout_share: Share | None = Field(
        default=None, ge=0, lt=0.5, description="Left alone to measure; without it campaigns.holdout_share."
    )
    arms: Mapping[str, Share] = Field(
        default={},
        description="Variants to try, such as subject lines, with their shares: {question: 0.5, plain: 0.5}.",
    )

    @field_validator("arms")
    @classmethod
    def _whole(cls, value: Mapping[str, Share]) -> Mapping[str, Share]:
        if value and (any(share <= 0 for share in value.values()) or abs(sum(value.values()) - 1) > 1e-9):
            raise ValueError("must be shares above 0 that add up to 1")
        return value


class WinBackSettings(ListSettings):
    """Lapsed customers, or nearly, who are worth it."""

    bands: tuple[Literal["low", "medium", "high"], ...] = Field(
        default=("high",), min_length=1, description="Risk bands that belong on the list."
    )
    min_probability: float | None = Field(
        default=None, ge=0, le=1, description="When given, decides instead of the bands."
    )
    min_value: int = Field(default=0, ge=0, description="Least value at risk, in minor units (pence, cents).")


class AtRiskSettings(ListSettings):
    """An early warning: not lapsed yet, but something broke."""

    min_rise: float = Field(
        default=0.10, ge=0, le=1, description="Rise of the churn probability in 28 days, by the same model."
    )
    min_ignored_mails: int = Field(default=6, ge=1, description="Mails delivered in 180 days without a single click.")
    min_value: int = Field(default=0, ge=0, description="Least value at risk, in minor units.")


class AbandonedCartSettings(ListSettings):
    """Known customers who left a cart and did not order."""

    every_days: int = Field(default=7, ge=1, description="Nobody gets this list's message twice within so many days.")
    min_value: int = Field(default=0, ge=0, description="Least value of the cart, in minor units.")
    min_age_hours: int = Field(default=4, ge=0, description="A younger cart may still be in use.")
    max_age_days: int = Field(default=14, ge=1, le=365, description="An older cart is forgotten.")

    @model_validator(mode="after")
    def _ordered(self) -> AbandonedCartSettings:
        if self.min_age_hours >= self.max_age_days * 24:
            raise ValueError("min_age_hours must be less than max_age_days")
        return self


class BrowseAbandonSettings(ListSettings):
    """Customers who looked at products and did not buy."""

    every_days: int = Field(default=14, ge=1, description="Nobody gets this list's message twice within so many days.")
    min_views: int = Field(default=2, ge=1, description="Product views in the last days.")
    min_age_hours: int = Field(default=12, ge=0, description="Younger browsing may still go on.")
    max_age_days: int = Field(default=7, ge=1, le=90, description="Older browsing is forgotten.")

    @model_validator(mode="after")
    def _ordered(self) -> BrowseAbandonSettings:
        if self.min_age_hours >= self.max_age_days * 24:
            raise ValueError("min_age_hours must be less than max_age_days")
        return self


class WelcomeSettings(ListSettings):
    """A series for newcomers."""

    every_days: int = Field(default=1, ge=1, description="Each step is one message; no second one so soon.")
    step_days: tuple[int, int, int, int] = Field(
        default=(0, 3, 7, 14), description="Days after the sign-up or the first order at which a step is due."
    )
    within_days: int = Field(
        default=3, ge=1, description="A step is sent up to so many days late, else it is left out."
    )

    @field_validator("step_days")
    @classmethod
    def _rising(cls, value: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        if list(value) != sorted(set(value)) or value[0] < 0:
            raise ValueError("must be four rising numbers of days from 0 on")
        return value


class FeedbackSettings(ListSettings):
    """A question after the parcel came."""

    every_days: int = Field(default=60, ge=1, description="Nobody gets this list's message twice within so many days.")
    min_days: int = Field(default=5, ge=0, description="Days from delivery until somebody is asked.")
    max_days: int = Field(default=14, ge=1, description="Later nobody remembers.")

    @model_validator(mode="after")
    def _ordered(self) -> FeedbackSettings:
        if self.min_days > self.max_days:
            raise ValueError(f"min_days must not be above max_days ({self.max_days})")
        return self


class BirthdaySettings(ListSettings):
    """A greeting before the birthday."""

    every_days: int = Field(default=300, ge=1, description="Nobody gets this list's message twice within so many days.")
    days_before: int = Field(default=7, ge=0, le=60, description="From so many days before the day itself.")


class NextOrderSettings(ListSettings):
    """The expected window of the next order opens."""

    every_days: int = Field(default=30, ge=1, description="Nobody gets this list's message twice within so many days.")
    within_days: int = Field(default=7, ge=1, description="The window opens within so many days, or has just opened.")
    max_probability: float = Field(default=0.5, gt=0, le=1, description="Likelier churners belong on other lists.")


class LoyaltySettings(ListSettings):
    """The best customers: thank, don't discount."""

    tiers: tuple[str, ...] = Field(default=(), description="Tiers that count as best; empty: the segments below.")
    segments: tuple[str, ...] = Field(default=("Champions",), description="RFM segments that count as best.")


class ServiceRecoverySettings(ListSettings):
    """Somebody had trouble: make it good."""

    every_days: int = Field(default=60, ge=1, description="Nobody gets this list's message twice within so many days.")
    max_age_days: int = Field(default=30, ge=1, description="Older trouble is not brought up again.")


class ListHygieneSettings(ListSettings):
    """Addresses the shop should stop writing to."""

    budget: int = Field(default=1_000_000_000, ge=0, description="At most so many addresses in a run.")
    unengaged_days: int = Field(default=365, ge=90, description="No click, visit or order for so long: time to let go.")
    min_mails: int = Field(default=6, ge=1, description="Mails delivered in 180 days that were all left unclicked.")


Scalar = bool | int | float | str


class Between(Section):
    """A range, both ends belong to it."""

    min: float | None = None
    max: float | None = None


class OwnListSettings(ListSettings):
    """A list of the shop's own: conditions on the columns of ``people``, all of which must hold."""

    title: str = Field(min_length=1, description="What the pages call it.")
    who: Mapping[str, Scalar | tuple[Scalar, ...] | Between] = Field(
        min_length=1, description="{column: value}, {column: [values]} or {column: {min: 1, max: 9}}."
    )
    rank_by: str = Field(default="expected_value", description="Column of people; the largest comes first.")
    why_now: str = Field(default="", description="A sentence for the row.")
    action: str = Field(min_length=1, description="What to do with the list.")


class Recipes(Section):
    """One section per list."""

    win_back: WinBackSettings = WinBackSettings()
    at_risk: AtRiskSettings = AtRiskSettings()
    abandoned_cart: AbandonedCartSettings = AbandonedCartSettings()
    browse_abandon: BrowseAbandonSettings = BrowseAbandonSettings()
    welcome: WelcomeSettings = WelcomeSettings()
    post_purchase_feedback: FeedbackSettings = FeedbackSettings()
    birthday: BirthdaySettings = BirthdaySettings()
    next_order: NextOrderSettings = NextOrderSettings()
    loyalty: LoyaltySettings = LoyaltySettings()
    service_recovery: ServiceRecoverySettings = ServiceRecoverySettings()
    list_hygiene: ListHygieneSettings = ListHygieneSettings()


PRIORITY = (
    "service_recovery",
    "abandoned_cart",
    "welcome",
    "birthday",
    "post_purchase_feedback",
    "win_back",
    "at_risk",
    "next_order",
    "browse_abandon",
    "loyalty",
)
"""Which message somebody gets who fits several lists: what they wait for before what we want."""


class CampaignSettings(GuardSettings):
    """Whom we contact and how often, whom we leave alone to learn from, and how fresh consent must be."""

    holdout_share: Share = Field(
        default=0.10, ge=0, lt=0.5, description="Share of every list left alone, to measure what writing changed."
    )
    global_holdout_share: Share = Field(
        default=0.0, ge=0, lt=0.5, description="Share of all people left alone by every list, always the same ones."
    )
    salt: str = Field(
        default="wafa-1", min_length=1, description="A new salt draws new holdouts; keep it while a campaign runs."
    )
    language: Literal["en", "ur"] = Field(default="en", description="Language of the sentences in the rows.")
    capacity: int | None = Field(default=None, ge=0, description="At most so many people in a run, all lists together.")
    priority: tuple[str, ...] = Field(
        default=PRIORITY, description="One person gets one message a run: that of the first of these lists."
    )
    unnamed_restrictions: int = Field(
        default=0, ge=0, description="Export refuses when more rows than this restrict people who cannot be identified."
    )
    retired_logs: tuple[Literal["customers", "consent_events", "email_events"], ...] = Field(
        default=(), description="Logs of consent that the shop no longer has; export refuses to miss others."
    )
    suppression_max_age_hours: int = Field(
        default=24, ge=1, description="Export refuses when the newest event is older than this."
    )
    check_clock: bool = Field(
        default=False,
        description="true: age counts from the clock (a live shop); false: from the scoring date (a demo).",
    )
    facts: FactSettings = FactSettings()
    economy: EconomySettings = EconomySettings()
    products: ProductSettings = ProductSettings()
    send_time: SendTimeSettings = SendTimeSettings()
    deliverability: DeliverabilitySettings = DeliverabilitySettings()
    lists: Recipes = Recipes()
    own_lists: Mapping[str, OwnListSettings] = Field(default={}, description="Further lists of the shop's own.")

    @field_validator("own_lists")
    @classmethod
    def _plain_names(cls, value: Mapping[str, OwnListSettings]) -> Mapping[str, OwnListSettings]:
        for name in value:
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
                raise ValueError(f"names a list {name!r}; use small letters, digits and _, beginning with a letter")
        return value
