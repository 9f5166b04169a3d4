"""Faults 6 to 14: times of the future, of no time at all, without a zone, in the wrong unit or spelling."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pyarrow as pa

from sources import Ingested
from tests.faults.case import Case, as_csv, by_id, good_row, in_log, lines, parquet, with_row

IMPLAUSIBLE, UNIT, UNREAD, GAP = "implausible_timestamp", "timestamp_unit", "unparsable_time", "nonexistent_time"


def _at(n: int, text: str) -> Callable[[Ingested], bool]:
    """A check: the order ``a{n}`` happened at ``text`` (ISO 8601)."""
    instant = int(datetime.fromisoformat(text).timestamp()) * 1_000_000

    def check(found: Ingested) -> bool:
        return by_id(found, "orders", "occurred_at", "order_id")[f"a{n}"] == instant

    return check


def _epochs(*ticks: str) -> bytes:
    """Orders at ``ticks``."""
    return as_csv([good_row("orders", n) | {"ordered_at": tick} for n, tick in enumerate(ticks, start=1)])


FUTURE = [
    *with_row(
        6,
        "order five minutes and a second after we knew of it",
        {"ordered_at": "2025-01-12T10:05:01Z", "loaded_at": "2025-01-12T10:00:00Z"},
        "ordered_at",
        "future_timestamp",
    ),
    *with_row(
        6,
        "web event of next year",
        {"occurred_at": "2026-01-12T10:00:00Z", "loaded_at": "2025-01-12T10:00:00Z"},
        "occurred_at",
        "future_timestamp",
        log="web_events",
    ),
    *with_row(
        6,
        "clocks that differ by five minutes",
        {"ordered_at": "2025-01-12T10:05:00Z", "loaded_at": "2025-01-12T10:00:00Z"},
        formats=("csv",),
    ),
]

NO_TIME = [
    *with_row(7, "1970-01-01", {"ordered_at": "1970-01-01T00:00:00Z"}, "ordered_at", IMPLAUSIBLE),
    *with_row(7, "0001-01-01", {"ordered_at": "0001-01-01"}, "ordered_at", IMPLAUSIBLE, formats=("csv", "jsonl")),
    *with_row(7, "9999-12-31", {"occurred_at": "9999-12-31T23:59:59Z"}, "occurred_at", IMPLAUSIBLE, log="web_events"),
    in_log(
        7,
        "epoch 0",
        "orders",
        _epochs("1736071200", "0", "1736071300"),
        declared={"time_format": "epoch_s"},
        kind="quarantined",
        quarantined=(("orders.csv", 3, "ordered_at", IMPLAUSIBLE),),
    ),
    in_log(
        7,
        "Parquet timestamp of 1970",
        "orders",
        parquet(
            pa.table(
                {
                    "order_id": ["a1", "a2"],
                    "customer_id": ["anna", "anna"],
                    "ordered_at": pa.array([1_736_071_200_000_000, 0], pa.timestamp("us", "UTC")),
                    "revenue": ["1.00", "1.00"],
                }
            )
        ),
        declared={"format": "parquet"},
        kind="quarantined",
        quarantined=(("orders.parquet", 2, "ordered_at", IMPLAUSIBLE),),
    ),
]

# Zone of every time without an offset: that of the log, else the shop's. The contract always names one.
ZONES = [
    *with_row(
        8, "an offset of five hours", {"ordered_at": "2025-01-12T10:00:00+05:00"}, check=_at(2, "2025-01-12T05:00:00Z")
    ),
    *with_row(
        8,
        "an offset without colon, a blank instead of T",
        {"ordered_at": "2025-01-12 10:00:00-0330"},
        formats=("csv",),
        check=_at(2, "2025-01-12T13:30:00Z"),
    ),
    *with_row(
        9,
        "no offset, the shop's zone",
        {"ordered_at": "2025-01-12T10:00:00"},
        kind="normalised",
        zone="Asia/Karachi",
        words=("ordered_at", "1 row", "offset"),
        check=_at(2, "2025-01-12T05:00:00Z"),
    ),
    *with_row(
        9,
        "no offset, the zone of the log",
        {"ordered_at": "2025-07-12T10:00:00"},
        formats=("csv",),
        declared={"timezone": "Europe/London"},
        kind="normalised",
        words=("ordered_at", "1 row", "offset"),
        check=_at(2, "2025-07-12T09:00:00Z"),
    ),
    *with_row(
        10,
        "an hour that the clock skips",
        {"ordered_at": "2025-03-30T01:30:00"},
        "ordered_at",
        GAP,
        zone="Europe/London",
    ),
    *with_row(
        10,
        "an hour that New York skips",
        {"occurred_at": "2025-03-09T02:30:00"},
        "occurred_at",
        GAP,
        log="web_events",
        formats=("csv",),
        declared={"timezone": "America/New_York"},
    ),
    *with_row(
        10,
        "an hour that comes twice is the earlier",
        {"ordered_at": "2025-10-26T01:30:00"},
        zone="Europe/London",
        kind="normalised",
        words=("ordered_at", "1 row", "offset"),
        check=_at(2, "2025-10-26T00:30:00Z"),
    ),
]


def _unit(name: str, declared: str, good: str, bad: str) -> Case:
    return in_log(
        11,
        name,
        "orders",
        _epochs(good, bad, good),
        declared={"time_format": declared},
        kind="quarantined",
        quarantined=(("orders.csv", 3, "ordered_at", UNIT),),
    )


UNITS = [
    _unit("milliseconds among seconds", "epoch_s", "1736071200", "1736071200000"),
    _unit("microseconds among seconds", "epoch_s", "1736071200", "1736071200000000"),
    _unit("seconds among milliseconds", "epoch_ms", "1736071200000", "1736071200"),
    _unit("microseconds among milliseconds", "epoch_ms", "1736071200000", "1736071200000000"),
    _unit("milliseconds among microseconds", "epoch_us", "1736071200000000", "1736071200000"),
    *with_row(11, "seconds among ISO times", {"ordered_at": "1736071200"}, "ordered_at", UNIT),
    *with_row(
        11, "milliseconds among ISO times", {"occurred_at": "1736071200000"}, "occurred_at", UNIT, log="web_events"
    ),
    in_log(
        11,
        "Parquet numbers in two units",
        "orders",
        parquet(
            pa.table(
                {
                    "order_id": ["a1", "a2"],
                    "customer_id": ["anna", "anna"],
                    "ordered_at": [1_736_071_200, 1_736_071_200_000],
                    "revenue": ["1.00", "1.00"],
                }
            )
        ),
        declared={"format": "parquet", "time_format": "epoch_s"},
        kind="quarantined",
        quarantined=(("orders.parquet", 2, "ordered_at", UNIT),),
    ),
]

_SLASHES = lines(
    "order_id,customer_id,ordered_at,revenue", "a1,anna,03/04/2024 10:00,10.00", "a2,ben,05/04/2024 10:00,1.00"
)
_NOT_DECLARED = {"kind": "refused", "words": ("orders.csv", "ordered_at", "time_format")}

SPELLINGS = [
    in_log(12, "03/04/2024", "orders", _SLASHES, **_NOT_DECLARED),
    in_log(12, "03-04-2024", "orders", _SLASHES.replace(b"/", b"-"), **_NOT_DECLARED),
    in_log(
        12,
        "3.4.24",
        "orders",
        _SLASHES.replace(b"03/04/2024", b"3.4.24").replace(b"05/04/2024", b"5.4.24"),
        **_NOT_DECLARED,
    ),
    in_log(
        12,
        "03/04/2024 where the day is declared to come first",
        "orders",
        _SLASHES,
        declared={"time_format": "%d/%m/%Y %H:%M"},
        kind="accepted",
        check=_at(1, "2024-04-03T10:00:00Z"),
    ),
    in_log(
        12,
        "03/04/2024 where the month is declared to come first",
        "orders",
        _SLASHES,
        declared={"time_format": "%m/%d/%Y %H:%M"},
        kind="accepted",
        check=_at(1, "2024-03-04T10:00:00Z"),
    ),
    # One such date among others that can be read is a bad row, not a bad file.
    *with_row(12, "03/04/2024 among ISO times", {"ordered_at": "03/04/2024"}, "ordered_at", UNREAD, formats=("csv",)),
    *with_row(13, "45382.5", {"ordered_at": "45382.5"}, "ordered_at", UNREAD),
    *with_row(13, "45382", {"occurred_at": "45382"}, "occurred_at", UNREAD, log="web_events", formats=("csv", "jsonl")),
    *with_row(14, "leap second", {"ordered_at": "2016-12-31T23:59:60Z"}, "ordered_at", UNREAD),
    *with_row(14, "30 February", {"ordered_at": "2025-02-30T10:00:00Z"}, "ordered_at", UNREAD),
    *with_row(14, "29 February of a common year", {"ordered_at": "2025-02-29"}, "ordered_at", UNREAD, formats=("csv",)),
    # There is no setting that declares 24:00, so it is always refused.
    *with_row(14, "24:00:00", {"ordered_at": "2025-01-12T24:00:00Z"}, "ordered_at", UNREAD),
    in_log(
        14,
        "30 February in a declared format",
        "orders",
        lines("order_id,customer_id,ordered_at,revenue", "a1,anna,28/02/2025,10.00", "a2,anna,30/02/2025,10.00"),
        declared={"time_format": "%d/%m/%Y"},
        kind="quarantined",
        quarantined=(("orders.csv", 3, "ordered_at", UNREAD),),
    ),
]

CASES = [*FUTURE, *NO_TIME, *ZONES, *UNITS, *SPELLINGS]
