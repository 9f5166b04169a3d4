"""Times as they arrive (ISO 8601, a declared format, Parquet timestamps) into instants."""

from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sources.errors import ContractError
from sources.values import Converted, as_text, is_missing, mask, without
from timeline import Window, parse_date

PLAUSIBLE = Window(parse_date("1990-01-01", "UTC"), parse_date("2100-01-01", "UTC"))
"""An event outside of it has a broken clock, an empty date or the wrong unit."""

_DATE = r"^\d{4}-\d{2}-\d{2}$"
_CLOCK = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?"
_OFFSET = r" ?(Z|[+-]\d{2}:?\d{2})$"
_EPOCH_UNITS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}


def known_zone(zone: str) -> str:
    """``zone`` itself.

    Raises:
        ContractError: there is no time zone of that name.
    """
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise ContractError(f"unknown time zone {zone!r}. Use a name such as Europe/London.") from None
    return zone


def to_instant(column: pa.Array, zone: str, time_format: str) -> Converted:
    """Instants (microseconds UTC); a time without offset is local in ``zone``, a date is its local 00:00.

    Of a local time that occurs twice the earlier is meant; one that the clock skips is refused.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        found = _from_timestamps(column, zone)
    elif time_format in _EPOCH_UNITS:
        found = _from_epoch(column, _EPOCH_UNITS[time_format])
    elif pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        nothing = pa.nulls(len(column), pa.int64())
        found = Converted(nothing, {"timestamp_unit": ~is_missing(column)})
    else:
        found = _from_text(as_text(column), zone, time_format)
    instants = found.values
    there = ~is_missing(instants)
    plausible = PLAUSIBLE.contains(pc.fill_null(instants, PLAUSIBLE.start).to_numpy(zero_copy_only=False))
    found.broken["implausible_time"] = there & ~plausible
    return found


def _localised(naive: pa.Array, zone: str) -> Converted:
    """Naive Arrow timestamps (us) as instants in ``zone``."""
    early = pc.assume_timezone(naive, zone, ambiguous="earliest", nonexistent="earliest")
    late = pc.assume_timezone(naive, zone, ambiguous="earliest", nonexistent="latest")
    return Converted(_micros(early), {"nonexistent_time": mask(pc.not_equal(early, late))})


def _micros(timestamps: pa.Array) -> pa.Array:
    return pc.cast(pc.cast(timestamps, pa.timestamp("us", timestamps.type.tz), safe=False), pa.int64())


def _from_timestamps(column: pa.Array, zone: str) -> Converted:
    if pa.types.is_date(column.type):
        found = _localised(pc.cast(column, pa.timestamp("us")), zone)
        found.notes["date_only"] = len(column) - column.null_count
        return found
    if column.type.tz:
        return Converted(_micros(column))
    found = _localised(pc.cast(column, pa.timestamp("us"), safe=False), zone)
    found.notes["without_offset"] = len(column) - column.null_count
    return found


def _from_epoch(column: pa.Array, unit_us: int) -> Converted:
    text = as_text(column)
    good = mask(pc.match_substring_regex(text, r"^\d{1,16}$"))
    ticks = pc.cast(without(text, ~good), pa.int64())
    # Beyond this a tick would not fit int64 microseconds: the unit cannot be the declared one.
    fits = mask(pc.less(ticks, 2**62 // unit_us))
    return Converted(
        pc.multiply(without(ticks, ~fits), unit_us), {"timestamp_unit": ~(good & fits) & ~is_missing(text)}
    )


def _from_text(text: pa.Array, zone: str, time_format: str) -> Converted:
    coded = text.dictionary_encode()
    distinct = coded.dictionary
    if time_format:
        parsed = pd.to_datetime(distinct.to_pandas(), format=time_format, errors="coerce")
        zoned = getattr(parsed.dtype, "tz", None) is not None
        found = Converted(_micros(pa.array(parsed))) if zoned else _localised(_naive(parsed), zone)
        is_date, is_naive = np.zeros(len(distinct), bool), np.full(len(distinct), not zoned)
    else:
        found, is_date, is_naive = _from_iso(distinct, zone)
    unread = is_missing(found.values) & ~found.broken.get("nonexistent_time", np.zeros(len(distinct), bool))
    digits = mask(pc.match_substring_regex(distinct, r"^\d{9,}(\.\d+)?$"))
    found.broken |= {"timestamp_unit": unread & digits, "unparsable_time": unread & ~digits}

    def spread(per_value: np.ndarray) -> np.ndarray:
        return mask(pa.array(per_value).take(coded.indices))

    return Converted(
        found.values.take(coded.indices),
        {rule: spread(broken) for rule, broken in found.broken.items()},
        {"date_only": int(spread(is_date).sum()), "without_offset": int(spread(is_naive).sum())},
    )


def _naive(parsed: "pd.Series[pd.Timestamp]") -> pa.Array:
    return pc.cast(pa.array(parsed), pa.timestamp("us"), safe=False)


def _from_iso(distinct: pa.Array, zone: str) -> tuple[Converted, np.ndarray, np.ndarray]:
    trimmed = pc.replace_substring_regex(distinct, r"(\.\d{6})\d{1,3}", r"\1")
    is_date = mask(pc.match_substring_regex(trimmed, _DATE))
    is_naive = mask(pc.match_substring_regex(trimmed, _CLOCK + "$"))
    has_offset = mask(pc.match_substring_regex(trimmed, _CLOCK + _OFFSET))

    def parse(rows: np.ndarray, utc: bool) -> "pd.Series[pd.Timestamp]":
        texts: pd.Series[str] = without(trimmed, ~rows).to_pandas()
        return pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=utc)

    local = _localised(_naive(parse(is_date | is_naive, utc=False)), zone)
    instants = _micros(pa.array(parse(has_offset, utc=True)))
    values = pc.if_else(pa.array(has_offset), instants, local.values)
    return Converted(values, local.broken), is_date, is_naive
