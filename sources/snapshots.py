"""Customers files as snapshots of a state: the newest row of each customer, and what older rows still restrict."""

from collections.abc import Mapping
from typing import Any

import duckdb
import pyarrow as pa

from events.sql import quoted_name
from sources.identity import Identities
from sources.restricting import has_reason_sql
from sources.spans import Span, end_of, ends, series_of, span_of


class Snapshots:
    """The newest state of every customer, and the evidence that a damaged row is older.

    ``rows``: one row per customer_id. ``older``: rows that a newer one replaced or repeats. ``conflicts``: rows that
    contradict another and cannot be ordered. ``absent``: ids of people whom the newest whole file has not;
    ``files``: how many there are; ``undated``: how many of several say nothing of when they were made.
    """

    def __init__(
        self,
        rows: pa.Table,
        paths: Mapping[int, str],
        zones: tuple[str, ...],
        connection: duckdb.DuckDBPyConnection,
    ) -> None:
        """``rows``: all rows of the customers log; ``paths``: that of each file, by number of its book.

        ``zones``: see :func:`sources.spans.end_of`.
        """
        self._connection, self._zones = connection, zones
        self._spans = {number: span for number, path in paths.items() if (span := span_of(path))}
        self._evidence: dict[str, dict[str, tuple[int | None, int | None, int | None]]] = {}
        connection.register("snapshot_spans", _as_table(self._spans))
        given = rows
        for column in ("_stated_at", "updated_at"):
            given = given.append_column(f"_end_of_{column}", ends(rows[column], zones))
        connection.register("snapshot_given", given)
        content = [c for c in rows.column_names if not c.startswith("_") and c not in _NO_CONTENT]
        same = " AND ".join(
            f"{quoted_name(c)} IS NOT DISTINCT FROM first_value({quoted_name(c)}) OVER ordered" for c in content
        )
        order = ", ".join(f"{quoted_name(c)} NULLS LAST" for c in ("loaded_at", *content))
        connection.execute(_RANKED.format(same=same, order=order, reason=has_reason_sql("suppressed_reason")))
        resolved = {"loaded_at": "known_at", "email_consent_at": "consent_at"}
        resolved |= {"email_consent": "consent", "suppressed": "is_suppressed", "legal_hold": "is_held"}
        columns = ", ".join(f"{resolved.get(c, quoted_name(c))} AS {quoted_name(c)}" for c in rows.column_names)

        def chosen(what: str, where: str) -> pa.Table:
            query = f"SELECT {what} FROM snapshot_ranked WHERE {where} ORDER BY _file, _row"
            return connection.sql(query).to_arrow_table().cast(rows.schema).combine_chunks()

        names = ", ".join(map(quoted_name, rows.column_names))
        self.rows = chosen(columns, "place = 1")
        self.older = chosen(names, "place > 1 AND (same OR NOT is_newest)")
        self.conflicts = chosen(names, "place > 1 AND is_newest AND NOT same")
        connection.execute("DROP TABLE snapshot_ranked")
        self.absent = self._absent(paths)

    def _absent(self, paths: Mapping[int, str]) -> set[str]:
        """Whoever is missing from the newest whole file, and from the changes after it, of every series they are in.

        A file that holds more than half of the people of the whole file before it is whole; one of fewer holds changes.
        """
        files = self._connection.execute("""
            SELECT _file, any_value(span.since), any_value(span.until) - 1, max(_stated_at)
            FROM snapshot_given LEFT JOIN snapshot_spans span ON span.book = _file GROUP BY _file
        """).fetchall()
        self.files, self.undated = len(files), 0
        by_series: dict[str, list[tuple[int, int | None, int | None, int | None]]] = {}
        for file in files:
            by_series.setdefault(series_of(paths[file[0]]), []).append(file)
        removed, present = set[str](), set[str]()
        for mine in by_series.values():
            # The date in a name says of when the whole file is; that of a row may be of its own.
            first = next((n for n in (1, 3) if all(file[n] is not None for file in mine)), None)
            seen = self._people([file[0] for file in mine])
            if first is None:
                # One file alone is its own newest.
                self.undated += len(mine) if len(files) > 1 else 0
                present |= seen
                continue
            # A day within a month may be older than the file of that month, or newer: whoever is in both is there.
            orders = ({file[0]: file[n] or 0 for file in mine} for n in ((1, 2) if first == 1 else (first,)))
            current = set[str].intersection(*map(self._current, orders))
            removed, present = removed | (seen - current), present | current
        return removed - present

    def _current(self, times: Mapping[int, int]) -> set[str]:
        """The people of the newest whole file, and of the changes after it; ``times``: that of each file."""
        whole, current = set[str](), set[str]()
        for moment in sorted(set(times.values())):
            people = self._people([file for file, time in times.items() if time == moment])
            if not whole or 2 * len(people & whole) > len(whole):
                whole = current = people
            else:
                current = current | people
        return current

    def _people(self, files: list[int]) -> set[str]:
        numbers = ", ".join(map(str, files))
        found = self._connection.execute(f"SELECT DISTINCT customer_id FROM snapshot_given WHERE _file IN ({numbers})")
        return {row[0] for row in found.fetchall()}

    def evidence(self, people: Identities) -> None:
        """Remember, for every customer and restriction, the time of the newest good row that takes it back."""
        columns = ", ".join(
            f"max({column}) FILTER ({takes_back})"
            for takes_back in _TAKES_BACK.values()
            for column in ("_stated_at", "updated_at", "span.since")
        )
        newest = self._connection.execute(f"""
            SELECT customer_id, {columns.format(reason=has_reason_sql("suppressed_reason"))}
            FROM snapshot_given LEFT JOIN snapshot_spans span ON span.book = _file GROUP BY customer_id
        """).fetchall()
        own = people.own_ids(pa.array([row[0] for row in newest], pa.string()), None)
        for customer, row in zip(people.customers(own).to_pylist(), newest, strict=True):
            self._evidence[customer] = {kind: row[3 * n + 1 : 3 * n + 4] for n, kind in enumerate(_TAKES_BACK)}

    def has_newer(self, customer: str, book: int, row: Mapping[str, Any], restriction: str = "unclear") -> bool:
        """Whether a good row of ``customer`` is newer than the damaged ``row`` of a file, and takes it back in words.

        Only after :meth:`evidence`.
        """
        known = self._evidence.get(customer)
        if known is None:
            return False
        # Weaker evidence does not count where the good rows have stronger.
        for at, column in enumerate(("stated_at", "updated_at")):
            if known["unclear"][at] is not None:
                newest = known[restriction][at]
                at_latest = row[column] and end_of(row[column], self._zones)
                return newest is not None and at_latest is not None and newest > at_latest
        newest = known[restriction][2]
        return book in self._spans and newest is not None and newest >= self._spans[book][1]


