"""Fault 63: text that would like to be a formula, markup, a template, a path or a query."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence

from campaigns import neutral_cell
from sources import Ingested
from tests.faults.case import FORMATS, ORDERS, WRITERS, Case, as_csv, by_id, good_row, in_log

HOSTILE = (
    "=cmd|' /C calc'!A0",
    "+1+1",
    "@SUM(A1)",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "{{7*7}}",
    "${7*7}",
    "../../x",
    "'; DROP TABLE orders; --",
    "%s%n{0}",
    "\uff1d1+1",
)


def _as_is(texts: Sequence[str]) -> Callable[[Ingested], bool]:
    """A check: coupons are stored as they came, and neutral once they are cells for people."""

    def check(found: Ingested) -> bool:
        cells = io.StringIO()
        csv.writer(cells).writerows([neutral_cell(text)] for text in texts)
        neutral = [row[0] for row in csv.reader(io.StringIO(cells.getvalue()))]
        stored = [text for text in by_id(found, "orders", "coupon", "order_id").values() if text is not None]
        return sorted(stored) == sorted(texts) and not any(
            text.startswith(("=", "+", "@", "\uff1d")) for text in neutral
        )

    return check


def _hostile(kind: str) -> Case:
    rows = [good_row("orders", 1) | {"order_id": f"a{n}", "coupon": text} for n, text in enumerate(HOSTILE)]
    return in_log(
        63,
        f"formulas, markup and queries as coupons, {kind}",
        "orders",
        WRITERS[kind](rows),
        declared={"format": kind},
        kind="accepted",
        check=_as_is(HOSTILE),
    )


def _hostile_id(text: str) -> Case:
    rows = [good_row("orders", 1), good_row("orders", 2) | {"customer_id": text}]
    return in_log(
        63,
        f"a customer called {text[:12]}",
        "orders",
        as_csv(rows),
        kind="accepted",
        check=lambda found: text in found.vault["shop_id"].tolist(),
    )


CODE = [
    *(_hostile(kind) for kind in FORMATS),
    *(_hostile_id(text) for text in ("'; DROP TABLE orders; --", "<script>alert(1)</script>", "=1+1", "../../x")),
    in_log(
        63,
        "a column that is a query",
        "orders",
        as_csv([good_row("orders", 1) | {'x"); DROP TABLE orders; --': "1"}]),
        kind="warned",
        words=("orders.csv", "DROP TABLE"),
    ),
    Case(
        63,
        "a file name that is a query",
        {"orders'; DROP TABLE orders; --.csv": ORDERS},
        "accepted",
        logs={"orders": {"file": "orders*.csv"}},
        check=lambda found: found.tables["orders"].num_rows == 3,
    ),
]
