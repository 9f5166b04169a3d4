"""Whether a customer buys at a discount only."""

from __future__ import annotations

from typing import Any

from features.arithmetic import count_where, days, share
from features.catalogue import Table, Words, feature
from features.orders import is_discounted
from timeline import DAY_US

_LATELY_US = 180 * DAY_US


@feature(
    view="purchases",
    family="discount",
    unit="share",
    absent=None,
    label="Share of orders at a discount in the last {days} days",
    high="buys at a discount more often than most",
    low="buys at full price more often than most",
    says="{value} of the orders in the last {days} days were at a discount",
    urdu=Words(
        label="پچھلے {days} دن میں رعایت والے آرڈرز کا تناسب",
        high="اکثر گاہکوں سے زیادہ بار رعایت پر خریدتے ہیں",
        low="اکثر گاہکوں سے زیادہ بار پوری قیمت پر خریدتے ہیں",
        says="پچھلے {days} دن کے آرڈرز میں سے {value} رعایت پر تھے",
    ),
)
def discounted_order_share(t: Table) -> Any:
    """Completed orders with a discount above zero or a coupon ÷ completed orders in the window."""
    return share(count_where(is_discounted(t)), t.count())


@feature(
    view="purchases",
    family="discount",
    unit="share",
    absent=None,
    label="Share of all orders at a discount",
    high="buys at a discount more often than most",
    low="buys at full price more often than most",
    says="{value} of all orders so far were at a discount",
    urdu=Words(
        label="تمام آرڈرز میں رعایت والے آرڈرز کا تناسب",
        high="اکثر گاہکوں سے زیادہ بار رعایت پر خریدتے ہیں",
        low="اکثر گاہکوں سے زیادہ بار پوری قیمت پر خریدتے ہیں",
        says="اب تک کے تمام آرڈرز میں سے {value} رعایت پر تھے",
    ),
)
def discounted_order_share_so_far(t: Table) -> Any:
    """Completed orders with a discount above zero or a coupon ÷ completed orders in the whole history."""
    return share(count_where(is_discounted(t)), t.count())


@feature(
    view="purchases",
    family="discount",
    unit="share",
    absent=None,
    label="Discount depth in the last {days} days",
    high="gets deeper discounts than most",
    low="gets smaller discounts than most",
    says="discounts took {value} off the price in the last {days} days",
    urdu=Words(
        label="پچھلے {days} دن میں ملنے والی رعایت کی شرح",
        high="اکثر گاہکوں سے بڑی رعایت لیتے ہیں",
        low="اکثر گاہکوں سے چھوٹی رعایت لیتے ہیں",
        says="پچھلے {days} دن میں قیمت پر {value} رعایت ملی",
    ),
)
def discount_depth(t: Table) -> Any:
    """Sum of discount ÷ (sum of revenue + sum of discount) over completed orders; a missing discount is zero."""
    off = t.discount.fill_null(0).sum()
    return share(off, t.revenue.sum() + off)


@feature(
    view="purchases",
    family="frequency",
    unit="count",
    absent=0,
    label="Orders at full price in the last {days} days",
    high="buys at full price more often than most",
    low="buys at full price less often than most",
    says="orders at full price in the last {days} days: {value}",
    urdu=Words(
        label="پچھلے {days} دن میں پوری قیمت والے آرڈر",
        high="اکثر گاہکوں سے زیادہ بار پوری قیمت پر خریدتے ہیں",
        low="اکثر گاہکوں سے کم بار پوری قیمت پر خریدتے ہیں",
        says="پچھلے {days} دن میں پوری قیمت والے آرڈر: {value}",
    ),
)
def full_price_orders(t: Table) -> Any:
    """Completed orders with neither a discount above zero nor a coupon in the window."""
    return count_where(~is_discounted(t))


@feature(
    view="purchases",
    family="rhythm",
    unit="days",
    absent=None,
    label="Days since the last full-price order",
    high="has not paid full price for longer than most",
    low="paid full price more recently than most",
    says="last full-price order {value} days ago",
    urdu=Words(
        label="پوری قیمت والے آخری آرڈر کو کتنے دن ہوئے",
        high="اکثر گاہکوں کی نسبت زیادہ عرصے سے پوری قیمت پر نہیں خریدا",
        low="پوری قیمت والے آخری آرڈر کو اکثر گاہکوں کی نسبت کم دن ہوئے ہیں",
        says="پوری قیمت والا آخری آرڈر: {value} دن پہلے",
    ),
)
def days_since_full_price_order(t: Table) -> Any:
    """Days since the newest completed order with neither discount nor coupon; missing if there was none."""
    return days((~is_discounted(t)).ifelse(t.age_us, None).min())


@feature(
    view="placed_orders",
    family="discount",
    unit="count",
    absent=0,
    label="Orders at a discount since the last full-price one",
    high="has placed more orders in a row at a discount than most",
    low="ordered at full price more recently than most",
    says="orders at a discount since the last full-price one: {value}",
    urdu=Words(
        label="پوری قیمت والے آخری آرڈر کے بعد رعایت والے آرڈر",
        high="اکثر گاہکوں سے زیادہ آرڈر لگاتار رعایت پر کیے",
        low="پوری قیمت والا آرڈر اکثر گاہکوں کی نسبت کم عرصہ پہلے کیا",
        says="پوری قیمت والے آخری آرڈر کے بعد رعایت والے آرڈر: {value}",
    ),
)
def discounted_streak(t: Table) -> Any:
    """Completed orders younger than the newest completed order without discount and coupon; all if there is none."""
    return count_where(t.full_price_age_us.isnull() | (t.age_us < t.full_price_age_us))


@feature(
    view="placed_orders",
    family="discount",
    unit="share",
    absent=None,
    label="Discount on the latest order",
    high="the latest order came at a deep discount",
    low="the latest order came at little or no discount",
    says="discounts took {value} off the latest order",
    urdu=Words(
        "آخری آرڈر پر رعایت",
        "آخری آرڈر بڑی رعایت پر تھا",
        "آخری آرڈر پر رعایت کم یا بالکل نہیں تھی",
        "آخری آرڈر پر {value} رعایت ملی",
    ),
)
def latest_order_discount(t: Table) -> Any:
    """Sum of discount ÷ (sum of revenue + sum of discount) over the completed orders of the smallest age."""
    is_latest = t.age_us == t.newest_age_us
    off = t.discount.fill_null(0).sum(where=is_latest)
    return share(off, t.revenue.sum(where=is_latest) + off)


@feature(
    view="purchases",
    family="discount",
    unit="share",
    absent=None,
    label="Change in the share of orders at a discount",
    high="buys at a discount more often than before",
    low="buys at a discount less often than before",
    says="share of orders at a discount in the last 180 days minus the share before: {value}",
    urdu=Words(
        "رعایت والے آرڈرز کے تناسب میں تبدیلی",
        "پہلے سے زیادہ بار رعایت پر خریدتے ہیں",
        "پہلے سے کم بار رعایت پر خریدتے ہیں",
        "پچھلے 180 دن میں رعایت والے آرڈرز کا تناسب، پہلے کے تناسب سے فرق: {value}",
    ),
)
def discount_share_change(t: Table) -> Any:
    """Share of discounted orders up to 180 days old − the share among older ones; missing where there are none."""
    at_discount, lately = is_discounted(t), t.age_us <= _LATELY_US
    now = share(count_where(at_discount & lately), count_where(lately))
    return now - share(count_where(at_discount & ~lately), count_where(~lately))
