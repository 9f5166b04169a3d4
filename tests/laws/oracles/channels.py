"""Second opinions on what several channels say together: orders, the web, clicked e-mails."""

from statistics import median

from .case import DAY, Answer, Case, Row, days_since_newest, oracle, share
from .rows import completed_orders, human_clicks, order_days, sessions

HOUR = DAY // 24


def _signs_of_life(case: Case) -> dict[str, list[Row]]:
    """The rows of each channel that was ever used."""
    channels = {"order": completed_orders(case), "web": case.history("web_events"), "e-mail": human_clicks(case)}
    return {channel: rows for channel, rows in channels.items() if rows}


def _ages(case: Case) -> dict[str, int]:
    """How long each channel that was ever used has been silent."""
    return {channel: min(row["age"] for row in rows) for channel, rows in _signs_of_life(case).items()}


def _is_first_silent(case: Case, channel: str) -> Answer:
    ages = _ages(case)
    if len(ages) < 2:
        return None
    return int(channel in ages and ages[channel] == max(ages.values()))


def _lead_days(case: Case, channel: str) -> Answer:
    ages = _ages(case)
    return (ages[channel] - ages["order"]) / DAY if {channel, "order"} <= ages.keys() else None


def _click_moments(case: Case) -> list[int]:
    return sorted({click["age"] for click in human_clicks(case)})


def _waits_for_visit(case: Case) -> list[int]:
    """The wait after each click moment that was followed by a session within seven days."""
    starts = [visit["start_age"] for visit in sessions(case)]
    waits = []
    for moment in _click_moments(case):
        followed = [moment - start for start in starts if 0 <= moment - start <= 7 * DAY]
        if followed:
            waits.append(min(followed))
    return waits


def _trend_180(rows: list[Row]) -> float:
    newer = sum(row["age"] <= 90 * DAY for row in rows)
    older = sum(90 * DAY < row["age"] <= 180 * DAY for row in rows)
    return (newer - older) / (newer + older + 1)


@oracle
def days_since_any_touch(case: Case) -> Answer:
    return days_since_newest([row for rows in _signs_of_life(case).values() for row in rows])


@oracle
def active_channels(case: Case) -> Answer:
    return sum(bool(case.newer_than(case.days, rows)) for rows in _signs_of_life(case).values())


@oracle
def orders_first_silent(case: Case) -> Answer:
    return _is_first_silent(case, "order")


@oracle
def web_first_silent(case: Case) -> Answer:
    return _is_first_silent(case, "web")


@oracle
def email_first_silent(case: Case) -> Answer:
    return _is_first_silent(case, "e-mail")


@oracle
def silent_channels(case: Case) -> Answer:
    return sum(age > 60 * DAY for age in _ages(case).values())


@oracle
def visit_silence_lead_days(case: Case) -> Answer:
    return _lead_days(case, "web")


@oracle
def click_silence_lead_days(case: Case) -> Answer:
    return _lead_days(case, "e-mail")


@oracle
def click_to_visit_hours(case: Case) -> Answer:
    waits = _waits_for_visit(case)
    return median(waits) / HOUR if waits else None


@oracle
def clicks_with_visit_share(case: Case) -> Answer:
    return share(sum(wait <= DAY for wait in _waits_for_visit(case)), len(_click_moments(case)))


@oracle
def clicks_with_order_share(case: Case) -> Answer:
    orders = [order["age"] for order in completed_orders(case)]
    moments = _click_moments(case)
    followed = [moment for moment in moments if any(0 <= moment - age <= 7 * DAY for age in orders)]
    return share(len(followed), len(moments))


@oracle
def browsing_without_buying(case: Case) -> Answer:
    return _trend_180(sessions(case)) - _trend_180(order_days(case))
