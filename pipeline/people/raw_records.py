"""The shop's own files, record by record: whom each is about."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.project.settings import Settings
from sources import LogSettings, disk, normalised
from sources.adapters import ADAPTERS, Adapter

Role = Literal["person", "address", "visitor", "order"]
Cells = list[tuple[Role | None, str]]

_OURS: dict[str, Role] = {
    "customer_id": "person",
    "from_id": "person",
    "to_id": "person",
    "email": "address",
    "anonymous_id": "visitor",
    "order_id": "order",
}
_VENDORS: dict[str, dict[str, Role]] = {
    "segment": {"userid": "person", "previousid": "person", "anonymousid": "visitor", "orderid": "order"},
    "ga4": {"userid": "person", "userpseudoid": "visitor", "transactionid": "order"},
    "klaviyo": {"externalid": "person", "profileid": "person", "orderid": "order"},
    "woocommerce_orders": {"customerid": "person", "orderid": "order"},
    "shopify_orders": {"name": "order"},
    "shopify_customers": {"customerid": "person"},
}
"""Which names in a vendor's file mean whom, in small letters; addresses are found wherever they stand."""

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
NOBODY = {"", "0", "-1", "null", "none", "nan", "undefined", "(not set)"}
_MOST_LINES = 1_000
"""A record of more lines has lost a quote somewhere and is looked at line by line."""
_DRAFT = re.compile(r"\..+\.(?:tmp|old)-[^.]+")
_WORDS = re.compile(r"""[^\s,;|"'(){}\[\]<>]+""")


class UnreadableError(Exception):
    """A file whose records cannot be told apart."""


@dataclass
class People:
    """Everything by which some people are known; addresses in normal form, the others as the shop writes them."""

    ids: set[str] = field(default_factory=set)
    addresses: set[str] = field(default_factory=set)
    visitors: set[str] = field(default_factory=set)
    orders: set[str] = field(default_factory=set)

    def size(self) -> int:
        """How much is known; it never shrinks while more is learnt."""
        return len(self.ids) + len(self.addresses) + len(self.visitors) + len(self.orders)

    def own(self, cells: Cells) -> bool:
        """Whether a record is about one of them: by id, or where it names no id, by address, visitor or order."""
        persons = {text for role, text in cells if role == "person" and text.lower() not in NOBODY}
        if persons:
            return not persons.isdisjoint(self.ids)
        return any(
            (role == "address" and normalised(text) in self.addresses)
            or (role == "visitor" and text in self.visitors)
            or (role == "order" and text in self.orders)
            for role, text in cells
        )

    def named_in(self, text: str) -> bool:
        """Whether a line that could not be read names one of them, by whatever stands in it."""
        words = {form for word in _WORDS.findall(text) for form in (word, word.strip(":=."), *re.split("[:=]", word))}
        words |= {cell.strip().strip('"') for cell in re.split(r"[,;\t|\r\n]", text)}
        words |= set(re.findall(r'"([^"]*)"', text))
        known = self.ids | self.visitors | self.orders
        return any(word in known or normalised(word) in self.addresses for word in words)

    @property
    def pattern(self) -> re.Pattern[str] | None:
        """Finds their addresses inside longer text."""
        if not self.addresses:
            return None
        any_of = "|".join(re.escape(address) for address in sorted(self.addresses))
        return re.compile(rf"(?<![\w.+\-])(?:{any_of})(?![\w\-]|\.\w)", re.IGNORECASE)


@dataclass(frozen=True)
class RawFile:
    """A declared file: how it is read, and what the names in it mean; ``accounts``: it says whose address is whose."""

    path: Path
    name: str
    format: str
    encoding: str
    delimiter: str
    roles: Mapping[str, Role]
    adapter: str
    accounts: bool

    def role(self, path: tuple[str, ...], text: str) -> Role | None:
        """What the value ``text`` below the names ``path`` says."""
        if not self.adapter:
            return self.roles.get(".".join(path))
        plain = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in path]
        if plain[-1] == "id" and self.adapter == "klaviyo" and "profile" in plain:
            return "person"
        if plain == ["id"] and self.adapter == "woocommerce_orders":
            return "order"
        return self.roles.get(plain[-1]) or ("address" if "@" in text else None)


