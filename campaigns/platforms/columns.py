"""The columns of our own list files, whatever the platform: what each says and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "whole", "number", "amount", "date", "days_ahead"]


@dataclass(frozen=True)
class Column:
    """One column; ``source`` is a column of the candidates, or with ``of_context`` a field of the :class:`Context`."""

    name: str
    source: str
    kind: Kind
    about: str
    decimals: int = 0
    of_context: bool = False


@dataclass(frozen=True)
class Context:
    """What all rows of a list share: the day of the scores (``YYYY-MM-DD``), and how amounts are written."""

    score_date: str
    horizon_days: int
    minor_digits: int = 2
    model_version: str = ""


COLUMNS = (
    Column("churn_list", "list", "text", "The list this row belongs to."),
    Column("churn_campaign", "campaign", "text", "The list and the start of its period; one message per person."),
    Column("churn_group", "group", "text", "Always 'treat' here: people held out are in no file."),
    Column("churn_arm", "arm", "text", "Arm of an A/B test, such as a subject line."),
    Column("churn_step", "step", "whole", "Number of the message in a series."),
    Column("churn_score_date", "score_date", "date", "Day the scores speak of.", of_context=True),
    Column("churn_horizon_days", "horizon_days", "whole", "Days the probability looks ahead.", of_context=True),
    Column("churn_model_version", "model_version", "text", "The model behind the scores.", of_context=True),
    Column("churn_probability", "churn_probability", "number", "Probability of no order within the horizon.", 4),
    Column("churn_risk", "band", "text", "The probability in words: low, medium or high."),
    Column("churn_percentile", "percentile", "number", "Share of scored people with a lower risk, in percent.", 1),
    Column("churn_value_at_risk", "value_at_risk", "amount", "Probability times expected value, shop's currency."),
    Column("churn_expected_value", "expected_value", "amount", "What the person would bring, shop's currency."),
    Column("churn_expected_next_order", "next_order_expected", "days_ahead", "Day the next order is expected."),
    Column("churn_days_since_order", "days_since_order", "whole", "Whole days since the last order."),
    Column("churn_usual_gap_days", "usual_gap_days", "number", "Usual days between two orders.", 1),
    Column("churn_act_by", "act_by", "date", "Half of those who reorder by themselves have done so by then."),
    Column("churn_rfm_segment", "rfm_segment", "text", "Segment by recency, frequency and money."),
    Column("churn_lifecycle", "lifecycle", "text", "Where the person stands as a customer."),
    Column("churn_value_tier", "value_tier", "text", "How much the person has bought."),
    Column("churn_main_interest", "main_interest", "text", "Category bought or looked at most."),
    Column("churn_discount_dependence", "discount_dependence", "text", "How often orders needed a discount."),
    Column("churn_why_now", "why_now", "text", "Why the person is on this list today, as a sentence."),
    Column("churn_reason_1", "reason_1", "text", "First reason behind the risk."),
    Column("churn_reason_2", "reason_2", "text", "Second reason behind the risk."),
    Column("churn_reason_3", "reason_3", "text", "Third reason behind the risk."),
    Column("churn_product_1", "product_1", "text", "First product to show."),
    Column("churn_product_2", "product_2", "text", "Second product to show."),
    Column("churn_product_3", "product_3", "text", "Third product to show."),
    Column("churn_action", "action", "text", "Suggested action."),
    Column("churn_offer", "offer", "text", "Suggested level of the offer."),
    Column("churn_send_hour", "send_hour", "whole", "Best hour to send, 0 to 23, shop's time."),
    Column("churn_send_weekday", "send_weekday", "text", "Best weekday to send."),
    Column("churn_tier", "tier", "text", "Tier in the loyalty scheme."),
    Column("churn_points", "points", "whole", "Points in the loyalty scheme."),
    Column("churn_cart_value", "cart_value", "amount", "Value of the open cart, shop's currency."),
)
"""In the order of the neutral file. None of them may speak of consent: an upload must not opt anybody in."""

BY_NAME = {column.name: column for column in COLUMNS}

MAY_BE_ABSENT = frozenset({"next_order_expected"})
"""Candidates that lack another source are refused; these columns are then written empty."""

IDENTIFIERS = {"customer_id": "shop_id", "email": "email"}
"""The shop's own id and the address, and the vault's columns that hold them."""
