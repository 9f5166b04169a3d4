"""Hit rate of three recommended products against popularity, "buy again" and the library implicit, same split.

    python -m benchmarks.recommendations retail [--file online_retail_ii.parquet] [--implicit] [--tuning]
    python -m benchmarks.recommendations FOLDER_OF_EVENTS [--implicit] [--tuning]

At each cutoff everybody who bought before it and buys in the 30 days after it gets three products from what was known
before; a hit is any of the three among those bought. Intervals are 95 %, from resampled customers (a customer with all
their cutoffs is one draw); differences are paired. The fixed numbers of campaigns/products.py were chosen on the
cutoffs that --tuning shows; the others are later.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import venv
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from campaigns.products import ProductSettings, recommend
from events.logs import arrow_schema
from timeline import DAY_US, parse_date

HERE = Path(__file__).parent
SCRATCH = Path("build/bench")
RETAIL = HERE.parents[1] / "shared" / "data" / "online_retail_ii" / "online_retail_ii.parquet"
DAYS, ON_SALE, DRAWS, SEED = 30, 60, 2_000, 7
LOGS = ("orders", "order_items", "web_events")
CUTOFFS = {
    "retail": [f"2011-{month:02d}-01" for month in range(2, 12)],
    "retail tuning": ["2010-07-01", "2010-09-01", "2010-11-01", "2011-01-01"],
    "shop": [f"2025-{month:02d}-01" for month in range(1, 13)],
    "shop tuning": ["2024-06-01", "2024-08-01", "2024-10-01", "2024-12-01"],
}
# Goods have a number of five digits; the rest is postage, fees, corrections and tests.
RETAIL_LINES = r"""
CREATE TABLE all_order_items AS
SELECT CustomerID::VARCHAR AS customer_id, epoch_us(InvoiceDate) AS occurred_at, occurred_at AS loaded_at,
       row_number() OVER ()::VARCHAR AS event_id, InvoiceNo AS order_id, 'Order Completed' AS event,
       StockCode AS product_id, NULL::VARCHAR AS category, Quantity AS quantity, 0 AS price, 0 AS discount
FROM read_parquet('{file}')
WHERE NOT overlap_dup AND CustomerID IS NOT NULL AND Quantity > 0 AND UnitPrice > 0 AND NOT starts_with(InvoiceNo, 'C')
  AND regexp_matches(StockCode, '^(\d{{5}}|SP)')
