"""`wafa check`: damage in order, counts once, and whether it is enough; nothing is left behind and nothing changes."""

import sys
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from pipeline import cli
from pipeline.intake import check_data, reading
from pipeline.project import datasets, settings
from pipeline.project.errors import DataError
from tests.reports.test_data_quality import MANIFEST

FIRST = date(2024, 1, 1)
CUSTOMERS = 40


def write_shop(folder: Path, days: int = 400) -> None:
    """Orders on every day, tickets of half-known people, visits of strangers; a few rows of each are bad."""
    exports = folder / "exports"
    exports.mkdir(exist_ok=True)
    orders = ["order_id,customer_id,ordered_at,revenue"]
    for n in range(days):
        orders.append(f"o{n},k{n % CUSTOMERS},{FIRST + timedelta(days=n)}T10:00:00Z,12.50")
    orders += ["o-once,once,2024-01-05T10:00:00Z,1.00"]
    orders[3:3] = ["b1,k1,2024-01-05T25:00:00Z,1.00"]
    orders[5:5] = ["b2,k1,2024-01-05T10:00:00Z,a lot of canary"]
    (exports / "orders.csv").write_text("\n".join(orders) + "\n")
    tickets = ["ticket_id,customer_id,opened_at,satisfaction"]
    for n in range(20):
        tickets.append(f"t{n},{'k1' if n % 4 else 'nobody'},2024-02-{n + 1:02d}T10:00:00Z,{9 if n > 16 else 3}")
    (exports / "tickets.csv").write_text("\n".join(tickets) + "\n")
    visits = ["message_id,anonymous_id,customer_id,event,occurred_at,colour"]
    for n in range(20):
        visits.append(f"m{n},a{n},{'k1' if n < 5 else ''},Page Viewed,2024-02-{n + 1:02d}T10:00:00Z,red")
    (exports / "web.csv").write_text("\n".join(visits) + "\n")


@pytest.fixture
def shop(project, shipped):
    yaml = YAML()
    params = yaml.load(shipped)
    params["demo"] = []
    params["sources"] = {
        "path": "exports",
        "currency": "GBP",
        "own_logs": {},
        "logs": {
            "orders": {"file": "orders.csv"},
            "support_tickets": {"file": "tickets.csv"},
            "web_events": {"file": "web.csv"},
        },
    }
    params["cohort"].update({"horizon_days": 60, "gap_days": 0})
    params["engine"] = {"memory_limit": "500MB", "threads": 1}
    with datasets.PARAMS.open("w", encoding="utf-8") as file:
        yaml.dump(params, file)
    write_shop(project)
    return project


def changed_params(**sources):
    yaml = YAML()
    params = yaml.load(datasets.PARAMS.read_text(encoding="utf-8"))
    params["sources"].update(sources)
    with datasets.PARAMS.open("w", encoding="utf-8") as file:
        yaml.dump(params, file)


def told() -> list[str]:
    return list(check_data.check(settings.load()))


def files_below(folder) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_damage_comes_first_and_the_worst_of_it_first(shop):
    lines = told()
    assert lines[0] == "damage, the worst first:"
    # Three rows of tickets weigh less than one of orders.
    assert lines[1:4] == [
        "1. orders: 1 row (0.25 %) not_an_amount, first orders.csv:6:revenue. No plain amount such as 12.50; remove "
        "signs and separators, or declare decimal_comma.",
        "2. orders: 1 row (0.25 %) unparsable_time, first orders.csv:4:ordered_at. No ISO 8601 time; correct it, or "
        "declare time_format.",
        "3. support_tickets: 3 rows (15 %) satisfaction_not_1_to_5, first tickets.csv:19:satisfaction. Satisfaction "
        "goes from 1 to 5.",
    ]
    assert "canary" not in "\n".join(lines)


def test_every_log_is_counted_once(shop, capsys):
    lines = told()
    assert "orders: 401 rows, 2 set aside, 0 duplicates" in lines
    assert sum("401" in line for line in lines) == 1
    assert sum("colour" in line for line in lines) == 1
    assert sum("satisfaction_not_1_to_5" in line for line in lines) == 1
    assert "events," not in capsys.readouterr().out  # what the stage says of itself


def test_buyers_months_and_shares_of_known_customers(shop):
    lines = told()
    assert (
        "41 customers who ordered, 98% of them more than once; orders in 14 months, from 2024-01-01; complete until "
        "2025-02-03" in lines
    )
    assert "support_tickets: 71% of 17 tickets belong to a known customer" in lines
    assert "web_events: 25% of 20 page views and carts belong to a known customer" in lines
    assert [line for line in lines if line.startswith("warning: web_events says nothing about most customers.")]
    assert not [line for line in lines if line.startswith("warning: support_tickets says nothing")]
    assert lines[-1] == "enough for a model"
    assert any(line.startswith("eligible: customers who ordered in the 365 days") for line in lines)
    assert any("41 customers eligible at the newest cutoff" in line for line in lines)


