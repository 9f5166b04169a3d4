"""The params section ``campaigns``."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class WinBackSettings(BaseModel):
    """Valuable customers who are likely to leave."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    budget: int = Field(default=2000, ge=0, description="At most so many people are written to.")
    bands: tuple[Literal["low", "medium", "high"], ...] = Field(
        default=("high",), min_length=1, description="Risk bands that belong on the list."
    )
    min_probability: float | None = Field(
        default=None, ge=0, le=1, description="When given, decides instead of the bands."
    )
    min_value: int = Field(default=0, ge=0, description="Least value at risk, in minor units (pence, cents).")


class AbandonedCartSettings(BaseModel):
    """Known customers who left a cart and did not order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    budget: int = Field(default=2000, ge=0, description="At most so many people are written to.")
    min_value: int = Field(default=0, ge=0, description="Least value of the cart, in minor units.")
    min_age_hours: int = Field(default=4, ge=0, description="A younger cart may still be in use.")
    max_age_days: int = Field(default=14, ge=1, le=365, description="An older cart is forgotten.")

    @model_validator(mode="after")
    def _ordered(self) -> "AbandonedCartSettings":
        if self.min_age_hours >= self.max_age_days * 24:
            raise ValueError("min_age_hours must be less than max_age_days")
        return self


class ListSettings(BaseModel):
    """One section per list; a budget of 0 switches its sending off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    win_back: WinBackSettings = WinBackSettings()
    abandoned_cart: AbandonedCartSettings = AbandonedCartSettings()


class CampaignSettings(BaseModel):
    """Whom we contact, whom we leave alone to learn from, and how fresh consent must be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    holdout_share: float = Field(
        default=0.10,
        ge=0,
        lt=0.5,
        description="Share of every list left alone, to measure what writing changed.",
    )
    salt: str = Field(
        default="wafa-1",
        min_length=1,
        description="A new salt draws new holdouts; keep it while a campaign runs.",
    )
    quiet_days: int = Field(
        default=7,
        ge=0,
        description="Nobody written to in the last so many days is listed again; 0 switches it off.",
    )
    suppression_max_age_hours: int = Field(
        default=24, ge=1, description="Export refuses when the newest event is older than this."
    )
    check_clock: bool = Field(
        default=False,
        description="true: age counts from the clock (a live shop); false: from the scoring date (a demo).",
    )
    lists: ListSettings = ListSettings()
