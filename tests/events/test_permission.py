"""What was said about writing to Anna, and what counts; a time is a day, `-` stands for none."""

from __future__ import annotations

import ibis
import pytest

from events.permission import COLUMNS, FLAGS, objectors_at, standing

DAY = 86_400_000_000


def logs(said: str) -> dict[str, ibis.Table]:
    """Logs from statements such as ``consent email no 3; state yes 5; mail spam 7; damaged opt_out -``."""
    rows: dict[str, list[dict[str, object]]] = {log: [] for log in COLUMNS}
    for number, one in enumerate(filter(None, said.split("; "))):
        what, *words, day = one.split()
        at = None if day == "-" else int(day) * DAY
        row: dict[str, object] = {"customer_id": "anna", "event_id": f"e{number}", "occurred_at": at or 0}
        status = {"yes": "subscribed", "no": "unsubscribed"}.get(words[-1], words[-1])
        if what == "consent":
            rows["consent_events"].append(row | {"channel": words[0], "status": status})
        elif what == "state":
            rows["customers"].append(row | {"email_consent": status, "email_consent_at": at})
        elif what == "flag":
            rows["customers"].append(row | {words[0]: True})
        elif what == "damaged":
            channel = {"channel": words[1] if words[1:] else "email"} if words[0] == "opt_out" else {}
            rows["restrictions"].append(row | {"restriction": words[0]} | channel)
        else:
            event = {"spam": "Email Marked as Spam", "left": "Unsubscribed"}.get(words[0], "Email Bounced")
            rows["email_events"].append(row | {"event": event, "bounce_type": words[0]})
    return {
        log: ibis.memtable(
            [{name: row.get(name) for name in columns} for row in rows[log]], schema=ibis.schema(dict(columns))
        )
        for log, columns in COLUMNS.items()
    }


def flags(said: str) -> set[str]:
    rows = standing(logs(said)).execute()
    return {flag for flag in ("agreed", *FLAGS) for value in rows[flag] if value}


CASES = [
    # what was said                                  what counts
    ("consent email yes 1", {"agreed"}),
    ("consent email yes 1; consent email no 2", {"opt_out"}),
    ("consent email no 1; consent email yes 2", {"agreed"}),
    ("consent email no 2; consent email yes 2", {"opt_out"}),
    ("consent email no 1; state yes -", {"opt_out"}),
    ("state yes -", {"agreed"}),
    ("state no -; consent email yes 9", {"opt_out"}),
    ("state no 1; consent email yes 2", {"agreed"}),
    ("state yes 5; mail left 7", {"opt_out"}),
    ("state yes 5; mail left 3", {"agreed"}),
    ("state never -; consent email yes 1", {"agreed"}),
    ("state unknown 3; consent email yes 1", set()),
    ("state never -", set()),
    ("consent sms no 3; consent email yes 1", {"agreed"}),
    ("consent profiling no 3; consent email yes 1", {"agreed", "objection"}),
    ("consent profiling no 3; consent profiling yes 4", set()),
    ("consent profiling no 3; consent email yes 4", {"agreed", "objection"}),
    ("damaged opt_out -; consent email yes 9", {"opt_out"}),
    ("damaged opt_out 3; consent email yes 9", {"agreed"}),
    ("damaged opt_out profiling -; consent profiling yes 9", {"objection"}),
    ("consent email yes 9; mail spam 1", {"agreed", "complaint"}),
    ("consent email yes 9; mail hard 1", {"agreed", "hard_bounce"}),
    ("consent email yes 9; mail soft 1", {"agreed"}),
    ("consent email yes 9; flag suppressed -", {"agreed", "suppressed"}),
    ("consent email yes 9; flag legal_hold -", {"agreed", "legal_hold"}),
    ("consent email yes 9; damaged unclear -", {"agreed", "unclear"}),
    ("consent email yes 9; damaged hard_bounce -", {"agreed", "hard_bounce"}),
]


@pytest.mark.parametrize(("said", "expected"), CASES)
def test_what_stands_against_a_person(said: str, expected: set[str]) -> None:
    assert flags(said) == expected


def test_an_objection_counts_from_the_moment_it_was_known() -> None:
    tables = {
        name: table.mutate(loaded_at=table.occurred_at + DAY) for name, table in logs("consent profiling no 3").items()
    }
    for day, objects in ((3, 0), (4, 0), (5, 1)):
        found = objectors_at(tables, day * DAY)
        assert found is not None
        assert found.count().execute() == objects
    assert objectors_at({}, 9 * DAY) is None


def test_an_objection_that_counts_until_the_end_of_its_day_is_known_from_its_beginning() -> None:
    said = logs("consent profiling yes 3; damaged opt_out profiling 4")
    tables = {log: rows.mutate(loaded_at=ibis.literal(3 * DAY, "int64")) for log, rows in said.items()}
    assert objectors_at(tables, 4 * DAY).execute()["customer_id"].tolist() == ["anna"]
    assert objectors_at(tables, 3 * DAY).execute().empty
