"""Writes docs/events.md: every canonical log with its grain, key and columns, from their declaration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from events.logs import LOGS, UNITS, Column, columns_of
from pipeline.project import datasets

PAGE = Path("docs/events.md")

HEAD = """# The canonical logs

Generated from `events/logs.py` by `make docs`; the tests fail when it is not up to date. After ingest these tables
lie in `data/events/<log>/<yyyy-mm>.parquet`, sorted by customer, time and `event_id`. Features, labels and lists read
nothing else. What a shop's own files must hold is in [my own data](how-to/my-own-data.md).

The first four columns of each log are the same. A log of the shop's own (`sources.own_logs`) has these four alone.
"""

_COMMON = tuple(columns_of(""))


def _values(column: Column) -> str:
    told = [UNITS[column.kind]] if column.kind in UNITS else []
    if column.allowed:
        told.append(", ".join(f"`{value}`" for value in column.allowed))
    if column.least is not None:
        told.append(f"{column.least:g} to {column.most:g}" if column.most is not None else f"at least {column.least:g}")
    return ", ".join(told)


def _rows(columns: dict[str, Column]) -> Iterator[str]:
    yield "| column | kind | always there | meaning | values or unit |"
    yield "| --- | --- | --- | --- | --- |"
    for name, column in columns.items():
        always = "yes" if column.required else ""
        yield f"| `{name}` | {column.kind} | {always} | {column.meaning} | {_values(column)} |"


def page() -> str:
    """The text of docs/events.md."""
    parts = [HEAD, "\n".join(_rows(columns_of(""))) + "\n"]
    for log, declared in LOGS.items():
        own = {name: column for name, column in columns_of(log).items() if name not in _COMMON}
        nobody = " A row may be of nobody who is known." if declared.anonymous else ""
        parts.append(f"## {log}\n\nOne row per {declared.grain}. Named by {declared.key}.{nobody}\n")
        parts.append("\n".join(_rows(own)) + "\n")
    return "\n".join(parts)


def main() -> None:
    """Write docs/events.md."""
    datasets.write_text(page(), PAGE)


if __name__ == "__main__":
    main()
