"""How logs arrive: a shop's files into canonical, pseudonymised event tables, every row accounted for."""

from sources.currencies import decimals
from sources.errors import ContractError
from sources.identity import address_key, load_key, normalised, pseudonym
from sources.ingesting import Ingested, Places, ingest
from sources.settings import LogSettings, SourceSettings

__all__ = [
    "ContractError",
    "Ingested",
    "LogSettings",
    "Places",
    "SourceSettings",
    "address_key",
    "decimals",
    "ingest",
    "load_key",
    "normalised",
    "pseudonym",
]
