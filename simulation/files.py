"""The bytes of an export file, by the ending of its name."""

import io
import json

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq


def file_bytes(name: str, table: pa.Table) -> bytes:
    """``table`` as CSV, JSON lines or Parquet; the same table gives the same bytes.

    Raises:
        ValueError: the name ends in none of .csv, .jsonl, .parquet.
    """
    sink = io.BytesIO()
    if name.endswith(".csv"):
        plain = pa.table({column: _as_text(table[column]) for column in table.column_names})
        pa_csv.write_csv(plain, sink, pa_csv.WriteOptions(quoting_style="needed"))
    elif name.endswith(".jsonl"):
        for row in table.to_pylist():
            sink.write((json.dumps(row) + "\n").encode())
    elif name.endswith(".parquet"):
        pq.write_table(table, sink, compression="zstd", row_group_size=250_000)
    else:
        raise ValueError(f"an export file is .csv, .jsonl or .parquet, got {name!r}")
    return sink.getvalue()


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string()) if pa.types.is_decimal(column.type) else column