def is_draft(path: Path) -> bool:
    """Whether a killed call left this file half-written; such files may vanish at any moment."""
    return any(_DRAFT.fullmatch(name) for name in path.parts)


def declared(s: Settings) -> tuple[list[RawFile], list[Path]]:
    """Every file that params declare, once, and the others in ``sources.path``."""
    root = Path(s.sources.path)
    found: dict[Path, RawFile] = {}
    uses: list[tuple[str, LogSettings, str]] = [
        (name, log, "") for name, log in (*s.sources.logs.items(), *s.sources.own_logs.items())
    ]
    uses += [(name, export, export.adapter) for name, export in s.sources.exports.items()]
    for name, log, adapter in uses:
        vendor = ADAPTERS.get(adapter)
        roles: dict[str, Role] = _VENDORS.get(adapter, {}) if adapter else {}
        if not adapter:
            roles = {log.columns.get(ours, ours): role for ours, role in _OURS.items()}
        accounts = name == "customers" or bool(vendor and "customers" in vendor.logs)
        for path in [root] if root.is_file() else sorted(root.glob(log.file)) if log.file else []:
            if not path.is_file() or is_draft(path) or not path.resolve().is_relative_to(root.resolve()):
                continue
            before = found.get(path)
            found[path] = RawFile(
                path,
                path.name if path == root else path.relative_to(root).as_posix(),
                log.format or _format(path, vendor),
                log.encoding,
                log.delimiter,
                {**(before.roles if before else {}), **roles},
                adapter,
                accounts or bool(before and before.accounts),
            )
    everything = (
        [] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file() and not is_draft(path))
    )
    return list(found.values()), [path for path in everything if path not in found]


def _format(path: Path, vendor: Adapter | None) -> str:
    with path.open("rb") as file:
        if file.read(4) == b"PAR1":
            return "parquet"
    return next((kind for kind in (vendor.formats if vendor else ()) if kind != "parquet"), "csv")


def records(file: RawFile) -> Iterator[Cells]:
    """What the well-formed records of a file say about people.

    Raises:
        UnreadableError: its records cannot be told apart.
    """
    with failing(file):
        if file.format == "parquet":
            with pq.ParquetFile(file.path) as table:
                for batch in table.iter_batches(10_000):
                    yield from rows_of(file, batch)
            return
        with opened(file) as lines:
            for _, cells in text_records(file, lines):
                yield from cells or []


@contextmanager
def failing(file: RawFile) -> Iterator[None]:
    """Turn what a broken file raises into one kind of error."""
    try:
        yield
    except (OSError, EOFError, LookupError, ValueError, csv.Error, pa.ArrowException) as error:
        if disk.number_of(error) in disk.FULL:
            raise  # the file is not to blame
        raise UnreadableError(f"{file.name}: {type(error).__name__}") from None


# Text


def magic_of(file: RawFile) -> bytes:
    """The first four bytes, which say how a file is packed."""
    with file.path.open("rb") as head:
        return head.read(4)


def encoding_of(file: RawFile) -> str:
    """How its letters are read, and written back."""
    # A byte order mark is read as a letter of the first line, and written as one.
    return "utf-8" if file.encoding.lower().replace("_", "-") == "utf-8-sig" else file.encoding


@contextmanager
def opened(file: RawFile) -> Iterator[IO[str]]:
    """The text of a file, unpacked; bytes outside its encoding keep their place."""
    magic = magic_of(file)
    if magic.startswith((b"PAR1", b"PK", b"\xff\xfe", b"\xfe\xff", b"SQLi", b"\xd0\xcf")):
        raise ValueError("no text")
    with ExitStack() as stack:
        raw: Any
        if magic.startswith(ZSTD):
            raw = stack.enter_context(pa.CompressedInputStream(stack.enter_context(pa.OSFile(str(file.path))), "zstd"))
        else:
            raw = stack.enter_context(file.path.open("rb"))
        if magic.startswith(GZIP):
            raw = stack.enter_context(gzip.GzipFile(fileobj=raw))
        yield stack.enter_context(io.TextIOWrapper(raw, encoding_of(file), "surrogateescape", newline=""))


Judged = tuple[str, list[Cells] | None]
"""Text of a record, and what it says; None where it could not be read, nothing where it is a header."""


def text_records(file: RawFile, lines: Iterable[str]) -> Iterator[Judged]:
    """Every record of a text file in order; their texts joined are the file."""
    return _json_records(file, lines) if file.format == "jsonl" else _csv_records(file, lines)


