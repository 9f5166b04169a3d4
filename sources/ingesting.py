"""The whole way of a shop's files: landed, checked, pseudonyms for people, duplicates aside, canonical tables."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sources import canonical, judging, runs
from sources.addresses import unaddressed
from sources.arrivals import Arrival, Arrivals, declared_sources
from sources.checking import Log, check_settings
from sources.duplicates import set_aside
from sources.email_flags import flagged
from sources.errors import ContractError
from sources.identity import Identities, OldKey, pseudonym_macro
from sources.landing import STREAMED
from sources.ledger import ERASED, TEST_ACCOUNT, Book, Ledger
from sources.manifest import describe, watermark_of
from sources.merges import merges_from
from sources.restrictions import SAME_INBOX, Restrictions
from sources.rules import meaning
from sources.runs import column, flat, is_missing, mask
from sources.settings import SourceSettings
from sources.snapshots import Snapshots
from sources.spellings import clean, unclean
from sources.visits import Visits
from sources.web_months import Landed, Made, write_rows
from sources.words import NO_CHANNEL


@dataclass(frozen=True)
class Ingested:
    """What came of a shop's files, beside the monthly event files.

    vault: one row per customer (pseudonym, the shop's id, address); never to leave ``state/``.
    quarantine: one row per refused line, with its raw text; never to leave ``state/``.
    manifest: watermark, counts per log and file, warnings.
    rewritten: months of page events that were made anew; the others were kept.
    became: one row per account that became another (pseudonyms customer_id, now).
    carried: pseudonyms of old keys that were recognised, each with the present one.
    """

    vault: pd.DataFrame
    quarantine: pd.DataFrame
    manifest: dict[str, Any]
    rewritten: list[str]
    became: pa.Table
    carried: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Places:
    """Where an ingest reads and writes: the shop's files, the landed files, the new events, and those of before."""

    root: Path
    landed: Path
    events: Path
    previous: Path | None = None


def ingest(
    places: Places,
    settings: SourceSettings,
    *,
    zone: str,
    key: bytes,
    erased: Collection[str] = (),
    old: Sequence[OldKey] = (),
    memory_limit: str = "4GB",
    threads: int = 2,
    progress: Callable[[str], None] = lambda _: None,
) -> Ingested:
    """Everything in the folder (or file) ``places.root`` that ``settings`` declares, as canonical events.

    ``zone`` is the shop's time zone, ``key`` makes the pseudonyms, ``erased`` holds the pseudonyms of people
    of whom no row may stay, ``old`` are keys of before under which some still wait, ``progress`` is told what
    is being done.

    Raises:
        ContractError: a file is missing, cannot be trusted as a whole, or gives no order.
    """
    return _Ingest(places, settings, zone, key, erased, old, memory_limit, threads, progress).run()


def months(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The rows of a canonical table per UTC month of occurrence ('2026-01'), in order of month."""
    days = pc.cast(table["occurred_at"], pa.timestamp("us"))
    month = pc.cast(pc.add(pc.multiply(pc.year(days), 12), pc.subtract(pc.month(days), 1)), pa.int32()).to_numpy()
    for number in np.unique(month).tolist():
        yield (
            f"{number // 12}-{number % 12 + 1:02d}",
            table.filter(pa.array(month == number)).combine_chunks(),
        )


def _missing(before: pa.Table, after: pa.Table) -> pa.Table:
    """The rows of ``before`` that are not in ``after``."""
    here, there = (
        pc.add(pc.shift_left(pc.cast(rows["_file"], pa.int64()), 44), rows["_row"]) for rows in (before, after)
    )
    return before.filter(pc.invert(pc.is_in(flat(here), flat(there))))


class _Ingest:
    def __init__(
        self,
        places: Places,
        settings: SourceSettings,
        zone: str,
        key: bytes,
        erased: Collection[str],
        old: Sequence[OldKey],
        memory_limit: str,
        threads: int,
        progress: Callable[[str], None],
    ) -> None:
        self.places, self.settings, self.zone, self.progress = places, settings, zone, progress
        self.key, self.memory_limit, self.threads = key, memory_limit, threads
        self.people, self.old = Identities(key, erased, old), old
        self.ledger = Ledger()
        self.arrivals = Arrivals(places.root, places.landed, settings, self.ledger, memory_limit, threads, progress)
        self.sources = list(declared_sources(settings, zone))
        self.logs: dict[str, Log] = {}
        for source in self.sources:
            for log in source.logs:
                self.logs.setdefault(log.name, log)
        self.rows: dict[str, pa.Table] = {}
        self.web: dict[int, Landed] = {}
        self.arrival_checked: dict[str, bool] = {}
        self.currencies: Counter[str] = Counter()
        self.without_currency: list[int] = []
        self.test_orders = pa.array([], pa.string())
        self.zones = tuple(sorted({"UTC", zone, *(log.zone for log in self.logs.values())}))
        self.restrictions = Restrictions(self.people, self.zones)
        self.snapshots: Snapshots | None = None
        self.unnamed: list[dict[str, Any]] = []

    def run(self) -> Ingested:
        from sources.contracts import validate

        for source in self.sources:
            for log in source.logs:
                check_settings(log)
        if not self.places.root.exists():
            raise ContractError(f"sources.path: {self.settings.path!r} does not exist. Put the shop's files there.")
        self.places.landed.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = [file for source in self.sources for file in self.arrivals.of(source)]
        self._open_books(files)
        self.arrivals.forget_others(files)
        self._carry(files)
        self.people.carry(self.restrictions.names())
        self._know_merges()
        self.connection = self._connect()
        self.people.know_erased(self.rows)
        # Addresses are learnt from the customers, so these come first.
        for name in sorted(self.rows, key=lambda name: (name != "customers", name)):
            self.progress(f"checking {name}")
            self._identify(name)
            self._set_aside(name)
        tables = self._canonical()
        restrictions = canonical.restrictions(self.restrictions.table(self.snapshots))
        if "customers" in tables:
            tables["customers"] = canonical.doubted(tables["customers"], self.restrictions.doubtful)
        self._tell_restrictions(restrictions)
        for name, table in [*tables.items(), ("restrictions", restrictions)]:
            validate(name, table)
            for month, rows in months(table):
                target = self.places.events / name / f"{month}.parquet"
                target.parent.mkdir(parents=True, exist_ok=True)
                write_rows(rows.to_batches(), rows.schema, target)
        made = self._visits().make(tables, files) if self.web else None
        quarantine = self.ledger.quarantined(self.people.mentions_erased if self.people.has_erased else None)
        manifest = self._manifest(tables, made) | {"unnamed_restrictions": self.unnamed}
        judging.stop_on_missing_days(manifest, self.settings)
        for log in manifest["logs"].values():
            log.pop("_days", None)
        rewritten, people = made.rewritten if made else [], self.people
        return Ingested(people.vault(), quarantine, manifest, rewritten, people.became(), people.carried)

    def _visits(self) -> Visits:
        places = self.places
        return Visits(
            self.connection,
            self.arrivals,
            self.people,
            self.logs["web_events"],
            self.web,
            self.rows.get("identity_map"),
            places.events,
            places.previous,
        )

    def _manifest(self, tables: dict[str, pa.Table], made: Made | None) -> dict[str, Any]:
        watermark = watermark_of(tables["orders"], self.settings.complete_until, self.zone, self.ledger)
        judging.warn_of_orders(tables["orders"], self.ledger)
        if "order_items" in tables:
            judging.warn_of_items(tables["order_items"], tables["orders"], self.ledger)
        facts = judging.facts(tables, made.months if made else None, self.zone)
        if bots := facts["machines"].get("bot_web_events"):
            self.ledger.warn(f"web_events: {bots} rows were made by bots; kept, flagged and left out of every feature.")
        if made and made.equal:
            self.ledger.warn(f"web_events: {made.equal} rows equal another; kept, since rows have no id.")
        if "web_events" in self.logs and made is None:
            self.arrival_checked.pop("web_events", None)
        return describe(
            facts,
            watermark,
            self.arrival_checked,
            self._undeclared(),
            dict(sorted(self.currencies.items())),
            self.settings.closed_days,
            self.ledger,
        )

    def _undeclared(self) -> list[str]:
        root = self.places.root
        if root.is_file():
            return []
        everything = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
        return sorted(everything - self.arrivals.read_names)

    def _connect(self) -> duckdb.DuckDBPyConnection:
        spill = self.places.landed / "spill"
        connection = duckdb.connect(
            config={
                "memory_limit": self.memory_limit,
                "threads": self.threads,
                "temp_directory": str(spill),
                "preserve_insertion_order": "false",
                "autoload_known_extensions": "false",
                "autoinstall_known_extensions": "false",
            }
        )
        connection.execute("SET TimeZone = 'UTC'")
        pseudonym_macro(connection, self.key)
        return connection

    # Reading

    def _open_books(self, files: Sequence[Arrival]) -> None:
        seen: set[tuple[str, str]] = set()
        parts: dict[str, list[pa.Table]] = {}
        for file in files:
            refused = (
                pq.read_table(file.folder / "refused.parquet").to_pandas()
                if sum(map(len, file.books["rules"].values()))
                else None
            )
            for note in file.books["notes"]:
                self.ledger.warn(f"{file.name}: {note}")
            self.currencies.update(file.books["currencies"])
            for log in file.source.logs:
                self._open_book(file, log, refused, seen, parts)
        for name, tables in parts.items():
            self.rows[name] = pa.concat_tables(tables).combine_chunks()

    def _open_book(
        self,
        file: Arrival,
        log: Log,
        refused: pd.DataFrame | None,
        seen: set[tuple[str, str]],
        parts: dict[str, list[pa.Table]],
    ) -> None:
        books, name = file.books, log.name
        mine = (
            pd.DataFrame(columns=["line", "rule", "column", "raw"])
            if refused is None
            else refused[refused["log"] == name]
        )
        is_main = name == file.source.logs[0].name
        number = self.ledger.open(
            Book(
                name,
                file.name,
                file.sha256,
                file.source.place,
                books["rows"].get(name, 0),
                Counter(books["rules"].get(name, {})),
                mine,
                lambda rows: self.arrivals.texts(file, log, rows),
                records=books["records"] if is_main else None,
                left_out=books["left_out"] if is_main else {},
                unknown_columns=books["unknown_columns"] if is_main else [],
            )
        )
        if name == "orders" and not books["has_currency"]:
            self.without_currency.append(number)
        good = books["good"].get(name, 0)
        if not books["rows"].get(name, 0) and not file.source.adapter:
            self.ledger.warn(f"{file.name}: a header without rows.")
        checked = self.arrival_checked.get(name, True)
        self.arrival_checked[name] = checked and books["arrival"].get(name, False)
        said = file.folder / f"{name}.said.parquet"
        if said.is_file():
            self.restrictions.said(name, number, pq.read_table(said))
        landed = file.folder / f"{name}.parquet"
        # A customers file may say again what one before the last said: then that is the newest state.
        if (name, file.sha256) in seen and name != "customers":
            self.ledger.warn(f"{file.name}: the same file as one read before; its rows count as duplicates.")
            self.ledger.books[number].duplicates += good
        elif name in STREAMED:
            span = books["spans"].get(name) or None
            self.web[number] = Landed(file.folder.name, landed, (span[0], span[1]) if span else None)
        else:
            names = pq.read_schema(landed).names
            rows = pq.read_table(landed, columns=[c for c in names if c not in {"_broken", "_notes", "_key", "_said"}])
            rows = rows.cast(
                pa.schema([(field.name, field.type) for field in rows.schema])
            )  # files differ in what may be null
            parts.setdefault(name, []).append(
                rows.append_column("_file", pa.repeat(pa.scalar(number, pa.int32()), rows.num_rows))
            )
        seen.add((name, file.sha256))

    # People

    def _carry(self, files: Sequence[Arrival]) -> None:
        """Try every id and address under the old keys, before anything is decided about anybody."""
        if not self.old:
            return
        pages = [file.folder / "web_events.people.parquet" for file in files]
        for table in [*self.rows.values(), *(pq.read_table(path) for path in pages if path.is_file())]:
            for name in {"customer_id", "email", "from_id", "to_id"} & {*table.column_names}:
                self.people.carry(pc.unique(table[name]).drop_null().to_pylist())

    def _know_merges(self) -> None:
        if "customer_merges" in self.rows:
            rows = self.rows.pop("customer_merges")
            names = [self.ledger.books[int(file)].name for file in rows["_file"].to_pylist()]
            self.people.know_merges(merges_from(rows, names))
            self.restrictions.know_merges(column(rows, "from_id"), column(rows, "to_id"))
            self.ledger.accept(rows)

    def _identify(self, name: str) -> None:
        given_rows = rows = self.rows[name]
        for things in self.logs[name].input.things:
            place = rows.column_names.index(things)
            rows = rows.set_column(place, things, self.people.without_addresses(column(rows, things)))
        if "customer_id" not in rows.column_names:
            self.rows[name] = rows
            return
        given = column(rows, "customer_id")
        addresses = column(rows, "email") if "email" in rows.column_names else None
        everybody = rows
        if name == "customers":
            rows = self._newest(rows)
            given, addresses = column(rows, "customer_id"), column(rows, "email")
            shared = self.people.know_addresses(given, column(rows, "email"), column(rows, "created_at"))
            if shared:
                self.ledger.warn(f"customers: {shared} e-mail addresses belong to more than one customer.")
            rows = self._without_merged(rows)
            given, addresses = column(rows, "customer_id"), None
            self.restrictions.know_addresses(name, column(everybody, "customer_id"), column(everybody, "email"))
        own = self.people.own_ids(given, addresses)
        rows = rows.set_column(rows.column_names.index("customer_id"), "customer_id", self.people.customers(own))
        if self.people.has_merges:
            known = pc.max_element_wise(rows["loaded_at"], self.people.merged_at(given))
            rows = rows.set_column(rows.column_names.index("loaded_at"), "loaded_at", known)
        rows = rows.append_column("_raw_id", own).append_column("_has_id", given.is_valid())
        gone = self.people.is_erased(column(rows, "customer_id"))
        if name == "identity_map":
            visitors = self.people.visitors(column(rows, "anonymous_id"))
            rows = rows.drop_columns(["_has_id"]).append_column("_visitor", column(rows, "anonymous_id"))
            # Kept until the visits are resolved, so that an erased person's anonymous visits go as well.
            self.rows[name] = rows.set_column(rows.column_names.index("anonymous_id"), "anonymous_id", visitors)
            return
        if name in {"orders", "order_lines"}:
            # Their items have no order left to belong to; the ledger then keeps no text of them either.
            self.people.erased_orders |= set(given_rows["order_id"].filter(pa.array(gone)).to_pylist())
        everyone, rows = rows, self._without(rows, gone, ERASED, "")
        patterns, ids = self.settings.test_accounts, column(rows, "_raw_id")
        tests = self.people.is_test(column(rows, "customer_id"), patterns)
        # Another spelling of such an id is the same account.
        odd = unclean(pc.unique(ids)) if patterns else []
        meant = self.people.is_test(self.people.customers(pa.array([clean(one) for one in odd], pa.string())), patterns)
        tests |= mask(pc.is_in(ids, pa.array(odd, pa.string()).filter(pa.array(meant))))
        if name == "orders":
            self.test_orders = pa.array(sorted(set(rows["order_id"].filter(pa.array(tests)).to_pylist())), pa.string())
        self.restrictions.know_left_out(column(everyone, "customer_id").filter(pa.array(gone)))
        self.restrictions.know_left_out(column(rows, "customer_id").filter(pa.array(tests)))
        rows = self._without(rows, tests, TEST_ACCOUNT, "")
        if name != "shop_labels":
            self.people.remember(column(rows, "_raw_id"), column(rows, "customer_id"))
        self.restrictions.meet(name, rows, column(rows, "_raw_id"), column(rows, "_has_id"))
        self.rows[name] = rows.drop_columns(["_raw_id", "_has_id"])

    def _newest(self, rows: pa.Table) -> pa.Table:
        """The newest state of every customer; what it replaces is booked as a repetition, or as a contradiction."""
        paths = {number: book.name for number, book in enumerate(self.ledger.books)}
        self.snapshots = Snapshots(rows, paths, self.zones, self.connection)
        self.ledger.duplicate(self.snapshots.older)
        self.ledger.quarantine(self.snapshots.conflicts, "conflicting_duplicate", "customer_id")
        absent = pa.array(sorted(self.snapshots.absent), pa.string())
        own = self.people.own_ids(absent, None)
        # Whoever became another account is there as that one.
        gone = own.filter(pc.equal(own, absent))
        self.restrictions.doubtful |= set(self.people.customers(gone).to_pylist())
        agreed = rows.filter(pc.equal(rows["email_consent"], "subscribed"))["customer_id"]
        lost = pc.count_distinct(agreed.filter(pc.is_in(agreed, gone))).as_py()
        if lost:
            self.ledger.warn(
                f"customers: {lost} people whom an older file calls subscribed have no good row in the newest whole "
                "file; their consent in older files no longer counts."
            )
        if self.snapshots.undated:
            self.ledger.warn(
                f"customers: {self.snapshots.undated} of {self.snapshots.files} files have neither a date in their "
                "name nor loaded_at, so somebody whom a newer file no longer has may still count as subscribed. Put "
                "one date into each name, such as 2025-12-01."
            )
        return self.snapshots.rows

    def _set_aside(self, name: str) -> None:
        """Set repetitions and contradictions of a log aside, and keep the restrictions among them."""
        before = self.rows[name]
        if name == "consent_events":
            # A yes on a channel that nobody knows is a yes on none.
            strange = mask(pc.and_(pc.equal(before["channel"], NO_CHANNEL), pc.equal(before["status"], "subscribed")))
            before = self._without(before, strange, "unknown_value", "channel")
        self.rows[name] = set_aside(self.logs[name], before, self.ledger)
        if self.rows[name].num_rows < before.num_rows:
            self.restrictions.set_aside(name, _missing(before, self.rows[name]))

    def _tell_restrictions(self, table: pa.Table) -> None:
        """Warn of restrictions in damaged rows, and of rows that restrict people who cannot be identified."""
        logs = pc.value_counts(table["log"].filter(pc.not_equal(table["restriction"], SAME_INBOX))).to_pylist()
        for log, count in sorted((one["values"], one["counts"]) for one in logs):
            self.ledger.warn(
                f"{log}: {count} restrictions come from rows that were set aside, name a former address or an id that "
                "is spelt otherwise, or have a date without a time; they apply."
            )
        for log, count in sorted(self.restrictions.unknown.items()):
            if count:
                self.ledger.warn(f"{log}: {count} rows restrict an id that no other log has.")
        places: dict[int, list[int]] = {}
        for one in self.restrictions.unnamed:
            places.setdefault(one.book, []).append(one.row)
        for number, rows in sorted(places.items()):
            book = self.ledger.books[number]
            lines = dict(zip(book.refused["row"], book.refused["line"], strict=True)) if len(book.refused) else {}
            lines |= {row: -row for row in rows if row < 0}  # a line whose cells cannot be told apart
            later = [row for row in rows if row not in lines]
            lines |= {row: line for row, (line, _) in book.texts(later).items()} if later else {}
            self.unnamed.append(
                {"log": book.log, "file": unaddressed(book.name), "lines": sorted(int(lines[row]) for row in rows)}
            )
        self.unnamed.sort(key=lambda one: (str(one["file"]), str(one["log"])))
        for found in self.unnamed:
            some = ", ".join(map(str, found["lines"][:10]))
            self.ledger.warn(
                f"{found['file']}: {len(found['lines'])} rows of {found['log']} restrict people who cannot be "
                f"identified (line {some}{', ...' if found['lines'][10:] else ''}). Correct them; above "
                "campaigns.unnamed_restrictions they stop every export."
            )

    def _without_merged(self, rows: pa.Table) -> pa.Table:
        """Drop merged accounts; the surviving one represents them, with their legal hold and latest year of birth."""
        own = self.people.own_ids(column(rows, "customer_id"), None)
        merged = mask(pc.greater(self.people.merged_at(column(rows, "customer_id")), 0)) | mask(
            pc.not_equal(own, rows["customer_id"])
        )
        self.ledger.duplicate(rows.filter(pa.array(merged)))
        now = rows.set_column(rows.column_names.index("customer_id"), "customer_id", self.people.customers(own))
        self.restrictions.set_aside_states(now.filter(pa.array(merged)), is_reader=False)
        held = pc.is_in(own, own.filter(column(rows, "legal_hold")))
        rows = rows.set_column(rows.column_names.index("legal_hold"), "legal_hold", held)
        if merged.any():
            born = canonical.youngest(
                own, pc.coalesce(column(rows, "birth_year"), canonical.year_of(rows["birth_date"]))
            )
            rows = rows.set_column(rows.column_names.index("birth_year"), "birth_year", born)
        return rows.filter(pa.array(~merged))

    def _without(self, rows: pa.Table, bad: np.ndarray, rule: str, column: str) -> pa.Table:
        if not bad.any():
            return rows
        self.ledger.quarantine(rows.filter(pa.array(bad)), rule, column)
        return rows.filter(pa.array(~bad))

    # Canonical tables

    def _canonical(self) -> dict[str, pa.Table]:
        rows, accept = self.rows, self.ledger.accept
        tables: dict[str, pa.Table] = {}
        items: list[pa.Table] = []
        if "order_lines" in rows:
            if "orders" in rows:
                raise ContractError("sources: both orders and order_lines arrive. Leave one of them out.")
            tables["orders"] = canonical.orders_from_lines(rows["order_lines"])
            items.append(canonical.items_from_lines(rows["order_lines"]))
            accept(rows["order_lines"])
        elif "orders" in rows:
            tables["orders"] = canonical.orders(rows["orders"])
            accept(rows["orders"])
            if "order_items" not in rows and rows["orders"]["category"].is_valid().to_numpy().any():
                items.append(canonical.items_from_orders(rows["orders"]))
        if "orders" not in tables or not tables["orders"].num_rows:
            raise ContractError(self._refused("orders", "order_lines"))
        self._judge_currency()
        made = tables["orders"]
        if "order_items" in rows:
            items.append(canonical.order_items(self._known_orders("order_items", made, "Order Completed"), made))
        if "returns" in rows:
            items.append(canonical.returned_items(self._known_orders("returns", made, ""), made))
        if items:
            tables["order_items"] = runs.sort(pa.concat_tables(items), canonical.ORDER)
        if "deliveries" in rows:
            self.rows["deliveries"] = self._with_order_customer("deliveries", made)
            tables["deliveries"] = canonical.deliveries(self._accepted("deliveries"))
        if "customers" in rows:
            tables["customers"] = self._customers(made)
        if "email_events" in rows:
            self._flag_emails()
        for name in (
            "email_events",
            "support_tickets",
            "consent_events",
            "loyalty_events",
            "campaign_contacts",
        ):
            if name in rows:
                tables[name] = getattr(canonical, name)(self._accepted(name))
        for name in self.settings.own_logs:
            if name in rows:
                tables[name] = canonical.own_log(name, self._accepted(name))
        if "identity_map" in rows:
            identity = rows["identity_map"]
            accept(self._without(identity, self.people.is_erased(column(identity, "customer_id")), ERASED, ""))
        if "shop_labels" in rows:
            accept(rows["shop_labels"])
            self._judge_labels(rows["shop_labels"])
        return dict(sorted(tables.items()))

    def _judge_currency(self) -> None:
        """Amounts of orders whose files say nothing of a currency must look like one currency."""
        rows = self.rows.get("orders")
        if rows is None or not self.without_currency:
            return
        some = rows.filter(pc.and_(pc.equal(rows["event"], "Order Completed"), pc.is_in(rows["_file"], self._silent())))
        frame = some.select(["revenue", "total", "channel"]).to_pandas()
        frame["revenue"] = frame["revenue"].fillna(frame["total"])
        names = {number: self.ledger.books[number].name for number in self.without_currency}
        judging.stop_on_currency_jump(frame.assign(file=some["_file"].to_pandas().map(names)))

    def _silent(self) -> pa.Array:
        return pa.array(self.without_currency, pa.int32())

    def _flag_emails(self) -> None:
        rows, impossible = flagged(self.connection, self.rows["email_events"])
        self.rows["email_events"] = self._without(rows, impossible, "impossible_order", "occurred_at")

    def _accepted(self, name: str) -> pa.Table:
        self.ledger.accept(self.rows[name])
        return self.rows[name]

    def _known_orders(self, name: str, made: pa.Table, event: str) -> pa.Table:
        known = made.filter(pc.equal(made["event"], event)) if event else made
        tests = mask(flat(pc.is_in(self.rows[name]["order_id"], self.test_orders)))
        self.rows[name] = self._without(self.rows[name], tests, TEST_ACCOUNT, "")
        orphans = ~mask(flat(pc.is_in(self.rows[name]["order_id"], flat(known["order_id"]))))
        self.rows[name] = self._without(self.rows[name], orphans, "unknown_order", "order_id")
        return self._accepted(name)

    def _with_order_customer(self, name: str, made: pa.Table) -> pa.Table:
        rows = self.rows[name]
        owner = canonical.looked_up(rows["order_id"], made["order_id"], made["customer_id"])
        customers = pc.coalesce(column(rows, "customer_id"), owner)
        rows = rows.set_column(rows.column_names.index("customer_id"), "customer_id", customers)
        return self._without(rows, is_missing(customers), "unknown_order", "order_id")

    def _customers(self, made: pa.Table) -> pa.Table:
        rows = self.rows["customers"]
        dated = mask(flat(pc.is_in(rows["customer_id"], flat(made["customer_id"]))))
        undated = is_missing(column(rows, "created_at")) & ~dated
        self.restrictions.set_aside_states(rows.filter(pa.array(undated)))
        self.rows["customers"] = rows = self._without(rows, undated, "missing_time", "created_at")
        self.restrictions.states(rows)
        table = canonical.customers(self._accepted("customers"), made, self.people.address_keys(column(rows, "email")))
        early = canonical.orders_before_account(table, made)
        if early:
            self.ledger.warn(f"customers: {early} of {made.num_rows} orders are older than their customer's account.")
        return table

    def _judge_labels(self, usable: pa.Table) -> None:
        for entry in self.ledger.files("shop_labels"):
            if not entry["accepted"]:
                rules = ", ".join(f"{n} {rule}" for rule, n in entry["rules"].items())
                self.ledger.warn(f"{entry['name']}: 0 of {entry['rows_read']} rows usable ({rules}).")
        if usable.num_rows:
            self.ledger.warn("shop_labels: looked at only; churn is always computed from orders.")

    def _refused(self, *logs: str) -> str:
        entries = self.ledger.files(*logs)
        files = ", ".join(entry["name"] for entry in entries) or "sources"
        counts = [f"{n} {rule}" for entry in entries for rule, n in entry["rules"].items()]
        why = f"Rows refused: {', '.join(counts)}" if counts else "No file has rows of orders"
        if entries and counts:
            rules = Counter(rule for entry in entries for rule in entry["rules"] for _ in range(entry["rules"][rule]))
            why += f". {meaning(rules.most_common(1)[0][0]).rstrip('.')}"
        elif self.ledger.rejected:
            files, why = self.ledger.rejected[0]["name"], self.ledger.rejected[0]["reason"].rstrip(".")
        return f"{files}: no usable order. {why}."
