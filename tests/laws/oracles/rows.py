"""The rows that several oracles look at, made by hand from one customer's events."""

from itertools import pairwise

from .case import DAY, Case, Row


def completed_orders(case: Case) -> list[Row]:
    return case.history("orders", "Order Completed")


def at_newest(rows: list[Row]) -> list[Row]:
    """All rows of the newest instant."""
    newest = min((row["age"] for row in rows), default=None)
    return [row for row in rows if row["age"] == newest]


def at_oldest(rows: list[Row]) -> list[Row]:
    """All rows of the oldest instant."""
    oldest = max((row["age"] for row in rows), default=None)
    return [row for row in rows if row["age"] == oldest]


def by_day(rows: list[Row]) -> list[Row]:
    """The newest row of each day, the newest day first; days are counted back from the cutoff."""
    newest: dict[int, int] = {}
    for row in rows:
        day = row["age"] // DAY
        newest[day] = min(row["age"], newest.get(day, row["age"]))
    return [{"days_ago": day, "age": newest[day]} for day in sorted(newest)]


def order_days(case: Case) -> list[Row]:
    return by_day(completed_orders(case))


def gaps_between(days: list[Row]) -> list[int]:
    """Whole days between neighbouring days, the latest gap first."""
    return [older["days_ago"] - newer["days_ago"] for newer, older in pairwise(days)]


def sessions(case: Case) -> list[Row]:
    """One row per session: what happened in it, and the ages of its newest and of its oldest event.

    The events without a session id that are equally many whole days old make one session.
    """
    found: dict[object, Row] = {}
    for row in case.history("web_events"):
        session = row["session_id"] if row["session_id"] is not None else row["age"] // DAY
        visit = found.setdefault(session, {"age": row["age"], "start_age": row["age"], "events": []})
        visit["age"] = min(visit["age"], row["age"])
        visit["start_age"] = max(visit["start_age"], row["age"])
        visit["events"].append(row["event"])
    return list(found.values())


def human_clicks(case: Case) -> list[Row]:
    return [row for row in case.history("email_events", "Email Link Clicked") if not row["bot_click"]]
