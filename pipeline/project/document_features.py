"""Writes docs/features.md: every feature of the catalogue with its definition and a worked example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa

from events.logs import arrow_schema
from features import CATALOGUE, FAMILIES, VIEWS, Feature, MatrixBuilder, logs_behind
from features.settings import FeatureSettings
from pipeline.project import datasets
from timeline import DAY_US, parse_date

PAGE = Path("docs/features.md")
WINDOWS_DAYS = (30, 90, 365)
CUTOFF = parse_date("2026-01-01", "UTC")

Rows = Mapping[str, tuple[Sequence[str], Sequence[tuple[Any, ...]]]]

EXAMPLE: Rows = {
    "orders": (
        ("customer_id", "days_ago", "order_id", "event", "revenue", "discount", "coupon"),
        [
            ("anna", 400, "o1", "Order Completed", 4000, 0, None),
            ("anna", 300, "o2", "Order Completed", 5000, 500, "SPRING"),
            ("anna", 110, "o3", "Order Completed", 4500, 0, None),
            ("anna", 100, "o3", "Order Refunded", 4500, None, None),
            ("anna", 40.5, "o4", "Order Completed", 6000, 1000, None),
            ("bilal", 20, "o5", "Order Completed", 2500, 0, None),
        ],
    ),
    "order_items": (
        ("customer_id", "days_ago", "order_id", "event", "product_id", "category", "quantity", "price"),
        [
            ("anna", 400, "o1", "Order Completed", "coffee", "food", 2, 1000),
            ("anna", 400, "o1", "Order Completed", "mug", "home", 1, 2000),
            ("anna", 300, "o2", "Order Completed", "coffee", "food", 5, 1000),
            ("anna", 110, "o3", "Order Completed", "lamp", "home", 1, 4500),
            ("anna", 40.5, "o4", "Order Completed", "coffee", "food", 6, 1000),
            ("bilal", 20, "o5", "Order Completed", "scarf", "clothes", 1, 2500),
        ],
    ),
    "web_events": (
        ("customer_id", "days_ago", "session_id", "event"),
        [
            ("anna", 300, "s1", "Product Viewed"),
            ("anna", 41, "s2", "Product Viewed"),
            ("anna", 40.75, "s2", "Product Added"),
            ("anna", 40.5, "s2", "Order Completed"),
            ("anna", 9, "s3", "Product Viewed"),
            ("anna", 8.75, "s3", "Checkout Started"),
            ("bilal", 25, "s4", "Products Searched"),
            ("bilal", 20, "s5", "Order Completed"),
        ],
    ),
    "email_events": (
        ("customer_id", "days_ago", "event", "bounce_type", "machine_open", "bot_click"),
        [
            ("anna", 60, "Email Delivered", None, None, None),
            ("anna", 41.5, "Email Delivered", None, None, None),
            ("anna", 41.25, "Email Link Clicked", None, None, False),
            ("anna", 10, "Email Delivered", None, None, None),
            ("anna", 10, "Email Opened", None, True, None),
            ("anna", 3, "Email Delivered", None, None, None),
            ("anna", 2, "Email Opened", None, False, None),
            ("bilal", 15, "Email Bounced", "hard", None, None),
        ],
    ),
    "support_tickets": (
        ("customer_id", "days_ago", "ticket_id", "event", "satisfaction"),
        [
            ("anna", 105, "t1", "Ticket Opened", None),
            ("anna", 103, "t1", "Ticket Closed", 2),
            ("bilal", 5, "t2", "Ticket Opened", None),
        ],
    ),
    "deliveries": (
        ("customer_id", "days_ago", "order_id", "delay_hours"),
        [("anna", 297, "o2", -6), ("anna", 104, "o3", 48), ("anna", 37, "o4", 3)],
    ),
    "loyalty_events": (
        ("customer_id", "days_ago", "points"),
        [("anna", 300, 50), ("anna", 110, 45), ("anna", 60, -80)],
    ),
    "campaign_contacts": (
        ("customer_id", "days_ago", "campaign_id", "control"),
        [("anna", 75, "win-back", False), ("bilal", 2, "welcome", True)],
    ),
}
"""Rows of a tiny shop; ``days_ago`` stands for both times of an event. Chen has done nothing."""

CUSTOMERS = ("anna", "bilal", "chen")

HEAD = """# Features

Generated from the catalogue by `make docs`; the tests fail when it is not up to date. {count} definitions, {columns}
columns with the windows of the shipped `params.yaml` ({windows} days).

