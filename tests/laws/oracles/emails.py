"""Second opinions on the response to e-mails."""

from .case import Answer, Case, Row, days_since_newest, fading, oracle, share, slope
from .rows import human_clicks


def _human_clicks(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["event"] == "Email Link Clicked" and not row["bot_click"]]


def _human_opens(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["event"] == "Email Opened" and not row["machine_open"]]


def _delivered(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["event"] == "Email Delivered"]


@oracle
def emails_delivered(case: Case) -> Answer:
    return len(case.window("email_events", "Email Delivered"))


@oracle
def email_click_share(case: Case) -> Answer:
    rows = case.window("email_events")
    return share(len(_human_clicks(rows)), len(_delivered(rows)))


@oracle
def email_click_rate(case: Case) -> Answer:
    rows = case.history("email_events")
    if not rows:
        return None
    return (len(_human_clicks(rows)) + 0.3) / (len(_delivered(rows)) + 10)


@oracle
def email_open_share(case: Case) -> Answer:
    rows = case.window("email_events")
    return share(len(_human_opens(rows)), len(_delivered(rows)))


@oracle
def machine_open_share(case: Case) -> Answer:
    opens = case.history("email_events", "Email Opened")
    return share(len(opens) - len(_human_opens(opens)), len(opens))


@oracle
def days_since_last_click(case: Case) -> Answer:
    return days_since_newest(human_clicks(case))


@oracle
def days_since_last_open(case: Case) -> Answer:
    return days_since_newest(_human_opens(case.history("email_events")))


@oracle
def unclicked_streak(case: Case) -> Answer:
    rows = case.history("email_events")
    click_ages = [row["age"] for row in _human_clicks(rows)]
    delivered_ages = [row["age"] for row in _delivered(rows)]
    if not click_ages:
        return len(delivered_ages)
    return sum(age < min(click_ages) for age in delivered_ages)


@oracle
def fading_clicks(case: Case) -> Answer:
    return fading(human_clicks(case), 30)


@oracle
def open_momentum(case: Case) -> Answer:
    rows = case.history("email_events")
    if not rows:
        return None
    opens = _human_opens(rows)
    return fading(opens, 30) / (fading(opens, 180) + 0.1)


@oracle
def email_bounces(case: Case) -> Answer:
    return len(case.window("email_events", "Email Bounced"))


@oracle
def email_optouts(case: Case) -> Answer:
    return len(case.history("email_events", "Unsubscribed", "Email Marked as Spam"))


@oracle
def days_since_last_email(case: Case) -> Answer:
    return days_since_newest(case.history("email_events", "Email Delivered"))


@oracle
def email_pressure_change(case: Case) -> Answer:
    delivered = case.history("email_events", "Email Delivered")
    return share(6 * len(case.newer_than(30, delivered)), len(case.newer_than(180, delivered)))


@oracle
def click_momentum(case: Case) -> Answer:
    clicks = human_clicks(case)
    return fading(clicks, 14) / (fading(clicks, 120) + 0.1)


@oracle
def hard_bounces(case: Case) -> Answer:
    return sum(row["bounce_type"] == "hard" for row in case.history("email_events", "Email Bounced"))


@oracle
def click_slope(case: Case) -> Answer:
    return slope(human_clicks(case))
