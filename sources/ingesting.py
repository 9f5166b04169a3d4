"""The whole way of a shop's files: landed, checked, pseudonyms for people, duplicates aside, canonical tables."""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sources import canonical, judging, runs
from sources.adapters import ADAPTERS
from sources.checking import Log, check_settings
from sources.duplicates import set_aside
from sources.email_flags import flagged
from sources.errors import ContractError
from sources.identity import Identities, pseudonym_macro
from sources.landing import STREAMED
from sources.ledger import ERASED, TEST_ACCOUNT, Book, Ledger
from sources.manifest import describe, watermark_of
from sources.merges import merges_from
from sources.runs import is_missing, mask
from sources.settings import ExportSettings, LogSettings, SourceSettings
from sources.unpacking import sha256_of
from sources.web_months import Landed, Made, WebMonths, write_rows
from sources.worker import Worker


@dataclass(frozen=True)
class Ingested:
    """What came of a shop's files, beside the monthly event files.

    vault: one row per customer (pseudonym, the shop's id, address); never to leave ``state/``.
    quarantine: one row per refused line, with its raw text; never to leave ``state/``.
    manifest: watermark, counts per log and file, warnings.
    rewritten: months of page events that were made anew; the others were kept.
    """

    vault: pd.DataFrame
    quarantine: pd.DataFrame
    manifest: dict[str, Any]
    rewritten: list[str]


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
    memory_limit: str = "4GB",
    threads: int = 2,
    progress: Callable[[str], None] = lambda _: None,
) -> Ingested:
    """Everything in the folder (or file) ``places.root`` that ``settings`` declares, as canonical events.

    ``zone`` is the shop's time zone, ``key`` makes the pseudonyms, ``erased`` holds the pseudonyms of people
    of whom no row may stay, ``progress`` is told what is being done.

    Raises:
        ContractError: a file is missing, cannot be trusted as a whole, or gives no order.
    """
    return _Ingest(places, settings, zone, key, erased, memory_limit, threads, progress).run()


