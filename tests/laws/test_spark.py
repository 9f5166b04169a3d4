"""Apache Spark gives the table that DuckDB gives: whole numbers equal, the others to nine digits."""

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features import MatrixBuilder, OwnLog, columns, eligible_at, label_at, purchase_history_at
from features.engines import fetch
from pipeline.project import engine
from pipeline.project.errors import ParamsError
from pipeline.project.settings import EngineSettings

from .worlds import CUTOFFS, SETTINGS, World, world

CALLS = OwnLog("calls", "Calls", "کالیں", "context")
WITHOUT = (
    "pyspark is not installed: run `make spark`"
    if find_spec("pyspark") is None
    else "there is no Java: install Java 17"
    if shutil.which("java") is None
    else ""
)
NEEDS_SPARK = pytest.mark.skipif(bool(WITHOUT), reason=WITHOUT)


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Event files of a small world in two parts each, and a log that the catalogue does not know."""
    folder = tmp_path_factory.mktemp("events")
    logs = dict(world(0).logs)
    logs["calls"] = logs["support_tickets"][["customer_id", "occurred_at", "loaded_at", "event_id"]]
    for name, frame in logs.items():
        (folder / name).mkdir()
        for part in range(2):
            frame.iloc[part::2].to_parquet(folder / name / f"2023-0{part + 1}.parquet", index=False)
    return folder


@pytest.fixture(scope="module")
def connections(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Both engines, as params.yaml names them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("project"))
        # Compiling Java for a few hundred rows takes longer than reading them.
        config = {
            "spark.sql.shuffle.partitions": "1",
            "spark.sql.codegen.wholeStage": "false",
            "spark.sql.codegen.factoryMode": "NO_CODEGEN",
            "spark.sql.adaptive.enabled": "false",
        }
        settings = EngineSettings(backend="spark", memory_limit="2GB", spark_master="local[2]", spark_config=config)
        yield {"spark": engine.connect(settings), "duckdb": engine.connect(EngineSettings())}


def matrices(connections: dict[str, Any], folder: Path, shop: World) -> dict[str, pd.DataFrame]:
    built = {}
    for name, connection in connections.items():
        tables = engine.event_tables(connection, folder, sorted(file.name for file in folder.iterdir()))
        builder = MatrixBuilder(tables, SETTINGS, connection, [CALLS])
        # The second cutoff reads rows that took the place of others.
        built[name] = pd.concat([builder.at(shop.customers, cutoff) for cutoff in CUTOFFS], ignore_index=True)
    return built


@NEEDS_SPARK
def test_spark_gives_the_table_of_duckdb(connections: dict[str, Any], events: Path) -> None:
    built = matrices(connections, events, world(0))
    spark, duckdb = built["spark"], built["duckdb"]
    assert list(spark.columns) == list(duckdb.columns)
    wanted = columns(SETTINGS.windows_days, [*world(0).logs, "calls"], [CALLS])
    assert len(wanted) == len(duckdb.columns) - 1
    far = []
    for column in wanted:
        ours, theirs = duckdb[column.name].to_numpy(), spark[column.name].to_numpy()
        is_whole = column.feature.unit in ("count", "points")
        if not np.allclose(ours, theirs, rtol=0 if is_whole else 1e-9, atol=0 if is_whole else 1e-12, equal_nan=True):
            far.append(column.name)
    assert far == []


@NEEDS_SPARK
def test_spark_finds_the_same_customers_eligible_and_gone(connections: dict[str, Any], events: Path) -> None:
    found = {}
    for name, connection in connections.items():
        orders = engine.event_tables(connection, events, ["orders"])["orders"]
        tables = eligible_at(orders, CUTOFFS[0], 365), label_at(orders, CUTOFFS[0], 7, 90)
        found[name] = [sorted(fetch(connection, table)["customer_id"]) for table in tables]
    assert all(found["duckdb"])
    assert found["spark"] == found["duckdb"]


@NEEDS_SPARK
def test_spark_counts_the_same_repeat_orders(connections: dict[str, Any], events: Path) -> None:
    found = {}
    for name, connection in connections.items():
        orders = engine.event_tables(connection, events, ["orders"])["orders"]
        history = fetch(connection, purchase_history_at(orders, CUTOFFS[0]))
        found[name] = sorted(history.astype({"customer_id": "str"}).itertuples(index=False, name=None))
    assert max(repeats for _, repeats, _, _ in found["duckdb"]) > 3
    assert found["spark"] == found["duckdb"]


@pytest.mark.parametrize(
    ("missing", "cure"), [("pyspark", "make spark"), ("java", "JAVA_HOME")], ids=["no pyspark", "no Java"]
)
def test_what_spark_needs_is_said(missing: str, cure: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    if missing == "pyspark":
        monkeypatch.setitem(__import__("sys").modules, "pyspark.sql", None)
    else:
        if find_spec("pyspark") is None:
            pytest.skip(WITHOUT)
        monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ParamsError, match=f"engine.backend: 'spark' needs .*{cure}"):
        engine.connect(EngineSettings.model_validate("spark"))
