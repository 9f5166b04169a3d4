"""A window is put on every aggregate, in a form that both engines take."""

import ibis
import pandas as pd

from features.matrix import _narrow
from timeline import DAY_US

ROWS = pd.DataFrame(
    {"customer_id": [1] * 4, "age_us": [1, 30 * DAY_US, 30 * DAY_US + 1, 90 * DAY_US], "x": [1, 3, 8, 9]}
)


def test_a_median_over_a_window_reads_the_window_alone():
    rows = ibis.memtable(ROWS)
    found = rows.group_by("customer_id").agg(median=_narrow(rows.x.median(), rows, 30)).execute()
    assert found["median"].tolist() == [2.0]


def test_a_median_over_a_window_leaves_the_percentage_alone():
    # Spark refuses PERCENTILE(x, IF(…, 0.5, NULL)).
    rows = ibis.table({"customer_id": "int32", "age_us": "int64", "x": "int64"}, name="t")
    query = rows.group_by("customer_id").agg(median=_narrow(rows.x.median(), rows, 30))
    assert ", 0.5)" in ibis.to_sql(query, dialect="pyspark")
