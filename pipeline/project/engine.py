"""The engine behind one Ibis connection: DuckDB on one machine, Apache Spark beyond it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ibis

from pipeline.project import datasets
from pipeline.project.errors import ParamsError
from pipeline.project.settings import EngineSettings

_SPARK = {
    "spark.sql.session.timeZone": "UTC",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    # One answer a grain is small; more partitions only cost start-up on one machine. A cluster sets its own.
    "spark.sql.shuffle.partitions": "8",
}


def connect(settings: EngineSettings) -> Any:
    """A fresh connection; what does not fit into the memory limit spills to state/.

    Raises:
        ParamsError: Spark is asked for and cannot start here; the message says what is missing.
    """
    if settings.backend == "spark":
        return _spark(settings)
    return connect_embedded(settings)


def connect_embedded(settings: EngineSettings) -> Any:
    """A fresh connection to DuckDB in this process, whatever engine the features run on."""
    spill = datasets.private_folder(datasets.SPILL)
    return ibis.duckdb.connect(memory_limit=settings.memory_limit, threads=settings.threads, temp_directory=str(spill))


def _spark(settings: EngineSettings) -> Any:
    try:
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError:
        raise ParamsError(
            "engine.backend: 'spark' needs the Python package pyspark, which is not installed. Run `make spark`, "
            "or set duckdb."
        ) from None
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        raise ParamsError(
            "engine.backend: 'spark' needs Java 17 or newer, and there is no `java` on the PATH. Install it and set "
            "JAVA_HOME, or set duckdb."
        )
    here = {
        "spark.local.dir": str(datasets.private_folder(datasets.SPILL).resolve()),
        "spark.driver.memory": settings.memory_limit.removesuffix("B").lower(),
    }
    builder = SparkSession.builder.appName("wafa").master(settings.spark_master or f"local[{settings.threads}]")
    for key, value in (_SPARK | here | settings.spark_config).items():
        builder = builder.config(key, value)
    try:
        session = builder.getOrCreate()
    except (PySparkException, RuntimeError, OSError) as error:
        first = str(error).strip().partition("\n")[0]
        raise ParamsError(f"engine.spark_master: no Spark at {settings.spark_master!r} ({first}).") from None
    session.sparkContext.setLogLevel("ERROR")
    return ibis.pyspark.connect(session)


def event_tables(connection: Any, folder: Path, logs: Sequence[str]) -> dict[str, Any]:
    """The event tables of ``logs`` below ``folder``, read when asked; logs that the shop lacks are left out.

    What bots did on the web is left out, too: nobody may take a program for a customer.
    """
    tables: dict[str, Any] = {}
    for log in logs:
        files = [str(file) for file in datasets.event_files(folder, log)]
        if files and connection.name == "pyspark":
            absolute = [Path(file).resolve().as_uri() for file in files]
            connection._session.read.parquet(*absolute).createOrReplaceTempView(log)
            tables[log] = connection.table(log)
        elif files:
            tables[log] = connection.read_parquet(files, table_name=log)
        if log in tables and "bot" in tables[log].columns:
            tables[log] = tables[log].filter(~tables[log].bot)
    return tables
