"""Platforms that send: each a profile in YAML, read and written by one engine."""

from campaigns.platforms.columns import COLUMNS, Column, Context
from campaigns.platforms.profile import Profile, load, names
from campaigns.platforms.writing import Written

__all__ = ["COLUMNS", "Column", "Context", "Profile", "Written", "load", "names"]
