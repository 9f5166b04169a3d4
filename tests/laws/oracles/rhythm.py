"""Second opinions on when a customer orders: days with an order, and the gaps between them."""

from collections import Counter
from statistics import mean, median, pstdev

from .case import DAY, Answer, Case, Row, days_since_newest, fading, oracle, slope, trend
from .rows import gaps_between, order_days


def _window(case: Case) -> list[Row]:
    return case.newer_than(case.days, order_days(case))


def _gaps(case: Case) -> list[int]:
    return gaps_between(order_days(case))


@oracle
def days_since_last_order(case: Case) -> Answer:
    return days_since_newest(order_days(case))


@oracle
def usual_gap_days(case: Case) -> Answer:
    gaps = _gaps(case)
    return median(gaps) if gaps else None


@oracle
def average_gap_days(case: Case) -> Answer:
    gaps = _gaps(case)
    return sum(gaps) / len(gaps) if gaps else None


@oracle
def gap_spread_days(case: Case) -> Answer:
    gaps = _gaps(case)
    return pstdev(gaps) if len(gaps) >= 2 else None


@oracle
def longest_gap_days(case: Case) -> Answer:
    return max(_gaps(case), default=None)


@oracle
def latest_gap_days(case: Case) -> Answer:
    gaps = _gaps(case)
    return gaps[0] if gaps else None


@oracle
def overdue_ratio(case: Case) -> Answer:
    gaps = _gaps(case)
    if not gaps:
        return None
    return order_days(case)[0]["age"] / DAY / max(median(gaps), 1)


@oracle
def overdue_score(case: Case) -> Answer:
    gaps = _gaps(case)
    if len(gaps) < 2:
        return None
    return (order_days(case)[0]["age"] / DAY - mean(gaps)) / (pstdev(gaps) + 7)


@oracle
def pause_to_longest(case: Case) -> Answer:
    gaps = _gaps(case)
    if not gaps:
        return None
    return order_days(case)[0]["age"] / DAY / max(max(gaps), 1)


@oracle
def gap_variation(case: Case) -> Answer:
    gaps = _gaps(case)
    return pstdev(gaps) / mean(gaps) if len(gaps) >= 2 else None


@oracle
def latest_gap_to_average(case: Case) -> Answer:
    gaps = _gaps(case)
    return gaps[0] / mean(gaps) if gaps else None


@oracle
def days_with_order(case: Case) -> Answer:
    return len(_window(case))


@oracle
def days_with_order_so_far(case: Case) -> Answer:
    return len(order_days(case))


@oracle
def days_since_first_order(case: Case) -> Answer:
    days = order_days(case)
    return days[-1]["age"] / DAY if days else None


@oracle
def repeat_rate(case: Case) -> Answer:
    days = order_days(case)
    if not days:
        return None
    return (len(days) - 1) * 30 / max(days[-1]["age"] / DAY, 30)


@oracle
def average_order_age(case: Case) -> Answer:
    days = _window(case)
    return sum(row["days_ago"] for row in days) / len(days) if days else None


@oracle
def fading_orders(case: Case) -> Answer:
    return fading(order_days(case), 90)


@oracle
def order_momentum(case: Case) -> Answer:
    days = order_days(case)
    return fading(days, 30) / (fading(days, 180) + 0.1) if days else None


@oracle
def order_trend(case: Case) -> Answer:
    return trend(_window(case), case)


@oracle
def orders_same_season_last_year(case: Case) -> Answer:
    return sum(268 <= row["days_ago"] < 365 for row in order_days(case))


@oracle
def coming_season_share(case: Case) -> Answer:
    days = order_days(case)
    return sum(row["days_ago"] % 365 >= 268 for row in days) / len(days) if days else None


@oracle
def busiest_month_share(case: Case) -> Answer:
    months = Counter(row["days_ago"] // 30 for row in order_days(case))
    return max(months.values()) / months.total() if months else None


@oracle
def recent_gaps_to_average(case: Case) -> Answer:
    gaps = _gaps(case)
    return mean(gaps[:3]) / mean(gaps) if len(gaps) >= 3 else None


@oracle
def order_slope(case: Case) -> Answer:
    return slope(order_days(case))


@oracle
def days_to_second_order(case: Case) -> Answer:
    gaps = _gaps(case)
    return gaps[-1] if gaps else None
