"""The whole way of a shop's files: read, check, pseudonyms for people, duplicates aside, canonical tables."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sources import canonical, runs, values
from sources.checking import Log, check_file, check_settings, column_chooser
from sources.duplicates import set_aside
from sources.errors import ContractError
from sources.identity import Identities
from sources.ledger import ERASED, Ledger
from sources.manifest import describe, watermark_of
from sources.readers import read_file
from sources.settings import SourceSettings


@dataclass(frozen=True)
class Ingested:
    """What came of a shop's files.

    tables: canonical table by name, each ordered by customer, time and event id.
    vault: one row per customer (pseudonym, the shop's id, address); never to leave ``state/``.
    quarantine: one row per refused line, with its raw text; never to leave ``state/``.
    manifest: watermark, counts per log and file, warnings.
    """

    tables: dict[str, pa.Table]
    vault: pd.DataFrame
    quarantine: pd.DataFrame
    manifest: dict[str, Any]


def ingest(
    root: Path,
    settings: SourceSettings,
    *,
    zone: str,
    key: bytes,
    erased: Collection[str] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> Ingested:
    """Everything in the folder (or file) ``root`` that ``settings`` declares, as canonical events.

    ``zone`` is the shop's time zone, ``key`` makes the pseudonyms, ``erased`` holds the pseudonyms of people
    of whom no row may stay, ``progress`` is told which log is being read.

    Raises:
        ContractError: a file is missing, cannot be trusted as a whole, or gives no order.
    """
    return _Ingest(root, settings, zone, key, erased, progress).run()


def months(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The rows of a canonical table per UTC month of occurrence ('2026-01'), in order of month."""
    days = pc.cast(table["occurred_at"], pa.timestamp("us"))
    month = pc.cast(pc.add(pc.multiply(pc.year(days), 12), pc.subtract(pc.month(days), 1)), pa.int32()).to_numpy()
    for number in np.unique(month).tolist():
        yield (
            f"{number // 12}-{number % 12 + 1:02d}",
            table.filter(pa.array(month == number)).combine_chunks(),
        )


class _Ingest:
    def __init__(
        self,
        root: Path,
        settings: SourceSettings,
        zone: str,
        key: bytes,
        erased: Collection[str],
        progress: Callable[[str], None],
    ) -> None:
        self.root, self.settings, self.zone, self.progress = root, settings, zone, progress
        self.people = Identities(key, erased)
        self.ledger = Ledger()
        self.logs: dict[str, Log] = {
            name: Log(name, declared, declared.timezone or zone, settings.currency)
            for name, declared in (settings.logs | settings.own_logs).items()
        }
        self.rows: dict[str, pa.Table] = {}
        self.arrival_checked: dict[str, bool] = {}
        self.read_names: set[str] = set()

    def run(self) -> Ingested:
        from sources.contracts import validate

        for log in self.logs.values():
            check_settings(log)
        if not self.root.exists():
            raise ContractError(f"sources.path: {self.settings.path} does not exist. Put the shop's files there.")
        # Addresses are learnt from the customers, so these come first.
        for name in sorted(self.logs, key=lambda name: (name != "customers", name)):
            self.progress(f"reading {name}")
            self.rows[name] = self._read(self.logs[name])
        for name in self.rows:
            self._identify(name)
            self.rows[name] = set_aside(self.logs[name], self.rows[name], self.ledger)
        tables = self._canonical()
        for name, table in tables.items():
            self.progress(f"checking {name}")
            validate(name, table)
        quarantine = self.ledger.quarantined(self.people.mentions_erased if self.people.has_erased else None)
        return Ingested(tables, self.people.vault(), quarantine, self._manifest(tables))

    def _manifest(self, tables: dict[str, pa.Table]) -> dict[str, Any]:
        watermark = watermark_of(tables["orders"], self.settings.complete_until, self.zone, self.ledger)
        return describe(tables, watermark, self.arrival_checked, self._undeclared(), self.ledger)

    def _undeclared(self) -> list[str]:
        if self.root.is_file():
            return []
        everything = {path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file()}
        return sorted(everything - self.read_names)

    # Reading

    def _files(self, log: Log) -> list[tuple[str, Path]]:
        if self.root.is_file():
            return [(self.root.name, self.root)]
        pattern = log.declared.file
        if not pattern:
            raise ContractError(f"params {log.place}.file is missing: name the file in sources.path.")
        here = self.root.resolve()
        found = sorted(path for path in self.root.glob(pattern) if path.is_file())
        for path in found:
            if not path.resolve().is_relative_to(here):
                raise ContractError(f"{path.name}: a link that leads out of sources.path. Put the file itself there.")
        if not found:
            raise ContractError(f"{log.place}.file: no file {pattern!r} in {self.settings.path}.")
        return [(path.relative_to(self.root).as_posix(), path) for path in found]

    def _read(self, log: Log) -> pa.Table:
        seen: set[str] = set()
        parts, checked = [], True
        for name, path in self._files(log):
            self.read_names.add(name)
            raw = read_file(path, name, log.declared, column_chooser(log, name))
            if not raw.rows_read:
                self.ledger.warn(f"{name}: a header without rows.")
            rows = check_file(log, raw, self.ledger)
            if raw.sha256 in seen:
                self.ledger.warn(f"{name}: the same file as one read before; its rows count as duplicates.")
                self.ledger.duplicate(rows)
                rows = rows.slice(0, 0)
            seen.add(raw.sha256)
            checked &= log.declared.columns.get("loaded_at", "loaded_at") in raw.columns
            parts.append(rows)
        self.arrival_checked[log.name] = checked
        return pa.concat_tables(parts).combine_chunks()

    # People

    def _identify(self, name: str) -> None:
        rows = self.rows[name]
        if "customer_id" not in rows.column_names:
            return
        raw_ids = _column(rows, "customer_id")
        customers = self.people.customers(raw_ids)
        if name == "customers":
            shared = self.people.know_addresses(customers, _column(rows, "email"), _column(rows, "created_at"))
            if shared:
                self.ledger.warn(f"customers: {shared} e-mail addresses belong to more than one customer.")
        elif "email" in rows.column_names:
            customers = pc.coalesce(customers, self.people.by_address(_column(rows, "email")))
        rows = rows.set_column(rows.column_names.index("customer_id"), "customer_id", customers)
        rows = rows.append_column("_raw_id", raw_ids)
        if name == "web_events":
            rows = self._identify_visits(rows)
        elif name == "identity_map":
            visitors = self.people.visitors(_column(rows, "anonymous_id"))
            rows = rows.set_column(rows.column_names.index("anonymous_id"), "anonymous_id", visitors)
        elif name != "deliveries":
            rows = self._without(rows, values.is_missing(_column(rows, "customer_id")), "unknown_address", "email")
        gone = self.people.is_erased(_column(rows, "customer_id"))
        if name == "identity_map":
            # Kept until the visits are resolved, so that an erased person's anonymous visits go as well.
            self.rows[name] = rows.drop_columns(["_raw_id"])
            return
        if name in {"orders", "order_lines"}:
            # Their items have no order left to belong to; the ledger then keeps no text of them either.
            self.people.erased_orders |= set(rows["order_id"].filter(pa.array(gone)).to_pylist())
        rows = self._without(rows, gone, ERASED, "")
        if name != "shop_labels":
            self.people.remember(_column(rows, "_raw_id"), _column(rows, "customer_id"))
        self.rows[name] = rows.drop_columns(["_raw_id"])

    def _identify_visits(self, rows: pa.Table) -> pa.Table:
        visitors = self.people.visitors(_column(rows, "anonymous_id"))
        rows = rows.set_column(rows.column_names.index("anonymous_id"), "anonymous_id", visitors)
        identity = self.rows.get("identity_map")
        return canonical.identified(rows, identity) if identity is not None else rows

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
            tables["orders"] = canonical.orders_from_lines(rows["order_lines"])
            items.append(canonical.items_from_lines(rows["order_lines"]))
            accept(rows["order_lines"])
        else:
            tables["orders"] = canonical.orders(rows["orders"])
            accept(rows["orders"])
            if "order_items" not in rows and rows["orders"]["category"].is_valid().to_numpy().any():
                items.append(canonical.items_from_orders(rows["orders"]))
        made = tables["orders"]
        if not made.num_rows:
            raise ContractError(self._refused("orders", "order_lines"))
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
        if "web_events" in rows:
            tables["web_events"] = canonical.web_events(self._accepted("web_events"))
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
            tables[name] = canonical.own_log(name, self._accepted(name))
        if "identity_map" in rows:
            identity = rows["identity_map"]
            accept(self._without(identity, self.people.is_erased(identity["customer_id"]), ERASED, ""))
        if "shop_labels" in rows:
            accept(rows["shop_labels"])
            self._judge_labels(rows["shop_labels"])
        return dict(sorted(tables.items()))

    def _accepted(self, name: str) -> pa.Table:
        self.ledger.accept(self.rows[name])
        return self.rows[name]

    def _known_orders(self, name: str, made: pa.Table, event: str) -> pa.Table:
        known = made.filter(pc.equal(made["event"], event)) if event else made
        orphans = ~values.mask(_flat(pc.is_in(self.rows[name]["order_id"], _flat(known["order_id"]))))
        self.rows[name] = self._without(self.rows[name], orphans, "unknown_order", "order_id")
        return self._accepted(name)

    def _with_order_customer(self, name: str, made: pa.Table) -> pa.Table:
        rows = self.rows[name]
        owner = canonical.looked_up(rows["order_id"], made["order_id"], made["customer_id"])
        customers = pc.coalesce(_column(rows, "customer_id"), owner)
        rows = rows.set_column(rows.column_names.index("customer_id"), "customer_id", customers)
        return self._without(rows, values.is_missing(customers), "unknown_order", "order_id")

    def _customers(self, made: pa.Table) -> pa.Table:
        rows = self.rows["customers"]
        dated = values.mask(_flat(pc.is_in(rows["customer_id"], _flat(made["customer_id"]))))
        undated = values.is_missing(_column(rows, "created_at")) & ~dated
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
        files = ", ".join(entry["name"] for entry in entries)
        counts = [f"{n} {rule}" for entry in entries for rule, n in entry["rules"].items()]
        why = f"Rows refused: {', '.join(counts)}" if counts else "The file has no rows"
        return f"{files}: no usable order. {why}."


def _flat(column: Any) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _column(rows: pa.Table, name: str) -> pa.Array:
    return _flat(rows[name])
