"""A slow, plain second opinion on every feature, written from its definition and not from its body."""

from . import baskets, channels, emails, orders, rhythm, service, web  # noqa: F401  (importing a module enters its oracles)
from .case import ORACLES, Case
from .compare import disagreements

__all__ = ["ORACLES", "Case", "disagreements"]
