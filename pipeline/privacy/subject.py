"""`wafa subject`: everything that is held about one person, for the answer the law owes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from campaigns.ledger import Ledger
from pipeline.people import tombstones
from pipeline.people.find_person import Found, find, tables_of_people
from pipeline.people.raw_records import UnreadableError, declared, is_about, records
from pipeline.privacy import erase_outbox
from pipeline.project import datasets
from pipeline.project.errors import ParamsError
from pipeline.project.money import writer
from pipeline.project.settings import Settings

_MONEY = {
    "revenue", "discount", "total", "price", "cost", "expected_value", "value_at_risk", "average_order_value",
}  # fmt: skip
_TECHNICAL = {"event_id", "margin"}


def held(s: Settings, name: str) -> dict[str, Any]:
    """Everything held about the person called ``name`` (own id, address or pseudonym).

    Times are ISO 8601 in the shop's time zone, amounts are texts in its currency.

    Raises:
        ParamsError: Nobody is known under that name, it cannot be read, or it means several people.
    """
    found = find(s, [name], command="subject")
    if found.asked > 1:
        raise ParamsError(
            f"wafa subject: {found.asked} people are named, but it answers for one. Ask for each separately."
        )
    if found.unknown:
        raise ParamsError(
            "wafa subject: nobody is known under this name. Give their own id, an address or a pseudonym."
        )
    tables = {path.as_posix(): _rows(s, path, found) for path in _tables()}
    tables = {place: rows for place, rows in tables.items() if rows}
    events = datasets.EVENTS.as_posix() + "/"
    by_log: dict[str, list[dict[str, Any]]] = {}
    for place in [place for place in tables if place.startswith(events)]:
        by_log.setdefault(place.removeprefix(events).partition("/")[0], []).extend(tables.pop(place))
    spoken = (datasets.SCORES.as_posix(), datasets.REASONS.as_posix(), datasets.LISTS.as_posix())
    told = {place: tables.pop(place) for place in list(tables) if place.startswith(spoken)}
    scores, reasons = told.pop(spoken[0], []), told.pop(spoken[1], [])
    return {
        "who": {
            "pseudonyms": sorted(found.pseudonyms),
            "ids": sorted(found.people.ids),
            "addresses": sorted(found.people.addresses),
            "visitors": sorted(found.people.visitors),
            "asked to be erased": bool(found.pseudonyms & tombstones.erased_customers(datasets.ERASED)),
        },
        "events": by_log,
        "score": scores,
        "reasons": reasons,
        "lists": told,
        "contact ledger": _ledger(found),
        "files to upload": _outbox(found),
        "lines set aside": _quarantine(found),
        "the shop's own files": _raw(s, found),
        "also in": {place: len(rows) for place, rows in tables.items()},
    }


def _tables() -> list[Path]:
    tops = [datasets.DATA, datasets.BATCH, datasets.CHAMPIONS]
    return [path for top in tops if top.is_dir() for path in tables_of_people(top)]


def _rows(s: Settings, path: Path, found: Found) -> list[dict[str, Any]]:
    try:
        rows = datasets.read_parquet(path, filters=[("customer_id", "in", sorted(found.pseudonyms))])
    except FileNotFoundError:
        return []  # another command made it anew meanwhile
    return [
        {
            str(column): _said(s, column, value)
            for column, value in row.items()
            if column not in _TECHNICAL and not _empty(value)
        }
        for row in rows.to_dict("records")
    ]


def _empty(value: Any) -> bool:
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def _said(s: Settings, column: Any, value: Any) -> Any:
    if str(column).endswith("_at") and isinstance(value, int | float):
        # A moment with an empty neighbour is read as a decimal.
        moment = pd.Timestamp(int(value), unit="us", tz="UTC").tz_convert(s.shop.timezone)
        return moment.isoformat(timespec="seconds")
    if column in _MONEY and isinstance(value, int | float):
        return writer(s.shop.currency)(round(value))
    return value.item() if hasattr(value, "item") else value if isinstance(value, int | float | bool) else str(value)


def _ledger(found: Found) -> dict[str, list[dict[str, Any]]]:
    if not datasets.LEDGER.is_file():
        return {}
    with Ledger(datasets.LEDGER) as ledger:
        told = ledger.about(found.pseudonyms | found.marks)
    return {table: rows for table, rows in told.items() if rows}


def _outbox(found: Found) -> dict[str, list[dict[str, str]]]:
    told: dict[str, list[dict[str, str]]] = {}
    for upload in erase_outbox.uploads(found):
        with suppress(UnreadableError):
            rows = [{name: str(cell) for name, cell in row.items() if not _empty(cell)} for row in upload.rows()]
            if rows:
                told[upload.file.path.as_posix()] = rows
    return told


def _quarantine(found: Found) -> list[dict[str, Any]]:
    lines: list[str] = []
    for path in sorted(datasets.QUARANTINE.glob("*.jsonl")):
        with suppress(FileNotFoundError):
            lines += path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if is_about(line, found.people)]


def _raw(s: Settings, found: Found) -> dict[str, int]:
    told: dict[str, int] = {}
    for file in declared(s)[0]:
        try:
            count = sum(found.people.own(cells) for cells in records(file))
        except UnreadableError:
            continue
        if count:
            told[file.path.as_posix()] = count
    return told


def write(told: dict[str, Any], path: Path) -> None:
    """Write all of it as JSON into a file that only its owner may read.

    Raises:
        ParamsError: Answers must not lie there.
    """
    datasets.private_folder(datasets.STATE)
    datasets.check_private_place(path)
    with datasets.replace_file(path) as draft:
        draft.touch(mode=0o600)
        draft.write_bytes(datasets.as_json(told).encode("utf-8"))


def lines(told: dict[str, Any]) -> list[str]:
    """All of it in lines for a person."""
    said = ["who"] + [f"  {what}: {_listed(value)}" for what, value in told["who"].items()]
    for log, rows in told["events"].items():
        said += [f"{log}: {len(rows):,} {'row' if len(rows) == 1 else 'rows'}", *_each(rows)]
    for what in ("score", "reasons"):
        said += [what if told[what] else f"{what}: none", *_each(told[what])]
    for what in ("lists", "contact ledger", "files to upload"):
        said += [what if told[what] else f"{what}: none"]
        for place, rows in told[what].items():
            said += [f"  {place}", *_each(rows)]
    said += [f"lines set aside: {len(told['lines set aside'])}", *_each(told["lines set aside"])]
    for what in ("the shop's own files", "also in"):
        said += [what if told[what] else f"{what}: none"]
        said += [f"  {place}: {count:,}" for place, count in told[what].items()]
    return said


def _each(rows: Sequence[dict[str, Any]]) -> list[str]:
    return ["  " + ", ".join(f"{name} {_plain(value)}" for name, value in row.items()) for row in rows]


def _listed(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(_plain, value)) or "none"


def _plain(value: Any) -> str:
    """``value`` without what would move the cursor of a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(value))