"""
BASELINES = {
    "most popular": "SELECT customer_id, product_id, 0 AS a, 0 AS b FROM wanted, popular WHERE place <= 3",
    "most popular of main category": """
        SELECT customer_id, product_id, 1 AS a, 0 AS b FROM main JOIN popular USING (category) WHERE kind_place <= 3""",
    "buy again, most often": "SELECT customer_id, product_id, times AS a, newest AS b FROM history",
    "buy again, newest": "SELECT customer_id, product_id, newest AS a, times AS b FROM history",
    "buy again, most often, on sale": "SELECT customer_id, product_id, times AS a, newest AS b FROM history_on_sale",
    "buy again, newest, on sale": "SELECT customer_id, product_id, newest AS a, times AS b FROM history_on_sale",
}


def read_shop(source: str, file: Path) -> duckdb.DuckDBPyConnection:
    """A connection with the whole logs as tables all_<log>."""
    db = duckdb.connect(config={"threads": 2, "memory_limit": "4GB"})
    if source == "retail":
        db.execute(RETAIL_LINES.format(file=file))
    for log in LOGS:
        files = Path(source) / log / "*.parquet"
        if source != "retail" and any(Path(source, log).glob("*.parquet")):
            db.execute(f"CREATE TABLE all_{log} AS SELECT * FROM read_parquet('{files}')")
        elif log != "order_items" or source != "retail":
            empty = arrow_schema(log).empty_table()
            db.register("empty", empty)
            db.execute(f"CREATE TABLE all_{log} AS FROM empty")
    return db


def look_from(db: duckdb.DuckDBPyConnection, cutoff: int) -> None:
    """The views as known before ``cutoff``, who is asked about, and what they bought."""
    db.execute(f"SET VARIABLE as_of = {cutoff}::BIGINT")
    for log in LOGS:
        db.execute(
            f"CREATE OR REPLACE VIEW {log} AS FROM all_{log} WHERE occurred_at < {cutoff} AND loaded_at < {cutoff}"
        )
    bought = "event = 'Order Completed' AND product_id IS NOT NULL AND customer_id IS NOT NULL"
    db.execute(
        f"""
        CREATE OR REPLACE TABLE past AS FROM order_items WHERE {bought};
        CREATE OR REPLACE TABLE truth AS SELECT DISTINCT customer_id, product_id FROM all_order_items
        WHERE {bought} AND occurred_at >= {cutoff} AND occurred_at < {cutoff + DAYS * DAY_US};
        CREATE OR REPLACE TABLE wanted AS
        SELECT DISTINCT customer_id FROM truth SEMI JOIN past USING (customer_id);
        CREATE OR REPLACE TABLE popular AS
        SELECT product_id, category, row_number() OVER (ORDER BY buyers DESC, product_id) AS place,
               row_number() OVER (PARTITION BY category ORDER BY buyers DESC, product_id) AS kind_place
        FROM (SELECT product_id, max(category) AS category, count(DISTINCT customer_id) AS buyers FROM past
              WHERE occurred_at >= {cutoff - DAYS * DAY_US} GROUP BY product_id);
        CREATE OR REPLACE TABLE history AS
        SELECT customer_id, product_id, count(DISTINCT occurred_at // {DAY_US}) AS times, max(occurred_at) AS newest
        FROM past SEMI JOIN wanted USING (customer_id) GROUP BY ALL;
        CREATE OR REPLACE TABLE history_on_sale AS FROM history WHERE product_id IN
        (SELECT product_id FROM past WHERE occurred_at >= {cutoff - ON_SALE * DAY_US});
        CREATE OR REPLACE TABLE main AS
        SELECT customer_id, category FROM past SEMI JOIN wanted USING (customer_id) WHERE category IS NOT NULL
        GROUP BY customer_id, category
        QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY count(*) DESC, category) = 1
        """
    )


def baseline(db: duckdb.DuckDBPyConnection, query: str) -> pd.DataFrame:
    """Three products a customer by ``query``; ties go to what is popular, and gaps are filled with it."""
    return db.execute(
        f"""
        SELECT customer_id, product_id FROM (
            SELECT customer_id, product_id, max(a) AS a, max(b) AS b FROM (
                SELECT customer_id, product_id, 1 + a AS a, b FROM ({query})
                UNION ALL SELECT customer_id, product_id, 0, 0 FROM wanted, popular WHERE place <= 6
            ) GROUP BY customer_id, product_id
        ) LEFT JOIN popular USING (product_id)
        QUALIFY row_number() OVER (
            PARTITION BY customer_id ORDER BY a DESC, b DESC, place NULLS LAST, product_id
        ) <= 3
        """
    ).df()


def environment() -> Path:
    """The Python of an environment that holds the pinned library implicit."""
    folder, pins = SCRATCH / "implicit", HERE / "requirements-implicit.txt"
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if not ready.is_file() or ready.read_bytes() != pins.read_bytes():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", pins], check=True)
        ready.write_bytes(pins.read_bytes())
    return python


def peers(db: duckdb.DuckDBPyConnection) -> dict[str, pd.DataFrame]:
    """What the recommenders of implicit say, each in two ways: all products, and none that is owned."""
    python = environment()
    with tempfile.TemporaryDirectory() as folder:
        counts = "SELECT customer_id, product_id, count(DISTINCT occurred_at // 86400000000) AS times FROM past"
        db.execute(f"COPY ({counts} GROUP BY ALL ORDER BY ALL) TO '{folder}/counts.parquet'")
        db.execute(f"COPY (FROM wanted ORDER BY ALL) TO '{folder}/wanted.parquet'")
        db.execute(f"COPY (SELECT product_id FROM popular ORDER BY 1) TO '{folder}/shelf.parquet'")
        subprocess.run([python, "-W", "ignore", HERE / "peer_implicit.py", folder], check=True)
        found = pd.read_parquet(Path(folder) / "found.parquet")
    return {name: part[["customer_id", "product_id"]] for name, part in found.groupby("way")}


def ours(db: duckdb.DuckDBPyConnection, settings: ProductSettings) -> tuple[pd.DataFrame, str]:
    blend = recommend(db, "wanted", settings)
    table = db.execute("SELECT customer_id, unnest([product_1, product_2, product_3]) AS product_id FROM products").df()
    return table, f"own {blend.own}, seen {blend.seen}"


def hits(db: duckdb.DuckDBPyConnection, table: pd.DataFrame) -> pd.Series:
    """One row per wanted customer: whether any of their products was bought."""
    db.register("given", table)
    if (
        db.execute("SELECT max(n) FROM (SELECT count(product_id) n FROM given GROUP BY customer_id)").fetchall()[0][0]
        > 3
    ):
        raise ValueError("a way gives more than three products")
    found = db.execute(
        """
        SELECT customer_id, count(truth.product_id) > 0 AS hit
        FROM wanted LEFT JOIN given USING (customer_id) LEFT JOIN truth USING (customer_id, product_id)
        GROUP BY customer_id ORDER BY customer_id
        """
    ).df()
    return found.set_index("customer_id")["hit"]


def intervals(table: pd.DataFrame, names: list[str], reference: str) -> dict[str, tuple[Any, Any]]:
    """Hit rate, and how much ``reference`` is above it, each as value, low, high, in percent."""
    sums = table.groupby("customer_id")[names].sum()
    rows = table.groupby("customer_id").size().to_numpy()
    rng = np.random.default_rng(SEED)
    draws = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), DRAWS)
    rate = draws @ sums.to_numpy(float) / (draws @ rows)[:, None]
    mine = names.index(reference)
    found = {}
    for place, name in enumerate(names):
        value = table[name].mean()
        gap = table[reference].mean() - value
        low, high = np.quantile(rate[:, place], (0.025, 0.975))
        less, more = np.quantile(rate[:, mine] - rate[:, place], (0.025, 0.975))
        found[name] = ((100 * value, 100 * low, 100 * high), (100 * gap, 100 * less, 100 * more))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="retail, or a folder of canonical events")
    parser.add_argument("--file", type=Path, default=RETAIL)
    parser.add_argument("--implicit", action="store_true")
    parser.add_argument("--tuning", action="store_true", help="the earlier cutoffs, on which numbers were chosen")
    asked = parser.parse_args()
    shop = ("retail" if asked.source == "retail" else "shop") + (" tuning" if asked.tuning else "")
    db = read_shop(asked.source, asked.file)
    parts, blends = [], []
    for cutoff in CUTOFFS[shop]:
        look_from(db, parse_date(cutoff, "UTC"))
        mine, blend = ours(db, ProductSettings())
        given = {"ours": mine} | {name: baseline(db, query) for name, query in BASELINES.items()}
        if asked.implicit:
            given |= peers(db)
        parts.append(pd.DataFrame({name: hits(db, table) for name, table in given.items()}).reset_index())
        blends.append(f"{cutoff}: {blend}")
    table = pd.concat(parts, ignore_index=True)
    names = [name for name in table.columns if name != "customer_id"]
    print(f"{shop}: {len(table):,} customers at {len(parts)} cutoffs ({table['customer_id'].nunique():,} different)")
    print("; ".join(blends))
    print("\n| way | hit rate@3 | ours − this |\n| --- | --- | --- |")
    for name, (rate, gap) in intervals(table, names, "ours").items():
        print(
            f"| {name} | {rate[0]:.1f} % [{rate[1]:.1f}, {rate[2]:.1f}]"
            f" | {gap[0]:+.1f} [{gap[1]:+.1f}, {gap[2]:+.1f}] |"
        )


if __name__ == "__main__":
    main()
