"""The params section ``sources``: which files hold which log, and how to read them."""

import re
from datetime import date
from pathlib import PurePosixPath
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from sources.currencies import CURRENCIES

LogName = Literal[
    "customers",
    "consent_events",
    "orders",
    "order_items",
    "order_lines",
    "returns",
    "deliveries",
    "web_events",
    "identity_map",
    "customer_merges",
    "email_events",
    "support_tickets",
    "loyalty_events",
    "campaign_contacts",
    "shop_labels",
]


def _inside(path: str) -> str:
    parts = PurePosixPath(path.replace("\\", "/")).parts
    if "\0" in path or path.startswith(("/", "\\", "~")) or ".." in parts or ":" in path:
        raise ValueError(f"must be a relative path without '..', got {path[:200]!r}")
    if len(path) > 1_000 or len(parts) > 32 or max(map(len, parts), default=0) > 200:
        raise ValueError("must be a path that files can have: at most 32 folders, none of more than 200 characters")
    return path


def _as_text(value: object) -> object:
    """YAML's ``true`` and ``0`` mean the words a file holds."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else value


def _free_name(name: str) -> str:
    if name in get_args(LogName):
        raise ValueError(f"must not be a log that Wafa knows (declare that one under sources.logs), got {name!r}")
    # It becomes a folder's name and part of the names of columns.
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
        raise ValueError(f"must be a name of at most 40 of a-z, 0-9 and _ that begins with a letter, got {name!r}")
    return name


def _export_name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
        raise ValueError(f"must be a name of at most 40 of a-z, 0-9 and _ that begins with a letter, got {name!r}")
    return name


def _one_line(title: str) -> str:
    # Sentences are made around it; braces would stand for numbers in them.
    if not title.strip().isprintable() or not 0 < len(title.strip()) <= 60 or "{" in title or "}" in title:
        raise ValueError(f"must be one line of 1 to 60 characters without braces, got {title!r}")
    return title.strip()


RelativePath = Annotated[str, AfterValidator(_inside)]
Text = Annotated[str, BeforeValidator(_as_text)]
OwnLogName = Annotated[str, AfterValidator(_free_name)]
ExportName = Annotated[str, AfterValidator(_export_name)]
Title = Annotated[str, AfterValidator(_one_line)]


def _table_name(name: str) -> str:
    part = r"[A-Za-z_][A-Za-z0-9_$]{0,62}"
    if name and not re.fullmatch(rf"({part}\.)?{part}", name):
        # The value is not said again: it may be a connection string in the wrong place.
        raise ValueError("must be the name of a table or view, as table or schema.table, and no SQL")
    return name


def _variable_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,79}", name):
        raise ValueError("must be the name of an environment variable, and not what it holds")
    return name


SNAPSHOT = "tables"
"""Folder below ``sources.path`` into which tables of a database are written, a file per log."""


class DatabaseSettings(BaseModel):
    """Where the tables lie that logs name. The connection string never stands in params."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url_from: Annotated[str, AfterValidator(_variable_name)] = Field(
        default="WAFA_SOURCE_URL", description="Environment variable with the connection string."
    )
    timeout_seconds: int = Field(default=600, ge=1, le=86_400, description="Longest time a statement may take.")


class LogSettings(BaseModel):
    """How one log is read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: RelativePath = Field(
        default="", description="File name, or a pattern such as web/*.parquet, under sources.path."
    )
    table: Annotated[str, AfterValidator(_table_name)] = Field(
        default="", description="Instead of file: a table or view of sources.database, such as public.orders."
    )
    format: Literal["", "csv", "jsonl", "parquet"] = Field(
        default="csv", description="Format of the file; empty, for a vendor's export: as its adapter says."
    )
    delimiter: str = Field(default=",", min_length=1, max_length=1, description="Field separator (csv).")
    encoding: str = Field(default="utf-8", description="Character encoding (csv, jsonl).")
    columns: dict[str, str] = Field(
        default={},
        description="Our column: their column. A column not named here is looked up under our name.",
    )
    constants: dict[str, Text] = Field(default={}, description="Our column: the value every row has.")
    events: dict[str, str] = Field(
        default={}, description="Their event: our event; 'C*' stands for every value that starts with C."
    )
    values: dict[str, dict[str, str]] = Field(
        default={}, description="Our column: {their value: our value}, for other columns with fixed values."
    )
    timezone: str = Field(default="", description="Zone of times without an offset; empty: the shop's time zone.")
    time_format: str = Field(
        default="",
        description="Format of times that are not ISO 8601, such as '%d/%m/%Y %H:%M', or epoch_s, epoch_ms, epoch_us.",
    )
    arrival_delay_days: int = Field(
        default=0,
        ge=0,
        le=365,
        description="Days from an event to our knowing of it, where the log has no loaded_at.",
    )
    drop_where: dict[str, list[Text]] = Field(
        default={}, description="Their column: values; rows with one of them are left out and counted."
    )
    duplicates: Literal["keep", "set_aside"] = Field(
        default="keep", description="What happens to equal rows in a log whose rows have no id."
    )
    round_money: bool = Field(
        default=False, description="Round amounts to the currency's smallest unit instead of refusing them."
    )
    decimal_comma: bool = Field(default=False, description="Amounts are written 1.234,50.")
    bad_file: Literal["stop", "set_aside"] = Field(
        default="stop",
        description="What a file that cannot be trusted as a whole does: stop the run, or be set aside whole.",
    )
    min_rows: int = Field(default=0, ge=0, description="Stop when the log has fewer usable rows than that.")


class ExportSettings(LogSettings):
    """How a vendor's export is read: which adapter, and what its files do not say themselves."""

    adapter: str = Field(description="Name of the adapter, such as shopify_orders.")
    format: Literal["", "csv", "jsonl", "parquet"] = Field(
        default="", description="Format of the file; empty: the one the vendor writes."
    )
    only: tuple[LogName, ...] = Field(
        default=(), description="Of the logs that the export could feed, these; empty: all of them."
    )

    @model_validator(mode="after")
    def _leaves_columns_to_the_adapter(self) -> "ExportSettings":
        for key in ("columns", "events", "values", "drop_where", "decimal_comma"):
            if getattr(self, key):
                raise ValueError(f"must not hold {key}: the adapter knows what the vendor's columns mean")
        return self