def months(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The rows of a canonical table per UTC month of occurrence ('2026-01'), in order of month."""
    days = pc.cast(table["occurred_at"], pa.timestamp("us"))
    month = pc.cast(pc.add(pc.multiply(pc.year(days), 12), pc.subtract(pc.month(days), 1)), pa.int32()).to_numpy()
    for number in np.unique(month).tolist():
        yield (
            f"{number // 12}-{number % 12 + 1:02d}",
            table.filter(pa.array(month == number)).combine_chunks(),
        )


@cache
def _code_hash() -> str:
    here = Path(__file__).parent
    digest = hashlib.sha256(duckdb.__version__.encode())
    for path in sorted(here.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


_WORKERS: dict[tuple[str, int], Worker] = {}


def _worker(memory_limit: str, threads: int, scratch: Path) -> Worker:
    """One reader for all ingests of a process: it takes a second to start."""
    worker = _WORKERS.setdefault((memory_limit, threads), Worker(memory_limit, threads, scratch))
    worker.scratch = scratch
    return worker


@dataclass(frozen=True)
class _Source:
    """What params declare in one place: files of one log, or of a vendor whose files feed several."""

    place: str
    logs: tuple[Log, ...]
    adapter: str = ""

    @property
    def declared(self) -> LogSettings:
        return self.logs[0].declared


@dataclass(frozen=True)
class _File:
    """One file as it landed."""

    source: _Source
    name: str
    path: Path
    sha256: str
    folder: Path
    books: dict[str, Any]


class _Ingest:
    def __init__(
        self,
        places: Places,
        settings: SourceSettings,
        zone: str,
        key: bytes,
        erased: Collection[str],
        memory_limit: str,
        threads: int,
        progress: Callable[[str], None],
    ) -> None:
        self.places, self.settings, self.zone, self.progress = places, settings, zone, progress
        self.key, self.memory_limit, self.threads = key, memory_limit, threads
        self.people = Identities(key, erased)
        self.ledger = Ledger()
        self.sources = list(self._declared())
        self.logs: dict[str, Log] = {}
        for source in self.sources:
            for log in source.logs:
                self.logs.setdefault(log.name, log)
        self.rows: dict[str, pa.Table] = {}
        self.web: dict[int, Landed] = {}
        self.arrival_checked: dict[str, bool] = {}
        self.currencies: Counter[str] = Counter()
        self.read_names: set[str] = set()
        self.without_currency: list[int] = []

    def _declared(self) -> Iterator[_Source]:
        currency = self.settings.currency
        for name, declared in (self.settings.logs | self.settings.own_logs).items():
            log = Log(name, declared, declared.timezone or self.zone, currency)
            yield _Source(log.place, (log,))
        for name, declared in self.settings.exports.items():
            place = f"sources.exports.{name}"
            if declared.adapter not in ADAPTERS:
                raise ContractError(f"{place}.adapter: unknown adapter {declared.adapter!r}. There are {', '.join(ADAPTERS)}.")
            adapter = ADAPTERS[declared.adapter]
            zone = declared.timezone or self.zone
            if useless := [log for log in declared.only if log not in adapter.logs]:
                raise ContractError(f"{place}.only: {adapter.title} feeds no {useless[0]}. It feeds {', '.join(adapter.logs)}.")
            logs = tuple(
                Log(log, _for_log(declared, adapter.settings.get(log, {})), zone, currency, place)
                for log in adapter.logs
                if not declared.only or log in declared.only
            )
            yield _Source(place, logs, adapter.name)

    def run(self) -> Ingested:
        from sources.contracts import validate

        for source in self.sources:
            for log in source.logs:
                check_settings(log)
        if not self.places.root.exists():
            raise ContractError(f"sources.path: {self.settings.path} does not exist. Put the shop's files there.")
        self.places.landed.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = [file for source in self.sources for file in self._landed(source)]
        self._open_books(files)
        self._forget_landed(files)
        self._know_merges()
        # Addresses are learnt from the customers, so these come first.
        for name in sorted(self.rows, key=lambda name: (name != "customers", name)):
            self.progress(f"checking {name}")
            self._identify(name)
            self.rows[name] = set_aside(self.logs[name], self.rows[name], self.ledger)
        self.connection = self._connect()
        tables = self._canonical()
        for name, table in tables.items():
            validate(name, table)
            for month, rows in months(table):
                target = self.places.events / name / f"{month}.parquet"
                target.parent.mkdir(parents=True, exist_ok=True)
                write_rows(rows.to_batches(), rows.schema, target)
        made = self._make_web(tables, files) if self.web else None
        quarantine = self.ledger.quarantined(self.people.mentions_erased if self.people.has_erased else None)
        manifest = self._manifest(tables, made)
        judging.stop_on_missing_days(manifest, self.settings)
        for log in manifest["logs"].values():
            log.pop("_days", None)
        return Ingested(self.people.vault(), quarantine, manifest, made.rewritten if made else [])

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
            facts, watermark, self.arrival_checked, self._undeclared(), dict(sorted(self.currencies.items())), self.ledger
        )

    def _undeclared(self) -> list[str]:
        root = self.places.root
        if root.is_file():
            return []
        everything = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
        return sorted(everything - self.read_names)

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

    def _found(self, source: _Source) -> list[tuple[str, Path]]:
        root, pattern = self.places.root, source.declared.file
        if root.is_file():
            return [(root.name, root)]
        if not pattern:
            raise ContractError(f"params {source.place}.file is missing: name the file in sources.path.")
        here = root.resolve()
        found = sorted(path for path in root.glob(pattern) if path.is_file())
        for path in found:
            if not path.resolve().is_relative_to(here):
                raise ContractError(f"{path.name}: a link that leads out of sources.path. Put the file itself there.")
        if not found:
            raise ContractError(f"{source.place}.file: no file {pattern!r} in {self.settings.path}.")
        return [(path.relative_to(root).as_posix(), path) for path in found]

    def _landed(self, source: _Source) -> Iterator[_File]:
        usable = 0
        for name, path in self._found(source):
            self.read_names.add(name)
            self.progress(f"reading {name}")
            sha256 = sha256_of(path)
            folder = self.places.landed / self._key(source, sha256)
            try:
                if not (folder / "books.json").is_file():
                    self._land(source, name, path, folder)
            except ContractError as refused:
                if source.declared.bad_file == "stop":
                    raise
                self.ledger.reject(name, source.logs[0].name, sha256, str(refused))
                self.ledger.warn(f"set aside as a whole: {refused}")
                continue
            books = json.loads((folder / "books.json").read_text(encoding="utf-8"))
            usable += sum(books["good"].values())
            yield _File(source, name, path, sha256, folder, books)
        if usable < source.declared.min_rows:
            raise ContractError(
                f"{source.declared.file}: {usable} usable rows, but {source.place}.min_rows is {source.declared.min_rows}. "
                "Is the export whole?"
            )

    def _key(self, source: _Source, sha256: str) -> str:
        said = [
            sha256,
            _code_hash(),
            source.adapter,
            *(f"{log.name} {log.zone} {log.currency} {log.declared.model_dump_json()}" for log in source.logs),
        ]
        return hashlib.sha256("\n".join(said).encode()).hexdigest()[:24]

    def _land(self, source: _Source, name: str, path: Path, folder: Path, numbered: bool = False) -> None:
        draft = folder.with_name(folder.name + ".part")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        try:
            worker = _worker(self.memory_limit, self.threads, self.places.landed)
            worker.land(path, name, source.logs, source.adapter, draft, numbered)
            shutil.rmtree(folder, ignore_errors=True)
            draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _forget_landed(self, files: Sequence[_File]) -> None:
        """Remove landed files whose raw file is no longer there."""
        kept = {file.folder.name for file in files} | {"state"}
        for path in self.places.landed.iterdir():
            if path.is_dir() and path.name not in kept:
                shutil.rmtree(path, ignore_errors=True)

    def _open_books(self, files: Sequence[_File]) -> None:
        seen: set[tuple[str, str]] = set()
        parts: dict[str, list[pa.Table]] = {}
        for file in files:
            refused = pd.read_parquet(file.folder / "refused.parquet") if sum(map(len, file.books["rules"].values())) else None
            for note in file.books["notes"]:
                self.ledger.warn(f"{file.name}: {note}")
            self.currencies.update(file.books["currencies"])
            for log in file.source.logs:
                self._open_book(file, log, refused, seen, parts)
        for name, tables in parts.items():
            self.rows[name] = pa.concat_tables(tables).combine_chunks()

    def _open_book(
        self,
        file: _File,
        log: Log,
        refused: pd.DataFrame | None,
        seen: set[tuple[str, str]],
        parts: dict[str, list[pa.Table]],
    ) -> None:
        books, name = file.books, log.name
        mine = pd.DataFrame(columns=["line", "rule", "column", "raw"]) if refused is None else refused[refused["log"] == name]
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
                lambda rows: self._texts(file, log, rows),
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
        landed = file.folder / f"{name}.parquet"
        if (name, file.sha256) in seen:
            self.ledger.warn(f"{file.name}: the same file as one read before; its rows count as duplicates.")
            self.ledger.books[number].duplicates += good
        elif name in STREAMED:
            span = books["spans"].get(name) or None
            self.web[number] = Landed(file.folder.name, landed, (span[0], span[1]) if span else None)
        else:
            rows = pq.read_table(landed).drop_columns(["_broken", "_notes", "_key"])
            rows = rows.cast(pa.schema([(field.name, field.type) for field in rows.schema]))  # files differ in what may be null
            parts.setdefault(name, []).append(
                rows.append_column("_file", pa.repeat(pa.scalar(number, pa.int32()), rows.num_rows))
            )
        seen.add((name, file.sha256))

    def _texts(self, file: _File, log: Log, rows: Sequence[int]) -> dict[int, tuple[int, str]]:
        worker = _worker(self.memory_limit, self.threads, self.places.landed)
        return worker.texts(file.path, file.name, log, file.source.adapter, rows)

    # People

    def _know_merges(self) -> None:
        if "customer_merges" in self.rows:
            rows = self.rows.pop("customer_merges")
            names = [self.ledger.books[int(file)].name for file in rows["_file"].to_pylist()]
            self.people.know_merges(merges_from(rows, names))
            self.ledger.accept(rows)

    def _identify(self, name: str) -> None:
        rows = self.rows[name]
        if "customer_id" not in rows.column_names:
            return
        given = _column(rows, "customer_id")
        addresses = _column(rows, "email") if "email" in rows.column_names else None
        if name == "customers":
            shared = self.people.know_addresses(given, _column(rows, "email"), _column(rows, "created_at"))
            if shared:
                self.ledger.warn(f"customers: {shared} e-mail addresses belong to more than one customer.")
            rows = self._without_merged(rows)
            given, addresses = _column(rows, "customer_id"), None
        own = self.people.own_ids(given, addresses)
        rows = rows.set_column(rows.column_names.index("customer_id"), "customer_id", self.people.customers(own))
        if self.people.has_merges:
            known = pc.max_element_wise(rows["loaded_at"], self.people.merged_at(given))
            rows = rows.set_column(rows.column_names.index("loaded_at"), "loaded_at", known)
        rows = rows.append_column("_raw_id", own)
        gone = self.people.is_erased(_column(rows, "customer_id"))
        if name == "identity_map":
            visitors = self.people.visitors(_column(rows, "anonymous_id"))
            rows = rows.append_column("_visitor", _column(rows, "anonymous_id"))
            # Kept until the visits are resolved, so that an erased person's anonymous visits go as well.
            self.rows[name] = rows.set_column(rows.column_names.index("anonymous_id"), "anonymous_id", visitors)
            return
        if name in {"orders", "order_lines"}:
            # Their items have no order left to belong to; the ledger then keeps no text of them either.
            self.people.erased_orders |= set(rows["order_id"].filter(pa.array(gone)).to_pylist())
        rows = self._without(rows, gone, ERASED, "")
        tests = self.people.is_test(_column(rows, "customer_id"), self.settings.test_accounts)
        rows = self._without(rows, tests, TEST_ACCOUNT, "")
        if name != "shop_labels":
            self.people.remember(_column(rows, "_raw_id"), _column(rows, "customer_id"))
        self.rows[name] = rows.drop_columns(["_raw_id"])

    def _without_merged(self, rows: pa.Table) -> pa.Table:
        """Accounts that became another one are told of by that one."""
        merged = mask(pc.greater(self.people.merged_at(_column(rows, "customer_id")), 0)) | mask(
            pc.not_equal(self.people.own_ids(_column(rows, "customer_id"), None), rows["customer_id"])
        )
        self.ledger.duplicate(rows.filter(pa.array(merged)))
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
            accept(self._without(identity, self.people.is_erased(_column(identity, "customer_id")), ERASED, ""))
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
        orphans = ~mask(_flat(pc.is_in(self.rows[name]["order_id"], _flat(known["order_id"]))))
        self.rows[name] = self._without(self.rows[name], orphans, "unknown_order", "order_id")
        return self._accepted(name)

    def _with_order_customer(self, name: str, made: pa.Table) -> pa.Table:
        rows = self.rows[name]
        owner = canonical.looked_up(rows["order_id"], made["order_id"], made["customer_id"])
        customers = pc.coalesce(_column(rows, "customer_id"), owner)
        rows = rows.set_column(rows.column_names.index("customer_id"), "customer_id", customers)
        return self._without(rows, is_missing(customers), "unknown_order", "order_id")

    def _customers(self, made: pa.Table) -> pa.Table:
        rows = self.rows["customers"]
        dated = mask(_flat(pc.is_in(rows["customer_id"], _flat(made["customer_id"]))))
        undated = is_missing(_column(rows, "created_at")) & ~dated
        self.rows["customers"] = rows = self._without(rows, undated, "missing_time", "created_at")
        table = canonical.customers(self._accepted("customers"), made, self.people.address_keys(_column(rows, "email")))
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
        return f"{files}: no usable order. {why}."

    # Page events

    def _make_web(self, tables: dict[str, pa.Table], files: Sequence[_File]) -> Made:
        state = self.places.landed / "state"
        state.mkdir(mode=0o700, exist_ok=True)
        self._register_people(tables, files)
        said = f"{_code_hash()} {self.logs['web_events'].zone} {self.logs['web_events'].declared.duplicates} {hashlib.sha256(self.key).hexdigest()}"
        months = WebMonths(
            self.connection,
            self.logs["web_events"],
            list(self.web.values()),
            state,
            hashlib.sha256(said.encode()).hexdigest(),
        )
        draft = self.places.events / "web_events"
        previous = self.places.previous / "web_events" if self.places.previous else None
        made = months.make(previous, draft, self.progress)
        if any(self._number_conflicts(made, files)):
            # Their places were not known; now they are.
            made = months.make(previous, draft, self.progress)
        by_key = {landed.key: number for number, landed in self.web.items()}
        for key, number in by_key.items():
            book = self.ledger.books[number]
            book.duplicates += made.duplicates.get(key, 0)
            self.ledger.refuse(number, made.conflicts.get(key, []), "conflicting_duplicate", "message_id")
            for month in made.months.values():
                part = month["files"].get(key, {"accepted": 0, "gone": {}})
                book.accepted += part["accepted"]
                book.duplicates += part.get("repeated", 0)
                for rule, count in part["gone"].items():
                    book.rules[rule] += count
        if not any(draft.iterdir()):
            draft.rmdir()
        return made

    def _number_conflicts(self, made: Made, files: Sequence[_File]) -> Iterator[bool]:
        for file in files:
            if 0 in made.conflicts.get(file.folder.name, []):
                self._land(file.source, file.name, file.path, file.folder, numbered=True)
                yield True

    def _register_people(self, tables: dict[str, pa.Table], files: Sequence[_File]) -> None:
        people, register = self.people, self.connection.register
        fragments = [f.folder / "web_events.people.parquet" for f in files]
        pairs = pa.concat_tables([pq.read_table(path) for path in fragments if path.is_file()])
        pairs = pairs.group_by(["customer_id", "email"]).aggregate([]).combine_chunks()
        given, addresses = _column(pairs, "customer_id"), _column(pairs, "email")
        own = people.own_ids(given, addresses)
        tokens = people.customers(own)
        gone = self._gone(tokens)
        people.remember(own.filter(pa.array(gone == "")), tokens.filter(pa.array(gone == "")))
        register(
            "people_given",
            pa.table(
                {
                    "who": pc.coalesce(given, addresses),
                    "token": tokens,
                    "known_from": people.merged_at(given),
                    "gone": pa.array(gone.tolist(), pa.string()),
                }
            ),
        )
        register("identity_given", self._identity(files))
        known = _flat(tables["customers"]["customer_id"]) if "customers" in tables else tokens
        strangers = tokens.filter(pc.invert(pc.is_in(tokens, known)))
        register("strangers_given", pa.table({"token": strangers}))
        for name in ("people", "identity", "strangers"):
            self.connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT DISTINCT * FROM {name}_given")
            self.connection.unregister(f"{name}_given")

    def _gone(self, tokens: pa.Array) -> np.ndarray:
        gone = np.where(self.people.is_test(tokens, self.settings.test_accounts), TEST_ACCOUNT, "")
        return np.where(self.people.is_erased(tokens), ERASED, gone)

    def _identity(self, files: Sequence[_File]) -> pa.Table:
        """Whose visits were later known to be whose: from the map, else from the visits of those who were signed in."""
        if "identity_map" in self.rows:
            rows = self.rows["identity_map"]
            pairs = rows.select(["_visitor", "customer_id", "identified_at", "loaded_at"]).rename_columns(
                ["anonymous_id", "token", "identified_at", "known_at"]
            )
        else:
            fragments = [f.folder / "web_events.logins.parquet" for f in files]
            rows = pa.concat_tables([pq.read_table(path) for path in fragments if path.is_file()]).combine_chunks()
            given = _column(rows, "customer_id")
            token = self.people.customers(self.people.own_ids(given, _column(rows, "email")))
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
        gone = self._gone(_column(first, "token"))
        return first.drop_columns(["identified_at"]).append_column("gone", pa.array(gone.tolist(), pa.string()))


def _for_log(declared: ExportSettings, fixed: Any) -> LogSettings:
    """How one log of a vendor's export is read: as params say, and as the vendor always writes."""
    given = declared.model_dump(exclude={"adapter", "only"})
    # What the vendor fixes stands, unless params say something else than nothing.
    return LogSettings.model_validate(given | {key: value for key, value in dict(fixed).items() if not given.get(key)})


def _flat(column: Any) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _column(rows: pa.Table, name: str) -> pa.Array:
    return _flat(rows[name])