def test_customers_of_the_customers_log_are_known_too(shop):
    (shop / "exports" / "customers.csv").write_text("customer_id,created_at\nnobody,2024-01-01T00:00:00Z\n")
    changed_params(
        logs={
            "orders": {"file": "orders.csv"},
            "support_tickets": {"file": "tickets.csv"},
            "customers": {"file": "customers.csv"},
        }
    )
    assert "support_tickets: 100% of 17 tickets belong to a known customer" in told()


def test_orders_that_end_long_before_the_data_are_a_warning(shop):
    newest = FIRST + timedelta(days=399)
    for days, warned in ((15, False), (16, True)):
        changed_params(complete_until=(newest + timedelta(days=days)).isoformat())
        found = [line for line in told() if line.startswith("warning: the newest order is of 2025-02-03")]
        assert bool(found) == warned, days


def test_nothing_is_left_behind_and_nothing_changes(shop):
    reading.run(settings.load(), datasets.EVENTS)
    orders = shop / "exports" / "orders.csv"
    orders.write_text(orders.read_text() + "bad,k1,never,1.00\n")
    kept = ("data", "state/quarantine", "state/vault.parquet")

    def state() -> dict[str, bytes]:
        return {name: data for name, data in files_below(shop).items() if name.startswith(kept)}

    before = state()
    assert any("unparsable_time" in line and "2 rows" in line for line in told())
    assert state() == before
    assert not (datasets.STATE / "check").exists()


def test_what_was_found_is_said_before_too_little_data_ends_it(shop, monkeypatch, capsys):
    write_shop(shop, days=50)
    monkeypatch.setattr(sys, "argv", ["wafa", "check"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capsys.readouterr()
    assert ended.value.code == DataError.exit_code
    assert "1. orders: 1 row" in out
    assert err.startswith("cohort: the orders from 2024-01-01")
    assert not (datasets.STATE / "check").exists()


def test_whole_files_and_missing_days_are_told_with_a_place():
    quarantine = pd.DataFrame(columns=["log", "file", "line", "rule", "column", "message", "raw"])
    lines = list(check_data.damage_lines(MANIFEST, quarantine))
    assert lines[1] == "1. support_tickets: a file was refused whole. tickets.csv: empty_file. cell-canary"
    assert lines[2] == (
        "2. orders: 3 days without a row, about 28 rows, 2025-03-02 to 2025-03-04. Export them again, unless the shop "
        "was closed."
    )
    assert lines[3].startswith("3. order_lines: 8 rows (0.8 %) unparsable_time. No ISO 8601 time")


def test_a_file_refused_whole_is_told_once(shop):
    (shop / "exports" / "web.csv").write_text("")
    (shop / "exports" / "tickets.csv").write_text("ticket_id\n1\n")
    logs = {
        "orders": {"file": "orders.csv"},
        "support_tickets": {"file": "tickets.csv", "bad_file": "set_aside"},
        "web_events": {"file": "web.csv", "bad_file": "set_aside"},
    }
    changed_params(logs=logs)
    lines = told()
    assert lines[1].startswith("1. support_tickets: a file was refused whole. tickets.csv: missing column")
    assert lines[2].startswith("2. web_events: a file was refused whole. web.csv: empty_file")
    assert [sum(name in line for line in lines) for name in ("tickets.csv", "web.csv")] == [1, 1]


def test_clean_logs_have_no_damage():
    logs = {"orders": {"rows": 1, "files": []}}
    columns = ["log", "file", "line", "rule", "column", "message", "raw"]
    assert list(check_data.damage_lines({"logs": logs}, pd.DataFrame(columns=columns))) == [
        "no damage: every row read was accepted, or stands twice"
    ]


def test_no_line_is_said_while_the_spinner_turns(shop, monkeypatch):
    turning = []

    @contextmanager
    def doing(title):
        turning.append(title)
        yield lambda step: None
        turning.remove(title)

    monkeypatch.setattr(check_data, "doing", doing)
    monkeypatch.setattr(reading, "doing", doing)
    for line in check_data.check(settings.load()):
        assert turning == [], line


def test_a_check_waits_for_nobody(shop, monkeypatch, capsys):
    from pipeline.project import run_pipeline

    monkeypatch.setattr(sys, "argv", ["wafa", "check"])
    with run_pipeline.hold_lock(), pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 75
