"""Leaks that people make, planted one by one into the code that runs, and the law that catches each.

`python -m tests.laws.planted_leaks` prints the table.
"""

import contextlib
import io
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import ibis
import pytest

from features import CATALOGUE, VIEWS, Feature, MatrixBuilder, Words
from features.catalogue import View
from pipeline import build_features, prepare_scoring
from pipeline.project.settings import Settings
from timeline import DAY_US, HOUR_US, Window, parse_date

from .test_features import T, base, builder_of, company_law, label_law, oracle_law, succession_law
from .test_features_boundaries import LOCAL_DAYS
from .test_features_leaks import ONE_WINDOW, eligibility_law, leak_law, with_late_arrivals, with_the_future
from .test_features_paths import nights_law, path_law
from .worlds import CUTOFFS, matrix_of, world

Patch = pytest.MonkeyPatch
Law = Callable[[], Iterable[str]]
"""Names of what a law finds broken; none where it holds."""

# Laws, each on the smallest world that can break it -------------------------------------------------------


def future() -> Iterable[str]:
    return leak_law(with_the_future, world(0), T, ONE_WINDOW)


def late_arrival() -> Iterable[str]:
    return leak_law(with_late_arrivals, world(0), T, ONE_WINDOW)


def oracle() -> Iterable[str]:
    return oracle_law(world(0), T, settings=ONE_WINDOW)


def clocks() -> Iterable[str]:
    cutoffs = tuple(parse_date(day, "Europe/London") for day in LOCAL_DAYS[0])
    return oracle_law(world(3, 40, cutoffs), cutoffs[0], settings=ONE_WINDOW)


def company() -> Iterable[str]:
    return company_law(matrix_of(world(0), CUTOFFS[0]))


def succession() -> Iterable[str]:
    return succession_law(builder_of(world(0)))


def label() -> Iterable[str]:
    lengths = ((0, 30), (7, 90), (30, 31))
    return {customer for seed in range(3) for gap, horizon in lengths for customer in label_law(seed, gap, horizon)}


def eligibility() -> Iterable[str]:
    return eligibility_law(with_late_arrivals, T)


def _in_a_folder(law: Law) -> Iterable[str]:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        return list(law())


def training_is_scoring() -> Iterable[str]:
    return _in_a_folder(lambda: path_law(("2024-04-01",)))


def nights() -> Iterable[str]:
    return _in_a_folder(nights_law)


LAWS: dict[Law, str] = {
    future: "what happens at the cutoff or later changes nothing",
    late_arrival: "what becomes known at the cutoff or later changes nothing",
    oracle: "every feature equals its oracle",
    clocks: "every feature equals its oracle after a change of clocks",
    company: "who else is asked changes nothing",
    succession: "cutoffs know nothing of each other",
    label: "the label equals its oracle",
    eligibility: "late rows change nobody's eligibility",
    training_is_scoring: "the row that trains is the row that scores",
    nights: "night after night gives the bytes of one run from scratch",
}

# Leaks ----------------------------------------------------------------------------------------------------


def inclusive_cutoff(patch: Patch) -> None:
    """`<=` in place of `<` where the cutoff is compared."""
    patch.setattr(
        "timeline.windows.known_before",
        lambda events, cutoff: (events["occurred_at"] <= cutoff) & (events["loaded_at"] <= cutoff),
    )


def forgotten_arrival(patch: Patch) -> None:
    """Only the time of happening is compared, not the time of becoming known."""
    patch.setattr("timeline.windows.known_before", lambda events, cutoff: events["occurred_at"] < cutoff)


def _seen(start: Callable[[int, int], int], end: Callable[[int], int]) -> Callable[[Any, int, int], Any]:
    def as_seen_at(events: Any, cutoff: int, days: int) -> Any:
        seen = events.filter((events.occurred_at >= start(cutoff, days)) & (events.occurred_at < end(cutoff)))
        return seen.mutate(age_us=cutoff - seen.occurred_at).drop("occurred_at", "loaded_at")

    return as_seen_at


def _start(cutoff: int, days: int) -> int:
    return cutoff - days * DAY_US


def window_alone(patch: Patch) -> None:
    """The history is cut by its window, and nobody asks what was known."""
    patch.setattr("features.matrix.as_seen_at", _seen(_start, lambda cutoff: cutoff))


