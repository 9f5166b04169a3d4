"""What a platform's profile may say, checked when it is read."""

from __future__ import annotations

import re
import string
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from campaigns.platforms.columns import BY_NAME, COLUMNS

CONSENT_WORDS = re.compile(
    r"consent|subscri(?!ber[ _]?key)|opt[ _-]?(?:in|out)|opted|permission|gdpr|blacklist|blocklist|suppress|do[ _-]?not"
    r"|status|confirm",
    re.IGNORECASE,
)
"""No header of a list may look like one by which a platform sets consent. A subscriber's key is an id."""

Identifier = Literal["customer_id", "email"]
Text = Annotated[str, Field(min_length=1)]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Fact(_Data):
    """One thing a vendor says about its import, where, and whether we have read it there ourselves."""

    says: Text
    page: Text
    read: bool = Field(description="True: read on that page (a stored copy). False: second hand or assumed.")


class Suppression(_Data):
    """The companion file: addresses nobody may write to, in the shape the platform takes."""

    header: Text = Field(description="Header of the address.")
    constants: dict[str, Literal["unsubscribed", "Unsubscribed", "true", "1", "", "{}"]] = Field(
        default_factory=dict, description="Further columns, equal in all rows. They can only take away."
    )
    step: Text = Field(description="What to click.")


class Spec(_Data):
    """A platform as data: identifiers, columns, spelling, limits, companion file and what to click."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    title: Text
    page: Text = Field(description="The vendor's page on its import.")
    facts: tuple[Fact, ...] = ()
    shape: Literal["csv", "parquet", "listmonk"] = "csv"
    identifiers: dict[Identifier, Text] = Field(min_length=1, description="Identifiers written, and their headers.")
    columns: tuple[str, ...] = Field(
        default=tuple(column.name for column in COLUMNS), description="Columns written, in this order."
    )
    headers: dict[str, Text] = Field(default_factory=dict, description="Headers that differ from our names.")
    upper_case: bool = Field(default=False, description="Write our names in capitals.")
    delimiter: Literal[",", ";", "\t", "|"] = ","
    quote: Literal["where_needed", "always"] = "where_needed"
    dates: Annotated[str, Field(min_length=1)] = "{year}-{month}-{day}"
    decimal_mark: Literal[".", ","] = "."
    text_bytes: int | None = Field(default=None, ge=4, description="Most bytes of a text; longer ones are cut.")
    file_rows: int | None = Field(default=None, ge=1, description="Most people in one file; more files otherwise.")
    file_bytes: int | None = Field(default=None, ge=1000, description="Most bytes of one file before gzip.")
    bom: bool = False
    gzip: bool = False
    spreadsheet_safe: bool = Field(default=True, description="Put a quote before text that is a formula.")
    suppression: Suppression
    steps: tuple[Text, ...] = Field(min_length=1, description="What to click for the list itself.")

    @model_validator(mode="after")
    def _known_columns(self) -> Spec:
        unknown = sorted({*self.columns, *self.headers} - set(BY_NAME))
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: no such column; campaigns/platforms/columns.py has them all")
        if len(set(self.headings())) < len(self.headings()):
            raise ValueError("two columns have the same header")
        return self

    @model_validator(mode="after")
    def _no_consent(self) -> Spec:
        found = [header for header in self.headings() if CONSENT_WORDS.search(header)]
        if found:
            raise ValueError(f"the header {found[0]!r} could set consent; a list must never grant it")
        return self

    @model_validator(mode="after")
    def _readable_cells(self) -> Spec:
        if self.decimal_mark == self.delimiter:
            raise ValueError("decimal_mark and delimiter must differ")
        fields = {field for _, field, _, _ in string.Formatter().parse(self.dates) if field is not None}
        if fields != {"year", "month", "day"} or "\\" in self.dates:
            raise ValueError("dates must hold {year}, {month} and {day}")
        return self

    def header_of(self, column: str) -> str:
        """The header of one of our columns in this platform's file."""
        return self.headers.get(column, column.upper() if self.upper_case else column)

    def headings(self) -> tuple[str, ...]:
        """All headers of the list file, identifiers first; for listmonk these are the keys of the attributes."""
        return (*self.identifiers.values(), *(self.header_of(column) for column in self.columns))

    @property
    def suffix(self) -> str:
        """The end of a list file's name."""
        return ".parquet" if self.shape == "parquet" else ".csv.gz" if self.gzip else ".csv"
