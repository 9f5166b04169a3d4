"""`wafa approve`: a person looks at a list, and the ledger reserves those who are to be written to or held out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb

from campaigns import ListError, StaleListError, caps, wording
from campaigns.ledger import ROWS_AT_ONCE, Ledger
from pipeline.project import money
from pipeline.project.settings import Settings
from pipeline.sending import live_facts
from pipeline.sending.live_facts import Built, Places

SAMPLE = 5
"""Rows shown before a list is approved."""


def shown(s: Settings, name: str, places: Places) -> list[str]:
    """What to look at before approving: counts, guards, what changed since the last approval, a sample, warnings.

    Raises:
        ParamsError: There is no such list.
        ListError: It was not built, or was changed since.
    """
    one = live_facts.built(places, name)
    with live_facts.opened(s, one) as db, live_facts.open_ledger(places) as ledger:
        return [
            *_counts(s, db, one),
            *_guards(one),
            *_changes(db, ledger, one),
            *_sample(db),
            *[f"  warning: {text}" for text in _warnings(db, one)],
        ]


def _counts(s: Settings, db: duckdb.DuckDBPyConnection, one: Built) -> list[str]:
    treat, listed, everywhere, value, cost = db.execute("""
        SELECT count(*) FILTER ("group" = 'treat'), count(*) FILTER (holdout = 'list'),
            count(*) FILTER (holdout = 'global'),
            coalesce(sum(net_value) FILTER ("group" = 'treat'), 0)::BIGINT,
            coalesce(sum(contact_cost) FILTER ("group" = 'treat'), 0)::BIGINT FROM candidate
    """).fetchall()[0]
    if not one.is_message:
        (sunset,) = db.execute(
            "SELECT count(*) FROM candidate WHERE \"group\" = 'treat' AND action = 'sunset'"
        ).fetchall()[0]
        return [
            f"{one.name} as of {one.as_of}: {treat - sunset:,} addresses to suppress (bounced or complained), "
            f"{sunset:,} whose regular mail should stop (long silent); nobody is written to"
        ]
    write = money.writer(s.shop.currency)
    return [
        f"{one.name} as of {one.as_of}: {treat:,} people to write to, {listed + everywhere:,} held out "
        f"({listed:,} of this list, {everywhere:,} of all lists)",
        f"  expected net value {write(value)}, cost of writing {write(cost)}",
    ]


def _guards(one: Built) -> list[str]:
    stops = [step for step in one.manifest.get("guards", ()) if step["before"] != step["after"]]
    words = wording.skips("en")
    lines = [
        f"  {words.get(step['rule'], step['rule'])}: {step['before']:,} before, {step['after']:,} after"
        for step in stops
    ]
    return lines and ["guards that stopped somebody:", *lines]


def _changes(db: duckdb.DuckDBPyConnection, ledger: Ledger, one: Built) -> list[str]:
    earlier = ledger.run(one.name, one.as_of)
    if earlier is not None and earlier["list_id"] == one.list_id:
        return ["  approved already; nothing has changed"]
    since = one.as_of if earlier is not None else ledger.last_run(one.name, one.as_of)
    if since is None:
        return ["  approved for the first time: everybody is new"]
    db.execute("CREATE OR REPLACE TABLE earlier (person VARCHAR)")
    for frame in ledger.chosen(one.name, since):
        caps.insert(db, "earlier", frame)
    new, stayed, gone = db.execute("""
        WITH present AS (SELECT customer_id FROM candidate WHERE "group" = 'treat')
        SELECT count(*) FILTER (person IS NULL), count(*) FILTER (person IS NOT NULL AND customer_id IS NOT NULL),
            count(*) FILTER (customer_id IS NULL)
        FROM present FULL JOIN earlier ON customer_id = person
    """).fetchall()[0]
    return [f"  since the approval for {since}: {new:,} new, {gone:,} gone, {stayed:,} stayed"]


def _sample(db: duckdb.DuckDBPyConnection) -> list[str]:
    rows = db.execute(f"""
        SELECT customer_id, why_now, reason_1, reason_2 FROM candidate
        WHERE "group" = 'treat' ORDER BY rank, customer_id LIMIT {SAMPLE}
    """).fetchall()
    lines = [f"  {person}: {'; '.join(text for text in said if text)}" for person, *said in rows]
    return lines and [f"the first {len(lines)}:", *lines]


def _warnings(db: duckdb.DuckDBPyConnection, one: Built) -> Iterator[str]:
    treat, held = db.execute("""
        SELECT count(*) FILTER ("group" = 'treat'), count(*) FILTER ("group" = 'holdout') FROM candidate
    """).fetchall()[0]
    if not treat:
        yield "nobody is to be written to"
    elif not held and one.is_message:
        yield "nobody is held out, so nobody will know what this list changed (campaigns.holdout_share)"
    for key in ("missing", "warnings"):
        yield from (str(text) for text in one.manifest.get(key, ()))


def refusal(s: Settings, name: str, as_of_now: int, places: Places) -> list[str]:
    """A warning where export would refuse the list now, whoever approves it.

    Raises:
        ParamsError: There is no such list.
        ListError: It was not built, or was changed since.
    """
    one = live_facts.built(places, name)
    try:
        live_facts.check_consent_is_known(s, one, places.events, as_of_now)
        with live_facts.open_ledger(places) as ledger:
            live_facts.check_logs(s, ledger, places.events)
    except StaleListError as error:
        return [f"  warning: export would refuse it now. {error}"]
    return []


def is_approved(name: str, places: Places) -> bool:
    """Whether the list, as it is built now, was approved, so that there is nothing to confirm.

    Raises:
        ParamsError: There is no such list.
        ListError: It was not built, or was changed since.
    """
    one = live_facts.built(places, name)
    with live_facts.open_ledger(places) as ledger:
        earlier = ledger.run(name, one.as_of)
    return earlier is not None and earlier["list_id"] == one.list_id


def approve(s: Settings, name: str, as_of_now: int, places: Places) -> dict[str, Any]:
    """Reserve the people of a list in the ledger, in one transaction; what became of this build, and what is next.

    Approving the same candidates again changes nothing. What this list reserved before and never exported is given
    back first.

    Raises:
        ParamsError: There is no such list.
        ListError: It was not built, was changed since, or the people do not add up.
        StaleListError: The ledger is damaged, or the clock stands before the data.
    """
    one = live_facts.built(places, name)
    live_facts.check_clock(s, places.events, as_of_now)
    run, limits = live_facts.run_of(s, one, as_of_now), live_facts.caps(s, name)
    with live_facts.opened(s, one) as db, live_facts.open_ledger(places) as ledger:
        live_facts.open_logs(db, s, places.events, run.moment)
        with ledger.writing():
            earlier = ledger.run(name, one.as_of)
            if earlier is None or earlier["list_id"] != one.list_id:
                ledger.release(name, one.as_of)
                _reserve(db, ledger, one, run, limits, as_of_now)
            counts = _standing(db, ledger, one)
    return counts | {"next": places.call(f"wafa export {name}")}


def _reserve(
    db: duckdb.DuckDBPyConnection, ledger: Ledger, one: Built, run: caps.Run, limits: caps.Caps, as_of_now: int
) -> None:
    (candidates,) = db.execute("SELECT count(*) FROM candidate").fetchall()[0]
    ledger.approved(one.name, one.as_of, one.list_id, as_of_now, candidates)
    if not one.is_message:
        return
    live_facts.ask_ledger(db, ledger, run, limits)
    # Ordered as the ledger keeps them, so that its pages fill one after the other.
    db.execute("""
        CREATE OR REPLACE TABLE reserving AS
        SELECT row_number() OVER (ORDER BY d.campaign, d.customer_id) - 1 AS n, d.campaign, d.customer_id, d.inbox,
            d."group", c.holdout, c.arm, c.propensity, c.contact_cost
        FROM decided d JOIN candidate c USING (customer_id) WHERE d.rule IS NULL AND d.own IS NULL ORDER BY n
    """)
    reserved = ledger.reserve(
        one.name, one.as_of, one.list_id, as_of_now, run.moment, live_facts.pages(db, "reserving", ROWS_AT_ONCE)
    )
    db.execute("""
        CREATE OR REPLACE TABLE skipping AS
        SELECT row_number() OVER (ORDER BY customer_id) - 1 AS n, customer_id, "group", rule
        FROM decided WHERE rule IS NOT NULL ORDER BY n
    """)
    skipped = ledger.skip(one.name, one.as_of, live_facts.pages(db, "skipping", ROWS_AT_ONCE))
    (kept,) = db.execute("SELECT count(*) FROM decided WHERE rule IS NULL AND own IS NOT NULL").fetchall()[0]
    if reserved + skipped + kept != candidates:
        raise ListError(
            f"{one.name} {one.as_of}: {reserved} reserved, {skipped} skipped and {kept} sent before are not the "
            f"{candidates} candidates. Build the lists again."
        )


def _standing(db: duckdb.DuckDBPyConnection, ledger: Ledger, one: Built) -> dict[str, Any]:
    """What became of the candidates of this build: selected = reserved + exported + skipped; held out apart."""
    (selected,) = db.execute("SELECT count(*) FROM candidate WHERE \"group\" = 'treat'").fetchall()[0]
    if not one.is_message:
        return {"addresses": selected}
    db.execute("CREATE OR REPLACE TABLE standing (person VARCHAR, grp VARCHAR, fate VARCHAR, reason VARCHAR)")
    for frame in ledger.standing(one.name, one.as_of):
        caps.insert(db, "standing", frame)
    found = db.execute("""
        SELECT "group", CASE WHEN fate IN ('sent', 'failed') THEN 'exported' ELSE fate END, reason, count(*)
        FROM candidate JOIN standing ON person = customer_id AND grp = "group" GROUP BY ALL ORDER BY ALL
    """).fetchall()
    size = {(group, fate): count for group, fate, _, count in found if fate != "skipped"}
    skipped = {
        one_group: {reason: count for group, fate, reason, count in found if (group, fate) == (one_group, "skipped")}
        for one_group in ("treat", "holdout")
    }
    return {
        "selected": selected,
        "reserved": size.get(("treat", "reserved"), 0),
        "exported": size.get(("treat", "exported"), 0),
        "skipped": skipped["treat"],
        "holdout": size.get(("holdout", "holdout"), 0),
        "holdout_skipped": skipped["holdout"],
    }


def told(name: str, counts: dict[str, Any]) -> list[str]:
    """What became of everybody, in lines."""
    following = f"next: {counts['next']}"
    if "addresses" in counts:
        return [f"approve: {counts['addresses']:,} addresses of {name}; nobody is written to", following]
    words = wording.skips("en")
    skipped = sum(counts["skipped"].values())
    lines = [
        f"approve: {counts['selected']:,} selected = {counts['reserved']:,} reserved + {counts['exported']:,} exported "
        f"before + {skipped:,} skipped"
    ]
    lines += [f"  skipped, {words.get(reason, reason)}: {count:,}" for reason, count in counts["skipped"].items()]
    lines.append(f"  held out by lot, beside them: {counts['holdout']:,}")
    lines += [
        f"  not held out, {words.get(reason, reason)}: {count:,}" for reason, count in counts["holdout_skipped"].items()
    ]
    return [*lines, following]