def whole_cutoff_day(patch: Patch) -> None:
    """The day of the cutoff belongs to the features, as where dates are compared and not instants."""
    patch.setattr("features.matrix.as_seen_at", _seen(_start, lambda cutoff: (cutoff // DAY_US + 1) * DAY_US))


def label_window(patch: Patch) -> None:
    """Features are read at the end of the label window."""
    patch.setattr("features.matrix.as_seen_at", _seen(_start, lambda cutoff: cutoff + 97 * DAY_US))


def one_log_later(patch: Patch) -> None:
    """Every log is cut at the cutoff, but the parcels a month later."""
    from features import matrix

    right = matrix.as_seen_at

    def as_seen_at(events: Any, cutoff: int, days: int) -> Any:
        return right(events, cutoff + 30 * DAY_US if "delay_hours" in events.columns else cutoff, days)

    patch.setattr(matrix, "as_seen_at", as_seen_at)


def age_from_arrival(patch: Patch) -> None:
    """Ages count from when a row was loaded, so that old events look new."""
    from features import matrix

    right = matrix.as_seen_at

    def as_seen_at(events: Any, cutoff: int, days: int) -> Any:
        return right(events.mutate(arrived=events.loaded_at), cutoff, days).mutate(
            age_us=lambda seen: cutoff - seen.arrived
        )

    patch.setattr(matrix, "as_seen_at", as_seen_at)


def age_by_the_clock_on_the_wall(patch: Patch) -> None:
    """Ages are counted in local time: an hour more where clocks went forward in between."""
    from features import matrix

    right = matrix.as_seen_at
    forward = parse_date("2024-03-31", "Europe/London") + HOUR_US

    def as_seen_at(events: Any, cutoff: int, days: int) -> Any:
        seen = right(events, cutoff, days)
        hour = (cutoff - seen.age_us < forward).ifelse(HOUR_US, 0) if cutoff >= forward else 0
        return seen.mutate(age_us=seen.age_us + hour)

    patch.setattr(matrix, "as_seen_at", as_seen_at)


def open_window_start(patch: Patch) -> None:
    """The first instant of a feature's window is lost."""
    patch.setattr("features.matrix.within_days", lambda aged, days: aged["age_us"] < days * DAY_US)


def long_window(patch: Patch) -> None:
    """A window is a microsecond too long."""
    patch.setattr("features.matrix.within_days", lambda aged, days: aged["age_us"] <= days * DAY_US + 1)


def closed_window_end(patch: Patch) -> None:
    """The instant at which a window ends belongs to it: the label's last instant is that of the next label."""
    patch.setattr(Window, "contains", lambda self, times: (times >= self.start) & (times <= self.end))


def eligible_by_hindsight(patch: Patch) -> None:
    """Who is eligible is decided with orders that became known later."""
    patch.setattr("features.cohort.known_before", lambda events, cutoff: events["occurred_at"] < cutoff)


def _plant(patch: Patch, name: str, build: Callable[[Mapping[str, Any]], Any], body: Callable[[Any], Any]) -> None:
    """Enter a feature over rows of its own into the catalogue."""
    words: dict[Any, Words] = {"en": Words(name, "more than most", "less than most")}
    entry = Feature(name, f"rows_of_{name}", "value", "count", 0, words, body)
    patch.setitem(VIEWS, f"rows_of_{name}", View(f"rows_of_{name}", ("orders",), build))
    patch.setitem(CATALOGUE, name, entry)


def _uncut(log: str, **columns: str) -> Any:
    """A log behind the back of the builder, which hands out only what the cutoff can see."""
    table = ibis.table({"customer_id": "string", "occurred_at": "int64", **columns}, name=log)
    asked = ibis.table({"customer_id": "string", "customer": "int32"}, name="asked")
    rows = table.join(asked, "customer_id")
    return rows.drop("customer_id").rename(customer_id="customer").mutate(age_us=ibis.literal(1, "int64"))


def plant_lifetime_total(patch: Patch) -> None:
    """What the customer table says today: spent in all."""
    _plant(patch, "lifetime_total", lambda _: _uncut("orders", revenue="int64"), lambda t: t.revenue.sum())


def current_attribute(patch: Patch) -> None:
    """What the customer table says today: the tier in the loyalty programme."""
    _plant(
        patch,
        "points_of_newest_change",
        lambda _: _uncut("loyalty_events", points="int64"),
        lambda t: t.occurred_at.max() % 1_000_003,
    )


def returned_at_any_time(patch: Patch) -> None:
    """Orders are joined to their returns, and nobody asks when these came."""

    def build(rows: Mapping[str, Any]) -> Any:
        orders = rows["orders"].select("customer_id", "age_us", "order_id")
        uncut = _uncut("orders", event="string", order_id="string")
        sent_back = uncut.filter(uncut.event == "Order Refunded").select("order_id").mutate(is_back=1)
        return orders.join(sent_back, "order_id")

    _plant(patch, "orders_sent_back", build, lambda t: t.is_back.sum())


def mean_over_all_data(patch: Patch) -> None:
    """An order is measured against the mean of all orders there are, later ones included."""

    def build(rows: Mapping[str, Any]) -> Any:
        mean = _uncut("orders", revenue="int64").agg(usual=lambda t: t.revenue.sum() // t.count())
        return rows["orders"].select("customer_id", "age_us").cross_join(mean)

    _plant(patch, "usual_order_of_the_shop", build, lambda t: t.usual.max())


def mean_over_those_asked(patch: Patch) -> None:
    """An order is measured against the mean of the customers who happen to be asked with this one."""

    def build(rows: Mapping[str, Any]) -> Any:
        mean = rows["orders"].agg(usual=lambda t: t.revenue.sum() // t.count())
        return rows["orders"].select("customer_id", "age_us").cross_join(mean)

    _plant(patch, "usual_order_of_this_group", build, lambda t: t.usual.max())


def later_matrix_from_a_cache(patch: Patch) -> None:
    """A matrix is kept by customers alone, so that a later cutoff's serves an earlier one."""
    right, kept = MatrixBuilder.at, {}

    def at(self: MatrixBuilder, customers: Any, cutoff: int) -> Any:
        return kept.setdefault(tuple(customers), right(self, customers, cutoff))

    for cutoff in CUTOFFS:
        base(0, cutoff)
    patch.setattr(MatrixBuilder, "at", at)


def stale_fingerprint(patch: Patch) -> None:
    """What an earlier night has built is kept whatever has come in since."""
    patch.setattr(build_features, "fingerprint", lambda cutoff, *_: str(cutoff))


def two_time_zones(patch: Patch) -> None:
    """Training's days begin in the shop's time zone, scoring's in UTC."""
    patch.setattr(Settings, "instant", lambda self, date: parse_date(date, "UTC"))


def two_builders(patch: Patch) -> None:
    """Scoring looks back for another time than training."""
    right = prepare_scoring.matrix_builder

    def builder(tables: Any, s: Settings, connection: Any) -> MatrixBuilder:
        shorter = s.features.model_copy(update={"history_days": 365})
        return right(tables, s.model_copy(update={"features": shorter}), connection)

    patch.setattr(prepare_scoring, "matrix_builder", builder)


@dataclass(frozen=True)
class Leak:
    """A leak and the law that has to catch it."""

    plant: Callable[[Patch], None]
    law: Law

    @property
    def name(self) -> str:
        return self.plant.__name__.removeprefix("plant_")

    def caught(self) -> list[str]:
        """What the law finds broken while the leak is planted."""
        # The stages under some laws tell what they do; the table says enough.
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
            self.plant(patch)
            return sorted(self.law())


LEAKS = (
    Leak(inclusive_cutoff, late_arrival),
    Leak(forgotten_arrival, late_arrival),
    Leak(window_alone, late_arrival),
    Leak(whole_cutoff_day, future),
    Leak(label_window, future),
    Leak(one_log_later, future),
    Leak(plant_lifetime_total, future),
    Leak(current_attribute, future),
    Leak(returned_at_any_time, future),
    Leak(mean_over_all_data, future),
    Leak(mean_over_those_asked, company),
    Leak(age_from_arrival, oracle),
    Leak(open_window_start, oracle),
    Leak(long_window, oracle),
    Leak(age_by_the_clock_on_the_wall, clocks),
    Leak(closed_window_end, label),
    Leak(eligible_by_hindsight, eligibility),
    Leak(later_matrix_from_a_cache, succession),
    Leak(stale_fingerprint, nights),
    Leak(two_time_zones, training_is_scoring),
    Leak(two_builders, training_is_scoring),
)


def main() -> None:
    """Plant every leak and print who caught it."""
    caught = 0
    for leak in LEAKS:
        found = leak.caught()
        caught += bool(found)
        first = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
        print(f"{'caught' if found else 'MISSED'}  {leak.name:<30} {LAWS[leak.law]}: {first}", flush=True)
    print(f"{caught} of {len(LEAKS)} planted leaks caught")
    if caught < len(LEAKS):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
