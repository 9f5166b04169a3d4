"""What the canonical logs are, and what several rooms derive from them, declared once (Ibis, for DuckDB and Spark)."""
