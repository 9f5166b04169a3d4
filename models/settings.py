"""The params section ``model``."""

from pydantic import BaseModel, ConfigDict, Field


class ModelSettings(BaseModel):
    """The classifier. The defaults are small on purpose: a bigger one scored worse out of time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trees: int = Field(ge=1, le=5000, description="Boosting rounds.")
    learning_rate: float = Field(gt=0, le=1, description="Shrinkage of each tree.")
    leaves: int = Field(ge=2, le=15, description="Leaves of a tree; reasons cost much more beyond 15.")
    min_rows_per_leaf: int = Field(ge=1, description="Fewest rows in a leaf.")
    column_share: float = Field(gt=0, le=1, description="Share of the columns each tree may use.")
    row_share: float = Field(gt=0, le=1, description="Share of the rows each tree sees.")
    l2: float = Field(ge=0, description="L2 penalty on leaf values.")
    seed: int = Field(ge=0, description="Same seed, same trees.")
    threads: int = Field(ge=1, description="LightGBM writes it into its file; scores do not depend on it.")
    bootstrap_draws: int = Field(ge=50, description="Draws of customers behind every interval.")