**Column**: a name with `_{{days}}d` stands for one column per window `[cutoff − days, cutoff)`. **Absent**: the value
of a customer without a row in the window; "unknown" is a missing value, which the model treats as one of its own.
**Actionable** families name something a shop can do; the others are context. Ages count from the cutoff: `age_us` is in
microseconds and always above zero, because nothing at or after the cutoff, or known only then, is read
([how that is checked](how-to/check-for-leaks.md)). How to add one: [add-a-feature.md](how-to/add-a-feature.md). What is
left out on purpose: [excluded-signals.md](excluded-signals.md).

A shop's own logs, declared under `sources.own_logs`, add `<log>_count_{{days}}d`, `days_since_<log>` and
`<log>_trend_{{days}}d`.

## The example: logs in

Three customers of a tiny shop; Chen has done nothing. `days_ago` is the time before the cutoff.
"""


def _logs(connection: Any) -> dict[str, Any]:
    tables = {}
    for log, (names, rows) in EXAMPLE.items():
        given = pd.DataFrame(rows, columns=list(names))
        at = (CUTOFF - given.pop("days_ago") * DAY_US).astype("int64")
        given = given.assign(occurred_at=at, loaded_at=at, event_id=[f"{log}-{n}" for n in range(len(given))])
        schema = arrow_schema(log)
        arrays = [
            pa.array([None if pd.isna(v) else v for v in given[field.name]], field.type)
            if field.name in given
            else pa.nulls(len(given), field.type)
            for field in schema
        ]
        tables[log] = connection.create_table(log, pa.Table.from_arrays(arrays, schema=schema))
    return tables


def _cell(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value)


def _table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [names, ["---"] * len(names), *[[_cell(value) for value in row] for row in rows]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _view(name: str, builder: MatrixBuilder) -> str:
    rows = builder.rows_of(name).sort_values(["customer_id", "age_us"], kind="stable")
    rows = rows.sort_values(list(rows.columns), kind="stable")
    named = rows.assign(
        customer_id=rows["customer_id"].map(lambda place: CUSTOMERS[place]), age_us=rows["age_us"] / DAY_US
    ).rename(columns={"age_us": "age in days"})
    made_of = ", ".join(f"`{log}`" for log in sorted(logs_behind(name)))
    table = _table([str(c) for c in named.columns], named.astype(object).to_numpy().tolist())
    return f"### `{name}`\n\n{' '.join(VIEWS[name].grain.split())} From {made_of}.\n\n{table}"


def _feature(entry: Feature, matrix: pd.DataFrame) -> str:
    stem = f"{entry.name}_{{days}}d" if entry.is_windowed else entry.name
    columns = entry.columns(WINDOWS_DAYS)
    absent = "unknown" if entry.absent is None else _cell(float(entry.absent))
    values = [[f"`{c.name}`", *(_cell(v) or "unknown" for v in matrix[c.name])] for c in columns]
    words = [[words.label, words.high, words.low, words.says] for words in entry.words.values()]
    return (
        f"### {entry.name}\n\n{' '.join(entry.meaning.split())}\n\n"
        f"`{stem}` · {entry.unit} · absent: {absent} · reads `{entry.view}`\n\n"
        + _table(["out", *(name.title() for name in CUSTOMERS)], values)
        + "\n"
        + _table(["label", "a high value says", "a low value says", "sentence"], words)
    )


def page() -> str:
    """The text of docs/features.md; every number in it is computed by the builder that training uses."""
    connection = ibis.duckdb.connect()
    settings = FeatureSettings(windows_days=WINDOWS_DAYS, history_days=1095)
    builder = MatrixBuilder(_logs(connection), settings, connection)
    matrix = builder.at(CUSTOMERS, CUTOFF)
    windows = ", ".join(str(days) for days in WINDOWS_DAYS)
    parts = [HEAD.format(count=len(CATALOGUE), columns=len(matrix.columns) - 1, windows=windows)]
    for log, (names, rows) in EXAMPLE.items():
        parts.append(f"**{log}**\n\n" + _table(names, rows))
    parts.append("## The example: rows between\n\nFeatures aggregate a log as the cutoff sees it, or one of these.\n")
    parts += [_view(name, builder) for name in sorted({entry.view for entry in CATALOGUE.values()} & set(VIEWS))]
    parts.append("## The features: one row per customer out\n")
    for family in FAMILIES.values():
        members = [entry for entry in CATALOGUE.values() if entry.family == family.name]
        if members:
            parts.append(f"## {family.title} ({family.name}, {family.kind})\n\n{family.title_urdu}\n")
            parts += [_feature(entry, matrix) for entry in members]
    return "\n".join(parts)


def main() -> None:
    """Write docs/features.md."""
    datasets.write_text(page(), PAGE)


if __name__ == "__main__":
    main()
