"""Page events and whose they are: visitors who were identified, people by id or address, everything booked."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from events.sql import quoted
from sources import runs
from sources.arrivals import MONTHS, Arrival, Arrivals, code_hash
from sources.checking import Log
from sources.identity import Identities
from sources.ledger import ERASED, TEST_ACCOUNT
from sources.runs import column, flat
from sources.web_months import Landed, Made, WebMonths


class Visits:
    """The months of page events of one ingest; ``files`` are the landed ones by the number of their book."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        arrivals: Arrivals,
        people: Identities,
        log: Log,
        files: Mapping[int, Landed],
        identity_map: pa.Table | None,
        events: Path,
        previous: Path | None,
    ) -> None:
        self.connection, self.arrivals, self.people, self.log = connection, arrivals, people, log
        self.files, self.identity_map, self.events, self.previous = files, identity_map, events, previous

    def make(self, tables: Mapping[str, pa.Table], files: Sequence[Arrival]) -> Made:
        """Write the months and book every row; ``tables`` are the others, as they came out."""
        state = self.arrivals.landed / MONTHS
        state.mkdir(mode=0o700, exist_ok=True)
        self._register_people(tables, files)
        key = hashlib.sha256(self.people.key).hexdigest()
        said = f"{code_hash()} {self.log.zone} {self.log.declared.duplicates} {key}"
        months = WebMonths(
            self.connection, self.log, list(self.files.values()), state, hashlib.sha256(said.encode()).hexdigest()
        )
        draft = self.events / "web_events"
        previous = self.previous / "web_events" if self.previous else None
        made = months.make(previous, draft, self.arrivals.progress)
        if list(self._number_conflicts(made, files)):
            # Their places were not known; now they are.
            made = months.make(previous, draft, self.arrivals.progress)
        by_key = {landed.key: number for number, landed in self.files.items()}
        for key, number in by_key.items():
            book = self.arrivals.ledger.books[number]
            book.duplicates += made.duplicates.get(key, 0)
            self.arrivals.ledger.refuse(number, made.conflicts.get(key, []), "conflicting_duplicate", "message_id")
            for month in made.months.values():
                part = month["files"].get(key, {"accepted": 0, "gone": {}})
                book.accepted += part["accepted"]
                book.duplicates += part.get("repeated", 0)
                for rule, count in part["gone"].items():
                    book.rules[rule] += count
        if not any(draft.iterdir()):
            draft.rmdir()
        return made

    def _number_conflicts(self, made: Made, files: Sequence[Arrival]) -> Iterator[bool]:
        for file in files:
            if 0 in made.conflicts.get(file.folder.name, []):
                self.arrivals.land(file.source, file.name, file.path, file.folder, numbered=True)
                yield True

    def _register_people(self, tables: Mapping[str, pa.Table], files: Sequence[Arrival]) -> None:
        people, register = self.people, self.connection.register
        fragments = [f.folder / "web_events.people.parquet" for f in files]
        pairs = pa.concat_tables(
            [pq.read_table(path) for path in fragments if path.is_file()], promote_options="default"
        )
        pairs = pairs.group_by(["customer_id", "email"]).aggregate([]).combine_chunks()
        given, addresses = column(pairs, "customer_id"), column(pairs, "email")
        own = people.own_ids(given, addresses)
        tokens = people.customers(own)
        gone = self._gone(tokens)
        people.remember(own.filter(pa.array(gone == "")), tokens.filter(pa.array(gone == "")))
        register(
            "people_given",
            pa.table(
                {
                    "who": pc.coalesce(given, addresses),
                    "by_address": pc.is_null(given),
                    "token": tokens,
                    "known_from": people.merged_at(given),
                    "gone": pa.array(gone.tolist(), pa.string()),
                }
            ),
        )
        register("identity_given", self._identity())
        known = flat(tables["customers"]["customer_id"]) if "customers" in tables else tokens
        strangers = tokens.filter(pc.invert(pc.is_in(tokens, known)))
        register("strangers_given", pa.table({"token": strangers}))
        for name in ("people", "identity", "strangers"):
            self.connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT DISTINCT * FROM {name}_given")
            self.connection.unregister(f"{name}_given")

    def _gone(self, tokens: pa.Array) -> np.ndarray:
        gone = np.where(self.people.is_test(tokens, self.arrivals.settings.test_accounts), TEST_ACCOUNT, "")
        return np.where(self.people.is_erased(tokens), ERASED, gone)

    def _identity(self) -> pa.Table:
        """Whose visits were later known to be whose: from the map, else from the visits of those who were signed in."""
        if self.identity_map is not None:
            rows = self.identity_map
            pairs = rows.select(["_visitor", "customer_id", "identified_at", "loaded_at"]).rename_columns(
                ["anonymous_id", "token", "identified_at", "known_at"]
            )
        else:
            # Files differ in what may be null.
            logins = [self._logins(landed) for landed in self.files.values()]
            rows = pa.concat_tables(logins, promote_options="default").combine_chunks()
            given = column(rows, "customer_id")
            token = self.people.customers(self.people.own_ids(given, column(rows, "email")))
            known = pc.max_element_wise(rows["loaded_at"], self.people.merged_at(given))
            pairs = pa.table(
                {
                    "anonymous_id": rows["anonymous_id"],
                    "token": token,
                    "identified_at": rows["identified_at"],
                    "known_at": known,
                }
            )
        ordered = runs.sort(pairs, ["anonymous_id", "identified_at", "token"])
        first = ordered.filter(pa.array(runs.starts(ordered, ["anonymous_id"])))
        gone = self._gone(column(first, "token"))
        return first.drop_columns(["identified_at"]).append_column("gone", pa.array(gone.tolist(), pa.string()))

    def _logins(self, landed: Landed) -> pa.Table:
        """Who was signed in on which visitor's pages, first seen and first known, once per landed file."""
        fragment = landed.rows.with_suffix(".logins")
        if not fragment.is_file():
            draft = fragment.with_suffix(".part")
            # An address matters only where there is no id.
            self.connection.execute(
                f"""COPY (SELECT anonymous_id, customer_id, CASE WHEN customer_id IS NULL THEN email END AS email,
                           min(occurred_at) AS identified_at, min(loaded_at) AS loaded_at
                    FROM read_parquet({quoted(str(landed.rows))})
                    WHERE anonymous_id IS NOT NULL AND coalesce(customer_id, email) IS NOT NULL GROUP BY ALL)
                    TO {quoted(str(draft))} (FORMAT parquet)"""
            )
            draft.replace(fragment)
        return pq.read_table(fragment)
