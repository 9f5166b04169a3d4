"""Canonical event files of a made-up shop of any size, for measuring the feature engine.

    python -m benchmarks.features.shop FOLDER [--customers N] [--events N]

Every value is a hash of its row's number and the seed, so equal arguments and an equal DuckDB give equal rows, and
each month is made on its own in little memory. ``--events`` counts order lines (10 %), web events (60 %) and e-mail
events (30 %); the other logs come on top. As in a real shop customers come and go,
and a few do very much; but nothing can be learnt from them.
"""

from __future__ import annotations

import argparse
import time
from itertools import pairwise
from pathlib import Path
from string import Template

import duckdb
import pyarrow.parquet as pq

from events.logs import arrow_schema
from timeline import format_date, month_starts, parse_date

MONTHS = 24
FIRST, CUTOFF = parse_date("2024-01-01", "UTC"), parse_date("2026-01-01", "UTC")
ROWS_IN_GROUP = 100_000
SESSION_EVENTS, ORDER_LINES, SEND_EVENTS = 4.99, 2.47, 2.55
"""Rows that a session, an order with its returns and a sent e-mail make on average."""

MACROS = """
CREATE MACRO u(i, salt) AS hash(i, salt, $seed) / 18446744073709551616.0;
CREATE MACRO name_of(c) AS 'c_' || substr(md5(c::VARCHAR), 1, 24);
-- Some draw far more often than others: the density falls with the cube root of the rank.
CREATE MACRO someone(i, salt) AS least(pow(u(i, salt), 1.5) * $customers, $customers - 1)::INTEGER;
CREATE MACRO joined(c) AS floor(u(c, 101) * 34)::INTEGER - 12;
CREATE MACRO gone(c) AS joined(c) + 1 + floor(-14 * ln(1 - u(c, 102)))::INTEGER;
CREATE MACRO is_active(c, month) AS month >= joined(c) AND month < gone(c);
CREATE MACRO moment(i, salt, first, last) AS first + floor(u(i, salt) * ((last - first) // 1000000))::BIGINT * 1000000;
CREATE MACRO seen(instant, i) AS
    instant + CASE WHEN u(i, 103) < 0.02 THEN floor(u(i, 104) * 259200)::BIGINT * 1000000 ELSE 0 END;
CREATE MACRO product(i, salt) AS floor(pow(u(i, salt), 3) * 5000)::INTEGER;
CREATE MACRO category(p) AS 'category-' || (p % 24);
CREATE MACRO price(p) AS 300 + (hash(p) % 9000)::BIGINT;
CREATE MACRO geometric(i, salt, stop, most) AS least(1 + floor(ln(1 - u(i, salt)) / ln(1 - stop)), most)::INTEGER;
"""

# $first and $last are the bounds of the month, $month its number, $base the number of its first row.
DRAWS = {
    "drawn_sessions": """
        SELECT i AS s, someone(i, 1) AS c, moment(i, 2, $first, $last - 7200000000) AS started,
            geometric(i, 3, 0.2, 60) AS length, u(i, 4) < 0.05 AS buys
        FROM range($base, $base + $sessions) t(i)
        WHERE is_active(c, $month)""",
    "drawn_orders": """
        SELECT i AS o, someone(i, 11) AS c, moment(i, 12, $first, $last - 3600000000) AS ordered,
            geometric(i, 13, 0.42, 12) AS lines,
            CASE WHEN u(i, 14) < 0.1 + 0.6 * pow(u(c, 15), 2) THEN 5 * (1 + floor(u(i, 16) * 6))::INTEGER ELSE 0 END
                AS off,
            u(i, 17) AS fate
        FROM range($base, $base + $orders) t(i)
        WHERE is_active(c, $month)""",
    "drawn_lines": """
        SELECT o * 16 + n AS l, o, c, ordered, fate, product(l, 21) AS p, geometric(l, 22, 0.8, 5) AS quantity,
            price(p) AS price, quantity * price(p) * off // 100 AS discount
        FROM drawn_orders, unnest(range(lines)) t(n)""",
    "drawn_sends": """
        SELECT i AS e, someone(i, 31) AS c, floor(u(i, 32) * 8)::INTEGER AS campaign,
            $first + (campaign * 3 + 1) * 86400000000 + 36000000000
                + floor(u(i, 33) * 3600)::BIGINT * 1000000 AS sent,
            u(i, 34) < 0.98 AS arrives, u(c, 35) < 0.3 AS is_machine, u(i, 36) < 0.4 * u(c, 37) AS opens,
            sent + 60000000 + floor(pow(u(i, 38), 4) * 172800)::BIGINT * 1000000 AS opened
        FROM range($base, $base + $sends) t(i)
        WHERE joined(c) <= $month""",
    "drawn_tickets": """
        SELECT o AS k, c, moment(o, 41, ordered, $last) AS opened, moment(o, 42, opened, $last) AS closed,
            CASE WHEN u(o, 43) < 0.6 THEN 1 + floor(sqrt(u(o, 44)) * 5)::BIGINT END AS satisfaction
        FROM drawn_orders WHERE u(o, 45) < 0.1""",
}

