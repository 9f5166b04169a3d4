"""The params section ``features``."""

from pydantic import BaseModel, ConfigDict, Field, field_validator


class FeatureSettings(BaseModel):
    """How far back the catalogue looks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    windows_days: tuple[int, ...] = Field(min_length=1, description="One column per windowed feature and window.")
    history_days: int = Field(ge=30, le=3650, description="How far back features without a window look.")

    @field_validator("windows_days")
    @classmethod
    def _ascending(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(days < 1 for days in value) or list(value) != sorted(set(value)):
            raise ValueError("must be whole numbers above 0, ascending, each once, such as [30, 90, 365]")
        return value
