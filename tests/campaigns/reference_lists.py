"""The other half of the slow reading of docs/lists.md: who fits which list, in what order, and who is written to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from campaigns.settings import CampaignSettings
from tests.campaigns.reference import DAY, HOUR, Person, Reading, Row, newest_of

Steps = list[tuple[str, Callable[[], bool]]]
DESPITE = {
    "welcome": {"recent_order"},
    "post_purchase_feedback": {"recent_order"},
    "service_recovery": {"recent_ticket", "recent_order"},
}


def welcome_step(days: int | None, step_days: Sequence[int], within: int) -> int | None:
    """The step that is due, counted from 1."""
    for k, start in enumerate(step_days):
        end = min([start + within, *step_days[k + 1 : k + 2]])
        if days is not None and start <= days < end:
            return k + 1
    return None


def steps_of(name: str, p: Person, s: CampaignSettings, now: int, net_value: int | None) -> Steps:
    """The conditions of one list for one person, in order; asked one after the other, the first that fails is told."""
    mine = s.own_lists[name] if name in s.own_lists else getattr(s.lists, name)
    never = ("never_ordered", lambda: p["orders"] > 0)
    scored = ("not_scored", lambda: p["churn_probability"] is not None)
    worth_it: Steps = [
        ("below_min_value", lambda: p["value_at_risk"] is not None and p["value_at_risk"] >= mine.min_value),
        ("not_worth_it", lambda: net_value is not None and net_value > s.economy.min_net_value),
    ]
    if name == "win_back":

        def likely() -> bool:
            if mine.min_probability is not None:
                return bool(p["churn_probability"] >= mine.min_probability)
            return p["band"] in mine.bands

        late = ("not_lapsed", lambda: p["lifecycle"] in ("slipping", "lapsed"))
        return [never, scored, late, ("below_threshold", likely), *worth_it]
    if name == "at_risk":

        def sign() -> bool:
            late = p["own_gaps"] >= 2 and p["days_since_order"] > s.facts.late_factor * p["own_gap_days"]
            ignored = p["mails_180"] >= mine.min_ignored_mails and p["clicks_180"] == 0
            dull = ignored and p["band"] is not None and p["band"] != "low"
            was = p["probability_before"]
            return late or dull or (was is not None and p["churn_probability"] - was >= mine.min_rise)

        early = ("lapsed_already", lambda: p["lifecycle"] in ("new", "active", "slipping"))
        return [never, scored, early, ("no_sign", sign), *worth_it]
    if name == "abandoned_cart":
        return [
            ("no_open_cart", lambda: p["cart_at"] is not None),
            ("bought_since_cart", lambda: not p["cart_bought"]),
            ("cart_too_recent", lambda: now - p["cart_at"] >= mine.min_age_hours * HOUR),
            ("below_min_value", lambda: (p["cart_value"] or 0) >= mine.min_value),
        ]
    if name == "browse_abandon":
        return [
            ("not_browsing", lambda: p["browse_at"] is not None),
            ("bought_since", lambda: not p["browse_bought"]),
            ("has_cart", lambda: p["cart_at"] is None or p["cart_bought"]),
            ("browse_too_recent", lambda: now - p["browse_at"] >= mine.min_age_hours * HOUR),
            ("too_few_views", lambda: p["browse_views"] >= mine.min_views),
        ]
    if name == "welcome":
        since = p["welcome_from"]
        return [
            ("not_new", lambda: since is not None),
            (
                "no_step_due",
                lambda: welcome_step((now - since) // DAY, mine.step_days, mine.within_days) is not None,
            ),
        ]
    if name == "post_purchase_feedback":

        def no_trouble() -> bool:
            ticket, order = p["last_ticket_at"], p["last_order_at"]
            return not p["delivered_late"] and not (ticket is not None and order is not None and ticket >= order)

        return [
            ("not_delivered", lambda: p["delivered_at"] is not None),
            ("not_lately", lambda: mine.min_days <= (now - p["delivered_at"]) // DAY <= mine.max_days),
            ("had_trouble", no_trouble),
        ]
    if name == "birthday":
        return [
            ("birthday_unknown", lambda: p["days_to_birthday"] is not None),
            ("not_due", lambda: p["days_to_birthday"] <= mine.days_before),
        ]
    if name == "next_order":
        return [
            never,
            scored,
            ("no_rhythm", lambda: p["own_gaps"] >= 2),
            ("not_due", lambda: abs(p["own_gap_days"] - p["days_since_order"]) <= mine.within_days),
            ("likely_to_leave", lambda: p["churn_probability"] <= mine.max_probability),
        ]
    if name == "loyalty":
        return [
            never,
            ("not_best", lambda: p["tier"] in mine.tiers if mine.tiers else p["rfm_segment"] in mine.segments),
        ]
    if name == "service_recovery":
        trouble = newest_of(p["bad_ticket_at"], p["late_delivery_at"])
        return [
            ("no_trouble", lambda: trouble is not None and (now - trouble) // DAY < mine.max_age_days),
            ("ordered_since", lambda: p["last_order_at"] is None or p["last_order_at"] <= trouble),
        ]
    if name == "list_hygiene":

        def silent() -> bool:
            long = p["engaged_at"] is not None and (now - p["engaged_at"]) // DAY >= mine.unengaged_days
            return p["hard_bounced"] or p["complained"] or (long and p["mails_180"] >= mine.min_mails)

        return [("no_address", lambda: p["address_key"] is not None), ("engaged", silent)]
    return [(column, lambda c=column, w=wanted: _matches(p[c], w)) for column, wanted in mine.who.items()]


def _matches(value: Any, wanted: Any) -> bool:
    if value is None:
        return False
    if isinstance(wanted, bool | int | float | str):
        return bool(value == wanted)
    if isinstance(wanted, tuple):
        return value in wanted
    return (wanted.min is None or value >= wanted.min) and (wanted.max is None or value <= wanted.max)


def reason(name: str, p: Person, s: CampaignSettings, now: int, net_value: int | None) -> str | None:
    """Why a person is not on a list; None where they fit."""
    return next((told for told, holds in steps_of(name, p, s, now, net_value) if not holds()), None)


def order_of(name: str, p: Person, s: CampaignSettings, net_value: int | None) -> list[Any]:
    """What the list is ordered by, the largest first; an unknown is the smallest."""
    trouble = newest_of(p["bad_ticket_at"], p["late_delivery_at"])
    orders: dict[str, list[Any]] = {
        "win_back": [net_value, p["percentile"]],
        "at_risk": [net_value, p["percentile"]],
        "abandoned_cart": [p["cart_value"]],
        "browse_abandon": [p["browse_views"], p["browse_at"]],
        "welcome": [p["welcome_from"]],
        "post_purchase_feedback": [p["delivered_at"]],
        "birthday": [-p["days_to_birthday"] if p["days_to_birthday"] is not None else None, p["revenue"]],
        "next_order": [p["expected_value"]],
        "loyalty": [p["revenue_365"], p["revenue"]],
        "service_recovery": [p["value_at_risk"], trouble],
        "list_hygiene": [
            p["hard_bounced"] or p["complained"],
            -p["engaged_at"] if p["engaged_at"] is not None else None,
        ],
    }
    return orders[name] if name in orders else [p[s.own_lists[name].rank_by]]


def in_order(name: str, fitting: Collection[str], people: Mapping[str, Person], s: CampaignSettings, worth: Any) -> Any:
    """Those who fit, best placed first."""

    def key(who: str) -> tuple[Any, ...]:
        values = order_of(name, people[who], s, worth[name in OFFERS].get(who))
        return (*((value is None, 0 if value is None else -value) for value in values), who)

    return sorted(fitting, key=key)


# From fitting to written


SERIES = {"welcome"}
"""Its steps are one experiment: the draw is that of the list, each step is a campaign of its own."""


def campaign_of(name: str, every_days: int, as_of: str) -> str:
    if name in SERIES:
        return name
    days = (date.fromisoformat(as_of) - date(1970, 1, 1)).days
    start = date(1970, 1, 1) + timedelta(days=days - days % every_days)
    return f"{name}-{start.isoformat()}"


def list_names(s: CampaignSettings) -> list[str]:
    """The lists that are on, in order of priority; those that it does not name keep their usual order."""
    every = {name: getattr(s.lists, name) for name in type(s.lists).model_fields} | dict(s.own_lists)
    usual = type(s).model_fields["priority"].default
    names = dict.fromkeys([*s.priority, *usual, *type(s.lists).model_fields, *s.own_lists])
    # Nobody is let go in a run that writes to them, whatever the priority says.
    return [name for name in sorted(names, key=lambda name: name == "list_hygiene") if every[name].on]


def guard_that_stops(name: str, guard: Row) -> str | None:
    """``guard`` is a row of the table of guards: first rule, first that no list goes despite, and the quiet ones."""
    if name == "list_hygiene":
        return "erased" if guard["rule"] == "erased" else None
    quiet = [rule for rule in ("open_ticket", "recent_ticket", "recent_order") if guard[rule]]
    left = [rule for rule in quiet if rule not in DESPITE.get(name, ())]
    return guard["hard_rule"] or next(iter(left), None)


Draw = Callable[[str, str, Sequence[str]], Mapping[str, Row]]


def choose(
    reading: Reading,
    as_of: str,
    *,
    worth: Mapping[bool, Mapping[str, int]],
    offered: Mapping[str, int],
    guards: Mapping[str, Row],
    ledger: Sequence[Row],
    draw: Draw,
) -> tuple[dict[str, dict[str, str]], list[Row]]:
    """By list, what became of each person (a reason, a guard, ..., held_out or selected), and the rows of all lists.

    ``worth`` holds net values, without an offer and with the best one, and ``offered`` what a message costs with its
    offer, of those who are scored; ``draw`` gives the group of people by name of the list, campaign and those who
    remain.
    """
    s, people = reading.s, reading.people
    inbox = {who: person["address_key"] or f"c:{who}" for who, person in people.items()}
    told: dict[str, dict[str, str]] = {}
    rows: list[Row] = []
    listed: set[str] = set()
    used: set[str] = set()
    written = 0
    for name in list_names(s):
        mine = s.own_lists[name] if name in s.own_lists else getattr(s.lists, name)
        campaign = campaign_of(name, mine.every_days, as_of)
        past = [row for row in ledger if row["list"] == name]
        past += [
            row
            for row in reading.logs.get("campaign_contacts", [])
            if row["campaign_id"].startswith(f"{name}-") and not row["control"]
        ]
        lately = {
            inbox.get(row["customer_id"], f"c:{row['customer_id']}")
            for row in past
            if 0 < reading.age(row) <= mine.every_days * DAY
        }
        mine_told = told[name] = {}
        fitting = []
        for who, person in people.items():
            why = reason(name, person, s, reading.now, worth[name in OFFERS].get(who))
            if why is None:
                fitting.append(who)
            else:
                mine_told[who] = why
        remaining: list[str] = []
        here: set[str] = set()
        for who in in_order(name, fitting, people, s, worth):
            stop = guard_that_stops(name, guards[who])
            if stop:
                mine_told[who] = stop
            elif inbox[who] in lately:
                mine_told[who] = "contacted_by_list"
            elif who in listed:
                mine_told[who] = "other_list"
            elif inbox[who] in used | here:
                mine_told[who] = "same_inbox"
            else:
                here.add(inbox[who])
                remaining.append(who)
        drawn = draw(name, campaign, remaining)
        is_message = name != "list_hygiene"

        def cost_of(who: str, name: str = name) -> int:
            plain = s.economy.contact_cost
            return offered.get(who, plain) if name in OFFERS else plain

        room = mine.budget if s.capacity is None or not is_message else min(mine.budget, s.capacity - written)
        # Where nobody may be written to, nobody is held out either.
        number, cost, over = 0, 0, room == 0
        for who in remaining:
            if drawn[who]["group"] == "treat" and not over:
                spends = cost_of(who) if is_message else 0
                number, cost = number + 1, cost + spends
                over = number > room or (mine.max_cost is not None and cost > mine.max_cost)
                if over:
                    number -= 1
            if over:
                mine_told[who] = "over_budget"
                continue
            mine_told[who] = "selected" if drawn[who]["group"] == "treat" else "held_out"
            p = people[who]
            row_campaign = campaign
            if name in SERIES:
                step = welcome_step((reading.now - p["welcome_from"]) // DAY, mine.step_days, mine.within_days)
                row_campaign = f"{name}-{'order' if p['orders'] else 'signup'}-{step}"
            row = {"customer_id": who, "list": name, "campaign": row_campaign, **drawn[who]}
            rows.append(row | {"contact_cost": cost_of(who) if is_message else 0})
            listed.add(who)
            used.add(inbox[who])
        if is_message:
            written += number
    return told, rows


OFFERS = {"win_back"}
"""The lists whose messages come with an offer, so that a message costs what the table of worth says."""
