"""Stage (demo only): a simulated shop writes the logs a real one would export, and the truth beside them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import Progress

from pipeline.project import datasets, settings, stage
from pipeline.project.progress import say
from simulation import SimulatedShop, SimulationSettings, file_bytes, simulate


def run(s: SimulationSettings, progress: Callable[[float], None] = lambda _: None) -> SimulatedShop:
    """Simulate the shop and write its export and its truth."""
    shop = simulate(s, progress)
    with datasets.replace_folder(datasets.RAW_SIMULATED) as draft:
        for name, table in shop.files.items():
            (draft / name).write_bytes(file_bytes(name, table))
    with datasets.replace_file(datasets.TRUTH) as draft:
        pq.write_table(shop.truth, draft, compression="zstd")
    return shop


@contextmanager
def _bar(title: str) -> Iterator[Callable[[float], None]]:
    """A bar on standard error while a person watches; silence elsewhere."""
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as shown:
        task = shown.add_task(title, total=1.0)
        yield lambda done: shown.update(task, completed=done)


def main() -> None:
    """Simulate the shop of the section ``simulation``, whose days are those of ``shop.timezone``."""
    s = settings.load()
    shop_settings = s.simulation.model_copy(update={"timezone": s.shop.timezone})
    with _bar("simulating the shop") as progress:
        shop = run(shop_settings, progress)
    rows = sum(len(table) for table in shop.files.values())
    say(f"a shop of {s.simulation.customers:,} customers: {len(shop.files)} files, {rows:,} rows")


if __name__ == "__main__":
    stage.run(main)
