"""A small shop with a key of its own: files, events, a ledger that knows three of its people, and one erased."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from ruamel.yaml import YAML

from campaigns.ledger import Ledger
from pipeline.intake import reading
from pipeline.people import tombstones
from pipeline.project import datasets, settings
from pipeline.project.settings import Settings
from sources import address_key, fingerprint, pseudonym

OLD, NEW, OTHER = bytes([1]) * 32, bytes([2]) * 32, bytes([3]) * 32
EVERYBODY = ("anna", "ben", "cleo", "dora", "emil", "fay")
WRITTEN_TO, SUPPRESSED, ERASED = "anna", "ben", "cleo"
DAY = 86_400_000_000


def mail(name: str) -> str:
    return f"{name}@example.com"


def of(name: str, key: bytes) -> str:
    return str(pseudonym([name], key)[0])


def at(name: str, key: bytes) -> str:
    return str(address_key([mail(name)], key)[0])


def use(key: bytes) -> None:
    """Put ``key`` where the shop's key is looked for."""
    file = datasets.private_folder(datasets.KEYS) / "my_shop.key"
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(key.hex())


def write_files(names: Sequence[str] = EVERYBODY) -> None:
    """The shop exports its files, with these people in them; page events too."""
    raw = Path("exports")
    raw.mkdir(exist_ok=True)
    people = "".join(f"{name},{mail(name)},2024-01-01T00:00:00Z\n" for name in names)
    (raw / "customers.csv").write_text(f"customer_id,email,created_at\n{people}")
    orders = "".join(f"o-{name},{name},2025-01-0{n}T10:00:00Z,17.00\n" for n, name in enumerate(names, 1))
    (raw / "orders.csv").write_text(f"order_id,customer_id,ordered_at,revenue\n{orders}")
    pages = {
        "customer_id": [*names, *[None] * len(names)],
        "anonymous_id": [f"dev-{name}" for name in names] * 2,
        "event": "Product Viewed",
        "occurred_at": "2025-01-01T10:00:00Z",
    }
    size = 2 * len(names)
    pages = {name: value if isinstance(value, list) else [value] * size for name, value in pages.items()}
    pq.write_table(pa.table(pages), raw / "pages.parquet")


def params(shipped: str) -> None:
    yaml = YAML()
    told = yaml.load(shipped)
    told["demo"] = []
    told["sources"] |= {
        "path": "exports",
        "key_id": "my_shop",
        "logs": {
            "customers": {"file": "customers.csv"},
            "orders": {"file": "orders.csv"},
            "web_events": {"file": "pages.parquet", "format": "parquet"},
        },
        "exports": {},
    }
    with datasets.PARAMS.open("w") as file:
        yaml.dump(told, file)


def note(key: bytes = OLD) -> None:
    """One was written to, one wants nothing, one was erased, all under ``key``."""
    with Ledger(datasets.LEDGER, key=fingerprint(key)) as ledger:
        with ledger.writing():
            ledger.approved("win_back", "2025-02-01", "id", 1, 1)
            row = ("win_back-1", of(WRITTEN_TO, key), at(WRITTEN_TO, key), "treat", None, None, None, 5)
            ledger.reserve("win_back", "2025-02-01", "id", 1, 31 * DAY, [row])
            ledger.exported("win_back", "2025-02-01", 2, 31 * DAY)
            ledger.skip("win_back", "2025-02-01", [(of(SUPPRESSED, key), "treat", "opt_out")])
        ledger.suppress([of(SUPPRESSED, key), at(SUPPRESSED, key)], "opt_out", 3)
    tombstones.add([of(ERASED, key), of(mail(ERASED), key)], "my_shop", fingerprint(key))


def make(shipped: str, names: Sequence[str] = EVERYBODY) -> Settings:
    """The shop after its first months, in the folder where the test runs."""
    params(shipped)
    use(OLD)
    write_files(names)
    note()
    s = settings.load()
    reading.run(s, datasets.EVENTS)
    return s


def known_to_ledger() -> dict[str, set[str]]:
    """The pseudonyms in each table of the ledger."""
    queries = {
        "person": "SELECT person FROM contacts",
        "inbox": "SELECT inbox FROM contacts",
        "skipped": "SELECT person FROM skips",
        "suppressed": "SELECT key FROM suppressions",
    }
    with Ledger(datasets.LEDGER) as ledger:
        return {name: {row[0] for row in ledger._sql.execute(query)} for name, query in queries.items()}


def all_under(key: bytes) -> dict[str, set[str]]:
    """What :func:`known_to_ledger` says where everybody stands under ``key``."""
    return {
        "person": {of(WRITTEN_TO, key)},
        "inbox": {at(WRITTEN_TO, key)},
        "skipped": {of(SUPPRESSED, key)},
        "suppressed": {of(SUPPRESSED, key), at(SUPPRESSED, key)},
    }


def in_events(key: bytes) -> set[str]:
    """The names of those who have a row in some log below data/events, page events with and without an id included."""
    found = set()
    for name in EVERYBODY:
        for path in datasets.EVENTS.rglob("*.parquet"):
            ids = pq.read_table(path)["customer_id"].to_pylist() if "orders" in str(path) or "web" in str(path) else []
            found |= {name} if of(name, key) in ids else set()
    return found
