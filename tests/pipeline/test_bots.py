"""What programs did on the web stays in the log and is seen by nobody who computes."""

from pathlib import Path

import pandas as pd

from pipeline.project import engine
from pipeline.project.settings import EngineSettings


def test_page_views_of_bots_are_left_out_of_the_event_tables(tmp_path: Path) -> None:
    folder = tmp_path / "web_events"
    folder.mkdir()
    pd.DataFrame({"event_id": ["a", "b", "c"], "bot": [False, True, False]}).to_parquet(folder / "2025-01.parquet")
    connection = engine.connect(EngineSettings(memory_limit="1GB", threads=1))
    tables = engine.event_tables(connection, tmp_path, ["web_events"])
    assert sorted(tables["web_events"].execute()["event_id"]) == ["a", "c"]


def test_logs_from_before_the_flag_are_taken_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "web_events"
    folder.mkdir()
    pd.DataFrame({"event_id": ["a"]}).to_parquet(folder / "2025-01.parquet")
    connection = engine.connect(EngineSettings(memory_limit="1GB", threads=1))
    assert len(engine.event_tables(connection, tmp_path, ["web_events"])["web_events"].execute()) == 1
