"""What is known before an instant."""

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from campaigns import known, permission
from events.logs import LOGS, arrow_schema
from timeline import parse_date


@pytest.mark.parametrize(
    ("read_before", "refused"), [("2025-03-10", False), ("2025-03-11", True), ("2025-03-12", True)]
)
def test_a_no_of_a_date_alone_holds_on_its_day_already(tmp_path, read_before, refused):
    day, night = (parse_date(text, "UTC") for text in ("2025-03-10", "2025-03-11"))
    no = {"customer_id": "c_1", "occurred_at": night + 3_599_999_999, "loaded_at": day, "event_id": "r1"}
    no |= {"restriction": "opt_out", "channel": "email", "log": "consent_events"}
    yes = {"customer_id": "c_1", "occurred_at": day + 36_000_000_000, "loaded_at": day + 36_000_000_000}
    yes |= {"event_id": "e1", "channel": "email", "status": "subscribed"}
    files = {}
    for log, row in (("restrictions", no), ("consent_events", yes)):
        files[log] = [str(tmp_path / f"{log}.parquet")]
        pq.write_table(pa.Table.from_pylist([row], schema=arrow_schema(log)), files[log][0])
    with duckdb.connect() as db:
        known.open_logs(db, files, {log: arrow_schema(log) for log in LOGS}, parse_date(read_before, "UTC"), "UTC")
        permission.create(db)
        rows = db.execute("SELECT agreed, opt_out FROM standing").fetchall()
    assert rows == ([(False, True)] if refused else [])
