"""The page that says how good the logs are: one self-contained HTML file that loads nothing and runs nothing.

It shows counts, names of files and rules. No id, address, cell or line of a file stands on it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports import numbers, pages
from reports.damages import ORDERS, Damage, books, by_rule, damages, days_between, fitness, rows_read, unusual_gaps
from reports.wording import EN
from timeline import format_date

MOST_FILES = 200
"""Files told one by one; a shop with one file a night has thousands, and the worst are told first."""
MOST_GAPS = 12
_MACHINES = (
    (
        "machine_opens",
        "opens",
        "E-mail opens by machines",
        "Mail programs that fetch pictures; opens are counted as weak.",
    ),
    ("bot_clicks", "clicks", "E-mail clicks by machines", "Scanners that follow every link; no feature counts them."),
    ("bot_web_events", "web_events", "Page views by machines", "Crawlers and scripts; no feature counts them."),
)
_GAP = (
    "No row arrived on these days, and the log is not usually as quiet; export them again, unless the shop was closed."
)


@dataclass(frozen=True)
class DataQualityPage:
    """Everything the page is made of; the same values give the same bytes.

    ``manifest`` is that of the events, ``meanings`` says of every rule in it what it means and what to do, ``titles``
    what the shop's own logs are called.
    """

    shop_name: str
    timezone: str
    is_simulated: bool
    manifest: Mapping[str, Any]
    meanings: Mapping[str, str]
    titles: Mapping[str, str]


def _title(log: str, titles: Mapping[str, str]) -> str:
    return titles.get(log) or EN.get(f"log_{log}") or log.replace("_", " ").capitalize()


def precise(share: Any) -> str:
    """A share with as many decimals as it needs to differ from nothing and from everything."""
    if not numbers.is_known(share):
        return numbers.DASH
    whole = 100 * float(share)
    if whole in (0, 100):
        return f"{whole:.0f}\u00a0%"
    decimals = next((n for n in (1, 2) if 0 < float(f"{whole:.{n}f}") < 100), None)
    return (
        ("under 0.01\u00a0%" if whole < 50 else "over 99.99\u00a0%")
        if decimals is None
        else f"{whole:.{decimals}f}\u00a0%"
    )


def sentence(one: Damage, title: str) -> str:
    """What is lost, for a person."""
    things = f"{one.things:,}"
    if one.kind == "files":
        return f"{title}: {things} file{'' if one.things == 1 else 's'} refused whole; how many rows is not known."
    if one.kind == "days":
        rows = f"{one.rows:,} row{'' if one.rows == 1 else 's'}"
        days = f"{things} day{'' if one.things == 1 else 's'}"
        return f"{title}: {days} without a row, about {rows} if these days were like the others."
    return f"{title}: {things} row{'' if one.things == 1 else 's'} set aside as {one.rule} ({precise(one.share)})."


def _month_after(month: str) -> str:
    year, number = int(month[:4]), int(month[5:])
    return f"{year + number // 12}-{number % 12 + 1:02d}"


def calendar(manifest: Mapping[str, Any]) -> list[str]:
    """Every month from the first with a row to the last, over all tables."""
    seen = sorted({month for facts in manifest["logs"].values() for month in facts.get("months", {})})
    found = seen[:1]
    while found and found[-1] != seen[-1]:
        found.append(_month_after(found[-1]))
    return found


def _by_month(page: DataQualityPage, months: Sequence[str]) -> list[dict[str, Any]]:
    found = []
    for table, facts in page.manifest["logs"].items():
        rows = [int(facts.get("months", {}).get(month, 0)) for month in months]
        filled = [n for n, count in enumerate(rows) if count]
        first, last = (filled[0], filled[-1]) if filled else (0, -1)
        empty = [months[n] for n in range(first, last + 1) if not rows[n]]
        found.append(
            {
                "title": _title(table, page.titles),
                "table": table,
                "rows": facts["rows"],
                "bars": list(zip(months, rows, strict=True)),
                "tallest": max([*rows, 1]),
                "empty": empty,
                "worst": ORDERS.index(table) if table in ORDERS else 2,
            }
        )
    return sorted(found, key=lambda one: (one["worst"], one["title"]))


def _gaps(page: DataQualityPage) -> list[dict[str, Any]]:
    found = []
    for table, runs in unusual_gaps(page.manifest).items():
        told = sorted(sorted(runs, key=lambda run: (-run.rows, run.first))[:MOST_GAPS], key=lambda run: run.first)
        every = sum(days_between(first, last) for first, last in page.manifest["gaps"][table])
        days = sum(run.days for run in runs)
        found.append(
            {
                "title": _title(table, page.titles),
                "days": days,
                "runs": [(numbers.date(run.first), numbers.date(run.last), run.days) for run in told],
                "more": len(runs) - len(told),
                "usual": every - days,
            }
        )
    return found


def _machines(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    counts = manifest.get("machines", {})
    return [
        {"title": title, "text": text, "rows": counts[part], "all": counts[whole]}
        for part, whole, title, text in _MACHINES
        if counts.get(whole) and part in counts
    ]


def _orphans(page: DataQualityPage) -> list[dict[str, Any]]:
    logs = page.manifest["logs"]
    return [
        {"title": _title(table, page.titles), "rows": rows, "all": logs[table]["rows"]}
        for table, rows in sorted(page.manifest.get("orphans", {}).items(), key=lambda pair: (-pair[1], pair[0]))
        if rows and table in logs
    ]


def _currencies(manifest: Mapping[str, Any]) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for code, rows in manifest.get("currencies", {}).items():
        # Only a code may stand here: another cell of the file could be anything.
        known = code if re.fullmatch("[A-Z]{3}", code) else "no such code"
        counts[known] = counts.get(known, 0) + rows
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _left_out(manifest: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    by_file: dict[tuple[str, str], Mapping[str, int]] = {}
    for entry in books(manifest):
        if entry.get("left_out"):
            by_file.setdefault((entry["name"], entry.get("source", "")), entry["left_out"])
    counts: dict[tuple[str, str], int] = {}
    for (_, source), reasons in by_file.items():
        for reason, rows in reasons.items():
            counts[source, reason] = counts.get((source, reason), 0) + rows
    return sorted(((s, r, n) for (s, r), n in counts.items()), key=lambda one: (-one[2], one[0], one[1]))


def _files(manifest: Mapping[str, Any]) -> tuple[list[dict[str, Any]], int]:
    entries = sorted(
        books(manifest), key=lambda one: (-one["quarantined"], -one["duplicates"], one["name"], one["log"])
    )
    return entries[:MOST_FILES], len(entries) - len(entries[:MOST_FILES])


def _why(reason: str, meanings: Mapping[str, str]) -> str:
    """What the rule named in ``reason`` means; the reason itself may quote the file."""
    named = next((rule for rule in sorted(meanings) if re.search(rf"\b{re.escape(rule)}\b", reason)), "unreadable_file")
    return meanings.get(named, "The file cannot be trusted as a whole; export it again.")


def render_data_quality(page: DataQualityPage) -> str:
    """The whole page as HTML text."""
    manifest = page.manifest
    style, style_hash = pages.style("marketing.css", "data_quality.css")
    level, verdict = fitness(manifest)
    found, months, entries = damages(manifest), calendar(manifest), books(manifest)
    read = rows_read(manifest)
    files, files_left = _files(manifest)
    refused = sorted(by_rule(manifest).items(), key=lambda one: (-one[1], one[0]))
    return (
        pages.environment()
        .get_template("data_quality.html.j2")
        .render(
            page=page,
            style=style,
            style_hash=style_hash,
            count=numbers.count,
            precise=precise,
            level=level,
            verdict=verdict,
            worst=[
                {
                    "said": sentence(one, _title(one.log, page.titles)),
                    "do": _GAP if one.kind == "days" else page.meanings.get(one.rule, ""),
                }
                for one in found[:3]
            ],
            more=max(len(found) - 3, 0),
            complete_until=numbers.date(format_date(int(manifest["watermark"]), page.timezone)),
            rows_read=sum(read.values()),
            accepted=sum(entry["accepted"] for entry in entries),
            quarantined=sum(by_rule(manifest).values()),
            duplicates=sum(entry["duplicates"] for entry in entries),
            months=months,
            by_month=_by_month(page, months),
            rules=[
                {
                    "log": _title(log, page.titles),
                    "rule": rule,
                    "rows": rows,
                    "share": rows / read[log] if read[log] else None,
                    "meaning": page.meanings.get(rule, ""),
                }
                for (log, rule), rows in refused
                if rows
            ],
            most=max([rows for _, rows in refused], default=0),
            on_purpose=[
                (_title(log, page.titles), rule, rows)
                for (log, rule), rows in sorted(by_rule(manifest, on_purpose=True).items())
                if rows
            ],
            left_out=_left_out(manifest),
            gaps=_gaps(page),
            knows_gaps="gaps" in manifest,
            machines=_machines(manifest),
            orphans=_orphans(page),
            has_customers="customers" in manifest["logs"],
            currencies=_currencies(manifest),
            rejected=[
                {"name": one["name"], "log": _title(one["log"], page.titles), "why": _why(one["reason"], page.meanings)}
                for one in manifest.get("rejected_files", [])
            ],
            arrival=sorted(
                (_title(log, page.titles), bool(facts.get("arrival_checked", True)))
                for log, facts in manifest["logs"].items()
            ),
            absent=[_title(log, page.titles) for log in manifest.get("absent_logs", [])],
            undeclared=manifest.get("undeclared_files", []),
            files=files,
            files_left=files_left,
        )
    )
