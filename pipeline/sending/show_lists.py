"""`wafa lists`: every list with its counts, one list in detail, or why one person is or is not on each."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from campaigns import ListError, assemble, wording
from pipeline.intake import reading
from pipeline.people import keys, names
from pipeline.project import datasets
from pipeline.project.datasets import list_manifests as manifests
from pipeline.project.errors import ParamsError
from pipeline.project.money import writer
from pipeline.project.settings import Settings
from pipeline.sending import ledger_words
from reports import summary
from reports.numbers import fine_percent, percent
from reports.wording import EN
from sources import normalised, pseudonym

SAMPLE = 3
"""Rows shown of one list."""

_LIMITS = {
    "too_young": ("min_age",),
    "frequency_cap": ("frequency_cap", "frequency_days"),
    "recent_contact": ("quiet_days",),
    "recent_ticket": ("quiet_ticket_days",),
    "recent_order": ("quiet_order_days",),
}
"""The params under ``campaigns`` that set a guard's limit."""


def _folders(as_of: str | None) -> tuple[Path, Path]:
    top = datasets.batch(as_of) if as_of else datasets.DATA
    return top / datasets.LISTS.name, top / datasets.EVENTS.name


def _cure(as_of: str | None) -> str:
    return f"wafa score --as-of {as_of}" if as_of else "wafa run"


def _built(as_of: str | None) -> Sequence[Mapping[str, Any]]:
    """What is said of every list, in their order.

    Raises:
        ListError: No list was built, or an earlier version of Wafa built them.
    """
    lists, _ = _folders(as_of)
    found = manifests(lists)
    cure = _cure(as_of)
    if not found:
        raise ListError(f"wafa lists: no list was built{f' as of {as_of}' if as_of else ''} yet. Run `{cure}`.")
    if not (lists / datasets.PEOPLE).is_file() or any("guards" not in manifest for manifest in found):
        raise ListError(f"wafa lists: an earlier version of Wafa built these lists. Build them again: `{cure}`.")
    return found


