"""Who is left alone, so that what writing changed can be measured."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

import pandas as pd


def draw(salt: str, list_name: str, customer_id: str) -> float:
    """A number in [0, 1) that depends on nothing else: the same customer draws the same one in every run."""
    text = json.dumps([salt, list_name, customer_id])
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:6], "big") / 2**48


def arms(customer_ids: Iterable[str], *, list_name: str, salt: str, holdout_share: float) -> pd.Series:
    """``treat`` or ``holdout`` for each of ``customer_ids``, in their order."""
    drawn = [draw(salt, list_name, customer_id) for customer_id in customer_ids]
    return pd.Series(["holdout" if number < holdout_share else "treat" for number in drawn], dtype="str")
