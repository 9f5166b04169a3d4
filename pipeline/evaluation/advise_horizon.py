"""`wafa horizon`: which horizon would call how many customers lost, and how many of those come back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from events import permission
from features import eligible_at, next_order_at
from features.engines import fetch
from features.gaps import order_gaps
from models.horizon import CANDIDATES, QUANTILES, by_horizon, counts_at, gap_quantiles, shortest_accepted, with_shares
from pipeline.project import datasets, engine
from pipeline.project.cutoffs import Extent, extent
from pipeline.project.errors import StaleError
from pipeline.project.progress import steps
from pipeline.project.settings import Settings
from timeline import DAY_US, Window, format_date, month_starts

CUTOFFS = 8
"""At most so many past cutoffs are looked at, the newest."""


def cutoffs_for(s: Settings, covered: Extent, follow_up_days: int) -> list[int]:
    """Every ``test_spacing_months``-th month start at which the shortest horizon can be judged, the newest few.

    Counted from the oldest, because a cutoff can carry a longer horizon the older it is.
    """
    c = s.cohort
    starts = month_starts(covered.first + c.min_history_days * DAY_US, covered.watermark, s.shop.timezone)
    shortest = min(*CANDIDATES, c.horizon_days)
    ready = [t for t in starts if Window.label(t, c.gap_days, shortest + follow_up_days).is_complete(covered.watermark)]
    return ready[:: c.test_spacing_months][-CUTOFFS:]


def advise(s: Settings, events: Path) -> dict[str, Any]:
    """What each horizon would have meant at past cutoffs, and the shortest that is wrong no more often than accepted.

    Everything in it can be written as JSON. Eligibility and gap are those of ``cohort``.
    """
    c, zone, covered = s.cohort, s.shop.timezone, extent(events)
    accepted, follow_up_days = s.horizon_advice.accepted, s.horizon_advice.follow_up_days
    connection = engine.connect(s.engine)
    tables = engine.event_tables(connection, events, ["orders", *permission.OBJECTIONS])
    horizons = sorted({*CANDIDATES, c.horizon_days})
    rows: list[dict[str, Any]] = []
    for cutoff in steps(cutoffs_for(s, covered, follow_up_days), "cutoffs"):
        opens = Window.label(cutoff, c.gap_days, 0).end
        eligible = eligible_at(tables["orders"], cutoff, c.active_days, permission.objectors_at(tables, cutoff))
        ordered = next_order_at(tables["orders"], opens, 0, (covered.watermark - opens) // DAY_US)
        found = fetch(connection, eligible.left_join(ordered, "customer_id").select("next_order"))
        next_order = found["next_order"].to_numpy(dtype="float64", na_value=float("nan"))
        counted = counts_at(next_order, cutoff, c.gap_days, horizons, follow_up_days, covered.watermark)
        rows += [{"cutoff": format_date(cutoff, zone), **with_shares(row)} for row in counted]
    summary = by_horizon(rows)
    advice = {
        "population": c.population,
        "orders_from": format_date(covered.first, zone),
        "complete_until": format_date(covered.watermark, zone),
        "accepted": accepted,
        "follow_up_days": follow_up_days,
        "rows": rows,
        "horizons": summary,
        "too_long": [days for days in horizons if days not in {row["horizon_days"] for row in summary}],
        "gaps_in_days": gap_quantiles(fetch(connection, order_gaps(tables["orders"], covered.watermark))),
        "recommended": shortest_accepted(summary, accepted),
    }
    return advice | {"sentence": _sentence(advice)}


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _sentence(advice: Mapping[str, Any]) -> str:
    """The recommendation and why, for a person."""
    horizons, accepted = advice["horizons"], f"{100 * advice['accepted']:g} %"
    within = f"within {advice['follow_up_days']} days after the label window"
    if not horizons:
        return (
            f"No recommendation: the orders from {advice['orders_from']} to {advice['complete_until']} leave no month "
            f"start with enough history before it, and after it {advice['population']['gap_days']} days of gap, a "
            f"horizon and {advice['follow_up_days']} days of watching. Watch for fewer days, or bring older orders."
        )
    if advice["recommended"] is None:
        last = horizons[-1]
        return (
            f"No horizon that these data can judge reaches {accepted}: of those that {last['horizon_days']} days call "
            f"churned {_percent(last['came_back_share'])} still came back {within}. Accept more, or read the score as "
            "'not in this season' rather than 'lost'."
        )
    place = [row["horizon_days"] for row in horizons].index(advice["recommended"])
    chosen = horizons[place]
    spread = f"{_percent(chosen['lowest'])} to {_percent(chosen['highest'])} over {chosen['cutoffs']} cutoffs"
    if chosen["cutoffs"] == 1:
        spread = "at the one cutoff that can tell"
    why = f"of those it calls churned {_percent(chosen['came_back_share'])} came back {within} ({spread})"
    why += f", and you accept {accepted}"
    if place:
        shorter = horizons[place - 1]
        why += f"; with {shorter['horizon_days']} days it was {_percent(shorter['came_back_share'])}"
    else:
        why += "; none shorter was tried"
    now = advice["population"]["horizon_days"]
    asked = "as params.yaml has it" if now == chosen["horizon_days"] else f"params.yaml has {now}"
    return f"Recommended: a horizon of {chosen['horizon_days']} days ({asked}): {why}."


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]]


def _days(quantiles: Mapping[str, int | None]) -> str:
    return ", ".join(
        f"{q} % {'never reached' if quantiles[str(q)] is None else format(quantiles[str(q)], ',')}" for q in QUANTILES
    )


def lines(advice: Mapping[str, Any]) -> list[str]:
    """``advice`` as a person reads it on a terminal."""
    population, gaps = advice["population"], advice["gaps_in_days"]
    told = [
        f"population: {population['eligibility']}",
        f"churned: no order in so many days (the horizon) from day {population['gap_days']} (the gap) after the cutoff",
        f"came back: of those, ordered in the {advice['follow_up_days']} days after the horizon had ended; a lower "
        "bound, because some come back later still",
        f"orders: {advice['orders_from']} to {advice['complete_until']}",
        "",
    ]
    if advice["horizons"]:
        header = ("horizon", "churned", "came back", "over cutoffs", "cutoffs", "churned customers", "by end of data")
        told += _table(
            header,
            [
                (
                    f"{row['horizon_days']} d",
                    _percent(row["churned_share"]),
                    _percent(row["came_back_share"]),
                    f"{_percent(row['lowest'])} to {_percent(row['highest'])}",
                    str(row["cutoffs"]),
                    f"{row['churned']:,}",
                    _percent(row["came_back_by_end_share"]),
                )
                for row in advice["horizons"]
            ],
        )
        told += ["", "by cutoff, churned / of those came back:"]
        told += _by_cutoff(advice)
    if advice["too_long"]:
        longest = ", ".join(str(days) for days in advice["too_long"])
        told.append(f"too long for these data, with {advice['follow_up_days']} days of watching: {longest} days")
    told += [
        "",
        f"days from an order to the next, finished gaps only: {_days(gaps['finished'])} "
        f"({gaps['finished']['gaps']:,} gaps; too short, because long gaps have not ended yet)",
        f"the same with open gaps (Kaplan–Meier): {_days(gaps['with_open'])} "
        f"({gaps['with_open']['gaps']:,} gaps; those who never order again are among them)",
        "",
        advice["sentence"],
    ]
    return told


def _by_cutoff(advice: Mapping[str, Any]) -> list[str]:
    horizons = [row["horizon_days"] for row in advice["horizons"]]
    table = []
    for cutoff in sorted({row["cutoff"] for row in advice["rows"]}):
        cells = {row["horizon_days"]: row for row in advice["rows"] if row["cutoff"] == cutoff}
        first = next(iter(cells.values()))
        told = [
            f"{_percent(cells[days]['churned_share'])} / {_percent(cells[days]['came_back_share'])}"
            if days in cells
            else ""
            for days in horizons
        ]
        table.append([cutoff, f"{first['customers']:,}", *told])
    return _table(["cutoff", "customers", *(f"{days} d" for days in horizons)], table)


def told(s: Settings, accepted: float | None = None, follow_up_days: int | None = None) -> list[str]:
    """The advice on the ingested logs of this project, in lines; what is not given is as in params.yaml.

    Raises:
        StaleError: Nothing was ingested yet.
    """
    if not (datasets.EVENTS / "manifest.json").is_file():
        raise StaleError(f"{datasets.EVENTS}: there are no events to look at. Run `dvc repro ingest_logs` first.")
    asked = {"accepted": accepted, "follow_up_days": follow_up_days}
    rule = s.horizon_advice.model_copy(update={key: value for key, value in asked.items() if value is not None})
    return lines(advise(s.model_copy(update={"horizon_advice": rule}), datasets.EVENTS))
