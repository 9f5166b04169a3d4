"""The simulation section of the parameters."""

from pydantic import BaseModel, ConfigDict, Field


class SimulationSettings(BaseModel):
    """How large a shop to simulate, and when. What its customers are like stands in ``simulation.rates``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(
        default=20230701, ge=0, description="Seed of every random draw; the same seed gives the same bytes."
    )
    customers: int = Field(default=20_000, ge=50, le=200_000, description="Customers who ever open an account.")
    months: int = Field(default=30, ge=6, le=60, description="Months of logs, counted from the first day.")
    first_day: str = Field(default="2023-07-01", description="First day of the logs (YYYY-MM-DD), a first of a month.")
    timezone: str = Field(
        default="Europe/London", description="Time zone of the shop's days and of the truth's month starts."
    )
    gap_days: int = Field(
        default=7, ge=0, le=30, description="Days between a cutoff and the window the truth speaks of."
    )
    planted_flaws: bool = Field(
        default=True, description="Whether the export holds the few broken rows a real one has."
    )