class OwnLogSettings(LogSettings):
    """How a log is read that Wafa does not know, and what to call its events."""

    title: Title = Field(description="What its events are, as a marketer says it, e.g. Calls to the shop.")
    title_urdu: Title | None = Field(default=None, description="The same in Urdu; default: title.")
    actionable: bool = Field(default=False, description="Whether the shop can do something about these events.")


class SourceSettings(BaseModel):
    """Where a shop's logs lie and how to read them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: RelativePath = Field(description="Folder with the files, or one file; relative to the project.")
    complete_until: date | None = Field(
        default=None,
        description="The data is complete up to the start of this day; default: the local day of the newest order.",
    )
    key_id: str = Field(
        default="demo",
        pattern=r"^[a-z0-9_]+$",
        description="Which key makes the pseudonyms; demo is published, a real shop makes its own.",
    )
    currency: str = Field(description="ISO 4217 code of the shop's money, e.g. GBP.")
    database: DatabaseSettings = Field(default=DatabaseSettings(), description="Of the logs that name a table.")
    logs: dict[LogName, LogSettings] = Field(description="The logs the shop has.")
    exports: dict[ExportName, ExportSettings] = Field(
        default={}, description="Files as a vendor writes them; one of them may feed several logs."
    )
    test_accounts: tuple[str, ...] = Field(
        default=(), description="Addresses, endings such as @shop.example, or customer ids of staff and tests."
    )
    expect_daily: tuple[str, ...] = Field(default=(), description="Logs in which no day may be empty.")
    closed_days: tuple[date, ...] = Field(default=(), description="Days that may be empty all the same.")
    quarantine_days: int = Field(
        default=365, ge=1, description="Refused lines of files not seen for so many days are deleted."
    )
    # No default: DVC refuses a stage whose params lack a key that it names.
    own_logs: dict[OwnLogName, OwnLogSettings] = Field(
        description="Further logs, under names of their own; {} if none."
    )

    @field_validator("currency")
    @classmethod
    def _known_currency(cls, code: str) -> str:
        if code not in CURRENCIES:
            raise ValueError(f"must be an ISO 4217 code such as GBP, got {code!r}")
        return code

    @field_validator("logs", "own_logs")
    @classmethod
    def _tables_as_files(cls, logs: dict[str, LogSettings]) -> dict[str, LogSettings]:
        """A table is read through the file into which it is written."""
        found = {}
        for name, log in logs.items():
            file = f"{SNAPSHOT}/{name}.parquet"
            if log.table and log.file not in {"", file}:
                raise ValueError(f"{name} must name either a file or a table, and not both")
            found[name] = log.model_copy(update={"file": file, "format": "parquet"}) if log.table else log
        return found

    @field_validator("exports")
    @classmethod
    def _exports_are_files(cls, exports: dict[str, ExportSettings]) -> dict[str, ExportSettings]:
        if name := next((name for name, export in exports.items() if export.table), None):
            raise ValueError(f"{name} must name a file: only logs and own_logs can be tables")
        return exports

    @property
    def tables(self) -> dict[str, LogSettings]:
        """The logs that are tables of the database."""
        return {name: log for name, log in (self.logs | self.own_logs).items() if log.table}

    @model_validator(mode="after")
    def _has_orders(self) -> "SourceSettings":
        logs = self.logs
        if "orders" in logs and "order_lines" in logs:
            raise ValueError("logs must hold either orders or order_lines, and not both")
        if not logs.keys() & {"orders", "order_lines"} and not self.exports:
            raise ValueError("logs must hold either orders or order_lines, or exports a vendor's orders")
        if "order_lines" in logs and "order_items" in logs:
            raise ValueError("logs must not hold order_items beside order_lines, which already gives them")
        return self
