"""Page events, too many for memory: each month made by itself from the landed files, and only when it changed.

A month changes when a file with rows in it comes or goes, when a row of it turns out to be a repetition, or when more
is known about one of its visitors: who they are, that they were erased, into whom they were merged.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from events.logs import arrow_schema
from events.sql import quoted, quoted_name
from sources.addresses import holds_address, may_hold_address
from sources.checking import Log
from sources.identity import MESSAGE
from sources.judging import QUARTER_US
from sources.unpacking import sha256_of
from timeline import DAY_US, format_date, parse_date

ROWS_TOGETHER = 100_000
"""Rows of a group of an event file: whoever reads some customers of the sorted file skips the other groups."""

MOST_IN_A_MINUTE = 300
"""Nobody opens more pages in a minute; who does is a program, and so is all it did on that day."""

BOTS = "(?i)bot\\b|crawl|spider|headless|phantomjs|scrap|curl/|wget/|python-requests|libwww|monitor|lighthouse"
"""User agents of programs that do not hide."""

_KEYS_AT_ONCE = 8_000_000


@dataclass(frozen=True)
class Landed:
    """One landed file: its key (of what it holds and how it was read), its rows, and its first and last instant."""

    key: str
    rows: Path
    span: tuple[int, int] | None


@dataclass
class Made:
    """The table as it was made: months (rows, sha256 and counts of each), and what became of rows by landed file."""

    months: dict[str, dict[str, Any]]
    duplicates: dict[str, int]
    conflicts: dict[str, list[int]]
    rewritten: list[str]

    @property
    def equal(self) -> int:
        """Rows without an id that equal another and were kept."""
        return sum(month["equal"] for month in self.months.values())


class WebMonths:
    """Makes the monthly files of page events.

    ``connection`` has the tables ``people`` (who, token, known_from, gone) and ``identity`` (anonymous_id, token,
    known_at, gone); ``state`` is a folder for what the next run may build on; ``fingerprint`` names everything
    else that decides about bytes.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        log: Log,
        files: Sequence[Landed],
        state: Path,
        fingerprint: str,
    ) -> None:
        self.connection, self.log, self.files = connection, log, files
        self.state, self.fingerprint = state, fingerprint
        self.content = [c for c in log.fields if c not in {"message_id", "loaded_at"}]
        self._key_of = {str(file.rows): file.key for file in files}
        self._old: dict[str, Any] = self._read_state()
        self.near: dict[str, list[str]] = {}

    def _read_state(self) -> dict[str, Any]:
        try:
            old: dict[str, Any] = json.loads((self.state / "web.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return old if old.get("fingerprint") == self.fingerprint else {}

    def _rows(self, files: Sequence[Landed]) -> str:
        listed = ", ".join(quoted(str(file.rows)) for file in files)
        return f"read_parquet([{listed}], filename=true, file_row_number=true)"

    def _one(self, sql: str) -> Any:
        return self.connection.execute(sql).fetchall()[0][0]

    # Rows that arrive twice

    def find_repetitions(self) -> tuple[dict[str, int], dict[str, list[int]]]:
        """Fill the table ``dropped``; duplicates counted, and places of contradictions, by landed file.

        Of rows with the same message id the earliest to arrive stays.
        """
        run = self.connection.execute
        run(
            "CREATE OR REPLACE TABLE dropped "
            "(filename VARCHAR, number BIGINT, same BOOLEAN, origin BIGINT, occurred_at BIGINT)"
        )
        self._find_repeated_keys()
        if self._one("SELECT count(*) FROM repeated"):
            order = ", ".join(f"{quoted_name(c)} NULLS LAST" for c in ["loaded_at", *self.content])
            same = " AND ".join(
                f"{quoted_name(c)} IS NOT DISTINCT FROM first_value({quoted_name(c)}) OVER w" for c in self.content
            )
            run(f"""
                INSERT INTO dropped
                SELECT filename, file_row_number, same, _row, occurred_at FROM (
                    SELECT *, row_number() OVER w AS place, {same} AS same
                    FROM (SELECT * FROM {self._rows(self.files)} SEMI JOIN repeated USING (_key))
                    WINDOW w AS (PARTITION BY message_id ORDER BY {order}, filename, file_row_number
                                 ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING))
                WHERE place > 1""")
        counts = run("SELECT filename, count(*) FILTER (same) FROM dropped GROUP BY 1").fetchall()
        conflicts: dict[str, list[int]] = {}
        for filename, row in run("SELECT filename, origin FROM dropped WHERE NOT same ORDER BY ALL").fetchall():
            conflicts.setdefault(self._key_of[filename], []).append(int(row))
        return {self._key_of[filename]: int(count) for filename, count in counts if count}, conflicts

    def _find_repeated_keys(self) -> None:
        run = self.connection.execute
        run("CREATE OR REPLACE TABLE repeated (_key UBIGINT)")
        known = self.state / "web_repeated.parquet"
        old_keys = set(self._old.get("files", {}))
        old = [file for file in self.files if file.key in old_keys]
        new = [file for file in self.files if file.key not in old_keys]
        if known.is_file() and len(old) == len(old_keys):
            run(f"INSERT INTO repeated SELECT _key FROM read_parquet({quoted(str(known))})")
            if new:
                run(f"CREATE OR REPLACE TEMP TABLE fresh AS SELECT _key FROM {self._rows(new)} WHERE _key IS NOT NULL")
                again = f" UNION ALL SELECT _key FROM {self._rows(old)} SEMI JOIN fresh USING (_key)" if old else ""
                run(f"""INSERT INTO repeated SELECT _key FROM (SELECT _key FROM fresh{again}) GROUP BY 1
                        HAVING count(*) > 1 EXCEPT SELECT _key FROM repeated""")
                run("DROP TABLE fresh")
        elif self.files:
            rows = int(self._one(f"SELECT count(*) FROM {self._rows(self.files)}"))
            parts = max(1, rows // _KEYS_AT_ONCE)
            for part in range(parts):
                first, end = 1024 * part // parts, 1024 * (part + 1) // parts
                some = f"_key IS NOT NULL AND _key & 1023 >= {first} AND _key & 1023 < {end}"
                run(f"""INSERT INTO repeated SELECT _key FROM {self._rows(self.files)} WHERE {some}
                        GROUP BY 1 HAVING count(*) > 1""")
        run(f"COPY (SELECT * FROM repeated ORDER BY 1) TO {quoted(str(known))} (FORMAT parquet)")

    # Months

    def make(self, previous: Path | None, draft: Path, progress: Callable[[str], None]) -> Made:
        """Write the monthly files into ``draft``; those of ``previous`` that still hold are linked, not made again."""
        duplicates, conflicts = self.find_repetitions()
        dropped = self._dropped_by_month()
        self.near = self._months_near()
        names = sorted({month for months in self.near.values() for month in months})
        touched = self._touched(dropped)
        strangers = self.strangers_changed
        records: dict[str, dict[str, Any]] = {}
        rewritten = []
        draft.mkdir(parents=True, exist_ok=True)
        for month in names:
            progress(f"web_events {month}")
            old = self._old.get("months", {}).get(month)
            target = draft / f"{month}.parquet"
            # Made twice in one ingest, a month must not be written into the file that it was linked to.
            target.unlink(missing_ok=True)
            if touched is not None and month not in touched:
                if old is None:
                    continue  # a neighbour of months with rows
                if self._kept(old, previous, month, target):
                    records[month] = old | {"orphans": self._orphans_of(target)} if strangers and old["rows"] else old
                    continue
            record = self._make_month(month, target)
            if record["rows"] or record["files"]:
                records[month] = record
                rewritten.append(month)
        self._save(records, dropped)
        return Made(records, duplicates, conflicts, rewritten)

    @staticmethod
    def _kept(old: Mapping[str, Any], previous: Path | None, month: str, target: Path) -> bool:
        if not old["rows"]:
            return True
        before = previous / f"{month}.parquet" if previous else None
        if before is None or not before.is_file() or sha256_of(before) != old["sha256"]:
            return False
        try:
            if not before.stat().st_mode & 0o200:
                raise PermissionError  # a file that DVC shares with its cache stays its own
            target.hardlink_to(before)
        except OSError:  # another file system, or one without links
            shutil.copyfile(before, target)
        return True

    def _dropped_by_month(self) -> dict[str, str]:
        found: dict[str, Any] = {}
        for filename, at, same, occurred in self.connection.execute(
            "SELECT filename, number, same, occurred_at FROM dropped ORDER BY ALL"
        ).fetchall():
            month = _month_of(occurred)
            found.setdefault(month, hashlib.sha256()).update(f"{self._key_of[filename]} {at} {same}\n".encode())
        return {month: digest.hexdigest() for month, digest in found.items()}

    def _touched(self, dropped: Mapping[str, str]) -> set[str] | None:
        """The months to make again; null means all of them."""
        people, identity = self.state / "web_people.parquet", self.state / "web_identity.parquet"
        if not self._old or not people.is_file() or not identity.is_file():
            return None
        before, now = self._old["files"], self.near
        touched = {month for key in before.keys() - now.keys() for month in before[key]}
        touched |= {month for key in now.keys() - before.keys() for month in now[key]}
        was = self._old["dropped"]
        touched |= {month for month in {*was, *dropped} if was.get(month) != dropped.get(month)}
        return touched | self.months_of_changed_people

    @cached_property
    def months_of_changed_people(self) -> set[str]:
        """Months of known files with a row of somebody of whom more or less is known than in the last run.

        Asked before what this run knows is saved, also where one run makes the months twice.
        """
        people, identity = self.state / "web_people.parquet", self.state / "web_identity.parquet"
        touched: set[str] = set()
        old = [file for file in self.files if file.key in self._old["files"]]
        if old:
            for table, who, known, now in (
                ("changed", "who", people, "people"),
                ("changed_visitors", "anonymous_id", identity, "identity"),
            ):
                was = f"FROM read_parquet({quoted(str(known))})"
                self.connection.execute(f"""
                    CREATE OR REPLACE TEMP TABLE {table} AS SELECT DISTINCT {who} FROM (
                        (FROM {now} EXCEPT {was}) UNION ALL ({was} EXCEPT FROM {now}))""")
            for table, who in (("changed", "coalesce(customer_id, email)"), ("changed_visitors", "anonymous_id")):
                if self._one(f"SELECT count(*) FROM {table}"):
                    months = self.connection.execute(f"""
                        SELECT DISTINCT year(moment) * 100 + month(moment) FROM (
                            SELECT make_timestamp(occurred_at) AS moment FROM {self._rows(old)}
                            WHERE {who} IN (FROM {table}))""").fetchall()
                    touched |= {f"{number // 100}-{number % 100:02d}" for (number,) in months}
        return touched

    def _months_near(self) -> dict[str, list[str]]:
        """Months with a row of a landed file, or within a day of one: programs are told by whole local days."""
        known = self._old.get("files", {})
        near: dict[str, set[str]] = {file.key: set(known.get(file.key, ())) for file in self.files}
        new = [file for file in self.files if file.key not in known]
        if new:
            days = f"SELECT DISTINCT filename, occurred_at // {DAY_US} FROM {self._rows(new)}"
            for filename, day in self.connection.execute(days).fetchall():
                near[self._key_of[filename]] |= {_month_of((day + by) * DAY_US) for by in (-1, 0, 1)}
        return {key: sorted(months) for key, months in near.items()}

    @cached_property
    def strangers_changed(self) -> bool:
        """Whether others than in the last run have no account; asked before this run's are saved."""
        known = self.state / "web_strangers.parquet"
        if not known.is_file():
            return True
        was = f"FROM read_parquet({quoted(str(known))})"
        changed = f"(FROM strangers EXCEPT {was}) UNION ALL ({was} EXCEPT FROM strangers)"
        return bool(self._one(f"SELECT count(*) FROM ({changed})"))

    def _orphans_of(self, month: Path) -> int:
        rows = f"read_parquet({quoted(str(month))})"
        return int(self._one(f"SELECT count(*) FROM {rows} SEMI JOIN strangers ON customer_id = strangers.token"))

    def _save(self, records: Mapping[str, Any], dropped: Mapping[str, str]) -> None:
        run = self.connection.execute
        # Gone until all is written: half of it would hide what changed.
        (self.state / "web.json").unlink(missing_ok=True)
        run(f"COPY (FROM people) TO {quoted(str(self.state / 'web_people.parquet'))} (FORMAT parquet)")
        run(f"COPY (FROM identity) TO {quoted(str(self.state / 'web_identity.parquet'))} (FORMAT parquet)")
        run(f"COPY (FROM strangers) TO {quoted(str(self.state / 'web_strangers.parquet'))} (FORMAT parquet)")
        state = {
            "fingerprint": self.fingerprint,
            "files": self.near,
            "months": records,
            "dropped": dropped,
        }
        (self.state / "web.json").write_text(json.dumps(state, sort_keys=True), encoding="utf-8")

    def _make_month(self, month: str, target: Path) -> dict[str, Any]:
        run = self.connection.execute
        start, end = _bounds(month)
        near = [file for file in self.files if month in self.near[file.key]]
        rows = self._rows(near)
        inside = f"occurred_at >= {start} AND occurred_at < {end}"
        once = "ANTI JOIN dropped d ON s.filename = d.filename AND s.file_row_number = d.number"
        self._find_bots(rows, start - DAY_US, end + DAY_US)
        self.connection.execute(f"""
            CREATE OR REPLACE TEMP TABLE month AS
            SELECT s.* EXCLUDE (file_row_number, _broken, _notes, _key, _row),
                   coalesce(p.token, i.token) AS person,
                   CASE WHEN p.token IS NOT NULL THEN greatest(s.loaded_at, p.known_from)
                        ELSE greatest(s.loaded_at, i.known_at) END AS known_at,
                   CASE WHEN p.token IS NOT NULL THEN p.gone ELSE coalesce(i.gone, '') END AS gone,
                   coalesce(regexp_matches(s.user_agent, {quoted(BOTS)}), false) OR b.who IS NOT NULL AS bot
            FROM (SELECT * FROM {rows} s {once} WHERE {inside}) s
            LEFT JOIN people p ON coalesce(s.customer_id, s.email) = p.who AND (s.customer_id IS NULL) = p.by_address
            LEFT JOIN identity i ON s.anonymous_id = i.anonymous_id
            LEFT JOIN bots b ON coalesce(s.anonymous_id, s.customer_id, s.email) = b.who
                            AND s.occurred_at >= b.start AND s.occurred_at < b.stop""")
        equal, repeated = self._settle_equal_rows()
        files: dict[str, dict[str, Any]] = {
            self._key_of[f]: {"accepted": 0, "gone": {}, "repeated": n} for f, n in repeated
        }
        for filename, gone, count in run(
            "SELECT filename, gone, count(*) FROM month GROUP BY ALL ORDER BY ALL"
        ).fetchall():
            book = files.setdefault(self._key_of[filename], {"accepted": 0, "gone": {}})
            if gone:
                book["gone"][gone] = int(count)
            else:
                book["accepted"] = int(count)
        run("DELETE FROM month WHERE gone <> ''")
        quarters = run(f"SELECT DISTINCT occurred_at // {QUARTER_US} FROM month ORDER BY 1").fetchall()
        bots, named = run("SELECT count(*) FILTER (bot), count(person) FROM month").fetchall()[0]
        first, last = run("SELECT min(occurred_at), max(occurred_at) FROM month").fetchall()[0]
        strangers = int(self._one("SELECT count(*) FROM month SEMI JOIN strangers ON month.person = strangers.token"))
        written = self._write(target)
        run("DROP TABLE month")
        return {
            "rows": written,
            "sha256": sha256_of(target) if written else "",
            "files": files,
            "quarters": [int(quarter) for (quarter,) in quarters],
            "equal": equal,
            "first": first,
            "last": last,
            "bots": int(bots),
            "named": int(named),
            "orphans": strangers,
        }

    def _settle_equal_rows(self) -> tuple[int, list[tuple[str, int]]]:
        """Of rows without an id that equal each other: how many stay, or, by landed file, how many are set aside."""
        run = self.connection.execute
        if not self._one("SELECT count(*) FROM month WHERE message_id IS NULL"):
            return 0, []
        content = ", ".join(map(quoted_name, self.content))
        place = f"row_number() OVER (PARTITION BY message_id IS NULL, {content} ORDER BY loaded_at, filename)"
        if self.log.declared.duplicates == "keep":
            return int(
                self._one(f"SELECT count(*) FROM (SELECT 1 FROM month WHERE message_id IS NULL QUALIFY {place} > 1)")
            ), []
        again = (
            f"SELECT filename, count(*) FROM (SELECT filename FROM month WHERE message_id IS NULL QUALIFY {place} > 1)"
        )
        found = run(f"{again} GROUP BY 1 ORDER BY 1").fetchall()
        run(f"CREATE OR REPLACE TEMP TABLE month AS SELECT * FROM month QUALIFY message_id IS NOT NULL OR {place} = 1")
        return 0, [(str(filename), int(count)) for filename, count in found]

    def _find_bots(self, rows: str, start: int, end: int) -> None:
        """Fill ``bots`` with visitors and the local days on which one minute held more pages than a person opens."""
        zone = quoted(self.log.zone)
        who = "coalesce(anonymous_id, customer_id, email)"
        inside = f"occurred_at >= {start} AND occurred_at < {end}"
        # A whole day of the shop is flagged: no cutoff lies inside one, so what comes after it changes nothing before.
        self.connection.execute(f"""
            CREATE OR REPLACE TEMP TABLE bots AS
            WITH busy AS (
                SELECT {who} AS who FROM {rows} WHERE {inside} GROUP BY 1 HAVING count(*) > {MOST_IN_A_MINUTE}),
            minutes AS (
                SELECT {who} AS who, occurred_at // 60000000 AS minute FROM {rows}
                WHERE {inside} AND {who} IN (FROM busy) GROUP BY ALL HAVING count(*) > {MOST_IN_A_MINUTE}),
            days AS (
                SELECT DISTINCT who, date_trunc('day', timezone({zone}, make_timestamptz(minute * 60000000))) AS day
                FROM minutes)
            SELECT who, epoch_us(timezone({zone}, day)) AS start,
                   epoch_us(timezone({zone}, day + INTERVAL 1 DAY)) AS stop
            FROM days""")

    def _hide_addresses(self) -> None:
        """Put pseudonyms in place of the ids of things in ``month`` that hold an address."""
        things = [quoted_name(column) for column in self.log.input.things]
        if self._one(f"SELECT count(*) FROM month WHERE {' OR '.join(map(may_hold_address, things))}"):
            hidden = ", ".join(
                f"{column} = CASE WHEN {holds_address(column)} THEN pseudonym('{MESSAGE}', {column}) ELSE {column} END"
                for column in things
            )
            self.connection.execute(f"UPDATE month SET {hidden}")

    def _write(self, target: Path) -> int:
        content = ", ".join(f"{quoted_name(c)} NULLS LAST" for c in sorted(self.content))
        self.connection.execute("""
            CREATE OR REPLACE TEMP TABLE visitors AS
            SELECT anonymous_id, pseudonym('v_', anonymous_id) AS visitor
            FROM (SELECT DISTINCT anonymous_id FROM month WHERE anonymous_id IS NOT NULL)""")
        self._hide_addresses()
        named = "SELECT *, message_id AS event_id FROM month WHERE message_id IS NOT NULL"
        if self._one("SELECT count(*) FROM month WHERE message_id IS NULL"):
            parts = "session_id, anonymous_id, event, occurred_at"
            texts = "coalesce(session_id, ''), coalesce(visitor, ''), event, occurred_at::VARCHAR"
            named += f"""
                UNION ALL BY NAME
                SELECT * EXCLUDE (visitor, place), concat_ws(':', {texts}, place::VARCHAR) AS event_id FROM (
                    SELECT month.*, visitor,
                           row_number() OVER (PARTITION BY {parts} ORDER BY {content}, known_at) AS place
                    FROM month LEFT JOIN visitors USING (anonymous_id) WHERE message_id IS NULL)"""
        schema = arrow_schema("web_events")
        given = {"customer_id": "person", "loaded_at": "known_at", "anonymous_id": "visitor"}
        columns = ", ".join(
            f"{given.get(field.name, quoted_name(field.name))} AS {quoted_name(field.name)}" for field in schema
        )
        rows = self.connection.sql(f"""
            SELECT {columns} FROM ({named}) LEFT JOIN visitors USING (anonymous_id)
            ORDER BY customer_id NULLS LAST, occurred_at, event_id""")
        return write_rows(rows.to_arrow_reader(ROWS_TOGETHER), schema, target)


def write_rows(batches: Any, schema: pa.Schema, target: Path) -> int:
    """Write batches as one Parquet file in groups of :data:`ROWS_TOGETHER` rows; the rows written. No rows, no file."""
    waiting: list[pa.RecordBatch] = []
    count = rows = 0
    writer: pq.ParquetWriter | None = None

    def flush(everything: bool) -> None:
        nonlocal waiting, count
        table = pa.Table.from_batches(waiting).combine_chunks()
        at = 0
        while writer is not None and (len(table) - at >= ROWS_TOGETHER or (everything and len(table) > at)):
            # A group of its own memory: pages must not depend on where a batch ended.
            group = pa.table([_own(c) for c in table.slice(at, ROWS_TOGETHER).columns], schema=schema)
            writer.write_table(group, row_group_size=ROWS_TOGETHER)
            at += ROWS_TOGETHER
        waiting = table.slice(at).to_batches() if len(table) > at else []
        count = max(len(table) - at, 0)

    for batch in batches:
        writer = writer or pq.ParquetWriter(target, schema, compression="zstd")
        waiting.append(batch.cast(schema))
        count += batch.num_rows
        rows += batch.num_rows
        if count >= ROWS_TOGETHER:
            flush(everything=False)
    if writer is not None:
        if waiting:
            flush(everything=True)
        writer.close()
    return rows


def _own(column: pa.ChunkedArray) -> pa.Array:
    whole = column.combine_chunks()
    return pa.concat_arrays([whole]) if isinstance(whole, pa.Array) else whole


def _month_of(instant: int) -> str:
    """The UTC month of an instant, '2026-01'."""
    return format_date(instant, "UTC")[:7]


def _next(month: str) -> str:
    year, number = int(month[:4]), int(month[5:])
    return f"{year + number // 12}-{number % 12 + 1:02d}"


def _bounds(month: str) -> tuple[int, int]:
    return parse_date(f"{month}-01", "UTC"), parse_date(f"{_next(month)}-01", "UTC")
