"""The shop's own files, record by record: whom a record is about, and the file written anew without some people.

Nothing but the records of these people changes: every other byte of a text file stays as it was.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import datasets
from pipeline.settings import Settings
from sources import LogSettings, normalised
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

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
NOBODY = {"", "0", "-1", "null", "none", "nan", "undefined", "(not set)"}
_MOST_LINES = 1_000
"""A record of more lines has lost a quote somewhere and is looked at line by line."""
_FLOAT = re.compile('"\ue000([^"]*)\ue001"')
_WORDS = re.compile(r"""[^\s,;|"'(){}\[\]<>]+""")
GONE = "erased"
"""Stands where the address of an erased person stood in a record of somebody else."""


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
            if not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
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
    everything = [] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
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
    with _failing(file):
        if file.format == "parquet":
            with pq.ParquetFile(file.path) as table:
                for batch in table.iter_batches(10_000):
                    yield from _rows(file, batch)
            return
        with opened(file) as lines:
            for _, cells in _text_records(file, lines):
                yield from cells or []


def write_without(file: RawFile, people: People) -> int:
    """Write the file anew, whole or not at all, without the records of ``people``; how many went.

    A record of somebody else in which an address of theirs stands keeps its place; the address is replaced.

    Raises:
        UnreadableError: its records cannot be told apart; it stays as it was.
    """
    gone = changed = 0
    with _failing(file), datasets.replace_file(file.path) as draft:
        if file.format == "parquet":
            gone, changed = _parquet_without(file, people, draft)
        else:
            with opened(file) as lines, _sink(file, draft) as sink:
                for raw, cells in _text_records(file, lines):
                    kept, removed = _kept(file, raw, cells, people)
                    gone, changed = gone + removed, changed + (kept != raw)
                    sink.write(kept)
        shutil.copymode(file.path, draft)
        if not changed:
            raise _NothingToDoError
    return gone


class _NothingToDoError(Exception):
    """The file is the same without them."""


class _failing:  # noqa: N801
    """Turns what a broken file raises into one kind of error, and forgives a file that needs no change."""

    def __init__(self, file: RawFile) -> None:
        self.file = file

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if isinstance(error, _NothingToDoError):
            return True
        if isinstance(error, OSError | EOFError | LookupError | ValueError | csv.Error | pa.ArrowException):
            raise UnreadableError(f"{self.file.name}: {type(error).__name__}") from None
        return False


# Text


def _magic(file: RawFile) -> bytes:
    with file.path.open("rb") as head:
        return head.read(4)


def _encoding(file: RawFile) -> str:
    # A byte order mark is read as a letter of the first line, and written as one.
    return "utf-8" if file.encoding.lower().replace("_", "-") == "utf-8-sig" else file.encoding


@contextmanager
def opened(file: RawFile) -> Iterator[IO[str]]:
    """The text of a file, unpacked; bytes outside its encoding keep their place."""
    magic = _magic(file)
    if magic.startswith((b"PAR1", b"PK", b"\xff\xfe", b"\xfe\xff", b"SQLi", b"\xd0\xcf")):
        raise ValueError("no text")
    with ExitStack() as stack:
        raw: Any
        if magic.startswith(_ZSTD):
            raw = stack.enter_context(pa.CompressedInputStream(stack.enter_context(pa.OSFile(str(file.path))), "zstd"))
        else:
            raw = stack.enter_context(file.path.open("rb"))
        if magic.startswith(_GZIP):
            raw = stack.enter_context(gzip.GzipFile(fileobj=raw))
        yield stack.enter_context(io.TextIOWrapper(raw, _encoding(file), "surrogateescape", newline=""))


@contextmanager
def _sink(file: RawFile, draft: Path) -> Iterator[IO[str]]:
    magic = _magic(file)
    with ExitStack() as stack:
        raw: Any
        if magic.startswith(_ZSTD):
            plain = stack.enter_context(pa.OSFile(str(draft), "wb"))
            raw = stack.enter_context(pa.CompressedOutputStream(plain, "zstd"))
        else:
            raw = stack.enter_context(draft.open("wb"))
        if magic.startswith(_GZIP):
            raw = stack.enter_context(gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0))
        yield stack.enter_context(io.TextIOWrapper(raw, _encoding(file), "surrogateescape", newline=""))


Judged = tuple[str, list[Cells] | None]
"""Text of a record, and what it says; None where it could not be read, nothing where it is a header."""


def _text_records(file: RawFile, lines: Iterable[str]) -> Iterator[Judged]:
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
        document = _document(line)
        if at == 0 and document is None and line.lstrip("\ufeff \t").startswith("["):
            line += "".join(lines)  # one array over many lines
            document = _document(line)
        if document is None:
            yield line, None if line.strip() else []
        else:
            yield line, [list(_unit(file, one)) for one in _units(document)]


def _pages(document: Any) -> list[str]:
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


def _units(document: Any) -> list[Any]:
    """The records in a line: itself, the elements of an array, or what a page of an interface holds."""
    if pages := _pages(document):
        around = {name: value for name, value in document.items() if name not in pages}
        return [around, *(one for name in pages for one in document[name])]
    return document if isinstance(document, list) else [document]


