"""What a score says of a customer, in the table and to a person who asks."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from models import classifier, timing
from models.calibration import Calibrator
from models.outlook import Outlook
from models.scorer import Boosted, ChurnModel, Ranker
from models.timing import NextOrder
from models.value import simple_formula
from pipeline import explain_scores, score_customers
from pipeline.people import explain_customer, keys
from pipeline.project import datasets, model_store
from pipeline.project.errors import ParamsError, StaleError
from pipeline.project.settings import Settings
from reports.numbers import percent

AS_OF = "2026-01-01"
OUTLOOK = Outlook(NextOrder((), (), (5.5, 30.25, 87.999), (0.0, 0.0), 97.0, ""), simple_formula(""))
READ = ("days_since_last_order", "spend_per_year", "usual_gap_days")


@pytest.fixture(scope="module")
def customers() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    days = rng.uniform(0, 365, 300)
    return pd.DataFrame(
        {
            "customer_id": [f"c_{n:03d}" for n in range(300)],
            "days_since_last_order": days,
            "spend_per_year": rng.integers(1_000, 50_000, 300).astype(float),
            "days_since_first_order": np.full(300, 730.0),
            "usual_gap_days": np.where(days < 300, 30.0, np.nan),
            "days_with_order_so_far": 3.0,
            "average_order_value": np.where(days < 300, 1234.5, np.nan),
        }
    )


@pytest.fixture(scope="module")
def overdue(customers, shop) -> ChurnModel:
    """A model that takes long silence for leaving."""
    small = shop.model.model_copy(update={"trees": 20, "leaves": 4, "min_rows_per_leaf": 10, "column_share": 1.0})
    unsteady = customers["days_since_last_order"] + np.random.default_rng(9).normal(0, 60, len(customers))
    left = (unsteady > 180).astype("int8")
    booster = classifier.fit(customers[list(READ)], left, small)
    return ChurnModel(Boosted(booster, READ), Calibrator("sigmoid", 1.0, 0.0))


def score(customers: pd.DataFrame, model: ChurnModel, shop: Settings, rows_read: int = 64) -> pd.DataFrame:
    """What the stage writes of ``customers``, read so many rows at a time."""
    model_store.write_files(datasets.MODEL, model.to_files() | OUTLOOK.to_files(), {})
    datasets.write_parquet_parts([customers], datasets.SCORING, "customer_id")
    score_customers.run(shop, datasets.SCORING, datasets.MODEL, datasets.SCORES, AS_OF, rows_read)
    return datasets.read_parquet(datasets.SCORES)


def explain(customers: pd.DataFrame, model: ChurnModel, shop: Settings, rows_read: int = 64) -> pd.DataFrame:
    """The reasons that the stage writes of ``customers``, read so many rows at a time."""
    model_store.write_files(datasets.MODEL, model.to_files() | OUTLOOK.to_files(), {})
    datasets.write_parquet_parts([customers], datasets.SCORING, "customer_id")
    explain_scores.run(shop, datasets.SCORING, datasets.MODEL, datasets.REASONS, rows_read)
    return datasets.read_parquet(datasets.REASONS)


@pytest.fixture
def scored(project, customers, overdue, shop):
    return score(customers, overdue, shop)


def test_a_column_that_went_with_its_log_is_named(project, customers, overdue, shop):
    with pytest.raises(StaleError, match=r"scores: .* lacks 1 of the 3 columns .* Bring the log .* or train again"):
        score(customers.drop(columns="spend_per_year"), overdue, shop)
    assert not datasets.SCORES.exists()
    assert not list(datasets.SPILL.iterdir())


def test_bands_begin_at_their_thresholds(scored, shop):
    high, medium = shop.scoring.high_from, shop.scoring.medium_from
    for probability, band in zip(scored["churn_probability"], scored["band"], strict=True):
        assert band == ("high" if probability >= high else "medium" if probability >= medium else "low")
    assert {"high", "low"} <= set(scored["band"])


def test_a_probability_on_the_threshold_belongs_to_the_higher_band(project, customers, overdue, shop):
    for value, band in ((0.66, "high"), (0.40, "medium")):
        flat = Calibrator("isotonic", x=(0.0, 1.0), y=(value, value))
        scored = score(customers, dataclasses.replace(overdue, calibrator=flat), shop)
        assert set(scored["band"]) == {band}
        # Equal probabilities still rank by the margin.
        assert scored["percentile"].nunique() > 10


def test_percentiles_rise_with_the_margin_up_to_a_hundred(scored):
    by_margin = scored.sort_values("margin")
    assert (by_margin["percentile"].diff().dropna() >= 0).all()
    assert 0 < scored["percentile"].min() < 50 < scored["percentile"].max() <= 100
    same = scored.groupby("margin")["percentile"].agg(["min", "max"])
    assert (same["min"] == same["max"]).all()


def test_a_percentile_is_the_average_rank_of_ties_among_all_customers(scored):
    assert scored["margin"].duplicated().any()
    expected = scored["margin"].rank(method="average", pct=True) * 100
    assert scored["percentile"].to_numpy().tobytes() == expected.to_numpy().tobytes()


def test_percentiles_of_more_customers_than_are_held_at_a_time_are_exact(project):
    rng = np.random.default_rng(6)
    count = 2 * datasets.ROWS_READ + 4321
    margin = np.concatenate([rng.normal(size=count // 2), np.round(rng.normal(size=count - count // 2), 3)])
    table = pd.DataFrame({"customer_id": [f"c_{n:06d}" for n in range(count)], "margin": rng.permutation(margin)})
    datasets.write_parquet_parts([table], datasets.SCORES, "customer_id")
    found = pd.concat(score_customers.with_percentiles(datasets.SCORES, count, datasets.private_folder(datasets.SPILL)))
    assert found["customer_id"].tolist() == table["customer_id"].tolist()
    expected = table["margin"].rank(method="average", pct=True) * 100
    assert found["percentile"].to_numpy().tobytes() == expected.to_numpy().tobytes()


@pytest.mark.parametrize("rows_read", [1, 7, 10_000])
@pytest.mark.parametrize("threads", [1, 2])
def test_scores_are_the_same_bytes_in_parts_of_any_size_and_on_any_threads(
    project, customers, overdue, shop, rows_read, threads
):
    score(customers, overdue, shop)
    expected = datasets.SCORES.read_bytes()
    with threadpool_limits(threads):
        score(customers, overdue, shop, rows_read)
    assert datasets.SCORES.read_bytes() == expected


def test_shuffled_customers_get_the_same_scores(project, customers, overdue, shop):
    expected = score(customers, overdue, shop)
    order = np.random.default_rng(4).permutation(len(customers))
    renamed = customers.iloc[order].assign(customer_id=customers["customer_id"].to_numpy())
    found = score(renamed, overdue, shop)
    pd.testing.assert_frame_equal(
        found.drop(columns="customer_id"),
        expected.iloc[order].drop(columns="customer_id").reset_index(drop=True),
        check_exact=True,
    )


def test_a_score_carries_the_customers_own_numbers(scored, customers):
    assert scored["customer_id"].tolist() == customers["customer_id"].tolist()
    assert scored["days_since_order"].tolist() == [math.floor(d) for d in customers["days_since_last_order"]]
    spend = customers["spend_per_year"]
    assert (scored["expected_value"] + scored["value_at_risk"] - spend).abs().max() <= 1
    assert scored["average_order_value"].isin([1234, 0]).all()
    assert scored["usual_gap_days"].isna().sum() == customers["usual_gap_days"].isna().sum() > 0


def test_a_score_says_when_the_next_order_comes(scored):
    for column, days in (("from", 5.5), ("expected", 30.25), ("until", 87.999)):
        assert set(scored[f"next_order_{column}"]) == {days}
    assert set(scored["act_by"]) == {"2026-01-31"}


@pytest.mark.parametrize(
    ("as_of", "days", "date"),
    [
        ("2026-01-01", 0.0, "2026-01-01"),
        ("2026-01-01", 0.99, "2026-01-01"),
        ("2026-01-01", 1.0, "2026-01-02"),
        ("2024-02-28", 1.5, "2024-02-29"),
        # A day is a date here: the hour that the clocks lose or win moves none.
        ("2026-03-28", 2.0, "2026-03-30"),
        ("2026-10-24", 2.0, "2026-10-26"),
    ],
)
def test_a_date_lies_whole_days_after_the_scoring_date(as_of, days, date):
    assert list(timing.days_later(as_of, np.array([days]))) == [date]


def test_a_model_without_an_outlook_is_refused_with_the_cure(project, customers, overdue, shop):
    model_store.write(overdue, datasets.MODEL, {})
    datasets.write_parquet_parts([customers], datasets.SCORING, "customer_id")
    with pytest.raises(StaleError, match=r"holds no next_order\.json: .* Train and promote again\."):
        score_customers.run(shop, datasets.SCORING, datasets.MODEL, datasets.SCORES, AS_OF)


def test_nobody_to_score_gives_empty_tables(project, customers, overdue, shop):
    nobody = customers.iloc[:0]
    scored = score(nobody, overdue, shop)
    assert scored.empty
    assert set(scored.columns) == set(score(customers, overdue, shop).columns)
    reasons = explain(nobody, overdue, shop)
    assert reasons.columns.tolist() == list(explain_scores.COLUMNS)
    assert reasons.dtypes.to_dict() == explain(customers, overdue, shop).dtypes.to_dict()


def test_every_reason_has_a_sentence_and_points_the_way_of_its_score(project, customers, overdue, shop):
    reasons = explain(customers, overdue, shop)
    assert not reasons.duplicated(["customer_id", "rank"]).any()
    assert reasons["rank"].between(1, 3).all()
    assert set(reasons["kind"]) == {"context"}
    margin = dict(zip(customers["customer_id"], overdue.margin(customers), strict=True))
    assert (np.sign(reasons["contribution"]) == np.sign(reasons["customer_id"].map(margin))).all()
    days = customers.set_index("customer_id")["days_since_last_order"]
    silent = reasons[reasons["feature"] == "days_since_last_order"].set_index("customer_id")["sentence"]
    silent = silent[days[silent.index] >= 2]
    assert len(silent) > 100
    assert silent.to_dict() == {c: f"last order {math.floor(days[c])} days ago" for c in silent.index}


@pytest.fixture(scope="module")
def frequent(customers, shop) -> Ranker:
    """A ranker that takes little spending for leaving."""
    small = shop.model.model_copy(update={"trees": 20, "leaves": 4, "min_rows_per_leaf": 10, "column_share": 1.0})
    left = (customers["spend_per_year"] < 20_000).astype("int8")
    return Boosted(classifier.fit(customers[list(READ)], left, small), READ)


@pytest.mark.parametrize("rows_read", [1, 7, 10_000])
def test_reasons_are_the_same_bytes_in_parts_of_any_size(project, customers, overdue, frequent, shop, rows_read):
    model = dataclasses.replace(overdue, twins=(frequent,))
    explain(customers, model, shop)
    expected = datasets.REASONS.read_bytes()
    explain(customers, model, shop, rows_read)
    assert datasets.REASONS.read_bytes() == expected


def test_a_twin_that_says_the_same_changes_no_reason(project, customers, overdue, shop):
    expected = explain(customers, overdue, shop)
    found = explain(customers, dataclasses.replace(overdue, twins=(overdue.ranker,)), shop)
    first = expected[expected["rank"] == 1].reset_index(drop=True)
    pd.testing.assert_frame_equal(found[found["rank"] == 1].reset_index(drop=True), first)


def test_where_a_twin_names_another_first_reason_none_stands_out(project, customers, overdue, frequent, shop):
    model = dataclasses.replace(overdue, twins=(frequent,))
    alone, together = explain(customers, overdue, shop), explain(customers, model, shop)
    first = together[together["rank"] == 1].set_index("customer_id")["family"]
    assert 0 < len(first) < alone["customer_id"].nunique()
    before = alone[alone["rank"] == 1].set_index("customer_id")["family"]
    assert before[first.index].to_dict() == first.to_dict()


def test_reasons_compare_with_the_median_of_all_customers(project, customers, overdue, shop, monkeypatch):
    model_store.write(overdue, datasets.MODEL, {})
    datasets.write_parquet_parts([customers], datasets.SCORING, "customer_id")
    tells = explain_scores.speaker(datasets.SCORING, datasets.MODEL, shop)
    assert tells._typical == customers.drop(columns="customer_id").median().to_dict()
    monkeypatch.setattr(explain_scores, "COMPARED_CUSTOMERS", 10)
    tells = explain_scores.speaker(datasets.SCORING, datasets.MODEL, shop)
    assert tells._typical == customers.head(10).drop(columns="customer_id").median().to_dict()


def test_a_column_tells_the_numbers_of_its_sentence(project, customers, overdue, shop):
    model_store.write(overdue, datasets.MODEL, {})
    datasets.write_parquet_parts([customers], datasets.SCORING, "customer_id")
    tells = explain_scores.speaker(datasets.SCORING, datasets.MODEL, shop)
    assert tells.told("days_since_last_order") == ["days_since_last_order"]
    assert set(tells.told("overdue_score")) == {"usual_gap_days", "days_since_last_order"}
    assert tells.told("visit_count_90d") == ["visit_count_90d"]
    assert set(tells.told("open_momentum")) == {"days_since_last_open"}


@pytest.fixture
def explained(scored, customers, overdue, shop):
    explain(customers, overdue, shop)
    return scored.set_index("customer_id")


def test_a_person_is_told_probability_band_value_and_reasons(explained, shop):
    found = explained.loc["c_007"]
    first, risk, next_order, value, *reasons = explain_customer.explain(shop, "c_007")
    assert first == "c_007 at 2026-01-01"
    assert f"{percent(found['churn_probability'])} likely not to order from day 7 to day 97" in risk
    assert f"(risk: {found['band']};" in risk
    assert next_order == (
        "  if they order by day 97: likely from 2026-01-06 to 2026-03-29, and half of such customers by 2026-01-31"
    )
    assert f"value at risk GBP {found['value_at_risk'] / 100:,.2f}" in value
    way = "raises" if found["margin"] > 0 else "lowers"
    assert reasons
    assert all(line.endswith(f"({way} the risk)") for line in reasons)


@pytest.mark.parametrize(
    ("language", "said"), [("en", "no single reason stands out"), ("ur", "کوئی ایک وجہ نمایاں نہیں")]
)
def test_a_person_is_told_where_no_single_reason_stands_out(explained, shop, language, said):
    reasons = datasets.read_parquet(datasets.REASONS)
    reasons.loc[reasons["customer_id"] == "c_007", "rank"] += 1
    datasets.write_parquet(reasons[reasons["customer_id"] != "c_008"], datasets.REASONS, key=("customer_id", "rank"))
    *_, none, other = explain_customer.explain(shop, "c_007", language)
    assert none == f"  1. {said}"
    assert other.startswith("  2. ")
    assert explain_customer.explain(shop, "c_008", language)[-1] == f"  1. {said}"
    assert f"  1. {said}" not in explain_customer.explain(shop, "c_009", language)


def test_a_person_is_found_by_address(explained, shop, monkeypatch):
    monkeypatch.setattr(keys, "owns_vault", lambda _: True)  # these people have no pseudonyms
    rows = {"customer_id": ["c_007", "c_008", "c_009"], "shop_id": ["7", "8", "9"]}
    vault = pd.DataFrame(rows | {"email": ["Ann@shop.example", "both@shop.example", "both@shop.example"]})
    datasets.write_parquet(vault, datasets.VAULT, key=("customer_id",))
    assert explain_customer.explain(shop, "Ann <ann@shop.example>,") == explain_customer.explain(shop, "c_007")
    with pytest.raises(ParamsError, match="several customers have this address"):
        explain_customer.explain(shop, "both@shop.example")


def test_somebody_who_was_not_scored_is_told_who_is(explained, shop):
    with pytest.raises(
        ParamsError, match=r"was not scored at 2026-01-01\. Scored are customers who ordered in the 365"
    ):
        explain_customer.explain(shop, "nobody@shop.example")