def _as_table(spans: Mapping[int, Span]) -> pa.Table:
    return pa.table(
        {
            "book": pa.array(list(spans), pa.int32()),
            "since": pa.array([span[0] for span in spans.values()], pa.int64()),
            "until": pa.array([span[1] for span in spans.values()], pa.int64()),
        }
    )


_TAKES_BACK = {
    "unclear": "true",
    "opt_out": "email_consent = 'subscribed'",
    "suppressed": "suppressed = false AND NOT ({reason})",
    "legal_hold": "NOT legal_hold",
}
"""The condition under which a row of the customers log takes back a restriction of an older one."""

_NO_CONTENT = {"customer_id", "loaded_at", "updated_at"}

# s and e are start and end of the time that a row describes. The newest rows of a person are those that no other row
# is newer than. A restriction stands until a newer row takes it back in words; a yes must stand in the newest rows.
_RANKED = """
CREATE OR REPLACE TEMP TABLE snapshot_ranked AS
WITH evidence AS (
    SELECT given.*, span.since, span.until,
        count(*) OVER person AS n, count(_stated_at) OVER person AS stated, count(updated_at) OVER person AS updated,
        CASE WHEN bool_or(_unread_time) OVER person THEN -1 ELSE count(span.since) OVER person END AS dated
    FROM snapshot_given given LEFT JOIN snapshot_spans span ON span.book = given._file
    WINDOW person AS (PARTITION BY customer_id)
), placed AS (
    SELECT * EXCLUDE (since, until),
        CASE WHEN stated = n THEN _stated_at WHEN updated = n THEN updated_at WHEN dated = n THEN since ELSE 0 END AS s,
        CASE WHEN stated = n THEN _end_of__stated_at + 1 WHEN updated = n THEN _end_of_updated_at + 1
            WHEN dated = n THEN until ELSE 1 END AS e,
        coalesce(suppressed, false) OR ({reason}) AS stops, suppressed = false AND NOT ({reason}) AS frees,
        email_consent = 'subscribed' AS yes, coalesce(email_consent = 'unsubscribed', false) AS no
    FROM evidence
), judged AS (
    SELECT *,
        e > max(s) OVER person AS is_newest,
        no AND e > coalesce(max(s) FILTER (yes) OVER person, -1) AS no_stands,
        stops AND e > coalesce(max(s) FILTER (frees) OVER person, -1) AS stop_stands,
        coalesce(legal_hold, false) AND e > coalesce(max(s) FILTER (NOT legal_hold) OVER person, -1) AS hold_stands
    FROM placed WINDOW person AS (PARTITION BY customer_id)
), state AS (
    SELECT *,
        bool_or(stop_stands) OVER person AS is_suppressed, bool_or(hold_stands) OVER person AS is_held,
        min(loaded_at) OVER person AS known_at,
        CASE WHEN bool_or(no_stands) OVER person THEN 'unsubscribed'
            WHEN bool_and(coalesce(yes, false)) FILTER (is_newest) OVER person THEN 'subscribed'
            WHEN bool_or(email_consent = 'never') FILTER (is_newest) OVER person THEN 'never' ELSE 'unknown'
            END AS consent,
        count(*) FILTER (no_stands AND email_consent_at IS NULL) OVER person > 0 AS no_is_undated,
        max(email_consent_at) FILTER (no_stands) OVER person AS no_at,
        count(*) FILTER (is_newest AND email_consent_at IS NULL) OVER person > 0 AS yes_is_undated,
        min(email_consent_at) FILTER (is_newest) OVER person AS yes_at
    FROM judged WINDOW person AS (PARTITION BY customer_id)
)
SELECT *, row_number() OVER ordered AS place, {same} AS same,
    CASE WHEN consent = 'unsubscribed' THEN CASE WHEN NOT no_is_undated THEN no_at END
        WHEN consent = 'subscribed' THEN CASE WHEN NOT yes_is_undated THEN yes_at END ELSE email_consent_at
        END AS consent_at
FROM state
WINDOW ordered AS (PARTITION BY customer_id ORDER BY is_newest DESC, {order}, _file, _row
    ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
"""