def _unit(file: RawFile, one: Any) -> Cells:
    is_profile = file.adapter == "klaviyo" and isinstance(one, dict) and one.get("type") == "profile"
    return [*_scalars(file, one), *([("person", str(one.get("id")))] if is_profile else [])]  # type: ignore[list-item]


def _document(text: str) -> Any:
    """The object or list in ``text``; decimals keep the digits they were written with."""
    try:
        found = json.loads(text.removeprefix("\ufeff"), parse_float=lambda digits: f"\ue000{digits}\ue001")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict | list) else None


def _dumped(document: Any) -> str:
    return _FLOAT.sub(r"\1", json.dumps(document, ensure_ascii=False))


def _scalars(file: RawFile, value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[Role | None, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _scalars(file, inner, (*path, name))
    elif isinstance(value, list):
        for inner in value:
            yield from _scalars(file, inner, path)
    elif value is not None and path:
        text = str(value).strip("\ue000\ue001")
        yield file.role(path, text), text


def _kept(file: RawFile, raw: str, cells: list[Cells] | None, people: People) -> tuple[str, int]:
    """What stays of a record, and how many records went."""
    if cells is None:
        return ("", 1) if people.named_in(raw) else (raw, 0)
    own = [people.own(one) for one in cells]
    if any(own) and file.format != "jsonl":
        return "", 1
    if any(own):
        document = _document(raw)
        units = _units(document)
        stay = [one if not mine else _for_the_others(file, one, people) for one, mine in zip(units, own, strict=True)]
        left = [one for one in stay if one is not None]
        if not left:
            return "", len(units)
        if pages := _pages(document):
            if stay[0] is None:
                return "", len(units)  # what is listed there belongs to what stands around it
            rest = iter(stay[1:])
            parts = {name: [one for one in islice(rest, len(document[name])) if one is not None] for name in pages}
            left = [stay[0] | parts]
        end = raw[len(raw.rstrip("\r\n")) :]
        gone = stay.count(None)
        return _dumped(left if isinstance(document, list) else left[0]) + end, gone
    pattern = people.pattern
    if pattern is None or not cells:
        return raw, 0
    kept = pattern.sub(GONE, raw)
    if file.format == "jsonl" and any(pattern.search(text) for one in cells for _, text in one) and kept == raw:
        kept = pattern.sub(GONE, _dumped(_document(raw))) + raw[len(raw.rstrip("\r\n")) :]  # it was escaped
    return kept, 0


def _for_the_others(file: RawFile, document: Any, people: People) -> Any:
    """A mail to several people without ``people``; None where nobody else is named."""
    is_own: Callable[[Any], bool] = lambda value: any(  # noqa: E731
        normalised(text) in people.addresses for _, text in _scalars(file, value, ("",))
    )
    emptied = False

    def without(value: Any) -> Any:
        nonlocal emptied
        if isinstance(value, dict):
            return {name: without(inner) for name, inner in value.items()}
        if isinstance(value, list):
            left = [without(inner) for inner in value if not is_own(inner)]
            emptied = emptied or (bool(value) and not left)
            return left
        return value

    rest = without(document)
    return None if emptied or is_own(rest) or people.own(list(_scalars(file, rest))) else rest


# Parquet


def _rows(file: RawFile, batch: pa.RecordBatch) -> list[Cells]:
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


def _parquet_without(file: RawFile, people: People, draft: Path) -> tuple[int, int]:
    gone = changed = 0
    with pq.ParquetFile(file.path) as source:
        groups = source.metadata.num_row_groups
        codec = source.metadata.row_group(0).column(0).compression if groups else "snappy"
        codec = {"UNCOMPRESSED": "none"}.get(codec, codec).lower()
        with pq.ParquetWriter(draft, source.schema_arrow, compression=codec) as writer:
            for group in range(groups):
                table = source.read_row_group(group)
                batch = table.combine_chunks().to_batches()
                keep = [not people.own(cells) for part in batch for cells in _rows(file, part)]
                rest, replaced = _redacted(table.filter(pa.array(keep, pa.bool_())), people)
                gone, changed = gone + keep.count(False), changed + keep.count(False) + replaced
                writer.write_table(rest)
    return gone, changed


def _redacted(table: pa.Table, people: People) -> tuple[pa.Table, int]:
    """``table`` without the addresses of ``people`` in its text, and how many columns had one."""
    pattern, replaced = people.pattern, 0
    for at, name in enumerate(table.column_names):
        column = table.column(at)
        kind = column.type
        if pattern is None or not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            continue
        if any(
            pc.any(pc.match_substring(column, address, ignore_case=True)).as_py()
            for address in sorted(people.addresses)
        ):
            texts = [text if text is None else pattern.sub(GONE, text) for text in column.to_pylist()]
            table = table.set_column(at, table.schema.field(name), pa.array(texts, kind))
            replaced += 1
    return table, replaced
