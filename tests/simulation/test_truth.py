"""The truth: its chances must be what then happens, and its causes must show in the logs."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from simulation import HORIZONS, SimulatedShop
from timeline import Window, parse_date

ZONE = "Europe/London"
GAP = 7


def realised(shop: SimulatedShop, horizon: int, months: tuple[str, ...]) -> pd.DataFrame:
    """Truth of everyone who ordered before, with whether no order came in the window."""
    orders = shop.files["orders.csv"].to_pandas()
    orders = orders[orders.event == "Order Completed"]
    at = pd.to_datetime(orders.ordered_at, utc=True).dt.tz_localize(None).astype("datetime64[us]").astype("int64")
    truth = shop.truth.to_pandas()
    parts = []
    for month in months:
        cutoff = parse_date(month, ZONE)
        part = truth[truth.cutoff == cutoff]
        back = orders.customer_id[Window.label(cutoff, GAP, horizon).contains(at)]
        parts.append(part.assign(none=~part.customer_id.isin(back)))
    return pd.concat(parts)


MONTHS = ("2024-03-01", "2024-06-01", "2024-09-01", "2024-12-01", "2025-03-01", "2025-06-01")


@pytest.mark.parametrize("horizon", HORIZONS)
@pytest.mark.parametrize("who", ["oracle", "observer"])
def test_chances_are_calibrated(known_shop: SimulatedShop, who: str, horizon: int) -> None:
    cases = realised(known_shop, horizon, MONTHS)
    predicted = cases[f"{who}_{horizon}"]
    assert abs(predicted.mean() - cases.none.mean()) < 0.012
    open_cases = cases[predicted < 0.97]
    deciles = pd.qcut(open_cases[f"{who}_{horizon}"], 8, labels=False)
    by_decile = open_cases.groupby(deciles).agg(said=(f"{who}_{horizon}", "mean"), came=("none", "mean"))
    assert (by_decile.said - by_decile.came).abs().max() < 0.06
    assert (by_decile.said - by_decile.came).abs().mean() < 0.03


@pytest.mark.parametrize("month", MONTHS)
def test_both_are_right_on_average_at_every_cutoff(known_shop: SimulatedShop, month: str) -> None:
    cases = realised(known_shop, 90, (month,))
    # Two standard errors of a share, and 1.5 points for the stated approximations.
    error = 2 * np.sqrt((cases.oracle_90 * (1 - cases.oracle_90)).sum()) / len(cases)
    assert abs(cases.oracle_90.mean() - cases.none.mean()) < 0.015 + error
    assert abs(cases.observer_90.mean() - cases.none.mean()) < 0.015 + error


@pytest.mark.parametrize("month", MONTHS)
def test_knowing_who_has_left_helps(known_shop: SimulatedShop, month: str) -> None:
    cases = realised(known_shop, 90, (month,))
    observer = roc_auc_score(cases.none, cases.observer_90)
    assert roc_auc_score(cases.none, cases.oracle_90) > observer > 0.8


def test_who_has_left_orders_no_more_for_certain(known_shop: SimulatedShop) -> None:
    truth = known_shop.truth.to_pandas()
    gone = truth[truth.left]
    assert 0 < len(gone) < len(truth)
    assert (gone[[f"oracle_{h}" for h in HORIZONS]] == 1.0).all().all()
    assert (gone.effect == 0).all()
    assert (gone.left_at < gone.cutoff).all()
    here = truth[~truth.left & truth.left_at.notna()]
    assert (here.left_at >= here.cutoff).all()


def test_chances_fall_with_the_horizon(known_shop: SimulatedShop) -> None:
    truth = known_shop.truth.to_pandas()
    for who in ("oracle", "observer"):
        chances = truth[[f"{who}_{h}" for h in HORIZONS]].to_numpy()
        assert (np.diff(chances, axis=1) <= 1e-12).all()
        assert chances.min() >= 0.0
        assert chances.max() <= 1.0 + 1e-9


def test_keys_and_month_starts(small_shop: SimulatedShop) -> None:
    truth = small_shop.truth.to_pandas()
    assert not truth.duplicated(["customer_id", "cutoff"]).any()
    starts = {parse_date(f"{2023 + (6 + k) // 12}-{(6 + k) % 12 + 1:02d}-01", ZONE) for k in range(1, 25)}
    assert set(truth.cutoff) == starts
    orders = small_shop.files["orders.csv"].to_pandas().dropna(subset=["customer_id"])
    orders = orders[(orders.event == "Order Completed") & orders.order_id.str.startswith("O")]
    at = pd.to_datetime(orders.ordered_at, utc=True).dt.tz_localize(None).astype("datetime64[us]").astype("int64")
    first = at.groupby(orders.customer_id).min()
    expected = sum(int((first < cutoff).sum()) for cutoff in starts)
    assert len(truth) == expected
    assert (truth.customer_id.map(first) < truth.cutoff).all()


def test_drivers_show_in_the_logs(known_shop: SimulatedShop) -> None:
    """Who left for the service had a bad ticket before; who left for another cause seldom had one."""
    truth = known_shop.truth.to_pandas()
    left = truth[truth.left].drop_duplicates("customer_id").set_index("customer_id")
    driven = left[left.driver.notna()]
    assert set(driven.driver) == {"service", "delivery", "email", "discount"}
    assert driven.driver.value_counts(normalize=True).min() > 0.05
    days = pd.Timedelta(days=1)
    left_at = pd.to_datetime(driven.left_at, unit="us", utc=True)

    def recently(frame: pd.DataFrame, at: pd.Series) -> set[str]:
        since = frame.customer_id.map(left_at) - at
        return set(frame.customer_id[(since > 0 * days) & (since < 62 * days)])

    tickets = known_shop.files["support_tickets.jsonl"].to_pandas().dropna(subset=["closed_at"])
    closed = pd.to_datetime(tickets.closed_at, utc=True)
    slow = closed - pd.to_datetime(tickets.opened_at, utc=True) > 3 * days
    parcels = known_shop.files["deliveries.csv"].to_pandas()
    arrived = pd.to_datetime(parcels.delivered_at, utc=True)
    late = arrived - pd.to_datetime(parcels.promised_at, utc=True) > 2 * days
    for cause, sufferers in (
        ("service", recently(tickets[slow], closed[slow])),
        ("delivery", recently(parcels[late], arrived[late])),
    ):
        theirs = driven.driver == cause
        suffered = driven.index.isin(sufferers)
        assert suffered[theirs].mean() > 0.95, cause
        assert suffered[~theirs].mean() < 0.08, cause


def test_campaigns_are_randomised(known_shop: SimulatedShop) -> None:
    contacts = known_shop.files["campaign_contacts.csv"].to_pandas()
    assert contacts.campaign_id.nunique() == 2
    assert set(contacts.arm) == {"voucher", "control"}
    assert (contacts.control == (contacts.arm == "control")).all()
    for _, arm in contacts.groupby("propensity"):
        share, chance = (~arm.control).mean(), arm.propensity.iloc[0]
        assert abs(share - chance) < 4 * np.sqrt(chance * (1 - chance) / len(arm))
    effect = known_shop.truth.to_pandas().groupby("customer_id").effect.mean()
    treated, control = (effect.reindex(contacts.customer_id[contacts.control == c]).mean() for c in (False, True))
    assert abs(treated - control) < 0.015


def test_a_contact_helps_many_and_harms_some(known_shop: SimulatedShop) -> None:
    here = known_shop.truth.to_pandas().query("not left")
    assert 0.1 < (here.effect < -0.005).mean() < 0.4
    assert (here.effect > 0.02).mean() > 0.3
