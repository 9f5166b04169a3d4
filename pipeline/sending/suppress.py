"""`wafa suppress`: record an opt-out received outside the logs; it counts from this moment."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from campaigns.ledger import Ledger
from pipeline.people import keys, names
from pipeline.people.find_person import PSEUDONYM
from pipeline.project import datasets
from pipeline.project.errors import ParamsError
from pipeline.project.settings import Settings
from sources import address_key, carried, normalised, pseudonym

_LONGEST_REASON = 200


def suppress(s: Settings, given: str | Sequence[str], reason: str, noted_at: int) -> list[str]:
    """Write nobody who is ``given`` (addresses, own ids or pseudonyms) from now on; what was done, in lines.

    All of them are recorded, or nobody is, and everybody at the same address is included. An unknown address is kept
    as a pseudonym in case somebody comes with it; an unknown id is refused, because it is probably mistyped.

    Raises:
        ParamsError: Nobody has an id or pseudonym, a name cannot be read, or the reason names an address.
        ContractError: There is no key to make pseudonyms with.
        StaleListError: The ledger is damaged.
    """
    if "@" in reason or len(reason) > _LONGEST_REASON or not reason.isprintable():
        raise ParamsError(
            f"wafa suppress: --reason is kept as it is, so it must be one line of at most {_LONGEST_REASON} letters "
            "without an address."
        )
    people = names.read("suppress", [given] if isinstance(given, str) else given, names.is_in_vault)
    known = keys.in_force(s, datasets.EVENTS)
    vault = _vault()
    each = [_keys(name, vault, known.key) for name in people]
    if slips := [str(at) for at, (_, is_known) in enumerate(each, 1) if not is_known and "@" not in people[at - 1]]:
        which = "" if len(people) == 1 else f" (name {', '.join(slips)} of {len(people)})"
        raise ParamsError(
            f"wafa suppress: nobody here has this id{which}, so nobody was suppressed. Give the e-mail address instead."
        )
    tokens = {token for found, _ in each for token in found}
    readers = _readers()
    # Whoever reads one of these inboxes is meant, and stays so when no file names the address any more.
    tokens |= set(readers.loc[readers["inbox"].isin(tokens), "customer_id"])
    # Who is named may wait under an old key: then what was noted of them counts from now on as well.
    keys.carry(known, carried(people, known.key, known.old))
    with Ledger(datasets.LEDGER, key=known.fingerprint) as ledger:
        new = ledger.suppress(tokens, reason, noted_at)
        runs = ledger.runs_of(_at_their_inboxes(tokens, readers))
    they = "noted; it counts" if len(people) == 1 else f"{len(people)} names noted; they count"
    lines = [f"suppress: {they} from now on" if new else "suppress: was noted before"]
    former = set(readers["inbox"])
    if strangers := sum(not is_known and found.isdisjoint(former) for found, is_known in each):
        which = "this address" if len(people) == 1 else f"{strangers} of these addresses"
        lines.append(f"  nobody here has {which} yet; it is kept in case somebody comes with it. Check its spelling")
    lines += [
        f"  already exported in {name} of {as_of}: export that list again, and upload {name}.suppress.csv"
        for name, as_of in runs
    ]
    return lines


def _vault() -> pd.DataFrame:
    if not datasets.VAULT.is_file():
        return pd.DataFrame({"customer_id": [], "shop_id": [], "email": []}, dtype="str")
    vault = datasets.read_parquet(datasets.VAULT, ("customer_id", "shop_id", "email"))
    return vault.assign(email=vault["email"].map(normalised, na_action="ignore"))


def _readers() -> pd.DataFrame:
    """Who (customer_id) reads which inbox beside that of their newest record: a former one, or of a merged account."""
    columns = ("customer_id", "inbox")
    found = datasets.read_events(datasets.EVENTS, "restrictions", columns, [("restriction", "==", "same_inbox")])
    return pd.DataFrame({column: [] for column in columns}, dtype="str") if found is None else found


def _at_their_inboxes(keys: set[str], readers: pd.DataFrame) -> set[str]:
    """``keys`` with every further inbox of these people, and whoever reads one of all these."""
    inboxes = keys | set(readers.loc[readers["customer_id"].isin(keys), "inbox"])
    return inboxes | set(readers.loc[readers["inbox"].isin(inboxes), "customer_id"])


def _survivor(token: str) -> str:
    """The pseudonym of the account into which that of ``token`` was merged, or ``token``."""
    merges = datasets.merges(datasets.EVENTS)
    if not merges.is_file():
        return token
    became = datasets.read_parquet(merges, ("customer_id", "now")).set_index("customer_id")["now"]
    return str(became.get(token, token))


def _keys(name: str, vault: pd.DataFrame, key: bytes) -> tuple[set[str], bool]:
    """The pseudonyms of a person and of their addresses, and whether anybody here is meant."""
    token = name if PSEUDONYM.fullmatch(name) else str(pseudonym([name], key)[0])
    mine = vault["customer_id"].isin({token, _survivor(token)}) | vault["shop_id"].eq(name)
    persons, given = {token}, set()
    if "@" in name:
        mine |= vault["email"].eq(normalised(name))
        given = {normalised(name)}
        # Whoever is known by the address alone has it as their id.
        persons.add(str(pseudonym([normalised(name)], key)[0]))
    persons |= set(vault.loc[mine, "customer_id"])
    addresses = sorted(given | set(vault.loc[mine, "email"].dropna()))
    return persons | {str(one) for one in address_key(addresses, key)}, bool(mine.any())
