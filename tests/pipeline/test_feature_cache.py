"""A feature matrix is rebuilt when something it is made from changed, and only then."""

from dataclasses import dataclass

import pandas as pd
import pytest

from pipeline.build_features import fingerprint, what_is_seen
from tests.laws.worlds import framed
from timeline import DAY_US, SECOND_US, parse_date

FIRST, SECOND = (parse_date(f"2025-{month}-01", "UTC") for month in ("08", "09"))
SEEN = [("orders", 3, 17, 5)]


def made_from(shop, cutoff=FIRST, customers=("c1", "c2"), seen=SEEN, code="code"):
    return fingerprint(cutoff, list(customers), list(seen), code, shop)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"customers": ("c1",)}, id="fewer customers"),
        pytest.param({"customers": ("c1", "c3")}, id="other customers"),
        pytest.param({"code": "other"}, id="code"),
        pytest.param({"cutoff": FIRST - SECOND_US}, id="cutoff"),
        pytest.param({"seen": [("orders", 3, 17, 6)]}, id="other rows"),
        pytest.param({"seen": []}, id="a log that went"),
        pytest.param({"seen": [*SEEN, ("web_events", 0, 0, 0)]}, id="a log that came, still without a row"),
    ],
)
def test_what_a_matrix_is_made_from_changes_its_fingerprint(shop, change):
    assert made_from(shop, **change) != made_from(shop)


@pytest.mark.parametrize("change", [{"windows_days": (30, 90)}, {"history_days": 730}])
def test_windows_and_history_change_the_fingerprint(shop, change):
    other = shop.model_copy(update={"features": shop.features.model_copy(update=change)})
    assert made_from(other) != made_from(shop)


def test_another_engine_changes_the_fingerprint(shop):
    # Ratios may differ in their last bits between engines, so a file of one is no file of the other.
    other = shop.model_copy(update={"engine": shop.engine.model_copy(update={"backend": "spark"})})
    assert made_from(other) != made_from(shop)


def test_the_order_of_customers_does_not_matter(shop):
    assert made_from(shop, customers=("c2", "c1")) == made_from(shop)


def test_settings_that_no_feature_reads_do_not_matter(shop):
    other = shop.model_copy(update={"model": shop.model.model_copy(update={"trees": 1})})
    assert made_from(other) == made_from(shop)


# What a cutoff sees ---------------------------------------------------------------------------------------


@dataclass
class Events:
    """Order files in a folder, and what two cutoffs see of them."""

    folder: object
    shop: object

    def write(self, orders: pd.DataFrame, parts: int = 1) -> None:
        (self.folder / "orders").mkdir(exist_ok=True)
        for part in range(parts):
            orders.iloc[part::parts].to_parquet(self.folder / "orders" / f"2025-0{7 + part}.parquet", index=False)

    def seen(self) -> list[object]:
        found = what_is_seen(self.folder, [SECOND, FIRST], self.shop)
        return [found[FIRST], found[SECOND]]


def orders(*times: tuple[int, int]) -> pd.DataFrame:
    return framed(
        "orders",
        [
            {"customer_id": f"c{n % 2}", "occurred_at": happened, "loaded_at": arrived, "event_id": f"e{n}",
             "order_id": f"o{n}", "event": "Order Completed", "revenue": 100 + n, "currency": "GBP"}
            for n, (happened, arrived) in enumerate(times)
        ],
    )  # fmt: skip


@pytest.fixture
def events(tmp_path, shop, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Events(tmp_path, shop)


KNOWN = [(FIRST - 9 * DAY_US, FIRST - 9 * DAY_US), (FIRST - 1, FIRST - 1), (FIRST + 2 * DAY_US, FIRST + 2 * DAY_US)]


@pytest.mark.parametrize(
    ("happened", "arrived", "changed"),
    [
        pytest.param(FIRST - DAY_US, FIRST - 1, [True, True], id="known just before the first cutoff"),
        pytest.param(FIRST - DAY_US, FIRST, [False, True], id="arrived at the first cutoff"),
        pytest.param(FIRST, FIRST - 1, [False, True], id="happened at the first cutoff"),
        pytest.param(FIRST - DAY_US, SECOND, [False, False], id="arrived at the second cutoff"),
        pytest.param(SECOND, SECOND, [False, False], id="happened at the second cutoff"),
        pytest.param(SECOND + 40 * DAY_US, SECOND + 40 * DAY_US, [False, False], id="happened in a month to come"),
    ],
)
def test_a_new_row_matters_to_the_cutoffs_that_see_it(events, happened, arrived, changed):
    events.write(orders(*KNOWN))
    before = events.seen()
    events.write(orders(*KNOWN, (happened, arrived)))
    assert [old != new for old, new in zip(before, events.seen(), strict=True)] == changed


@pytest.mark.parametrize("column", ["customer_id", "order_id", "event", "revenue", "loaded_at", "occurred_at"])
def test_another_value_matters(events, column):
    rows = orders(*KNOWN)
    events.write(rows)
    before = events.seen()
    first = rows[column].iloc[0]
    rows.loc[0, column] = f"{first}!" if isinstance(first, str) else first - 1
    events.write(rows)
    assert all(old != new for old, new in zip(before, events.seen(), strict=True))


def test_a_row_twice_is_not_a_row_gone(events):
    # The exclusive or of a hash with itself is nothing; the sum tells.
    rows = orders(*KNOWN)
    seen = []
    for times in (1, 2, 3):
        events.write(pd.concat([rows] * times, ignore_index=True))
        seen.append(events.seen()[0])
    assert seen[0] != seen[1] != seen[2] != seen[0]


def test_neither_order_nor_files_matter(events):
    events.write(orders(*KNOWN))
    before = events.seen()
    events.write(orders(*KNOWN).iloc[::-1], parts=2)
    assert events.seen() == before
