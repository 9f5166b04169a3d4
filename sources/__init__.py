"""How logs arrive: a shop's files into canonical, pseudonymised event tables, every row accounted for."""

from sources.currencies import decimals
from sources.errors import ContractError, MissingKeyError
from sources.identity import OldKey, address_key, carried, fingerprint, load_key, normalised, pseudonym, read_key
from sources.ingesting import Ingested, Places, ingest
from sources.settings import LogSettings, SourceSettings

__all__ = [
    "ContractError",
    "Ingested",
    "LogSettings",
    "MissingKeyError",
    "OldKey",
    "Places",
    "SourceSettings",
    "address_key",
    "carried",
    "decimals",
    "fingerprint",
    "ingest",
    "load_key",
    "normalised",
    "pseudonym",
    "read_key",
]
