"""A feature matrix is rebuilt when something it is made from changed, and only then."""

from pathlib import Path

import pytest

from pipeline.build_features import fingerprint
from timeline import parse_date

CUTOFF = parse_date("2025-09-01", "UTC")
EARLIER, OWN, LATER = (Path(f"data/events/orders/2025-{month}.parquet") for month in ("08", "09", "10"))
WEB = Path("data/events/web_events/2025-08.parquet")
HASHES = {EARLIER: "1", OWN: "2", LATER: "3", WEB: "4"}


def made_from(shop, cutoff=CUTOFF, customers=("c1", "c2"), hashes=HASHES, code="code"):
    return fingerprint(cutoff, list(customers), dict(hashes), code, shop)


def test_months_that_begin_at_or_after_the_cutoff_do_not_matter(shop):
    known = made_from(shop)
    assert made_from(shop, hashes=HASHES | {OWN: "changed", LATER: "changed"}) == known
    assert made_from(shop, hashes={EARLIER: "1", WEB: "4"}) == known
    assert made_from(shop, hashes=HASHES | {LATER.with_name("2025-11.parquet"): "5"}) == known


def test_a_month_that_begins_just_before_the_cutoff_matters(shop):
    # In London 1 September begins an hour before it does in UTC, and the cutoff of a zone further west after it.
    behind = parse_date("2025-09-01", "America/New_York")
    assert made_from(shop, behind) != made_from(shop, behind, hashes=HASHES | {OWN: "changed"})
    ahead = parse_date("2025-09-01", "Europe/London")
    assert made_from(shop, ahead) == made_from(shop, ahead, hashes=HASHES | {OWN: "changed"})


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"customers": ("c1",)}, id="fewer customers"),
        pytest.param({"customers": ("c1", "c3")}, id="other customers"),
        pytest.param({"code": "other"}, id="code"),
        pytest.param({"cutoff": CUTOFF - 1_000_000}, id="cutoff"),
        pytest.param({"hashes": HASHES | {EARLIER: "changed"}}, id="an earlier month"),
        pytest.param({"hashes": HASHES | {EARLIER.with_name("2025-07.parquet"): "0"}}, id="one more earlier month"),
        pytest.param({"hashes": {k: v for k, v in HASHES.items() if k != WEB}}, id="a log that went"),
        pytest.param({"hashes": HASHES | {EARLIER: "4", WEB: "1"}}, id="two logs exchanged"),
    ],
)
def test_what_a_matrix_is_made_from_changes_its_fingerprint(shop, change):
    assert made_from(shop, **change) != made_from(shop)


@pytest.mark.parametrize("change", [{"windows_days": (30, 90)}, {"history_days": 730}])
def test_windows_and_history_change_the_fingerprint(shop, change):
    other = shop.model_copy(update={"features": shop.features.model_copy(update=change)})
    assert made_from(other) != made_from(shop)


def test_the_order_of_customers_and_files_does_not_matter(shop):
    assert made_from(shop, customers=("c2", "c1")) == made_from(shop)
    assert made_from(shop, hashes=dict(reversed(HASHES.items()))) == made_from(shop)


def test_settings_that_no_feature_reads_do_not_matter(shop):
    other = shop.model_copy(update={"model": shop.model.model_copy(update={"trees": 1})})
    assert made_from(other) == made_from(shop)