def _csv_records(file: RawFile, lines: Iterable[str]) -> Iterator[Judged]:
    taken: list[str] = []

    def feed() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line

    limit = csv.field_size_limit(2**31 - 1)
    try:
        header: list[str] | None = None
        for row in csv.reader(feed(), delimiter=file.delimiter):
            raw = "".join(taken)
            if header is None and row:
                header = [name.removeprefix("\ufeff") for name in row]
                yield raw, []
            elif header is not None and len(row) == len(header):
                pairs = zip(header, row, strict=True)
                yield (
                    raw,
                    [[(file.role((name,), cell), cell.lstrip("'") if file.adapter else cell) for name, cell in pairs]],
                )
            elif not row:
                yield raw, []
            elif len(taken) > _MOST_LINES or len(taken) > 1:
                yield from ((line, None) for line in list(taken))
            else:
                yield raw, None
            taken.clear()
    finally:
        csv.field_size_limit(limit)


def _json_records(file: RawFile, lines: Iterable[str]) -> Iterator[Judged]:
    for at, line in enumerate(lines):
        document = document_of(line)
        if at == 0 and document is None and line.lstrip("\ufeff \t").startswith("["):
            line += "".join(lines)  # one array over many lines
            document = document_of(line)
        if document is None:
            yield line, None if line.strip() else []
        else:
            yield line, [list(_unit(file, one)) for one in units_of(document)]


def pages_of(document: Any) -> list[str]:
    """The lists of a page of an interface (JSON:API): what stands in them are records of their own."""
    if not isinstance(document, dict):
        return []
    return [
        name
        for name, value in document.items()
        if isinstance(value, list)
        and value
        and all(isinstance(one, dict) and {"id", "type"} <= one.keys() for one in value)
    ]


def units_of(document: Any) -> list[Any]:
    """The records in a line: itself, the elements of an array, or what a page of an interface holds."""
    if pages := pages_of(document):
        around = {name: value for name, value in document.items() if name not in pages}
        return [around, *(one for name in pages for one in document[name])]
    return document if isinstance(document, list) else [document]


def _unit(file: RawFile, one: Any) -> Cells:
    is_profile = file.adapter == "klaviyo" and isinstance(one, dict) and one.get("type") == "profile"
    cells: Cells = list(scalars(file, one))
    if is_profile:
        cells.append(("person", str(one.get("id"))))
    return cells


def document_of(text: str) -> Any:
    """The object or list in ``text``; decimals keep the digits they were written with."""
    try:
        found = json.loads(text.removeprefix("\ufeff"), parse_float=lambda digits: f"\ue000{digits}\ue001")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict | list) else None


def scalars(file: RawFile, value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[Role | None, str]]:
    """Every single value inside ``value`` with its role; ``path`` are the names above it."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from scalars(file, inner, (*path, name))
    elif isinstance(value, list):
        for inner in value:
            yield from scalars(file, inner, path)
    elif value is not None and path:
        text = str(value).strip("\ue000\ue001")
        yield file.role(path, text), text


# Parquet


def rows_of(file: RawFile, batch: pa.RecordBatch) -> list[Cells]:
    """What each row of a Parquet file says in columns that are no lists or structures."""
    flat = [name for name in batch.schema.names if not pa.types.is_nested(batch.schema.field(name).type)]
    named = [(name, role) for name in flat if (role := file.role((name,), "@"))]
    if file.adapter:
        named = [(name, role) for name, role in named if role != "address" or pa.types.is_string(batch[name].type)]
    columns = [batch.column(batch.schema.names.index(name)).to_pylist() for name, _ in named]
    rows: list[Cells] = []
    for cells in zip(*columns, strict=True) if columns else ([()] * batch.num_rows):
        rows.append(
            [
                (role if role != "address" or "@" in str(cell) else None, str(cell))
                for (_, role), cell in zip(named, cells, strict=True)
                if cell is not None
            ]
        )
    return rows


def is_about(line: str, people: People) -> bool:
    """Whether a line of the quarantine names one of ``people``."""
    try:
        raw = str(json.loads(line).get("raw", ""))
    except (ValueError, AttributeError):
        raw = line
    return people.named_in(raw) or people.named_in(line)