LOGS = {
    "customers": """
        SELECT name_of(i) AS customer_id, moment(i, 51, $first, $last) AS occurred_at,
            occurred_at AS loaded_at, customer_id AS event_id, 'GB' AS country, NULL AS timezone,
            printf('%02d-%02d', 1 + (u(i, 52) * 11.99)::INTEGER % 12, 1 + (u(i, 53) * 27)::INTEGER) AS birth_month_day,
            ['organic', 'paid_search', 'social', 'email'][1 + floor(u(i, 54) * 5)::INTEGER] AS acquisition_channel,
            CASE WHEN u(i, 55) < 0.8 THEN 'subscribed' ELSE 'never' END AS email_consent,
            occurred_at AS email_consent_at, u(i, 56) < 0.01 AS suppressed, NULL AS suppressed_reason,
            'a_' || substr(md5('a' || i), 1, 24) AS address_key,
            1940 + (u(i, 57) * 66)::BIGINT AS birth_year, false AS legal_hold, NULL AS mailbox_provider
        FROM range($customers) t(i) WHERE greatest(joined(i), 0) = $month""",
    "consent_events": """
        SELECT name_of(i) AS customer_id, moment(i, 51, $first, $last) AS occurred_at,
            occurred_at AS loaded_at, 'consent-' || i AS event_id, 'email' AS channel, 'subscribed' AS status,
            'account' AS source
        FROM range($customers) t(i)
        WHERE greatest(joined(i), 0) = $month AND u(i, 55) < 0.8""",
    "orders": """
        WITH sums AS (
            SELECT o, sum(price * quantity - discount)::BIGINT AS revenue, sum(discount)::BIGINT AS discount
            FROM drawn_lines GROUP BY o),
        happened AS (
            SELECT *, 'Order Completed' AS event, ordered AS occurred_at, revenue AS amount
            FROM drawn_orders JOIN sums USING (o)
            UNION ALL
            SELECT *, 'Order Refunded', moment(o, 61, ordered + 1000000, $last),
                CASE WHEN u(o, 62) < 0.7 THEN revenue ELSE revenue // 2 END
            FROM drawn_orders JOIN sums USING (o) WHERE fate < 0.08
            UNION ALL
            SELECT *, 'Order Cancelled', moment(o, 61, ordered + 1000000, $last), revenue
            FROM drawn_orders JOIN sums USING (o) WHERE fate > 0.985)
        SELECT name_of(c) AS customer_id, occurred_at, seen(occurred_at, o) AS loaded_at,
            'o' || o || ':' || event AS event_id, 'o' || o AS order_id, event, amount AS revenue,
            CASE WHEN u(o, 63) < 0.99 THEN discount END AS discount,
            amount * 6 // 5 AS total, CASE WHEN off > 0 AND u(o, 64) < 0.6 THEN 'SAVE' || off END AS coupon,
            ['web', 'app', 'store'][1 + floor(pow(u(o, 65), 2) * 3)::INTEGER] AS channel, 'GBP' AS currency
        FROM happened""",
    "order_items": """
        WITH happened AS (
            SELECT *, 'Order Completed' AS event, ordered AS occurred_at FROM drawn_lines
            UNION ALL
            SELECT *, 'Order Refunded', moment(o, 61, ordered + 1000000, $last) FROM drawn_lines
            WHERE fate < 0.08 AND u(l, 66) < 0.6)
        SELECT name_of(c) AS customer_id, occurred_at, seen(occurred_at, o) AS loaded_at,
            'l' || l || ':' || event AS event_id, 'o' || o AS order_id, event, 'p' || p AS product_id,
            CASE WHEN p % 50 > 0 THEN category(p) END AS category,
            quantity, price, discount
        FROM happened""",
    "web_events": """
        WITH happened AS (
            SELECT *, s * 64 + n AS w, u(w, 71) AS kind, product(w // 2, 72) AS p,
                CASE WHEN n = 0 THEN 'Page Viewed' WHEN buys AND n = length - 1 THEN 'Order Completed'
                    WHEN kind < 0.15 THEN 'Page Viewed' WHEN kind < 0.73 THEN 'Product Viewed'
                    WHEN kind < 0.83 THEN 'Products Searched' WHEN kind < 0.93 THEN 'Product Added'
                    WHEN kind < 0.97 THEN 'Cart Viewed' ELSE 'Checkout Started' END AS event,
                started + (n * 100 + floor(u(w, 73) * 90))::BIGINT * 1000000 AS occurred_at
            FROM drawn_sessions, unnest(range(length)) t(n))
        SELECT name_of(c) AS customer_id, occurred_at, seen(occurred_at, s) AS loaded_at, 'w' || w AS event_id,
            CASE WHEN u(s, 74) < 0.99 THEN 's' || s END AS session_id,
            'v_' || substr(md5('v' || c), 1, 24) AS anonymous_id,
            event, CASE WHEN event LIKE 'Product %' THEN 'p' || p END AS product_id,
            CASE WHEN event LIKE 'Product %' THEN category(p) END AS category,
            CASE WHEN event LIKE 'Product %' THEN price(p) END AS price,
            CASE WHEN event = 'Product Added' THEN 1 + (w % 2) END AS quantity,
            CASE WHEN event IN ('Product Added', 'Cart Viewed', 'Checkout Started') THEN 'k' || s END AS cart_id,
            CASE WHEN event = 'Order Completed' THEN 'ow' || s END AS order_id, false AS bot
        FROM happened""",
    "email_events": """
        WITH happened AS (
            SELECT *, 'Email Sent' AS event, sent AS occurred_at, FALSE AS by_machine FROM drawn_sends
            UNION ALL
            SELECT *, CASE WHEN arrives THEN 'Email Delivered' ELSE 'Email Bounced' END, sent + 10000000, FALSE
            FROM drawn_sends
            UNION ALL
            SELECT *, 'Email Opened', sent + 20000000, TRUE FROM drawn_sends WHERE arrives AND is_machine
            UNION ALL
            SELECT *, 'Email Opened', opened, FALSE FROM drawn_sends WHERE arrives AND opens
            UNION ALL
            SELECT *, 'Email Link Clicked', opened + floor(u(e, 82) * 300)::BIGINT * 1000000, FALSE
            FROM drawn_sends WHERE arrives AND opens AND u(e, 81) < 0.25
            UNION ALL
            SELECT *, 'Email Link Clicked', sent + 11000000, TRUE FROM drawn_sends WHERE arrives AND u(e, 83) < 0.01
            UNION ALL
            SELECT *, CASE WHEN u(e, 85) < 0.8 THEN 'Unsubscribed' ELSE 'Email Marked as Spam' END,
                opened + 400000000, FALSE
            FROM drawn_sends WHERE arrives AND opens AND u(e, 84) < 0.005)
        SELECT name_of(c) AS customer_id, occurred_at, seen(occurred_at, e) AS loaded_at,
            'm' || e || ':' || event || ':' || by_machine::INTEGER AS event_id, event, 'e' || e AS email_id,
            'newsletter-' || $month || '-' || campaign AS campaign_id,
            CASE WHEN event = 'Email Bounced' THEN ['hard', 'soft', 'block'][1 + floor(u(e, 86) * 3)::INTEGER] END
                AS bounce_type,
            CASE WHEN event = 'Email Opened' THEN by_machine END AS machine_open,
            CASE WHEN event = 'Email Link Clicked' THEN by_machine END AS bot_click
        FROM happened""",
    "support_tickets": """
        WITH happened AS (
            SELECT k, c, 'Ticket Opened' AS event, opened AS occurred_at, NULL AS satisfaction FROM drawn_tickets
            UNION ALL
            SELECT k, c, 'Ticket Closed', closed, satisfaction FROM drawn_tickets WHERE u(k, 91) < 0.95)
        SELECT name_of(c) AS customer_id, occurred_at, occurred_at AS loaded_at, 't' || k || ':' || event AS event_id,
            't' || k AS ticket_id, event, 'email' AS channel,
            ['delivery', 'product', 'payment'][1 + floor(u(k, 92) * 3)::INTEGER] AS category,
            CASE WHEN u(k, 93) < 0.1 THEN 'high' ELSE 'normal' END AS priority, satisfaction
        FROM happened""",
    "deliveries": """
        SELECT name_of(c) AS customer_id, moment(o, 94, ordered + 1000000, $last) AS occurred_at,
            seen(occurred_at, o) AS loaded_at, 'd' || o AS event_id, 'o' || o AS order_id,
            floor(pow(u(o, 95), 4) * 160 - 40)::BIGINT AS delay_hours,
            occurred_at - delay_hours * 3600000000 AS promised_at
        FROM drawn_orders WHERE fate < 0.97""",
    "loyalty_events": """
        SELECT name_of(c) AS customer_id, ordered + 300000000 AS occurred_at, occurred_at AS loaded_at,
            'y' || o AS event_id,
            CASE WHEN u(o, 97) < 0.1 THEN -500 ELSE 10 + (hash(o) % 400)::BIGINT END AS points,
            ['bronze', 'silver', 'gold'][1 + floor(pow(u(c, 98), 2) * 3)::INTEGER] AS tier
        FROM drawn_orders WHERE u(c, 96) < 0.5""",
    "campaign_contacts": """
        SELECT name_of(i) AS customer_id, $first + 777600000000 AS occurred_at, occurred_at AS loaded_at,
            'contact-' || $month || '-' || i AS event_id, 'winback-' || $month AS campaign_id,
            CASE WHEN u(i * 64 + $month, 99) < 0.05 THEN 'voucher' ELSE 'control' END AS arm,
            arm = 'control' AS control, 0.5::DOUBLE AS propensity, CASE WHEN arm = 'voucher' THEN 80 ELSE 0 END AS cost
        FROM range($customers) t(i)
        WHERE $month % 6 = 3 AND u(i * 64 + $month, 99) < 0.1
            AND is_active(i, $month - 2)""",
}


