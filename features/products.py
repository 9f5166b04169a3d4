"""What a customer buys: how widely, and what is due to be bought again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ibis

from features.arithmetic import count_where, days, share
from features.catalogue import Table, Words, feature, view
from timeline import DAY_US

_NEW_US = 90 * DAY_US


@view(needs=("order_items",))
def items(rows: Mapping[str, Table]) -> Table:
    """One row per product line of a completed order."""
    lines = rows["order_items"]
    return lines.filter(lines.event == "Order Completed")


@view(needs=("items",))
def baskets(rows: Mapping[str, Table]) -> Table:
    """One row per customer and order id with completed lines, as old as the newest of them.

    Beside it stands the age of the customer's oldest basket.
    """
    lines = rows["items"]
    filled = lines.group_by("customer_id", "order_id").agg(
        age_us=lines.age_us.min(),
        lines=lines.count(),
        pieces=lines.quantity.sum(),
        amount=(lines.price * lines.quantity).sum(),
    )
    return filled.mutate(oldest_age_us=filled.age_us.max().over(ibis.window(group_by="customer_id")))


@view(needs=("items",))
def products(rows: Mapping[str, Table]) -> Table:
    """One row per customer and product bought, as old as its newest line, with the days on which it was bought.

    ``span_days`` is the whole days between the first and the last of these days.
    """
    lines = rows["items"]
    dated = lines.filter(lines.product_id.notnull())
    dated = dated.mutate(days_ago=(dated.age_us // DAY_US).cast("int64"))
    bought = dated.group_by("customer_id", "product_id", "days_ago").agg(age_us=dated.age_us.min())
    return bought.group_by("customer_id", "product_id").agg(
        age_us=bought.age_us.min(),
        days_bought=bought.count(),
        span_days=bought.days_ago.max() - bought.days_ago.min(),
    )


@view(needs=("items",))
def categories(rows: Mapping[str, Table]) -> Table:
    """One row per customer and category bought from, as old as its newest line, with the age of its oldest line."""
    lines = rows["items"]
    known = lines.filter(lines.category.notnull())
    return known.group_by("customer_id", "category").agg(
        age_us=known.age_us.min(), oldest_age_us=known.age_us.max(), lines=known.count()
    )


@feature(
    view="products",
    family="range",
    unit="count",
    absent=0,
    label="Different products bought in the last {days} days",
    high="buys more different products than most",
    low="buys fewer different products than most",
    says="different products bought in the last {days} days: {value}",
    urdu=Words(
        label="پچھلے {days} دن میں خریدی گئی مختلف پروڈکٹس",
        high="اکثر گاہکوں سے زیادہ مختلف پروڈکٹس خریدتے ہیں",
        low="اکثر گاہکوں سے کم مختلف پروڈکٹس خریدتے ہیں",
        says="پچھلے {days} دن میں خریدی گئی مختلف پروڈکٹس: {value}",
    ),
)
def products_bought(t: Table) -> Any:
    """Number of distinct product ids on completed order lines in the window."""
    return t.count()


@feature(
    view="categories",
    family="range",
    unit="count",
    absent=0,
    label="Different categories bought in the last {days} days",
    high="buys from more categories than most",
    low="buys from fewer categories than most",
    says="categories bought from: {value} in the last {days} days",
    urdu=Words(
        label="پچھلے {days} دن میں خریداری کی مختلف کیٹیگریز",
        high="اکثر گاہکوں سے زیادہ کیٹیگریز سے خریدتے ہیں",
        low="اکثر گاہکوں سے کم کیٹیگریز سے خریدتے ہیں",
        says="پچھلے {days} دن میں خریداری کی مختلف کیٹیگریز: {value}",
    ),
)
def categories_bought(t: Table) -> Any:
    """Number of distinct categories on completed order lines in the window; a missing category does not count."""
    return t.count()


@feature(
    view="baskets",
    family="range",
    unit="ratio",
    absent=None,
    label="Pieces per order",
    high="buys more pieces an order than most",
    low="buys fewer pieces an order than most",
    says="pieces an order: {value}",
    urdu=Words(
        label="فی آرڈر چیزوں کی تعداد",
        high="ایک آرڈر میں اکثر گاہکوں سے زیادہ چیزیں خریدتے ہیں",
        low="ایک آرڈر میں اکثر گاہکوں سے کم چیزیں خریدتے ہیں",
        says="فی آرڈر چیزوں کی تعداد: {value}",
    ),
)
def pieces_per_order(t: Table) -> Any:
    """Sum of quantity ÷ distinct order ids over completed order lines."""
    return share(t.pieces.sum(), t.count())


@feature(
    view="baskets",
    family="range",
    unit="money",
    absent=None,
    label="Price of a piece",
    high="buys dearer pieces than most",
    low="buys cheaper pieces than most",
    says="a piece costs {value} on average, before discounts",
    urdu=Words(
        "ایک چیز کی اوسط قیمت",
        "اکثر گاہکوں سے مہنگی چیزیں خریدتے ہیں",
        "اکثر گاہکوں سے سستی چیزیں خریدتے ہیں",
        "رعایت سے پہلے ایک چیز کی اوسط قیمت: {value}",
    ),
)
def price_per_piece(t: Table) -> Any:
    """Sum of price × quantity ÷ sum of quantity over completed order lines, in minor units."""
    return share(t.amount.sum(), t.pieces.sum())


@feature(
    view="categories",
    family="range",
    unit="share",
    absent=None,
    label="Share of the favourite category",
    high="buys mostly from one category",
    low="spreads the buying over more categories than most",
    says="{value} of all bought product lines are of one category",
    urdu=Words(
        "پسندیدہ کیٹیگری کا تناسب",
        "زیادہ تر ایک ہی کیٹیگری سے خریدتے ہیں",
        "خریداری اکثر گاہکوں سے زیادہ کیٹیگریز میں بٹی ہوئی ہے",
        "خریدی گئی پروڈکٹس میں سے {value} ایک ہی کیٹیگری کی ہیں",
    ),
)
def top_category_share(t: Table) -> Any:
    """Completed order lines of the category with most of them ÷ all those with a category."""
    return share(t.lines.max(), t.lines.sum())


@feature(
    view="categories",
    family="range",
    unit="ratio",
    absent=None,
    label="Breadth of the buying in categories",
    high="spreads the buying more evenly over categories than most",
    low="keeps to fewer categories than most",
    says="buys as widely as if the purchases were spread evenly over {value} categories",
    urdu=Words(
        "کیٹیگریز میں خریداری کا پھیلاؤ",
        "خریداری اکثر گاہکوں سے زیادہ کیٹیگریز میں برابر بٹی ہوئی ہے",
        "اکثر گاہکوں سے کم کیٹیگریز تک محدود رہتے ہیں",
        "خریداری اتنی پھیلی ہوئی ہے جیسے {value} کیٹیگریز میں برابر بٹی ہو",
    ),
)
def effective_categories(t: Table) -> Any:
    """(Completed order lines with a category)² ÷ the sum over categories of the square of their lines."""
    lines = t.lines.sum()
    return share(lines * lines, (t.lines * t.lines).sum())


@feature(
    view="categories",
    family="range",
    unit="count",
    absent=0,
    label="Categories first bought in the last 90 days",
    high="has discovered more new categories of late than most",
    low="has discovered fewer new categories of late than most",
    says="categories bought from for the first time in the last 90 days: {value}",
    urdu=Words(
        "پچھلے 90 دن میں پہلی بار خریدی گئی کیٹیگریز",
        "حال میں اکثر گاہکوں سے زیادہ نئی کیٹیگریز آزمائی ہیں",
        "حال میں اکثر گاہکوں سے کم نئی کیٹیگریز آزمائی ہیں",
        "پچھلے 90 دن میں پہلی بار خریدی گئی کیٹیگریز: {value}",
    ),
)
def new_categories(t: Table) -> Any:
    """Categories all of whose completed order lines are at most 90 days old."""
    return count_where(t.oldest_age_us <= _NEW_US)


@feature(
    view="products",
    family="replenishment",
    unit="count",
    absent=0,
    label="Products bought again and again",
    high="buys more products regularly than most",
    low="buys fewer products regularly than most",
    says="products bought on more than one day: {value}",
    urdu=Words(
        "بار بار خریدی جانے والی پروڈکٹس",
        "اکثر گاہکوں سے زیادہ پروڈکٹس بار بار خریدتے ہیں",
        "اکثر گاہکوں سے کم پروڈکٹس بار بار خریدتے ہیں",
        "ایک سے زیادہ دن خریدی گئی پروڈکٹس: {value}",
    ),
)
def repeat_products(t: Table) -> Any:
    """Products on completed order lines of at least two whole days (age // 24 hours)."""
    return count_where(t.days_bought >= 2)


@feature(
    view="products",
    family="replenishment",
    unit="share",
    absent=None,
    label="Share of the products bought again",
    high="buys the same products again more than most",
    low="buys the same products again less than most",
    says="{value} of the products were bought on more than one day",
    urdu=Words(
        "دوبارہ خریدی گئی پروڈکٹس کا تناسب",
        "وہی پروڈکٹس اکثر گاہکوں سے زیادہ دوبارہ خریدتے ہیں",
        "وہی پروڈکٹس اکثر گاہکوں سے کم دوبارہ خریدتے ہیں",
        "خریدی گئی پروڈکٹس میں سے {value} ایک سے زیادہ دن خریدی گئیں",
    ),
)
def rebuy_share(t: Table) -> Any:
    """Products on completed order lines of at least two whole days ÷ all products bought."""
    return share(count_where(t.days_bought >= 2), t.count())


@feature(
    view="products",
    family="replenishment",
    unit="count",
    absent=0,
    label="Products due to be bought again",
    high="has more products due to be bought again than most",
    low="has fewer products due to be bought again than most",
    says="of {repeat_products} regularly bought products {value} are due again",
    urdu=Words(
        "پروڈکٹس جنہیں دوبارہ خریدنے کا وقت ہو گیا",
        "اکثر گاہکوں سے زیادہ پروڈکٹس دوبارہ خریدنے کا وقت ہو گیا ہے",
        "اکثر گاہکوں سے کم پروڈکٹس دوبارہ خریدنے کا وقت ہوا ہے",
        "بار بار خریدی جانے والی پروڈکٹس: {repeat_products}؛ ان میں سے جنہیں دوبارہ خریدنے کا وقت ہو گیا: {value}",
    ),
)
def products_due(t: Table) -> Any:
    """Products bought on two days or more, the newest line at least as old as their average whole-day gap."""
    return count_where((t.days_bought >= 2) & (t.age_us * (t.days_bought - 1) >= t.span_days * DAY_US))


@feature(
    view="products",
    family="replenishment",
    unit="ratio",
    absent=None,
    label="How overdue the regularly bought products are",
    high="is further behind with the usual products than most",
    low="has bought the usual products lately",
    says="regularly bought products were last bought {value} × their usual interval ago",
    urdu=Words(
        "بار بار خریدی جانے والی پروڈکٹس کو معمول کے کتنے وقفے گزرے",
        "معمول کی پروڈکٹس خریدنے میں اکثر گاہکوں کی نسبت زیادہ دیر ہو چکی ہے",
        "معمول کی پروڈکٹس حال میں خرید چکے ہیں",
        "بار بار خریدی جانے والی پروڈکٹس کو خریدے معمول کے وقفے کا {value} گنا وقت ہو چکا ہے",
    ),
)
def product_overdue_ratio(t: Table) -> Any:
    """Median, over products bought on two days or more, of days since the newest line ÷ average whole-day gap."""
    # A product bought on one day alone spans none, and so has no ratio.
    ratio = days(t.age_us) * (t.days_bought - 1) / t.span_days.nullif(0)
    return ratio.median()
