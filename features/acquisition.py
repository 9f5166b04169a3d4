"""How a customer became one: the first order and what came before and after it."""

from __future__ import annotations

from typing import Any

from features.arithmetic import count_where, share
from features.catalogue import Table, Words, feature


@feature(
    view="placed_orders",
    family="acquisition",
    unit="money",
    absent=None,
    label="Value of the first order",
    high="began with a larger order than most",
    low="began with a smaller order than most",
    says="the first order was worth {value}",
    urdu=Words(
        "پہلے آرڈر کی رقم",
        "پہلا آرڈر اکثر گاہکوں سے بڑی رقم کا تھا",
        "پہلا آرڈر اکثر گاہکوں سے چھوٹی رقم کا تھا",
        "پہلے آرڈر کی رقم: {value}",
    ),
)
def first_order_value(t: Table) -> Any:
    """Average revenue of the completed orders of the largest age, in minor units."""
    is_first = t.age_us == t.oldest_age_us
    return share(t.revenue.sum(where=is_first), t.count(where=is_first))


@feature(
    view="placed_orders",
    family="acquisition",
    unit="share",
    absent=None,
    label="Discount on the first order",
    high="was won with a deep discount",
    low="began with little or no discount",
    says="discounts took {value} off the first order",
    urdu=Words(
        "پہلے آرڈر پر رعایت",
        "بڑی رعایت پر گاہک بنے",
        "پہلا آرڈر کم یا بغیر رعایت کے کیا",
        "پہلے آرڈر پر {value} رعایت ملی",
    ),
)
def first_order_discount(t: Table) -> Any:
    """Sum of discount ÷ (sum of revenue + sum of discount) over the completed orders of the largest age."""
    is_first = t.age_us == t.oldest_age_us
    off = t.discount.fill_null(0).sum(where=is_first)
    return share(off, t.revenue.sum(where=is_first) + off)


@feature(
    view="order_days",
    family="acquisition",
    unit="days",
    absent=None,
    label="Days from the first order to the second",
    high="took longer to order again than most",
    low="ordered again sooner than most",
    says="ordered again {value} days after the first order",
    urdu=Words(
        "پہلے آرڈر سے دوسرے آرڈر تک وقفہ (دن)",
        "دوسرا آرڈر اکثر گاہکوں کی نسبت زیادہ دن بعد کیا",
        "دوسرا آرڈر اکثر گاہکوں کی نسبت جلدی کیا",
        "پہلے آرڈر کے {value} دن بعد دوبارہ آرڈر کیا",
    ),
)
def days_to_second_order(t: Table) -> Any:
    """Gap that ends at the second oldest order day; missing below two order days."""
    return t.gap_days.argmax(t.days_ago, where=t.gap_days.notnull())


@feature(
    view="baskets",
    family="acquisition",
    unit="count",
    absent=None,
    label="Product lines on the first order",
    high="began with more products than most",
    low="began with fewer products than most",
    says="product lines on the first order: {value}",
    urdu=Words(
        "پہلے آرڈر میں پروڈکٹس کی تعداد",
        "پہلے آرڈر میں اکثر گاہکوں سے زیادہ پروڈکٹس لیں",
        "پہلے آرڈر میں اکثر گاہکوں سے کم پروڈکٹس لیں",
        "پہلے آرڈر میں پروڈکٹس کی تعداد: {value}",
    ),
)
def first_order_lines(t: Table) -> Any:
    """Completed order lines of the baskets of the largest age ÷ the number of these baskets."""
    is_first = t.age_us == t.oldest_age_us
    return share(t.lines.sum(where=is_first), t.count(where=is_first))


@feature(
    view="visits_and_orders",
    family="acquisition",
    unit="count",
    absent=0,
    label="Visits before the first order",
    high="looked around longer before the first order than most",
    low="ordered after fewer visits than most",
    says="visits before the first order: {value}",
    urdu=Words(
        "پہلے آرڈر سے پہلے ویب سائٹ کے وزٹ",
        "پہلے آرڈر سے پہلے اکثر گاہکوں سے زیادہ بار دیکھنے آئے",
        "پہلا آرڈر اکثر گاہکوں سے کم وزٹ کے بعد کر دیا",
        "پہلے آرڈر سے پہلے ویب سائٹ کے وزٹ: {value}",
    ),
)
def visits_before_first_order(t: Table) -> Any:
    """Sessions whose newest event is older than the oldest completed order; all of them if there is none."""
    return count_where(t.first_order_age_us.isnull() | (t.age_us > t.first_order_age_us))
