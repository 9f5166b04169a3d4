"""Log-likelihood of later moments under each person's own hours against the shop's hours alone.

    python -m benchmarks.send_hour retail [--file online_retail_ii.parquet]
    python -m benchmarks.send_hour FOLDER_OF_EVENTS

Habits are learned from what was known before each cutoff and asked about the moments (one a person and local day) of
the 90 days after it, of everybody with such a moment and one before. Above nought the own hours say more than the
shop's. Intervals are 95 %, from resampled customers.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from benchmarks.recommendations import RETAIL, RETAIL_LINES
from campaigns.send_time import SendTimeSettings, find_moments, learn_habit
from events.logs import arrow_schema
from timeline import DAY_US, parse_date

DAYS, DRAWS, SEED = 90, 2_000, 7
ZONE = "Europe/London"
CUTOFFS = {
    "retail": ["2010-12-01", "2011-03-01", "2011-06-01", "2011-09-01"],
    "shop": ["2025-01-01", "2025-04-01", "2025-07-01", "2025-10-01"],
}
LOGS = ("customers", "orders", "web_events", "email_events")
SLOTS = ("hour", "weekday")


def read_shop(source: str, file: Path) -> duckdb.DuckDBPyConnection:
    """A connection with the whole logs as tables all_<log>."""
    db = duckdb.connect(config={"threads": 2, "memory_limit": "4GB"})
    for log in LOGS:
        db.register("empty", arrow_schema(log).empty_table())
        db.execute(f"CREATE TABLE all_{log} AS FROM empty")
        if source != "retail" and any(Path(source, log).glob("*.parquet")):
            db.execute(f"INSERT INTO all_{log} BY NAME SELECT * FROM read_parquet('{Path(source) / log}/*.parquet')")
    if source == "retail":
        db.execute(RETAIL_LINES.format(file=file))
        # The file tells the shop's own time; it becomes an instant.
        at = f"epoch_us(timezone('{ZONE}', make_timestamp(min(occurred_at))))"
        db.execute(
            f"""
            INSERT INTO all_orders BY NAME
            SELECT customer_id, {at} AS occurred_at, {at} AS loaded_at, order_id AS event_id, order_id, event,
                   0 AS revenue, 'GBP' AS currency
            FROM all_order_items GROUP BY customer_id, order_id, event
            """
        )
    return db


def look(db: duckdb.DuckDBPyConnection, start: int, end: int) -> None:
    """The views of what happened from ``start`` on and was known before ``end``."""
    db.execute(f"SET VARIABLE as_of = {end}::BIGINT; SET VARIABLE zone = '{ZONE}'")
    for log in LOGS:
        first = 0 if log == "customers" else start
        db.execute(
            f"CREATE OR REPLACE VIEW {log} AS FROM all_{log}"
            f" WHERE occurred_at >= {first} AND occurred_at < {end} AND loaded_at < {end}"
        )


def gains(db: duckdb.DuckDBPyConnection, cutoff: int, slot: str) -> tuple[pd.DataFrame, float]:
    """One row per later moment with its gain in log-likelihood, and the strength learned."""
    settings = SendTimeSettings()
    look(db, 0, cutoff)
    find_moments(db, settings)
    habit = learn_habit(db, slot)
    look(db, cutoff, cutoff + DAYS * DAY_US)
    find_moments(db, settings)
    table = db.execute(
        f"""
        SELECT m.customer_id, m.{slot} AS slot, coalesce(c.weight, 0) AS here, t.total
        FROM send_moments m JOIN (SELECT DISTINCT customer_id, total FROM send_counts_{slot}) t USING (customer_id)
        LEFT JOIN send_counts_{slot} c ON c.customer_id = m.customer_id AND c.slot = m.{slot}
        ORDER BY m.customer_id, on_day
        """
    ).df()
    share = np.array(habit.shares)[table["slot"]]
    own = share
    if not math.isinf(habit.strength):
        own = (table["here"] + habit.strength * share) / (table["total"] + habit.strength)
    return pd.DataFrame({"customer_id": table["customer_id"], "shop": np.log(share), "gain": np.log(own / share)}), (
        habit.strength
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="retail, or a folder of canonical events")
    parser.add_argument("--file", type=Path, default=RETAIL)
    asked = parser.parse_args()
    shop = "retail" if asked.source == "retail" else "shop"
    db = read_shop(asked.source, asked.file)
    for slot in SLOTS:
        parts = [gains(db, parse_date(cutoff, ZONE), slot) for cutoff in CUTOFFS[shop]]
        table = pd.concat([part for part, _ in parts])
        sums = table.groupby("customer_id")["gain"].agg(["sum", "size"]).to_numpy(float)
        rng = np.random.default_rng(SEED)
        draws = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), DRAWS) @ sums
        low, high = np.quantile(draws[:, 0] / draws[:, 1], (0.025, 0.975))
        print(
            f"{shop}, {slot}: {len(table):,} moments of {len(sums):,} people at {len(parts)} cutoffs; shop"
            f" {table['shop'].mean():.4f}, own − shop {table['gain'].mean():+.4f} [{low:+.4f}, {high:+.4f}] a moment;"
            f" strengths {', '.join(f'{strength:g}' for _, strength in parts)}"
        )


if __name__ == "__main__":
    main()
