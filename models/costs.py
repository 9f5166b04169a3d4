"""The params section ``evaluation``: what a campaign is assumed to cost and to save."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class EvaluationSettings(BaseModel):
    """Assumptions behind the expected maximum profit; amounts in minor units. They decide no score."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    acceptance_alpha: float = Field(
        default=6, gt=0, description="Who leaves accepts an offer with chance Beta(alpha, beta)."
    )
    acceptance_beta: float = Field(default=14, gt=0, description="The mean chance is alpha / (alpha + beta).")
    customer_value: int = Field(default=20_000, ge=1, description="What a customer who is kept is worth, minor units.")
    offer_cost: int = Field(default=1_000, ge=0, description="What an accepted offer costs, minor units.")
    contact_cost: int = Field(default=100, ge=0, description="What writing to one customer costs, minor units.")

    @model_validator(mode="after")
    def _worth_it(self) -> Self:
        if self.offer_cost >= self.customer_value:
            raise ValueError(f"offer_cost must be below customer_value ({self.customer_value})")
        return self
