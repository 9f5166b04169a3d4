"""What a list by net value keeps, beside lists by risk and by value at risk: judged by the simulated shop's truth.

    python -m benchmarks.net_value [--dates 2024-12-01 2025-06-01 2025-12-01] [--contact-cost 100]

Run it in a folder where `make run` has finished on the simulated shop. At each date everyone is scored by the newest
backtest model that had been trained by then, on features of that date; save rates come from the experiments whose
horizon was over. The truth then says what a contact would really have changed. Simulated data only.

Population: scored people whom no guard stops. Gain of a list: sum of the true effect (by how much a contact lowers
the chance of no order in 90 days) times the value, in units of currency: what the model says a customer who stays
brings in more than one who leaves; or, as a value no model made, their net revenue of the year before. Offers are off,
since the experiments tried one only.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np
import pandas as pd

from benchmarks.features.common import print_table
from campaigns import guards, known, people, save_rates, segments, worth
from campaigns.guards import GuardSettings
from campaigns.settings import FactSettings
from events.logs import LOGS, arrow_schema
from models.outlook import Outlook
from models.scorer import ChurnModel
from pipeline import compare_with_truth, prepare_scoring, score_customers
from pipeline.project import datasets, model_store, settings
from pipeline.project.settings import Settings
from timeline import parse_date

DATES = (
    "2024-12-01", "2025-03-01", "2025-06-01", "2025-07-01", "2025-08-01", "2025-09-01", "2025-10-01", "2025-11-01",
    "2025-12-01",
)  # fmt: skip
BUDGETS = (250, 500, 1000, 2000, 4000)
RANKINGS = {
    "net value": "net_value",
    "highest risk": "churn_probability",
    "value at risk": "value_at_risk",
    "random": "chance",
    "oracle": "oracle",
}
NINETY_FIVE = 1.96
DRAWS = 2_000


def scored(s: Settings, date: str, folder: Path) -> pd.DataFrame:
    """Scores at ``date`` by the newest backtest model that existed then."""
    backtests = datasets.MODEL / "backtest"
    origin = max(path.name for path in backtests.iterdir() if path.name <= date)
    files = model_store.read_files(backtests / origin)
    prepare_scoring.run(s, date, datasets.EVENTS, folder / "features.parquet")
    matrix = datasets.read_parquet(folder / "features.parquet")
    found = score_customers.score(matrix, ChurnModel.from_files(files), Outlook.from_files(files), s, date)
    return found.assign(percentile=found["margin"].rank(pct=True) * 100)


def connection(zone: str, date: str, scores: pd.DataFrame) -> duckdb.DuckDBPyConnection:
    """Everything the net value asks for, as known at ``date``."""
    db = duckdb.connect()
    files = {log: sorted(map(str, (datasets.EVENTS / log).glob("*.parquet"))) for log in LOGS}
    known.open_logs(db, files, {log: arrow_schema(log) for log in LOGS}, parse_date(date, zone), zone)
    db.register("scores", scores)
    db.register("scores_before", scores.head(0))
    people.create(db, FactSettings(), 14, 7)
    segments.add(db, FactSettings(), 365)
    guards.create(db, GuardSettings(), ())
    return db


def judged(db: duckdb.DuckDBPyConnection, truth: pd.DataFrame) -> pd.DataFrame:
    """One row per scored person whom no guard stops, with the true effect and both values."""
    found = db.sql(
        """
        SELECT p.customer_id, p.churn_probability, p.value_at_risk, w.save_rate, w.net_value, p.revenue_365,
            coalesce(p.value_at_risk / nullif(p.churn_probability, 0), 0) AS value
        FROM people p JOIN worth w USING (customer_id) JOIN guards g USING (customer_id)
        WHERE g.rule IS NULL ORDER BY customer_id
        """
    ).df()
    rows: pd.DataFrame = found.merge(truth[["customer_id", "effect"]], on="customer_id", validate="one_to_one")
    # Money in units of currency from here on.
    rows["gain"] = rows["effect"] * rows["value"] / 100
    rows["gain_by_revenue"] = rows["effect"] * rows["revenue_365"].clip(lower=0) / 100
    generator = np.random.default_rng(7)
    return rows.assign(oracle=rows["gain"], chance=generator.random(len(rows)))


def chosen(rows: pd.DataFrame, ranking: str, budget: int, worth_only: bool) -> np.ndarray:
    """Which rows are on a list of at most ``budget`` contacts."""
    place = rows[RANKINGS[ranking]].rank(method="first", ascending=False).to_numpy()
    inside = place <= budget
    return inside & (rows["net_value"].to_numpy() > 0) if worth_only else inside


def spread(values: np.ndarray) -> str:
    """A sum with the 95 % interval of drawing other customers."""
    error = NINETY_FIVE * float(np.sqrt((values**2).sum()))
    return f"{values.sum():,.0f} [{values.sum() - error:,.0f}, {values.sum() + error:,.0f}]"


def lists(date: str, rows: pd.DataFrame, cost: float) -> list[dict[str, object]]:
    """One row per budget: what each list gains, and by how much net value beats the highest risk."""
    result = []
    for budget in BUDGETS:
        inside = {name: chosen(rows, name, budget, False) for name in RANKINGS}
        worthy = chosen(rows, "net value", budget, True)
        row: dict[str, object] = {"date": date, "contacts": budget}
        for name, listed in inside.items():
            row[name] = f"{rows['gain'][listed].sum():,.0f}"
        beats = inside["net value"].astype(float) - inside["highest risk"].astype(float)
        row["saved: net value / risk"] = " / ".join(
            f"{rows['effect'][inside[name]].sum():.1f}" for name in ("net value", "highest risk")
        )
        row["net value − highest risk"] = spread(beats * rows["gain"].to_numpy())
        row["the same by last year's revenue"] = spread(beats * rows["gain_by_revenue"].to_numpy())
        row["saved, difference"] = f"{(beats * rows['effect'].to_numpy()).sum():.1f}"
        row["with do-nothing: contacts"] = int(worthy.sum())
        less = {"net value": worthy, "highest risk": inside["highest risk"]}
        row["gain less cost: net value / risk"] = " / ".join(
            f"{rows['gain'][listed].sum() - cost / 100 * listed.sum():,.0f}" for listed in less.values()
        )
        result.append(row)
    return result


def left_alone(date: str, rows: pd.DataFrame) -> dict[str, object]:
    """How often those left out would truly be harmed, against three kinds of chance.

    All: everyone. Same risk: as many left out at random in each tenth of the churn probability. Moved: only people
    whom a contact changes at all; for those who have left for good the truth says zero, neither help nor harm.
    """
    harmed, out = rows["effect"].to_numpy() < 0, rows["net_value"].to_numpy() <= 0
    moved = rows["effect"].to_numpy() != 0
    tenth = pd.qcut(rows["churn_probability"].rank(method="first"), 10, labels=False).to_numpy()
    person = np.unique(rows["customer_id"], return_inverse=True)[1]

    def differences(weight: np.ndarray) -> list[float]:
        by_tenth = np.bincount(tenth, weight * harmed, 10) / np.bincount(tenth, weight, 10)
        share = (weight * harmed * out).sum() / (weight * out).sum()
        kept = weight * moved
        return [
            share - (weight * harmed).sum() / weight.sum(),
            share - (weight * out * by_tenth[tenth]).sum() / (weight * out).sum(),
            (kept * harmed * out).sum() / (kept * out).sum() - (kept * harmed).sum() / kept.sum(),
        ]

    generator = np.random.default_rng(11)
    drawn = [differences(generator.poisson(1.0, person.max() + 1)[person]) for _ in range(DRAWS)]
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    found = differences(np.ones(len(rows)))
    told = [f"{100 * d:+.1f} [{100 * a:+.1f}, {100 * b:+.1f}]" for d, a, b in zip(found, low, high, strict=True)]
    return {
        "date": date,
        "people": len(rows),
        "left out": f"{out.mean():.1%}",
        "gone, all / left out": f"{1 - moved.mean():.1%} / {1 - moved[out].mean():.1%}",
        "harmed, all / left out": f"{harmed.mean():.1%} / {harmed[out].mean():.1%}",
        "points more than all": told[0],
        "than at the same risk": told[1],
        "harmed of the moved, all / left out": f"{harmed[moved].mean():.1%} / {harmed[moved & out].mean():.1%}",
        "points more than all the moved": told[2],
        "mean effect, left out / written to": f"{rows['effect'][out].mean():+.4f} / {rows['effect'][~out].mean():+.4f}",
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the save rates, the lists and whom they leave alone, at each date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dates", nargs="+", default=DATES)
    parser.add_argument("--contact-cost", type=int, default=100, help="minor units")
    asked = parser.parse_args(arguments)
    s = settings.load()
    zone, truth = s.shop.timezone, compare_with_truth.truth(settings.load())
    plain = worth.OfferSettings(amount=0)
    economy = worth.EconomySettings(contact_cost=asked.contact_cost, offer_small=plain, offer_large=plain)
    rates, gains, alone, together = [], [], [], []
    with TemporaryDirectory() as folder:
        for date in asked.dates:
            db = connection(zone, date, scored(s, date, Path(folder)))
            facts = save_rates.add(db, economy.save_rate_days, economy.save_rate)
            worth.add(db, economy)
            rows = judged(db, truth[truth["cutoff"] == parse_date(date, zone)])
            personal, foreseen = facts.get("personal", {}), rows["save_rate"] * rows["churn_probability"]
            rates.append(
                {
                    "date": date,
                    "people": len(rows),
                    "contacts measured": facts["treated"] + facts["control"],
                    "save rate": facts.get("save_rate_measured", ""),
                    "interval": facts.get("save_rate_interval_95", ""),
                    "personal": personal.get("used", ""),
                    "Qini": personal.get("qini_interval_95", ""),
                    "true effect, mean": f"{rows['effect'].mean():.4f}",
                    "rank correlation with true": f"{foreseen.rank().corr(rows['effect'].rank()):.3f}",
                }
            )
            gains += lists(date, rows, economy.contact_cost)
            alone.append(left_alone(date, rows))
            if personal.get("used"):
                together.append(rows)
            db.close()
    if len(together) > 1:
        alone.append(left_alone("where personal", pd.concat(together, ignore_index=True)))
    tables = {"Save rates": rates, "Gains, units of currency": gains, "Whom the lists leave alone": alone}
    for title, table in tables.items():
        print_table(title, [{name: str(value) for name, value in row.items()} for row in table])


if __name__ == "__main__":
    main()
