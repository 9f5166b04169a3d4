"""What several rooms derive from the canonical logs, declared once; Ibis, so that DuckDB and Spark read the same."""
