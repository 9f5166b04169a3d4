"""Files as they arrive: what params declare, each file landed once by its sha256, and what became of it."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from sources.adapters import ADAPTERS
from sources.checking import Log, nearest
from sources.errors import ContractError
from sources.inputs import input_of
from sources.ledger import Ledger
from sources.settings import ExportSettings, LogSettings, SourceSettings
from sources.unpacking import sha256_of
from sources.worker import Worker

MONTHS = "months"
"""Folder beside the landed files for what the months of page events were made of."""


@cache
def code_hash() -> str:
    """Names the code that decides what rows become."""
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
class Source:
    """What params declare in one place: files of one log, or of a vendor whose files feed several."""

    place: str
    logs: tuple[Log, ...]
    adapter: str = ""

    @property
    def declared(self) -> LogSettings:
        """How its files are read."""
        return self.logs[0].declared


@dataclass(frozen=True)
class Arrival:
    """One file as it landed."""

    source: Source
    name: str
    path: Path
    sha256: str
    folder: Path
    books: dict[str, Any]


def declared_sources(settings: SourceSettings, zone_of_shop: str) -> Iterator[Source]:
    """Every place in params that names files.

    Raises:
        ContractError: an export names an adapter or a log that there is not.
    """
    currency = settings.currency
    for name, declared in (settings.logs | settings.own_logs).items():
        log = Log(name, declared, declared.timezone or zone_of_shop, currency)
        yield Source(log.place, (log,))
    for name, declared in settings.exports.items():
        place = f"sources.exports.{name}"
        if declared.adapter not in ADAPTERS:
            raise ContractError(
                f"{place}.adapter: unknown adapter {declared.adapter!r}{nearest(declared.adapter, list(ADAPTERS))}. "
                f"There are {', '.join(ADAPTERS)}."
            )
        adapter = ADAPTERS[declared.adapter]
        zone = declared.timezone or zone_of_shop
        if useless := [log for log in declared.only if log not in adapter.logs]:
            raise ContractError(
                f"{place}.only: {adapter.title} feeds no {useless[0]}. It feeds {', '.join(adapter.logs)}."
            )
        held = {column for log in adapter.logs for column in _columns(log)}
        if strange := [column for column in declared.constants if column not in held]:
            raise ContractError(f"{place}.constants: no log of {adapter.title} has a column {strange[0]!r}.")
        logs = tuple(
            Log(log, _for_log(declared, adapter.settings.get(log, {}), log), zone, currency, place)
            for log in adapter.logs
            if not declared.only or log in declared.only
        )
        yield Source(place, logs, adapter.name)


def _for_log(declared: ExportSettings, fixed: Mapping[str, Any], log: str) -> LogSettings:
    """How one log of a vendor's export is read: as the vendor always writes, unless params say otherwise."""
    given = declared.model_dump(exclude={"adapter", "only"}, exclude_unset=True) | {"format": declared.format}
    given["constants"] = {column: value for column, value in declared.constants.items() if column in _columns(log)}
    return LogSettings.model_validate(dict(fixed) | given)


def _columns(log: str) -> set[str]:
    return {*input_of(log).columns, "loaded_at"}


def _is_landed(folder: Path) -> bool:
    """Whether a file landed whole; what cannot be read is made again."""
    try:
        return isinstance(json.loads((folder / "books.json").read_text(encoding="utf-8")), dict)
    except (OSError, ValueError):
        return False


class Arrivals:
    """Finds and lands the files of sources below ``root``; ``landed`` keeps them between ingests."""

    def __init__(
        self,
        root: Path,
        landed: Path,
        settings: SourceSettings,
        ledger: Ledger,
        memory_limit: str,
        threads: int,
        progress: Callable[[str], None],
    ) -> None:
        self.root, self.landed, self.settings, self.ledger = root, landed, settings, ledger
        self.memory_limit, self.threads, self.progress = memory_limit, threads, progress
        self.read_names: set[str] = set()

    def _found(self, source: Source) -> list[tuple[str, Path]]:
        root, pattern = self.root, source.declared.file
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

    def of(self, source: Source) -> Iterator[Arrival]:
        """The files of ``source``, each landed, now or earlier.

        Raises:
            ContractError: there is none, one cannot be trusted as a whole, or they hold too few rows.
        """
        usable = 0
        for name, path in self._found(source):
            self.read_names.add(name)
            self.progress(f"reading {name}")
            sha256 = sha256_of(path)
            folder = self.landed / self._key(source, sha256)
            try:
                if not _is_landed(folder):
                    self.land(source, name, path, folder)
            except ContractError as refused:
                if source.declared.bad_file == "stop":
                    raise
                self.ledger.reject(name, [log.name for log in source.logs], sha256, str(refused))
                self.ledger.warn(f"set aside as a whole: {refused}")
                continue
            books = json.loads((folder / "books.json").read_text(encoding="utf-8"))
            usable += sum(books["good"].values())
            yield Arrival(source, name, path, sha256, folder, books)
        if usable < source.declared.min_rows:
            raise ContractError(
                f"{source.declared.file}: {usable} usable rows, but {source.place}.min_rows is "
                f"{source.declared.min_rows}. "
                "Is the export whole?"
            )

    def _key(self, source: Source, sha256: str) -> str:
        said = [
            sha256,
            code_hash(),
            source.adapter,
            *(f"{log.name} {log.zone} {log.currency} {log.declared.model_dump_json()}" for log in source.logs),
        ]
        return hashlib.sha256("\n".join(said).encode()).hexdigest()[:24]

    def land(self, source: Source, name: str, path: Path, folder: Path, numbered: bool = False) -> None:
        """Read a file into ``folder``, whole or not at all."""
        draft = folder.with_name(folder.name + ".part")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        try:
            worker = _worker(self.memory_limit, self.threads, self.landed)
            worker.land(path, name, source.logs, source.adapter, draft, numbered)
            shutil.rmtree(folder, ignore_errors=True)
            draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def forget_others(self, files: Sequence[Arrival]) -> None:
        """Remove landed files whose raw file is no longer there."""
        kept = {file.folder.name for file in files} | {MONTHS}
        for path in self.landed.iterdir():
            if path.is_dir() and path.name not in kept:
                shutil.rmtree(path, ignore_errors=True)

    def texts(self, file: Arrival, log: Log, rows: Sequence[int]) -> dict[int, tuple[int, str]]:
        """Line and text of single rows of a file."""
        worker = _worker(self.memory_limit, self.threads, self.landed)
        return worker.texts(file.path, file.name, log, file.source.adapter, rows)
