"""Whom we contact: list recipes, guards, holdouts, the contact ledger, and what leaves for the e-mail platform."""

from campaigns.cells import neutral_cell
from campaigns.errors import ListError, RecipeError, StaleListError

__all__ = ["ListError", "RecipeError", "StaleListError", "neutral_cell"]
