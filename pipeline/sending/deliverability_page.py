"""The page on how mail arrives, a part of stage render_report; it also says what the built lists would do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from campaigns import deliverability, send_forecast
from events.sql import quoted
from pipeline.project import datasets, settings
from pipeline.project.known_events import open_events
from pipeline.project.progress import say
from reports.deliverability import DeliverabilityPage, render_deliverability


def run(s: settings.Settings, *, events_dir: Path, lists_dir: Path, output: Path, as_of: str) -> None:
    """Write the page as known at ``as_of``, with a forecast for every list below ``lists_dir`` that has recipients."""
    how = s.campaigns.deliverability
    db = open_events(s, events_dir, s.instant(as_of))
    facts = deliverability.measure(db, how)
    rates = send_forecast.learn(db, how)
    forecasts: dict[str, dict[str, Any]] = {}
    titles: dict[str, str] = {}
    for path in sorted(lists_dir.glob(f"*/{datasets.MANIFEST}")):
        manifest = datasets.read_json(path)
        if manifest.get("kind") != "message":
            continue
        rows = f"read_parquet({quoted(str(path.with_name(datasets.CANDIDATES)))})"
        forecast = send_forecast.forecast(db, f"(SELECT customer_id FROM {rows} WHERE \"group\" = 'treat')", rates, how)
        if forecast["recipients"]:
            name = str(manifest["list"])
            forecasts[name], titles[name] = forecast, str(manifest["title"])
    db.close()
    page = DeliverabilityPage(
        shop_name=s.shop.name,
        as_of=as_of,
        is_simulated=bool(s.demo),
        facts=facts,
        forecasts=forecasts,
        titles=titles,
    )
    datasets.write_text(render_deliverability(page), output)
    say(f"how mail arrives: {output}")