def write_shop(folder: Path, customers: int, events: int, seed: int = 1) -> dict[str, int]:
    """Write ``<log>/<yyyy-mm>.parquet`` below ``folder``; the number of rows by log."""
    connection = duckdb.connect(config={"threads": 2, "memory_limit": "3GB", "temp_directory": str(folder / ".spill")})
    known: dict[str, int] = {"seed": seed, "customers": customers}
    connection.execute(Template(MACROS).substitute(known))
    active_months, joined_months = connection.execute(
        f"SELECT avg(greatest(least(gone(i), {MONTHS}) - greatest(joined(i), 0), 0)),"
        f" avg({MONTHS} - greatest(joined(i), 0)) FROM range({customers}) t(i)"
    ).fetchone()
    known["orders"] = round(0.1 * events / ORDER_LINES / active_months)
    known["sessions"] = round(0.6 * events / SESSION_EVENTS / active_months)
    known["sends"] = round(0.3 * events / SEND_EVENTS / joined_months)
    written = dict.fromkeys(LOGS, 0)
    starts = month_starts(FIRST, CUTOFF, "UTC")
    for month, (first, last) in enumerate(pairwise(starts)):
        known |= {"month": month, "base": month * 10**9, "first": first, "last": last}
        for name, query in DRAWS.items():
            connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {Template(query).substitute(known)}")
        for log, query in LOGS.items():
            file = folder / log / f"{format_date(first, 'UTC')[:7]}.parquet"
            file.parent.mkdir(parents=True, exist_ok=True)
            kinds = arrow_schema(log)
            columns = ", ".join(f"{field.name}::{_SQL[str(field.type)]} AS {field.name}" for field in kinds)
            rows = f"SELECT {columns} FROM ({Template(query).substitute(known)})"
            form = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROWS_IN_GROUP}"
            connection.execute(f"COPY ({rows} ORDER BY customer_id, occurred_at, event_id) TO '{file}' ({form})")
            made = pq.ParquetFile(file)
            if [(f.name, f.type) for f in made.schema_arrow] != [(f.name, f.type) for f in kinds]:
                raise TypeError(f"{log}: {made.schema_arrow} is not {kinds}")
            written[log] += made.metadata.num_rows
    connection.close()
    return {log: rows for log, rows in written.items() if rows}


_SQL = {"string": "VARCHAR", "int64": "BIGINT", "bool": "BOOLEAN", "double": "DOUBLE"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    started = time.perf_counter()
    written = write_shop(asked.folder, asked.customers, asked.events, asked.seed)
    size = sum(file.stat().st_size for file in asked.folder.rglob("*.parquet"))
    print(", ".join(f"{log} {rows:,}" for log, rows in written.items()))
    print(f"{size / 1e9:.2f} GB in {time.perf_counter() - started:.0f} s, to be asked at {CUTOFF}")


if __name__ == "__main__":
    main()
