"""Which opens and clicks no person made, and which cannot have happened, among the e-mail events."""

import duckdb
import numpy as np
import pyarrow as pa

PROXIES = "(?i)mimecast|proofpoint|barracuda|Apple.?MPP|apple.?mail.?privacy"
"""User agents that fetch pictures or follow links before anybody looks. Google's proxy fetches at the opening only."""
BARE = "^Mozilla/5\\.0$"
"""What Apple's proxies send in place of a user agent."""
AT_ONCE_US = 2_000_000
"""Nobody opens or clicks so soon after the delivery."""
TOGETHER_US = 10_000_000
MANY_LINKS = 3
"""So many different links of one e-mail within :data:`TOGETHER_US` are a scanner's."""


def flagged(connection: duckdb.DuckDBPyConnection, rows: pa.Table) -> tuple[pa.Table, np.ndarray]:
    """The rows with ``machine_open`` and ``bot_click`` filled in, and a mask of those that cannot have happened.

    What the sender says counts; where it is silent, an open is a machine's that a proxy made or that came within two
    seconds of the delivery (null: nobody can tell), and a click is a scanner's that came so soon or with two others
    within ten seconds.
    An open or click before the e-mail was sent, or of an e-mail that was sent to others only, is impossible.
    """
    # Only the columns it takes to judge; the rows themselves stay where they are.
    judged = rows.select(
        ["customer_id", "email_id", "event", "occurred_at", "machine_open", "bot_click"]
    ).append_column("number", pa.array(np.arange(rows.num_rows)))
    for column in ("user_agent", "link_url"):
        judged = judged.append_column(column, rows[column])
    connection.register("email_rows", judged)
    found = connection.sql(f"""
        WITH sends AS (
            SELECT customer_id, email_id, min(occurred_at) AS sent_at,
                   min(occurred_at) FILTER (event = 'Email Delivered') AS delivered_at
            FROM email_rows WHERE event IN ('Email Sent', 'Email Delivered') AND email_id IS NOT NULL GROUP BY ALL),
        sent AS (SELECT DISTINCT email_id FROM sends),
        clicks AS (
            SELECT customer_id, email_id, occurred_at, link_url FROM email_rows
            WHERE event = 'Email Link Clicked' AND email_id IS NOT NULL AND link_url IS NOT NULL),
        many AS (SELECT customer_id, email_id FROM clicks GROUP BY ALL HAVING count(DISTINCT link_url) >= {MANY_LINKS}),
        bursts AS (
            SELECT a.customer_id, a.email_id, a.occurred_at AS start
            FROM (FROM clicks SEMI JOIN many USING (customer_id, email_id)) a
            JOIN clicks b ON a.customer_id = b.customer_id AND a.email_id = b.email_id
                         AND b.occurred_at >= a.occurred_at AND b.occurred_at <= a.occurred_at + {TOGETHER_US}
            GROUP BY ALL HAVING count(DISTINCT b.link_url) >= {MANY_LINKS}),
        scanned AS (
            SELECT DISTINCT c.customer_id, c.email_id, c.occurred_at FROM clicks c
            JOIN bursts b ON c.customer_id = b.customer_id AND c.email_id = b.email_id
                         AND c.occurred_at >= b.start AND c.occurred_at <= b.start + {TOGETHER_US})
        SELECT r.number,
               CASE WHEN r.event = 'Email Opened' THEN coalesce(r.machine_open,
                    regexp_matches(r.user_agent, '{PROXIES}') OR regexp_matches(r.user_agent, '{BARE}')
                    OR r.occurred_at - s.delivered_at BETWEEN 0 AND {AT_ONCE_US})
                    ELSE r.machine_open END AS machine_open,
               CASE WHEN r.event = 'Email Link Clicked' THEN coalesce(r.bot_click,
                    coalesce(regexp_matches(r.user_agent, '{PROXIES}'), false) OR c.customer_id IS NOT NULL
                    OR coalesce(r.occurred_at - coalesce(s.delivered_at, s.sent_at) BETWEEN 0 AND {AT_ONCE_US}, false))
                    ELSE r.bot_click END AS bot_click,
               coalesce(r.event IN ('Email Opened', 'Email Link Clicked')
                    AND (s.sent_at > r.occurred_at OR (s.sent_at IS NULL AND t.email_id IS NOT NULL)),
                    false) AS impossible
        FROM email_rows r
        LEFT JOIN sends s ON r.customer_id = s.customer_id AND r.email_id = s.email_id
        LEFT JOIN sent t ON r.email_id = t.email_id
        LEFT JOIN scanned c ON r.event = 'Email Link Clicked' AND r.customer_id = c.customer_id
                           AND r.email_id = c.email_id AND r.occurred_at = c.occurred_at
        ORDER BY r.number""").to_arrow_table()
    connection.unregister("email_rows")
    for column in ("machine_open", "bot_click"):
        rows = rows.set_column(rows.column_names.index(column), column, found[column].cast(pa.bool_()))
    return rows, np.asarray(found["impossible"].to_numpy(), dtype=bool)
