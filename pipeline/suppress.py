"""`wafa suppress`: an opt-out that was told to us and not yet to the logs counts from this moment."""

from __future__ import annotations

import re

from campaigns.ledger import Ledger
from pipeline import datasets, keys
from pipeline.errors import ParamsError
from pipeline.find_person import PSEUDONYM
from pipeline.settings import Settings
from sources import address_key, carried, normalised, pseudonym

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_LONGEST_REASON = 200


def suppress(s: Settings, name: str, reason: str, noted_at: int) -> list[str]:
    """Write nobody called ``name`` (address, own id or pseudonym) from now on; what was done, in lines.

    Everybody at the same address is meant. An address that nobody here has is kept, as a pseudonym, for when somebody
    comes with it; an id that nobody has is a slip of the pen, behind which somebody waits in vain.

    Raises:
        ParamsError: Nobody has this id or pseudonym, or the reason names an address.
        ContractError: There is no key to make pseudonyms with.
        StaleListError: The ledger is damaged.
    """
    if "@" in reason or len(reason) > _LONGEST_REASON or not reason.isprintable():
        raise ParamsError(
            f"wafa suppress: --reason is kept as it is, so it must be one line of at most {_LONGEST_REASON} letters "
            "without an address."
        )
    known = keys.in_force(s, datasets.EVENTS)
    tokens, is_known = _keys(known.key, name.strip())
    # Who is named may wait under an old key: then what was noted of them counts from now on as well.
    keys.carry(known, carried([name.strip()], known.key, known.old))
    with Ledger(datasets.LEDGER, key=known.fingerprint) as ledger:
        new = ledger.suppress(tokens, reason, noted_at)
        runs = ledger.runs_of(tokens)
    lines = ["suppress: noted; it counts from now on" if new else "suppress: was noted before"]
    if not is_known:
        lines.append(
            "  nobody here has this address yet; it is kept in case somebody comes with it. Check its spelling"
        )
    lines += [
        f"  already exported in {name} of {as_of}: export that list again, and upload {name}.suppress.csv"
        for name, as_of in runs
    ]
    return lines


def _keys(key: bytes, name: str) -> tuple[set[str], bool]:
    """The pseudonyms of a person and of their addresses, and whether anybody here is meant."""
    token = name if PSEUDONYM.fullmatch(name) else str(pseudonym([name], key)[0])
    persons, addresses = {token}, set()
    if datasets.VAULT.is_file():
        vault = datasets.read_parquet(datasets.VAULT, ("customer_id", "shop_id", "email"))
        emails = vault["email"].map(normalised, na_action="ignore")
        mine = vault["customer_id"].eq(token) | vault["shop_id"].eq(name)
        if "@" in name:
            mine |= emails.eq(normalised(name))
        persons |= set(vault.loc[mine, "customer_id"])
        addresses |= set(emails[mine].dropna())
        is_known = bool(mine.any())
    else:
        is_known = False
    if "@" in name:
        if not _ADDRESS.fullmatch(name):
            raise ParamsError("wafa suppress: this is no e-mail address. Give an address, an own id or a pseudonym.")
        addresses.add(normalised(name))
        # Whoever is known by the address alone has it as their id.
        persons.add(str(pseudonym([normalised(name)], key)[0]))
    elif not is_known:
        raise ParamsError(
            "wafa suppress: nobody here has this id, so nobody was suppressed. Give the e-mail address instead."
        )
    return persons | {str(one) for one in address_key(sorted(addresses), key)}, is_known
