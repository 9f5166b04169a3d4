"""Turns arrays into the columns of an export: names, money, times."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from simulation.calendar import Calendar
from timeline import DAY_US, SECOND_US

Array = NDArray[Any]


def ids(prefix: str, numbers: Array, width: int = 7) -> pa.Array:
    """Names such as ``C0000042``."""
    padded = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width=width, padding="0")
    return pc.binary_join_element_wise(pa.scalar(prefix), padded, "")


def labels(names: tuple[str, ...] | list[str], codes: Array, absent: Array | None = None) -> pa.Array:
    """The text behind each code; null where ``absent``."""
    return pa.array(names, pa.string()).take(pa.array(codes, mask=absent))


def money(pence: Array, absent: Array | None = None) -> pa.Array:
    """Amounts in minor units as decimal(12, 2); null where ``absent``."""
    words = np.empty((len(pence), 2), dtype=np.int64)
    words[:, 0] = pence
    words[:, 1] = np.where(pence < 0, -1, 0)
    valid = None if absent is None else pa.array(~absent).buffers()[1]
    return pa.Array.from_buffers(pa.decimal128(12, 2), len(pence), [valid, pa.py_buffer(words)])


def stamps(times: Array) -> pa.Array:
    """Instants as timestamps of microseconds in UTC."""
    return pa.array(times.astype(np.int64)).view(pa.timestamp("us", "UTC"))


def iso(times: Array, calendar: Calendar, absent: Array | None = None) -> pa.Array:
    """Instants as ISO-8601 text with the shop's offset of that day, to the second; null where ``absent``."""
    times = np.asarray(times, dtype=np.int64)
    day = np.clip(np.searchsorted(calendar.midnight, times, side="right") - 1, 0, len(calendar.midnight) - 1)
    offset = calendar.offset[day]
    local = pa.array((times + offset) // SECOND_US).view(pa.timestamp("s"))
    text = pc.strftime(local, format="%Y-%m-%dT%H:%M:%S")
    offsets, position = np.unique(offset, return_inverse=True)
    suffix = labels([_offset_text(int(one)) for one in offsets], position)
    whole = pc.binary_join_element_wise(text, suffix, "")
    return whole if absent is None else pc.if_else(pa.array(absent), pa.scalar(None, pa.string()), whole)


def _offset_text(offset: int) -> str:
    minutes = abs(offset) // (60 * SECOND_US)
    return f"{'-' if offset < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"


def loaded(times: Array, rng: np.random.Generator) -> Array:
    """When each event reached the shop: within a minute, but for one in a hundred up to three days later."""
    late = rng.random(len(times)) < 0.01
    delay = np.where(late, rng.integers(HALF_HOUR, 3 * DAY_US, len(times)), rng.integers(SECOND_US, MINUTE, len(times)))
    return np.asarray(times + delay)


MINUTE = 60 * SECOND_US
HALF_HOUR = 30 * MINUTE
