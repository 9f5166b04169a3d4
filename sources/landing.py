"""One raw file to checked rows on disk: what runs in the limited child process, which may trust nothing.

A landed file is a folder: ``<log>.parquet`` has the rows that keep the contract, with the shop's own ids and
``_row``, where the row came from; ``refused.parquet`` the others, with their text; ``books.json`` the counts.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from events.logs import RESTRICTING_LOGS
from events.sql import quoted, quoted_name
from sources import disk, restricting
from sources.adapters import ADAPTERS, Adapter
from sources.checking import DECLARED, NOTES, Log, Sieve, chosen_columns, nearest, sieve
from sources.currencies import CURRENCIES
from sources.errors import ContractError
from sources.raw_files import Fault
from sources.relations import Reader, Relation, unreadable_parquet
from sources.rules import meaning
from sources.settings import LogSettings
from sources.unpacking import looks_like, unpacked

STREAMED = frozenset({"web_events"})
"""Logs too long for memory: their months are made one by one, straight from the landed files."""

REFUSED = pa.schema(
    [
        ("log", pa.string()),
        ("row", pa.int64()),
        ("line", pa.int64()),
        ("rule", pa.string()),
        ("column", pa.string()),
        ("message", pa.string()),
        ("raw", pa.string()),
    ]
)
_MOJIBAKE = "[\u00c2\u00c3][\u0080-\u00bf]|\u00e2\u20ac"
"""UTF-8 that was read as Latin-1 and written again."""
MOST_RAW = 4_000
"""Letters of a refused line that are kept."""


class Landing:
    """Reads one file at a time; ``memory_limit`` and ``threads`` are DuckDB's."""

    def __init__(self, memory_limit: str, threads: int, scratch: Path) -> None:
        self.scratch = scratch
        self.connection = duckdb.connect(
            config={
                "memory_limit": memory_limit,
                "threads": threads,
                "temp_directory": str(scratch / "spill"),
                "preserve_insertion_order": "false",
                "autoload_known_extensions": "false",
                "autoinstall_known_extensions": "false",
            }
        )
        self.connection.execute("SET TimeZone = 'UTC'")

    def land(
        self, path: Path, name: str, logs: Sequence[Log], adapter: str, target: Path, numbered: bool = False
    ) -> None:
        """Read the file at ``path``, called ``name`` in messages, into the folder ``target``.

        ``numbered``: every row shall say where it came from, even where that takes time.

        Raises:
            ContractError: the file cannot be trusted as a whole; no part of it is used.
        """
        declared = logs[0].declared
        reader = Reader(self.connection, self.scratch)
        plain = unpacked(path, name, self.scratch)
        chosen = ADAPTERS[adapter] if adapter else None
        file_format = _format_of(declared, chosen, plain)
        reader.check_kind(plain, name, file_format, declared.encoding)
        books = _Books(target, name)
        try:
            if chosen:
                self._land_export(reader, plain, name, logs, chosen, file_format, books)
            else:
                self._land_log(reader, plain, name, logs[0], file_format, books, numbered)
        except duckdb.Error as error:
            if disk.number_of(error):
                raise  # the file is not to blame
            if isinstance(error, duckdb.OutOfMemoryException):
                raise ContractError(
                    f"{name}: too_large for engine.memory_limit. Raise it, or export in parts."
                ) from None
            if file_format == "parquet":
                raise unreadable_parquet(name, error) from None
            raise
        books.write()

    def texts(self, path: Path, name: str, log: Log, adapter: str, rows: Sequence[int]) -> dict[int, tuple[int, str]]:
        """Line and text of single rows, known by the ``_row`` with which they landed."""
        reader = Reader(self.connection, self.scratch)
        plain = unpacked(path, name, self.scratch)
        chosen = ADAPTERS[adapter] if adapter else None
        file_format = _format_of(log.declared, chosen, plain)
        if chosen and file_format == "jsonl":
            relation = reader.documents(plain, name, log.declared)
        elif file_format == "parquet":
            relation = reader.parquet(plain, name, lambda header: list(header))
        elif file_format == "jsonl":
            relation = reader.jsonl(plain, name, log.declared, [], lambda _: [])
        else:
            relation = reader.csv(plain, name, log.declared, lambda header: list(header)[:1], True)
        return {row: (line, text[:MOST_RAW]) for row, (line, text) in relation.texts(set(rows)).items()}

    # A log of the shop's own making

    def _land_log(
        self,
        reader: Reader,
        path: Path,
        name: str,
        log: Log,
        file_format: str,
        books: "_Books",
        numbered: bool,
    ) -> None:
        numbered = numbered or log.name not in STREAMED

        def choose(header: Sequence[str]) -> list[str]:
            books.unknown_columns = sorted(set(header) - set(chosen_columns(log, name, header)) - {""})
            return chosen_columns(log, name, header)

        if file_format == "parquet":
            relation = reader.parquet(path, name, choose)
        elif file_format == "jsonl":
            theirs = [log.declared.columns.get(ours, ours) for ours in log.fields]
            relation = reader.jsonl(
                path, name, log.declared, list(dict.fromkeys([*theirs, *log.declared.drop_where])), choose
            )
        else:
            relation = reader.csv(path, name, log.declared, choose, numbered)
        try:
            refused = self._write(log, relation, books)
        except duckdb.Error as error:
            if disk.number_of(error) or file_format != "csv" or relation.is_careful:
                raise
            relation = reader.csv(path, name, log.declared, choose, True, careful=True)
            refused = self._write(log, relation, books)
        if refused and not relation.is_numbered:
            # Where a row was refused its place must be known: once more, with numbers.
            relation = reader.csv(path, name, log.declared, choose, True)
            self._write(log, relation, books)
        books.faults([log], relation)
        books.rows[log.name] += len(relation.faults)

    def _write(self, log: Log, relation: Relation, books: "_Books") -> int:
        """Land the rows of ``log``; how many were refused."""
        passed = sieve(log, relation.sql, relation.types, relation.is_plain, relation.has_header)
        everything = books.folder / f"{log.name}.all.parquet"
        key = _key_of(log)
        self.connection.execute(
            f"COPY (SELECT *, {key} AS _key FROM ({passed.sql})) TO {quoted(str(everything))} "
            "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 122880)"
        )
        read = f"read_parquet({quoted(str(everything))})"
        counts = dict(self.connection.execute(f"SELECT _broken, count(*) FROM {read} GROUP BY 1").fetchall())
        if "currency" in log.fields and relation.is_numbered:
            books.has_currency = (
                "currency" in log.declared.constants
                or log.declared.columns.get("currency", "currency") in relation.types
            )
            codes = self.connection.execute(f"SELECT currency, count(*) FROM {read} GROUP BY 1").fetchall()
            books.currencies.update({code: int(count) for code, count in codes if code in CURRENCIES})
        rows, good = sum(counts.values()), counts.pop(0, 0)
        target = books.folder / f"{log.name}.parquet"
        if counts:
            if not relation.is_numbered:
                everything.unlink()
                return sum(counts.values())
            self._refuse(log, passed, relation, read, books)
            self.connection.execute(
                f"COPY (SELECT * FROM {read} WHERE _broken = 0) TO {quoted(str(target))} "
                "(FORMAT parquet, COMPRESSION zstd)"
            )
        if log.name in RESTRICTING_LOGS:
            self._write_said(log, read, books)
        if not counts:
            everything.replace(target)
        else:
            everything.unlink()
        self._note(log, passed, relation.is_plain, target, books)
        books.rows[log.name] = rows
        books.good[log.name] = good
        theirs = log.declared.columns.get("loaded_at", "loaded_at")
        books.arrival[log.name] = theirs in relation.types
        books.months(log, target, self.connection, log.declared.columns.get("email", "email") in relation.types)
        return sum(counts.values())

    def _write_said(self, log: Log, read: str, books: "_Books") -> None:
        """Keep what rows say against writing to somebody that the contract sets aside, or cannot read in full."""
        found = self.connection.sql(
            f"SELECT _row, unnest(_said) FROM {read} WHERE _said IS NOT NULL ORDER BY _row"
        ).to_arrow_table()
        books.said[log.name] += found.cast(
            pa.schema([restricting.SAID.field(n) for n in found.column_names])
        ).to_pylist()

    def _refuse(self, log: Log, passed: Sieve, relation: Relation, read: str, books: "_Books") -> None:
        found = self.connection.execute(f"SELECT _row, _broken FROM {read} WHERE _broken > 0 ORDER BY _row").fetchall()
        self._refuse_unread_times(log, passed, Counter(code for _, code in found), len(found), read, books)
        counted = [(row, passed.rules[code - 1]) for row, code in found]
        for _, rule in counted:
            books.rules[log.name][rule.rule] += 1
        # Rows left out on purpose need no cure.
        kept = [(row, rule) for row, rule in counted if not rule.rule.startswith(DECLARED)]
        texts = relation.texts({row for row, _ in kept})
        for row, rule in kept:
            line, text = texts[row]
            books.refuse(log.name, row, line, rule.rule, rule.column, text)

    def _refuse_unread_times(
        self, log: Log, passed: Sieve, codes: Counter[int], refused: int, read: str, books: "_Books"
    ) -> None:
        (rows,) = self.connection.execute(f"SELECT count(*) FROM {read}").fetchall()[0]
        for code, count in codes.items():
            rule = passed.rules[code - 1]
            if rule.rule == "unparsable_time" and count == rows and refused == rows:
                form = log.declared.time_format
                raise ContractError(
                    f"{books.name}: no value of {rule.column!r} is "
                    + (
                        f"a time of the form {form!r}. Correct"
                        if form
                        else "an ISO 8601 time such as 2026-01-31T12:00:00Z. Declare"
                    )
                    + f" {log.place}.time_format."
                )

    def _note(self, log: Log, passed: Sieve, is_plain: bool, target: Path, books: "_Books") -> None:
        """Count what was accepted with a note."""
        read = f"read_parquet({quoted(str(target))})"
        noted = [
            (f"{rule.column}: {NOTES[rule.rule]}", f"(_notes & {1 << at}) > 0") for at, rule in enumerate(passed.notes)
        ]
        if not is_plain:
            texts = [ours for ours, field in log.fields.items() if field.kind == "text" and not field.allowed]
            noted += [
                (
                    f"{log.declared.columns.get(c, c)}: {NOTES['mojibake']}",
                    f"regexp_matches({quoted_name(c)}, {quoted(_MOJIBAKE)})",
                )
                for c in texts
            ]
        if not noted:
            return
        sums = ", ".join(f"count(*) FILTER ({condition})" for _, condition in noted)
        found = self.connection.execute(f"SELECT {sums} FROM {read}").fetchall()[0]
        books.notes += [f"{note} ({rows} rows)." for (note, _), rows in zip(noted, found, strict=True) if rows]

    # A vendor's export

    def _land_export(
        self,
        reader: Reader,
        path: Path,
        name: str,
        logs: Sequence[Log],
        adapter: Adapter,
        file_format: str,
        books: "_Books",
    ) -> None:
        declared = logs[0].declared

        def choose(header: Sequence[str]) -> list[str]:
            missing = next((column for column in adapter.columns if column not in header), None)
            if missing:
                raise ContractError(
                    f"{name}: missing column {missing!r}{nearest(missing, list(header))}. The adapter {adapter.name} "
                    f"reads {adapter.title}: export it again with the vendor's own column names."
                )
            books.unknown_columns = []
            return [column for column in (*adapter.columns, *adapter.optional) if column in header]

        if file_format == "jsonl":
            relation = reader.documents(path, name, declared)
        elif file_format == "parquet":
            relation = reader.parquet(path, name, choose)
        else:
            relation = reader.csv(path, name, declared, choose, True)
        absent = (
            [c for c in (*adapter.columns, *adapter.optional) if c not in relation.types]
            if file_format != "jsonl"
            else []
        )
        nulls = "".join(f", NULL::VARCHAR AS {quoted_name(c)}" for c in absent)
        empty = ", ".join(
            f"nullif({quoted_name(c)}, '') AS {quoted_name(c)}" if kind == "VARCHAR" else quoted_name(c)
            for c, kind in relation.types.items()
        )
        self.connection.execute(
            f"CREATE OR REPLACE TEMP VIEW records AS SELECT _row, {empty}{nulls} FROM {relation.sql}"
        )
        used = [
            f"SELECT _row FROM ({sql})" for log, sql in adapter.logs.items() if log not in {ours.name for ours in logs}
        ]
        for log in logs:
            made = f"({adapter.logs[log.name]})"
            described = self.connection.execute(f"DESCRIBE SELECT * FROM {made}").fetchall()
            types = {str(row[0]): str(row[1]) for row in described if row[0] != "_row"}
            self._write(log, Relation(made, types, True, False, relation.texts), books)
            used.append(f"SELECT _row FROM {made}")
        left = f"({adapter.left_out})"
        if len(logs) < len(adapter.logs):
            # What feeds only logs that params leave out is told of, too.
            chosen = " UNION ALL ".join(f"SELECT _row FROM ({adapter.logs[log.name]})" for log in logs)
            others = " UNION ALL ".join(used)
            left = (
                f"({adapter.left_out} UNION ALL SELECT _row, 'feeds no log that is read' FROM "
                f"(({others}) EXCEPT ({chosen})))"
            )
        reasons = self.connection.execute(f"SELECT coalesce(reason, ''), count(*) FROM {left} GROUP BY 1").fetchall()
        books.left_out = {str(reason)[:80]: int(count) for reason, count in reasons}
        if adapter.guessed and "consent_events" in {log.name for log in logs}:
            names = self.connection.execute(f"SELECT name, count(*) FROM ({adapter.guessed}) GROUP BY 1").fetchall()
            books.notes += [
                f"{count} events {str(name)[:80]!r} sound like a refusal and count as one. If they are none, leave "
                "them out of the export."
                for name, count in names
            ]
        lost = self.connection.execute(
            f"SELECT _row FROM records EXCEPT (SELECT _row FROM {left} UNION ALL {' UNION ALL '.join(used)}) ORDER BY 1"
        ).fetchall()
        texts = relation.texts({row for (row,) in lost})
        main = logs[0].name
        for (row,) in lost:
            line, text = texts[row]
            books.rules[main]["not_understood"] += 1
            books.refuse(main, row, line, "not_understood", "", text)
            books.say(logs, row, text)
        books.rows[main] += len(lost) + len(relation.faults)
        books.faults(logs, relation)
        (books.records,) = self.connection.execute("SELECT count(*) FROM records").fetchall()[0]
        books.records += len(relation.faults)