def _pick(found: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    by_name = {str(manifest["list"]): manifest for manifest in found}
    if name not in by_name:
        close = difflib.get_close_matches(name, by_name, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ParamsError(f"wafa lists: there is no list {name!r}.{hint} There are: {', '.join(by_name)}.")
    return by_name[name]


def _campaigns(lists: Path) -> dict[str, str]:
    """What the experiment of each list is called; the messages of a series are counted."""
    rows = datasets.read_parquet(lists / datasets.PEOPLE, ("list", "campaign")).drop_duplicates().dropna()
    campaigns = rows.groupby("list")["campaign"].agg(list)
    return {
        str(name): ids[0] if len(ids) == 1 else f"{name}-… ({len(ids)} messages)"
        for name, ids in sorted(campaigns.items())
    }


def _table(rows: Sequence[Sequence[str]], left: Collection[int] = (0,)) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        "  ".join(
            text.ljust(width) if place in left else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _notes(s: Settings, found: Sequence[Mapping[str, Any]], as_of: str | None) -> list[str]:
    notes = sorted({str(text) for manifest in found for text in manifest["missing"]})
    if any(manifest["settings_sha256"] != assemble.settings_hash(s.campaigns) for manifest in found):
        notes.append(
            "the section campaigns of params.yaml has changed since these lists were built; build them again: "
            f"`{_cure(as_of)}`."
        )
    return [f"note: {text}" for text in notes]


def overview(s: Settings, as_of: str | None = None) -> list[str]:
    """A table with one line per list.

    Raises:
        ListError: No list was built.
    """
    found, money, named = _built(as_of), writer(s.shop.currency), _campaigns(_folders(as_of)[0])
    rows: list[tuple[str, ...]] = [
        ("list", "fit", "may get it", "to write to", "held out", "net value", "cost", "campaign")
    ]
    taken_off = []
    messages = [one for one in found if one["kind"] == "message"]
    for one in found:
        groups = one["groups"]
        if one["kind"] != "message":
            taken_off.append(f"{one['list']}: {groups['treat']:,} addresses to take off the mailing list")
            continue
        sizes = (one["fitting"], summary.size_after_guards(one), groups["treat"], groups["holdout"])
        amounts = (money(one["net_value"]), money(one["cost"]))
        rows.append((one["list"], *(f"{size:,}" for size in sizes), *amounts, named.get(one["list"], "")))
    if messages:
        # Nobody is on two lists, so who is written to adds up; who fits several would be counted several times.
        chosen = (f"{sum(one['groups'][group] for one in messages):,}" for group in ("treat", "holdout"))
        total = (money(sum(one[what] for one in messages)) for what in ("net_value", "cost"))
        rows.append(("all of them", "", "", *chosen, *total, ""))
    return [
        f"as of {found[0]['as_of']}, of {found[0]['people']:,} people; each gets one message at most",
        *_table(rows, left=(0, len(rows[0]) - 1)),
        *taken_off,
        *_notes(s, found, as_of),
        "more: wafa lists LIST    wafa lists --why PERSON    next: wafa approve LIST",
    ]


def detail(s: Settings, name: str, as_of: str | None = None) -> list[str]:
    """One list: its size before and after each guard, who does not fit, what it is worth and what it can show.

    Raises:
        ListError: No list was built.
        ParamsError: There is no such list.
    """
    found = _built(as_of)
    one = _pick(found, name)
    groups, is_message = one["groups"], one["kind"] == "message"
    to_do = "to write to" if is_message else "addresses to take off the mailing list"
    held = f", {groups['holdout']:,} held out ({groups['global_holdout']:,} of them from every list)"
    campaign = _campaigns(_folders(as_of)[0]).get(name)
    lines = [
        f"{one['title']} ({name}) as of {one['as_of']}",
        f"  {one['action']}",
        f"  of {one['people']:,} people {one['fitting']:,} fit: {groups['treat']:,} {to_do}",
    ]
    if is_message:
        lines[-1] += held
        often = f"nobody gets this list twice in {one['every_days']} days, {one['budget']:,} at most get it in a run"
        lines += [f"  campaign {campaign or 'none'}; {often}", *_worth(s, one, found)]
        sentence = one.get("power", {}).get("sentence")
        lines += [f"power: {sentence}"] if sentence else []
    words = wording.spoken("en")
    table: list[tuple[str, ...]] = [("guards, one after the other", "before", "stopped", "after")]
    table += [
        (f"  {words.get(step['rule'], step['rule'])}", *(f"{step[key]:,}" for key in ("before", "stopped", "after")))
        for step in one["guards"]
    ]
    lines += _table(table)
    misfits = [
        (f"  {one['misfits_say'].get(rule, rule)}", f"{size:,}")
        for rule, size in sorted(one["not_fitting"].items(), key=lambda item: (-item[1], item[0]))
    ]
    lines += _table([("do not fit", ""), *misfits]) if misfits else []
    return [*lines, *_sample(s, name, as_of), *_notes(s, [one], as_of), f"next: wafa approve {name}"]


def _say(key: str, **values: Any) -> str:
    return EN[key].format(**values)


def _worth(s: Settings, one: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> list[str]:
    worth, assumed = summary.worth(one), summary.economy(found)
    said = summary.worth_words(worth, _say, writer(s.shop.currency), fine_percent) if worth else []
    said += summary.save_rate_words(assumed, _say, fine_percent) if said and assumed else []
    return [f"worth: {' '.join(said)}"] if said else []


def _sample(s: Settings, name: str, as_of: str | None) -> list[str]:
    path, money = _folders(as_of)[0] / name / datasets.CANDIDATES, writer(s.shop.currency)
    if not path.is_file():
        return []
    rows = datasets.read_parquet(
        path, ("customer_id", "rank", "why_now", "net_value", "group"), [("group", "==", "treat")]
    ).nsmallest(SAMPLE, "rank")
    lines = []
    for row in rows.to_dict("records"):
        value = "" if pd.isna(row["net_value"]) else f", net value {money(row['net_value'])}"
        lines.append(f"  {row['customer_id']}: {row['why_now']}{value}")
    return [f"the first {len(lines)}", *lines] if lines else []


def whom(s: Settings, person: str, as_of: str | None = None) -> list[str]:
    """The pseudonyms that ``person`` (own id, e-mail address or pseudonym) goes by among the people of the lists.

    Raises:
        ParamsError: Nobody is called that.
    """
    lists, events = _folders(as_of)
    key = keys.in_force(s, events).key
    person = names.one("lists", person, names.is_in_vault)
    wanted = {person}
    if not _rows(lists, wanted):
        reading.ensure_vault(s)
        vault = datasets.read_parquet(datasets.VAULT, ("customer_id", "shop_id", "email"))
        own = vault["shop_id"].astype("str").eq(person)
        if "@" in person:
            own |= vault["email"].map(normalised, na_action="ignore").eq(normalised(person))
        wanted |= {*vault.loc[own, "customer_id"], str(pseudonym([person], key)[0])}
        merges = datasets.merges(events)
        if merges.is_file():
            became = datasets.read_parquet(merges, ("customer_id", "now"))
            wanted |= set(became.loc[became["customer_id"].isin(wanted), "now"])
    found = _rows(lists, wanted)
    if not found:
        raise ParamsError(
            f"wafa lists: nobody is called that in the lists as of {as_of or s.scoring.as_of}. Give the shop's own id, "
            "the e-mail address of an account, or a pseudonym that begins with c_."
        )
    return [str(row["customer_id"]) for row in found]


def _rows(lists: Path, wanted: Collection[str]) -> list[dict[str, Any]]:
    rows = datasets.read_parquet(lists / datasets.PEOPLE, None, [("customer_id", "in", sorted(wanted))])
    return [
        {str(key): None if pd.isna(value) else value for key, value in row.items()} for row in rows.to_dict("records")
    ]


def why(s: Settings, person: str, name: str | None = None, as_of: str | None = None) -> list[str]:
    """For every list (or the one called ``name``) one line that says why ``person`` is or is not on it.

    Before them stands what the contact ledger says of the person now: lists know nothing later than their date.

    Raises:
        ListError: No list was built.
        ParamsError: Nobody is called that, or there is no such list.
        StaleListError: The ledger is damaged.
    """
    found = _built(as_of)
    asked = found if name is None else [_pick(found, name)]
    lines: list[str] = []
    for row in _rows(_folders(as_of)[0], whom(s, person, as_of)):
        kind = ", ".join(str(row[key]) for key in ("rfm_segment", "lifecycle") if row[key] is not None)
        words = wording.spoken("en")
        guard = row["guard"]
        stopped = f"no message, {words.get(guard, guard)}{_limit(s, guard)}" if guard else "nothing stops a message"
        lines += [f"{row['customer_id']} as of {found[0]['as_of']}: {kind}", *_score(s, row["customer_id"], as_of)]
        lines.append(f"  guards: {stopped}")
        lines += ledger_words.told(s, row, [str(one["list"]) for one in asked], _folders(as_of)[1])
        lines += _table([(f"  {one['list']}", *_line(s, one, row, as_of)) for one in asked], left=(0, 1, 2))
    return [*lines, *_notes(s, found, as_of)]


def _score(s: Settings, customer: str, as_of: str | None) -> list[str]:
    path, money = (datasets.batch(as_of) / datasets.SCORES.name if as_of else datasets.SCORES), writer(s.shop.currency)
    if not path.is_file():
        return []
    for row in datasets.read_parquet(path, None, [("customer_id", "==", customer)]).to_dict("records"):
        usual = row.get("usual_gap_days")
        gap = "" if usual is None or pd.isna(usual) else f", usually every {usual:.0f}"
        return [
            f"  score: {percent(row['churn_probability'])} likely to leave (risk: {row['band']}), "
            f"{money(row['value_at_risk'])} at risk, last order {row['days_since_order']:.0f} days ago{gap}"
        ]
    return ["  score: none; scored is who ordered lately enough and does not object to profiling"]


def _limit(s: Settings, rule: str) -> str:
    said = ", ".join(f"campaigns.{key}: {getattr(s.campaigns, key)}" for key in _LIMITS.get(rule, ()))
    return f" ({said})" if said else ""


def _line(s: Settings, one: Mapping[str, Any], row: Mapping[str, Any], as_of: str | None) -> tuple[str, str]:
    """Yes or no, and why."""
    name = str(one["list"])
    code = str(row[f"why_{name}"])
    words = wording.spoken("en") | one["misfits_say"] if code in one["misfits_say"] else wording.spoken("en")
    said = words.get(code, code)
    if code in (assemble.SELECTED, assemble.HELD_OUT):
        return _chosen(s, one, row, code, as_of)
    if code == "other_list":
        said += f": {row['list']}"
    if code == "over_budget":
        said += f" ({one['budget']:,} people; campaigns.capacity and max_cost count as well)"
    if code == "contacted_by_list":
        said += f" (not twice in {one['every_days']} days)"
    return "no", said + (_limit(s, code) if code not in one["misfits_say"] else "")


def _chosen(
    s: Settings, one: Mapping[str, Any], row: Mapping[str, Any], code: str, as_of: str | None
) -> tuple[str, str]:
    path = _folders(as_of)[0] / str(one["list"]) / datasets.CANDIDATES
    candidates = datasets.read_parquet(path, None, [("customer_id", "==", row["customer_id"])]).to_dict("records")
    if not candidates:
        return "yes", wording.spoken("en")[code]
    [found] = candidates
    said = [str(found["why_now"]), f"campaign {found['campaign']}"]
    if not pd.isna(found["net_value"]) and one["kind"] == "message":
        said.append(f"net value {writer(s.shop.currency)(found['net_value'])}")
    if code == assemble.HELD_OUT:
        whence = "every list" if found["holdout"] == "global" else "this list"
        return "no", f"held out by lot from {whence}, to measure the effect; {'; '.join(said)}"
    return "yes", "; ".join([*said, f"rank {found['rank']:,}"])