def _format_of(declared: LogSettings, adapter: Adapter | None, path: Path) -> str:
    """As declared; else what the vendor writes, of which Parquet can be told by its first bytes."""
    if declared.format or adapter is None:
        return declared.format or "csv"
    if "parquet" in adapter.formats and looks_like(path) == "a Parquet file":
        return "parquet"
    return next(kind for kind in adapter.formats if kind != "parquet")


def _key_of(log: Log) -> str:
    """A number that rows with the same id share; null where a row has none, or nobody asks."""
    if log.name not in STREAMED:
        return "NULL::UBIGINT"
    return f"CASE WHEN {quoted_name(log.input.key[0])} IS NOT NULL THEN hash({quoted_name(log.input.key[0])}) END"


class _Books:
    """What becomes of every row of one file."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.rows: Counter[str] = Counter()
        self.good: Counter[str] = Counter()
        self.rules: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.arrival: dict[str, bool] = {}
        self.spans: dict[str, list[int]] = {}
        self.notes: list[str] = []
        self.unknown_columns: list[str] = []
        self.left_out: dict[str, int] = {}
        self.records: int | None = None
        self.currencies: Counter[str] = Counter()
        self.has_currency = False
        self.refused: list[tuple[str, int, int, str, str, str, str]] = []
        self.said: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)

    def refuse(self, log: str, row: int, line: int, rule: str, column: str, text: str) -> None:
        self.refused.append((log, row, line, rule, column, meaning(rule), text[:MOST_RAW]))

    def say(self, logs: Sequence[Log], row: int, text: str) -> None:
        """Note what a line whose cells cannot be told apart may say, in each of the logs it could belong to."""
        for log in logs:
            # Spreadsheets write rows of nothing but delimiters.
            if log.name in RESTRICTING_LOGS and any(letter.isalnum() for letter in text):
                self.said[log.name].append(restricting.said_of_line(log, row, text))

    def faults(self, logs: Sequence[Log], relation: Relation) -> None:
        faults: Sequence[Fault] = relation.faults
        main = logs[0].name
        texts = relation.texts({fault.line for fault in faults}) if faults else {}
        for fault in faults:
            text = texts.get(fault.line, (0, ""))[1]
            self.rules[main][fault.rule] += 1
            self.refuse(main, -fault.line, fault.line, fault.rule, fault.column, text)
            if fault.rule != "repeated_header":
                self.say(logs, -fault.line, text)

    def months(self, log: Log, target: Path, connection: duckdb.DuckDBPyConnection, has_addresses: bool) -> None:
        moment = log.input.moment
        if moment and log.name in STREAMED:
            people = self.folder / f"{log.name}.people.parquet"
            read = f"read_parquet({quoted(str(target))})"
            # An address matters only where there is no id.
            address = "CASE WHEN customer_id IS NULL THEN email END" if has_addresses else "NULL::VARCHAR"
            signed_in = "coalesce(customer_id, email) IS NOT NULL" if has_addresses else "customer_id IS NOT NULL"
            connection.execute(
                f"COPY (SELECT DISTINCT customer_id, {address} AS email FROM {read} WHERE {signed_in}) "
                f"TO {quoted(str(people))} (FORMAT parquet)"
            )
            found = connection.execute(
                f"SELECT min({moment}), max({moment}) FROM read_parquet({quoted(str(target))})"
            ).fetchall()[0]
            self.spans[log.name] = [int(instant) for instant in found if instant is not None]

    def write(self) -> None:
        columns = [list(column) for column in zip(*self.refused, strict=True)] or [[] for _ in REFUSED]
        pq.write_table(pa.table(columns, schema=REFUSED), self.folder / "refused.parquet", compression="zstd")
        for log, said in self.said.items():
            target = self.folder / f"{log}.said.parquet"
            pq.write_table(pa.Table.from_pylist(said, schema=restricting.SAID), target, compression="zstd")
        books: dict[str, Any] = {
            "rows": self.rows,
            "good": self.good,
            "rules": self.rules,
            "arrival": self.arrival,
            "spans": self.spans,
            "notes": sorted(self.notes),
            "unknown_columns": self.unknown_columns,
            "left_out": self.left_out,
            "records": self.records,
            "currencies": self.currencies,
            "has_currency": self.has_currency,
        }
        (self.folder / "books.json").write_text(json.dumps(books, sort_keys=True, indent=1), encoding="utf-8")
